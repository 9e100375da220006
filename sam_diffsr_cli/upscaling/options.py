"""From what a user says of a run to the run: the model and the free memory decide the rest."""

from sam_diffsr_cli.config import QUALITIES
from sam_diffsr_cli.errors import ConfigError, InputError
from sam_diffsr_cli.sampling_config import SamplingConfig, SamplingOptions
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.tiles import check_steps, choose_tile

__all__ = ["resolve_sampling"]


def resolve_sampling(
    upscaler: Upscaler, options: SamplingOptions, sharing: int = 1
) -> SamplingConfig:
    """Resolve what was not given of steps, sampler and tile.

    Args:
        upscaler: The model, on its device.
        options: What was given.
        sharing: Processes that share the device's memory.

    Raises:
        InputError: A value is out of range, or the model has fewer steps.
    """
    if options.quality not in QUALITIES:
        raise InputError(f"--quality {options.quality}: allowed are {', '.join(QUALITIES)}")
    usual, own = upscaler.config.diffusion.level(options.quality)
    steps = usual if options.steps is None else options.steps
    check_steps(upscaler.config, steps)
    tile = choose_tile(upscaler, steps, sharing) if options.tile is None else options.tile
    try:
        return SamplingConfig(
            steps=steps, sampler=options.sampler or own, tile=tile, seed=options.seed
        )
    except ConfigError as error:
        raise InputError(f"--{error}") from error
