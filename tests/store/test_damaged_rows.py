"""
What no statement of ours ever wrote: never allowed, and told as a damaged store.

SQLite keeps whatever was written into a column, by force also a text into a number's.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tenantcfg import AppId, Attribution, ListModifier, Store, TenantcfgError, TenantId
from tenantcfg.errors import StoreNotOurs
from tenantcfg.history import Actor
from tenantcfg.store import admin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BY = Attribution(Actor("os:alice"))
CONTOSO, APP = TenantId("contoso"), AppId("5817674c-81d9-4adb-bfb2-8f6a442e4622")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "store" / "tenantcfg.db"
    with admin.create(path) as store:
        store.add_tenant(CONTOSO, None, by=BY)
        store.modify(CONTOSO, ListModifier(add=(APP,)), by=BY)
    return path


def write(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute(statement)


def answers(store: Store) -> list[Any]:
    """Each way to ask, and what it said or raised."""
    asked: tuple[Callable[[], Any], ...] = (
        lambda: store.check(tenant=CONTOSO, app=APP),
        lambda: store.check_many([(CONTOSO, APP)])[0],
        lambda: store.explain(tenant="contoso", app=APP.value).decision,
    )
    said: list[Any] = []
    for ask in asked:
        try:
            said.append(ask())
        except TenantcfgError as why:
            said.append(why)
    return said


@pytest.mark.parametrize("value", ["'no'", "'false'", "7", "-1", "x'00'", "''", "0.5", "'1x'"])
def test_a_tenant_is_enabled_by_a_one_and_nothing_else(file: Path, value: str) -> None:
    write(file, f"UPDATE tenants SET enabled = {value}")  # noqa: S608 - a value above
    with Store.open(file) as store:
        assert [said for said in answers(store) if not isinstance(said, Exception) and said] == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM head",
        "UPDATE head SET revision = 'x'",
        "UPDATE head SET at = 'x'",
        "UPDATE head SET at = x'00'",
        "UPDATE head SET store_id = CAST(x'fa' AS TEXT)",
        "UPDATE grants SET expires_at = 'x'",
        "UPDATE grants SET expires_at = x'00'",
    ],
)
def test_a_row_that_cannot_be_read_is_a_damaged_store_and_never_allowed(
    file: Path, statement: str
) -> None:
    write(file, statement)
    try:
        store = Store.open(file)
    except StoreNotOurs:
        return
    with store:
        for said in answers(store):
            assert isinstance(said, StoreNotOurs), said


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE changes SET content = '{'",
        "UPDATE changes SET content = CAST(x'fafa' AS TEXT)",
        "UPDATE changes SET hash = CAST(x'fa' AS TEXT)",
        "UPDATE tenants SET name = CAST(x'fa' AS TEXT)",
        "UPDATE changes SET content = '[]'",
        "UPDATE changes SET content = 5",
        "UPDATE grants SET app = ''",
        "UPDATE grants SET granted = 'x'",
        "UPDATE tenants SET added = 'x'",
        "UPDATE tenants SET tenant = ' '",
    ],
)
def test_reading_what_nobody_wrote_raises_what_is_documented(file: Path, statement: str) -> None:
    write(file, statement)
    with Store.open(file) as store:
        reads = (
            lambda: list(store.history()),
            lambda: store.change(2),
            store.tenants,
            lambda: store.configuration(CONTOSO),
            lambda: store.grants_of(APP),
            lambda: store.explain(tenant="contoso", app=APP.value),
        )
        raised = []
        for read in reads:
            try:
                read()
            except TenantcfgError as why:
                raised.append(why)
        assert raised
        assert store.verify()


@pytest.mark.parametrize("value", ["''", "5", "x'00'", "'of nobody'"])
def test_a_store_id_that_is_none_is_a_problem(file: Path, value: str) -> None:
    write(file, f"UPDATE head SET store_id = {value}")  # noqa: S608 - a value above
    with Store.open(file) as store:
        assert next(problem.what for problem in store.verify()).startswith("the store's id is none")


def test_a_head_behind_its_history_is_a_damaged_store_and_nothing_changes(file: Path) -> None:
    write(file, "UPDATE head SET revision = 1")
    with Store.open(file) as store, pytest.raises(StoreNotOurs):
        store.modify(CONTOSO, ListModifier(remove=(APP,)), by=BY)
