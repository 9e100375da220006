"""``samsr doctor``: what samsr runs on, whether it works, and what to do where it does not."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from sam_diffsr_cli.cli.options import Json
from sam_diffsr_cli.cli.render import CommandResult, heading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sam_diffsr_cli.diagnosis.records import Advice, Device, Facts, Library, SelfTest

__all__ = ["doctor"]

LABEL_WIDTH = 12


def doctor(as_json: Json = False) -> CommandResult:  # noqa: FBT002
    """Tell what torch and samsr see here, test each device, and say what to do.

    Example: samsr doctor
    Example: samsr doctor --json
    """
    from sam_diffsr_cli.diagnosis.advice import advise, verdict
    from sam_diffsr_cli.diagnosis.gathering import gather_facts
    from sam_diffsr_cli.diagnosis.selftest import run_selftests

    facts = gather_facts()
    tests: list[SelfTest] = []
    # Told as it goes: a driver may take the process down with it.
    if not as_json:
        _print_rows("", _fact_rows(facts))
        _print_rows("self-test", [])
    for test in run_selftests(facts.devices):
        tests.append(test)
        if not as_json:
            _print_rows("", [(test.device, _tell_test(test))])
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


def _fact_rows(facts: "Facts") -> "Iterator[tuple[str, str]]":
    machine, torch = facts.machine, facts.torch
    yield "samsr", machine.samsr
    yield "python", f"{machine.python}, {machine.architecture}"
    yield "platform", machine.platform
    yield "processors", str(machine.processors)
    if torch is None:
        yield "torch", f"DOES NOT WORK: {facts.torch_error}"
    else:
        bf16 = "native bf16" if torch.has_native_bf16 else "no native bf16"
        yield "torch", f"{torch.version}, built for {torch.built_for}"
        yield "", f"{torch.threads} threads on the CPU, which has {bf16}"
        if torch.gpu_error is not None:
            yield "", f"sees no GPU: {torch.gpu_error}"
    for device in facts.devices:
        yield device.name, _tell_device(device)
    if facts.auto is not None:
        picked = next(device for device in facts.devices if device.name == facts.auto)
        yield "auto", f"picks {picked.name}, and {picked.precision} there"
    model = facts.model
    yield "model", f"{model.name}, {model.error or f'whole, {model.path}'}"
    for library in facts.libraries:
        yield library.name, _tell_library(library)


def _tell_device(device: "Device") -> str:
    free, total = (
        "unknown" if size is None else f"{size / 1e9:.1f} GB"
        for size in (device.free, device.total)
    )
    return f"{device.title}; memory {free} free of {total}"


def _tell_library(library: "Library") -> str:
    if library.error is not None:
        return f"DOES NOT WORK: {library.error}"
    parts = [library.version or "unknown", *library.features]
    return ", ".join([*parts, *(f"no {feature}" for feature in library.lacking)])


def _tell_test(test: "SelfTest") -> str:
    if test.error is not None:
        return f"FAILED: {test.error}"
    same = "" if test.from_cpu is None else f", within {test.from_cpu} levels of the CPU"
    return f"passed in {test.seconds:.2f} s with {test.precision}{same}"


def _print_advice(advice: "Sequence[Advice]") -> None:
    _print_rows("what to do", [])
    for each in advice:
        _print_rows("", [("problem" if each.is_problem else "note", each.what), ("", each.remedy)])
