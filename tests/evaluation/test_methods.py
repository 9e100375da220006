"""Ways to enlarge: each is what its name says."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sam_diffsr_cli import resize
from sam_diffsr_cli.errors import ConfigError, InputError, ShapeError
from sam_diffsr_cli.evaluation.methods import make_method
from sam_diffsr_cli.evaluation.perceptual import make_lpips
from sam_diffsr_cli.evaluation.sets import Case, Truth
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from tests.helpers import NINES, TINY

TRUTH = Truth(Path("a.png"), "a.png", "a.png", ())


@pytest.fixture
def upscaler() -> Upscaler:
    model = build_model(TINY, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return Upscaler(model=model.eval(), device=torch.device("cpu"))


@pytest.fixture
def case() -> Case:
    hr = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    lr = np.random.default_rng(1).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    return Case(hr, lr, lr)


def test_bicubic_is_matlabs(upscaler: Upscaler, case: Case) -> None:
    levels = torch.from_numpy(case.lr).permute(2, 0, 1)[None].double()
    expected = resize.upscale_uint8(levels, 4)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(make_method("bicubic", upscaler).enlarge(case, TRUTH, 0), expected)


def test_lanczos_is_pillows(upscaler: Upscaler, case: Case) -> None:
    expected = Image.fromarray(case.lr).resize((40, 32), Image.Resampling.LANCZOS)
    found = make_method("lanczos", upscaler).enlarge(case, TRUTH, 0)
    assert np.array_equal(found, np.asarray(expected))


@pytest.mark.parametrize(("text", "steps"), [("default", 2), ("steps:0", 0), ("steps:5", 5)])
def test_the_model_runs_its_steps_with_the_seed(
    upscaler: Upscaler, case: Case, text: str, steps: int
) -> None:
    method = make_method(text, upscaler)
    sampling = SamplingConfig(steps=steps, seed=7)
    expected = enlarge_frame(UpscaleRun(upscaler=upscaler, sampling=sampling, scale=4), case.lr)
    assert np.array_equal(method.enlarge(case, TRUTH, 7), expected)
    assert (method.steps, method.is_random) == (steps, steps > 0)
    assert np.array_equal(method.enlarge(case, TRUTH, 8), expected) == (steps == 0)


def test_finished_results_are_read_and_cropped(
    upscaler: Upscaler, case: Case, tmp_path: Path
) -> None:
    larger = np.random.default_rng(2).integers(0, 256, (35, 42, 3), dtype=np.uint8)
    Image.fromarray(larger).save(tmp_path / "a_x4.png")
    found = make_method(f"mine={tmp_path}", upscaler)
    assert found.name == "mine"
    assert np.array_equal(found.enlarge(case, TRUTH, 0), larger[:32, :40])
    assert make_method(str(tmp_path), upscaler).name == tmp_path.name


@pytest.mark.parametrize("size", [(31, 40), (32, 80)], ids=["smaller", "larger"])
def test_results_of_another_size_are_refused(
    upscaler: Upscaler, case: Case, tmp_path: Path, size: tuple[int, int]
) -> None:
    Image.new("RGB", size[::-1]).save(tmp_path / "a.png")
    with pytest.raises(ShapeError, match=f"{size[1]}x{size[0]} does not fit the truth's 40x32"):
        make_method(str(tmp_path), upscaler).enlarge(case, TRUTH, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps:11", "at most 10"),
        ("steps:x", "unknown"),
        (f"steps:{NINES}", "unknown"),
        ("nearest", "unknown"),
    ],
)
def test_what_is_no_method_is_refused(upscaler: Upscaler, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_method(text, upscaler)


# ---------------------------------------------------------------------------------------- LPIPS


def test_lpips_without_its_backbone_says_where_to_put_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match="squeeze: its backbone is not there") as caught:
        make_lpips("squeeze", torch.device("cpu"))
    assert "TORCH_HOME" in (caught.value.hint or "")


def test_a_picture_too_small_for_the_backbone_is_refused_by_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lpips = pytest.importorskip("lpips")
    untrained = functools.partial(lpips.LPIPS, pretrained=False, pnet_rand=True)
    monkeypatch.setattr(lpips, "LPIPS", untrained)
    distance = make_lpips("squeeze", torch.device("cpu"))
    fits = np.zeros((17, 17, 3), dtype=np.uint8)
    assert distance(fits, fits) == 0.0
    with pytest.raises(ShapeError, match="17x16 are too small for --lpips squeeze"):
        distance(fits[1:], fits[1:])


@pytest.mark.parametrize("name", ["..", "a/b"])
def test_a_name_that_leaves_the_folder_of_results_is_refused(
    upscaler: Upscaler, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match="cannot be the name of a folder"):
        make_method(f"{name}={tmp_path}", upscaler)


def test_a_folder_with_an_equals_sign_is_itself(upscaler: Upscaler, tmp_path: Path) -> None:
    (tmp_path / "lr=0.1").mkdir()
    assert make_method(str(tmp_path / "lr=0.1"), upscaler).name == "lr=0.1"
