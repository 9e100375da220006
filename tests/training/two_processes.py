"""What two processes do together, for ``test_engine``; each writes what it saw.

python -m torch.distributed.run --nproc-per-node 2 -m tests.training.two_processes OUT
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from typer.testing import CliRunner

from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.errors import InterruptedRun
from sam_diffsr_cli.training.engine import Engine, start_engine
from sam_diffsr_cli.training.folder import RunFolder
from sam_diffsr_cli.training.journal import ValidationEntry
from sam_diffsr_cli.training.loop import TrainStep, train
from sam_diffsr_cli.training.run import run_stages
from sam_diffsr_cli.training.state import save_state
from tests.training import tiny

CONFIGS = {
    f"{config.stage}-{accumulate}": replace(config, accumulate=accumulate)
    for config in (tiny.ENCODER, tiny.DENOISER)
    for accumulate in (1, 2)
}
RESOLVED = {
    name: replace(config, precision="fp32", learning_rate=1e-4) for name, config in CONFIGS.items()
}
"""Adam divides a gradient by its own size, so that the rounding of the smallest shows in steps as
large as a share of the rate: with this one, well below 1e-5."""
STOPPED_AFTER = 3
Seen = dict[str, object]


def train_all(engine: Engine, out: Path) -> Seen:
    """Train each of the configurations; the main process saves how it ended."""
    seen: Seen = {}
    for name, config in RESOLVED.items():
        state = tiny.start(config)
        source = tiny.source(config, engine.share(config.accumulate))
        seen[name] = [asdict(step) for step in train(state, source, engine)]
        save_state(out / f"{name}-{engine.share(1).rank}.safetensors", state)
    return seen


def stop_one(engine: Engine, out: Path) -> Seen:
    """Run in a folder that both share, ask the second process to stop, and go on in turn."""

    def happen(stop: Callable[[], bool]) -> tuple[list[object], str]:
        run = tiny.make_run(out, engine, tiny.recipe(), stop=stop, is_validated=True)
        happened: list[object] = []
        try:
            for event in run_stages(run):
                if isinstance(event, TrainStep):
                    happened.append(event.step)
                elif isinstance(event, ValidationEntry):
                    happened.append("validation")
        except InterruptedRun as error:
            return happened, str(error)
        return happened, ""

    asked: list[None] = []

    def stop() -> bool:
        """Say no until it was asked as often as there should be steps."""
        asked.append(None)
        return engine.share(1).rank == 1 and len(asked) >= STOPPED_AFTER

    first, error = happen(stop)
    # The main process has saved when the other leaves: it must not be ended before.
    saved = [path.name for path in RunFolder(out / "run").states("encoder")]
    engine.wait()
    second, _ = happen(lambda: False)
    return {"first": first, "error": error, "saved": saved, "second": second}


def run_command(engine: Engine, out: Path) -> Seen:
    """Run the command line, which leaves the other process in the end; keep what it says."""
    if engine.is_main:
        tiny.pictures(out / "pictures")
    engine.wait()
    result = CliRunner().invoke(app, tiny.command(out / "pictures", out / "commanded", steps=2))
    if result.exit_code and result.exception is not None:
        raise result.exception
    return {"stdout": result.stdout, "stderr": result.stderr}


def main(out: Path) -> None:
    """Do all of it and write it down."""
    engine = start_engine("cpu")
    seen: Seen = {
        "world": engine.world,
        "is_main": engine.is_main,
        "is_local_main": engine.is_local_main,
        "share": [list(rows) for rows in engine.share(2).rows(8)],
        "agrees": [engine.agrees(7, "same"), engine.agrees(7, "one's own"[engine.share(1).rank :])],
        **train_all(engine, out),
        "stopped": stop_one(engine, out),
    }
    seen["command"] = run_command(engine, out)
    (out / f"seen-{engine.share(1).rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
