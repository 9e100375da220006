"""Sizes: what is asked for, resolved for pictures of every shape."""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.upscaling.size_text import (
    SizeText,
    parse_box,
    parse_dpi,
    parse_print,
    parse_scale,
)
from sam_diffsr_cli.upscaling.sizes import HIGHEST_SCALE, Size, Target
from tests.helpers import NINES

SIZES = [
    *((1, 1), (1, 7), (40, 5000), (5000, 40), (480, 640)),
    *((640, 480), (1080, 1920), (1081, 1919), (3000, 4000), (333, 17)),
]
"""Heights and widths."""

sides = st.integers(1, 5000)
shapes = st.tuples(sides, sides)
boxes = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


def rounded(value: Fraction) -> int:
    """Round to the nearest whole number, halves up, but to 1 at least."""
    return max(1, math.floor(value + Fraction(1, 2)))


@pytest.mark.parametrize("size", SIZES)
def test_fit_is_the_largest_inside(size: tuple[int, int]) -> None:
    height, width = Size(fit=(1920, 1080)).resolve(size).size
    assert height == 1080 or width == 1920
    assert height <= 1080
    assert width <= 1920
    if height == 1080:
        assert width == rounded(Fraction(1080 * size[1], size[0]))
    else:
        assert height == rounded(Fraction(1920 * size[0], size[1]))


@pytest.mark.parametrize("size", SIZES)
def test_a_width_is_exact_and_the_height_follows(size: tuple[int, int]) -> None:
    height, width = Size(width=2000).resolve(size).size
    assert (height, width) == (rounded(Fraction(2000 * size[0], size[1])), 2000)
    assert Size(height=2000).resolve(size[::-1]).size == (2000, height)


@pytest.mark.parametrize("size", SIZES)
def test_megapixels_are_as_near_as_whole_sides_allow(size: tuple[int, int]) -> None:
    height, width = Size(megapixels=12).resolve(size).size
    assert abs(height * width - 12e6) <= (height + width) / 2 + 1
    factor = math.sqrt(12e6 / (size[0] * size[1]))
    assert (height, width) == (
        rounded(Fraction(size[0] * factor)),
        rounded(Fraction(size[1] * factor)),
    )


@pytest.mark.parametrize("size", SIZES)
def test_a_print_lies_inside_the_paper_which_is_turned_as_the_picture_is(
    size: tuple[int, int],
) -> None:
    # 30 and 20 cm in inches of 2.54, times 300.
    long, short = 3543, 2362
    height, width = parse_print("30x20cm", 300).resolve(size).size
    most = (long, short) if size[0] > size[1] else (short, long)
    assert height <= most[0]
    assert width <= most[1]
    assert height == most[0] or width == most[1]


@pytest.mark.parametrize(("size", "box"), [*itertools.product(SIZES, [(1920, 1080), (17, 900)])])
def test_fill_is_exact_and_keeps_the_middle(size: tuple[int, int], box: tuple[int, int]) -> None:
    target = Size(fill=box).resolve(size)
    assert target.size == box[::-1]
    top, left, height, width = target.kept
    # As much is cut off on both sides, but for half a pixel of the result.
    half = Fraction(1) / Fraction(target.factor)
    assert abs(top - (size[0] - height - top)) <= 2 * half
    assert abs(left - (size[1] - width - left)) <= 2 * half
    # Of one axis all is kept.
    assert min(abs(size[0] - height), abs(size[1] - width)) <= half


@given(size=shapes, box=boxes)
def test_fill_is_exact_for_any_shape(size: tuple[int, int], box: tuple[int, int]) -> None:
    target = Size(fill=box).resolve(size)
    assert target.size == box[::-1]
    first, last = target.window[:2], target.window[2:]
    for axis in (0, 1):
        assert 0 <= first[axis] < last[axis] <= size[axis]
        assert target.corner[axis] >= 0
        assert target.corner[axis] + target.size[axis] <= target.whole[axis]
        ratio = Fraction(target.whole[axis], last[axis] - first[axis]) / Fraction(target.factor)
        assert abs(ratio - 1) <= Fraction(1, target.whole[axis])


@given(size=shapes, box=boxes, turns=st.booleans())
def test_fit_touches_the_box_for_any_shape(
    size: tuple[int, int], box: tuple[int, int], turns: bool
) -> None:
    height, width = Size(fit=box, turns=turns).resolve(size).size
    turned = turns and (size[0] - size[1]) * (box[1] - box[0]) < 0
    most = box if turned else box[::-1]
    assert height <= most[0]
    assert width <= most[1]
    assert height == most[0] or width == most[1]


@given(size=shapes, least=st.integers(1, 4000))
def test_the_shorter_side_is_at_least_so_long_and_nothing_shrinks(
    size: tuple[int, int], least: int
) -> None:
    target = Size(min_size=least).resolve(size)
    assert min(target.size) == max(least, min(size))
    assert target.factor >= 1
    if min(size) >= least:
        assert target.size == size


@given(size=shapes, scale=st.floats(1, 16))
def test_a_scale_says_the_same_as_before(size: tuple[int, int], scale: float) -> None:
    asked = Size(scale=scale)
    target = asked.resolve(size)
    assert target == Target(size, scale, (0, 0, *size), target.size, (0, 0), target.size)
    assert target.size == tuple(max(1, math.floor(side * scale + 0.5)) for side in size)
    assert asked.notes(target) == ()
    assert not target.is_cut


def test_the_factor_is_the_least_that_is_needed() -> None:
    assert Size(fit=(1920, 1080)).resolve((540, 640)).factor == 2
    assert Size(fill=(1920, 1080)).resolve((540, 640)).factor == 3
    assert Size(width=2000).resolve((10, 4000)).factor == 0.5


def told(asked: Size, size: tuple[int, int]) -> tuple[str, ...]:
    return asked.notes(asked.resolve(size))


def test_what_is_out_of_the_ordinary_is_told() -> None:
    fit = Size(fit=(1920, 1080))
    assert told(fit, (3000, 4000)) == ("shrunk from 4000x3000 to 1440x1080, without the model",)
    (far,) = told(Size(width=3200), (100, 100))
    assert far == f"32 times is more than {HIGHEST_SCALE:g}: the rest is bicubic"
    bent = told(fit, (40, 5000))[-1]
    assert bent == "the shorter side of 1920x15 is rounded to whole pixels"
    assert told(Size(width=2000), (750, 1000)) == ()


def test_only_what_grows_is_kept_if_so_asked() -> None:
    size = Size(fit=(1920, 1080), only_larger=True)
    verdicts = [
        size.is_left_out(size.resolve(each)) for each in [(1079, 10), (1080, 10), (9, 1920)]
    ]
    assert verdicts == [False, True, True]
    assert not Size(width=10).is_left_out(Size(width=10).resolve((20, 20)))


def test_labels_and_texts_name_the_request() -> None:
    sizes = [
        Size(scale=4),
        Size(scale=2.5),
        Size(width=2000),
        Size(height=9),
        Size(fit=(3840, 2160)),
        Size(megapixels=12),
        Size(min_size=800, only_larger=True),
    ]
    assert [size.label for size in sizes] == [
        *("x4", "x2.5", "2000w", "9h", "3840x2160", "12mp", "800min")
    ]
    assert sizes[4].text == "fit 3840x2160"
    assert sizes[6].text == "min-size 800, only larger"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing is given"),
        ({"width": 5, "height": 5}, "--width and --height are given"),
        ({"width": 0}, "--width 0: allowed are 1 to 1000000"),
        ({"fit": (5, -1)}, "--fit 5x-1: allowed are"),
        ({"fill": (5, 2_000_000)}, "--fill 5x2000000: allowed are"),
        ({"megapixels": 0.0}, "--megapixels 0: allowed are numbers above 0, up to 1000000"),
        ({"megapixels": math.nan}, "--megapixels nan"),
        ({"megapixels": math.inf}, "--megapixels inf: allowed are numbers above 0, up to 1000000"),
        ({"scale": 17.0}, "--scale 17: allowed are 1 to 16"),
        ({"scale": math.nan}, "--scale nan"),
        ({"scale": 2.0, "only_larger": True}, "--only-larger needs a size"),
    ],
)
def test_a_size_that_cannot_be_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        Size(**arguments)  # type: ignore[arg-type] # whatever a caller may say


@pytest.mark.parametrize(
    ("text", "scale"),
    [("2", 2), ("2.5", 2.5), ("2,5", 2.5), (".5e", None), ("4x", 4), ("200%", 2), ("150 %", 1.5)],
)
def test_a_scale_is_read_as_people_write_it(text: str, scale: float | None) -> None:
    if scale is not None:
        assert parse_scale(text) == scale
        return
    with pytest.raises(InputError, match="is no scale"):
        parse_scale(text)


@pytest.mark.parametrize(
    "text", ["abc", "", "0.5", "50%", "17", "nan", "-2", "2xx", "1e1", "16.01x"]
)
def test_what_is_no_scale_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--scale"):
        parse_scale(text)


def test_boxes_and_paper_are_read() -> None:
    assert parse_box("--fit", "3840x2160") == (3840, 2160)
    assert parse_box("--fit", "3840 X 2160") == (3840, 2160)
    for text in ("3840", "x", "3840x", "axb", "3840x2160px", "-1x5", f"{NINES}x3"):
        with pytest.raises(InputError, match="--fit"):
            parse_box("--fit", text)
    assert parse_print("10x15cm", 254).fit == (1000, 1500)
    assert parse_print("100x150mm", 254).fit == (1000, 1500)
    assert parse_print("8x10in", 300).fit == (2400, 3000)
    assert parse_print('8.5x11"', 100).fit == (850, 1100)
    for text in ("30x20", "A4", "30cm", "0x0cm", "10x.0in", f"{NINES}x3cm", f"3x.{NINES}cm"):
        with pytest.raises(InputError, match="--print"):
            parse_print(text, 300)
    with pytest.raises(InputError, match="--dpi"):
        parse_print("30x20cm", 0)


def test_the_density_of_a_print_is_300_unless_it_is_told() -> None:
    assert SizeText(paper="8x10in").density == 300
    assert SizeText(paper="8x10in", dpi=240).density == 240
    assert SizeText(dpi=72).density == 72
    assert SizeText(width=5).density is None
    for dpi in (0, -1, 70_000, math.inf, math.nan):
        with pytest.raises(InputError, match="--dpi"):
            parse_dpi(dpi)


def test_at_most_one_size_is_asked_for() -> None:
    assert SizeText().resolve() is None
    assert SizeText(fit="20x10", only_larger=True).resolve() == Size(fit=(20, 10), only_larger=True)
    with pytest.raises(InputError, match="--scale and --fit exclude each other"):
        SizeText(scale="2", fit="20x10").resolve()
    with pytest.raises(InputError, match="--only-larger needs a size"):
        SizeText(only_larger=True).resolve()
