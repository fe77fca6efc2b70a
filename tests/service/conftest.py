"""What the tests of the service are given: options, and services that run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

CASES = Path(__file__).parent / "authzen"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--authzen",
        metavar="DIR",
        default=str(CASES),
        help="run the AuthZEN cases of another folder",
    )
