"""What a program hands in by mistake is said in words of ours, and never guessed at."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

import pytest

from tenantcfg import (
    Actor,
    AppId,
    Attribution,
    Deny,
    InvalidInput,
    ListModifier,
    Permit,
    Reason,
    RevisionNotReached,
    Store,
    TenantcfgError,
    TenantId,
)
from tests.stores import APP, BY, CONTOSO, FABRIKAM, OTHER, a_grant

if TYPE_CHECKING:
    from collections.abc import Callable

Junk = Any
modifier: Any = ListModifier
NAN, HUGE = float("nan"), 2**63
# No types of ours, no texts of ids, no numbers of revisions: what slips in where those are wanted.
JUNK: list[Any] = [
    None,
    True,
    5,
    -1,
    HUGE,
    NAN,
    float("inf"),
    b"x",
    "",
    "\ud800",
    "a\0b",
    "x" * 1_000_000,
    [],
    {},
    ("a", "b", "c"),
    object(),
    datetime(2026, 1, 1),  # noqa: DTZ001 - that it has no zone is the point
    datetime.max.replace(tzinfo=UTC),
    CONTOSO,
    APP,
    int,
]


class Tenant(StrEnum):
    CONTOSO = "b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d21"


# Checks: an id that cannot be one is denied, whatever it is.


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk)[:20])
def test_what_cannot_be_an_id_is_not_granted(store: Store, junk: Junk) -> None:
    a_grant(store)
    denials = {Deny(Reason.NOT_GRANTED), Deny(Reason.TENANT_MISSING)}

    def answers(tenant: Junk, app: Junk) -> list[Any]:
        return [
            store.check(tenant=tenant, app=app),
            *store.check_many([(tenant, app)]),
            asyncio.run(store.check_async(tenant=tenant, app=app)),
        ]

    if junk is not APP:
        assert answers(CONTOSO, junk) == [Deny(Reason.NOT_GRANTED)] * 3
    if junk is not CONTOSO:
        assert set(answers(junk, APP)) <= denials
    action = {store.check(tenant=CONTOSO, app=APP, action=junk)}
    assert action == {Deny(Reason.UNSUPPORTED_ACTION)}
    assert store.check_many([(CONTOSO, APP)], action=junk) == [*action]


def test_an_id_of_the_other_kind_is_none(store: Store) -> None:
    same = TenantId("the-same")
    a_grant(store, AppId("the-same"), same)

    assert store.check(tenant="the-same", app="the-same")
    assert not store.check(tenant=same, app=cast("Any", same))
    assert not store.check(tenant=cast("Any", AppId("the-same")), app="the-same")


def test_a_text_of_a_class_of_its_own_is_what_it_reads(store: Store) -> None:
    a_grant(store)

    assert store.check(tenant=Tenant.CONTOSO, app=APP) == Permit()
    assert store.check_many([(Tenant.CONTOSO, APP)]) == [Permit()]


@pytest.mark.parametrize(
    "least", [None, True, "", "1", b"1", NAN, 1.0, [], object()], ids=lambda least: repr(least)[:20]
)
def test_a_revision_that_is_none_is_never_passed_over(store: Store, least: Junk) -> None:
    a_grant(store)
    wanted = f"at_least: Revision is wanted, not {type(least).__name__}"

    with pytest.raises(TypeError, match=wanted):
        store.check(tenant=CONTOSO, app=APP, at_least=least)
    with pytest.raises(TypeError, match=wanted):
        store.check_many([(CONTOSO, APP)], at_least=least)
    if store.dialect == "postgresql" or least:
        with pytest.raises(TypeError, match=wanted):
            asyncio.run(store.check_async(tenant=CONTOSO, app=APP, at_least=least))


def test_a_revision_that_no_store_reaches_is_not_reached(store: Store) -> None:
    with pytest.raises(RevisionNotReached, match=str(2**80)):
        store.check(tenant=CONTOSO, app=APP, at_least=2**80)


@pytest.mark.parametrize(
    "questions", [[("t1",)], [("a", "b", "c")], [None], [5], "abc", [CONTOSO]], ids=repr
)
def test_questions_are_pairs(store: Store, questions: Junk) -> None:
    with pytest.raises(TypeError, match="questions: pairs of tenant and app are wanted"):
        store.check_many(questions)


# The rest of the door: a word of what is wanted, and nothing is changed.

CALLS: dict[str, Callable[[Any, Any], object]] = {
    "open": lambda _, junk: Store.open(junk),
    "tenants": lambda store, junk: store.tenants(as_of=junk),
    "find_tenant": lambda store, junk: store.find_tenant(junk),
    "find_tenant as of": lambda store, junk: store.find_tenant("x", as_of=junk),
    "configuration": lambda store, junk: store.configuration(junk),
    "configuration action": lambda store, junk: store.configuration(CONTOSO, action=junk),
    "configuration as of": lambda store, junk: store.configuration(CONTOSO, as_of=junk),
    "grants_of": lambda store, junk: store.grants_of(junk),
    "grants_of action": lambda store, junk: store.grants_of(APP, action=junk),
    "grants_of as of": lambda store, junk: store.grants_of(APP, as_of=junk),
    "near_misses": lambda store, junk: store.near_misses(tenant=junk, app=APP),
    "near_misses app": lambda store, junk: store.near_misses(tenant=CONTOSO, app=junk),
    "near_misses action": lambda store, junk: store.near_misses(
        tenant=CONTOSO, app=OTHER, action=junk
    ),
    "explain": lambda store, junk: store.explain(tenant=junk, app=APP),
    "explain app": lambda store, junk: store.explain(tenant=CONTOSO, app=junk),
    "explain action": lambda store, junk: store.explain(tenant=CONTOSO, app=APP, action=junk),
    "explain as of": lambda store, junk: store.explain(tenant=CONTOSO, app=APP, as_of=junk),
    "history tenant": lambda store, junk: list(store.history(tenant=junk)),
    "history app": lambda store, junk: list(store.history(app=junk)),
    "history actor": lambda store, junk: list(store.history(actor=junk)),
    "history since": lambda store, junk: list(store.history(since=junk)),
    "history until": lambda store, junk: list(store.history(until=junk)),
    "history limit": lambda store, junk: list(store.history(limit=junk)),
    "change": lambda store, junk: store.change(junk),
    "verify": lambda store, junk: store.verify(head=junk),
    "modify": lambda store, junk: store.modify(junk, ListModifier(add=(OTHER,)), by=BY),
    "modify modifier": lambda store, junk: store.modify(CONTOSO, junk, by=BY),
    "modify by": lambda store, junk: store.modify(CONTOSO, ListModifier(add=(OTHER,)), by=junk),
    "modify action": lambda store, junk: store.modify(
        CONTOSO, ListModifier(add=(OTHER,)), by=BY, action=junk
    ),
    "modify may_remove": lambda store, junk: store.modify(
        CONTOSO, ListModifier(remove=(APP,)), by=BY, may_remove=[] if junk is None else junk
    ),
    "modifier": lambda store, junk: store.modify(CONTOSO, modifier(add=(junk,)), by=BY),
    "modifier add": lambda store, junk: store.modify(
        CONTOSO, modifier(add=7 if junk in ([], ()) else junk), by=BY
    ),
    "modifier expiry": lambda store, junk: store.modify(
        CONTOSO, modifier(add=(APP,), expiries={APP: -1 if junk is None else junk}), by=BY
    ),
    "add_tenant": lambda store, junk: store.add_tenant(junk, None, by=BY),
    "add_tenant name": lambda store, junk: store.add_tenant(
        FABRIKAM, 7 if junk is None else junk, by=BY
    ),
    "add_tenant by": lambda store, junk: store.add_tenant(FABRIKAM, None, by=junk),
    "rename_tenant": lambda store, junk: store.rename_tenant(CONTOSO, junk, by=BY),
    "enable_tenant": lambda store, junk: store.enable_tenant(junk, by=BY),
    "disable_tenant by": lambda store, junk: store.disable_tenant(CONTOSO, by=junk),
    "remove_tenant": lambda store, junk: store.remove_tenant(junk, by=BY),
    "undo": lambda store, junk: store.undo(-1 if junk == 5 or junk is True else junk, by=BY),
    "undo by": lambda store, junk: store.undo(2, by=junk),
    "actor": lambda store, junk: store.remove_tenant(CONTOSO, by=Attribution(junk)),
}
# What is what the call takes after all, or is nothing asked for.
TAKEN: dict[str, list[Any]] = {
    "open": [],
    "modify": [CONTOSO],
    "enable_tenant": [CONTOSO],
    "remove_tenant": [CONTOSO],
    "add_tenant": [CONTOSO],
}


@pytest.mark.parametrize("call", CALLS)
def test_a_mistake_is_told_and_changes_nothing(store: Store, call: str) -> None:
    a_grant(store)
    before = store.head()
    for junk in JUNK:
        if any(junk is taken for taken in TAKEN.get(call, ())):
            continue
        try:
            CALLS[call](store, junk)
        except TenantcfgError as why:
            assert type(why).code not in {"unexpected", "store_not_ours"}, (junk, why)  # noqa: PT017
            assert len(str(why)) < 500  # noqa: PT017
        except TypeError as why:
            assert "wanted" in str(why), (junk, why)  # noqa: PT017
        assert store.head() == before, junk


@pytest.mark.parametrize(
    ("call", "junk", "words"),
    [
        ("open", 5, "url: str or Path is wanted, not int"),
        ("modify", "t1", "tenant: TenantId is wanted, not str"),
        ("modify by", "os:alice", "by: Attribution is wanted, not str"),
        ("modifier", "app", "add: AppId is wanted, not str"),
        ("modifier expiry", NAN, "microseconds since 1970, an int, are wanted, not float"),
        ("modify may_remove", "app", "may_remove: a collection of AppId is wanted, not str"),
        ("history tenant", "t1", "tenant: TenantId or None is wanted, not str"),
        ("tenants", "yesterday", "as_of: int or datetime or None is wanted, not str"),
        ("change", True, "revision: int is wanted, not bool"),
        ("actor", "os:alice", "actor: Actor is wanted, not str"),
    ],
)
def test_a_type_error_says_what_is_wanted(store: Store, call: str, junk: Junk, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        CALLS[call](store, junk)


@pytest.mark.parametrize(
    ("call", "junk", "words"),
    [
        ("open", "\ud800", "a store in a file needs the file's name"),
        ("modify action", "", "no such permission: '': there is remove_participant"),
        ("configuration action", "x" * 10**6, "no such permission: 'xxx"),
        ("modifier expiry", HUGE, "outside the years 1 to 9999"),
        ("history limit", -1, "not a number of changes: -1: it is negative"),
        ("history since", HUGE, "outside the years 1 to 9999"),
        ("history actor", "a\0b", "the text for 'actor' cannot be stored"),
        ("change", HUGE, "there is no such revision"),
        ("undo", -1, "there is no such revision"),
        ("tenants", datetime(2026, 1, 1), "it has no time zone"),  # noqa: DTZ001
    ],
)
def test_a_value_that_cannot_be_is_invalid_input(
    store: Store, call: str, junk: Junk, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        CALLS[call](store, junk)


def test_ids_are_explained_as_they_are_checked(store: Store) -> None:
    a_grant(store)

    assert store.explain(tenant=CONTOSO, app=APP).decision == Permit()
    assert store.explain(tenant=CONTOSO.value, app=APP.value).decision == Permit()
    assert store.explain(tenant=None, app=APP).decision == Deny(Reason.TENANT_MISSING)


def test_an_actor_has_a_name() -> None:
    with pytest.raises(TypeError, match="actor: str is wanted, not NoneType"):
        Actor(cast("Any", None))


# Checks that wait together


def test_each_of_those_who_wait_has_an_error_of_his_own(made_postgresql_url: str) -> None:
    async def ask(store: Store) -> list[Any]:
        asked = [store.check_async(tenant=CONTOSO, app=APP) for _ in range(3)]
        return await asyncio.gather(*asked, return_exceptions=True)

    with Store.open(made_postgresql_url) as store:
        store.close()
        errors = asyncio.run(ask(store))

    assert {str(error) for error in errors} == {str(errors[0])}
    assert len({id(error) for error in errors}) == 3
    assert all("the store was closed" in str(error) for error in errors)
    assert {id(error.__cause__) for error in errors} == {id(errors[0].__cause__)}


def test_who_waits_is_told_when_what_asks_for_him_is_cancelled(made_postgresql_url: str) -> None:
    async def ask(store: Store, turns: int) -> object:
        waiting = asyncio.ensure_future(store.check_async(tenant=CONTOSO, app=APP))
        # One turn in which it is asked, and one after which somebody asks for it.
        for _ in range(2 + turns):
            await asyncio.sleep(0)
        asking = asyncio.all_tasks() - {waiting, asyncio.current_task()}
        assert asking
        for each in asking:
            each.cancel()
        (told,) = await asyncio.wait_for(asyncio.gather(waiting, return_exceptions=True), 5)
        assert await store.check_async(tenant=CONTOSO, app=APP) == Deny(Reason.NOT_GRANTED)
        return told

    with Store.open(made_postgresql_url) as store:
        assert "the question was given up" in str(asyncio.run(ask(store, turns=0)))
        assert "the question was given up" in str(asyncio.run(ask(store, turns=1)))
