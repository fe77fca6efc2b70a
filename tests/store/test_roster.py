"""The roster: calls and who is in them, as it is reported, asked for, and removed."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantcfg import Conflict, InvalidInput, Store, TenantId, UnknownTenant
from tenantcfg.meetings import (
    MAX_MEETING_ID,
    MAX_MEETING_TEXT,
    Call,
    CallState,
    Direction,
    Identity,
    IdentityKind,
    Outcome,
    Participant,
    Removed,
    UnknownCall,
)
from tests.stores import APP, CONTOSO, FABRIKAM, a_grant, a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ADA = Participant("ada", Identity(IdentityKind.USER, "u-1", "Ada Byron", CONTOSO.value))
BOB = Participant("bob", Identity(IdentityKind.PHONE, "+49 30 1234"), answered=False)
EVE = Participant("eve", in_lobby=True, muted=True)

_tenants = (TenantId(f"of-roster-{number}") for number in itertools.count(1))


@pytest.fixture
def known(store: Store) -> Store:
    """A store with a tenant, and a call c-1 in it."""
    a_tenant(store)
    store.roster.new_call(Call(CONTOSO, "c-1"))
    return store


def who(store: Store, call: str = "c-1", tenant: TenantId = CONTOSO) -> list[str]:
    """The ids of those in *call*, in their order."""
    page = store.roster.participants(tenant, call, limit=1_000)
    assert page is not None
    assert page.after is None
    assert page.total == len(page.items)
    return [one.id for one in page.items]


def a_removal(store: Store, participant: str, call: str = "c-1", tenant: TenantId = CONTOSO) -> str:
    """The request id of a removal that was begun."""
    request_id = str(uuid4())
    begun = store.removals.begin(
        request_id,
        tenant=tenant,
        app=APP,
        call=call,
        participant=participant,
        controller="roster",
    )
    assert begun
    return request_id


def removed(store: Store, participant: str, call: str = "c-1") -> Outcome:
    """What became of a removal that was carried out."""
    return store.roster.remove(a_removal(store, participant, call))


# Calls


def test_a_call_is_as_it_was_made_known(store: Store) -> None:
    a_tenant(store)
    call = Call(
        CONTOSO, "c/1 ü", CallState.RINGING, Direction.INCOMING, "Tea \u200b at 4\nand more", None
    )
    assert store.roster.new_call(call) == replace(call, sequence=0)
    assert store.roster.call(CONTOSO, "c/1 ü") == replace(call, sequence=0)
    assert store.roster.call(CONTOSO, "C/1 ü") is None


def test_a_call_is_found_in_its_tenant_alone(known: Store) -> None:
    a_tenant(known, FABRIKAM, None)
    known.roster.report(CONTOSO, "c-1", ADA)
    assert known.roster.call(FABRIKAM, "c-1") is None
    assert known.roster.participant(FABRIKAM, "c-1", "ada") is None
    assert known.roster.participants(FABRIKAM, "c-1", limit=1) is None
    assert known.roster.calls(FABRIKAM, limit=5).items == ()
    known.roster.new_call(Call(FABRIKAM, "c-1"))
    assert who(known, tenant=FABRIKAM) == []
    known.roster.end_call(FABRIKAM, "c-1")
    assert who(known) == ["ada"]


def test_a_call_needs_a_known_tenant_and_an_id_of_its_own(known: Store) -> None:
    for report in (known.roster.new_call, known.roster.report_call):
        with pytest.raises(UnknownTenant):
            report(Call(FABRIKAM, "c-1"))
        for id_ in ("", "a" * (MAX_MEETING_ID + 1), "a\0", "a\n", "\ud800"):
            with pytest.raises(InvalidInput):
                report(Call(CONTOSO, id_))
        for subject in ("a" * (MAX_MEETING_TEXT + 1), "a\0", "\udfff"):
            with pytest.raises(InvalidInput):
                report(Call(CONTOSO, "c-2", subject=subject))
    with pytest.raises(Conflict):
        known.roster.new_call(Call(CONTOSO, "c-1"))
    longest = Call(CONTOSO, "ü" * MAX_MEETING_ID, subject="ü" * MAX_MEETING_TEXT)
    assert known.roster.new_call(longest).id == longest.id


def test_a_call_is_described_anew_and_who_is_in_it_stays(known: Store) -> None:
    known.roster.report(CONTOSO, "c-1", ADA)
    anew = Call(CONTOSO, "c-1", CallState.HOLD, Direction.INCOMING, "Tea")
    assert not known.roster.report_call(anew)
    assert known.roster.call(CONTOSO, "c-1") == replace(anew, sequence=1)
    assert who(known) == ["ada"]
    assert known.roster.report_call(replace(anew, id="c-2"))
    assert not known.roster.report_call(replace(anew, id="c-2"))
    assert known.roster.call(CONTOSO, "c-2") == replace(anew, id="c-2", sequence=0)


def test_a_call_that_ended_is_forgotten_with_all_in_it(known: Store) -> None:
    for one in (ADA, BOB):
        known.roster.report(CONTOSO, "c-1", one)
    assert known.roster.end_call(CONTOSO, "c-1") == 2
    assert known.roster.call(CONTOSO, "c-1") is None
    with pytest.raises(UnknownCall, match="unknown call: 'c-1'"):
        known.roster.end_call(CONTOSO, "c-1")
    known.roster.new_call(Call(CONTOSO, "c-1"))
    assert who(known) == []


# Who is in them


def test_a_participant_is_as_they_were_reported(known: Store) -> None:
    for one in (ADA, BOB, EVE):
        assert known.roster.report(CONTOSO, "c-1", one)
        assert known.roster.participant(CONTOSO, "c-1", one.id) == one
    page = known.roster.participants(CONTOSO, "c-1", limit=10)
    assert page is not None
    assert page.items == (ADA, BOB, EVE)
    assert page.call == Call(CONTOSO, "c-1", sequence=3)


def test_the_same_again_changes_nothing_and_another_description_does(known: Store) -> None:
    for one in (ADA, BOB, ADA):
        known.roster.report(CONTOSO, "c-1", one)
    assert known.roster.call(CONTOSO, "c-1") == Call(CONTOSO, "c-1", sequence=2)
    muted = replace(ADA, muted=True, identity=None)
    assert not known.roster.report(CONTOSO, "c-1", muted)
    assert known.roster.participant(CONTOSO, "c-1", "ada") == muted
    assert known.roster.call(CONTOSO, "c-1") == Call(CONTOSO, "c-1", sequence=3)
    assert who(known) == ["ada", "bob"]


def test_what_cannot_be_kept_of_a_participant_is_refused(known: Store) -> None:
    kind = IdentityKind.GUEST
    for one in (
        Participant(""),
        Participant("a\0"),
        Participant("a" * (MAX_MEETING_ID + 1)),
        Participant("a", Identity(kind, "")),
        Participant("a", Identity(kind, "x\0")),
        Participant("a", Identity(kind, "x", "\0")),
        Participant("a", Identity(kind, "x", "a" * (MAX_MEETING_TEXT + 1))),
        Participant("a", Identity(kind, "x", None, "\n")),
    ):
        with pytest.raises(InvalidInput):
            known.roster.report(CONTOSO, "c-1", one)
    assert who(known) == []


def test_who_answers_is_in_the_call_as_before(known: Store) -> None:
    for one in (BOB, ADA):
        known.roster.report(CONTOSO, "c-1", one)
    assert known.roster.answered(CONTOSO, "c-1", "bob")
    assert known.roster.participant(CONTOSO, "c-1", "bob") == replace(BOB, answered=True)
    assert not known.roster.answered(CONTOSO, "c-1", "bob")
    assert who(known) == ["bob", "ada"]
    with pytest.raises(InvalidInput, match="nobody of this id is in the call: 'eve'"):
        known.roster.answered(CONTOSO, "c-1", "eve")
    with pytest.raises(UnknownCall):
        known.roster.answered(CONTOSO, "c-2", "bob")


def test_who_leaves_may_come_back_at_the_end(known: Store) -> None:
    for one in (ADA, BOB):
        known.roster.report(CONTOSO, "c-1", one)
    assert known.roster.left(CONTOSO, "c-1", "ada")
    assert not known.roster.left(CONTOSO, "c-1", "ada")
    assert who(known) == ["bob"]
    assert known.roster.report(CONTOSO, "c-1", ADA)
    assert who(known) == ["bob", "ada"]
    with pytest.raises(UnknownCall):
        known.roster.left(CONTOSO, "c-2", "ada")
    with pytest.raises(UnknownCall):
        known.roster.report(CONTOSO, "c-2", ADA)


def test_a_what_if_says_the_same_and_changes_nothing(known: Store) -> None:
    roster = known.roster
    roster.report(CONTOSO, "c-1", BOB)
    assert roster.new_call(Call(CONTOSO, "c-2"), what_if=True).sequence == 0
    assert roster.report(CONTOSO, "c-1", ADA, what_if=True)
    assert not roster.report(CONTOSO, "c-1", replace(BOB, muted=True), what_if=True)
    assert roster.answered(CONTOSO, "c-1", "bob", what_if=True)
    assert roster.left(CONTOSO, "c-1", "bob", what_if=True)
    assert not roster.left(CONTOSO, "c-1", "ada", what_if=True)
    assert roster.end_call(CONTOSO, "c-1", what_if=True) == 1
    assert [one.id for one in roster.calls(CONTOSO, limit=9).items] == ["c-1"]
    assert roster.participant(CONTOSO, "c-1", "bob") == BOB
    assert roster.call(CONTOSO, "c-1") == Call(CONTOSO, "c-1", sequence=1)
    with pytest.raises(Conflict):
        roster.new_call(Call(CONTOSO, "c-1"), what_if=True)
    with pytest.raises(UnknownCall):
        roster.end_call(CONTOSO, "c-2", what_if=True)


# Pages


def test_calls_come_in_pages_in_the_order_of_becoming_known(store: Store) -> None:
    a_tenant(store)
    ids = ["b", "a", "a:1", "7", "ü"]
    for id_ in ids:
        store.roster.new_call(Call(CONTOSO, id_))
    found: list[str] = []
    after = None
    while True:
        page = store.roster.calls(CONTOSO, after=after, limit=2)
        assert page.total == len(ids)
        found += [one.id for one in page.items]
        after = page.after
        if after is None:
            break
    assert found == ids


@pytest.mark.parametrize(
    "after", ["x", "1.5", "-2:c", "9" * 40, "9" * 5000, "--1", "\u0661:c", "1:\0", "1:\ud800"]
)
def test_what_is_of_no_page_is_refused(known: Store, after: str) -> None:
    with pytest.raises(InvalidInput, match="not of a page"):
        known.roster.calls(CONTOSO, after=after, limit=2)
    if ":" not in after:
        with pytest.raises(InvalidInput, match="not of a page"):
            known.roster.participants(CONTOSO, "c-1", after=after, limit=2)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    there=st.integers(0, 12),
    limit=st.integers(1, 5),
    between=st.lists(
        st.lists(st.tuples(st.booleans(), st.integers(0, 11)), max_size=4), max_size=12
    ),
)
def test_who_is_there_throughout_comes_exactly_once(
    store: Store, there: int, limit: int, between: list[list[tuple[bool, int]]]
) -> None:
    tenant = a_tenant(store, next(_tenants), None)
    roster = store.roster
    roster.new_call(Call(tenant, "c-1"))
    throughout = {f"p-{number}" for number in range(there)}
    for number in range(there):
        roster.report(tenant, "c-1", Participant(f"p-{number}"))
    found: list[str] = []
    steps = iter(between)
    fresh = itertools.count(100)
    after = None
    while True:
        page = roster.participants(tenant, "c-1", after=after, limit=limit)
        assert page is not None
        assert len(page.items) <= limit
        found += [one.id for one in page.items]
        after = page.after
        if after is None:
            break
        for leaves, number in next(steps, []):
            if leaves:
                roster.left(tenant, "c-1", f"p-{number}")
                throughout.discard(f"p-{number}")
            else:
                roster.report(tenant, "c-1", Participant(f"p-{next(fresh)}"))
                # Who is described anew keeps their place.
                if f"p-{number}" in throughout:
                    roster.report(tenant, "c-1", Participant(f"p-{number}", muted=True))
    assert [one for one in found if one in throughout] == [
        f"p-{number}" for number in range(there) if f"p-{number}" in throughout
    ]


# Removed


def test_who_is_removed_is_out_and_does_not_come_back(known: Store) -> None:
    a_grant(known)
    for one in (ADA, BOB):
        known.roster.report(CONTOSO, "c-1", one)
    assert removed(known, "ada") is Outcome.REMOVED
    assert who(known) == ["bob"]
    for what_if in (False, True):
        with pytest.raises(Conflict, match="was removed from this call: 'ada'"):
            known.roster.report(CONTOSO, "c-1", ADA, what_if=what_if)
    assert removed(known, "ada") is Outcome.ALREADY_GONE
    # Also when the call of that id is another one by now.
    known.roster.end_call(CONTOSO, "c-1")
    known.roster.new_call(Call(CONTOSO, "c-1"))
    with pytest.raises(Conflict):
        known.roster.report(CONTOSO, "c-1", ADA)
    known.roster.new_call(Call(CONTOSO, "c-2"))
    assert known.roster.report(CONTOSO, "c-2", ADA)


def test_a_removal_is_carried_out_once(known: Store) -> None:
    a_grant(known)
    known.roster.report(CONTOSO, "c-1", ADA)
    request_id = a_removal(known, "ada")
    assert known.roster.remove(request_id) is Outcome.REMOVED
    for again in (request_id, "never begun"):
        with pytest.raises(InvalidInput, match="no removal to carry out"):
            known.roster.remove(again)
    assert [one.outcome for one in known.removals.of(CONTOSO, limit=5)] == [Outcome.REMOVED]


def test_a_removal_that_was_given_up_is_not_carried_out_later(known: Store) -> None:
    a_grant(known)
    known.roster.report(CONTOSO, "c-1", ADA)
    request_id = a_removal(known, "ada")
    known.removals.settle(request_id, Outcome.FAILED)
    with pytest.raises(InvalidInput):
        known.roster.remove(request_id)
    assert who(known) == ["ada"]
    assert known.roster.last_removed() == 0


def test_removals_are_numbered_for_those_who_follow(known: Store) -> None:
    a_tenant(known, FABRIKAM, None)
    a_grant(known)
    a_grant(known, tenant=FABRIKAM)
    known.roster.new_call(Call(FABRIKAM, "c-9"))
    for one in (ADA, BOB):
        known.roster.report(CONTOSO, "c-1", one)
    known.roster.report(FABRIKAM, "c-9", EVE)
    assert (known.roster.removed(0, limit=9), known.roster.last_removed()) == ((), 0)
    removed(known, "ada")
    removed(known, "nobody")
    known.roster.remove(a_removal(known, "eve", "c-9", FABRIKAM))
    removed(known, "bob")
    whole = known.roster.removed(0, limit=9)
    settled = {one.participant: one.settled_at for one in known.removals.of(CONTOSO, limit=9)}
    assert settled["ada"] is not None
    assert whole[0] == Removed(1, settled["ada"], CONTOSO, "c-1", "ada")
    named = [(one.number, one.tenant, one.participant) for one in whole]
    assert named == [(1, CONTOSO, "ada"), (2, FABRIKAM, "eve"), (3, CONTOSO, "bob")]
    assert known.roster.removed(1, limit=1) == whole[1:2]
    assert known.roster.removed(3, limit=9) == ()
    ours = [CONTOSO.value, "nobody"]
    assert known.roster.removed(0, limit=9, tenants=ours) == (whole[0], whole[2])
    assert known.roster.removed(0, limit=9, tenants=[]) == ()
    numbers = [known.roster.last_removed(up_to=up_to, tenants=ours) for up_to in (0, 1, 2, 3)]
    assert numbers == [0, 1, 1, 3]
    assert known.roster.last_removed(up_to=2) == 2
    assert known.roster.last_removed() == 3


# At once


def test_of_many_removals_of_one_at_once_one_counts(known: Store) -> None:
    a_grant(known)
    for number in range(3):
        known.roster.report(CONTOSO, "c-1", Participant(f"p-{number}"))
        requests = [a_removal(known, f"p-{number}") for _ in range(4)]
        with ThreadPoolExecutor(4) as threads:
            outcomes = list(threads.map(known.roster.remove, requests))
        assert sorted(outcomes) == [Outcome.ALREADY_GONE] * 3 + [Outcome.REMOVED]
    assert known.roster.last_removed() == 3


def test_whoever_follows_misses_none_however_many_are_removed_at_once(known: Store) -> None:
    a_grant(known)
    many = 24
    for call in ("c-2", "c-3"):
        known.roster.new_call(Call(CONTOSO, call))
    requests = []
    for number in range(many):
        call = f"c-{number % 3 + 1}"
        known.roster.report(CONTOSO, call, Participant(f"p-{number}"))
        requests.append(a_removal(known, f"p-{number}", call))
    seen: list[int] = []
    with ThreadPoolExecutor(5) as threads:
        done = [threads.submit(known.roster.remove, one) for one in requests]
        while len(seen) < many:
            last = seen[-1] if seen else 0
            ended = all(one.done() for one in done)
            seen += [one.number for one in known.roster.removed(last, limit=5)]
            assert not ended or (seen and seen[-1] > last), seen
    assert seen == list(range(1, many + 1))


def test_a_report_and_a_removal_at_once_never_bring_anybody_back(known: Store) -> None:
    a_grant(known)

    said: set[str] = set()

    def report(id_: str) -> None:
        try:
            known.roster.report(CONTOSO, "c-1", Participant(id_, muted=True))
            known.roster.answered(CONTOSO, "c-1", id_)
        except (Conflict, InvalidInput) as why:
            said.add(why.what)

    ids = [f"p-{number}" for number in range(12)]
    for id_ in ids:
        known.roster.report(CONTOSO, "c-1", Participant(id_))
    requests = [a_removal(known, id_) for id_ in ids]
    with ThreadPoolExecutor(4) as threads:
        reports = [threads.submit(report, id_) for id_ in ids for _ in range(2)]
        outcomes = list(threads.map(known.roster.remove, requests))
        for one in reports:
            one.result()
    assert set(outcomes) == {Outcome.REMOVED}
    assert said <= {
        "nobody of this id is in the call",
        "the participant was removed from this call",
    }
    assert who(known) == []


def test_who_reports_one_call_at_once_with_others_is_not_turned_away(known: Store) -> None:
    with ThreadPoolExecutor(4) as threads:
        for number in range(3):
            call = Call(CONTOSO, f"new-{number}")
            news = list(threads.map(known.roster.report_call, [call] * 4))
            assert sorted(news) == [False] * 3 + [True]


# Any sequence


@dataclass
class Model:
    """The roster of one tenant, kept in plain lists."""

    calls: dict[str, str | None] = field(default_factory=dict)
    people: list[tuple[str, Participant]] = field(default_factory=list)
    out: list[tuple[str, str]] = field(default_factory=list)

    def find(self, call: str, id_: str) -> Participant | None:
        return next((one for at, one in self.people if (at, one.id) == (call, id_)), None)

    def require(self, call: str) -> None:
        if call not in self.calls:
            raise UnknownCall("no call")

    def new_call(self, call: str) -> None:
        if call in self.calls:
            raise Conflict("there")
        self.calls[call] = None

    def report_call(self, call: str, subject: str) -> bool:
        new = call not in self.calls
        self.calls[call] = subject
        return new

    def end_call(self, call: str) -> int:
        self.require(call)
        del self.calls[call]
        before = len(self.people)
        self.people = [(at, one) for at, one in self.people if at != call]
        return before - len(self.people)

    def report(self, call: str, one: Participant) -> bool:
        self.require(call)
        old = self.find(call, one.id)
        if old is None:
            if (call, one.id) in self.out:
                raise Conflict("removed")
            self.people.append((call, one))
            return True
        self.people[self.people.index((call, old))] = (call, one)
        return False

    def answered(self, call: str, id_: str) -> bool:
        self.require(call)
        old = self.find(call, id_)
        if old is None:
            raise InvalidInput("nobody")
        self.report(call, replace(old, answered=True))
        return not old.answered

    def left(self, call: str, id_: str) -> bool:
        self.require(call)
        old = self.find(call, id_)
        if old is not None:
            self.people.remove((call, old))
        return old is not None

    def remove(self, call: str, id_: str) -> Outcome:
        old = self.find(call, id_)
        if old is None:
            return Outcome.ALREADY_GONE
        self.people.remove((call, old))
        self.out.append((call, id_))
        return Outcome.REMOVED


CALLS = st.sampled_from(["a", "b"])
IDS = st.sampled_from(["1", "2", "3"])
PEOPLE = st.builds(
    Participant,
    IDS,
    st.none() | st.builds(Identity, st.sampled_from(IdentityKind), IDS),
    answered=st.booleans(),
    in_lobby=st.booleans(),
    muted=st.booleans(),
)
STEPS = st.one_of(
    st.tuples(st.just("new_call"), CALLS),
    st.tuples(st.just("report_call"), CALLS, st.sampled_from(["Tea", "Milk"])),
    st.tuples(st.just("end_call"), CALLS),
    st.tuples(st.just("report"), CALLS, PEOPLE),
    st.tuples(st.just("report"), CALLS, PEOPLE),
    st.tuples(st.just("answered"), CALLS, IDS),
    st.tuples(st.just("left"), CALLS, IDS),
    st.tuples(st.just("remove"), CALLS, IDS),
)


def came_to(step: Callable[..., object], *given: object) -> object:
    """What *step* returned, or the kind of error that it ended in."""
    try:
        return step(*given)
    except (Conflict, InvalidInput) as why:
        return type(why)


def carried_out(store: Store, tenant: TenantId, name: str, *given: object) -> object:
    roster = store.roster
    match name, *given:
        case "new_call", str(call):
            roster.new_call(Call(tenant, call))
            return None
        case "report_call", str(call), str(subject):
            return roster.report_call(Call(tenant, call, subject=subject))
        case "remove", str(call), str(id_):
            return roster.remove(a_removal(store, id_, call, tenant))
    return getattr(roster, name)(tenant, *given)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(STEPS, max_size=25))
def test_any_sequence_comes_to_what_plain_lists_come_to(
    store: Store, sequence: list[tuple[str, *tuple[object, ...]]]
) -> None:
    tenant = next(_tenants)
    a_grant(store, tenant=tenant)
    start = store.roster.last_removed()
    model = Model()
    for name, *given_ in sequence:
        asked = came_to(getattr(model, name), *given_)
        done = came_to(carried_out, store, tenant, name, *given_)
        assert done == asked, (name, given_)
    assert dict(calls_of(store, tenant)) == model.calls
    for call in model.calls:
        page = store.roster.participants(tenant, call, limit=9)
        assert page is not None
        assert list(page.items) == [one for at, one in model.people if at == call]
        assert all(store.roster.participant(tenant, call, one.id) == one for one in page.items)
    out = store.roster.removed(start, limit=99)
    assert [(one.call, one.participant) for one in out] == model.out
    assert [one.number for one in out] == list(range(start + 1, start + 1 + len(out)))
    assert all(store.removals.was_removed(tenant, *one) for one in model.out)


def calls_of(store: Store, tenant: TenantId) -> Iterator[tuple[str, str | None]]:
    for one in store.roster.calls(tenant, limit=9).items:
        yield one.id, one.subject
