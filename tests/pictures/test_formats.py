"""The table of formats is consistent, and names lead to its rows."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.formats import (
    FOREIGN_SUFFIXES,
    FORMATS,
    Format,
    format_named,
    format_of,
    is_picture_name,
)

ALL_SUFFIXES = [suffix for each in FORMATS for suffix in each.suffixes]


def name_of(each: Format) -> str:
    return each.name


def test_no_suffix_stands_for_two_formats() -> None:
    assert len(ALL_SUFFIXES) == len(set(ALL_SUFFIXES))


def test_suffixes_are_lower_case_and_begin_with_a_dot() -> None:
    assert all(s == s.lower() and s.startswith(".") for s in ALL_SUFFIXES)


def test_no_written_suffix_is_called_foreign() -> None:
    assert not FOREIGN_SUFFIXES & set(ALL_SUFFIXES)


@pytest.mark.parametrize("each", FORMATS, ids=name_of)
def test_pillow_knows_each_suffix_by_the_same_name(each: Format) -> None:
    known = Image.registered_extensions()
    same = {"DIB": "BMP", "MPO": "JPEG"}
    for suffix in each.suffixes:
        name = known.get(suffix, each.name)
        assert same.get(name, name) == each.name


@pytest.mark.parametrize("each", [f for f in FORMATS if f.name != "JXL"], ids=name_of)
def test_pillow_writes_alpha_where_the_table_has_it(each: Format) -> None:
    file = io.BytesIO()
    clear = Image.fromarray(np.zeros((4, 4, 4), dtype=np.uint8))
    if each.name == "JPEG":
        with pytest.raises(OSError, match="RGBA"):
            clear.save(file, format=each.name)
        return
    clear.save(file, format=each.name)
    file.seek(0)
    with Image.open(file) as image:
        assert image.has_transparency_data == each.alpha


@pytest.mark.parametrize("suffix", ALL_SUFFIXES)
def test_a_suffix_names_its_format_in_any_case(suffix: str) -> None:
    assert suffix in format_of(Path(f"a.b{suffix}")).suffixes
    assert format_of(Path(f"A{suffix.upper()}")) is format_of(Path(f"a{suffix}"))


@pytest.mark.parametrize("suffix", ALL_SUFFIXES)
def test_a_format_is_named_by_a_suffix_without_its_dot(suffix: str) -> None:
    assert format_named(suffix[1:]) is format_of(Path(f"a{suffix}"))


@pytest.mark.parametrize("name", ["jpeg", "JPG", "png", "TIFF", "tif", "WebP", "gif", "avif"])
def test_a_format_is_named_in_any_case(name: str) -> None:
    assert f".{name.lower()}" in format_named(name).suffixes


@pytest.mark.parametrize("name", ["a", "a.txt", "a.heic", ".png", "a.png.part", "a."])
def test_an_unknown_suffix_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match="unknown format") as caught:
        format_of(Path(name))
    assert name in str(caught.value)
    assert ".png" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["", "heic", ".png", "jp", "pn g"])
def test_an_unknown_format_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match="unknown") as caught:
        format_named(name)
    assert "webp" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "is_picture"),
    [("a.PNG", True), ("a.tiff", True), ("a", False), ("png", False), ("a.heic", False)],
)
def test_a_picture_is_known_by_its_suffix(name: str, *, is_picture: bool) -> None:
    assert is_picture_name(Path(name)) == is_picture
