from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantcfg import (
    Actor,
    AppId,
    Attribution,
    InvalidInput,
    ListModifier,
    Refused,
    Store,
    StoreReadOnly,
    TenantId,
    UnknownTenant,
)
from tenantcfg.configuration import Outcome, Result
from tenantcfg.history import GENESIS, Verb
from tests.stores import APP, BY, CONTOSO, OTHER, a_grant, a_tenant, let_time_pass, revoke, soon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantcfg import Change
    from tenantcfg.instants import Instant


def apps_of(store: Store, tenant: TenantId = CONTOSO) -> Sequence[AppId]:
    return store.configuration(tenant).apps


def results(change: Change) -> dict[AppId, str]:
    return {outcome.app: outcome.result.value for outcome in change.outcomes}


def test_a_change_says_who_what_and_why_and_stands_in_the_history(store: Store) -> None:
    a_tenant(store)
    by = Attribution(Actor("os:alice", (("SUDO_USER", "bob"),)), "carol", "because")

    change = store.modify(CONTOSO, ListModifier(add=(APP, OTHER)), by=by)

    assert change.revision == 2
    assert change.tenant == CONTOSO
    assert change.by == by
    assert change.operation.verb is Verb.SET
    assert change.operation.details == {"add": [APP.value, OTHER.value]}
    assert change.outcomes == (Outcome(APP, Result.ADDED), Outcome(OTHER, Result.ADDED))
    assert change.stored
    assert change.effective
    assert store.change(2) == change
    assert str(store.head()) == change.receipt


def test_revisions_have_no_gaps_and_hashes_are_a_chain(store: Store) -> None:
    a_tenant(store)
    for number in range(3):
        a_grant(store, AppId(f"app{number}"))

    changes = list(store.history(newest_first=False))

    assert [change.revision for change in changes] == [1, 2, 3, 4]
    assert [one.previous for one in changes] == [GENESIS, *(one.hash for one in changes[:-1])]
    assert [one.at for one in changes] == sorted(one.at for one in changes)


def test_what_changes_nothing_takes_no_revision(store: Store) -> None:
    given = a_grant(store)

    again = store.modify(CONTOSO, ListModifier(add=(APP,), remove=(OTHER,)), by=BY)

    assert again.revision == given.revision
    assert not again.stored
    assert not again.effective
    assert results(again) == {APP: "unchanged", OTHER: "unchanged"}
    assert store.head().revision == given.revision


def test_a_present_app_keeps_its_giver_and_its_place(store: Store) -> None:
    a_grant(store)
    a_grant(store, OTHER)

    store.modify(CONTOSO, ListModifier(replace=(AppId("new"), OTHER, APP)), by=BY)

    assert apps_of(store) == (APP, OTHER, AppId("new"))
    assert [int(grant.granted) for grant in store.configuration(CONTOSO).grants] == [2, 3, 4]


def test_order_is_that_of_granting_within_a_change_too(store: Store) -> None:
    a_tenant(store)
    some = tuple(AppId(name) for name in ("c", "a", "b"))

    store.modify(CONTOSO, ListModifier(add=some), by=BY)

    assert apps_of(store) == some
    revoke(store, AppId("c"))
    a_grant(store, AppId("c"))
    assert apps_of(store) == (AppId("a"), AppId("b"), AppId("c"))


def test_an_expiry_is_set_kept_changed_and_taken_off(store: Store) -> None:
    first, second = soon(1), soon(2)

    def expiry() -> Instant | None:
        return store.configuration(CONTOSO).grants[0].expires_at

    a_grant(store, until=first)
    a_grant(store)
    assert expiry() == first

    changed = a_grant(store, until=second)
    assert changed.outcomes == (Outcome(APP, Result.CHANGED, second, first),)
    assert expiry() == second

    off = store.modify(CONTOSO, ListModifier(add=(APP,), expiries={APP: None}), by=BY)
    assert off.outcomes == (Outcome(APP, Result.CHANGED, None, second),)
    grant = store.configuration(CONTOSO).grants[0]
    assert (grant.expires_at, grant.granted, grant.since) == (None, 2, off.revision)
    assert off.operation.details["expiries"] == {APP.value: None}


def test_adding_what_ran_out_makes_it_anew(store: Store, store_url: str) -> None:
    until = soon()
    a_grant(store, until=until)
    let_time_pass(store_url, until)
    assert apps_of(store) == ()

    change = a_grant(store)

    assert change.outcomes == (Outcome(APP, Result.ADDED, None, until),)
    assert apps_of(store) == (APP,)
    assert store.verify() == ()


def test_removing_what_ran_out_changes_nothing(store: Store, store_url: str) -> None:
    until = soon()
    a_grant(store, until=until)
    let_time_pass(store_url, until)

    assert not revoke(store).effective


def test_an_expiry_in_the_past_is_refused(store: Store, store_url: str) -> None:
    until = soon()
    a_tenant(store)
    let_time_pass(store_url, until)

    with pytest.raises(InvalidInput, match="the expiry is in the past"):
        a_grant(store, until=until)
    assert apps_of(store) == ()


def test_a_tenant_must_be_known_and_may_be_disabled(store: Store) -> None:
    with pytest.raises(UnknownTenant, match="unknown tenant: 'b7d4c6de"):
        store.modify(CONTOSO, ListModifier(add=(APP,)), by=BY)

    a_tenant(store)
    store.disable_tenant(CONTOSO, by=BY)
    assert a_grant(store).stored


def test_apps_that_were_not_confirmed_keep_their_right(store: Store) -> None:
    a_grant(store)
    a_grant(store, OTHER)
    clear = ListModifier(replace=())

    with pytest.raises(Refused, match="stale plan: 'app_id'"):
        store.modify(CONTOSO, clear, by=BY, may_remove=[APP])
    assert apps_of(store) == (APP, OTHER)

    assert results(store.modify(CONTOSO, clear, by=BY, may_remove=[APP, OTHER])) == {
        APP: "removed",
        OTHER: "removed",
    }


def test_a_long_list_is_one_change(store: Store) -> None:
    a_tenant(store)
    many = tuple(AppId(f"app-{number:05}") for number in range(10_000))

    store.modify(CONTOSO, ListModifier(add=many), by=BY)

    assert apps_of(store) == many
    with pytest.raises(InvalidInput, match="too many apps: 10001"):
        a_grant(store)
    store.modify(CONTOSO, ListModifier(replace=()), by=BY)
    assert apps_of(store) == ()


def test_a_what_if_is_the_change_that_would_be_made_and_changes_nothing(store: Store) -> None:
    a_grant(store)
    before = store.head()

    tried = store.modify(CONTOSO, ListModifier(remove=(APP,)), by=BY, what_if=True)

    assert tried.outcomes == (Outcome(APP, Result.REMOVED),)
    assert tried.effective
    assert not tried.stored
    assert tried.revision == before.revision
    assert store.head() == before
    assert store.check(tenant=CONTOSO, app=APP)
    assert not store.modify(CONTOSO, ListModifier(add=(APP,)), by=BY, what_if=True).effective


def test_a_what_if_refuses_what_the_change_would(store: Store) -> None:
    with pytest.raises(UnknownTenant):
        store.modify(CONTOSO, ListModifier(add=(APP,)), by=BY, what_if=True)


def test_a_store_that_is_open_for_reading_takes_no_change(store: Store, store_url: str) -> None:
    a_grant(store)

    with Store.open(store_url, read_only=True) as reading:
        assert reading.check(tenant=CONTOSO, app=APP)
        assert reading.modify(CONTOSO, ListModifier(remove=(APP,)), by=BY, what_if=True).effective
        with pytest.raises(StoreReadOnly, match="opened for reading only"):
            revoke(reading)
    assert store.check(tenant=CONTOSO, app=APP)


def test_ids_and_texts_of_all_kinds_come_back_as_they_went(store: Store) -> None:
    odd = tuple(map(AppId, ("a'b", 'a"b', "a\\b", "a%s", "ü", "😀", "A", "a", "$x", "%(x)s", ":x")))
    tenant = TenantId("Ünïcode: %s 'x'")
    by = Attribution(Actor('os:a"b'), "für wen", "line\nbreak\t\x7f\u2028 😀")
    store.add_tenant(tenant, None, by=by)

    store.modify(tenant, ListModifier(add=odd), by=by)

    assert apps_of(store, tenant) == odd
    assert all(store.check(tenant=tenant, app=app) for app in odd)
    assert next(store.history()).by == by
    assert store.verify() == ()


def test_a_permission_that_is_not_known_is_not_granted(store: Store) -> None:
    a_tenant(store)
    for action in ("remove_participants", "", "\ud800"):
        with pytest.raises(InvalidInput, match="no such permission"):
            store.modify(CONTOSO, ListModifier(add=(APP,)), by=BY, action=action)
    assert store.head().revision == 1
