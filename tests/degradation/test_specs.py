"""Degradations by name: reproducible to the byte, and made by the codec that they name."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from sam_diffsr_cli import resize
from sam_diffsr_cli.degradation.kernels import gaussian_kernel
from sam_diffsr_cli.degradation.specs import (
    PHOTO_BLUR,
    PHOTO_NOISE,
    PHOTO_QUALITY,
    SHIFT,
    degrade_picture,
    parse_degradation,
)
from sam_diffsr_cli.device import derive_seed
from sam_diffsr_cli.errors import InputError

HR = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


def shrunk() -> np.ndarray:
    levels = torch.from_numpy(HR.copy()).permute(2, 0, 1)[None].double()
    lr = resize.downscale_uint8(levels, 4)[0].permute(1, 2, 0).to(torch.uint8)
    return np.ascontiguousarray(lr.numpy())


def pillow_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=2)
    return np.asarray(Image.open(buffer))


def test_jpeg_is_pillows_of_the_shrunk_picture() -> None:
    found = degrade_picture(HR, 4, parse_degradation("jpeg:75"), "a.png")
    assert np.array_equal(found, pillow_jpeg(shrunk(), 75))


def test_twice_is_a_shifted_grid_and_then_an_even_one() -> None:
    rows, columns = SHIFT
    padded = np.pad(shrunk(), ((rows, 0), (columns, 0), (0, 0)), mode="edge")
    first = np.ascontiguousarray(pillow_jpeg(padded, 30)[rows:, columns:])
    found = degrade_picture(HR, 4, parse_degradation("jpeg:30,75"), "a.png")
    assert np.array_equal(found, pillow_jpeg(first, 75))


def test_noise_has_its_strength() -> None:
    flat = np.full((512, 512, 3), 128, np.uint8)
    found = degrade_picture(flat, 4, parse_degradation("noise:10"), "a.png")
    assert float((found.astype(float) - 128).std()) == pytest.approx(10, rel=0.03)


@pytest.mark.parametrize("text", ["jpeg:75", "jpeg:30,75", "noise:10", "noise:2.5", "photo"])
def test_the_same_name_and_seed_give_the_same_bytes(text: str) -> None:
    def made(name: str, seed: int = 0) -> bytes:
        return degrade_picture(HR, 4, parse_degradation(text, seed), name).tobytes()

    assert made("a.png") == made("a.png")
    is_drawn = not text.startswith("jpeg")
    assert (made("a.png") != made("b.png")) is is_drawn
    assert (made("a.png") != made("a.png", seed=1)) is is_drawn


@pytest.mark.parametrize("text", ["jpeg:75", "jpeg:30,75", "noise:2.5", "photo"])
def test_the_sentence_tells_the_numbers(text: str) -> None:
    sentence = parse_degradation(text, seed=7).sentence
    for part in text.partition(":")[2].split(","):
        assert part in sentence
    assert ("seed 7" in sentence) is not text.startswith("jpeg")


@pytest.mark.parametrize(
    "text", ["", "jpeg", "jpeg:", "jpeg:0", "jpeg:101", "jpeg:75,", "noise:-1", "photos", "webp:5"]
)
def test_what_names_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--degrade"):
        parse_degradation(text)


def test_photo_is_what_its_sentence_says_with_no_level_rounded_the_other_way() -> None:
    rng = np.random.default_rng(derive_seed(0, "degrade", "a.png"))
    kernel = gaussian_kernel(rng.uniform(*PHOTO_BLUR)).double()
    reach = len(kernel) // 2
    padded = np.pad(HR.astype(float), ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    planes = torch.from_numpy(padded).permute(2, 0, 1)[:, None]
    blurred = torch.nn.functional.conv2d(planes, kernel[None, None]).round()[:, 0][None]
    lr = resize.downscale_uint8(blurred, 4)
    sigma = rng.uniform(*PHOTO_NOISE)
    noise = torch.from_numpy(rng.standard_normal(tuple(lr.shape), dtype=np.float32))
    noisy = (lr.float() + sigma * noise).clamp(0, 255).round().to(torch.uint8)[0]
    quality = int(rng.integers(PHOTO_QUALITY[0], PHOTO_QUALITY[1] + 1))
    pixels = np.ascontiguousarray(noisy.permute(1, 2, 0).numpy())
    found = degrade_picture(HR, 4, parse_degradation("photo"), "a.png")
    assert np.array_equal(found, pillow_jpeg(pixels, quality))
