"""From facts to advice: what is the matter, what to do, and whether samsr works at all."""

from collections.abc import Iterator, Sequence

from sam_diffsr_cli.diagnosis.records import Advice, Facts, Library, Machine, SelfTest, TorchBuild
from sam_diffsr_cli.errors import ConfigError, ResourceError, SamsrError

__all__ = ["advise", "verdict"]

REINSTALL_TORCH = "pip install --force-reinstall torch torchvision"

LEAST_FREE = 1 << 30
"""With less free memory, in bytes, even small tiles may not fit."""


def advise(facts: Facts, tests: Sequence[SelfTest]) -> tuple[Advice, ...]:
    """Say what is the matter and what to do, the gravest first; or that nothing is.

    Args:
        facts: Of the installation.
        tests: The self-tests, in the order of ``facts.devices``.
    """
    found = [
        *_on_torch(facts),
        *_on_model(facts),
        *(advice for library in facts.libraries for advice in _on_library(library)),
        *_on_tests(facts, tests),
        *_on_gpu(facts),
        *_on_memory(facts),
        *_on_speed(facts),
    ]
    if not any(advice.is_problem for advice in found):
        text = f"samsr computes on {facts.auto} unless --device says otherwise"
        found.insert(0, Advice("nothing is wrong", text, is_problem=False))
    return tuple(found)


def verdict(facts: Facts, tests: Sequence[SelfTest]) -> SamsrError | None:
    """Decide whether samsr works on the device that ``auto`` picks.

    Returns:
        None, or the error that the process should end with.
    """
    hint = "what to do is in the report"
    test = next((test for test in tests if test.device == facts.auto), None)
    if test is None:
        return ConfigError(f"torch does not work ({facts.torch_error})", hint=hint)
    if test.error is None:
        return None
    kind = ResourceError if test.exit_code == ResourceError.exit_code else ConfigError
    return kind(f"the self-test on {test.device} failed: {test.error}", hint=hint)


def _on_torch(facts: Facts) -> Iterator[Advice]:
    if facts.torch is None:
        yield Advice(f"torch does not work ({facts.torch_error})", REINSTALL_TORCH)


def _on_model(facts: Facts) -> Iterator[Advice]:
    if facts.model.error is not None:
        yield Advice(f"the bundled model: {facts.model.error}", facts.model.hint or "install again")


def _on_library(library: Library) -> Iterator[Advice]:
    remedy = f"pip install --upgrade --force-reinstall {library.name}"
    if library.error is not None:
        yield Advice(f"{library.name} cannot be imported ({library.error})", remedy)
    elif library.lacking:
        yield Advice(f"{library.name} lacks {', '.join(library.lacking)}", remedy)


def _on_tests(facts: Facts, tests: Sequence[SelfTest]) -> Iterator[Advice]:
    """Advise on devices that failed; where the CPU failed too, it is not for the others."""
    failed = [test for test in tests if test.error is not None]
    on_cpu = next((test for test in failed if test.device == "cpu"), None)
    if on_cpu is not None and (facts.model.error or any(each.error for each in facts.libraries)):
        return
    for test in [on_cpu] if on_cpu else failed:
        what = f"the self-test on {test.device} failed: {test.error}"
        if test.exit_code == ResourceError.exit_code:
            elsewhere = "" if test.device == "cpu" else "; or use --device cpu"
            yield Advice(what, f"close other programs, or use a smaller --tile{elsewhere}")
        elif test.device == "cpu":
            yield Advice(what, f"install samsr again, and torch: {REINSTALL_TORCH}")
        else:
            yield Advice(what, "use --device cpu")


def _on_gpu(facts: Facts) -> Iterator[Advice]:
    """Advise on a GPU that is not used."""
    if facts.torch is None or any(device.name != "cpu" for device in facts.devices):
        return
    if facts.machine.is_apple_silicon:
        yield _on_apple(facts.machine, facts.torch)
    elif facts.torch.rocm is not None:
        yield _on_rocm(facts.machine, facts.torch)
    elif facts.torch.cuda is not None:
        yield _on_cuda(facts.machine, facts.torch)
    elif facts.machine.has_nvidia_driver:
        yield Advice(
            "an NVIDIA driver is here, but torch is built for the CPU only",
            f"install a CUDA build of torch: {REINSTALL_TORCH} (on Windows that gives a CPU build "
            "again; PyTorch's start page tells the command for CUDA)",
        )
    elif facts.machine.has_amd_driver:
        yield Advice(
            "an AMD GPU driver is here, but torch is built for the CPU only",
            "install a ROCm build of torch; PyTorch's start page tells the command",
        )
    else:
        yield Advice("no GPU was found", "the CPU is used; --steps 0 is fast", is_problem=False)


def _on_apple(machine: Machine, torch: TorchBuild) -> Advice:
    if machine.architecture != "arm64":
        return Advice(
            "this Python is built for Intel processors, which keeps Apple's GPU from it",
            "install samsr with a Python built for Apple silicon (arm64)",
        )
    if not torch.has_mps:
        return Advice("torch is built without MPS, Apple's GPU", REINSTALL_TORCH)
    return Advice("torch cannot use Apple's GPU (MPS) here", "update macOS; 14 or newer is needed")


def _on_rocm(machine: Machine, torch: TorchBuild) -> Advice:
    if not machine.has_amd_driver:
        return Advice(
            "torch is built for AMD GPUs, and no AMD GPU driver was found",
            "if there is such a GPU, install its driver; without one the CPU is used",
            is_problem=False,
        )
    return Advice(
        f"torch is built for {torch.built_for}, but sees no GPU ({torch.gpu_error})",
        "let rocminfo list the GPU, and join the groups render and video",
    )


def _on_cuda(machine: Machine, torch: TorchBuild) -> Advice:
    hidden = machine.visible_devices
    if hidden is not None and hidden.strip() in ("", "-1"):
        return Advice(
            f'CUDA_VISIBLE_DEVICES is "{hidden}", which hides every GPU',
            "unset it, or set it to the number of a GPU",
        )
    if not machine.has_nvidia_driver:
        return Advice(
            "no NVIDIA driver was found",
            "if there is an NVIDIA GPU, install its driver; without one the CPU is used",
            is_problem=False,
        )
    named = "" if hidden is None else f'; see that CUDA_VISIBLE_DEVICES, "{hidden}", names a GPU'
    return Advice(
        f"torch is built for {torch.built_for}, but sees no GPU ({torch.gpu_error})",
        "update the NVIDIA driver until nvidia-smi lists the GPU, or install a torch built for an "
        f"older CUDA; a container must be given the GPU{named}",
    )


def _on_memory(facts: Facts) -> Iterator[Advice]:
    device = next((device for device in facts.devices if device.name == facts.auto), None)
    if device is not None and device.free is not None and device.free < LEAST_FREE:
        yield Advice(
            f"only {device.free / 1e6:.0f} MB of memory are free on {device.name}",
            "close other programs, or use a smaller --tile, such as --tile 96",
        )


def _on_speed(facts: Facts) -> Iterator[Advice]:
    if facts.torch is not None and facts.auto == "cpu" and facts.torch.has_native_bf16:
        yield Advice(
            "this processor computes bf16 natively",
            "--precision auto uses it, twice as fast; --precision fp32 is the more exact",
            is_problem=False,
        )
