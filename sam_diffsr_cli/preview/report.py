"""The report of a batch: before and after where each picture changed most, and what was made up.

What is made up is what another draw of the noise would show otherwise: places are enlarged again
with other seeds, and what these differ by is drawn over the result.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.batch.stages import BatchSettings, describe_making
from sam_diffsr_cli.comparison.page import write_page
from sam_diffsr_cli.comparison.records import ComparedPicture, Page
from sam_diffsr_cli.degradation.levels import CLEAN, Levels, describe_levels
from sam_diffsr_cli.device import derive_seed
from sam_diffsr_cli.errors import InputError, SamsrError
from sam_diffsr_cli.metrics import psnr
from sam_diffsr_cli.pictures.channels import gray_of
from sam_diffsr_cli.pictures.reading import read_levels
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.preview.cutting import bicubic_of, shown_part, shown_span
from sam_diffsr_cli.preview.places import Place, most_changed
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.passes import resize_pixels
from sam_diffsr_cli.upscaling.sizes import HIGHEST_SCALE

__all__ = ["made_up_map", "write_report"]

BEFORE, AFTER, MADE_UP = "before", "after", "made up"
SIDE, PLACES, DRAWS = 64, 2, 3
"""Of what is enlarged again, in pixels of the input; at how many places, and with how many seeds:
about 4 % of the work for a picture of a megapixel."""

MOST_SPREAD = 12.0
"""Standard deviation between draws, in 8-bit levels, that is drawn in full colour."""

MOST_EMBEDDED = 40
"""A report of more pictures keeps them in files beside it."""

TOLD = ("tool", "model", "steps", "sampler", "seed", "clean", "detail", "ensemble", "precision")
"""What is said of how the batch was made; the results' own records say all."""

PAINT = np.array([255, 120, 0], dtype=np.float32)
LEGEND = (
    f"orange is what {DRAWS} other seeds draw otherwise, in full from a standard deviation of "
    f"{MOST_SPREAD:g} of 255 levels on; gray is what they agree on"
)


@dataclass(frozen=True, slots=True)
class _Enlarged:
    """A picture before and after, sRGB ``(h, w, 3)`` and ``(H, W, 3)`` uint8, and its levels."""

    name: str
    lr: np.ndarray
    sr: np.ndarray
    levels: Levels | None

    @property
    def scale(self) -> float:
        """Times as large, by the longer side, where rounding shows least."""
        axis = int(self.lr.shape[1] > self.lr.shape[0])
        return float(self.sr.shape[axis] / self.lr.shape[axis])


def write_report(
    settings: BatchSettings,
    outcomes: Iterable[Outcome],
    path: Path,
    told: Callable[[str, SamsrError | None], None] = lambda _name, _error: None,
) -> int:
    """Write the page of a batch; pictures are read and written one by one.

    Args:
        settings: How the batch was made.
        outcomes: What became of its pictures; those that were enlarged from and into files of this
            machine are shown, by their first frames.
        path: Of the page; one that is there is replaced.
        told: Of each picture as it is begun, and again with the error where it cannot be shown.

    Returns:
        Pictures that are shown. Without any there is no page, and one that is there stays.

    Raises:
        InputError: The page cannot be written.
        ResourceError: Memory or disk space ran out.
        WeightsError: The model's file was changed meanwhile.
    """
    done = [one for one in outcomes if _is_made_here(one)]
    shown: set[int] = set()
    places = _places(settings, done, told, shown)
    first = next(places, None)
    if first is None:
        return 0
    making = describe_making(settings)
    page = Page(
        title="samsr upscale: what was done",
        methods=(BEFORE, MADE_UP, AFTER),
        pictures=chain([first], places),
        facts=[
            ("Places", f"of each picture the {PLACES} that changed most from bicubic"),
            ("Made up", LEGEND if settings.sampling.steps else "nothing: no steps were run"),
            ("LR-PSNR", "the result shrunk by bicubic against the input; cleaning lowers it"),
            ("Made by", ", ".join(f"{name} {making[name]}" for name in TOLD if name in making)),
        ],
    )
    write_page(page, path, beside=len(done) > MOST_EMBEDDED)
    return len(shown)


def _is_made_here(outcome: Outcome) -> bool:
    job = outcome.job
    is_local = isinstance(job.source.path, Path) and isinstance(job.target, Path)
    return outcome.status == "done" and is_local


def _places(
    settings: BatchSettings,
    done: Iterable[Outcome],
    told: Callable[[str, SamsrError | None], None],
    shown: set[int],
) -> Iterator[ComparedPicture]:
    """Yield the places of every picture; ``shown`` is filled with the numbers of those shown."""
    for number, outcome in enumerate(done):
        told(outcome.job.source.name, None)
        try:
            one = _read(outcome, settings)
        except SamsrError as error:
            told(outcome.job.source.name, error)
            continue
        for place in _show(one, settings):
            shown.add(number)
            yield place
        if number not in shown:
            same = InputError(f"{outcome.job.target}: differs nowhere from bicubic")
            told(outcome.job.source.name, same)


def _read(outcome: Outcome, settings: BatchSettings) -> _Enlarged:
    source, target = outcome.job.source.path, outcome.job.target
    assert isinstance(source, Path)  # noqa: S101 - as _is_made_here asked
    assert isinstance(target, Path)  # noqa: S101
    if outcome.size_in is not None and settings.size.resolve(outcome.size_in).is_cut:
        raise InputError(f"{target}: was cut, and shows a part of its input only")
    lr, sr = read_levels(source, settings.limits), read_levels(target, Limits(max_pixels=2**40))
    if sr.shape[:2] != outcome.size_out:
        raise InputError(f"{target}: is no longer what was written")
    if sr.shape[0] < lr.shape[0]:
        raise InputError(f"{target}: was made smaller")
    name = str(outcome.job.source.inside)
    levels = None if outcome.levels is None else Levels(**outcome.levels)
    return _Enlarged(name, lr, sr, levels)


def _show(one: _Enlarged, settings: BatchSettings) -> Iterator[ComparedPicture]:
    """Yield the places of a picture."""
    size = one.lr.shape[0], one.lr.shape[1]
    facts = [
        ("Pixels", f"{_words(one.lr)} to {_words(one.sr)}"),
        ("LR-PSNR", f"{_lr_psnr(one):.2f} dB"),
    ]
    if one.levels is not None:
        facts.append(("Taken for", describe_levels(one.levels)))
    for place in most_changed(lambda first, last: _change(one, first, last), size, PLACES, SIDE):
        rows, columns = place.shown(size)
        after = one.sr[
            shown_span(slice(place.top + rows.start, place.top + rows.stop), one.scale),
            shown_span(slice(place.left + columns.start, place.left + columns.stop), one.scale),
        ]
        shape = after.shape[1], after.shape[0]
        before = Image.fromarray(bicubic_of(one.lr, place, one.scale)).resize(shape)
        spread = np.asarray(Image.fromarray(_spread(one, place, settings)).resize(shape))
        panels = {
            BEFORE: np.asarray(before),
            AFTER: after,
            MADE_UP: made_up_map(after, spread),
        }
        told = ("Made up here", f"{float(spread.mean()):.1f} levels from draw to draw")
        yield ComparedPicture(f"{one.name} ({place.left}, {place.top})", panels, (*facts, told))


def _words(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"


def _lr_psnr(one: _Enlarged) -> float:
    size = one.lr.shape[0], one.lr.shape[1]
    shrunk = resize_pixels(one.sr, size, size, lambda shape: np.empty(shape, dtype=np.uint8))
    return psnr(shrunk, one.lr, "rgb", 0)


def _change(one: _Enlarged, first: int, last: int) -> np.ndarray:
    """Return how far the result is from bicubic, squared, in rows of the input, ``(rows, w)``."""
    height, width = one.lr.shape[:2]
    begin, end = (round(row * one.sr.shape[0] / height) for row in (first, last))
    band = Image.fromarray(one.lr[first:last])
    larger = np.asarray(band.resize((one.sr.shape[1], end - begin), Image.Resampling.BICUBIC))
    difference = gray_of(one.sr[begin:end].astype(np.float32) - larger)
    energy = Image.fromarray(difference**2)
    return np.asarray(energy.resize((width, last - first), Image.Resampling.BOX))


def _spread(one: _Enlarged, place: Place, settings: BatchSettings) -> np.ndarray:
    """Return the standard deviation of luma between draws, in 8-bit levels, as shown ``(H, W)``."""
    cut = place.cut(one.lr)
    draws = []
    for number in range(DRAWS if settings.sampling.steps else 1):
        seed = derive_seed(settings.sampling.seed, "report", number)
        run = UpscaleRun(
            upscaler=settings.upscaler,
            sampling=replace(settings.sampling, seed=seed, tile=0),
            scale=min(max(one.scale, 1.0), HIGHEST_SCALE),
            levels=one.levels or CLEAN,
        )
        larger = shown_part(enlarge_frame(run, cut), place, one.lr.shape, run.scale)
        draws.append(gray_of(larger))
    spread: np.ndarray = np.std(draws, axis=0)
    return spread


def made_up_map(after: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Paint over a result what was made up.

    Args:
        after: The result, ``(H, W, 3)`` uint8.
        spread: Standard deviation between draws, in 8-bit levels, ``(H, W)``.

    Returns:
        ``(H, W, 3)`` uint8: the result in gray, orange where draws differ.
    """
    share = (spread / MOST_SPREAD).clip(0, 1)[..., None]
    gray = gray_of(after)[..., None]
    painted: np.ndarray = (1 - share) * gray + share * PAINT
    return painted.round().clip(0, 255).astype(np.uint8)
