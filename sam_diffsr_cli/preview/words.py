"""Times and levels in words."""

from sam_diffsr_cli.degradation.levels import CLEAN, MOST_BLUR, MOST_NOISE, Levels

__all__ = ["describe_levels", "describe_time"]


def describe_levels(levels: Levels) -> str:
    """Say how dirty a picture is taken for, in the units that people know."""
    if levels == CLEAN:
        return "clean"
    told = []
    if levels.compression:
        told.append(f"a JPEG of quality {100 * (1 - levels.compression):.0f}")
    if levels.noise:
        told.append(f"noise of {MOST_NOISE * levels.noise:.1f} levels")
    if levels.blur:
        told.append(f"a blur of {MOST_BLUR * levels.blur:.2f} pixels")
    return ", ".join(told)


def describe_time(seconds: float) -> str:
    """Write a time as seconds, minutes or hours, no more exact than an estimate is."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h"
