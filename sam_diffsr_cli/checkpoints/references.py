"""What ``--model`` takes, as text: a bundled model, a file, or a file in a repository of the Hub.

Parsing only: no file but the one named is looked at, and nothing is fetched.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from sam_diffsr_cli.checkpoints.registry import DEFAULT_MODEL, DIGESTS
from sam_diffsr_cli.errors import InputError

__all__ = [
    "HUB_FILE",
    "BundledReference",
    "HubReference",
    "ModelReference",
    "check_new_weights",
    "parse_hub_reference",
    "parse_reference",
]

HUB_FILE = "model.safetensors"
"""The file in a repository that is meant where none is named."""

DEFAULT_NAME = "default"
MAIN_REVISION = "main"
CHECKPOINT_SUFFIXES = (".ckpt", ".pth", ".pt", ".bin")
FILE_SUFFIXES = (".safetensors", *CHECKPOINT_SUFFIXES)

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
HUB = re.compile(rf"(?P<repo>{NAME}/{NAME})(?:@(?P<revision>[^:@]*))?(?::(?P<file>.*))?", re.DOTALL)
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*(?:/[A-Za-z0-9_][A-Za-z0-9._+-]*)*")
"""A relative path without hidden, empty or parent folders, and nothing a shell would take."""


@dataclass(frozen=True, slots=True)
class BundledReference:
    """A model that comes with samsr."""

    name: str


@dataclass(frozen=True, slots=True)
class HubReference:
    """A file in a repository of the Hub, at a branch, tag or commit."""

    repo: str
    revision: str = MAIN_REVISION
    file: str = HUB_FILE

    def __str__(self) -> str:
        """Write it as ``--model`` takes it, without what is usual."""
        revision = "" if self.revision == MAIN_REVISION else f"@{self.revision}"
        file = "" if self.file == HUB_FILE else f":{self.file}"
        return f"{self.repo}{revision}{file}"


ModelReference = BundledReference | HubReference | Path


def parse_reference(text: str) -> ModelReference:
    """Read what ``--model`` was given; what exists as a file is that file.

    Raises:
        InputError: It is none of the three.
    """
    if text == DEFAULT_NAME or text in DIGESTS:
        return BundledReference(DEFAULT_MODEL if text == DEFAULT_NAME else text)
    if not text:
        raise InputError("--model: the name is empty")
    path = Path(text)
    if os.path.lexists(path) or _is_path(text):
        if path.suffix.lower() in CHECKPOINT_SUFFIXES:
            raise InputError(
                f"{text}: a PyTorch checkpoint, which is not run as it is",
                hint="convert it once: samsr models convert CKPT -o FILE.safetensors",
            )
        return path
    if HUB.fullmatch(text):
        return parse_hub_reference(text)
    raise InputError(
        f"{text}: neither a bundled model, a file, nor org/name on the Hub",
        hint=f"bundled: {', '.join(DIGESTS)}",
    )


def parse_hub_reference(text: str) -> HubReference:
    """Read ``org/name[@revision][:file]``.

    Raises:
        InputError: It is not of this form, or a part of it leads elsewhere.
    """
    match = HUB.fullmatch(text)
    if match is None:
        raise InputError(f"{text}: not of the form org/name[@revision][:file]")
    repo, revision, file = match.group("repo", "revision", "file")
    if ".." in repo or "--" in repo:
        raise InputError(f"{text}: not a name of a repository: {repo}")
    for what, part in (("revision", revision), ("file", file)):
        if part is not None and (not SAFE.fullmatch(part) or ".." in part):
            raise InputError(
                f"{text}: the {what} {part!r} is not a plain name",
                hint="letters, digits, ., _, +, - and / between them; no .. and no hidden names",
            )
    if file is not None and not file.endswith(".safetensors"):
        raise InputError(f"{text}: only .safetensors files are read", hint="name another file")
    return HubReference(repo, revision or MAIN_REVISION, file or HUB_FILE)


def check_new_weights(*paths: Path, overwrite: bool) -> None:
    """Refuse files that may not be replaced; the first is the weights, and named so.

    Raises:
        InputError: One is there already, or ``--model`` would not take the first.
    """
    if paths[0].suffix != ".safetensors":
        raise InputError(f"{paths[0]}: weights files end in .safetensors")
    for path in paths:
        if path.exists() and not overwrite:
            raise InputError(
                f"{path}: already there", hint="add --overwrite, or choose another name"
            )


def _is_path(text: str) -> bool:
    """Whether a text that names nothing that exists was meant as a file all the same."""
    return (
        text.startswith((".", "/", "~"))
        or "\\" in text
        or (text.lower().endswith(FILE_SUFFIXES) and not re.search(r"[@:]", text))
    )
