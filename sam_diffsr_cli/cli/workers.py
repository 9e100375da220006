"""What is told of workers when their work is done."""

from collections.abc import Sequence

from sam_diffsr_cli.workers.messages import WorkDone

__all__ = ["describe_workers"]


def describe_workers(shares: Sequence[WorkDone], names: Sequence[str]) -> list[str]:
    """Say for each worker what it did, and how fast, while it had something to do."""
    lines = []
    for worker, device in enumerate(names):
        own = [share for share in shares if share.worker == worker]
        megapixels, seconds = sum(s.megapixels for s in own), sum(s.seconds for s in own)
        speed = f", {seconds / megapixels:.2f} s/MP" if megapixels else ""
        failed = sum(share.has_failed for share in own)
        bad = f", {failed} failed" if failed else ""
        noun = "picture" if len(own) == 1 else "pictures"
        lines.append(
            f"worker {worker} on {device}: {len(own)} {noun}, "
            f"{megapixels:.1f} megapixels{speed}{bad}"
        )
    return lines
