"""
`Client` and `AsyncClient`: one question, one deadline, one answer.

There is one way of asking, the asynchronous one. The other face runs it in an event loop of its
own thread, because only there a deadline holds whatever the other side does: a name that does not
resolve, or an answer that drips, keep a blocking socket for longer than any timeout of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import ssl
import threading
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakSet, finalize

import httpcore

from tenantcfg import __version__
from tenantcfg.client import wire
from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.errors import InvalidInput, SettingInvalid, TenantcfgError, Unavailable, quoted
from tenantcfg.keys import ServiceKey

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from types import TracebackType

    from tenantcfg.client.wire import Question, Reply, Wanted
    from tenantcfg.decision import Decision
    from tenantcfg.ids import AppId, TenantId

__all__ = ["AsyncClient", "Client"]

T = TypeVar("T")

TIMEOUT: Final = 0.2
"""Seconds for a whole call (check C10)."""
ATTEMPTS: Final = 3

_LONGEST_TIMEOUT: Final = 60.0
_MOST_ATTEMPTS: Final = 10
_FIRST_PAUSE: Final = 0.02
_MOST_CONNECTIONS: Final = 100
_MOST_KEPT: Final = 20
# Shorter than services keep a connection that is not used, so that ours is the first to let go.
_KEPT_SECONDS: Final = 5.0
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_PATH: Final = re.compile(r"[A-Za-z0-9._~/-]*")
# What becomes of a connection; TLS has its own words for some of it.
_LOST: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    OSError,
)
_LOG = logging.getLogger("tenantcfg.client")


class AsyncClient:
    """
    A service to ask, for an event loop; `Client` is the same for threads.

    Connections are kept and used again, each by one call at a time; each event loop has its own.
    No proxy, password or cookie of the surroundings is used, and no redirect is followed.

    Args:
        url: the service's public URL, or ``unix:/path`` of its socket.
        key: a service key (``tenantcfg key new``); None: the service wants none.
        timeout: seconds for a whole call, with all its attempts; above 0, at most 60.
        attempts: how often to ask, at most, where there is no connection or the answer is 502,
            503 or 504; 1 to 10. Between them is a random pause of up to 20 ms, 40 ms, ..., or as
            long as the answer says; one that does not fit into *timeout* is not begun.
        store_id: of the store that answers must come from (check C8); None: any.
        tls: whom to trust, and the certificate to show; None: the authorities of the system (or
            of SSL_CERT_FILE) and of certifi.

    Raises:
        SettingInvalid: one of these cannot be what it stands for.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        store_id: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url, self._base, self._socket = _place(url)
        self._timeout = _seconds(timeout)
        self._attempts = _count(attempts)
        self._store_id = _header_text(store_id)
        self._headers = [("Host", urlsplit(self._base).netloc), *_headers(key)]
        self._tls = _tls(tls, needed=self._base.startswith("https:"))
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, httpcore.AsyncConnectionPool]
        self._pools = WeakKeyDictionary()
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def check(
        self,
        *,
        tenant: TenantId | str | None,
        app: AppId | str,
        action: str = REMOVE_PARTICIPANT,
        at_least: int = 0,
        call_id: str | None = None,
        participant_id: str | None = None,
        request_id: str | None = None,
    ) -> Decision:
        """
        Whether *app* may act in *tenant* now, as `Store.check` says it: `Permit` or `Deny`.

        Ask immediately before the act, and use the answer once (check C10). A reason that this
        release does not know is ``not_granted``.

        Args:
            tenant: by id, never by name.
            app: by id.
            action: the permission.
            at_least: a revision that the answer must not be older than.
            call_id: for the service's decision log; decides nothing.
            participant_id: likewise.
            request_id: what the service's logs call this question, up to 200 printable ASCII
                characters; None: a new one, which this library's log tells (level debug).

        Raises:
            Unavailable: there is no answer; ask again. Nothing that raises permits.
            RevisionNotReached: the answer is older than *at_least*, or of another store.
            NotAdmitted: the key is not known, or may not ask this.
            SettingInvalid: nothing answers checks at this address.
            InvalidInput: the question was refused.
        """
        asked = wire.one(tenant, app, action, call_id=call_id, participant_id=participant_id)
        wanted = self._wanted(at_least, request_id)
        return await self._ask(asked, wanted, lambda reply: reply.decision(wanted))

    async def check_many(
        self,
        questions: Iterable[tuple[TenantId | str, AppId | str]],
        *,
        action: str = REMOVE_PARTICIPANT,
        at_least: int = 0,
        request_id: str | None = None,
    ) -> list[Decision]:
        """
        The decisions on pairs of tenant and app, in their order, on one snapshot.

        They are asked in one request, at most 1,000; none are not asked. If one of them cannot be
        judged, for example since the key does not cover its tenant, all of it raises.

        Raises:
            InvalidInput: there are over 1,000 questions.
            TenantcfgError: as `check`.
        """
        asked, count = wire.many(questions, action)
        wanted = self._wanted(at_least, request_id)
        if not count:
            return []
        return await self._ask(asked, wanted, lambda reply: reply.decisions(wanted, count))

    async def close(self) -> None:
        """Close the connections of this event loop; later calls raise `Unavailable`."""
        self._closed = True
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _wanted(self, at_least: int, request_id: str | None) -> Wanted:
        if isinstance(at_least, bool) or not isinstance(at_least, int):
            raise TypeError(f"at_least: Revision is wanted, not {type(at_least).__name__}")
        if request_id is not None and not _REQUEST_ID.fullmatch(request_id):
            raise InvalidInput(
                "not a request id",
                subject=quoted(request_id),
                why="1 to 200 printable ASCII characters are wanted",
            )
        return wire.Wanted(self.url, request_id or str(uuid4()), at_least, self._store_id)

    async def _ask(self, asked: Question, wanted: Wanted, read: Callable[[Reply], T]) -> T:
        """What *read* makes of the answer, if that is there in time."""
        if self._closed:
            raise _closed(self.url)
        end = time.monotonic() + self._timeout
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._answer(asked, wanted, end)
        except TimeoutError as why:
            raise self._late(wanted) from why
        result = read(reply)
        # An event loop that was busy with something else may find an answer that is old by now.
        if time.monotonic() > end:
            raise self._late(wanted)
        return result

    async def _answer(self, asked: Question, wanted: Wanted, end: float) -> Reply:
        """The first reply that is worth reading, or the last that could be had."""
        for attempt in range(1, self._attempts + 1):
            pause = random.uniform(0, _FIRST_PAUSE * 2 ** (attempt - 1))  # noqa: S311 - a pause
            try:
                reply = await self._once(asked, wanted)
            except _LOST as why:
                failure: TenantcfgError = self._unreachable(why, wanted)
                again = isinstance(why, httpcore.ConnectError)
            else:
                if not reply.again:
                    return reply
                failure, again = reply.failure(wanted), True
                pause = max(pause, reply.retry_after)
            if not again or attempt == self._attempts or time.monotonic() + pause >= end:
                raise failure
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, asked: Question, wanted: Wanted) -> Reply:
        """One reply; a kept connection that turns out to be dead is replaced at once."""
        while True:
            seen = _Seen()
            try:
                return await self._exchange(asked, wanted, seen)
            except _LOST:
                # A check changes nothing, so that it can be asked once more.
                if seen.new_connection or seen.head:
                    raise

    async def _exchange(self, asked: Question, wanted: Wanted, seen: _Seen) -> Reply:
        began = time.monotonic()
        body = bytearray()
        async with self._pool().stream(
            "POST",
            self._base + asked.path,
            headers=[*self._headers, *wanted.headers()],
            content=asked.body,
            extensions={"trace": seen.trace},
        ) as response:
            seen.head = True
            async for piece in response.aiter_stream():
                body += piece
                if len(body) > wire.MAX_ANSWER:
                    raise _too_long(wanted)
        took = (time.monotonic() - began) * 1000
        told = (self.url, response.status, took, wanted.request_id)
        _LOG.debug("%s answered %d in %.1f ms, request %s", *told)
        return wire.Reply(response.status, _by_name(response.headers), bytes(body))

    def _pool(self) -> httpcore.AsyncConnectionPool:
        loop = asyncio.get_running_loop()
        found = self._pools.get(loop)
        if found is None:
            found = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=_MOST_CONNECTIONS,
                max_keepalive_connections=_MOST_KEPT,
                keepalive_expiry=_KEPT_SECONDS,
                uds=self._socket,
            )
            self._pools[loop] = found
        return found

    def _late(self, wanted: Wanted) -> Unavailable:
        return Unavailable(
            "the service did not answer in time",
            subject=wanted.where,
            why=f"{self._timeout:g} s have passed",
            hint="ask again",
        )

    def _unreachable(self, why: Exception, wanted: Wanted) -> Unavailable:
        return Unavailable(
            "the service cannot be reached",
            subject=wanted.where,
            why=quoted(str(why) or type(why).__name__, 200)[1:-1],
            hint="ask again",
        )


class _Seen:
    """What was seen of one exchange, in case it fails."""

    __slots__ = ("head", "new_connection")

    def __init__(self) -> None:
        self.head = False
        self.new_connection = False

    async def trace(self, event: str, _: dict[str, Any]) -> None:
        """Hear of a step; the name is what httpcore calls it."""
        if event.startswith("connection.connect_"):
            self.new_connection = True


class Client:
    """
    A service to ask: the words of `Store.check`, over HTTP.

    Safe to use from many threads at once, and in a child after a fork. Arguments as those of
    `AsyncClient`. Best made once, and closed in the end or used in a ``with``.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        store_id: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._client = AsyncClient(
            url, key, timeout=timeout, attempts=attempts, store_id=store_id, tls=tls
        )
        self.url = self._client.url
        self._timeout = float(timeout)
        self._turning: _Turning | None = None
        self._lost: list[_Turning] = []
        self._lock = threading.Lock()
        self._closed = False
        _clients.add(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def check(
        self,
        *,
        tenant: TenantId | str | None,
        app: AppId | str,
        action: str = REMOVE_PARTICIPANT,
        at_least: int = 0,
        call_id: str | None = None,
        participant_id: str | None = None,
        request_id: str | None = None,
    ) -> Decision:
        """Whether *app* may act in *tenant* now; see `AsyncClient.check`."""
        return self._run(
            self._client.check(
                tenant=tenant,
                app=app,
                action=action,
                at_least=at_least,
                call_id=call_id,
                participant_id=participant_id,
                request_id=request_id,
            )
        )

    def check_many(
        self,
        questions: Iterable[tuple[TenantId | str, AppId | str]],
        *,
        action: str = REMOVE_PARTICIPANT,
        at_least: int = 0,
        request_id: str | None = None,
    ) -> list[Decision]:
        """The decisions on pairs of tenant and app; see `AsyncClient.check_many`."""
        # Here, not in the thread: where they come from is the caller's.
        asked = list(questions)
        return self._run(
            self._client.check_many(asked, action=action, at_least=at_least, request_id=request_id)
        )

    def close(self) -> None:
        """Close all connections; later calls raise `Unavailable`."""
        with self._lock:
            self._closed = True
            turning, self._turning = self._turning, None
        if turning is not None:
            turning.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        end = time.monotonic() + self._timeout
        try:
            future = asyncio.run_coroutine_threadsafe(call, self._loop())
        except (RuntimeError, Unavailable) as why:
            # The loop may have been closed by another thread since it was found.
            call.close()
            raise _closed(self.url) from why
        try:
            result = future.result(self._timeout)
        except TimeoutError as why:
            raise self._late() from why
        except CancelledError as why:
            raise _closed(self.url) from why
        finally:
            # Of one that nobody waits for any more.
            future.cancel()
        if time.monotonic() > end:
            raise self._late()
        return result

    def _loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise _closed(self.url)
            if self._turning is None:
                self._turning = _Turning(self, self._client)
            return self._turning.loop

    def _late(self) -> Unavailable:
        return Unavailable(
            "the service did not answer in time",
            subject=quoted(self.url, 200),
            why=f"{self._timeout:g} s have passed",
            hint="ask again",
        )

    def _forked(self) -> None:
        """Begin anew in a child: the thread is not here, and the connections are the parent's."""
        self._lock = threading.Lock()
        if self._turning is not None:
            self._turning.forget()
            # Kept, since to take a loop apart would reach into what the parent waits on.
            self._lost.append(self._turning)
            self._turning = None


class _Turning:
    """An event loop that turns in a thread of its own, until *owner* is gone or says so."""

    def __init__(self, owner: Client, client: AsyncClient) -> None:
        self.loop = asyncio.new_event_loop()
        thread = threading.Thread(
            target=self.loop.run_forever, name="tenantcfg-client", daemon=True
        )
        thread.start()
        self._end = finalize(owner, _end, self.loop, thread, client)

    def end(self) -> None:
        """End the thread, and close what is open."""
        self._end()

    def forget(self) -> None:
        """Touch it never again."""
        self._end.detach()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, client: AsyncClient) -> None:
    finishing = asyncio.run_coroutine_threadsafe(_finished(client), loop)
    with suppress(TimeoutError):
        finishing.result(1.0)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _finished(client: AsyncClient) -> None:
    """End what still waits for an answer, and close what was open."""
    waiting = asyncio.all_tasks() - {asyncio.current_task()}
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await client.close()


_clients: WeakSet[Client] = WeakSet()


def _after_fork() -> None:
    for one in list(_clients):
        one._forked()  # noqa: SLF001 - the same module's


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# What a client is made of


def _place(url: str) -> tuple[str, str, str | None]:
    """The URL for messages, the one that paths are put behind, and the socket if it is one."""
    if url.startswith("unix:/"):
        return url, "http://localhost", url.removeprefix("unix:")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        _refuse("url", url, "it is no URL")
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(host):
        _refuse("url", url, "http://HOST, https://HOST or unix:/path is wanted")
    if not url.isprintable():
        # urlsplit drops some of these without a word.
        _refuse("url", url, "it holds what cannot be printed")
    if "@" in parts.netloc or "?" in url or "#" in url or not _PATH.fullmatch(parts.path):
        _refuse("url", parts.hostname or "", "user, query, fragment or escapes stand in it")
    where = f"[{host}]" if ":" in host else host
    path = parts.path.rstrip("/")
    base = f"{parts.scheme}://{where}{'' if port is None else f':{port}'}{path}"
    return base, base, None


def _headers(key: str | None) -> list[tuple[str, str]]:
    headers = [
        ("User-Agent", f"tenantcfg/{__version__}"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "identity"),
        ("Content-Type", "application/json"),
    ]
    if key is None:
        return headers
    try:
        return [*headers, ("Authorization", f"Bearer {ServiceKey.parse(key).text}")]
    except (InvalidInput, TypeError) as why:
        raise SettingInvalid(
            "the key is no service key", why="it may be cut", hint="tenantcfg key new makes one"
        ) from why


def _tls(given: ssl.SSLContext | None, *, needed: bool) -> ssl.SSLContext:
    if not needed:
        # Nobody to trust, and no time spent on reading who could be.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return given or httpcore.default_ssl_context()


def _header_text(store_id: str | None) -> str | None:
    if store_id is not None and not _REQUEST_ID.fullmatch(store_id):
        _refuse("store_id", store_id, "it is no store id")
    return store_id


def _seconds(timeout: float) -> float:
    if isinstance(timeout, bool) or not 0 < timeout <= _LONGEST_TIMEOUT:
        _refuse("timeout", str(timeout), f"above 0, at most {_LONGEST_TIMEOUT:g} s is wanted")
    return float(timeout)


def _count(attempts: int) -> int:
    if isinstance(attempts, bool) or attempts not in range(1, _MOST_ATTEMPTS + 1):
        _refuse("number of attempts", str(attempts), f"1 to {_MOST_ATTEMPTS} is wanted")
    return int(attempts)


def _refuse(name: str, given: str, why: str) -> NoReturn:
    raise SettingInvalid(f"not a {name} for a client", subject=quoted(given), why=why)


def _by_name(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """*headers* by their names in lower case; what was sent twice is joined by a comma."""
    found: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _too_long(wanted: Wanted) -> Unavailable:
    return Unavailable(
        "the service gave no answer",
        subject=wanted.where,
        why=f"more than {wire.MAX_ANSWER} bytes came",
        hint="look at what answers there",
    )


def _closed(url: str) -> Unavailable:
    return Unavailable("the client is closed", subject=quoted(url, 200), hint="make another")
