"""Fetching published files: once, resumed where they stopped, checked before they are used."""

import hashlib
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPException, InvalidURL
from pathlib import Path
from typing import Any

from sam_diffsr_cli import __version__
from sam_diffsr_cli.errors import DiskFullError, InputError, SamsrError, os_error
from sam_diffsr_cli.locks import locked

__all__ = [
    "DownloadSource",
    "cache_folder",
    "check_space",
    "fetch",
    "find_size",
    "has_digest",
    "part_path",
]

BLOCK = 1 << 16
TIMEOUT_S = 60.0
BACKOFF_S = (1.0, 4.0, 10.0)
"""Waits between tries that get no further; whatever comes in between, the count starts anew."""

MOST_WAIT_S = 60.0
"""A server that asks for a longer wait is tried again after this one."""


@dataclass(frozen=True, slots=True)
class DownloadSource:
    """A published file.

    Attributes:
        url: Its address.
        digest: ``sha256:`` or ``md5:`` and the digits; an MD5 guards against damage only.
        bytes: About its size, or None where it is not known.
    """

    url: str
    digest: str
    bytes: int | None = None


class _NetworkError(Exception):
    """The network or the server failed; another try may help where it ``is_passing``.

    ``code`` is the server's status if it gave one, ``wait_s`` how long it asks to wait.
    """

    code = 0
    wait_s: float | None = None

    def __init__(self, reason: object, *, is_passing: bool) -> None:
        super().__init__(str(reason) or type(reason).__name__)
        self.is_passing = is_passing


def cache_folder() -> Path:
    """Return where fetched files are kept: ``SAMSR_CACHE``, else the user's cache folder."""
    own = os.environ.get("SAMSR_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "samsr"


def fetch(
    source: DownloadSource,
    path: Path,
    report: Callable[[int], None],
    *,
    elsewhere: str,
    failure: type[SamsrError] = InputError,
) -> Path:
    """Return ``path``, fetched if it is not there.

    What has come lies in ``path.part``, which the next call goes on with. Of several processes one
    fetches, and the others wait for it.

    Args:
        source: What to fetch.
        path: Where to; its folder is made.
        report: Called with the bytes that are there so far.
        elsewhere: What the user can do when it cannot be fetched.
        failure: The error to raise then.

    Raises:
        SamsrError: A ``failure``: it cannot be reached, or what came is not the published file.
        DiskFullError: The disk is full, or will be.
        InputError: The folder cannot be written.
    """
    if path.is_file():
        return path
    part = part_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f".{path.name}.lock"), waits=True, removes=True):
            if path.is_file():
                return path
            if source.bytes is not None:
                check_space(path.parent, source.bytes - _size(part))
            _persist(source.url, part, report)
            if not has_digest(part, source.digest):
                part.unlink()
                raise failure(f"{source.url}: what came is not the published file", hint=elsewhere)
            with part.open("rb+") as file:
                # On the disk before its name says that it is whole.
                os.fsync(file.fileno())
            part.replace(path)
    except _NetworkError as error:
        raise failure(f"{source.url}: cannot be fetched ({error})", hint=elsewhere) from error
    except OSError as error:
        raise os_error(part, error, "cannot be written") from error
    return path


def find_size(url: str) -> int | None:
    """Ask the server how many bytes a file has; None when it does not tell."""
    try:
        with _open(url, method="HEAD") as response:
            return _length(response.headers) or None
    except _NetworkError:
        return None


def has_digest(path: Path, digest: str) -> bool:
    """Whether a file has the digest; see ``DownloadSource``."""
    algorithm, _, expected = digest.partition(":")
    # Not for security: an MD5 is refused otherwise where only approved digests are allowed.
    make = partial(hashlib.new, algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        return hashlib.file_digest(file, make).hexdigest() == expected


def part_path(path: Path) -> Path:
    """Name the file in which ``path`` grows while it is fetched."""
    return path.with_name(f"{path.name}.part")


def check_space(folder: Path, needed: int) -> None:
    """Check that ``needed`` bytes can be written in ``folder``.

    Raises:
        DiskFullError: They cannot.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFullError(
            f"{folder}: {needed / 1e6:,.1f} MB needed, {free / 1e6:,.1f} MB free",
            hint="free some disk space",
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _persist(url: str, part: Path, report: Callable[[int], None]) -> None:
    """Fetch what is missing of a file, in several tries while the failures can pass."""
    furthest, tries = _size(part), 0
    while True:
        try:
            _continue(url, part, report)
        except _NetworkError as error:
            if _size(part) > furthest:
                furthest, tries = _size(part), 0
            if not error.is_passing or tries == len(BACKOFF_S):
                raise
            time.sleep(BACKOFF_S[tries] if error.wait_s is None else error.wait_s)
            tries += 1
        else:
            return


def _continue(url: str, part: Path, report: Callable[[int], None]) -> None:
    """Fetch what is missing of a file; a server that cannot resume starts it anew."""
    there = _size(part)
    try:
        response = _open(url, first=there)
    except _NetworkError as error:
        if error.code == 416 and there:
            # Nothing is missing; the digest will tell.
            return
        raise
    with response:
        is_resumed = response.status == 206
        missing = _length(response.headers)
        check_space(part.parent, missing if is_resumed else missing - there)
        with part.open("ab" if is_resumed else "wb") as file:
            for block in _blocks(response, missing):
                file.write(block)
                report(file.tell())


def _blocks(response: Any, missing: int) -> Iterator[bytes]:  # noqa: ANN401 - as urllib has it
    """Read a response that has ``missing`` bytes, or 0 where that is not known.

    Errors of the network are told from those of writing what came.
    """
    try:
        while block := response.read(BLOCK):
            missing -= len(block)
            yield block
    except (OSError, HTTPException):
        missing = 1
    if missing > 0:
        raise _NetworkError("the connection ended early; run again to go on", is_passing=True)


def _open(url: str, *, first: int = 0, method: str = "GET") -> Any:  # noqa: ANN401 - as urllib
    """Ask any address for its file from byte ``first`` on; what fails is a ``_NetworkError``."""
    headers = {"User-Agent": f"samsr/{__version__}"}
    if first:
        headers["Range"] = f"bytes={first}-"
    try:
        request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        told = _NetworkError(error, is_passing=error.code == 429 or error.code >= 500)
        told.code, told.wait_s = error.code, _wait_asked(error.headers)
        raise told from error
    except urllib.error.URLError as error:
        is_dropped = isinstance(error.reason, ConnectionResetError)
        raise _NetworkError(error.reason, is_passing=is_dropped) from error
    except (ValueError, InvalidURL) as error:
        raise _NetworkError(error, is_passing=False) from error
    except (OSError, HTTPException) as error:
        raise _NetworkError(error, is_passing=True) from error


def _length(headers: Message) -> int:
    """Read the length of what comes; 0 where it is not told."""
    told = headers.get("Content-Length") or ""
    return int(told) if told.isdecimal() else 0


def _wait_asked(headers: Message) -> float | None:
    """Read ``Retry-After``, seconds or a date, as seconds from 0 to ``MOST_WAIT_S``."""
    told = headers.get("Retry-After") or ""
    if told.isdecimal():
        return min(float(told), MOST_WAIT_S)
    try:
        left = parsedate_to_datetime(told).timestamp() - time.time()
    except ValueError:
        return None
    return min(max(left, 0.0), MOST_WAIT_S)
