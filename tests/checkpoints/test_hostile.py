"""Weights files made to harm: each is a clear error of the command line, and nothing else."""

import ast
import json
import math
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import sam_diffsr_cli
from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.networks.model import build_model
from tests.helpers import TINIER

PACKAGE = Path(sam_diffsr_cli.__file__).parent
Head = dict[str, Any]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "good.safetensors"
    save_weights(path, build_model(TINIER, 1), "test", torch.float32)
    return path.read_bytes()


def taken_apart(data: bytes) -> tuple[Head, bytes]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def put_together(head: object, tensors: bytes) -> bytes:
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + tensors


def with_head(change: Callable[[Head, str], object]) -> Callable[[bytes], bytes]:
    """Change the head of a file; ``change`` is given it, and the name of a tensor in it."""

    def make(data: bytes) -> bytes:
        head, tensors = taken_apart(data)
        name = next(name for name in sorted(head) if name != "__metadata__")
        changed = change(head, name)
        return put_together(head if changed is None else changed, tensors)

    return make


def with_config(change: Callable[[Head], object]) -> Callable[[bytes], bytes]:
    def make(head: Head, _name: str) -> None:
        config = json.loads(head["__metadata__"]["samsr.config"])
        change(config)
        head["__metadata__"]["samsr.config"] = json.dumps(config)

    return with_head(make)


def set_entry(**values: Any) -> Callable[[bytes], bytes]:
    return with_head(lambda head, name: head[name].update(values))


def twice(data: bytes) -> bytes:
    """Name a tensor twice, the second time as the first of its numbers alone."""
    head, tensors = taken_apart(data)
    name = next(name for name in sorted(head) if name != "__metadata__")
    start = head[name]["data_offsets"][0]
    other = {"dtype": "F32", "shape": [1], "data_offsets": [start, start + 4]}
    text = json.dumps(head)[:-1] + f", {json.dumps(name)}: {json.dumps(other)}}}"
    return struct.pack("<Q", len(text)) + text.encode() + tensors


def overlapping(head: Head, name: str) -> None:
    others = [n for n in head if n not in {name, "__metadata__"} and head[n]["shape"]]
    same = next(n for n in others if math.prod(head[n]["shape"]) == math.prod(head[name]["shape"]))
    head[same]["data_offsets"] = head[name]["data_offsets"]


def spoiled(value: float) -> Callable[[bytes], bytes]:
    def make(data: bytes) -> bytes:
        return data[:-4] + struct.pack("<f", value)

    return make


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "length-alone": lambda data: data[:8],
    "overlong-head": lambda data: struct.pack("<Q", 2**63 - 1) + data[8:],
    "head-beyond-the-file": lambda data: struct.pack("<Q", len(data)) + data[8:],
    "head-of-100-gb": lambda data: struct.pack("<Q", 10**11) + data[8:],
    "head-not-json": lambda data: data[:8] + b"x" + data[9:],
    "head-a-list": with_head(lambda _head, _name: []),
    "head-deeply-nested": lambda data: struct.pack("<Q", 200_000) + b"[" * 200_000 + data,
    "head-not-utf-8": lambda data: data[:10] + b"\xff\xfe" + data[12:],
    "tensor-twice": twice,
    "overlapping": with_head(overlapping),
    "offsets-beyond-the-file": set_entry(data_offsets=[0, 10**15]),
    "offsets-backwards": set_entry(data_offsets=[100, 0]),
    "offsets-negative": set_entry(data_offsets=[-4, 0]),
    "huge-shape": set_entry(shape=[2**40, 2**40]),
    "negative-shape": set_entry(shape=[-1]),
    "other-shape": with_head(lambda head, name: head[name]["shape"].append(1)),
    "unknown-dtype": set_entry(dtype="F7"),
    "whole-numbers": set_entry(dtype="I32"),
    "metadata-not-text": with_head(lambda head, _: head["__metadata__"].update(x=1)),
    "metadata-a-list": with_head(lambda head, _: head.update(__metadata__=[])),
    "no-metadata": with_head(lambda head, _: head.pop("__metadata__") and None),
    "config-not-json": with_head(lambda h, _: h["__metadata__"].update({"samsr.config": "{"})),
    "config-deeply-nested": with_head(
        lambda h, _: h["__metadata__"].update({"samsr.config": "[" * 100_000})
    ),
    "config-unknown-key": with_config(lambda config: config.update(surprise=1)),
    "config-missing-key": with_config(lambda config: config.pop("unet")),
    "config-of-another-network": with_config(lambda c: c["encoder"].update(num_feat=8)),
    "config-of-endless-blocks": with_config(lambda c: c["encoder"].update(num_block=10**12)),
    "config-of-many-blocks": with_config(lambda c: c["encoder"].update(num_block=500)),
    "config-of-endless-features": with_config(lambda c: c["encoder"].update(num_feat=10**12)),
    "config-of-endless-widths": with_config(lambda c: c["unet"].update(widths=[4] * 10**5)),
    "config-of-endless-steps": with_config(lambda c: c["diffusion"].update(num_timesteps=10**12)),
    "config-not-a-number": with_config(lambda c: c["diffusion"].update(sigma_data=float("nan"))),
    "format-of-the-future": with_head(lambda h, _: h["__metadata__"].update({"samsr.format": "9"})),
    "tensor-missing": lambda data: put_together(
        {n: e for n, e in taken_apart(data)[0].items() if n == "__metadata__"}, b""
    ),
    "truncated": lambda data: data[:-100],
    "longer": lambda data: data + bytes(100),
    "not-a-number": spoiled(math.nan),
    "infinite": spoiled(math.inf),
    "zip": lambda _: b"PK\x03\x04" + bytes(1000),
    "pickle": lambda _: b"\x80\x02cos\nsystem\nX\x08\x00\x00\x00touch hi\x85R.",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save("in.png")
    return tmp_path


def upscale(model: str) -> tuple[int, str]:
    arguments = ["upscale", "in.png", "out.png", "--model", model, "--device", "cpu"]
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stderr


@pytest.mark.usefixtures("here")
def test_the_file_that_they_are_made_from_is_good(good: bytes) -> None:
    Path("model.safetensors").write_bytes(good)
    assert upscale("model.safetensors")[0] == 0
    assert Path("out.png").exists()


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_a_clear_error_and_nothing_else(
    make: Callable[[bytes], bytes], good: bytes, here: Path
) -> None:
    Path("model.safetensors").write_bytes(make(good))
    code, stderr = upscale("model.safetensors")
    assert code == 4, stderr
    assert "model.safetensors" in stderr
    assert "Traceback" not in stderr
    assert len(stderr) < 1500
    assert sorted(path.name for path in here.iterdir()) == ["in.png", "model.safetensors"]


@pytest.mark.parametrize("command", ["info", "verify"])
@pytest.mark.parametrize(
    "name", ["overlong-head", "config-unknown-key", "config-of-endless-blocks"]
)
@pytest.mark.usefixtures("here")
def test_looking_at_it_is_as_safe(command: str, name: str, good: bytes) -> None:
    Path("model.safetensors").write_bytes(HOSTILE[name](good))
    result = CliRunner().invoke(app, ["models", command, "model.safetensors"])
    assert result.exit_code == 4
    assert "model.safetensors" in result.stderr


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "missing"])
@pytest.mark.usefixtures("here")
def test_what_is_no_file_is_a_clear_error(kind: str) -> None:
    path = Path("model.safetensors")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    code, stderr = upscale("model.safetensors")
    assert code == 4, stderr
    assert "model.safetensors" in stderr


def test_keys_of_other_tools_are_left_alone(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    more = with_head(lambda head, _: head["__metadata__"].update(format="pt", author="x"))
    path.write_bytes(more(good))
    assert load_weights(path).model.config == TINIER


@pytest.mark.usefixtures("here")
def test_text_of_a_file_does_not_steer_the_terminal(good: bytes) -> None:
    evil = with_head(
        lambda head, _: head["__metadata__"].update({"samsr.source": "\x1b[2J\x1b]0;x\x07"})
    )
    Path("model.safetensors").write_bytes(evil(good))
    result = CliRunner().invoke(app, ["models", "info", "model.safetensors"])
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout + result.stderr
    assert "\\x1b[2J" in result.stdout


@pytest.mark.slow
def test_no_memory_is_taken_for_what_a_file_only_claims(good: bytes, tmp_path: Path) -> None:
    """Of the largest network that a configuration can name, which would take tens of gigabytes."""
    path = tmp_path / "model.safetensors"
    large = with_config(
        lambda c: (
            c["encoder"].update(num_feat=4096, num_block=60),
            c["unet"].update(widths=[4096]),
        )
    )
    path.write_bytes(large(good))
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from sam_diffsr_cli.checkpoints.store import load_weights\n"
        "from sam_diffsr_cli.errors import WeightsError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    load_weights(Path(sys.argv[1]))\n"
        "except WeightsError:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < 200 << 20
    assert resource.RUSAGE_SELF == 0


def test_the_memory_test_can_fail(good: bytes, tmp_path: Path) -> None:
    """The same file is refused for its names, not for its size."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(with_config(lambda c: c["encoder"].update(num_feat=4096))(good))
    with pytest.raises(WeightsError, match=r"expected float \(4, 4096, 1, 1\)"):
        load_weights(path)


# ---------------------------------------------------------------------- no other way for weights


def calls(name: str) -> list[tuple[Path, ast.Call]]:
    """Find the calls of functions, or methods, of a name."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func
                own = getattr(called, "attr", getattr(called, "id", ""))
                if own == name:
                    found.append((path.relative_to(PACKAGE), node))
    return found


def test_parameters_are_copied_in_one_place_and_strictly() -> None:
    places = {path.as_posix() for path, _ in calls("load_state_dict")}
    # The second one is of a run's own states, which hold more than a network; the last copies a
    # network that is loaded already into a wider one.
    known = {"checkpoints/store.py", "training/state.py", "masks/sam.py", "networks/growing.py"}
    assert places <= known
    for _, call in calls("load_state_dict"):
        assert not any(keyword.arg == "strict" for keyword in call.keywords)


def test_pickles_are_read_under_restriction_alone() -> None:
    import sam_diffsr_cli.checkpoints.official  # noqa: F401 - it is what is looked at

    loads = [call for path, call in calls("load") if ast.unparse(call.func) == "torch.load"]
    assert loads
    for call in loads:
        restricted = {k.arg: ast.unparse(k.value) for k in call.keywords}
        assert restricted.get("weights_only") == "True"
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "pickle.load" not in text
        assert "Unpickler(" not in text
