"""Write a small folder of conformance vectors from the independent reference beside this file.

    python -m tests.workshop.conformance.make_vectors OUT [--variant cosine|linear] [--seed N]

The folder has the layout of vectors recorded from the published implementation: hyperparameters,
two checkpoints, and one archive of arrays per subject. Weights and pictures are random.
"""

import argparse
import importlib
import json
import math
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

reference = importlib.import_module("reference")

Array: TypeAlias = npt.NDArray[np.float64]
Levels: TypeAlias = npt.NDArray[np.uint8]
Shapes: TypeAlias = dict[str, tuple[int, ...]]
Json: TypeAlias = dict[str, int | float | str]

VARIANTS: Mapping[str, Json] = {
    "cosine": {
        "hidden_size": 8,
        "rrdb_num_feat": 6,
        "rrdb_num_block": 2,
        "unet_dim_mults": "1|2",
        "timesteps": 12,
        "beta_schedule": "cosine",
        "beta_s": 0.008,
        "res_rescale": 2.0,
        "sr_scale": 4,
    },
    "linear": {
        "hidden_size": 4,
        "rrdb_num_feat": 4,
        "rrdb_num_block": 5,
        "unet_dim_mults": "1|2|2",
        "timesteps": 9,
        "beta_schedule": "linear",
        "beta_end": 0.2,
        "beta_s": 0.008,
        "res_rescale": 2.5,
        "sr_scale": 4,
    },
}
LR_SIZES = {"cosine": (4, 6), "linear": (7, 5)}
PARALLEL = {"cosine": "rrdb_ckpt", "linear": "model_ckpt"}
"""Which checkpoint carries the prefix that data-parallel training leaves in its names."""

STEP = 9
NOISE_GRID = 16
"""Drawn noise is rounded to 1/16, which compresses well and is noise all the same."""


def conv_shapes(name: str, out_channels: int, in_channels: int, side: int) -> Shapes:
    return {
        f"{name}.weight": (out_channels, in_channels, side, side),
        f"{name}.bias": (out_channels,),
    }


def linear_shapes(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def rrdb_shapes(num_feat: int, num_block: int, scale: int) -> Shapes:
    growth = num_feat // 2
    shapes = conv_shapes("conv_first", num_feat, 3, 3)
    for block in range(num_block):
        for dense in (1, 2, 3):
            prefix = f"RRDB_trunk.{block}.RDB{dense}"
            for i in range(5):
                out_channels = growth if i < 4 else num_feat
                shapes |= conv_shapes(
                    f"{prefix}.conv{i + 1}", out_channels, num_feat + i * growth, 3
                )
    upconvs = [f"upconv{i + 1}" for i in range(round(math.log2(scale)))]
    for name in ("trunk_conv", *upconvs, "HRconv"):
        shapes |= conv_shapes(name, num_feat, num_feat, 3)
    return shapes | conv_shapes("conv_last", 3, num_feat, 3)


def resnet_shapes(name: str, in_channels: int, out_channels: int, dim: int) -> Shapes:
    shapes = linear_shapes(f"{name}.mlp.1", out_channels, dim)
    shapes |= conv_shapes(f"{name}.block1.block.1", out_channels, in_channels, 3)
    shapes |= conv_shapes(f"{name}.block2.block.1", out_channels, out_channels, 3)
    if in_channels != out_channels:
        shapes |= conv_shapes(f"{name}.res_conv", out_channels, in_channels, 1)
    return shapes


def unet_shapes(widths: list[int], condition: int, scale: int) -> Shapes:
    dim, last = widths[0], len(widths) - 1
    shapes: Shapes = {
        "cond_proj.weight": (condition, dim, 2 * scale, 2 * scale),
        "cond_proj.bias": (dim,),
    }
    shapes |= linear_shapes("mlp.0", 4 * dim, dim) | linear_shapes("mlp.2", dim, 4 * dim)
    for level, width in enumerate(widths):
        before = widths[level - 1] if level else 3
        shapes |= resnet_shapes(f"downs.{level}.0", before, width, dim)
        shapes |= resnet_shapes(f"downs.{level}.1", width, width, dim)
        if level < last:
            shapes |= conv_shapes(f"downs.{level}.2.conv.1", width, width, 3)
    for level in range(last):
        width, below = widths[last - 1 - level], widths[last - level]
        shapes |= resnet_shapes(f"ups.{level}.0", 2 * below, width, dim)
        shapes |= resnet_shapes(f"ups.{level}.1", width, width, dim)
        shapes |= conv_shapes(f"ups.{level}.2.conv.0", width, width, 4)
    for name in ("mid_block1", "mid_block2"):
        shapes |= resnet_shapes(name, widths[-1], widths[-1], dim)
    shapes |= conv_shapes("final_conv.0.block.1", dim, dim, 3)
    return shapes | conv_shapes("final_conv.1", 3, dim, 1)


def draw_weights(shapes: Shapes, rng: np.random.Generator) -> dict[str, Array]:
    """Weights that keep activations near unit size; float32 numbers held as float64."""
    drawn = {}
    for name, shape in shapes.items():
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 100
        drawn[name] = rng.normal(0, 1 / math.sqrt(fan_in), shape)
    if "conv_last.bias" in drawn:  # keeps most of the encoder's image between its two clips
        drawn["conv_last.bias"] += 0.5
    return {name: value.astype(np.float32).astype(np.float64) for name, value in drawn.items()}


def draw_noise(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return np.round(rng.standard_normal(shape) * NOISE_GRID) / NOISE_GRID


def draw_picture(height: int, width: int, rng: np.random.Generator) -> Levels:
    """Waves, an edge and grain: something to resize, with levels at both ends."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x * a + y * b + c) for a, b, c in rng.uniform(0, 1.5, (3, 3))]
    picture = 110 + 90 * np.stack(waves, axis=-1) + 60 * (x > y)[..., None]
    picture += rng.normal(0, 12, picture.shape)
    levels: Levels = np.clip(np.round(picture), 0, 255).astype(np.uint8)
    return levels


def draw_masks(count: int, height: int, width: int, rng: np.random.Generator) -> Levels:
    """Rectangles that overlap now and then."""
    masks = np.zeros((count, height, width), dtype=np.uint8)
    for mask in masks:
        top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
        mask[top : top + rng.integers(2, height), left : left + rng.integers(2, width)] = 1
    return masks


def to_batch(image: Array | Levels) -> Array:
    """``(H, W, 3)`` to ``(1, 3, H, W)``."""
    return np.ascontiguousarray(image.astype(np.float64).transpose(2, 0, 1)[None])


def single(value: Array) -> npt.NDArray[np.float32]:
    return value.astype(np.float32)


def save_checkpoint(path: Path, tensors: Mapping[str, Array], prefix: str) -> None:
    model = OrderedDict(
        (prefix + name, torch.from_numpy(single(value))) for name, value in tensors.items()
    )
    optimizer = {"state": {}, "param_groups": [{"lr": 2e-4, "betas": (0.9, 0.99), "params": [0]}]}
    content = {
        "global_step": STEP,
        "optimizer_states": [optimizer],
        "state_dict": {"model": model},
    }
    torch.save(content, path, _use_new_zipfile_serialization=False)


def resize_arrays(scale: int, lr_size: tuple[int, int], rng: np.random.Generator) -> dict[str, Any]:
    hr = draw_picture(scale * lr_size[0], scale * lr_size[1], rng)
    lr = reference.imresize_uint8(hr, 1, scale)
    odd = draw_picture(11, 14, rng)
    return {
        "hr": hr,
        "lr": lr,
        "lr_up_over256": reference.imresize(lr / 256, scale, 1),
        "hr_odd": odd,
        "odd_down4": reference.imresize_uint8(odd, 1, 4),
        "odd_down4_float": reference.imresize(odd / 255, 1, 4),
        "odd_up2_float": reference.imresize(odd / 255, 2, 1),
        "odd_up3": reference.imresize_uint8(odd, 3, 1),
        "odd_down3": reference.imresize_uint8(odd, 1, 3),
    }


class Folder:
    """One folder of vectors: the random model it is about, and where it lies."""

    def __init__(self, path: Path, variant: str, seed: int) -> None:
        self.path, self.variant, self.config = path, variant, VARIANTS[variant]
        self.rng = np.random.default_rng(seed)
        self.scale, self.rescale = int(self.config["sr_scale"]), float(self.config["res_rescale"])
        feat, blocks = int(self.config["rrdb_num_feat"]), int(self.config["rrdb_num_block"])
        mults = str(self.config["unet_dim_mults"]).split("|")
        widths = [int(self.config["hidden_size"]) * int(m) for m in mults]
        condition = feat * ((blocks + 1) // 3)
        self.rrdb = draw_weights(rrdb_shapes(feat, blocks, self.scale), self.rng)
        self.unet = draw_weights(unet_shapes(widths, condition, self.scale), self.rng)
        self.betas: Array = reference.betas_of(self.config)
        self.tables: dict[str, Array] = reference.tables(self.betas)

    def save(self, name: str, arrays: Mapping[str, npt.ArrayLike]) -> None:
        np.savez_compressed(self.path / name, **arrays)  # type: ignore[arg-type]  # stub of **kwds

    def write(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.config, indent=1) + "\n"
        (self.path / "config.json").write_text(text, encoding="utf-8")
        self.write_checkpoints()
        resized = resize_arrays(self.scale, LR_SIZES[self.variant], self.rng)
        self.save("imresize.npz", resized)
        lr = to_batch(resized["lr"]) / 127.5 - 1
        lr_up = to_batch(resized["lr_up_over256"]) * 2 - 1
        out, features = reference.rrdb(lr, self.rrdb, self.config["rrdb_num_block"])
        used = reference.used_features(features)
        shared = {"lr": single(lr), "lr_up": single(lr_up)}
        self.write_networks(shared, out, features)
        self.write_training(shared, to_batch(resized["hr"]) / 127.5 - 1, used)
        self.write_chain(shared, used)
        self.write_encodings()

    def write_checkpoints(self) -> None:
        kept = ("alphas_cumprod_prev", "mask_coefficient")
        buffers = {name: table for name, table in self.tables.items() if name not in kept}
        names = {f"denoise_fn.{n}": v for n, v in self.unet.items()}
        names |= {f"rrdb.{n}": v for n, v in self.rrdb.items()}
        files = {
            "model_ckpt": (f"model_ckpt_steps_{STEP}.ckpt", buffers | names),
            "rrdb_ckpt": ("rrdb_ckpt.ckpt", self.rrdb),
        }
        for kind, (file, tensors) in files.items():
            prefix = "module." if PARALLEL[self.variant] == kind else ""
            save_checkpoint(self.path / file, tensors, prefix)
        in_archive = {
            n: v for n, v in self.tables.items() if not n.startswith(("log_", "sqrt_recip"))
        }
        self.save("schedule.npz", {n: single(v) for n, v in in_archive.items()})

    def write_networks(self, shared: Mapping[str, Any], out: Array, features: list[Array]) -> None:
        x_t = draw_noise(out.shape, self.rng)
        t = np.array([len(self.betas) // 2])
        used = reference.used_features(features)
        eps = reference.unet(x_t, t, used, self.unet)
        arrays = {"rrdb_out": out, "rrdb_features": np.stack(features), "rrdb_features_used": used}
        arrays |= {"x_t": x_t, "eps": eps}
        singles = {n: single(v) for n, v in arrays.items()}
        self.save("networks.npz", {**shared, **singles, "t": t})

    def write_training(self, shared: Mapping[str, Any], hr: Array, used: Array) -> None:
        lr_up = shared["lr_up"].astype(np.float64)
        t = max(len(self.betas) - 3, 0)
        height, width = hr.shape[2:]
        noise = draw_noise(hr.shape, self.rng)
        spe = reference.encoding(draw_masks(3, height, width, self.rng))[None, None]
        x_start = np.clip((hr - lr_up) * self.rescale, -1, 1)
        modulated = noise + float(self.tables["mask_coefficient"][t]) * spe
        level = float(self.tables["alphas_cumprod"][t])
        x_t = math.sqrt(level) * x_start + math.sqrt(1 - level) * modulated
        eps = reference.unet(x_t, np.array([t]), used, self.unet)
        arrays = {"hr": hr, "x_start": x_start, "noise": noise, "sam_mask": spe}
        arrays |= {"modulated_noise": modulated, "x_t": x_t, "noise_pred": eps}
        singles = {n: single(v) for n, v in arrays.items()}
        loss = np.abs(modulated - eps).mean()
        self.save(
            "training_loss.npz",
            {"lr_up": shared["lr_up"], **singles, "t": np.array([t]), "loss": loss},
        )

    def write_chain(self, shared: Mapping[str, Any], used: Array) -> None:
        lr_up = shared["lr_up"].astype(np.float64)
        noises = draw_noise((len(self.betas) + 1, *lr_up.shape), self.rng)
        residual = reference.reverse_chain(noises, used, self.unet, self.betas)
        sr = np.clip(residual, -1, 1) / self.rescale + lr_up
        levels = np.clip(np.round((sr + 1) / 2 * 255), 0, 255).astype(np.uint8)
        arrays = {"noises": single(noises), "sr": single(sr)}
        self.save(
            "reverse_chain.npz", {**shared, **arrays, "sr_uint8": levels[0].transpose(1, 2, 0)}
        )

    def write_encodings(self) -> None:
        arrays: dict[str, npt.ArrayLike] = {}
        for i, (count, height, width) in enumerate([(3, 12, 18), (5, 17, 10), (1, 9, 14)]):
            masks = draw_masks(count, height, width, self.rng)
            arrays |= {f"masks_{i}": masks, f"spe_{i}": single(reference.encoding(masks))}
        self.save("structural_position_encoding.npz", arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description="write a small folder of conformance vectors")
    parser.add_argument("out", type=Path)
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="cosine")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    Folder(options.out, options.variant, options.seed).write()


if __name__ == "__main__":
    main()
