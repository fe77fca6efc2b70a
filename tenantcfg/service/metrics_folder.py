"""
The folder in which several workers add up their numbers.

Whoever uses it holds a shared lock on it for as long as he lives, however he ends: so a folder
that nobody holds is one that was left behind, by processes that were killed, and the next
service to start removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["folder_of_own", "hold"]

_PREFIX: Final = "tenantcfg-metrics-"


@contextmanager
def folder_of_own() -> Iterator[str]:
    """A new folder, removed in the end: in an old one, old numbers would go on."""
    _remove_left_ones()
    folder, held = _made()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def hold(folder: str) -> int:
    """
    Hold *folder* until the descriptor is closed, or the process ends.

    Raises:
        OSError: it is not there.
    """
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    fcntl.flock(held, fcntl.LOCK_SH)
    return held


def _made() -> tuple[str, int]:
    while True:
        folder = tempfile.mkdtemp(prefix=_PREFIX)
        with suppress(FileNotFoundError):
            held = hold(folder)
            if Path(folder).exists():
                return folder, held
            # Another service has taken it for one that was left, before it was held.
            os.close(held)


def _remove_left_ones() -> None:
    for one in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Somebody else's, held, or removed meanwhile.
        with suppress(OSError):
            _remove_left(one)


def _remove_left(folder: Path) -> None:
    found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(found).st_uid == os.geteuid():
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    finally:
        os.close(found)
