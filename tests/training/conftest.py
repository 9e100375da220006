"""What tests of training share."""

import gc
from collections.abc import Callable, Iterator, Sequence

import pytest

from sam_diffsr_cli.data.crops import TrainingPhoto
from sam_diffsr_cli.training.engine import Engine, start_engine
from sam_diffsr_cli.training.loop import TrainStep, train
from sam_diffsr_cli.training.state import TrainState
from tests.training import tiny

Trainer = Callable[..., Iterator[TrainStep]]


@pytest.fixture(scope="module", autouse=True)
def frozen_garbage() -> Iterator[None]:
    """Each training collects garbage; what was imported need not be gone through every time."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """One process on the CPU."""
    alone = start_engine("cpu")
    yield alone
    alone.close()


@pytest.fixture
def steps_of(engine: Engine) -> Trainer:
    """Return a function that trains a state, by default on the tiny photos."""

    def steps(
        state: TrainState,
        among: Sequence[TrainingPhoto] | None = None,
        workers: int = 0,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[TrainStep]:
        source = tiny.source(state.config, among=among, model=state.model.config)
        return train(state, source, engine, workers=workers, stop=stop)

    return steps
