"""
The life of a store as a whole: make, upgrade, back up, restore, copy.

Loads alembic, which is slow: no check and no change comes through here.

A backup is itself a store, in one SQLite file, of whichever database it was taken from; so it
can be restored into either, and looked into with every command.
"""

from __future__ import annotations

import io
import os
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import delete, select, update

import tenantcfg
from tenantcfg.errors import (
    Conflict,
    InvalidInput,
    Refused,
    StoreMissing,
    StoreNewer,
    StoreNotOurs,
    StoreOlder,
    Unavailable,
    quoted,
)
from tenantcfg.history import Head
from tenantcfg.ids import Revision
from tenantcfg.instants import Instant
from tenantcfg.store import bulk, failures, schema, sqlite, version
from tenantcfg.store.address import Address
from tenantcfg.store.engine import Database, engine_of
from tenantcfg.store.verify import problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from tenantcfg.store import Store
    from tenantcfg.store.engine import Reading, Writing

    _Ask = Callable[[str], list[tuple[Any, ...]]]

__all__ = [
    "Upgrade",
    "backup",
    "check_schema",
    "copy",
    "create",
    "current",
    "migrations",
    "restore",
    "upgrade",
]


@dataclass(frozen=True, slots=True)
class Upgrade:
    """
    What `upgrade` did.

    Attributes:
        before: the version it found; None: there was no store.
        after: the version now.
        kept: the copy of the file as it was before; None: none was needed, or the store is
            not a file.
    """

    before: str | None
    after: str
    kept: Path | None = None


def migrations() -> Path:
    """The folder of the migrations: in a wheel inside the package, in a checkout beside it."""
    package = Path(tenantcfg.__file__).parent
    inside = package / "_migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def create(url: str | Path) -> Store:
    """
    The store at *url*, made if it was not there.

    A file is made for its owner alone, in a folder of its owner's. Several may do this at
    once; whoever is killed half-way leaves nothing that passes for a store.

    Raises:
        StoreNotOurs, StoreOlder, StoreNewer: something else is there; it is left as it is.
        Unavailable, StoreReadOnly, StoreFull: the store cannot be made.
    """
    from tenantcfg.store import Store  # noqa: PLC0415 - the door knows this room

    address = Address.parse(url)
    with failures.translated(address):
        _made(address)
    return Store.open(url)


def upgrade(url: str | Path) -> Upgrade:
    """
    Bring the store at *url* to this program's version, or make it.

    A file store is copied first, beside itself. Everything happens in one transaction under
    the write lock; a second upgrade waits for it and finds nothing to do.

    Raises:
        StoreNotOurs, StoreNewer: it is no store of ours, or of a later release.
        Unavailable, StoreReadOnly, StoreFull: it cannot be upgraded; it is as it was.
    """
    address = Address.parse(url)
    with failures.translated(address):
        with suppress(StoreOlder):
            if not _is_there(address):
                return _begun(address)
            return Upgrade(version.SCHEMA_VERSION, version.SCHEMA_VERSION)
        return _grow(address)


def current(url: str | Path) -> str:
    """
    The version of the store at *url*, be it older or newer than this program's.

    Raises:
        StoreMissing, StoreNotOurs, Unavailable: there is none to be read.
    """
    address = Address.parse(url)
    with failures.translated(address), _asking(address) as ask:
        with suppress(StoreOlder, StoreNewer):
            version.require(address, ask)
        ((found,),) = ask("SELECT version_num FROM alembic_version")
        return str(found)


def check_schema(url: str | Path) -> tuple[str, ...]:
    """
    In what the tables at *url* differ from the models, a line each; empty: in nothing.

    Raises:
        StoreOlder, StoreNewer: it has another version; as `Store.open` for the rest.
    """
    address = Address.parse(url)
    with failures.translated(address):
        _require(address)
        with _connected(address) as connection:
            options = {"compare_type": True, "compare_server_default": True}
            context = MigrationContext.configure(connection, opts=options)
            return tuple(map(repr, compare_metadata(context, schema.Base.metadata)))


def backup(url: str | Path, file: str | Path) -> Head:
    """
    Write the store at *url*, as it is at this moment, to the new file *file*.

    The file is a store itself. It appears under its name when it is whole and every row of it
    was held against the history, and not before: what was backed up can be restored. Nobody is
    held up meanwhile. Returned is the head that it holds.

    Raises:
        Conflict: *file* is there already, or what SQLite would take for a part of it is.
        StoreNotOurs: the store is damaged; there is no backup of it.
        InvalidInput: its folder is not there, or its name is one that SQLite uses.
        StoreFull, StoreReadOnly: *file* cannot be written.
        StoreMissing and others: as `Store.open` for *url*.
    """
    address, wanted = Address.parse(url), Path(file).absolute()
    if address.path is not None and wanted in _with_sidecars(address.path)[1:]:
        raise InvalidInput(
            "no name for a backup",
            subject=_place(str(wanted)),
            why="SQLite would take it for a part of the store",
            hint="name another",
        )
    with failures.translated(address):
        _require(address)
    with failures.translated(Address.parse(wanted)), _new_file(wanted) as part:
        if address.path is not None:
            _pour(address.path, part)
        else:
            with _between(address, _made(Address.parse(part))) as (reading, writing):
                _transfer(reading, writing)
        return _proven(part, address)


def restore(file: str | Path, url: str | Path, *, overwrite: bool = False) -> Head:
    """
    Make the store at *url* what the backup *file* holds, under a new store id.

    The backup is judged first, every row of it; one of an earlier release is upgraded on
    the way. Those who ask meanwhile see the store before or the store after, nothing
    between. A store that is missing is made. A file that is damaged, of another release, or
    no store of ours, is set aside as ``NAME.damaged-1`` where *overwrite* was given.

    Args:
        file: what `backup` wrote. It is not modified.
        url: of the store that is to become it.
        overwrite: replace a store that holds changes: they are gone afterwards.

    Raises:
        InvalidInput: there is no *file*.
        StoreNotOurs: *file* is no backup, or is damaged; or the store is no store of ours.
        Refused: the store holds changes and *overwrite* was not given.
    """
    address, source = Address.parse(url), Path(file).absolute()
    if not source.is_file():
        raise InvalidInput("no such backup", subject=_place(str(source)), why="there is no file")
    with TemporaryDirectory(prefix="tenantcfg-") as folder:
        stage = _staged(source, Path(folder) / "stage.db")
        try:
            return _restored(stage, address, overwrite=overwrite)
        except (StoreNotOurs, StoreOlder, StoreNewer):
            if address.path is None or not overwrite:
                raise
        with failures.translated(address):
            _set_aside(address.path)
        return _restored(stage, address, overwrite=overwrite)


def copy(from_url: str | Path, to_url: str | Path) -> Head:
    """
    Copy the whole store at *from_url* to *to_url*, from either database to either.

    Revisions and hashes are kept, so receipts hold at the new place as well; the store id
    is the new store's own. The target is made if it is missing. It is filled in one
    transaction, in which every row is judged before it counts.

    Raises:
        Conflict: the target holds changes already.
        StoreNotOurs: the source is damaged; nothing was copied.
    """
    source, target = Address.parse(from_url), Address.parse(to_url)
    with failures.translated(source):
        _require(source)
    with failures.translated(target), _between(source, _made(target)) as (reading, writing):
        if writing.head.revision:
            raise Conflict(
                "the target holds changes",
                subject=_place(target.shown),
                why=f"it is at revision {writing.head.revision}",
                hint="copy to an empty store",
            )
        try:
            with failures.translated(target):
                head = _transfer(reading, writing)
        except StoreNotOurs:
            # A value that the target does not take: say where in the source it lies.
            with failures.translated(source):
                _judge(reading, source)
            raise
        _judge(writing, source)
        return head


# Versions


@contextmanager
def _connected(address: Address, *, writes: bool = False) -> Iterator[Connection]:
    options: dict[str, Any] = {"isolation_level": "READ COMMITTED"}
    if address.dialect == "sqlite":
        options = {"tenantcfg_begin": "BEGIN IMMEDIATE" if writes else "BEGIN"}
    engine = engine_of(address)
    try:
        with engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _asking(address: Address) -> Iterator[_Ask]:
    """A way to ask that leaves even a file that is not ours as it is."""
    if address.path is not None:
        sqlite.identity(address.path)
        connection = sqlite.connect(address.path, patience=sqlite.WRITE_PATIENCE, for_checks=True)
    else:
        from tenantcfg.store import postgresql  # noqa: PLC0415 - psycopg is loaded late

        connection = postgresql.connect(address.secret, patience=postgresql.OPENING_PATIENCE)
    with closing(connection):
        yield lambda statement: connection.execute(statement).fetchall()


def _require(address: Address) -> None:
    with _asking(address) as ask:
        version.require(address, ask)


def _made(address: Address) -> Address:
    """The store at *address*, which is made if it is missing."""
    if not _is_there(address):
        _begun(address)
    return address


def _is_there(address: Address) -> bool:
    """Whether a store is there; one of another release raises, as `version.require`."""
    try:
        _require(address)
    except StoreMissing:
        return False
    return True


def _begun(address: Address) -> Upgrade:
    if address.path is not None:
        # Empty until the migrations are committed, and until then no store (version.require).
        sqlite.make_file(address.path)
        _refuse_scrap(address.path)
    return _grow(address)


_SMALLEST = 512
"""Bytes of the smallest page that SQLite has."""


def _refuse_scrap(path: Path) -> None:
    """To SQLite a file of a few bytes is an empty database, to be written over."""
    # By its size, not by reading: to close the file again would drop the locks that other threads
    # of this process hold on it, as POSIX has it.
    if 0 < path.stat().st_size < _SMALLEST:
        raise StoreNotOurs("this is no store of tenantcfg", subject=_place(str(path)))


def _grow(address: Address) -> Upgrade:
    with _connected(address, writes=True) as connection:
        before = MigrationContext.configure(connection).get_current_revision()
        if before == version.SCHEMA_VERSION:
            return Upgrade(before, before)
        config = _config(connection)
        _require_known(config, before, address)
        kept = _kept(address.path, before) if before and address.path else None
        with _one_at_a_time:
            command.upgrade(config, "head")
    return Upgrade(before, version.SCHEMA_VERSION, kept)


def _require_known(config: Config, before: str | None, address: Address) -> None:
    """Raise StoreNotOurs where there is no way from the version *before*."""
    try:
        if before is not None:
            ScriptDirectory.from_config(config).get_revision(before)
    except CommandError as why:
        raise StoreNotOurs(
            "the store's version is none of ours",
            subject=f"'{address.shown}'",
            why=f"version {before}",
            hint="restore a backup",
        ) from why


# What a migration calls `alembic.op` and `alembic.context` belongs to the whole process.
_one_at_a_time = Lock()


def _config(connection: Connection) -> Config:
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _kept(path: Path, before: str) -> Path:
    """A copy of the file, beside it, named after its version."""
    copy_of_it = _free(path, before)
    with _new_file(copy_of_it) as part:
        _pour(path, part)
        _closed_up(part)
    return copy_of_it


# Files


@contextmanager
def _new_file(wanted: Path) -> Iterator[Path]:
    """An empty file, its owner's alone, that gets the name *wanted* when all went well."""
    part = wanted.with_name(f".{wanted.name}.{os.getpid()}.part")
    if not wanted.parent.is_dir():
        raise InvalidInput("no such folder", subject=_place(str(wanted.parent)), hint="make it")
    for each in _with_sidecars(wanted):
        # A log that is left of another file would be played back into this one.
        if os.path.lexists(each):
            raise _taken(each)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        yield part
        _on_disk(part)
        _named(part, wanted)
        _on_disk(wanted.parent)
    finally:
        for each in _with_sidecars(part):
            each.unlink(missing_ok=True)


def _proven(part: Path, source: Address) -> Head:
    """The head of a backup of *source*, judged as a restore will judge it."""
    head = _closed_up(part)
    with closing(Database(Address.parse(part))) as database, database.reading() as reading:
        _judge(reading, source)
    return head


def _place(name: str) -> str:
    return quoted(name, 4_096)


def _named(part: Path, wanted: Path) -> None:
    try:
        os.link(part, wanted)
    except FileExistsError as why:
        raise _taken(wanted) from why
    except OSError:
        # A file system without links, as on memory sticks.
        part.rename(wanted)


def _taken(path: Path) -> Conflict:
    return Conflict("the file is there already", subject=_place(str(path)), hint="name another")


def _on_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _with_sidecars(path: Path) -> tuple[Path, ...]:
    return tuple(path.with_name(path.name + end) for end in ("", "-journal", "-wal", "-shm"))


def _free(path: Path, suffix: str) -> Path:
    """The first name after *path* and *suffix* that nothing has."""
    names = (path.with_name(f"{path.name}.{suffix}-{number}") for number in count(1))
    return next(name for name in names if not os.path.lexists(name))


def _pour(source: Path, target: Path) -> None:
    """
    Make the database in the new file *target* that of *source*, by SQLite's own backup.

    Never over a store in use: there `_transfer` changes the rows in one transaction. A file
    put over another would leave that one's write-ahead log behind, for SQLite to play back.
    """
    deadline = time.monotonic() + sqlite.WRITE_PATIENCE

    def watch(status: int, _remaining: int, _total: int) -> None:
        # The driver would go on for ever.
        if status in _BUSY and time.monotonic() > deadline:
            raise Unavailable("the store is locked", subject=_place(str(target)), hint="ask again")

    with (
        closing(sqlite.connect(source, patience=sqlite.WRITE_PATIENCE, for_checks=True)) as start,
        closing(sqlite.connect(target, patience=sqlite.WRITE_PATIENCE)) as end,
    ):
        start.backup(end, progress=watch, sleep=0.05)


_BUSY = (5, 6)
"""SQLITE_BUSY and SQLITE_LOCKED."""


def _closed_up(path: Path) -> Head:
    """The head of the store in *path*, which is one file from now on, without a log beside it."""
    with closing(sqlite.connect(path, patience=sqlite.WRITE_PATIENCE)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        return _head(connection.execute("SELECT revision, hash, at FROM head").fetchone())


def _head(row: Sequence[Any]) -> Head:
    revision, digest, at = row
    return Head(Revision(revision), digest, Instant(at))


# Restoring and copying


@contextmanager
def _between(source: Address, target: Address) -> Iterator[tuple[Reading, Writing]]:
    """One snapshot of *source*, and the write lock of *target*."""
    with (
        closing(Database(source)) as start,
        closing(Database(target)) as end,
        start.reading() as reading,
        end.writing() as writing,
    ):
        yield reading, writing


_FILLED = tuple(table for table in schema.Base.metadata.sorted_tables if table is not schema.head)


def _transfer(reading: Reading, writing: Writing) -> Head:
    """Fill the empty store with all rows of the other, which are kept as they are."""
    for table in _FILLED:
        with closing(bulk.rows(reading.connection, select(table))) as rows:
            bulk.fill(writing.connection, table, rows)
    head = reading.head
    values = {"revision": head.revision, "hash": head.hash, "at": head.at}
    writing.connection.execute(update(schema.head).values(values))
    if writing.connection.dialect.name == "postgresql":
        # Without statistics it takes a table of a million rows for a handful, and may read
        # through it at every check until its own housekeeping comes by.
        named = ", ".join(table.name for table in schema.Base.metadata.sorted_tables)
        writing.connection.exec_driver_sql(f"ANALYZE {named}")
    return head


def _judge(within: Reading, address: Address) -> None:
    with closing(problems(within.connection)) as found:
        for problem in found:
            raise StoreNotOurs(
                "the store is damaged",
                subject=_place(address.shown),
                why=str(problem),
                hint="tenantcfg audit verify tells more",
            )


def _staged(source: Path, stage: Path) -> Address:
    """A copy of the backup, of this program's version, every row of it judged."""
    given, copy_of_it = Address.parse(source), Address.parse(stage)
    with failures.translated(given):
        _must_be_backup(given)
        sqlite.make_file(stage)
        _pour(source, stage)
        _grow(copy_of_it)
        with closing(Database(copy_of_it)) as database, database.reading() as reading:
            _judge(reading, given)
    return copy_of_it


def _must_be_backup(address: Address) -> None:
    try:
        with suppress(StoreOlder):
            _require(address)
    except StoreMissing as why:
        raise StoreNotOurs(
            "this is no backup", subject=_place(address.shown), why="the file is empty"
        ) from why


def _restored(stage: Address, address: Address, *, overwrite: bool) -> Head:
    with (
        failures.translated(address),
        _between(stage, _made(address)) as (reading, writing),
    ):
        if writing.head.revision and not overwrite:
            raise Refused(
                "the store holds changes",
                subject=_place(address.shown),
                why=f"it is at revision {writing.head.revision}",
                hint="back it up, then overwrite it: --overwrite",
            )
        for table in reversed(_FILLED):
            writing.connection.execute(delete(table))
        head = _transfer(reading, writing)
        writing.connection.execute(update(schema.head).values(store_id=str(uuid4())))
        return head


def _set_aside(path: Path) -> None:
    """Give the file another name, and what SQLite keeps beside it."""
    with _held(path):
        aside = _free(path, "damaged")
        for each, other in zip(_with_sidecars(path), _with_sidecars(aside), strict=True):
            with suppress(FileNotFoundError):
                each.rename(other)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """
    The write lock of the file, if it has one to give.

    Whoever is writing there, in another release's way, is let finish before the file goes, and
    whoever waits to write finds it gone.
    """
    with ExitStack() as stack:
        try:
            connection = sqlite.connect(path, patience=sqlite.WRITE_PATIENCE)
            stack.enter_context(closing(connection))
            sqlite.begin_writing(connection)
        except sqlite.driver.DatabaseError as why:
            if getattr(why, "sqlite_errorcode", 0) & 0xFF in _BUSY:
                raise
        yield
