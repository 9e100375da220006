"""Write a model with some networks of another of the same build, and run otherwise.

    python -m tests.workshop.tools.combine_networks MODEL OTHER OUT --network rrdb \
        --start sampling_dirty_start=70 --kept sampling_share=0.5 --source "what it says of itself"

A stage of ``samsr train`` drops the networks that were made for what it changes. Where it changed
so little that they still fit, which is to be measured, this puts its network beside them. The
estimator of levels is a part of ``rrdb``; MODEL's own is kept, since it looks at the photo alone
and is trained by itself (``train_estimator``). With ``--share`` the parameters lie between those of
the two, as where one was trained on from the other for less error or for more texture (network
interpolation, Wang et al. 2019).
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.networks.model import SuperResolver, build_model
from tests.workshop.tools.train_estimator import recipe_of

ESTIMATOR = "rrdb.estimator."


def combine(
    model: SuperResolver,
    other: SuperResolver,
    networks: Sequence[str],
    runs: Mapping[str, Any],
    share: float = 1.0,
) -> SuperResolver:
    """Return a model of the one's networks, and of the other's where they are named.

    Args:
        model: Whose networks and estimator are kept.
        other: Of the same build, in the networks that are named.
        networks: As the file names them: ``rrdb``, ``denoise_fn``, ``clean_rrdb`` ...
        runs: How the chain is run, by the names in ``DiffusionConfig``: rows, steps, shares,
            samplers.
        share: Of the other's parameters in these networks, in [0, 1].

    Raises:
        ValueError: One of them has no such network, or the share is none.
        RuntimeError: A network is of another build.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}, allowed: 0..1")
    config = replace(model.config, diffusion=replace(model.config.diffusion, **runs))
    combined, state, theirs = build_model(config), model.state_dict(), other.state_dict()
    for network in networks:
        names = [name for name in state if name.startswith(f"{network}.")]
        names = [name for name in names if not name.startswith(ESTIMATOR)]
        if not names or not theirs.keys() >= set(names):
            raise ValueError(f"{network}: is not in both models")
        whole = {name: theirs[name] for name in names}
        if share < 1:
            whole = {name: torch.lerp(state[name], value, share) for name, value in whole.items()}
        state |= whole
    combined.load_state_dict(state)
    return combined.eval()


def _pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (text.partition("=") for text in texts)]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--network", action="append", default=[])
    parser.add_argument(
        "--start", action="append", default=[], help="NAME=NUMBER, of rows and steps"
    )
    parser.add_argument("--kept", action="append", default=[], help="NAME=SHARE")
    parser.add_argument("--sampler", action="append", default=[], help="NAME=SAMPLER")
    parser.add_argument("--share", type=float, default=1.0, help="of the other's parameters")
    parser.add_argument("--source", help="what the file says of itself")
    given = parser.parse_args()
    loaded = load_weights(given.model)
    runs: dict[str, Any] = {name: int(row) for name, row in _pairs(given.start)}
    runs |= {name: float(share) for name, share in _pairs(given.kept)}
    runs |= dict(_pairs(given.sampler))
    other = load_weights(given.other).model
    model = combine(loaded.model, other, given.network, runs, given.share)
    recipe = recipe_of(given.model, model)
    save_weights(given.out, model, given.source or loaded.source, torch.float16, recipe)


if __name__ == "__main__":
    main()
