"""How long enlarging takes: what a piece of the work took, scaled up to the whole.

Time grows with the area that is computed, and by the same amount with each step. So a piece is a
smaller picture, or fewer steps, one of which is timed by itself.
"""

import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from sam_diffsr_cli.sampling_config import MOST_CLEAN, SamplingConfig
from sam_diffsr_cli.tiling import Tile, plan_tiles
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.tiles import context_margin

__all__ = [
    "LEAST_STEPS",
    "Enlarging",
    "Ran",
    "Report",
    "Work",
    "WorkRunner",
    "scale_up",
    "seconds_per_megapixel",
    "step_seconds",
    "time_growing",
]

Piece = TypeVar("Piece")
Taken = TypeVar("Taken")

Report = Callable[[float], None]
"""Told the share done, in [0, 1]."""

SIDE = 64
"""Of the picture that is timed before a batch, in input pixels."""

LEAST_STEPS = 2
"""Of a piece: the first step cannot be told from what comes before it."""

ROUNDS = 3
"""The median of so many counts: one that was held up would be multiplied by all the work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A picture of ``height`` and ``width`` input pixels, enlarged with ``steps``."""

    height: int
    width: int
    steps: int

    def __str__(self) -> str:
        return f"{self.counted_steps} at {self.width}x{self.height}"

    @property
    def counted_steps(self) -> str:
        """Its steps, in words."""
        return f"{self.steps} {'step' if self.steps == 1 else 'steps'}"

    def with_steps(self, steps: int) -> "Work":
        """Return the same picture with other steps."""
        return replace(self, steps=steps)


class Ran(NamedTuple):
    """Seconds of a run, and of each of its steps but the first; 0 where there are no others."""

    seconds: float
    step: float


class WorkRunner(Protocol):
    """Runs work, and knows how much of it there is."""

    def run(self, work: Work, report: Report) -> Ran:
        """Do ``work`` once."""
        ...

    def area(self, work: Work) -> int:
        """Return the input pixels that are computed, the context of tiles included."""
        ...


def scale_up(runner: WorkRunner, work: Work, piece: Work, ran: Ran) -> float:
    """Return the seconds that ``work`` takes, by what a piece of it took."""
    of_area = runner.area(work) / runner.area(piece)
    return of_area * (ran.seconds + (work.steps - piece.steps) * ran.step)


def time_growing(
    pieces: Iterable[Piece],
    time_piece: Callable[[Piece, Piece | None], Taken],
    fits: Callable[[Taken, Piece], bool],
) -> tuple[Piece, Taken]:
    """Time pieces of growing size, up to the largest that fits.

    Args:
        pieces: From the smallest, at least one.
        time_piece: Times a piece; also told which one is next, None after the last.
        fits: Whether the next piece may be timed, by what the one before it took.

    Returns:
        The last piece that was timed, and what it took.
    """
    largest = [*pieces, None]
    for piece, larger in itertools.pairwise(largest):
        assert piece is not None  # noqa: S101 - for the type checker
        taken = time_piece(piece, larger)
        if larger is None or not fits(taken, larger):
            return piece, taken
    raise ValueError("nothing to time")


@dataclass(frozen=True, slots=True)
class Enlarging:
    """Enlarges noise with one model, tile, scale and ensemble; None is the model's own scale.

    Steps are taken by the sampler, and from the row, that the model takes so many with. A model
    that cleans cleans it, which is not less work than to take it for clean.
    """

    upscaler: Upscaler
    tile: int
    scale: float | None = None
    ensemble: int = 1

    def run(self, work: Work, report: Report) -> Ran:
        """Do ``work`` once."""
        marks: list[float] = []

        def mark(share: float) -> None:
            marks.append(time.perf_counter())
            report(share)

        levels = np.random.default_rng(0)
        pixels = levels.integers(256, size=(work.height, work.width, 3), dtype=np.uint8)
        sampling = self._sampling(work.steps)
        scale = self.scale or self.upscaler.config.scale
        run = UpscaleRun(upscaler=self.upscaler, sampling=sampling, scale=scale, progress=mark)
        began = time.perf_counter()
        enlarge_frame(run, pixels)
        return Ran(time.perf_counter() - began, step_seconds(marks, work.steps))

    def _sampling(self, steps: int) -> SamplingConfig:
        """Return how the model takes so many steps, by the network that takes them by default."""
        chain = self.upscaler.config.diffusion
        start = chain.sampling_start if steps <= chain.sampling_start else 0
        sampler = chain.sampler_of(steps, start)
        return SamplingConfig(
            steps=steps,
            tile=self.tile,
            sampler=sampler,
            start=start,
            ensemble=self.ensemble,
            clean=MOST_CLEAN if self.upscaler.config.encoder.num_levels else None,
        )

    def area(self, work: Work) -> int:
        """Return the input pixels that are computed."""
        return sum(tile.area for tile in self.plan(work))

    def plan(self, work: Work) -> list[Tile]:
        """Cut the picture as it is cut when it is run."""
        config = self.upscaler.config
        multiple = config.size_multiple
        height, width = (
            max(config.least_size, side + -side % multiple) for side in (work.height, work.width)
        )
        return plan_tiles((height, width), self.tile, context_margin(work.steps), multiple)


def step_seconds(marks: Sequence[float], steps: int) -> float:
    """Return what a step takes over the whole picture, 0 where there is but one.

    Args:
        marks: When each step of each tile was done, in order. Before the first of a tile, its
            condition was computed too.
        steps: Of each tile.
    """
    if steps < LEAST_STEPS:
        return 0.0
    gaps = (after - before for before, after in itertools.pairwise(marks))
    return sum(gap for place, gap in enumerate(gaps, 1) if place % steps) / (steps - 1)


def seconds_per_megapixel(
    upscaler: Upscaler, sampling: SamplingConfig, scale: float, sizes: Iterable[tuple[int, int]]
) -> float:
    """Time a small picture several times, and scale up.

    Args:
        upscaler: The loaded model.
        sampling: Steps, tile and ensemble.
        scale: Times as high and wide.
        sizes: Heights and widths of pictures, in input pixels, for the context that their tiles
            compute twice: it depends on how each is cut. None are as one that is not cut.

    Returns:
        Seconds per megapixel of output at ``scale``, without reading and writing.
    """
    runner = Enlarging(upscaler, sampling.tile, scale, sampling.ensemble)
    piece = Work(height=SIDE, width=SIDE, steps=min(LEAST_STEPS, sampling.steps))
    # The first warms up.
    rounds = [runner.run(piece, lambda _: None) for _ in range(1 + ROUNDS)][1:]
    ran = Ran(*map(statistics.median, zip(*rounds, strict=True)))
    seconds = pixels = 0.0
    for (height, width), count in (Counter(sizes) or Counter([(SIDE, SIDE)])).items():
        whole = Work(height=height, width=width, steps=sampling.steps)
        seconds += count * scale_up(runner, whole, piece, ran)
        pixels += count * height * width
    return seconds / (pixels * scale**2 / 1e6)
