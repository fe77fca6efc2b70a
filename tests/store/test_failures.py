"""What a database says when it fails, and what it is to us."""

from __future__ import annotations

import asyncio
import errno
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest

from tenantcfg import (
    ListModifier,
    OutcomeUnknown,
    Store,
    StoreFull,
    StoreMissing,
    StoreNotOurs,
    StoreReadOnly,
    StoreUnusable,
    TenantcfgError,
    Unavailable,
)
from tenantcfg.store import admin, failures
from tenantcfg.store.address import Address
from tenantcfg.store.sqlite import driver
from tests.stores import APP, BY, CONTOSO, a_grant, a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.postgres import Server

SERVER = Address.parse("postgresql://u:secret@db.example/store?sslmode=require")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("08006", Unavailable),
        ("25006", StoreReadOnly),
        ("28P01", StoreUnusable),
        ("3D000", StoreMissing),
        ("40001", Unavailable),
        ("40P01", Unavailable),
        ("42501", StoreReadOnly),
        ("42P01", StoreNotOurs),
        ("42703", StoreNotOurs),
        ("53100", StoreFull),
        ("53300", Unavailable),
        ("55P03", Unavailable),
        ("57014", Unavailable),
        ("57P01", Unavailable),
        ("58030", StoreUnusable),
        ("XX001", StoreNotOurs),
        ("0A000", TenantcfgError),
    ],
)
def test_each_state_of_postgresql_is_one_of_our_errors(
    state: str, expected: type[TenantcfgError]
) -> None:
    raised = psycopg.errors.lookup(state)("said by\nthe server")

    with pytest.raises(TenantcfgError) as told:
        failures.fail(raised, SERVER)

    assert type(told.value) is expected
    assert told.value.subject == "'postgresql://db.example/store'"
    assert "said by the server" in str(told.value)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('FATAL:  database "store" does not exist', StoreMissing),
        ('FATAL:  password authentication failed for user "u"', StoreUnusable),
        ('FATAL:  role "u" does not exist', StoreUnusable),
        ("fe_sendauth: no password supplied", StoreUnusable),
        ("FATAL:  no pg_hba.conf entry for host", StoreUnusable),
        ("Connection refused", Unavailable),
        ("server closed the connection unexpectedly", Unavailable),
    ],
)
def test_a_connection_that_is_not_to_be_had(said: str, expected: type[TenantcfgError]) -> None:
    with pytest.raises(TenantcfgError) as told:
        failures.fail(psycopg.OperationalError(said), SERVER)

    assert type(told.value) is expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EACCES, StoreReadOnly),
        (errno.EROFS, StoreReadOnly),
        (errno.EIO, StoreUnusable),
    ],
)
def test_what_the_system_refuses(number: int, expected: type[TenantcfgError]) -> None:
    with pytest.raises(TenantcfgError) as told:
        failures.fail(OSError(number, "said by the system"), Address.parse("/nowhere/store.db"))

    assert type(told.value) is expected


def test_what_no_database_raised_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), failures.translated(SERVER):
        raise ZeroDivisionError

    assert not failures.connection_lost(ZeroDivisionError())


def test_what_sqlite_says_and_no_row_names_is_an_error_of_ours_all_the_same() -> None:
    connection = driver.connect(":memory:")
    try:
        with (
            pytest.raises(TenantcfgError, match="the database failed") as told,
            failures.translated(Address.parse("/nowhere/store.db")),
        ):
            connection.execute("not SQL")
        assert type(told.value) is TenantcfgError
    finally:
        connection.close()


# A commit whose end nobody saw


TERMINATED_IN_COMMIT = """
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER die AFTER INSERT ON changes
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();
"""


def test_a_connection_that_is_lost_in_the_commit_leaves_the_outcome_unknown(
    postgresql_url: str,
) -> None:
    with admin.create(postgresql_url) as store:
        a_grant(store)
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            connection.execute(TERMINATED_IN_COMMIT)

        with pytest.raises(OutcomeUnknown, match="lost in the commit: read the history"):
            store.modify(CONTOSO, ListModifier(remove=(APP,)), by=BY)

        assert store.check(tenant=CONTOSO, app=APP)


def once(connection: psycopg.Connection[tuple[object, ...]], statement: LiteralString) -> None:
    """Run *statement* until it finds something."""
    while connection.execute(statement).fetchone() is None:
        pass


def test_a_wait_for_standbys_that_is_cancelled_leaves_the_outcome_unknown(
    postgres_of_own: Server,
) -> None:
    with (
        postgres_of_own.database() as url,
        admin.create(url) as store,
        psycopg.connect(url, autocommit=True) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        a_tenant(store)
        other.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        other.execute("SELECT pg_reload_conf()")
        once(other, "SELECT 1 WHERE current_setting('synchronous_standby_names') = 'nobody'")

        change = pool.submit(a_grant, store)
        once(
            other,
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
        )

        with pytest.raises(OutcomeUnknown, match="the wait for the standbys was cancelled"):
            change.result()
        # This one was stored; an admin is told to look.
        assert store.check(tenant=CONTOSO, app=APP)
        other.execute("ALTER SYSTEM RESET synchronous_standby_names")
        other.execute("SELECT pg_reload_conf()")


# An event loop


@pytest.mark.parametrize("face", ["check", "check_many"])
def test_no_face_answers_without_a_server(postgres_of_own: Server, face: str) -> None:
    with postgres_of_own.database() as url, admin.create(url) as store:
        a_grant(store)
        faces: dict[str, Callable[[Store], object]] = {
            "check": lambda store: asyncio.run(store.check_async(tenant=CONTOSO, app=APP)),
            "check_many": lambda store: store.check_many([(CONTOSO, APP)]),
        }
        assert faces[face](store)
        postgres_of_own.stop("immediate")

        with pytest.raises(Unavailable, match="cannot be reached"):
            faces[face](store)

        postgres_of_own.start()
        assert faces[face](store)


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreNotOurs, match="this is no store of tenantcfg"):
        Store.open(tmp_path)
