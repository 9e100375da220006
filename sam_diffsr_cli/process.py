"""What must be decided before torch is loaded: how threads wait, and how memory is taken.

Nothing here changes a result. What the user has set stays.
"""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress

__all__ = ["choose_wait_policy", "prepare_process", "quiet_children"]

OWN_SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Each says how OpenMP's threads wait; where one of them is set, the user has decided."""

BUSY_SHARE = 0.25
"""Load for each processor from which on the machine does something else too. Threads that spin
take the processors of others then: two crops of 192x192 took 38 CPU seconds for 26. On a machine
that does nothing else spinning costs no more and is 9 % quicker, so there it stays."""

M_MMAP_THRESHOLD, MAPPED_BYTES = -3, 4 << 20
"""glibc's ``mallopt`` of what is given back to the system at once. Without it the limit follows
what is freed, up to 32 MiB, and freed layers of a network are holes that nothing else fits."""

COLLECT_AFTER = 100_000
"""Objects between two collections of garbage; loading torch makes as many, and none is garbage."""


def prepare_process() -> None:
    """Prepare this process and those that it starts. Call it before torch is imported."""
    gc.set_threshold(COLLECT_AFTER)
    choose_wait_policy(os.environ, _load(), os.cpu_count() or 1)
    if sys.platform == "linux":
        # Huge pages cost fewer faults for what is taken anew each time.
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)


def choose_wait_policy(environ: MutableMapping[str, str], load: float | None, cores: int) -> None:
    """Let OpenMP's threads sleep while they wait, on a machine that does something else too.

    Args:
        environ: Of the process; the policy is added to it.
        load: Processes that want to run, on average of the last minute; None where the system
            does not tell.
        cores: Processors of the machine.
    """
    if load is not None and load >= BUSY_SHARE * cores:
        _let_sleep(environ)


def _let_sleep(environ: MutableMapping[str, str]) -> None:
    if not any(name in environ for name in OWN_SETTINGS):
        environ["OMP_WAIT_POLICY"] = "PASSIVE"


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


@contextmanager
def quiet_children() -> Iterator[None]:
    """Let the threads of processes that are started meanwhile sleep while they wait.

    Several processes on the same processors are a busy machine, whatever it did before.
    """
    added = not any(name in os.environ for name in OWN_SETTINGS)
    _let_sleep(os.environ)
    try:
        yield
    finally:
        if added:
            os.environ.pop("OMP_WAIT_POLICY", None)
