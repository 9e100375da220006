"""How the reverse process is run: by which sampler, in how many steps, from which seed."""

from dataclasses import dataclass

from sam_diffsr_cli.config import SAMPLERS, Quality, Sampler
from sam_diffsr_cli.strict import require

__all__ = ["SamplingConfig", "SamplingOptions"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingConfig:
    """One run of the reverse process.

    ``tile`` is the longest side of a tile in low-resolution pixels, 0 for one piece. It bounds
    memory and does not show in the result.
    """

    steps: int
    seed: int = 0
    tile: int = 256
    sampler: Sampler = "ancestral"

    def __post_init__(self) -> None:
        require(self.sampler in SAMPLERS, "sampler", self.sampler, ", ".join(SAMPLERS))
        require(self.steps >= 0, "steps", self.steps, ">= 0")
        require(0 <= self.seed < 2**63, "seed", self.seed, "0..2^63-1")
        require(self.tile == 0 or self.tile >= 16, "tile", self.tile, "0 or >= 16")


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingOptions:
    """What a user may say of a run; what is None is resolved by the model and the free memory.

    Attributes:
        quality: Level of quality, which gives the steps and the sampler that are not given.
        steps: Of the chain, 0 or more; 0 is the encoder's own answer.
        sampler: Way down the chain.
        seed: Same seed, same picture; 0 .. 2^63 - 1.
        tile: Longest side of a tile in input pixels, 0 for one piece.
    """

    quality: Quality = "balanced"
    steps: int | None = None
    sampler: Sampler | None = None
    seed: int = 0
    tile: int | None = None
