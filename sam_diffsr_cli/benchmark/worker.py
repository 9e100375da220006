"""What a process of its own measures: a case, or the peaks of a device."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch

from sam_diffsr_cli.benchmark.measuring import measure_case
from sam_diffsr_cli.benchmark.peaks import measure_peaks
from sam_diffsr_cli.benchmark.records import BenchMeasurement, CaseTask, Peaks, PeaksTask
from sam_diffsr_cli.errors import SamsrError
from sam_diffsr_cli.workers.messages import Task
from sam_diffsr_cli.workers.worker import portable

__all__ = ["Measured", "MeasuringConfig", "MeasuringWorker"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, or why nothing was."""

    found: BenchMeasurement | Peaks | None = None
    error: SamsrError | None = None


class MeasuringConfig:
    """Measures one task; there is nothing to load before."""

    def start(self, _device: torch.device) -> "MeasuringWorker":
        """Get ready."""
        return MeasuringWorker()


class MeasuringWorker:
    """Measures, and tells how far it is."""

    late: Sequence[tuple[int, Measured]] = ()

    def __init__(self) -> None:
        """Tell nobody yet."""
        self.report: Callable[[float], None] = lambda _: None

    def do(
        self, tasks: Sequence[Task[CaseTask | PeaksTask]]
    ) -> Generator[tuple[int, Measured], None, None]:
        """Measure tasks in order, and yield the index of each and what came of it."""
        for task in tasks:
            try:
                yield task.index, Measured(self._measure(task.item))
            except SamsrError as error:
                portable(error)
                yield task.index, Measured(error=error)

    def _measure(self, task: CaseTask | PeaksTask) -> BenchMeasurement | Peaks:
        if isinstance(task, CaseTask):
            return measure_case(task.case, task.effort, self.report)
        return measure_peaks(torch.device(task.device), task.precision)
