"""
Whether the rows are what the history says: the work of ``audit verify``.

Every table is read once, all of them side by side in the order of revisions on one
snapshot, and each change is held against the rows that begin and that end at its revision.
So every row is compared, and memory does not grow with the store.

That is a replay from nothing, though no state is kept. Each row was compared where it
begins and where it ends, and a row that ends must have begun before. An app's rows begin
and end in turn, so there is only one way to pair its beginnings with its ends: a row that
ends at the wrong revision is missing at one change and one too many at another.
"""

from __future__ import annotations

import json
from collections import Counter, namedtuple
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, Select, select, text, type_coerce

from tenantcfg import instants
from tenantcfg.configuration import Result
from tenantcfg.errors import InvalidInput, quoted
from tenantcfg.history import START, Change, Head, Verb, broken_link, canonical
from tenantcfg.ids import Revision, is_guid
from tenantcfg.instants import Instant
from tenantcfg.keys import fingerprint
from tenantcfg.store import bulk, schema
from tenantcfg.store.effects import (
    column_of,
    effect,
    key_columns,
    keys_after,
    keys_ended,
    name_key,
    tenant_after,
)
from tenantcfg.store.views import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from sqlalchemy import Connection, Table

    from tenantcfg.configuration import Outcome

__all__ = ["Problem", "problems"]

_Row = Any
"""Values with the names of their columns; a value is whatever somebody wrote there."""


@dataclass(frozen=True, slots=True)
class Problem:
    """
    Something that the history does not account for, or that is wrong with the history.

    Attributes:
        revision: the change that it concerns; None: the store as a whole.
        what: one line, in words.
    """

    revision: Revision | None
    what: str

    def __str__(self) -> str:
        return self.what if self.revision is None else f"revision {self.revision}: {self.what}"


def problems(connection: Connection, *, earlier: Head | str | None = None) -> Generator[Problem]:
    """
    Everything that is wrong, in the order of revisions; nothing when the store is sound.

    Args:
        connection: in a transaction that sees one snapshot (on PostgreSQL REPEATABLE READ).
        earlier: a head, or ``REV:HASH``, that was once written down elsewhere. With it a
            history that was cut off or written anew is found as well: without it such a
            store, made consistent again, cannot be told from a true one.

    Raises:
        InvalidInput: *earlier* is no ``REV:HASH``.
    """
    anchor = _anchor(earlier)
    yield from _damage(connection)
    yield from _strangers(connection)
    before = START
    with closing(_Tables(connection)) as rows:
        for row in rows.changes:
            for what in _wrong_with(row, before, rows):
                yield Problem(Revision(row.revision), what)
            before = Head(Revision(row.revision), row.hash, Instant(row.at))
            if anchor and anchor.revision == before.revision and anchor.hash != before.hash:
                yield Problem(before.revision, "the history up to here was written anew")
        for what in (*_left_over(rows), *_wrong_with_head(connection, before)):
            yield Problem(None, what)
    if anchor and anchor.revision > before.revision:
        yield Problem(None, f"the history ends at revision {before.revision}: its tail was cut off")


def _anchor(earlier: Head | str | None) -> Head | None:
    if not isinstance(earlier, str):
        return earlier
    revision, (_, _, digest) = Revision.parse(earlier), earlier.strip().partition(":")
    if not digest:
        raise InvalidInput(
            "not a head", subject=quoted(earlier), why="it has no hash", hint="REV:HASH is wanted"
        )
    return Head(revision, digest, Instant(0))


def _damage(connection: Connection) -> Iterator[Problem]:
    """What SQLite itself finds: a torn page, an index that has not the rows of its table."""
    if connection.dialect.name == "sqlite":
        for (line,) in connection.execute(text("PRAGMA integrity_check(20)")):
            if line != "ok":
                yield Problem(None, f"the file is damaged: {line}")


_STRANGERS = {
    "sqlite": "SELECT type || ' ' || name FROM sqlite_master WHERE type IN ('trigger', 'view')",
    "postgresql": """
        SELECT 'trigger ' || tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace
        UNION ALL
        SELECT 'rule ' || rulename FROM pg_rules WHERE schemaname = current_schema()
        UNION ALL
        SELECT 'view ' || viewname FROM pg_views WHERE schemaname = current_schema()
    """,
}


def _strangers(connection: Connection) -> Iterator[Problem]:
    """What would act beside our statements, or stand in a table's place."""
    for (name,) in connection.execute(text(_STRANGERS[connection.dialect.name])):
        yield Problem(None, f"the store has a {name}, and no release of ours makes one")


# Reading: every table in the order of revisions, handed out revision by revision.


class _InTurn:
    """The rows of one table in the order of their column ``turn``, handed out by it."""

    def __init__(self, rows: Iterable[_Row]) -> None:
        self._rows = iter(rows)
        self._next = next(self._rows, None)

    def of(self, revision: int) -> list[_Row]:
        """The rows of *revision*; rows of lower ones, which have no change, come with them."""
        found: list[_Row] = []
        following = self._next
        while following is not None and _turn(following) <= revision:
            found.append(following)
            following = next(self._rows, None)
        self._next = following
        return found

    def rest(self) -> Iterator[_Row]:
        """The rows whose revision is beyond the last change."""
        while self._next is not None:
            yield self._next
            self._next = next(self._rows, None)


def _turn(row: _Row) -> float:
    # SQLite keeps whatever was written, by force also a text, and sorts it behind the numbers.
    turn = row[0]
    return turn if isinstance(turn, (int, float)) else float("inf")


class _Tables:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open: list[Generator[Any]] = []
        self.changes = self._read(select(schema.changes).order_by(schema.changes.c.revision))
        self.in_turn = {
            "apps": self._by(schema.change_apps, "revision"),
            "grants_begun": self._by(schema.grants, "from_revision"),
            "grants_ended": self._by(schema.grants, "to_revision"),
            "tenants_begun": self._by(schema.tenants, "from_revision"),
            "tenants_ended": self._by(schema.tenants, "to_revision"),
            "keys_begun": self._by(schema.keys, "from_revision"),
            "keys_ended": self._by(schema.keys, "to_revision"),
        }

    def _by(self, table: Table, turn: str) -> _InTurn:
        column = table.c[turn]
        columns = (_as_it_lies(each) for each in table.c)
        statement = select(column.label("turn"), *columns).order_by(column)
        return _InTurn(self._read(statement.where(column.is_not(None))))

    def _read(self, statement: Select[Any]) -> Iterator[_Row]:
        # The driver's own rows: SQLAlchemy's cost more than all else that is read of them.
        rows = bulk.rows(self._connection, statement)
        self._open.append(rows)
        return map(_named(statement), rows)

    def close(self) -> None:
        """Leave off, wherever the reading has come to."""
        for rows in self._open:
            rows.close()


def _named(statement: Select[Any]) -> Callable[[Iterable[Any]], Any]:
    """What makes of a driver's row one whose values have the names of their columns."""
    names = [*statement.selected_columns.keys()]
    row: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - as it is read
    make: Callable[[Iterable[Any]], Any] = row._make
    return make


def _as_it_lies(column: Any) -> Any:  # noqa: ANN401 - Core's own Any
    # A boolean would be made of whatever number lies there, and 7 pass for true.
    return type_coerce(column, Integer).label("enabled") if column.name == "enabled" else column


def _shown(row: Iterable[Any] | str) -> str:
    # Whole, however long: two ids may differ in their last character only.
    named = row if isinstance(row, str) else " ".join(map(str, row))
    return quoted(named, longest=len(named))


# Judging


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows that name one revision, by what they are and whether they begin or end there."""

    apps: list[_Row]
    grants_begun: list[_Row]
    grants_ended: list[_Row]
    tenants_begun: list[_Row]
    tenants_ended: list[_Row]
    keys_begun: list[_Row]
    keys_ended: list[_Row]


def _wrong_with(row: _Row, before: Head, tables: _Tables) -> Iterator[str]:
    """What is wrong with one row of history, and with what begins and ends at its revision."""
    found = {name: table.of(row.revision) for name, table in tables.in_turn.items()}
    yield from _strays(found, row.revision)
    try:
        change = Change.from_json({**json.loads(row.content), "hash": row.hash})
        written = canonical(change)
        yield from broken_link(change, before, text=written)
        yield from _wrong_columns(row, change, written)
        yield from _wrong_rows(change, _Rows(**found))
    except (KeyError, TypeError, ValueError) as why:
        # Not only what is no JSON: a verb without what it needs, too.
        yield f"its content is not that of a change: {why}"


def _strays(found: dict[str, list[_Row]], revision: int) -> Iterator[str]:
    """Rows of revisions that are not there; they are taken out of *found*."""
    for name, rows in found.items():
        # In the order of turns: where the first is not an earlier one, none is.
        if rows and rows[0].turn != revision:
            yield from (_no_such(name, row) for row in rows if row.turn != revision)
            found[name] = [row for row in rows if row.turn == revision]


def _left_over(tables: _Tables) -> Iterator[str]:
    for name, table in tables.in_turn.items():
        yield from (_no_such(name, row) for row in table.rest())


def _no_such(name: str, row: _Row) -> str:
    return f"{name.replace('_', ' ')}: {_shown(row)} names a revision that is not there"


def _wrong_columns(row: _Row, change: Change, written: str) -> Iterator[str]:
    if row.content != written:
        yield "its content is not written as a change is"
    told = (change.revision, change.at, column_of(change.tenant), change.by.actor.name)
    if (row.revision, row.at, row.tenant, row.actor) != told:
        yield "its columns differ from its content"


def _wrong_rows(change: Change, rows: _Rows) -> Iterator[str]:
    tenant = column_of(change.tenant)
    told = ((tenant, outcome.app.value) for outcome in change.outcomes)
    yield from _unlike("the look-up of app", told, ((row.tenant, row.app) for row in rows.apps))
    yield from _wrong_grants(change, rows)
    yield from _wrong_tenants(change, rows)
    yield from _wrong_keys(change, rows)


def _wrong_grants(change: Change, rows: _Rows) -> Iterator[str]:
    place = (column_of(change.tenant), change.action)
    ending = ((*place, one.app.value, one.expired_at) for one in change.outcomes if _ends(one))
    ended = [(row.tenant, row.action, row.app, row.expires_at) for row in rows.grants_ended]
    yield from _unlike("the end of grant", ending, ended)
    yield from _ended_early(rows.grants_ended)
    begun = [
        (row.tenant, row.action, row.app, row.granted, row.position, row.expires_at)
        for row in rows.grants_begun
    ]
    before = {row.app: (row.granted, row.position) for row in rows.grants_ended}
    beginning = ((*place, *begins) for begins in _beginnings(change, before))
    yield from _unlike("grant", beginning, begun)


def _ends(outcome: Outcome) -> bool:
    """Whether an open row of the app is closed: also one that had run out, by adding it anew."""
    anew = outcome.result is Result.ADDED and outcome.expired_at is not None
    return anew or outcome.result in {Result.CHANGED, Result.REMOVED}


def _beginnings(
    change: Change, before: dict[str, tuple[int, int]]
) -> Iterator[tuple[str, int | None, int | None, int | None]]:
    """Of each row that the change opens: app, granted, position, expiry."""
    places = count()
    for one in change.outcomes:
        if one.result is Result.ADDED:
            yield one.app.value, change.revision, next(places), one.expires_at
        elif one.result is Result.CHANGED:
            granted, position = before.get(one.app.value, (None, None))
            yield one.app.value, granted, position, one.expires_at


def _wrong_tenants(change: Change, rows: _Rows) -> Iterator[str]:
    verb, tenant = effect(change), column_of(change.tenant)
    ends = change.tenant is not None and verb not in {Verb.SET, Verb.TENANT_ADD}
    ended = {row.tenant: row for row in rows.tenants_ended}
    names = [row.tenant for row in rows.tenants_ended]
    yield from _unlike("the end of tenant", [tenant] if ends else [], names)
    yield from _ended_early(rows.tenants_ended)
    begun = [
        (row.tenant, row.added, row.name, row.name_key, row.enabled) for row in rows.tenants_begun
    ]
    yield from _unlike("tenant", _tenant_begun(change, ended.get(tenant)), begun)


def _tenant_begun(change: Change, before: _Row | None) -> Iterator[tuple[Any, ...]]:
    """The row of the tenant that the change opens, if it opens one."""
    if change.tenant is None or effect(change) is Verb.SET:
        return
    known = None
    if before is not None:
        since, added = Revision(before.from_revision), Revision(before.added)
        known = Tenant(change.tenant, before.name, bool(before.enabled), since, added)
    after = tenant_after(change, known, change.revision)
    if after is not None:
        key = None if after.name is None else name_key(after.name)
        yield after.id.value, after.added, after.name, key, after.enabled


def _wrong_keys(change: Change, rows: _Rows) -> Iterator[str]:
    ended = {row.id: row for row in rows.keys_ended}
    ids = [row.id for row in rows.keys_ended]
    yield from _unlike("the end of key", keys_ended(change), ids)
    yield from _ended_early(rows.keys_ended)
    begun = [
        (*(getattr(row, name) for name in _KEY_COLUMNS), fingerprint(str(row.digest)))
        for row in rows.keys_begun
    ]
    yield from _unlike("key", _keys_begun(change, ended), begun)


_KEY_COLUMNS = ("id", "added", "name", "name_key", "rights", "tenants", "expires_at")


def _keys_begun(change: Change, ended: dict[str, _Row]) -> Iterator[tuple[Any, ...]]:
    """The rows of keys that the change opens, each with the fingerprint of its digest."""
    details = change.operation.details
    for key in keys_after(change, {}, change.revision):
        row = key_columns(key)
        yield (*(row[name] for name in _KEY_COLUMNS), details["fingerprint"])
    old = ended.get(details["replaces"]) if effect(change) is Verb.KEY_ROTATE else None
    if old is not None and details["until"] is not None:
        # As it lies: its name given away, and all else as it was when it began.
        kept = (old.id, old.added, old.name, None, old.rights, old.tenants)
        yield (*kept, instants.parse(details["until"]), fingerprint(str(old.digest)))


def _ended_early(rows: list[_Row]) -> Iterator[str]:
    for row in rows:
        if not row.from_revision < row.to_revision:
            yield f"{_shown(row)} ends before it begins"


def _unlike(what: str, told: Iterable[Any], found: Iterable[Any]) -> Iterator[str]:
    told, found = list(told), list(found)
    if told == found and len(told) <= 1:
        # As nearly always: of most kinds of row a change has none, or one.
        return
    distinct = set(told)
    if len(distinct) == len(told) == len(found) and distinct == set(found):
        return
    # Counted: where a table has lost its constraints, a row can be there twice.
    history, table = Counter(told), Counter(found)
    for one in sorted(history - table, key=repr):
        yield f"{what} {_shown(one)} is told by the history and not there"
    for one in sorted(table - history, key=repr):
        yield f"{what} {_shown(one)} is there and not told by the history"


def _wrong_with_head(connection: Connection, last: Head) -> Iterator[str]:
    rows = connection.execute(select(schema.head)).all()
    told = [(1, last.revision, last.hash, last.at)]
    if [(row.id, row.revision, row.hash, row.at) for row in rows] != told:
        yield f"the head is not that of the last change, {last.revision}"
    for row in rows:
        if not (isinstance(row.store_id, str) and is_guid(row.store_id)):
            yield f"the store's id is none: {_shown(str(row.store_id))}"
