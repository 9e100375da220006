"""A place of a picture, enlarged: by bicubic, and what is shown of it without its context."""

import numpy as np
from PIL import Image

from sam_diffsr_cli.preview.places import Place
from sam_diffsr_cli.upscaling.sizes import final_size

__all__ = ["bicubic_of", "shown_part", "shown_span"]


def bicubic_of(pixels: np.ndarray, place: Place, scale: float) -> np.ndarray:
    """Enlarge what is shown of a place by bicubic.

    Args:
        pixels: The picture, ``(h, w, 3)`` uint8.
        place: Where.
        scale: Times as high and wide.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    cut = place.cut(pixels)
    height, width = final_size((cut.shape[0], cut.shape[1]), scale)
    image = Image.fromarray(np.ascontiguousarray(cut))
    larger = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    return shown_part(larger, place, pixels.shape, scale)


def shown_part(
    larger: np.ndarray, place: Place, shape: tuple[int, ...], scale: float
) -> np.ndarray:
    """Cut the context off a place that was enlarged; ``shape`` is that of the picture."""
    rows, columns = place.shown((shape[0], shape[1]))
    return np.ascontiguousarray(larger[shown_span(rows, scale), shown_span(columns, scale)])


def shown_span(span: slice, scale: float) -> slice:
    """Return where pixels of the picture lie in the enlarged one, along an axis."""
    return slice(round(span.start * scale), round(span.stop * scale))
