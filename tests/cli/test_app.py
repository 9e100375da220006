"""The root command: version, help, and its agreement with the README."""

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sam_diffsr_cli import __version__, errors
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.cli.masks import build
from sam_diffsr_cli.cli.upscale import upscale
from sam_diffsr_cli.config import DIFFUSION_TRAINING, ENCODER_TRAINING, SamplingConfig
from sam_diffsr_cli.errors import SamsrError
from sam_diffsr_cli.masks.sam import SamOptions
from sam_diffsr_cli.masks.segmenters import Felzenszwalb
from sam_diffsr_cli.pictures.encoders import WriteOptions
from sam_diffsr_cli.pictures.records import Limits

README = Path(__file__).resolve().parents[2] / "README.md"
COMMANDS = ("upscale", "train", "doctor")


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


def test_every_command_is_listed_here() -> None:
    assert sorted(c.callback.__name__ for c in app.registered_commands if c.callback) == sorted(
        COMMANDS
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert f"Example: samsr {command}" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_in_the_readme(command: str) -> None:
    assert f"samsr {command}" in README.read_text(encoding="utf-8")


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["enhance"]).exit_code == 2


def test_the_readme_table_of_exit_codes_is_true() -> None:
    rows = dict(
        line.strip("| ").split(" | ", 1)
        for line in README.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and line[2].isdigit()
    )
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, SamsrError)}
    assert {str(code) for code in codes} | {"0", "2"} == set(rows)


def test_the_defaults_told_in_help_are_those_of_the_configuration() -> None:
    sampling = SamplingConfig(steps=0)
    told = {
        "upscale": (sampling.seed,),
        "train": (ENCODER_TRAINING.steps, DIFFUSION_TRAINING.steps),
    }
    for command, values in told.items():
        result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
        for value in values:
            assert f"[default: ({value})]" in result.stdout


def test_the_defaults_of_the_commands_are_those_of_the_records_they_fill() -> None:
    upscale_options = inspect.signature(upscale).parameters
    assert upscale_options["quality"].default == WriteOptions().quality
    assert upscale_options["max_megapixels"].default * 1e6 == Limits().max_pixels
    build_options = inspect.signature(build).parameters
    for record in (SamOptions(), Felzenszwalb()):
        for field in dataclasses.fields(record):
            assert build_options[field.name].default == getattr(record, field.name), field.name
