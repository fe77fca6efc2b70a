"""
The asking side: it says what the store says, and takes nothing for an answer that is none.

Against the program itself, and against servers on bare sockets that do what they should not.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantcfg import (
    AppId,
    Deny,
    InvalidInput,
    NotAdmitted,
    Permit,
    Reason,
    RevisionNotReached,
    SettingInvalid,
    Store,
    TenantcfgError,
    TenantId,
    Unavailable,
)
from tenantcfg.client import AsyncClient, Client
from tests.cli.program import surroundings
from tests.service import certificates
from tests.service.misbehaving import PERMIT, Misbehaving, Talk, reply
from tests.service.stock import APP, CLOSED, CONTOSO, EMPTY, ENDED, FABRIKAM, OTHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tenantcfg.decision import Decision
    from tests.service.served import Service
    from tests.service.stock import Stock

AMPLE = 30.0
"""Seconds in which a server answers that does answer, however busy the machine."""
SHORT = 0.3
"""Seconds that a client waits for one that does not."""
KEY = "tcfg_" + "a" * 12 + "_" + "b" * 43


Pair = tuple[TenantId | str, AppId | str]


class Face:
    """One of the two clients, called alike."""

    def __init__(self, kind: type[Client | AsyncClient]) -> None:
        self._kind = kind

    def check(self, url: str, key: str | None = KEY, **more: Any) -> Decision:
        """One check by a client of its own."""
        settings = {"timeout": AMPLE, "attempts": 1} | {
            name: more.pop(name)
            for name in ("timeout", "attempts", "store_id", "tls")
            if name in more
        }
        asked = {"tenant": CONTOSO, "app": APP} | more
        decision: Decision = self._call(url, key, settings, "check", asked)
        return decision

    def check_many(self, url: str, key: str, pairs: Sequence[Pair]) -> list[Decision]:
        """Many at once, likewise."""
        asked = {"questions": pairs}
        decisions: list[Decision] = self._call(url, key, {"timeout": AMPLE}, "check_many", asked)
        return decisions

    def _call(
        self, url: str, key: str | None, settings: dict[str, Any], word: str, asked: dict[str, Any]
    ) -> Any:  # noqa: ANN401 - whatever the word gives
        if self._kind is Client:
            with Client(url, key, **settings) as client:
                return getattr(client, word)(**asked)

        async def ask() -> object:
            async with AsyncClient(url, key, **settings) as client:
                return await getattr(client, word)(**asked)

        return asyncio.run(ask())


@pytest.fixture(params=[Client, AsyncClient], ids=["sync", "async"])
def face(request: pytest.FixtureRequest) -> Face:
    """Either client."""
    return Face(request.param)


@pytest.fixture
def client(file_service: Service, file_stock: Stock) -> Iterator[Client]:
    """A client of the service, with a key that may ask about all tenants."""
    with Client(file_service.url, file_stock.check, timeout=AMPLE, attempts=1) as client:
        yield client


# --- The service itself ---------------------------------------------------------------------------


def test_a_permit_and_a_denial_are_those_of_the_store(
    face: Face, file_service: Service, file_stock: Stock
) -> None:
    ask = {"url": file_service.url, "key": file_stock.check}
    with Store.open(file_stock.url) as store:
        head = store.head().revision

    permit = face.check(**ask)
    denials = {
        (tenant, app): face.check(**ask, tenant=tenant, app=app)
        for tenant, app in [(CONTOSO, ENDED), (CLOSED, APP), (EMPTY, APP), ("nobody", "nothing")]
    }

    assert permit == Permit()
    assert permit.revision == head
    assert denials == {
        (CONTOSO, ENDED): Deny(Reason.GRANT_NOT_IN_FORCE),
        (CLOSED, APP): Deny(Reason.TENANT_DISABLED),
        (EMPTY, APP): Deny(Reason.NOT_GRANTED),
        ("nobody", "nothing"): Deny(Reason.NOT_GRANTED),
    }
    assert {one.revision for one in denials.values()} == {head}


TENANTS = [CONTOSO, FABRIKAM, CLOSED, EMPTY]
TEXTS = st.text(
    st.characters() | st.sampled_from('\ud800\udfff\0\n{}"\\'), max_size=140
)  # surrogates and all
TENANT = (
    st.sampled_from(
        [
            *TENANTS,
            *(one.value for one in TENANTS),
            CONTOSO.value.upper(),
            f"{{{CONTOSO}}}",
            "",
            None,
        ]
    )
    | TEXTS
)
APPLICATION = (
    st.sampled_from(
        [APP, OTHER, ENDED, APP.value.upper(), f" {OTHER}", "APP_ID", "x" * 129, "x" * 5000]
    )
    | TEXTS
)
ACTION = st.sampled_from(["remove_participant", "Remove_Participant", ""]) | TEXTS
ONCE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(tenant=TENANT, app=APPLICATION, action=st.just("remove_participant") | ACTION)
@ONCE
def test_it_says_what_the_store_says(
    client: Client, file_stock: Stock, tenant: TenantId | str | None, app: AppId | str, action: str
) -> None:
    with Store.open(file_stock.url) as store:
        said = store.check(tenant=tenant, app=app, action=action)

    got = client.check(tenant=tenant, app=app, action=action)

    assert (got, got.revision) == (said, said.revision)


@given(pairs=st.lists(st.tuples(TENANT, APPLICATION), max_size=30))
@settings(ONCE, max_examples=25)
def test_many_at_once_are_what_the_store_says(
    client: Client, file_stock: Stock, pairs: list[tuple[Any, Any]]
) -> None:
    with Store.open(file_stock.url) as store:
        said = store.check_many(pairs)

    assert client.check_many(pairs) == said


@pytest.mark.parametrize("pair", [(AppId("x"), APP), (CONTOSO, CONTOSO), (CONTOSO, 5), (5, APP)])
def test_what_is_no_id_is_denied_as_by_the_store(
    client: Client, file_stock: Stock, pair: tuple[Any, Any]
) -> None:
    tenant, app = pair
    with Store.open(file_stock.url) as store:
        assert client.check(tenant=tenant, app=app) == store.check(tenant=tenant, app=app)


def test_a_thousand_are_asked_at_once_and_no_more(client: Client) -> None:
    assert client.check_many([(CONTOSO, APP)] * 1_000) == [Permit()] * 1_000
    with pytest.raises(InvalidInput, match="ask at most 1000"):
        client.check_many([(CONTOSO, APP)] * 1_001)
    with pytest.raises(TypeError, match="pairs of tenant and app"):
        client.check_many([CONTOSO])  # type: ignore[list-item]
    assert client.check_many([]) == []


def test_call_and_participant_decide_nothing(client: Client) -> None:
    longest = "\ud800" + "é" * 10_000
    for app, expected in ((APP, Permit()), ("another", Deny(Reason.NOT_GRANTED))):
        assert (
            client.check(tenant=CONTOSO, app=app, call_id=longest, participant_id=longest)
            == expected
        )


def test_a_revision_that_is_there_is_answered_from(client: Client) -> None:
    head = client.check(tenant=CONTOSO, app=APP).revision
    assert head is not None

    assert client.check(tenant=CONTOSO, app=APP, at_least=head).revision == head
    assert client.check(tenant=CONTOSO, app=APP, at_least=-1) == Permit()
    for beyond in (head + 1, 10**30):
        with pytest.raises(RevisionNotReached, match="503 stale"):
            client.check(tenant=CONTOSO, app=APP, at_least=beyond)
    with pytest.raises(TypeError, match="at_least: Revision is wanted, not bool"):
        client.check(tenant=CONTOSO, app=APP, at_least=True)


def test_the_store_that_is_named_is_the_one_that_answers(
    face: Face, file_service: Service, file_stock: Stock
) -> None:
    ask = {"url": file_service.url, "key": file_stock.check}
    with Store.open(file_stock.url) as store:
        assert face.check(**ask, store_id=store.store_id) == Permit()
    with pytest.raises(RevisionNotReached, match="another store"):
        face.check(**ask, store_id="another")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, "does not know who asks: .*: 401 unauthenticated"),
        (KEY, "does not know who asks: .*: 401 unauthenticated"),
        ("ended", "401 unauthenticated"),
        ("revoked", "401 unauthenticated"),
        ("read", "that is no denial: .*: 403 forbidden"),
        ("limited", "that is no denial: .*: 403 forbidden"),
    ],
)
def test_a_key_that_may_not_ask_is_an_error_and_no_denial(
    face: Face,
    file_service: Service,
    file_stock: Stock,
    key: str | None,
    message: str,
) -> None:
    shown = getattr(file_stock, key, key) if key else None

    with pytest.raises(NotAdmitted, match=message) as refused:
        face.check(file_service.url, shown, tenant=FABRIKAM)

    assert shown is None or shown not in str(refused.value)
    assert not isinstance(refused.value, Unavailable)


def test_no_tenant_is_denied_to_a_limited_key_as_well(
    face: Face, file_service: Service, file_stock: Stock
) -> None:
    for tenant in (None, ""):
        denied = face.check(file_service.url, file_stock.limited, tenant=tenant)
        assert denied == Deny(Reason.TENANT_MISSING)


def test_one_that_may_not_be_asked_about_makes_all_of_them_an_error(
    face: Face, file_service: Service, file_stock: Stock
) -> None:
    pairs = [(CONTOSO, APP), (FABRIKAM, APP)]
    with pytest.raises(NotAdmitted, match="an item of the answer is an error: 403"):
        face.check_many(file_service.url, file_stock.limited, pairs)


def test_an_address_at_which_nothing_answers_checks_is_a_setting_to_correct(
    face: Face, file_service: Service, file_stock: Stock
) -> None:
    with pytest.raises(SettingInvalid, match="404 not_found.*: correct the url"):
        face.check(f"{file_service.url}/elsewhere", file_stock.check)


def test_a_question_is_found_in_the_log_by_its_request_id(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "tenantcfg.client")
    client.check(tenant=CONTOSO, app=APP, request_id="removal-4711")
    with pytest.raises(RevisionNotReached, match=r"\(request removal-4712\)"):
        client.check(tenant=CONTOSO, app=APP, at_least=10**9, request_id="removal-4712")
    with pytest.raises(InvalidInput, match="not a request id"):
        client.check(tenant=CONTOSO, app=APP, request_id="a b")

    first, second = caplog.messages
    assert "answered 200" in first
    assert first.endswith("request removal-4711")
    assert second.endswith("request removal-4712")


def test_many_threads_share_one_client(client: Client) -> None:
    apps = [APP, AppId("another")] * 40
    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda app: client.check(tenant=CONTOSO, app=app), apps))

    assert [bool(one) for one in said] == [True, False] * 40


def test_many_tasks_share_one_client(file_service: Service, file_stock: Stock) -> None:
    async def ask() -> list[Decision]:
        async with AsyncClient(file_service.url, file_stock.check, timeout=AMPLE) as client:
            apps = [APP, AppId("another")] * 20
            return await asyncio.gather(*(client.check(tenant=CONTOSO, app=app) for app in apps))

    assert [bool(one) for one in asyncio.run(ask())] == [True, False] * 20


FORKING = """
import os, sys
from tenantcfg.client import Client
client = Client(sys.argv[1], sys.argv[2], timeout=30)
ask = lambda: bool(client.check(tenant=sys.argv[3], app=sys.argv[4]))
assert ask()
child = os.fork()
if not child:
    os._exit(0 if ask() and ask() else 1)
assert ask()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert ask()
"""


def test_a_child_after_a_fork_asks_over_connections_of_its_own(
    file_service: Service, file_stock: Stock
) -> None:
    command = [sys.executable, "-c", FORKING, file_service.url, file_stock.check]
    ran = subprocess.run(
        [*command, CONTOSO.value, APP.value],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=surroundings(),
    )

    assert ran.returncode == 0, ran.stderr


# --- What is no answer ----------------------------------------------------------------------------

DEEP = b"[" * 100_000
JSON_TYPE = "Content-Type: application/json"
NO_ANSWERS: dict[str, bytes] = {
    # Of 200, in JSON, but no decision.
    "the text true": reply(b'{"decision":"true"}'),
    "the text false": reply(b'{"decision":"false"}'),
    "a number": reply(b'{"decision":1}'),
    "zero": reply(b'{"decision":0}'),
    "null": reply(b'{"decision":null}'),
    "an array": reply(b'{"decision":[true]}'),
    "no member": reply(b"{}"),
    "another case": reply(b'{"Decision":true}'),
    "a batch": reply(b'{"evaluations":[{"decision":true}]}'),
    "true alone": reply(b"true"),
    "in an array": reply(b'[{"decision":true}]'),
    "a permit with a condition": reply(b'{"decision":true,"context":{"until":"noon"}}'),
    "a denial that is an error": reply(
        b'{"decision":false,"context":{"error":{"status":500,"message":"oh"}}}'
    ),
    "a permit that is an error": reply(b'{"decision":true,"context":{"error":{}}}'),
    # Of 200, but not JSON, or not to be read in one way only.
    "twice": reply(b'{"decision":false,"decision":true}'),
    "twice, escaped": reply(b'{"decision":false,"decisio\\u006e":true}'),
    "twice, below": reply(b'{"decision":true,"x":{"a":1,"a":2}}'),
    "empty": reply(b""),
    "cut": reply(b'{"decision":true'),
    "cut, by the end": f"HTTP/1.1 200 OK\r\n{JSON_TYPE}\r\n\r\n".encode() + PERMIT[:-1],
    "two objects": reply(PERMIT + PERMIT),
    "a comma too many": reply(b'{"decision":true,}'),
    "not a number": reply(b'{"decision":true,"x":NaN}'),
    "a large number": reply(b'{"decision":true,"x":' + b"9" * 5000 + b"}"),
    "a byte order mark": reply(b"\xef\xbb\xbf" + PERMIT),
    "UTF-16": reply(PERMIT.decode().encode("utf-16")),
    "no UTF-8": reply(b'{"decision":true,"x":"\xff"}'),
    "deep": reply(b'{"decision":true,"x":' + DEEP + b"}"),
    "over a mebibyte": reply(b" " * 2**20 + PERMIT),
    # Of somebody else.
    "a page": reply(b"<html>Welcome! Please log in.</html>", kind="text/html"),
    "a permit as a page": reply(kind="text/html"),
    "no type": reply(kind=None),
    "two types": reply(PERMIT, "Content-Type: text/html"),
    "another type of JSON": reply(kind="application/problem+json"),
    "compressed": reply(PERMIT, "Content-Encoding: gzip"),
    "out of a cache": reply(PERMIT, "Age: 0"),
    "to another question": reply(PERMIT, "X-Request-ID: another"),
    "a revision of letters": reply(PERMIT, "Tenantcfg-Revision: new"),
    "two revisions": reply(PERMIT, "Tenantcfg-Revision: 5", "Tenantcfg-Revision: 6"),
    # Of another status.
    **{
        f"a permit with {status}": reply(status=f"{status} Whatever")
        for status in (201, 202, 203, 206, 226, 300, 402, 409, 410, 418, 429, 451, 500, 501, 505)
    },
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "other protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + PERMIT,
    "a status of four digits": reply(status="2000 OK"),
    "a status of zeros": reply(status="000 OK"),
    # Not HTTP.
    "garbage": b"\x16\x03\x01\x02\x00" * 20 + b"\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.9\r\n",
    "only a body": PERMIT,
    "two lengths": reply(PERMIT, "Content-Length: 1", "Content-Length: 17"),
    "a header of a mebibyte": reply(PERMIT, "X: " + "x" * 2**20),
}
CUT_SHORT: dict[str, bytes] = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 2",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Type: applic",
    "a body shorter than it says": reply(PERMIT, length=100),
    "chunks without an end": reply(b"11\r\n" + PERMIT + b"\r\n", "Transfer-Encoding: chunked"),
    "a chunk that is cut": reply(b"20\r\n" + PERMIT, "Transfer-Encoding: chunked"),
    "chunks of letters": reply(b"zz\r\n" + PERMIT, "Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("what", NO_ANSWERS)
def test_what_is_no_answer_is_neither_permit_nor_denial(face: Face, what: str) -> None:
    def answer(talk: Talk) -> None:
        talk.say(NO_ANSWERS[what])
        talk.close()

    with Misbehaving(answer) as server, pytest.raises(Unavailable) as why:
        face.check(server.url)

    assert type(why.value) is Unavailable
    assert KEY not in str(why.value)


@pytest.mark.parametrize("what", CUT_SHORT)
def test_what_is_cut_is_no_answer(face: Face, what: str) -> None:
    def answer(talk: Talk) -> None:
        talk.say(CUT_SHORT[what])
        talk.close()

    with Misbehaving(answer) as server, pytest.raises(Unavailable, match="cannot be reached"):
        face.check(server.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(face: Face, status: int) -> None:
    with Misbehaving(reply()) as elsewhere:
        answer = reply(PERMIT, f"Location: {elsewhere.url}/", status=f"{status} Moved")
        with Misbehaving(answer) as server, pytest.raises(Unavailable, match=str(status)):
            face.check(server.url)

    assert elsewhere.requests == []


def hanging(talk: Talk) -> None:
    talk.hang()


def dripping_head(talk: Talk) -> None:
    talk.drip(reply(PERMIT, "X: " + "x" * 10_000), SHORT / 10)


def dripping_body(talk: Talk) -> None:
    talk.say(reply(b"", length=10_000))
    talk.drip(b" " * 9_983 + PERMIT, SHORT / 10)


def endless_hints(talk: Talk) -> None:
    talk.drip(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000, 0.001)


SLOW = [hanging, dripping_head, dripping_body, endless_hints]


@pytest.mark.parametrize("answer", SLOW, ids=lambda one: one.__name__)
def test_the_deadline_is_that_of_the_whole_call(face: Face, answer: Callable[[Talk], None]) -> None:
    with Misbehaving(answer) as server:
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"did not answer in time: .*: 0\.3 s have passed"):
            face.check(server.url, timeout=SHORT, attempts=3)
        took = time.monotonic() - began

    assert SHORT * 0.9 < took < SHORT + 5


def test_a_server_that_accepts_nothing_is_waited_for_no_longer(face: Face) -> None:
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = place.getsockname()[1]
        # Those who wait for their turn fill the queue; the client's first packet is dropped.
        for _ in range(4):
            one = stack.enter_context(socket.socket())
            one.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", port))
        began = time.monotonic()
        with pytest.raises(Unavailable):
            face.check(f"http://127.0.0.1:{port}", timeout=SHORT)

    assert time.monotonic() - began < SHORT + 5


def test_an_answer_that_is_found_too_late_is_none() -> None:
    async def ask() -> Decision:
        arrived, blocked, answered = (threading.Event() for _ in range(3))

        def answer(talk: Talk) -> None:
            arrived.set()
            blocked.wait(AMPLE)
            talk.say(reply())
            answered.set()

        with Misbehaving(answer) as server:
            async with AsyncClient(server.url, KEY, timeout=SHORT) as client:
                began = time.monotonic()
                check = asyncio.create_task(client.check(tenant=CONTOSO, app=APP))
                await asyncio.to_thread(arrived.wait, AMPLE)
                # What else this loop has to do takes longer than the permit is good for.
                blocked.set()
                answered.wait(AMPLE)
                over = began + SHORT + 0.05 - time.monotonic()
                time.sleep(max(over, 0.0))  # noqa: ASYNC251 - just that
                return await check

    with pytest.raises(Unavailable, match="did not answer in time"):
        asyncio.run(ask())


def test_a_thread_that_was_held_up_finds_its_answer_too_late() -> None:
    held, answered = threading.Event(), threading.Event()

    def hold_up(*_: object) -> None:
        held.set()
        answered.wait(AMPLE)
        time.sleep(SHORT + 0.05)

    def answer(talk: Talk) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        held.wait(AMPLE)
        talk.say(reply())
        answered.set()

    before = signal.signal(signal.SIGUSR1, hold_up)
    try:
        with (
            Misbehaving(answer) as server,
            Client(server.url, KEY, timeout=SHORT) as client,
            pytest.raises(Unavailable, match="did not answer in time"),
        ):
            client.check(tenant=CONTOSO, app=APP)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_nobody_listens(face: Face) -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]

    with pytest.raises(Unavailable, match="cannot be reached"):
        face.check(f"http://127.0.0.1:{port}")
    with pytest.raises(Unavailable, match="cannot be reached"):
        face.check("http://nowhere.invalid")
    with pytest.raises(Unavailable, match="cannot be reached"):
        face.check("unix:/nowhere/to/be/found.sock")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InvalidInput), (413, InvalidInput), (405, SettingInvalid), (404, SettingInvalid)],
)
def test_a_refused_question_is_an_error_of_its_own(
    face: Face, status: int, kind: type[TenantcfgError]
) -> None:
    body = b'{"error":"some_code","message":"a sentence\\u001b[2J","decision":true}'
    told = rf"{status} some_code, a sentence\\x1b\[2J: "
    with (
        Misbehaving(reply(body, status=f"{status} No")) as server,
        pytest.raises(kind, match=told) as why,
    ):
        face.check(server.url)

    assert type(why.value) is kind


# --- Reasons, revisions, batches ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"decision":false}', Reason.NOT_GRANTED),
        (b'{"decision":false,"context":null}', Reason.NOT_GRANTED),
        (b'{"decision":false,"context":[]}', Reason.NOT_GRANTED),
        (b'{"decision":false,"context":{"reason":"not yet invented"}}', Reason.NOT_GRANTED),
        (b'{"decision":false,"context":{"reason":{}}}', Reason.NOT_GRANTED),
        (b'{"decision":false,"context":{"reason":"tenant_disabled"}}', Reason.TENANT_DISABLED),
    ],
)
def test_a_denial_stands_whatever_its_reason(face: Face, body: bytes, reason: Reason) -> None:
    with Misbehaving(reply(body)) as server:
        assert face.check(server.url) == Deny(reason)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ((), "it does not say where it is"),
        (("Tenantcfg-Revision: 6",), "it is at 6"),
        (("Tenantcfg-Revision: 7",), None),
        (("Tenantcfg-Revision: 007",), None),
    ],
)
@pytest.mark.parametrize("body", [PERMIT, b'{"decision":false}'])
def test_an_answer_below_the_promised_revision_is_refused(
    face: Face, headers: tuple[str, ...], message: str | None, body: bytes
) -> None:
    with Misbehaving(reply(body, *headers)) as server:
        if message is None:
            assert bool(face.check(server.url, at_least=7)) is (body == PERMIT)
        else:
            with pytest.raises(RevisionNotReached, match=message):
                face.check(server.url, at_least=7)

    assert b"tenantcfg-min-revision: 7\r\n" in server.requests[0].lower()


@pytest.mark.parametrize("headers", [(), ("Tenantcfg-Store: other",)])
def test_an_answer_of_another_store_is_refused(face: Face, headers: tuple[str, ...]) -> None:
    with (
        Misbehaving(reply(PERMIT, *headers)) as server,
        pytest.raises(RevisionNotReached, match="'ours' was named"),
    ):
        face.check(server.url, store_id="ours")


@pytest.mark.parametrize(
    "body",
    [
        PERMIT,
        b'{"evaluations":[]}',
        b'{"evaluations":[{"decision":true}]}',
        b'{"evaluations":[{"decision":true},{"decision":true},{"decision":true}]}',
        b'{"evaluations":[{"decision":true},{"decision":"false"}]}',
        b'{"evaluations":[{"decision":true},true]}',
        b'{"evaluations":[{"decision":true},{"decision":false,"context":{"error":null}}]}',
        b'{"evaluations":{"0":{"decision":true},"1":{"decision":true}}}',
        b'{"evaluations":"[]"}',
    ],
)
def test_a_batch_is_answered_whole_or_not_at_all(face: Face, body: bytes) -> None:
    with Misbehaving(reply(body)) as server, pytest.raises(Unavailable):
        face.check_many(server.url, KEY, [(CONTOSO, APP), (FABRIKAM, APP)])


# --- Asking again ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_answer_that_may_come_soon_is_asked_for_again(face: Face, status: int) -> None:
    with Misbehaving([reply(status=f"{status} Wait"), reply()]) as server:
        assert face.check(server.url, attempts=2) == Permit()

    assert len(server.requests) == 2
    ids = {
        line
        for one in server.requests
        for line in one.split(b"\r\n")
        if b"request-id" in line.lower()
    }
    assert len(ids) == 1


@pytest.mark.parametrize("attempts", [1, 4])
def test_attempts_are_counted(face: Face, attempts: int) -> None:
    with Misbehaving(reply(status="503 Busy")) as server, pytest.raises(Unavailable, match="503"):
        face.check(server.url, attempts=attempts)

    assert len(server.requests) == attempts


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 418, 429, 500, 501])
def test_nothing_else_is_asked_for_again(face: Face, status: int) -> None:
    with Misbehaving(reply(b"{}", status=f"{status} No")) as server, pytest.raises(TenantcfgError):
        face.check(server.url, attempts=5)

    assert len(server.requests) == 1


@pytest.mark.parametrize("after", ["60", "Wed, 21 Oct 2026 07:28:00 GMT", "soon"])
def test_who_is_to_be_asked_too_late_is_not_waited_for(face: Face, after: str) -> None:
    with Misbehaving(reply(b"", f"Retry-After: {after}", status="503 Busy")) as server:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="503"):
            face.check(server.url, attempts=5)

    assert time.monotonic() - began < AMPLE / 2
    assert len(server.requests) == 1


def test_who_says_when_to_come_back_is_heard(face: Face) -> None:
    answers = [reply(b"", "Retry-After: 1", status="503 Busy"), reply()]
    with Misbehaving(answers) as server:
        began = time.monotonic()
        assert face.check(server.url, attempts=2) == Permit()

    assert time.monotonic() - began >= 1


def test_a_service_that_comes_up_meanwhile_is_reached(face: Face) -> None:
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]

        def answer() -> None:
            place.listen()
            connection, _ = place.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(reply(PERMIT, "Connection: close"))

        rising = threading.Timer(0.1, answer)
        rising.start()
        assert face.check(f"http://127.0.0.1:{port}", attempts=10) == Permit()
        rising.join()


# --- Connections ----------------------------------------------------------------------------------


def test_a_connection_is_used_again() -> None:
    with Misbehaving(reply()) as server, Client(server.url, KEY, timeout=AMPLE) as client:
        assert [client.check(tenant=CONTOSO, app=APP) for _ in range(5)] == [Permit()] * 5

    assert server.connections == 1


def test_a_kept_connection_that_is_dead_is_replaced_within_one_attempt() -> None:
    def answer(talk: Talk) -> None:
        if talk.number == 2:
            talk.close()
        else:
            talk.say(reply())

    with (
        Misbehaving(answer) as server,
        Client(server.url, KEY, timeout=AMPLE, attempts=1) as client,
    ):
        assert client.check(tenant=CONTOSO, app=APP) == Permit()
        assert client.check(tenant=CONTOSO, app=APP) == Permit()

    assert (server.connections, len(server.requests)) == (2, 3)


def test_a_kept_connection_that_dies_within_an_answer_is_not() -> None:
    def answer(talk: Talk) -> None:
        if talk.number == 2:
            talk.say(reply()[:-1])
            talk.close()
        else:
            talk.say(reply())

    with (
        Misbehaving(answer) as server,
        Client(server.url, KEY, timeout=AMPLE, attempts=1) as client,
    ):
        assert client.check(tenant=CONTOSO, app=APP) == Permit()
        with pytest.raises(Unavailable, match="cannot be reached"):
            client.check(tenant=CONTOSO, app=APP)

    assert (server.connections, len(server.requests)) == (1, 2)


def test_a_new_connection_that_dies_is_not() -> None:
    with Misbehaving(lambda talk: talk.close()) as server, pytest.raises(Unavailable):
        Face(Client).check(server.url, attempts=5)

    assert len(server.requests) == 1


def test_what_comes_behind_an_answer_is_not_taken_for_the_next() -> None:
    twice = reply(b'{"decision":false}') + reply(PERMIT, "X-Request-ID: of-another")
    with Misbehaving(twice) as server, Client(server.url, KEY, timeout=AMPLE) as client:
        assert client.check(tenant=CONTOSO, app=APP) == Deny(Reason.NOT_GRANTED)
        with contextlib.suppress(Unavailable):
            assert not client.check(tenant=CONTOSO, app=APP)


def test_an_event_loop_has_connections_of_its_own() -> None:
    with Misbehaving(reply(PERMIT, "Connection: close")) as server:
        client = AsyncClient(server.url, KEY, timeout=AMPLE)

        async def ask() -> Decision:
            return await client.check(tenant=CONTOSO, app=APP)

        assert [asyncio.run(ask()) for _ in range(2)] == [Permit()] * 2


def test_nothing_of_the_surroundings_is_used(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    with Misbehaving(reply()) as proxy, Misbehaving(reply(PERMIT, "Set-Cookie: a=b")) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        (Path(os.environ["HOME"]) / ".netrc").write_text("machine localhost login a password b\n")
        assert face.check(server.url) == Permit()

    assert proxy.requests == []
    assert f"authorization: bearer {KEY}".encode() in server.requests[0].lower()


def test_a_question_is_what_the_standard_says() -> None:
    with Misbehaving(reply()) as server, Client(f"{server.url}/t1/", KEY, timeout=AMPLE) as client:
        client.check(tenant="T", app="A", call_id="c-1", participant_id="p-1", request_id="r-1")

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    named = dict(one.lower().split(": ", 1) for one in headers)
    assert line == "POST /t1/access/v1/evaluation HTTP/1.1"
    assert named["content-type"] == "application/json"
    assert named["x-request-id"] == "r-1"
    assert "tenantcfg-min-revision" not in named
    assert json.loads(body) == {
        "subject": {"type": "application", "id": "A"},
        "action": {
            "name": "remove_participant",
            "properties": {"call_id": "c-1", "participant_id": "p-1"},
        },
        "resource": {"type": "tenant", "id": "T"},
    }


def test_a_unix_socket_is_asked(face: Face) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Misbehaving(reply(), path=f"{folder}/check.sock") as server,
    ):
        assert face.check(server.url) == Permit()


def test_only_a_service_with_a_trusted_certificate_is_asked(face: Face, tmp_path: Path) -> None:
    serving, trusting = tls_of(tmp_path)
    with Misbehaving(reply(), tls=serving) as server:
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            face.check(server.url)
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            face.check(server.url.replace("localhost", "127.0.0.1"), tls=trusting)
        assert face.check(server.url, tls=trusting) == Permit()

    assert len(server.requests) == 1


def tls_of(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for localhost, and one that trusts it."""
    files = certificates.made(folder, by_address=False)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(files.chain, files.key)
    return serving, ssl.create_default_context(cafile=str(files.authority))


# --- Being made, and closed -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"url": "check.example.com"}, "not a url for a client: 'check.example.com'"),
        ({"url": "ftp://check.example.com"}, "https://HOST or unix:/path is wanted"),
        ({"url": "https://"}, "is wanted"),
        ({"url": "https://a b"}, "is wanted"),
        ({"url": "https://h:port"}, "it is no URL"),
        ({"url": "https://me:pw@check.example.com"}, "'check.example.com': user, query"),
        ({"url": "https://check.example.com/?a=b"}, "user, query"),
        ({"url": "https://check.example.com/a#b"}, "user, query"),
        ({"url": "https://check.example.com/%2e"}, "escapes stand in it"),
        ({"url": "https://check.example.com/a\r\nb"}, "for a client"),
        ({"url": "unix:relative"}, "unix:/path is wanted"),
        ({"key": ""}, "the key is no service key"),
        ({"key": KEY[:-1]}, "it may be cut"),
        ({"key": KEY + "\n"}, "no service key"),
        ({"timeout": 0}, "not a timeout for a client: '0': above 0, at most 60 s"),
        ({"timeout": 61}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"attempts": 0}, "not a number of attempts for a client: '0': 1 to 10"),
        ({"attempts": 11}, "attempts"),
        ({"attempts": 1.5}, "attempts"),
        ({"attempts": True}, "attempts"),
        ({"store_id": ""}, "not a store_id"),
        ({"store_id": "a\nb"}, "not a store_id"),
    ],
)
def test_a_client_that_cannot_ask_is_not_made(
    kind: type[Client | AsyncClient], given: dict[str, Any], message: str
) -> None:
    whole = {"url": "https://check.example.com", "key": KEY} | given
    with pytest.raises(SettingInvalid, match=message) as why:
        kind(**whole)

    assert KEY[:-1] not in str(why.value)
    assert "pw" not in str(why.value)


def test_a_client_shows_no_key() -> None:
    with Client("http://check.example.com/t1/", KEY) as client:
        assert repr(client) == "Client('http://check.example.com/t1')"
        assert KEY not in str(vars(client))
    assert repr(AsyncClient("unix:/run/check.sock", KEY)) == "AsyncClient('unix:/run/check.sock')"


def test_a_closed_client_does_not_answer() -> None:
    with Misbehaving(reply()) as server:
        client = Client(server.url, KEY, timeout=AMPLE)
        assert client.check(tenant=CONTOSO, app=APP)
        client.close()
        client.close()
        with pytest.raises(Unavailable, match="the client is closed"):
            client.check(tenant=CONTOSO, app=APP)

        async def ask() -> None:
            again = AsyncClient(server.url, KEY)
            await again.close()
            await again.check(tenant=CONTOSO, app=APP)

        with pytest.raises(Unavailable, match="the client is closed"):
            asyncio.run(ask())


def test_who_waits_while_a_client_is_closed_has_no_answer() -> None:
    arrived = threading.Event()

    def answer(talk: Talk) -> None:
        arrived.set()
        talk.hang()

    with Misbehaving(answer) as server, ThreadPoolExecutor(1) as threads:
        client = Client(server.url, KEY, timeout=AMPLE)
        waiting = threads.submit(client.check, tenant=CONTOSO, app=APP)
        arrived.wait(AMPLE)
        client.close()
        with pytest.raises(Unavailable, match="the client is closed"):
            waiting.result(AMPLE)


def test_a_client_that_is_dropped_leaves_no_thread() -> None:
    def threads() -> list[threading.Thread]:
        return [one for one in threading.enumerate() if one.name == "tenantcfg-client"]

    before = threads()
    with Misbehaving(reply()) as server:
        client = Client(server.url, KEY, timeout=AMPLE)
        client.check(tenant=CONTOSO, app=APP)
        assert len(threads()) == len(before) + 1
        del client
        gc.collect()

    assert threads() == before
