"""The summary page of a training run: one HTML file that opens without a server.

It holds everything it shows, loads nothing, and runs no script.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sam_diffsr_cli import __version__
from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.charts.curves import CHART_STYLE, draw_chart
from sam_diffsr_cli.charts.series import Chart, Mark, Point, Series, running_mean
from sam_diffsr_cli.charts.ticks import format_number
from sam_diffsr_cli.pages import look, render
from sam_diffsr_cli.recipes.records import STAGES, Stage
from sam_diffsr_cli.training.journal import (
    JOURNAL_NAME,
    Entry,
    EventEntry,
    StepEntry,
    ValidationEntry,
    read_journal,
)
from sam_diffsr_cli.training.slides import draw_slides, find_samples

__all__ = ["SUMMARY_NAME", "write_summary"]

SUMMARY_NAME = "summary.html"
PICTURE_BYTES = 6 << 20
"""For all samples together, before they are written as text, which takes a third more."""

MOST_ROWS = 20
"""A longer table is folded."""

MEANS = 100
"""A running mean follows a 100th of the points."""

MOST_NAMED = 50
"""Steps that are named one by one."""


def write_summary(folder: Path, title: str, facts: Sequence[tuple[str, str]]) -> Path:
    """Write ``summary.html`` into a run folder from its journal and samples.

    Args:
        folder: The run folder.
        title: Of the page.
        facts: Names and values to tell first: recipe, device, data.

    Returns:
        Path of the page.

    Raises:
        InputError: The journal is missing or damaged, or the page cannot be written.
        DiskFullError: The disk is full; a page that was there is as it was.
    """
    entries = read_journal(folder / JOURNAL_NAME)
    page = render(
        "training/assets/summary.html",
        title=title,
        style=look() + CHART_STYLE,
        facts=list(facts),
        stages=_stages(entries, folder),
        most_rows=MOST_ROWS,
        footer=f"Written by samsr {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
    )
    path = folder / SUMMARY_NAME
    with atomic_path(path) as temporary:
        # A name of a file need not be text.
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path


@dataclass(frozen=True, slots=True)
class _Record:
    """What the journal holds of one stage."""

    stage: Stage
    steps: list[StepEntry]
    validations: list[ValidationEntry]
    events: list[EventEntry]

    @property
    def best(self) -> ValidationEntry | None:
        return next((entry for entry in reversed(self.validations) if entry.is_best), None)


def _record(stage: Stage, entries: Iterable[Entry]) -> _Record:
    record = _Record(stage, [], [], [])
    for entry in entries:
        if entry.stage != stage:
            continue
        if isinstance(entry, StepEntry):
            record.steps.append(entry)
        elif isinstance(entry, ValidationEntry):
            record.validations.append(entry)
        else:
            record.events.append(entry)
    return record


def _stages(entries: Sequence[Entry], folder: Path) -> list[dict[str, object]]:
    """Tell each stage that has entries, as the template takes it."""
    present = {entry.stage for entry in entries}
    records = [_record(stage, entries) for stage in STAGES if stage in present]
    samples = [find_samples(record.validations, folder) for record in records]
    most_bytes = PICTURE_BYTES // max(1, sum(map(len, samples)))
    return [
        {
            "stage": record.stage,
            "facts": list(_facts(record)),
            "charts": [draw_chart(chart) for chart in _charts(record)],
            "slides": draw_slides(chosen, folder, record.stage, most_bytes),
            "validations": _validations(record),
            "events": [
                (_clock(entry.time), format_number(entry.step), entry.text)
                for entry in record.events
            ],
        }
        for record, chosen in zip(records, samples, strict=True)
    ]


def _facts(record: _Record) -> Iterable[tuple[str, str]]:
    """Yield the numbers that matter first; what is not known is left out."""
    steps = record.steps
    yield "Steps", format_number(max((entry.step for entry in steps), default=0))
    if (seconds := _last(entry.elapsed_s for entry in steps)) is not None:
        yield "Time", _duration(seconds)
    if (loss := _last(entry.mean_loss for entry in steps)) is not None:
        yield "Mean loss", format_number(loss, 4)
    if record.best is not None:
        quality = "" if record.best.psnr_y is None else f", PSNR-Y {record.best.psnr_y:.3f} dB"
        yield "Best validation", f"step {format_number(record.best.step)}{quality}"
    if speeds := _known(entry.images_per_s for entry in steps):
        yield "Images per second", f"{format_number(statistics.median(speeds), 4)} (median)"
    if shares := _known(entry.wait_share for entry in steps):
        yield "Waiting for data", f"{100 * statistics.mean(shares):.1f} % of the time"
    if memory := _known(entry.memory_mib for entry in steps):
        yield "Memory", f"{max(memory):,.0f} MiB"
    skipped = [entry for entry in steps if entry.skipped]
    if skipped:
        named = ", ".join(format_number(entry.step) for entry in skipped[:MOST_NAMED])
        more = len(skipped) - MOST_NAMED
        told = f"reported at step {named}" + (f" and {more} more" if more > 0 else "")
        yield "Skipped steps", f"{sum(entry.skipped for entry in skipped):,} ({told})"
    else:
        yield "Skipped steps", "none"


def _clock(time: str) -> str:
    return time.replace("T", " ").removesuffix("Z")


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _last(values: Iterable[float | None]) -> float | None:
    return next(reversed(_known(values)), None)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _charts(record: _Record) -> Iterable[Chart]:
    """Yield the charts of a stage; one without a single number is left out."""
    steps, validations = record.steps, record.validations
    loss = [(entry.step, entry.loss) for entry in steps]
    mean = [(entry.step, entry.mean_loss) for entry in steps]
    norm = [(entry.step, entry.gradient_norm) for entry in steps]
    speed = [(entry.step, entry.images_per_s) for entry in steps]
    waits = [(entry.step, _percent(entry.wait_share)) for entry in steps]
    rate = Series("learning rate", [(entry.step, entry.learning_rate) for entry in steps])
    psnr = [(entry.step, entry.psnr_y) for entry in validations]
    held = [(entry.step, entry.loss) for entry in validations]
    best = record.best
    psnr_mark, held_mark = (
        [Mark(best.step, value, f"best {format_number(value, 4)}")]
        if best is not None and (value := getattr(best, name)) is not None
        else []
        for name in ("psnr_y", "loss")
    )
    charts = (
        Chart(
            "Loss",
            [Series("loss", loss, "dots"), Series("running mean", mean)],
            y_label="log scale",
            is_log=True,
        ),
        Chart(
            "Validation PSNR-Y", [Series("PSNR-Y", psnr, "knots", 2)], y_label="dB", marks=psnr_mark
        ),
        Chart("Validation loss", [Series("loss", held, "knots", 2)], marks=held_mark),
        Chart("Learning rate", [rate], from_zero=True),
        Chart("Gradient norm", _with_mean("norm", norm), y_label="log scale", is_log=True),
        Chart("Speed", _with_mean("speed", speed), y_label="images per second", from_zero=True),
        Chart("Waiting for data", _with_mean("share", waits), y_label="%", from_zero=True),
    )
    return (chart for chart in charts if any(_known(y for _, y in s.points) for s in chart.series))


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _with_mean(name: str, points: Sequence[Point]) -> list[Series]:
    mean = list(running_mean(points, max(1, len(points) // MEANS)))
    return [Series(name, points, "dots", 1), Series("running mean", mean, "line", 1)]


def _validations(record: _Record) -> list[tuple[str, ...]]:
    return [
        (
            format_number(entry.step),
            "-" if entry.psnr_y is None else f"{entry.psnr_y:.3f}",
            format_number(entry.loss, 4),
            format_number(entry.seconds, 3),
            "best" if entry is record.best else "",
        )
        for entry in record.validations
    ]
