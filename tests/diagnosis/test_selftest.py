"""The self-test passes where all is well, and tells each way in which a device can fail."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from sam_diffsr_cli.checkpoints import registry
from sam_diffsr_cli.diagnosis.records import Device
from sam_diffsr_cli.diagnosis.selftest import check_result, draw_picture, run_selftests
from sam_diffsr_cli.errors import ResourceError
from sam_diffsr_cli.upscaling import frames
from sam_diffsr_cli.upscaling.frames import UpscaleRun

CPU = Device(name="cpu", title="a processor", precision="fp32", free=None, total=None)
SECOND = Device(name="cpu:0", title="the same, by another name", precision="fp32", free=0, total=0)
SIZE = (96, 128, 3)


def bicubic() -> np.ndarray:
    larger = Image.fromarray(draw_picture()).resize((128, 96), Image.Resampling.BICUBIC)
    return np.asarray(larger)


def answer_with(monkeypatch: pytest.MonkeyPatch, *results: np.ndarray | Exception) -> None:
    """Replace what is computed by ``results``, one after the other."""
    waiting = list(results)

    def enlarge_frame(_run: UpscaleRun, _pixels: np.ndarray) -> np.ndarray:
        result = waiting.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(frames, "enlarge_frame", enlarge_frame)


def test_the_picture_is_small_and_has_edges_in_every_channel() -> None:
    picture = draw_picture()
    assert picture.shape == (24, 32, 3)
    assert picture.dtype == np.uint8
    assert (np.ptp(picture, axis=(0, 1)) > 100).all()


def test_the_cpu_passes_and_is_close_to_bicubic_without_being_it() -> None:
    (test,) = run_selftests([CPU])
    assert (test.error, test.exit_code, test.from_cpu) == (None, 0, None)
    assert test.from_bicubic is not None
    assert 0.5 < test.from_bicubic < 8
    assert test.seconds is not None
    assert 0 < test.seconds < 60


def test_a_device_that_computes_the_same_is_zero_levels_from_the_cpu() -> None:
    _, test = run_selftests([CPU, SECOND])
    assert (test.error, test.from_cpu) == (None, 0)


def test_the_distance_from_the_cpu_is_the_largest_of_any_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = bicubic().copy()
    other[40, 50, 1] -= 3
    answer_with(monkeypatch, bicubic(), other)
    _, test = run_selftests([CPU, SECOND])
    assert (test.error, test.from_cpu) == (None, 3)


def test_a_device_far_from_the_cpu_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    other = bicubic().copy()
    other[40, 50, 1] ^= 64
    answer_with(monkeypatch, bicubic(), other)
    _, test = run_selftests([CPU, SECOND])
    assert "64 levels from what the CPU computes" in (test.error or "")
    assert test.exit_code == 4


@pytest.mark.parametrize(
    "result",
    [
        np.zeros(SIZE, np.uint8),
        np.full(SIZE, 128, np.uint8),
        np.random.default_rng(0).integers(0, 256, SIZE, dtype=np.uint8),
    ],
    ids=["black", "gray", "noise"],
)
def test_a_result_that_is_not_the_picture_fails(
    monkeypatch: pytest.MonkeyPatch, result: np.ndarray
) -> None:
    answer_with(monkeypatch, result)
    (test,) = run_selftests([CPU])
    assert "from bicubic" in (test.error or "")


def test_a_result_of_the_wrong_size_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, bicubic()[:, :-1])
    (test,) = run_selftests([CPU])
    assert "wrong size" in (test.error or "")


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (ResourceError("out of memory"), "out of memory", 5),
        (torch.OutOfMemoryError("CUDA"), "out of memory", 5),
        (RuntimeError("no kernel image\nis available"), "RuntimeError: no kernel image", 4),
    ],
    ids=["ours", "torch", "a-crash"],
)
def test_what_a_device_raises_is_told_with_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, error: Exception, text: str, code: int
) -> None:
    answer_with(monkeypatch, error)
    (test,) = run_selftests([CPU])
    assert (test.error, test.exit_code) == (text, code)


def test_after_a_failure_the_next_device_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, RuntimeError("broken"), bicubic())
    first, second = run_selftests([CPU, SECOND])
    assert first.error is not None
    assert (second.error, second.from_cpu) == (None, None)


def test_a_damaged_model_fails_with_the_code_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.DIGESTS, registry.DEFAULT_MODEL, "0" * 64)
    (test,) = run_selftests([CPU])
    assert "damaged" in (test.error or "")
    assert test.exit_code == 4


def test_a_library_that_is_missing_fails_the_test_and_not_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sam_diffsr_cli.upscaling.frames", None)
    (test,) = run_selftests([CPU])
    assert "ModuleNotFoundError" in (test.error or "")


def test_a_device_that_is_not_there_fails() -> None:
    gone = Device(name="cuda:99", title="none", precision="fp32", free=None, total=None)
    (test,) = run_selftests([gone])
    assert test.error is not None


@pytest.mark.parametrize(
    ("from_bicubic", "from_cpu"), [(4.0, None), (12.0, 4), (0.0, 0)], ids=["cpu", "limits", "equal"]
)
def test_a_plausible_result_is_accepted(from_bicubic: float, from_cpu: int | None) -> None:
    assert check_result(SIZE, from_bicubic, from_cpu) is None
