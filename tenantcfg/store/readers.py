"""
The connections that checks run on: taken, asked, put back.

A free list is enough of a pool: taking from it and putting back are atomic, so that threads
need no lock, and there are as many connections as there ever were checks at once. A
connection is never used in a child after a fork (of a file store none is open then, see
`tenantcfg.store.sqlite`), nor, of a file store, once another file lies at its path.
"""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from dataclasses import dataclass
from json import dumps
from os import getpid, stat
from threading import BoundedSemaphore
from time import time_ns
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

from tenantcfg.errors import StoreMissing
from tenantcfg.store import failures, questions, snapshots, sqlite, version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tenantcfg.store.address import Address
    from tenantcfg.store.snapshots import Snapshot

__all__ = ["Readers", "readers_of"]

T = TypeVar("T")

Row = tuple[Any, ...]

_AT_ONCE = 16
"""How many questions a store asks a server at once; others wait for their turn."""


class Readers(Protocol):
    """
    What a check asks: the rows of `tenantcfg.store.questions`, as they stand at the moment.

    Each row ends with the clock that expiries are judged by: of a file store the machine's,
    of a server the server's.
    """

    def one(self, tenant: str, app: str, action: str) -> Row:
        """The facts about one question."""

    def many(self, pairs: Sequence[tuple[str, str]], action: str) -> list[Row]:
        """The facts about each of *pairs*, in their order; the bare head if there is none."""

    def one_asked(self, tenant: str, app: str, action: str, key: str) -> Row:
        """The facts about one question, and those of a key."""

    def many_asked(self, asked: Sequence[tuple[str, str, str | None]], action: str) -> list[Row]:
        """The facts about each of *asked* (tenant, app, key), in their order."""

    def rows(self, text: str, values: Any, number: int) -> list[Row]:  # noqa: ANN401
        """What a statement of ours finds, as this driver takes it: so many rows, and no clock."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """The store as it is now, for several questions that take their time."""

    def let_go(self) -> None:
        """Close what is idle; later questions open it anew."""

    def close(self) -> None:
        """Close what is idle; later questions raise `Unavailable`."""


def readers_of(address: Address, *, standby: bool = False) -> Readers:
    """The connections of checks to the store at *address*; none is opened yet."""
    if address.path is not None:
        return _FileReaders(address, address.path)
    return _ServerReaders(address, standby=standby)


@dataclass(frozen=True, slots=True)
class _Reader:
    connection: Any
    # What its one cursor executes: found once, as it is used at every question.
    ask: Callable[..., Any]
    pid: int
    device: int = 0
    inode: int = 0
    log: tuple[int, int] | None = None

    def close(self) -> None:
        self.connection.close()


# What a fork left behind. A child must not even close it: SQLite would take itself for the last
# user of the file, and libpq would say goodbye in the parent's name.
_inherited: list[_Reader] = []


class _FileReaders:
    def __init__(self, address: Address, path: Path) -> None:
        self._address = address
        self._path = path
        # As the system takes it: the name is looked up before every question.
        self._name = os.fsencode(path)
        self._free: list[_Reader] = []
        self._closed = False
        self._was_there = False
        sqlite.let_go_at_fork(self)

    def one(self, tenant: str, app: str, action: str) -> Row:
        # `_ask` itself, without what that costs: nothing else is as often called.
        reader = self._take()
        try:
            rows = reader.ask(questions.SQLITE_ONE, (tenant, action, app)).fetchall()
        except BaseException as why:  # noqa: BLE001 - goes on, translated
            self._fail(reader, why)
        self._put(reader)
        if len(rows) != 1:
            _one_each(rows, 1, self._open)
        return (*rows[0], time_ns() // 1000)

    def many(self, pairs: Sequence[tuple[str, str]], action: str) -> list[Row]:
        return self._ask(questions.SQLITE_MANY, (dumps(pairs), action), len(pairs))

    def one_asked(self, tenant: str, app: str, action: str, key: str) -> Row:
        return self._ask(questions.SQLITE_ONE_ASKED, (tenant, action, app, key), 1)[0]

    def many_asked(self, asked: Sequence[tuple[str, str, str | None]], action: str) -> list[Row]:
        return self._ask(questions.SQLITE_MANY_ASKED, (dumps(asked), action), len(asked))

    def _ask(self, text: str, values: tuple[str, ...], questions_asked: int) -> list[Row]:
        rows = self.rows(text, values, questions_asked)
        now = time_ns() // 1000
        return [(*row, now) for row in rows]

    def rows(self, text: str, values: Any, number: int) -> list[Row]:  # noqa: ANN401
        reader = self._take()
        try:
            rows = reader.ask(text, values).fetchall()
        except BaseException as why:  # noqa: BLE001 - goes on, translated
            self._fail(reader, why)
        self._put(reader)
        return _one_each(rows, number, self._open)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        # A connection of its own, as it may wait for a writer longer than a check may.
        reader = self._open(sqlite.WRITE_PATIENCE)
        with failures.translated(self._address), closing(reader):
            reader.ask("BEGIN")

            def ask(text: str, values: dict[str, Any]) -> list[Row]:
                return _all(reader.ask(text, values))

            yield _snapshot(ask, lambda: time_ns() // 1000, self._open)

    def close(self) -> None:
        self._closed = True
        self.let_go()

    def let_go(self) -> None:
        _close_all(self._free)

    def _take(self) -> _Reader:
        """A connection to the file that lies at the path now."""
        while True:
            try:
                reader = self._free.pop()
            except IndexError:
                return self._open()
            if reader.pid != getpid():
                _inherited.append(reader)
                continue
            try:
                found = stat(self._name)  # noqa: PTH116 - half the cost of Path.stat
            except OSError as why:
                reader.close()
                raise failures.gone(self._address) from why
            if found.st_ino == reader.inode and found.st_dev == reader.device:
                return reader
            reader.close()
            sqlite.replaced(self._path, reader.log)

    def _open(self, patience: float = sqlite.CHECK_PATIENCE) -> _Reader:
        if self._closed:
            raise failures.closed(self._address)
        with failures.translated(self._address):
            while True:
                before = self._identity()
                connection = sqlite.connect(self._path, patience=patience, for_checks=True)
                try:
                    version.require(self._address, _asking(connection))
                    log = sqlite.log_of(self._path)
                    if sqlite.identity(self._path) == before:
                        return _Reader(
                            connection, connection.cursor().execute, getpid(), *before, log
                        )
                except BaseException:
                    connection.close()
                    raise
                connection.close()

    def _identity(self) -> tuple[int, int]:
        try:
            found = sqlite.identity(self._path)
        except StoreMissing as why:
            if self._was_there:
                raise failures.gone(self._address) from why
            raise
        self._was_there = True
        return found

    def _put(self, reader: _Reader) -> None:
        self._free.append(reader)
        if self._closed:
            _close_all(self._free)

    def _fail(self, reader: _Reader, why: BaseException) -> NoReturn:
        # Whatever state it is in, the next check begins with a connection of its own.
        reader.close()
        failures.fail(why, self._address)


class _ServerReaders:
    def __init__(self, address: Address, *, standby: bool) -> None:
        self._address = address
        self._standby = standby
        self._free: list[_Reader] = []
        self._closed = False
        self._was_open = False
        self._turns = BoundedSemaphore(_AT_ONCE)
        self._turns_of = getpid()

    def one(self, tenant: str, app: str, action: str) -> Row:
        values = {"tenant": tenant, "app": app, "action": action}
        return _one_each(self._ask(questions.POSTGRESQL_ONE, values), 1, self._open)[0]

    def many(self, pairs: Sequence[tuple[str, str]], action: str) -> list[Row]:
        columns = {"tenants": [pair[0] for pair in pairs], "apps": [pair[1] for pair in pairs]}
        rows = self._ask(questions.POSTGRESQL_MANY, {**columns, "action": action})
        return _one_each(rows, len(pairs), self._open)

    def one_asked(self, tenant: str, app: str, action: str, key: str) -> Row:
        values = {"tenant": tenant, "app": app, "action": action, "key": key}
        return _one_each(self._ask(questions.POSTGRESQL_ONE_ASKED, values), 1, self._open)[0]

    def many_asked(self, asked: Sequence[tuple[str, str, str | None]], action: str) -> list[Row]:
        tenants, apps, keys = (list(column) for column in zip(*asked, strict=True))
        values = {"tenants": tenants, "apps": apps, "keys": keys, "action": action}
        rows = self._ask(questions.POSTGRESQL_MANY_ASKED, values)
        return _one_each(rows, len(asked), self._open)

    def rows(self, text: str, values: Any, number: int) -> list[Row]:  # noqa: ANN401
        return _one_each(self._ask(text, values), number, self._open)

    def close(self) -> None:
        self._closed = True
        self.let_go()

    def let_go(self) -> None:
        _close_all(self._free)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        with self._turn():
            reader, _ = self._reached(lambda reader: reader.ask(_BEGIN))

            def ask(text: str, values: dict[str, Any]) -> list[Row]:
                return _all(reader.ask(snapshots.as_psycopg_has_it(text), values))

            try:
                yield _snapshot(ask, lambda: ask(_CLOCK, {})[0][0], self._open)
                reader.ask("COMMIT")
            except BaseException as why:  # noqa: BLE001 - goes on, translated
                reader.close()
                failures.fail(why, self._address)
            self._put(reader)

    def _ask(self, text: str, values: dict[str, Any]) -> list[Row]:
        with self._turn():
            reader, rows = self._reached(
                lambda reader: _all(reader.ask(text, values, prepare=True))
            )
            self._put(reader)
            return rows

    def _turn(self) -> BoundedSemaphore:
        if self._turns_of != getpid():
            # A turn that was taken in the parent is given back there, not here.
            self._turns, self._turns_of = BoundedSemaphore(_AT_ONCE), getpid()
        return self._turns

    def _reached(self, ask: Callable[[_Reader], T]) -> tuple[_Reader, T]:
        """
        A connection at hand or, if the server dropped that one, a new one; and what it said.

        So nobody who asks notices a server that was restarted. Asking twice is harmless.
        """
        reader = self._idle()
        while True:
            fresh = reader is None
            reader = reader or self._open()
            try:
                return reader, self._answer(reader, ask)
            except BaseException as why:  # noqa: BLE001 - goes on, translated
                reader.close()
                if fresh or not failures.connection_lost(why):
                    failures.fail(why, self._address)
                _close_all(self._free)
                reader = None

    def _answer(self, reader: _Reader, ask: Callable[[_Reader], T]) -> T:
        answer = ask(reader)
        if self._standby:
            # It may have been promoted since; the server says so with its answer.
            _require_standby(reader)
        return answer

    def _idle(self) -> _Reader | None:
        while self._free:
            try:
                reader = self._free.pop()
            except IndexError:
                break
            if reader.pid == getpid():
                return reader
            _inherited.append(reader)
        return None

    def _open(self) -> _Reader:
        from tenantcfg.store import postgresql  # noqa: PLC0415

        if self._closed:
            raise failures.closed(self._address)
        with failures.translated(self._address):
            # Whoever opens a store waits for room; who asks an open one is told at once.
            patience = 0.0 if self._was_open else postgresql.OPENING_PATIENCE
            connection = postgresql.connect(
                self._address.secret, patience=patience, standby=self._standby
            )
            try:
                connection.execute(postgresql.SETTINGS_OF_CHECKS)
                version.require(self._address, _asking(connection))
            except BaseException:
                connection.close()
                raise
            self._was_open = True
            return _Reader(connection, connection.cursor().execute, getpid())

    def _put(self, reader: _Reader) -> None:
        self._free.append(reader)
        if self._closed:
            _close_all(self._free)


def _require_standby(reader: _Reader) -> None:
    from tenantcfg.store import postgresql  # noqa: PLC0415

    postgresql.require_standby(reader.connection)


_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


def _snapshot(
    ask: snapshots.Ask, clock: Callable[[], int], opened: Callable[[], _Reader]
) -> Snapshot:
    """As `tenantcfg.store.snapshots.snapshot`; where there is none, whoever opens is told why."""
    found = snapshots.snapshot(ask, clock)
    if found is None:
        opened().close()
        raise failures.damaged("its head cannot be read")
    return found


def _one_each(rows: list[Row], questions_asked: int, opened: Callable[[], _Reader]) -> list[Row]:
    """
    The rows, of which there is one for each question, or the bare head.

    A store without its head has none; nor has one that was upgraded while it was open, as
    whoever opens it is told. One whose unique index is gone may have several for one
    question, and the next would be answered by what belongs to the one before it.
    """
    if len(rows) != max(questions_asked, 1):
        opened().close()
        raise failures.damaged(f"{len(rows)} rows answer {questions_asked} questions")
    return rows


def _asking(connection: Any) -> Callable[[str], list[Row]]:  # noqa: ANN401
    return lambda statement: _all(connection.execute(statement))


def _all(cursor: Any) -> list[Row]:  # noqa: ANN401
    rows: list[Row] = cursor.fetchall()
    return rows


def _close_all(free: list[_Reader]) -> None:
    while free:
        try:
            reader = free.pop()
        except IndexError:
            return
        if reader.pid == getpid():
            reader.close()
        else:
            _inherited.append(reader)
