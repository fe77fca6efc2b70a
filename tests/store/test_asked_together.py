"""Services that ask in one turn of an event loop are answered together, and each by its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tenantcfg import Deny, Permit, Reason, Store, Unavailable
from tenantcfg.errors import StoreNotOurs
from tenantcfg.keys import admits
from tenantcfg.store import Answered, admin
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of
from tests.stores import APP, BY, CONTOSO, OTHER, a_grant, a_key, revoke

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tenantcfg.keys import ServiceKey

ONE = [(CONTOSO.value, APP.value)]
REVOKED = Deny(Reason.NOT_GRANTED)


def waiting(store: Store, key: ServiceKey | None = None) -> asyncio.Future[Answered]:
    """A question that is under way as soon as the loop's turn goes on."""
    return asyncio.ensure_future(store.ask(ONE, key=None if key is None else key.id))


async def heard(*asked: Awaitable[Answered]) -> list[Answered | BaseException]:
    """What each of those who asked was told."""
    return await asyncio.gather(*asked, return_exceptions=True)


def meanwhile(
    store: Store, happens: Callable[[], object], number: int = 3
) -> list[Answered | BaseException]:
    """What *number* of those are told who have asked, and have no answer yet, when it *happens*."""

    async def ask() -> list[Answered | BaseException]:
        asked = [waiting(store) for _ in range(number)]
        await asyncio.sleep(0)
        happens()
        return await heard(*asked)

    return asyncio.run(ask())


def executed(url: str, statement: str) -> None:
    engine = engine_of(Address.parse(url))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_who_asks_after_a_revoke_in_the_same_turn_is_denied(store: Store) -> None:
    a_grant(store)

    async def ask() -> list[Answered | BaseException]:
        before = [waiting(store) for _ in range(3)]
        await asyncio.sleep(0)
        revoke(store)
        after = [waiting(store) for _ in range(3)]
        return (await heard(*before, *after))[3:]

    for answer in asyncio.run(ask()):
        assert isinstance(answer, Answered)
        assert answer.decisions == (REVOKED,)
        assert answer.revision == store.head().revision


def test_a_key_revoked_in_the_same_turn_is_nobodys_for_who_asks_after_it(store: Store) -> None:
    a_grant(store)
    key, other = a_key(store), a_key(store, "other")

    async def ask() -> list[Answered | BaseException]:
        before = waiting(store, key)
        await asyncio.sleep(0)
        store.revoke_key("calls", by=BY)
        return (await heard(before, waiting(store, key), waiting(store, other)))[1:]

    revoked, kept = asyncio.run(ask())
    assert isinstance(revoked, Answered)
    assert revoked.key is None
    assert isinstance(kept, Answered)
    assert admits(kept.key, other, kept.at)


def test_a_row_that_cannot_be_read_harms_nobody_else(store: Store, store_url: str) -> None:
    a_grant(store)
    bad, good = a_key(store, "bad"), a_key(store, "good")
    executed(store_url, f"UPDATE keys SET digest = 'none' WHERE id = '{bad.id}'")  # noqa: S608

    async def ask() -> list[Answered | BaseException]:
        return await heard(*(waiting(store, one) for one in (good, bad, None, good, bad)))

    first, *rest = asyncio.run(ask())
    assert isinstance(first, Answered)
    assert [type(one) for one in rest] == [StoreNotOurs, Answered, Answered, StoreNotOurs]
    for answer in (first, *rest):
        assert not isinstance(answer, Answered) or answer.decisions == (Permit(),)


def test_who_gives_up_harms_nobody_else(store: Store) -> None:
    a_grant(store)

    async def ask() -> list[Answered | BaseException]:
        asked = [waiting(store) for _ in range(3)]
        await asyncio.sleep(0)
        asked[1].cancel()
        return await heard(*asked)

    first, gone, last = asyncio.run(ask())
    assert isinstance(gone, asyncio.CancelledError)
    for answer in (first, last):
        assert isinstance(answer, Answered)
        assert answer.decisions == (Permit(),)


def test_when_the_store_cannot_be_asked_all_are_told_each_by_an_error_of_his_own(
    store: Store,
) -> None:
    a_grant(store)

    told = meanwhile(store, store.close)

    assert [type(one) for one in told] == [Unavailable] * 3
    assert len({id(one) for one in told}) == 3
    assert all("the store was closed" in str(one) for one in told)


def test_more_than_one_statement_takes_are_asked_by_several(store: Store) -> None:
    a_grant(store)

    async def ask() -> list[Answered | BaseException]:
        return await heard(*(store.ask(ONE * 300) for _ in range(8)))

    for answer in asyncio.run(ask()):
        assert isinstance(answer, Answered)
        assert answer.decisions == (Permit(),) * 300


# A file


@pytest.fixture
def file(made_sqlite_url: str) -> Path:
    path = Address.parse(made_sqlite_url).path
    assert path is not None
    return path


def test_what_is_asked_of_a_file_is_answered_in_the_loops_own_thread(made_sqlite_url: str) -> None:
    async def ask(store: Store) -> int:
        await heard(*(waiting(store) for _ in range(3)))
        return len(asyncio.all_tasks())

    with Store.open(made_sqlite_url) as store:
        # The test's own task and no other: nothing is left to be waited for.
        assert asyncio.run(ask(store)) == 1


def test_a_file_replaced_before_the_answer_is_the_one_that_answers(
    made_sqlite_url: str, file: Path, tmp_path: Path
) -> None:
    with admin.create(f"sqlite:///{tmp_path / 'other.db'}") as other:
        a_grant(other, OTHER)
        other_id = other.store_id
    with Store.open(made_sqlite_url) as store:
        a_grant(store)
        told = meanwhile(store, lambda: (tmp_path / "other.db").replace(file))
    for answer in told:
        assert isinstance(answer, Answered)
        assert answer.store_id == other_id
        assert answer.decisions == (REVOKED,)


def test_when_the_file_is_gone_nobody_is_answered(made_sqlite_url: str, file: Path) -> None:
    with Store.open(made_sqlite_url) as store:
        a_grant(store)
        told = meanwhile(store, file.unlink)
    assert [type(one) for one in told] == [Unavailable] * 3
    assert all("the store's file is gone" in str(one) for one in told)
