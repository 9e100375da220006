"""The preview: a few places of a few pictures at every choice, and about how long each would take.

What is computed is what ``samsr upscale`` would, but for the draw of the noise, at places of
``preview.places`` alone; the time of whole pictures follows from the time of the places.
"""

import shlex
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sam_diffsr_cli.batch.plan import output_suffix
from sam_diffsr_cli.batch.sources import gather_sources
from sam_diffsr_cli.choices import DEFAULT_MAX_MEGAPIXELS
from sam_diffsr_cli.comparison.page import write_page
from sam_diffsr_cli.comparison.records import ComparedPicture, Page, PageChoice
from sam_diffsr_cli.degradation.levels import Levels, compression_of, describe_levels
from sam_diffsr_cli.device import resolve_device, resolve_precision
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.colour import srgb_levels
from sam_diffsr_cli.pictures.reading import read_picture
from sam_diffsr_cli.pictures.records import Limits, Picture
from sam_diffsr_cli.preview.choices import BICUBIC, Choice, choices_for
from sam_diffsr_cli.preview.cutting import bicubic_of, shown_part
from sam_diffsr_cli.preview.places import Place, pick_places
from sam_diffsr_cli.preview.words import describe_time
from sam_diffsr_cli.upscaling.cleaning import CLEAN_BELOW, estimate_levels, taken_for
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler
from sam_diffsr_cli.upscaling.sizes import check_scale
from sam_diffsr_cli.upscaling.speed import Enlarging, Work

__all__ = ["PreviewOptions", "PreviewPlan", "PreviewStep", "plan_preview", "preview"]

MOST_PICTURES = 3
"""Of a folder, spread over its names."""

LARGEST_SIDE, LEAST_SIDE, SIDE_STEP = 128, 64, 16
"""Of a place, in pixels of the picture."""

PIXEL_CALLS = 80_000
"""Input pixels times calls of the noise predictor that a place may take on a CPU, which are about
five seconds of one core with AVX2."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewOptions:
    """What a user may ask of a preview; the defaults are those of ``samsr preview``.

    Attributes:
        scale: Times as high and wide, 1 to 16; None is the model's own.
        seed: Of the noise.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        model: Bundled name, weights file, or a name on the Hub; None is the bundled default.
        max_megapixels: Larger pictures are refused before decoding.
    """

    scale: float | None = None
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    model: str | Path | None = None
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewPlan:
    """What is shown: ``pictures`` of ``count``, at ``choices``; ``source`` is what was named."""

    source: str
    pictures: Sequence[Path]
    count: int
    choices: Sequence[Choice]
    upscaler: Upscaler
    scale: float
    options: PreviewOptions


@dataclass(frozen=True, slots=True)
class PreviewStep:
    """A place that was computed at one choice; ``done`` is the share of all work, in (0, 1]."""

    picture: Path
    place: Place
    choice: str
    seconds: float
    done: float


@dataclass(slots=True)
class _Shown:
    """The places of the pictures so far, and seconds for an input pixel by choice."""

    places: list[ComparedPicture] = field(default_factory=list)
    rates: dict[str, list[float]] = field(default_factory=dict)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)


def plan_preview(source: str, options: PreviewOptions | None = None) -> PreviewPlan:
    """Choose the pictures and load the model.

    Args:
        source: A picture; or a folder or a pattern, of which some are shown.
        options: What else was asked for.

    Raises:
        InputError: There is no picture, or an option cannot be used.
        WeightsError: The model cannot be loaded.
    """
    options = options or PreviewOptions()
    found = gather_sources([source], recursive=False, leave_out=None)
    paths = [one.path for one in found if isinstance(one.path, Path)]
    if not paths:
        raise InputError(f"{source}: a preview shows pictures on this machine's disks")
    if options.scale is not None:
        check_scale(options.scale)
    device = resolve_device(options.device)
    upscaler = load_upscaler(options.model, device, resolve_precision(options.precision, device))
    chosen = np.linspace(0, len(paths) - 1, min(len(paths), MOST_PICTURES)).round().astype(int)
    return PreviewPlan(
        source=source,
        pictures=[paths[index] for index in chosen],
        count=len(paths),
        choices=choices_for(upscaler, options.seed),
        upscaler=upscaler,
        scale=float(upscaler.config.scale) if options.scale is None else options.scale,
        options=options,
    )


def preview(plan: PreviewPlan, page: Path) -> Generator[PreviewStep, None, None]:
    """Compute the places, then write the page; a page that is there is replaced.

    Yields:
        Each place at each choice, as it is done.

    Raises:
        InputError: A picture cannot be read, or the page cannot be written.
        ResourceError: Memory or disk space ran out.
    """
    shown = _Shown()
    for number, path in enumerate(plan.pictures):
        picture = read_picture(path, Limits(max_pixels=int(plan.options.max_megapixels * 1e6)))
        pixels = srgb_levels(picture.frames[0].pixels, picture.metadata.of_page(0).icc)
        levels = _levels_of(plan, picture)
        places = pick_places(pixels, _dirt_of(plan.upscaler), side_of_places(plan))
        shown.sizes.append((pixels.shape[0], pixels.shape[1]))
        if plan.upscaler.config.encoder.num_levels:
            shown.facts.append((path.name, f"taken for {describe_levels(levels[None])}"))
        for index, place in enumerate(places):
            panels = {BICUBIC: bicubic_of(pixels, place, plan.scale)}
            for nth, choice in enumerate(plan.choices):
                began = time.perf_counter()
                panels[choice.label] = _enlarge(
                    plan, pixels, place, choice, levels[choice.sampling.clean]
                )
                took = time.perf_counter() - began
                shown.rates.setdefault(choice.label, []).append(took / (place.height * place.width))
                steps = (index * len(plan.choices) + nth + 1) / (len(places) * len(plan.choices))
                done = (number + steps) / len(plan.pictures)
                yield PreviewStep(path, place, choice.label, took, done)
            where = f"{path.name}, {place.why} ({place.left}, {place.top})"
            shown.places.append(ComparedPicture(where, panels))
    write_page(_page(plan, shown), page)


def side_of_places(plan: PreviewPlan) -> int:
    """Return how large places are: on a CPU, as the calls of all choices leave time for."""
    # An orientation more is about as much work as a step.
    calls = sum(choice.sampling.steps + choice.sampling.ensemble - 1 for choice in plan.choices)
    if plan.upscaler.device.type != "cpu" or not calls:
        return LARGEST_SIDE
    side = int((PIXEL_CALLS / calls) ** 0.5) // SIDE_STEP * SIDE_STEP
    return min(max(side, LEAST_SIDE), LARGEST_SIDE)


def _levels_of(plan: PreviewPlan, picture: Picture) -> dict[int | None, Levels]:
    """Return what the picture is taken for, by each ``--clean`` of the choices."""
    estimate = None
    if plan.upscaler.config.encoder.num_levels:
        icc = picture.metadata.of_page(0).icc
        estimate = estimate_levels(plan.upscaler, picture.frames[0].pixels, icc)
    known = compression_of(picture.quality)
    cleans = {None, *(choice.sampling.clean for choice in plan.choices)}
    return {clean: taken_for(clean, estimate, known) for clean in cleans}


def _dirt_of(upscaler: Upscaler) -> Callable[[np.ndarray], float] | None:
    """Make the measure of a place's compression and noise, where the model can tell."""
    if not upscaler.config.encoder.num_levels:
        return None

    def dirt_of(pixels: np.ndarray) -> float:
        found = estimate_levels(upscaler, pixels)
        over = zip(found[:2], CLEAN_BELOW[:2], strict=True)
        return sum(max(0.0, value - least) for value, least in over)

    return dirt_of


def _enlarge(
    plan: PreviewPlan, pixels: np.ndarray, place: Place, choice: Choice, levels: Levels
) -> np.ndarray:
    """Enlarge a place at a choice, and return what is shown of it."""
    run = UpscaleRun(
        upscaler=plan.upscaler,
        sampling=replace(choice.sampling, tile=0),
        scale=plan.scale,
        levels=levels,
    )
    return shown_part(enlarge_frame(run, place.cut(pixels)), place, pixels.shape, plan.scale)


def _page(plan: PreviewPlan, shown: _Shown) -> Page:
    """Put the page together: the choices with their times and commands, then the places."""
    is_one = plan.count == 1
    named = "One picture" if is_one else f"{len(plan.pictures)} of {plan.count}"
    megapixels = sum(h * w for h, w in shown.sizes) / 1e6
    whole = "the whole picture" if is_one else f"all {plan.count} pictures"
    facts = [
        ("Pictures", f"{named}, {megapixels:.1f} megapixels, enlarged {plan.scale:g} times"),
        *shown.facts,
        ("Times", f"of {whole}, by those of the places, on {plan.upscaler.device}"),
    ]
    return Page(
        title=f"samsr preview: {Path(plan.source).name or plan.source}",
        methods=[BICUBIC, *(choice.label for choice in plan.choices)],
        pictures=shown.places,
        facts=facts,
        choices=[
            PageChoice(
                choice.label,
                f"about {describe_time(_seconds(plan, shown, choice))}",
                _command(plan, choice),
            )
            for choice in reversed(plan.choices)
        ],
    )


def _seconds(plan: PreviewPlan, shown: _Shown, choice: Choice) -> float:
    """Estimate how long all pictures take: by the quickest place, since what else runs delays."""
    runner = Enlarging(plan.upscaler, choice.sampling.tile, plan.scale)
    steps = choice.sampling.steps
    area = sum(runner.area(Work(height=h, width=w, steps=steps)) for h, w in shown.sizes)
    return min(shown.rates[choice.label]) * area * plan.count / len(plan.pictures)


def _command(plan: PreviewPlan, choice: Choice) -> str:
    """Write the command line that does all of it at this choice."""
    source, options = Path(plan.source), plan.options
    words = ["samsr", "upscale", plan.source]
    ending = f"-x{plan.scale:g}"
    if plan.count == 1 and source == plan.pictures[0]:
        words.append(str(source.with_name(f"{source.stem}{ending}{output_suffix(source)}")))
    else:
        words.append(f"{source.name if source.is_dir() else 'samsr'}{ending}/")
    if options.scale is not None:
        words += ["--scale", f"{options.scale:g}"]
    words += choice.words
    if options.seed:
        words += ["--seed", str(options.seed)]
    if options.model is not None:
        words += ["--model", str(options.model)]
    for name, value in (("device", options.device), ("precision", options.precision)):
        if value != "auto":
            words += [f"--{name}", value]
    return shlex.join(words)
