"""About how much work a plan is, by the headers of its pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sam_diffsr_cli.batch.plan import Job
from sam_diffsr_cli.batch.remote import Place, RemotePath, fetch
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.reading import PictureHead, read_head
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.upscaling.passes import made_megapixels
from sam_diffsr_cli.upscaling.sizes import Size, Target

__all__ = ["Estimate", "estimate_work"]

MOST_HEADERS = 2000
"""More pictures than this are not all opened for the estimate; these many are, evenly spread."""

MOST_REMOTE_HEADERS = 8
"""As ``MOST_HEADERS``, of pictures in a store, which are fetched for it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much work a plan is, in megapixels; ``is_sampled`` when only some were opened.

    ``work`` is the megapixels that the model makes of each job, 0 for those that are done;
    ``problems`` are the jobs whose pictures cannot be read, by their place; ``targets`` is what
    becomes of those that were opened. ``too_large`` are left out, since they do not grow.
    """

    pictures: int
    already_there: int
    unreadable: int
    megapixels_in: float
    megapixels_out: float
    is_sampled: bool
    work: tuple[float, ...]
    problems: tuple[tuple[int, InputError], ...]
    targets: Mapping[int, Target] = field(default_factory=dict)
    too_large: int = 0


def estimate_work(jobs: Sequence[Job], size: Size, limits: Limits, native: int) -> Estimate:
    """Open the headers of the pictures to be done, or of a sample, and add up their pixels.

    Args:
        jobs: The plan.
        size: What each picture is to have.
        limits: How large inputs may be.
        native: Scale of the model.
    """
    open_jobs = [index for index, job in enumerate(jobs) if not job.is_done]
    is_far = any(isinstance(job.source.path, RemotePath) for job in jobs)
    step = max(1, -(-len(open_jobs) // (MOST_REMOTE_HEADERS if is_far else MOST_HEADERS)))
    heads, problems = _read_heads({i: jobs[i].source.path for i in open_jobs[::step]}, limits)
    looked = len(heads) + len(problems)
    targets = {index: size.resolve(head.size) for index, head in heads.items()}
    growing = {index: t for index, t in targets.items() if not size.is_left_out(t)}
    known = dict.fromkeys([*targets, *(index for index, _ in problems)], 0.0)
    known |= {i: heads[i].frames * made_megapixels(t, native) for i, t in growing.items()}
    factor = len(open_jobs) / looked if looked else 0.0
    usual = sum(known.values()) / looked if looked else 1.0
    return Estimate(
        pictures=len(open_jobs),
        already_there=len(jobs) - len(open_jobs),
        unreadable=round(len(problems) * factor),
        megapixels_in=sum(_megapixels(heads[i], heads[i].size) for i in heads) * factor,
        megapixels_out=sum(_megapixels(heads[i], t.size) for i, t in growing.items()) * factor,
        is_sampled=step > 1,
        work=tuple(0.0 if j.is_done else known.get(i, usual) for i, j in enumerate(jobs)),
        problems=tuple(problems),
        targets=targets,
        too_large=round((len(targets) - len(growing)) * factor),
    )


def _megapixels(head: PictureHead, size: tuple[int, int]) -> float:
    return head.frames * size[0] * size[1] / 1e6


def _read_heads(
    paths: Mapping[int, Place | None], limits: Limits
) -> tuple[dict[int, PictureHead], list[tuple[int, InputError]]]:
    """Open the headers of pictures, but of standard input; also why some cannot be read."""
    heads: dict[int, PictureHead] = {}
    problems: list[tuple[int, InputError]] = []
    for index, path in paths.items():
        if path is None:
            continue
        try:
            heads[index] = _read_head(path, limits)
        except InputError as error:
            problems.append((index, error))
    return heads, problems


def _read_head(path: Place, limits: Limits) -> PictureHead:
    if isinstance(path, RemotePath):
        with fetch(path) as fetched:
            return read_head(fetched, limits)
    return read_head(path, limits)
