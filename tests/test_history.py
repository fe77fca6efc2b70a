from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantcfg.configuration import REMOVE_PARTICIPANT, Outcome, Result
from tenantcfg.errors import InvalidInput
from tenantcfg.history import (
    GENESIS,
    MAX_REASON_LENGTH,
    START,
    Actor,
    Attribution,
    Change,
    Head,
    Operation,
    Verb,
    broken_links,
    canonical,
    seal,
)
from tenantcfg.ids import AppId, Revision, TenantId
from tenantcfg.instants import Instant

if TYPE_CHECKING:
    from collections.abc import Callable

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
instants = st.integers(0, 4_000_000_000_000_000).map(Instant)
apps = st.sampled_from(["a", "b", "5817674c-81d9-4adb-bfb2-8f6a442e4622"]).map(AppId)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
operations = st.builds(
    Operation,
    st.sampled_from(Verb),
    st.dictionaries(st.text(max_size=8).filter(lambda key: key != "verb"), plain, max_size=3),
)
outcomes = st.builds(
    Outcome, apps, st.sampled_from(Result), st.none() | instants, st.none() | instants
)
attributions = st.builds(
    Attribution,
    st.builds(
        Actor, texts, st.dictionaries(texts, texts, max_size=3).map(lambda d: tuple(d.items()))
    ),
    st.none() | texts,
    st.none() | texts,
)


def of_one_kind(change: Change, effect: Verb) -> Change:
    """*change*, of which an undo comes to *effect*, and of no tenant if it is of keys."""
    operation = change.operation
    if operation.verb is Verb.UNDO:
        operation = Operation(Verb.UNDO, {**operation.details, "effect": effect.value})
    tenant = None if operation.effect.of_keys else change.tenant
    return replace(change, operation=operation, tenant=tenant)


any_tenants = st.builds(
    Change,
    revision=st.just(Revision(0)),
    at=instants,
    tenant=st.sampled_from(["t1", "t2"]).map(TenantId),
    action=st.just(REMOVE_PARTICIPANT),
    by=attributions,
    operation=operations,
    outcomes=st.lists(outcomes, max_size=3).map(tuple),
)
effects = st.sampled_from([verb for verb in Verb if verb is not Verb.UNDO])
drafts = st.builds(of_one_kind, any_tenants, effects)


def chain(changes: list[Change]) -> list[Change]:
    head, sealed = START, []
    for change in changes:
        sealed.append(seal(change, head))
        head = Head(sealed[-1].revision, sealed[-1].hash, sealed[-1].at)
    return sealed


chains = st.lists(drafts, min_size=2, max_size=6).map(chain)


@given(drafts.map(lambda change: seal(change, START)))
def test_a_change_is_read_back_whole(change: Change) -> None:
    row = json.loads(json.dumps(change.to_json()))
    again = Change.from_json(row)
    assert again == change
    assert canonical(again) == canonical(change)
    assert json.loads(canonical(change)) == {
        key: value for key, value in row.items() if key != "hash"
    }
    assert canonical(change).isascii()


@given(st.lists(drafts, max_size=6))
def test_sealed_changes_are_a_sound_chain_without_gaps_whose_time_never_runs_back(
    changes: list[Change],
) -> None:
    sealed = chain(changes)
    assert list(broken_links(sealed)) == []
    assert [change.revision for change in sealed] == list(range(1, len(changes) + 1))
    assert [change.previous for change in sealed] == [
        GENESIS,
        *(change.hash for change in sealed),
    ][: len(sealed)]
    times = [change.at for change in sealed]
    assert times == sorted(times)
    assert len({change.hash for change in sealed}) == len(sealed)


def altered(change: Change, draw: Callable[[st.SearchStrategy[str]], str]) -> Change:
    values: dict[str, Any] = {
        "at": Instant(change.at + 1),
        "tenant": TenantId("other"),
        "action": change.action + "x",
        "by": replace(change.by, reason=f"{change.by.reason}x"),
        "operation": Operation(change.operation.verb, {**change.operation.details, "x": 1}),
        "outcomes": (*change.outcomes, Outcome(AppId("mallory"), Result.ADDED)),
        "hash": "f" * 64,
        "revision": change.revision + 1,
    }
    field = draw(st.sampled_from(sorted(values)))
    return replace(change, **{field: values[field]})


@given(chains, st.data())
def test_an_altered_change_is_found(changes: list[Change], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(changes) - 1))
    changes[place] = altered(changes[place], data.draw)
    assert list(broken_links(changes))


@given(chains, st.data())
def test_an_altered_change_with_a_new_hash_breaks_the_next_link(
    changes: list[Change], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(changes) - 2))
    before = changes[place - 1] if place else None
    head = Head(before.revision, before.hash, before.at) if before else START
    forged = replace(changes[place], by=Attribution(Actor("os:mallory"), None, "forged"))
    changes[place] = seal(forged, head)
    assert [line for line in broken_links(changes) if line.startswith(f"revision {place + 2}:")]


@given(chains, st.data())
def test_a_dropped_change_is_found_unless_it_is_the_last(
    changes: list[Change], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(changes) - 1))
    del changes[place]
    assert bool(list(broken_links(changes))) == (place < len(changes))


@given(chains, st.data())
def test_two_swapped_changes_are_found(changes: list[Change], data: st.DataObject) -> None:
    one, other = data.draw(
        st.lists(st.integers(0, len(changes) - 1), min_size=2, max_size=2, unique=True)
    )
    changes[one], changes[other] = changes[other], changes[one]
    assert list(broken_links(changes))


@given(chains, drafts, st.data())
def test_an_inserted_change_is_found(
    changes: list[Change], draft: Change, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(changes) - 1))
    before = changes[place - 1] if place else None
    head = Head(before.revision, before.hash, before.at) if before else START
    changes.insert(place, seal(draft, head))
    assert list(broken_links(changes))


def test_a_broken_link_is_named_in_words() -> None:
    one, two = chain([a_change(at=5), a_change(at=9)])
    assert list(broken_links([two])) == [
        "revision 2: it follows revision 0",
        "revision 2: it does not name the hash of the change before it",
    ]
    assert list(broken_links([one, replace(two, at=Instant(4))])) == [
        "revision 2: its content does not have its hash",
        "revision 2: its time is earlier than that of the change before it",
    ]


def a_change(*, at: int = 5, by: Attribution | None = None) -> Change:
    return Change(
        revision=Revision(0),
        at=Instant(at),
        tenant=TenantId("t"),
        action=REMOVE_PARTICIPANT,
        by=by or Attribution(Actor("os:alice")),
        operation=Operation(Verb.SET, {"add": ["a"]}),
        outcomes=(Outcome(AppId("a"), Result.ADDED),),
    )


def test_a_clock_set_back_gives_the_time_of_the_change_before() -> None:
    head = Head(Revision(3), "a" * 64, Instant(100))
    sealed = seal(a_change(at=50), head)
    assert (sealed.revision, sealed.at, sealed.previous) == (4, 100, "a" * 64)


def test_the_hash_stays_what_it_was_in_every_release() -> None:
    sealed = seal(a_change(), START)
    assert canonical(sealed) == (
        '{"action":"remove_participant","actor":"os:alice","at":"1970-01-01T00:00:00.000005Z",'
        '"claimed":{},"on_behalf_of":null,"operation":{"add":["a"],"verb":"set"},"outcomes":'
        f'[{{"app":"a","result":"added"}}],"previous":"{GENESIS}","reason":null,"revision":1,'
        '"tenant":"t"}'
    )
    assert sealed.hash == "ea8669807cf5ab1d087502d8143e19c42fe4cc6feb4917a9615a5082e68bfbf8"
    assert sealed.receipt == f"1:{sealed.hash}"
    assert sealed.stored
    assert not a_change().stored
    assert str(Head(sealed.revision, sealed.hash, sealed.at)) == sealed.receipt


def test_who_asked_for_whom_and_why_stand_in_the_receipt() -> None:
    by = Attribution(
        Actor("os:root", (("TENANTCFG_ACTOR", "ann"), ("SUDO_USER", "bob"))), "carol", "she asked"
    )
    row = seal(a_change(by=by), START).to_json()
    assert (row["actor"], row["claimed"], row["on_behalf_of"], row["reason"]) == (
        "os:root",
        {"SUDO_USER": "bob", "TENANTCFG_ACTOR": "ann"},
        "carol",
        "she asked",
    )


def test_claims_are_kept_in_one_order_and_one_for_each_place() -> None:
    assert Actor("x", (("b", "1"), ("a", "2"))) == Actor("x", (("a", "2"), ("b", "1")))
    with pytest.raises(InvalidInput, match="two claimed actors come from the same place"):
        Actor("x", (("a", "1"), ("a", "2")))


LONG = "x" * (MAX_REASON_LENGTH + 1)


@pytest.mark.parametrize("text", ["half\ud800", "nul\0", LONG])
def test_a_text_that_cannot_be_kept_is_refused(text: str) -> None:
    why = "1001 characters: at most 1000" if text == LONG else "NUL or half a surrogate pair"
    for made in (
        lambda: Attribution(Actor("x"), reason=text),
        lambda: Attribution(Actor("x"), on_behalf_of=text),
        lambda: Actor(text),
        lambda: Actor("x", (("a", text),)),
        lambda: Actor("x", ((text, "a"),)),
    ):
        with pytest.raises(
            InvalidInput, match="the text for '.*' (is too long|cannot be stored)"
        ) as caught:
            made()
        assert why in str(caught.value)


def test_the_longest_reason_is_taken() -> None:
    assert Attribution(Actor("x"), reason="é" * MAX_REASON_LENGTH).reason == "é" * MAX_REASON_LENGTH


def test_the_details_of_an_operation_never_hide_its_verb() -> None:
    with pytest.raises(ValueError, match="a member 'verb'"):
        Operation(Verb.SET, {"verb": "undo"})


@pytest.mark.parametrize(
    "damage",
    [
        {"revision": "x"},
        {"revision": float("inf")},
        {"at": "yesterday"},
        {"at": 5},
        {"tenant": ""},
        {"claimed": []},
        {"operation": {}},
        {"operation": {"verb": "nothing"}},
        {"operation": None},
        {"outcomes": [{}]},
        {"outcomes": [{"app": "a", "result": "gone"}]},
        {"reason": "x" * 1_001},
    ],
)
def test_what_was_not_written_by_a_change_is_not_read_as_one(damage: dict[str, Any]) -> None:
    row = seal(a_change(), START).to_json()
    with pytest.raises(ValueError, match=r"not a change as it is written|is not a valid|invalid"):
        Change.from_json(row | damage)
    with pytest.raises(ValueError, match="KeyError"):
        Change.from_json({})


@pytest.mark.parametrize(
    ("verb", "tenant"), [("set", None), ("key.new", "t1"), ("undo", None), ("key.revoke", "")]
)
def test_a_change_of_keys_is_of_no_tenant_and_each_other_of_one(
    verb: str, tenant: str | None
) -> None:
    by = Attribution(Actor("os:alice"))
    change = Change(
        Revision(0), Instant(0), None, REMOVE_PARTICIPANT, by, Operation(Verb.KEY_NEW, {}), ()
    )
    row = seal(change, START).to_json()
    assert Change.from_json(row).tenant is None
    operation = {"verb": verb, "effect": "set"} if verb == "undo" else {"verb": verb}
    with pytest.raises(ValueError, match=r"of the tenant|not a change"):
        Change.from_json({**row, "operation": operation, "tenant": tenant})
