"""XMP keeps all that others wrote, and carries one record of how the picture was made."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_orientation_as_an_attribute_becomes_upright() -> None:
    (element,) = descriptions(upright_xmp(samples.xmp(8), (60, 80)))
    assert element.get(f"{TIFF}Orientation") == "1"


def test_orientation_as_an_element_becomes_upright() -> None:
    packet = b"<tiff:Orientation>6</tiff:Orientation>"
    assert upright_xmp(packet, (60, 80)) == packet.replace(b"6", b"1")


def test_sizes_as_elements_become_the_new_ones() -> None:
    (element,) = descriptions(upright_xmp(samples.xmp(), (60, 80)))
    assert element.findtext(f"{TIFF}ImageWidth") == "80"
    assert element.findtext(f"{EXIF}PixelYDimension") == "60"


@pytest.mark.parametrize("quote", ['"', "'"])
def test_sizes_as_attributes_become_the_new_ones(quote: str) -> None:
    packet = f"<d tiff:ImageLength={quote}30{quote} exif:PixelXDimension = {quote}40{quote}/>"
    after = f"<d tiff:ImageLength={quote}60{quote} exif:PixelXDimension = {quote}80{quote}/>"
    assert upright_xmp(packet.encode(), (60, 80)) == after.encode()


def test_properties_of_like_names_stay() -> None:
    packet = b'<d mytiff:ImageWidth="4" tiff:ImageWidthUnit="5" crs:tiff="6">30 40</d>'
    assert upright_xmp(packet, (60, 80)) == packet


def test_what_is_upright_and_has_no_sizes_stays() -> None:
    packet = with_record(None, "made")
    assert upright_xmp(packet, (60, 80)) == packet


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read_in_either_form(orientation: int) -> None:
    assert orientation_in(samples.xmp(orientation)) == orientation
    element = f"<tiff:Orientation>{orientation}</tiff:Orientation>"
    assert orientation_in(element.encode()) == orientation


@pytest.mark.parametrize(
    "packet", [b"", b'tiff:Orientation="0"', b'tiff:Orientation="12"', b"mytiff:Orientation"]
)
def test_no_orientation_is_none(packet: bytes) -> None:
    assert orientation_in(packet) is None


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise(packet: bytes) -> None:
    assert record_of(with_record(upright_xmp(packet, (60, 80)), "made")) == "made"
