"""Round numbers for the axes of a chart, and numbers as people write them."""

import math
import re

__all__ = ["format_number", "linear_ticks", "log_ticks"]


def format_number(value: float | None, digits: int = 6) -> str:
    """Write a number with so many digits: 12,000, 0.25, 3e-5; a dash for None or not finite."""
    if value is None or not math.isfinite(value):
        return "-"
    return _write(value, digits, abs(value))


def _write(value: float, digits: int, size: float) -> str:
    """Write a number among others of about ``size``, as they are written."""
    if value != 0 and not 1e-4 <= size < 1e9:
        return re.sub(r"e([+-])0*", _exponent, f"{value:.{digits}g}")
    text = f"{value:,.{max(0, digits - 1 - math.floor(math.log10(abs(value) or 1)))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exponent(match: re.Match[str]) -> str:
    return "e-" if match[1] == "-" else "e"


def linear_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Find round values from ``low`` up to ``high``, in steps of 1, 2 or 5 times a power of ten.

    Args:
        low: The lowest that may be.
        high: The highest; more than a billionth of itself above ``low``.
        most: How many at most, 2 or more.

    Returns:
        Values with their labels, which differ from each other.
    """
    raw = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10, 20) if _count(low, high, m * power) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    largest = max(abs(low), abs(high))
    digits = max(1, math.floor(math.log10(largest)) - math.floor(math.log10(step) + 1e-9) + 1)
    return [(n * step, _write(n * step, digits, largest)) for n in range(first, last + 1)]


def _count(low: float, high: float, step: float) -> int:
    return math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) + 1


def log_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Find ticks from ``low`` to ``high``, both above 0, for a log scale.

    These are 1, 2 and 5 times powers of ten, or where that is too many powers, or every second and
    so on; where it is too few they are those of a linear scale.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = [10.0**n for n in range(first, last + 1)]
    fine = _between([m * power for power in powers for m in (1, 2, 5)], low, high)
    if len(fine) < 3:
        return linear_ticks(low, high, most)
    coarser = (_between(powers[::every], low, high) for every in range(1, len(powers) + 1))
    chosen = next(ticks for ticks in (fine, *coarser) if len(ticks) <= most)
    return [(value, format_number(value)) for value in chosen]


def _between(values: list[float], low: float, high: float) -> list[float]:
    return [value for value in values if low <= value <= high]
