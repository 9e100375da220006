"""Which workers a batch is given, by its options, and what is told of them."""

from typing import Any

import pytest
import torch

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.workers import plan
from sam_diffsr_cli.workers.messages import WorkDone, describe_workers
from sam_diffsr_cli.workers.plan import WorkerPlan, plan_workers
from tests.helpers import NINES

LOCAL = ("local", None)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that there are four GPUs."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def pool(workers: int | None, gpus: str | None, device: str, engine: Any = LOCAL) -> Any:
    return plan_workers(workers, gpus, device, *engine)


@pytest.mark.parametrize("workers", [None, 1])
def test_one_worker_is_this_process(workers: int | None) -> None:
    assert pool(workers, None, "cpu") is None


def test_several_workers_share_the_device() -> None:
    plan = pool(3, None, "cpu")
    assert plan == WorkerPlan("local", ("cpu",) * 3)
    assert plan.sharing == 3


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("workers", "named", "devices", "sharing"),
    [
        (None, "all", ("cuda:0", "cuda:1", "cuda:2", "cuda:3"), 1),
        (None, "1,3", ("cuda:1", "cuda:3"), 1),
        (None, "2,2", ("cuda:2",), 1),
        (4, "0,1", ("cuda:0", "cuda:1", "cuda:0", "cuda:1"), 2),
        (1, "0", ("cuda:0",), 1),
    ],
)
def test_each_gpu_gets_as_many_workers(
    workers: int | None, named: str, devices: tuple[str, ...], sharing: int
) -> None:
    plan = pool(workers, named, "auto")
    assert (plan.devices, plan.sharing) == (devices, sharing)


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("workers", "named", "device", "engine", "words"),
    [
        (None, "4", "auto", LOCAL, "--gpus 4: the GPUs here are 0 to 3"),
        (None, "first", "auto", LOCAL, "--gpus first: expected all, or numbers"),
        (None, "", "auto", LOCAL, "expected all, or numbers"),
        (None, "-1", "auto", LOCAL, "expected all, or numbers"),
        (None, f"0,{NINES}", "auto", LOCAL, "expected all, or numbers"),
        (3, "0,1", "auto", LOCAL, "--workers 3: not a multiple of the 2 GPUs"),
        (1, "0,1", "auto", LOCAL, "--workers 1: not a multiple"),
        (None, "all", "cpu", LOCAL, "--gpus and --device cpu exclude each other"),
        (None, None, "cpu", ("local", "host:1"), "--ray-address needs --engine ray"),
        (None, "all", "auto", ("ray", None), "--engine ray excludes --gpus"),
        (None, None, "cuda:1", ("ray", None), "--engine ray excludes --gpus, and --device"),
    ],
)
def test_what_cannot_be_is_refused(
    workers: int | None, named: str | None, device: str, engine: Any, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        pool(workers, named, device, engine)


def test_gpus_where_there_are_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match="no CUDA device here"):
        pool(None, "all", "auto")


def test_ray_that_is_not_installed_is_told_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="--engine ray needs Ray") as caught:
        pool(2, None, "auto", ("ray", None))
    assert "pip install ray" in (caught.value.hint or "")


def test_what_each_worker_did_is_told() -> None:
    shares = [
        WorkDone(0, 1.0, 3.0, has_failed=False),
        WorkDone(0, 1.0, 5.0, has_failed=False),
        WorkDone(1, 0.0, 0.0, has_failed=True),
        WorkDone(None, 0.0, 0.0, has_failed=True),
    ]
    assert describe_workers(shares, ["cpu", "cuda:1"]) == [
        "worker 0 on cpu: 2 pictures, 2.0 megapixels, 4.00 s/MP",
        "worker 1 on cuda:1: 1 picture, 0.0 megapixels, 1 failed",
    ]
