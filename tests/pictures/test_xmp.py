"""XMP keeps all that others wrote, and carries one record of how the picture was made."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_diffsr_cli.pictures.change import Change
from sam_diffsr_cli.pictures.xmp import (
    NAMESPACE,
    orientation_in,
    record_of,
    upright_xmp,
    with_record,
)
from tests.pictures import samples

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
TIFF = "{http://ns.adobe.com/tiff/1.0/}"
EXIF = "{http://ns.adobe.com/exif/1.0/}"
XML_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r")
)
PACKETS = st.sampled_from([None, samples.xmp(), b"", b"not XMP", with_record(None, "earlier")])


def descriptions(packet: bytes) -> list[ET.Element]:
    """The elements as an XML parser sees them."""
    tree = ET.fromstring(packet.decode().lstrip("\ufeff"))  # noqa: S314 - made by these tests
    return list(tree.iter(f"{RDF}Description"))


@given(PACKETS, st.text())
def test_the_record_is_read_back(packet: bytes | None, record: str) -> None:
    assert record_of(with_record(packet, record)) == record


@given(PACKETS, XML_TEXT)
def test_an_xml_parser_reads_the_same_record(packet: bytes | None, record: str) -> None:
    found = [
        value
        for element in descriptions(with_record(packet, record))
        if (value := element.get(f"{{{NAMESPACE}}}record")) is not None
    ]
    assert found == [record]


@given(PACKETS, st.text(), st.text())
def test_a_second_record_takes_the_place_of_the_first(
    packet: bytes | None, first: str, second: str
) -> None:
    assert with_record(with_record(packet, first), second) == with_record(packet, second)


def test_the_record_goes_into_the_packet_that_is_there() -> None:
    before = samples.xmp()
    after = with_record(before, "made")
    begin = after.index(b'<rdf:Description rdf:about="" xmlns:samsr')
    assert after[:begin] == before[:begin]
    assert after.endswith(before[begin:])


def test_a_packet_is_made_where_there_is_none() -> None:
    (only,) = descriptions(with_record(None, "made"))
    assert only.get(f"{{{NAMESPACE}}}record") == "made"


def test_a_record_that_another_program_moved_does_not_hide_the_new_one() -> None:
    moved = samples.xmp().replace(b"dc:format", b'xmlns:s="x" samsr:record="old" dc:format')
    assert record_of(with_record(moved, "new")) == "new"


@pytest.mark.parametrize("packet", [b"", b"no record", samples.xmp(), b"samsr:record="])
def test_without_a_record_there_is_none(packet: bytes) -> None:
    assert record_of(packet) is None


def packet(attributes: str = "", elements: str = "") -> bytes:
    """A packet with these in its description; tiff, exif and t (for tiff) are declared."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:tiff="{TIFF[1:-1]}" xmlns:exif="{EXIF[1:-1]}"'
        f' xmlns:mytiff="urn:mine" xmlns:t="{TIFF[1:-1]}" {attributes}>{elements}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def upright(before: bytes, size: tuple[int, int] = (60, 80)) -> ET.Element:
    """The description of a packet of a 40x30 picture that was enlarged."""
    after, told = upright_xmp(before, Change(1, (30, 40), size))
    assert after is not None
    assert told == []
    (element,) = descriptions(after)
    return element


def test_orientation_as_an_attribute_becomes_upright() -> None:
    assert upright(samples.xmp(8)).get(f"{TIFF}Orientation") == "1"


def test_orientation_as_an_element_becomes_upright() -> None:
    element = upright(packet(elements="<tiff:Orientation>6</tiff:Orientation>"))
    assert element.findtext(f"{TIFF}Orientation") == "1"


def test_sizes_as_elements_become_the_new_ones() -> None:
    element = upright(samples.xmp())
    assert element.findtext(f"{TIFF}ImageWidth") == "80"
    assert element.findtext(f"{EXIF}PixelYDimension") == "60"


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("prefix", ["tiff", "t"])
def test_sizes_as_attributes_become_the_new_ones(quote: str, prefix: str) -> None:
    before = f"{prefix}:ImageLength={quote}30{quote} exif:PixelXDimension = {quote}40{quote}"
    element = upright(packet(before))
    assert element.get(f"{TIFF}ImageLength") == "60"
    assert element.get(f"{EXIF}PixelXDimension") == "80"


def test_properties_of_like_names_stay() -> None:
    before = packet('mytiff:ImageWidth="4" tiff:ImageWidthUnit="5"', "30 40")
    element = upright(before)
    assert (element.attrib, element.text) == (descriptions(before)[0].attrib, "30 40")


def test_what_is_upright_and_has_no_sizes_says_the_same() -> None:
    before = with_record(
        packet("tiff:Make='A &amp; \"B\" &lt;&#10;'", "a<exif:b> c </exif:b>&#13;"), "x"
    )
    after = upright_xmp(before, Change(1, (30, 40), (60, 80)))[0] or b""
    assert ET.canonicalize(as_text(after)) == ET.canonicalize(as_text(before))


def as_text(packet: bytes) -> str:
    """The element itself, without the marks of a packet about it."""
    text = packet.decode()
    return text[text.index("<x:xmpmeta") : text.index("</x:xmpmeta>") + len("</x:xmpmeta>")]


def test_prefixes_are_those_that_were_there() -> None:
    before = packet('t:Make="A"', "<mytiff:note>b</mytiff:note>")
    after = upright_xmp(before, Change(1, (30, 40), (60, 80)))[0] or b""
    assert b't:Make="A"' in after
    assert b"<mytiff:note>b</mytiff:note>" in after


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no XML",
        b"<a><b></a>",
        b"<tiff:a/>",
        b"<a>" * 5000 + b"</a>" * 5000,
        b'<!DOCTYPE a [<!ENTITY e "eeee">]><a>&e;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/hostname"><a/>',
    ],
    ids=["empty", "text", "crossed", "unbound", "deep", "entity", "outside"],
)
def test_a_packet_that_is_no_plain_xml_is_none(data: bytes) -> None:
    assert upright_xmp(data, Change(1, (30, 40), (60, 80))) == (None, [])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read_in_either_form(orientation: int) -> None:
    assert orientation_in(samples.xmp(orientation)) == orientation
    element = f"<tiff:Orientation>{orientation}</tiff:Orientation>"
    assert orientation_in(packet(elements=element)) == orientation


@pytest.mark.parametrize("text", ["", "0", "9", "12", "1.5", "up"])
def test_an_orientation_that_does_not_exist_is_none(text: str) -> None:
    assert orientation_in(packet(f'tiff:Orientation="{text}"')) is None


@pytest.mark.parametrize("data", [b"", b"Orientation", packet('mytiff:Orientation="6"')])
def test_no_orientation_is_none(data: bytes) -> None:
    assert orientation_in(data) is None


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise(data: bytes) -> None:
    upright = upright_xmp(data, Change(6, (40, 30), (80, 60)))[0]
    assert record_of(with_record(upright, "made")) == "made"
