"""Mask files: COCO run lengths, as lists and in their text form."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.masks.store import decode_counts, decode_mask, read_masks


def runs_of(mask: np.ndarray) -> list[int]:
    """Run lengths down the columns, background first."""
    runs, value = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


def encode_number(number: int) -> str:
    """Five bits a character, lowest first, until the rest is all sign."""
    text = ""
    while True:
        low, number = number & 31, number >> 5
        is_done = number == (-1 if low & 16 else 0)
        text += chr(48 + (low if is_done else low | 32))
        if is_done:
            return text


def encode_runs(runs: list[int]) -> str:
    """COCO's text: from the fourth run on, the difference to the run two before."""
    return "".join(encode_number(n - runs[i - 2] if i > 2 else n) for i, n in enumerate(runs))


def record(mask: np.ndarray, *, is_text: bool) -> dict[str, Any]:
    runs = runs_of(mask)
    counts = encode_runs(runs) if is_text else runs
    return {"segmentation": {"size": list(mask.shape), "counts": counts}, "area": int(mask.sum())}


def draw_masks(count: int, size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).random((count, *size)) < 0.4


masks_of_any_size = st.builds(
    lambda height, width, seed: np.random.default_rng(seed).random((height, width)) < 0.5,
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 1000),
)


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
@given(runs=st.lists(st.integers(0, 10**7)))
def test_decoding_inverts_encoding(runs: list[int]) -> None:
    assert decode_counts(encode_runs(runs)) == runs


@settings(deadline=None)
@given(mask=masks_of_any_size, is_text=st.booleans())
def test_mask_comes_back(mask: np.ndarray, is_text: bool) -> None:  # noqa: FBT001 - drawn by name
    decoded = decode_mask(record(mask, is_text=is_text)["segmentation"])
    assert np.array_equal(decoded, mask)


def test_runs_go_down_the_columns() -> None:
    decoded = decode_mask({"size": [2, 3], "counts": [1, 2, 3]})
    assert decoded.tolist() == [[False, True, False], [True, False, False]]


def test_first_run_is_background() -> None:
    assert decode_mask({"size": [1, 3], "counts": [0, 1, 2]}).tolist() == [[True, False, False]]


@pytest.mark.parametrize("is_text", [False, True], ids=["list", "text"])
def test_file_gives_its_masks_in_order(tmp_path: Path, is_text: bool) -> None:  # noqa: FBT001
    masks = draw_masks(3, (7, 5))
    path = tmp_path / "photo.json"
    path.write_text(json.dumps([record(mask, is_text=is_text) for mask in masks]), encoding="utf-8")
    assert torch.equal(read_masks(path, (7, 5)), torch.from_numpy(masks))


def test_file_without_masks_gives_none(tmp_path: Path) -> None:
    path = tmp_path / "photo.json"
    path.write_text("[]", encoding="utf-8")
    masks = read_masks(path, (7, 5))
    assert tuple(masks.shape) == (0, 7, 5)
    assert masks.dtype == torch.bool


def segmentation(size: Any, counts: Any) -> Any:
    return [{"segmentation": {"size": size, "counts": counts}}]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="null"),
        pytest.param(7, id="number"),
        pytest.param("text", id="text"),
        pytest.param([1], id="record-is-a-number"),
        pytest.param([{}], id="record-without-segmentation"),
        pytest.param([{"segmentation": [[1, 2, 3, 4]]}], id="polygon"),
        pytest.param([{"segmentation": {"counts": [6]}}], id="without-size"),
        pytest.param([{"segmentation": {"size": [2, 3]}}], id="without-counts"),
        pytest.param(segmentation([2], [6]), id="size-of-one-number"),
        pytest.param(segmentation([2, 3, 1], [6]), id="size-of-three-numbers"),
        pytest.param(segmentation(["a", 3], [6]), id="size-of-text"),
        pytest.param(segmentation([-2, -3], [6]), id="negative-size"),
        pytest.param(segmentation([0, 3], []), id="empty-size"),
        pytest.param(segmentation([2, 3], [5]), id="runs-too-short"),
        pytest.param(segmentation([2, 3], [5, 2]), id="runs-too-long"),
        pytest.param(segmentation([2, 3], [7, -1]), id="negative-run"),
        pytest.param(segmentation([2, 3], [[6]]), id="nested-runs"),
        pytest.param(segmentation([2, 3], None), id="null-runs"),
        pytest.param(segmentation([2, 3], ["a"]), id="text-in-runs"),
        pytest.param(segmentation([2, 3], "5"), id="text-runs-too-short"),
        pytest.param(segmentation([2, 3], "6\n"), id="text-with-a-foreign-character"),
        pytest.param(segmentation([2, 3], "5~"), id="text-with-a-character-out-of-range"),
        pytest.param(segmentation([2, 3], "6X"), id="text-that-ends-within-a-number"),
    ],
)
def test_malformed_file_is_an_input_error_naming_it(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "photo.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"photo\.json"):
        read_masks(path, (2, 3))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"size": [2, 3], "counts": [1000000000000000000000]}', id="run"),
        pytest.param('{"size": [2, 3], "counts": "oooooooooooooo1"}', id="run-in-text"),
        pytest.param('{"size": [Infinity, 3], "counts": [6]}', id="size"),
    ],
)
def test_number_out_of_all_proportion_is_an_input_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "photo.json"
    path.write_text(f'[{{"segmentation": {text}}}]', encoding="utf-8")
    with pytest.raises(InputError, match=r"photo\.json"):
        read_masks(path, (2, 3))


def test_runs_whose_sum_wraps_around_are_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "photo.json"
    path.write_text(json.dumps(segmentation([2, 3], [2**62, 2**62, 2**62, 2**62 + 6])))
    with pytest.raises(InputError, match=r"photo\.json"):
        read_masks(path, (2, 3))


def test_a_size_out_of_all_proportion_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "photo.json"
    path.write_text(json.dumps([{"segmentation": {"size": [10**7, 10**7], "counts": [10**14]}}]))
    with pytest.raises(InputError, match=r"photo\.json"):
        read_masks(path, (2, 3))


@pytest.mark.parametrize("content", [b"", b"[", b"\xff\xfe\x00"], ids=["empty", "cut", "binary"])
def test_file_that_is_not_json_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a list of COCO"):
        read_masks(path, (2, 3))


def test_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read masks"):
        read_masks(tmp_path / "photo.json", (2, 3))


def test_masks_of_another_size_are_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "photo.json"
    path.write_text(json.dumps([record(draw_masks(1, (3, 2))[0], is_text=True)]), encoding="utf-8")
    with pytest.raises(InputError, match=r"\(3, 2\), the photo is \(2, 3\)"):
        read_masks(path, (2, 3))


@pytest.mark.parametrize("counts", [[1.5, 4.5], ["1", "5"], [True, 5]], ids=repr)
def test_run_lengths_that_are_not_whole_numbers_are_refused(tmp_path: Path, counts: Any) -> None:
    path = tmp_path / "photo.json"
    path.write_text(json.dumps(segmentation([2, 3], counts)), encoding="utf-8")
    with pytest.raises(InputError, match="whole numbers"):
        read_masks(path, (2, 3))
