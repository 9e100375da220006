"""The facts that are gathered here, against other ways to know them."""

import hashlib
import os
import platform
import sys
import types
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from sam_diffsr_cli import __version__
from sam_diffsr_cli.checkpoints import registry
from sam_diffsr_cli.diagnosis.gathering import first_line, gather_facts


def test_versions_are_those_that_are_installed() -> None:
    facts = gather_facts()
    assert (facts.machine.samsr, facts.machine.python) == (__version__, platform.python_version())
    assert facts.torch is not None
    assert facts.torch.version == torch.__version__
    found = {library.name: library.version for library in facts.libraries}
    assert found == {name: version(name) for name in found}
    assert {"pillow", "tifffile", "imagecodecs"} <= found.keys()


def test_the_cpu_is_the_first_device_and_its_free_memory_is_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sam_diffsr_cli.device.has_native_bf16", lambda: False)
    cpu = gather_facts().devices[0]
    assert (cpu.name, cpu.precision) == ("cpu", "fp32")
    if cpu.free is not None and cpu.total is not None:
        assert 0 < cpu.free <= cpu.total


def test_auto_is_one_of_the_devices() -> None:
    facts = gather_facts()
    assert facts.auto in [device.name for device in facts.devices]


def test_every_cuda_device_is_listed_with_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 + device.index, 20))
    facts = gather_facts()
    told = [(d.name, d.title, d.precision, d.free, d.total) for d in facts.devices[1:]]
    assert told == [("cuda:0", "card 0", "bf16", 10, 20), ("cuda:1", "card 1", "bf16", 11, 20)]
    assert facts.auto == "cuda:0"


def test_a_gpu_that_cannot_answer_is_still_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise RuntimeError("all CUDA-capable devices are busy")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    for name in ("is_bf16_supported", "get_device_name", "mem_get_info"):
        monkeypatch.setattr(torch.cuda, name, busy)
    gpu = gather_facts().devices[1]
    assert (gpu.name, gpu.title, gpu.free, gpu.total) == ("cuda:0", "unknown", None, None)


def test_why_a_build_for_gpus_sees_none_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("the driver is too old (found 11040). Please update it\nat a place")

    monkeypatch.setattr(torch.version, "cuda", "12.4")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", refuse)
    build = gather_facts().torch
    assert build is not None
    assert build.built_for == "CUDA 12.4"
    assert build.gpu_error == "RuntimeError: the driver is too old (found 11040)"


@pytest.mark.parametrize(
    ("cuda", "rocm", "has_mps", "words"),
    [
        ("12.4", None, False, "CUDA 12.4"),
        (None, "6.2", False, "ROCm 6.2"),
        (None, None, True, "MPS"),
        (None, None, False, "the CPU only"),
    ],
    ids=["cuda", "rocm", "mps", "cpu"],
)
def test_what_torch_is_built_for_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, rocm: str | None, has_mps: bool, words: str
) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", rocm)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: has_mps)
    build = gather_facts().torch
    assert build is not None
    assert build.built_for == words


@pytest.mark.skipif(os.name != "posix", reason="makes a program for a POSIX shell")
def test_an_nvidia_driver_is_known_by_its_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gather_facts().machine.has_nvidia_driver


@pytest.mark.parametrize("value", [None, "", "1"], ids=["unset", "empty", "one"])
def test_the_variable_that_hides_gpus_is_told(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if value is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert gather_facts().machine.visible_devices == value


@pytest.mark.parametrize(
    ("system", "kernel", "expected"),
    [
        ("Darwin", "Darwin Kernel Version 23.1.0: root:xnu-1/RELEASE_ARM64_T6000", True),
        ("Darwin", "Darwin Kernel Version 23.1.0: root:xnu-1/RELEASE_X86_64", False),
        ("Linux", "#1 SMP ARM64", False),
    ],
    ids=["apple-silicon", "intel-mac", "linux"],
)
def test_apple_silicon_is_known_by_its_kernel(
    monkeypatch: pytest.MonkeyPatch, system: str, kernel: str, expected: bool
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "version", lambda: kernel)
    assert gather_facts().machine.is_apple_silicon == expected


def test_the_model_is_told_with_the_digest_of_its_file() -> None:
    model = gather_facts().model
    assert model.path is not None
    assert model.sha256 == hashlib.sha256(Path(model.path).read_bytes()).hexdigest()


def test_a_model_with_another_digest_is_an_error_with_a_hint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(registry.DIGESTS, registry.DEFAULT_MODEL, "0" * 64)
    model = gather_facts().model
    assert model.path is None
    assert model.error is not None
    assert "damaged" in model.error
    assert model.hint


def test_a_library_that_cannot_be_imported_is_told_and_the_others_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tifffile", None)
    libraries = {library.name: library for library in gather_facts().libraries}
    assert "tifffile" in (libraries["tifffile"].error or "")
    assert libraries["pillow"].error is None


def test_a_pillow_without_avif_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import features

    check = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "avif" and check(name))
    pillow = next(library for library in gather_facts().libraries if library.name == "pillow")
    assert pillow.lacking == ("AVIF",)
    assert any(text.startswith("WebP ") for text in pillow.features)


def test_an_imagecodecs_without_colour_management_lacks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import imagecodecs

    monkeypatch.setattr(imagecodecs, "CMS", types.SimpleNamespace(available=False))
    libraries = {library.name: library for library in gather_facts().libraries}
    assert libraries["imagecodecs"].lacking == ("CMS",)


def test_a_torch_that_cannot_be_imported_is_a_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    facts = gather_facts()
    assert (facts.torch, facts.devices, facts.auto) == (None, (), None)
    assert "torch" in (facts.torch_error or "")
    assert facts.libraries


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (KeyError(), "KeyError"),
        (OSError(" \nlate"), "OSError: late"),
    ],
    ids=["two-lines", "empty", "blank-first"],
)
def test_an_error_is_put_into_one_line(error: Exception, line: str) -> None:
    assert first_line(error) == line
