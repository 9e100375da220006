"""What became of a batch: what the process ends with, and the body of its JSON document."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.batch.request import BatchPlan
from sam_diffsr_cli.batch.stages import make_record
from sam_diffsr_cli.degradation.levels import MOST_BLUR, MOST_NOISE
from sam_diffsr_cli.errors import DiskFullError, InterruptedRun, PartialFailure, SamsrError

__all__ = ["describe_levels", "failure_of", "make_document"]


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
    there = f", {skipped} were there already" if skipped else ""
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


def describe_levels(outcome: Outcome) -> str | None:
    """Say what a picture was taken for and what was estimated; None where the model is not told."""
    if outcome.levels is None:
        return None
    is_clean = not any(outcome.levels.values())
    text = "taken for clean" if is_clean else f"taken for {_in_words(outcome.levels)}"
    if outcome.estimate is None:
        return f"{text}; not estimated"
    if outcome.estimate == outcome.levels:
        return f"{text}, as estimated"
    return f"{text}; estimated: {_in_words(outcome.estimate)}"


def _in_words(levels: Mapping[str, float]) -> str:
    compression, noise, blur = (levels[name] for name in ("compression", "noise", "blur"))
    return (
        f"compression {compression:.2f} (as JPEG {100 - 100 * compression:.0f}), "
        f"noise {noise:.2f} ({noise * MOST_NOISE:.1f} of 255), "
        f"blur {blur:.2f} ({blur * MOST_BLUR:.2f} pixels)"
    )


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
