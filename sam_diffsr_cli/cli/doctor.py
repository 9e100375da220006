"""``samsr doctor``: what samsr runs on, whether it works, and what to do where it does not."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from sam_diffsr_cli.cli.options import Json
from sam_diffsr_cli.cli.render import CommandResult, heading

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sam_diffsr_cli.diagnosis.records import Advice, SelfTest

__all__ = ["doctor"]

LABEL_WIDTH = 12


def doctor(as_json: Json = False) -> CommandResult:  # noqa: FBT002
    """Tell what torch and samsr see here, test each device, and say what to do.

    Example: samsr doctor
    Example: samsr doctor --json
    """
    from sam_diffsr_cli.diagnosis.advice import advise, verdict
    from sam_diffsr_cli.diagnosis.gathering import gather_facts
    from sam_diffsr_cli.diagnosis.report import describe_test, fact_rows
    from sam_diffsr_cli.diagnosis.selftest import run_selftests

    facts = gather_facts()
    tests: list[SelfTest] = []
    # Told as it goes: a driver may take the process down with it.
    if not as_json:
        _print_rows("", fact_rows(facts))
        _print_rows("self-test", [])
    for test in run_selftests(facts.devices):
        tests.append(test)
        if not as_json:
            _print_rows("", [(test.device, describe_test(test))])
    advice, failure = advise(facts, tests), verdict(facts, tests)
    document = {
        **heading(failure),
        **asdict(facts),
        "self_tests": [asdict(test) for test in tests],
        "advice": [asdict(each) for each in advice],
    }
    return CommandResult(document=document, show=lambda: _print_advice(advice), failure=failure)


def _print_rows(title: str, rows: "Iterable[tuple[str, str]]") -> None:
    """Print a title, bold on a terminal, and rows of two columns, indented below it."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, emoji=False, soft_wrap=True)
    if title:
        console.print(f"\n[bold]{escape(title)}[/]")
    for label, value in rows:
        console.print(escape(f"{label:<{LABEL_WIDTH}}{value}"))


def _print_advice(advice: "Sequence[Advice]") -> None:
    _print_rows("what to do", [])
    for each in advice:
        _print_rows("", [("problem" if each.is_problem else "note", each.what), ("", each.remedy)])
