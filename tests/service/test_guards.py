"""
Guards of a service's own deletions: nothing goes on without a permit.

Applications are called as ASGI and WSGI have it; those of examples/ run in servers of their own.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import logging
import threading
from contextlib import contextmanager
from dataclasses import FrozenInstanceError, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from werkzeug.serving import make_server

from tenantcfg.client import ASGIGuard as OverASGI
from tenantcfg.client import AsyncClient, Client, Refusal, Removal, guard
from tenantcfg.client import WSGIGuard as OverWSGI
from tenantcfg.service.settings import Bind
from tenantcfg.service.sockets import listening
from tests.service.misbehaving import PERMIT, Misbehaving, Talk, reply
from tests.service.stock import APP, CLOSED, CONTOSO, EMPTY, FABRIKAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from tests.service.served import Service
    from tests.service.stock import Stock

AMPLE = 30.0
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KEY = "tcfg_" + "a" * 12 + "_" + "b" * 43
APP_MAY = Removal(CONTOSO.value, APP.value, call_id="c-1", participant_id="p-1")


@dataclass(slots=True)
class Came:
    """What a guarded application has been called with, and what was answered."""

    methods: list[str] = field(default_factory=list)
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def over_asgi(
    url: str,
    key: str,
    removal: Any,  # noqa: ANN401 - also what it should not be
    method: str = "DELETE",
    headers: tuple[tuple[str, str], ...] = (),
) -> Came:
    """A request to a guarded ASGI application."""
    came = Came()

    async def app(scope: Any, _: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has it
        came.methods.append(scope["method"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:  # noqa: ANN401 - as ASGI has it
        if message["type"] == "http.response.start":
            came.status = message["status"]
            came.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            came.body += message["body"]

    async def ask() -> None:
        sent = [(name.lower().encode(), value.encode()) for name, value in headers]
        scope = {"type": "http", "method": method, "path": "/", "headers": sent}
        async with AsyncClient(url, key, timeout=AMPLE, attempts=1) as client:
            await OverASGI(app, client, removal)(scope, receive, send)

    asyncio.run(ask())
    return came


def over_wsgi(
    url: str,
    key: str,
    removal: Any,  # noqa: ANN401 - also what it should not be
    method: str = "DELETE",
    headers: tuple[tuple[str, str], ...] = (),
) -> Came:
    """A request to a guarded WSGI application."""
    came = Came()

    def app(environ: Any, start_response: Any) -> list[bytes]:  # noqa: ANN401 - as WSGI has it
        came.methods.append(environ["REQUEST_METHOD"])
        start_response("204 No Content", [])
        return [b""]

    def start_response(status: str, given: list[tuple[str, str]]) -> None:
        came.status = int(status[:3])
        came.headers = {name.lower(): value for name, value in given}

    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}
    environ["REQUEST_METHOD"] = method
    with Client(url, key, timeout=AMPLE, attempts=1) as client:
        came.body = b"".join(OverWSGI(app, client, removal)(environ, start_response))
    return came


Door = Any
DOORS = pytest.mark.parametrize("door", [over_asgi, over_wsgi], ids=["asgi", "wsgi"])


# --- Middlewares ----------------------------------------------------------------------------------


@DOORS
def test_a_permitted_deletion_goes_on_once(
    door: Door, file_service: Service, file_stock: Stock
) -> None:
    came = door(file_service.url, file_stock.check, lambda _: APP_MAY)

    assert (came.status, came.methods) == (204, ["DELETE"])


@DOORS
@pytest.mark.parametrize(
    ("tenant", "reason"),
    [(EMPTY.value, "not_granted"), (CLOSED.value, "tenant_disabled"), ("", "tenant_missing")],
)
def test_a_denied_one_is_answered_alike_and_the_log_has_the_reason_f10(
    door: Door,
    file_service: Service,
    file_stock: Stock,
    caplog: pytest.LogCaptureFixture,
    *,
    tenant: str,
    reason: str,
) -> None:
    caplog.set_level(logging.INFO, logger="tenantcfg.client")

    came = door(file_service.url, file_stock.check, lambda _: Removal(tenant, APP.value))

    assert came.methods == []
    assert came.status == 403
    assert json.loads(came.body) == {"error": "not_granted"}
    assert caplog.messages == [f"a removal was denied: {reason}"]
    assert came.headers == {
        "content-type": "application/json",
        "content-length": str(len(came.body)),
        "cache-control": "no-store",
    }


@DOORS
def test_who_is_not_known_is_not_asked_about(door: Door) -> None:
    with Misbehaving(reply()) as server:
        came = door(server.url, KEY, lambda _: None)

    assert (came.status, came.methods, server.requests) == (401, [], [])
    assert came.headers["www-authenticate"] == "Bearer"
    assert json.loads(came.body) == {"error": "unauthenticated"}


@DOORS
@pytest.mark.parametrize(
    "answer",
    [
        reply(status="503 Busy"),
        reply(b'{"decision":"true"}'),
        reply(status="401 Who?"),
        reply(status="403 No"),
        reply(status="404 Where?"),
        reply(status="400 What?"),
        reply(kind="text/html"),
        b"",
    ],
)
def test_where_the_check_cannot_tell_nothing_goes_on(
    door: Door, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def answers(talk: Talk) -> None:
        talk.say(answer)
        talk.close()

    with Misbehaving(answers) as server:
        came = door(server.url, KEY, lambda _: APP_MAY)

    assert (came.status, came.methods) == (503, [])
    assert came.headers["retry-after"] == "1"
    assert json.loads(came.body) == {"error": "unavailable"}
    (record,) = caplog.records
    assert record.getMessage().startswith("a removal was refused: ")
    by_itself = answer in {b"", reply(status="503 Busy")} or answer.startswith(b"HTTP/1.1 200")
    assert record.levelno == (logging.WARNING if by_itself else logging.ERROR)
    assert KEY not in caplog.text


@DOORS
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS"])
def test_what_does_not_delete_passes_unasked(door: Door, method: str) -> None:
    came = door("http://127.0.0.1:1", KEY, lambda _: None, method)

    assert (came.status, came.methods) == (204, [method])


@DOORS
@pytest.mark.parametrize("method", ["delete", "Delete", "MOVE", "TRACE", "BREW", "get", "DELETE "])
def test_any_other_method_asks(door: Door, method: str) -> None:
    with Misbehaving(reply(b'{"decision":false}')) as server:
        came = door(server.url, KEY, lambda _: APP_MAY, method)

    assert (came.status, came.methods, len(server.requests)) == (403, [], 1)


@DOORS
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "name",
    [
        "X-HTTP-Method-Override",
        "x_http_method_override",
        "X.HTTP.Method.Override",
        "X-HTTP-Method",
        "X-Method-Override",
    ],
)
def test_a_header_that_makes_a_deletion_of_another_method_asks(
    door: Door, method: str, name: str
) -> None:
    with Misbehaving(reply(b'{"decision":false}')) as server:
        came = door(server.url, KEY, lambda _: APP_MAY, method, ((name, "DELETE"),))

    assert (came.status, came.methods) == (403, [])
    assert (came.body == b"") is (method == "HEAD")


@DOORS
@pytest.mark.parametrize("told", [True, "contoso", {"tenant": "x"}, (CONTOSO, APP)])
def test_who_tells_something_else_is_wrong_and_nothing_goes_on(door: Door, told: object) -> None:
    with Misbehaving(reply()) as server:
        with pytest.raises(TypeError, match="Removal or None is wanted, not"):
            door(server.url, KEY, lambda _: told)
        with pytest.raises(ZeroDivisionError):
            door(server.url, KEY, lambda _: 1 // 0)

    assert server.requests == []


@DOORS
def test_the_question_names_call_participant_and_request(door: Door) -> None:
    with Misbehaving(reply()) as server:
        door(server.url, KEY, lambda _: APP_MAY, headers=(("X-Request-ID", "r-1"),))
        door(server.url, KEY, lambda _: APP_MAY, headers=(("X-Request-ID", "no id"),))
        door(
            server.url,
            KEY,
            lambda _: Removal("t", "a", request_id="own"),
            headers=(("X-Request-ID", "r-1"),),
        )

    first, second, third = (one.decode() for one in server.requests)
    assert '"call_id":"c-1","participant_id":"p-1"' in first
    assert "x-request-id: r-1\r\n" in first.lower()
    assert "no id" not in second
    assert "x-request-id: own\r\n" in third.lower()


def test_who_wants_to_may_be_found_out_in_a_coroutine(
    file_service: Service, file_stock: Stock
) -> None:
    async def removal(_: object) -> Removal | None:
        await asyncio.sleep(0)
        return APP_MAY

    assert over_asgi(file_service.url, file_stock.check, removal).methods == ["DELETE"]


def test_only_http_is_guarded() -> None:
    came: list[str] = []

    async def app(scope: Any, _: Any, __: Any) -> None:  # noqa: ANN401 - as ASGI has it
        came.append(scope["type"])

    async def nothing(*_: object) -> Any:  # noqa: ANN401 - as ASGI has it
        raise AssertionError

    guarded = OverASGI(app, AsyncClient("http://127.0.0.1:1", KEY), lambda _: None)
    for kind in ("lifespan", "websocket"):
        asyncio.run(guarded({"type": kind}, nothing, nothing))

    assert came == ["lifespan", "websocket"]


def test_a_guard_is_what_it_was_made() -> None:
    with Client("http://127.0.0.1:1", KEY) as client:
        guarded = OverWSGI(lambda *_: [], client, lambda _: None)
        with pytest.raises(FrozenInstanceError):
            guarded.client = client  # type: ignore[misc]
        with pytest.raises(TypeError, match="AsyncClient is wanted here, not Client"):
            OverASGI(None, client, lambda _: None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Client is wanted here, not AsyncClient"):
        OverWSGI(None, AsyncClient("http://h"), lambda _: None)  # type: ignore[arg-type]


# --- The decorator --------------------------------------------------------------------------------


def removal_of(tenant: str, participant: str) -> Removal | None:
    return Removal(tenant, APP.value, participant_id=participant) if tenant else None


def test_a_function_runs_only_after_a_permit(file_service: Service, file_stock: Stock) -> None:
    removed: list[str] = []
    with Client(file_service.url, file_stock.check, timeout=AMPLE) as client:

        @guard(client, removal_of, refuse=lambda refusal: refusal)
        def remove(tenant: str, participant: str) -> str:
            """Remove somebody."""
            removed.append(participant)
            return "removed"

        assert remove(CONTOSO.value, participant="p-1") == "removed"
        assert remove(EMPTY.value, "p-2") == Refusal(403, "not_granted")
        assert remove("", "p-3") == Refusal(401, "unauthenticated")
    assert remove(CONTOSO.value, "p-4") == Refusal(503, "unavailable")

    assert removed == ["p-1"]
    assert (remove.__name__, remove.__doc__) == ("remove", "Remove somebody.")
    assert list(inspect.signature(remove).parameters) == ["tenant", "participant"]


def test_a_coroutine_function_runs_only_after_a_permit(
    file_service: Service, file_stock: Stock
) -> None:
    removed: list[str] = []

    async def ask() -> None:
        async with AsyncClient(file_service.url, file_stock.check, timeout=AMPLE) as client:

            @guard(client, removal_of, refuse=lambda refusal: refusal)
            async def remove(tenant: str, participant: str) -> str:
                removed.append(participant)
                return tenant

            assert inspect.iscoroutinefunction(remove)
            assert await remove(FABRIKAM.value, "p-1") == FABRIKAM.value
            assert await remove(EMPTY.value, "p-2") == Refusal(403, "not_granted")
            assert await remove("", "p-3") == Refusal(401, "unauthenticated")
        assert await remove(CONTOSO.value, "p-4") == Refusal(503, "unavailable")

    asyncio.run(ask())
    assert removed == ["p-1"]


def test_each_call_is_asked_for_anew() -> None:
    answers = [reply(), reply(b'{"decision":false}'), reply()]
    with Misbehaving(answers) as server, Client(server.url, KEY, timeout=AMPLE) as client:
        remove = guard(client, lambda: APP_MAY, refuse=lambda one: one.code)(lambda: "removed")
        said = [remove() for _ in range(3)]

    assert said == ["removed", "not_granted", "removed"]


def test_what_refuses_may_raise() -> None:
    def refuse(refusal: Refusal) -> None:
        raise PermissionError(refusal.code)

    with Client("http://127.0.0.1:1", KEY, timeout=AMPLE, attempts=1) as client:
        remove = guard(client, lambda: APP_MAY, refuse=refuse)(lambda: "removed")
        with pytest.raises(PermissionError, match="unavailable"):
            remove()


def test_a_function_wants_the_client_of_its_kind() -> None:
    async def remove() -> None:
        raise AssertionError

    with (
        Client("http://127.0.0.1:1", KEY) as client,
        pytest.raises(TypeError, match="AsyncClient is wanted here, not Client"),
    ):
        guard(client, lambda: APP_MAY, refuse=lambda one: one)(remove)
    waiting = guard(AsyncClient("http://h"), lambda: APP_MAY, refuse=lambda one: one)
    with pytest.raises(TypeError, match="Client is wanted here, not AsyncClient"):
        waiting(lambda: None)  # type: ignore[arg-type, return-value]


# --- The examples ---------------------------------------------------------------------------------


def of_fastapi(example: ModuleType) -> Any:  # noqa: ANN401 - a context manager
    return behind_uvicorn(example.app)


@contextmanager
def behind_uvicorn(app: Any) -> Iterator[str]:  # noqa: ANN401 - an application
    """*app* in uvicorn, in a thread."""
    config = uvicorn.Config(app, lifespan="on", log_config=None, ws="none")
    server = uvicorn.Server(config)
    with listening(Bind("127.0.0.1", 0)) as sockets:
        thread = threading.Thread(target=server.run, args=(sockets,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(AMPLE)


@contextmanager
def of_flask(example: ModuleType) -> Iterator[str]:
    """The example's application in werkzeug's own server, in threads."""
    server = make_server("127.0.0.1", 0, example.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with example.checks:
            yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join(AMPLE)
        server.server_close()


@pytest.fixture(params=["fastapi", "flask"])
def example(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], Any]:
    """An example, to be run with the URL of a check and a key for it."""
    tokens = {
        "may": {"tid": CONTOSO.value, "azp": APP.value},
        "may-not": {"tid": EMPTY.value, "azp": APP.value},
    }

    def run(url: str, key: str) -> Any:  # noqa: ANN401 - a context manager
        monkeypatch.setenv("TENANTCFG_CHECK_URL", url)
        monkeypatch.setenv("TENANTCFG_CHECK_KEY", key)
        monkeypatch.setenv("TENANTCFG_CHECK_TIMEOUT", str(AMPLE))
        monkeypatch.setenv("TOKENS", json.dumps(tokens))
        name = f"{request.param}_service"
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return {"fastapi": of_fastapi, "flask": of_flask}[request.param](module)

    return run


def test_an_example_removes_only_with_a_permit(
    example: Callable[[str, str], Any], file_service: Service, file_stock: Stock
) -> None:
    with example(file_service.url, file_stock.check) as url:
        place = f"{url}/communications/calls/c-1/participants"

        def delete(participant: str, token: str) -> httpx.Response:
            return httpx.delete(
                f"{place}/{participant}",
                headers={"Authorization": f"Bearer {token}"},
                timeout=AMPLE,
            )

        denied, unknown = delete("p-1", "may-not"), delete("p-1", "nobody's")
        left = httpx.get(place, timeout=AMPLE).json()
        permitted = delete("p-1", "may")

        assert (denied.status_code, denied.json()) == (403, {"error": "not_granted"})
        assert (unknown.status_code, unknown.json()) == (401, {"error": "unauthenticated"})
        assert left == ["p-1", "p-2"]
        assert permitted.status_code == 204
        assert httpx.get(place, timeout=AMPLE).json() == ["p-2"]


def test_an_example_removes_nobody_while_the_check_is_down(
    example: Callable[[str, str], Any],
) -> None:
    with Misbehaving(reply(PERMIT, status="503 Down")) as check, example(check.url, KEY) as url:
        place = f"{url}/communications/calls/c-1/participants"
        answer = httpx.delete(
            f"{place}/p-1", headers={"Authorization": "Bearer may"}, timeout=AMPLE
        )

        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json() == {"error": "unavailable"}
        assert httpx.get(place, timeout=AMPLE).json() == ["p-1", "p-2"]
