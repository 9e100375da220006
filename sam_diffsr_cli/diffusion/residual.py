"""Between images and the scaled residual that the chain works on (SRDiff, Li et al. 2022)."""

from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

__all__ = ["detail_weights", "fade_chroma", "image_to_residual", "residual_to_image"]

LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601)."""

NEIGHBOURHOOD = 5
"""Side of the squares whose levels are compared, in input pixels."""


def image_to_residual(hr: Tensor, base: Tensor, residual_scale: float) -> Tensor:
    """Return ``clip((hr - base) * residual_scale, -1, 1)``.

    Args:
        hr: Image, ``(B, 3, H, W)``, float, in [-1, 1].
        base: What the residual is taken against (``lr_up``, or the encoder's output), same shape.
        residual_scale: Factor that brings the residual to the range of the chain.

    Returns:
        ``x_start``, same shape, in [-1, 1].
    """
    return ((hr - base) * residual_scale).clamp(-1, 1)


def residual_to_image(residual: Tensor, base: Tensor, residual_scale: float) -> Tensor:
    """Return ``clip(residual, -1, 1) / residual_scale + base``, the image (not clipped).

    Args:
        residual: Result of the chain, ``(B, 3, H, W)``.
        base: What the residual was taken against, same shape.
        residual_scale: As in ``image_to_residual``.

    Returns:
        ``sr``, same shape.
    """
    return residual.clamp(-1, 1) / residual_scale + base


def fade_chroma(residual: Tensor, chroma: float) -> Tensor:
    """Keep the luma of a residual, and ``chroma`` of what its channels differ from it.

    faded = y + chroma (residual - y), where y = 0.299 r + 0.587 g + 0.114 b: added to an image, it
    changes the luma as the residual does, and colour differences by ``chroma`` of what that does.

    Args:
        residual: ``(B, 3, H, W)``.
        chroma: In [0, 1].

    Returns:
        Same shape.
    """
    luma = sum(share * residual[:, i : i + 1] for i, share in enumerate(LUMA))
    return luma + chroma * (residual - luma)


def detail_weights(lr: Tensor, levels: float, scale: int) -> Tensor:
    """Say where a photo has anything to draw detail from.

    weight = clip(2 (range / levels) - 1, 0, 1), where range is how far the values in the square
    around a pixel differ, in the channel where they differ most. In a part of a drawing or of a
    clear sky that is flat, a residual is noise and nothing else.

    Args:
        lr: ``(B, 3, h, w)`` in [-1, 1].
        levels: Range for the whole residual, in 8-bit levels, > 0; half of it is for none.
        scale: Of the result to the photo.

    Returns:
        ``(B, 1, H, W)`` in [0, 1], float32, H = scale * h.
    """
    reach = NEIGHBOURHOOD // 2
    highest, lowest = (max_pool2d(part, NEIGHBOURHOOD, 1, reach) for part in (lr, -lr))
    spread = (highest + lowest).amax(dim=1, keepdim=True).float() * 127.5
    weights = (2 * spread / levels - 1).clamp(0, 1)
    return interpolate(weights, scale_factor=scale, mode="bilinear", align_corners=False)
