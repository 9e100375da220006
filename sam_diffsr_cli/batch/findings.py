"""What a picture was found to be, in words."""

from collections.abc import Mapping

from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.degradation.levels import MOST_BLUR, MOST_NOISE

__all__ = ["describe_levels"]


def describe_levels(outcome: Outcome) -> str | None:
    """Say what a picture was taken for and what was estimated; None where the model is not told."""
    if outcome.levels is None:
        return None
    is_clean = not any(outcome.levels.values())
    text = "taken for clean" if is_clean else f"taken for {_in_words(outcome.levels)}"
    if outcome.estimate is None:
        return f"{text}; not estimated"
    if outcome.estimate == outcome.levels:
        return f"{text}, as estimated"
    return f"{text}; estimated: {_in_words(outcome.estimate)}"


def _in_words(levels: Mapping[str, float]) -> str:
    compression, noise, blur = (levels[name] for name in ("compression", "noise", "blur"))
    return (
        f"compression {compression:.2f} (as JPEG {100 - 100 * compression:.0f}), "
        f"noise {noise:.2f} ({noise * MOST_NOISE:.1f} of 255), "
        f"blur {blur:.2f} ({blur * MOST_BLUR:.2f} pixels)"
    )
