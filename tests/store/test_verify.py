from __future__ import annotations

import secrets
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Boolean, String, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from tenantcfg import AppId, Attribution, InvalidInput, ListModifier, Store, TenantId
from tenantcfg.errors import StoreNotOurs
from tenantcfg.history import Actor
from tenantcfg.instants import from_datetime
from tenantcfg.keys import Right, ServiceKey
from tenantcfg.store import admin, schema
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of
from tenantcfg.store.verify import problems
from tests.stores import a_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Column, ColumnElement, Connection, Executable, RowMapping, Table

BY = Attribution(Actor("os:alice"), reason="a test")
CONTOSO, FABRIKAM = TenantId("11111111-1111-1111-1111-111111111111"), TenantId("fabrikam")
LATER = from_datetime(datetime.now(UTC) + timedelta(days=30))
MUCH_LATER = from_datetime(datetime.now(UTC) + timedelta(days=60))


def apps(*names: str) -> tuple[AppId, ...]:
    return tuple(map(AppId, names))


def a_history(store: Store) -> None:
    """A little of everything that a history can hold."""
    store.add_tenant(CONTOSO, "Contoso", by=BY)
    store.add_tenant(FABRIKAM, None, by=BY)
    one = ListModifier(add=apps("a", "b", "c"), expiries={AppId("b"): LATER})
    store.modify(CONTOSO, one, by=BY)
    store.modify(FABRIKAM, ListModifier(add=apps("b", "a")), by=BY)
    store.modify(CONTOSO, ListModifier(add=apps("b"), expiries={AppId("b"): MUCH_LATER}), by=BY)
    store.modify(CONTOSO, ListModifier(remove=apps("a"), add=apps("d", "c")), by=BY)
    store.modify(CONTOSO, ListModifier(add=apps("a")), by=BY)
    store.rename_tenant(CONTOSO, "Contoso Ltd", by=BY)
    store.disable_tenant(CONTOSO, by=BY)
    store.enable_tenant(CONTOSO, by=BY)
    removed = store.modify(CONTOSO, ListModifier(replace=apps("d")), by=BY)
    store.undo(removed.revision, by=BY)
    store.disable_tenant(FABRIKAM, by=BY)
    gone = store.remove_tenant(FABRIKAM, by=BY)
    store.undo(gone.revision, by=BY)
    a_key(store, "everywhere", rights=(Right.CHECK, Right.READ))
    a_key(store, "calls", tenants=[CONTOSO, FABRIKAM], until=LATER)
    store.rotate_key("calls", ServiceKey.new(secrets.token_bytes), by=BY)
    store.rotate_key("everywhere", ServiceKey.new(secrets.token_bytes), overlap=0, by=BY)
    store.revoke_key("everywhere", by=BY)
    a_key(store, "gone")
    store.undo(store.head().revision, by=BY)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with admin.create(store_url) as store:
        a_history(store)
        yield store


@pytest.fixture
def connection(store: Store, store_url: str) -> Iterator[Connection]:
    """A connection that may do what no statement of ours does: against keys and constraints."""
    engine = engine_of(Address.parse(store_url))
    with engine.connect() as connection:
        if store.dialect == "sqlite":
            # Heard only outside of a transaction, and the engine would begin one.
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA foreign_keys=OFF")
            yield connection
        else:
            yield connection.execution_options(isolation_level="REPEATABLE READ")
    engine.dispose()


@contextmanager
def tampering(connection: Connection) -> Iterator[None]:
    """What is done in here is undone afterwards."""
    with connection.begin() as transaction:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield
        transaction.rollback()


def tampered(connection: Connection, *statements: Executable) -> list[str]:
    """What verify says after *statements*; where the database itself refuses one, that."""
    with tampering(connection):
        try:
            with connection.begin_nested():
                for statement in statements:
                    connection.execute(statement)
        except DBAPIError as refusal:
            return [f"refused: {refusal.orig}"]
        return list(map(str, problems(connection)))


def rows_of(connection: Connection, table: Table) -> list[RowMapping]:
    with connection.begin() as transaction:
        rows = list(connection.execute(select(table)).mappings().all())
        transaction.rollback()
    assert rows
    return rows


def just(table: Table, row: RowMapping) -> list[ColumnElement[bool]]:
    return [column == row[column.name] for column in table.primary_key]


def another(column: Column[Any], value: str | int | None) -> str | int:
    if isinstance(column.type, Boolean):
        return not value
    if isinstance(value, str) or (value is None and isinstance(column.type, String)):
        return "x" if not value else value[:-1] + ("1" if value[-1] == "0" else "0")
    return 1 if value is None else value + 1


TABLES = [
    schema.changes,
    schema.change_apps,
    schema.tenants,
    schema.grants,
    schema.keys,
    schema.head,
]
tables = pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])


def test_a_sound_store_has_no_problems(store: Store) -> None:
    assert store.verify() == ()
    assert store.verify(head=store.head()) == ()
    assert all(store.verify(head=change.receipt) == () for change in store.history())


def test_an_empty_store_is_sound(store_url: str) -> None:
    with admin.create(store_url) as store:
        assert store.verify() == ()
        assert store.verify(head=f"0:{'0' * 64}") == ()


@tables
def test_every_column_of_every_row_is_compared(connection: Connection, table: Table) -> None:
    for row in rows_of(connection, table):
        for column in table.c:
            # The store's id stands outside of its history: a restore renews it.
            if column is schema.head.c.store_id:
                continue
            value = another(column, row[column.name])
            change = update(table).where(*just(table, row)).values({column: value})
            assert tampered(connection, change), f"{column} of {row}"


@tables
def test_every_value_that_is_taken_away_is_found(connection: Connection, table: Table) -> None:
    optional = [column for column in table.c if column.nullable]
    for row in rows_of(connection, table):
        for column in optional:
            if row[column.name] is not None:
                change = update(table).where(*just(table, row)).values({column: None})
                assert tampered(connection, change), f"{column} of {row}"


@tables
def test_every_dropped_row_is_found(connection: Connection, table: Table) -> None:
    for row in rows_of(connection, table):
        assert tampered(connection, delete(table).where(*just(table, row))), str(row)


@tables
def test_every_row_that_is_put_in_beside_another_is_found(
    connection: Connection, table: Table
) -> None:
    for row in rows_of(connection, table):
        for column in table.primary_key:
            values = {**row, column.name: another(column, row[column.name])}
            assert tampered(connection, insert(table).values(values)), f"{column} of {row}"


@pytest.mark.parametrize("table", [schema.change_apps, schema.tenants, schema.grants, schema.keys])
def test_every_row_that_is_there_twice_is_found_also_without_its_constraints(
    connection: Connection, table: Table
) -> None:
    name = table.name
    without = (
        text(f"CREATE TABLE bare AS SELECT * FROM {name}"),  # noqa: S608 - a table's name
        text(f"DROP TABLE {name}"),
        text(f"ALTER TABLE bare RENAME TO {name}"),
    )
    for row in rows_of(connection, table):
        twice = [row] if "to_revision" not in row else [row, {**row, "to_revision": None}]
        for again in twice:
            said = tampered(connection, *without, insert(table).values(dict(again)))
            assert [one for one in said if "not told by the history" in one], str(again)


@pytest.mark.parametrize("table", [schema.changes, schema.tenants, schema.grants, schema.keys])
def test_every_two_rows_that_change_places_are_found(connection: Connection, table: Table) -> None:
    keys = [column.name for column in table.primary_key]
    rows = rows_of(connection, table)
    for one, other in pairwise(rows):
        contents = [{**row, **dict.fromkeys(keys)} for row in (one, other)]
        if contents[0] == contents[1]:
            continue
        swapped = [
            {**other, **{key: one[key] for key in keys}},
            {**one, **{key: other[key] for key in keys}},
        ]
        gone = [delete(table).where(*just(table, row)) for row in (one, other)]
        back = [insert(table).values(row) for row in swapped]
        assert tampered(connection, *gone, *back), f"{one} and {other}"


def test_what_acts_beside_our_statements_is_found(connection: Connection) -> None:
    trigger = {
        "sqlite": [
            """CREATE TRIGGER again AFTER UPDATE ON grants
            BEGIN UPDATE grants SET to_revision = NULL; END"""
        ],
        "postgresql": [
            """CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN RETURN NEW; END $$""",
            "CREATE TRIGGER again AFTER UPDATE ON grants EXECUTE FUNCTION again()",
        ],
    }[connection.dialect.name]
    said = tampered(connection, *map(text, trigger))
    assert said == ["the store has a trigger again, and no release of ours makes one"]
    view = (
        text("ALTER TABLE change_apps RENAME TO kept"),
        text("CREATE VIEW change_apps AS SELECT * FROM kept"),
    )
    said = tampered(connection, *view)
    assert "the store has a view change_apps, and no release of ours makes one" in said


def test_problems_say_which_revision_and_what(connection: Connection) -> None:
    grants = schema.grants
    theirs = (grants.c.tenant == "fabrikam", grants.c.app == "a", grants.c.to_revision.is_(None))
    said = tampered(connection, update(grants).where(*theirs).values(app="mallory"))
    grant = "revision 15: grant 'fabrikam remove_participant"
    assert said == [
        f"{grant} a 15 1 None' is told by the history and not there",
        f"{grant} mallory 15 1 None' is there and not told by the history",
    ]


def test_a_content_that_only_means_the_same_is_found(connection: Connection) -> None:
    changes = schema.changes
    wider = update(changes).where(changes.c.revision == 3).values(content=changes.c.content + " ")
    assert tampered(connection, wider) == ["revision 3: its content is not written as a change is"]


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", "{", '"x"', "\x01"])
def test_a_content_that_is_none_is_told_not_raised(connection: Connection, content: str) -> None:
    changes = schema.changes
    broken = update(changes).where(changes.c.revision == 3).values(content=content)
    said = tampered(connection, broken)
    assert any(one.startswith("revision 3: its content is not that of a change") for one in said)


def test_what_sqlite_alone_would_keep_is_found(connection: Connection, store: Store) -> None:
    if store.dialect == "postgresql":
        # No PostgreSQL column holds a value of another type.
        return
    for table, column in (
        ("grants", "from_revision"),
        ("grants", "to_revision"),
        ("grants", "expires_at"),
        ("grants", "app"),
        ("tenants", "enabled"),
        ("change_apps", "revision"),
        ("changes", "at"),
        ("keys", "to_revision"),
        ("keys", "digest"),
        ("keys", "expires_at"),
    ):
        for value in ("'abc'", "7", "2.5", "x'00ff'"):
            said = tampered(connection, text(f"UPDATE {table} SET {column} = {value}"))  # noqa: S608
            assert said, (column, value)


# An earlier head


def test_a_cut_off_tail_is_found_with_an_earlier_head(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    admin.backup(store_url, tmp_path / "before.db")
    early = store.head()
    late = store.modify(CONTOSO, ListModifier(add=apps("z")), by=BY).receipt
    admin.restore(tmp_path / "before.db", store_url, overwrite=True)
    with Store.open(store_url) as cut:
        assert cut.verify() == ()
        assert cut.verify(head=early) == ()
        assert [str(one) for one in cut.verify(head=late)] == [
            f"the history ends at revision {early.revision}: its tail was cut off"
        ]


def test_a_history_that_was_written_anew_is_found_with_an_earlier_head(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    admin.backup(store_url, tmp_path / "before.db")
    true = store.modify(CONTOSO, ListModifier(add=apps("z")), by=BY)
    admin.restore(tmp_path / "before.db", store_url, overwrite=True)
    with Store.open(store_url) as other:
        other.modify(CONTOSO, ListModifier(add=apps("mallory")), by=BY)
        other.modify(CONTOSO, ListModifier(add=apps("y")), by=BY)
        assert other.verify() == ()
        (problem,) = other.verify(head=true.receipt)
    assert problem.revision == true.revision
    assert problem.what == "the history up to here was written anew"


@pytest.mark.parametrize("given", ["", "x", "5", "5:", "5:abc", f"-1:{'a' * 64}"])
def test_what_is_no_head_is_refused(store: Store, given: str) -> None:
    with pytest.raises(InvalidInput, match=r"not a (head|revision)"):
        store.verify(head=given)


# Damage below the tables


def test_each_copy_of_an_id_in_the_file_is_judged(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    marker = "marker-marker-marker"
    with admin.create(path) as store:
        store.add_tenant(CONTOSO, "Contoso", by=BY)
        store.modify(CONTOSO, ListModifier(add=apps("a", marker, "z")), by=BY)
    admin.backup(path, tmp_path / "whole.db")
    whole = (tmp_path / "whole.db").read_bytes()
    places = [i for i in range(len(whole)) if whole.startswith(marker.encode(), i)]
    # In the history twice, in its look-up, and in the grants with their three indexes.
    assert len(places) >= 7
    for place in places:
        damaged = tmp_path / f"damaged-{place}.db"
        damaged.write_bytes(whole[:place] + b"n" + whole[place + 1 :])
        assert _unsound(damaged), f"byte {place}"


def _unsound(path: Path) -> bool:
    try:
        with Store.open(path) as store:
            return bool(store.verify())
    except StoreNotOurs:
        return True
