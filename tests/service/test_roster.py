"""The roster's door, as a media layer uses it: reports, reconciling, and the stream of removals."""

from __future__ import annotations

import itertools
import json
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tenantcfg import Store, TenantId, instants
from tenantcfg.keys import Right
from tenantcfg.meetings import (
    Call,
    CallState,
    Direction,
    Identity,
    IdentityKind,
    Outcome,
    Participant,
    Removed,
)
from tenantcfg.service.askers import KeyHolders
from tenantcfg.service.roster import roster
from tenantcfg.service.settings import Bind, ServiceSettings
from tests.service.followed import PATIENCE, Event, bearer, followed
from tests.service.served import behind_server
from tests.service.wire import CLOSE, exchange, request
from tests.stores import APP, BY, a_grant, a_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.postgres import Server
    from tests.templates import FileTemplate, TablesTemplate

ONE, TWO = TenantId("one"), TenantId("two/ü")
HEARTBEAT: Final = 0.5
_ids = (f"c-{number}" for number in itertools.count(1))


@dataclass(frozen=True)
class Door:
    """The door behind the real server, and the store that it is of."""

    url: str
    port: int
    store: Store

    def send(
        self, method: str, path: str, key: str | None, said: object = None, **headers: str
    ) -> httpx.Response:
        """The answer to one request; *said* is its body, as JSON."""
        body: dict[str, Any] = {} if said is None else {"json": said}
        with httpx.Client(timeout=PATIENCE) as client:
            return client.request(
                method,
                f"{self.url}{path}",
                headers={**bearer(key), **{k.replace("_", "-"): v for k, v in headers.items()}},
                **body,
            )

    @contextmanager
    def following(
        self, key: str, after: int, *, last: int | None = None
    ) -> Iterator[Iterator[Event]]:
        """The events of a stream of removals."""
        with followed(f"{self.url}/removals", key, after, last) as (headers, events):
            assert headers["tenantcfg-store"] == self.store.store_id
            yield events


def removal_in(events: Iterator[Event]) -> dict[str, Any]:
    """The next removal among *events*."""
    event = next(event for event in events if event.kind == "removed")
    assert event.id == str(event.data["number"])
    return event.data


@contextmanager
def opened(store_url: str, **more: Any) -> Iterator[Door]:
    with Store.open(store_url) as store:
        for tenant in (ONE, TWO):
            a_grant(store, tenant=tenant)
        told = ServiceSettings(bind=Bind("127.0.0.1", 0), public_url="https://x.example.org/t1")
        failures: list[Exception] = []
        endpoints = roster(
            store,
            KeyHolders(store),
            failures.append,
            **{"connections": 100, "heartbeat": HEARTBEAT, "public_url": told.public_url, **more},
        )
        with behind_server(endpoints, told) as layer:
            yield Door(layer.url, layer.port, store)
        assert failures == []


@pytest.fixture(scope="module")
def file_door(
    tmp_path_factory: pytest.TempPathFactory, file_template: FileTemplate
) -> Iterator[Door]:
    path = tmp_path_factory.mktemp("roster") / "store" / "store.db"
    file_template.copy_to(path)
    with opened(f"sqlite:///{path}") as door:
        yield door


@pytest.fixture(scope="module")
def shared_door(postgres: Server, tables_template: TablesTemplate) -> Iterator[Door]:
    with postgres.database() as url:
        tables_template.copy_to(url)
        with opened(url) as door:
            yield door


@pytest.fixture(scope="module", params=["file", "shared"])
def door(request: pytest.FixtureRequest) -> Door:
    """The door, once on each database; tests share it, and each has calls of its own."""
    found: Door = request.getfixturevalue(f"{request.param}_door")
    return found


def key_of(door: Door, *rights: Right, tenants: Iterable[TenantId] | None = None) -> str:
    """The text of a new key."""
    limits = None if tenants is None else list(tenants)
    return a_key(door.store, str(uuid4()), rights=rights or (Right.MEDIA,), tenants=limits).text


def at(tenant: TenantId, call: str | None = None, one: str | None = None) -> str:
    """The path of a call, or of one in it."""
    path = f"/roster/{quote(tenant.value, safe='')}/calls"
    if call is not None:
        path += f"/{quote(call, safe='')}"
    return path if one is None else f"{path}/participants/{quote(one, safe='')}"


def a_call(door: Door, *people: str, tenant: TenantId = ONE) -> str:
    """A call that is known, with *people* in it."""
    call = next(_ids)
    door.store.roster.new_call(Call(tenant, call))
    for one in people:
        door.store.roster.report(tenant, call, Participant(one))
    return call


def removed(door: Door, call: str, one: str, tenant: TenantId = ONE) -> Outcome:
    """What became of somebody whom an app removed."""
    request_id = str(uuid4())
    begun = door.store.removals.begin(
        request_id, tenant=tenant, app=APP, call=call, participant=one, controller="roster"
    )
    assert begun
    return door.store.roster.remove(request_id)


# Reports


def test_a_call_is_reported_read_and_ended(door: Door) -> None:
    key, call = key_of(door), f"{next(_ids)}/ %ü"
    said = {"subject": "Tea", "state": "ringing", "direction": "incoming"}
    new = door.send("PUT", at(TWO, call), key, said)
    assert (new.status_code, new.json()) == (201, {"id": call, **said})
    assert new.headers["tenantcfg-store"] == door.store.store_id
    held = Call(TWO, call, CallState.RINGING, Direction.INCOMING, "Tea", 0)
    assert door.store.roster.call(TWO, call) == held
    again = door.send("PUT", at(TWO, call), key)
    plain = {"id": call, "subject": None, "state": "established", "direction": "outgoing"}
    assert (again.status_code, again.json()) == (200, plain)
    shown = door.send("GET", at(TWO, call), key)
    assert (shown.status_code, shown.json()) == (200, {**plain, "participants": [], "next": None})
    assert shown.headers["cache-control"] == "no-store"
    head = door.send("HEAD", at(TWO, call), key)
    assert (head.status_code, head.content) == (200, b"")
    for _ in range(2):
        ended = door.send("DELETE", at(TWO, call), key)
        assert (ended.status_code, ended.content) == (204, b"")
    assert door.store.roster.call(TWO, call) is None
    assert door.send("GET", at(TWO, call), key).status_code == 404


def test_one_joins_is_described_anew_and_leaves(door: Door) -> None:
    key, call = key_of(door), a_call(door)
    identity = {"kind": "guest", "id": "g-1", "displayName": "Ada", "tenantId": "elsewhere"}
    said = {"identity": identity, "answered": False, "isInLobby": True, "isMuted": True}
    new = door.send("PUT", at(ONE, call, "p/1"), key, said)
    assert (new.status_code, new.json()) == (201, {"id": "p/1", **said})
    guest = Identity(IdentityKind.GUEST, "g-1", "Ada", "elsewhere")
    held = Participant("p/1", guest, answered=False, in_lobby=True, muted=True)
    assert door.store.roster.participant(ONE, call, "p/1") == held
    # What is not said is not so: a report says all there is.
    again = door.send("PUT", at(ONE, call, "p/1"), key, {"identity": None})
    assert again.status_code == 200
    assert door.store.roster.participant(ONE, call, "p/1") == Participant("p/1")
    (shown,) = door.send("GET", at(ONE, call), key).json()["participants"]
    assert shown == again.json()
    for _ in range(2):
        assert door.send("DELETE", at(ONE, call, "p/1"), key).status_code == 204
    assert door.store.roster.participant(ONE, call, "p/1") is None


def test_who_was_removed_is_not_brought_back(door: Door) -> None:
    key, call = key_of(door), a_call(door, "ada")
    assert removed(door, call, "ada") is Outcome.REMOVED
    late = door.send("PUT", at(ONE, call, "ada"), key, {"isMuted": True})
    told = {"error": "conflict", "message": "the participant was removed from this call"}
    assert (late.status_code, late.json()) == (409, told)
    assert door.send("DELETE", at(ONE, call, "ada"), key).status_code == 204
    assert door.send("PUT", at(ONE, call, "ada-2"), key).status_code == 201


def test_a_report_of_a_call_that_is_not_known_says_so(door: Door) -> None:
    key, call = key_of(door), next(_ids)
    answer = door.send("PUT", at(ONE, call, "ada"), key)
    told = {"error": "not_found", "message": "there is no such call in this tenant"}
    assert (answer.status_code, answer.json()) == (404, told)
    assert door.send("DELETE", at(ONE, call, "ada"), key).status_code == 204


WRONG: list[tuple[bool, object]] = [
    (False, {"subject": 1}),
    (False, {"subject": "a\0"}),
    (False, {"subject": "a" * 1_001}),
    (False, {"state": "over"}),
    (False, {"state": None}),
    (False, {"state": ["held"]}),
    (False, {"direction": True}),
    (False, {"Subject": "x"}),
    (False, []),
    (False, "x"),
    (True, {"answered": 1}),
    (True, {"answered": None}),
    (True, {"isMuted": "true"}),
    (True, {"identity": "u-1"}),
    (True, {"identity": {}}),
    (True, {"identity": {"kind": "user"}}),
    (True, {"identity": {"id": "u-1"}}),
    (True, {"identity": {"kind": "person", "id": "u-1"}}),
    (True, {"identity": {"kind": "user", "id": ""}}),
    (True, {"identity": {"kind": "user", "id": "u\n"}}),
    (True, {"identity": {"kind": "user", "id": "u", "displayName": 7}}),
    (True, {"identity": {"kind": "user", "id": "u", "name": "x"}}),
    (True, {"subject": "x"}),
]


@pytest.mark.parametrize(("of_one", "said"), WRONG)
def test_what_cannot_be_understood_is_refused_whole(
    file_door: Door, said: object, *, of_one: bool
) -> None:
    key, call = key_of(file_door), a_call(file_door)
    path = at(ONE, call, "ada") if of_one else at(ONE, call)
    answer = file_door.send("PUT", path, key, said)
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_request", "invalid_json"}
    assert file_door.store.roster.call(ONE, call) == Call(ONE, call, sequence=0)


def test_a_body_is_strict_json_and_says_so(file_door: Door) -> None:
    key, call = key_of(file_door), a_call(file_door)
    for body, kind, error in (
        (b'{"subject": "a", "subject": "b"}', "application/json", "invalid_json"),
        (b"{", "application/json", "invalid_json"),
        (b'{"subject": "\\ud800"}', "application/json", "invalid_json"),
        (b"{}", "text/plain", "invalid_content_type"),
    ):
        answer = httpx.put(
            f"{file_door.url}{at(ONE, call)}",
            headers={**bearer(key), "content-type": kind},
            content=body,
            timeout=PATIENCE,
        )
        assert (answer.status_code, answer.json()["error"]) == (400, error)
    answer = file_door.send("PUT", at(ONE, call), key, {"subject": "a" * 2_000_000})
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


@pytest.mark.parametrize(
    "id_", ["%00", "%0A", "%", "%zz", "%ff", "..", ".", "%ED%A0%80", "a" * 513]
)
def test_what_can_be_no_id_is_refused(file_door: Door, id_: str) -> None:
    key, call = key_of(file_door), a_call(file_door)
    for path in (f"{at(ONE)}/{id_}", f"{at(ONE, call)}/participants/{id_}"):
        head = f"authorization: Bearer {key}"
        for method in ("PUT", "DELETE"):
            reply = exchange(file_door.port, request(method, path, head, CLOSE))
            assert reply.status == 400, (method, path)
            assert b"invalid_request" in reply.body
    assert file_door.store.roster.call(ONE, call) == Call(ONE, call, sequence=0)


def test_an_id_of_dots_is_written_in_numbers(file_door: Door) -> None:
    head, call = f"authorization: Bearer {key_of(file_door)}", a_call(file_door)
    at_dots = f"{at(ONE, call)}/participants/.."

    refused = exchange(file_door.port, request("PUT", at_dots, head, CLOSE))
    taken = exchange(file_door.port, request("PUT", at_dots.replace(".", "%2e"), head, CLOSE))

    assert b"its dots are written %2e" in refused.body
    assert (taken.status, json.loads(taken.body)["id"]) == (201, "..")


def test_only_these_paths_are_there_with_the_mount_prefix_and_without(file_door: Door) -> None:
    key, call = key_of(file_door), a_call(file_door, "ada")
    good = at(ONE, call)
    assert file_door.send("GET", f"/t1{good}", key).status_code == 200
    for path in (
        f"/t2{good}",
        f"{good}/",
        f"{good}/participants",
        f"{good}/participants/",
        f"{good}/participants/ada/x",
        f"{good}/Participants/ada",
        f"/roster/{ONE}/calls/",
        f"/roster/{ONE}",
        f"/roster//calls/{call}",
        f"/roster/{ONE}%2Fcalls/{call}",
        "/roster",
        "/roster/",
    ):
        for method in ("GET", "PUT", "DELETE"):
            assert file_door.send(method, path, key).status_code == 404, (method, path)
    for method, path, allow in (
        ("POST", good, "GET, HEAD, PUT, DELETE"),
        ("PUT", at(ONE), "GET, HEAD"),
        ("DELETE", at(ONE), "GET, HEAD"),
        ("GET", at(ONE, call, "ada"), "PUT, DELETE"),
        ("PATCH", at(ONE, call, "ada"), "PUT, DELETE"),
    ):
        answer = file_door.send(method, path, key)
        assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    assert [one.id for one in people_of(file_door, call)] == ["ada"]


def people_of(door: Door, call: str) -> tuple[Participant, ...]:
    page = door.store.roster.participants(ONE, call, limit=1_000)
    return () if page is None else page.items


# Who may


def test_a_key_for_media_is_wanted_and_in_force(door: Door) -> None:
    call = a_call(door, "ada")
    name = str(uuid4())
    gone = a_key(door.store, name, rights=[Right.MEDIA]).text
    assert door.send("GET", at(ONE, call), gone).status_code == 200
    door.store.revoke_key(name, by=BY)
    others = key_of(door, Right.CHECK, Right.READ)
    for key, status in ((None, 401), ("x", 401), (gone, 401), (others, 403)):
        for method, path in (
            ("GET", at(ONE)),
            ("GET", at(ONE, call)),
            ("PUT", at(ONE, call)),
            ("DELETE", at(ONE, call)),
            ("PUT", at(ONE, call, "bob")),
            ("DELETE", at(ONE, call, "ada")),
            ("GET", "/removals?after=0"),
        ):
            answer = door.send(method, path, key)
            assert answer.status_code == status, (method, path)
            assert ("www-authenticate" in answer.headers) == (status == 401)
    assert [one.id for one in people_of(door, call)] == ["ada"]


def test_a_tenant_of_others_and_one_that_nobody_knows_are_alike(door: Door) -> None:
    limited, call = key_of(door, tenants=[TWO]), a_call(door, "ada")
    every = key_of(door)
    seen = set()
    for key, tenant in (
        (limited, ONE),
        (limited, TenantId("nobody")),
        (every, TenantId("nobody")),
    ):
        for method, path in (
            ("GET", at(tenant)),
            ("PUT", at(tenant, call)),
            ("DELETE", at(tenant, call)),
            ("DELETE", at(tenant, call, "ada")),
        ):
            answer = door.send(method, path, key)
            seen.add((answer.status_code, answer.content))
    assert [status for status, _ in seen] == [404]
    assert [one.id for one in people_of(door, call)] == ["ada"]
    assert door.send("GET", at(TWO), limited).status_code == 200


def test_a_tenant_is_named_by_its_id(door: Door) -> None:
    tenant = TenantId(str(uuid4()))
    name = f"Called {tenant.value[:8]}"
    door.store.add_tenant(tenant, name, by=BY)
    key = key_of(door)
    assert door.send("GET", at(tenant), key).json() == {"calls": [], "next": None}
    upper = at(tenant).replace(tenant.value, tenant.value.upper())
    assert door.send("GET", upper, key).status_code == 200
    assert door.send("GET", f"/roster/{quote(name)}/calls", key).status_code == 404


# Reconciling


def test_all_that_is_known_can_be_read_in_pages(door: Door) -> None:
    tenant = TenantId(str(uuid4()))
    door.store.add_tenant(tenant, None, by=BY)
    key = key_of(door, tenants=[tenant])
    calls = [f"call-{number}" for number in range(3)]
    for call in calls:
        door.store.roster.new_call(Call(tenant, call))
    listed = door.send("GET", at(tenant), key).json()
    assert [one["id"] for one in listed["calls"]] == calls
    page = door.store.roster.calls(tenant, limit=1)
    second = door.send("GET", f"{at(tenant)}?after={quote(page.after or '')}", key).json()
    assert [one["id"] for one in second["calls"]] == calls[1:]
    for query in ("after=x", "after=", "after=1&after=2", "limit=1", "x"):
        answer = door.send("GET", f"{at(tenant)}?{query}", key)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), query


def test_a_media_layer_that_was_away_has_the_truth_again(door: Door) -> None:
    """The how-to's three steps: report what is, take out what is not, drop whom apps removed."""
    key, call = key_of(door), a_call(door, "ada", "bob", "eve")
    removed(door, call, "bob")
    truth = {"ada", "bob", "new"}
    dropped = set()
    for one in sorted(truth):
        answer = door.send("PUT", at(ONE, call, one), key)
        if answer.status_code == 409:
            dropped.add(one)
    known = {one["id"] for one in door.send("GET", at(ONE, call), key).json()["participants"]}
    for one in known - truth:
        door.send("DELETE", at(ONE, call, one), key)
    assert dropped == {"bob"}
    assert {one.id for one in people_of(door, call)} == truth - dropped


# The stream


def test_a_removal_is_told_as_it_is(door: Door) -> None:
    key, call = key_of(door), a_call(door, "ada", tenant=TWO)
    head = door.store.roster.last_removed()
    with door.following(key, head) as events:
        assert next(events) == Event("heartbeat", None, {"through": head})
        began = time.monotonic()
        removed(door, call, "ada", TWO)
        told = removal_in(events)
        assert time.monotonic() - began < 5
    (one,) = door.store.roster.removed(head, limit=9)
    assert told == {
        "number": head + 1,
        "previous": head,
        "at": instants.text(one.at),
        "tenant": TWO.value,
        "call": call,
        "participant": "ada",
    }


def test_whom_nobody_removed_is_not_told(door: Door) -> None:
    key, call = key_of(door), a_call(door, "ada", "bob")
    head = door.store.roster.last_removed()
    with door.following(key, head) as events:
        assert removed(door, call, "nobody") is Outcome.ALREADY_GONE
        door.store.roster.left(ONE, call, "ada")
        removed(door, call, "bob")
        assert removal_in(events)["participant"] == "bob"
        assert next(events) == Event("heartbeat", None, {"through": head + 1})


def test_a_limited_key_sees_its_tenants_alone(door: Door) -> None:
    limited, every = key_of(door, tenants=[TWO]), key_of(door)
    ours, theirs = a_call(door, "a", "b", tenant=TWO), a_call(door, "x", "y")
    removed(door, ours, "a", TWO)
    first = door.store.roster.last_removed()
    with door.following(limited, first) as events, door.following(every, first) as others:
        removed(door, theirs, "x")
        removed(door, ours, "b", TWO)
        told = removal_in(events)
        assert (told["participant"], told["previous"]) == ("b", first)
        assert [removal_in(others)["participant"] for _ in range(2)] == ["x", "b"]


@pytest.mark.parametrize("query", ["", "?after=", "?after=x", "?after=-1", "?after=1&after=2"])
def test_where_a_stream_begins_has_to_be_said(file_door: Door, query: str) -> None:
    answer = file_door.send("GET", f"/removals{query}", key_of(file_door))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_what_is_beyond_the_newest_is_a_conflict(door: Door) -> None:
    key, head = key_of(door), door.store.roster.last_removed()
    for beyond in (head + 1, 10**18 - 1):
        answer = door.send("GET", f"/removals?after={beyond}", key)
        assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
    stale = door.send("GET", "/removals?after=0", key, tenantcfg_store=str(uuid4()))
    assert (stale.status_code, stale.json()["error"]) == (503, "stale")
    assert door.send("POST", "/removals?after=0", key).status_code == 405


def test_a_revoked_key_is_the_end_of_its_stream(door: Door) -> None:
    name, call = str(uuid4()), a_call(door, "ada")
    key = a_key(door.store, name, rights=[Right.MEDIA]).text
    with door.following(key, door.store.roster.last_removed()) as events:
        door.store.revoke_key(name, by=BY)
        removed(door, call, "ada")
        rest = list(events)
    assert rest[-1].kind == "end"
    assert rest[-1].data["reason"] == "unauthenticated"
    assert not [event for event in rest if event.kind == "removed"]


def test_streams_leave_most_connections_to_others(made_sqlite_url: str) -> None:
    with opened(made_sqlite_url, connections=17) as door, ExitStack() as stack:
        key = key_of(door)
        held = [stack.enter_context(door.following(key, 0)) for _ in range(2)]
        assert {next(events).kind for events in held} == {"heartbeat"}
        answer = door.send("GET", "/removals?after=0", key)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")


def expected(door: Door, after: int, tenants: set[str] | None) -> list[dict[str, Any]]:
    """What the holder of a key is to be sent behind the number *after*."""
    found, previous = [], 0
    for one in door.store.roster.removed(0, limit=10_000):
        if tenants is not None and one.tenant.value not in tenants:
            continue
        if one.number > after:
            found.append(_as_told(one, previous))
        previous = one.number
    return found


def _as_told(one: Removed, previous: int) -> dict[str, Any]:
    told = {"number": one.number, "previous": previous, "at": instants.text(one.at)}
    return told | {"tenant": one.tenant.value, "call": one.call, "participant": one.participant}


# Who is removed while a stream is open, how many of it are read, and how it goes on.
STRETCHES = st.lists(
    st.tuples(st.lists(st.sampled_from([ONE, TWO]), max_size=6), st.integers(0, 8), st.booleans()),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=10,
    # The store is another one at each try, so a smaller example is no more than luck.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(stretches=STRETCHES, limited=st.booleans())
def test_however_a_stream_is_cut_and_resumed_nothing_is_lost(
    door: Door, stretches: list[Any], *, limited: bool
) -> None:
    tenants = {TWO.value} if limited else None
    key = key_of(door, tenants=[TWO] if limited else None)
    at_ = start = door.store.roster.last_removed()
    seen: list[dict[str, Any]] = []
    for made, wanted, by_header in stretches:
        after, last = (start, at_) if by_header and at_ > start else (at_, None)
        with door.following(key, after, last=last) as events:
            for tenant in made:
                removed(door, a_call(door, "x", tenant=tenant), "x", tenant)
            left = len(expected(door, start, tenants)) - len(seen)
            for _ in range(min(wanted, left)):
                seen.append(removal_in(events))
                at_ = seen[-1]["number"]
    with door.following(key, at_) as events:
        seen += [removal_in(events) for _ in expected(door, at_, tenants)]
    assert seen == expected(door, start, tenants)


def test_the_whole_is_told_from_the_beginning(made_sqlite_url: str) -> None:
    with opened(made_sqlite_url) as door:
        call = a_call(door, *(f"p-{number}" for number in range(90)))
        for number in range(90):
            removed(door, call, f"p-{number}")
        with door.following(key_of(door), 0) as events:
            assert [removal_in(events) for _ in range(90)] == expected(door, 0, None)
