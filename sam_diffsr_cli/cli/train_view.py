"""What people see of a training run: a live table on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from sam_diffsr_cli.training.meter import RunMeter
from sam_diffsr_cli.training.run import StageEvent, TrainRun

__all__ = ["teller", "training_console", "training_view"]

PLAIN_S, LIVE_S = 15.0, 0.5
"""Seconds between plain lines, and between looks of the table."""


class _PatientConsole(Console):
    """Ctrl-C ends what reads a pipe, ``tee`` say, too: the run then saves unheard."""

    def on_broken_pipe(self) -> None:
        """Do not exit, as rich does."""
        self.quiet = True


def training_console() -> Console:
    """Open the console of a run, as ``stderr_console``; what is told goes above its live table."""
    return _PatientConsole(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def teller(console: Console) -> Callable[[str], None]:
    """Return a function that prints a line; signal handlers may call it, and it never fails."""

    def tell(text: str) -> None:
        # The terminal may be gone, or the signal came while a line was being written.
        with suppress(OSError, RuntimeError):
            console.print(escape(text))

    return tell


@contextmanager
def training_view(
    run: TrainRun, console: Console, *, is_shown: bool
) -> Iterator[Callable[[StageEvent], None]]:
    """Give a function that shows what happens in ``run``."""
    tell = teller(console)
    meter = RunMeter(run, tell)
    if not is_shown:
        yield lambda _: None
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:

            def show(event: StageEvent) -> None:
                if meter.take(event, LIVE_S):
                    if event is meter.validation:
                        tell(meter.line())
                    with suppress(OSError):
                        live.update(_table(meter), refresh=True)

            yield show
    else:

        def show_plainly(event: StageEvent) -> None:
            if meter.take(event, PLAIN_S):
                tell(meter.line())

        yield show_plainly


def _table(meter: RunMeter) -> Table:
    """Return the live table."""
    config, done = meter.config, 0 if meter.last is None else meter.last.step
    table = Table.grid(padding=(0, 2))
    table.add_row(
        f"{config.stage} {done}/{config.steps}",
        ProgressBar(total=config.steps, completed=done, width=40),
    )
    for name, value in meter.facts():
        table.add_row(name, value)
    return table
