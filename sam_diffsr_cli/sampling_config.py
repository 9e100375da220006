"""How the reverse process is run: by which sampler, in how many steps, from which seed."""

from dataclasses import dataclass

from sam_diffsr_cli.chain_config import ENSEMBLES, SAMPLERS, Quality, Sampler
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.strict import conform, parse_whole, require

__all__ = ["MOST_CLEAN", "MOST_DETAIL", "SamplingConfig", "SamplingOptions", "parse_clean"]

MOST_CLEAN = 100
"""Percent of the dirtiest photo that a model was trained on."""

MOST_DETAIL = 100
"""The vivid end of ``--detail``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingConfig:
    """One run of the reverse process.

    ``tile`` is the longest side of a tile in low-resolution pixels, 0 for one piece. It bounds
    memory and does not show in the result. ``start`` is the row of the chain at which it begins, 0
    for its last; ``dirty_start`` that for photos that are not taken for clean, 0 for the same.
    ``share`` of the residual that is drawn is put on the base; ``dirty_share`` is that for these
    photos, 0 for the same. The base is the mean of the encoder's answers to ``ensemble``
    orientations of the photo (geometric self-ensemble, Lim et al. 2017).
    ``clean`` is how dirty the photo is taken for, 0 (clean) to 100 (as dirty as any
    that the model was trained on); None leaves it to the model's estimate. ``wrap`` says that the
    photo is a pattern that repeats, and that the result must too.
    """

    steps: int
    seed: int = 0
    tile: int = 256
    sampler: Sampler = "ancestral"
    start: int = 0
    dirty_start: int = 0
    share: float = 1.0
    dirty_share: float = 0.0
    ensemble: int = 1
    clean: int | None = None
    wrap: bool = False

    def __post_init__(self) -> None:
        require(self.sampler in SAMPLERS, "sampler", self.sampler, ", ".join(SAMPLERS))
        require(self.start >= 0, "start", self.start, ">= 0")
        require(self.dirty_start >= 0, "dirty_start", self.dirty_start, ">= 0")
        require(0 < self.share <= 1, "share", self.share, "(0, 1]")
        require(0 <= self.dirty_share <= 1, "dirty_share", self.dirty_share, "0..1")
        good = self.ensemble in ENSEMBLES
        require(good, "ensemble", self.ensemble, ", ".join(map(str, ENSEMBLES)))
        good = self.clean is None or 0 <= self.clean <= MOST_CLEAN
        require(good, "clean", self.clean, f"0..{MOST_CLEAN}, or none for the estimate")
        require(self.steps >= 0, "steps", self.steps, ">= 0")
        require(0 <= self.seed < 2**63, "seed", self.seed, "0..2^63-1")
        require(self.tile == 0 or self.tile >= 16, "tile", self.tile, "0 or >= 16")

    def start_for(self, *, is_clean: bool) -> int:
        """Return the row at which the chain of a photo begins, 0 for the last."""
        return self.start if is_clean else self.dirty_start or self.start

    def share_for(self, *, is_clean: bool) -> float:
        """Return how much of what is drawn is put on the base of a photo."""
        return self.share if is_clean else self.dirty_share or self.share


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingOptions:
    """What a user may say of a run; what is None is resolved by the model and the free memory.

    Attributes:
        quality: Level of quality, which gives the steps and the sampler that are not given.
        steps: Of the chain, 0 or more; 0 is the encoder's own answer.
        sampler: Way down the chain.
        seed: Same seed, same picture; 0 .. 2^63 - 1.
        tile: Longest side of a tile in input pixels, 0 for one piece.
        clean: How dirty photos are taken for, 0 (clean) to 100 (as dirty as any that the model was
            trained on); None is by the model's estimate of each.
        detail: From faithful to vivid, 0 to 100: how much of what is drawn is kept, or, as the
            model has it, how far up the chain starts; 0 is the encoder's own answer.
        ensemble: Orientations of each picture, 1, 2, 4 or 8, whose answers by the encoder are
            averaged.
        wrap: Pictures are patterns that repeat, as textures are, and so are the results.
    """

    quality: Quality = "balanced"
    steps: int | None = None
    sampler: Sampler | None = None
    seed: int = 0
    tile: int | None = None
    clean: int | None = None
    detail: int | None = None
    ensemble: int | None = None
    wrap: bool = False

    def __post_init__(self) -> None:
        conform(self)


def parse_clean(text: str) -> int | None:
    """Read ``auto`` (None), ``off`` (0), or a whole number of 0 to 100.

    Raises:
        InputError: It is none of these.
    """
    if text == "auto":
        return None
    if text == "off":
        return 0
    percent = parse_whole(text)
    if percent is not None and percent <= MOST_CLEAN:
        return percent
    raise InputError(f"--clean {text}: allowed are auto, off, and 0 to {MOST_CLEAN}")
