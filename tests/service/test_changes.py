"""The stream of changes, read from `tenantcfg serve` as its readers do, on both databases."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tenantcfg import (
    AppId,
    Attribution,
    ListModifier,
    Store,
    TenantcfgError,
    TenantId,
    instants,
)
from tenantcfg.history import Actor, Change, Verb
from tenantcfg.instants import Instant
from tenantcfg.keys import Right, ServiceKey
from tenantcfg.service.askers import Anybody
from tenantcfg.service.changes import changes
from tenantcfg.service.settings import Bind, ServiceSettings
from tenantcfg.store import admin
from tests.service.followed import PATIENCE, Event, bearer, events_of, followed
from tests.service.served import Layer, Service, behind_server
from tests.stores import BY, HOUR, a_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.postgres import Server
    from tests.templates import FileTemplate, TablesTemplate

ONE, TWO, THREE = TenantId("one"), TenantId("two"), TenantId("three")
A, B, C = AppId("a"), AppId("b"), AppId("c")
NOBODY = "tcfg_aaaaaaaaaaaa_" + "A" * 43


@dataclass(frozen=True)
class Served:
    """A service, and the store that it serves, to be changed at will."""

    url: str
    store: Store

    @contextmanager
    def following(
        self, key: str | None, after: int | str | None, *, last: int | str | None = None
    ) -> Iterator[Iterator[Event]]:
        """The events that the holder of *key* is sent; *last* as ``Last-Event-ID``."""
        with following(self.url, key, after, last=last) as events:
            yield events

    def get(self, key: str | None, query: str, **headers: str) -> httpx.Response:
        """The answer to a request that is not to become a stream."""
        return httpx.get(
            f"{self.url}/changes{query}",
            headers={**bearer(key), **{k.replace("_", "-"): v for k, v in headers.items()}},
            timeout=PATIENCE,
        )


@contextmanager
def following(
    url: str, key: str | None, after: int | str | None, *, last: int | str | None = None
) -> Iterator[Iterator[Event]]:
    with followed(f"{url}/changes", key, after, last) as (headers, events):
        assert headers["cache-control"] == "no-store"
        yield events


def change_in(events: Iterator[Event]) -> Event:
    """The next change among *events*."""
    return next(event for event in events if event.kind == "change")


def until(events: Iterator[Event], revision: int) -> list[dict[str, Any]]:
    """The changes up to *revision*, or to the heartbeat that says that they were all."""
    found = []
    for event in events:
        if event.kind == "change":
            assert event.id == str(event.data["revision"])
            found.append(event.data)
        reached: int = event.data.get("through", event.data.get("revision", 0))
        if reached >= revision:
            return found
    raise AssertionError(f"it ended before {revision}: {found}")


@pytest.fixture(scope="module")
def file_served(
    tmp_path_factory: pytest.TempPathFactory, file_template: FileTemplate
) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("changes") / "store" / "store.db"
    file_template.copy_to(path)
    with serving(f"sqlite:///{path}") as served:
        yield served


@pytest.fixture(scope="module")
def shared_served(postgres: Server, tables_template: TablesTemplate) -> Iterator[Served]:
    with postgres.database() as url:
        tables_template.copy_to(url)
        with serving(url) as served:
            yield served


@pytest.fixture(scope="module", params=["file", "shared"])
def served(request: pytest.FixtureRequest) -> Served:
    """A service on a store with three tenants, once on each database; tests share it."""
    found: Served = request.getfixturevalue(f"{request.param}_served")
    return found


@contextmanager
def serving(store_url: str, *options: str) -> Iterator[Served]:
    with (
        Store.open(store_url) as store,
        Service("--store", store_url, "--bind", "127.0.0.1:0", *options) as service,
    ):
        for tenant in (ONE, TWO, THREE):
            store.add_tenant(tenant, None, by=BY)
        yield Served(service.url, store)


def key_of(served: Served, *rights: Right, tenants: Iterable[TenantId] | None = None) -> str:
    """The text of a new key; its tenants are known."""
    limits = None if tenants is None else list(tenants)
    for tenant in limits or ():
        served.store.add_tenant(tenant, None, by=BY)
    name = str(uuid4())
    return a_key(served.store, name, rights=rights or (Right.CHECK,), tenants=limits).text


def set_apps(store: Store, tenant: TenantId, *apps: AppId, until_: Instant | None = None) -> Change:
    """Let *apps*, and no others, act in *tenant*."""
    expiries = dict.fromkeys(apps, until_)
    return store.modify(tenant, ListModifier(replace=apps, expiries=expiries), by=BY)


def fresh(served: Served) -> int:
    """The head, once no app may act anywhere."""
    for tenant in (ONE, TWO, THREE):
        served.store.add_tenant(tenant, None, by=BY)
        served.store.enable_tenant(tenant, by=BY)
        set_apps(served.store, tenant)
    # The head is a change that is seen, and none of a key.
    set_apps(served.store, ONE, AppId("fresh"))
    return set_apps(served.store, ONE).revision


# What an event says


def test_an_event_says_what_became_of_each_app_and_when_its_right_ends(served: Served) -> None:
    key, head = key_of(served), fresh(served)
    ends = Instant((time.time_ns() // 1000 // HOUR + 9) * HOUR)
    head = set_apps(served.store, ONE, A, B).revision
    with served.following(key, head) as events:
        set_apps(served.store, ONE, B, C, until_=ends)
        event = change_in(events)
    said = instants.text(ends)
    assert event == Event(
        "change",
        str(head + 1),
        {
            "revision": head + 1,
            "previous": head,
            "tenant": "one",
            "added": ["c"],
            "removed": ["a"],
            "changed": ["b"],
            "expires_at": {"b": said, "c": said},
        },
    )
    assert list(event.data)[:2] == ["revision", "previous"]


def test_without_an_end_the_end_is_null(served: Served) -> None:
    key, head = key_of(served), fresh(served)
    set_apps(served.store, ONE, A)
    with served.following(key, head) as events:
        assert change_in(events).data["expires_at"] == {"a": None}


def test_who_and_why_are_for_keys_that_may_read(served: Served) -> None:
    check, read = key_of(served), key_of(served, Right.READ)
    head = fresh(served)
    by = Attribution(Actor("os:dana", (("SUDO_USER", "kim"),)), "the service desk", "ticket 7")
    served.store.modify(ONE, ListModifier(add=(A,)), by=by)
    plain = {"revision", "previous", "tenant", "added", "removed", "changed", "expires_at"}
    with served.following(check, head) as events:
        assert set(change_in(events).data) == plain
    with served.following(read, head) as events:
        told = change_in(events).data
    assert set(told) == plain | {"actor", "on_behalf_of", "reason"}
    assert (told["actor"], told["on_behalf_of"], told["reason"]) == (
        "os:dana",
        "the service desk",
        "ticket 7",
    )


def test_what_becomes_of_a_tenant_is_its_state(served: Served) -> None:
    key, head = key_of(served, tenants=[THREE]), fresh(served)
    store = served.store
    set_apps(store, THREE, A, B)
    store.rename_tenant(THREE, "drei", by=BY)
    store.disable_tenant(THREE, by=BY)
    removed = store.remove_tenant(THREE, by=BY)
    store.undo(removed.revision, by=BY)
    store.enable_tenant(THREE, by=BY)
    with served.following(key, head) as events:
        told = until(events, store.head().revision)
    assert [(one.get("state"), one["added"], one["removed"]) for one in told] == [
        (None, ["a", "b"], []),
        (None, [], []),
        ("disabled", [], []),
        ("removed", [], ["a", "b"]),
        # It comes back as it was.
        ("disabled", ["a", "b"], []),
        ("enabled", [], []),
    ]


def test_changes_of_keys_are_shown_to_nobody(served: Served) -> None:
    key, head = key_of(served, Right.CHECK, Right.READ), fresh(served)
    served.store.revoke_key(a_key(served.store, "gone").id, by=BY)
    set_apps(served.store, ONE, A)
    with served.following(key, head) as events:
        (event,) = until(events, served.store.head().revision)
    assert (event["previous"], event["revision"]) == (head, head + 3)


# Where a stream begins


def test_a_first_heartbeat_comes_at_once(served: Served) -> None:
    key, head = key_of(served), fresh(served)
    began = time.monotonic()
    with served.following(key, head) as events:
        assert next(events) == Event("heartbeat", None, {"through": head})
    assert time.monotonic() - began < 5


def test_a_stream_says_of_which_store_it_is_and_how_far_that_is(served: Served) -> None:
    key, head = key_of(served), fresh(served)
    url = f"{served.url}/changes?after=0"
    headers = {**bearer(key), "x-request-id": "r-1"}
    with httpx.stream("GET", url, headers=headers, timeout=PATIENCE) as response:
        said = response.headers
    assert (said["tenantcfg-revision"], said["tenantcfg-store"], said["x-request-id"]) == (
        str(head),
        served.store.store_id,
        "r-1",
    )
    seen = httpx.head(url, headers=headers, timeout=PATIENCE)
    assert (seen.status_code, seen.headers["content-type"]) == (200, "text/event-stream")


def test_the_last_event_wins_over_after_which_a_reader_repeats(served: Served) -> None:
    key, head = key_of(served), fresh(served)
    set_apps(served.store, ONE, A)
    set_apps(served.store, ONE, B)
    with served.following(key, head, last=head + 1) as events:
        assert change_in(events).data["revision"] == head + 2
    with served.following(key, None, last=head + 1) as events:
        assert change_in(events).data["revision"] == head + 2


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("?after=", {}),
        ("?after=-1", {}),
        ("?after=1.0", {}),
        ("?after=%D9%A1", {}),
        ("?after=1%0A", {}),
        ("?after=1&after=1", {}),
        (f"?after={'9' * 19}", {}),
        ("?after=0", {"last-event-id": ""}),
        ("?after=0", {"last-event-id": "x"}),
        ("?after=0", {"tenantcfg-min-revision": "x"}),
    ],
)
def test_what_is_no_revision_is_a_bad_request(
    file_served: Served, query: str, headers: dict[str, str]
) -> None:
    key = key_of(file_served)
    answer = file_served.get(key, query, **headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    # Who is not known learns nothing of it (check W40).
    assert file_served.get(NOBODY, query, **headers).status_code == 401


def test_what_is_beyond_the_head_is_a_conflict(served: Served) -> None:
    key, head = key_of(served), fresh(served)
    answer = served.get(key, f"?after={head + 1}")
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
    assert answer.headers["tenantcfg-revision"] == str(head)
    assert answer.headers["tenantcfg-store"] == served.store.store_id
    assert served.get(key, f"?after={'9' * 18}").status_code == 409
    assert served.get(key, f"?after={head}", last_event_id=str(head + 1)).status_code == 409


def test_another_store_and_one_that_is_behind_are_stale(served: Served) -> None:
    """Check C8: honoured or refused; the answer says where it was read."""
    key, head = key_of(served), fresh(served)
    for headers in ({"tenantcfg_store": "other"}, {"tenantcfg_min_revision": str(head + 1)}):
        answer = served.get(key, f"?after={head + 7}", **headers)
        assert (answer.status_code, answer.json()["error"]) == (503, "stale")
        assert answer.headers["tenantcfg-store"] == served.store.store_id
        assert answer.headers["retry-after"] == "1"


def test_who_is_not_known_is_told_so_and_only_get_is_answered(file_served: Served) -> None:
    for key in (None, NOBODY, "x"):
        answer = file_served.get(key, "?after=0")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="tenantcfg"'
    answer = httpx.post(f"{file_served.url}/changes?after=0", headers=bearer(key_of(file_served)))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


# Nothing lost, nothing twice


def expected(store: Store, after: int, tenants: set[str] | None) -> list[dict[str, Any]]:
    """What the holder of a key is to be sent behind the revision *after*, by the history."""
    found, previous = [], 0
    for change in store.history(newest_first=False):
        of = None if change.tenant is None else change.tenant.value
        if of is None or (tenants is not None and of not in tenants):
            continue
        if change.revision > after:
            found.append(_as_told(change, previous))
        previous = change.revision
    return found


STATES = {
    Verb.TENANT_ADD: "enabled",
    Verb.TENANT_ENABLE: "enabled",
    Verb.TENANT_DISABLE: "disabled",
    Verb.TENANT_REMOVE: "removed",
}


def _as_told(change: Change, previous: int) -> dict[str, Any]:
    assert change.tenant is not None
    shown = change.to_json()
    by = {
        result: [one["app"] for one in shown["outcomes"] if one["result"] == result]
        for result in ("added", "removed", "changed")
    }
    told = {
        "revision": int(change.revision),
        "previous": previous,
        "tenant": change.tenant.value,
        **by,
        "expires_at": {
            one["app"]: one.get("expires_at")
            for one in shown["outcomes"]
            if one["result"] in {"added", "changed"}
        },
    }
    state = STATES.get(change.operation.effect)
    if state:
        was_enabled = shown["operation"].get("enabled", True)
        told["state"] = state if was_enabled else "disabled"
    return told


def at_random(store: Store, what: str, tenant: TenantId, app: AppId) -> None:
    """One change, or none where the state forbids it."""
    verbs: dict[str, Callable[[], object]] = {
        "add": lambda: store.modify(tenant, ListModifier(add=(app,)), by=BY),
        "limit": lambda: store.modify(
            tenant,
            ListModifier(add=(app,), expiries={app: Instant(time.time_ns() // 1000 + HOUR)}),
            by=BY,
        ),
        "remove": lambda: store.modify(tenant, ListModifier(remove=(app,)), by=BY),
        "replace": lambda: store.modify(tenant, ListModifier(replace=(app,)), by=BY),
        "disable": lambda: store.disable_tenant(tenant, by=BY),
        "enable": lambda: store.enable_tenant(tenant, by=BY),
        "forget": lambda: store.remove_tenant(tenant, by=BY),
        "know": lambda: store.add_tenant(tenant, None, by=BY),
        "key": lambda: a_key(store, str(uuid4())),
        "undo": lambda: undo_last(store),
    }
    with suppress(TenantcfgError):
        verbs[what]()


def undo_last(store: Store) -> None:
    """Take the newest change back, unless it made a key: the reader's own would end."""
    head = store.head().revision
    if store.change(head).tenant is not None:
        store.undo(head, by=BY)


CHANGES = st.tuples(
    st.sampled_from(
        "add add add limit remove replace disable enable forget know know key undo".split()
    ),
    st.sampled_from([ONE, TWO, THREE]),
    st.sampled_from([A, B, C]),
)
# Changes made while a stream is open, how many events are read of it, how it goes on.
STRETCHES = st.lists(
    st.tuples(st.lists(CHANGES, max_size=6), st.integers(0, 8), st.booleans()),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=12,
    # The store is another one at each try, so a smaller example is no more than luck.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(stretches=STRETCHES, limited=st.booleans())
def test_however_a_stream_is_cut_and_resumed_it_is_the_history(
    served: Served, stretches: list[Any], *, limited: bool
) -> None:
    tenants = [ONE, TWO] if limited else None
    key, start = key_of(served, tenants=tenants), served.store.head().revision
    seen: list[dict[str, Any]] = []
    at = start
    for made, wanted, by_header in stretches:
        after, last = (start, at) if by_header and at > start else (at, None)
        with served.following(key, after, last=last) as events:
            for one in made:
                at_random(served.store, *one)
            left = len(expected(served.store, start, _ids(tenants))) - len(seen)
            for _ in range(min(wanted, left)):
                seen.append(change_in(events).data)
                at = seen[-1]["revision"]
    with served.following(key, at) as events:
        rest = expected(served.store, at, _ids(tenants))
        seen += [change_in(events).data for _ in rest]
    assert seen == expected(served.store, start, _ids(tenants))


def _ids(tenants: Iterable[TenantId] | None) -> set[str] | None:
    return None if tenants is None else {one.value for one in tenants}


def test_the_whole_history_comes_from_the_beginning(served: Served) -> None:
    for number in range(100):
        set_apps(served.store, ONE, AppId(f"app-{number}"))
    with served.following(key_of(served), 0) as events:
        assert until(events, served.store.head().revision - 1) == expected(served.store, 0, None)


def test_a_missing_event_shows_in_the_next_one(served: Served) -> None:
    """What a reader does with `previous`: if it is not what he saw last, something is missing."""
    key, head = key_of(served, tenants=[ONE, TWO]), fresh(served)
    for tenant in (ONE, THREE, TWO, THREE, ONE):
        set_apps(served.store, tenant, AppId(str(uuid4())))
    with served.following(key, head) as events:
        told = [change_in(events).data for _ in range(3)]
    assert [one["revision"] - head for one in told] == [1, 3, 5]
    assert [one["previous"] - head for one in told[1:]] == [1, 3]
    # The same event names the same one before it, wherever its stream begins.
    with served.following(key, head + 4) as events:
        assert change_in(events).data == told[2]


def test_a_killed_worker_costs_a_reader_nothing(store_url: str) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(store_url))
        service = stack.enter_context(
            Service("--store", store_url, "--bind", "127.0.0.1:0", "--workers", "2")
        )
        store.add_tenant(ONE, None, by=BY)
        key = a_key(store).text
        seen = []
        with following(service.url, key, 0) as cut:
            seen.append(change_in(cut).data)
            set_apps(store, ONE, A)
            for worker in service.workers:
                os.kill(worker, signal.SIGKILL)
            with suppress(httpx.TransportError):
                seen += [event.data for event in cut if event.kind == "change"]
        set_apps(store, ONE, B)
        head = set_apps(store, ONE, C).revision
        seen += until(resumed(stack, service.url, key, seen[-1]["revision"]), head)
        assert seen == expected(store, 0, None)


def resumed(stack: ExitStack, url: str, key: str, after: int) -> Iterator[Event]:
    """A stream of a service that may not be up yet."""
    end = time.monotonic() + PATIENCE
    while True:
        with suppress(httpx.TransportError):
            return stack.enter_context(following(url, key, after))
        assert time.monotonic() < end


# Who follows


def test_a_limited_key_sees_its_tenants_and_nothing_of_others(served: Served) -> None:
    key, head = key_of(served, tenants=[TWO]), fresh(served)
    for tenant in (ONE, THREE, ONE, THREE, TWO):
        set_apps(served.store, tenant, AppId(str(uuid4())))
    with served.following(key, head) as events:
        told = until(events, head + 5)
    assert [one["tenant"] for one in told] == ["two"]
    (event,) = told
    # The one before it is its own last: nothing tells of how many others there were.
    assert event["previous"] == expected(served.store, 0, {"two"})[-2]["revision"]


def test_a_revoked_key_is_the_end_of_its_stream(served: Served) -> None:
    head = fresh(served)
    name = str(uuid4())
    gone, other = a_key(served.store, name).text, key_of(served)
    with served.following(gone, head) as events, served.following(other, head) as others:
        set_apps(served.store, ONE, A)
        first = change_in(events).data["revision"]
        served.store.revoke_key(name, by=BY)
        set_apps(served.store, ONE, B)
        rest = list(events)
        assert [change_in(others).data["added"] for _ in range(2)] == [["a"], ["b"]]
    assert [event.kind for event in rest if event.kind != "heartbeat"] == ["end"]
    assert rest[-1].data["reason"] == "unauthenticated"
    assert rest[-1].data["through"] >= first
    assert served.get(gone, "?after=0").status_code == 401


def test_a_key_that_runs_out_is_the_end_of_its_stream(served: Served) -> None:
    head = fresh(served)
    ends = Instant(time.time_ns() // 1000 + 2_000_000)
    key = a_key(served.store, str(uuid4()), until=ends).text
    with served.following(key, head) as events:
        # Before the next heartbeat is due, and with no change to wake it.
        rest = list(events)
    assert [event.kind for event in rest] == ["heartbeat", "end"]
    assert rest[-1].data["reason"] == "unauthenticated"
    assert 0 <= time.time_ns() // 1000 - ends < 5_000_000


def test_a_rotated_key_lasts_out(served: Served) -> None:
    head, name = fresh(served), str(uuid4())
    old = a_key(served.store, name, tenants=[TWO])
    with served.following(old.text, head) as events:
        served.store.rotate_key(name, ServiceKey.new(os.urandom), overlap=2_000_000, by=BY)
        set_apps(served.store, TWO, A)
        assert change_in(events).data["added"] == ["a"]
        assert list(events)[-1].data["reason"] == "unauthenticated"


# Readers that are slow, and many


def test_a_slow_reader_costs_no_memory_and_loses_nothing(tmp_path: Path) -> None:
    store_url = f"sqlite:///{tmp_path / 'slow' / 'store.db'}"
    admin.create(store_url).close()
    with (
        Store.open(store_url) as store,
        Service("--store", store_url, "--bind", "127.0.0.1:0") as service,
        ExitStack() as stack,
    ):
        store.add_tenant(ONE, None, by=BY)
        key = a_key(store).text
        apps = tuple(AppId(f"{number:0128}") for number in range(400))
        for _ in range(25):
            set_apps(store, ONE, *apps)
            set_apps(store, ONE)
        last = store.head().revision
        whole = expected(store, 0, None)
        # What is loaded at the first stream, and stays, is in memory before.
        assert _read_by(_connected(service.url, key, 0), last) == whole
        before = _memory(service.pid)
        slow = [stack.enter_context(_connected(service.url, key, 0)) for _ in range(12)]
        assert _read_by(_connected(service.url, key, 0), last) == whole
        # 4 MB for each of 12 readers, who have taken none of it.
        assert _memory(service.pid) - before < 20_000
        for reader in slow[:2]:
            assert _read_by(reader, last) == whole


def _connected(url: str, key: str, after: int) -> socket.socket:
    """A reader that has asked and reads nothing yet."""
    place = httpx.URL(url)
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.settimeout(PATIENCE)
    reader.connect((place.host, place.port))
    head = (f"GET /changes?after={after} HTTP/1.1", "host: x", f"authorization: Bearer {key}")
    reader.sendall("\r\n".join([*head, "", ""]).encode())
    return reader


def _read_by(reader: socket.socket, last: int) -> list[dict[str, Any]]:
    """The changes up to *last*, taken as fast as they come."""
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    with reader:
        return until(_events_from(reader), last)


def _events_from(reader: socket.socket) -> Iterator[Event]:
    with reader.makefile("rb") as stream:
        while stream.readline().strip():
            pass

        def lines() -> Iterator[str]:
            left = b""
            while size := int(stream.readline(), 16):
                left += stream.read(size)
                stream.readline()
                *whole, left = left.split(b"\n")
                yield from (line.decode() for line in whole)

        yield from events_of(lines())


def _memory(pid: int) -> int:
    """What a process holds, in kB."""
    with open(f"/proc/{pid}/status") as status:  # noqa: PTH123 - no path to speak of
        found = re.search(r"VmRSS:\s+(\d+) kB", status.read())
    assert found is not None
    return int(found[1])


def test_many_readers_are_all_told(served: Served) -> None:
    key, limited = key_of(served), key_of(served, tenants=[TWO])
    head = fresh(served)
    readers = [_connected(served.url, limited if number % 2 else key, head) for number in range(60)]
    try:
        streams = [_events_from(reader) for reader in readers]
        assert {next(stream).data["through"] for stream in streams} == {head}
        for tenant in (ONE, TWO):
            set_apps(served.store, tenant, A)
        for number, stream in enumerate(streams):
            seen = [one["tenant"] for one in until(stream, head + 2)]
            assert seen == (["two"] if number % 2 else ["one", "two"])
    finally:
        for reader in readers:
            reader.close()


# What is set differently: heartbeats, and how many there may be


@contextmanager
def streams(store: Store, **more: Any) -> Iterator[Layer]:
    """The stream alone, behind the real server."""
    told = ServiceSettings(bind=Bind("127.0.0.1", 0))
    failures: list[Exception] = []
    endpoints = changes(store, Anybody(), failures.append, **{"connections": 100, **more})
    with behind_server(endpoints, told) as layer:
        yield layer
    assert not failures


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store.open(store_url) as store:
        store.add_tenant(ONE, None, by=BY)
        yield store


def test_heartbeats_go_on_and_say_up_to_where_everything_was_sent(store: Store) -> None:
    with streams(store, heartbeat=0.2) as layer, following(layer.url, None, 0) as events:
        assert next(events) == Event("heartbeat", None, {"through": 0})
        assert next(events).data["state"] == "enabled"
        assert [next(events) for _ in range(3)] == [Event("heartbeat", None, {"through": 1})] * 3
        # What it is not shown is behind it all the same.
        a_key(store)
        assert next(event for event in events if event.data["through"] == 2).kind == "heartbeat"
        set_apps(store, ONE, A)
        event = change_in(events)
        assert (event.data["revision"], event.data["previous"]) == (3, 1)
        assert next(events) == Event("heartbeat", None, {"through": 3})


def test_streams_leave_half_of_the_connections_to_the_checks(store: Store) -> None:
    with streams(store, connections=4) as layer:
        with following(layer.url, None, 0) as one, following(layer.url, None, 0) as other:
            assert next(one).kind == next(other).kind == "heartbeat"
            refused = httpx.get(f"{layer.url}/changes?after=0", timeout=PATIENCE)
            assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
            assert refused.headers["retry-after"] == "10"
        with resumed_once_there_is_room(layer.url) as events:
            assert next(events).kind == "heartbeat"


@contextmanager
def resumed_once_there_is_room(url: str) -> Iterator[Iterator[Event]]:
    end = time.monotonic() + PATIENCE
    while True:
        with httpx.stream("GET", f"{url}/changes?after=0", timeout=PATIENCE) as response:
            if response.status_code == 200:
                yield events_of(response.iter_lines())
                return
        assert time.monotonic() < end


def test_a_restored_store_is_the_end_of_streams_of_the_other_one(
    made_sqlite_url: str, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    with Store.open(made_sqlite_url) as store:
        store.add_tenant(ONE, None, by=BY)
        admin.backup(made_sqlite_url, backup)
        set_apps(store, ONE, A)
    with (
        Service(
            "--store", made_sqlite_url, "--bind", "127.0.0.1:0", "--insecure-no-auth"
        ) as service,
        following(service.url, None, 0) as events,
    ):
        assert [change_in(events).data["revision"] for _ in range(2)] == [1, 2]
        admin.restore(backup, made_sqlite_url, overwrite=True)
        assert next(e for e in events if e.kind != "heartbeat").data["reason"] in {
            "stale",
            "unavailable",
        }


def test_a_database_that_stops_is_the_end_of_a_stream_which_goes_on_behind_it(
    postgres_of_own: Server, tables_template: TablesTemplate
) -> None:
    with postgres_of_own.database() as url:
        tables_template.copy_to(url)
        with ExitStack() as stack:
            service = stack.enter_context(Service("--store", url, "--bind", "127.0.0.1:0"))
            store = stack.enter_context(Store.open(url))
            store.add_tenant(ONE, None, by=BY)
            key = a_key(store).text
            with following(service.url, key, 0) as events:
                at = change_in(events).data["revision"]
                postgres_of_own.stop()
                last = next(event for event in events if event.kind != "heartbeat")
                # Nothing that it has not sent is called sent.
                assert last == Event("end", None, {"reason": "unavailable", "through": at + 1})
                assert list(events) == []
            headers = bearer(key)
            refused = httpx.get(
                f"{service.url}/changes?after={at}", headers=headers, timeout=PATIENCE
            )
            assert (refused.status_code, refused.json()["error"]) == (503, "unavailable")
            postgres_of_own.start()
            head = set_apps(store, ONE, A).revision
            with following(service.url, key, at) as events:
                assert until(events, head) == expected(store, at, None)


def test_a_service_that_stops_ends_its_streams_at_once(made_sqlite_url: str) -> None:
    options = ("--store", made_sqlite_url, "--bind", "127.0.0.1:0", "--insecure-no-auth")
    with Service(*options) as service, following(service.url, None, 0) as events:
        assert next(events).kind == "heartbeat"
        began = time.monotonic()
        service.signal()
        assert list(events) == []
        code, _, log = service.ended()
    assert code == 0, log
    assert time.monotonic() - began < 5
    assert not [line for line in log.splitlines() if '"level": "error"' in line]
