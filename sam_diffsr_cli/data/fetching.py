"""Fetching a known set: its archive, checked, and of that the training photos and nothing else.

The photos come to their folder all at once, when each of them is there and on the disk. Until then
they lie in a hidden folder beside it, which nobody takes for the set.
"""

import contextlib
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from sam_diffsr_cli.data.known_sets import KnownSet, holds_pictures
from sam_diffsr_cli.download import (
    DownloadSource,
    check_space,
    fetch,
    has_digest,
    part_path,
)
from sam_diffsr_cli.errors import InputError, os_errors
from sam_diffsr_cli.locks import locked

__all__ = ["ORIGIN_VARIABLE", "Report", "fetch_set", "set_folder", "source_of"]

ORIGIN_VARIABLE = "SAMSR_DATA_URL"
"""Environment variable with another folder to fetch archives from, such as a mirror."""

MOST_BYTES = 64 << 20
"""No photo of a known set is larger: theirs have up to some 2000 x 2000 pixels."""

PHOTO_NAME = re.compile(r"[A-Za-z0-9_-]+\.png")

Report = Callable[[int, str], None]
"""Receives the bytes fetched so far, and a few words on them."""


class _Member(NamedTuple):
    """A file in an archive; ``is_regular`` is false for links, devices and folders."""

    path: str
    size: int
    is_regular: bool
    open: Callable[[], IO[bytes] | None]


def set_folder(known: KnownSet, root: Path) -> Path:
    """Return where the photos of a set go."""
    return root / known.name / known.folder


def source_of(known: KnownSet) -> DownloadSource:
    """Return where a set's archive is fetched from; ``SAMSR_DATA_URL`` can name a mirror."""
    mirror = os.environ.get(ORIGIN_VARIABLE)
    if not mirror:
        return known.source
    return replace(known.source, url=f"{mirror.rstrip('/')}/{_archive_name(known)}")


def fetch_set(known: KnownSet, root: Path, report: Report) -> Path:
    """Return the folder of a set's training photos, fetched if they are not there.

    The archive is removed afterwards. If it lies in ``root`` under its own name already, put there
    by the user, that one is taken and left alone.

    Args:
        known: Which set.
        root: Folder of sets; it is made.
        report: Called as the archive comes, and for each photo taken out of it.

    Raises:
        InputError: It cannot be reached, is not what was published, or ``root`` cannot be written.
        DiskFullError: The disk is full, or will be.
    """
    target = set_folder(known, root)
    with os_errors(target, "cannot be written"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_name(f".{known.folder}.lock"), waits=True, removes=True):
            if holds_pictures(target):
                return target
            own = root / _archive_name(known)
            if own.is_file():
                _unpack(known, _checked(own, known), target, report)
                return target
            archive = _fetch_archive(known, root, report)
            _unpack(known, archive, target, report)
            archive.unlink()
    return target


def _archive_name(known: KnownSet) -> str:
    return known.source.url.rpartition("/")[2]


def _checked(archive: Path, known: KnownSet) -> Path:
    if not has_digest(archive, known.source.digest):
        raise _unusable(archive, "not the published file")
    return archive


def _unusable(archive: Path, what: str) -> InputError:
    return InputError(f"{archive}: {what}", hint="remove it, and it is fetched anew")


def _fetch_archive(known: KnownSet, root: Path, report: Report) -> Path:
    source = source_of(known)
    # A name of its own: a file of the archive's name would be the user's, and is never removed.
    path = root / f"{_archive_name(known)}.fetched"
    if source.bytes is not None:
        there = sum(p.stat().st_size for p in (path, part_path(path)) if p.is_file())
        # Once more for the photos, which are compressed as they are.
        check_space(root, 2 * source.bytes - there)
    return fetch(
        source,
        path,
        lambda done: report(done, f"{done / 1e6:,.0f} MB"),
        elsewhere=f"fetch {source.url} on another machine and put it at "
        f"{root / _archive_name(known)}, or its photos into {set_folder(known, root)}",
    )


def _unpack(known: KnownSet, archive: Path, target: Path, report: Report) -> None:
    """Take the training photos out of an archive, to ``target`` when they are all there."""
    temporary = target.with_name(f".{target.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    size = archive.stat().st_size
    try:
        temporary.mkdir()
        with _opened(archive, known) as members:
            photos = _training_photos(archive, known, members)
            check_space(temporary, sum(photo.size for photo in photos))
            for count, photo in enumerate(photos, 1):
                _copy(archive, photo, temporary)
                report(size, f"photo {count} of {len(photos)}")
        with contextlib.suppress(OSError):
            # An empty folder is in the way of the new one on some systems.
            target.rmdir()
        temporary.rename(target)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise _unusable(archive, f"damaged ({error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _opened(archive: Path, known: KnownSet) -> Iterator[Iterator[_Member]]:
    if known.source.url.endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            yield (_zip_member(opened, info) for info in opened.infolist())
    else:
        with tarfile.open(archive, "r:") as tar:
            yield (
                _Member(info.name, info.size, info.isreg(), partial(tar.extractfile, info))
                for info in tar
            )


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    # The upper half holds the Unix mode where there is one.
    kind = stat.S_IFMT(info.external_attr >> 16)
    is_regular = not info.is_dir() and kind in {0, stat.S_IFREG}
    return _Member(info.filename, info.file_size, is_regular, partial(archive.open, info))


def _training_photos(archive: Path, known: KnownSet, members: Iterator[_Member]) -> list[_Member]:
    """Choose the photos in the set's folder; all else is left where it is.

    Raises:
        InputError: One of them is not what a photo of the set can be, or their count is not right.
    """
    photos: dict[str, _Member] = {}
    for member in members:
        path = PurePosixPath(member.path)
        is_photo = path.parent.name == known.folder and path.suffix.lower() == ".png"
        if not is_photo or path.name.startswith("."):
            continue
        if not _is_safe(path, member) or path.name in photos:
            raise _unusable(archive, f"holds what is no photo of {known.name} ({path})")
        photos[path.name] = member
    if len(photos) != known.photos:
        raise _unusable(archive, f"holds {len(photos)} photos of {known.name}, not {known.photos}")
    return list(photos.values())


def _is_safe(path: PurePosixPath, member: _Member) -> bool:
    is_inside = not path.is_absolute() and ".." not in path.parts
    is_plain = member.is_regular and member.size <= MOST_BYTES
    return is_inside and is_plain and PHOTO_NAME.fullmatch(path.name) is not None


def _copy(archive: Path, photo: _Member, folder: Path) -> None:
    """Write one photo to the disk, under the last part of its name."""
    source = photo.open()
    path = folder / PurePosixPath(photo.path).name
    if source is None:
        raise _unusable(archive, f"damaged ({photo.path})")
    with source, path.open("xb") as file:
        shutil.copyfileobj(source, file)
        file.flush()
        os.fsync(file.fileno())
        if file.tell() != photo.size:
            raise _unusable(archive, f"damaged ({photo.path})")
