"""The process that measures: one task from stdin, lines of JSON to stdout.

    python -m sam_diffsr_cli.benchmark.worker case|peaks

stdin stays open for as long as an answer is wanted. A line holds a ``share`` of the task that is
done, or, last, what came of it as ``done``, or an ``error``.
"""

import json
import os
import sys
import threading
from typing import Any, TextIO

import torch

from sam_diffsr_cli.benchmark.measuring import measure_case
from sam_diffsr_cli.benchmark.peaks import measure_peaks
from sam_diffsr_cli.benchmark.records import CaseTask, PeaksTask
from sam_diffsr_cli.benchmark.timing import Report
from sam_diffsr_cli.errors import SamsrError
from sam_diffsr_cli.strict import from_json, to_json

__all__ = ["do_task", "main"]


def do_task(kind: str, text: str, report: Report) -> str:
    """Do a task.

    Args:
        kind: ``case`` or ``peaks``.
        text: ``CaseTask`` or ``PeaksTask``, as JSON.
        report: Told the share that is done.

    Returns:
        ``BenchMeasurement`` or ``Peaks``, as JSON.

    Raises:
        SamsrError: It cannot be done.
    """
    if kind == "case":
        wanted = from_json(CaseTask, text)
        return to_json(measure_case(wanted.case, wanted.effort, report))
    asked = from_json(PeaksTask, text)
    return to_json(measure_peaks(torch.device(asked.device), asked.precision))


def main() -> None:
    """Do the task that is on stdin."""
    out, sys.stdout = sys.stdout, sys.stderr
    text = sys.stdin.readline()
    threading.Thread(target=_leave_with_parent, args=(sys.stdin,), daemon=True).start()

    def tell(name: str, value: Any) -> None:  # noqa: ANN401 - the JSON edge
        print(json.dumps({name: value}), file=out, flush=True)

    try:
        tell("done", json.loads(do_task(sys.argv[1], text, lambda share: tell("share", share))))
    except SamsrError as error:
        tell("error", {"kind": type(error).__name__, "message": str(error), "hint": error.hint})


def _leave_with_parent(stdin: TextIO) -> None:
    """End this process once nobody waits for it: work of minutes would slow what runs next."""
    stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
