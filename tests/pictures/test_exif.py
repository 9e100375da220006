"""EXIF is patched where a larger, upright picture needs it, and nowhere else."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from sam_diffsr_cli.pictures.change import Change
from sam_diffsr_cli.pictures.exif import orientation_of, upright_exif, without_orientation
from tests.pictures import samples

ORDERS = pytest.mark.parametrize("order", ["<", ">"])
SIZE = (60, 80)
CHANGE = Change(1, (30, 40), SIZE)
BLOCK = st.builds(samples.exif, st.integers(1, 8), st.sampled_from("<>"))


def loaded(exif: bytes) -> Image.Exif:
    result = Image.Exif()
    result.load(b"Exif\0\0" + exif)
    return result


def block(*entries: tuple[int, int, int, bytes], behind: bytes = bytes(4)) -> bytes:
    """A little-endian structure of one directory: (tag, type, number, 4 bytes)."""
    body = b"".join(struct.pack("<HHI4s", *entry) for entry in entries)
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + body + behind


def patched(exif: bytes, size: tuple[int, int] = SIZE) -> bytes:
    result = upright_exif(exif, Change(1, (30, 40), size))
    assert result is not None
    return result


@ORDERS
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_read(orientation: int, order: str) -> None:
    assert orientation_of(samples.exif(orientation, order)) == orientation


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    assert orientation_of(samples.exif(orientation)) is None


@pytest.mark.parametrize("exif", [b"", b"II", b"nonsense", b"II*\0\xff\xff\xff\xff", block()])
def test_exif_without_an_orientation_has_none(exif: bytes) -> None:
    assert orientation_of(exif) is None


@ORDERS
def test_the_orientation_becomes_upright(order: str) -> None:
    assert loaded(patched(samples.exif(6, order)))[0x0112] == 1


@ORDERS
def test_every_size_tag_has_the_new_size(order: str) -> None:
    after = loaded(patched(samples.exif(6, order)))
    below = after.get_ifd(0x8769)
    assert (after[0x0100], after[0x0101]) == (80, 60)
    assert (below[0xA002], below[0xA003]) == (80, 60)


@ORDERS
def test_a_size_beyond_16_bits_fits_where_a_short_was(order: str) -> None:
    after = loaded(patched(samples.exif(6, order), (70_000, 80_000)))
    assert (after[0x0101], after.get_ifd(0x8769)[0xA002]) == (70_000, 80_000)


@ORDERS
def test_the_thumbnail_is_no_longer_pointed_at(order: str) -> None:
    before = samples.exif(6, order)
    assert loaded(before).get_ifd(ExifTags.IFD.IFD1)
    assert not loaded(patched(before)).get_ifd(ExifTags.IFD.IFD1)


@ORDERS
def test_all_other_bytes_are_as_they_were(order: str) -> None:
    before = samples.exif(6, order)
    after = patched(before)
    changed = {index for index, (a, b) in enumerate(zip(before, after, strict=True)) if a != b}
    entries = {0x0100: 10, 0x0101: 22, 0x0112: 46}
    allowed = {byte for start in entries.values() for byte in range(start + 2, start + 12)}
    allowed |= set(range(10 + 12 * 8, 10 + 12 * 8 + 4))
    below = before.index(samples.MAKER_NOTE) - 4 - 2 * 12
    allowed |= set(range(below, below + 2 * 12))
    assert changed <= allowed


@ORDERS
def test_the_makers_notes_stay_where_their_offsets_mean(order: str) -> None:
    before = samples.exif(6, order)
    assert patched(before).index(samples.MAKER_NOTE) == before.index(samples.MAKER_NOTE)


@ORDERS
def test_patching_twice_is_patching_once(order: str) -> None:
    once = patched(samples.exif(6, order))
    assert patched(once) == once


def test_a_pointer_of_type_ifd_is_followed() -> None:
    below = struct.pack("<HHHII", 1, 0xA002, 4, 1, 7) + bytes(4)
    exif = block((0x8769, 13, 1, struct.pack("<I", 26))) + below
    assert patched(exif)[36:40] == struct.pack("<I", 80)


def test_a_structure_that_ends_with_its_entries_is_kept() -> None:
    exif = block((0x0112, 3, 1, b"\6\0\0\0"), behind=b"")
    assert patched(exif) == block((0x0112, 3, 1, b"\1\0\0\0"), behind=b"")


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"II*\0",
        b"no TIFF structure at all",
        b"II*\0\xff\xff\xff\xff" + bytes(20),
        struct.pack("<2sHIH", b"II", 42, 8, 60_000) + bytes(100),
        block((0x8769, 4, 1, b"\xff\xff\xff\0")),
        block((0x8769, 2, 1, b"\0\0\0\0")),
    ],
    ids=["empty", "head", "text", "no-directory", "too-many", "pointer-outside", "pointer-a-text"],
)
def test_damaged_exif_is_none(exif: bytes) -> None:
    assert upright_exif(exif, CHANGE) is None


@ORDERS
def test_the_orientation_is_taken_out_and_all_else_stays(order: str) -> None:
    before = samples.exif(6, order)
    after = without_orientation(before)
    kept = {tag: value for tag, value in loaded(before).items() if tag != 0x0112}
    assert dict(loaded(after)) == kept
    assert loaded(after).get_ifd(ExifTags.IFD.IFD1) == loaded(before).get_ifd(ExifTags.IFD.IFD1)
    end = 8 + 2 + 12 * 8 + 4
    assert after[end:] == before[end:]


@pytest.mark.parametrize("exif", [b"", b"nonsense", b"II*\0\xff\xff\xff\xff", block()])
def test_exif_without_an_orientation_stays(exif: bytes) -> None:
    assert without_orientation(exif) == exif


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise(data: bytes) -> None:
    for exif in (data, b"II*\0\x08\0\0\0" + data, b"MM\0*\0\0\0\x08" + data):
        result = upright_exif(exif, CHANGE)
        assert result is None or len(result) == len(exif)
        assert len(without_orientation(exif)) == len(exif)
        assert orientation_of(exif) in {None, *range(1, 9)}


@given(BLOCK, st.integers(0, 350), st.integers(0, 255))
def test_one_wrong_byte_raises_nothing_and_changes_no_length(
    exif: bytes, place: int, value: int
) -> None:
    damaged = bytearray(exif)
    damaged[place % len(damaged)] = value
    result = upright_exif(bytes(damaged), CHANGE)
    assert result is None or len(result) == len(damaged)


@given(BLOCK, st.integers(0, 350))
def test_exif_cut_short_raises_nothing(exif: bytes, length: int) -> None:
    result = upright_exif(exif[:length], CHANGE)
    assert result is None or len(result) == min(length, len(exif))


def test_the_sample_is_what_pillow_takes_for_exif() -> None:
    exif = samples.with_prefix(samples.exif(6))
    with samples.opened(samples.saved(samples.smooth(30, 40), "JPEG", exif=exif)) as image:
        found = image.getexif()
        assert found[0x010F] == "Acme Optics"
        assert found.get_ifd(0x8769)[0x927C] == samples.MAKER_NOTE
        assert found.get_ifd(0x8825)[1] == "N"
