"""Segment Anything's automatic masks. The only importer of segment_anything.

Checkpoints are read as tensors and nothing else, and must fit the type that was asked for.
"""

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sam_diffsr_cli.choices import SamType
from sam_diffsr_cli.device import memory_errors
from sam_diffsr_cli.digests import sha256_of
from sam_diffsr_cli.errors import ConfigError, WeightsError
from sam_diffsr_cli.masks.rle import decode_mask, encode_counts, encode_mask
from sam_diffsr_cli.strict import allow, conform

__all__ = ["SAM_TYPES", "SamOptions", "SamSegmenter", "load_sam", "sam_type_of"]

PIXELS_AT_ONCE = 64 * 1024 * 1024
"""Points per batch are lowered so that their masks, 3 a point, stay below this many pixels."""


@dataclass(frozen=True, slots=True)
class _Encoder:
    """The shape of SAM's image encoder."""

    width: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]


SAM_TYPES = {
    "vit_h": _Encoder(1280, 32, 16, (7, 15, 23, 31)),
    "vit_l": _Encoder(1024, 24, 16, (5, 11, 17, 23)),
    "vit_b": _Encoder(768, 12, 12, (2, 5, 8, 11)),
}
TOKENS = 64
"""Tokens along a side of SAM's 1024 pixels; blocks of global attention know that many places."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SamOptions:
    """Options of ``SamAutomaticMaskGenerator``, with its defaults, and ``max_side``.

    A photo whose longer side is above ``max_side`` is segmented smaller and its masks are enlarged
    to its own size; 0 for never.
    """

    points_per_side: int = 32
    points_per_batch: int = 64
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    box_nms_thresh: float = 0.7
    max_side: int = 2048

    def __post_init__(self) -> None:
        conform(self)
        for name in ("points_per_side", "points_per_batch"):
            allow(getattr(self, name) >= 1, name, getattr(self, name), "1 and more")
        for name in ("pred_iou_thresh", "stability_score_thresh", "box_nms_thresh"):
            allow(0 <= getattr(self, name) <= 1, name, getattr(self, name), "0 to 1")
        allow(self.max_side >= 0, "max_side", self.max_side, "0 and more")


def sam_type_of(state: dict[str, Tensor]) -> _Encoder:
    """Read the shape of the image encoder off a checkpoint's tensors.

    Raises:
        KeyError: Its tensors are not SAM's.
    """
    prefix = "image_encoder.blocks."
    depth = 1 + max(int(k.split(".")[2]) for k in state if k.startswith(prefix))
    places = [state[f"{prefix}{i}.attn.rel_pos_h"] for i in range(depth)]
    width = int(state["image_encoder.pos_embed"].shape[-1])
    wide = tuple(i for i, place in enumerate(places) if place.shape[0] == 2 * TOKENS - 1)
    return _Encoder(width, depth, width // int(places[0].shape[1]), wide)


def load_sam(path: Path, sam_type: SamType, device: torch.device) -> tuple[Any, str]:
    """Build SAM and load a checkpoint into it, strictly.

    Args:
        path: The ``.pth`` file.
        sam_type: Which SAM it must be; ``custom`` takes the encoder's shape from the file.
        device: Where it runs.

    Returns:
        The model in ``eval`` mode, and the SHA-256 of the file.

    Raises:
        ConfigError: segment-anything or torchvision cannot be imported.
        WeightsError: The file is missing, damaged, or holds another SAM.
    """
    try:
        from segment_anything.build_sam import (  # noqa: PLC0415 - slow, and told when broken
            _build_sam,
        )
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            f"segment-anything cannot be imported ({error})",
            hint="torch and torchvision must come from the same index: install both together",
        ) from error
    state = _read_state(path)
    try:
        found = sam_type_of(state)
    except (KeyError, ValueError, IndexError) as error:
        raise WeightsError(f"{path}: not a checkpoint of Segment Anything") from error
    wanted = found if sam_type == "custom" else SAM_TYPES[sam_type]
    if found != wanted:
        name = next((n for n, e in SAM_TYPES.items() if e == found), "a custom one")
        raise WeightsError(
            f"{path}: holds {name}, not {sam_type}",
            hint=f"--sam {name if name in SAM_TYPES else 'custom'}",
        )
    model = _build_sam(
        encoder_embed_dim=wanted.width,
        encoder_depth=wanted.depth,
        encoder_num_heads=wanted.heads,
        encoder_global_attn_indexes=list(wanted.global_blocks),
        checkpoint=None,
    )
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"{path}: does not fit {sam_type} ({str(error)[:200]})") from error
    return model.to(device).eval(), sha256_of(path)


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such SAM checkpoint") from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise WeightsError(
            f"{path}: damaged, or not a checkpoint of tensors ({str(error)[:200]})"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise WeightsError(f"{path}: not a checkpoint of Segment Anything")
    return state


@dataclass(frozen=True, kw_only=True, slots=True)
class SamSegmenter:
    """A loaded SAM that cuts photos into regions."""

    model: Any = field(repr=False)
    sam_type: SamType
    digest: str
    options: SamOptions

    @property
    def description(self) -> dict[str, Any]:
        """Type, digest of the checkpoint, and options."""
        # The points that are computed at a time among them: sums in another order move a few
        # regions by a pixel.
        options = {name: getattr(self.options, name) for name in SamOptions.__slots__}
        kind = {"segmenter": "sam", "is_sam": True, "sam": self.sam_type}
        return {**kind, "checkpoint_sha256": self.digest, **options}

    def segment(self, pixels: np.ndarray) -> list[dict[str, Any]]:
        """Cut ``(H, W, 3)`` uint8 into regions, which may overlap and leave gaps.

        Raises:
            ResourceError: Memory ran out.
        """
        from segment_anything import SamAutomaticMaskGenerator  # noqa: PLC0415 - as above

        size = pixels.shape[:2]
        small = _shrink(pixels, self.options.max_side)
        area = small.shape[0] * small.shape[1]
        generator = SamAutomaticMaskGenerator(
            self.model,
            points_per_side=self.options.points_per_side,
            points_per_batch=max(
                1, min(self.options.points_per_batch, PIXELS_AT_ONCE // 3 // area)
            ),
            pred_iou_thresh=self.options.pred_iou_thresh,
            stability_score_thresh=self.options.stability_score_thresh,
            box_nms_thresh=self.options.box_nms_thresh,
            output_mode="uncompressed_rle",
        )
        _use_single_precision(generator.predictor)
        with memory_errors("a smaller --max-side or --points-per-side needs less"):
            found = generator.generate(small)
        return [_finish(record, (size[0], size[1]), small.shape[:2]) for record in found]


def _use_single_precision(predictor: Any) -> None:  # noqa: ANN401 - segment_anything's edge
    """Let points go to the device as float32: as float64, which SAM makes, MPS refuses them."""
    scale = predictor.transform.apply_coords

    def apply_coords(coords: np.ndarray, original_size: tuple[int, ...]) -> np.ndarray:
        return np.asarray(scale(coords, original_size), dtype=np.float32)

    predictor.transform.apply_coords = apply_coords


def _shrink(pixels: np.ndarray, max_side: int) -> np.ndarray:
    """Shrink so that no side is above ``max_side`` (0: never)."""
    height, width = pixels.shape[:2]
    if not max_side or max(height, width) <= max_side:
        return pixels
    factor = max_side / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _finish(
    record: dict[str, Any], size: tuple[int, int], small: tuple[int, ...]
) -> dict[str, Any]:
    """Bring a record of SAM's to the photo's size and its runs into text."""
    segmentation = record["segmentation"]
    if tuple(small[:2]) == size:
        counts = encode_counts(segmentation["counts"])
        return {**record, "segmentation": {"size": list(size), "counts": counts}}
    mask = Image.fromarray(decode_mask(segmentation))
    large = np.asarray(mask.resize((size[1], size[0]), Image.Resampling.NEAREST))
    scales = [size[1] / small[1], size[0] / small[0]]
    return {
        **record,
        "segmentation": encode_mask(large),
        "area": int(large.sum()),
        "bbox": [value * scales[i % 2] for i, value in enumerate(record["bbox"])],
        "crop_box": [value * scales[i % 2] for i, value in enumerate(record["crop_box"])],
        "point_coords": [
            [p * s for p, s in zip(point, scales, strict=True)] for point in record["point_coords"]
        ],
    }
