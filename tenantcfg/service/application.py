"""
The outermost layer: every request comes in here, and every answer leaves from here.

Request id, mount prefix, unknown paths and whatever goes wrong are settled in this one place,
so that they hold for every endpoint (check W7, W36, W45).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from uuid import uuid4

import structlog

from tenantcfg.errors import RevisionNotReached, StoreUnusable, Unavailable
from tenantcfg.service.http import Answer, ClientGone, Problem, Request, Stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tenantcfg.service.http import Endpoint, Headers, Receive, Scope, Send

__all__ = ["Application"]

_LOG = structlog.get_logger("tenantcfg.service")
_REQUEST_ID: Final = b"x-request-id"


class Application:
    """
    The service as an ASGI application.

    Args:
        endpoints: by raw path; a path that ends in ``/`` and ``*`` stands for all below it.
        public_url: its path, if it has one, is the mount prefix: each route answers with it
            and without, since proxies differ in what they strip (check W36).
        watched: told of each answer: method, route, status, seconds.
    """

    def __init__(
        self,
        endpoints: Mapping[bytes, Endpoint],
        *,
        public_url: str | None = None,
        started: Callable[[], Awaitable[None]] | None = None,
        stopped: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._exact = {path: one for path, one in endpoints.items() if not path.endswith(b"/*")}
        self._below = [(path[:-1], one) for path, one in endpoints.items() if path.endswith(b"/*")]
        self._prefix = urlsplit(public_url or "").path.encode()
        self._started = started
        self._stopped = stopped

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection's request, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        request = Request(scope, receive)
        named: Headers = ((_REQUEST_ID, request_id(request)),)
        try:
            answer = await self._answer(request)
        except ClientGone:
            return
        if isinstance(answer, Stream):
            await _stream(answer, named, request, send)
            return
        headers = (*answer.headers, (b"content-length", b"%d" % len(answer.body)), *named)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if request.method == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, request: Request) -> Answer | Stream:
        """The answer, whatever happens: no input makes a 5xx but our own failures (W43)."""
        try:
            return await self._endpoint(request.path)(request)
        except Problem as problem:
            return problem.answer()
        except ClientGone:
            raise
        except Exception as why:  # noqa: BLE001 - it becomes the answer
            return _failure(why).answer()

    def _endpoint(self, path: bytes) -> Endpoint:
        found = self._exact.get(path)
        if found is None and self._prefix and path.startswith(self._prefix + b"/"):
            path = path[len(self._prefix) :]
            found = self._exact.get(path)
        if found is None:
            found = next((one for start, one in self._below if path.startswith(start)), None)
        if found is None:
            raise Problem("not_found", "there is nothing at this path")
        return found

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = (await receive())["type"]
            if event == "lifespan.startup" and self._started is not None:
                await self._started()
            if event == "lifespan.shutdown" and self._stopped is not None:
                await self._stopped()
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return


def request_id(request: Request) -> bytes:
    """The id that the request came with, as it is, or a new one (check W7)."""
    given = request.all(_REQUEST_ID)
    return given[0] if given else str(uuid4()).encode()


def _failure(why: Exception) -> Problem:
    match why:
        case RevisionNotReached():
            return Problem("stale", "this server's state is older than what was asked for")
        case Unavailable() | StoreUnusable():
            _LOG.warning("the store cannot be asked", code=why.code, why=str(why))
            return Problem("unavailable", "the store cannot be asked now")
    _LOG.error("unexpected", exc_info=why)
    return Problem("internal", "this should not have happened")


async def _stream(stream: Stream, named: Headers, request: Request, send: Send) -> None:
    """Send the pieces as they come, until they end or the client goes."""
    headers = (*stream.headers, *named)
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def pieces() -> None:
        async for piece in stream.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    sending = asyncio.ensure_future(pieces())
    gone = asyncio.ensure_future(request.gone())
    try:
        await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, gone):
            task.cancel()
        await asyncio.gather(sending, gone, return_exceptions=True)
