"""Checks of a store that is not what it should be, and questions that are not what they should."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, insert, select, text

from tenantcfg import AppId, Deny, Reason, Store, StoreNotOurs
from tenantcfg.store import schema
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of
from tests.stores import APP, CONTOSO, OTHER, a_grant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Executable

    from tenantcfg import Decision


def _by_force(url: str, *statements: Executable) -> None:
    engine = engine_of(Address.parse(url))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)
    engine.dispose()


def test_a_store_without_its_head_is_damaged(store: Store, store_url: str) -> None:
    a_grant(store)
    _by_force(store_url, delete(schema.head))
    asks: tuple[Callable[[], object], ...] = (
        lambda: store.check(tenant=CONTOSO, app=APP),
        lambda: store.check_many([(CONTOSO, APP)]),
        store.head,
        lambda: Store.open(store_url),
    )
    for ask in asks:
        with pytest.raises(StoreNotOurs, match="damaged"):
            ask()


def test_a_grant_that_stands_twice_answers_no_other_question(store: Store, store_url: str) -> None:
    a_grant(store)
    a_grant(store, OTHER)
    engine = engine_of(Address.parse(store_url))
    with engine.connect() as connection:
        row = connection.execute(select(schema.grants).limit(1)).mappings().one()
    engine.dispose()
    twice = insert(schema.grants).values({**row, "from_revision": 3})
    _by_force(store_url, text("DROP INDEX grants_live"), twice)
    with pytest.raises(StoreNotOurs, match="damaged"):
        store.check_many([(CONTOSO, AppId(row["app"])), (CONTOSO, "stranger")])


async def _answer(asked: Awaitable[Decision]) -> Decision:
    return await asked


@pytest.mark.parametrize("action", ["\ud800", "\0", "", "x" * 10_000, "remove_participants"])
def test_an_action_of_any_kind_is_denied(store: Store, action: str) -> None:
    a_grant(store)
    denied = Deny(Reason.UNSUPPORTED_ACTION)
    assert store.check(tenant=CONTOSO, app=APP, action=action) == denied
    assert store.check_many([(CONTOSO, APP)], action=action) == [denied]
    asked = store.check_async(tenant=CONTOSO, app=APP, action=action)
    assert asyncio.run(_answer(asked)) == denied
