"""Fetching SAM's checkpoints: once, resumed where it stopped, checked before it is used."""

import contextlib
import hashlib
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from sam_diffsr_cli.atomic import DISK_FULL
from sam_diffsr_cli.errors import DiskFullError, InputError, WeightsError

__all__ = ["CHECKPOINTS", "Checkpoint", "cache_folder", "fetch_checkpoint"]

ORIGIN = "https://dl.fbaipublicfiles.com/segment_anything/"
ORIGIN_VARIABLE = "SAMSR_SAM_URL"
"""Environment variable with another folder to fetch from, such as a mirror."""

BLOCK = 1 << 20
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A published file, its SHA-256, and its size in megabytes."""

    name: str
    sha256: str
    megabytes: int


CHECKPOINTS = {
    "vit_h": Checkpoint(
        "sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        2565,
    ),
    "vit_l": Checkpoint(
        "sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        1250,
    ),
    "vit_b": Checkpoint(
        "sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        375,
    ),
}


def cache_folder() -> Path:
    """Return where checkpoints are kept: ``SAMSR_CACHE``, else the user's cache folder."""
    own = os.environ.get("SAMSR_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "samsr"


def fetch_checkpoint(checkpoint: Checkpoint, report: Callable[[float], None]) -> Path:
    """Return the path of a checkpoint, fetched if it is not there.

    Args:
        checkpoint: Which.
        report: Called with the megabytes that are there so far.

    Raises:
        WeightsError: It cannot be reached, or what came is not the published file.
        DiskFullError: The disk is full.
        InputError: The cache folder cannot be written.
    """
    folder = cache_folder()
    path, part = folder / checkpoint.name, folder / f"{checkpoint.name}.part"
    if path.is_file():
        return path
    url = os.environ.get(ORIGIN_VARIABLE, ORIGIN).rstrip("/") + "/" + checkpoint.name
    elsewhere = f"fetch {url} on another machine and put it at {path}, or give --checkpoint"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder / f"{checkpoint.name}.lock"):
            if path.is_file():
                return path
            _continue(url, part, report)
            _check(url, part, checkpoint, elsewhere)
            part.replace(path)
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(f"{url}: cannot be fetched ({reason})", hint=elsewhere) from error
    except OSError as error:
        if error.errno in DISK_FULL:
            raise DiskFullError(f"{part}: no space left", hint="free some disk space") from error
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from error
    return path


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Wait until no other process fetches the same file."""
    with path.open("w") as file:
        if sys.platform != "win32":
            import fcntl  # noqa: PLC0415 - not on Windows

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check(url: str, part: Path, checkpoint: Checkpoint, elsewhere: str) -> None:
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != checkpoint.sha256:
        part.unlink()
        raise WeightsError(f"{url}: what came is not the published file", hint=elsewhere)


def _continue(url: str, part: Path, report: Callable[[float], None]) -> None:
    """Fetch what is still missing of a file; a server that cannot resume starts it anew."""
    there = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url)  # noqa: S310 - the user's own choice of address
    if there:
        request.add_header("Range", f"bytes={there}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310 - as above
    except urllib.error.HTTPError as error:
        error.close()
        # Nothing is missing; the digest will tell.
        if error.code == 416 and there:
            return
        raise
    with response, part.open("ab" if response.status == 206 else "wb") as file:
        missing = int(response.headers.get("Content-Length") or 0)
        while block := response.read(BLOCK):
            file.write(block)
            missing -= len(block)
            report(file.tell() / 1e6)
        if missing > 0:
            raise ConnectionError("the connection ended early; run again to go on")
