"""
A guarded service and its check, for proxies to stand between: real programs, real sockets.

The check is the application on a store; a relay before it can be told to fail in many ways. The
guarded service answers everything, and remembers what has come to it.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn

from tenantcfg import AppId
from tenantcfg.service import envoy_grpc
from tenantcfg.service.application import Application
from tenantcfg.service.judging import StoreDecisions
from tenantcfg.service.operations import Metrics, Operations
from tenantcfg.service.proxies import TokenCallers, proxies
from tenantcfg.service.tokens import KeysUnavailable, Refusal, TokenHolder, TokenRefused
from tests.stores import APP, CONTOSO

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from tenantcfg import Store
    from tenantcfg.service.http import Answer, Endpoint, Request, Stream
    from tenantcfg.service.proxies import Callers

T = TypeVar("T")

GOOD = "Authorization: Bearer good"
STRANGER = "Authorization: Bearer stranger"
PATIENCE = 10.0

_PAIRS = {
    b"/check/nginx": (b"x-original-method", b"x-original-uri"),
    b"/check/forward": (b"x-forwarded-method", b"x-forwarded-uri"),
}
_PASSING = ("GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS")
_OVERRIDE = re.compile(
    r"x[^a-z0-9](http[^a-z0-9])?method([^a-z0-9]override)?"
    r"|x[^a-z0-9](original|rewrite)[^a-z0-9]url"
    r"|x[^a-z0-9]tenantcfg.*"
)


class KnownTokens:
    """Tokens that are known by heart, and what becomes of each."""

    async def verify(self, token: str, /) -> TokenHolder:
        match token:
            case "good":
                return _holder(APP)
            case "stranger":
                return _holder(AppId("stranger"))
            case "delegated":
                raise TokenRefused(Refusal.DELEGATED, "it is a user's")
            case "unverified":
                raise KeysUnavailable(7)
            case "slow":
                await asyncio.Event().wait()
            case "broken":
                raise ZeroDivisionError
        raise TokenRefused(Refusal.INVALID_TOKEN, "it is nobody's")


def _holder(app: AppId) -> TokenHolder:
    return TokenHolder(app, CONTOSO, None, None, "2.0")


# --- Where everything runs ------------------------------------------------------------------------


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What *coroutine* returns, run there."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def listening() -> socket.socket:
    """A socket that listens on a port of its own."""
    one = socket.create_server(("127.0.0.1", 0), backlog=128)
    one.settimeout(0)
    return one


def port_of(one: socket.socket) -> int:
    port: int = one.getsockname()[1]
    return port


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to the check: about which request, and the answer's status."""

    method: str
    target: str
    status: int


@dataclass(slots=True)
class Check:
    """The check, on ports of its own: HTTP and gRPC."""

    port: int
    grpc_port: int
    asked: list[Asked]
    _server: uvicorn.Server
    _serving: asyncio.Task[None]
    _grpc: Any

    @classmethod
    async def started(
        cls, store: Store, callers: Callers | None = None, *, patience: float = PATIENCE
    ) -> Check:
        """The check on *store*, of the callers that `KnownTokens` knows."""
        asked: list[Asked] = []
        endpoints = proxies(
            StoreDecisions(store),
            callers or TokenCallers(KnownTokens()),
            failed=Operations(Metrics()).failed,
            patience=patience,
        )
        application = Application(_recorded(endpoints, asked))
        place = listening()
        config = uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            proxy_headers=False,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[place]))
        grpc_server, grpc_port = await envoy_grpc.listening(application, "127.0.0.1:0")
        return cls(port_of(place), grpc_port, asked, server, serving, grpc_server)

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._serving
        await self._grpc.stop(None)


def _recorded(endpoints: Mapping[bytes, Endpoint], asked: list[Asked]) -> dict[bytes, Endpoint]:
    def of(path: bytes, endpoint: Endpoint) -> Endpoint:
        async def answer(request: Request) -> Answer | Stream:
            answer = await endpoint(request)
            asked.append(Asked(*_held(path, request), getattr(answer, "status", 0)))
            return answer

        return answer

    return {path: of(path, endpoint) for path, endpoint in endpoints.items()}


def _held(path: bytes, request: Request) -> tuple[str, str]:
    if path in _PAIRS:
        method, target = (b",".join(request.all(name)) for name in _PAIRS[path])
        return method.decode("latin-1"), target.decode("latin-1")
    query = b"?" + request.query if request.query else b""
    return request.method, (request.path + query).decode("latin-1").removeprefix("/check/envoy")


# --- The relay before the check -------------------------------------------------------------------

FAULTS = {
    "closes": b"",
    "garbage": b"garbage\r\n\r\n",
    "garbage that says 200": b"200 OK\r\n\r\n{}",
    "binary": bytes(range(256)) * 4,
    "half a status line": b"HTTP/1.1 200",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "103 alone": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "201": b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    "302": b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
}
HANGS = "hangs"


class Relay:
    """Stands where a proxy looks for its check: hands on what it says, or fails as it is told."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._place = listening()
        self.port = port_of(self._place)
        self._fault: str | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._place)

    async def fail(self, fault: str | None) -> None:
        """Fail from now on, or (None) no more; what is connected is hung up on."""
        self._fault = fault
        self._hang_up()

    async def go_down(self) -> None:
        """Be not there at all."""
        await self.stop()

    async def come_back(self) -> None:
        """Be there again, at the same port."""
        self._place = socket.create_server(("127.0.0.1", self.port), backlog=128)
        await self.start()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._hang_up()

    def _hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._fault is None:
                await self._hand_on(reader, writer)
            else:
                await reader.read(65536)
                if self._fault == HANGS:
                    await reader.read()
                writer.write(FAULTS[self._fault])
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers.add(forth)
        try:
            await asyncio.gather(_copy(reader, forth), _copy(back, writer))
        finally:
            self._writers.discard(forth)
            forth.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


# --- The guarded service --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Passed:
    """A request that has come to the guarded service."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    trailers: bytes

    @property
    def path(self) -> str:
        """The target without scheme and host, where it had them."""
        return re.sub(r"^https?://[^/]*", "", self.target)


@dataclass(slots=True)
class Guarded:
    """The service behind the proxy."""

    passed: list[Passed] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        place = listening()
        self.port = port_of(place)
        self._server = await asyncio.start_server(self._serve, sock=place)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = [(name.lower(), value.strip()) for name, _, value in pairs]
        trailers = await _skip_body(reader, dict(headers))
        self.passed.append(Passed(method, target, headers, trailers))
        body = b"" if method == "HEAD" else b"guarded\n"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + body)
        await writer.drain()
        return True


async def _skip_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    """Read on to where the next request begins; the trailers."""
    if "transfer-encoding" not in headers:
        await reader.readexactly(int(headers.get("content-length", "0")))
        return b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        await reader.readexactly(size + 2)
    trailers = b""
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        trailers += line
    return trailers


# --- What must not happen -------------------------------------------------------------------------


def surprises(asked: list[Asked], passed: list[Passed]) -> list[str]:
    """What of *passed* should not have reached the guarded service, after *asked*."""
    permitted = {(one.method, one.target) for one in asked if one.status == 200}
    found = []
    for one in passed:
        names = [name for name, _ in one.headers]
        if one.method not in _PASSING and (one.method, one.path) not in permitted:
            found.append(f"not permitted: {one.method} {one.target}")
        if re.search(r"(?i)batch", one.path.partition("?")[0]):
            found.append(f"a batch: {one.target}")
        found += [f"an override: {name}" for name in names if _OVERRIDE.fullmatch(name)]
        if "upgrade" in names:
            found.append("a tunnel was asked for")
        if {"content-length", "transfer-encoding"} <= set(names):
            found.append("two lengths of one body")
        if re.search(rb"(?i)override|x-original", one.trailers):
            found.append("an override in the trailers")
    return found
