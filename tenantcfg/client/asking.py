"""
`AsyncClient`: one question, one deadline, one answer.

There is one way of asking, this one; `tenantcfg.client.waiting` is its other face.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from uuid import uuid4
from weakref import WeakKeyDictionary

import httpcore

from tenantcfg.client import wire
from tenantcfg.client.target import ATTEMPTS, TIMEOUT, Target
from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.decision import require_least
from tenantcfg.errors import InvalidInput, TenantcfgError, Unavailable, quoted

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Sequence

    from tenantcfg.client.wire import Question, Reply, Wanted
    from tenantcfg.decision import Decision
    from tenantcfg.ids import AppId, TenantId

__all__ = ["AsyncClient", "closed", "late"]

T = TypeVar("T")

_FIRST_PAUSE: Final = 0.02
_MOST_CONNECTIONS: Final = 100
_MOST_KEPT: Final = 20
# Shorter than services keep a connection that is not used, so that ours is the first to let go.
_KEPT_SECONDS: Final = 5.0
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
        self._target = Target.of(
            url, key, timeout=timeout, attempts=attempts, store_id=store_id, tls=tls
        )
        self.url = self._target.url
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

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _wanted(self, at_least: int, request_id: str | None) -> Wanted:
        require_least(at_least)
        if request_id is not None and not wire.fits_header(request_id):
            raise InvalidInput(
                "not a request id",
                subject=quoted(request_id),
                why="1 to 200 printable ASCII characters are wanted",
            )
        return wire.Wanted(self.url, request_id or str(uuid4()), at_least, self._target.store_id)

    async def _ask(self, asked: Question, wanted: Wanted, read: Callable[[Reply], T]) -> T:
        """What *read* makes of the answer, if that is there in time."""
        if self._closed:
            raise closed(self.url)
        timeout = self._target.timeout
        end = time.monotonic() + timeout
        try:
            async with asyncio.timeout(timeout):
                reply = await self._answer(asked, wanted, end)
        except TimeoutError as why:
            raise late(wanted.where, timeout) from why
        result = read(reply)
        # An event loop that was busy with something else may find an answer that is old by now.
        if time.monotonic() > end:
            raise late(wanted.where, timeout)
        return result

    async def _answer(self, asked: Question, wanted: Wanted, end: float) -> Reply:
        """The first reply that is worth reading, or the last that could be had."""
        for attempt in range(1, self._target.attempts + 1):
            pause = random.uniform(0, _FIRST_PAUSE * 2 ** (attempt - 1))  # noqa: S311 - a pause
            try:
                reply = await self._once(asked, wanted)
            except _LOST as why:
                failure: TenantcfgError = _unreachable(why, wanted)
                again = isinstance(why, httpcore.ConnectError)
            else:
                if not reply.again:
                    return reply
                failure, again = reply.failure(wanted), True
                pause = max(pause, reply.retry_after)
            if not again or attempt == self._target.attempts or time.monotonic() + pause >= end:
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
            self._target.base + asked.path,
            headers=[*self._target.headers, *wanted.headers()],
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
                ssl_context=self._target.tls,
                max_connections=_MOST_CONNECTIONS,
                max_keepalive_connections=_MOST_KEPT,
                keepalive_expiry=_KEPT_SECONDS,
                uds=self._target.socket,
            )
            self._pools[loop] = found
        return found


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


def _by_name(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """*headers* by their names in lower case; what was sent twice is joined by a comma."""
    found: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _unreachable(why: Exception, wanted: Wanted) -> Unavailable:
    return Unavailable(
        "the service cannot be reached",
        subject=wanted.where,
        why=quoted(str(why) or type(why).__name__, 200)[1:-1],
        hint="ask again",
    )


def _too_long(wanted: Wanted) -> Unavailable:
    return Unavailable(
        "the service gave no answer",
        subject=wanted.where,
        why=f"more than {wire.MAX_ANSWER} bytes came",
        hint="look at what answers there",
    )


def late(where: str, timeout: float) -> Unavailable:
    """The error of whoever asked at *where*, and heard nothing within *timeout* seconds."""
    return Unavailable(
        "the service did not answer in time",
        subject=where,
        why=f"{timeout:g} s have passed",
        hint="ask again",
    )


def closed(url: str) -> Unavailable:
    """The error of whoever uses a client that was closed."""
    return Unavailable("the client is closed", subject=quoted(url, 200), hint="make another")
