"""What is printed for people."""

import pytest
from rich.progress import Progress

from sam_diffsr_cli.cli import console
from sam_diffsr_cli.cli.console import batch_progress, note, print_error, printable


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


def test_the_time_to_go_is_told_from_the_first_tile_on() -> None:
    now = [100.0]
    bars = Progress(console._TimeLeftColumn(), get_time=lambda: now[0])
    bars.add_task("all", total=8.0)
    (task,) = bars.tasks
    column = console._TimeLeftColumn()
    assert column.render(task).plain == "-:--:--"
    now[0] += 30.0
    bars.update(task.id, completed=2.0)
    assert column.render(task).plain == "0:01:30"


def test_without_a_terminal_the_first_line_comes_soon_and_others_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    told = []
    with batch_progress(100.0) as report:
        for second in (1, 6, 20, 37, 66, 68):
            now[0] = float(second)
            report(float(second), 0.5, "a.png")
            told.append(capsys.readouterr().err)
    assert [bool(text) for text in told] == [False, True, False, True, False, True]
    assert told[1] == "upscale: 6 %, 0:01:34 to go a.png 50 %\n"
