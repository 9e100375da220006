"""What a picture was found to be, in words."""

from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.degradation.levels import Levels, describe_levels

__all__ = ["describe_finding"]


def describe_finding(outcome: Outcome) -> str | None:
    """Say what a picture was taken for and what was estimated; None where the model is not told."""
    if outcome.levels is None:
        return None
    text = f"taken for {describe_levels(Levels(**outcome.levels))}"
    if outcome.estimate is None:
        return f"{text}; not estimated"
    if outcome.estimate == outcome.levels:
        return f"{text}, as estimated"
    return f"{text}; estimated: {describe_levels(Levels(**outcome.estimate))}"
