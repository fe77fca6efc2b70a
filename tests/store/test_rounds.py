"""What waits is stored by one commit, and each has an outcome of its own (participants P14)."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantcfg import AppId, Deny, Permit, Reason, Revision, Store, TenantId
from tenantcfg.calls.threads import StoreThreads
from tenantcfg.errors import Conflict, InvalidInput, OutcomeUnknown, Unavailable
from tenantcfg.instants import Instant
from tenantcfg.meetings import Call, Outcome, Participant, Refusal, Removal, Removed
from tenantcfg.store import sqlite
from tenantcfg.store.rounds import Begin, CarryOut, Refuse, Settle
from tests.stores import APP, CONTOSO, FABRIKAM, OTHER, a_grant, revoke, soon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tenantcfg.store.rounds import Write

LATER = Instant(2**52)


def a_begin(
    participant: str = "ada", call: str = "c-1", tenant: TenantId = CONTOSO, app: AppId = APP
) -> Begin:
    """A removal that is to be begun, under an id of its own."""
    request_id = str(uuid4())
    return Begin(
        Removal(request_id, Instant(0), tenant, app, call, participant, Revision(0), "roster")
    )


def id_of(begin: Begin) -> str:
    return begin.removal.request_id


def begun(store: Store, *begins: Begin) -> list[CarryOut]:
    """The orders of *begins*, which were put on record together."""
    assert all(store.removals.rounds.facts(begins))
    return [CarryOut(id_of(one)) for one in begins]


def played(store: Store, *writes: Write[Any]) -> list[Any]:
    """What comes of each of *writes* in one round; an error where one was raised."""
    rounds = store.removals.rounds
    return [came_to(rounds.answer, *one) for one in zip(writes, rounds.facts(writes), strict=True)]


def came_to(answer: Callable[..., object], *given_: object) -> object:
    try:
        return answer(*given_)
    except (Conflict, InvalidInput, Unavailable) as why:
        return type(why)


def outcome_of(store: Store, request_id: str) -> Outcome:
    found = store.removals.find(request_id)
    assert isinstance(found, Removal)
    return found.outcome


@pytest.fixture
def known(store: Store) -> Store:
    """A store with a right, and the calls c-1 and c-2, with ada, bob and eve in each."""
    a_grant(store)
    for call in ("c-1", "c-2"):
        store.roster.new_call(Call(CONTOSO, call))
        for one in ("ada", "bob", "eve"):
            store.roster.report(CONTOSO, call, Participant(one))
    return store


@pytest.fixture
def file_store(made_sqlite_url: str) -> Iterator[Store]:
    with Store.open(made_sqlite_url) as store:
        a_grant(store)
        yield store


# Each its own


def test_no_right_and_no_id_harm_no_neighbour(known: Store) -> None:
    good, twice, foreign = a_begin("bob"), a_begin("eve"), a_begin(tenant=FABRIKAM)
    nul, stranger = a_begin("a\0"), a_begin(app=OTHER)
    asked: list[Write[Any]] = [stranger, nul, good, twice, foreign, twice, CarryOut("nobody")]

    came = played(known, *asked)

    revision = known.head().revision
    denied = Deny(Reason.NOT_GRANTED, revision)
    permit = Permit(revision)
    assert came == [denied, InvalidInput, permit, permit, denied, Conflict, InvalidInput]
    on_record = {one.request_id for one in known.removals.open("roster", before=LATER)}
    assert on_record == {id_of(good), id_of(twice)}


def test_all_kinds_share_a_commit(known: Store) -> None:
    (order,) = begun(known, a_begin("ada"))
    (left,) = begun(known, a_begin("bob"))
    new = a_begin("eve")
    refusal = Refusal("r-1", soon(0), CONTOSO, APP, "DELETE", 403, "code", "it \ud800 said \0")

    came = played(
        known, Refuse(refusal), new, order, Settle(left.request_id, Outcome.FAILED, "so it is")
    )

    assert came == [None, Permit(known.head().revision), Outcome.REMOVED, Outcome.FAILED]
    assert known.removals.find("r-1") == replace(refusal, why="it \\ud800 said \\x00")
    assert outcome_of(known, id_of(new)) is Outcome.UNKNOWN
    assert known.roster.participant(CONTOSO, "c-1", "ada") is None
    assert known.roster.participant(CONTOSO, "c-1", "bob") is not None


def test_p13_of_several_who_ask_for_one_the_first_has_removed_them(known: Store) -> None:
    whom = [("ada", "c-1"), ("bob", "c-2"), ("ada", "c-1"), ("ada", "c-2"), ("nobody", "c-1")]
    orders = begun(known, *(a_begin(*one) for one in whom))

    came = played(known, *orders, orders[0])

    done, gone = Outcome.REMOVED, Outcome.ALREADY_GONE
    assert came == [done, done, gone, done, gone, InvalidInput]
    sequences = [known.roster.call(CONTOSO, call) for call in ("c-1", "c-2")]
    assert [one.sequence for one in sequences if one is not None] == [4, 5]
    numbered = [(one.number, one.call, one.participant) for one in known.roster.removed(0, limit=9)]
    assert numbered == [(1, "c-1", "ada"), (2, "c-2", "bob"), (3, "c-2", "ada")]


def test_p13_of_several_that_are_settled_together_one_has_removed_them(known: Store) -> None:
    orders = begun(known, *(a_begin() for _ in range(3)))
    settled = [Settle(one.request_id, Outcome.REMOVED) for one in orders]

    done, gone = Outcome.REMOVED, Outcome.ALREADY_GONE
    assert played(known, *settled) == [done, gone, gone]
    # What is settled is not carried out.
    assert played(known, *orders) == [InvalidInput] * 3


def test_p15_a_revoke_that_was_acknowledged_is_seen_by_the_next_round(known: Store) -> None:
    a_grant(known, tenant=FABRIKAM)
    revoked = revoke(known)

    assert played(known, a_begin(), a_begin(tenant=FABRIKAM)) == [
        Deny(Reason.NOT_GRANTED, revoked.revision),
        Permit(revoked.revision),
    ]


ROUNDS = st.lists(
    st.lists(st.tuples(st.sampled_from(["1", "2", "3"]), st.booleans()), max_size=5), max_size=5
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=ROUNDS)
def test_any_rounds_come_to_what_single_removals_come_to(
    store: Store, rounds: list[list[tuple[str, bool]]]
) -> None:
    tenant = TenantId(uuid4().hex)
    a_grant(store, tenant=tenant)
    store.roster.new_call(Call(tenant, "c"))
    inside = {"1", "2"}
    for one in sorted(inside):
        store.roster.report(tenant, "c", Participant(one))
    start, out = store.roster.last_removed(), []
    for asked in rounds:
        orders = begun(store, *(a_begin(whom, "c", tenant) for whom, _ in asked))
        expected: list[object] = []
        for whom, _ in asked:
            expected.append(Outcome.REMOVED if whom in inside else Outcome.ALREADY_GONE)
            out += [whom] if whom in inside else []
            inside.discard(whom)
        # Some of them in one round with others that are begun.
        more = [a_begin("x", "c", tenant) for _, mixed in asked if mixed]
        came = played(store, *orders, *more)
        assert came[: len(orders)] == expected
        assert all(isinstance(one, Permit) for one in came[len(orders) :])
    found = store.roster.removed(start, limit=99)
    assert [(one.number, one.participant) for one in found] == [
        (start + place, whom) for place, whom in enumerate(out, 1)
    ]


# Where the store does not do as it should


def test_who_waits_for_a_call_that_is_held_harms_no_neighbour(made_postgresql_url: str) -> None:
    with Store.open(made_postgresql_url) as store, psycopg.connect(made_postgresql_url) as media:
        a_grant(store)
        for call in ("c-1", "c-2"):
            store.roster.new_call(Call(CONTOSO, call))
            store.roster.report(CONTOSO, call, Participant("ada"))
        orders = begun(store, a_begin("ada", "c-1"), a_begin("ada", "c-2"))
        media.execute("SELECT 1 FROM calls WHERE call = 'c-1' FOR UPDATE")

        new = a_begin("bob")
        came = played(store, *orders, new)

        assert came == [Unavailable, Outcome.REMOVED, Permit(store.head().revision)]
        assert outcome_of(store, orders[0].request_id) is Outcome.UNKNOWN
        assert store.roster.participant(CONTOSO, "c-1", "ada") is not None
        media.rollback()
        assert played(store, orders[0]) == [Outcome.REMOVED]


TERMINATE = (
    "CREATE FUNCTION lost() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
    " CREATE CONSTRAINT TRIGGER lost AFTER UPDATE ON removals"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lost()"
)


def test_p14_a_commit_that_is_lost_is_unknown_to_all_and_not_tried_again(
    made_postgresql_url: str,
) -> None:
    with Store.open(made_postgresql_url) as store:
        a_grant(store)
        store.roster.new_call(Call(CONTOSO, "c-1"))
        store.roster.report(CONTOSO, "c-1", Participant("ada"))
        orders = begun(store, a_begin("ada"), a_begin("bob"))
        with psycopg.connect(made_postgresql_url, autocommit=True) as admin:
            admin.execute(TERMINATE)

        with pytest.raises(OutcomeUnknown):
            store.removals.rounds.facts(orders)

        assert {outcome_of(store, one.request_id) for one in orders} == {Outcome.UNKNOWN}
        assert store.roster.participant(CONTOSO, "c-1", "ada") is not None


def test_p14_a_file_that_is_gone_stores_nothing_and_says_so(file_store: Store) -> None:
    (order,) = begun(file_store, a_begin())
    path = path_of(file_store)
    away = path.with_name("away")
    path.rename(away)

    for others in ([], [a_begin()]):
        with pytest.raises(Unavailable, match="file is gone"):
            file_store.removals.rounds.facts([order, *others])

    away.rename(path)
    assert [one.request_id for one in file_store.removals.of(CONTOSO, limit=9)] == [
        order.request_id
    ]
    assert played(file_store, order) == [Outcome.ALREADY_GONE]


def test_p14_a_store_that_stays_locked_stores_nothing_and_says_so_in_time(
    file_store: Store,
) -> None:
    with closing(sqlite.connect(path_of(file_store), patience=1)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()

        with pytest.raises(Unavailable, match="locked"):
            file_store.removals.rounds.facts([a_begin(), a_begin()])

        assert time.monotonic() - began < 2 * sqlite.RECORD_PATIENCE
        other.execute("ROLLBACK")
    assert file_store.removals.of(CONTOSO, limit=9) == ()


def path_of(store: Store) -> Path:
    return Path(store.url.removeprefix("sqlite:///"))


# Gathered


def gathered(store: Store, ask: Callable[[StoreThreads], Any]) -> Any:  # noqa: ANN401
    """What *ask* gives, which is handed threads of its own."""

    async def run() -> object:
        threads = StoreThreads(store)
        try:
            return await ask(threads)
        finally:
            threads.close()

    return asyncio.run(run())


def test_what_waits_together_is_stored_together(known: Store) -> None:
    many = [a_begin(f"p-{number}") for number in range(40)]

    async def ask(threads: StoreThreads) -> Sequence[object]:
        return await asyncio.gather(*(threads.write(one) for one in many))

    assert gathered(known, ask) == [Permit(known.head().revision)] * 40
    times = {one.at for one in known.removals.of(CONTOSO, limit=99)}
    assert len(times) == 1


def test_who_gave_up_before_his_turn_is_not_carried_out(known: Store) -> None:
    orders = begun(known, *(a_begin(one) for one in ("ada", "bob", "eve")))

    async def ask(threads: StoreThreads) -> list[object]:
        asked = [asyncio.ensure_future(threads.write(one)) for one in orders]
        await asyncio.sleep(0)
        asked[1].cancel()
        return await asyncio.gather(*asked, return_exceptions=True)

    first, second, third = gathered(known, ask)
    assert (first, third) == (Outcome.REMOVED, Outcome.REMOVED)
    assert isinstance(second, asyncio.CancelledError)
    assert outcome_of(known, orders[1].request_id) is Outcome.UNKNOWN
    assert known.roster.participant(CONTOSO, "c-1", "bob") is not None


def test_once_nobody_waits_the_log_is_emptied(file_store: Store) -> None:
    async def ask(threads: StoreThreads) -> bool:
        await threads.write(a_begin())
        assert logged(file_store)
        return await asyncio.to_thread(until, lambda: not logged(file_store))

    assert gathered(file_store, ask)


def logged(store: Store) -> int:
    """How long the write-ahead log is."""
    return Path(f"{path_of(store)}-wal").stat().st_size


def until(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
    return True


def test_a_removal_by_itself_leaves_no_log(file_store: Store) -> None:
    (order,) = begun(file_store, a_begin())
    assert file_store.roster.remove(order.request_id) is Outcome.ALREADY_GONE
    assert not logged(file_store)


def test_a_removed_one_is_told_of_as_it_was_settled(known: Store) -> None:
    (order,) = begun(known, a_begin())
    played(known, order)
    found = known.removals.find(order.request_id)
    assert isinstance(found, Removal)
    assert found.settled_at is not None
    told = Removed(1, found.settled_at, CONTOSO, "c-1", "ada")
    assert known.roster.removed(0, limit=9) == (told,)
