"""Whoever reads the output may go away, or its disk be full: no denial becomes a permit by that."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.program import APP, ONE, PROGRAM, surroundings

if TYPE_CHECKING:
    from pathlib import Path


def _unread(*argv: str) -> int:
    """The exit code of the program when nobody reads what it prints."""
    reading, writing = os.pipe()
    os.close(reading)
    # As users have it: with a buffer that is written at the end.
    env = {key: value for key, value in surroundings().items() if key != "PYTHONUNBUFFERED"}
    try:
        return subprocess.run([*PROGRAM, *argv], stdout=writing, check=False, env=env).returncode
    finally:
        os.close(writing)


@pytest.mark.parametrize("more", [(), ("--explain",), ("-o", "json"), ("--as-of", "3")])
def test_a_denial_that_nobody_reads_is_no_permit(more: tuple[str, ...], two_apps: Path) -> None:
    assert _unread("check", "--tenant", "contoso", "--app", APP, *more) != 0


def test_a_permit_that_nobody_reads_is_none_the_less(two_apps: Path) -> None:
    assert _unread("check", "--tenant", "contoso", "--app", ONE) == 0


def test_a_denial_on_a_full_disk_is_no_permit(two_apps: Path) -> None:
    argv = [*PROGRAM, "check", "--tenant", "contoso", "--app", APP, "--explain"]
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        assert subprocess.run(argv, stdout=full, check=False, env=surroundings()).returncode != 0
