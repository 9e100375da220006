"""One item in a process of its own, whose memory and state are no other's."""

from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

from sam_diffsr_cli.errors import ResourceError
from sam_diffsr_cli.workers.messages import Done, Idle, ItemResult, Lost, Progress, Refused, Task
from sam_diffsr_cli.workers.processes import LocalPool
from sam_diffsr_cli.workers.worker import WorkerConfig

__all__ = ["run_alone"]

Made = TypeVar("Made", bound=ItemResult)


def run_alone(
    config: WorkerConfig[Made],
    item: Any,  # noqa: ANN401 - what the configuration's workers take
    device: str,
    report: Callable[[float], None],
    advice: str,
) -> Made:
    """Do one item in a process that is started for it, and ended after it.

    Args:
        config: What the process loads.
        item: What it does.
        device: Where it computes.
        report: Told the share that is done, in [0, 1], by workers that tell it.
        advice: What to do when memory runs out.

    Raises:
        ResourceError: The process was killed.
        RuntimeError: It ended by a bug, which it has told on stderr.
        SamsrError: What it refused to start with, or failed with.
    """
    pool = LocalPool(config, [device])
    with closing(pool):
        while True:
            match pool.wait():
                case Idle():
                    pool.give(0, [Task(0, item)])
                case Progress(share=share):
                    report(share)
                case Done(result=result):
                    if result.error is not None:
                        raise result.error
                    return result
                case Refused(error=error):
                    raise error
                case Lost(reason=reason):
                    raise _death(reason, advice)


def _death(reason: str, advice: str) -> Exception:
    if reason.startswith("killed"):
        return ResourceError(
            f"a process of samsr was {reason}, as when memory runs out", hint=advice
        )
    return RuntimeError(f"a process of samsr failed: {reason}")
