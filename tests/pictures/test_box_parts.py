"""No box, property or item of AVIF, HEIC and JPEG XL is left out in silence."""

import struct

import imagecodecs
import pytest

from sam_diffsr_cli.pictures import box_parts
from sam_diffsr_cli.pictures.avif_items import insert_items
from sam_diffsr_cli.pictures.boxes import pack_box
from sam_diffsr_cli.pictures.formats import FORMATS
from sam_diffsr_cli.pictures.ledger import Part, is_left_out
from tests.pictures import heic_samples as heic
from tests.pictures import samples
from tests.pictures.samples import enlarged, levels, read, smooth, written

C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
PROPERTIES = {
    b"clli": struct.pack(">HH", 1000, 400),
    b"mdcv": struct.pack(">8HII", *range(8), 9, 9),
    b"pasp": struct.pack(">II", 4, 3),
    b"amve": bytes(8),
    b"udes": b"\0\0\0\0en\0name\0\0\0",
    b"zzzz": b"unknown",
}


def avif() -> bytes:
    return bytes(imagecodecs.avif_encode(smooth(24, 32), level=90))


def parts_of(data: bytes) -> dict[str, Part]:
    return {part.name: part for part in read(data).parts}


def note_of(data: bytes, target: str = "PNG") -> str:
    return "; ".join(written(enlarged(read(data)), target)[1])


def every_box() -> bytes:
    data = insert_items(
        avif(), exif=samples.exif(1), xmp=samples.xmp(1), properties=list(PROPERTIES.items())
    )
    behind = [(b"uuid", C2PA + b"claim"), (b"uuid", bytes(16)), (b"free", b""), (b"wxyz", b"?")]
    return data + b"".join(pack_box(kind, body) for kind, body in behind) + b"tail"


def test_every_box_of_an_avif_is_carried_made_anew_or_said() -> None:
    parts = parts_of(every_box())
    said = {"property pasp", "property amve", "property udes", "property zzzz"}
    said |= {"content credentials (C2PA)", "uuid 00000000", "wxyz", "data behind the end"}
    carried = {"EXIF", "XMP", "the light level (clli)", "the screen's colours (mdcv)"}
    assert {name for name, part in parts.items() if is_left_out(part)} == said
    assert {name for name, part in parts.items() if part.fate == "carried"} == carried
    kinds = {b"ftyp", b"meta", b"mdat", b"hdlr", b"pitm", b"iloc", b"iinf", b"iprp", b"iref"}
    assert {kind.decode() for kind in kinds} <= set(parts)


def test_the_note_names_them_with_their_sizes() -> None:
    note = note_of(every_box())
    assert "property zzzz (15 bytes)" in note
    assert "content credentials (C2PA) (29 bytes: they vouch for the file as it was)" in note
    assert "clli" not in note
    assert "clli" in note_of(every_box(), "WEBP")


def test_a_plain_avif_says_nothing() -> None:
    assert "left out" not in note_of(avif(), "AVIF")


def test_all_bytes_of_the_file_are_in_a_part() -> None:
    data = every_box()
    top = {"ftyp", "meta", "mdat", "free", "wxyz", "uuid 00000000"}
    top |= {"content credentials (C2PA)", "data behind the end"}
    assert sum(part.size for part in read(data).parts if part.name in top) == len(data)


def test_items_beside_the_picture_are_called_by_what_they_are() -> None:
    urns = {
        2: b"urn:com:apple:photo:2020:aux:hdrgainmap",
        3: b"urn:mpeg:hevc:2015:auxid:2",
        4: b"urn:com:apple:photo:2018:aux:portraiteffectsmatte",
    }
    items = box_parts._Items(primary=1, kinds=dict.fromkeys((1, *urns, 5, 6), b"hvc1"))
    items.kinds[6] = b"tmap"
    items.auxiliary.update(urns)
    items.references += [(b"auxl", number, (1,)) for number in urns]
    names = [part.name for part in box_parts._parts_of_items(items)]
    others = ["another picture", "the recipe of its HDR picture (tmap)"]
    assert names == ["the picture", "a gain map", "a depth map", "a matte", *others]


def test_the_tiles_and_the_alpha_of_the_picture_are_the_picture() -> None:
    items = box_parts._Items(primary=9, kinds={1: b"hvc1", 2: b"hvc1", 3: b"hvc1", 9: b"grid"})
    items.auxiliary[3] = b"urn:mpeg:hevc:2015:auxid:1"
    items.references += [(b"dimg", 9, (1, 2)), (b"auxl", 3, (9,))]
    assert {part.name for part in box_parts._parts_of_items(items)} == {"the picture"}


def test_a_thumbnail_is_removed_with_the_reason() -> None:
    items = box_parts._Items(primary=1, kinds={1: b"hvc1", 2: b"hvc1"})
    items.references.append((b"thmb", 2, (1,)))
    thumbnail = list(box_parts._parts_of_items(items))[1]
    assert (thumbnail.name, thumbnail.fate) == ("the thumbnail", "removed")


@pytest.mark.parametrize("data", [heic.PLAIN, heic.ALPHA, heic.WITH_EXIF], ids=len)
def test_nothing_of_a_plain_heic_is_left_out(data: bytes) -> None:
    parts = parts_of(data)
    assert parts["EXIF"].fate == "carried"
    assert not [part for part in parts.values() if is_left_out(part)]


def test_every_box_of_a_jxl_is_carried_made_anew_or_said() -> None:
    data = written(samples.still(levels(9, 7, 3), exif=samples.exif(1)), "JXL")[0]
    packed = b"xml " + bytes(imagecodecs.brotli_encode(b"<x/>"))
    more = [(b"brob", packed), (b"jumb", b"x"), (b"jhgm", b"map"), (b"wxyz", b"")]
    data += b"".join(pack_box(kind, body) for kind, body in more) + b"tail"
    parts = parts_of(data)
    assert parts["EXIF"].fate == parts["XMP"].fate == "carried"
    said = {"content credentials (C2PA)", "a gain map", "wxyz", "data behind the end"}
    assert {name for name, part in parts.items() if is_left_out(part)} == said
    assert sum(part.size for part in read(data).parts) == len(data)


@pytest.mark.parametrize("name", [each.name for each in FORMATS if each.name in {"AVIF", "JXL"}])
def test_what_is_written_here_has_nothing_to_leave_out(name: str) -> None:
    data = written(samples.still(levels(9, 7, 3), exif=samples.exif(1)), name)[0]
    assert not [part for part in read(data).parts if is_left_out(part)]
