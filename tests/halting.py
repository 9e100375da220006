"""Processes that stop themselves where a test wants them, so that the test need not be quick.

However busy the machine is, a run that is halted is still under way when it is killed.
"""

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Protocol

import psutil
import pytest

from tests.helpers import PATIENCE_S

HOOK = Path(__file__).parent / "workshop" / "halting"
POLL_S = 0.005


class Process(Protocol):
    """What may halt, or start what does."""

    def poll(self) -> int | None:
        """Return the exit code, None before the end."""


class Halt:
    """One halt of whatever process comes first to its place.

    Args:
        folder: For what is told of it; made, and outside of what it watches.
        out: What is watched.
        count: So many files that fit ``pattern`` must be below ``out`` under their final names.
        event: Before the next file there gets its name, or before one is opened.
    """

    def __init__(
        self,
        folder: Path,
        out: Path,
        count: int,
        *,
        pattern: str = "*",
        event: Literal["os.rename", "open"] = "os.rename",
    ) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "halted").unlink(missing_ok=True)
        order = {"out": str(out), "count": count, "pattern": pattern, "event": event}
        (folder / "order").write_text(json.dumps(order), encoding="utf-8")

    def environment(self, path: str = "") -> dict[str, str]:
        """Return what a process needs to be halted; ``path`` is its own PYTHONPATH."""
        search = os.pathsep.join(filter(None, (str(HOOK), path)))
        return {"SAMSR_TEST_HALT": str(self.folder), "PYTHONPATH": search}

    def wait(self, process: Process) -> int:
        """Wait until a process has halted; return its id. It stays so until it is let go on."""
        deadline = time.monotonic() + PATIENCE_S
        halted = self.folder / "halted"
        while not (halted.exists() and halted.read_text(encoding="utf-8").endswith("\n")):
            assert process.poll() is None, "it was at its end before it halted"
            assert time.monotonic() < deadline, "it neither halted nor ended"
            time.sleep(POLL_S)
        pid = int(halted.read_text(encoding="utf-8"))
        while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline
            time.sleep(POLL_S)
        return pid


def go_on(pid: int) -> None:
    """Let a halted process go on; what it was sent meanwhile comes to it now."""
    os.kill(pid, signal.SIGCONT)


def shutdown_begun(patch: pytest.MonkeyPatch, prefix: str) -> threading.Event:
    """Return an event for when a pool of threads of this name begins nothing that waits."""
    begun, shutdown = threading.Event(), ThreadPoolExecutor.shutdown

    def watched(pool: ThreadPoolExecutor, *, wait: bool, cancel_futures: bool = False) -> None:
        shutdown(pool, wait=False, cancel_futures=cancel_futures)
        if pool._thread_name_prefix == prefix:
            begun.set()
        shutdown(pool, wait=wait)

    patch.setattr(ThreadPoolExecutor, "shutdown", watched)
    return begun
