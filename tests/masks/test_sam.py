"""The real Segment Anything, tiny and never trained, from a photo to records and the encoding."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from segment_anything.build_sam import _build_sam

from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.masks import sam
from sam_diffsr_cli.masks.encoding import read_encoding
from sam_diffsr_cli.masks.rle import decode_mask
from sam_diffsr_cli.masks.sam import SamOptions, SamSegmenter, load_sam
from sam_diffsr_cli.masks.store import find_mask_file, write_records
from tests.helpers import samsr

CPU = torch.device("cpu")
EVERYTHING = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "points_per_side": 2}
"""A model that was never trained is sure of nothing; its masks are kept all the same."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = _build_sam(
            encoder_embed_dim=16,
            encoder_depth=1,
            encoder_num_heads=1,
            encoder_global_attn_indexes=[],
        )
    path = tmp_path_factory.mktemp("sam") / "tiny.pth"
    torch.save(model.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def segmenter(checkpoint: Path) -> SamSegmenter:
    model, digest = load_sam(checkpoint, "custom", CPU)
    options = SamOptions(**EVERYTHING)  # type: ignore[arg-type]  # numbers of two kinds
    return SamSegmenter(model=model, sam_type="custom", digest=digest, options=options)


def photo(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    disc = np.hypot(y - height / 2, x - width / 2) < min(height, width) / 3
    pixels = np.stack([200 * disc, 255 * x / width, 255 * y / height], axis=-1)
    return pixels.astype(np.uint8)


@pytest.mark.slow
def test_records_have_the_layout_of_sams_own_tool(segmenter: SamSegmenter) -> None:
    records = segmenter.segment(photo(48, 64))
    assert records
    keys = [
        "area",
        "bbox",
        "crop_box",
        "point_coords",
        "predicted_iou",
        "segmentation",
        "stability_score",
    ]
    for record in records:
        assert sorted(record) == keys
        assert record["segmentation"]["size"] == [48, 64]
        assert isinstance(record["segmentation"]["counts"], str)
        mask = decode_mask(record["segmentation"])
        assert mask.sum() == record["area"]
        json.dumps(record)


@pytest.mark.slow
def test_masks_are_those_that_sam_gives(segmenter: SamSegmenter) -> None:
    """The same generator asked for plain masks."""
    from segment_anything import SamAutomaticMaskGenerator

    pixels = photo(40, 52)
    plain = SamAutomaticMaskGenerator(segmenter.model, points_per_batch=64, **EVERYTHING)
    expected = [record["segmentation"] for record in plain.generate(pixels)]
    found = [decode_mask(record["segmentation"]) for record in segmenter.segment(pixels)]
    assert len(found) == len(expected)
    for mask, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mask, other)


def test_from_photo_to_encoding(segmenter: SamSegmenter, tmp_path: Path) -> None:
    Image.fromarray(photo(40, 60)).save(tmp_path / "a.png")
    write_records(tmp_path / "a.json", segmenter.segment(photo(40, 60)))
    path = find_mask_file(tmp_path / "a.png", tmp_path, tmp_path)
    assert path is not None
    encoding = read_encoding(path, tmp_path, (40, 60), "region")
    assert encoding.shape == (40, 60)
    assert bool((encoding != 0).any())


@pytest.mark.slow
def test_a_large_photo_is_segmented_smaller_and_its_masks_enlarged(
    segmenter: SamSegmenter,
) -> None:
    options = SamOptions(max_side=32, **EVERYTHING)  # type: ignore[arg-type]
    shrinking = SamSegmenter(
        model=segmenter.model, sam_type="custom", digest=segmenter.digest, options=options
    )
    for record in shrinking.segment(photo(96, 64)):
        mask = decode_mask(record["segmentation"])
        assert mask.shape == (96, 64)
        assert mask.sum() == record["area"]
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        left, top, width, height = record["bbox"]
        # The box is of whole small pixels, 3 of the photo's each.
        assert abs(top - rows[0]) <= 3
        assert abs(left - columns[0]) <= 3
        assert abs(top + height - rows[-1]) <= 4
        assert abs(left + width - columns[-1]) <= 4


@pytest.mark.slow
def test_points_at_a_time_follow_the_size_of_the_photo(
    segmenter: SamSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sam, "PIXELS_AT_ONCE", 3 * 40 * 40)
    few = segmenter.segment(photo(40, 40))
    monkeypatch.undo()
    many = segmenter.segment(photo(40, 40))
    assert [r["segmentation"] for r in few] == [r["segmentation"] for r in many]


def test_points_reach_the_device_in_single_precision(
    segmenter: SamSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segment_anything import SamPredictor

    seen: list[torch.dtype] = []
    real = SamPredictor.predict_torch

    def watch(self: Any, points: torch.Tensor, *rest: Any, **named: Any) -> Any:
        seen.append(points.dtype)
        return real(self, points, *rest, **named)

    monkeypatch.setattr(SamPredictor, "predict_torch", watch)
    segmenter.segment(photo(24, 24))
    assert set(seen) == {torch.float32}


@pytest.mark.slow
def test_the_command_takes_a_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(photo(32, 44)).save(tmp_path / "in" / "a.png")
    out = tmp_path / "out"
    options = [f"--{name.replace('_', '-')}={value}" for name, value in EVERYTHING.items()]
    code, _, stderr = samsr(
        *("masks", "build", "--data", tmp_path / "in", "--out", out, "--device", "cpu"),
        *("--sam", "custom", "--checkpoint", checkpoint, *options),
    )
    assert code == 0, stderr
    records = json.loads((out / "a.json").read_text())
    assert records
    made_by = json.loads((out / "manifest.json").read_text())["made_by"]
    assert made_by["sam"] == "custom"
    assert made_by["points_per_side"] == 2
    assert len(made_by["checkpoint_sha256"]) == 64


# ---------------------------------------------------------------------------------- bad files


def test_a_checkpoint_of_another_type_is_refused_with_its_name(checkpoint: Path) -> None:
    with pytest.raises(WeightsError, match="holds a custom one, not vit_b") as caught:
        load_sam(checkpoint, "vit_b", CPU)
    assert caught.value.hint == "--sam custom"


def test_the_type_of_a_published_size_is_told(tmp_path: Path) -> None:
    """Only the tensors that are looked at, of ViT-B's shapes."""
    state: dict[str, torch.Tensor] = {"image_encoder.pos_embed": torch.zeros(1, 64, 64, 768)}
    for index in range(12):
        places = 127 if index in (2, 5, 8, 11) else 27
        state[f"image_encoder.blocks.{index}.attn.rel_pos_h"] = torch.zeros(places, 64)
    torch.save(state, tmp_path / "b.pth")
    with pytest.raises(WeightsError, match="holds vit_b, not vit_h") as caught:
        load_sam(tmp_path / "b.pth", "vit_h", CPU)
    assert caught.value.hint == "--sam vit_b"
    with pytest.raises(WeightsError, match="does not fit vit_b"):
        load_sam(tmp_path / "b.pth", "vit_b", CPU)


class _Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("kind", ["text", "empty", "other tensors", "a list", "code", "missing"])
def test_what_is_no_checkpoint_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pth"
    if kind in {"text", "empty"}:
        path.write_text("no tensors" if kind == "text" else "")
    elif kind == "code":
        path.write_bytes(pickle.dumps(_Hostile(), protocol=2))
    elif kind != "missing":
        torch.save([1, 2] if kind == "a list" else {"weight": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match=r"x\.pth"):
        load_sam(path, "vit_h", CPU)
    assert not Path("executed").exists()
