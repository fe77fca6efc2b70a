"""
The decision log: which decisions were answered, in a database of its own.

Nothing here comes near the store: another file or another server, other connections, and a
schema so small that it needs no migrations. So no change waits for the log, whatever it does.

A row is written by whoever answers, many at once (`LogWriter`), and read by an admin
(`DecisionLog`). Values are of `Entry`; what is longer than `MAX_TEXT` was cut before.
"""

from __future__ import annotations

import json
import random
import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    func,
    insert,
    inspect,
    or_,
    select,
)
from sqlalchemy import text as sql

from tenantcfg.errors import (
    OutcomeUnknown,
    StoreMissing,
    StoreNewer,
    StoreNotOurs,
    TenantcfgError,
    Unavailable,
)
from tenantcfg.store import failures, postgresql, sqlite
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from sqlalchemy import ColumnElement, Connection, Select

    from tenantcfg.instants import Instant

__all__ = [
    "MAX_TEXT",
    "VERSION",
    "DecisionLog",
    "Entry",
    "LogWriter",
    "Wanted",
    "create",
    "decisions",
]

VERSION: Final = 1
"""Of these tables; a log of a later one is refused."""

MAX_TEXT: Final = 512
"""The most characters of a text in a row: longer ones are cut (docs, limits)."""

LOCK_PATIENCE: Final = 1.0
"""For how many seconds a batch waits for its turn among the workers."""

_PAGE: Final = 200
_AT_ONCE: Final = 250
"""Rows that are turned into JSON at once, in half a millisecond: nothing else runs meanwhile."""
_NUMBERS: Final = frozenset({"at", "place", "revision"})
_ALWAYS: Final = frozenset({"at", "request_id", "asker", "decision", "endpoint"})

# As in the store: by their bytes on both databases.
_Bytewise = Text().with_variant(Text(collation="C"), "postgresql")
_Whole = BigInteger().with_variant(Integer(), "sqlite")


class Entry(NamedTuple):
    """
    One decision, as it was answered. A tuple, as every answer makes one.

    Attributes:
        at: when, in microseconds, by the clock of the service.
        request_id: as the answer carried it.
        place: in the batch, from 0; None: it was asked alone.
        asker: who asked, without any secret: ``key:ID``, ``entra:APP``, ``anybody``.
        asker_name: the name of the key at that time; None: no key.
        app: about which app; None: the question was about none.
        tenant: in which tenant; None: it named none.
        call: the call and the *participant* it named; None: none.
        decision: ``permit``, ``deny``, ``barred`` (who asks may not ask about this tenant) or
            ``error`` (one of a batch that was no question).
        reason: the code of a denial, or of the error; None: a permit.
        store_id: of the history that *revision* is of.
        revision: at which it was decided.
        endpoint: the path that was asked, without what the client put behind it.
    """

    at: int
    request_id: str
    place: int | None
    asker: str
    asker_name: str | None
    app: str | None
    tenant: str | None
    call: str | None
    participant: str | None
    decision: str
    reason: str | None
    store_id: str | None
    revision: int | None
    endpoint: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    Which decisions are looked for; None: all.

    Attributes:
        tenant, app, decision: as they stand in the row.
        since: only those at this instant or later.
        until: only those before it.
        limit: the newest so many.
    """

    tenant: str | None = None
    app: str | None = None
    decision: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    limit: int | None = None


# The tables


_metadata = MetaData()

_log = Table(
    "decision_log",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
)

decisions = Table(
    "decisions",
    _metadata,
    Column("id", _Whole, Identity(), primary_key=True),
    *(
        Column(
            name,
            _Whole if name in _NUMBERS else _Bytewise,
            nullable=name not in _ALWAYS,
        )
        for name in Entry._fields
    ),
    # Each costs a row a page or two: SQLite has the row's number behind every key by itself.
    Index("decisions_at", "at"),
    Index("decisions_of_request", "request_id"),
    Index("decisions_of_tenant", "tenant", "at"),
    Index("decisions_of_app", "app", "at"),
)
_entry = [decisions.c[name] for name in Entry._fields]

# What each process that writes has come to. A batch whose commit was not heard of may be sent
# once more: the second time its number is known.
_writers = Table(
    "decision_writers",
    _metadata,
    Column("id", _Bytewise, primary_key=True),
    Column("began", _Whole, nullable=False),
    Column("seen", _Whole, nullable=False),
    Column("batch", _Whole, nullable=False),
    Column("dropped", _Whole, nullable=False),
)


def create(url: str) -> bool:
    """
    Make the log at *url* if it is not there; whether it was made.

    A file is made for its owner alone.

    Raises:
        InvalidInput: *url* is no address.
        StoreNotOurs: something else is there; it is left as it is.
        StoreNewer: a later release made it.
        Unavailable, StoreReadOnly, StoreFull: it cannot be made.
    """
    address = Address.parse(url)
    with _translated(address):
        if address.path is not None:
            sqlite.make_file(address.path)
        engine = engine_of(address)
        try:
            options = {"tenantcfg_begin": "BEGIN IMMEDIATE"}
            if address.dialect == "postgresql":
                # By itself a connection of ours commits each statement.
                options = {"isolation_level": "READ COMMITTED"}
            with engine.connect().execution_options(**options) as connection, connection.begin():
                return _made(address, connection)
        finally:
            engine.dispose()


def _made(address: Address, connection: Connection) -> bool:
    if address.dialect == "postgresql":
        # Two services that begin at once: the second finds it made.
        connection.execute(sql("SELECT pg_advisory_xact_lock(8180, 1)"))
    found = set(inspect(connection).get_table_names())
    if "decision_log" in found:
        _require_version(address, list(connection.execute(_VERSION_OF).scalars()))
        return False
    if found:
        raise StoreNotOurs(
            "this is no decision log",
            subject=f"'{address.shown}'",
            why="there is something else",
            hint="give the log a file or a database of its own",
        )
    _metadata.create_all(connection)
    connection.execute(insert(_log).values(id=str(uuid4()), version=VERSION))
    return True


_VERSION_OF = select(_log.c.version)


def _require_version(address: Address, versions: Sequence[object]) -> None:
    if list(versions) == [VERSION]:
        return
    subject = f"'{address.shown}'"
    if len(versions) == 1 and isinstance(versions[0], int) and versions[0] > VERSION:
        raise StoreNewer(
            "the decision log was made by a later release",
            subject=subject,
            hint="upgrade tenantcfg",
        )
    raise StoreNotOurs("the version of the decision log cannot be read", subject=subject)


_STORE: Final = re.compile(r"\bstore\b")


@contextmanager
def _translated(address: Address) -> Iterator[None]:
    """As `failures.translated`, and what is said of a store is said of the log."""
    try:
        with failures.translated(address):
            yield
    except TenantcfgError as why:
        if "decision log" in why.what:
            raise
        raise type(why)(
            "the decision log cannot be used",
            subject=why.subject or f"'{address.shown}'",
            why=": ".join(_STORE.sub("log", part) for part in (why.what, why.why) if part),
            hint="" if isinstance(why, StoreMissing) else _STORE.sub("log", why.hint),
        ) from why


# Writing


_COLUMNS = ", ".join(f'"{name}"' for name in Entry._fields)
_APPEND = {
    # One statement for all rows: what is done for each of them is done in the database.
    "sqlite": (
        f"INSERT INTO decisions ({_COLUMNS}) SELECT "  # noqa: S608 - names of our own
        + ", ".join(f"json_extract(value, '$[{place}]')" for place in range(len(Entry._fields)))
        + " FROM json_each(?) ORDER BY key"
    ),
    "postgresql": (
        f"INSERT INTO decisions ({_COLUMNS}) SELECT "  # noqa: S608 - as above
        + ", ".join(
            f"(value->>{place})::bigint" if name in _NUMBERS else f"value->>{place}"
            for place, name in enumerate(Entry._fields)
        )
        + " FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS given(value, n) ORDER BY n"
    ),
}
_COUNT = (
    "INSERT INTO decision_writers (id, began, seen, batch, dropped) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, batch = excluded.batch,"
    " dropped = excluded.dropped WHERE decision_writers.batch < excluded.batch"
)
_SESSION = (
    "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
    " WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),"
    " set_config('statement_timeout', '5s', false)"
)


class LogWriter:
    """
    What one process writes into the log at *url*, over one connection of its own.

    For one thread at a time. It opens nothing before the first batch, and opens anew after a
    failure, or where another file lies at the path.
    """

    def __init__(self, url: str) -> None:
        self._address = Address.parse(url)
        self._id = uuid4().hex
        self._began = _now()
        self._connection: Any = None
        self._file: tuple[int, int] | None = None
        self._beside: tuple[int, int] | None = None
        self._said: list[str] = []
        self._gate = Lock()
        self._given_up = False
        self._sent = self._stored = 0

    def append(self, number: int, entries: Sequence[Entry], dropped: int = 0) -> None:
        """
        Store *entries*; when this returns they are on the disk, whole.

        Args:
            number: of the batch, higher than that of any other of this writer. A batch that
                failed may be given again with the same number: it is stored once.
            entries: texts of at most `MAX_TEXT` characters, without NUL.
            dropped: how many decisions this process has not stored, up to now.

        Raises:
            Unavailable, StoreUnusable: they are not stored; or, with `OutcomeUnknown`, may be.
        """
        with _translated(self._address):
            fresh = self._connection is None
            try:
                self._write(number, entries, dropped)
            except Exception as why:
                if fresh or not failures.connection_lost(why):
                    raise
                # The server was started anew since the last batch.
                self._write(number, entries, dropped)

    def give_up(self) -> None:
        """From here on nothing more is committed; for any thread, and never waits."""
        with self._gate:
            self._given_up = True

    def became_of(self, number: int) -> bool | None:
        """
        Whether the batch *number*, the newest one, is stored; None: it cannot be told.

        For any thread, and the last word once a writer has been given up: its commit was sent,
        and has not been heard of yet, or was never.
        """
        if self._stored == number:
            return True
        return None if self._sent == number else False

    def close(self) -> None:
        """Close the connection; a later batch opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def _write(self, number: int, entries: Sequence[Entry], dropped: int) -> None:
        try:
            self._commit(number, entries, dropped)
        except BaseException:
            self.close()
            raise

    def _commit(self, number: int, entries: Sequence[Entry], dropped: int) -> None:
        connection = self._live()
        counted = (self._id, self._began, _now(), number, dropped)
        self._said.clear()
        if self._address.dialect == "sqlite":
            _begin(connection)
            if connection.execute(_COUNT, counted).rowcount:
                _add(connection, _APPEND["sqlite"], entries)
            self._send(number)
            connection.execute("COMMIT")
        else:
            connection.execute("BEGIN")
            if connection.execute(_COUNT.replace("?", "%s"), counted).rowcount:
                _add(connection, _APPEND["postgresql"], entries)
            self._send(number)
            connection.execute("COMMIT")
            if "01000" in self._said:
                raise OutcomeUnknown(
                    "the decision log may have stored it", why="no standby answered"
                )
        self._stored = number

    def _send(self, number: int) -> None:
        """Note that a commit of the batch *number* comes next, unless none may."""
        with self._gate:
            if self._given_up:
                raise Unavailable("the decision log is not written any more")
            self._sent = number

    def _live(self) -> Any:  # noqa: ANN401 - a driver's connection
        path = self._address.path
        if path is not None:
            self._require_same()
        if self._connection is None and path is not None:
            self._file = _identity(self._address)
            self._connection = sqlite.connect(path, patience=LOCK_PATIENCE)
            # Request ids come in no order, so that each row changes pages all over their index:
            # they are kept at hand, and go from the log into the file when more have gathered.
            self._connection.execute("PRAGMA cache_size=-16000")
            self._connection.execute("PRAGMA wal_autocheckpoint=4000")
            sqlite.settle_journal(self._connection)
            self._beside = sqlite.log_of(path)
            self._require()
        elif self._connection is None:
            self._connection = postgresql.connect(self._address.secret)
            self._connection.add_notice_handler(lambda said: self._said.append(said.sqlstate or ""))
            self._connection.execute(_SESSION)
            self._require()
        return self._connection

    def _require_same(self) -> None:
        """Let go of the file where another lies at its path: rows in it would be nowhere."""
        path = self._address.path
        if self._connection is None or path is None or _identity(self._address) == self._file:
            return
        self.close()
        sqlite.replaced(path, self._beside)

    def _require(self) -> None:
        found = self._connection.execute("SELECT version FROM decision_log").fetchall()
        _require_version(self._address, [version for (version,) in found])


def _add(connection: Any, statement: str, entries: Sequence[Entry]) -> None:  # noqa: ANN401
    for place in range(0, len(entries), _AT_ONCE):
        rows = json.dumps(entries[place : place + _AT_ONCE], separators=(",", ":"))
        connection.execute(statement, (rows,))


def _begin(connection: Any) -> None:  # noqa: ANN401
    """Take the write lock, which other workers hold for one commit each."""
    deadline = time.monotonic() + LOCK_PATIENCE
    connection.execute("PRAGMA busy_timeout=0")
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite.driver.OperationalError as why:
            if why.sqlite_errorcode & 0xFF != _BUSY or time.monotonic() > deadline:
                raise
            # SQLite's own waiting doubles its steps, and favours whoever came last.
            time.sleep(random.uniform(0.0005, 0.003))  # noqa: S311
        else:
            return


_BUSY: Final = 5  # SQLITE_BUSY


def _identity(address: Address) -> tuple[int, int]:
    assert address.path is not None  # noqa: S101 - what makes it a file's address
    try:
        return sqlite.identity(address.path)
    except StoreMissing as why:
        raise StoreMissing(
            "there is no decision log",
            subject=f"'{address.path}'",
            hint="correct the address; tenantcfg serve makes it when it starts",
        ) from why


def _now() -> int:
    return time.time_ns() // 1000


# Reading


class DecisionLog:
    """
    A log to read from.

    Attributes:
        url: its address, without user, password and options.
        id: made with it.
    """

    def __init__(self, address: Address) -> None:
        self.url = address.shown
        self._address = address
        if address.path is not None:
            _identity(address)
        self._engine = engine_of(address)
        try:
            self.id = self._found()
        except BaseException:
            self._engine.dispose()
            raise

    @classmethod
    def open(cls, url: str) -> Self:
        """
        The log at *url*, which must be there.

        Raises:
            InvalidInput: *url* is no address.
            StoreMissing, StoreNotOurs, StoreNewer, Unavailable: there is none to be read.
        """
        return cls(Address.parse(url))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def find(self, wanted: Wanted) -> Iterator[Entry]:
        """The decisions that fit, the newest first; they are read as they are taken."""
        left, place = wanted.limit, None
        while left is None or left > 0:
            page = _PAGE if left is None else min(_PAGE, left)
            with self._reading() as connection:
                rows = connection.execute(_page(wanted, place).limit(page)).all()
            yield from (Entry(*row[1:]) for row in rows)
            if len(rows) < page:
                return
            place = rows[-1][1], rows[-1][0]
            left = None if left is None else left - page

    def request(self, request_id: str, *, most: int) -> list[Entry]:
        """The newest decisions of the request *request_id*, *most* of them, the oldest first."""
        statement = (
            select(*_entry)
            .where(decisions.c.request_id == request_id[:MAX_TEXT])
            .order_by(decisions.c.id.desc())
            .limit(most)
        )
        with self._reading() as connection:
            rows = connection.execute(statement).all()
        return [Entry(*row) for row in reversed(rows)]

    def dropped(self) -> int:
        """How many decisions were answered and not stored, as far as their services told."""
        with self._reading() as connection:
            return int(connection.scalar(select(func.sum(_writers.c.dropped))) or 0)

    def _found(self) -> str:
        with self._reading() as connection:
            found = connection.execute(select(_log.c.id, _log.c.version)).all()
            _require_version(self._address, [version for _, version in found])
            return str(found[0][0])

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _translated(self._address), self._engine.connect() as connection:
            yield connection


def _page(wanted: Wanted, place: tuple[int, int] | None) -> Select[Any]:
    """The decisions that fit behind *place*, a time and a row."""
    c = decisions.c
    fits: list[ColumnElement[bool]] = [
        c[name] == value
        for name in ("tenant", "app", "decision")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.since is not None:
        fits.append(c.at >= wanted.since)
    if wanted.until is not None:
        fits.append(c.at < wanted.until)
    if place is not None:
        at, row = place
        fits.append(and_(c.at <= at, or_(c.at < at, c.id < row)))
    return select(c.id, *_entry).where(*fits).order_by(c.at.desc(), c.id.desc())
