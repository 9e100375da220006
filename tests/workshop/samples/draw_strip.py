"""Draw the picture at the top of the README: parts of samples by bicubic and by samsr.

    samsr upscale tests/samples out
    python -m tests.workshop.samples.draw_strip out

OUT may hold PNG or JPEG. A row is a part of a sample: its name, bicubic, samsr.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

ROOT = Path(__file__).resolve().parents[3]
SAMPLES, TARGET = ROOT / "tests" / "samples", ROOT / "weights" / "strip.webp"
SIDE, GAP, LINE = 48, 8, 24
ROWS = (
    ("leaves.png", (34, 22), "a clean picture made small"),
    ("phone.jpg", (60, 30), "a phone's JPEG, noisy and compressed"),
    ("small_letters.png", (22, 88), "the limit, letters go wrong"),
)
"""Sample, left and top of the part, in its upright pixels, and what it shows."""


def draw(out: Path) -> Image.Image:
    """Draw every row."""
    width, height = 2 * 4 * SIDE + 3 * GAP, 4 * SIDE + LINE + GAP
    strip = Image.new("RGB", (width, LINE + len(ROWS) * height), "white")
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(14)
    for column, title in enumerate(("bicubic", "samsr")):
        pen.text((GAP + column * (4 * SIDE + GAP), 4), title, fill="black", font=font)
    for row, (name, (left, top), words) in enumerate(ROWS):
        with Image.open(SAMPLES / name) as image:
            small = ImageOps.exif_transpose(image).convert("RGB")
        found = next(path for path in out.iterdir() if path.stem == Path(name).stem)
        with Image.open(found) as image:
            large = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        plain = np.asarray(small.resize((large.shape[1], large.shape[0]), Image.Resampling.BICUBIC))
        down = LINE + row * height
        pen.text((GAP, down), f"{name}: {words}", fill="black", font=font)
        for column, pixels in enumerate((plain, large)):
            part = pixels[4 * top : 4 * (top + SIDE), 4 * left : 4 * (left + SIDE)]
            place = (GAP + column * (4 * SIDE + GAP), down + LINE - 4)
            strip.paste(Image.fromarray(np.ascontiguousarray(part)), place)
    return strip


if __name__ == "__main__":
    draw(Path(sys.argv[1])).save(TARGET, quality=90, method=6)
