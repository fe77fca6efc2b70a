"""
SQLAlchemy over the store's own connections: transactions that read, and those that write.

`Reading` and `Writing` are two types on purpose. What a change would do is worked out on a
`Reading`; only a `Writing` can store it, and only the real path is given one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, select, text
from sqlalchemy.exc import NoResultFound, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from tenantcfg.errors import OutcomeUnknown, StoreMissing, StoreNotOurs, TenantcfgError
from tenantcfg.history import Head
from tenantcfg.ids import Revision
from tenantcfg.instants import Instant
from tenantcfg.store import failures, schema, sqlite, version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

    from tenantcfg.store.address import Address

__all__ = ["Ask", "Database", "Reading", "Recording", "Writing", "engine_of"]

Ask = Callable[[str, Any], list[tuple[Any, ...]]]
"""Runs a statement as the driver takes it, with its values, and gives all its rows."""

_BEGIN = "tenantcfg_begin"
_TO_READ, _TO_WRITE = "BEGIN", "BEGIN IMMEDIATE"


@dataclass(frozen=True, slots=True)
class Reading:
    """
    A transaction on one snapshot, in which nothing can be changed.

    Attributes:
        head: of the snapshot.
        now: of the store's clock, never earlier than the head.
    """

    connection: Connection
    head: Head
    now: Instant


@dataclass(frozen=True, slots=True)
class Writing(Reading):
    """A transaction that holds the write lock, so that nobody else comes between."""


@dataclass(frozen=True, slots=True)
class Recording(Reading):
    """A transaction that writes beside the history: what takes no revision."""


def engine_of(address: Address) -> Engine:
    """An engine whose connections are the store's own; they begin as they are told to."""
    if address.dialect == "sqlite":
        return _sqlite_engine(address)
    from tenantcfg.store import postgresql  # noqa: PLC0415

    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: postgresql.connect(address.secret, patience=sqlite.WRITE_PATIENCE),
        pool_size=4,
        max_overflow=-1,
        pool_pre_ping=True,
    )


def _sqlite_engine(address: Address) -> Engine:
    path = address.path
    assert path is not None  # noqa: S101 - what makes it a file's address

    def opened() -> Any:  # noqa: ANN401
        sqlite.identity(path)
        return sqlite.connect(path, patience=sqlite.WRITE_PATIENCE)

    engine = create_engine(
        "sqlite://",
        module=sqlite.driver,
        creator=opened,
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=-1,
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        how = connection.get_execution_options().get(_BEGIN, _TO_READ)
        if how == _TO_WRITE:
            # Not where one only reads: a backup is looked into and stays as it is, byte by byte.
            sqlite.settle_journal(connection.connection.driver_connection)
            sqlite.begin_writing(connection.connection.driver_connection)
        else:
            connection.exec_driver_sql(how)

    return engine


class Database:
    """The store's transactions, from any thread, and in a child after a fork."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._engine: Engine | None = None
        self._pid = 0
        self._file: tuple[int, int] | None = None
        self._log: tuple[int, int] | None = None
        self._closed = False
        if address.dialect == "sqlite":
            sqlite.let_go_at_fork(self)

    def close(self) -> None:
        """Close what is open and idle; later transactions raise `Unavailable`."""
        self._closed = True
        self.let_go()

    def let_go(self) -> None:
        """Close what is open and idle; later transactions open it anew."""
        engine, self._engine = self._engine, None
        if engine is not None and self._pid == os.getpid():
            engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """A read-only transaction; the database refuses every write in it."""
        with (
            failures.translated(self.address),
            self._connection() as connection,
            self._nothing_written(connection),
        ):
            head = self._head_of_this_release(connection)
            yield Reading(connection, head, self._now(connection, head))

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """
        A transaction that holds the write lock; committed at the end, whole or not at all.

        Raises:
            OutcomeUnknown: the connection was lost in the commit, or the server gave up the
                wait for its standbys.
        """
        with failures.translated(self.address), self._connection(writes=True) as connection:
            if self.address.dialect == "postgresql":
                connection.execute(_TURN)
            head = _head(connection, select(schema.head).with_for_update())
            self._require_same(connection)
            yield Writing(connection, head, self._now(connection, head))
            self._commit(connection)

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        """
        A transaction that writes beside the history; committed at the end, whole or not at all.

        On a server it holds no lock of the history's: no change waits for it, nor it for one.

        Raises:
            OutcomeUnknown: as `writing`.
        """
        with failures.translated(self.address), self._connection(writes=True) as connection:
            if self.address.dialect == "postgresql":
                connection.execute(_TURN)
            head = self._head_of_this_release(connection)
            if self._file_now() != self._file:
                raise failures.gone(self.address)
            yield Recording(connection, head, self._now(connection, head))
            self._commit(connection)

    @contextmanager
    def recording_bare(self, *, patience: float) -> Iterator[Ask]:
        """
        As `recording`, by the driver's cursor alone: what is done often pays for nothing else.

        Nothing has been read yet: whoever asks has to see that the store is of this release. And
        the write-ahead log of a file stays, until `empty_log`: it costs more than the commit.

        Args:
            patience: seconds that it waits for a row which somebody else holds, on a server. In a
                file whoever writes holds everything, and is waited for some seconds.

        Raises:
            OutcomeUnknown: as `writing`.
        """
        with failures.translated(self.address), self._bare() as driver:
            execute = driver.cursor().execute
            if self.address.dialect == "sqlite":
                sqlite.settle_journal(driver)
                sqlite.begin_recording(driver)
                if self._file_now() != self._file:
                    raise failures.gone(self.address)
                yield lambda text, values: _rows(execute(text, values))
                driver.execute("COMMIT")
                return
            # Several statements, which cannot be prepared.
            execute(_BARE_TURN.format(patience=int(patience * 1000)), prepare=False)
            yield lambda text, values: _rows(execute(text, values, prepare=True))
            self._commit_on_server(driver, lambda: execute("COMMIT"))

    def empty_log(self) -> None:
        """Bring what `recording_bare` committed from the log into the file, if that can be done."""
        if self.address.dialect == "sqlite":
            # What cannot be opened now has nothing of ours in its log that is not kept.
            with (
                suppress(TenantcfgError),
                failures.translated(self.address),
                self._bare() as driver,
            ):
                sqlite.empty_log(driver)

    @contextmanager
    def _bare(self) -> Iterator[Any]:
        """A connection of the driver's, which commits by itself; closed where anything fails."""
        engine = self._live_engine()
        held = engine.raw_connection()
        try:
            driver: Any = held.driver_connection
            if self.address.dialect == "postgresql":
                driver.autocommit = True
            yield driver
        except BaseException as why:
            # Whatever state it is in, nobody else is to have it.
            held.invalidate(why)
            raise
        if engine is self._engine:
            held.close()
        else:
            held.invalidate()

    @contextmanager
    def _connection(self, *, writes: bool = False) -> Iterator[Connection]:
        options: dict[str, Any]
        if self.address.dialect == "sqlite":
            options = {_BEGIN: _TO_WRITE if writes else _TO_READ}
        elif writes:
            options = {"isolation_level": "READ COMMITTED"}
        else:
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        engine = self._live_engine()
        held: list[Connection] = []
        try:
            with engine.connect().execution_options(**options) as connection:
                held.append(connection)
                try:
                    yield connection
                finally:
                    if engine is not self._engine:
                        # It was let go of meanwhile: its pool is nobody's, and would keep it open.
                        connection.invalidate()
        except BaseException as why:
            interruption = _interruption(why)
            if interruption is None:
                raise
            # It may have come between any two lines of SQLAlchemy's, and left half of what they
            # do, as an assertion or the driver may find before it is told itself. What was open
            # is closed, as nobody would give back the lock that it may hold.
            self.let_go()
            for connection in held:
                with suppress(Exception):
                    connection.invalidate(why)
            if interruption is why:
                raise
            raise interruption from why

    @contextmanager
    def _nothing_written(self, connection: Connection) -> Iterator[None]:
        # PostgreSQL's transaction is read-only by its options; SQLite knows it by connection.
        if self.address.dialect == "postgresql":
            yield
            return
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA query_only=ON")
        try:
            yield
        finally:
            try:
                connection.rollback()
                driver.execute("PRAGMA query_only=OFF")
            except (SQLAlchemyError, sqlite.driver.Error):
                # Who was interrupted finds it closed, and what he is told is the interruption.
                connection.invalidate()

    def _require_same(self, connection: Connection) -> None:
        """Whether it is, behind the lock, still the store that was opened, and of this release."""
        if self._file_now() != self._file:
            raise failures.gone(self.address)
        self._require_version(connection)

    def _head_of_this_release(self, connection: Connection) -> Head:
        try:
            return _head(connection, _HEAD)
        except StoreNotOurs:
            self._require_version(connection)
            raise

    def _require_version(self, connection: Connection) -> None:
        version.require(
            self.address,
            lambda statement: [(*row,) for row in connection.exec_driver_sql(statement)],
        )

    def _live_engine(self) -> Engine:
        """An engine of this process, for the file that lies at the path now."""
        if self._closed:
            raise failures.closed(self.address)
        file = self._file_now()
        if self._engine is not None and self._pid != os.getpid():
            # A fork: the parent's connections are not ours, not even to close.
            _inherited.append(self._engine)
            self._engine = None
        if self._engine is not None and file != self._file and self.address.path is not None:
            sqlite.replaced(self.address.path, self._log)
        if self._engine is None:
            self._engine, self._pid, self._file = engine_of(self.address), os.getpid(), file
            event.listen(self._engine, "connect", self._remember_log)
        return self._engine

    def _file_now(self) -> tuple[int, int] | None:
        if self.address.path is None:
            return None
        try:
            return sqlite.identity(self.address.path)
        except StoreMissing as why:
            # Whoever comes here has seen the store: its door, or who makes and copies stores.
            raise failures.gone(self.address) from why

    def _remember_log(self, *_: object) -> None:
        if self.address.path is not None:
            self._log = sqlite.log_of(self.address.path)

    def _now(self, connection: Connection, head: Head) -> Instant:
        if self.address.dialect == "sqlite":
            now = time.time_ns() // 1000
        else:
            # A statement of its own: one that waits for a lock may look at the clock before.
            now = connection.scalar(_CLOCK)
        return max(Instant(now), head.at)

    def _commit(self, connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if self.address.dialect == "sqlite":
            connection.commit()
            sqlite.empty_log(driver)
        else:
            self._commit_on_server(driver, connection.commit)

    def _commit_on_server(self, driver: Any, commit: Callable[[], object]) -> None:  # noqa: ANN401
        with _warnings_of(driver) as warnings:
            try:
                commit()
            except Exception as why:
                if failures.connection_lost(why):
                    raise _unknown(self.address, "the connection was lost in the commit") from why
                raise
        if "01000" in warnings:
            raise _unknown(self.address, "the wait for the standbys was cancelled")


def _interruption(why: BaseException | None) -> KeyboardInterrupt | None:
    """The Ctrl-C that *why* is, or that came before it and was lost in it; None: there was none."""
    while why is not None and not isinstance(why, KeyboardInterrupt):
        why = why.__cause__ or why.__context__
    return why


_inherited: list[Engine] = []
# Made once: making a statement costs more than running it.
_HEAD = select(schema.head).where(schema.of_this_release)
_CLOCK = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
# Whatever the server's default: an acknowledged change is on its disk, and nobody waits for ever.
_TURN = text(
    "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
    " WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),"
    f" set_config('lock_timeout', '{int(sqlite.WRITE_PATIENCE)}s', true)"
)
# The same at the beginning of a transaction, in one message. And as checks do it goes by the
# indexes alone: how many there are in a list that is sent along, the server only guesses.
_BARE_TURN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED;"
    " SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
    " WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),"
    " set_config('lock_timeout', '{patience}ms', true),"
    " set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),"
    " set_config('enable_mergejoin', 'off', true), set_config('enable_material', 'off', true)"
)


def _rows(cursor: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401
    # Of a statement that has none the drivers do not give none.
    rows: list[tuple[Any, ...]] = [] if cursor.description is None else cursor.fetchall()
    return rows


def _head(connection: Connection, statement: Any) -> Head:  # noqa: ANN401
    try:
        row = connection.execute(statement).one()
        return Head(Revision(row.revision), row.hash, Instant(int(row.at)))
    except (NoResultFound, TypeError, ValueError) as why:
        raise failures.damaged(f"its head cannot be read: {why}") from why


@contextmanager
def _warnings_of(driver: Any) -> Iterator[list[str]]:  # noqa: ANN401
    """The SQLSTATEs of what the server says beside its results."""
    said: list[str] = []

    def listen(diagnostic: Any) -> None:  # noqa: ANN401
        said.append(diagnostic.sqlstate or "")

    driver.add_notice_handler(listen)
    try:
        yield said
    finally:
        driver.remove_notice_handler(listen)


def _unknown(address: Address, why: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        "the change may or may not have been stored",
        subject=f"'{address.shown}'",
        why=why,
        hint="read the history before you repeat it",
    )
