"""What is left out of a picture is named once, with its size and the reason."""

from sam_diffsr_cli.pictures.ledger import Fate, Part, ledger_note, resolve_parts


def part(fate: Fate, name: str = "the trailer", reason: str = "", size: int = 1200) -> Part:
    return Part(name=name, size=size, fate=fate, reason=reason)


def test_what_is_carried_or_rewritten_is_not_said() -> None:
    assert ledger_note([part("carried"), part("rewritten")]) is None


def test_what_is_not_carried_is_said_with_its_size() -> None:
    note = ledger_note([part("not carried"), part("carried", "EXIF")])
    assert note == "left out: the trailer (1,200 bytes)"


def test_what_is_removed_is_said_with_the_reason() -> None:
    note = ledger_note([part("removed", "C2PA", "its hash no longer holds")])
    assert note == "left out: C2PA (1,200 bytes: its hash no longer holds)"


def test_parts_of_one_name_are_one() -> None:
    note = ledger_note([part("not carried"), part("not carried", "x", size=5)] * 2)
    assert note == "left out: the trailer (2,400 bytes), x (10 bytes)"


def test_a_part_for_some_formats_is_left_out_of_others() -> None:
    only = Part(name="a gain map", size=9, fate="carried", only_in=frozenset({"JPEG"}))
    assert resolve_parts([only], "JPEG") == (only,)
    assert ledger_note(resolve_parts([only], "PNG")) == "left out: a gain map (9 bytes)"
    assert resolve_parts(resolve_parts([only], "PNG"), "JPEG") == resolve_parts([only], "PNG")
