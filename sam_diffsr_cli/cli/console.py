"""What people see: errors, notes and progress, all on stderr; results go to stdout."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["Reporter", "note", "print_error", "progress", "stderr_console"]

PLAIN_INTERVAL_S = 30.0
"""Without a terminal, a line of progress is printed this often."""


class Reporter(Protocol):
    """Receives progress: how much of the total is done, and a few words on it."""

    def __call__(self, done: float, text: str = "") -> None:
        """Report ``done`` of the total, and what it is at."""
        ...


def stderr_console() -> Console:
    """Open the console for everything that is not a result; honours NO_COLOR."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Print one line for the user's information."""
    stderr_console().print(escape(text))


def print_error(message: str, hint: str | None = None) -> None:
    """Print an error and, on a second line, what to do about it."""
    console = stderr_console()
    console.print(f"[bold red]error:[/] {escape(message)}")
    if hint:
        console.print(f"[bold]hint:[/] {escape(hint)}")


@contextmanager
def progress(title: str, total: float, start: float = 0.0) -> Iterator[Reporter]:
    """Show a bar with the time to go on a terminal, and a plain line now and then elsewhere.

    ``start`` is what was done before, and does not count for the rate.
    """
    console = stderr_console()
    if not console.is_terminal:
        yield _plain_reporter(title, total, start)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(escape(title), total=total, completed=int(start), text="")

        def report(done: float, text: str = "") -> None:
            bars.update(task, completed=done, text=escape(text))

        yield report


def _plain_reporter(title: str, total: float, start: float) -> Reporter:
    began = last = time.monotonic()

    def report(done: float, text: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if done >= total or now - last < PLAIN_INTERVAL_S:
            return
        last = now
        left_s = (now - began) / max(done - start, 1e-9) * (total - done)
        note(f"{title}: {100 * done / total:.0f} %, {_clock(left_s)} to go {text}".rstrip())

    return report


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
