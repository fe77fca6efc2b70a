from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tenantcfg import AppId, Deny, InvalidInput, Permit, Reason, RevisionNotReached, TenantId
from tenantcfg.store import questions
from tenantcfg.store.gathering import Gatherer
from tenantcfg.store.statements import compiled
from tests.stores import (
    APP,
    BY,
    CONTOSO,
    FABRIKAM,
    OTHER,
    a_grant,
    a_tenant,
    let_time_pass,
    revoke,
    soon,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantcfg import Decision, Store


def in_a_batch(store: Store, **question: Any) -> Decision:
    filler = (FABRIKAM, OTHER)
    asked = (question.pop("tenant"), question.pop("app"))
    return store.check_many([filler, asked, filler], **question)[1]


def in_a_loop(store: Store, **question: Any) -> Decision:
    return asyncio.run(store.check_async(**question))


def alone(store: Store, **question: Any) -> Decision:
    return store.check(**question)


@pytest.fixture(params=[alone, in_a_batch, in_a_loop])
def check(request: pytest.FixtureRequest, store: Store) -> Callable[..., Decision]:
    return lambda **question: request.param(store, **question)


def test_a_granted_app_is_permitted(store: Store, check: Callable[..., Decision]) -> None:
    change = a_grant(store)

    decision = check(tenant=CONTOSO, app=APP)

    assert decision == Permit()
    assert decision.revision == change.revision


@pytest.mark.parametrize(
    ("tenant", "app"),
    [
        (CONTOSO.value, APP.value),
        (CONTOSO.value.upper(), APP.value.upper()),
        (CONTOSO, APP.value.title()),
    ],
)
def test_only_the_case_of_guids_is_folded(
    store: Store, check: Callable[..., Decision], tenant: TenantId | str, app: str
) -> None:
    a_grant(store)
    a_grant(store, OTHER)

    assert check(tenant=tenant, app=app)
    assert check(tenant=tenant, app="app_id")
    assert check(tenant=tenant, app="APP_ID") == Deny(Reason.NOT_GRANTED)


@pytest.mark.parametrize(
    "app",
    ["", " ", "x" * 129, f"{{{APP}}}", f" {APP}", f"{APP}\n", "a\0b", "\ud800", "%", "*", "'"],
)
def test_what_cannot_be_an_app_is_not_granted(
    store: Store, check: Callable[..., Decision], app: str
) -> None:
    a_grant(store)

    assert check(tenant=CONTOSO, app=app) == Deny(Reason.NOT_GRANTED)


@pytest.mark.parametrize("tenant", [" ", f"{{{CONTOSO}}}", "a\0b", "Contoso", "elsewhere"])
def test_what_is_no_known_tenant_is_not_granted(
    store: Store, check: Callable[..., Decision], tenant: str
) -> None:
    a_tenant(store)
    a_grant(store)

    assert check(tenant=tenant, app=APP) == Deny(Reason.NOT_GRANTED)


def test_values_of_other_types_are_not_granted(
    store: Store, check: Callable[..., Decision]
) -> None:
    a_grant(store)

    assert check(tenant=APP, app=APP) == Deny(Reason.NOT_GRANTED)
    assert check(tenant=CONTOSO, app=CONTOSO) == Deny(Reason.NOT_GRANTED)
    assert check(tenant=1, app=None) == Deny(Reason.NOT_GRANTED)


@pytest.mark.parametrize("tenant", [None, ""])
def test_no_tenant_is_said_so(
    store: Store, check: Callable[..., Decision], tenant: str | None
) -> None:
    change = a_grant(store)

    decision = check(tenant=tenant, app=APP)

    assert decision == Deny(Reason.TENANT_MISSING)
    assert decision.revision == change.revision


def test_an_unknown_action_comes_before_all_else(
    store: Store, check: Callable[..., Decision]
) -> None:
    a_grant(store)

    assert check(tenant=None, app=APP, action="dance") == Deny(Reason.UNSUPPORTED_ACTION)


def test_a_disabled_tenant_comes_before_the_grant(
    store: Store, check: Callable[..., Decision]
) -> None:
    a_grant(store)
    store.disable_tenant(CONTOSO, by=BY)

    assert check(tenant=CONTOSO, app=APP) == Deny(Reason.TENANT_DISABLED)
    assert check(tenant=CONTOSO, app=OTHER) == Deny(Reason.TENANT_DISABLED)

    store.enable_tenant(CONTOSO, by=BY)
    assert check(tenant=CONTOSO, app=APP)


def test_a_right_ends_at_its_expiry(
    store: Store, store_url: str, check: Callable[..., Decision]
) -> None:
    until = soon()
    a_grant(store, until=until)
    assert check(tenant=CONTOSO, app=APP)

    let_time_pass(store_url, until)

    assert check(tenant=CONTOSO, app=APP) == Deny(Reason.GRANT_NOT_IN_FORCE)


def test_a_revoked_app_and_one_of_a_removed_tenant_are_not_granted(
    store: Store, check: Callable[..., Decision]
) -> None:
    a_grant(store)
    a_grant(store, OTHER)

    revoke(store)
    assert check(tenant=CONTOSO, app=APP) == Deny(Reason.NOT_GRANTED)

    store.remove_tenant(CONTOSO, by=BY)
    assert check(tenant=CONTOSO, app=OTHER) == Deny(Reason.NOT_GRANTED)


def test_a_revision_that_is_asked_for_is_honoured_or_refused(
    store: Store, check: Callable[..., Decision]
) -> None:
    change = a_grant(store)

    assert check(tenant=CONTOSO, app=APP, at_least=change.revision)
    with pytest.raises(RevisionNotReached, match="not reached the revision: 3: it is at 2"):
        check(tenant=CONTOSO, app=APP, at_least=change.revision + 1)
    with pytest.raises(RevisionNotReached):
        check(tenant=None, app=APP, at_least=change.revision + 1)


def test_an_empty_store_denies_at_revision_zero(
    store: Store, check: Callable[..., Decision]
) -> None:
    decision = check(tenant=CONTOSO, app=APP)

    assert decision == Deny(Reason.NOT_GRANTED)
    assert decision.revision == 0


def test_a_batch_keeps_its_order_and_may_be_empty(store: Store) -> None:
    a_grant(store)
    a_tenant(store, FABRIKAM, None)
    asked: list[tuple[TenantId | str, AppId | str]] = [
        (CONTOSO, APP),
        (FABRIKAM, APP),
        ("", APP),
        (CONTOSO, APP),
        (CONTOSO, '"],['),
    ]

    assert store.check_many(asked) == [
        Permit(),
        Deny(Reason.NOT_GRANTED),
        Deny(Reason.TENANT_MISSING),
        Permit(),
        Deny(Reason.NOT_GRANTED),
    ]
    assert store.check_many([]) == []
    with pytest.raises(RevisionNotReached):
        store.check_many([], at_least=100)


def test_a_batch_has_a_thousand_questions_at_most(store: Store) -> None:
    a_grant(store)

    assert store.check_many([(CONTOSO, APP)] * 1000) == [Permit()] * 1000
    with pytest.raises(InvalidInput, match="too many questions at once: 1001"):
        store.check_many([(CONTOSO, APP)] * 1001)


def test_waiting_checks_are_answered_each_by_its_own(store: Store) -> None:
    a_grant(store)

    async def ask() -> list[Decision | BaseException]:
        return await asyncio.gather(
            *(
                store.check_async(tenant=CONTOSO, app=APP if number % 2 else OTHER)
                for number in range(1500)
            ),
            store.check_async(tenant=CONTOSO, app=APP, at_least=99),
            store.check_async(tenant=CONTOSO, app=APP, action="dance"),
            return_exceptions=True,
        )

    *decisions, too_new, other = asyncio.run(ask())

    assert decisions == [Deny(Reason.NOT_GRANTED), Permit()] * 750
    assert isinstance(too_new, RevisionNotReached)
    assert other == Deny(Reason.UNSUPPORTED_ACTION)


def test_a_check_that_is_given_up_harms_no_other(store: Store) -> None:
    a_grant(store)

    async def ask() -> Decision:
        given_up = asyncio.ensure_future(store.check_async(tenant=CONTOSO, app=APP))
        other = asyncio.ensure_future(store.check_async(tenant=CONTOSO, app=APP))
        await asyncio.sleep(0)
        given_up.cancel()
        return await other

    assert asyncio.run(ask())


class Hanging:
    """Answers each number with itself, once it is let."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[int] = []

    def size(self, asked: int) -> int:
        del asked
        return 1

    def facts(self, asked: Sequence[int]) -> Sequence[int]:
        assert self.go.wait(60)
        self.asked += asked
        return asked

    def answer(self, asked: int, facts: int) -> int:
        del asked
        return facts


def test_what_nobody_waits_for_any_more_is_not_asked() -> None:
    hanging = Hanging()
    gatherer: Gatherer[int, int, int] = Gatherer(hanging)

    async def ask() -> int:
        underway = []
        for number in (1, 2):
            underway.append(asyncio.ensure_future(gatherer.ask(number)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        given_up = [asyncio.ensure_future(gatherer.ask(number)) for number in range(3, 3000)]
        await asyncio.sleep(0)
        for one in given_up:
            one.cancel()
        last = asyncio.ensure_future(gatherer.ask(9999))
        await asyncio.sleep(0)
        hanging.go.set()
        await asyncio.gather(*underway)
        return await last

    assert asyncio.run(ask()) == 9999
    assert sorted(hanging.asked) == [1, 2, 9999]


@pytest.mark.parametrize("name", sorted(compiled()))
def test_the_texts_of_the_check_are_what_sqlalchemy_compiles(name: str) -> None:
    assert getattr(questions, name) == compiled()[name]
