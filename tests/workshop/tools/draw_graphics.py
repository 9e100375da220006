"""Draw pages of text, shapes and flat colour: what photos to train on have too little of.

    python -m tests.workshop.tools.draw_graphics GRAPHICS --count 16 --font DejaVuSans.ttf
    samsr train --data PHOTOS --data GRAPHICS

Everything is random, and decided by ``--seed``. Half of the pages are drawn large and shrunk, as
printed matter is; the other half is drawn pixel by pixel, as a screen is.
"""

import argparse
import random
import string
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]

SIGNS = string.ascii_lowercase * 6 + string.ascii_uppercase * 2 + string.digits * 2 + ".,:;-!?()&"


@dataclass(frozen=True)
class Page:
    """A page being drawn: ``large`` is the number of its pixels to one of the result."""

    chance: random.Random
    fonts: Sequence[str]
    large: int
    image: Image.Image

    @property
    def pen(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.image)

    def font(self, size: int) -> Font:
        """One of the fonts, letters ``size`` pixels high in the result."""
        pixels = size * self.large
        if not self.fonts:
            return ImageFont.load_default(pixels)
        return ImageFont.truetype(self.chance.choice(self.fonts), pixels)

    def width(self) -> int:
        """Of a line, mostly thin."""
        return max(1, round(self.large * self.chance.choice((1, 1, 2, 3, 4, 6, 10, 20))))

    def box(self, least: float = 0.05, most: float = 0.5) -> Box:
        """A rectangle anywhere on the page, as shares of its side."""
        side = self.image.width
        width, height = (int(side * self.chance.uniform(least, most)) for _ in range(2))
        left, top = self.chance.randrange(side - width), self.chance.randrange(side - height)
        return left, top, left + width, top + height

    def points(self, count: int) -> list[tuple[int, int]]:
        left, top, right, bottom = self.box(0.1, 0.6)
        return [
            (self.chance.randint(left, right), self.chance.randint(top, bottom))
            for _ in range(count)
        ]


def any_colour(chance: random.Random) -> Colour:
    """Any colour, a gray, or one of the ends of the range."""
    kind = chance.random()
    if kind < 0.3:
        return chance.choice(((0, 0, 0), (255, 255, 255)))
    if kind < 0.5:
        return (chance.randrange(256),) * 3
    return chance.randrange(256), chance.randrange(256), chance.randrange(256)


def any_word(chance: random.Random) -> str:
    return "".join(chance.choices(SIGNS, k=chance.randint(1, 10)))


def draw_text(page: Page) -> None:
    """Write a block of lines on a flat ground, sometimes turned."""
    left, top, right, bottom = page.box(0.2, 0.7)
    ground, ink = any_colour(page.chance), any_colour(page.chance)
    size = page.chance.choice((10, 12, 14, 16, 20, 24, 28, 36, 48, 72, 110))
    font, step = page.font(size), int(size * 1.3 * page.large)
    block = Image.new("RGB", (right - left, bottom - top), ground)
    pen = ImageDraw.Draw(block)
    for y in range(step // 4, block.height - step, step):
        words = [any_word(page.chance) for _ in range(1 + block.width // (3 * step))]
        pen.text((step // 3, y), " ".join(words), fill=ink, font=font)
    if page.chance.random() < 0.2:
        angle = page.chance.uniform(-30, 30)
        block = block.rotate(angle, Image.Resampling.BICUBIC, fillcolor=ground)
    page.image.paste(block, (left, top))


def draw_panel(page: Page) -> None:
    radius = page.chance.choice((0, 0, 4, 12, 30)) * page.large
    edge = any_colour(page.chance) if page.chance.random() < 0.5 else None
    page.pen.rounded_rectangle(
        page.box(), radius, fill=any_colour(page.chance), outline=edge, width=page.width()
    )


def draw_shape(page: Page) -> None:
    fill, edge = any_colour(page.chance), any_colour(page.chance)
    if page.chance.random() < 0.5:
        page.pen.ellipse(page.box(0.01, 0.3), fill=fill, outline=edge, width=page.width())
    else:
        corners = page.points(page.chance.randint(3, 7))
        page.pen.polygon(corners, fill=fill, outline=edge, width=page.width())


def draw_strokes(page: Page) -> None:
    """Draw lines of one colour: a sheaf of bent ones, or a grid."""
    ink, width = any_colour(page.chance), page.width()
    if page.chance.random() < 0.5:
        for _ in range(page.chance.randint(2, 8)):
            page.pen.line(page.points(page.chance.randint(2, 9)), ink, width, joint="curve")
        return
    left, top, right, bottom = page.box(0.1, 0.4)
    step = max(width + 1, page.chance.randint(3, 40) * page.large)
    for x in range(left, right, step):
        page.pen.line((x, top, x, bottom), ink, width)
    for y in range(top, bottom, step) if page.chance.random() < 0.5 else ():
        page.pen.line((left, y, right, y), ink, width)


def draw_slope(page: Page) -> None:
    """Fill a rectangle with an even change from one colour to another."""
    left, top, right, bottom = page.box()
    size = (right - left, bottom - top)
    slope = Image.linear_gradient("L").rotate(page.chance.choice((0, 90, 180, 270))).resize(size)
    first, last = (Image.new("RGB", size, any_colour(page.chance)) for _ in range(2))
    page.image.paste(Image.composite(first, last, slope), (left, top))


def draw_page(seed: str, fonts: Sequence[str], side: int) -> Image.Image:
    """Return a page of ``side`` times ``side`` pixels, RGB."""
    chance = random.Random(seed)  # noqa: S311  # pictures, not secrets
    large = chance.choice((1, 4))
    ground = any_colour(chance)
    image = Image.new("RGB", (side * large, side * large), ground)
    page = Page(chance, fonts, large, image)
    acts = (draw_text, draw_panel, draw_shape, draw_strokes, draw_slope)
    for act in chance.choices(acts, (8, 3, 4, 4, 1), k=30):
        act(page)
    return image if large == 1 else image.resize((side, side), Image.Resampling.BOX)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages as PNG files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--side", type=int, default=1024, help="pixels")
    parser.add_argument("--font", action="append", default=[], help="file; default: Pillow's own")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for number in range(options.count):
        page = draw_page(f"{options.seed} {number}", options.font, options.side)
        page.save(options.out / f"graphics-{number:03}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
