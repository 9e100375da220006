"""Photos between the truth and a teacher's answer."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from sam_diffsr_cli.pictures.reading import read_levels
from sam_diffsr_cli.resize import downscale_uint8
from tests.workshop.tools import blend_teacher
from tests.workshop.tools.blend_teacher import SCALE, blend

LEVELS = np.random.default_rng(0).integers(0, 256, (26, 35, 3), np.uint8)


class _Repeat(nn.Module):
    """Every pixel of the twin four by four times."""

    def forward(self, small: Tensor) -> Tensor:
        return small.repeat_interleave(SCALE, dim=2).repeat_interleave(SCALE, dim=3)


def _twin(truth: np.ndarray) -> np.ndarray:
    image = torch.from_numpy(truth.astype(np.float64)).permute(2, 0, 1)[None]
    return downscale_uint8(image, SCALE)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("limit", [1.0, 255.0])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_blend_lies_between_the_truth_and_the_teachers_answer(share: float, limit: float) -> None:
    truth = LEVELS[:24, :32]
    answer = _twin(truth).repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    found = blend(LEVELS, _Repeat(), share, limit)
    expected = (1 - share) * truth + share * answer
    assert found.dtype == np.uint8
    assert found.shape == truth.shape
    assert np.abs(found - expected).max() <= 0.5 + 1e-3


def test_answers_beyond_black_and_white_are_cut_off() -> None:
    found = blend(LEVELS, lambda small: _Repeat()(small) * 0 + 300, 0.5, 255)
    assert np.array_equal(found, (LEVELS[:24, :32] / 2 + 127.5).round())


def test_what_is_written_mirrors_the_photos_and_is_not_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, out, teacher = tmp_path / "photos", tmp_path / "out", tmp_path / "teacher.pt2"
    for name in ("a.png", "b.png", "b.bmp", "more/a.png"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(LEVELS).save(photos / name)
    sides = {2: torch.export.Dim("h", min=2), 3: torch.export.Dim("w", min=2)}
    program = torch.export.export(_Repeat(), (torch.rand(1, 3, 8, 12),), dynamic_shapes=(sides,))
    torch.export.save(program, teacher)
    out.mkdir()
    (out / "a.png.png").write_bytes(b"there already")
    line = ["blend_teacher", str(photos), str(out), "--teacher", str(teacher), "--share", "0.5"]
    monkeypatch.setattr(sys, "argv", line)
    threads = torch.get_num_threads()
    try:
        blend_teacher.main()
    finally:
        torch.set_num_threads(threads)
    assert (out / "a.png.png").read_bytes() == b"there already"
    expected = blend(LEVELS, _Repeat(), 0.5, 255)
    written = ("b.bmp.png", "b.png.png", "more/a.png.png")
    assert all(np.array_equal(read_levels(out / name), expected) for name in written)
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert found == {"a.png.png", *written}
