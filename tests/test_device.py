"""Devices are named by people, number formats follow, and seeds are the same everywhere."""

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sam_diffsr_cli.device import (
    derive_seed,
    memory_errors,
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


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_auto_precision_is_fp32_without_cuda(device: str) -> None:
    assert resolve_precision("auto", torch.device(device)) == "fp32"


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
