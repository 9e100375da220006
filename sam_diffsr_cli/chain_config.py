"""How the chain is built, trained and run: ``DiffusionConfig``, a part of ``config.ModelConfig``.

Standard library only.
"""

import math
import typing
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from sam_diffsr_cli.strict import LATER, require

__all__ = ["ENSEMBLES", "QUALITIES", "SAMPLERS", "DiffusionConfig", "Level", "Quality", "Sampler"]

Sampler = Literal["ancestral", "ddim", "ddim_eta1", "dpmpp_2m", "sde_dpmpp_2m", "distilled"]
"""Ways down the chain (``diffusion.solvers``); ``distilled`` is by a network of its own."""

Quality = Literal["fast", "balanced", "best", "plain"]
"""Levels of quality; ``plain`` is the whole chain as it was published."""

SAMPLERS: tuple[Sampler, ...] = typing.get_args(Sampler)
QUALITIES: tuple[Quality, ...] = typing.get_args(Quality)

ENSEMBLES = (1, 2, 4, 8)
"""Orientations of a photo: as it is, mirrored, both ways, and turned as well."""

MOST_TIMESTEPS = 10_000
"""Far above any chain that was trained, so that a hostile file asks for no absurd one."""


class Level(NamedTuple):
    """A level of quality: steps, sampler, and the row at which they start (0 for the last).

    ``share`` of what they draw is put on the base. Photos that are not taken for clean have
    ``dirty_start`` and ``dirty_share``, where these are not 0. The base is the mean of the
    encoder's answers to ``ensemble`` orientations of the photo.
    """

    steps: int
    sampler: Sampler
    start: int
    dirty_start: int = 0
    share: float = 1.0
    dirty_share: float = 0.0
    ensemble: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffusionConfig:
    """The chain: its schedule, the residual it works on, and how it is run by default.

    ``sigma_data`` is the residual's standard deviation (``precondition``), null without
    preconditioning. ``sampling_sigma`` is what of it remains uncertain once the photo is known
    (``widen_posterior``), 0 for the plain variance. ``sampling_steps`` and ``sampling_sampler`` are
    the balance of quality and time, begun at row ``sampling_start`` of the chain from noise of that
    row's strength (0 for the last row, the published chain); photos that are not taken for clean
    begin at ``sampling_dirty_start`` (0 for the same row). ``fast`` has less of both, and
    ``best`` more, or the same where its steps are 0. ``highest_start`` is the row up to which the
    noise predictor was trained, 0 for all. ``sampling_flat`` is how far neighbours in the photo
    must differ, in 8-bit levels, for all of the detail that is drawn there; 0 for all of it
    everywhere. ``distilled_steps`` is how many steps a second noise predictor takes, to which the
    path of the first was distilled (``diffusion.distillation``); 0 for none. Of the residual that
    this one draws, ``sampling_share`` is put on the base (image interpolation), and of photos that
    are not taken for clean ``sampling_dirty_share`` (0 for the same); that share is then what
    ``--detail`` turns. Where ``sampling_share`` is 0 it is all of it, and ``--detail`` the start.
    ``sampling_chroma`` is how much is kept of what this network draws in colour, beside the luma.
    ``best_ensemble`` is the ``ensemble`` of ``best``, and ``best_share`` and ``best_dirty_share``
    are the shares that it has where it is by this network, which it then starts as usual (0 for
    the usual ones).
    """

    num_timesteps: int = 100
    beta_schedule: Literal["cosine", "linear"] = "cosine"
    beta_s: float = 0.008
    beta_end: float = 0.02
    base: Literal["bicubic", "encoder"] = "bicubic"
    residual_scale: float = 2.0
    sigma_data: float | None = None
    sampling_steps: int = 100
    sampling_spacing: Literal["trailing", "quadratic"] = "trailing"
    sampling_sigma: float = 0.0
    sampling_sampler: Sampler = field(default="ancestral", metadata=LATER)
    sampling_start: int = field(default=0, metadata=LATER)
    sampling_dirty_start: int = field(default=0, metadata=LATER)
    highest_start: int = field(default=0, metadata=LATER)
    sampling_flat: float = field(default=0.0, metadata=LATER)
    fast_steps: int = field(default=0, metadata=LATER)
    fast_sampler: Sampler = field(default="ancestral", metadata=LATER)
    best_steps: int = field(default=0, metadata=LATER)
    best_sampler: Sampler = field(default="ancestral", metadata=LATER)
    best_start: int = field(default=0, metadata=LATER)
    distilled_steps: int = field(default=0, metadata=LATER)
    sampling_share: float = field(default=0.0, metadata=LATER)
    sampling_dirty_share: float = field(default=0.0, metadata=LATER)
    sampling_chroma: float = field(default=1.0, metadata=LATER)
    best_ensemble: int = field(default=1, metadata=LATER)
    best_share: float = field(default=0.0, metadata=LATER)
    best_dirty_share: float = field(default=0.0, metadata=LATER)

    def __post_init__(self) -> None:
        good = 2 <= self.num_timesteps <= MOST_TIMESTEPS
        require(good, "num_timesteps", self.num_timesteps, f"2..{MOST_TIMESTEPS}")
        require(0 <= self.beta_s < 1, "beta_s", self.beta_s, "[0, 1)")
        require(0 < self.beta_end < 1, "beta_end", self.beta_end, "(0, 1)")
        require(0 < self.residual_scale < math.inf, "residual_scale", self.residual_scale, "> 0")
        good = self.sigma_data is None or 0 < self.sigma_data < math.inf
        require(good, "sigma_data", self.sigma_data, "null or > 0")
        sigma = self.sampling_sigma
        require(0 <= sigma < math.inf, "sampling_sigma", sigma, ">= 0")
        flat = self.sampling_flat
        require(0 <= flat < math.inf, "sampling_flat", flat, ">= 0")
        last = self.num_timesteps - 1
        for name in ("sampling_start", "highest_start", "best_start"):
            require(0 <= getattr(self, name) <= last, name, getattr(self, name), f"0..{last}")
        least, most = self.sampling_start or last, self.last_start
        good = self.sampling_dirty_start == 0 or least <= self.sampling_dirty_start <= most
        require(good, "sampling_dirty_start", self.sampling_dirty_start, f"0, {least}..{most}")
        for name in ("sampling_steps", "fast_steps", "best_steps"):
            good = 0 <= getattr(self, name) <= self.num_timesteps
            require(good, name, getattr(self, name), f"0..{self.num_timesteps}")
        most = math.isqrt(self.last_start + 1)
        good = 0 <= self.distilled_steps <= most
        require(good, "distilled_steps", self.distilled_steps, f"0..{most}")
        for name in ("sampling", "fast", "best"):
            self._check_distilled(name)
        share, most_share = self.sampling_share, 1 if self.distilled_steps else 0
        require(0 <= share <= most_share, "sampling_share", share, f"0..{most_share}")
        dirty, most_share = self.sampling_dirty_share, 1 if share else 0
        require(0 <= dirty <= most_share, "sampling_dirty_share", dirty, f"0..{most_share}")
        good = self.best_sampler != "distilled" or not self.best_start
        require(good, "best_start", self.best_start, "0 for a best that is distilled")
        most_share = 1 if share and self.best_sampler == "distilled" else 0
        for name in ("best_share", "best_dirty_share"):
            value = getattr(self, name)
            require(0 <= value <= most_share, name, value, f"0..{most_share}")
        chroma, least = self.sampling_chroma, 0 if self.distilled_steps else 1
        require(least <= chroma <= 1, "sampling_chroma", chroma, f"{least}..1")
        allowed = ENSEMBLES if self.base == "encoder" else ENSEMBLES[:1]
        good = self.best_ensemble in allowed
        require(good, "best_ensemble", self.best_ensemble, ", ".join(map(str, allowed)))

    def _check_distilled(self, name: str) -> None:
        """Refuse a level of quality that is distilled to other steps than the network."""
        if getattr(self, f"{name}_sampler") == "distilled":
            key, steps = f"{name}_steps", getattr(self, f"{name}_steps")
            require(bool(steps) and steps == self.distilled_steps, key, steps, "distilled_steps")

    def usual_start(self, *, is_clean: bool) -> int:
        """Return the row at which a photo's chain starts by default."""
        start = (
            self.sampling_start if is_clean else self.sampling_dirty_start or self.sampling_start
        )
        return start or self.num_timesteps - 1

    @property
    def last_start(self) -> int:
        """The highest row to start at."""
        return self.highest_start or self.num_timesteps - 1

    @property
    def least_distilled_start(self) -> int:
        """The lowest row that the distilled network starts at.

        Of K steps on a quadratic grid the one after the start is at ((K - 1) / K)^2 of it. Of
        starts from here up, no row is the second step of one and the first of another, so that
        the row tells the network which step it takes.
        """
        steps = self.distilled_steps
        if steps < 2:
            return max(1, steps)
        return math.floor(self.last_start * ((steps - 1) / steps) ** 2) + 1

    def is_distilled_start(self, start: int) -> bool:
        """Whether the distilled network starts at a row, 0 being the last."""
        row = start or self.num_timesteps - 1
        return self.least_distilled_start <= row <= self.last_start

    def sampler_of(self, steps: int, start: int) -> Sampler:
        """Return the sampler for a number of steps, and a start, that no level of quality has."""
        if steps and steps == self.distilled_steps and self.is_distilled_start(start):
            return "distilled"
        for sampler in (self.sampling_sampler, self.best_sampler if self.best_steps else None):
            if sampler is not None and sampler != "distilled":
                return sampler
        return "dpmpp_2m"

    def level(self, quality: Quality) -> Level:
        """Return what a level of quality is in this model."""
        starts = (self.sampling_start, self.sampling_dirty_start)
        if quality == "fast":
            return self._level(self.fast_steps, self.fast_sampler, *starts)
        if quality == "plain" and self.sampling_steps:
            # With eta 1 it is the ancestral sampler without a widened variance.
            return Level(self.num_timesteps, "ddim_eta1" if self.sampling_sigma else "ancestral", 0)
        if quality == "best":
            best_starts = starts if self.best_sampler == "distilled" else (self.best_start,)
            level = (
                self._level(self.best_steps, self.best_sampler, *best_starts)
                if self.best_steps
                else self._level(self.sampling_steps, self.sampling_sampler, *starts)
            )
            return level._replace(
                ensemble=self.best_ensemble,
                share=self.best_share or level.share,
                dirty_share=self.best_dirty_share or level.dirty_share,
            )
        return self._level(self.sampling_steps, self.sampling_sampler, *starts)

    def _level(self, steps: int, sampler: Sampler, start: int, dirty_start: int = 0) -> Level:
        return Level(steps, sampler, start, dirty_start, *self.shares_of(sampler))

    def shares_of(self, sampler: Sampler) -> tuple[float, float]:
        """Return what share of what a sampler draws is put on the base, and the one if not clean.

        The second is 0 where it is the same.
        """
        if self.turns_share(sampler):
            return self.sampling_share, self.sampling_dirty_share
        return 1.0, 0.0

    def turns_share(self, sampler: Sampler) -> bool:
        """Whether ``--detail`` is that share, and not the row at which a sampler starts."""
        return sampler == "distilled" and self.sampling_share > 0

    def chroma_of(self, sampler: Sampler) -> float:
        """Return how much is kept of what a sampler draws in colour."""
        return self.sampling_chroma if sampler == "distilled" else 1.0

    def start_of(self, detail: int) -> int:
        """Return the row at which the chain starts for ``detail``, 1 to 100, faithful to vivid.

        100 is the highest row that the model was trained to start at.
        """
        return max(1, round(self.last_start * detail / 100))

    def detail_of(self, start: int) -> int:
        """Return the ``detail`` that a start stands for, the inverse of ``start_of``."""
        return round(100 * (start or self.num_timesteps - 1) / self.last_start)
