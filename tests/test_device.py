"""Devices are named by people, number formats follow, and seeds are the same everywhere."""

import hashlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sam_diffsr_cli.device import (
    derive_seed,
    has_native_bf16,
    memory_errors,
    peak_memory,
    resolve_device,
    resolve_precision,
)
from sam_diffsr_cli.errors import InputError, ResourceError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def set_devices(monkeypatch: pytest.MonkeyPatch, *, cuda: int, mps: bool) -> None:
    """Pretend that the machine has so many CUDA devices, and Apple's or not."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(0, False, "cpu"), (0, True, "mps"), (1, False, "cuda"), (2, True, "cuda")],
    ids=["none", "apple", "one-cuda", "all"],
)
def test_auto_takes_the_best_device_there_is(
    monkeypatch: pytest.MonkeyPatch, cuda: int, expected: str, *, mps: bool
) -> None:
    set_devices(monkeypatch, cuda=cuda, mps=mps)
    assert resolve_device("auto") == torch.device(expected)


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1", "mps"])
def test_a_device_that_is_there_is_taken_as_named(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    set_devices(monkeypatch, cuda=2, mps=True)
    assert resolve_device(name) == torch.device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "meta"])
def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    set_devices(monkeypatch, cuda=0, mps=False)
    with pytest.raises(InputError, match=f"--device {name}: not available") as caught:
        resolve_device(name)
    assert caught.value.hint


def test_a_cuda_number_beyond_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    set_devices(monkeypatch, cuda=2, mps=False)
    with pytest.raises(InputError, match="cuda:2"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", "CPU", "cpu "])
def test_an_unknown_device_is_refused_with_the_names_there_are(name: str) -> None:
    with pytest.raises(InputError, match="unknown") as caught:
        resolve_device(name)
    assert caught.value.hint == "auto, cpu, cuda or mps"


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_a_precision_is_taken_as_named(name: str) -> None:
    assert resolve_precision(name, CPU) == name


def test_auto_precision_is_fp32_on_apples_gpu() -> None:
    assert resolve_precision("auto", torch.device("mps")) == "fp32"


@pytest.mark.parametrize(
    ("is_native", "expected"), [(True, "bf16"), (False, "fp32")], ids=["native", "emulated"]
)
def test_auto_precision_on_the_cpu_is_bf16_only_where_it_is_native(
    monkeypatch: pytest.MonkeyPatch, expected: str, *, is_native: bool
) -> None:
    monkeypatch.setattr("sam_diffsr_cli.device.has_native_bf16", lambda: is_native)
    assert resolve_precision("auto", CPU) == expected
    assert resolve_precision("auto", CPU, trains=True) == "fp32"


def pretend_processor(monkeypatch: pytest.MonkeyPatch, *flags: str, capability: str) -> None:
    """Pretend that torch finds an x86 with these of its instructions, and uses ``capability``."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name in flags, raising=False)
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("flag", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_bf16_is_native_with_either_of_its_instruction_sets(
    monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    pretend_processor(monkeypatch, flag, capability="AVX512")
    assert has_native_bf16()


def test_bf16_is_not_native_without_its_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_processor(monkeypatch, capability="AVX512")
    assert not has_native_bf16()


def test_bf16_is_not_native_where_the_user_forbids_its_instructions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend_processor(monkeypatch, "_is_avx512_bf16_supported", capability="AVX2")
    assert not has_native_bf16()
    pretend_processor(monkeypatch, "_is_avx512_bf16_supported", capability="AVX512")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "avx512_core")
    assert not has_native_bf16()


@pytest.mark.parametrize("word", ["bf16", "sve"])
def test_on_arm_the_kernel_says_whether_bf16_is_native(
    monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    text = f"processor : 0\nFeatures : fp asimd {word}\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert has_native_bf16() == (word == "bf16")


@pytest.mark.parametrize(
    ("has_bf16", "expected"), [(True, "bf16"), (False, "fp32")], ids=["with", "without"]
)
def test_auto_precision_on_cuda_is_bf16_where_there_is_hardware_for_it(
    monkeypatch: pytest.MonkeyPatch, expected: str, *, has_bf16: bool
) -> None:
    def is_bf16_supported(*, including_emulation: bool) -> bool:
        return has_bf16 or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    assert resolve_precision("auto", CUDA) == expected


@pytest.mark.parametrize("name", ["", "fp8", "BF16"])
def test_an_unknown_precision_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"--precision {name}: unknown"):
        resolve_precision(name, CPU)


def test_seed_is_the_same_on_every_machine() -> None:
    assert derive_seed(0, "photo.png") == 3_200_745_192_770_026_360
    assert derive_seed(7) == 843_011_692_241_435_484


def test_seed_is_the_upper_63_bits_of_a_blake2b_digest() -> None:
    digest = hashlib.blake2b(b"(1, 'noise', 2)", digest_size=8).digest()
    assert derive_seed(1, "noise", 2) == int.from_bytes(digest, "little") // 2


parts = st.lists(st.one_of(st.integers(), st.text()), min_size=1, max_size=4)


@given(parts)
def test_seed_suits_a_generator(values: list[int | str]) -> None:
    assert 0 <= derive_seed(*values) < 2**63
    torch.Generator().manual_seed(derive_seed(*values))


@given(parts, parts)
def test_other_parts_give_another_seed(one: list[int | str], other: list[int | str]) -> None:
    assert (derive_seed(*one) == derive_seed(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [((1, 23), (12, 3)), ((1, 2), (2, 1)), ((1,), ("1",)), (("a", "b"), ("a, b",))],
    ids=["cut-elsewhere", "order", "number-or-text", "joined"],
)
def test_parts_do_not_run_into_each_other(
    one: tuple[int | str, ...], other: tuple[int | str, ...]
) -> None:
    assert derive_seed(*one) != derive_seed(*other)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA"),
        RuntimeError("MPS backend out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=["numpy", "cuda", "mps", "cpu"],
)
def test_memory_running_out_is_a_resource_error(error: Exception) -> None:
    with pytest.raises(ResourceError) as caught, memory_errors("use less"):
        raise error
    assert caught.value.hint == "use less"


def test_other_runtime_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="a bug"), memory_errors("use less"):
        raise RuntimeError("a bug")


# -------------------------------------------------------------------------------- peak memory

MIB = 1 << 20
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def taken_now() -> int:
    """Bytes of this process that are in memory, by the system's own account."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def peak() -> int:
    found = peak_memory(CPU)
    assert found is not None
    return found


@on_linux
def test_peak_memory_is_in_bytes_between_what_is_taken_and_what_there_is() -> None:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert taken_now() <= peak() + MIB
    assert peak() < whole


@on_linux
def test_peak_memory_counts_what_was_taken_after_it_is_given_back() -> None:
    # More than the peak so far, which what ran before may have left far above.
    missing = min(max(0, peak() - taken_now()), 512 * MIB)
    block = np.ones(missing + 64 * MIB, dtype=np.uint8)
    taken, highest = taken_now(), peak()
    assert highest > taken - 16 * MIB
    del block
    assert taken_now() < taken - 32 * MIB
    assert peak() >= highest


def test_peak_memory_of_a_cuda_device_is_that_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = {torch.device("cuda:1"): 12345}
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: peaks[device])
    assert peak_memory(torch.device("cuda:1")) == 12345


def test_peak_memory_of_mps_is_what_its_driver_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 12345)
    assert peak_memory(torch.device("mps")) == 12345


def test_peak_memory_on_windows_is_that_of_the_working_set(monkeypatch: pytest.MonkeyPatch) -> None:
    class Process:
        def memory_info(self) -> SimpleNamespace:
            return SimpleNamespace(peak_wset=123)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("psutil.Process", Process)
    assert peak_memory(CPU) == 123


@on_linux
def test_peak_memory_is_told_in_bytes_by_a_mac_and_in_kibibytes_by_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_linux = peak()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert peak() == pytest.approx(as_linux / 1024, rel=0.1)
