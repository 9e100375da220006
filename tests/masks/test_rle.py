"""COCO's run lengths, as lists and in their text form, against pycocotools."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from sam_diffsr_cli.masks.rle import decode_counts, decode_mask, encode_counts, encode_mask
from tests.masks.samples import runs_of

if TYPE_CHECKING:
    from collections.abc import Callable


def coco_text(mask: np.ndarray) -> str:
    text: str = coco.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"].decode("ascii")
    return text


def _noise(height: int, width: int, seed: int, share: float) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width)) < share


masks_of_any_size = st.builds(
    _noise, st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6), st.floats(0, 1)
)


def _rectangle(height: int, width: int, corners: list[float]) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    (top, bottom), (left, right) = sorted(corners[:2]), sorted(corners[2:])
    rows = slice(int(top * height), int(bottom * height) + 1)
    mask[rows, int(left * width) : int(right * width) + 1] = True
    return mask


rectangles = st.builds(
    _rectangle,
    st.integers(1, 300),
    st.integers(1, 300),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
"""Long runs: numbers of several characters, and large differences."""

any_mask = st.one_of(masks_of_any_size, rectangles)

ODD_MASKS: dict[str, np.ndarray] = {
    "empty": np.zeros((7, 5), dtype=bool),
    "full": np.ones((5, 7), dtype=bool),
    "empty-pixel": np.zeros((1, 1), dtype=bool),
    "full-pixel": np.ones((1, 1), dtype=bool),
    "first-pixel": np.eye(1, 35, dtype=bool).reshape(5, 7),
    "last-pixel": np.eye(1, 35, 34, dtype=bool).reshape(5, 7),
    "checkerboard": np.indices((9, 11)).sum(axis=0) % 2 == 1,
    "one-row": np.arange(9)[None] > 4,
    "one-column": np.arange(9)[:, None] > 4,
}
odd_masks = pytest.mark.parametrize("mask", ODD_MASKS.values(), ids=ODD_MASKS)


@settings(deadline=None)
@given(mask=any_mask)
def test_text_is_that_of_pycocotools(mask: np.ndarray) -> None:
    assert encode_mask(mask) == {"size": list(mask.shape), "counts": coco_text(mask)}


@odd_masks
def test_text_of_an_odd_mask_is_that_of_pycocotools(mask: np.ndarray) -> None:
    assert encode_mask(mask)["counts"] == coco_text(mask)


@settings(deadline=None)
@given(mask=any_mask)
def test_text_of_pycocotools_is_read(mask: np.ndarray) -> None:
    found = decode_mask({"size": list(mask.shape), "counts": coco_text(mask)})
    assert np.array_equal(found, mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
@settings(deadline=None)
@given(mask=any_mask)
def test_pycocotools_reads_our_text(mask: np.ndarray) -> None:
    record = encode_mask(mask)
    found = coco.decode({**record, "counts": record["counts"].encode("ascii")})
    assert np.array_equal(found.astype(bool), mask)


@odd_masks
def test_an_odd_mask_comes_back(mask: np.ndarray) -> None:
    assert np.array_equal(decode_mask(encode_mask(mask)), mask)


def test_the_layout_in_memory_does_not_matter() -> None:
    mask = _noise(9, 7, 3, 0.5)
    views: list[Callable[[np.ndarray], np.ndarray]] = [
        np.asfortranarray,
        lambda m: m.astype(np.uint8),
        lambda m: np.repeat(m, 2, axis=0)[::2],
    ]
    assert {encode_mask(view(mask))["counts"] for view in views} == {coco_text(mask)}


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("04", [0, 4], id="one-character-each"),
        pytest.param("X1", [40], id="two-characters"),
        pytest.param("`0", [16], id="sign-bit-kept-clear"),
        pytest.param("2120", [2, 1, 2, 1], id="fourth-is-a-difference"),
        pytest.param("593I", [5, 9, 3, 2], id="negative-difference"),
        pytest.param("PP1", [1024], id="three-characters"),
    ],
)
def test_hand_made_text_is_decoded(text: str, runs: list[int]) -> None:
    assert decode_counts(text) == runs


@settings(deadline=None)
@given(runs=st.lists(st.integers(0, 2**40)))
def test_run_lengths_come_back(runs: list[int]) -> None:
    assert decode_counts(encode_counts(runs)) == runs


@settings(deadline=None)
@given(mask=any_mask)
def test_a_list_of_runs_is_read(mask: np.ndarray) -> None:
    found = decode_mask({"size": list(mask.shape), "counts": runs_of(mask)})
    assert np.array_equal(found, mask)


def test_runs_go_down_the_columns() -> None:
    decoded = decode_mask({"size": [2, 3], "counts": [1, 2, 3]})
    assert decoded.tolist() == [[False, True, False], [True, False, False]]


def test_first_run_is_background() -> None:
    assert decode_mask({"size": [1, 3], "counts": [0, 1, 2]}).tolist() == [[True, False, False]]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("6\n", id="foreign-character"),
        pytest.param("5~", id="character-out-of-range"),
        pytest.param("5/", id="character-below-range"),
        pytest.param("5\u2603", id="not-ascii"),
        pytest.param("6X", id="ends-within-a-number"),
    ],
)
def test_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="run lengths"):
        decode_counts(text)


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param([5], id="too-short"),
        pytest.param([5, 2], id="too-long"),
        pytest.param([], id="none"),
        pytest.param("", id="no-text"),
        pytest.param([7, -1], id="negative"),
        pytest.param("5", id="text-too-short"),
        pytest.param("52", id="text-too-long"),
        pytest.param([2**62, 2**62, 2**62, 2**62 + 6], id="sum-wraps-around"),
    ],
)
def test_runs_that_do_not_fill_the_size_are_refused(counts: Any) -> None:
    with pytest.raises(ValueError, match="do not fill a mask of 2x3"):
        decode_mask({"size": [2, 3], "counts": counts})


@pytest.mark.parametrize("counts", [[1.5, 4.5], ["1", "5"], [True, 5], [[6]], [None]], ids=repr)
def test_run_lengths_that_are_not_whole_numbers_are_refused(counts: Any) -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        decode_mask({"size": [2, 3], "counts": counts})


@pytest.mark.parametrize(
    "record", [None, [], "text", {}, {"size": [2, 3]}, {"counts": [6]}], ids=repr
)
def test_what_is_no_record_is_refused(record: Any) -> None:
    with pytest.raises(ValueError, match="size and counts"):
        decode_mask(record)


@pytest.mark.parametrize("size", [[0, 3], [-2, -3], [2, 0]], ids=str)
def test_sizes_without_pixels_are_refused(size: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fill"):
        decode_mask({"size": size, "counts": [6] if size[0] < 0 else []})
