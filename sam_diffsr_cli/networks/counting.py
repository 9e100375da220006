"""The work of networks, counted while they run: FLOPs, bytes moved, bytes held.

On tensors without contents (``FakeTensorMode``) work of any size is counted exactly, without
scaling, and in about a second. The operations are those of the CPU, whatever the device.
"""

import weakref
from typing import Any, Self

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["WorkCounter"]


class WorkCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types here
    """Counts what is computed while it is open.

    Attributes:
        moved: Bytes of every tensor that an operation read or wrote, as if nothing was fused or
            cached.
        most_held: Bytes that were held at a time, of what was computed.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.moved = self.most_held = self._held = 0
        self._storages: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self._counter = FlopCounterMode(display=False)

    @property
    def flops(self) -> int:
        """Those of convolutions and products, 2 per multiply-add."""
        return int(self._counter.get_total_flops())

    def __enter__(self) -> Self:
        self._counter.__enter__()  # type: ignore[no-untyped-call]  # likewise
        super().__enter__()  # type: ignore[no-untyped-call]  # likewise
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]  # likewise
        self._counter.__exit__(*error)  # type: ignore[no-untyped-call]  # likewise

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
            if id(storage) not in known and id(storage) not in self._storages:
                self._hold(storage)
        self.most_held = max(self.most_held, self._held)
        return result

    def _hold(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()

        def forget(_: object) -> None:
            del self._storages[key]
            self._held -= size

        self._storages[key] = weakref.ref(storage, forget)
        self._held += size


def _tensors(values: object) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _bytes(tensor: Tensor) -> int:
    """Bytes behind a tensor; of one that was expanded, those that are there."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())
