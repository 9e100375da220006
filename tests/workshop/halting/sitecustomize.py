"""Stop this process before it names or opens a file, if ``tests.halting`` has ordered it.

Python imports this by itself where its folder is on PYTHONPATH, in workers and actors too.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

EVENTS = {"os.rename": 1, "os.link": 1, "open": 0}
"""Audit events, and which of their arguments is the file."""

NAMING = {"os.rename", "os.link"}
"""Either gives a file its name."""


def _halt(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in EVENTS or not isinstance(arguments[EVENTS[event]], str | os.PathLike):
        return
    folder, path = Path(os.environ["SAMSR_TEST_HALT"]), Path(arguments[EVENTS[event]])
    if path.is_relative_to(folder) or not (folder / "order").exists():
        return
    order = json.loads((folder / "order").read_text(encoding="utf-8"))
    is_ordered = event == order["event"] or {event, order["event"]} <= NAMING
    if not is_ordered or not path.is_relative_to(order["out"]):
        return
    there = [p for p in Path(order["out"]).rglob(order["pattern"]) if not p.name.startswith(".")]
    if sum(p.is_file() for p in there) < order["count"]:
        return
    try:
        halted = os.open(folder / "halted", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return
    os.write(halted, f"{os.getpid()}\n".encode())
    os.close(halted)
    os.kill(os.getpid(), signal.SIGSTOP)


if "SAMSR_TEST_HALT" in os.environ:
    sys.addaudithook(_halt)
