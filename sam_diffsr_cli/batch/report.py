"""The machine-readable report of a batch: one JSON document, version 1, also when it fails."""

import json
from typing import TYPE_CHECKING, Any

from sam_diffsr_cli import __version__
from sam_diffsr_cli.errors import SamsrError

if TYPE_CHECKING:
    # For their names only: a report of a wrong option must not wait for torch.
    from collections.abc import Sequence

    from sam_diffsr_cli.batch.pipeline import Outcome
    from sam_diffsr_cli.batch.plan import Estimate

__all__ = ["DOCUMENT_VERSION", "error_document", "make_document", "to_text"]

DOCUMENT_VERSION = 1


def to_text(document: dict[str, Any]) -> str:
    """Write the document as text; in ASCII when a name in it is no text."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(document, indent=2)
    return text


def error_entry(error: SamsrError | None) -> dict[str, Any] | None:
    """Describe an error: message, hint, exit code."""
    if error is None:
        return None
    return {"message": str(error), "hint": error.hint, "exit_code": error.exit_code}


def error_document(message: str, hint: str | None, exit_code: int) -> dict[str, Any]:
    """Describe a run that ended before any picture was looked at."""
    return {
        "samsr": DOCUMENT_VERSION,
        "version": __version__,
        "status": "interrupted" if exit_code == 130 else "failed",
        "exit_code": exit_code,
        "error": {"message": message, "hint": hint, "exit_code": exit_code},
        "files": [],
    }


def make_document(
    status: str,
    error: SamsrError | None,
    record: str,
    plan: "Estimate",
    outcomes: "Sequence[Outcome]",
) -> dict[str, Any]:
    """Describe a run.

    Args:
        status: ``ok``, ``partial``, ``failed``, ``interrupted`` or ``planned``.
        error: What the process ends with, None when all went well.
        record: What outputs carry, from ``make_record``.
        plan: How much there was to do.
        outcomes: One for each picture that was reached.
    """
    return {
        "samsr": DOCUMENT_VERSION,
        "version": __version__,
        "status": status,
        "exit_code": 0 if error is None else error.exit_code,
        "error": error_entry(error),
        "made_by": json.loads(record),
        "plan": {
            "pictures": plan.pictures,
            "already_there": plan.already_there,
            "unreadable": plan.unreadable,
            "megapixels_in": round(plan.megapixels_in, 3),
            "megapixels_out": round(plan.megapixels_out, 3),
            "is_sampled": plan.is_sampled,
        },
        "files": [_file_entry(outcome) for outcome in outcomes],
    }


def _size(size: tuple[int, int] | None) -> dict[str, int] | None:
    return None if size is None else {"width": size[1], "height": size[0]}


def _file_entry(outcome: "Outcome") -> dict[str, Any]:
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
        "worker": outcome.worker,
        "notes": list(outcome.notes),
        "left_out": [
            {"name": part.name, "bytes": part.size, "reason": part.reason or None}
            for part in outcome.left_out
        ],
        "error": error_entry(outcome.error),
    }
