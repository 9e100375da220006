"""What was found of a machine, in words."""

from collections.abc import Iterator

from sam_diffsr_cli.diagnosis.records import Device, Facts, Library, SelfTest

__all__ = ["describe_test", "fact_rows"]


def fact_rows(facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield a label and a text for each fact; an empty label goes on with the one before."""
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
        yield device.name, _describe_device(device)
    if facts.auto is not None:
        picked = next(device for device in facts.devices if device.name == facts.auto)
        yield "auto", f"picks {picked.name}, and {picked.precision} there"
    model = facts.model
    yield "model", f"{model.name}, {model.error or f'whole, {model.path}'}"
    for library in facts.libraries:
        yield library.name, _describe_library(library)


def _describe_device(device: Device) -> str:
    free, total = (
        "unknown" if size is None else f"{size / 1e9:.1f} GB"
        for size in (device.free, device.total)
    )
    return f"{device.title}; memory {free} free of {total}"


def _describe_library(library: Library) -> str:
    if library.error is not None:
        return f"DOES NOT WORK: {library.error}"
    parts = [library.version or "unknown", *library.features]
    return ", ".join([*parts, *(f"no {feature}" for feature in library.lacking)])


def describe_test(test: SelfTest) -> str:
    """Say in a line how a test of a device went."""
    if test.error is not None:
        return f"FAILED: {test.error}"
    same = "" if test.from_cpu is None else f", within {test.from_cpu} levels of the CPU"
    return f"passed in {test.seconds:.2f} s with {test.precision}{same}"
