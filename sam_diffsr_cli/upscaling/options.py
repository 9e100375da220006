"""From what a user says of a run to the run: the model and the free memory decide the rest."""

from sam_diffsr_cli.chain_config import (
    ENSEMBLES,
    QUALITIES,
    DiffusionConfig,
    Level,
    Quality,
    Sampler,
)
from sam_diffsr_cli.errors import ConfigError, InputError
from sam_diffsr_cli.sampling_config import MOST_DETAIL, SamplingConfig, SamplingOptions
from sam_diffsr_cli.upscaling.chain import check_steps
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.tiles import choose_tile

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
    diffusion, detail = upscaler.config.diffusion, options.detail
    level = diffusion.level(options.quality)
    steps = level.steps if options.steps is None else options.steps
    if detail is not None:
        _check_detail(detail, steps, options)
        steps = steps if detail else 0
    sampler = options.sampler or level.sampler
    is_distilled = diffusion.sampler_of(steps, level.start) == "distilled"
    turns_share = is_distilled and diffusion.turns_share(sampler)
    if detail and not turns_share:
        level = level._replace(start=diffusion.start_of(detail), dirty_start=0)
    if sampler == "distilled" and options.sampler is None:
        sampler = diffusion.sampler_of(steps, level.start)
    check_steps(upscaler.config, steps, level.start, sampler)
    level = _with_shares(level, diffusion, steps, sampler)
    if detail and turns_share:
        level = level._replace(share=detail / MOST_DETAIL, dirty_share=0.0)
    ensemble = level.ensemble if options.ensemble is None else options.ensemble
    _check_ensemble(ensemble, steps, options.quality, upscaler)
    _check_clean(options.clean, upscaler)
    tile = choose_tile(upscaler, steps, sharing) if options.tile is None else options.tile
    try:
        return SamplingConfig(
            steps=steps,
            sampler=sampler,
            tile=tile,
            seed=options.seed,
            start=level.start if steps else 0,
            dirty_start=level.dirty_start if steps else 0,
            share=level.share,
            dirty_share=level.dirty_share,
            ensemble=ensemble,
            clean=options.clean,
            wrap=options.wrap,
        )
    except ConfigError as error:
        raise InputError(f"--{error}") from error


def _with_shares(level: Level, diffusion: DiffusionConfig, steps: int, sampler: Sampler) -> Level:
    """Give a level the shares of the steps and the sampler that are taken, if not its own."""
    if (steps, sampler) == (level.steps, level.sampler):
        return level
    share, dirty_share = diffusion.shares_of(sampler) if steps else (1.0, 0.0)
    return level._replace(share=share, dirty_share=dirty_share)


def _check_clean(clean: int | None, upscaler: Upscaler) -> None:
    """Refuse a ``--clean`` of a model that cannot.

    Raises:
        InputError: It is one.
    """
    if clean and not upscaler.config.encoder.num_levels:
        raise InputError(
            f"--clean {clean}: this model was not trained to clean",
            hint="leave it out, or use a model whose `samsr models info` shows levels",
        )


def _check_ensemble(ensemble: int, steps: int, quality: Quality, upscaler: Upscaler) -> None:
    """Refuse an ``--ensemble`` that is none, or of answers that no result is made of.

    Raises:
        InputError: It is one.
    """
    if ensemble not in ENSEMBLES:
        allowed = ", ".join(map(str, ENSEMBLES))
        raise InputError(f"--ensemble {ensemble}: allowed are {allowed}")
    if ensemble > 1 and quality == "plain":
        raise InputError(
            "--ensemble and --quality plain exclude each other: that is the whole published chain",
            hint="leave one out",
        )
    if ensemble > 1 and steps and upscaler.config.diffusion.base != "encoder":
        raise InputError(
            f"--ensemble {ensemble}: this model adds what it draws to bicubic, not to the answer "
            "of its encoder",
            hint="leave it out, or use --steps 0",
        )


def _check_detail(detail: int, steps: int, options: SamplingOptions) -> None:
    """Refuse a ``--detail`` that is out of range, or says what another option contradicts.

    ``steps`` is what the other options come to.

    Raises:
        InputError: It does.
    """
    if not 0 <= detail <= MOST_DETAIL:
        raise InputError(f"--detail {detail}: allowed are 0 to {MOST_DETAIL}")
    if detail == 0 and options.steps:
        raise InputError(
            f"--detail 0 takes no steps, and --steps is {options.steps}", hint="leave one out"
        )
    if options.quality == "plain":
        raise InputError(
            "--detail and --quality plain exclude each other: that is the whole published chain",
            hint="leave one out",
        )
    if detail and not steps:
        raise InputError(
            f"--detail {detail} has no meaning without steps of the diffusion",
            hint="use --quality balanced or best",
        )
