"""How ``samsr masks build`` and ``import`` show themselves: progress, failures, the summary."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

from sam_diffsr_cli.cli.console import note, print_error, progress
from sam_diffsr_cli.cli.render import CommandResult
from sam_diffsr_cli.errors import PartialFailure
from sam_diffsr_cli.masks.build import BuildStep
from sam_diffsr_cli.masks.work import (
    MaskOptions,
    MaskWatcher,
    plan_build,
    start_build,
    summarise,
)
from sam_diffsr_cli.workers.messages import WorkDone, describe_workers

__all__ = ["show_build", "show_summary"]


class _Screen(MaskWatcher):
    """Shows what is fetched, and tells of workers."""

    @contextmanager
    def fetching(self, name: str, megabytes: int) -> Iterator[Callable[[float], None]]:
        with progress(f"fetch {name}", megabytes) as report:
            yield lambda done: report(done, f"{done:.0f} MB")

    def notify(self, text: str) -> None:
        note(text)

    def workers_done(self, shares: Sequence[WorkDone], names: Sequence[str]) -> None:
        for line in describe_workers(shares, names):
            note(line)


def show_build(options: MaskOptions) -> CommandResult:
    """Build the masks that are not there yet, showing the steps as they come."""
    plan = plan_build(options)
    steps = start_build(plan, _Screen())
    there = len(plan.jobs) - len(plan.waiting)
    note(f"{len(plan.waiting)} photos to segment, {there} are there already")
    done: list[BuildStep] = []
    with _terminable(), progress("masks", len(plan.waiting)) as report, closing(steps):
        for step in steps:
            done.append(step)
            if step.error is not None:
                print_error(str(step.error), step.error.hint)
            report(len(done), step.job.photo.name)
    place = {job: index for index, job in enumerate(plan.jobs)}
    done.sort(key=lambda step: place[step.job])
    return show_summary(done, len(plan.jobs), there, "photos")


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM stop the work as Ctrl-C does: workers end, and nothing is left half written."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def show_summary(steps: Sequence[BuildStep], count: int, there: int, noun: str) -> CommandResult:
    """Tell what was done."""
    summary = summarise(steps, count, there)
    failed, megapixels = len(summary["failed"]), summary["megapixels"]
    speed = f", {summary['seconds'] / megapixels:.2f} s per megapixel" if megapixels else ""
    done = count - there - failed
    note(f"{done} {noun} done, {summary['regions']} regions{speed}")
    failure = None
    if failed:
        failure = PartialFailure(f"{failed} of {count} {noun} failed; the others are done")
    return CommandResult(document=summary, failure=failure)
