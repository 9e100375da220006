"""Between images and the scaled residual that the chain works on (SRDiff, Li et al. 2022)."""

from torch import Tensor

__all__ = ["image_to_residual", "residual_to_image"]


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
