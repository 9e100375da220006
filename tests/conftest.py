"""Options of the test run."""

from pathlib import Path

import pytest

OWN_VECTORS = Path(__file__).parent / "conformance" / "vectors"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--vectors",
        type=Path,
        default=OWN_VECTORS,
        metavar="DIR",
        help="folder of conformance vectors (default: tests/conformance/vectors)",
    )
