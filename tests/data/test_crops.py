"""Crops are aligned: picture, its shrunk twin and its encoding show the same place."""

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor

from sam_diffsr_cli import resize
from sam_diffsr_cli.data.crops import Batch, TrainingPhoto, crop_side, draw_batch, orient
from sam_diffsr_cli.errors import InputError

ROW = 1000
"""The encoding of a marked photo is ``ROW * y + x``; its red is y, its green x, its blue noise."""


def marked_photo(height: int, width: int, name: str = "marked") -> TrainingPhoto:
    """Every pixel says where it is, in the picture and in the encoding."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    blue = torch.randint(256, (height, width), generator=torch.Generator().manual_seed(7))
    pixels = torch.stack([y, x, blue]).to(torch.uint8)
    return TrainingPhoto(name, pixels, (ROW * y + x)[None].to(torch.float32))


def draw(
    photos: list[TrainingPhoto], *, batch: int, patch: int, scale: int = 4, seed: int = 0
) -> Batch:
    return draw_batch(photos, batch, patch, scale, torch.Generator().manual_seed(seed))


def to_levels(image: Tensor) -> Tensor:
    return ((image.double() + 1) * 127.5).round()


def flip_rows(image: Tensor) -> Tensor:
    return image.flip(-2)


def flip_columns(image: Tensor) -> Tensor:
    return image.flip(-1)


def transpose(image: Tensor) -> Tensor:
    return image.transpose(-1, -2)


SYMMETRIES: list[list[Callable[[Tensor], Tensor]]] = [
    [
        step
        for step, is_used in zip((flip_rows, flip_columns, transpose), used, strict=True)
        if is_used
    ]
    for used in product((False, True), repeat=3)
]
"""The 8 symmetries of a square, made without the code under test."""


def apply(steps: list[Callable[[Tensor], Tensor]], image: Tensor) -> Tensor:
    for step in steps:
        image = step(image)
    return image


def find_crop(crop: Tensor, whole: Tensor) -> tuple[Tensor, int, int]:
    """Return the photo turned as the crop is, and the crop's place in it."""
    size = crop.shape[-1]
    for steps in SYMMETRIES:
        turned = apply(steps, whole)
        at = (turned[:2] == crop[:2, :1, :1]).all(dim=0).nonzero()
        for top, left in at.tolist():
            window = turned[:, top : top + size, left : left + size]
            if window.shape == crop.shape and bool((window == crop).all()):
                return turned, top, left
    raise AssertionError("the crop is not a part of the photo in any orientation")


# ---------------------------------------------------------------------------------- alignment


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lr_is_the_same_place_of_the_whole_photo_shrunk(scale: int) -> None:
    photo, patch = marked_photo(61, 83), 12
    batch = draw([photo], batch=60, patch=patch, scale=scale)
    for hr, lr in zip(to_levels(batch.hr), to_levels(batch.lr), strict=True):
        turned, top, left = find_crop(hr, photo.pixels.double())
        # A crop may begin between two pixels of the small grid, so that the grid starts there.
        whole = turned[None, :, top % scale :, left % scale :]
        small = resize.downscale_uint8(whole, scale)[0]
        y, x, side = top // scale, left // scale, patch // scale
        assert torch.equal(lr, small[:, y : y + side, x : x + side])


def test_encoding_lies_on_its_pixels_after_crop_flip_and_turn() -> None:
    batch = draw([marked_photo(70, 90)], batch=64, patch=16)
    red, green, _ = to_levels(batch.hr).unbind(dim=1)
    torch.testing.assert_close(
        batch.spe[:, 0].double(), ROW * red + green, rtol=0, atol=0, check_dtype=False
    )


def test_encoding_is_that_of_the_photo_drawn() -> None:
    plain = TrainingPhoto("plain", torch.full((3, 40, 40), 255, dtype=torch.uint8))
    batch = draw([marked_photo(40, 40), plain], batch=32, patch=8)
    is_plain = (batch.hr == 1).flatten(1).all(dim=1)
    assert 0 < int(is_plain.sum()) < len(is_plain)
    assert bool((batch.spe[is_plain] == 0).all())
    assert bool((batch.spe[~is_plain] != 0).flatten(1).any(dim=1).all())


@pytest.mark.parametrize(("patch", "scale"), [(16, 4), (12, 3), (10, 2)], ids=str)
def test_shapes_and_formats_of_a_batch(patch: int, scale: int) -> None:
    batch = draw([marked_photo(50, 60)], batch=3, patch=patch, scale=scale)
    assert batch.hr.shape == (3, 3, patch, patch)
    assert batch.lr.shape == (3, 3, patch // scale, patch // scale)
    assert batch.spe.shape == (3, 1, patch, patch)
    assert {t.dtype for t in (batch.hr, batch.lr, batch.spe)} == {torch.float32}


def test_black_and_white_become_minus_one_and_one() -> None:
    pixels = torch.zeros(3, 40, 40, dtype=torch.uint8)
    pixels[1] = 255
    batch = draw([TrainingPhoto("a", pixels)], batch=2, patch=8)
    for image in (batch.hr, batch.lr):
        assert image.amin(dim=(0, 2, 3)).tolist() == [-1, 1, -1]
        assert image.amax(dim=(0, 2, 3)).tolist() == [-1, 1, -1]


# --------------------------------------------------------------------------------- randomness


def test_every_orientation_is_drawn() -> None:
    photo = marked_photo(32, 32)
    crops = to_levels(draw([photo], batch=200, patch=8).hr)
    # The steps of red and green along the first row and column tell the orientation.
    seen = {
        (*(crop[:2, 0, 1] - crop[:2, 0, 0]).tolist(), *(crop[:2, 1, 0] - crop[:2, 0, 0]).tolist())
        for crop in crops
    }
    assert len(seen) == 8


def test_crops_reach_every_border_and_never_leave_the_photo() -> None:
    patch, scale = 8, 2
    margin = (crop_side(patch, scale) - patch) // 2
    photo = marked_photo(20, 22)
    levels = to_levels(draw([photo], batch=500, patch=patch, scale=scale).hr)
    for channel, length in ((0, 20), (1, 22)):
        assert int(levels[:, channel].min()) == margin
        assert int(levels[:, channel].max()) == length - margin - 1


def test_a_photo_of_exactly_one_crop_serves() -> None:
    side = crop_side(16, 4)
    batch = draw([marked_photo(side, side)], batch=4, patch=16)
    assert batch.hr.shape == (4, 3, 16, 16)


def test_same_seed_gives_the_same_batch() -> None:
    photos = [marked_photo(50, 60), marked_photo(80, 45)]
    first, second = (draw(photos, batch=5, patch=16, seed=3) for _ in range(2))
    assert torch.equal(first.hr, second.hr)
    assert torch.equal(first.lr, second.lr)
    assert torch.equal(first.spe, second.spe)


def test_other_seed_gives_another_batch() -> None:
    photos = [marked_photo(80, 80)]
    first, second = (draw(photos, batch=4, patch=16, seed=seed) for seed in (1, 2))
    assert not torch.equal(first.hr, second.hr)


def test_a_photo_is_drawn_in_proportion_to_its_area() -> None:
    small = TrainingPhoto("small", torch.zeros(3, 30, 40, dtype=torch.uint8))
    large = TrainingPhoto("large", torch.full((3, 60, 60), 255, dtype=torch.uint8))
    batch = draw([small, large], batch=4000, patch=8, scale=2)
    share = float((batch.hr[:, 0, 0, 0] > 0).double().mean())
    assert share == pytest.approx(3600 / 4800, abs=0.03)  # four standard deviations


def test_photos_are_not_changed() -> None:
    photo, again = marked_photo(50, 50), marked_photo(50, 50)
    draw([photo], batch=8, patch=16)
    assert torch.equal(photo.pixels, again.pixels)
    assert photo.spe is not None
    assert again.spe is not None
    assert torch.equal(photo.spe, again.spe)


# ------------------------------------------------------------------------------------- orient


def test_orient_gives_eight_distinct_pictures() -> None:
    image = torch.arange(9).reshape(1, 3, 3)
    turned = {tuple(orient(image, k).flatten().tolist()) for k in range(8)}
    assert len(turned) == 8


def test_orient_gives_the_symmetries_of_the_square() -> None:
    image = torch.arange(9).reshape(1, 3, 3)
    turned = {tuple(orient(image, k).flatten().tolist()) for k in range(8)}
    assert turned == {tuple(apply(steps, image).flatten().tolist()) for steps in SYMMETRIES}


def test_first_orientation_is_the_picture_itself() -> None:
    image = torch.arange(18).reshape(2, 3, 3)
    assert torch.equal(orient(image, 0), image)


# ------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(("patch", "scale"), [(17, 4), (16, 3), (31, 2)], ids=str)
def test_patch_that_is_no_multiple_of_the_scale_is_refused(patch: int, scale: int) -> None:
    with pytest.raises(InputError, match=f"{patch} pixel crops for x{scale}"):
        draw([marked_photo(80, 80)], batch=1, patch=patch, scale=scale)


def test_no_photos_are_refused() -> None:
    with pytest.raises(InputError, match="0 photos"):
        draw([], batch=1, patch=16)
