"""What became of a batch: what the process ends with, and the body of its JSON document."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.batch.request import BatchPlan, expected_seconds
from sam_diffsr_cli.batch.stages import make_record
from sam_diffsr_cli.errors import (
    DiskFullError,
    ExistsError,
    InputError,
    InterruptedRun,
    PartialFailure,
    SamsrError,
)
from sam_diffsr_cli.measures import clock

__all__ = [
    "FailureLog",
    "closing_line",
    "describe_plan",
    "failure_of",
    "make_document",
    "preview_line",
    "refused_outputs",
]

LEAST_TIMED_MEGAPIXELS = 4.0
"""A batch of less than this is done before its time could be measured."""

LEAST_SHOWN = 0.1
"""Fewer megapixels than this are told by two digits, not as 0.0."""

NAMED, MOST_TOLD = 3, 20
"""Of many outputs that are there so many are named; of other failures for one reason."""


def failure_of(
    outcomes: Sequence[Outcome], count: int, *, is_stopped: bool = False, passed_by: int = 0
) -> SamsrError | None:
    """Decide what the process ends with; None when all is well.

    Args:
        outcomes: Of the pictures that were reached.
        count: Of all pictures.
        is_stopped: Whether the user stopped it.
        passed_by: How many pictures folders hold that must be taken and were not.
    """
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    done = sum(outcome.status == "done" for outcome in outcomes)
    skipped = sum(outcome.status == "skipped" for outcome in outcomes)
    left_out = sum(outcome.status == "left_out" for outcome in outcomes)
    there = f", {skipped} were there already" if skipped else ""
    there += f", left out, not growing: {left_out}" if left_out else ""
    summary = f"{done} of {count} pictures done{there}"
    if is_stopped:
        return InterruptedRun(f"interrupted; {summary}; what is written is whole")
    if count == 1 and failed:
        return failed[0]
    full = next((error for error in failed if isinstance(error, DiskFullError)), None)
    if full is not None:
        return DiskFullError(f"no space left; {summary}", hint=full.hint)
    if failed:
        return PartialFailure(f"{len(failed)} of {count} pictures failed; {summary}")
    if passed_by:
        files = "1 file was" if passed_by == 1 else f"{passed_by} files were"
        return PartialFailure(f"{files} left out of folders (--strict); {summary}")
    return None


def describe_plan(batch: BatchPlan, *, is_timed: bool) -> str:
    """Say how much there is to do, and if asked or much, about how long it takes."""
    plan = batch.estimate
    about = "about " if plan.is_sampled else ""
    noun = "picture" if plan.pictures == 1 else "pictures"
    text = (
        f"{plan.pictures} {noun}, {about}{plan.megapixels_in:.1f} megapixels, "
        f"to {about}{plan.megapixels_out:.1f}"
    )
    if plan.already_there:
        text += f"; {plan.already_there} are there already"
    if plan.too_large:
        text += f"; left out, not growing: {about}{plan.too_large}"
    if plan.unreadable:
        text += f"; {about}{plan.unreadable} cannot be read"
    if is_timed or plan.megapixels_out > LEAST_TIMED_MEGAPIXELS:
        device = batch.settings.upscaler.device
        text += f"; roughly {clock(expected_seconds(batch))} on {device}"
    return text


def refused_outputs(batch: BatchPlan) -> tuple[InputError | None, frozenset[int]]:
    """Say once which outputs are there already and may not be replaced.

    Returns:
        The error where there are several, and the places of their jobs; else None and nothing.
    """
    naming = batch.settings.naming
    refused = [
        job
        for job in batch.jobs
        if job.is_occupied and not (job.is_done or job.is_input or job.is_own)
    ]
    if naming.on_exists != "error" or len(refused) < 2:
        return None, frozenset()
    names = ", ".join(str(job.target) for job in refused[:NAMED])
    more = ", ..." if len(refused) > NAMED else ""
    error = ExistsError(
        f"{len(refused)} outputs exist already: {names}{more}",
        hint="--on-exists skip (which resumes a run), overwrite or rename",
    )
    return error, frozenset(job.index for job in refused)


class FailureLog:
    """Which failures of a batch are told one by one: the first few of each reason."""

    def __init__(self, told: frozenset[int] = frozenset()) -> None:
        """Begin; ``told`` are the places of jobs whose failure has been told."""
        self._told = told
        self._counts: Counter[str] = Counter()

    def to_tell(self, outcome: Outcome) -> tuple[str, str | None] | None:
        """Return the message and the hint of a failure, or None where it goes without saying."""
        error = outcome.error
        if error is None or outcome.job.index in self._told:
            return None
        if error.exit_code == 1:
            return str(error), error.hint
        reason = _reason(outcome, error)
        self._counts[reason] += 1
        if self._counts[reason] > MOST_TOLD:
            return None
        return str(error), error.hint if self._counts[reason] == 1 else None

    def rest(self) -> list[str]:
        """Return a line for each reason that more failures had than were told."""
        return [
            f"{count - MOST_TOLD} more: {reason}"
            for reason, count in self._counts.items()
            if count > MOST_TOLD
        ]


def _reason(outcome: Outcome, error: SamsrError) -> str:
    """Return what a message says beside the names of its picture."""
    text = str(error)
    for name in (str(outcome.job.target), outcome.job.source.name):
        text = text.replace(name, "")
    return text.strip(" :")


def make_document(batch: BatchPlan, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Describe a run: how pictures are made, how much there was to do, and each that was reached.

    Args:
        batch: What was to be done.
        outcomes: One for each picture that was reached, in any order.
    """
    plan = batch.estimate
    return {
        "made_by": json.loads(make_record(batch.settings)),
        "plan": {
            "pictures": plan.pictures,
            "already_there": plan.already_there,
            "unreadable": plan.unreadable,
            "too_large": plan.too_large,
            "megapixels_in": round(plan.megapixels_in, 3),
            "megapixels_out": round(plan.megapixels_out, 3),
            "is_sampled": plan.is_sampled,
        },
        "left_out": [
            {"kind": kind, "count": count, "reason": reason}
            for (kind, reason), count in sorted(batch.left_out.counts.items())
        ],
        # Workers finish in any order; the document is in that of the plan.
        "files": [_file_entry(outcome) for outcome in sorted(outcomes, key=lambda o: o.job.index)],
    }


def preview_line(outcome: Outcome) -> str:
    """Say what would become of a picture, in a line: its output, and its sizes if known."""
    job = outcome.job
    if outcome.status == "left_out":
        return f"{job.source.name}: left out, since it does not grow"
    sizes = ""
    if outcome.size_in is not None and outcome.size_out is not None:
        before, after = (f"{size[1]}x{size[0]}" for size in (outcome.size_in, outcome.size_out))
        sizes = f" ({before} to {after})"
    mark = " (there already)" if job.is_done else ""
    return f"{job.source.name} -> {job.target or '-'}{sizes}{mark}"


def closing_line(batch: BatchPlan, outcomes: Sequence[Outcome], seconds: float) -> str:
    """Say what was done, how long it took and where it is, as ``4 pictures, 1.1 MP, in 0:21, ...``.

    Args:
        batch: What was to be done.
        outcomes: Of all pictures.
        seconds: It took.
    """
    done = [outcome for outcome in outcomes if outcome.status == "done"]
    sizes = [(each.frames, *(each.size_out or (0, 0))) for each in done]
    megapixels = sum(frames * height * width for frames, height, width in sizes) / 1e6
    noun = "picture" if len(done) == 1 else "pictures"
    folder = batch.settings.naming.folder
    file = next((each.job.target for each in done), None)
    where = file if folder is None else f"{folder}".rstrip("/") + "/"
    others = [
        f"{told}: {count}"
        for status, told in (("skipped", "there already"), ("left_out", "left out, not growing"))
        if (count := sum(outcome.status == status for outcome in outcomes))
    ]
    if not done:
        return "; ".join(["nothing to do", *others])
    parts = [
        f"{len(done)} {noun}",
        f"{megapixels:.1f} MP" if megapixels >= LEAST_SHOWN else f"{megapixels:.2g} MP",
        f"in {clock(seconds).removeprefix('0:').removeprefix('0')}",
    ]
    parts += [f"in {where}"] if where is not None else []
    return "; ".join([", ".join(parts), *others])


def _size(size: tuple[int, int] | None) -> dict[str, int] | None:
    return None if size is None else {"width": size[1], "height": size[0]}


def _file_entry(outcome: Outcome) -> dict[str, Any]:
    job = outcome.job
    return {
        "source": job.source.name,
        "target": None if job.target is None else str(job.target),
        "status": outcome.status,
        "size_in": _size(outcome.size_in),
        "size_out": _size(outcome.size_out),
        "frames": outcome.frames,
        "seconds": {
            "read": round(outcome.read_s, 4),
            "enlarge": round(outcome.enlarge_s, 4),
            "write": round(outcome.write_s, 4),
        },
        "levels": None if outcome.levels is None else dict(outcome.levels),
        "estimate": None if outcome.estimate is None else dict(outcome.estimate),
        "worker": outcome.worker,
        "notes": list(outcome.notes),
        "left_out": [
            {"name": part.name, "bytes": part.size, "reason": part.reason or None}
            for part in outcome.left_out
        ],
        "error": None if outcome.error is None else outcome.error.as_dict(),
    }
