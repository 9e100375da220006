"""The work of a run, counted on tensors that have a shape but no contents.

So a run of any size is counted exactly, without scaling, and in about a second. The operations are
those of the CPU, whatever the device.
"""

import weakref
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from sam_diffsr_cli.choices import Precision
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.device import number_format
from sam_diffsr_cli.diffusion.gaussian import p_mean
from sam_diffsr_cli.diffusion.schedule import make_schedule
from sam_diffsr_cli.networks.model import build_model

__all__ = ["Cost", "count_cost"]


class Cost(NamedTuple):
    """FLOPs (2 per multiply-add), bytes read and written, and the most bytes held at a time."""

    flops: int
    moved: int
    held: int


def count_cost(
    config: ModelConfig, windows: Iterable[tuple[int, int]], steps: int, precision: Precision
) -> Cost:
    """Count a run over ``windows``, one after another.

    FLOPs are those of convolutions and products. Bytes are those of every tensor that an operation
    reads or writes, as if nothing was fused or cached; drawing noise and checks are left out.
    Weights are not in ``held``.

    Args:
        config: Of the model.
        windows: Height and width of each tile with its context, in input pixels that the model can
            take.
        steps: Of the diffusion.
        precision: Number format of convolutions.
    """
    flops = moved = held = 0
    for (height, width), count in Counter(windows).items():
        each = _count_window(config, (height, width), steps, precision)
        flops += count * each.flops
        moved += count * each.moved
        held = max(held, each.held)
    return Cost(flops, moved, held)


def _count_window(
    config: ModelConfig, size: tuple[int, int], steps: int, precision: Precision
) -> Cost:
    """Count the condition, and one step for all of them."""
    height, width = size
    with FakeTensorMode(), torch.inference_mode():
        model, schedule = build_model(config).eval(), make_schedule(config.diffusion)
        lr = torch.zeros(1, 3, height, width)
        x_t = torch.zeros(1, 3, config.scale * height, config.scale * width)
        t = torch.zeros(1, dtype=torch.int64)
        with (
            FlopCounterMode(display=False) as counter,
            _Traffic() as traffic,
            number_format(precision, torch.device("cpu")),
        ):
            condition = model.condition(lr)
            flops, moved = counter.get_total_flops(), traffic.moved
            if steps:
                p_mean(x_t, t, model.predict_eps(x_t, t, condition, schedule), schedule)
        step_flops = counter.get_total_flops() - flops
        step_moved = traffic.moved - moved
    return Cost(flops + steps * step_flops, moved + steps * step_moved, traffic.most_held)


class _Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types here
    """Adds up the bytes of every operation, and follows how many are held."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.moved = self.most_held = 0
        self._held: dict[int, tuple[weakref.ref[torch.UntypedStorage], int]] = {}

    def __torch_dispatch__(
        self,
        func: OpOverload[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - as torch has it
        result = func(*args, **(kwargs or {}))
        read, written = _tensors((args, kwargs)), _tensors(result)
        known = {id(tensor.untyped_storage()) for tensor in read}
        is_view = all(id(tensor.untyped_storage()) in known for tensor in written)
        # ``add_`` answers with its argument, as a view does, but has read and written it.
        if not is_view or (written and func.overloadpacket.__name__.endswith("_")):
            self.moved += sum(map(_bytes, read)) + sum(map(_bytes, written))
        for tensor in written:
            storage = tensor.untyped_storage()
            if id(storage) not in known:
                self._hold(storage)
        self.most_held = max(self.most_held, sum(size for _, size in self._held.values()))
        return result

    def _hold(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)

        def forget(_: object) -> None:
            self._held.pop(key, None)

        self._held[key] = weakref.ref(storage, forget), storage.nbytes()


def _tensors(values: object) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _bytes(tensor: Tensor) -> int:
    """Bytes behind a tensor; of one that was expanded, those that are there."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())
