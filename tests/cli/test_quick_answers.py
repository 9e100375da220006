"""What needs no network's arithmetic does not load torch, which takes seconds."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

CODE = """
import json, sys
from sam_diffsr_cli.cli.app import main
found = []
for line in json.loads(sys.argv[1]):
    code, sys.argv = 0, ["samsr", *line.split()]
    try:
        main()
    except SystemExit as end:
        code = end.code
    found.append([code, "torch" in sys.modules])
print("ENDED", json.dumps(found))
"""


def answer(folder: Path, lines: Sequence[str]) -> dict[str, tuple[int, bool]]:
    """Run commands in one process; return exit codes, and whether torch is loaded by then."""
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", CODE, json.dumps(lines)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.rpartition("ENDED")[2])
    return {line: (code, has_torch) for line, (code, has_torch) in zip(lines, found, strict=True)}


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


ANSWERS = {
    "upscale missing.png out.png": 3,
    "upscale broken.png out.png": 3,
    "upscale photo.png photo.png": 3,
    "upscale photo.png broken.png": 3,
    "upscale photo.png out.png --scale 40": 3,
    "upscale photo.png out.png --model missing": 3,
    "upscale photo.png out.png --format doc": 3,
    "upscale empty out": 3,
    "upscale photo.png out --manifest photo.png": 3,
    "train --data missing --out run": 3,
    "train --data photo.png --out run": 3,
    "masks stats --masks missing": 3,
    "masks stats --masks masks": 0,
    "masks verify --data empty --masks missing": 3,
    "models info missing": 3,
    "models info default": 0,
    "models info broken.png": 4,
    "models list": 0,
}
"""Command lines, and what they exit with."""


def test_answers_that_need_no_torch_load_none(folder: Path) -> None:
    expected = {line: (code, False) for line, code in ANSWERS.items()}
    assert answer(folder, list(ANSWERS)) == expected


@pytest.mark.slow
def test_what_torch_imports_for_cuda_alone_is_left_out(folder: Path) -> None:
    code = (
        "import sys\n"
        "from sam_diffsr_cli.cli.app import app\n"
        "try:\n"
        "    app(['upscale', 'photo.png', 'out.png', '--steps', '0', '--device', 'cpu'])\n"
        "finally:\n"
        "    print('torch' in sys.modules, sys.modules.get('cuda.bindings', 'not asked for'))\n"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["out.png", "True None"]
