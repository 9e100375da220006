"""What people see: errors, notes and progress, all on stderr; results go to stdout."""

import os
import sys
import textwrap
import time
import traceback
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.measures import clock

__all__ = [
    "BatchReporter",
    "Reporter",
    "batch_progress",
    "note",
    "print_error",
    "print_result",
    "printable",
    "progress",
    "quietly",
    "read_standard_input",
    "stderr_console",
]

TURNING = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""What turns the direction of writing, and can make a name look like another."""

AT_SPACES: dict[str, Any] = {
    "break_long_words": False,
    "break_on_hyphens": False,
    "replace_whitespace": False,
    "expand_tabs": False,
}

PLAIN_INTERVAL_S = 30.0
"""Without a terminal, a line of progress is printed this often."""

FIRST_INTERVAL_S = 5.0
"""And the first, with the time to go, as soon as something is done after so long."""


class Reporter(Protocol):
    """Receives progress: how much of the total is done, and a few words on it."""

    def __call__(self, done: float, text: str = "") -> None:
        """Report ``done`` of the total, and what it is at."""
        ...


class BatchReporter(Protocol):
    """Receives a batch's progress: the work done, and the share of the picture at hand."""

    def __call__(self, done: float, share: float, name: str) -> None:
        """Report ``done`` of all the work, and ``share`` in (0, 1] of the picture ``name``."""
        ...


def stderr_console() -> Console:
    """Open the console for everything that is not a result; honours NO_COLOR.

    Where bars are shown it is theirs: what is printed by another would go through them.
    """
    return _shown.get() or Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def printable(text: str) -> str:
    """Write control characters as their codes: names and files must not steer the terminal."""
    return "".join(c if c in "\n\t" or not _is_control(c) else ascii(c)[1:-1] for c in text)


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) == "Cc" or letter in TURNING


_quiet = ContextVar("_quiet", default=False)
_shown: ContextVar[Console | None] = ContextVar("_shown", default=None)


@contextmanager
def quietly(is_quiet: bool) -> Iterator[None]:  # noqa: FBT001 - one caller
    """Print neither notes nor progress meanwhile, if so asked."""
    token = _quiet.set(is_quiet)
    try:
        yield
    finally:
        _quiet.reset(token)


def note(text: str) -> None:
    """Print one line for the user's information."""
    if not _quiet.get():
        _tell(stderr_console(), text)


def _tell(console: Console, text: str, label: str = "", style: str = "bold") -> None:
    """Print a sentence: on a terminal broken at spaces, so that no word or path is."""
    lines = printable(f"{label} {text}" if label else text).split("\n")
    if console.is_terminal:
        lines = [textwrap.fill(line, console.width, **AT_SPACES) for line in lines]
    whole = "\n".join(lines).removeprefix(label)
    console.print(f"[{style}]{label}[/]{escape(whole)}" if label else escape(whole))


def print_result(text: str) -> None:
    """Print a line on stdout; a name that its encoding cannot write goes out as its bytes.

    Where bars are shown on the same terminal, above them: what goes past them leaves pieces behind.
    """
    if sys.stdout.isatty():
        text = printable(text)
        if _shown.get() is not None:
            stderr_console().print(escape(text))
            return
    try:
        sys.stdout.write(f"{text}\n")
    except UnicodeEncodeError:
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(f"{text}\n"))
    sys.stdout.flush()


def read_standard_input() -> bytes:
    """Read all of what is piped in; beforehand, since a thread waiting for it cannot be stopped.

    Raises:
        InputError: Nothing is piped in.
    """
    if sys.stdin.isatty():
        raise InputError("-: nothing is piped in", hint="as in: cat cat.jpg | samsr upscale - -")
    return sys.stdin.buffer.read()


def print_error(
    message: str, hint: str | None = None, *, cause: BaseException | None = None
) -> None:
    """Print an error and, on a second line, what to do; for a bug, ``cause``'s traceback too."""
    console = stderr_console()
    if cause is not None:
        console.print(escape("".join(traceback.format_exception(cause))))
    _tell(console, message, "error:", "bold red")
    if hint:
        _tell(console, hint, "hint:")


@contextmanager
def progress(title: str, total: float, start: float = 0.0) -> Iterator[Reporter]:
    """Show a bar with the time to go on a terminal, and a plain line now and then elsewhere.

    ``start`` is what was done before, and does not count for the rate.
    """
    console = stderr_console()
    if not console.is_terminal:
        yield _plain_reporter(title, total, start)
        return
    with _showing(console, TimeRemainingColumn(), TextColumn("{task.fields[text]}")) as bars:
        task = bars.add_task(escape(title), total=total, completed=int(start), text="")

        def report(done: float, text: str = "") -> None:
            bars.update(task, completed=done, text=escape(text))

        yield report


@contextmanager
def batch_progress(total: float) -> Iterator[BatchReporter]:
    """Show a bar for all with the time to go, and one for the picture at hand.

    Without a terminal, a plain line now and then. ``total`` is the whole work, in megapixels.
    """
    console = stderr_console()
    if not console.is_terminal or _quiet.get():
        plain = _plain_reporter("upscale", total, 0.0)

        def report_plainly(done: float, share: float, name: str) -> None:
            plain(done, f"{name} {100 * share:.0f} %")

        yield report_plainly
        return
    with _showing(console, _TimeLeftColumn()) as bars:
        whole = bars.add_task("all", total=total)
        one = bars.add_task("", total=1.0)

        def report(done: float, share: float, name: str) -> None:
            bars.update(whole, completed=done)
            bars.update(one, completed=share, description=escape(Path(name).name[-30:]))

        yield report


class _TimeLeftColumn(ProgressColumn):
    """The time to go by all that is done, from the first report on; rich waits for the second."""

    def render(self, task: Task) -> Text:
        """Write it, or dashes while nothing is done."""
        if not task.completed or not task.total or task.elapsed is None:
            return Text("-:--:--", style="progress.remaining")
        left_s = task.elapsed / task.completed * (task.total - task.completed)
        return Text(clock(left_s), style="progress.remaining")


@contextmanager
def _showing(console: Console, *more: ProgressColumn) -> Iterator[Progress]:
    """Show a set of bars, above which everything else is printed meanwhile.

    ``more`` columns follow those of every bar: its name, the bar, the share and the time.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        *more,
    )
    token = _shown.set(console)
    try:
        with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bars:
            yield bars
    finally:
        _shown.reset(token)


def _plain_reporter(title: str, total: float, start: float) -> Reporter:
    began = last = time.monotonic()
    has_told = False

    def report(done: float, text: str = "") -> None:
        nonlocal last, has_told
        now = time.monotonic()
        waited = PLAIN_INTERVAL_S if has_told else FIRST_INTERVAL_S
        if done >= total or now - last < waited:
            return
        last, has_told = now, True
        left_s = (now - began) / max(done - start, 1e-9) * (total - done)
        note(f"{title}: {100 * done / total:.0f} %, {clock(left_s)} to go {text}".rstrip())

    return report
