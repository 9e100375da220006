"""What needs no network's arithmetic does not load torch, which takes seconds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

CODE = """
import json, sys
from sam_diffsr_cli.cli.app import main
code = 0
try:
    main()
except SystemExit as end:
    code = end.code
print("ENDED", json.dumps([code, "torch" in sys.modules]))
"""


def answer(folder: Path, *arguments: str) -> tuple[int, bool]:
    """Run the command; return its exit code and whether torch was loaded."""
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", CODE, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    code, is_loaded = json.loads(done.stdout.rpartition("ENDED")[2])
    return code, is_loaded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (4, 4)).save(tmp_path / "photo.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "empty").mkdir()
    masks = tmp_path / "masks"
    masks.mkdir()
    record = {"segmentation": {"size": [2, 2], "counts": [0, 4]}}
    (masks / "photo.json").write_text(json.dumps([record]))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("upscale missing.png out.png", 3),
        ("upscale broken.png out.png", 3),
        ("upscale photo.png photo.png", 3),
        ("upscale photo.png broken.png", 3),
        ("upscale photo.png out.png --scale 40", 3),
        ("upscale photo.png out.png --model missing", 3),
        ("upscale photo.png out.png --format doc", 3),
        ("upscale empty out", 3),
        ("upscale photo.png out --manifest photo.png", 3),
        ("train --data missing --out run", 3),
        ("train --data photo.png --out run", 3),
        ("masks stats --masks missing", 3),
        ("masks stats --masks masks", 0),
        ("masks verify --data empty --masks missing", 3),
        ("models info missing", 3),
        ("models info default", 0),
        ("models info broken.png", 4),
        ("models list", 0),
    ],
)
def test_an_answer_that_needs_no_torch_loads_none(folder: Path, arguments: str, code: int) -> None:
    assert answer(folder, *arguments.split()) == (code, False)
