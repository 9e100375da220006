"""What is printed for people."""

import pytest

from sam_diffsr_cli.cli.console import note, print_error, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("bell\x07 and\x9bmore", "bell\\x07 and\\x9bmore"),
        ("gnp\u202e.png", "gnp\\u202e.png"),
        (
            "Stra\u00dfe \u96ea \U0001f469\u200d\U0001f680",
            "Stra\u00dfe \u96ea \U0001f469\u200d\U0001f680",
        ),
    ],
)
def test_control_characters_are_written_as_their_codes(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_errors_and_notes_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("\x1b[2Jbad.png: damaged", "\x1b]0;title\x07rename it")
    note("\x1b[2J[bold]note[/]")
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "\\x1b[2Jbad.png: damaged" in told
    assert "[bold]note[/]" in told
