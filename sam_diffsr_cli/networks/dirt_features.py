"""Numbers of a photo in which noise, blur and the grid of a compression show.

Nothing here is learnt: ``LevelEstimator`` learns what to make of them. All are of luma and of two
colour differences, in 8-bit levels, and mostly logarithms, since noise spans two decades.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

__all__ = ["NUM_BLOCK_FEATURES", "NUM_FEATURES", "block_features", "dirt_features"]

PLANES = ((0.299, 0.587, 0.114), (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081))
"""Luma and colour differences (BT.601)."""

SQUARE = 4
SHARES = (0.05, 0.15, 0.3, 0.5, 0.75, 0.95)
"""Of the squares in a photo: noise is what is left in those where the photo itself is flat."""

SCALES = (1, 2, 4)
"""Pixels between which differences are taken: blur takes them from the near ones."""

GRID = 8
LEAST = 0.02
"""Added before a logarithm, in 8-bit levels."""

BANDS = ((1, 2), (3, 4), (5, 7), (8, 14))
"""Of the coefficients of a block: sums of their two frequencies, the first to the last."""

PLACES = GRID**2
"""Where a grid of blocks may lie."""

NUM_BLOCK_FEATURES = 9 * len(BANDS)

NUM_FEATURES = len(PLANES) * (len(SHARES) + 2 * len(SCALES) + 2 * 6)


def dirt_features(lr: Tensor) -> Tensor:
    """Describe photos.

    Args:
        lr: ``(B, 3, h, w)`` in [-1, 1], float32, sides at least 2 * ``GRID``.

    Returns:
        ``(B, NUM_FEATURES)``, float32, about in [-2, 2].
    """
    planes = _planes(lr)
    parts = [_strengths(planes)]
    for axis in (-1, -2):
        differences = [planes.diff(dim=axis)] + [_far(planes, axis, far) for far in SCALES[1:]]
        parts += [_log(each.abs().mean(dim=(-2, -1))) for each in differences]
        parts += _grid(differences[0], axis)
    return torch.cat(parts, dim=1)


def _planes(lr: Tensor) -> Tensor:
    """Return luma and colour differences, 8-bit levels, ``(B, len(PLANES), h, w)``."""
    weights = torch.tensor(PLANES, device=lr.device)
    return torch.einsum("bchw,pc->bphw", (lr.float() + 1) * 127.5, weights)


def _log(values: Tensor) -> Tensor:
    return 0.3 * (values + LEAST).log()


def _far(planes: Tensor, axis: int, far: int) -> Tensor:
    length = planes.shape[axis] - far
    return planes.narrow(axis, far, length) - planes.narrow(axis, 0, length)


def _strengths(planes: Tensor) -> Tensor:
    """Return shares of the local strengths of fine detail, ``(B, planes * shares)``."""
    fine = planes - avg_pool2d(planes, 3, stride=1, padding=1, count_include_pad=False)
    squares = avg_pool2d(fine.square(), SQUARE).sqrt().flatten(2)
    shares = torch.tensor(SHARES, device=planes.device)
    return _log(torch.quantile(squares, shares, dim=2).permute(1, 2, 0).flatten(1))


def _grid(differences: Tensor, axis: int) -> list[Tensor]:
    """Describe how differences between neighbours depend on where they lie in a grid of 8.

    A compression leaves steps at the borders of its blocks, and flat rows within them. The grid may
    lie anywhere, and there may be two: the largest of its 8 places count, against their median.

    Returns:
        ``(B, planes)`` each: three largest, the smallest, and shares of no and of little change.
    """
    size = differences.abs()
    other = -2 if axis == -1 else -1
    along = size.sqrt().mean(dim=other)
    whole = along.shape[-1] // GRID
    by_place = along[..., : whole * GRID].reshape(*along.shape[:-1], whole, GRID).mean(dim=-2)
    ordered = (by_place + LEAST).log().sort(dim=-1, descending=True).values
    middle = ordered[..., GRID // 2 : GRID // 2 + 1]
    found = [(ordered - middle)[..., place] * 4 for place in (0, 1, 2, GRID - 1)]
    still = [(size < most).float().mean(dim=(-2, -1)) for most in (0.6, 2.0)]
    return found + still


def block_features(lr: Tensor) -> Tensor:
    """Describe how coefficients of blocks depend on where a grid of blocks lies.

    A compression rounds the coefficients of the discrete cosine transform (ITU T.81, A.3.3) of its
    own blocks, most of them to nothing. Of blocks at the place of its grid more of them are below a
    level than of those at any other, also where it was compressed again at another place.

    Args:
        lr: ``(B, 3, h, w)`` in [-1, 1], float32, sides at least 2 * ``GRID``.

    Returns:
        ``(B, NUM_BLOCK_FEATURES)``, float32, about in [-2, 3]: for each of ``BANDS``, of all places
        the three largest shares and the median; three least strengths, the largest, the median.
    """
    by_place = _coefficients(_planes(lr)[:, :1])
    sums = [row + column for row in range(GRID) for column in range(GRID)]
    parts = []
    for least, most in BANDS:
        within = [place for place, total in enumerate(sums) if least <= total <= most]
        sizes = by_place[:, within].abs()
        shares = _ordered((sizes < 1).float())
        strengths = _ordered((sizes + 0.3).log())
        middle = slice(PLACES // 2, PLACES // 2 + 1)
        parts += [shares[:, -3:] - shares[:, middle], shares[:, middle]]
        ends = torch.cat([strengths[:, :3], strengths[:, -1:]], dim=1)
        parts += [3 * (ends - strengths[:, middle]), 0.3 * strengths[:, middle]]
    return torch.cat(parts, dim=1)


def _coefficients(luma: Tensor) -> Tensor:
    """Transform the blocks at every pixel: ``(B, 64, rows, 8, columns, 8)``, 8 for the place."""
    length = torch.arange(GRID, device=luma.device, dtype=torch.float32)
    basis = (math.pi / GRID * length[:, None] * (length + 0.5)).cos() / 2
    basis[0] /= math.sqrt(2)
    vertical = conv2d(luma, basis.reshape(GRID, 1, GRID, 1))
    batch, _, height, width = vertical.shape
    found = conv2d(vertical.reshape(-1, 1, height, width), basis.reshape(GRID, 1, 1, GRID))
    rows, columns = height // GRID, found.shape[-1] // GRID
    found = found.reshape(batch, PLACES, height, -1)[..., : rows * GRID, : columns * GRID]
    return found.reshape(batch, PLACES, rows, GRID, columns, GRID)


def _ordered(values: Tensor) -> Tensor:
    """Return the means at each place, in rising order, ``(B, 64)``."""
    return values.mean(dim=(1, 2, 4)).flatten(1).sort(dim=1).values
