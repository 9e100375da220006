"""Advice follows from the facts of machines that are not here."""

from dataclasses import replace
from typing import Any

import pytest

from sam_diffsr_cli.diagnosis.advice import advise, verdict
from sam_diffsr_cli.diagnosis.records import (
    Advice,
    Device,
    Facts,
    Library,
    Machine,
    Model,
    SelfTest,
    TorchBuild,
)
from sam_diffsr_cli.errors import ConfigError, ResourceError

GIB = 1 << 30
CPU = Device(name="cpu", title="a processor", precision="fp32", free=8 * GIB, total=16 * GIB)
GPU = Device(name="cuda:0", title="a card", precision="bf16", free=20 * GIB, total=24 * GIB)
MPS = Device(name="mps", title="Apple's GPU", precision="fp32", free=9 * GIB, total=10 * GIB)

MACHINE = Machine(
    samsr="1.2.3",
    python="3.12.1",
    platform="Linux-6.1",
    architecture="x86_64",
    processors=8,
    is_apple_silicon=False,
    has_nvidia_driver=False,
    has_amd_driver=False,
    visible_devices=None,
)
TORCH = TorchBuild(
    version="2.6.0",
    cuda=None,
    rocm=None,
    has_mps=False,
    threads=8,
    has_native_bf16=False,
    gpu_error=None,
)
FACTS = Facts(
    machine=MACHINE,
    torch=TORCH,
    torch_error=None,
    devices=(CPU,),
    auto="cpu",
    model=Model(name="a-model", path="a-model.safetensors", sha256="ab" * 32),
    libraries=(Library(name="pillow", version="12.0", features=("AVIF 1.3", "WebP 1.5")),),
)


def facts_of(*, machine: Any = None, torch: Any = None, **changes: Any) -> Facts:
    """Make facts: those of a machine without a GPU where all is well, with changes."""
    return replace(
        FACTS,
        machine=replace(MACHINE, **(machine or {})),
        torch=replace(TORCH, **(torch or {})),
        **changes,
    )


def passed(*devices: str) -> list[SelfTest]:
    return [SelfTest(device=name, precision="fp32", seconds=0.1) for name in devices]


def failed(device: str, exit_code: int = 4) -> SelfTest:
    return SelfTest(device=device, precision="fp32", error="it went wrong", exit_code=exit_code)


def problems(facts: Facts, tests: list[SelfTest] | None = None) -> list[Advice]:
    run = passed(*(d.name for d in facts.devices)) if tests is None else tests
    return [advice for advice in advise(facts, run) if advice.is_problem]


def only_problem(facts: Facts, tests: list[SelfTest] | None = None) -> Advice:
    (advice,) = problems(facts, tests)
    return advice


# Nothing wrong.


@pytest.mark.parametrize(
    "facts",
    [
        facts_of(),
        facts_of(torch={"cuda": "12.4", "gpu_error": "no driver"}),
        facts_of(torch={"rocm": "6.2", "gpu_error": "no driver"}),
        facts_of(
            machine={"has_nvidia_driver": True},
            torch={"cuda": "12.4"},
            devices=(CPU, GPU),
            auto="cuda:0",
        ),
        facts_of(
            machine={"is_apple_silicon": True, "architecture": "arm64"},
            torch={"has_mps": True},
            devices=(CPU, MPS),
            auto="mps",
        ),
    ],
    ids=["cpu", "cuda-without-card", "rocm-without-card", "cuda", "apple"],
)
def test_where_all_works_it_says_so_first(facts: Facts) -> None:
    advice = advise(facts, passed(*(d.name for d in facts.devices)))
    assert not any(each.is_problem for each in advice)
    assert advice[0].what == "nothing is wrong"
    assert f"computes on {facts.auto} " in advice[0].remedy


def test_it_does_not_say_that_nothing_is_wrong_beside_a_problem() -> None:
    facts = facts_of(machine={"has_nvidia_driver": True})
    assert "nothing is wrong" not in [each.what for each in advise(facts, passed("cpu"))]


# A GPU that is not used.


def test_a_cpu_build_beside_an_nvidia_driver_needs_a_cuda_build() -> None:
    advice = only_problem(facts_of(machine={"has_nvidia_driver": True}))
    assert "built for the CPU only" in advice.what
    assert "install a CUDA build of torch" in advice.remedy
    assert "pip install --force-reinstall torch torchvision" in advice.remedy


def test_a_cpu_build_beside_an_amd_driver_needs_a_rocm_build() -> None:
    advice = only_problem(facts_of(machine={"has_amd_driver": True}))
    assert "install a ROCm build of torch" in advice.remedy


def test_without_any_gpu_the_fast_way_on_the_cpu_is_told() -> None:
    whats = {each.what: each for each in advise(facts_of(), passed("cpu"))}
    assert "--steps 0" in whats["no GPU was found"].remedy


def test_a_cuda_build_without_a_driver_is_told_what_a_card_would_need() -> None:
    facts = facts_of(torch={"cuda": "12.4", "gpu_error": "no driver"})
    whats = {each.what: each for each in advise(facts, passed("cpu"))}
    assert "install its driver" in whats["no NVIDIA driver was found"].remedy


def test_a_driver_that_torch_cannot_use_is_to_be_updated() -> None:
    facts = facts_of(
        machine={"has_nvidia_driver": True},
        torch={"cuda": "13.0", "gpu_error": "the driver is too old (found version 11040)"},
    )
    advice = only_problem(facts)
    assert "CUDA 13.0" in advice.what
    assert "found version 11040" in advice.what
    assert "update the NVIDIA driver" in advice.remedy
    assert "CUDA_VISIBLE_DEVICES" not in advice.remedy


@pytest.mark.parametrize("value", ["", "-1", " "])
def test_a_variable_that_hides_every_gpu_is_named(value: str) -> None:
    facts = facts_of(
        machine={"has_nvidia_driver": True, "visible_devices": value},
        torch={"cuda": "12.4", "gpu_error": "no CUDA GPUs are available"},
    )
    advice = only_problem(facts)
    assert f'CUDA_VISIBLE_DEVICES is "{value}"' in advice.what
    assert "unset it" in advice.remedy


def test_a_variable_that_names_another_gpu_is_mentioned() -> None:
    facts = facts_of(
        machine={"has_nvidia_driver": True, "visible_devices": "7"},
        torch={"cuda": "12.4", "gpu_error": "no CUDA GPUs are available"},
    )
    assert 'CUDA_VISIBLE_DEVICES, "7"' in only_problem(facts).remedy


def test_a_rocm_build_that_sees_no_gpu_needs_rights_to_it() -> None:
    facts = facts_of(
        machine={"has_amd_driver": True}, torch={"rocm": "6.2", "gpu_error": "no HIP GPUs"}
    )
    advice = only_problem(facts)
    assert "ROCm 6.2" in advice.what
    assert "render" in advice.remedy


@pytest.mark.parametrize(
    ("architecture", "has_mps", "words"),
    [("x86_64", False, "arm64"), ("arm64", False, "pip install"), ("arm64", True, "macOS")],
    ids=["intel-python", "built-without", "old-macos"],
)
def test_apple_silicon_without_mps_is_told_why(
    architecture: str, words: str, has_mps: bool
) -> None:
    facts = facts_of(
        machine={"is_apple_silicon": True, "architecture": architecture},
        torch={"has_mps": has_mps},
    )
    assert words in only_problem(facts).remedy


# Memory, speed, libraries, the model.


def test_little_free_memory_calls_for_smaller_tiles() -> None:
    tight = replace(GPU, free=300_000_000)
    facts = facts_of(torch={"cuda": "12.4"}, devices=(CPU, tight), auto="cuda:0")
    advice = only_problem(facts)
    assert "only 300 MB" in advice.what
    assert "--tile" in advice.remedy


@pytest.mark.parametrize("free", [None, 2 * GIB], ids=["unknown", "enough"])
def test_memory_that_is_enough_or_unknown_is_not_a_problem(free: int | None) -> None:
    assert problems(facts_of(devices=(replace(CPU, free=free),))) == []


def test_little_memory_where_nothing_is_computed_is_not_a_problem() -> None:
    facts = facts_of(devices=(replace(CPU, free=1), GPU), auto="cuda:0")
    assert problems(facts) == []


@pytest.mark.parametrize(
    ("native", "devices", "auto", "told"),
    [
        (True, (CPU,), "cpu", True),
        (False, (CPU,), "cpu", False),
        (True, (CPU, GPU), "cuda:0", False),
    ],
    ids=["native", "emulated", "on-a-gpu"],
)
def test_the_way_out_of_bf16_is_told_where_the_cpu_has_it_and_is_used(
    devices: tuple[Device, ...], auto: str, native: bool, told: bool
) -> None:
    facts = facts_of(torch={"has_native_bf16": native}, devices=devices, auto=auto)
    remedies = [each.remedy for each in advise(facts, passed("cpu", "cuda:0"))]
    assert any("--precision fp32" in remedy for remedy in remedies) == told


def test_a_library_that_cannot_be_imported_is_to_be_installed_again() -> None:
    broken = Library(name="tifffile", error="ImportError: no luck")
    advice = only_problem(facts_of(libraries=(broken,)))
    assert "no luck" in advice.what
    assert advice.remedy == "pip install --upgrade --force-reinstall tifffile"


def test_a_library_that_lacks_a_format_is_to_be_installed_again() -> None:
    poor = Library(name="pillow", version="11.0", features=("WebP 1.5",), lacking=("AVIF",))
    advice = only_problem(facts_of(libraries=(poor,)))
    assert advice.what == "pillow lacks AVIF"
    assert advice.remedy == "pip install --upgrade --force-reinstall pillow"


def test_a_damaged_model_is_told_once_with_its_own_remedy() -> None:
    damaged = Model(name="a-model", error="damaged", hint="fetch it again")
    advice = only_problem(facts_of(model=damaged), [failed("cpu")])
    assert advice == Advice("the bundled model: damaged", "fetch it again")


# Self-tests.


def test_a_gpu_that_fails_is_to_be_left_alone() -> None:
    facts = facts_of(devices=(CPU, GPU), auto="cuda:0")
    advice = only_problem(facts, [*passed("cpu"), failed("cuda:0")])
    assert "self-test on cuda:0 failed: it went wrong" in advice.what
    assert advice.remedy == "use --device cpu"


def test_a_gpu_whose_memory_ran_out_calls_for_smaller_tiles() -> None:
    facts = facts_of(devices=(CPU, GPU), auto="cuda:0")
    advice = only_problem(facts, [*passed("cpu"), failed("cuda:0", 5)])
    assert "--tile" in advice.remedy
    assert "--device cpu" in advice.remedy


def test_a_cpu_that_fails_is_not_replaced_by_itself() -> None:
    for exit_code in (4, 5):
        assert "--device" not in only_problem(facts_of(), [failed("cpu", exit_code)]).remedy


def test_where_the_cpu_fails_too_other_devices_are_not_blamed() -> None:
    facts = facts_of(devices=(CPU, GPU), auto="cuda:0")
    advice = only_problem(facts, [failed("cpu"), failed("cuda:0")])
    assert "cpu" in advice.what


def test_a_torch_that_does_not_work_is_to_be_installed_again() -> None:
    facts = replace(FACTS, torch=None, torch_error="OSError: a file", devices=(), auto=None)
    advice = only_problem(facts, [])
    assert "OSError: a file" in advice.what
    assert "pip install --force-reinstall torch torchvision" in advice.remedy


# The verdict.


def test_a_test_that_passed_on_the_device_of_auto_is_success() -> None:
    facts = facts_of(devices=(CPU, GPU), auto="cuda:0")
    assert verdict(facts, [failed("cpu"), *passed("cuda:0")]) is None


@pytest.mark.parametrize(("exit_code", "kind"), [(4, ConfigError), (5, ResourceError)])
def test_a_test_that_failed_there_is_an_error_of_its_code(
    exit_code: int, kind: type[Exception]
) -> None:
    facts = facts_of(devices=(CPU, GPU), auto="cuda:0")
    error = verdict(facts, [*passed("cpu"), failed("cuda:0", exit_code)])
    assert type(error) is kind
    assert "cuda:0 failed: it went wrong" in str(error)


def test_without_torch_the_verdict_is_an_error() -> None:
    facts = replace(FACTS, torch=None, torch_error="OSError: a file", devices=(), auto=None)
    error = verdict(facts, [])
    assert isinstance(error, ConfigError)
    assert "a file" in str(error)
