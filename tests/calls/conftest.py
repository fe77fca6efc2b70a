"""What the tests of calls are given: a Janus that runs, and one of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.calls.janus_server import Janus, running_janus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def janus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Janus]:
    """The Janus that tests share; not to be stopped. Each makes rooms of its own."""
    with running_janus(tmp_path_factory.mktemp("janus")) as running:
        yield running


@pytest.fixture
def janus_of_own(tmp_path: Path) -> Iterator[Janus]:
    """A Janus of this test's own, to be stopped and killed at will."""
    folder = tmp_path / "janus"
    folder.mkdir()
    with running_janus(folder) as running:
        yield running
