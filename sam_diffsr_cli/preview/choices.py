"""The choices that a preview shows: places of the dials, as options and as words to type."""

from dataclasses import dataclass, replace
from typing import Any

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.sampling_config import SamplingConfig, SamplingOptions
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.options import resolve_sampling

__all__ = ["BICUBIC", "Choice", "choices_for"]

BICUBIC = "bicubic"
"""What every choice is seen beside."""

HARDER = 60
"""Of ``--clean``, what is shown beside the estimate and none."""

DIALS: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    ("fast", {"quality": "fast"}, ("--quality", "fast")),
    ("fast, clean off", {"quality": "fast", "clean": 0}, ("--quality", "fast", "--clean", "off")),
    (
        f"fast, clean {HARDER}",
        {"quality": "fast", "clean": HARDER},
        ("--quality", "fast", "--clean", f"{HARDER}"),
    ),
    ("detail 100", {"detail": 100}, ("--detail", "100")),
    ("best", {"quality": "best"}, ("--quality", "best")),
    ("default", {}, ()),
)
"""Label, options and words; the default last, which is what a page shows at first beside bicubic.
Cleaning is the encoder's work, and is shown where that is all there is and costs least."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A label, how the chain is run for it, and the words of a command line that ask for it."""

    label: str
    sampling: SamplingConfig
    words: tuple[str, ...]


def choices_for(upscaler: Upscaler, seed: int = 0) -> list[Choice]:
    """Return what this model can do, each once.

    A model that was not trained to clean has no choices of cleaning, and one whose levels of
    quality are the same shows one of them.
    """
    found: dict[SamplingConfig, Choice] = {}
    for label, options, words in DIALS:
        is_cleaning = "clean" in options
        if is_cleaning and not upscaler.config.encoder.num_levels:
            continue
        try:
            sampling = resolve_sampling(upscaler, SamplingOptions(seed=seed, **options))
        except InputError:
            # A model without steps has no detail to dial.
            continue
        # Tiles do not show in results, and free memory may change from one to the next.
        key = replace(sampling, tile=0)
        found.pop(key, None)
        found[key] = Choice(label, sampling, words)
    return list(found.values())
