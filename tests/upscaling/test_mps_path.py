"""What runs on Apple's GPU, watched on a device that only pretends to be one.

Its tensors say that they are on MPS and compute on the CPU, so that no Mac is needed.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import torch
import torchgen
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torchgen.gen import parse_native_yaml
from torchgen.model import DispatchKey, NativeFunction

from sam_diffsr_cli import resize
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler

Maker = Callable[[str], Upscaler]

MPS = torch.device("mps", 0)
COPY = "aten._to_copy.default"
SCALAR = "aten._local_scalar_dense.default"
COMPOSITE = (
    DispatchKey.CompositeExplicitAutograd,
    DispatchKey.CompositeExplicitAutogradNonFunctional,
    DispatchKey.CompositeImplicitAutograd,
)


class PretendTensor(Tensor):
    """A tensor that says it is on MPS; for torch itself it is on ``meta``, which needs no Mac."""

    host: Tensor

    def __new__(cls, host: Tensor) -> Self:
        made: Self = Tensor._make_wrapper_subclass(
            cls,
            host.size(),
            strides=host.stride(),
            dtype=host.dtype,
            device=torch.device("meta"),
        )
        made.host = host
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]  # nobody writes it
        return MPS

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's own annotation lacks cls
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise AssertionError(f"{func} ran unwatched")


class PretendMps(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types here
    """Runs what is meant for MPS on the CPU, and takes note of it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.ops: set[str] = set()
        self.dtypes: set[torch.dtype] = set()
        self.mixed: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        implicit = torch._C.DispatchKey.CompositeImplicitAutograd
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), implicit):
            with self:
                return func._op_dk(implicit, *args, **kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        on_device = any(isinstance(tensor, PretendTensor) for tensor in tensors)
        target = kwargs.get("device")
        lands = on_device if target is None else torch.device(target).type in ("mps", "meta")
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        result = func(*tree_map(uncover, args), **tree_map(uncover, kwargs))
        if not on_device and not lands:
            return result
        self._note(str(func), tensors, result)
        return tree_map(cover, result) if lands else result

    def _note(self, name: str, tensors: list[Tensor], result: object) -> None:
        self.ops.add(name)
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        # What is copied over counts as it was: it may not be possible to bring it.
        self.dtypes |= {tensor.dtype for tensor in (*tensors, *made)}
        if name != COPY and any(t.dim() and not isinstance(t, PretendTensor) for t in tensors):
            self.mixed.add(name)


def cover(value: Any) -> Any:
    return PretendTensor(value) if isinstance(value, Tensor) else value


def uncover(value: Any) -> Any:
    return value.host if isinstance(value, PretendTensor) else value


def on_pretend_mps(upscaler: Upscaler) -> Upscaler:
    """Copy an upscaler to the device, as ``load_upscaler`` does."""
    model = build_model(upscaler.config)
    model.load_state_dict(upscaler.model.state_dict())
    model = model.eval().to(memory_format=torch.channels_last)
    # A view of a parameter is of its kind only where both are made without gradients.
    with torch.inference_mode(), PretendMps():
        for module in model.modules():
            for name, parameter in module.named_parameters(recurse=False):
                moved = nn.Parameter(PretendTensor(parameter.data), requires_grad=False)
                module._parameters[name] = moved
    return replace(upscaler, model=model, device=MPS)


def draw_pixels() -> np.ndarray:
    """Draw a small picture with transparency, so that every network runs."""
    return np.random.default_rng(0).integers(0, 256, (9, 14, 4), dtype=np.uint8)


def enlarge(upscaler: Upscaler) -> np.ndarray:
    run = UpscaleRun(upscaler=upscaler, sampling=SamplingConfig(steps=2, tile=0), scale=4)
    return enlarge_frame(run, draw_pixels())


@pytest.fixture(scope="module", params=["folded", "full"])
def watched(request: pytest.FixtureRequest, make_upscaler: Maker) -> tuple[PretendMps, np.ndarray]:
    """Enlarge a picture on the pretended device: what was noted, and the result."""
    upscaler = on_pretend_mps(make_upscaler(request.param))
    with PretendMps() as mode:
        result = enlarge(upscaler)
    return mode, result


@pytest.fixture(scope="module")
def has_kernel() -> Callable[[str], bool]:
    """Return whether torch's own table of kernels lists one for MPS, or one for all devices."""
    folder = Path(torchgen.__file__).parent / "packaged" / "ATen" / "native"
    table = parse_native_yaml(str(folder / "native_functions.yaml"), str(folder / "tags.yaml"))
    kernels = [table.backend_indices[key] for key in (DispatchKey.MPS, *COMPOSITE)]
    functions = {str(f.func.name): f for f in table.native_functions}

    def is_listed(function: NativeFunction) -> bool:
        if function.structured_delegate is not None:
            function = functions[str(function.structured_delegate)]
        return any(index.has_kernel(function) for index in kernels)

    return lambda op: is_listed(functions[op.removeprefix("aten.").removesuffix(".default")])


@pytest.mark.slow
def test_the_table_of_kernels_knows_what_mps_lacks(has_kernel: Callable[[str], bool]) -> None:
    assert has_kernel("aten.add.Tensor")
    assert not has_kernel("aten._cudnn_rnn.default")


@pytest.mark.slow
def test_everything_that_runs_on_mps_has_a_kernel_there(
    watched: tuple[PretendMps, np.ndarray], has_kernel: Callable[[str], bool]
) -> None:
    ops = watched[0].ops
    assert "aten.convolution.default" in ops
    assert not {op for op in ops if not has_kernel(op)}


def test_no_antialiased_bicubic_runs_on_mps(watched: tuple[PretendMps, np.ndarray]) -> None:
    # Older versions of torch, which we allow, have no such kernel.
    assert not {op for op in watched[0].ops if "bicubic" in op}


def test_nothing_on_mps_is_float64(watched: tuple[PretendMps, np.ndarray]) -> None:
    assert torch.float32 in watched[0].dtypes
    assert torch.float64 not in watched[0].dtypes


def test_nothing_on_the_host_is_computed_with_on_mps(
    watched: tuple[PretendMps, np.ndarray],
) -> None:
    assert watched[0].mixed == set()


@pytest.mark.parametrize("watched", ["folded", "full"], indirect=True)
def test_mps_gives_what_the_cpu_gives(
    watched: tuple[PretendMps, np.ndarray],
    make_upscaler: Maker,
    request: pytest.FixtureRequest,
) -> None:
    kind = request.node.callspec.params["watched"]
    expected = enlarge(make_upscaler(kind))
    assert np.abs(watched[1].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("way", [resize.upscale, resize.downscale], ids=["up", "down"])
def test_bicubic_by_matrices_is_that_of_the_kernel(
    way: Callable[[Tensor, int], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.rand(1, 3, 13, 10, generator=torch.Generator().manual_seed(0))
    expected = way(image, 4)
    monkeypatch.setattr(resize, "KERNEL_DEVICES", ())
    torch.testing.assert_close(way(image, 4), expected, atol=2e-6, rtol=0)


def test_bicubic_by_matrices_is_not_rounded_by_a_short_number_format(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resize, "KERNEL_DEVICES", ())
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = resize.upscale(image, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(resize.upscale(image, 4), expected)
