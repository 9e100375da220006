"""What a command gives back, and the one place where that becomes text or a JSON document."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import typer

from sam_diffsr_cli import __version__
from sam_diffsr_cli.cli.console import print_error, print_result
from sam_diffsr_cli.errors import SamsrError

__all__ = ["CommandResult", "error_document", "heading", "render", "to_text"]

DOCUMENT_VERSION = 1
STATUSES = {0: "ok", 6: "partial", 130: "interrupted"}


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandResult:
    """What came of a command that reached its end.

    Attributes:
        document: What ``--json`` prints, without its version.
        show: Prints the same for people; None where all is printed already.
        failure: What the process ends with, None when all went well.
        cause: What a bug was raised with, to be printed whole.
        is_told: Whether the document says of the failure all there is.
    """

    document: Mapping[str, Any] | None = None
    show: Callable[[], None] | None = None
    failure: SamsrError | None = None
    cause: BaseException | None = None
    is_told: bool = False


def heading(failure: SamsrError | None, status: str | None = None) -> dict[str, Any]:
    """Begin a document that says how a run ended; ``status`` where the exit code does not."""
    exit_code = 0 if failure is None else failure.exit_code
    return {
        "version": __version__,
        "status": status or STATUSES.get(exit_code, "failed"),
        "exit_code": exit_code,
        "error": None if failure is None else failure.as_dict(),
    }


def error_document(failure: SamsrError) -> dict[str, Any]:
    """Describe a run that ended before any picture was looked at."""
    status = "interrupted" if failure.exit_code == 130 else "failed"
    return {**heading(failure, status), "files": []}


def to_text(document: Mapping[str, Any]) -> str:
    """Write a document with its version; in ASCII when a name in it is no text."""
    whole = {"samsr": DOCUMENT_VERSION, **document}
    text = json.dumps(whole, indent=2, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(whole, indent=2)
    return text


def render(result: CommandResult, *, as_json: bool) -> None:
    """Print what came of a command: on stdout the result, on stderr the failure.

    Raises:
        typer.Exit: With the failure's exit code.
    """
    failure, document = result.failure, result.document
    if as_json:
        if document is None and failure is not None:
            document = error_document(failure)
        if document is not None:
            print_result(to_text(document))
    elif result.show is not None:
        result.show()
    if failure is None:
        return
    if not (as_json and result.is_told):
        print_error(str(failure), failure.hint, cause=result.cause)
    raise typer.Exit(failure.exit_code) from failure
