"""Models that are made of others: told levels, with networks that follow others."""

import dataclasses

import torch

from sam_diffsr_cli.config import NUM_LEVELS, ModelConfig
from sam_diffsr_cli.networks.model import SuperResolver, build_model

__all__ = ["begin_as_teacher", "with_config", "with_levels"]


def with_levels(model: SuperResolver, *, sees_blocks: bool = False) -> SuperResolver:
    """Return a copy whose encoder takes levels of dirt, and at first makes nothing of them.

    Args:
        model: With a ``residual`` encoder that is told none; not changed.
        sees_blocks: As of ``EncoderConfig``.

    Returns:
        A model that gives the same images, whatever levels it is told; its estimator is untrained.
    """
    was = model.config.encoder
    encoder = dataclasses.replace(was, num_levels=NUM_LEVELS, sees_blocks=sees_blocks)
    wider = build_model(dataclasses.replace(model.config, encoder=encoder))
    state = wider.state_dict() | model.state_dict()
    old = state["rrdb.conv_first.weight"]
    blind = old.new_zeros(old.shape[0], NUM_LEVELS, *old.shape[2:])
    state["rrdb.conv_first.weight"] = torch.cat([old, blind], dim=1)
    wider.load_state_dict(state)
    return wider.train(model.training)


def with_config(model: SuperResolver, config: ModelConfig) -> SuperResolver:
    """Return a copy for ``config``, with or without distilled networks.

    Those that ``model`` lacks begin as copies of the noise predictors that they are to follow.

    Args:
        model: Not changed.
        config: Equal to the model's but for how it is sampled, and ``distilled_steps``.
    """
    wanted = build_model(config)
    have = model.state_dict()
    state = {}
    for name in wanted.state_dict():
        followed = name.replace("distilled_denoise_fn", "denoise_fn")
        state[name] = have[name] if name in have else have[followed]
    wanted.load_state_dict(state)
    return wanted.train(model.training)


def begin_as_teacher(model: SuperResolver, *, expert: bool) -> None:
    """Make one of the distilled networks, in place, a copy of the noise predictor it follows."""
    teacher = model.network("denoise_fn", expert=expert)
    model.network("distilled_denoise_fn", expert=expert).load_state_dict(teacher.state_dict())
