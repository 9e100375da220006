"""From options to rows: every combination once, each beside the peaks of its device."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sam_diffsr_cli.benchmark.models import config_of
from sam_diffsr_cli.benchmark.processes import run_case, run_peaks
from sam_diffsr_cli.benchmark.records import (
    BenchCase,
    BenchMeasurement,
    BenchRow,
    CaseTask,
    Effort,
    Failed,
    Peaks,
    PeaksTask,
)
from sam_diffsr_cli.device import resolve_device, resolve_precision
from sam_diffsr_cli.errors import ConfigError, InputError, SamsrError
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.strict import parse_whole
from sam_diffsr_cli.upscaling.chain import check_steps
from sam_diffsr_cli.upscaling.speed import Report, Work

__all__ = [
    "DEFAULT_MODELS",
    "Ratio",
    "Request",
    "Runners",
    "compare",
    "measure_peaks_again",
    "plan_cases",
    "run_cases",
]

DEFAULT_MODELS = ("default", "paper")
DEFAULT_SIZE = "256"
DEFAULT_TILE = SamplingConfig(steps=0).tile
LONGEST_SIDE = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What to combine. ``sizes`` are ``SIDE`` or ``WIDTHxHEIGHT``, in input pixels.

    Without ``steps`` each model is run with its own, and with none.
    """

    models: Sequence[str] = DEFAULT_MODELS
    sizes: Sequence[str] = (DEFAULT_SIZE,)
    steps: Sequence[int] = ()
    devices: Sequence[str] = ("auto",)
    precisions: Sequence[str] = ("auto",)
    tile: int = DEFAULT_TILE


@dataclass(frozen=True, slots=True)
class Runners:
    """Who measures: processes of their own, unless a test says otherwise."""

    case: Callable[[CaseTask, Report], BenchMeasurement] = run_case
    peaks: Callable[[PeaksTask, Report], Peaks] = run_peaks


@dataclass(frozen=True, slots=True)
class Ratio:
    """Two rows that differ in the model, the faster one first."""

    fast: BenchRow
    slow: BenchRow

    @property
    def times(self) -> float:
        """How many times as fast the faster one is."""
        return self.slow.seconds_per_megapixel / self.fast.seconds_per_megapixel


def plan_cases(request: Request) -> list[BenchCase]:
    """List the combinations, each once, and check all that can be checked before anything runs.

    Raises:
        InputError: A size, tile, device, precision or number of steps cannot be used.
        WeightsError: A weights file is missing, damaged or not ours.
    """
    try:
        SamplingConfig(steps=0, tile=request.tile)
    except ConfigError as error:
        raise InputError(f"--tile {request.tile}: must be 0 or at least 16") from error
    sizes = [_parse_size(text) for text in request.sizes]
    steps = {name: _steps(name, request.steps) for name in request.models}
    machines = [
        (str(device), resolve_precision(precision, device))
        for device in map(resolve_device, request.devices)
        for precision in request.precisions
    ]
    return list(
        dict.fromkeys(
            BenchCase(
                model=model,
                device=device,
                precision=precision,
                work=Work(height=height, width=width, steps=count),
                is_own=is_own,
                tile=request.tile,
            )
            for (device, precision), (height, width), model in itertools.product(
                machines, sizes, request.models
            )
            for count, is_own in steps[model]
        )
    )


def _parse_size(text: str) -> tuple[int, int]:
    """Read a size; return height and width."""
    width, times, height = text.partition("x")
    sides = (height if times else width, width)
    parsed = [parse_whole(side) or 0 for side in sides]
    if not all(0 < side <= LONGEST_SIDE for side in parsed):
        raise InputError(
            f"--size {text}: not a size", hint=f"a side, or WIDTHxHEIGHT, up to {LONGEST_SIDE}"
        )
    return parsed[0], parsed[1]


def _steps(model: str, asked: Sequence[int]) -> list[tuple[int, bool]]:
    """Return the numbers of steps to run a model with, and whether they are its own."""
    config = config_of(model)
    for count in asked:
        check_steps(config, count)
    if asked:
        return [(count, False) for count in asked]
    own = config.diffusion.sampling_steps
    return [(own, True), *([(0, False)] if own else [])]


def run_cases(
    cases: Sequence[BenchCase], effort: Effort, report: Report, runners: Runners | None = None
) -> Iterator[BenchRow | Failed]:
    """Measure cases, each device and number format before the first case that needs it.

    Args:
        cases: From ``plan_cases``.
        effort: How often each is run.
        report: Told the share of all cases that is done.
        runners: Who measures.

    Yields:
        What came of each case, in order.
    """
    runners = runners or Runners()
    found: dict[PeaksTask, Peaks] = {}
    for index, case in enumerate(cases):

        def tell(share: float, before: int = index) -> None:
            report((before + share) / len(cases))

        yield _outcome(CaseTask(case=case, effort=effort), found, tell, runners)
        tell(1.0)


def _outcome(
    task: CaseTask, found: dict[PeaksTask, Peaks], report: Report, runners: Runners
) -> BenchRow | Failed:
    """Measure a case, and before it, unless they were ``found``, the peaks of its device."""
    wanted = PeaksTask(device=task.case.device, precision=task.case.precision)
    try:
        if wanted not in found:
            found[wanted] = runners.peaks(wanted, lambda _: None)
        return BenchRow(case=task.case, measured=runners.case(task, report), peaks=found[wanted])
    except SamsrError as error:
        return Failed(task.case, error)


def measure_peaks_again(
    rows: Sequence[BenchRow | Failed], runners: Runners | None = None
) -> list[BenchRow | Failed]:
    """Measure the peaks a second time, after all rows, and put the better into each row.

    What else ran during one measurement need not run during the other. Where the second fails, the
    first stays.
    """
    runners = runners or Runners()
    best: dict[PeaksTask, Peaks] = {}
    for first in dict.fromkeys(row.peaks for row in rows if isinstance(row, BenchRow)):
        task = PeaksTask(device=first.device, precision=first.precision)
        try:
            again = runners.peaks(task, lambda _: None)
        except SamsrError:
            again = first
        best[task] = replace(
            first,
            matmul=max(first.matmul, again.matmul),
            convolution=max(first.convolution, again.convolution),
            bandwidth=max(first.bandwidth, again.bandwidth),
        )
    return [
        replace(
            row,
            peaks=best[PeaksTask(device=row.peaks.device, precision=row.peaks.precision)],
        )
        if isinstance(row, BenchRow)
        else row
        for row in rows
    ]


def compare(rows: Sequence[BenchRow]) -> list[Ratio]:
    """Set the first model beside each other one, where all else was the same.

    All else is device, number format, size, and the steps that were asked for: each model's own
    count as the same.
    """
    groups: dict[object, list[BenchRow]] = {}
    for row in rows:
        case, work = row.case, row.case.work
        steps = None if case.is_own else work.steps
        key = (case.device, case.precision, work.height, work.width, steps)
        groups.setdefault(key, []).append(row)
    return [
        Ratio(*sorted((first, other), key=lambda row: row.seconds_per_megapixel))
        for first, *others in groups.values()
        for other in others
    ]
