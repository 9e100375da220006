"""Times in words."""

__all__ = ["describe_time"]


def describe_time(seconds: float) -> str:
    """Write a time as seconds, minutes or hours, no more exact than an estimate is."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h"
