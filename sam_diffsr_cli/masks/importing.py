"""Masks made elsewhere: the authors' run-length JSON and encodings, and maps of labels."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sam_diffsr_cli.atomic import atomic_path, make_folder
from sam_diffsr_cli.errors import ConfigError, DiskFullError, InputError, SamsrError
from sam_diffsr_cli.masks.build import BuildStep, MaskJob
from sam_diffsr_cli.masks.packing import IMPORTED, pack_encoding
from sam_diffsr_cli.masks.rle import decode_mask, encode_mask
from sam_diffsr_cli.masks.segmenters import label_records
from sam_diffsr_cli.masks.store import MANIFEST, read_records, write_records
from sam_diffsr_cli.packages import install_command

__all__ = ["IMPORTED_SUFFIXES", "find_foreign", "import_masks"]

MOST_LABELS = 20_000
"""A map with more values than this is a photo, not a map of labels."""


def find_foreign(folder: Path, leave_out: Path) -> list[Path]:
    """List the files below ``folder`` that can be imported, but for those in ``leave_out``.

    Raises:
        InputError: ``folder`` is not one, or holds none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder")
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in IMPORTED_SUFFIXES
        and path.is_file()
        and path.name != MANIFEST
        and not path.name.startswith(".")
        and not path.resolve().is_relative_to(leave_out.resolve())
    ]
    if not found:
        known = ", ".join(sorted(IMPORTED_SUFFIXES))
        raise InputError(f"{folder}: nothing to import", hint=f"{known} are read")
    return found


def import_masks(paths: list[Path], folder: Path, out: Path) -> Iterator[BuildStep]:
    """Import each file under its own stem; one that fails does not stop the others.

    Of several for one mask file, the first is taken and the others fail.

    Yields:
        A step after each file.
    """
    taken: dict[Path, Path] = {}
    for path in paths:
        suffix = path.suffix.lower()
        ending = IMPORTED if suffix == ".npy" else ".json"
        job = MaskJob(path, out / path.relative_to(folder).with_suffix(ending))
        try:
            first = taken.setdefault(job.target, path)
            if first != path:
                raise InputError(f"{path}: left out, {first.name} is for the same photo")
            make_folder(job.target.parent)
            yield BuildStep(job, IMPORTED_SUFFIXES[suffix](path, job.target))
        except DiskFullError:
            raise
        except SamsrError as error:
            yield BuildStep(job, error=error)


def _import_records(path: Path, target: Path) -> int:
    """Check run-length records and write them in the text form."""
    records = read_records(path)
    fresh: list[dict[str, Any]] = []
    for number, record in enumerate(records):
        try:
            mask = decode_mask(record["segmentation"])
        except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
            raise InputError(f"{path}: mask {number} is damaged ({error})") from error
        fresh.append({**record, "segmentation": encode_mask(mask)})
    write_records(target, fresh)
    return len(fresh)


def _import_encoding(path: Path, target: Path) -> int:
    """Read a ready-made encoding, ``(H, W)`` numbers."""
    try:
        with path.open("rb") as file:
            encoding = np.load(file, allow_pickle=False)
    except Exception as error:
        raise InputError(f"{path}: not a NumPy array ({error})") from error
    flat = np.squeeze(encoding) if isinstance(encoding, np.ndarray) else np.zeros(())
    if flat.ndim != 2 or flat.dtype.kind not in "fiu" or not np.isfinite(flat).all():
        raise InputError(f"{path}: not an encoding, finite numbers (H, W)")
    values = flat.astype(np.float32)
    with atomic_path(target) as temporary:
        temporary.write_bytes(pack_encoding(values, path.name))
    return len(np.unique(values))


def _import_png(path: Path, target: Path) -> int:
    """Read a map of labels from a PNG; a colour is a label, and 0 (black) is no region."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            levels = np.asarray(image)
    except Exception as error:
        raise InputError(f"{path}: not a PNG ({error})") from error
    if levels.ndim == 3:
        # Gray with alpha has 2 channels, colour with alpha 4.
        weights = 256 ** np.arange(1 if levels.shape[2] == 2 else 3, dtype=np.int64)
        levels = (levels[..., : len(weights)].astype(np.int64) * weights).sum(axis=2)
    return _write_labels(path, target, levels.astype(np.int64), background=0)


def _import_mat(path: Path, target: Path) -> int:
    """Read the finest of the human segmentations in a BSDS ``.mat``."""
    try:
        from scipy.io import loadmat  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ConfigError("reading .mat needs SciPy", hint=install_command("scipy")) from error
    try:
        cells = loadmat(path)["groundTruth"].ravel()
        maps = [np.asarray(cell["Segmentation"].item(), dtype=np.int64) for cell in cells]
        finest = max(maps, key=lambda labels: len(np.unique(labels)))
        if finest.ndim != 2:
            raise ValueError("labels that are not (H, W)")  # noqa: TRY301 - told as the others
    except Exception as error:
        raise InputError(f"{path}: not a BSDS segmentation ({error})") from error
    return _write_labels(path, target, finest, background=0)


def _write_labels(path: Path, target: Path, labels: np.ndarray, *, background: int) -> int:
    values = np.unique(labels)
    if len(values) > MOST_LABELS:
        raise InputError(f"{path}: {len(values)} labels; this is a picture, not a map of labels")
    records = label_records(labels, skip=background)
    write_records(target, records)
    return len(records)


IMPORTED_SUFFIXES: dict[str, Callable[[Path, Path], int]] = {
    ".json": _import_records,
    ".npy": _import_encoding,
    ".png": _import_png,
    ".mat": _import_mat,
}
"""What can be imported, and by whom."""
