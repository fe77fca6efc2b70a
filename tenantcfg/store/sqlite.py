"""
The embedded store: which SQLite, how its file is made, and how it is opened.

SQLite from 3.7.0 to 3.51.2 (but 3.44.6 and 3.50.7) can lose committed pages in WAL mode when
two connections write and checkpoint at once. A DB-API module that brings a fixed one is
taken where there is one; where there is none, the store keeps to the rollback journal,
which is safe and lets a busy writer hold up checks.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tenantcfg.errors import StoreMissing

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

__all__ = [
    "CHECK_PATIENCE",
    "WRITE_PATIENCE",
    "connect",
    "driver",
    "identity",
    "make_file",
    "settle_journal",
    "wal_is_safe",
]

WRITE_PATIENCE = 30.0
"""For how many seconds a writer waits for another."""

CHECK_PATIENCE = 0.1
"""For how many seconds a check waits for the file; then it can't tell."""


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether a SQLite of this *version* keeps all that was committed in WAL mode."""
    return version >= (3, 51, 3) or version in {(3, 44, 6), (3, 50, 7)}


def _choose() -> ModuleType:
    if wal_is_safe(sqlite3.sqlite_version_info):
        return sqlite3
    try:
        from pysqlite3 import dbapi2  # noqa: PLC0415
    except ImportError:
        return sqlite3
    module: ModuleType = dbapi2
    return module if wal_is_safe(module.sqlite_version_info) else sqlite3


driver: Any = _choose()
"""The DB-API module that all of the store's SQLite goes through."""


def make_file(path: Path) -> bool:
    """
    Make an empty file for a store, for its owner alone, before SQLite opens it.

    Folders that are missing are made as well, closed to others; those that are there stay
    as they are, so that a group can share a store. Whether this call made the file.
    """
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    return True


def identity(path: Path) -> tuple[int, int]:
    """
    Device and inode of the file at *path*: other ones are another store.

    Raises:
        StoreMissing: there is no file.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - half the cost of Path.stat
    except (FileNotFoundError, NotADirectoryError) as why:
        raise StoreMissing(
            "there is no store",
            subject=f"'{path}'",
            hint="tenantcfg tenant add ID NAME makes one, or name another by --store",
        ) from why
    return found.st_dev, found.st_ino


def connect(path: Path, *, patience: float, for_checks: bool = False) -> Any:  # noqa: ANN401
    """
    A connection of the driver's to the file, which must be there; it commits by itself.

    A reader, too, opens for writing, as it may have to finish what a killed writer left;
    with *for_checks* no statement of it can change anything.

    Raises:
        driver.Error: as SQLite says; nothing is translated here.
    """
    connection = driver.connect(
        f"file:{quote(os.fsencode(path))}?mode=rw",
        uri=True,
        timeout=patience,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        # Never memory-mapped: a file that shrinks under a map ends the process.
        connection.execute("PRAGMA mmap_size=0")
        connection.execute("PRAGMA trusted_schema=OFF")
        if for_checks:
            connection.execute("PRAGMA query_only=ON")
        else:
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA synchronous=FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def settle_journal(connection: Any) -> None:  # noqa: ANN401
    """
    The journal mode that is safe with this SQLite, kept in the file: WAL, or else DELETE.

    Costs a read when the mode is right already; else it waits for all others to let go.
    """
    wanted = "wal" if wal_is_safe(driver.sqlite_version_info) else "delete"
    (found,) = connection.execute("PRAGMA journal_mode").fetchone()
    if (found == "wal") != (wanted == "wal"):
        connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()
