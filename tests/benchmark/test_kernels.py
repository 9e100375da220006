"""oneDNN names the kernel of a convolution."""

import os
import sys

import pytest
import torch

from sam_diffsr_cli.benchmark.kernels import kernel_in, name_kernel


def test_the_kernel_of_the_first_convolution_is_found() -> None:
    text = (
        "onednn_verbose,v1,info,cpu,isa:Intel AVX2\n"
        "onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src_f32\n"
        "onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv:avx2,forward_inference,src\n"
    )
    assert kernel_in(text) == "brgconv:avx2"
    assert kernel_in("nothing of the kind") == ""


@pytest.mark.skipif(sys.platform != "linux", reason="it is asked on Linux alone")
@pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]  # torch has none
    reason="torch was built without oneDNN",
)
def test_the_library_is_asked_and_standard_output_stays_clean(
    capfd: pytest.CaptureFixture[str],
) -> None:
    x, weight = torch.zeros(1, 16, 8, 8), torch.zeros(16, 16, 3, 3)
    os.write(1, b"before\n")
    assert ":" in name_kernel(x, weight)
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "before\nafter\n"


def test_where_the_processor_lacks_the_instructions_there_is_no_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("mkldnn_convolution: bf16 path needs the cpu support avx512bw")

    monkeypatch.setattr(torch, "mkldnn_convolution", refuse)
    assert name_kernel(torch.zeros(1, 16, 8, 8), torch.zeros(16, 16, 3, 3)) == ""
