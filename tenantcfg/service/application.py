"""
The outermost layer: every request comes in here, and every answer leaves from here.

Request id, mount prefix, unknown paths and whatever goes wrong are settled in this one place,
so that they hold for every endpoint (check W7, W36, W45).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from tenantcfg.errors import StoreUnusable, Unavailable
from tenantcfg.service.http import (
    CLOSE,
    REQUEST_ID,
    Answer,
    ClientGone,
    OwnWords,
    Problem,
    Request,
    Stream,
    told_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tenantcfg.service.http import Endpoint, Headers, Receive, Scope, Send

    Header = tuple[bytes, bytes]
    Step = Callable[[], Awaitable[None]]

__all__ = ["Application", "Watcher"]

_ALIVE: Final = "/healthz"
_NO_CONTENT: Final = 204
_TOO_BUSY: Final = Problem("unavailable", "there are too many connections", CLOSE)
_STOPPING: Final = Problem("unavailable", "the service is stopping", CLOSE)


class Watcher(Protocol):
    """Is told what became of each request; nothing it is told may hold up an answer."""

    def answered(self, request: Request, route: str, status: int, seconds: float) -> None:
        """*request* was answered, by the endpoint of *route*; empty: there is none."""

    def failed(self, why: Exception) -> None:
        """Instead of an answer there was *why*: the store's failure, or a fault of ours."""

    def refused(self, why: str) -> None:
        """A connection was refused before there was a request: *why*, a word of ours."""


class Application:
    """
    The service as an ASGI application.

    Args:
        endpoints: by raw path; a path that ends in ``/*`` stands for all below it.
        watcher: of all requests; None: nobody watches.
        public_url: its path, if it has one, is the mount prefix: each route answers with it
            and without, since proxies differ in what they strip (check W36).
        starts: steps taken, in their order, before the first request.
        stops: steps taken after the last.
    """

    def __init__(
        self,
        endpoints: Mapping[bytes, Endpoint],
        *,
        watcher: Watcher | None = None,
        public_url: str | None = None,
        starts: Sequence[Step] = (),
        stops: Sequence[Step] = (),
    ) -> None:
        routes = {path: (path.decode(), one) for path, one in endpoints.items()}
        self._exact = {path: one for path, one in routes.items() if not path.endswith(b"/*")}
        self._below = [(path[:-1], one) for path, one in routes.items() if path.endswith(b"/*")]
        self._watcher = watcher
        self._prefix = urlsplit(public_url or "").path.encode()
        self._steps = {"lifespan.startup": starts, "lifespan.shutdown": stops}
        self._draining = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection's request, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        began = time.perf_counter()
        request = Request(scope, receive)
        route, endpoint = self._found(request.path)
        await self._serve(request, route, endpoint, began, send)

    async def busy(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request on a connection beyond the limit: only whether we live."""
        began = time.perf_counter()
        request = Request(scope, receive)
        route, endpoint = self._found(request.path)
        if route != _ALIVE:
            endpoint = _Refusing(_TOO_BUSY, endpoint)
        await self._serve(request, route, endpoint, began, send)

    def refusal(self, path: bytes, headers: Sequence[Header], problem: Problem) -> Answer:
        """*problem* for a request that is not let in, of which *path* and *headers* are known."""

        async def nobody() -> dict[str, str]:
            return {"type": "http.disconnect"}

        scope = {"method": "GET", "raw_path": path, "query_string": b"", "headers": headers}
        request = Request(scope, nobody)
        answer = _worded(problem, request, self._found(path)[1])
        return Answer(answer.status, answer.body, (*answer.headers, (REQUEST_ID, request.id)))

    def refused(self, why: str) -> None:
        """A connection was refused before there was a request; see `Watcher.refused`."""
        if self._watcher is not None:
            self._watcher.refused(why)

    def drain(self) -> None:
        """End what would not end by itself: the service is to stop."""
        self._draining.set()

    async def _serve(
        self, request: Request, route: str, endpoint: Endpoint, began: float, send: Send
    ) -> None:
        try:
            answer = await self._answer(request, endpoint)
        except ClientGone:
            return
        named: Headers = ((REQUEST_ID, request.id),)
        if isinstance(answer, Stream):
            await self._stream(answer, named, request, send)
        else:
            await _send(answer, named, request, send)
        if self._watcher is not None:
            status = 200 if isinstance(answer, Stream) else answer.status
            self._watcher.answered(request, route, status, time.perf_counter() - began)

    async def _answer(self, request: Request, endpoint: Endpoint) -> Answer | Stream:
        """The answer, whatever happens: no input makes a 5xx but our own failures (W43)."""
        try:
            return await endpoint(request)
        except Problem as why:
            problem = why
        except ClientGone:
            raise
        except asyncio.CancelledError:
            # Nobody but a server that stops, and has waited long enough, ends a request.
            problem = _STOPPING
        except Exception as why:  # noqa: BLE001 - it becomes the answer
            request.why = told_of(why)
            if self._watcher is not None:
                self._watcher.failed(why)
            problem = _failure(why)
        request.why = request.why or problem.message
        return _worded(problem, request, endpoint)

    def _found(self, path: bytes) -> tuple[str, Endpoint]:
        found = self._exact.get(path)
        if found is not None:
            return found
        spellings = [path]
        if self._prefix and path.startswith(self._prefix + b"/"):
            # Without it first: it may begin like a path of ours.
            spellings.insert(0, path[len(self._prefix) :])
            found = self._exact.get(spellings[0])
        fits = (one for at in spellings for start, one in self._below if at.startswith(start))
        return found or next(fits, ("", _nothing_here))

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event: str = (await receive())["type"]
            for step in self._steps[event]:
                await step()
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return

    async def _stream(self, stream: Stream, named: Headers, request: Request, send: Send) -> None:
        """Send the pieces as they come, until they end, the client goes or we are to stop."""
        headers = (*stream.headers, *named)
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def pieces() -> None:
            async for piece in stream.pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})

        ends = [pieces(), request.gone(), self._draining.wait()]
        tasks = [asyncio.ensure_future(one) for one in ends]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await send({"type": "http.response.body", "body": b""})


async def _send(answer: Answer, named: Headers, request: Request, send: Send) -> None:
    headers: Headers = (*answer.headers, *named)
    if answer.status != _NO_CONTENT:
        headers = (*headers, (b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = b"" if request.method == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body})


async def _nothing_here(_: Request) -> Answer:
    raise Problem("not_found", "there is nothing at this path")


class _Refusing:
    """Answers every request with *problem*, as *endpoint* words it."""

    def __init__(self, problem: Problem, endpoint: Endpoint) -> None:
        self._problem = problem
        self._endpoint = endpoint

    async def __call__(self, request: Request, /) -> Answer:
        return _worded(self._problem, request, self._endpoint)


def _worded(problem: Problem, request: Request, endpoint: Endpoint) -> Answer:
    if isinstance(endpoint, OwnWords):
        return endpoint.worded(problem, request)
    return problem.answer()


def _failure(why: Exception) -> Problem:
    if isinstance(why, (Unavailable, StoreUnusable)):
        return Problem("unavailable", "the store cannot be asked now")
    return Problem("internal", "this should not have happened")
