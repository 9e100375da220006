"""What a page of places holds, read back."""

import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["panels_of"]


def panels_of(page: Path) -> dict[str, list[np.ndarray]]:
    """Return the panels of each picture of a page, by its name, in the order of the labels."""
    text = page.read_text(encoding="utf-8")
    found = {}
    for article in text.split('<article class="picture"')[1:]:
        name = re.search(r'data-name="([^"]*)"', article)
        assert name is not None
        packed = re.findall(r'<script type="image/\w+" data-panel="\d+">(.*?)</script>', article)
        found[name[1]] = [_pixels(base64.b64decode(one)) for one in packed]
    return found


def _pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))
