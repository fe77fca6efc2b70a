"""
What is answered, and what is on record, when the controller of the calls does not do as it should.

A controller that does what it is told stands behind the real endpoint and server (participants
P12 to P15, P17, P22).
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenantcfg import Store, TenantId
from tenantcfg.calls import CallsFailed, CallsUnavailable
from tenantcfg.calls.threads import StoreThreads
from tenantcfg.meetings import Call, Outcome, Page, Participant, Refusal, Removal, Whereabouts
from tenantcfg.service.participants import Participants, Remover, participants
from tenantcfg.service.participants.admission import Admission
from tenantcfg.service.participants.limits import Limit
from tenantcfg.service.participants.lookups import Lookups
from tenantcfg.service.settings import Bind, ServiceSettings
from tenantcfg.store.sqlite import connect
from tests.service.bots import Bot, Said
from tests.service.guarding import KnownTokens
from tests.service.served import behind_server
from tests.service.wire import request
from tests.stores import CONTOSO, a_grant, revoke

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tenantcfg.service.participants.admission import Tokens

CALL = "/v1.0/communications/calls/c-1"
PATH = f"{CALL}/participants/p-1"
BROKEN = CallsFailed("the calls make no sense")
REFUSED = CallsUnavailable("nobody is there")
SILENT = CallsUnavailable("no answer came", ordered=True)
UNAVAILABLE = (503, "callControllerUnavailable")
FAILED = (502, "callControllerFailed")


@dataclass
class Calls:
    """
    One call with one participant; what it says is what a test has it say.

    Attributes:
        says: to a removal: an outcome, or what is raised.
        stays: whether the participant is there afterwards, or what is raised.
        before: done before anybody is looked up; `first`: before a removal.
    """

    says: Outcome | Exception = Outcome.REMOVED
    stays: bool | Exception = True
    there: Participant | Exception | None = field(default_factory=lambda: Participant("p-1"))
    before: Callable[[], Awaitable[object]] | None = None
    first: Callable[[], Awaitable[object]] | None = None
    ordered: int = 0
    limits: list[int] = field(default_factory=list)
    name: str = "told"
    settles: bool = False

    async def calls(self, tenant: TenantId, *, after: str | None, limit: int) -> Page[Call]:
        del after, limit
        return Page((await self.call(tenant, "c-1"),), None, 1)

    async def call(self, tenant: TenantId, call: str) -> Call:
        if isinstance(self.there, Exception):
            raise self.there
        return Call(tenant, call)

    async def participants(
        self, tenant: TenantId, call: str, *, after: str | None, limit: int
    ) -> Page[Participant]:
        del after
        self.limits.append(limit)
        one = (await self.whereabouts(tenant, call, "p-1")).participant
        found = () if one is None else (one,)
        # Of which call it is, it does not say.
        return Page(found, None, len(found))

    async def whereabouts(self, tenant: TenantId, call: str, whom: str) -> Whereabouts:
        del whom
        of = await self.call(tenant, call)
        if self.before is not None:
            await self.before()
        if isinstance(self.there, Exception):
            raise self.there
        return Whereabouts(of, self.there)

    async def remove(self, removal: Removal) -> Outcome:
        del removal
        self.ordered += 1
        if self.first is not None:
            await self.first()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def stayed(self, removal: Removal) -> bool:
        del removal
        if isinstance(self.stays, Exception):
            raise self.stays
        return self.stays

    async def close(self) -> None:
        pass


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store.open(store_url) as store:
        a_grant(store)
        yield store


@pytest.fixture
def file_store(made_sqlite_url: str) -> Iterator[Store]:
    with Store.open(made_sqlite_url) as store:
        a_grant(store)
        yield store


@contextmanager
def serving(
    store: Store,
    calls: Calls,
    *,
    patience: float = 5.0,
    limit: int = 1000,
    tokens: Tokens | None = None,
    settings: dict[str, Any] | None = None,
    **options: Any,
) -> Iterator[Bot]:
    """A bot that may act, and the endpoint on *calls* behind the real server."""
    told = ServiceSettings(bind=Bind("127.0.0.1", 0), **(settings or {}))
    limits = Limit(limit, time.monotonic), Limit(limit, time.monotonic)
    threads = StoreThreads(store)
    endpoint = Participants(
        store,
        threads,
        Admission(tokens or KnownTokens(), 'Bearer realm=""', *limits),
        Lookups(calls, store, threads),
        a_remover(store, calls, patience, threads),
        public_url="https://calls.example.org",
        failed=lambda _: None,
        **options,
    )
    with behind_server(participants(endpoint), told) as layer:
        yield Bot(layer.port, "", store, "good")


def a_remover(
    store: Store, calls: Calls, patience: float = 5.0, threads: StoreThreads | None = None
) -> Remover:
    nothing = lambda _: None  # noqa: E731 - twice
    own = threads or StoreThreads(store)
    return Remover(calls, store, own, tally=nothing, failed=nothing, patience=patience)


def removal_of(store: Store, request_id: str) -> Removal:
    found = store.removals.find(request_id)
    assert isinstance(found, Removal)
    return found


# P14: nothing is claimed that is not known


CASES: list[tuple[Outcome | Exception, bool | Exception, tuple[int, str | None], Outcome]] = [
    (Outcome.ALREADY_GONE, True, (404, "participantNotFound"), Outcome.ALREADY_GONE),
    (REFUSED, SILENT, UNAVAILABLE, Outcome.FAILED),
    (SILENT, True, UNAVAILABLE, Outcome.FAILED),
    (SILENT, SILENT, UNAVAILABLE, Outcome.UNKNOWN),
    (SILENT, BROKEN, UNAVAILABLE, Outcome.UNKNOWN),
    (BROKEN, True, FAILED, Outcome.FAILED),
    (BROKEN, REFUSED, FAILED, Outcome.UNKNOWN),
    (ZeroDivisionError(), True, (500, "internal"), Outcome.UNKNOWN),
    (Outcome.REMOVED, True, (204, None), Outcome.REMOVED),
    (SILENT, False, (204, None), Outcome.REMOVED),
    (BROKEN, False, (204, None), Outcome.REMOVED),
]
"""What the controller says, whether they stay; what is answered, and what is on record."""


def test_p14_the_answer_and_the_record_are_what_is_known(store: Store) -> None:
    calls = Calls()
    with serving(store, calls) as bot:
        for case in CASES:
            calls.says, calls.stays, answer, outcome = case

            said = bot.asks("DELETE", PATH)

            assert said.short == answer, case
            assert ("retry-after" in said.headers) == (said.status == 503)
            kept = removal_of(store, said.request_id)
            assert (kept.outcome, kept.controller) == (outcome, "told"), case
            assert (kept.settled_at is None) == (outcome is Outcome.UNKNOWN)


def test_p14_who_cannot_be_looked_up_is_not_removed(file_store: Store) -> None:
    calls = Calls()
    roster = PATH.removesuffix("/p-1")
    asked = [("DELETE", PATH), ("GET", PATH), ("GET", roster), ("GET", CALL), ("GET", CALL[:-4])]
    with serving(file_store, calls) as bot:
        for fault, answer in ((REFUSED, UNAVAILABLE), (BROKEN, FAILED)):
            calls.there = fault
            for method, path in asked:
                said = bot.asks(method, path)
                assert said.short == answer
                assert ("retry-after" in said.headers) == (answer[0] == 503)
                assert file_store.removals.find(said.request_id) is None
    assert calls.ordered == 0


def test_p14_a_controller_that_is_silent_is_not_waited_for(file_store: Store) -> None:
    calls = Calls(first=asyncio.Event().wait, stays=SILENT)
    with serving(file_store, calls, patience=0.1) as bot:
        said = bot.asks("DELETE", PATH)

    assert said.short == UNAVAILABLE
    assert removal_of(file_store, said.request_id).outcome is Outcome.UNKNOWN


def test_p14_a_request_has_its_time(file_store: Store) -> None:
    with serving(file_store, Calls(before=asyncio.Event().wait), seconds=0.1) as bot:
        assert bot.asks("DELETE", PATH).short == UNAVAILABLE


# What was begun is done


def slowly() -> Callable[[], Awaitable[object]]:
    return lambda: asyncio.sleep(0.3)


def test_what_was_ordered_is_settled_though_nobody_waits_any_longer(store: Store) -> None:
    with serving(store, Calls(first=slowly()), seconds=0.2) as bot:
        said = bot.asks("DELETE", PATH)
        assert said.short == UNAVAILABLE
        until(lambda: removal_of(store, said.request_id).outcome is Outcome.REMOVED)


def test_who_goes_away_does_not_stop_what_was_ordered(store: Store) -> None:
    calls = Calls(first=slowly())
    with serving(store, calls) as bot:
        with socket.create_connection(("127.0.0.1", bot.port)) as connection:
            connection.sendall(request("DELETE", PATH, "Authorization: Bearer good"))
            until(lambda: calls.ordered == 1)
        until(lambda: len(store.removals.of(CONTOSO, limit=9)) == 1)
        until(lambda: store.removals.of(CONTOSO, limit=9)[0].outcome is Outcome.REMOVED)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_p13_of_two_at_once_one_has_done_it_though_the_controller_cannot_tell(
    store: Store,
) -> None:
    gate = threading.Barrier(2)

    async def together() -> None:
        await asyncio.to_thread(gate.wait)

    answers: list[Said] = []
    with serving(store, Calls(first=together)) as bot:
        threads = [
            threading.Thread(target=lambda: answers.append(bot.asks("DELETE", PATH)))
            for _ in range(2)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    gone = (404, "participantAlreadyRemoved")
    assert sorted(said.short for said in answers) == [(204, None), gone]
    kept = {removal_of(store, said.request_id).outcome for said in answers}
    assert kept == {Outcome.REMOVED, Outcome.ALREADY_GONE}


def test_p13_who_comes_back_can_be_removed_again(store: Store) -> None:
    with serving(store, Calls()) as bot:
        assert [bot.asks("DELETE", PATH).status for _ in range(2)] == [204, 204]


def test_p15_a_revoke_that_came_in_between_wins(store: Store) -> None:
    async def revoked() -> None:
        await asyncio.to_thread(revoke, store)

    calls = Calls(before=revoked)
    with serving(store, calls) as bot:
        said = bot.asks("DELETE", PATH)

    assert said.short == (403, "removeParticipantNotAllowed")
    assert calls.ordered == 0
    kept = store.removals.find(said.request_id)
    assert isinstance(kept, Refusal)
    assert (kept.why, kept.revision) == ("not_granted", store.head().revision)


def test_p12_one_who_has_not_answered_is_removed_where_that_is_set(file_store: Store) -> None:
    calls = Calls(there=Participant("p-1", answered=False))
    with serving(file_store, calls) as bot:
        assert bot.asks("DELETE", PATH).status == 409
    with serving(file_store, calls, cancels=True) as bot:
        assert bot.asks("DELETE", PATH).status == 204
    assert calls.ordered == 1


def test_p18_a_page_has_999_at_most(file_store: Store) -> None:
    calls = Calls()
    with serving(file_store, calls) as bot:
        for query in ("", "?$top=1", "?$top=999"):
            assert bot.gets(PATH.removesuffix("/p-1") + query).status == 200

    assert calls.limits == [999, 1, 999]


def test_a_page_that_does_not_say_its_call_has_it_looked_up(file_store: Store) -> None:
    with serving(file_store, Calls()) as bot:
        (one,) = bot.gets(PATH[:-4]).json["value"]

    assert one["id"] == "p-1"
    assert "rosterSequenceNumber" not in one


# What was left open


def test_p14_what_was_left_open_is_settled_by_who_is_there(store: Store) -> None:
    calls = Calls(SILENT, SILENT)
    settled: list[tuple[bool | Exception, Outcome]] = [
        (SILENT, Outcome.UNKNOWN),
        (True, Outcome.FAILED),
        (False, Outcome.REMOVED),
    ]
    with serving(store, calls) as bot:
        for stays, outcome in settled:
            calls.stays = SILENT
            said = bot.asks("DELETE", PATH)
            calls.stays = stays
            remover = a_remover(store, calls)

            # One that may be under way is left alone.
            asyncio.run(remover.settle_open())
            assert removal_of(store, said.request_id).outcome is Outcome.UNKNOWN
            asyncio.run(remover.settle_open(left=-60))
            assert removal_of(store, said.request_id).outcome is outcome


def test_another_controllers_removals_are_left_alone(file_store: Store) -> None:
    calls = Calls(SILENT, SILENT)
    with serving(file_store, calls) as bot:
        said = bot.asks("DELETE", PATH)

    asyncio.run(a_remover(file_store, Calls(stays=True, name="other")).settle_open(left=-60))

    assert removal_of(file_store, said.request_id).outcome is Outcome.UNKNOWN


# The store fails


def test_what_cannot_be_put_on_record_is_not_answered(file_store: Store) -> None:
    path = Path(file_store.url.removeprefix("sqlite:///"))
    other = connect(path, patience=1)
    calls = Calls()
    with serving(file_store, calls) as bot:
        other.execute("BEGIN IMMEDIATE")
        refused = bot.having("stranger").asks("GET", PATH)
        other.execute("ROLLBACK")
        other.close()

    assert refused.short == (503, "storeUnavailable")
    assert refused.headers["retry-after"] == "1"
    assert calls.ordered == 0


# P17: limits, and what the server itself says


def test_p17_an_app_that_asks_too_often_waits(file_store: Store) -> None:
    with serving(file_store, Calls(), limit=3) as bot:
        answers = [bot.gets(PATH) for _ in range(4)]
        # Another app's requests are its own, and so are bad tokens'.
        assert bot.having("stranger").gets(PATH).status == 403
        bad = [bot.having("bad").gets(PATH) for _ in range(4)]
        assert bot.gets(PATH).status == 429

    throttled = (429, "throttled")
    assert [said.short for said in answers] == [(200, None)] * 3 + [throttled]
    assert [said.short for said in bad] == [(401, "tokenInvalid")] * 3 + [throttled]
    for said in (answers[-1], bad[-1]):
        assert 1 <= int(said.headers["retry-after"]) <= 20
        assert said.code == "TooManyRequests"


def test_p17_good_tokens_pass_an_address_that_bad_ones_came_from(file_store: Store) -> None:
    with serving(file_store, Calls(), limit=3) as bot:
        assert bot.having("bad").gets(PATH).status == 401
        assert [bot.having(None).gets(PATH).status for _ in range(3)] == [401, 401, 429]
        assert bot.gets(PATH).status == 200


def test_a_users_tokens_count_as_their_apps(file_store: Store) -> None:
    with serving(file_store, Calls(), limit=2) as bot:
        answers = [bot.having("delegated").gets(PATH).status for _ in range(3)]

    assert answers == [403, 403, 429]


def test_p17_signing_keys_that_are_not_at_hand_are_told(file_store: Store) -> None:
    with serving(file_store, Calls()) as bot:
        said = bot.having("unverified").gets(PATH)

    assert said.short == (503, "signingKeysUnavailable")
    assert said.headers["retry-after"] == "7"


def test_p16_a_fault_of_ours_has_graphs_body_too(file_store: Store) -> None:
    with serving(file_store, Calls()) as bot:
        said = bot.having("broken").asks("DELETE", PATH)

    assert (said.short, said.code) == ((500, "internal"), "InternalServerError")
    assert said.json["error"]["innerError"]["request-id"] == said.request_id


def test_p16_what_the_server_refuses_has_graphs_body_too(file_store: Store) -> None:
    with serving(file_store, Calls()) as bot:
        large = bot.gets(PATH, f"X-Large: {'x' * 70_000}")
        nonsense = bot.asks("GET", f"{PATH} HTTP/1.1\r\nno header\r\nX:")

    assert (large.short, large.code) == ((431, "HeadersTooLarge"), "HeadersTooLarge")
    assert (nonsense.short, nonsense.code) == ((400, "requestNotUnderstood"), "BadRequest")
    for said in (large, nonsense):
        assert said.json["error"]["innerError"]["request-id"] == said.request_id
        assert said.headers["connection"] == "close"


@pytest.mark.parametrize("method", ["PURGE-ALL", "delete", "Delete"])
def test_p16_a_method_that_http_does_not_have_is_refused_in_graphs_form(
    file_store: Store, method: str
) -> None:
    with serving(file_store, Calls()) as bot:
        said = bot.asks(method, PATH)

    assert (said.short, said.code) == ((400, "requestNotUnderstood"), "BadRequest")
    assert said.json["error"]["innerError"]["request-id"] == said.request_id


def test_p16_a_path_in_bytes_that_no_url_has_is_refused_in_graphs_form(file_store: Store) -> None:
    with serving(file_store, Calls()) as bot:
        said = bot.asks("DELETE", f"{PATH}\xc3\xbc")

    assert (said.short, said.code) == ((400, "requestNotUnderstood"), "BadRequest")


def test_p16_too_many_connections_are_told_in_graphs_form(file_store: Store) -> None:
    with (
        serving(file_store, Calls(), settings={"max_connections": 1}) as bot,
        socket.create_connection(("127.0.0.1", bot.port)) as idle,
    ):
        idle.sendall(request("GET", PATH, "Authorization: Bearer good"))
        assert idle.recv(12) == b"HTTP/1.1 200"
        said = bot.gets(PATH)

    assert (said.short, said.code) == ((503, "serviceUnavailable"), "ServiceUnavailable")
    assert said.headers["retry-after"] == "1"


# Limits by themselves


def test_a_limit_fills_up_again_with_time() -> None:
    now = [0.0]
    limit = Limit(60, lambda: now[0])

    assert [limit.taken("a") for _ in range(61)] == [0] * 60 + [1]
    now[0] += 2.5
    assert [limit.taken("a") for _ in range(3)] == [0, 0, 1]
    assert limit.taken("b") == 0


def test_a_limit_says_how_long_to_wait() -> None:
    now = [0.0]
    limit = Limit(2, lambda: now[0])
    assert [limit.taken("a") for _ in range(3)] == [0, 0, 30]

    now[0] += 29.9
    assert limit.taken("a") == 1
    now[0] += 0.2
    assert limit.taken("a") == 0


def test_a_limit_remembers_those_who_asked_last() -> None:
    limit = Limit(1, lambda: 0.0)
    for who in range(50_001):
        limit.taken(who)

    assert limit.taken(0) == 0
    assert limit.taken(50_000) > 0
