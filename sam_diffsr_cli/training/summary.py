"""The summary page of a training run: one HTML file that opens without a server.

It holds everything it shows, loads nothing, and runs no script.
"""

import html
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sam_diffsr_cli import __version__
from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.charts.curves import (
    CHART_STYLE,
    Chart,
    Mark,
    Point,
    Series,
    draw_chart,
    running_mean,
)
from sam_diffsr_cli.charts.ticks import format_number
from sam_diffsr_cli.recipes.records import STAGES, Stage
from sam_diffsr_cli.training.journal import (
    JOURNAL_NAME,
    Entry,
    EventEntry,
    StepEntry,
    ValidationEntry,
    read_journal,
)
from sam_diffsr_cli.training.slides import SLIDE_STYLE, draw_slides, find_samples

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

STYLE = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 96rem; margin: 0 auto; padding: 1rem clamp(.75rem, 3vw, 2.5rem) 3rem; }
h1 { font-size: 1.6rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--grid); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
footer { color: var(--muted); margin-top: 2.5rem; }
.wide { overflow-x: auto; }
.wide td, .wide th { white-space: nowrap; }
.wide td:last-child { white-space: normal; min-width: 4rem; }
.facts td { white-space: pre-line; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .25rem .7rem .25rem 0;
  border-bottom: 1px solid var(--grid); }
th { color: var(--muted); font-weight: 600; }
.charts { display: grid; gap: 1.5rem 2rem; margin: 1.5rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }
details { margin: 1.5rem 0; }
summary { cursor: pointer; font-weight: 600; font-size: 1.05rem; }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


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
    text = html.escape(title)
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{text}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<style>{CHART_STYLE}{SLIDE_STYLE}{STYLE}</style></head>\n<body><main><h1>{text}</h1>\n"
        + _fact_table(facts)
        + _body(entries, folder)
        + f"<footer><p>Written by samsr {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
        "</p></footer></main></body></html>\n"
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


def _body(entries: Sequence[Entry], folder: Path) -> str:
    present = {entry.stage for entry in entries}
    records = [_record(stage, entries) for stage in STAGES if stage in present]
    samples = [find_samples(record.validations, folder) for record in records]
    count = sum(map(len, samples))
    sections = (
        _section(record, draw_slides(chosen, folder, record.stage, PICTURE_BYTES // max(1, count)))
        for record, chosen in zip(records, samples, strict=True)
    )
    return "".join(sections) or "<p>Nothing is written in the journal yet.</p>\n"


def _section(record: _Record, slides: str) -> str:
    charts = "".join(f"<div>{draw_chart(chart)}</div>\n" for chart in _charts(record))
    return (
        f'<section aria-labelledby="{record.stage}"><h2 id="{record.stage}">'
        f"{record.stage.capitalize()} stage</h2>\n{_fact_table(_facts(record))}"
        + (f'<div class="charts">{charts}</div>\n' if charts else "")
        + (f"<h3>Samples</h3>\n{slides}" if slides else "")
        + _validation_table(record)
        + _table(
            "Events",
            ("Time (UTC)", "Step", "Event"),
            [
                (_clock(entry.time), format_number(entry.step), entry.text)
                for entry in record.events
            ],
        )
        + "</section>\n"
    )


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


def _validation_table(record: _Record) -> str:
    rows = [
        (
            format_number(entry.step),
            "-" if entry.psnr_y is None else f"{entry.psnr_y:.3f}",
            format_number(entry.loss, 4),
            format_number(entry.seconds, 3),
            "best" if entry is record.best else "",
        )
        for entry in record.validations
    ]
    return _table("Validations", ("Step", "PSNR-Y (dB)", "Loss", "Seconds", ""), rows)


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table under its caption, folded when it is long; nothing without rows."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>\n"
        for row in rows
    )
    table = f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n{body}</table></div>'
    if len(rows) > MOST_ROWS:
        return f"<details><summary>{caption} ({len(rows):,})</summary>\n{table}</details>\n"
    return f"<h3>{caption}</h3>\n{table}\n"


def _fact_table(facts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>\n'
        for name, value in facts
    )
    return f'<table class="facts">{rows}</table>\n' if rows else ""
