"""A store that another release upgrades while it is open: what is not known is not guessed at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tenantcfg import Store, StoreNewer, StoreNotOurs, StoreOlder
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of
from tenantcfg.store.version import SCHEMA_VERSION
from tests.stores import APP, BY, CONTOSO, FABRIKAM, OTHER, a_grant, revoke

if TYPE_CHECKING:
    from collections.abc import Callable


def becomes(url: str, version: str) -> None:
    engine = engine_of(Address.parse(url))
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE alembic_version SET version_num = :version"), {"version": version}
        )
    engine.dispose()


QUESTIONS: dict[str, Callable[[Store], object]] = {
    "check": lambda store: store.check(tenant=CONTOSO, app=APP),
    "check, denied": lambda store: store.check(tenant=CONTOSO, app=OTHER),
    "check, of nothing": lambda store: store.check(tenant=None, app=APP),
    "check_many": lambda store: store.check_many([(CONTOSO, APP), (CONTOSO, OTHER)]),
    "check_many, of nothing": lambda store: store.check_many([]),
    "check_async": lambda store: asyncio.run(store.check_async(tenant=CONTOSO, app=APP)),
    "head": lambda store: store.head(),
    "tenants": lambda store: store.tenants(),
    "configuration": lambda store: store.configuration(CONTOSO),
    "explain": lambda store: store.explain(tenant=CONTOSO.value, app=APP.value),
    "history": lambda store: list(store.history()),
    "verify": lambda store: store.verify(),
    "modify": revoke,
    "modify, what if": lambda store: store.add_tenant(FABRIKAM, None, by=BY, what_if=True),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_store_that_grew_while_it_was_open_is_not_asked(
    store: Store, store_url: str, name: str
) -> None:
    a_grant(store)
    assert store.check(tenant=CONTOSO, app=APP)
    becomes(store_url, "9999")

    with pytest.raises(StoreNewer, match="upgrade tenantcfg"):
        QUESTIONS[name](store)

    becomes(store_url, SCHEMA_VERSION)
    assert store.check(tenant=CONTOSO, app=APP)
    assert store.head().revision == 2


def test_so_is_one_that_an_earlier_release_put_in_its_place(store: Store, store_url: str) -> None:
    a_grant(store)
    becomes(store_url, "0000")

    with pytest.raises(StoreOlder, match="tenantcfg db upgrade"):
        store.check(tenant=CONTOSO, app=APP)
    with pytest.raises(StoreOlder):
        store.tenants()


def test_a_store_that_lost_its_head_is_damaged_and_no_newer_one(
    store: Store, store_url: str
) -> None:
    a_grant(store)
    engine = engine_of(Address.parse(store_url))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM head"))
    engine.dispose()

    with pytest.raises(StoreNotOurs, match="damaged"):
        store.check(tenant=CONTOSO, app=APP)
    with pytest.raises(StoreNotOurs, match="its head cannot be read"):
        store.tenants()
