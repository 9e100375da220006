"""The same bits whatever the threads, the batch, and where a picture is cut."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from sam_diffsr_cli.networks.steady import (
    add,
    convolve,
    convolve_doubled,
    modulate,
    silu,
    steady,
)

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]  # torch has no types here
    reason="torch was built without oneDNN",
)

LAYERS = [
    (3, 64, 3, 1),
    (6, 64, 3, 1),
    (64, 64, 3, 1),
    (64, 48, 3, 1),
    (96, 96, 3, 1),
    (96, 128, 3, 2),
    (128, 192, 3, 2),
    (192, 128, 3, 1),
    (256, 96, 1, 1),
    (256, 128, 1, 1),
]
"""Channels in and out, side and stride of convolutions of the bundled model, one of each kind."""

SIZES = [(4, 4), (7, 5), (12, 20), (12, 33), (44, 52)]
FORMATS = [
    torch.float32,
    pytest.param(
        torch.bfloat16,
        marks=pytest.mark.skipif(
            not torch.ops.mkldnn._is_mkldnn_bf16_supported(),
            reason="oneDNN has no bf16 on this processor",
        ),
    ),
]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Put the number of threads back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def make_layer(shape: tuple[int, int, int, int]) -> nn.Conv2d:
    channels, out, side, stride = shape
    generator = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(channels, out, side, stride=stride, padding=side // 2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / channels**0.5)
    steady(layer)
    return layer.to(memory_format=torch.channels_last)


def run(layer: nn.Module, x: Tensor, dtype: torch.dtype, threads: int = 1) -> Tensor:
    torch.set_num_threads(threads)
    is_short = dtype != torch.float32
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_short):
        out: Tensor = layer(x.contiguous(memory_format=torch.channels_last))
    assert out.dtype == dtype
    return out


def photo(channels: int, size: tuple[int, int] = (48, 56)) -> Tensor:
    return torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dtype", FORMATS, ids=["fp32", "bf16"])
@pytest.mark.parametrize("shape", LAYERS, ids=str)
def test_a_convolution_has_the_same_bits_with_any_number_of_threads(
    shape: tuple[int, int, int, int], dtype: torch.dtype
) -> None:
    layer, whole = make_layer(shape), photo(shape[0])
    for height, width in SIZES:
        x = whole[..., :height, :width]
        one = run(layer, x, dtype)
        for threads in (2, 3, 4):
            assert torch.equal(run(layer, x, dtype, threads), one), (height, width, threads)


@pytest.mark.parametrize("dtype", FORMATS, ids=["fp32", "bf16"])
@pytest.mark.parametrize("shape", LAYERS, ids=str)
def test_a_convolution_has_the_same_bits_in_a_window_of_any_size(
    shape: tuple[int, int, int, int], dtype: torch.dtype
) -> None:
    layer, whole = make_layer(shape), photo(shape[0])
    all_of_it = run(layer, whole, dtype)
    for height, width in SIZES:
        part = run(layer, whole[..., :height, :width], dtype)
        # But for the last row and column, whose context is cut off.
        rows, columns = part.shape[2] - 1, part.shape[3] - 1
        assert torch.equal(part[..., :rows, :columns], all_of_it[..., :rows, :columns])


@pytest.mark.parametrize("dtype", FORMATS, ids=["fp32", "bf16"])
@pytest.mark.parametrize("shape", LAYERS, ids=str)
def test_a_convolution_has_the_same_bits_in_a_batch(
    shape: tuple[int, int, int, int], dtype: torch.dtype
) -> None:
    layer = make_layer(shape)
    for size in SIZES:
        x = photo(shape[0], size)
        pair = run(layer, torch.cat([x, x.flip(1)]), dtype)
        assert torch.equal(pair[:1], run(layer, x, dtype))


@pytest.mark.parametrize("shape", LAYERS, ids=str)
def test_a_steady_convolution_is_the_convolution(shape: tuple[int, int, int, int]) -> None:
    layer, x = make_layer(shape), photo(shape[0])
    stride, padding = shape[3], shape[2] // 2
    assert layer.bias is not None
    weight, bias = layer.weight.detach().double(), layer.bias.detach().double()
    exact = functional.conv2d(x.double(), weight, bias, stride=stride, padding=padding)
    torch.testing.assert_close(run(layer, x, torch.float32).double(), exact, rtol=0, atol=2e-4)


def test_training_and_parameters_are_untouched() -> None:
    plain, kept = nn.Conv2d(8, 4, 3, padding=1), nn.Conv2d(8, 4, 3, padding=1)
    kept.load_state_dict(plain.state_dict())
    steady(kept)
    assert kept.state_dict().keys() == plain.state_dict().keys()
    x = photo(8, (6, 6))
    for layer in (plain, kept):
        layer(x).square().sum().backward()
    assert torch.equal(kept(x), plain(x))
    assert plain.weight.grad is not None
    assert kept.weight.grad is not None
    assert torch.equal(kept.weight.grad, plain.weight.grad)


def test_other_layers_are_left_alone() -> None:
    model = nn.Sequential(nn.ConvTranspose2d(2, 2, 4), nn.Conv2d(2, 2, 3, padding_mode="reflect"))
    kinds = [type(module) for module in model]
    steady(model)
    assert [type(module) for module in model] == kinds


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("shape", [(1, 96, 20, 24), (1, 128, 28, 36), (1, 192, 33, 41), (1, 100)])
def test_silu_has_the_same_bits_with_any_number_of_threads(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(2)).to(dtype) * 4
    if len(shape) == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    torch.set_num_threads(1)
    one = functional.silu(x)
    for threads in (1, 2, 3, 4, 5, 7):
        torch.set_num_threads(threads)
        with torch.no_grad():
            assert torch.equal(silu(x), one), threads


def test_nothing_is_changed_in_place_that_a_gradient_or_the_caller_needs() -> None:
    x = torch.randn(1, 4, 3, 3, requires_grad=True)
    before, factor = x.detach().clone(), torch.full((1, 4, 1, 1), 0.5)
    for result in (add(x, x), modulate(x, factor, factor), silu(x, reuse=True)):
        result.sum().backward()  # type: ignore[no-untyped-call]  # torch has no types here
    assert torch.equal(x, before)
    y = before.clone()
    with torch.no_grad():
        silu(y)
    assert torch.equal(y, before)


def test_sums_in_place_are_those_of_their_formulas() -> None:
    x, other = photo(4, (3, 3)), photo(4, (3, 3)).flip(3)
    scale, shift = photo(4, (1, 1)), photo(4, (1, 1)).flip(1)
    with torch.no_grad():
        assert torch.equal(add(x.clone(), other), x + other)
        assert torch.equal(modulate(x.clone(), scale, shift), x * (1 + scale) + shift)
        assert torch.equal(silu(x.clone(), reuse=True), functional.silu(x))


def doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 3), (12, 20)], ids=str)
def test_a_layer_on_doubled_pixels_is_the_layer_on_what_was_enlarged(size: tuple[int, int]) -> None:
    layer, x = make_layer((128, 96, 3, 1)), photo(128, size).repeat(2, 1, 1, 1)
    assert layer.bias is not None
    weight, bias = layer.weight.detach().double(), layer.bias.detach().double()
    exact = functional.conv2d(doubled(x.double()), weight, bias, padding=1)
    with torch.inference_mode():
        found = convolve_doubled(layer, x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=2e-4)


def test_a_layer_on_doubled_pixels_has_the_same_bits_with_any_number_of_threads() -> None:
    layer, x = make_layer((128, 96, 3, 1)), photo(128, (44, 52))
    found = []
    for threads in (1, 2, 3, 4):
        torch.set_num_threads(threads)
        with torch.inference_mode():
            found.append(convolve_doubled(layer, x))
    assert all(torch.equal(each, found[0]) for each in found)


def test_a_layer_on_doubled_pixels_learns_as_ever() -> None:
    layer, plain, x = make_layer((8, 4, 3, 1)), nn.Conv2d(8, 4, 3, padding=1), photo(8, (3, 5))
    plain.load_state_dict(layer.state_dict())
    found = convolve_doubled(layer, x)
    found.square().sum().backward()  # type: ignore[no-untyped-call]  # torch has no types here
    plain(doubled(x)).square().sum().backward()
    assert layer.weight.grad is not None
    assert plain.weight.grad is not None
    torch.testing.assert_close(layer.weight.grad, plain.weight.grad, rtol=1e-5, atol=1e-5)


def test_a_layer_in_two_parts_is_the_layer() -> None:
    layer, x = make_layer((96, 96, 3, 1)), photo(96, (9, 14))
    with torch.inference_mode():
        first = convolve(layer, x[:, :40], layer.weight[:, :40], layer.bias)
        rest = convolve(layer, x[:, 40:], layer.weight[:, 40:], None)
        torch.testing.assert_close(first + rest, layer(x), rtol=0, atol=1e-4)


def test_without_kernels_for_a_format_torch_computes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for bf16 on a processor that knows nothing beyond AVX2."""
    for name in ("_is_mkldnn_bf16_supported", "_is_mkldnn_fp16_supported"):
        monkeypatch.setattr(torch.ops.mkldnn, name, lambda: False)
    layer, x = make_layer((8, 4, 3, 1)), photo(8, (6, 7))
    found = run(layer, x, torch.bfloat16)
    torch.testing.assert_close(found.float(), run(layer, x, torch.float32), rtol=0.05, atol=0.05)
