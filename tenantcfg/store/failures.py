"""
What the drivers raise, and what it is to us: the one table at the room's edge.

A failure that no row names is a plain `TenantcfgError`: a fault of ours, or of the database.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from tenantcfg.errors import (
    StoreFull,
    StoreMissing,
    StoreNotOurs,
    StoreReadOnly,
    StoreUnusable,
    TenantcfgError,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantcfg.store.address import Address

__all__ = [
    "closed",
    "connection_lost",
    "damaged",
    "fail",
    "gone",
    "of_one_statement",
    "translated",
]

_Row = tuple[type[TenantcfgError], str, str]

_LOCKED: _Row = (Unavailable, "the store is locked", "ask again")
_FULL: _Row = (StoreFull, "the disk is full", "nothing was changed; make room")
_READ_ONLY: _Row = (
    StoreReadOnly,
    "the store cannot be written",
    "give this user the right to write the file, its folder and the -wal and -shm beside it",
)
# SQLite's and the system's word for it does not tell reading from writing.
_NOT_OPENED: _Row = (
    StoreReadOnly,
    "the store's file cannot be opened",
    "give this user the right to read and write the file, and its folder",
)
_NOT_OURS: _Row = (
    StoreNotOurs,
    "this is no store of tenantcfg, or it is damaged",
    "correct the address, or restore a backup",
)
_UNREACHABLE: _Row = (Unavailable, "the store cannot be reached", "ask again")
_MISSING: _Row = (StoreMissing, "there is no store", "tenantcfg db upgrade makes one")
_CLOSED: _Row = (
    StoreUnusable,
    "the database does not let us in",
    "correct the address, or ask whoever runs the server",
)
_NO_DATABASE: _Row = (
    StoreMissing,
    "there is no store",
    "make the database on the server, then tenantcfg db upgrade",
)
_BROKEN: _Row = (StoreUnusable, "the store's file cannot be read or written", "look at the disk")

_UNNAMED: _Row = (TenantcfgError, "the database failed", "")

# Primary result codes: https://www.sqlite.org/rescode.html
_SQLITE: dict[int, _Row] = {
    3: _READ_ONLY,  # SQLITE_PERM
    5: _LOCKED,  # SQLITE_BUSY
    6: _LOCKED,  # SQLITE_LOCKED
    8: _READ_ONLY,  # SQLITE_READONLY
    9: (Unavailable, "the question was interrupted", "ask again"),  # SQLITE_INTERRUPT
    10: _BROKEN,  # SQLITE_IOERR
    11: _NOT_OURS,  # SQLITE_CORRUPT
    13: _FULL,  # SQLITE_FULL
    14: _NOT_OPENED,  # SQLITE_CANTOPEN
    # What our statements write fits what they read under the lock, unless that is damaged.
    19: _NOT_OURS,  # SQLITE_CONSTRAINT
    23: _READ_ONLY,  # SQLITE_AUTH
    26: _NOT_OURS,  # SQLITE_NOTADB
}

# What the driver says by itself, and what it says of SQLite's backup, comes without a code.
_SQLITE_WORDS: tuple[tuple[str, _Row], ...] = (
    ("closed", (Unavailable, "the store was closed", "open it anew")),
    ("disk is full", _FULL),
    ("is locked", _LOCKED),
    ("readonly", _READ_ONLY),
    ("not a database", _NOT_OURS),
    ("malformed", _NOT_OURS),
    ("Could not decode", _NOT_OURS),
    ("disk I/O error", _BROKEN),
)

# https://www.postgresql.org/docs/current/errcodes-appendix.html; a class is two characters.
_SQLSTATE: dict[str, _Row] = {
    "08": _UNREACHABLE,
    # No value of ours: a damaged file holds it, that is copied or restored.
    "22": _NOT_OURS,
    "23": _NOT_OURS,
    "25006": (StoreReadOnly, "the server takes no changes", "ask whoever runs it"),
    "28": _CLOSED,
    "3D000": _NO_DATABASE,
    "3F000": (StoreUnusable, "the database user may use no schema", "grant one to it"),
    "40": (Unavailable, "another change came between", "ask again"),
    "42501": (StoreReadOnly, "the database user has no right to do this", "grant it"),
    "42P01": _NOT_OURS,
    "42703": _NOT_OURS,
    "53100": _FULL,
    "53": (Unavailable, "the server has no room for us now", "ask again"),
    "55P03": _LOCKED,
    "57014": (Unavailable, "the store took too long", "ask again"),
    "57": _UNREACHABLE,
    "58": _BROKEN,
    "XX001": _NOT_OURS,
    "XX002": _NOT_OURS,
}

# libpq gives no SQLSTATE for a connection that it did not get; the server's words are all there is.
_REFUSALS: tuple[tuple[re.Pattern[str], _Row], ...] = (
    (re.compile(r'database ".*" does not exist'), _NO_DATABASE),
    (
        re.compile(r"authentication failed|no pg_hba|role \".*\" does not exist|fe_sendauth"),
        _CLOSED,
    ),
    # Of a text that is to be written; the driver looks before the server does.
    (re.compile(r"cannot contain NUL"), _NOT_OURS),
    (re.compile(r"permission denied for database|is not permitted to log in"), _CLOSED),
    (re.compile(r"invalid (?:connection option|URI query|port|sslmode|integer)"), _CLOSED),
)


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Whatever a driver, or SQLAlchemy around it, raises in here comes out as one of ours."""
    try:
        yield
    except TenantcfgError:
        raise
    except Exception as why:  # noqa: BLE001 - goes on as it is, unless a database raised it
        fail(why, address)


def fail(why: BaseException, address: Address) -> NoReturn:
    """Raise the error of ours for *why*; *why* itself where it comes from no database."""
    original = getattr(why, "orig", None) or why
    row = _row_of(original, address)
    if row is None:
        raise why
    kind, what, hint = row
    said = " ".join(_said(original).split())
    raise kind(what, subject=f"'{address.shown}'", why=said, hint=hint) from why


def _said(original: BaseException) -> str:
    # Of a statement that failed what is wrong, without the statement.
    primary = getattr(getattr(original, "diag", None), "message_primary", None)
    return str(primary or original)


def closed(address: Address) -> Unavailable:
    """The error of whoever uses a store that was closed."""
    return Unavailable("the store was closed", subject=f"'{address.shown}'", hint="open it anew")


def gone(address: Address) -> Unavailable:
    """The error of whoever finds no file where one was when the store was opened."""
    return Unavailable(
        "the store's file is gone",
        subject=f"'{address.shown}'",
        why="it was there when the store was opened",
        hint="put it back, or restore a backup",
    )


def damaged(what: str) -> StoreNotOurs:
    """The error of whoever reads a row that no statement of ours wrote."""
    return StoreNotOurs(
        "the store is damaged",
        why=what,
        hint="tenantcfg audit verify tells what is wrong; restore a backup",
    )


def connection_lost(why: BaseException) -> bool:
    """Whether *why* says that the connection to the server is gone."""
    original = getattr(why, "orig", None) or why
    if not _of_postgresql(original):
        return False
    state = getattr(original, "sqlstate", None)
    return state is None or state[:2] == "08" or state in {"57P01", "57P02", "57P03", "57P05"}


def of_one_statement(why: BaseException) -> bool:
    """
    Whether *why*, which was translated, may be the fault of a single statement or its values.

    A row that somebody else holds, a value that cannot be stored; not that there is no store.
    """
    original = why.__cause__ or why
    if _of_postgresql(original):
        state = getattr(original, "sqlstate", None) or ""
        return state == "55P03" or state[:2] in {"22", "23", "40"}
    return getattr(original, "sqlite_errorcode", 0) & 0xFF == 19  # noqa: PLR2004 - _CONSTRAINT


def _row_of(original: BaseException, address: Address) -> _Row | None:
    if isinstance(original, OSError):
        return _os_row(original)
    if isinstance(original, UnicodeDecodeError):
        # A driver that reads a text of bytes that are none.
        return _NOT_OURS
    if _of_postgresql(original):
        return _postgresql_row(original) or _UNNAMED
    if type(original).__module__.partition(".")[0] in {"sqlite3", "pysqlite3"}:
        return _sqlite_row(original, address) or _UNNAMED
    return None


def _of_postgresql(original: BaseException) -> bool:
    # By name: whoever has an embedded store need not load the other database's driver.
    return any(one.__module__.startswith("psycopg") for one in type(original).__mro__)


def _os_row(original: OSError) -> _Row:
    import errno  # noqa: PLC0415

    if original.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return _FULL
    if original.errno == errno.ENAMETOOLONG:
        return _MISSING
    if original.errno == errno.EROFS:
        return _READ_ONLY
    if original.errno in {errno.EACCES, errno.EPERM}:
        return _NOT_OPENED
    return _BROKEN


def _unopened_row(path: Path) -> _Row:
    if not os.path.lexists(path):
        return _MISSING
    return _NOT_OURS if path.is_dir() else _NOT_OPENED


def _sqlite_row(original: BaseException, address: Address) -> _Row | None:
    code = getattr(original, "sqlite_errorcode", None)
    if code is None:
        said = str(original)
        return next((row for words, row in _SQLITE_WORDS if words in said), None)
    primary = code & 0xFF
    if primary == 14 and address.path is not None:  # noqa: PLR2004 - SQLITE_CANTOPEN
        return _unopened_row(address.path)
    if primary == 10 and _no_room(address):  # noqa: PLR2004 - SQLITE_IOERR
        return _FULL
    said = str(original)
    if primary == 1 and ("no such" in said or "Could not decode" in said):
        return _NOT_OURS
    return _SQLITE.get(primary)


def _no_room(address: Address) -> bool:
    """Whether the disk is full: SQLite may need room for a file beside the store, also to read."""
    try:
        room = os.statvfs(address.path.parent) if address.path else None
    except OSError:
        return False
    return room is not None and room.f_bavail == 0


def _postgresql_row(original: BaseException) -> _Row | None:
    state = getattr(original, "sqlstate", None)
    if state is not None:
        return _SQLSTATE.get(state) or _SQLSTATE.get(state[:2])
    said = str(original)
    for pattern, row in _REFUSALS:
        if pattern.search(said):
            return row
    return _UNREACHABLE
