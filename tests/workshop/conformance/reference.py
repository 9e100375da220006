"""The published method written a second time, in NumPy, as an oracle for the tests.

Nothing here knows the package. Formulas are spelt out by loops where that is affordable; torch
lends only convolution and Mish. Everything is float64, so that an oracle's own rounding is far
below any tolerance.
"""

import math
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

Array: TypeAlias = npt.NDArray[np.float64]
Weights: TypeAlias = Mapping[str, Array]

FEATURE_START, FEATURE_STRIDE = 2, 3
LEAK = 0.2


# Bicubic resizing as MATLAB does it.


def cubic(x: float) -> float:
    """Keys' kernel with a = -1/2."""
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    if x < 2:
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return 0.0


def mirrored(index: int, length: int) -> int:
    """Fold an index back into a row whose edge pixels are repeated by mirroring."""
    while not 0 <= index < length:
        index = -1 - index if index < 0 else 2 * length - 1 - index
    return index


def resize_matrix(length: int, numerator: int, denominator: int) -> Array:
    """Weights of every output pixel (rows) on every input pixel (columns) of one axis."""
    factor = numerator / denominator
    stretch = max(1.0, 1 / factor)
    out_length = math.ceil(length * numerator / denominator)
    matrix = np.zeros((out_length, length))
    for row in range(out_length):
        centre = (row + 0.5) / factor - 0.5
        first, last = math.floor(centre - 2 * stretch), math.ceil(centre + 2 * stretch)
        for tap in range(first, last + 1):
            matrix[row, mirrored(tap, length)] += cubic((centre - tap) / stretch)
    normalized: Array = matrix / matrix.sum(axis=1, keepdims=True)
    return normalized


def imresize(image: Array, numerator: int, denominator: int) -> Array:
    """Resize ``(H, W, C)`` by ``numerator / denominator``, height first."""
    rows = resize_matrix(image.shape[0], numerator, denominator)
    columns = resize_matrix(image.shape[1], numerator, denominator)
    tall = np.einsum("yh,hwc->ywc", rows, image)
    resized: Array = np.einsum("xw,ywc->yxc", columns, tall)
    return resized


def round_levels(image: Array) -> Array:
    """Saturate to 0..255 and round, halves to even."""
    levels: Array = np.clip(image, 0, 255)
    return np.rint(levels)


def imresize_uint8(
    image: npt.NDArray[np.uint8], numerator: int, denominator: int
) -> npt.NDArray[np.uint8]:
    """Resize ``(H, W, C)`` levels: height first, rounded after each of the two passes."""
    rows = resize_matrix(image.shape[0], numerator, denominator)
    columns = resize_matrix(image.shape[1], numerator, denominator)
    tall = round_levels(np.einsum("yh,hwc->ywc", rows, image.astype(np.float64)))
    return round_levels(np.einsum("xw,ywc->yxc", columns, tall)).astype(np.uint8)


# The chain.

TABLES = (
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "mask_coefficient",
)


def betas_of(config: Mapping[str, object]) -> Array:
    """Betas of ``config.json``: cosine, or linear with the last one lifted."""
    steps = int(str(config["timesteps"]))
    if config["beta_schedule"] == "linear":
        end = float(str(config.get("beta_end", 0.02)))
        rising = [1e-4 + (end - 1e-4) * i / (steps - 1) for i in range(steps)]
        return np.array([*rising[:-1], 0.999])
    s = float(str(config["beta_s"]))
    level = [math.cos((i / steps + s) / (1 + s) * math.pi / 2) ** 2 for i in range(steps + 1)]
    return np.array([min(1 - level[i + 1] / level[i], 0.999) for i in range(steps)])


def tables(betas: Array) -> dict[str, Array]:
    """Every table of the chain, from loops over its steps (Ho et al. 2020, eqs. 4 and 7)."""
    columns: list[tuple[float, ...]] = []
    before = 1.0
    for beta in betas.tolist():
        now = before * (1 - beta)
        variance = beta * (1 - before) / (1 - now)
        columns.append(
            (
                *(now, before, math.sqrt(now), math.sqrt(1 - now)),
                *(math.log(1 - now), math.sqrt(1 / now), math.sqrt(1 / now - 1)),
                *(variance, math.log(max(variance, 1e-20))),
                beta * math.sqrt(before) / (1 - now),
                (1 - before) * math.sqrt(1 - beta) / (1 - now),
                math.sqrt(1 - now) * beta,
            )
        )
        before = now
    return {"betas": betas} | dict(zip(TABLES, np.array(columns).T, strict=True))


# Structural position encoding.


def rotary_field(height: int, width: int) -> Array:
    """Rotate the pair (1, 1) of columns 2k and 2k + 1 by the angle of each row."""
    field = np.ones((height, width))
    for y in range(height):
        for k in range(width // 2):
            angle = y / 10_000 ** (2 * k / width)
            field[y, 2 * k] = math.cos(angle) - math.sin(angle)
            field[y, 2 * k + 1] = math.sin(angle) + math.cos(angle)
    return field


def encoding(masks: npt.NDArray[np.uint8]) -> Array:
    """Paint each region with the mean over the whole picture of field times mask, in order."""
    height, width = masks.shape[1:]
    field, painted = rotary_field(height, width), np.zeros((height, width))
    for mask in masks:
        painted[mask > 0] = float(np.mean(field * mask))
    return painted


# Networks, from tensors taken by name.


def conv(x: Array, weights: Weights, name: str, *, stride: int = 1, padding: int = 0) -> Array:
    w, b = (torch.from_numpy(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
    out: Array = functional.conv2d(torch.from_numpy(x), w, b, stride, padding).numpy()
    return out


def conv_transpose(x: Array, weights: Weights, name: str, *, stride: int, padding: int) -> Array:
    w, b = (torch.from_numpy(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
    out: Array = functional.conv_transpose2d(torch.from_numpy(x), w, b, stride, padding).numpy()
    return out


def mish(x: Array) -> Array:
    out: Array = functional.mish(torch.from_numpy(x)).numpy()
    return out


def linear(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def leaky_relu(x: Array) -> Array:
    return np.where(x > 0, x, LEAK * x)


def reflect_pad(x: Array) -> Array:
    return np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")


def dense_block(x: Array, weights: Weights, name: str) -> Array:
    seen = [x]
    for i in range(1, 5):
        joined = np.concatenate(seen, axis=1)
        seen.append(leaky_relu(conv(joined, weights, f"{name}.conv{i}", padding=1)))
    return x + LEAK * conv(np.concatenate(seen, axis=1), weights, f"{name}.conv5", padding=1)


def rrdb(lr: Array, weights: Weights, num_block: int) -> tuple[Array, list[Array]]:
    """The image and every feature of the condition encoder (ESRGAN)."""
    first = x = conv((lr + 1) / 2, weights, "conv_first", padding=1)
    features = []
    for block in range(num_block):
        inner = x
        for i in (1, 2, 3):
            inner = dense_block(inner, weights, f"RRDB_trunk.{block}.RDB{i}")
        x = x + LEAK * inner
        features.append(x)
    x = first + conv(x, weights, "trunk_conv", padding=1)
    features.append(x)
    for name in ("upconv1", "upconv2", "upconv3"):
        if f"{name}.weight" in weights:
            doubled = x.repeat(2, axis=2).repeat(2, axis=3)
            x = leaky_relu(conv(doubled, weights, name, padding=1))
    x = leaky_relu(conv(x, weights, "HRconv", padding=1))
    return np.clip(conv(x, weights, "conv_last", padding=1), 0, 1) * 2 - 1, features


def used_features(features: list[Array]) -> Array:
    return np.concatenate(features[FEATURE_START::FEATURE_STRIDE], axis=1)


def block(x: Array, weights: Weights, name: str) -> Array:
    return mish(conv(reflect_pad(x), weights, f"{name}.block.1"))


def resnet_block(x: Array, time: Array, weights: Weights, name: str) -> Array:
    shift = linear(mish(time), weights, f"{name}.mlp.1")
    h = block(x, weights, f"{name}.block1") + shift[:, :, None, None]
    h = block(h, weights, f"{name}.block2")
    has_projection = f"{name}.res_conv.weight" in weights
    return h + (conv(x, weights, f"{name}.res_conv") if has_projection else x)


def time_embedding(t: npt.NDArray[np.int64], weights: Weights, dim: int) -> Array:
    half = dim // 2
    rates = [math.exp(-math.log(10_000) * k / (half - 1)) for k in range(half)]
    angles = t[:, None] * np.array(rates)[None, :]
    embedded = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return linear(mish(linear(embedded, weights, "mlp.0")), weights, "mlp.2")


def unet(x: Array, t: npt.NDArray[np.int64], features: Array, weights: Weights) -> Array:
    """The paper's noise predictor; depth and widths are read off the tensors."""
    dim = weights["mlp.0.weight"].shape[1]
    scale = weights["cond_proj.weight"].shape[-1] // 2
    levels = 1 + max(int(n.split(".")[1]) for n in weights if n.startswith("downs."))
    time = time_embedding(t, weights, dim)
    skips = []
    for level in range(levels):
        x = resnet_block(x, time, weights, f"downs.{level}.0")
        x = resnet_block(x, time, weights, f"downs.{level}.1")
        if level == 0:
            x = x + conv_transpose(features, weights, "cond_proj", stride=scale, padding=scale // 2)
        skips.append(x)
        if level < levels - 1:
            x = conv(reflect_pad(x), weights, f"downs.{level}.2.conv.1", stride=2)
    x = resnet_block(x, time, weights, "mid_block1")
    x = resnet_block(x, time, weights, "mid_block2")
    for level in range(levels - 1):
        x = np.concatenate([x, skips.pop()], axis=1)
        x = resnet_block(x, time, weights, f"ups.{level}.0")
        x = resnet_block(x, time, weights, f"ups.{level}.1")
        x = conv_transpose(x, weights, f"ups.{level}.2.conv.0", stride=2, padding=1)
    return conv(block(x, weights, "final_conv.0"), weights, "final_conv.1")


def reverse_chain(noises: Array, features: Array, weights: Weights, betas: Array) -> Array:
    """Ancestral sampling from ``noises[0]`` with the others as its noise; the clean residual."""
    chain = tables(betas)
    x: Array = noises[0]
    for noise, t in zip(noises[1:], reversed(range(len(betas))), strict=True):
        now = {name: float(table[t]) for name, table in chain.items()}
        eps = unet(x, np.full(len(x), t), features, weights)
        clean = (x - now["sqrt_one_minus_alphas_cumprod"] * eps) / now["sqrt_alphas_cumprod"]
        clean = np.clip(clean, -1, 1)
        x = now["posterior_mean_coef1"] * clean + now["posterior_mean_coef2"] * x
        if t > 0:
            x = x + math.sqrt(now["posterior_variance"]) * noise
    return x
