"""Draw the small pictures in ``tests/samples``; they are synthetic, so that they carry no licence.

Each is painted at four times its size and shrunk with antialiasing, as a camera would, and the
same pixels come out on every machine. Lengths are in pixels of the finished picture, y before x.

Usage: python draw_samples.py [folder]
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageDraw, ImageFilter, ImageFont

Field = NDArray[np.float64]
Stops = dict[float, str]
Point = tuple[float, float]

FACTOR = 4
LIGHT = np.array([-0.62, -0.48, 0.62])
"""Towards the light, (y, x, towards the eye): from the upper left."""


@dataclass(slots=True)
class Canvas:
    """A picture being painted: colours ``(H, W, 3)`` in 0..1, pixel places, and its own dice."""

    rgb: Field
    y: Field
    x: Field
    rng: np.random.Generator

    def paint(self, colour: Field | str, mask: Field) -> None:
        """Lay ``colour`` over the picture where ``mask`` (0..1) lets it."""
        value = rgb(colour) if isinstance(colour, str) else colour
        self.rgb += (value - self.rgb) * mask[..., None]

    def shade(self, factor: Field) -> None:
        """Multiply by a factor for each pixel."""
        self.rgb *= factor[..., None]

    def noise(self, size_y: float, size_x: float) -> Field:
        """Smooth noise of mean 0 and deviation 1, with blobs of the given size."""
        rows, columns = self.y.shape
        fy, fx = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)
        blur = np.exp(-2 * (math.pi * FACTOR) ** 2 * ((fy * size_y) ** 2 + (fx * size_x) ** 2))
        white = self.rng.random((rows, columns)) - 0.5
        field = np.fft.irfft2(np.fft.rfft2(white) * blur, s=(rows, columns))
        standard: Field = (field - field.mean()) / field.std()
        return standard

    def finish(self) -> Image.Image:
        """Shrink to the final size."""
        levels = np.rint(self.rgb.clip(0, 1) * 255).astype(np.uint8)
        size = (levels.shape[1] // FACTOR, levels.shape[0] // FACTOR)
        return Image.fromarray(levels).resize(size, Image.Resampling.LANCZOS)


def new_canvas(height: int, width: int, seed: int) -> Canvas:
    """Open an empty canvas."""
    y, x = (np.mgrid[: height * FACTOR, : width * FACTOR] + 0.5) / FACTOR
    return Canvas(np.zeros((*y.shape, 3)), y, x, np.random.default_rng(seed))


def cover(distance: Field, softness: float = 1 / FACTOR) -> Field:
    """Turn a signed distance (negative inside) into a mask with an edge of that softness."""
    s: Field = (0.5 - distance / softness).clip(0, 1)
    return s * s * (3 - 2 * s)


def rgb(code: str) -> Field:
    """Read a colour such as ``ff8000``."""
    return np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)])


def tint(code: str, factor: Field) -> Field:
    """Multiply a colour by a factor for each pixel."""
    return rgb(code) * factor[..., None]


def gradient(at: Field, stops: Stops) -> Field:
    """Colours between the stops, place to colour."""
    colours = np.array([rgb(code) for code in stops.values()])
    return np.stack([np.interp(at, list(stops), channel) for channel in colours.T], axis=-1)


def box(canvas: Canvas, centre: Point, half: Point) -> Field:
    """Signed distance, roughly, to an upright box."""
    return np.maximum(abs(canvas.y - centre[0]) - half[0], abs(canvas.x - centre[1]) - half[1])


def ellipse(canvas: Canvas, centre: Point, radii: Point) -> Field:
    """Signed distance, roughly, to an ellipse."""
    dy, dx = (canvas.y - centre[0]) / radii[0], (canvas.x - centre[1]) / radii[1]
    return (np.hypot(dy, dx) - 1) * min(radii)


def polyline(canvas: Canvas, points: Sequence[Point]) -> Field:
    """Distance to a line through the points."""
    nearest = np.full(canvas.y.shape, np.inf)
    for (y0, x0), (y1, x1) in pairwise(points):
        dy, dx = y1 - y0, x1 - x0
        along = ((canvas.y - y0) * dy + (canvas.x - x0) * dx) / (dy * dy + dx * dx)
        along = along.clip(0, 1)
        np.minimum(
            nearest, np.hypot(canvas.y - y0 - along * dy, canvas.x - x0 - along * dx), out=nearest
        )
    return nearest


def curve(start: Point, bend: Point, end: Point, pieces: int = 10) -> list[Point]:
    """Points of a quadratic Bezier curve."""
    points = []
    for i in range(pieces + 1):
        u = i / pieces
        a, b, c = (1 - u) ** 2, 2 * u * (1 - u), u * u
        points.append(
            (a * start[0] + b * bend[0] + c * end[0], a * start[1] + b * bend[1] + c * end[1])
        )
    return points


def lit(slope_y: Field, slope_x: Field) -> Field:
    """Lambert shading of a surface from its slopes: 0 in the dark, 1 facing the light."""
    length = np.sqrt(slope_y**2 + slope_x**2 + 1)
    towards: Field = (LIGHT[2] - LIGHT[0] * slope_y - LIGHT[1] * slope_x) / length
    return np.clip(towards / np.linalg.norm(LIGHT), 0, 1)


def ball(canvas: Canvas, centre: Point, radius: float, skin: Field, gloss: float) -> None:
    """Paint a ball of the given skin colours, with a shine and light thrown back from below."""
    ny, nx = (canvas.y - centre[0]) / radius, (canvas.x - centre[1]) / radius
    nz = np.sqrt((1 - ny**2 - nx**2).clip(0, 1))
    light = LIGHT / np.linalg.norm(LIGHT)
    facing = (ny * light[0] + nx * light[1] + nz * light[2]).clip(0, 1)
    half = light + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    shine = (ny * half[0] + nx * half[1] + nz * half[2]).clip(0, 1) ** 40
    shade = 0.24 + 0.9 * facing + 0.14 * ny.clip(0, 1) * nz
    colour = skin * shade[..., None] + gloss * shine[..., None]
    canvas.paint(colour.clip(0, 1), cover((np.hypot(ny, nx) - 1) * radius))


def wood(canvas: Canvas, dark: str, light: str, angle: float, pitch: float) -> Field:
    """Colours of a board: year rings drawn out along the grain, pores, and streaks."""
    across = canvas.y * math.cos(angle) - canvas.x * math.sin(angle)
    rings = across + 2.4 * canvas.noise(7, 26) + 0.25 * canvas.noise(0.7, 9)
    wave = 0.5 + 0.5 * np.sin(2 * math.pi * rings / pitch)
    tone = 0.55 * wave**1.6 + 0.12 * canvas.noise(0.35, 5) + 0.25 + 0.08 * canvas.noise(9, 14)
    return gradient(tone.clip(0, 1), {0: dark, 1: light})


# ---------------------------------------------------------------------------------- still life


def still_life() -> Canvas:
    """Fruit in a painted bowl, dried grasses in a bottle, a knitted cloth, on a wooden table."""
    canvas = new_canvas(112, 144, seed=1)
    glow = np.hypot(canvas.y - 18, (canvas.x - 40) * 0.7)
    wall = gradient(glow, {0: "bdb8a8", 60: "808585", 125: "4c545c"})
    canvas.rgb[:] = (
        wall * (1 + 0.018 * canvas.noise(0.6, 0.6) + 0.02 * canvas.noise(5, 5))[..., None]
    )
    edge = 67.5 + 0.004 * (canvas.x - 70)
    board = wood(canvas, "422412", "a86b38", 0.03, 6.5)
    canvas.paint(board, cover(edge - canvas.y))
    for near in (-95, -20, 55, 130, 205, 280):
        seam = polyline(canvas, [(66, 72 + 0.36 * (near - 72)), (114, near)])
        canvas.paint("21120a", 0.75 * cover(seam - 0.28) * cover(edge - canvas.y))
    canvas.shade(1 - 0.35 * cover(abs(canvas.y - edge), 5) * (canvas.y > edge))
    canvas.shade(1.12 - 0.3 * canvas.x / 144)
    _grasses(canvas)
    _cloth(canvas)
    _bowl(canvas)
    canvas.shade(1 - 0.5 * cover(ellipse(canvas, (99, 44), (4, 12)), 5))
    ball(canvas, (92, 38), 9, tint("edcc38", 1 + 0.035 * canvas.noise(0.4, 0.4)), 0.4)
    return canvas


def _grasses(canvas: Canvas) -> None:
    """A bottle with thin stems that lean all ways."""
    canvas.shade(1 - 0.45 * cover(ellipse(canvas, (81, 34), (3.5, 14)), 6))
    for i, lean in enumerate((-19, -12, -7, -2, 3, 9, 15, 22)):
        tip = (9 + 5 * (i % 3) + abs(lean) * 0.5, 24 + lean)
        stem = curve((52, 24 + lean * 0.08), (30, 24 + lean * 0.3), tip)
        canvas.paint("6b5729", 0.9 * cover(polyline(canvas, stem) - 0.3))
        for j in range(7):
            y, x = stem[-1 - j // 2]
            side = (1 if j % 2 else -1) * (0.9 + 0.12 * j)
            ear = polyline(canvas, [(y + 1.6, x), (y - 1.4 + j * 0.2, x + side)])
            canvas.paint(np.array([0.86, 0.68 - 0.03 * i, 0.3]), cover(ear - 0.42))
    width = np.interp(canvas.y, [44, 52, 55, 60, 64, 80, 82], [3, 3, 3.3, 8, 9.6, 9.6, 8.6])
    across = (canvas.x - 24) / width
    glass = gradient(
        across, {-1: "1a382e", -0.6: "336b54", 0.3: "1f4c3d", 0.8: "4c8061", 1: "142921"}
    )
    inside = cover((abs(across) - 1) * width) * cover(44 - canvas.y) * cover(canvas.y - 82)
    canvas.paint(glass, 0.93 * inside)
    shine = cover(abs(across + 0.62) * width - 0.7, 0.8) * cover(abs(canvas.y - 70) - 8, 3)
    canvas.paint("dbede6", 0.75 * shine)
    canvas.paint("8cb89e", 0.7 * cover(abs(canvas.y - 44.4) - 0.4) * inside)


def _cloth(canvas: Canvas) -> None:
    """A knitted cloth: columns of V stitches in stripes, thrown over the corner of the table."""
    u = (canvas.x * 0.97 + canvas.y * 0.24) + 1.2 * np.sin(canvas.y / 9)
    v = (canvas.y * 0.97 - canvas.x * 0.24) + 1.4 * np.sin(canvas.x / 11)
    edge = np.maximum.reduce([55 - v + 0.5 * abs(u % 4.4 - 2.2), 97 - u, v - 130])
    canvas.shade(1 - 0.5 * cover(edge - 1.5, 5))
    leg = u / 4.4 % 1
    rise = (v - 2.6 * abs(leg - 0.5) * 2) / 3.3
    strand = (0.5 + 0.5 * np.cos(2 * math.pi * rise)) * np.sin(math.pi * (leg * 2 % 1)) ** 0.7
    row = np.floor(rise).astype(int) % 9
    red, cream, blue = rgb("a82421"), rgb("eddebd"), rgb("2b456b")
    chosen = np.array([cream, cream, red, red, blue, cream, blue, red, red])[row]
    folds = 0.82 + 0.2 * np.sin(u / 5.5 + 0.08 * v) + 0.05 * canvas.noise(0.4, 0.4)
    canvas.paint(chosen * ((0.35 + 0.75 * strand) * folds)[..., None], cover(edge))


def _bowl(canvas: Canvas) -> None:
    """A bowl of fruit with a painted border."""
    cy, cx, rx = 64.0, 82.0, 29.0
    canvas.shade(1 - 0.6 * cover(ellipse(canvas, (91, 90), (7, 30)), 9))
    canvas.paint("e6e0cc", cover(ellipse(canvas, (cy, cx), (7, rx))))
    inner = ellipse(canvas, (cy + 0.2, cx), (6, rx - 1.6))
    canvas.paint("4c453d", cover(inner, 1.5))
    peel = canvas.noise(0.45, 0.45)[..., None]
    blush = cover(np.hypot(canvas.y - 57, canvas.x - 67) - 9, 14)[..., None]
    apple = rgb("b8bd40") * (1 - blush) + rgb("c2211f") * blush
    apple = apple * (1 + 0.1 * canvas.noise(4, 0.5))[..., None]
    plum = tint("572b5c", 1 + 0.06 * canvas.noise(1.5, 1.5))
    ball(canvas, (55, 84), 10.5, rgb("f2801a") * (1 + 0.035 * peel), 0.3)
    ball(canvas, (60, 103), 7.5, plum, 0.45)
    ball(canvas, (58, 67), 11, apple, 0.6)
    ball(canvas, (63.5, 92), 9, rgb("f29924") * (1 + 0.035 * peel), 0.3)
    stalk = polyline(canvas, curve((49, 67), (45, 67), (42.5, 70)))
    canvas.paint("3d240f", cover(stalk - 0.55))
    depth = ((canvas.y - cy) / 27).clip(0, 1)
    width = rx * np.sqrt((1 - depth**2.4).clip(1e-6, 1))
    across = ((canvas.x - cx) / width).clip(-1, 1)
    turn = np.arcsin(across)
    band = canvas.y - cy - 7 * np.sqrt(1 - across**2)
    body = np.maximum.reduce([abs(canvas.x - cx) - width, cy - canvas.y, -inner, canvas.y - 91])
    light = 0.3 + 0.72 * np.cos(turn + 0.62).clip(0, 1) - 0.28 * depth
    glaze = tint("ede8d6", light + 0.01 * canvas.noise(2, 2))
    canvas.paint(glaze.clip(0, 1), cover(body))
    zigzag = abs(band - 5 - 2.6 * abs((turn * 4.5) % 1 - 0.5) * 2) - 0.5
    painted = np.minimum.reduce([zigzag, abs(band - 1.8) - 0.45, abs(band - 9.6) - 0.3])
    blue = tint("1f3d8c", 0.5 + 0.8 * light)
    canvas.paint(blue.clip(0, 1), cover(painted) * cover(body))
    rim = abs(ellipse(canvas, (cy, cx), (6.6, rx - 0.8))) - 0.35
    canvas.paint("f7f5eb", 0.6 * cover(rim) * (canvas.y > cy))


# ------------------------------------------------------------------------------------- harbour


def harbour() -> Canvas:
    """Boats at dusk before a small town, with rigging, ripples, and a pier."""
    canvas = new_canvas(104, 160, seed=2)
    _sky(canvas)
    _shore(canvas)
    ripple = canvas.noise(0.5, 3.2) + 0.6 * canvas.noise(1.2, 7)
    _water(canvas, 56, ripple)
    for place, size, sail in ((49, 0.6, True), (72, 0.85, True), (122, 1.15, False)):
        _boat(canvas, (57 + 11 * size, place), size, ripple, is_sailing=sail)
    _pier(canvas)
    for y, x, span in ((14, 92, 3.4), (18, 101, 2.6), (11, 106, 2.2)):
        left = polyline(canvas, curve((y - 1, x - span), (y - 1.6, x - span / 3), (y, x)))
        right = polyline(canvas, curve((y, x), (y - 1.8, x + span / 3), (y - 1.3, x + span)))
        canvas.paint("242133", cover(np.minimum(left, right) - 0.28))
    return canvas


def _sky(canvas: Canvas) -> None:
    colours: Stops = {0: "263361", 18: "545480", 34: "b27a80", 46: "f29e6b", 56: "ffcc80"}
    canvas.rgb[:] = gradient(canvas.y, colours)
    cloud = (
        0.75 * canvas.noise(1.5, 13) + 0.45 * canvas.noise(0.7, 5) + 0.25 * canvas.noise(0.4, 1.6)
    )
    height = np.interp(canvas.y, [0, 12, 30, 44, 52], [0.15, 0.7, 1, 0.6, 0])
    amount = height * cover(0.5 - cloud, 1.6)
    below = gradient(canvas.y, {6: "806680", 30: "fa9e73", 50: "ffcc8c"})
    canvas.paint(below, 0.75 * amount)
    canvas.paint("5c4c6b", 0.5 * height * cover(1.1 - cloud, 1.2))
    from_sun = np.hypot(canvas.y - 46, canvas.x - 92)
    canvas.paint("ffdb99", 0.8 * np.exp(-from_sun / 15))
    canvas.paint("fff7db", cover(from_sun - 4.2, 0.8))


def _shore(canvas: Canvas) -> None:
    """Two ranges of hills, houses with lit windows, a lighthouse."""
    for base, rise, size, colour in ((49, 4.0, 22, "8c6b80"), (53, 2.6, 9, "544761")):
        ridge = base - rise * canvas.noise(1, size)[:1] - 6 * np.cos(canvas.x / 42) ** 2
        canvas.paint(colour, cover(ridge - canvas.y) * cover(canvas.y - 57))
    for i in range(13):
        x, wide = 3 + 4.9 * i, 2.0 + 0.5 * (i * 7 % 4)
        top = 48.5 + 2.2 * math.sin(2.1 * i) - 0.05 * abs(x - 30)
        wall = np.maximum(abs(canvas.x - x) - wide, top - canvas.y)
        roof = np.maximum(abs(canvas.x - x) * 0.8 - (canvas.y - top + 2.6), canvas.y - top)
        tone = 0.8 + 0.2 * math.cos(3 * i)
        canvas.paint(rgb("806166") * tone, cover(wall))
        canvas.paint(rgb("613033") * tone, cover(roof))
        for row in range(2):
            for side in (-1, 1):
                place = (top + 1.6 + 2.6 * row, x + side * wide / 2.2)
                pane = box(canvas, place, (0.6, 0.42))
                glow = "ffd66b" if (i * 5 + row * 3 + side) % 4 else "40384c"
                canvas.paint(glow, cover(pane))
    _lighthouse(canvas)
    quay = np.maximum(canvas.x - 66, abs(canvas.y - 55.6) - 0.75)
    rock = ellipse(canvas, (56.2, 149), (2.6, 7)) + 0.4 * canvas.noise(0.6, 0.9)
    canvas.paint("382e36", cover(quay))
    canvas.paint("453840", cover(rock))
    canvas.paint("a87a73", 0.7 * cover(np.maximum(quay, canvas.y - 55.2)))


def _lighthouse(canvas: Canvas) -> None:
    slim = np.interp(canvas.y, [31, 56], [1.7, 3.0])
    tower = np.maximum.reduce([abs(canvas.x - 149) - slim, 32 - canvas.y])
    stripes = np.array([rgb("dbccc7"), rgb("9e3333")])[((canvas.y - 32) // 5).astype(int) % 2]
    round_light = (0.95 - 0.3 * (canvas.x - 149) / slim).clip(0.4, 1.1)
    canvas.paint(stripes * round_light[..., None], cover(tower))
    canvas.paint("332b38", cover(box(canvas, (31.6, 149), (0.5, 2.3))))
    canvas.paint("ffeb9e", cover(box(canvas, (29.6, 149), (1.5, 1.2))))
    roof = np.maximum(abs(canvas.x - 149) * 1.2 - (canvas.y - 25.6), canvas.y - 28.2)
    canvas.paint("4c1f24", cover(roof))


def _mirrored(canvas: Canvas, picture: Field, line: float, ripple: Field) -> Field:
    """Look up ``picture`` mirrored at the height ``line``, shaken by the ripples."""
    below = (canvas.y - line).clip(0, None)
    sway = ripple * (0.25 + 0.05 * below)
    rows = ((line - 0.92 * below - 1.6 * sway) * FACTOR).astype(int).clip(0, len(picture) - 1)
    columns = ((canvas.x + sway) * FACTOR).astype(int).clip(0, picture.shape[1] - 1)
    found: Field = picture[rows, columns]
    return found


def _water(canvas: Canvas, line: float, ripple: Field) -> None:
    mirror = _mirrored(canvas, canvas.rgb, line, ripple)
    deep = gradient(canvas.y, {56: "806670", 104: "121c38"})
    mirror = 0.68 * mirror + 0.26 * deep
    mirror = mirror * (1 - 0.35 * (canvas.y - 56).clip(0, 48)[..., None] / 48)
    canvas.paint(mirror, cover(line - canvas.y))
    path = np.exp(-(((canvas.x - 92) / (5 + 0.28 * (canvas.y - 56).clip(0, 48))) ** 2))
    sparkle = cover(0.65 - ripple, 0.9) * path * cover(line + 0.5 - canvas.y)
    canvas.paint("ffde99", 0.85 * sparkle)
    canvas.paint("edbf94", 0.35 * cover(abs(canvas.y - line) - 0.2))


RIGGING: tuple[tuple[Point, Point], ...] = (
    *(((29, 0.3), (4.4, 12)), ((29, 0.3), (4.4, -10)), ((29, 0.3), (7, -9)), ((5.6, 0), (7, -9))),
    *(((22, 0.2), (3.6, 5)), ((22, 0.2), (3.6, -5)), ((19, -2.5), (19, 2.9))),
)
"""Lines of a boat, each between two places (up from its foot, right of its mast)."""


def _boat(canvas: Canvas, foot: Point, size: float, ripple: Field, *, is_sailing: bool) -> None:
    """A boat with its mast, rigging, and mirror image."""
    layer = Canvas(np.zeros_like(canvas.rgb), canvas.y, canvas.x, canvas.rng)
    alpha = np.zeros_like(canvas.y)

    def put(colour: str, distance: Field) -> None:
        mask = cover(distance)
        layer.paint(colour, mask)
        np.maximum(alpha, mask, out=alpha)

    def at(up: float, right: float) -> Point:
        return foot[0] - up * size, foot[1] + right * size

    up, right = (foot[0] - canvas.y) / size, (canvas.x - foot[1]) / size
    if is_sailing:
        main = np.maximum.reduce([-right - 0.1 * up - 9.5 + 0.42 * up, right + 0.6, 5.5 - up])
        jib = np.maximum.reduce([0.6 - right, right - 12.5 + 0.4 * up, 5 - up])
        put("e6bda3", main * size)
        put("f5d6b8", jib * size)
    deck = 3.4 + 0.012 * right**2 + 0.04 * right
    hull = np.maximum.reduce([up - deck, abs(right - 0.8) - 9.5 - 0.7 * up, -up])
    put("29293d", hull * size)
    put("c7b8ad", np.maximum(hull, abs(up - 2.7) - 0.35) * size)
    put("9e8075", np.maximum(abs(right + 3) - 3, abs(up - 4.7) - 1.2) * size)
    put("facc6b", np.maximum(abs(abs(right + 3) - 1.5) - 0.7, abs(up - 4.8) - 0.5) * size)
    put("332424", polyline(canvas, [at(3, 0), at(29, 0.3)]) - 0.32 * size**0.5)
    for start, end in RIGGING:
        put("33292e", polyline(canvas, [at(*start), at(*end)]) - 0.17)
    mirror = _mirrored(canvas, np.dstack([layer.rgb, alpha]), foot[0], ripple)
    fade = np.interp(canvas.y, [foot[0], foot[0] + 26], [0.8, 0.25]) * (canvas.y > foot[0])
    canvas.paint(0.75 * mirror[..., :3], mirror[..., 3] * fade)
    canvas.paint(layer.rgb, alpha)


def _pier(canvas: Canvas) -> None:
    """Planks that run to the lower left corner, posts, and a slack rope."""
    slope = 28 / 60
    deep = canvas.y - 80 - slope * (canvas.x - 2)
    planks = (canvas.x * 0.55 + canvas.y * 0.9) / 4.2
    board = wood(canvas, "291f21", "75574c", -0.9, 3.0)
    board = board * (0.8 + 0.35 * np.sin(np.floor(planks) * 2.4)[..., None] ** 2)
    canvas.paint("0d0f1a", 0.6 * cover(-deep - 2, 3))
    canvas.paint(board, cover(-deep))
    canvas.paint("0f0d12", 0.85 * cover((abs(planks % 1 - 0.5) - 0.42) * -4.2) * cover(-deep))
    canvas.paint("cc8c6b", 0.6 * cover(abs(deep) - 0.3))
    tops: list[Point] = []
    for x in (6, 24, 43):
        y = 82 + slope * (x - 2)
        tone = gradient(canvas.x - x, {-1.5: "241a1c", 0.6: "805747", 1.5: "bf805c"})
        canvas.paint(tone, cover(box(canvas, (y - 5, x), (6, 1.5))))
        canvas.paint("cc9e80", cover(ellipse(canvas, (y - 11, x), (0.6, 1.5))))
        tops.append((y - 8, x))
    for (y0, x0), (y1, x1) in pairwise(tops):
        rope = curve((y0, x0), ((y0 + y1) / 2 + 7, (x0 + x1) / 2), (y1, x1), 14)
        canvas.paint("b28c6b", cover(polyline(canvas, rope) - 0.35))


# ---------------------------------------------------------------------------------------- page

TEXT = (
    "he boats came in before",
    "the wind, seven of them,",
    "each with a lamp at her",
    "bow. We counted twice,",
    "for in that light a sail",
    "and its own reflection",
    "are easily confused.",
)


TYPE_FACTOR = 4 * FACTOR
"""Letters are drawn larger still, where versions of FreeType agree on them."""


def font(size: float) -> ImageFont.FreeTypeFont:
    """Pillow's own font, laid out the same with and without its optional text engine."""
    face = ImageFont.load_default(size=size * TYPE_FACTOR)
    if not isinstance(face, ImageFont.FreeTypeFont):
        raise TypeError("this Pillow was built without FreeType")
    return face.font_variant(layout_engine=ImageFont.Layout.BASIC)


def page() -> Canvas:
    """A printed page with an engraving, on a desk, with a cup and a pencil."""
    canvas = new_canvas(157, 131, seed=3)
    canvas.rgb[:] = wood(canvas, "331f14", "6b452b", 0.05, 8)
    angle = math.radians(-4)
    cos, sin = math.cos(angle), math.sin(angle)
    v = (canvas.y - 80) * cos - (canvas.x - 60) * sin + 68
    u = (canvas.y - 80) * sin + (canvas.x - 60) * cos + 48
    sheet = np.maximum(abs(u - 48) - 48, abs(v - 68) - 68)
    canvas.shade(1 - 0.6 * cover(np.maximum(abs(u - 50) - 47, abs(v - 71) - 67), 6))
    ink = _printed(canvas, u, v)
    curl = lit(0.05 * np.sin(v / 30), 0.35 * ((96 - u) / 96) ** 5 + 0.16 * np.sin(u / 31))
    paper = tint("fff5de", 0.28 + 0.88 * curl + 0.012 * canvas.noise(0.5, 0.5))
    paper = paper * (1 - 0.86 * ink)[..., None] + tint("1a1417", 0.3 * ink)
    canvas.paint(paper.clip(0, 1), cover(sheet))
    _cup(canvas)
    _pencil(canvas)
    canvas.shade(1.08 - 0.0022 * np.hypot(canvas.y - 50, canvas.x - 40))
    return canvas


def _printed(canvas: Canvas, u: Field, v: Field) -> Field:
    """Ink on the page, 0..1, at the page's places ``(v, u)``."""
    sheet = Image.new("L", (96 * TYPE_FACTOR, 136 * TYPE_FACTOR), 0)
    draw = ImageDraw.Draw(sheet)

    def write(y: float, x: float, text: str, size: float, *, is_bold: bool = False) -> None:
        stroke = TYPE_FACTOR // FACTOR if is_bold else 0
        place = (round(x * TYPE_FACTOR), round(y * TYPE_FACTOR))
        draw.text(place, text, 255, font(size), stroke_width=stroke, anchor="ls")

    write(19, 11, "Evening", 15, is_bold=True)
    write(28, 11.5, "FROM THE HARBOUR BOOK", 5.2)
    write(89.3, 10.5, "T", 18, is_bold=True)
    for i, line in enumerate(TEXT):
        write(83 + 7 * i, 21.5 if i < 2 else 11, line, 6.0)
    write(132, 45, "27", 5.5)
    sheet = sheet.reduce(TYPE_FACTOR // FACTOR)
    rows, columns = (v * FACTOR).astype(int), (u * FACTOR).astype(int)
    inside = (rows >= 0) & (rows < sheet.height) & (columns >= 0) & (columns < sheet.width)
    levels = np.asarray(sheet, dtype=np.float64) / 255
    spread = 0.93 + 0.05 * canvas.noise(0.4, 0.4)
    found = levels[rows.clip(0, sheet.height - 1), columns.clip(0, sheet.width - 1)]
    rule = cover(np.maximum(abs(v - 32) - 0.25, abs(u - 48) - 37))
    ink: Field = np.maximum.reduce([found * inside, rule, _engraving(u, v)])
    return ink * spread


def _engraving(u: Field, v: Field) -> Field:
    """A sun over the sea, in lines: rays all round, waves below, a hatched headland."""
    from_sun, turn = np.hypot(v - 58, u - 48), np.arctan2(58 - v, u - 48)
    rays = abs(turn / math.pi * 29 % 1 - 0.5) * from_sun * math.pi / 29 - 0.28
    ridge = 58 - 0.46 * (u - 61)
    hatching = abs((u - 0.25 * (58 - v)) / 1.7 % 1 - 0.5) * 1.7 - 0.25
    land = np.maximum.reduce([ridge - v, v - 58, 61 - u])
    lines = [
        np.maximum.reduce([rays, 9 - from_sun, v - 57.5, 0.6 - land]),
        np.maximum(abs(from_sun - 7.5) - 0.45, v - 58),
        np.maximum(hatching, land),
        np.maximum(abs(land) - 0.4, 60.5 - u),
    ]
    for i in range(7):
        y = 58 + 2.2 * i + 0.1 * i * i
        lines.append(abs(v - y - 0.5 * np.sin(u / 2.3 + 2 * i) * (i > 0)) - 0.27)
    frame = np.maximum(abs(u - 48) - 37, abs(v - 55) - 19.5)
    inside = np.maximum(np.minimum.reduce(lines), frame)
    return cover(np.minimum(inside, abs(frame) - 0.4))


def _cup(canvas: Canvas) -> None:
    """A cup of coffee seen from above, at the corner of the picture."""
    centre = (18.0, 112.0)
    away: Field = np.hypot(canvas.y - centre[0], canvas.x - centre[1])
    turn = np.arctan2(canvas.y - centre[0], canvas.x - centre[1])
    toward = -np.sin(turn + 0.9)
    canvas.shade(1 - 0.55 * cover(np.hypot(canvas.y - 23, canvas.x - 117) - 25, 9))
    saucer = 0.74 + 0.1 * toward * np.sin((away - 16) / 3) + 0.05 * toward
    canvas.paint(tint("edf2f7", saucer), cover(away - 26))
    canvas.paint("3d5c94", 0.85 * cover(abs(away - 24) - 0.45))
    canvas.shade(
        1 - 0.4 * cover(np.hypot(canvas.y - 20, canvas.x - 114) - 17, 5) * cover(16 - away)
    )
    wall = 0.82 - 0.16 * toward * np.sign(away - 15.2)
    canvas.paint(tint("f5f7fa", wall), cover(away - 16.5))
    coffee = gradient(away, {0: "57301a", 11: "472614", 14: "804f2b"})
    canvas.paint(coffee, cover(away - 14))
    swirl = np.sin(turn * 1 + away * 0.75) + 0.35 * canvas.noise(1.6, 1.6)
    canvas.paint("d4a36e", 0.75 * cover(0.45 - swirl, 0.7) * cover(away - 10.5, 3))
    canvas.paint("f2ede6", 0.5 * cover(ellipse(canvas, (11, 105), (1.2, 3)), 1.5))


def _pencil(canvas: Canvas) -> None:
    """A pencil laid across the corner of the page."""
    angle = math.radians(-38)
    along = (canvas.x - 76) * math.cos(angle) + (canvas.y - 150) * math.sin(angle)
    across = -(canvas.x - 76) * math.sin(angle) + (canvas.y - 150) * math.cos(angle)
    canvas.shade(1 - 0.5 * cover(np.maximum(abs(across - 2.4) - 2.4, 3 - along), 3))
    taper = np.interp(along, [0, 9.5], [0.15, 3.1])
    face = np.floor((across / 3.1 + 1) * 1.5)
    tone = np.select([face < 1, face < 2], [1.0, 0.82], 0.55) + 0.04 * canvas.noise(0.5, 0.5)
    lacquer = tint("de8f1a", tone)
    bare = tint("e0b27a", 1 - 0.14 * across / 3 + 0.04 * canvas.noise(0.4, 0.4))
    scallop = along - 9.2 - 0.9 * abs(np.sin((across / 3.1 + 1) * 1.5 * math.pi))
    body = cover(np.maximum(abs(across) - taper, -along))
    canvas.paint(bare, body)
    canvas.paint(lacquer, body * cover(-scallop))
    canvas.paint("29262b", body * cover(along - 3.2))
    canvas.paint("ffe69e", 0.6 * body * cover(-scallop) * cover(abs(across + 1.5) - 0.22, 0.5))


# -------------------------------------------------------------------------------------- leaves


def leaves() -> Canvas:
    """Autumn leaves on gravel, with drops of rain and a ladybird."""
    canvas = new_canvas(112, 128, seed=4)
    _gravel(canvas)
    twig = curve((8, 96), (30, 110), (70, 118), 16)
    canvas.shade(1 - 0.5 * cover(polyline(canvas, [(y + 2, x + 2) for y, x in twig]) - 1.3, 2.5))
    bark = tint("4c3324", 1 + 0.2 * canvas.noise(0.4, 0.4))
    canvas.paint(bark, cover(polyline(canvas, twig) - 1.1))
    ochre: Stops = {0: "9e8029", 0.6: "cc8c24", 1: "994c1a"}
    green: Stops = {0: "738f33", 0.6: "4c7526", 1: "666b1f"}
    scarlet: Stops = {0: "d98029", 0.5: "c43d1a", 1: "801a17"}
    _leaf(canvas, (78, 92), (34, -0.5), ochre, lobes=2.6)
    _leaf(canvas, (34, 78), (31, 0.75), green, lobes=0)
    _leaf(canvas, (62, 40), (40, -1.05), scarlet, lobes=0)
    for y, x, size in ((50, 38, 3.1), (67, 33, 2.2), (76, 47, 1.7), (25, 70, 2.4), (84, 98, 2.1)):
        _drop(canvas, (y, x), size)
    _ladybird(canvas, (37, 88))
    return canvas


def _gravel(canvas: Canvas) -> None:
    """Rounded stones: cells around scattered points, raised by the distance to their borders."""
    first = np.full(canvas.y.shape, np.inf)
    second, owner = first.copy(), np.zeros(canvas.y.shape, dtype=int)
    wy, wx = canvas.y + 0.5 * canvas.noise(1.5, 1.5), canvas.x + 0.5 * canvas.noise(1.5, 1.5)
    rows, columns = 17, 19
    shift = canvas.rng.random((rows * columns, 3))
    for index in range(rows * columns):
        cy = (index // columns + 0.9 * shift[index, 0] - 0.5) * 7.1
        cx = (index % columns + 0.9 * shift[index, 1] - 0.5) * 7.2
        away = np.hypot((wy - cy) * 1.15, wx - cx) - 1.5 * shift[index, 2]
        is_first = away < first
        second = np.where(is_first, first, np.minimum(second, away))
        owner = np.where(is_first, index, owner)
        first = np.minimum(first, away)
    inner = ((second - first) / 4.6).clip(0, 1)
    height = 3.2 * np.sqrt(1 - (1 - inner) ** 2) + 0.05 * canvas.noise(0.4, 0.4)
    slope_y, slope_x = (s * FACTOR for s in np.gradient(height))
    tone = canvas.rng.random(rows * columns)[owner]
    colours: Stops = {0: "5c5c61", 0.35: "8f8a85", 0.6: "806e5e", 0.85: "ada18f", 1: "ccc7bd"}
    stone = gradient(tone, colours)
    speckle = 1 + 0.07 * canvas.noise(0.35, 0.35) + 0.06 * canvas.noise(1.2, 1.2)
    light = 0.4 + 0.8 * lit(slope_y, slope_x)
    gap = 0.35 + 0.65 * cover(0.12 - inner, 0.25)
    canvas.rgb[:] = (stone * (speckle * light * gap)[..., None]).clip(0, 1)


def _leaf(canvas: Canvas, centre: Point, pose: Point, colours: Stops, *, lobes: float) -> None:
    """A leaf with midrib and side veins; ``lobes`` a side, or a plain outline with teeth.

    ``pose`` is half its length, and the angle at which it lies.
    """
    length, angle = pose
    cos, sin = math.cos(angle), math.sin(angle)

    def local(shift: float) -> tuple[Field, Field]:
        y, x = canvas.y - centre[0] - shift, canvas.x - centre[1] - shift
        u = (x * cos + y * sin) / length
        return u, (y * cos - x * sin) / length - 0.09 * (u**2 - 0.5)

    def outline(u: Field, v: Field) -> Field:
        half = 0.36 * (1 - u.clip(-1, 1) ** 2) ** 0.85 * (1.1 - 0.35 * u)
        if lobes:
            half = half * (0.95 + 0.2 * np.sin(2 * math.pi * lobes * (u - 0.3 * abs(v))))
        else:
            half = half + 0.014 * (((u + 0.3 * abs(v)) * 13) % 1 - 0.5)
        return np.maximum(abs(v) - half, abs(u) - 1) * length

    canvas.shade(1 - 0.62 * cover(outline(*local(2.6)), 5))
    u, v = local(0)
    mask = cover(outline(u, v))
    phase = (u - 0.75 * abs(v) + 0.5 * v**2) * 7
    ridge = abs(phase % 1 - 0.5)
    vein = cover((0.5 - ridge) * length / 7 - 0.3, 0.5)
    midrib = cover(abs(v) * length - np.interp(u, [-1, 1], [0.85, 0.2]), 0.4)
    stem = cover(np.maximum(abs(v) * length - 0.75, abs(u + 1.12) * length - 0.16 * length))
    skin = [rgb(code) for code in colours.values()]
    spread = (abs(v) / 0.3 + 0.3 * abs(u) + 0.12 * canvas.noise(2.5, 2.5)).clip(0, 1)
    bulge = 0.9 - 0.1 * np.cos(2 * math.pi * phase) - 0.22 * cos * np.sign(v)
    flesh = gradient(spread, colours) * (bulge + 0.05 * canvas.noise(0.45, 0.45))[..., None]
    pale = skin[0] * 0.55 + 0.42
    canvas.paint(skin[-1] * 0.6, stem)
    canvas.paint(flesh.clip(0, 1), mask)
    spots = cover(1.9 - canvas.noise(0.9, 0.9), 0.5)
    canvas.paint("3d2112", 0.6 * spots * mask)
    canvas.paint(pale, 0.5 * vein * mask)
    canvas.paint(pale, 0.85 * midrib * mask)


def _drop(canvas: Canvas, centre: Point, radius: float) -> None:
    """A drop of water: dark towards the light, bright away from it, with a glint."""
    ny, nx = (canvas.y - centre[0]) / radius, (canvas.x - centre[1]) / radius
    away = np.hypot(ny, nx)
    canvas.shade(1 - 0.45 * cover(np.hypot(ny - 0.4, nx - 0.4) * radius - radius, 1.6))
    mask = cover((away - 1) * radius)
    through = 0.95 + 0.5 * (ny + nx) * 0.7
    canvas.paint((canvas.rgb * through[..., None] + 0.03).clip(0, 1), mask)
    glint = np.hypot(ny + 0.42, nx + 0.4) * radius
    canvas.paint("ffffff", 0.95 * cover(glint - 0.24 * radius, 0.5) * mask)
    canvas.paint("fff7e6", 0.3 * cover(abs(away - 0.82) * radius - 0.2, 0.6) * (ny + nx > 0.6))


def _ladybird(canvas: Canvas, centre: Point) -> None:
    y, x = centre
    canvas.shade(1 - 0.6 * cover(ellipse(canvas, (y + 1.3, x + 1.3), (4.2, 4.6)), 2))
    for side in (-1, 1):
        for reach in (-2.4, 0, 2.4):
            leg = polyline(canvas, [(y, x + reach), (y + side * 4.9, x + reach * 1.35)])
            canvas.paint("0f0d0d", cover(leg - 0.3))
    ball(canvas, (y, x + 3.9), 2.1, rgb("1a171a"), 0.4)
    spots = [abs(canvas.y - y) - 0.22]
    for dy, dx in ((-1.9, -1.6), (1.9, -1.6), (-2.1, 1.4), (2.1, 1.4), (0, 3.0)):
        spots.append(np.hypot(canvas.y - y - dy, canvas.x - x - dx) - 0.85)
    black = cover(np.minimum.reduce(spots))
    shell = tint("120d0f", black) + tint("db1f14", 1 - black)
    ball(canvas, centre, 4.1, shell, 0.8)


PHONE_NOISE, PHONE_QUALITY = 4.0, 70
"""Of a photo as a phone's messenger sends it: levels of noise, and quality of the JPEG."""

SIDEWAYS = 6
"""EXIF's orientation of a phone that was held upright."""


def as_by_phone(picture: Image.Image, folder: Path) -> None:
    """Save a picture as a phone would: noisy, sharpened, stored sideways, compressed hard."""
    grain = np.random.default_rng(0).normal(0, PHONE_NOISE, (picture.height, picture.width, 3))
    noisy = (np.asarray(picture, dtype=np.float64) + grain).round().clip(0, 255).astype(np.uint8)
    sharp = Image.fromarray(noisy).filter(ImageFilter.UnsharpMask(1.0, 60, 0))
    stored = sharp.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = SIDEWAYS
    exif[ExifTags.Base.Software] = "drawn by draw_samples.py"
    stored.save(folder / "phone.jpg", quality=PHONE_QUALITY, subsampling="4:2:0", exif=exif)


PICTURES: dict[str, Callable[[], Canvas]] = {
    "still_life.png": still_life,
    "harbour.jpg": harbour,
    "small_letters.png": page,
    "leaves.png": leaves,
}


def main(folder: Path) -> None:
    """Draw every picture into ``folder``."""
    for name, draw in PICTURES.items():
        draw().finish().save(folder / name, quality=95, optimize=True)
    as_by_phone(leaves().finish().transpose(Image.Transpose.FLIP_LEFT_RIGHT), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "samples")
