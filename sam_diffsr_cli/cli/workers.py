"""What is told of workers when their work is done."""

from collections.abc import Sequence

from sam_diffsr_cli.batch.pipeline import Outcome

__all__ = ["describe_workers"]


def describe_workers(outcomes: Sequence[Outcome], names: Sequence[str]) -> list[str]:
    """Say for each worker what it did, and how fast, while it had something to do."""
    lines = []
    for worker, device in enumerate(names):
        own = [outcome for outcome in outcomes if outcome.worker == worker]
        done = [outcome for outcome in own if outcome.size_out is not None]
        pixels = sum(o.frames * o.size_out[0] * o.size_out[1] for o in done if o.size_out)
        seconds = sum(outcome.enlarge_s for outcome in own)
        speed = f", {seconds / pixels * 1e6:.2f} s/MP" if pixels else ""
        failed = sum(outcome.status == "failed" for outcome in own)
        bad = f", {failed} failed" if failed else ""
        noun = "picture" if len(own) == 1 else "pictures"
        lines.append(
            f"worker {worker} on {device}: {len(own)} {noun}, "
            f"{pixels / 1e6:.1f} megapixels{speed}{bad}"
        )
    return lines
