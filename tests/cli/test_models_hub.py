"""``org/name`` in whole processes, with a Hub on this machine: the same picture, or one line."""

import hashlib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from sam_diffsr_cli.checkpoints.inspection import inspect_file
from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.pictures import png
from sam_diffsr_cli.pictures.xmp import record_of
from tests.helpers import TINY, Ran, samsr_process
from tests.hub_server import HubServer, Repository, serve_hub

pytestmark = pytest.mark.slow

CPU = ("--device", "cpu")
AT_ONCE = 2
Environment = Mapping[str, str]


def write_weights(path: Path, seed: int) -> Path:
    """Write a small network that does not return bicubic."""
    model = build_model(TINY, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    save_weights(path, model, f"drawn by chance, {seed}", torch.float32)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds two weights files, and pictures in ``Set``."""
    folder = tmp_path_factory.mktemp("hub")
    write_weights(folder / "new.safetensors", 1)
    write_weights(folder / "old.safetensors", 2)
    (folder / "Set").mkdir()
    for name in "ab":
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "Set" / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[HubServer]:
    """A Hub whose repository has the two files, one after the other."""
    with serve_hub() as found:
        repository = found.repositories["org/name"] = Repository()
        repository.commit({"model.safetensors": (folder / "old.safetensors").read_bytes()}, "v1")
        repository.commit({"model.safetensors": (folder / "new.safetensors").read_bytes()})
        yield found


def environment(url: str, home: Path) -> Environment:
    """Make an environment with this Hub, and nothing of the person's own who runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return kept | {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home / "hf"),
        # Its own way of transfer needs servers that are not here.
        "HF_HUB_DISABLE_XET": "1",
        "SAMSR_CACHE": str(home / "samsr"),
        "NO_PROXY": "127.0.0.1,localhost",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def own(server: HubServer, tmp_path: Path) -> Environment:
    """With an empty cache."""
    server.asked.clear()
    return environment(server.url, tmp_path)


def samsr(given: Environment, cwd: Path, *arguments: object) -> Ran:
    """Run the command line in a process of its own."""
    return samsr_process(*arguments, env=given, cwd=cwd)


def enlarged(folder: Path, weights: str, out: Path) -> Path:
    """Enlarge a picture in this process, by the path of a file."""
    paths = (folder / "Set/a.png", out, "--model", folder / weights)
    result = CliRunner().invoke(app, ["upscale", *map(str, paths), "--strip-metadata", *CPU])
    assert result.exit_code == 0, result.stderr
    return out


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def in_cache(given: Environment) -> list[Path]:
    """List what the cache holds of files: those under a name, and those fetched whole."""
    home = Path(given["HF_HOME"])
    blobs = [path for path in home.rglob("blobs/*") if path.suffix != ".incomplete"]
    return [*home.rglob("snapshots/*/*"), *blobs]


def test_a_model_of_the_hub_gives_the_bytes_that_its_file_gives(
    server: HubServer, own: Environment, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    named = ("--model", "org/name", "--strip-metadata")
    done = samsr(own, folder, "upscale", "Set/a.png", out, *named, *CPU)
    assert done.exit_code == 0, done.stderr
    expected = enlarged(folder, "new.safetensors", tmp_path / "expected.png")
    assert out.read_bytes() == expected.read_bytes()
    other = enlarged(folder, "old.safetensors", tmp_path / "other.png")
    assert out.read_bytes() != other.read_bytes()
    assert server.asked_for("/store/") == 1
    assert [path.name for path in in_cache(own)][:1] == ["model.safetensors"]


def test_a_pinned_revision_is_the_one_that_is_run_and_recorded(
    server: HubServer, own: Environment, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    done = samsr(own, folder, "upscale", "Set/a.png", out, "--model", "org/name@v1", *CPU)
    assert done.exit_code == 0, done.stderr
    expected = enlarged(folder, "old.safetensors", tmp_path / "expected.png")
    assert np.array_equal(pixels(out), pixels(expected))
    with out.open("rb") as file:
        xmp = next(body for kind, body in png.read_chunks(file) if kind == b"iTXt")
    record = json.loads(record_of(xmp) or "")
    assert record["model"] == f"org/name@{server.repositories['org/name'].refs['v1'][:12]}"
    assert record["sha256"] == inspect_file(folder / "old.safetensors").sha256


def test_what_was_pushed_is_fetched_and_run(
    server: HubServer, own: Environment, folder: Path, tmp_path: Path
) -> None:
    with_token = {**own, "HF_TOKEN": server.token}
    target = "me/mine@next:x4.safetensors"
    pushed = samsr(with_token, folder, "models", "push", "old.safetensors", target)
    assert pushed.exit_code == 0, pushed.stderr
    commit = server.repositories["me/mine"].refs["next"]
    assert pushed.stdout == f"me/mine@{commit}:x4.safetensors\n"
    out = tmp_path / "out.png"
    named = ("--model", pushed.stdout.strip(), "--strip-metadata")
    done = samsr(own, folder, "upscale", "Set/a.png", out, *named, *CPU)
    assert done.exit_code == 0, done.stderr
    expected = enlarged(folder, "old.safetensors", tmp_path / "expected.png")
    assert out.read_bytes() == expected.read_bytes()


# ------------------------------------------------------------------------------- without a Hub


def test_a_machine_without_a_network_is_told_what_to_do_and_it_works(
    server: HubServer, own: Environment, folder: Path, tmp_path: Path
) -> None:
    """As the line that it ends with says: fetched elsewhere, put there, run."""
    offline = {**own, "HF_HUB_OFFLINE": "1"}
    arguments = ("upscale", "Set/a.png", tmp_path / "out.png", "--model", "org/name")
    done = samsr(offline, folder, *arguments, "--strip-metadata", *CPU)
    assert (done.exit_code, done.stdout) == (4, "")
    message, hint = done.stderr.splitlines()
    assert message == "error: org/name: HF_HUB_OFFLINE is set, and it is not in the cache"
    command, _, place = hint.removeprefix("hint: where there is a network: ").partition(
        "; then put "
    )
    path = Path(place.removeprefix("the file at "))
    assert command == "samsr models download org/name -o model.safetensors"
    assert path.is_relative_to(own["SAMSR_CACHE"])
    assert not (tmp_path / "out.png").exists()
    assert server.asked == []

    path.parent.mkdir(parents=True)
    elsewhere = environment(server.url, tmp_path / "elsewhere")
    fetched = samsr(elsewhere, path.parent, *command.split()[1:])
    assert (fetched.exit_code, fetched.stdout) == (0, "model.safetensors\n")
    assert path.read_bytes() == (folder / "new.safetensors").read_bytes()
    assert [each.name for each in path.parent.iterdir()] == ["model.safetensors"]

    done = samsr(offline, folder, *arguments, "--strip-metadata", *CPU)
    assert done.exit_code == 0, done.stderr
    expected = enlarged(folder, "new.safetensors", tmp_path / "expected.png")
    assert (tmp_path / "out.png").read_bytes() == expected.read_bytes()


# ----------------------------------------------------------------------------- what goes wrong

FAILING = {
    "401": ("org/private", "org/private: no such repository on the Hub, or it is private", "TOKEN"),
    "404": (
        "org/busy:gone.safetensors",
        "org/busy: has no gone.safetensors at main; it has model.safetensors",
        "name one: org/busy:model.safetensors",
    ),
    "429": (
        "org/busy",
        "org/busy: the Hub asks for fewer requests (429); wait a little",
        "samsr models download org/busy -o model.safetensors",
    ),
    "cut": ("org/cut", "org/cut: the download ended early (", "models download org/cut"),
    "lie": (
        "org/lie",
        "org/lie: what came is not the file that the Hub says it is; it was removed",
        "try again",
    ),
}
"""What cannot be had: the model, the words that say so, and some of the hint."""


@pytest.fixture(scope="module")
def failing(folder: Path) -> Iterator[dict[str, HubServer]]:
    """Hubs in trouble, by the cases above; most share one."""
    content, other = ((folder / f"{n}.safetensors").read_bytes() for n in ("new", "old"))
    with serve_hub() as refusing, serve_hub() as cutting:
        for name in ("private", "busy", "lie"):
            repository = Repository(is_private=name == "private")
            repository.commit({"model.safetensors": other if name == "lie" else content})
            refusing.repositories[f"org/{name}"] = repository
        refusing.refusals = [("org/busy/resolve/main/model", 429)] * 50
        refusing.lies[hashlib.sha256(other).hexdigest()] = bytes(len(other))
        cutting.repositories["org/cut"] = Repository()
        cutting.repositories["org/cut"].commit({"model.safetensors": content})
        cutting.cuts = [1000] + [0] * 50
        yield {case: cutting if case == "cut" else refusing for case in FAILING}


@dataclass(frozen=True)
class Failed:
    """How a process failed, in which environment, and the folder that it was to write in."""

    done: Ran
    given: Environment
    out: Path


@pytest.fixture(scope="module")
def failed(
    failing: dict[str, HubServer], folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Failed]:
    """Run all cases, in processes that wait for nothing before they try again."""
    hasty = tmp_path_factory.mktemp("hasty")
    (hasty / "sitecustomize.py").write_text("import time\ntime.sleep = lambda _: None\n")

    def run(case: str) -> Failed:
        out = tmp_path_factory.mktemp(f"failed-{case}")
        given = {**environment(failing[case].url, out.with_suffix(".home"))}
        given["PYTHONPATH"] = os.pathsep.join(filter(None, [str(hasty), given.get("PYTHONPATH")]))
        done = samsr(given, folder, "upscale", "Set", out, "--model", FAILING[case][0], *CPU)
        return Failed(done, given, out)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(FAILING, pool.map(run, FAILING), strict=True))


@pytest.mark.parametrize("case", FAILING)
def test_a_model_that_cannot_be_had_is_told_in_a_line_and_a_hint(
    failed: dict[str, Failed], case: str
) -> None:
    done = failed[case].done
    _, words, hint = FAILING[case]
    assert (done.exit_code, done.stdout) == (4, "")
    message, told = done.stderr.splitlines()
    assert message.startswith(f"error: {words}")
    assert told.startswith("hint: ")
    assert hint in told


@pytest.mark.parametrize("case", FAILING)
def test_nothing_is_written_of_a_model_that_cannot_be_had(
    failed: dict[str, Failed], case: str
) -> None:
    assert list(failed[case].out.iterdir()) == []
    assert in_cache(failed[case].given) == []


# ------------------------------------------------------------------------------ other commands


def test_every_command_takes_a_model_of_the_hub(
    server: HubServer, own: Environment, folder: Path, tmp_path: Path
) -> None:
    """Evaluating and planning a training run for real, and timing up to what it refuses."""
    commit = server.repositories["org/name"].refs["main"]
    plan = ("--data", "Set", "--out", tmp_path / "run", "--print-config")
    named = ("--model", "org/name", *CPU)
    commands = (
        ("evaluate", "--data", "Set:1", "--steps", "0", "--json", *named),
        ("train", "--init", "org/name", *plan),
        ("bench", "--precision", "fp32", "--steps", "11", *named),
    )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        evaluated, planned, timed = pool.map(lambda each: samsr(own, folder, *each), commands)

    assert evaluated.exit_code == 0, evaluated.stderr
    facts = json.loads(evaluated.stdout)["facts"]
    digest = inspect_file(folder / "new.safetensors").sha256
    assert facts["model"] == f"org/name@{commit[:12]}, sha256 {digest[:16]}"

    assert planned.exit_code == 0, planned.stderr
    recipe = tomllib.loads(planned.stdout)
    assert recipe["model"]["encoder"]["num_feat"] == TINY.encoder.num_feat
    assert inspect_file(Path(recipe["data"]["init"])).sha256 == digest

    assert timed.exit_code == 3
    assert timed.stderr == "error: --steps 11: this model has at most 10\n"
