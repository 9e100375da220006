"""Pictures in stores that fsspec knows, such as s3:// and gs://: found, fetched whole, and put.

A file of a store appears whole or not at all: in object stores by a single put, in others by a
temporary name that is then changed.
"""

import contextlib
import glob
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from sam_diffsr_cli.errors import DiskFullError, InputError, SamsrError, is_disk_full
from sam_diffsr_cli.packages import install_command

__all__ = [
    "Place",
    "RemotePath",
    "fetch",
    "find_remote",
    "is_remote_there",
    "list_names",
    "parse_place",
    "put",
]

URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<path>.*)", re.DOTALL)
HERE = ("file", "local")
"""Schemes of this machine's own files."""

OBJECT_STORES = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "memory"}
)
"""Stores in which nothing is seen of a file before all of it is there."""

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
"""Packages that bring what a scheme needs."""


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A file or folder of a store, named as a ``Path`` is.

    Its text is taken as it is: names in stores may hold what paths would drop.
    """

    text: str

    def __str__(self) -> str:
        """Return the whole URL."""
        return self.text

    @property
    def scheme(self) -> str:
        """What stands before ``://``."""
        return self.text.partition("://")[0]

    @property
    def name(self) -> str:
        """What stands after the last slash."""
        return self.text.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The name's ending with its dot, as of a ``Path``."""
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> "RemotePath":
        """The folder it is in."""
        return RemotePath(self.text.rpartition("/")[0])

    def with_name(self, name: str) -> "RemotePath":
        """Return another file of the same folder."""
        return self.parent / Path(name)

    def __truediv__(self, inside: Path) -> "RemotePath":
        """Return what is below this folder."""
        return self.below(inside.as_posix())

    def below(self, name: str) -> "RemotePath":
        """Return what is below this folder by a name that may not be a path's."""
        return RemotePath(f"{self.text.rstrip('/')}/{name}")


Place = Path | RemotePath


def parse_place(text: str) -> Place:
    """Tell a URL from a path; ``file://`` is a path.

    Raises:
        InputError: It names nothing.
    """
    match = URL.fullmatch(text)
    if not text:
        raise InputError("an empty text is no name of a file or folder")
    if match is None:
        return Path(text)
    if not match["path"].strip("/") and not (match["scheme"] in HERE and match["path"]):
        raise InputError(f"{text}: names nothing", hint="a URL is scheme://place/name")
    if match["scheme"] in HERE:
        return Path(match["path"])
    return RemotePath(text)


def find_remote(
    place: RemotePath, *, recursive: bool, leave_out: Place | None = None
) -> list[tuple[RemotePath, Path]]:
    """List what is meant by a file, a folder, or a pattern with * ? or [.

    Args:
        place: Which. It is a folder when it ends in a slash, or when the store says so.
        recursive: Also below a folder.
        leave_out: A folder nothing of which is listed.

    Returns:
        Files in the order of their names, with their places inside the folder; of one that is not
        there itself, so that whoever reads it says so. Hidden names are left out.

    Raises:
        InputError: The store cannot be reached.
    """
    with _told(place, "cannot be listed"):
        files, path = _open(place)
        if not place.text.endswith("/"):
            kind = _kind(files, path)
            if kind is None and glob.has_magic(path):
                base = RemotePath(re.split(r"[*?\[]", place.text, maxsplit=1)[0]).parent
                names = files.glob(path)
                return [(each, Path(each.name)) for each, _ in _below(base, names, leave_out)]
            if kind != "directory":
                return [(place, Path(place.name))]
        if recursive:
            return _below(place, files.find(path), leave_out)
        listed = files.ls(path, detail=True)
        return _below(place, [e["name"] for e in listed if e["type"] == "file"], leave_out)


def list_names(folder: RemotePath) -> frozenset[str]:
    """Return the whole URLs of all files below a folder, none when it is not there.

    Raises:
        InputError: The store cannot be reached.
    """
    with _told(folder, "cannot be listed"):
        files, path = _open(folder)
        files.invalidate_cache()
        return frozenset(folder.below(name).text for name in _inside(path, files.find(path)))


def _kind(files: Any, path: str) -> str | None:  # noqa: ANN401 - fsspec has no types
    try:
        return str(files.info(path)["type"])
    except FileNotFoundError:
        return None


def _below(
    folder: RemotePath, names: list[str], leave_out: Place | None
) -> list[tuple[RemotePath, Path]]:
    """Turn the store's own names into ours, by what they have in common with the folder's."""
    left_out = f"{leave_out}".rstrip("/") + "/"
    found = []
    for text in _inside(_open(folder)[1], names):
        inside, each = Path(text), folder.below(text)
        if not (any(p.startswith(".") for p in inside.parts) or each.text.startswith(left_out)):
            found.append((each, inside))
    return found


def _inside(folder: str, names: list[str]) -> list[str]:
    """Return the places in a folder of files that both are called by the store's own names."""
    root = folder.rstrip("/")
    return sorted(name.removeprefix(root).lstrip("/") for name in names)


def is_remote_there(place: RemotePath) -> bool:
    """Ask the store anew whether it has a file.

    Raises:
        InputError: It cannot be reached.
    """
    with _told(place, "cannot be reached"):
        files, path = _open(place)
        files.invalidate_cache()
        return bool(files.exists(path))


@contextlib.contextmanager
def fetch(place: RemotePath) -> Iterator[Path]:
    """Give a copy on this machine for as long as the context lasts.

    Raises:
        InputError: It is not there, or cannot be fetched.
        DiskFullError: There is no room for it.
    """
    with tempfile.TemporaryDirectory(prefix="samsr-") as folder:
        path = Path(folder) / "fetched"
        with _told(place, "cannot be fetched"):
            files, remote = _open(place)
            files.get_file(remote, str(path))
        yield path


def put(path: Path, place: RemotePath) -> None:
    """Store a file of this machine, in the place of what is there.

    Raises:
        InputError: It cannot be written there.
    """
    with _told(place, "cannot be written"):
        files, remote = _open(place)
        if place.scheme in OBJECT_STORES:
            files.put_file(str(path), remote)
            return
        folder, _, name = remote.rpartition("/")
        files.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/.samsr-{uuid4().hex[:12]}.part-{name}"
        try:
            files.put_file(str(path), temporary)
            files.mv(temporary, remote)
        except BaseException:
            with contextlib.suppress(Exception):
                files.rm_file(temporary)
            raise


def _open(place: RemotePath) -> tuple[Any, str]:
    """Return the store and its own name of a place."""
    from fsspec.core import url_to_fs  # noqa: PLC0415 - pictures on this machine need none of it

    files, path = url_to_fs(place.text)
    return files, str(path)


@contextlib.contextmanager
def _told(place: RemotePath, what: str) -> Iterator[None]:
    """Turn whatever a store raises into our errors."""
    try:
        yield
    except SamsrError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{place}: not found") from error
    except ImportError as error:
        package = PACKAGES.get(place.scheme)
        hint = install_command(package) if package else str(error)
        raise InputError(f"{place.scheme}:// needs another package", hint=hint) from error
    except Exception as error:
        if is_disk_full(error):
            raise DiskFullError(
                f"{tempfile.gettempdir()}: no space left for {place}", hint="free some disk space"
            ) from error
        if isinstance(error, ValueError) and "Protocol not known" in str(error):
            raise InputError(f"{place}: {place.scheme}:// is not a known kind of store") from error
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"{place}: {what} ({reason})", hint="see the credentials and the endpoint of the store"
        ) from error
