"""Directories are read and laid out as bytes, whole, and damage is an error of one kind."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sam_diffsr_cli.pictures import directories
from sam_diffsr_cli.pictures.directories import (
    Directory,
    Field,
    Order,
    pack_directory,
    pack_exif,
    parse_exif,
    read_tiff_directory,
)
from tests.pictures import samples

ORDERS = pytest.mark.parametrize("order", ["<", ">"])
KINDS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8, 12: 8}
FIELDS = st.lists(
    st.tuples(st.integers(1, 0x8000), st.sampled_from(sorted(KINDS)), st.integers(1, 9)),
    max_size=8,
    unique_by=lambda each: each[0],
)


@st.composite
def trees(draw: st.DrawFn) -> Directory:
    orders: tuple[Order, ...] = ("<", ">")
    order = draw(st.sampled_from(orders))

    def level(*pointers: int) -> Directory:
        fields = [
            Field(tag, kind, number, draw(st.binary(min_size=n, max_size=n)))
            for tag, kind, number in sorted(draw(FIELDS))
            if (n := KINDS[kind] * number)
        ]
        return Directory(order, fields, {tag: level() for tag in pointers if draw(st.booleans())})

    return level(0x8769, 0x8825)


@given(trees())
def test_what_is_laid_out_is_read_back(tree: Directory) -> None:
    assert parse_exif(pack_exif(tree)) == tree


@given(trees(), st.integers(0, 500).map(lambda n: 8 + 2 * n))
def test_a_directory_may_stand_anywhere(tree: Directory, offset: int) -> None:
    head = b"II*\0" if tree.order == "<" else b"MM\0*"
    start = (head + struct.pack(f"{tree.order}I", offset)).ljust(offset, b"\0")
    file = io.BytesIO(start + pack_directory(tree, offset))
    assert read_tiff_directory(file) == tree


def test_values_begin_at_even_offsets() -> None:
    """TIFF 6.0, section 2: a value offset is on a word boundary."""
    fields = [Field(1, 2, 5, b"four\0"), Field(2, 2, 7, b"sixsix\0")]
    packed = pack_directory(Directory("<", fields, {0x8769: Directory("<", [])}), 8)
    offsets = [struct.unpack_from("<I", packed, 2 + 12 * k + 8)[0] for k in range(3)]
    assert [offset % 2 for offset in offsets] == [0, 0, 0]


@ORDERS
def test_a_cameras_exif_is_read_field_by_field(order: str) -> None:
    tree = parse_exif(samples.exif(6, order))
    assert tree.order == order
    assert tree.data_of(0x010F) == b"Acme Optics\0"
    assert tree.children[0x8769].data_of(0x927C) == samples.MAKER_NOTE
    assert tree.children[0x8769].data_of(0x9201) == struct.pack(f"{order}ii", -7, 2)
    assert tree.children[0x8825].data_of(1) == b"N\0"
    assert tree.data_of(0x9999) is None


@ORDERS
def test_pillow_reads_what_is_laid_out(order: str) -> None:
    exif = Image.Exif()
    exif.load(samples.with_prefix(pack_exif(parse_exif(samples.exif(6, order)))))
    assert exif[0x010F] == "Acme Optics"
    assert exif.get_ifd(0x8769)[0x9201] == -3.5
    assert exif.get_ifd(0x8825)[1] == "N"


def test_interoperability_below_exif_is_kept() -> None:
    inner = Directory("<", [Field(1, 2, 4, b"R98\0")])
    tree = Directory("<", [], {0x8769: Directory("<", [Field(2, 7, 1, b"x")], {0xA005: inner})})
    assert parse_exif(pack_exif(tree)) == tree


def test_only_the_tags_that_are_asked_for_stay_beside_the_children() -> None:
    tree = parse_exif(samples.exif()).only([0x010F])
    assert [field.tag for field in tree.fields] == [0x010F]
    assert set(tree.children) == {0x8769, 0x8825}


def test_directories_that_point_at_themselves_end() -> None:
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    exif = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + bytes(4)
    assert parse_exif(exif).children[0x8769].fields == []


@pytest.mark.parametrize(
    "exif",
    [b"", b"II", b"XX*\0" + bytes(8), b"II\x09\0" + bytes(8), b"II*\0\xff\xff\xff\xff",
     b"II*\0\x08\0\0\0\xff\xff" + bytes(50)],
)  # fmt: skip
def test_damage_is_a_value_error(exif: bytes) -> None:
    with pytest.raises(ValueError, match=r"directory|structure|fields"):
        parse_exif(exif)


@given(st.binary(max_size=100), st.sampled_from([b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b""]))
def test_no_bytes_raise_anything_else(data: bytes, head: bytes) -> None:
    try:
        parse_exif(head + data)
    except ValueError:
        return


def test_a_field_longer_than_the_file_is_left_out() -> None:
    entry = struct.pack("<HHII", 0x010F, 2, 1000, 0)
    exif = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + bytes(4)
    assert parse_exif(exif).fields == []


def test_a_field_beyond_reason_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories, "MOST_FIELD_BYTES", 11)
    assert parse_exif(samples.exif()).data_of(0x010F) is None
