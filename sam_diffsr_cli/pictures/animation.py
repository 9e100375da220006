"""What an animation means in each format: how often it plays, and how long each frame is shown.

Kept are plays (0: for ever) and milliseconds. GIF counts repeats after the first play, and plays
once where it says nothing; APNG and WebP count plays. What a format cannot hold is spread so that
the whole stays right, and said.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from sam_diffsr_cli.pictures.formats import Format
from sam_diffsr_cli.pictures.records import Picture

__all__ = ["animation_notes", "delay_fraction", "loop_number", "plays_of", "written_times"]

QUICKEST_GIF_MS = 20
"""Viewers show a GIF's frames of 0 or 10 ms for about 100 ms."""

MOST_DELAY = 65_535
"""Numerator and denominator of an APNG's delay have 16 bits."""


@dataclass(frozen=True, slots=True)
class _Clock:
    """How a format counts: ms of a step, most steps of a frame, most plays; 0: only for ever."""

    step_ms: int
    most_steps: int
    most_plays: int


_CLOCKS = {
    "GIF": _Clock(10, 65_535, 65_536),
    "WEBP": _Clock(1, 2**24 - 1, 65_535),
    "AVIF": _Clock(1, 2**31 - 1, 0),
}
_PNG_PLAYS = 2**31 - 1


def plays_of(image_format: str, loop: object) -> int:
    """Return how often an animation plays (0: for ever) by the number that Pillow found."""
    if not isinstance(loop, int):
        return 1 if image_format == "GIF" else 0
    return loop + 1 if image_format == "GIF" and loop > 0 else max(loop, 0)


def loop_number(target: Format, plays: int) -> int | None:
    """Return the number that says ``plays`` in a format; None where nothing is to be written."""
    most = _PNG_PLAYS if target.name == "PNG" else _CLOCKS[target.name].most_plays
    if most == 0 or (target.name == "GIF" and plays == 1):
        return None
    plays = min(plays, most)
    return plays - 1 if target.name == "GIF" and plays else plays


def written_times(durations_ms: Sequence[float], target: Format) -> list[int]:
    """Return whole milliseconds that a format can hold; their sums are rounded, not they.

    Three frames of 33.3 ms are 30, 40 and 30 in a GIF, whose steps are 10 ms.
    """
    clock = _CLOCKS[target.name]
    times, past, shown = [], 0.0, 0
    for duration in durations_ms:
        past += duration
        steps = min(max(math.floor(past / clock.step_ms + 0.5) - shown, 0), clock.most_steps)
        shown += steps
        times.append(clock.step_ms * steps)
    return times


def delay_fraction(duration_ms: float) -> tuple[int, int]:
    """Return the numerator and denominator, each of 16 bits, nearest to a time in seconds."""
    seconds = Fraction(duration_ms) / 1000
    if seconds >= MOST_DELAY:
        return MOST_DELAY, 1
    most = MOST_DELAY if seconds <= 1 else int(MOST_DELAY / seconds)
    near = seconds.limit_denominator(most)
    return near.numerator, near.denominator


def animation_notes(picture: Picture, target: Format) -> list[str]:
    """Say what a format cannot hold of an animation's times and repetition."""
    if picture.kind != "animation" or target.name not in {*_CLOCKS, "PNG"}:
        return []
    notes = []
    if target.name != "PNG":
        notes += _time_notes([frame.duration_ms for frame in picture.frames], target)
    most = _PNG_PLAYS if target.name == "PNG" else _CLOCKS[target.name].most_plays
    if picture.plays and most == 0:
        notes.append(f"{target.name} plays for ever, not {_times(picture.plays)}")
    elif picture.plays > most:
        notes.append(f"it plays {_times(most)}, the most for {target.name}")
    return notes


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _time_notes(durations_ms: list[float], target: Format) -> list[str]:
    notes = []
    times = written_times(durations_ms, target)
    off = max(abs(new - old) for new, old in zip(times, durations_ms, strict=True))
    whole = abs(sum(times) - sum(durations_ms))
    if off > 0.01:
        step = _CLOCKS[target.name].step_ms
        kept = f", the whole by {whole:.3g} ms" if whole > 0.01 else ", the whole is as long"
        notes.append(
            f"{target.name} counts times in {step} ms: those of frames changed by up to "
            f"{off:.3g} ms{kept}"
        )
    if target.name == "GIF" and min(times) < QUICKEST_GIF_MS:
        notes.append(f"viewers show a GIF's frames of less than {QUICKEST_GIF_MS} ms more slowly")
    return notes
