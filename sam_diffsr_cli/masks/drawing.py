"""Pictures of masks, for a person to judge: regions over the photo, and the encoding beside it."""

import colorsys

import numpy as np

__all__ = ["draw_encoding", "draw_regions", "side_by_side"]

GOLDEN = 0.61803398875
"""Steps of hue that never come near each other soon."""

PAINT = 0.45
GAP = 8


def draw_regions(pixels: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Paint each region over the photo in a colour of its own, later over earlier, edged in white.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        masks: ``(K, H, W)`` bool.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    shown = pixels.astype(np.float32)
    owner = np.zeros(pixels.shape[:2], dtype=np.int32)
    for number, mask in enumerate(masks, start=1):
        owner[mask] = number
        colour = 255 * np.array(colorsys.hsv_to_rgb((number * GOLDEN) % 1, 0.8, 1.0))
        shown[mask] = (1 - PAINT) * pixels[mask] + PAINT * colour
    edges = np.zeros_like(owner, dtype=bool)
    edges[1:] |= owner[1:] != owner[:-1]
    edges[:, 1:] |= owner[:, 1:] != owner[:, :-1]
    shown[edges] = 255
    return shown.round().astype(np.uint8)


def draw_encoding(encoding: np.ndarray) -> np.ndarray:
    """Show an encoding ``(H, W)``: gray is 0, red above, blue below, full at its largest value."""
    largest = float(np.abs(encoding).max()) or 1.0
    value = (encoding / largest)[..., None]
    red, blue, gray = np.array([230, 60, 40]), np.array([50, 90, 230]), np.array([128, 128, 128])
    target = np.where(value > 0, red, blue)
    shown = gray + np.sqrt(np.abs(value)) * (target - gray)
    return np.asarray(shown).round().astype(np.uint8)


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Put two pictures of one height beside each other, a white gap between."""
    gap = np.full((left.shape[0], GAP, 3), 255, dtype=np.uint8)
    return np.hstack([left, gap, right])
