"""What lies behind a JPEG's picture is carried or said, and XMP announces only what is there."""

import hashlib
import io
import struct
from dataclasses import replace
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree as ET

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sam_diffsr_cli.pictures.change import Cut
from sam_diffsr_cli.pictures.jpeg_behind import find_behind
from sam_diffsr_cli.pictures.jpeg_structure import read_segments
from sam_diffsr_cli.pictures.ledger import Part
from sam_diffsr_cli.pictures.modes import turn_upright
from sam_diffsr_cli.pictures.records import Limits, Made
from tests.pictures import samples
from tests.pictures.samples import enlarged, opened, photo, read, saved, smooth, written

HDRGM = "http://ns.adobe.com/hdr-gain-map/1.0/"
CONTAINER = "http://ns.google.com/photos/1.0/container/"
ITEM = CONTAINER + "item/"
CAMERA = "http://ns.google.com/photos/1.0/camera/"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(range(256)) * 4


# ------------------------------------------------------------------------------ made by hand


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def inside(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with segments right behind its first marker."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def xmp_segment(attributes: str, elements: str = "") -> bytes:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:hdrgm="{HDRGM}" xmlns:Container="{CONTAINER}"'
        f' xmlns:Item="{ITEM}" xmlns:GCamera="{CAMERA}" xmlns:xmpNote="http://ns.adobe.com/xmp/note/"'
        f' xmlns:dc="http://purl.org/dc/elements/1.1/" {attributes}>{elements}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    )
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet.encode())


def directory(*items: tuple[str, int]) -> str:
    """A container's list of the photo and ``(semantic, length)``."""
    listed = "".join(
        f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{semantic}"'
        f' Item:Mime="x/y" Item:Length="{length}"/></rdf:li>'
        for semantic, length in (("Primary", 0), *items)
    )
    return f"<Container:Directory><rdf:Seq>{listed}</rdf:Seq></Container:Directory>"


def index_of(base_length: int, pictures: list[tuple[int, bytes]], place: int) -> bytes:
    """An MPF in little endian for a photo of ``base_length`` whose MPF stands at ``place``."""
    count = 1 + len(pictures)
    body = b"II*\0" + struct.pack("<IH", 8, 3)
    body += struct.pack("<HHI4s", 0xB000, 7, 4, b"0100") + struct.pack("<HHII", 0xB001, 4, 1, count)
    body += struct.pack("<HHIII", 0xB002, 7, 16 * count, 50, 0)
    offset, entries = base_length - place - 8, struct.pack("<IIIHH", 0x30000, base_length, 0, 0, 0)
    for kind, data in pictures:
        entries += struct.pack("<IIIHH", kind, len(data), offset, 0, 0)
        offset += len(data)
    return segment(0xE2, b"MPF\0" + body + entries)


def with_pictures(base: bytes, *pictures: tuple[int, bytes]) -> bytes:
    length = len(base) + len(index_of(len(base), list(pictures), 0))
    return inside(base, index_of(length, list(pictures), 2)) + b"".join(d for _, d in pictures)


def plain(height: int = 48, width: int = 64) -> bytes:
    return saved(photo(height, width), "JPEG", quality=95, subsampling=0)


def phone_photo(*, attributes: str = "") -> tuple[bytes, bytes]:
    """A photo whose gain map only XMP announces; also the map."""
    described = 'hdrgm:Version="1.0" hdrgm:GainMapMax="2" hdrgm:HDRCapacityMax="2"'
    gain_map = inside(saved(photo(24, 32)[..., :1], "JPEG"), xmp_segment(described))
    items = directory(("GainMap", len(gain_map)))
    base = inside(plain(), xmp_segment(f'hdrgm:Version="1.0" {attributes}', items))
    return with_pictures(base, (0, gain_map)), gain_map


def description(data: bytes) -> str:
    """The packet of a result, as a parser writes it anew."""
    with opened(data) as image:
        return ET.canonicalize(image.info["xmp"].decode())


def into(data: bytes, name: str) -> tuple[bytes, str]:
    result, notes = written(enlarged(read(data)), name)
    return result, " ".join(notes)


# ----------------------------------------------------------------------------------- gain maps


def hdr(height: int = 96, width: int = 128) -> np.ndarray:
    """A picture up to four times as bright as white, linear."""
    y, x = np.mgrid[:height, :width]
    bright = [4 * x / width, 2 * y / height, 0.5 + 0.4 * np.sin(x / 20), np.ones_like(x)]
    return np.stack(bright, axis=-1).astype(np.float16)


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(imagecodecs.ultrahdr_decode(data))[..., :3].astype(np.float64)


def differs(found: np.ndarray, wanted: np.ndarray) -> float:
    return float((np.abs(found - wanted) / (wanted + 0.05)).mean())


HDR = bytes(imagecodecs.ultrahdr_encode(hdr(), scale=2))


def test_the_hdr_picture_of_the_result_is_that_of_the_source_enlarged() -> None:
    data, notes = into(HDR, "jpg")
    wanted = decoded(HDR).repeat(2, axis=0).repeat(2, axis=1)
    assert differs(decoded(data), wanted) < 0.02
    assert notes == ""


@pytest.mark.parametrize("turn", range(2, 9))
def test_a_gain_map_is_turned_with_the_photo(turn: int) -> None:
    source = inside(HDR, segment(0xE1, samples.with_prefix(samples.exif(turn, size=(128, 96)))))
    data, notes = written(read(source), "jpg")
    assert differs(decoded(data), turn_upright(decoded(HDR), turn)) < 0.03
    assert notes == ()


def test_a_gain_map_that_is_not_turned_is_the_same_bytes() -> None:
    source, gain_map = phone_photo()
    data, _ = into(source, "jpg")
    assert data.endswith(gain_map)


def test_a_gain_map_is_left_out_where_a_part_of_the_photo_was_cut_off_and_that_is_said() -> None:
    picture = enlarged(read(HDR), 1)
    height, width = picture.size
    cut = Cut(*map(Fraction, (0, 1, height, width - 1)))
    data, notes = written(replace(picture, made=(Made((height, width), cut),)), "jpg")
    assert "are of all of it and were left out with the cut" in " ".join(notes)
    assert b"hdrgm" not in data
    with pytest.raises(Exception, match=r"(?i)ultrahdr|gain|uhdr"):
        decoded(data)


def test_the_index_of_pictures_is_right_to_the_byte() -> None:
    source, gain_map = phone_photo()
    data, _ = into(source, "jpg")
    place = data.index(b"MPF\0")
    (entries,) = struct.unpack_from(">I", data, place + 4 + 10 + 2 * 12 + 8)
    first = struct.unpack_from(">IIIHH", data, place + 4 + entries)
    second = struct.unpack_from(">IIIHH", data, place + 4 + entries + 16)
    assert first[:3] == (0x30000, len(data) - len(gain_map), 0)
    assert data[place + 4 + second[2] :][: second[1]] == gain_map


def test_zeros_before_a_gain_map_go_and_xmp_tells_of_none() -> None:
    source, gain_map = phone_photo()
    base = find_base(source).replace(
        b'Item:Semantic="Primary"', b'Item:Semantic="Primary" Item:Padding="96"'
    )
    # The segment has grown by the new attribute.
    place = base.index(b"\xff\xe1") + 2
    length = int.from_bytes(base[place : place + 2], "big") + len(b' Item:Padding="96"')
    base = base[:place] + length.to_bytes(2, "big") + base[place + 2 :]
    data, notes = into(base + bytes(96) + gain_map, "jpg")
    (found,) = find_behind(data).pictures
    assert (found.role, found.data) == ("gain map", gain_map)
    assert b"\0" * 96 not in data
    assert 'Padding="0"' in description(data)
    assert notes == ""


def test_a_gain_map_of_a_gray_photo_is_still_read() -> None:
    second = find_behind(HDR).pictures[0].data
    base = inside(saved(photo(96, 128)[..., :1], "JPEG"), xmp_segment('hdrgm:Version="1.0"'))
    data, _ = into(with_pictures(base, (0, second)), "jpg")
    assert decoded(data).shape == (192, 256, 3)


def test_a_turned_gain_map_keeps_its_segments_and_stays_gray() -> None:
    source, gain_map = phone_photo()
    turned = inside(source, segment(0xE1, samples.with_prefix(samples.exif(6, size=(64, 48)))))
    (found,) = find_behind(into(turned, "jpg")[0]).pictures
    with opened(found.data) as image, opened(gain_map) as before:
        assert (image.mode, image.size) == ("L", (24, 32))
        assert image.info["xmp"] == before.info["xmp"]


def test_xmp_tells_the_length_of_a_turned_gain_map() -> None:
    source, _ = phone_photo()
    turned = inside(source, segment(0xE1, samples.with_prefix(samples.exif(6, size=(64, 48)))))
    data, _ = into(turned, "jpg")
    (found,) = find_behind(data).pictures
    assert f'Item:Length="{len(found.data)}"' in description(data).replace("ns0:", "Item:")


@pytest.mark.parametrize("name", ["png", "webp", "tif", "avif"])
def test_other_formats_announce_no_gain_map_and_it_is_said(name: str) -> None:
    source, gain_map = phone_photo()
    data, notes = into(source, name)
    assert f"the gain map (HDR) ({len(gain_map):,} bytes)" in notes
    kept = read(data).metadata.xmp or b""
    assert b"hdr-gain-map" not in kept.replace(b'xmlns:hdrgm="' + HDRGM.encode(), b"")
    assert b"GainMap" not in kept
    assert b"Directory" not in kept


def test_a_gain_map_that_is_announced_but_missing_is_announced_no_more() -> None:
    source, gain_map = phone_photo()
    kept = read(into(source.removesuffix(gain_map), "jpg")[0]).metadata.xmp or b""
    assert b"hdrgm:Version" not in kept
    assert b"Directory" not in kept


def test_stripped_there_is_no_gain_map() -> None:
    data, notes = written(enlarged(read(HDR)), "jpg", strip_metadata=True)
    assert find_behind(data).pictures == []
    assert notes == ()


# ------------------------------------------------------------------------------- motion photos


def motion_photo() -> bytes:
    told = f'GCamera:MotionPhoto="1" GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(VIDEO)}"'
    return inside(plain(), xmp_segment(told, directory(("MotionPhoto", len(VIDEO))))) + VIDEO


def test_the_video_of_a_motion_photo_stays_behind_it() -> None:
    data, notes = into(motion_photo(), "jpg")
    assert data.endswith(VIDEO)
    told = description(data)
    assert f'MicroVideoOffset="{len(VIDEO)}"' in told
    assert f'Length="{len(VIDEO)}"' in told
    assert notes == ""


def test_a_motion_photo_with_a_gain_map_keeps_both_in_order() -> None:
    source, gain_map = phone_photo(attributes='GCamera:MotionPhoto="1"')
    data, notes = into(source + VIDEO, "jpg")
    assert data.endswith(gain_map + VIDEO)
    assert 'MotionPhoto="1"' in description(data)
    assert notes == ""


@pytest.mark.parametrize("name", ["png", "webp", "tif"])
def test_other_formats_announce_no_video_and_it_is_said(name: str) -> None:
    data, notes = into(motion_photo(), name)
    assert f"the video of a motion photo ({len(VIDEO):,} bytes)" in notes
    kept = read(data).metadata.xmp or b""
    assert not any(word in kept for word in (b"MotionPhoto", b"MicroVideo", b"Directory"))


def test_other_formats_describe_no_dynamic_depth() -> None:
    told = 'xmlns:Device="http://ns.google.com/photos/dd/1.0/device/" Device:Revision="1"'
    source = inside(plain(), xmp_segment(told))
    assert b"Revision" in (read(source).metadata.xmp or b"")
    assert b"Revision" not in (read(into(source, "png")[0]).metadata.xmp or b"Revision")


def test_what_else_stands_behind_a_jpeg_is_kept() -> None:
    trailer = b"SEFH" + bytes(100) + b"SEFT"
    assert into(plain() + trailer, "jpg")[0].endswith(trailer)
    assert "data behind the picture (108 bytes)" in into(plain() + trailer, "png")[1]


# ------------------------------------------------------------------- other pictures behind it


def test_a_depth_map_is_kept_and_said_elsewhere() -> None:
    depth = inside(
        saved(photo(24, 32)[..., :1], "JPEG"),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<a>urn:com:apple:photo:2018:aux:depth</a>"),
    )
    source = with_pictures(plain(), (0, depth))
    data, _ = into(source, "jpg")
    assert data.endswith(depth)
    with opened(data) as image:
        assert getattr(image, "n_frames", 1) == 2
        image.seek(1)
        assert image.size == (32, 24)
    assert "the depth map" in into(source, "webp")[1]


def test_a_depth_map_is_turned_with_the_photo() -> None:
    mark = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<a>aux:depth</a>")
    depth = inside(saved(photo(24, 32)[..., :1], "JPEG", quality=98), mark)
    exif = segment(0xE1, samples.with_prefix(samples.exif(6, size=(64, 48))))
    data, notes = into(with_pictures(inside(plain(), exif), (0, depth)), "jpg")
    (found,) = find_behind(data).pictures
    with opened(found.data) as image:
        wanted = turn_upright(photo(24, 32)[..., :1], 6)[..., 0].astype(int)
        assert np.abs(np.asarray(image).astype(int) - wanted).mean() < 3
    assert mark in found.data
    assert notes == ""


def test_a_preview_goes_and_its_item_with_it() -> None:
    source, gain_map = phone_photo()
    small = saved(smooth(12, 16), "JPEG")
    base = find_base(source)
    data, notes = into(with_pictures(base, (0, gain_map), (0x10001, small)), "jpg")
    assert small not in data
    assert data.endswith(gain_map)
    assert f"a preview picture ({len(small):,} bytes" in notes


def find_base(data: bytes) -> bytes:
    """The photo without its MPF and what is behind."""
    segments, end = read_segments(data)
    (index,) = [each for each in segments if each.body.startswith(b"MPF\0")]
    return data[: index.place] + data[index.place + index.size : end]


# ------------------------------------------------------------------------------ further views

LEFT, RIGHT = photo(48, 64), photo(48, 64)[:, ::-1].copy()
STEREO = 0x02_0002


def stereo(turn: int = 1) -> bytes:
    """Two views of 64x48, each with an orientation of its own."""
    exif = segment(0xE1, samples.with_prefix(samples.exif(turn, size=(64, 48))))
    left = inside(saved(LEFT, "JPEG", quality=98, subsampling=0), exif)
    right = inside(saved(RIGHT, "JPEG", quality=98, subsampling=0), exif)
    return with_pictures(left, (STEREO, right))


def views_of(data: bytes) -> list[np.ndarray]:
    with opened(data) as image:
        found = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            found.append(np.asarray(image.convert("RGB")).astype(int))
    return found


@pytest.mark.parametrize("turn", [1, 3, 6])
def test_both_views_are_enlarged_and_turned(turn: int) -> None:
    data, notes = into(stereo(turn), "jpg")
    left, right = views_of(data)
    for found, before in ((left, LEFT), (right, RIGHT)):
        wanted = turn_upright(before, turn).repeat(2, axis=0).repeat(2, axis=1).astype(int)
        assert np.abs(found - wanted).mean() < 4
    assert notes == ""


def test_the_type_of_the_views_and_their_exif_are_those_they_had() -> None:
    data, _ = into(stereo(6), "jpg")
    with opened(data) as image:
        entries = image.mpinfo[0xB002]  # type: ignore[attr-defined]
        assert entries[1]["Attribute"]["MPType"] == "Multi-Frame Image: (Disparity)"
        image.seek(1)
        exif = image.getexif()
        assert (exif[0x0112], exif[0x0100], exif[0x0101]) == (1, 96, 128)


def test_pictures_that_pillow_puts_together_are_views() -> None:
    source = saved(
        Image.fromarray(LEFT), "MPO", save_all=True, append_images=[Image.fromarray(RIGHT)]
    )
    assert [view.shape for view in views_of(into(source, "jpg")[0])] == [(96, 128, 3)] * 2


@pytest.mark.parametrize("name", ["png", "webp", "tif", "gif"])
def test_other_formats_get_the_photo_and_the_view_is_said(name: str) -> None:
    data, notes = into(stereo(), name)
    assert read(data).size == (96, 128)
    assert len(read(data).frames) == 1
    assert "another view (" in notes


def test_stripped_both_views_are_there_and_nothing_beside_them() -> None:
    data, notes = written(enlarged(read(stereo(6))), "jpg", strip_metadata=True)
    assert [view.shape for view in views_of(data)] == [(128, 96, 3)] * 2
    assert b"Exif" not in data
    assert b"Acme" not in data
    assert notes == ()


def test_a_view_beyond_the_limit_of_pixels_is_left_out_and_said() -> None:
    picture = read(stereo(), Limits(max_pixels=64 * 48))
    assert len(picture.frames) == 1
    assert "another view" in " ".join(written(picture, "jpg")[1])


def test_a_damaged_view_is_left_out_and_said() -> None:
    data = bytearray(stereo())
    scan = data.rindex(b"\xff\xda")
    data[scan + 4 : scan + 8] = b"\xff\x01\x02\x03"
    picture = read(bytes(data))
    assert len(picture.frames) == 1
    assert "view" in " ".join(written(picture, "jpg")[1])


# ---------------------------------------------------------------------------------------- C2PA


def test_content_credentials_go_and_it_is_said() -> None:
    manifest = b"JP\0\1\0\0\0\1\0\0\0<jumb\0\0\0\x1ejumdc2pa" + bytes(40)
    more = b"JP\0\1\0\0\0\2\0\0\0<jumb" + bytes(20)
    data, notes = into(inside(plain(), segment(0xEB, manifest), segment(0xEB, more)), "jpg")
    assert b"c2pa" not in data
    assert "content credentials (C2PA)" in notes
    assert notes.count("bytes") == 1


# ------------------------------------------------------------------------------- extended XMP


def extended(text: str, part: int = 30_000, *, missing: int | None = None) -> bytes:
    """A JPEG whose XMP goes on in extension segments, as the specification divides it."""
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        f' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:source>{text}</dc:source>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()
    guid = hashlib.md5(packet).hexdigest().upper()  # noqa: S324 - what the specification asks for
    parts = [
        segment(
            0xE1,
            EXTENSION
            + guid.encode()
            + struct.pack(">II", len(packet), at)
            + packet[at : at + part],
        )
        for at in range(0, len(packet), part)
    ]
    if missing is not None:
        del parts[missing]
    main = xmp_segment(f'xmpNote:HasExtendedXMP="{guid}" dc:format="a"')
    # The order of the parts is free.
    return inside(plain(), main, *parts[::-1])


def joined_by_hand(data: bytes) -> tuple[str, str]:
    """The main packet and the extension of a JPEG, checked against its GUID."""
    segments, _ = read_segments(data)
    bodies = [each.body for each in segments if each.body.startswith(EXTENSION)]
    parts = sorted((struct.unpack_from(">I", body, 71)[0], body[75:]) for body in bodies)
    extension = b"".join(part for _, part in parts)
    guid = hashlib.md5(extension).hexdigest().upper()  # noqa: S324
    assert {body[35:67].decode() for body in bodies} == {guid}
    assert {struct.unpack_from(">I", body, 67)[0] for body in bodies} == {len(extension)}
    with opened(data) as image:
        main = image.info["xmp"].decode()
    assert f'HasExtendedXMP="{guid}"' in main
    return main, extension.decode()


LONG = "".join(map(chr, np.random.default_rng(0).integers(97, 123, 100_000)))


def test_extended_xmp_is_joined_when_read() -> None:
    kept = read(extended(LONG)).metadata.xmp or b""
    assert LONG.encode() in kept
    assert b'format="a"' in kept
    assert b"HasExtendedXMP" not in kept


def test_extended_xmp_reaches_a_png() -> None:
    data, notes = into(extended(LONG), "png")
    assert LONG.encode() in (read(data).metadata.xmp or b"")
    assert notes == ""


def test_long_xmp_is_split_when_written() -> None:
    data, notes = into(extended(LONG), "jpg")
    main, extension = joined_by_hand(data)
    assert LONG in extension
    assert 'format="a"' in main
    assert samples.RECORD.replace('"', "&quot;") in main or samples.RECORD in main
    assert notes == ""


def test_long_xmp_is_split_and_joined_again_without_a_loss() -> None:
    once = read(into(extended(LONG), "jpg")[0])
    twice = read(written(once, "jpg")[0])
    assert LONG.encode() in (twice.metadata.xmp or b"")


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_an_extension_with_a_missing_part_is_said_and_pointed_at_no_more(missing: int) -> None:
    data, notes = into(extended(LONG, missing=missing), "jpg")
    assert b"HasExtendedXMP" not in (read(data).metadata.xmp or b"HasExtendedXMP")
    assert "extended XMP" in notes


def test_a_packet_of_many_properties_is_divided_and_joined_again() -> None:
    body = "".join(f"<t:p{n} xmlns:t='urn:t'>{n}{'x' * 400}</t:p{n}>" for n in range(400))
    packet = samples.xmp(1).replace(b"</rdf:Description>", body.encode() + b"</rdf:Description>")
    data, notes = written(samples.still(smooth(6, 8), xmp=packet), "JPEG")
    main, extension = joined_by_hand(data)
    assert all((f">{n}xxx" in main) != (f">{n}xxx" in extension) for n in range(400))
    kept = (read(data).metadata.xmp or b"").decode()
    assert all(f">{n}xxx" in kept for n in range(400))
    assert notes == ()


def test_long_xmp_of_an_attribute_is_split_too() -> None:
    packet = samples.xmp(1).replace(
        b'dc:format="Zo', b'dc:source="' + LONG.encode() + b'" dc:format="Zo'
    )
    data, notes = written(samples.still(smooth(6, 8), xmp=packet), "JPEG")
    assert LONG in joined_by_hand(data)[1]
    assert notes == ()


# ---------------------------------------------------------------------------------- the ledger

TABLES = {"SOF0", "DHT", "DQT", "SOS", "DRI"}


def ledger(data: bytes) -> dict[str, Part]:
    return {part.name: part for part in read(data).parts}


def everything() -> tuple[bytes, set[str]]:
    """A JPEG with a segment of every kind, and the names of those that nothing can carry."""
    unknown = {f"APP{n} (kind{n})": segment(0xE0 + n, b"kind%d\0x" % n) for n in range(16)}
    unknown["APP13 (Adobe_CM)"] = segment(0xED, b"Adobe_CM\0x")
    known = [
        segment(0xE1, samples.with_prefix(samples.exif(1, size=(64, 48)))),
        xmp_segment('dc:format="a"'),
        segment(0xE2, b"ICC_PROFILE\0\1\1" + samples.p3_profile()),
        segment(0xE0, b"JFXX\0\x10" + saved(smooth(6, 8), "JPEG")),
        segment(0xED, samples.photoshop()),
        segment(0xFE, b"hello"),
        segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0<jumb\0\0\0\x1ejumdc2pa" + bytes(40)),
    ]
    base = saved(photo(48, 64), "JPEG", restart_marker_rows=1)
    return inside(base, *known, *unknown.values()), set(unknown)


def test_every_segment_is_in_the_ledger_and_what_is_not_carried_is_said() -> None:
    data, unknown = everything()
    parts = ledger(data)
    assert {name for name, part in parts.items() if part.fate == "not carried"} == unknown
    assert {name for name, part in parts.items() if part.fate == "carried"} == {
        "EXIF",
        "XMP",
        "the ICC profile",
        "Photoshop's data",
        "a comment",
    }
    rewritten = {name for name, part in parts.items() if part.fate == "rewritten"}
    assert rewritten == TABLES | {"JFIF", "the thumbnail of JFIF"}
    _, notes = into(data, "jpg")
    assert all(f"{name} (" in notes for name in unknown)


def test_the_ledger_counts_every_byte() -> None:
    data, _ = everything()
    data = data + VIDEO
    both_ends = 4
    assert sum(part.size for part in read(data).parts) == len(data) - both_ends


def test_a_second_comment_and_a_second_packet_are_said() -> None:
    source = inside(
        plain(),
        segment(0xFE, b"first"),
        segment(0xFE, b"second"),
        xmp_segment('dc:format="a"'),
        xmp_segment('dc:format="bb"'),
    )
    _, notes = into(source, "jpg")
    assert "a comment" in notes
    assert "XMP (" in notes


def test_an_ordinary_photo_has_nothing_to_say() -> None:
    beside: dict[str, Any] = {"exif": samples.with_prefix(samples.exif(6)), "comment": b"c"}
    assert into(saved(photo(30, 40), "JPEG", **beside), "jpg")[1] == ""


# -------------------------------------------------------------------------------------- damage


def test_a_format_that_an_index_cannot_tell_is_not_written_again() -> None:
    right = saved(RIGHT, "JPEG", quality=95)
    wrong = with_pictures(saved(LEFT, "JPEG", quality=95), (STEREO | 0x0100_0000, right))
    with opened(into(wrong, "jpg")[0]) as image:
        entries = image.mpinfo[0xB002]  # type: ignore[attr-defined]
        assert entries[1]["Attribute"]["ImageDataFormat"] == "JPEG"


@given(st.integers(2, len(HDR) - 1), st.integers(0, 255))
def test_one_wrong_byte_of_a_gain_map_photo_is_no_traceback(place: int, value: int) -> None:
    damaged = bytearray(HDR)
    damaged[place] = value
    from sam_diffsr_cli.errors import InputError

    try:
        picture = read(bytes(damaged))
    except InputError:
        return
    data, _ = written(picture, "jpg")
    with opened(data) as image:
        image.load()


@pytest.mark.parametrize("length", [0, 2, 10, 200, len(HDR) // 2, len(HDR) - 1])
def test_a_file_cut_short_is_taken_apart_as_far_as_it_goes(length: int) -> None:
    try:
        found = find_behind(HDR[:length])
    except ValueError:
        return
    assert found.segments
    assert isinstance(Image.open(io.BytesIO(HDR[:length])), Image.Image)
