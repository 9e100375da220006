"""Options of the test run, and its one thread."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Networks this small are slow with more threads, many times so on a busy machine; sums are in one
# order; children inherit it. Torch reads it where it is first imported.
os.environ["OMP_NUM_THREADS"] = "1"

# Threads that spin while they wait slow down all others that share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A busy machine takes longer for the same.
settings.register_profile("without a clock", deadline=None)
settings.register_profile("quick", settings.get_profile("without a clock"), max_examples=25)
settings.load_profile("without a clock")

OWN_VECTORS = Path(__file__).parent / "conformance" / "vectors"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--vectors",
        type=Path,
        default=OWN_VECTORS,
        metavar="DIR",
        help="folder of conformance vectors (default: tests/conformance/vectors)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.option.markexpr == "not slow":
        settings.load_profile("quick")


MARKED = {"chromium": ("browser", "slow"), "together": ("cluster", "slow")}
"""Fixtures, and the markers of each test that takes one."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    # First, so that -m sees them.
    for item in items:
        for fixture in MARKED.keys() & set(getattr(item, "fixturenames", ())):
            for name in MARKED[fixture]:
                item.add_marker(name)
