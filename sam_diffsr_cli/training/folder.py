"""The folder of a run: what lies where, which states are kept, and who may write in it.

recipe.toml              what was asked for
metrics.jsonl            the journal; summary.html shows it
states/encoder-00000500.safetensors ...
samples/encoder-00000500.png ...
encoder.best.safetensors, diffusion.best.safetensors
model.safetensors, model.md
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from sam_diffsr_cli.atomic import atomic_path, make_folder, remove_leftovers
from sam_diffsr_cli.errors import ConfigError, InputError, WeightsError, os_errors
from sam_diffsr_cli.locks import LockedError, locked
from sam_diffsr_cli.recipes.records import Recipe, Stage, TrainConfig
from sam_diffsr_cli.recipes.text import differences, from_toml, read_toml, to_toml
from sam_diffsr_cli.training.state import TrainState, load_state, save_state

__all__ = ["RunFolder", "refuse_other"]

SUFFIX = ".safetensors"

Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run below ``path``."""

    path: Path

    @property
    def recipe_path(self) -> Path:
        """What was asked for, as text."""
        return self.path / "recipe.toml"

    @property
    def weights_path(self) -> Path:
        """What comes out at the end."""
        return self.path / "model.safetensors"

    def best_path(self, stage: Stage) -> Path:
        """Return where the weights with the best validation of a stage are."""
        return self.path / f"{stage}.best{SUFFIX}"

    def sample_path(self, stage: Stage, step: int) -> Path:
        """Return where the sample picture of a validation is."""
        return self.path / "samples" / f"{stage}-{step:08d}.png"

    def state_path(self, stage: Stage, step: int) -> Path:
        """Return where the state after ``step`` steps of a stage is."""
        return self.path / "states" / f"{stage}-{step:08d}{SUFFIX}"

    def states(self, stage: Stage) -> list[Path]:
        """List the states of a stage, the newest first."""
        found = (self.path / "states").glob(f"{stage}-*{SUFFIX}")
        return sorted((p for p in found if p.stem.rpartition("-")[2].isdigit()), reverse=True)

    def read_recipe(self) -> Recipe:
        """Read the recipe that the run was started with.

        Raises:
            InputError: There is no run here.
            ConfigError: The recipe is damaged.
        """
        if not self.recipe_path.is_file():
            raise InputError(
                f"{self.path}: no run to go on with", hint="leave out --resume to start one"
            )
        return from_toml(read_toml(self.recipe_path))

    def refuse_existing(self) -> None:
        """Refuse to start over a run.

        Raises:
            InputError: A run is already there.
        """
        for path in (self.recipe_path, self.weights_path):
            if path.exists():
                raise InputError(
                    f"{path}: a run is already there",
                    hint="add --resume to go on with it, or choose another --out",
                )

    def begin(self, recipe: Recipe) -> None:
        """Write the recipe of a new run.

        Raises:
            InputError: A run is already there, or the folder cannot be written.
        """
        self.refuse_existing()
        self.write_recipe(recipe)

    def write_recipe(self, recipe: Recipe) -> None:
        """Write the recipe; that of a run that goes on says where things lie now.

        Raises:
            InputError: The folder cannot be written.
            DiskFullError: The disk is full; the recipe before is whole.
        """
        with atomic_path(self.recipe_path) as temporary:
            temporary.write_text(to_toml(recipe), encoding="utf-8")

    def make(self) -> None:
        """Make the folder and those in it; leftovers of killed processes are removed.

        Raises:
            InputError: The folder cannot be made.
        """
        for folder in (self.path, self.path / "states", self.path / "samples"):
            make_folder(folder)
            remove_leftovers(folder)

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other processes from training in this folder at the same time.

        Raises:
            InputError: Another one is, or the folder cannot be written.
        """
        with os_errors(self.path, "cannot be written"), contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(self.path / ".lock", waits=False))
            except LockedError as error:
                raise InputError(f"{self.path}: another process is training here") from error
            held = stack.pop_all()
        with held:
            yield

    def save(self, state: TrainState, keep: int) -> Path:
        """Write a state, and then remove others of its stage but for the ``keep - 1`` before it.

        Raises:
            InputError: The folder cannot be written.
            ResourceError: The disk is full; the states written before are whole.
        """
        path = self.state_path(state.config.stage, state.step)
        save_state(path, state)
        states = self.states(state.config.stage)
        place = states.index(path)
        # A newer one is damaged, or the run would have gone on from it.
        for other in states[:place] + states[place + keep :]:
            other.unlink(missing_ok=True)
        return path

    def latest(
        self, config: TrainConfig, device: torch.device, notify: Notify
    ) -> TrainState | None:
        """Read the newest whole state of a stage; None when there is none.

        Args:
            config: The stage it must be of.
            device: Where to go on.
            notify: Told of states that are damaged and passed over.

        Raises:
            WeightsError: There are states, and all are damaged.
            ConfigError: The state is of another recipe.
        """
        failure: WeightsError | None = None
        for path in self.states(config.stage):
            try:
                return load_state(path, config, device)
            except WeightsError as error:
                notify(f"{error}; going back to the state before")
                failure = error
        if failure is not None:
            raise failure
        return None


def refuse_other(asked: Recipe, stored: Recipe, path: Path) -> None:
    """Refuse to go on with another recipe. Where the photos lie may differ.

    Raises:
        ConfigError: It differs; every value that does is named.
    """
    found = differences(stored, asked, leave_out=("data",))
    if found:
        raise ConfigError(
            f"{path}: the run was started with another recipe ({'; '.join(found)})",
            hint="leave these options out to go on, or train into another --out",
        )
