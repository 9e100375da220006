"""Preparing what comes next while the present is computed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["prefetch"]

AHEAD = 2
"""Items that each worker may be ahead."""

Item = TypeVar("Item")


def prefetch(make: Callable[[int], Item], steps: Iterable[int], workers: int) -> Iterator[Item]:
    """Yield ``make(step)`` for each step in order, made ahead by threads.

    Args:
        make: Called from threads; its result may depend on the step alone.
        steps: Taken as they are needed.
        workers: Threads; with 0, each item is made when it is asked for.
    """
    if workers == 0:
        yield from map(make, steps)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="samsr-loader")
    waiting: deque[Future[Item]] = deque()
    try:
        for step in steps:
            waiting.append(pool.submit(make, step))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
