"""What stays on a terminal's screen."""

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("has no pseudo-terminals", allow_module_level=True)

from tests.cli.terminal import Screen, run_on_terminal

BATCH = """
import time
from sam_diffsr_cli.cli.console import batch_progress, note, print_result
with batch_progress(3.0) as report:
    for number in range(3):
        for share in (0.2, 0.7, 1.0):
            report(number + share, share, f"{number}.png")
            time.sleep(0.12)
        note(f"note: {number}.png: a word on it")
        print_result(f"out/{number}.png")
note("3 pictures, 0.3 MP, in 0:01, in out/")
"""

WORDS = """
from sam_diffsr_cli.cli.console import note, print_error, print_result
print_error("4 outputs exist already: out/first.png, out/second.png, out/third.png, ...",
            "--on-exists skip (which resumes a run), overwrite or rename")
note("a long word: " + 70 * "x" + " and more")
note("two\\nlines")
print_result("out/a picture with a long name that no line of this terminal can hold.png")
"""


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 100])
def test_written_paths_and_notes_stay_and_no_bar_does(columns: int) -> None:
    expected = []
    for number in range(3):
        expected += [f"note: {number}.png: a word on it", f"out/{number}.png"]
    expected += ["3 pictures, 0.3 MP, in 0:01, in out/"]
    assert run_on_terminal(BATCH, columns) == expected


def test_a_narrow_terminal_breaks_sentences_at_spaces_and_words_never() -> None:
    assert run_on_terminal(WORDS, 60) == [
        "error: 4 outputs exist already: out/first.png,",
        "out/second.png, out/third.png, ...",
        "hint: --on-exists skip (which resumes a run), overwrite or",
        "rename",
        "a long word:",
        60 * "x",
        10 * "x",
        "and more",
        "two",
        "lines",
        # A path is one line, which the terminal breaks where it ends, so that it can be copied.
        "out/a picture with a long name that no line of this terminal",
        " can hold.png",
    ]


def test_the_screen_takes_back_what_is_erased() -> None:
    screen = Screen(10)
    screen.write("one\r\ntwo\r\n\x1b[1A\x1b[2K\rthree\r\n" + 12 * "x")
    assert screen.text == ["one", "three", 10 * "x", "xx"]
