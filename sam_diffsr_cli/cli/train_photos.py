"""The photos of a run: decoded, divided, and what people are told of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam_diffsr_cli.cli.console import Reporter
    from sam_diffsr_cli.data.cache import Entry
    from sam_diffsr_cli.recipes.records import Recipe
    from sam_diffsr_cli.training.engine import Engine
    from sam_diffsr_cli.training.folder import RunFolder
    from sam_diffsr_cli.training.photos import PhotoRequest

__all__ = ["gather_photos", "say_nothing"]

TOLD = 10
"""Photos left out that are named; the others are counted."""


def say_nothing(_: str) -> None:
    """Of several processes, one talks."""


def gather_photos(
    recipe: "Recipe", engine: "Engine", folder: "RunFolder"
) -> "tuple[list[Entry], list[Entry]]":
    """Decode the photos into the cache, once on each machine; divide them.

    Returns:
        Those to train with and those to validate with.

    Raises:
        InputError: There are none, or none has masks where masks were asked for.
    """
    from sam_diffsr_cli.data.crops import crop_side
    from sam_diffsr_cli.training.degrading import crop_margin
    from sam_diffsr_cli.training.photos import PhotoRequest, split

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
    held: list[Entry] = []
    if recipe.data.val:
        plain = replace(wanted, masks=None)
        held = _prepare([Path(recipe.data.val)], plain, is_told=engine.is_main)
    val = Path(recipe.data.val) if recipe.data.val else None
    entries = _prepare(places, wanted, leave_out=val, is_told=engine.is_main)
    if not recipe.data.val:
        entries, held = split(entries, recipe.data.hold_out)
    if engine.is_local_main:
        engine.wait()
    if engine.is_main:
        _tell_photos(entries, held)
    return entries, held


def _prepare(
    places: Sequence[Path],
    wanted: "PhotoRequest",
    *,
    is_told: bool,
    leave_out: Path | None = None,
) -> "list[Entry]":
    from sam_diffsr_cli.cli.console import note, progress
    from sam_diffsr_cli.errors import InputError
    from sam_diffsr_cli.training.photos import find_photos, prepare

    found = find_photos(places, leave_out)
    entries, left_out = [], []
    with progress("photos", len(found)) if is_told else _unseen() as report:
        for number, prepared in enumerate(prepare(found, wanted), start=1):
            if prepared.entry is not None:
                entries.append(prepared.entry)
            else:
                left_out.append(prepared.reason)
            report(number, prepared.photo.name)
    told = note if is_told else say_nothing
    for reason in left_out[:TOLD]:
        told(f"left out: {reason}")
    if len(left_out) > TOLD:
        told(f"and {len(left_out) - TOLD} more")
    if left_out:
        told(f"{len(left_out)} of {len(found)} photos are left out")
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


@contextmanager
def _unseen() -> "Iterator[Reporter]":
    def report(done: float, text: str = "") -> None:
        """Show nothing."""

    yield report


def _tell_photos(entries: "Sequence[Entry]", held: "Sequence[Entry]") -> None:
    from sam_diffsr_cli.cli.console import note

    megapixels = sum(entry.size[0] * entry.size[1] for entry in entries) / 1e6
    masked = sum(entry.has_masks for entry in entries)
    told = f"{len(held)} to validate with" if held else "none to validate with"
    note(f"{len(entries)} photos, {megapixels:.1f} megapixels, {masked} with masks; {told}")
