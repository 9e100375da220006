"""The root command: version, help, and the defaults that help tells."""

import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from sam_diffsr_cli import __version__
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.cli.masks import build
from sam_diffsr_cli.cli.train import train
from sam_diffsr_cli.cli.upscale import upscale
from sam_diffsr_cli.masks.sam import SamOptions
from sam_diffsr_cli.masks.segmenters import Felzenszwalb
from sam_diffsr_cli.pictures.encoders import WriteOptions
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.recipes.records import RECIPES, STAGES
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.training.recorder import RunOptions
from tests.helpers import loaded_by


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk over everything that can be run, ``masks build`` and the like included."""
    for name, command in group.commands.items():
        is_group = hasattr(command, "commands")
        if not is_group or command.invoke_without_command:
            yield f"{prefix}{name}", command
        if is_group:
            yield from commands(command, f"{prefix}{name} ")


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_version_is_printed() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout.strip()) == (0, f"samsr {__version__}")


def test_the_module_runs_as_the_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "sam_diffsr_cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == f"samsr {__version__}"


def test_every_command_is_among_those_that_are_tested() -> None:
    assert {"upscale", "train", "train export", "masks build", "doctor"} <= COMMANDS.keys()
    assert "masks" not in COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert f"Example: samsr {command} " in result.stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["enhance"]).exit_code == 2


def told_default(command: str, name: str) -> str:
    """Return the default in an option's help where it is a text, and check that it is shown."""
    option = next(p for p in COMMANDS[command].params if p.name == name)
    result = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
    line = next(line for line in result.stdout.splitlines() if option.opts[0] in line.split())
    assert f"[default: ({option.show_default})]" in line
    return str(option.show_default)


def test_the_default_seed_told_in_help_is_that_of_the_configuration() -> None:
    assert told_default("upscale", "seed") == str(SamplingConfig(steps=0).seed)


LITE = RECIPES["lite"]


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("preset", LITE.preset),
        ("hold_out", LITE.data.hold_out),
        ("encoder_steps", LITE.encoder.steps),
        ("diffusion_steps", LITE.diffusion.steps),
        ("learning_rate", ", ".join(str(getattr(LITE, each).learning_rate) for each in STAGES)),
        ("batch", f"{LITE.encoder.batch}; {LITE.distill.batch} to distil"),
        *(
            (name, getattr(LITE.encoder, name))
            for name in (
                *("accumulate", "patch"),
                *("modulation", "mask_norm", "seed", "precision"),
            )
        ),
    ],
)
def test_the_defaults_told_in_help_are_those_of_the_lite_recipe(name: str, default: object) -> None:
    assert told_default("train", name) == str(default)
    both = {getattr(stage, name, None) for stage in (LITE.encoder, LITE.diffusion)}
    assert len(both) == 1 or name == "learning_rate"


def test_the_defaults_of_the_commands_are_those_of_the_records_they_fill() -> None:
    upscale_options = inspect.signature(upscale).parameters
    assert upscale_options["file_quality"].default == WriteOptions().quality
    assert upscale_options["max_megapixels"].default * 1e6 == Limits().max_pixels
    train_options = inspect.signature(train).parameters
    for name in ("save_every", "save_minutes", "validate_every", "keep", "workers", "tensorboard"):
        assert train_options[name].default == getattr(RunOptions(), name), name
    assert train_options["compile_network"].default == RunOptions().compile
    build_options = inspect.signature(build).parameters
    for record in (SamOptions(), Felzenszwalb()):
        for field in dataclasses.fields(record):
            assert build_options[field.name].default == getattr(record, field.name), field.name


@pytest.mark.parametrize("arguments", [["train"], ["train", "export"], ["masks"], ["upscale"]])
def test_help_answers_without_heavy_imports(arguments: list[str]) -> None:
    help_text, loaded = loaded_by(*arguments, "--help")
    assert "Example" in help_text or "COMMAND" in help_text
    assert not loaded & {"torch", "numpy", "PIL", "safetensors", "accelerate", "huggingface_hub"}
