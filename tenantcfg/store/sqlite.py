"""
The embedded store: which SQLite, how its file is made, and how it is opened.

SQLite from 3.7.0 to 3.51.2 (but 3.44.6 and 3.50.7) can lose committed pages in WAL mode when
two connections write and checkpoint at once. A DB-API module that brings a fixed one is
taken where there is one; where there is none, the store keeps to the rollback journal,
which is safe and lets a busy writer hold up checks.

SQLite keeps its locks, and what it knows of the write-ahead log, for the whole process, by file.
A child that inherits a connection that is open believes that it holds the parent's locks: others
then take the log away from under it, and it goes on reading what was revoked. So no connection
is open across a fork: those at hand are closed before it, those in use are waited for, and a
child that inherits one all the same opens no other.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import quote
from weakref import WeakSet

from tenantcfg.errors import StoreMissing, StoreUnusable, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

__all__ = [
    "CHECK_PATIENCE",
    "RECORD_PATIENCE",
    "WRITE_PATIENCE",
    "Pool",
    "begin_recording",
    "begin_writing",
    "connect",
    "driver",
    "empty_log",
    "identity",
    "let_go_at_fork",
    "log_of",
    "make_file",
    "replaced",
    "settle_journal",
    "wal_is_safe",
]

T = TypeVar("T")

WRITE_PATIENCE = 30.0
"""For how many seconds a writer waits for another."""

RECORD_PATIENCE = 3.0
"""For how many seconds what is recorded of a request waits for others: longer nobody asks."""

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
        Unavailable: this is a child that was forked while its parent used a store.
        StoreUnusable: the log of a file that was replaced lies beside this one.
    """
    _refuse_stale_log(path)
    connection = _opened(path, patience)
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

    def settle() -> None:
        wanted = "wal" if wal_is_safe(driver.sqlite_version_info) else "delete"
        (found,) = connection.execute("PRAGMA journal_mode").fetchone()
        if (found == "wal") != (wanted == "wal"):
            connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()

    # Of two that change it at once SQLite turns one away, and does not wait.
    _until_free(settle, WRITE_PATIENCE)


def begin_recording(connection: Any) -> None:  # noqa: ANN401
    """
    As `begin_writing`, for what somebody waits for who gives up after a few seconds.

    Raises:
        driver.Error: the lock was not to be had within `RECORD_PATIENCE`.
    """
    connection.execute("PRAGMA busy_timeout=0")
    try:
        _until_free(lambda: connection.execute("BEGIN IMMEDIATE"), RECORD_PATIENCE)
    finally:
        _be_patient(connection)


def begin_writing(connection: Any) -> None:  # noqa: ANN401
    """
    Begin a transaction with the write lock, which is waited for as long as others get on.

    SQLite's own waiting is no queue, and favours whoever came last: of 200 writers on a busy
    machine 8 had no turn in half a minute. So it is given up only when nobody had a turn for
    `WRITE_PATIENCE` seconds, or after ten times that.

    Raises:
        driver.Error: the lock was not to be had.
    """

    def begin() -> None:
        connection.execute("BEGIN IMMEDIATE")

    connection.execute("PRAGMA busy_timeout=0")
    try:
        for _ in range(10):
            before = _others(connection)
            try:
                return _until_free(begin, WRITE_PATIENCE)
            except driver.OperationalError:
                if _others(connection) == before:
                    raise
        return _until_free(begin, 0)
    finally:
        _be_patient(connection)


def _until_free(act: Callable[[], T], patience: float) -> T:
    """What *act* gives, tried again and again for *patience* seconds where the file is locked."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return act()
        except driver.OperationalError as why:
            if why.sqlite_errorcode & 0xFF != _BUSY or time.monotonic() > deadline:
                raise
            # All ask equally often, and not in step.
            time.sleep(random.uniform(0.005, 0.05))  # noqa: S311


def _others(connection: Any) -> object:  # noqa: ANN401
    """Another value after others have committed."""

    def version() -> object:
        return connection.execute("PRAGMA data_version").fetchone()

    # Even that is locked while somebody changes the journal's mode.
    return _until_free(version, WRITE_PATIENCE)


_BUSY = 5  # SQLITE_BUSY


def _be_patient(connection: Any) -> None:  # noqa: ANN401
    connection.execute(f"PRAGMA busy_timeout={int(WRITE_PATIENCE * 1000)}")


def empty_log(connection: Any) -> None:  # noqa: ANN401
    """
    Bring what was committed from the write-ahead log into the file, unless somebody reads.

    A log that stays behind would be read together with a file that is moved to its place.
    It costs a commit about as much again, and a check less than it saves. Where it fails, as
    on a full disk, the log stays: the change is committed, and an error would deny that.
    """
    connection.execute("PRAGMA busy_timeout=0")
    with suppress(driver.Error):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    _be_patient(connection)


# Files that are replaced


_stale: dict[Path, tuple[int, int]] = {}


def log_of(path: Path) -> tuple[int, int] | None:
    """Device and inode of the write-ahead log beside the file; None: there is none."""
    found = _log(path)
    return None if found is None else (found.st_dev, found.st_ino)


def _log(path: Path) -> os.stat_result | None:
    try:
        return os.stat(f"{path}-wal")  # noqa: PTH116 - as above
    except OSError:
        return None


def replaced(path: Path, log: tuple[int, int] | None) -> None:
    """
    Let go of the file that lay at *path* until now, and had *log* beside it.

    SQLite takes whatever log lies beside a file for the file's own. Once nobody has the old
    file open an empty log is harmless; one that is not makes one store out of two.
    """
    with _opening:
        pools = list(_pools)
    for pool in pools:
        pool.let_go()
    found = _log(path)
    if found is not None and found.st_size and log == (found.st_dev, found.st_ino):
        _stale[path] = log


def _refuse_stale_log(path: Path) -> None:
    if path in _stale and _stale[path] == log_of(path):
        raise StoreUnusable(
            "the log of another file lies beside the store",
            subject=f"'{path}-wal'",
            why="the file was replaced while it was open",
            hint="stop all that use the store, then bring it back by tenantcfg db restore",
        )


# Forks


class Pool(Protocol):
    """Whoever keeps connections to a file for later."""

    def let_go(self) -> None:
        """Close the connections that nobody uses at the moment."""


def let_go_at_fork(pool: Pool) -> None:
    """Have *pool*, as long as it lives, let go of its connections before each fork."""
    with _opening:
        _pools.add(pool)


class _Connection(driver.Connection):  # type: ignore[misc]
    """A connection that is known until it is closed, and whose it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pid = os.getpid()

    def close(self) -> None:
        super().close()
        _open.discard(self)


_FORK_PATIENCE = 1.0
"""For how many seconds a fork waits for those who use a connection."""

_pools: WeakSet[Pool] = WeakSet()
_open: WeakSet[_Connection] = WeakSet()
_opening = RLock()
"""Held by whoever opens a connection or joins the pools, and by a fork for as long as it takes."""


def _opened(path: Path, patience: float) -> _Connection:
    with _opening:
        if any(one.pid != os.getpid() for one in _open):
            raise Unavailable(
                "the store cannot be asked in this process",
                subject=f"'{path}'",
                why="its parent was using a store when it was forked",
                hint="fork first, or start the process anew",
            )
        connection: _Connection = driver.connect(
            f"file:{quote(os.fsencode(path))}?mode=rw",
            uri=True,
            timeout=patience,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        _open.add(connection)
    return connection


def _before_fork() -> None:
    _opening.acquire()
    deadline = time.monotonic() + _FORK_PATIENCE
    while True:
        for pool in list(_pools):
            pool.let_go()
        if not _open or time.monotonic() > deadline:
            return
        time.sleep(0.001)


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_opening.release,
    after_in_child=_opening.release,
)
