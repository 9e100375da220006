"""The photos of a run: decoded and divided, photo by photo, as events."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sam_diffsr_cli.data.cache import CacheEntry
from sam_diffsr_cli.data.crops import crop_side
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.recipes.records import Recipe
from sam_diffsr_cli.training.degrading import crop_margin
from sam_diffsr_cli.training.engine import Engine
from sam_diffsr_cli.training.folder import RunFolder
from sam_diffsr_cli.training.photos import PhotoRequest, find_photos, prepare, split

__all__ = ["GatherEvent", "PhotoRead", "PhotosLeftOut", "PhotosReady", "gather_photos"]


@dataclass(frozen=True, slots=True)
class PhotoRead:
    """Photo ``number`` (from 1) of ``count`` was looked at."""

    number: int
    count: int
    name: str


@dataclass(frozen=True, slots=True)
class PhotosLeftOut:
    """Of ``count`` photos some are not used, for a reason each."""

    reasons: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class PhotosReady:
    """The photos to train with, and those to validate with."""

    train: tuple[CacheEntry, ...]
    val: tuple[CacheEntry, ...]


GatherEvent = PhotoRead | PhotosLeftOut | PhotosReady
_Gathering = Generator[GatherEvent, None, tuple[list[CacheEntry], list[CacheEntry]]]


def gather_photos(recipe: Recipe, engine: Engine, folder: RunFolder) -> _Gathering:
    """Decode the photos into the cache, once on each machine; divide them.

    Yields:
        Each photo as it is looked at, those left out, and at the end what is ready.

    Returns:
        Those to train with and those to validate with.

    Raises:
        InputError: There are none, or none has masks where masks were asked for.
    """
    margin = crop_margin(recipe.degrade)
    sides = [crop_side(config.patch, recipe.model.scale, margin) for config in recipe.plan]
    wanted = PhotoRequest(
        masks=Path(recipe.data.masks) if recipe.data.masks else None,
        mask_norm=recipe.diffusion.mask_norm,
        least_side=max(sides),
        cache=Path(recipe.data.cache) if recipe.data.cache else folder.path / "cache",
    )
    places = [Path(place) for place in recipe.data.photos]
    if not engine.is_local_main:
        engine.wait()
    held: list[CacheEntry] = []
    if recipe.data.val:
        held = yield from _prepare([Path(recipe.data.val)], replace(wanted, masks=None))
    val = Path(recipe.data.val) if recipe.data.val else None
    entries = yield from _prepare(places, wanted, leave_out=val)
    if not recipe.data.val:
        entries, held = split(entries, recipe.data.hold_out)
    if engine.is_local_main:
        engine.wait()
    yield PhotosReady(tuple(entries), tuple(held))
    return entries, held


def _prepare(
    places: Sequence[Path], wanted: PhotoRequest, leave_out: Path | None = None
) -> Generator[GatherEvent, None, list[CacheEntry]]:
    found = find_photos(places, leave_out)
    entries, left_out = [], []
    for number, prepared in enumerate(prepare(found, wanted), start=1):
        if prepared.entry is not None:
            entries.append(prepared.entry)
        else:
            left_out.append(prepared.reason)
        yield PhotoRead(number, len(found), prepared.photo.name)
    if left_out:
        yield PhotosLeftOut(tuple(left_out), len(found))
    if not entries:
        raise InputError(
            f"{', '.join(map(str, places))}: no usable photos, all {len(found)} are left out",
            hint=f"sides of {wanted.least_side} pixels or more are needed; "
            "a smaller --patch needs less",
        )
    if wanted.masks is not None and not any(entry.has_masks for entry in entries):
        raise InputError(
            f"{wanted.masks}: no masks of these photos", hint="<photo stem>.json is looked for"
        )
    return entries
