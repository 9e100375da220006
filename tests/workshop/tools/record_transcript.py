"""Record what the command line says: stdout, stderr, exit code and files of some eighty commands.

    python -m tests.workshop.tools.record_transcript > before.txt
    (change the code)
    python -m tests.workshop.tools.record_transcript > after.txt; diff before.txt after.txt

``--cheap > tests/cli/transcript.txt`` writes what ``tests/cli/test_transcript.py`` compares with.

Inputs are drawn, the model is tiny. Paths, times, versions and, where they are all that a command
tells, numbers are written as words, so that two runs of the same code give the same text.
"""

import argparse
import hashlib
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from sam_diffsr_cli import __version__
from sam_diffsr_cli.cli.app import app
from tests.helpers import write_weights

RECIPE = """
[model.encoder]
kind = "residual"
num_feat = 8
num_block = 2

[model.unet]
kind = "folded"
widths = [8, 8]

[model.diffusion]
num_timesteps = 10
sampling_steps = 2

[encoder]
steps = 3
batch = 2
patch = 32

[diffusion]
steps = 3
batch = 2
patch = 32
"""
PICTURES = frozenset({".png", ".jpg", ".webp", ".tif"})
"""Files whose bytes are compared; of others only the name is."""

SETTINGS = {
    "COLUMNS": "100",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "RANK": "0",
}


@dataclass(frozen=True)
class Command:
    """A command line; ``is_measured`` where its numbers differ from run to run."""

    line: str
    is_measured: bool = False
    stdin: str = ""


def helps() -> list[Command]:
    groups = {
        "": ["upscale", "train", "masks", "models", "evaluate", "compare", "bench", "doctor"],
        "train": ["export"],
        "masks": ["build", "import", "show", "stats", "verify"],
        "models": ["list", "info", "verify", "convert", "download", "push"],
    }
    lines = [f"{group} {name}".strip() for group, names in groups.items() for name in names]
    return [Command(f"{line} --help".strip()) for line in ("", *lines)]


UPSCALE = (
    "upscale photos out/a --model tiny.safetensors",
    "upscale photos out/a --model tiny.safetensors",
    "upscale photos out/a --model tiny.safetensors --on-exists skip --json",
    "upscale photos out/a --model tiny.safetensors --on-exists rename --scale 2.5",
    "upscale photos/a.png out/one.webp --model tiny.safetensors --steps 1 --seed 3",
    "upscale photos/a.png out/one.webp --model tiny.safetensors --on-exists overwrite --json",
    "upscale photos out/b --model tiny.safetensors --format png --suffix _x4 --quality fast",
    "upscale photos out/c --model tiny.safetensors --dry-run",
    "upscale photos out/c --model tiny.safetensors --dry-run --json",
    "upscale photos out/d --model tiny.safetensors --manifest out/d.jsonl",
    "upscale photos out/d --model tiny.safetensors --manifest out/d.jsonl",
    "upscale photos out/d --model tiny.safetensors --manifest out/d.jsonl --seed 9",
    "upscale photos out/d --model tiny.safetensors --manifest photos/a.png",
    "upscale mixed out/e --model tiny.safetensors",
    "upscale mixed out/f --model tiny.safetensors --json",
    "upscale mixed out/g --model tiny.safetensors --fail-fast",
    "upscale mixed/bad.png out/bad.png --model tiny.safetensors --json",
    "upscale photos out/h --model tiny.safetensors --workers 2 --json",
)
UPSCALE_REFUSED = (
    "upscale photos/a.png - --model tiny.safetensors --json",
    "upscale absent.png out/x.png --model tiny.safetensors",
    "upscale absent.png out/x.png --model tiny.safetensors --json",
    "upscale photos out/x.png --model tiny.safetensors",
    "upscale photos/a.png photos/a.png --model tiny.safetensors",
    "upscale photos out/x --model absent.safetensors",
    "upscale photos out/x --model photos/a.png --json",
    "upscale photos out/x --scale 99",
    "upscale photos out/x --scale much --json",
    "upscale photos out/x --model tiny.safetensors --steps 11",
    "upscale photos out/x --model tiny.safetensors --tile 3",
    "upscale photos out/x --gpus 0",
    "upscale photos out/x --device tpu",
    "upscale photos out/x --ray-address localhost:1",
    "upscale photos out/x --format xyz",
    "upscale photos out/x --suffix a/b",
    "upscale photos out/x --max-megapixels nan",
)
TRAIN = (
    "train --print-config",
    "train --preset paper --print-config --batch 4 --set diffusion.patch=64",
    "train --data sharp --set diffusion.nothing=1 --print-config",
    "train",
    "train --data absent",
    "train --resume",
    "train --resume --out runs/absent",
    "train --data sharp --out runs/a --recipe tiny.toml --stage diffusion",
    "train --data sharp --out runs/a --recipe tiny.toml --precision fp99",
)
RUNS = (
    "train --data sharp --recipe tiny.toml --dry-run",
    "train --data sharp --out runs/a --recipe tiny.toml --hold-out 1 --device cpu",
    "train --data sharp --out runs/a --recipe tiny.toml",
    "train --out runs/a --resume --device cpu",
    "train --out runs/a --resume --seed 5",
    "train export runs/a -o out/run.safetensors",
    "train export runs/a -o out/run.safetensors",
    "train export runs/absent -o out/run2.safetensors",
    "train export runs/a -o out/run.bin",
)
MASKS = (
    "masks build --data sharp --out masks --segmenter felzenszwalb --least-area 20",
    "masks build --data sharp --out masks --segmenter felzenszwalb --least-area 20 --json",
    "masks build --data sharp --out masks --segmenter felzenszwalb --least-area 30",
    "masks build --data mixed --out masks2 --segmenter felzenszwalb --workers 2 --json",
    "masks build --data mixed --out masks3 --segmenter felzenszwalb --shard 1/2",
    "masks build --data sharp --out masks4 --segmenter felzenszwalb --shard 1/2 --workers 2",
    "masks build --data sharp --out masks4 --segmenter felzenszwalb --gpus 0",
    "masks build --data sharp --out masks4 --sam custom",
    "masks build --data sharp --out masks4 --checkpoint photos/a.png",
    "masks build --data absent --out masks4",
    "masks verify --data sharp --masks masks",
    "masks verify --data mixed --masks masks",
    "masks stats --masks masks",
    "masks stats --masks masks --json",
    "masks stats --masks photos --json",
    "masks show sharp/0.png --masks masks --out out/masks.png",
    "masks show sharp/0.png --masks photos",
    "masks import absent --out masks5",
    "masks import masks --out masks5",
    "train --data sharp --masks photos --out runs/m --recipe tiny.toml --device cpu",
)
MODELS = (
    "models list",
    "models list --json",
    "models info tiny.safetensors",
    "models info tiny.safetensors --json",
    "models info photos/a.png",
    "models verify tiny.safetensors --device cpu --sha256 00",
    "models convert photos/a.png -o out/x.safetensors --published",
    "models convert photos/a.png -o out/x.bin",
    "models download org/absent",
    "models download tiny.safetensors -o out/copy.safetensors",
    "models push tiny.safetensors org/name --licence apache-2.0 --dry-run",
    "models push tiny.safetensors name",
)
BICUBIC = "evaluate --data true --method bicubic --model tiny.safetensors"
EVALUATE = (
    f"{BICUBIC} --csv out/numbers.csv --markdown out/numbers.md --device cpu",
    f"{BICUBIC} --steps 1,2 --json --out out/ev --report out/ev.html --device cpu",
    "evaluate --data true --method bicubic --steps 1,2 --model tiny.safetensors --out out/ev",
    "evaluate --data true --method bicubic --model tiny.safetensors --out out/ev --shave 2",
    "evaluate --data mixed --method bicubic --model tiny.safetensors --json",
    "evaluate --data absent --method bicubic --model tiny.safetensors --json",
    "evaluate --data true --method nothing --model tiny.safetensors",
    "evaluate --data true --csv out/numbers.csv",
    "evaluate --data true --report out/x.txt",
    "compare out/a out/d -o out/page.html",
    "compare out/a -o out/page2.html",
    "compare out/a out/d -o out/page.html",
    "compare out/a out/d -o out/strip.png --overwrite",
    "compare out/a out/d -o out/page.txt",
)
MEASURED = (
    "bench --model tiny.safetensors --size 16 --steps 0 --repeats 1 --warm-up 0 --device cpu",
    "bench --model tiny.safetensors --size 16 --steps 1 --repeats 1 --device cpu --json",
)
CHEAP = (
    "masks build --data sharp --out masks4 --sam custom",
    "masks build --data absent --out masks4",
    "masks import absent --out masks5",
    "masks show sharp/0.png --masks photos",
    "models info photos/a.png",
    "models convert photos/a.png -o out/x.bin",
    "models push tiny.safetensors name",
    "evaluate --data absent --method bicubic --model tiny.safetensors --json",
    "evaluate --data true --method nothing --model tiny.safetensors",
    "evaluate --data true --report out/x.txt",
    "compare photos -o out/page2.html",
    "compare photos sharp -o out/page.txt",
)
REFUSED = (
    "bench --model absent.safetensors --json",
    "bench --size 0",
    "--version",
    "",
    "nothing",
    "upscale",
)


def commands() -> Iterator[Command]:
    yield from helps()
    named = (*UPSCALE, *UPSCALE_REFUSED, *TRAIN, *MASKS, *MODELS, *EVALUATE, *REFUSED)
    yield from (Command(line) for line in named)
    yield from (Command(line, is_measured=True) for line in (*RUNS, *MEASURED))


def cheap_commands() -> list[Command]:
    """Return those that run no network and tell no number: a test compares what they say."""
    return [Command(line) for line in (*UPSCALE_REFUSED, *TRAIN, *CHEAP, *REFUSED)]


def draw_inputs(folder: Path) -> None:
    """Draw photos, true pictures, a folder with a damaged one, a model and a recipe."""
    rng = np.random.default_rng(0)
    for name, sizes in {
        "photos": {"a.png": (6, 9), "b.jpg": (7, 5), "c.webp": (8, 8)},
        "sharp": {f"{i}.png": (96, 96) for i in range(4)},
        "true": {"x.png": (64, 64), "y.png": (48, 64)},
        "mixed": {"good.png": (40, 40)},
    }.items():
        (folder / name).mkdir()
        for picture, (height, width) in sizes.items():
            blocks = rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
            pixels = blocks.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
            Image.fromarray(pixels).save(folder / name / picture)
    (folder / "mixed" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnot a picture")
    (folder / "out").mkdir()
    (folder / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    write_weights(folder / "tiny.safetensors")


def known_files(folder: Path) -> dict[str, str]:
    """Name each file, with its digest where its bytes are compared."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        if path.suffix in PICTURES
        else ""
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "cache" not in path.parts
    }


RULES = (
    (r"\d+:\d\d:\d\d", "TIME"),
    (r"\d[\d.]* (s|ms)\b", r"N \1"),
    (r"\d[\d.]* s(/MP| per megapixel)", r"N s\1"),
    (r"(\"(?:read|enlarge|write|seconds|load_before)\": )[\d.]+", r"\1N"),
    (r"worker \d", "worker N"),
    (r"\"worker\": \d", '"worker": N'),
    (r"(worker N on cpu: )[^\n]*", r"\1DONE"),
    (r"(versions\"?: )[^\n]*", r"\1V"),
    # By the processor.
    (r"(\"precision\": \")(?:fp32|bf16|fp16)\"", r'\1P"'),
    # A file's holds its configuration, which gets new keys.
    (r"\b[0-9a-f]{64}\b", "SHA256"),
    (r"[ \t]+\n", "\n"),
)


def tidy(text: str, folder: Path, command: Command) -> str:
    """Write what differs from run to run as words."""
    text = text.replace(str(folder), "WORK").replace(__version__, "VERSION")
    for pattern, word in RULES:
        text = re.sub(pattern, word, text)
    if command.is_measured:
        text = re.sub(r"\d[\d.e+-]*", "N", text)
        text = re.sub(r" +", " ", text)
    if command.line.startswith("evaluate"):
        # Seconds a picture, the last column of a table.
        text = re.sub(r"(\d) +\d+\.\d\d\n", r"\1 N\n", text)
    return text


def record(folder: Path, chosen: Sequence[Command]) -> Iterator[str]:
    """Yield the transcript of each command, run in ``folder``."""
    before = known_files(folder)
    for command in chosen:
        result = CliRunner().invoke(app, shlex.split(command.line), input=command.stdin)
        after = known_files(folder)
        changed = [name for name in after if before.get(name) != after[name]]
        gone = sorted(before.keys() - after.keys())
        before = after
        parts = [f"$ samsr {command.line}", f"exit {result.exit_code}"]
        raised = result.exception
        if raised is not None and not isinstance(raised, SystemExit):
            parts.append(f"RAISED {raised!r}")
        stdout = result.stdout_bytes.decode(errors="backslashreplace")
        parts += ["--- stdout", tidy(stdout, folder, command).rstrip("\n")]
        parts += ["--- stderr", tidy(result.stderr, folder, command).rstrip("\n")]
        parts += ["--- files", *(f"{name} {after[name]}".rstrip() for name in changed)]
        parts += [f"gone: {name}" for name in gone]
        yield "\n".join(parts) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="commands that begin with this")
    parser.add_argument("--cheap", action="store_true", help="those of tests/cli/transcript.txt")
    arguments = parser.parse_args()
    os.environ.update(SETTINGS)
    offered = cheap_commands() if arguments.cheap else commands()
    chosen = [each for each in offered if each.line.startswith(arguments.only)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        draw_inputs(folder)
        os.chdir(folder)
        os.environ["SAMSR_CACHE"] = str(folder / "cache")
        for text in record(folder, chosen):
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        os.chdir("/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
