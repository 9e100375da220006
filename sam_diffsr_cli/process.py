"""What must be decided before torch is loaded: how threads wait, and how memory is taken.

Nothing here changes a result. What the user has set stays.
"""

import atexit
import ctypes
import gc
import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress

__all__ = ["CUDA_BINDINGS", "choose_wait_policy", "leave_out", "prepare_process", "quiet_children"]

OWN_SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Each says how OpenMP's threads wait; where one of them is set, the user has decided."""

BUSY_SHARE = 0.25
"""Load for each processor from which on the machine does something else too. Threads that spin
take the processors of others then: two crops of 192x192 took 38 CPU seconds for 26. On a machine
that does nothing else spinning costs no more and is 9 % quicker, so there it stays."""

M_MMAP_THRESHOLD, MAPPED_BYTES = -3, 1 << 20
"""glibc's ``mallopt`` of what is given back to the system at once. Without it the limit follows
what is freed, up to 32 MiB, and freed layers of a network are holes that nothing else fits. With
4 MiB the inner layers leave such holes too: 18 MB at the default's .8 megapixels."""

CUDA_BINDINGS = "cuda.bindings"
"""What torch imports for CUDA's green contexts and the notes of its graphs, if it is installed."""

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


def leave_out(name: str) -> None:
    """Let a module that others import if it is there pass for one that is not.

    Call it before they are imported; where the module was imported already, nothing is done.
    """
    # None in its place is Python's own word for that.
    sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # typeshed has no such entry


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


@contextmanager
def ending_at_once() -> Iterator[None]:
    """End the process as soon as nothing of ours is left to do, once the body has.

    Taking a loaded torch apart, all of which the system takes back anyway, costs a CPU second and
    touches 130 MB of memory. Whatever was registered to be done at the end is done; enter this
    before the modules are loaded that register it. An error in the body goes the usual way.
    """
    ending = _Ending()
    # What is registered first is done last, and threads were waited for before.
    atexit.register(ending.leave)
    try:
        yield
        ending.code = 0
    except SystemExit as end:
        ending.code = 0 if end.code is None else end.code
        raise


class _Ending:
    """The end of a process, with the code that it was to end with; None is the usual way."""

    def __init__(self) -> None:
        self.code: object = None

    def leave(self) -> None:
        if not isinstance(self.code, int):
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            # Python says on its usual way what is wrong with them.
            return
        os._exit(self.code & 0xFF)
