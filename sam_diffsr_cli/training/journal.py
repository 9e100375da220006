"""The journal of a training run, ``metrics.jsonl``: one JSON object a line.

A line is whole or absent, whenever the process is killed. How it is shown is up to ``summary``.
"""

import contextlib
import json
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Self

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.errors import ConfigError, DiskFullError, InputError, disk_errors, os_errors
from sam_diffsr_cli.line_log import LineLog, whole_lines
from sam_diffsr_cli.recipes.records import Stage
from sam_diffsr_cli.strict import parse
from sam_diffsr_cli.training.board import Boards

__all__ = [
    "JOURNAL_NAME",
    "Entry",
    "EventEntry",
    "Journal",
    "StepEntry",
    "ValidationEntry",
    "read_journal",
]

JOURNAL_NAME, TENSORBOARD_NAME = "metrics.jsonl", "tensorboard"


@dataclass(frozen=True, slots=True)
class StepEntry:
    """Training as it stands after ``step`` steps of a stage.

    None is a number that is not known, or is not finite, for which JSON has no word.

    Attributes:
        loss: Of the batch.
        mean_loss: Running mean of ``loss``.
        learning_rate: Of the step.
        gradient_norm: Before clipping.
        images_per_s: Crops trained on in a second.
        wait_share: Share of the time spent waiting for data, in [0, 1].
        memory_mib: Most memory of the device taken so far.
        skipped: Steps since the entry before whose gradient was not finite.
        elapsed_s: Seconds spent in the stage.
    """

    kind: ClassVar[str] = "step"
    stage: Stage
    step: int
    loss: float | None
    mean_loss: float | None
    learning_rate: float | None
    gradient_norm: float | None
    images_per_s: float | None
    wait_share: float | None
    memory_mib: float | None
    skipped: int
    elapsed_s: float | None


@dataclass(frozen=True, slots=True)
class ValidationEntry:
    """One validation, after ``step`` steps of a stage.

    Attributes:
        psnr_y: Mean PSNR of luma over the validation photos, in dB; None when it was not measured.
        loss: Mean loss over them; None when it was not measured.
        seconds: What the validation took.
        is_best: Better than every validation of the stage before it.
        sample: A PNG, relative to the run folder; empty when none was made.
    """

    kind: ClassVar[str] = "validation"
    stage: Stage
    step: int
    psnr_y: float | None
    loss: float | None
    seconds: float | None
    is_best: bool
    sample: str


NOT_SHOWN = {"stage", "step", "skipped", "elapsed_s"}
SHOWN = tuple(name.name for name in fields(StepEntry) if name.name not in NOT_SHOWN)
"""What TensorBoard shows of a step."""


@dataclass(frozen=True, slots=True)
class EventEntry:
    """Something that happened after ``step`` steps: started, resumed, stopped; ``time`` is UTC."""

    kind: ClassVar[str] = "event"
    stage: Stage
    step: int
    text: str
    time: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")


Entry = StepEntry | ValidationEntry | EventEntry
KINDS: Mapping[str, type[Entry]] = {
    kind.kind: kind for kind in (StepEntry, ValidationEntry, EventEntry)
}


class Journal:
    """The journal of a run folder, which exists, open for appending; a context manager.

    With ``tensorboard``, numbers and sample pictures also go to TensorBoard's event files.
    """

    def __init__(self, folder: Path, *, tensorboard: bool) -> None:
        """Prepare; entering opens the file, and cuts off a line that a kill left torn.

        Raises:
            ConfigError: ``tensorboard`` is set and cannot be imported.
        """
        self.folder = folder
        self.path = folder / JOURNAL_NAME
        self._boards = Boards(folder / TENSORBOARD_NAME) if tensorboard else None

    def __enter__(self) -> Self:
        self._log = LineLog(self.path).cut_torn_line()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._log.close()
        if self._boards is not None:
            # The error that ends a run is told, not that of closing after it.
            hidden = (OSError, DiskFullError) if kind else ()
            with contextlib.suppress(*hidden), disk_errors(self.path):
                self._boards.close()

    def write(self, entry: Entry) -> None:
        """Append an entry; it is with the system when this returns, and outlives a kill.

        Raises:
            DiskFullError: The disk is full; the entry is not in the file.
        """
        self._log.append(_to_line(entry))
        if self._boards is not None:
            with disk_errors(self.path):
                _show(self._boards, entry, self.folder)

    def rewind(self, stage: Stage, step: int, later_stages: Sequence[Stage]) -> None:
        """Take out what was done after a state that a run goes on from.

        These are the entries of ``stage`` after ``step``, and all of ``later_stages``.

        Raises:
            InputError: A line is damaged.
            DiskFullError: The disk is full; the journal is as it was.
        """
        lines = _read(self.path)
        kept = [
            line
            for line, entry in lines
            if entry.stage not in later_stages and (entry.stage != stage or entry.step <= step)
        ]
        if len(kept) < len(lines):
            # Windows replaces no file that is open.
            self._log.close()
            try:
                with atomic_path(self.path) as temporary:
                    temporary.write_bytes(b"".join(kept))
            finally:
                self._log = LineLog(self.path).cut_torn_line()
        if self._boards is not None:
            with disk_errors(self.path):
                self._boards.rewind(stage, step, later_stages)

    def set_aside(self) -> Path:
        """Put a journal that cannot be read under another name, and begin a new one.

        Raises:
            InputError: The folder cannot be written.
        """
        damaged = self.path.with_name(f"{self.path.name}.damaged")
        self._log.close()
        try:
            with os_errors(self.path, "cannot be renamed"):
                self.path.replace(damaged)
        finally:
            self._log = LineLog(self.path).cut_torn_line()
        return damaged


def _show(boards: Boards, entry: Entry, folder: Path) -> None:
    """Give TensorBoard the numbers of an entry, and its sample picture."""
    if isinstance(entry, StepEntry):
        scalars = {name: getattr(entry, name) for name in SHOWN}
        boards.write(entry.stage, entry.step, scalars, None)
    elif isinstance(entry, ValidationEntry):
        scalars = {"psnr_y": entry.psnr_y, "validation_loss": entry.loss}
        sample = folder / entry.sample if entry.sample else None
        boards.write(entry.stage, entry.step, scalars, sample)


def _to_line(entry: Entry) -> bytes:
    record: dict[str, object] = {"kind": entry.kind}
    for name, hint in typing.get_type_hints(type(entry)).items():
        value = getattr(entry, name)
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        # One step or none may be counted by a bool.
        is_count = isinstance(value, bool) and hint is not bool
        record[name] = int(value) if is_count else value
    return json.dumps(record, sort_keys=True).encode() + b"\n"


def _from_line(line: bytes) -> Entry:
    """Read a line; ``ValueError`` says why it is no entry."""
    record = json.loads(line, parse_constant=_refuse)
    name = str(record.pop("kind", "")) if isinstance(record, dict) else ""
    if name not in KINDS:
        raise ValueError("no entry of a known kind")
    entry: Entry = parse(KINDS[name], record, f"an entry of kind {name}")
    if entry.step < 0:
        raise ValueError("step is below 0")
    return entry


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def read_journal(path: Path) -> list[Entry]:
    """Read a journal; a last line without its end, which a kill left, is not there.

    Raises:
        InputError: The file is missing or unreadable, or another line is no entry.
    """
    return [entry for _, entry in _read(path)]


def _read(path: Path) -> list[tuple[bytes, Entry]]:
    """Read each whole line with its entry."""
    with os_errors(path, "cannot be read"):
        lines = list(whole_lines(path))
    read = []
    for number, line in enumerate(lines, start=1):
        try:
            read.append((line, _from_line(line)))
        except (ValueError, RecursionError, ConfigError) as error:
            raise InputError(f"{path}: line {number} is damaged ({error})") from error
    return read
