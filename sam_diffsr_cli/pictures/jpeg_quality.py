"""The quality that a JPEG was saved with, read from its tables of quantisation."""

from collections.abc import Mapping, Sequence

__all__ = ["jpeg_quality"]

STANDARD_SUM = 3688
"""Of the IJG's table of luminance at quality 50 (ITU-T T.81, table K.1)."""


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """Return the quality of the IJG's scale whose table of luminance is as coarse.

    That is what the last program saved with. What came before it may have been harder, so it is an
    upper bound of how good the picture is, and nothing more.

    Args:
        tables: By number, 64 steps each; luminance is 0.

    Returns:
        1 to 100, or None without a table.
    """
    luminance = tables.get(0)
    if luminance is None or len(luminance) != 64:
        return None
    # The IJG scales by 200 - 2 q percent, or 5000 / q below 50, and cuts at 1 and 255.
    percent = 100 * sum(luminance) / STANDARD_SUM
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return max(1, min(100, round(quality)))
