"""From what a user says of a run to the run: the model and the free memory decide the rest."""

from sam_diffsr_cli.chain_config import ENSEMBLES, QUALITIES
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
    turns_share = diffusion.turns_share(sampler) and steps == diffusion.distilled_steps
    if detail and not turns_share:
        level = level._replace(start=diffusion.start_of(detail), dirty_start=0)
    if sampler == "distilled" and options.sampler is None:
        sampler = diffusion.sampler_of(steps, level.start)
    check_steps(upscaler.config, steps, level.start, sampler)
    shares = diffusion.shares_of(sampler) if steps else (1.0, 0.0)
    if detail and turns_share:
        shares = (detail / MOST_DETAIL, 0.0)
    elif sampler == level.sampler and steps == level.steps:
        shares = (level.share, level.dirty_share)
    ensemble = level.ensemble if options.ensemble is None else options.ensemble
    _check_ensemble(ensemble, steps, upscaler)
    if options.clean and not upscaler.config.encoder.num_levels:
        raise InputError(
            f"--clean {options.clean}: this model was not trained to clean",
            hint="leave it out, or use a model whose `samsr models info` shows levels",
        )
    tile = choose_tile(upscaler, steps, sharing) if options.tile is None else options.tile
    try:
        return SamplingConfig(
            steps=steps,
            sampler=sampler,
            tile=tile,
            seed=options.seed,
            start=level.start if steps else 0,
            dirty_start=level.dirty_start if steps else 0,
            share=shares[0],
            dirty_share=shares[1],
            ensemble=ensemble,
            clean=options.clean,
            wrap=options.wrap,
        )
    except ConfigError as error:
        raise InputError(f"--{error}") from error


def _check_ensemble(ensemble: int, steps: int, upscaler: Upscaler) -> None:
    """Refuse an ``--ensemble`` that is none, or of answers that no result is made of.

    Raises:
        InputError: It is one.
    """
    if ensemble not in ENSEMBLES:
        allowed = ", ".join(map(str, ENSEMBLES))
        raise InputError(f"--ensemble {ensemble}: allowed are {allowed}")
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
