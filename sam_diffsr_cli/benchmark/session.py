"""One run of the benchmark: what it measures, what it found so far, and what it ends with."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sam_diffsr_cli.benchmark.models import has_random_weights, weights_of
from sam_diffsr_cli.benchmark.processes import load_now, time_start
from sam_diffsr_cli.benchmark.records import BenchCase, BenchRow, Effort, Failed, StartUp
from sam_diffsr_cli.benchmark.report import (
    ratio_entry,
    row_entry,
    tell_peaks,
    tell_ratio,
    tell_start,
    tell_verdict,
)
from sam_diffsr_cli.benchmark.run import compare, measure_peaks_again, run_cases
from sam_diffsr_cli.diagnosis.gathering import gather_facts
from sam_diffsr_cli.errors import InterruptedRun, PartialFailure, SamsrError

__all__ = ["Session", "describe", "failure_of", "measure", "summary_lines"]


@dataclass(kw_only=True, slots=True)
class Session:
    """What is to be measured and what was found so far; ``load`` is of the time before."""

    cases: Sequence[BenchCase]
    effort: Effort
    load: float | None = field(default_factory=lambda: load_now())  # noqa: PLW0108 - found late
    rows: list[BenchRow | Failed] = field(default_factory=list)
    start: StartUp | None = None
    is_stopped: bool = False

    @property
    def measured(self) -> list[BenchRow]:
        """Rows with numbers."""
        return [row for row in self.rows if isinstance(row, BenchRow)]

    @property
    def failed(self) -> list[Failed]:
        """Rows without."""
        return [row for row in self.rows if isinstance(row, Failed)]


def measure(session: Session, report: Callable[[float, str], None]) -> None:
    """Fill a session as it goes.

    Args:
        session: What to measure.
        report: Told how many of the cases, and two more, are done, and which is at hand.
    """
    cases = session.cases
    report(0.0, "start-up")
    file = next(filter(None, (weights_of(case.model) for case in cases)), None)
    session.start = time_start(cases[0].device, file, session.effort.repeats)

    def tell(share: float) -> None:
        case = cases[min(len(session.rows), len(cases) - 1)]
        report(1 + share * len(cases), f"{case.model}, {case.work}")

    tell(0.0)
    for row in run_cases(cases, session.effort, tell):
        session.rows.append(row)
    report(1 + len(cases), "peaks")
    session.rows = measure_peaks_again(session.rows)


def failure_of(session: Session) -> SamsrError | None:
    """Decide what the process ends with; None when all is well."""
    count = len(session.cases)
    if session.is_stopped:
        return InterruptedRun(f"interrupted; {len(session.measured)} of {count} rows measured")
    if count == 1 and session.failed:
        return session.failed[0].error
    if session.failed:
        return PartialFailure(f"{len(session.failed)} of {count} rows could not be measured")
    return None


def summary_lines(session: Session) -> list[str]:
    """Write what stands below the table: a verdict a row, and what the rows have in common."""
    rows = session.measured
    lines = [tell_verdict(row) for row in rows]
    lines += tell_peaks(list(dict.fromkeys(row.peaks for row in rows)))
    lines += [] if session.start is None else [tell_start(session.start)]
    random = dict.fromkeys(row.case.model for row in rows if has_random_weights(row.case.model))
    if random:
        lines.append(f"with random weights, as fast as any: {', '.join(random)}")
    return [*lines, *map(tell_ratio, compare(rows))]


def describe(session: Session) -> dict[str, Any]:
    """Describe this machine and what was found, for a JSON document."""
    facts, rows = gather_facts(), session.measured
    return {
        "machine": asdict(facts.machine),
        "torch": None if facts.torch is None else asdict(facts.torch),
        "devices": [asdict(device) for device in facts.devices],
        "load_before": session.load,
        "start_up": None if session.start is None else asdict(session.start),
        "peaks": [asdict(peaks) for peaks in dict.fromkeys(row.peaks for row in rows)],
        "rows": [row_entry(row) for row in session.rows],
        "ratios": [ratio_entry(ratio) for ratio in compare(rows)],
    }
