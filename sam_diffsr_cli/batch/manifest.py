"""The manifest of a batch, with which a run that was killed goes on: a file of JSON lines.

First a line on how pictures are made; then a line for each output that the batch is to write; then
one for each that it is through with. A line that was cut off is left out.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from sam_diffsr_cli.atomic import try_lock
from sam_diffsr_cli.batch.plan import Job, ResumeState
from sam_diffsr_cli.errors import ConfigError, InputError, os_errors
from sam_diffsr_cli.line_log import LineLog, whole_lines
from sam_diffsr_cli.strict import LATER, parse

if TYPE_CHECKING:
    from sam_diffsr_cli.batch.pipeline import Outcome

__all__ = ["Manifest", "read_resume_state"]

HEAD, VERSION = "samsr-manifest", 1
SYNC_INTERVAL_S = 1.0
"""A machine that fails loses no more than what was finished in so many seconds."""

ELSEWHERE = ("device",)
"""What may differ when a batch is gone on with."""


def read_resume_state(path: Path) -> ResumeState:
    """Read what an earlier run left; nothing where there is no file.

    Raises:
        InputError: The file cannot be read, or is no manifest.
    """
    targets: dict[str, str] = {}
    done: set[str] = set()
    for number, line in enumerate(_lines(path)):
        try:
            entry = json.loads(line)
            if number == 0:
                _read_head(entry, path)
            elif "target" in entry:
                planned: _Planned = parse(_Planned, entry, "a planned output")
                targets[planned.source] = planned.target
            else:
                ended: _Ended = parse(_Ended, entry, "an ended picture")
                if ended.status == "done":
                    done.add(ended.source)
        except (ValueError, TypeError, ConfigError) as error:
            raise InputError(
                f"{path}: line {number + 1} is not one of a manifest",
                hint="name another file with --manifest",
            ) from error
    return ResumeState(targets=targets, done=frozenset(done))


@dataclass(frozen=True, slots=True)
class _Planned:
    """A line on an output that the batch is to write."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class _Ended:
    """A line on a picture that the batch is through with."""

    source: str
    status: Literal["done", "failed"]
    worker: int | None
    seconds: float
    error: str = field(default="", metadata=LATER)


def _lines(path: Path) -> Iterator[str]:
    """Yield the whole lines of a file; none of one that is not there."""
    _check_kind(path)
    if not path.exists():
        return
    try:
        with os_errors(path, "the manifest cannot be read"):
            yield from (line.decode() for line in whole_lines(path))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the manifest cannot be read (not UTF-8 text)") from error


def _check_kind(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a file", hint="name another one with --manifest")


def _read_head(entry: Any, path: Path) -> dict[str, Any]:  # noqa: ANN401 - the JSON edge
    """Read the first line; return how pictures are made."""
    if not isinstance(entry, dict) or not isinstance(version := entry.get(HEAD), int):
        raise ConfigError(f"{path}: not the first line of a manifest")
    if version != VERSION:
        raise InputError(f"{path}: a manifest of another version of samsr")
    if entry.keys() != {HEAD, "made_by"} or not isinstance(entry["made_by"], dict):
        raise ConfigError(f"{path}: not the first line of a manifest")
    return entry["made_by"]


class Manifest:
    """A manifest that is open for one run, and for no other at the same time."""

    def __init__(self, path: Path, made_by: dict[str, Any]) -> None:
        """Open it, or begin a new one.

        Args:
            path: The file.
            made_by: Everything that decides the results, to be compared with the earlier run's.

        Raises:
            InputError: It cannot be written, is in use, or is of a run with other settings.
        """
        self._path, self._synced = path, time.monotonic()
        _check_kind(path)
        self._log = LineLog(path)
        try:
            self._begin(made_by)
        except BaseException:
            self._log.close()
            raise

    def _begin(self, made_by: dict[str, Any]) -> None:
        if not try_lock(self._log.fileno()):
            raise InputError(f"{self._path}: another run is at work with this manifest")
        first = self._log.first_line()
        if first:
            _compare(_read_head(json.loads(first), self._path), made_by, self._path)
            self._log.cut_torn_line()
            return
        self._log.clear()
        self._append([{HEAD: VERSION, "made_by": made_by}])

    def add_plan(self, jobs: Sequence[Job], resume: ResumeState) -> None:
        """Note which outputs are this batch's own: those that are not there before it."""
        known = resume.targets
        self._append(
            {"source": job.source.name, "target": str(job.target)}
            for job in jobs
            if job.source.name not in known and not job.is_occupied
        )
        self.sync()

    def add(self, outcome: "Outcome") -> None:
        """Note what became of a job.

        Raises:
            DiskFullError: No space is left.
        """
        if outcome.status not in {"done", "failed"}:
            return
        if outcome.is_renamed:
            self._append([{"source": outcome.job.source.name, "target": str(outcome.job.target)}])
        error = {} if outcome.error is None else {"error": str(outcome.error)}
        entry = {"source": outcome.job.source.name, "status": outcome.status} | error
        self._append([entry | {"worker": outcome.worker, "seconds": round(outcome.enlarge_s, 3)}])
        if time.monotonic() - self._synced > SYNC_INTERVAL_S:
            self.sync()

    def _append(self, entries: Iterable[dict[str, Any]]) -> None:
        self._log.append(
            b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in entries)
        )

    def sync(self) -> None:
        """Make sure that what was noted outlives the machine."""
        self._log.sync()
        self._synced = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _: BaseException | None, _t: TracebackType | None
    ) -> None:
        self.sync()
        self._log.close()


def _told(value: object) -> str:
    """Say a setting in a word."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)


def _compare(before: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    for name in sorted((before.keys() | now.keys()) - set(ELSEWHERE)):
        if before.get(name) != now.get(name):
            had, has = (_told(each.get(name)) for each in (before, now))
            raise InputError(
                f"{path}: its run had {name.replace('_', ' ')} {had}, this one has {has}",
                hint="repeat its options, or name another file with --manifest",
            )
