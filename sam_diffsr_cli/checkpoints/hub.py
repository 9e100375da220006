"""Weights files on the Hub, through huggingface-hub: its cache, its tokens, its settings.

The library is imported when it is needed only. Every file is compared with the digest that the Hub
gave for it before it is used, also from the cache; an interrupted download is resumed by the next.
"""

import contextlib
import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_diffsr_cli.checkpoints.references import HUB_FILE, HubReference
from sam_diffsr_cli.digests import sha256_of
from sam_diffsr_cli.download import cache_folder
from sam_diffsr_cli.errors import InputError, SamsrError, WeightsError, is_disk_full, os_error

__all__ = [
    "HubFailure",
    "HubFile",
    "explain",
    "fetch_hub_file",
    "http_status",
    "local_place",
    "quiet",
]

LOCAL_COMMIT = "local"
"""In the place of a commit, for a file that was put there by hand."""

SHA256_DIGITS, SHA1_DIGITS = 64, 40
TOKEN_HINT = "a private or gated one needs a token in HF_TOKEN, whose owner may read it"  # noqa: S105
MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of the Hub on this disk; the commit it is of, and its SHA-256."""

    path: Path
    commit: str
    digest: str


def local_place(reference: HubReference) -> Path:
    """Say where a file is looked for that was put there by hand, where the Hub is out of reach."""
    revision = "" if reference.revision == "main" else f"@{reference.revision}"
    return cache_folder() / "models" / f"{reference.repo}{revision}" / reference.file


def fetch_hub_file(reference: HubReference) -> HubFile:
    """Return a file of the Hub, fetched unless the cache has it.

    Raises:
        WeightsError: It does not exist, may not be read, cannot be reached, or is not what the Hub
            says it is.
        DiskFullError: There is no space for it.
        InputError: The cache cannot be written.
    """
    try:
        path = _download(reference)
    except Exception as error:
        failure = explain(error, reference)
        by_hand = local_place(reference)
        if failure.is_out_of_reach and by_hand.is_file():
            return HubFile(by_hand, LOCAL_COMMIT, sha256_of(by_hand))
        names = _other_files(reference) if failure.is_missing_file else []
        if names:
            there = ", ".join(names[:MOST_NAMES])
            raise WeightsError(
                f"{failure.error}; it has {there}",
                hint=f"name one: {reference.repo}:{names[0]}",
            ) from error
        raise failure.error from error
    return HubFile(path, _commit(path), _checked(path, reference))


def _download(reference: HubReference) -> Path:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - only where it is needed

    with quiet():
        return Path(
            hf_hub_download(
                reference.repo,
                reference.file,
                revision=reference.revision,
                library_name="samsr",
            )
        )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's log to itself, and its bar from what is no terminal.

    What it ends with is told in our words.
    """
    import logging  # noqa: PLC0415 - only where it is needed

    # As a module: under its name the package has the class.
    bars = importlib.import_module("huggingface_hub.utils.tqdm")

    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    is_hidden = not sys.stderr.isatty() and not bars.are_progress_bars_disabled()
    if is_hidden:
        bars.disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(before)
        if is_hidden:
            bars.enable_progress_bars()


def _commit(path: Path) -> str:
    """Read the commit from a place in the cache: ``snapshots/COMMIT/FILE``."""
    parts = path.parts
    return parts[len(parts) - parts[::-1].index("snapshots")]


def _checked(path: Path, reference: HubReference) -> str:
    """Compare a cached file with the digest that it is named by; return its SHA-256.

    Where links are not supported the cache holds the file itself, whose digest is not known.

    Raises:
        WeightsError: It is another file; it is removed, so that the next try fetches it anew.
    """
    blob = path.resolve()
    digest = sha256_of(blob)
    expected = blob.name if blob.parent.name == "blobs" else ""
    if len(expected) == SHA256_DIGITS:
        is_right = digest == expected
    elif len(expected) == SHA1_DIGITS:
        is_right = _git_sha1(blob) == expected
    else:
        is_right = True
    if not is_right:
        for each in (path, blob):
            with contextlib.suppress(OSError):
                each.unlink()
        raise WeightsError(
            f"{reference}: what came is not the file that the Hub says it is; it was removed",
            hint="try again; if it comes back, tell whoever published it",
        )
    return digest


def _git_sha1(path: Path) -> str:
    """Hash a file as git does its blobs, which is how the Hub names small files."""
    hashed = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            hashed.update(block)
    return hashed.hexdigest()


@dataclass(frozen=True, slots=True)
class HubFailure:
    """Why something of the Hub is not to be had."""

    error: SamsrError
    is_out_of_reach: bool = False
    is_missing_file: bool = False


def explain(error: Exception, reference: HubReference) -> HubFailure:
    """Tell in one line what the library ends with, and what to do."""
    from huggingface_hub import errors  # noqa: PLC0415 - only where it is needed

    if isinstance(error, errors.LocalEntryNotFoundError):
        # Says that the cache has no such file either; why it was asked is the cause.
        cause: Any = error.__cause__
        is_told = isinstance(cause, errors.HfHubHTTPError | errors.FileMetadataError)
        error = cause if is_told else errors.OfflineModeIsEnabled()
    if isinstance(error, errors.FileMetadataError):
        why = "whatever answers is not the Hub; see HF_ENDPOINT and proxies"
        return _out_of_reach(reference, why)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return _out_of_reach(reference, _why_offline())
    if isinstance(error, errors.HfHubHTTPError):
        return _of_answer(error, reference)
    if isinstance(error, OSError) and "Consistency check" not in str(error):
        return _disk_failure(error)
    first = (str(error) or type(error).__name__).strip().partition("\n")[0]
    return _out_of_reach(reference, f"the download ended early ({first[:200]}); run again to go on")


def _of_answer(error: Exception, reference: HubReference) -> HubFailure:
    """Tell what the Hub answered with."""
    from huggingface_hub import errors  # noqa: PLC0415 - only where it is needed

    repo, status = reference.repo, http_status(error)
    told: tuple[tuple[bool, str, str], ...] = (
        (
            isinstance(error, errors.GatedRepoError),
            f"{repo}: its owner lets in only whom they accepted",
            TOKEN_HINT,
        ),
        (
            isinstance(error, errors.RevisionNotFoundError),
            f"{repo}: has no revision {reference.revision!r}",
            "name a branch, a tag or a commit after @",
        ),
        (
            isinstance(error, errors.RepositoryNotFoundError) or status == 401,
            f"{repo}: no such repository on the Hub, or it is private",
            TOKEN_HINT,
        ),
        (status == 403, f"{repo}: the Hub refuses it (403)", TOKEN_HINT),
        (
            isinstance(error, errors.EntryNotFoundError) or status == 404,
            f"{repo}: has no {reference.file} at {reference.revision}",
            "name its file: org/name:file.safetensors",
        ),
    )
    for applies, text, hint in told:
        if applies:
            is_missing_file = text.startswith(f"{repo}: has no {reference.file}")
            return HubFailure(WeightsError(text, hint=hint), is_missing_file=is_missing_file)
    if status == 429:
        return _out_of_reach(reference, "the Hub asks for fewer requests (429); wait a little")
    return _out_of_reach(reference, f"the Hub answers with an error ({status})")


def http_status(error: BaseException | None) -> int | None:
    """Find what the Hub answered with; the library wraps it in errors of its own."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
        error = error.__cause__ or error.__context__
    return None


def _why_offline() -> str:
    from huggingface_hub import constants  # noqa: PLC0415 - only where it is needed

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set, and it is not in the cache"
    return "the Hub cannot be reached, and it is not in the cache"


def _out_of_reach(reference: HubReference, why: str) -> HubFailure:
    command = f"samsr models download {reference} -o {HUB_FILE}"
    hint = f"where there is a network: {command}; then put the file at {local_place(reference)}"
    return HubFailure(WeightsError(f"{reference}: {why}", hint=hint), is_out_of_reach=True)


def _disk_failure(error: OSError) -> HubFailure:
    place = error.filename or os.environ.get("HF_HOME") or "the cache of the Hub"
    if is_disk_full(error):
        return HubFailure(os_error(place, error, ""))
    reason = error.strerror or str(error)
    return HubFailure(
        InputError(f"{place}: cannot be used ({reason})", hint="HF_HOME names another")
    )


def _other_files(reference: HubReference) -> list[str]:
    """List the weights files of a repository; nothing where it does not tell."""
    from huggingface_hub import HfApi  # noqa: PLC0415 - only where it is needed

    ask: Callable[..., list[str]] = HfApi(library_name="samsr").list_repo_files
    with quiet(), contextlib.suppress(Exception):
        names = ask(reference.repo, revision=reference.revision)
        return sorted(name for name in names if name.endswith(".safetensors"))
    return []
