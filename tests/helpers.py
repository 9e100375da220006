"""What many tests begin with: tiny models and the command line."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.config import EncoderConfig, ModelConfig, UNetConfig, distilled
from sam_diffsr_cli.networks.model import SuperResolver, build_model
from sam_diffsr_cli.upscaling.model import Upscaler

NINES = "9" * 5000
"""A number of more digits than Python reads."""

TINY = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=8, num_block=2),
    unet=UNetConfig(kind="folded", widths=(8, 8)),
    diffusion=DiffusionConfig(
        num_timesteps=10, base="encoder", residual_scale=4.0, sigma_data=0.33, sampling_steps=2
    ),
)
"""The bundled model's parts, small. Untrained, with no steps, it enlarges by bicubic."""

TINY_UNDISTILLED = replace(
    TINY,
    encoder=replace(TINY.encoder, num_levels=3),
    clean_expert=True,
    diffusion=replace(
        TINY.diffusion,
        sampling_start=7,
        highest_start=8,
        sampling_spacing="quadratic",
        best_steps=4,
        best_sampler="dpmpp_2m",
        best_start=8,
    ),
)
TINY_DISTILLED = distilled(TINY_UNDISTILLED, steps=2)
"""Two steps from rows 3 to 8, by default from row 7; networks of its own for clean photos."""

TINY_DISTILLED_BEST = replace(
    TINY_DISTILLED.diffusion, best_start=0, best_steps=2, best_sampler="distilled"
)
"""The chain of it whose ``best`` is by that network too."""

TINY_FULL = ModelConfig(
    encoder=EncoderConfig(kind="rrdb", num_feat=8, num_block=2),
    unet=UNetConfig(kind="full", widths=(8, 8, 8, 8)),
    diffusion=DiffusionConfig(num_timesteps=10, sampling_steps=2),
    lr_divisor=256,
)
"""The published network's parts, small."""

TINIER = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=4, num_block=2),
    unet=UNetConfig(kind="folded", widths=(4, 8)),
)
"""Where only the file counts."""

PATIENCE_S = 600.0
"""A wait this long has failed; on a busy machine every shorter one may not have."""


def shaken_model(config: ModelConfig, amount: float) -> SuperResolver:
    """Build a model none of whose parameters is zero, so that every path has an effect."""
    model = build_model(config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=amount)
    return model.eval()


def shaken(config: ModelConfig, amount: float = 0.03) -> Upscaler:
    """Make an upscaler of such a model."""
    return Upscaler(model=shaken_model(config, amount), device=torch.device("cpu"))


class Ran(NamedTuple):
    """What a command line answered; ``stderr`` on one line, as terminals break it anywhere."""

    exit_code: int
    stdout: str
    stderr: str


def samsr(*arguments: object) -> Ran:
    """Run the command line in this process."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, " ".join(result.stderr.split()))


def samsr_process(*arguments: object, env: Mapping[str, str], cwd: Path | None = None) -> Ran:
    """Run the command line in a process of its own; ``stderr`` as it came."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "sam_diffsr_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=dict(env),
        cwd=cwd,
        timeout=PATIENCE_S,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def write_weights(path: Path, config: ModelConfig = TINY, source: str = "test") -> Path:
    """Save an untrained model."""
    save_weights(path, build_model(config), source, torch.float32)
    return path


def draw_photos(folder: Path, names: Sequence[str], size: tuple[int, int] = (6, 9)) -> Path:
    """Save noise under each name, in the format of its suffix."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in names:
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def also_slowly(*values: Any) -> list[Any]:
    """Mark parameters that are left out of the quick tests, where others take the same path."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def each_value(cases: Sequence[tuple[Any, str, Any]]) -> pytest.MarkDecorator:
    """Give a test each record's builder, the name of a field, and a value for it."""
    ids = [f"{name}={value}" for _, name, value in cases]
    return pytest.mark.parametrize(("build", "name", "value"), cases, ids=ids)


def touch(*names: str) -> None:
    """Make empty files, and their folders."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def loaded_by(*arguments: str, code: int = 0) -> tuple[str, set[str]]:
    """Run the command line in a fresh Python; what it prints, and what it has imported by then.

    ``code`` is its exit code.
    """
    script = (
        "import sys\n"
        "from sam_diffsr_cli.cli.app import app\n"
        "try:\n"
        f"    app({list(arguments)!r})\n"
        "except SystemExit as end:\n"
        f"    assert (end.code or 0) == {code}\n"
        "print('LOADED', *sorted(name for name in sys.modules if '.' not in name))\n"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    printed, _, loaded = done.stdout.rpartition("LOADED")
    return printed, set(loaded.split())


class Clock:
    """A clock that is moved by hand, in place of the module ``time``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now
