"""A weights file and its card to a repository of the Hub, in one commit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_diffsr_cli.checkpoints.card import card_beside, make_card, with_front_matter
from sam_diffsr_cli.checkpoints.hub import http_status, quiet
from sam_diffsr_cli.checkpoints.inspection import inspect_file
from sam_diffsr_cli.checkpoints.references import HUB_FILE, HubReference
from sam_diffsr_cli.checkpoints.store import load_weights
from sam_diffsr_cli.errors import InputError, WeightsError

__all__ = ["Publication", "prepare", "push"]

CARD_NAME = "README.md"


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be uploaded, and where to; ``keeps_card`` where the repository's own stays."""

    path: Path
    target: HubReference
    card: str
    is_private: bool = False
    keeps_card: bool = True


def prepare(
    path: Path, target: HubReference, *, licence: str = "", card: Path | None = None
) -> Publication:
    """Check a weights file by loading it, and write its card.

    The card is the one that is given, else the one beside the file, else one is made.

    Raises:
        WeightsError: The file cannot be loaded.
        InputError: The card cannot be read, or the licence is no identifier.
    """
    load_weights(path)
    place = card if card is not None else card_beside(path)
    if card is None and not place.is_file():
        card_text = make_card(inspect_file(path), str(target), f"--model {target}", licence)
        text = with_front_matter(card_text, licence)
    else:
        try:
            text = with_front_matter(place.read_text(encoding="utf-8"), licence)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{place}: cannot be read ({error})") from error
    return Publication(path, target, text, keeps_card=card is None)


def push(publication: Publication, message: str) -> str:
    """Upload; the repository and the branch are made where they are not there.

    Returns:
        What ``--model`` takes for exactly what was uploaded.

    Raises:
        WeightsError: The Hub refuses, or cannot be reached; the repository is as it was.
    """
    target = publication.target
    try:
        with quiet():
            commit = _commit(publication, message)
    except Exception as error:
        raise _failure(error, target) from error
    file = "" if target.file == HUB_FILE else f":{target.file}"
    return f"{target.repo}@{commit}{file}"


def _commit(publication: Publication, message: str) -> str:
    from huggingface_hub import CommitOperationAdd, HfApi  # noqa: PLC0415 - only where needed

    api: Any = HfApi(library_name="samsr")
    target = publication.target
    api.create_repo(target.repo, private=publication.is_private or None, exist_ok=True)
    if target.revision != "main":
        api.create_branch(target.repo, branch=target.revision, exist_ok=True)
    added = [CommitOperationAdd(target.file, str(publication.path))]
    is_there = api.file_exists(target.repo, CARD_NAME, revision=target.revision)
    if not (is_there and publication.keeps_card):
        added.append(CommitOperationAdd(CARD_NAME, publication.card.encode()))
    done = api.create_commit(
        target.repo, added, commit_message=message, revision=target.revision, run_as_future=False
    )
    return str(done.oid)


def _failure(error: Exception, target: HubReference) -> WeightsError:
    status = http_status(error)
    told = {
        None: ("the Hub cannot be reached", "see HF_ENDPOINT, HF_HUB_OFFLINE and the network"),
        401: ("the Hub does not know who asks (401)", "put a token that may write into HF_TOKEN"),
        403: ("this token may not write there (403)", "use one that may, in HF_TOKEN"),
        404: ("no such repository, or this token does not see it (404)", "check its name"),
        409: ("somebody else changed it at the same time (409)", "try again"),
        412: ("somebody else changed it at the same time (412)", "try again"),
    }
    usual = (f"the Hub answers with an error ({status})", "try again later")
    text, hint = told.get(status, usual)
    reason = ""
    if status is None:
        first = (str(error) or type(error).__name__).strip().partition("\n")[0]
        reason = f" ({first[:200]})"
    return WeightsError(f"{target.repo}: {text}{reason}; nothing was published", hint=hint)
