"""The changes that whoever follows is to see, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, update

from tenantcfg import AppId, InvalidInput, ListModifier, Store, TenantId
from tenantcfg.store import schema
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of
from tests.stores import BY, a_key

if TYPE_CHECKING:
    from tenantcfg.store import Followed

ONE, TWO = TenantId("one"), TenantId("two")


def filled(store: Store) -> None:
    """Revisions 1 to 7: one is made known, two is, a key, two, one, a key, one."""
    store.add_tenant(ONE, None, by=BY)
    store.add_tenant(TWO, None, by=BY)
    a_key(store, "a")
    for tenant in (TWO, ONE):
        store.modify(tenant, ListModifier(add=(AppId("a"),)), by=BY)
    a_key(store, "b")
    store.rename_tenant(ONE, "One", by=BY)


def revisions(page: Followed) -> list[int]:
    return [change.revision for change in page.changes]


def test_changes_of_keys_are_not_followed(store: Store) -> None:
    filled(store)
    whole = store.follow(0, limit=100)
    assert revisions(whole) == [1, 2, 4, 5, 7]
    assert list(whole.changes) == [store.change(number) for number in revisions(whole)]
    assert (whole.through, whole.head) == (7, store.head())


def test_a_page_says_how_far_it_goes(store: Store) -> None:
    filled(store)
    page = store.follow(1, limit=2)
    assert (revisions(page), page.through) == ([2, 4], 4)
    assert (revisions(store.follow(4, limit=2)), store.follow(4, limit=3).through) == ([5, 7], 7)
    for beyond in (7, 8, 2**70):
        page = store.follow(beyond, limit=2)
        assert (revisions(page), page.through) == ([], 7)
    assert store.follow(1, limit=0).through == 1


def test_only_the_changes_of_named_tenants_are_seen(store: Store) -> None:
    filled(store)
    page = store.follow(0, limit=100, tenants=["two", "nobody"])
    assert (revisions(page), page.through) == ([2, 4], 7)
    assert revisions(store.follow(0, limit=100, tenants=[])) == []


def test_the_newest_of_those_that_are_seen(store: Store) -> None:
    filled(store)
    assert [store.newest(number) for number in (0, 1, 3, 6, 2**70)] == [0, 1, 2, 5, 7]
    assert [store.newest(number, tenants=["two"]) for number in (1, 2, 3, 7)] == [0, 2, 2, 4]


def test_what_is_no_revision_or_limit_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput):
        store.follow(-1, limit=1)
    with pytest.raises(InvalidInput):
        store.follow(0, limit=-1)
    with pytest.raises(InvalidInput):
        store.newest(-1)


def test_few_among_many_are_looked_for_a_part_at_a_time(store: Store, store_url: str) -> None:
    filled(store)
    _others(store_url, 8, 9_000)
    store.rename_tenant(ONE, "Uno", by=BY)
    found, ends = [], [7]
    while ends[-1] < store.head().revision:
        page = store.follow(ends[-1], limit=16, tenants=["one"])
        found += revisions(page)
        ends.append(page.through)
    assert found == [9_001]
    assert ends == [7, 7 + 4_096, 7 + 2 * 4_096, 9_001]


def _others(url: str, first: int, last: int) -> None:
    """Changes of another tenant, which nobody reads."""
    blank = {"at": 0, "tenant": "other", "actor": "", "content": "", "hash": "0" * 64}
    engine = engine_of(Address.parse(url))
    with engine.begin() as connection:
        rows = [{"revision": number, **blank} for number in range(first, last + 1)]
        connection.execute(insert(schema.changes), rows)
        connection.execute(update(schema.head).values(revision=last))
    engine.dispose()
