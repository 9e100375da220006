"""How a generated picture was made is found where programs look for it in each format."""

import zlib

import pytest
from PIL import Image

from tests.pictures import samples
from tests.pictures.samples import chunk, enlarged, opened, png, read, smooth, written

EXIF_IFD, USER_COMMENT, MAKE, MODEL, ARTIST = 0x8769, 0x9286, 0x010F, 0x0110, 0x013B
TEXT = "a red dot, naïve ☕\nNegative prompt: blur\nSteps: 20, Seed: 7, Size: 512x512"
CHUNKS = {
    "latin": chunk(b"tEXt", b"parameters\0" + "a naïve dot".encode("latin-1")),
    "utf8": chunk(b"tEXt", b"parameters\0" + "a naïve dot".encode()),
    "packed": chunk(b"zTXt", b"parameters\0\0" + zlib.compress("a naïve dot".encode("latin-1"))),
    "international": chunk(b"iTXt", b"parameters\0\0\0\0\0" + "a naïve dot".encode()),
}


def generated(before: bytes, name: str) -> tuple[Image.Exif, str]:
    """The EXIF of the result, and the notes."""
    data, notes = written(enlarged(read(png(smooth(6, 8), before))), name)
    return opened(data).getexif(), " ".join(notes)


def comment(exif: Image.Exif) -> str:
    """The comment as those programs read it: big endian, whatever the order of the structure."""
    body = exif.get_ifd(EXIF_IFD)[USER_COMMENT]
    assert body[:8] == b"UNICODE\0"
    return str(body[8:].decode("utf-16-be"))


@pytest.mark.parametrize("name", ["jpg", "webp", "avif"])
def test_parameters_become_the_users_comment(name: str) -> None:
    before = chunk(b"iTXt", b"parameters\0\0\0\0\0" + TEXT.encode())
    exif, notes = generated(before, name)
    assert comment(exif) == TEXT
    assert notes == ""


@pytest.mark.parametrize("kind", CHUNKS)
def test_parameters_of_any_text_chunk_are_found(kind: str) -> None:
    assert comment(generated(CHUNKS[kind], "jpg")[0]) == "a naïve dot"


def test_what_exif_there_is_stays_beside_them() -> None:
    exif = Image.Exif()
    exif[ARTIST] = "me"
    exif[EXIF_IFD] = {0x829A: 0.5}
    before = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")) + CHUNKS["utf8"]
    after, _ = generated(before, "jpg")
    assert comment(after) == "a naïve dot"
    assert (after[ARTIST], after.get_ifd(EXIF_IFD)[0x829A]) == ("me", 0.5)


def test_a_comment_that_is_there_stays_and_the_text_is_said() -> None:
    exif = Image.Exif()
    exif[EXIF_IFD] = {USER_COMMENT: b"ASCII\0\0\0mine"}
    before = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")) + CHUNKS["utf8"]
    after, notes = generated(before, "jpg")
    assert after.get_ifd(EXIF_IFD)[USER_COMMENT] == b"ASCII\0\0\0mine"
    assert "PNG text" in notes


def test_makers_notes_are_not_moved_for_them() -> None:
    before = chunk(b"eXIf", samples.exif(1, size=(8, 6))) + CHUNKS["utf8"]
    after, notes = generated(before, "jpg")
    assert after.get_ifd(EXIF_IFD)[0x927C] == samples.MAKER_NOTE
    assert "PNG text" in notes


def test_other_texts_are_said_all_the_same() -> None:
    _, notes = generated(CHUNKS["utf8"] + chunk(b"tEXt", b"Title\0A"), "jpg")
    assert "PNG text" in notes


def test_the_graph_of_comfyui_is_in_a_webp_where_it_looks() -> None:
    before = chunk(b"tEXt", b'prompt\0{"3": 1}') + chunk(b"tEXt", b'workflow\0{"n": []}')
    exif, notes = generated(before, "webp")
    assert (exif[MODEL], exif[MAKE]) == ('prompt:{"3": 1}', 'workflow:{"n": []}')
    assert notes == ""


def test_a_png_keeps_its_texts_and_gets_no_comment() -> None:
    exif, _ = generated(CHUNKS["utf8"], "png")
    assert USER_COMMENT not in exif.get_ifd(EXIF_IFD)
