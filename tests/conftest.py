"""Options of the test run."""

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Processes that share the cores get in each other's way with more threads; children inherit it.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Threads that spin while they wait slow down all others that share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

OWN_VECTORS = Path(__file__).parent / "conformance" / "vectors"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--vectors",
        type=Path,
        default=OWN_VECTORS,
        metavar="DIR",
        help="folder of conformance vectors (default: tests/conformance/vectors)",
    )
