"""PNG as bytes: what is written is read back equal by others, and every chunk is found."""

import io
import struct
import zlib
from itertools import starmap

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_diffsr_cli.pictures import png
from tests.pictures import samples

CHANNELS = pytest.mark.parametrize("channels", [1, 2, 3, 4])
SIZES = [(1, 1), (1, 7), (13, 1), (5, 3), (31, 18), (2, 257)]


def encoded(pixels: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    file = io.BytesIO()
    png.write_png(file, pixels, chunks)
    return file.getvalue()


def filters_of(data: bytes, pixels: np.ndarray) -> list[int]:
    """The number that stands before each row."""
    packed = b"".join(body for kind, body in samples.png_chunks(data) if kind == b"IDAT")
    height, row = len(pixels), pixels[0].nbytes
    raw = zlib.decompress(packed)
    assert len(raw) == height * (row + 1)
    return list(raw[:: row + 1])


@CHANNELS
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pillow_reads_back_8_bits(size: tuple[int, int], channels: int) -> None:
    pixels = samples.levels(*size, channels)
    samples.assert_pillow_reads(encoded(pixels), pixels)


@CHANNELS
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_libpng_reads_back_16_bits(size: tuple[int, int], channels: int) -> None:
    pixels = samples.levels(*size, channels, dtype=np.uint16)
    back = imagecodecs.png_decode(encoded(pixels))
    assert back.dtype == np.uint16
    assert np.array_equal(back.reshape(pixels.shape), pixels)


@given(samples.PIXELS)
def test_any_pixels_come_back(pixels: np.ndarray) -> None:
    back = imagecodecs.png_decode(encoded(pixels))
    assert back.dtype == pixels.dtype
    assert np.array_equal(back.reshape(pixels.shape), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_rows_of_many_blocks_come_back(dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "BLOCK_BYTES", 700)
    pixels = samples.levels(101, 17, 3, dtype=dtype)
    pixels[:, ::2] = pixels[:1, ::2]
    assert np.array_equal(imagecodecs.png_decode(encoded(pixels)), pixels)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = samples.photo(60, 40)
    whole = encoded(pixels)
    monkeypatch.setattr(png, "BLOCK_BYTES", 1)
    one_by_one = encoded(pixels)
    assert filters_of(one_by_one, pixels) == filters_of(whole, pixels)


def test_a_picture_larger_than_a_block_comes_back() -> None:
    pixels = samples.levels(300, 1000, 4)
    assert pixels.nbytes > png.BLOCK_BYTES
    assert np.array_equal(imagecodecs.png_decode(encoded(pixels)), pixels)


def test_views_that_are_not_contiguous_come_back() -> None:
    pixels = samples.levels(9, 8, 4, dtype=np.uint16)
    for view in (pixels[::-1, ::2, :3], pixels.swapaxes(0, 1), pixels[..., 1:3]):
        assert np.array_equal(imagecodecs.png_decode(encoded(view)), view)


def ramp(kind: str) -> np.ndarray:
    """A picture for which one filter leaves the least."""
    x, noise = np.arange(64), samples.levels(64, seed=3).astype(int)
    rows = {
        "none": [np.where(x % 2, 255 - k % 2, k % 2) for k in range(4)],
        "sub": [(7 * x + 90 * k) % 256 for k in range(4)],
        "up": [(noise + 3 * k) % 256 for k in range(4)],
        "average": AVERAGED,
    }[kind]
    return np.stack(rows).astype(np.uint8)[..., None]


def averaged() -> list[np.ndarray]:
    """A row of noise, and below it rows that are the mean of left and above."""
    rows = [samples.levels(64, seed=3).astype(int)]
    for _ in range(3):
        row = [int(rows[-1][0]) // 2]
        for above in rows[-1][1:]:
            row.append((row[-1] + int(above)) // 2)
        rows.append(np.array(row))
    return rows


AVERAGED = averaged()


@pytest.mark.parametrize(("kind", "number"), [("none", 0), ("sub", 1), ("up", 2), ("average", 3)])
def test_a_filter_is_chosen_where_it_leaves_the_least(kind: str, number: int) -> None:
    pixels = ramp(kind)
    assert number in filters_of(encoded(pixels), pixels)
    with samples.opened(encoded(pixels)) as image:
        assert np.array_equal(np.asarray(image), pixels[..., 0])


def test_the_paeth_filter_is_chosen_at_a_corner_of_planes() -> None:
    y, x = np.mgrid[:16, :64]
    steps = samples.levels(16, seed=1).astype(int).cumsum()[y] + samples.levels(64).cumsum()[x]
    pixels = (steps % 251).astype(np.uint8)[..., None]
    data = encoded(pixels)
    assert 4 in filters_of(data, pixels)
    with samples.opened(data) as image:
        assert np.array_equal(np.asarray(image), pixels[..., 0])


def reference_paeth(a: int, b: int, c: int) -> int:
    """The predictor as the standard words it (ISO/IEC 15948, 9.4)."""
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    if pa <= pb and pa <= pc:
        return a
    return b if pb <= pc else c


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=50))
def test_the_paeth_predictor_is_the_standards(triples: list[tuple[int, int, int]]) -> None:
    a, b, c = (np.array(values, dtype=np.uint8) for values in zip(*triples, strict=True))
    expected = [reference_paeth(*triple) for triple in triples]
    assert png._paeth(a, b, c).tolist() == expected


@pytest.mark.parametrize("channels", [1, 3])
def test_a_photo_is_at_most_a_tenth_larger_than_pillows(channels: int) -> None:
    pixels = samples.photo(256, 256)[..., :channels]
    assert len(encoded(pixels)) <= 1.1 * len(samples.saved(pixels, "PNG"))


def test_chunks_stand_before_the_pixels_in_their_order() -> None:
    given_chunks = [(b"gAMA", struct.pack(">I", 45455)), (b"tEXt", b"Title\0A"), (b"tEXt", b"B\0b")]
    kinds = [
        kind for kind, _ in samples.png_chunks(encoded(samples.levels(2, 2, 3), *given_chunks))
    ]
    assert kinds[:5] == [b"IHDR", b"gAMA", b"tEXt", b"tEXt", b"IDAT"]
    assert set(kinds[5:-1]) <= {b"IDAT"}
    assert kinds[-1] == b"IEND"


def test_no_data_chunk_is_empty() -> None:
    chunks = samples.png_chunks(encoded(samples.levels(700, 900, 3)))
    assert all(body for kind, body in chunks if kind == b"IDAT")


def test_the_profile_chunk_is_read_by_pillow() -> None:
    icc = samples.profile("adobergb")
    with samples.opened(encoded(samples.levels(2, 2, 3), png.profile_chunk(icc))) as image:
        assert image.info["icc_profile"] == icc


@pytest.mark.parametrize("dpi", [(72.0, 72.0), (300.0, 150.0), (96.5, 1.0)])
def test_the_density_chunk_is_read_by_pillow(dpi: tuple[float, float]) -> None:
    with samples.opened(encoded(samples.levels(2, 2, 3), png.density_chunk(dpi))) as image:
        assert image.info["dpi"] == pytest.approx(dpi, abs=0.02)


def test_a_density_beyond_the_field_is_cut() -> None:
    kind, body = png.density_chunk((1e12, 1e-9))
    assert (kind, *struct.unpack(">IIB", body)) == (b"pHYs", 2**31 - 1, 0, 1)


def test_the_xmp_chunk_is_read_by_pillow() -> None:
    packet = samples.xmp()
    with samples.opened(encoded(samples.levels(2, 2, 3), png.xmp_chunk(packet))) as image:
        assert image.info["xmp"] == packet


# ------------------------------------------------------------------------------------- reading


def test_chunks_are_read_without_the_pixels() -> None:
    data = encoded(samples.levels(4, 4, 3), (b"tEXt", b"Title\0A"))
    expected = [(kind, b"" if kind == b"IDAT" else body) for kind, body in samples.png_chunks(data)]
    assert list(png.read_chunks(io.BytesIO(data))) == expected


@given(st.integers(0, 400))
def test_a_file_cut_short_yields_the_chunks_that_are_whole(length: int) -> None:
    data = encoded(samples.levels(9, 9, 3), (b"tEXt", b"Title\0A"), (b"tIME", bytes(7)))
    found = list(png.read_chunks(io.BytesIO(data[:length])))
    assert found == list(png.read_chunks(io.BytesIO(data)))[: len(found)]


def test_what_follows_the_end_is_not_read() -> None:
    data = encoded(samples.levels(2, 2, 1)) + samples.chunk(b"tEXt", b"Title\0A")
    assert b"tEXt" not in dict(png.read_chunks(io.BytesIO(data)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_depth_is_read_and_the_file_left_where_it_stood(dtype: type) -> None:
    file = io.BytesIO(encoded(samples.levels(2, 2, 3, dtype=dtype)))
    file.seek(5)
    assert png.bit_depth(file) == 8 * np.dtype(dtype).itemsize
    assert file.tell() == 5


def itxt(keyword: bytes, text: bytes, *, packed: bool) -> tuple[bytes, bytes]:
    head = keyword + (b"\0\1\0" if packed else b"\0\0\0") + b"en\0Title\0"
    return b"iTXt", head + (zlib.compress(text) if packed else text)


@pytest.mark.parametrize("packed", [True, False])
def test_xmp_is_found_packed_or_not(*, packed: bool) -> None:
    packet = samples.xmp()
    chunks = [(b"tEXt", b"Title\0A"), itxt(b"XML:com.adobe.xmp", packet, packed=packed)]
    assert png.find_xmp(chunks) == packet


def hex_profile(name: bytes, body: bytes, *, packed: bool = True) -> tuple[bytes, bytes]:
    text = b"\n%s\n%8d\n" % (name, len(body)) + body.hex().encode() + b"\n"
    keyword = b"Raw profile type " + name + b"\0"
    if packed:
        return b"zTXt", keyword + b"\0" + zlib.compress(text)
    return b"tEXt", keyword + text


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", [b"exif", b"APP1"])
def test_exif_is_found_in_hexadecimal(name: bytes, *, packed: bool) -> None:
    chunks = [hex_profile(name, samples.with_prefix(samples.exif()), packed=packed)]
    assert png.find_exif(chunks) == samples.exif()


def test_an_exif_chunk_goes_before_hexadecimal() -> None:
    chunks = [
        hex_profile(b"exif", samples.with_prefix(samples.exif(3))),
        (b"eXIf", samples.exif(8)),
    ]
    assert png.find_exif(chunks) == samples.exif(8)


def test_xmp_in_hexadecimal_is_not_taken_for_exif() -> None:
    assert png.find_exif([hex_profile(b"APP1", b"http://ns.adobe.com/xap/1.0/\0<x/>")]) is None


@pytest.mark.parametrize(
    "body", [b"", b"XML:com.adobe.xmp", b"XML:com.adobe.xmp\0", b"XML:com.adobe.xmp\0\1\0\0\0junk"]
)
def test_a_damaged_xmp_text_is_none(body: bytes) -> None:
    assert png.find_xmp([(b"iTXt", body)]) is None


def test_a_packed_text_grows_no_further_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "MOST_CHUNK_BYTES", 100)
    found = png.find_xmp([itxt(b"XML:com.adobe.xmp", bytes(10_000), packed=True)])
    assert found == bytes(100)


# ------------------------------------------------------------------- texts of other programs


def test_xmp_is_found_in_hexadecimal() -> None:
    assert png.find_xmp([hex_profile(b"xmp", samples.xmp())]) == samples.xmp()


def test_a_packet_of_its_own_goes_before_hexadecimal() -> None:
    chunks = [hex_profile(b"xmp", samples.xmp(3)), png.xmp_chunk(samples.xmp(8))]
    assert png.find_xmp(chunks) == samples.xmp(8)


def photoshop_text(data: bytes) -> bytes:
    """What stands in hexadecimal digits behind the keyword, the name and the length."""
    (body,) = (b for k, b in samples.png_chunks(data) if k == b"zTXt" and b.startswith(b"Raw"))
    keyword, _, rest = body.partition(b"\0")
    name, length, *digits = zlib.decompress(rest[1:]).split(b"\n")[1:]
    found = bytes.fromhex(b"".join(digits).decode())
    assert (keyword, name, int(length)) == (b"Raw profile type iptc", b"iptc", len(found))
    return found


@pytest.mark.parametrize("name", [b"iptc", b"8bim"])
def test_what_imagemagick_writes_in_digits_is_carried_and_brought_up_to_date(name: bytes) -> None:
    resources = samples.photoshop().removeprefix(b"Photoshop 3.0\0")
    thumbnail = b"8BIM\x04\x0c\0\0" + struct.pack(">I", 4) + b"old!"
    chunks = [hex_profile(name, resources + thumbnail), hex_profile(b"xmp", samples.xmp(6))]
    data = samples.png(samples.levels(3, 4, 3), b"".join(starmap(samples.chunk, chunks)))
    again = samples.rewritten(data, "PNG")
    assert photoshop_text(again) == resources
    assert b"Raw profile type xmp" not in again
    assert again.count(b"XML:com.adobe.xmp") == 1
    assert samples.opened(again).size == (6, 8)
    assert b"a caption!" in samples.rewritten(data, "JPEG")


def test_the_iptc_of_a_jpeg_reaches_a_png() -> None:
    body = samples.photoshop()
    data = samples.saved(samples.levels(8, 8, 3), "JPEG", extra=samples.app13(body))
    text = photoshop_text(samples.rewritten(data, "PNG"))
    assert text == body.removeprefix(b"Photoshop 3.0\0")


def test_texts_that_repeat_the_exif_of_before_go_and_it_is_said() -> None:
    words = (b"exif:ImageWidth", b"exif:thumbnail:Compression", b"exif:Make", b"Title")
    chunks = b"".join(samples.chunk(b"tEXt", word + b"\x006") for word in words)
    data, notes = samples.written(
        samples.enlarged(samples.read(samples.png(samples.levels(3, 4, 3), chunks))), "PNG"
    )
    kept = {body.partition(b"\0")[0] for kind, body in samples.png_chunks(data) if kind == b"tEXt"}
    assert kept == {b"exif:Make", b"Title"}
    assert any("exif:ImageWidth" in note and "thumbnail" in note for note in notes)
