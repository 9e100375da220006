"""What ``samsr upscale`` is to do: which pictures IN means, and what OUT calls their outputs."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam_diffsr_cli.batch.plan import Job, Naming, Past
    from sam_diffsr_cli.batch.remote import Place
    from sam_diffsr_cli.pictures.formats import Format

__all__ = ["STANDARD", "open_past", "plan_batch"]

STANDARD = "-"


def open_past(manifest: Path | None, target: str) -> "tuple[Path, Past] | None":
    """Read what an earlier run left in the manifest, if there is to be one.

    Raises:
        InputError: It is none, or the output is no file.
    """
    from sam_diffsr_cli.errors import InputError

    if manifest is None:
        return None
    if target == STANDARD:
        raise InputError("--manifest keeps what is in files", hint="name a folder as OUT")
    from sam_diffsr_cli.batch.manifest import read_past

    return manifest, read_past(manifest)


def plan_batch(
    sources: list[str],
    target: str,
    names: "tuple[Format | None, str, str]",
    kept: "tuple[Path, Past] | None",
    *,
    recursive: bool,
) -> "tuple[Naming, list[Job]]":
    """Find the pictures and give each its output."""
    from sam_diffsr_cli.batch.plan import plan_jobs
    from sam_diffsr_cli.batch.remote import parse_place
    from sam_diffsr_cli.batch.sources import gather_sources, is_folder, is_there
    from sam_diffsr_cli.errors import InputError

    out = parse_place(target)
    found = gather_sources(sources, recursive=recursive, leave_out=out)
    # A folder given as IN means a folder as OUT, whatever it is called.
    single = len(found) == 1 and not any(
        name != STANDARD and is_folder(parse_place(name)) for name in sources
    )
    naming = _naming(target, out, names, single=single)
    if isinstance(naming.folder, Path) and is_there(naming.folder) and not is_folder(out):
        raise InputError(f"{out}: cannot be a folder (it is a file)")
    return naming, plan_jobs(found, naming, None if kept is None else kept[1])


def _naming(
    target: str, out: "Place", names: "tuple[Format | None, str, str]", *, single: bool
) -> "Naming":
    """Decide whether OUT is standard output, one file, or a folder."""
    from sam_diffsr_cli.batch.plan import Naming
    from sam_diffsr_cli.batch.sources import is_folder
    from sam_diffsr_cli.errors import InputError
    from sam_diffsr_cli.pictures.formats import FOREIGN_SUFFIXES, format_of, is_picture_name

    written, suffix, on_exists = names
    if "/" in suffix or "\\" in suffix:
        raise InputError(f"--suffix {suffix}: must not hold a slash")
    common = {"format": written, "suffix": suffix, "on_exists": on_exists}
    if target == STANDARD:
        return Naming(**common)  # type: ignore[arg-type]  # as typer checked it
    is_file = single and not is_folder(out) and not target.endswith(("/", "\\"))
    if is_file and is_picture_name(out):
        if written is not None and format_of(out) is not written:
            raise InputError(f"{out}: is not --format {written.name.lower()}", hint="drop one")
        return Naming(file=out, **common)  # type: ignore[arg-type]  # as typer checked it
    if is_picture_name(out) and not is_folder(out) and not target.endswith(("/", "\\")):
        raise InputError(
            f"{out}: one file for several pictures, or for a folder",
            hint="name a folder; a slash at its end makes any name one",
        )
    if is_file and out.suffix.lower() in FOREIGN_SUFFIXES:
        format_of(out)
    return Naming(folder=out, **common)  # type: ignore[arg-type]  # as typer checked it
