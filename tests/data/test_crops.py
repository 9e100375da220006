"""Crops are aligned: picture, its shrunk twin and its encoding show the same place."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sam_diffsr_cli import resize
from sam_diffsr_cli.data.crops import (
    Batch,
    Crop,
    CropPlan,
    Regions,
    TrainingPhoto,
    crop_side,
    cut,
    orient,
)
from sam_diffsr_cli.errors import InputError

ROW = 1000
"""The encoding of a marked photo is ``ROW * y + x``; its red is y, its green x, its blue noise."""


def marked_photo(height: int, width: int, name: str = "marked") -> TrainingPhoto:
    """Every pixel says where it is, in the picture and in the encoding."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    blue = torch.randint(256, (height, width), generator=torch.Generator().manual_seed(7))
    pixels = torch.stack([y, x, blue]).to(torch.uint8)
    labels = torch.arange(height * width, dtype=torch.int32).reshape(1, height, width)
    return TrainingPhoto(name, pixels, Regions(labels, (ROW * y + x).flatten().float()))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plan_for(photos: list[TrainingPhoto], patch: int, scale: int = 4) -> CropPlan:
    sizes = [(photo.pixels.shape[1], photo.pixels.shape[2]) for photo in photos]
    return CropPlan(sizes, patch, scale)


def draw(
    photos: list[TrainingPhoto], *, batch: int, patch: int, scale: int = 4, seed: int = 0
) -> Batch:
    plan = plan_for(photos, patch, scale)
    return cut(photos, plan.draw(batch, generator(seed)), plan)


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


REGIONS = 7


def random_labels(height: int, width: int) -> Tensor:
    return torch.randint(REGIONS, (1, height, width), generator=generator(1))


@pytest.mark.parametrize("kind", [torch.uint8, torch.int32], ids=str)
def test_labels_give_the_crops_of_the_encoding_they_stand_for(kind: torch.dtype) -> None:
    labels = random_labels(50, 61)
    values = torch.randn(REGIONS, generator=generator(2))
    encoding = values[labels]
    regions = Regions(labels.to(kind), values)
    photo = replace(marked_photo(50, 61), regions=regions)
    plan = plan_for([photo], 16)
    crops = plan.draw(40, generator())
    margin = (plan.side - plan.patch) // 2
    inner = slice(margin, margin + plan.patch)
    expected = [
        orient(encoding[:, top : top + plan.side, left : left + plan.side], turn)[:, inner, inner]
        for _, top, left, turn in crops
    ]
    assert torch.equal(cut([photo], crops, plan_for([photo], 16)).spe, torch.stack(expected))


def test_a_crop_is_cut_where_it_says() -> None:
    photo = marked_photo(40, 50)
    batch = cut([photo], [Crop(0, 3, 5, 0)], plan_for([photo], 16))
    margin = (crop_side(16, 4) - 16) // 2
    rows, columns = slice(3 + margin, 19 + margin), slice(5 + margin, 21 + margin)
    assert torch.equal(to_levels(batch.hr)[0], photo.pixels[:, rows, columns].double())


def test_a_crop_comes_from_the_photo_it_says() -> None:
    photos = [
        TrainingPhoto(str(level), torch.full((3, 40, 40), level, dtype=torch.uint8))
        for level in range(4)
    ]
    batch = cut(photos, [Crop(number, 0, 0, 0) for number in (2, 0, 3, 2)], plan_for(photos, 8))
    assert to_levels(batch.hr)[:, 0, 0, 0].tolist() == [2, 0, 3, 2]


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


sides = st.integers(crop_side(8, 2), 60)


@settings(deadline=None)
@given(
    sizes=st.lists(st.tuples(sides, sides), min_size=1, max_size=6), seed=st.integers(0, 2**63 - 1)
)
def test_every_crop_lies_within_its_photo(sizes: list[tuple[int, int]], seed: int) -> None:
    plan = CropPlan(sizes, 8, 2)
    for photo, top, left, turn in plan.draw(50, generator(seed)):
        height, width = sizes[photo]
        assert 0 <= top <= height - plan.side
        assert 0 <= left <= width - plan.side
        assert 0 <= turn < 8


def test_the_same_generator_gives_the_same_crops() -> None:
    sizes = [(50, 60), (80, 45), (200, 40)]
    first, second = (CropPlan(sizes, 16, 4).draw(64, generator(3)) for _ in range(2))
    assert first == second
    assert first != CropPlan(sizes, 16, 4).draw(64, generator(4))


def test_drawing_on_gives_other_crops() -> None:
    plan, on = CropPlan([(500, 500)], 16, 4), generator()
    assert plan.draw(8, on) != plan.draw(8, on)


def test_without_augmentation_the_same_places_are_drawn_and_nothing_is_turned() -> None:
    sizes = [(50, 60), (80, 45)]
    turned = CropPlan(sizes, 16, 4).draw(64, generator())
    upright = CropPlan(sizes, 16, 4, augment=False).draw(64, generator())
    assert upright == [crop._replace(orientation=0) for crop in turned]


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


DRAWN = 40_000


def chi_square(found: list[int], shares: list[float]) -> float:
    """Pearson's distance of counts from the shares they should have."""
    whole = sum(found)
    expected = [share * whole / sum(shares) for share in shares]
    return sum((f - e) ** 2 / e for f, e in zip(found, expected, strict=True))


def test_a_photo_is_drawn_in_proportion_to_its_area() -> None:
    sizes = [(30, 40), (60, 60), (24, 24), (500, 30), (100, 100), (25, 200)]
    crops = CropPlan(sizes, 8, 2).draw(DRAWN, generator())
    counts = Counter(crop.photo for crop in crops)
    found = [counts[number] for number in range(len(sizes))]
    # Of 5 degrees of freedom one draw in a million is farther off.
    assert chi_square(found, [height * width for height, width in sizes]) < 35.9


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["top", "left", "orientation"])
def test_places_and_turns_are_drawn_evenly(axis: str) -> None:
    side = crop_side(8, 2)
    crops = CropPlan([(side + 7, side + 7)], 8, 2).draw(DRAWN, generator())
    counts = Counter(getattr(crop, axis) for crop in crops)
    assert sorted(counts) == list(range(8))
    # Of 7 degrees of freedom one draw in a million is farther off.
    assert chi_square(list(counts.values()), [1.0] * 8) < 40.6


@pytest.mark.slow
def test_places_and_turns_do_not_depend_on_each_other() -> None:
    side = crop_side(8, 2)
    crops = CropPlan([(side + 3, side + 3)], 8, 2).draw(DRAWN, generator())
    counts = Counter(crop[1:] for crop in crops)
    assert len(counts) == 4 * 4 * 8
    # Of 127 degrees of freedom one draw in a million is farther off.
    assert chi_square(list(counts.values()), [1.0] * 128) < 219


def test_the_last_of_very_many_photos_is_drawn_as_often_as_the_first() -> None:
    number = 1 << 20
    sizes = [(3000, 2000)] * number
    crops = CropPlan(sizes, 160, 4).draw(DRAWN, generator())
    tenths = Counter(10 * crop.photo // number for crop in crops)
    # Of 9 degrees of freedom one draw in a million is farther off.
    assert chi_square([tenths[tenth] for tenth in range(10)], [1.0] * 10) < 45.1


def test_photos_are_not_changed() -> None:
    photo, again = marked_photo(50, 50), marked_photo(50, 50)
    photos, crops = [photo], plan_for([photo], 16).draw(8, generator())
    before = list(crops)
    cut(photos, crops, plan_for(photos, 16))
    assert torch.equal(photo.pixels, again.pixels)
    assert photo.regions is not None
    assert again.regions is not None
    assert torch.equal(photo.regions.labels, again.regions.labels)
    assert torch.equal(photo.regions.values, again.regions.values)
    assert crops == before


def test_crops_share_no_memory_with_the_photo() -> None:
    photo = marked_photo(50, 50)
    batch = cut([photo], [Crop(0, 0, 0, 0)], plan_for([photo], 16))
    for part in (batch.hr, batch.lr, batch.spe):
        part.fill_(7)
    assert torch.equal(photo.pixels, marked_photo(50, 50).pixels)


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
        CropPlan([], 16, 4)


@pytest.mark.parametrize("size", [(31, 90), (90, 31)], ids=["low", "narrow"])
def test_a_photo_smaller_than_a_crop_and_its_margins_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="from 2 photos of 31 pixels or more"):
        CropPlan([(90, 90), size], 16, 4)
