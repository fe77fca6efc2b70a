from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--recordings", metavar="DIR", help="run the recordings of this folder, not of our own"
    )
    parser.addoption(
        "--lines", metavar="N", type=int, help="random lines to try (the test says how many)"
    )
