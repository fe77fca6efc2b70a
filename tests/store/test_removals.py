"""The audit of the participants endpoint: removals begun and settled, and refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tenantcfg import AppId, Deny, Permit, Reason, Store, TenantId
from tenantcfg.instants import Instant
from tenantcfg.meetings import Outcome, Refusal, Removal
from tenantcfg.store.removals import KEPT
from tests.stores import (
    APP,
    BY,
    CONTOSO,
    FABRIKAM,
    HOUR,
    OTHER,
    a_grant,
    a_tenant,
    let_time_pass,
    revoke,
    soon,
)

if TYPE_CHECKING:
    from tenantcfg.decision import Decision

LATER = Instant(2**52)


def begun(
    store: Store,
    request_id: str | None = None,
    *,
    app: AppId = APP,
    tenant: TenantId = CONTOSO,
    participant: str = "ada",
    controller: str = "janus",
) -> tuple[str, Decision]:
    """The request id of a removal that was asked for, and what was decided."""
    request_id = request_id or str(uuid4())
    decision = store.removals.begin(
        request_id,
        tenant=tenant,
        app=app,
        call="c-1",
        participant=participant,
        controller=controller,
    )
    return request_id, decision


def found(store: Store, request_id: str) -> Removal:
    one = store.removals.find(request_id)
    assert isinstance(one, Removal)
    return one


def a_refusal(request_id: str = "r-1", at: int = 1_000) -> Refusal:
    return Refusal(
        request_id,
        Instant(at),
        CONTOSO,
        APP,
        "DELETE",
        403,
        "removeParticipantNotAllowed",
        "it has no grant",
    )


# The right, and the row


def test_who_may_has_a_removal_begun_at_the_revision_that_permitted_it(store: Store) -> None:
    revision = a_grant(store).revision
    request_id, decision = begun(store)
    assert isinstance(decision, Permit)
    assert decision.revision == revision
    one = found(store, request_id)
    assert one == Removal(
        request_id, one.at, CONTOSO, APP, "c-1", "ada", revision, "janus", Outcome.UNKNOWN
    )
    assert one.at >= store.head().at
    assert store.head().revision == revision


def test_who_may_not_has_none_begun(store: Store) -> None:
    a_grant(store, until=soon())
    for app, tenant, reason in (
        (OTHER, CONTOSO, Reason.NOT_GRANTED),
        (APP, FABRIKAM, Reason.NOT_GRANTED),
    ):
        request_id, decision = begun(store, app=app, tenant=tenant)
        assert isinstance(decision, Deny)
        assert decision.reason is reason
        assert store.removals.find(request_id) is None
    store.disable_tenant(CONTOSO, by=BY)
    assert not begun(store)[1]
    store.enable_tenant(CONTOSO, by=BY)
    assert begun(store)[1]
    revoke(store)
    assert not begun(store)[1]
    assert len(store.removals.of(CONTOSO, limit=9)) == 1


def test_a_right_that_ended_begins_nothing(store: Store, store_url: str) -> None:
    a_grant(store, until=soon())
    assert begun(store)[1]
    let_time_pass(store_url, soon(2))
    _, decision = begun(store)
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.GRANT_NOT_IN_FORCE


def test_a_revoke_that_was_acknowledged_is_seen_by_all(store: Store) -> None:
    for _ in range(4):
        a_grant(store)
        with ThreadPoolExecutor(4) as threads:
            tries = [threads.submit(begun, store) for _ in range(6)]
            revision = threads.submit(revoke, store).result().revision
            assert not begun(store)[1]
            permitted = [one.result() for one in tries]
        for request_id, decision in permitted:
            # Who was permitted was so before the revoke, and has a row that says at which.
            if decision:
                assert found(store, request_id).revision < revision
            else:
                assert store.removals.find(request_id) is None


# Settled


@pytest.mark.parametrize("outcome", [Outcome.REMOVED, Outcome.ALREADY_GONE, Outcome.FAILED])
def test_what_is_settled_stays_so(store: Store, outcome: Outcome) -> None:
    a_grant(store)
    request_id, _ = begun(store)
    store.removals.settle(request_id, outcome, "it said so")
    one = found(store, request_id)
    assert (one.outcome, one.why) == (outcome, "it said so")
    assert one.settled_at is not None
    assert one.settled_at >= one.at
    for other in Outcome:
        store.removals.settle(request_id, other, "too late")
    assert found(store, request_id) == one
    done = store.removals.was_removed(CONTOSO, "c-1", "ada")
    assert done == (outcome is Outcome.REMOVED)


def test_what_is_unknown_stays_to_be_settled(store: Store) -> None:
    a_grant(store)
    request_id, _ = begun(store)
    store.removals.settle(request_id, Outcome.UNKNOWN, "no answer")
    one = found(store, request_id)
    assert (one.outcome, one.settled_at, one.why) == (Outcome.UNKNOWN, None, "no answer")
    assert store.removals.open("janus", before=LATER) == (one,)
    store.removals.settle(request_id, Outcome.REMOVED)
    one = found(store, request_id)
    assert (one.outcome, one.why) == (Outcome.REMOVED, None)
    assert store.removals.open("janus", before=LATER) == ()
    # To settle what was never begun settles nothing.
    store.removals.settle("nobody", Outcome.REMOVED)
    assert store.removals.find("nobody") is None


def test_open_ones_are_those_of_a_controller_that_were_begun_before(store: Store) -> None:
    a_grant(store)
    first, second = (begun(store)[0] for _ in range(2))
    begun(store, controller="roster")
    ids = [one.request_id for one in store.removals.open("janus", before=LATER)]
    assert ids == [first, second]
    before = found(store, second).at
    earlier = {one.request_id for one in store.removals.open("janus", before=before)}
    assert earlier <= {first}
    assert store.removals.open("janus", before=found(store, first).at) == ()


def test_one_is_known_as_removed_in_that_call_alone(store: Store) -> None:
    a_grant(store)
    request_id, _ = begun(store)
    assert not store.removals.was_removed(CONTOSO, "c-1", "ada")
    store.removals.settle(request_id, Outcome.REMOVED)
    assert store.removals.was_removed(CONTOSO, "c-1", "ada")
    for tenant, call, participant in (
        (FABRIKAM, "c-1", "ada"),
        (CONTOSO, "c-2", "ada"),
        (CONTOSO, "c-1", "Ada"),
    ):
        assert not store.removals.was_removed(tenant, call, participant)


def test_the_newest_of_a_tenant_come_first(store: Store) -> None:
    for tenant in (CONTOSO, FABRIKAM):
        a_grant(store, tenant=tenant)
    for number in range(5):
        begun(store, participant=f"p-{number}")
        begun(store, tenant=FABRIKAM, participant="other")
    newest = store.removals.of(CONTOSO, limit=3)
    assert [one.participant for one in newest] == ["p-4", "p-3", "p-2"]
    assert len(store.removals.of(CONTOSO, limit=99)) == 5
    assert store.removals.of(TenantId("nobody"), limit=9) == ()


# Refusals


def test_a_refusal_is_found_as_it_was(store: Store) -> None:
    a_tenant(store)
    at = soon(0)
    whole = replace(a_refusal("r-1", at), revision=store.head().revision, call="c", participant="p")
    bare = replace(a_refusal("r-2", at), app=None, why="no app in it")
    for one in (whole, bare):
        store.removals.refuse(one)
        assert store.removals.find(one.request_id) == one
    assert store.removals.find("r-3") is None


def test_refusals_are_kept_for_thirty_days(store: Store) -> None:
    now = soon(0)
    assert KEPT == 30 * 24 * HOUR
    store.removals.refuse(a_refusal("old", now - KEPT - HOUR))
    store.removals.refuse(a_refusal("young", now - KEPT + HOUR))
    store.removals.refuse(a_refusal("new", now))
    assert store.removals.find("old") is None
    for kept in ("young", "new"):
        assert store.removals.find(kept) is not None


def test_removals_and_refusals_take_no_revision(store: Store) -> None:
    a_grant(store)
    head = store.head()
    request_id, _ = begun(store)
    store.removals.settle(request_id, Outcome.REMOVED)
    store.removals.refuse(a_refusal())
    assert store.head() == head
    assert not store.verify()
