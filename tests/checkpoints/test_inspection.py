"""What a weights file says of itself, told without one of its tensors."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
import safetensors
import torch
from safetensors.torch import save_file

from sam_diffsr_cli import __version__
from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.checkpoints import heads
from sam_diffsr_cli.checkpoints.inspection import inspect_file
from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.config import EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.networks.model import build_model

TINY = ModelConfig(
    scale=2,
    encoder=EncoderConfig(kind="residual", num_feat=4, num_block=2),
    unet=UNetConfig(kind="folded", widths=(4, 8)),
    diffusion=DiffusionConfig(num_timesteps=10, base="encoder", sampling_steps=3),
)
SOURCE = "drawn by chance, ü"
RECIPE = "steps = 3\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_weights(path, build_model(TINY, 1), SOURCE, torch.float32, RECIPE)
    return path


def write_again(path: Path, tensors: dict[str, torch.Tensor], **more: str) -> Path:
    """Write a file of these tensors with the metadata of ``path``, and more."""
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata() | more
    other = path.with_name("other.safetensors")
    save_file(tensors, other, metadata)
    return other


def test_size_and_digest_are_of_the_whole_file(path: Path) -> None:
    facts = inspect_file(path)
    content = path.read_bytes()
    assert facts.path == path
    assert facts.bytes == len(content)
    assert facts.sha256 == hashlib.sha256(content).hexdigest()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert inspect_file(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert inspect_file(path).sha256 != facts.sha256


def test_the_configuration_is_the_files(path: Path) -> None:
    assert inspect_file(path).config == TINY
    save_weights(path, build_model(replace(TINY, scale=4)), "", torch.float32)
    assert inspect_file(path).config == replace(TINY, scale=4)


def test_texts_are_told_as_they_are(path: Path) -> None:
    facts = inspect_file(path)
    assert (facts.source, facts.recipe, facts.version) == (SOURCE, RECIPE, __version__)


def test_texts_that_are_missing_are_empty(path: Path) -> None:
    save_weights(path, build_model(TINY), "", torch.float32)
    facts = inspect_file(path)
    assert (facts.source, facts.recipe, facts.others) == ("", "", {})


def test_parameters_are_counted_for_each_network(path: Path) -> None:
    networks = dict(build_model(TINY).named_children())
    assert inspect_file(path).parameters == {
        name: sum(parameter.numel() for parameter in network.parameters())
        for name, network in networks.items()
    }
    assert set(networks) == {"rrdb", "denoise_fn"}


@pytest.mark.parametrize(
    ("dtype", "name"),
    [(torch.float16, "F16"), (torch.bfloat16, "BF16"), (torch.float32, "F32")],
    ids=str,
)
def test_the_format_of_the_numbers_is_told(path: Path, dtype: torch.dtype, name: str) -> None:
    save_weights(path, build_model(TINY), SOURCE, dtype)
    facts = inspect_file(path)
    assert facts.formats == {name: sum(facts.parameters.values())}


def test_numbers_of_several_formats_are_counted_apart(path: Path) -> None:
    tensors = {
        "rrdb.a": torch.zeros(2, 3),
        "rrdb.b": torch.zeros((), dtype=torch.float16),
        "x": torch.zeros(5, dtype=torch.float16),
    }
    facts = inspect_file(write_again(path, tensors))
    assert facts.formats == {"F32": 6, "F16": 6}
    assert facts.parameters == {"rrdb": 7, "x": 5}


def test_keys_of_others_are_named_and_left_alone(path: Path) -> None:
    more = {"modelspec.title": "Mine", "author": "x", "samsr.unheard": "of"}
    facts = inspect_file(write_again(path, {"rrdb.a": torch.zeros(1)}, **more))
    assert facts.others == more
    assert list(facts.others) == sorted(more)


# --------------------------------------------------------------------- no tensor is loaded


class Watched:
    """An opened file that puts the names of the tensors that are read from it into a list."""

    def __init__(self, names: list[str], *arguments: Any, **options: Any) -> None:
        self.names = names
        self.file: Any = safetensors.safe_open(*arguments, **options)

    def __enter__(self) -> Self:
        self.file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.file.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def get_tensor(self, name: str) -> Any:
        self.names.append(name)
        return self.file.get_tensor(name)

    def get_slice(self, name: str) -> "WatchedSlice":
        return WatchedSlice(self.file.get_slice(name), partial(self.names.append, name))


class WatchedSlice:
    """A tensor of a file, not read yet: its shape and format may be asked for."""

    def __init__(self, part: Any, tell: Callable[[], None]) -> None:
        self.part, self.tell = part, tell

    def get_shape(self) -> Any:
        return self.part.get_shape()

    def get_dtype(self) -> Any:
        return self.part.get_dtype()

    def __getitem__(self, index: Any) -> Any:
        self.tell()
        return self.part[index]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the tensors that were read from weights files."""
    names: list[str] = []
    monkeypatch.setattr(heads, "safe_open", partial(Watched, names))
    return names


def test_no_tensor_is_read(path: Path, read: list[str]) -> None:
    assert inspect_file(path).config == TINY
    assert read == []
    load_weights(path)
    assert set(read) == build_model(TINY).state_dict().keys()


@pytest.mark.slow
def test_no_memory_is_taken_for_the_tensors(tmp_path: Path, path: Path) -> None:
    """Of a file of 512 MiB, most of it a hole that takes no space on the disk."""
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    size = 512 << 20
    entry = {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}
    head = json.dumps({"__metadata__": metadata, "rrdb.a": entry}).encode()
    large = tmp_path / "large.safetensors"
    with large.open("wb") as opened:
        opened.write(len(head).to_bytes(8, "little") + head)
        opened.truncate(8 + len(head) + size)
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from sam_diffsr_cli.checkpoints.inspection import inspect_file\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "facts = inspect_file(Path(sys.argv[1]))\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(facts.bytes, sum(facts.parameters.values()), after - before)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code, str(large)], capture_output=True, text=True, check=True
    )
    told, count, taken = map(int, done.stdout.split())
    assert (told, count) == (8 + len(head) + size, size // 4)
    assert taken * (1 if sys.platform == "darwin" else 1024) < 64 << 20


# ------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged, or not a safetensors file"),
        (b"PK\x03\x04" + bytes(100), "damaged, or not a safetensors file"),
        ((2**62).to_bytes(8, "little") + b"{}", "damaged, or not a safetensors file"),
        ((2).to_bytes(8, "little") + b"{}", "not a samsr weights file"),
    ],
    ids=["empty", "zip", "endless-head", "no-metadata"],
)
def test_what_is_no_weights_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=words) as caught:
        inspect_file(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("change", [-1, 1], ids=["shorter", "longer"])
def test_a_file_of_another_length_is_refused(path: Path, change: int) -> None:
    os.truncate(path, path.stat().st_size + change)
    with pytest.raises(WeightsError, match="damaged"):
        inspect_file(path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("samsr.format", "2", "weights format 2"),
        ("samsr.config", "{}", "missing keys"),
        ("samsr.config", "[", "not JSON"),
    ],
    ids=["format", "keys", "json"],
)
def test_metadata_that_cannot_be_read_are_refused(
    path: Path, key: str, value: str, words: str
) -> None:
    other = write_again(path, {"rrdb.a": torch.zeros(1)}, **{key: value})
    with pytest.raises(WeightsError, match=words):
        inspect_file(other)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.safetensors: no such weights file"):
        inspect_file(tmp_path / "gone.safetensors")
