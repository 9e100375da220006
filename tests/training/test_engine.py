"""One process or several: the batch is shared out, and what comes out is the same."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import sam_diffsr_cli
from sam_diffsr_cli.errors import ConfigError, InputError
from sam_diffsr_cli.training.engine import Engine, Share, start_engine
from sam_diffsr_cli.training.journal import JOURNAL_NAME, EventEntry, read_journal
from sam_diffsr_cli.training.loop import train
from sam_diffsr_cli.training.run import run_stages
from sam_diffsr_cli.training.state import TrainState, load_state
from tests.helpers import PATIENCE_S
from tests.training import tiny
from tests.training.two_processes import RESOLVED, STOPPED_AFTER

ROOT = Path(sam_diffsr_cli.__file__).parents[1]
CASES = pytest.mark.parametrize("name", list(RESOLVED))


# -------------------------------------------------------------------------------- share


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_rows_of_all_processes_are_the_batch_in_order(world: int, accumulate: int) -> None:
    shares = [Share(rank, world, accumulate).rows(24) for rank in range(world)]
    assert [row for rows in shares for piece in rows for row in piece] == list(range(24))
    assert {len(piece) for rows in shares for piece in rows} == {24 // world // accumulate}


@pytest.mark.parametrize("batch", [1, 2, 7, 9])
def test_a_batch_that_cannot_be_divided_is_refused_with_what_can(batch: int) -> None:
    with pytest.raises(ConfigError, match=f"batch is {batch}, .*2 processes with 2 pieces") as got:
        Share(0, 2, 2).rows(batch)
    assert got.value.hint == "use a multiple of 4"


# ---------------------------------------------------------------------------- one process


def test_alone_it_is_the_main_process_and_has_the_whole_batch(engine: Engine) -> None:
    assert (engine.world, engine.is_main, engine.is_local_main) == (1, True, True)
    assert engine.share(3) == Share(0, 1, 3)
    assert engine.device == torch.device("cpu")


def test_alone_nothing_is_wrapped_averaged_or_waited_for(engine: Engine) -> None:
    module, values = nn.Linear(2, 2), torch.tensor([1.0, 3.0])
    assert engine.wrap(module) is module
    assert torch.equal(engine.mean(values), values)
    engine.wait()


def test_alone_gradients_add_up_inside_and_outside_of_keep_local(engine: Engine) -> None:
    module = nn.Linear(2, 1, bias=False)
    wrapped = engine.wrap(module)
    with engine.keep_local(wrapped):
        wrapped(torch.tensor([1.0, 2.0])).sum().backward()
    wrapped(torch.tensor([10.0, 20.0])).sum().backward()
    assert module.weight.grad is not None
    assert module.weight.grad.tolist() == [[11.0, 22.0]]


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(InputError, match="--device toaster"):
        start_engine("toaster")


def test_only_this_module_imports_accelerate() -> None:
    importers = []
    for path in sorted((ROOT / "sam_diffsr_cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == "accelerate" for name in names):
                importers.append(path.name)
    assert set(importers) == {"engine.py"}


# ---------------------------------------------------------------------------- two processes


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what two processes left.

    A number format given to the launcher must not change what the recipe asks for.
    """
    out = tmp_path_factory.mktemp("two")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, *launcher, "-m", "tests.training.two_processes", str(out)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ACCELERATE_MIXED_PRECISION": "fp16",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _, told = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            # At which it ends its processes; killed, it would leave them.
            process.terminate()
            raise
    assert process.returncode == 0, told
    return out


@pytest.fixture(scope="module")
def seen(together: Path) -> list[dict[str, Any]]:
    """What each of the two saw."""
    return [json.loads((together / f"seen-{rank}.json").read_text()) for rank in (0, 1)]


def test_two_processes_know_each_other(seen: list[dict[str, Any]]) -> None:
    assert [one["world"] for one in seen] == [2, 2]
    assert [one["is_main"] for one in seen] == [True, False]
    assert [one["is_local_main"] for one in seen] == [True, False]
    assert [one["share"] for one in seen] == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]


def alone(name: str, engine: Engine) -> tuple[TrainState, list[Any]]:
    """Train in one process and one piece."""
    config = replace(RESOLVED[name], accumulate=1)
    state = tiny.start(config)
    return state, list(train(state, tiny.source(config), engine))


def test_both_of_two_processes_hear_whether_they_agree(seen: list[dict[str, Any]]) -> None:
    assert [one["agrees"] for one in seen] == [[True, False]] * 2


@CASES
def test_two_processes_end_where_one_does(name: str, together: Path, engine: Engine) -> None:
    expected, _ = alone(name, engine)
    state = load_state(together / f"{name}-0.safetensors", RESOLVED[name], tiny.CPU)
    tiny.assert_near(tiny.values(state), tiny.values(expected))


@CASES
def test_two_processes_report_the_numbers_of_the_whole_batch(
    name: str, seen: list[dict[str, Any]], engine: Engine
) -> None:
    _, steps = alone(name, engine)
    for key in ("step", "loss", "mean_loss", "learning_rate", "gradient_norm"):
        expected = [getattr(step, key) for step in steps]
        for one in seen:
            assert [step[key] for step in one[name]] == pytest.approx(expected, abs=1e-5)


@CASES
def test_two_processes_hold_the_same_bits(name: str, together: Path) -> None:
    """Else they would drift apart over a long run."""
    states = [
        load_state(together / f"{name}-{rank}.safetensors", None, tiny.CPU) for rank in (0, 1)
    ]
    assert tiny.different(*map(tiny.values, states)) == []


def test_a_stop_asked_of_one_process_stops_both_after_the_same_step(
    seen: list[dict[str, Any]],
) -> None:
    for one in seen:
        assert one["stopped"]["first"] == list(range(1, STOPPED_AFTER + 1))
        assert "it is saved" in one["stopped"]["error"]
        assert one["stopped"]["saved"][0] == "encoder-00000003.safetensors"


def test_two_processes_go_on_and_finish(seen: list[dict[str, Any]]) -> None:
    left = [*range(STOPPED_AFTER + 1, 8), *range(1, 8)]
    for one in seen:
        assert [what for what in one["stopped"]["second"] if what != "validation"] == left


def test_one_of_two_processes_writes_the_journal_and_validates(
    seen: list[dict[str, Any]], together: Path
) -> None:
    assert [one["stopped"]["second"].count("validation") for one in seen] == [2, 0]
    entries = read_journal(together / "run" / JOURNAL_NAME)
    steps = [(e.stage, e.step) for e in entries if e.kind == "step"]
    assert steps == [(stage, step) for stage in ("encoder", "diffusion") for step in range(1, 8)]
    told = [e.text for e in entries if isinstance(e, EventEntry) and e.stage == "encoder"]
    assert [text.partition(" (")[0] for text in told] == [
        "started",
        "ended early",
        "resumed",
        "finished",
    ]


def test_one_of_two_processes_talks(seen: list[dict[str, Any]], together: Path) -> None:
    main, other = (one["command"] for one in seen)
    assert main["stdout"].strip() == str(together / "commanded" / "model.safetensors")
    assert "done" in main["stderr"]
    assert main["stderr"].count("encoder stage, 2 steps") == 1
    assert other == {"stdout": "", "stderr": ""}


def test_stopped_and_resumed_two_processes_end_where_one_unbroken_does(
    together: Path, tmp_path: Path, engine: Engine
) -> None:
    run = tiny.make_run(tmp_path, engine, tiny.recipe())
    for _ in run_stages(run):
        pass
    for stage in ("encoder", "diffusion"):
        one, two = (
            load_state(folder / "run" / "states" / f"{stage}-00000007.safetensors", None, tiny.CPU)
            for folder in (tmp_path, together)
        )
        tiny.assert_near(tiny.values(two), tiny.values(one))
