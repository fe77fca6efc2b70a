from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantcfg import AppId, Conflict, InvalidInput, ListModifier, Permit, Revision
from tenantcfg.configuration import Outcome, Result
from tenantcfg.history import Verb
from tenantcfg.instants import text
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
    from collections.abc import Iterator

    from tenantcfg import Change, Store
    from tenantcfg.instants import Instant


@pytest.fixture(autouse=True)
def sound_afterwards(store: Store) -> Iterator[None]:
    """What an undo wrote is what its receipt says."""
    yield
    assert not [one for one in store.verify() if "head" not in str(one) and "time" not in str(one)]


def undo(store: Store, change: Change, **more: bool) -> Change:
    return store.undo(change.revision, by=BY, **more)


def rights(store: Store) -> dict[AppId, Instant | None]:
    return {grant.app: grant.expires_at for grant in store.configuration(CONTOSO).grants}


def test_what_was_given_goes(store: Store) -> None:
    given = a_grant(store)

    undone = undo(store, given)

    assert rights(store) == {}
    assert undone.operation.verb is Verb.UNDO
    assert undone.operation.details == {"undoes": given.revision, "effect": "set"}
    assert undone.outcomes == (Outcome(APP, Result.REMOVED),)


def test_what_was_taken_comes_with_its_expiry(store: Store) -> None:
    until = soon()
    a_grant(store, until=until)
    a_grant(store, OTHER)
    taken = store.modify(CONTOSO, ListModifier(replace=(AppId("new"),)), by=BY)

    undo(store, taken)

    assert rights(store) == {APP: until, OTHER: None}


def test_a_changed_expiry_is_what_it_was(store: Store) -> None:
    first, second = soon(1), soon(2)
    a_grant(store, until=first)
    changed = a_grant(store, until=second)

    undo(store, changed)

    assert rights(store) == {APP: first}


def test_an_undo_is_undone(store: Store) -> None:
    given = a_grant(store)

    undo(store, undo(store, undo(store, given)))

    assert rights(store) == {}


def test_a_right_that_has_ended_meanwhile_is_not_restored(store: Store, store_url: str) -> None:
    until = soon()
    a_grant(store, until=until)
    a_grant(store, OTHER)
    taken = store.modify(CONTOSO, ListModifier(replace=()), by=BY)
    let_time_pass(store_url, until)

    undone = undo(store, taken)

    assert rights(store) == {OTHER: None}
    assert undone.operation.details["not_restored"] == {APP.value: text(until)}
    assert Outcome(APP, Result.UNCHANGED) in undone.outcomes


def test_nothing_to_restore_takes_no_revision(store: Store, store_url: str) -> None:
    until = soon()
    a_grant(store, until=until)
    taken = revoke(store)
    let_time_pass(store_url, until)

    undone = undo(store, taken)

    assert not undone.stored
    assert undone.operation.details["not_restored"] == {APP.value: text(until)}


def test_a_prolonged_right_ends_if_its_old_end_has_passed(store: Store, store_url: str) -> None:
    first = soon(1)
    a_grant(store, until=first)
    prolonged = a_grant(store, until=soon(5))
    let_time_pass(store_url, first)

    undone = undo(store, prolonged)

    assert rights(store) == {}
    assert [outcome.result for outcome in undone.outcomes] == [Result.REMOVED]
    assert undone.operation.details["not_restored"] == {APP.value: text(first)}


def test_a_right_that_a_change_let_end_comes_anew(store: Store, store_url: str) -> None:
    until = soon()
    a_grant(store)
    limited = a_grant(store, until=until)
    let_time_pass(store_url, until)
    assert rights(store) == {}

    undo(store, limited)

    assert rights(store) == {APP: None}


def test_later_changes_of_the_same_app_stand_in_the_way(store: Store) -> None:
    given = a_grant(store)
    later = revoke(store)
    again = a_grant(store)

    with pytest.raises(
        Conflict,
        match=f"cannot be undone: revision {given.revision}: .*{later.revision}, {again.revision}",
    ):
        undo(store, given)
    assert rights(store) == {APP: None}


def test_later_changes_of_other_apps_do_not(store: Store) -> None:
    given = a_grant(store)
    a_grant(store, OTHER)
    a_grant(store, APP, FABRIKAM)
    store.rename_tenant(CONTOSO, "Contoso", by=BY)

    undo(store, given)

    assert rights(store) == {OTHER: None}
    assert store.check(tenant=FABRIKAM, app=APP) == Permit()


def test_unchanged_apps_of_a_change_are_not_touched_by_its_undo(store: Store) -> None:
    a_grant(store)
    both = store.modify(CONTOSO, ListModifier(add=(APP, OTHER)), by=BY)
    revoke(store)

    undo(store, both)

    assert rights(store) == {}


def test_nothing_is_undone_twice(store: Store) -> None:
    given = a_grant(store)
    undone = undo(store, given)

    with pytest.raises(Conflict, match=f"touch the same: {undone.revision}"):
        undo(store, given)


def test_a_removed_tenant_stands_in_the_way(store: Store) -> None:
    a_grant(store)
    taken = revoke(store)
    removed = store.remove_tenant(CONTOSO, by=BY)

    with pytest.raises(Conflict, match=f"touch the same: {removed.revision}"):
        undo(store, taken)
    a_tenant(store)
    with pytest.raises(Conflict, match=f"touch the same: {removed.revision}"):
        undo(store, taken)


@pytest.mark.parametrize("revision", [0, 99])
def test_there_must_be_something_to_undo(store: Store, revision: int) -> None:
    with pytest.raises(InvalidInput, match=f"no such revision: {revision}"):
        store.undo(Revision(revision), by=BY)


def test_an_added_tenant_is_removed(store: Store) -> None:
    added = store.add_tenant(CONTOSO, "Contoso", by=BY)

    undone = undo(store, added)

    assert store.tenants() == ()
    assert undone.operation.details["effect"] == "tenant.remove"
    undo(store, undone)
    assert store.find_tenant("Contoso").id == CONTOSO


def test_an_added_tenant_that_was_used_stays(store: Store) -> None:
    added = store.add_tenant(CONTOSO, "Contoso", by=BY)
    given = a_grant(store)

    with pytest.raises(Conflict, match=f"touch the same: {given.revision}"):
        undo(store, added)


def test_a_removed_tenant_comes_back_as_it_was(store: Store, store_url: str) -> None:
    ended = soon(1)
    a_tenant(store)
    a_grant(store, until=ended)
    a_grant(store, OTHER, until=soon(3))
    store.disable_tenant(CONTOSO, by=BY)
    before = rights(store)
    removed = store.remove_tenant(CONTOSO, by=BY)
    let_time_pass(store_url, ended)

    undone = undo(store, removed)

    found = store.find_tenant("contoso")
    assert (found.enabled, found.added) == (False, undone.revision)
    assert rights(store) == {OTHER: before[OTHER]}
    assert undone.operation.details["not_restored"] == {APP.value: text(ended)}


def test_a_removed_tenant_does_not_come_back_under_a_name_that_is_taken(store: Store) -> None:
    a_tenant(store)
    removed = store.remove_tenant(CONTOSO, by=BY)
    a_tenant(store, FABRIKAM, "contoso")

    with pytest.raises(Conflict, match="the name is taken"):
        undo(store, removed)


def test_a_name_is_what_it_was(store: Store) -> None:
    a_tenant(store)
    a_tenant(store, FABRIKAM, None)

    undone = undo(store, store.rename_tenant(CONTOSO, "Other", by=BY))
    undo(store, store.rename_tenant(FABRIKAM, "Fabrikam Inc", by=BY))

    assert [tenant.name for tenant in store.tenants()] == ["Contoso", None]
    assert undone.operation.details["was"] == "Other"
    undo(store, undone)
    assert store.find_tenant("Other").id == CONTOSO


def test_enabling_and_disabling_are_undone(store: Store) -> None:
    a_tenant(store)

    disabled = store.disable_tenant(CONTOSO, by=BY)
    undone = undo(store, disabled)
    assert store.find_tenant("Contoso").enabled
    undo(store, undone)
    assert not store.find_tenant("Contoso").enabled
    with pytest.raises(Conflict):
        undo(store, disabled)


def test_a_what_if_undoes_nothing(store: Store) -> None:
    given = a_grant(store)

    assert undo(store, given, what_if=True).outcomes == (Outcome(APP, Result.REMOVED),)

    assert rights(store) == {APP: None}
