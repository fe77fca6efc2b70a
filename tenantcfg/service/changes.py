"""
The stream of changes: ``GET /changes?after=REV``, server-sent events in revision order.

What a key may not see does not show: its stream has the changes of its tenants alone, and what
each event names as the one before it is the last of these. Changes of service keys are shown to
nobody. The stream is for those who keep something that a change makes wrong; whoever permits
by it permits by what was (check S6).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl
from weakref import WeakSet

from tenantcfg import instants
from tenantcfg.configuration import Result
from tenantcfg.errors import StoreUnusable, TenantcfgError, Unavailable
from tenantcfg.history import Verb
from tenantcfg.keys import Right
from tenantcfg.service.askers import KeyHolder, require, told
from tenantcfg.service.authzen import Snapshot
from tenantcfg.service.authzen.endpoints import freshness_of, stamped
from tenantcfg.service.http import ALLOW_GET, NO_STORE, Problem, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from tenantcfg.history import Change
    from tenantcfg.keys import KeyFacts
    from tenantcfg.service.askers import Anyone
    from tenantcfg.service.authzen import Askers
    from tenantcfg.service.http import Endpoint, Request
    from tenantcfg.store import Answered, Store

__all__ = ["changes"]

HEARTBEAT: Final = 10.0
"""Seconds between two heartbeats of a stream."""
STREAMS: Final = 500
"""The most streams at once in each worker, and no more than half of its connections."""

_TICK: Final = 0.2
"""Seconds between two looks at the head, one for all streams of a worker."""
_JUDGED_FOR: Final = 1.0
"""Seconds for which events go out, to a reader who takes his time, on one look at the key."""
_PAGE: Final = 16
_PAGE_BYTES: Final = 1 << 17
"""So much of what a reader has not taken yet is held for him, and one event at the least."""
_RECENT: Final = 64
_RECENT_BYTES: Final = 1 << 20
"""Of so many changes the events are kept for all streams; who is further behind reads alone."""
_THREADS: Final = 2

_REVISION: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_RETRY: Final = b"retry: 1000\n"
_HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    NO_STORE,
    # nginx would collect what it passes on.
    (b"x-accel-buffering", b"no"),
)
_MAY_FOLLOW: Final = (Right.CHECK, Right.READ)


def changes(
    store: Store,
    askers: Askers,
    watched: Callable[[Exception], None],
    *,
    connections: int,
    heartbeat: float = HEARTBEAT,
) -> dict[bytes, Endpoint]:
    """
    The endpoint of the stream, by its path.

    Args:
        store: whose changes they are.
        askers: who may ask.
        watched: is told why the store does not answer, and of faults.
        connections: how many there can be, of which streams leave half to the checks.
        heartbeat: seconds between two heartbeats.
    """
    most = min(STREAMS, connections // 2)
    return {b"/changes": _Streams(store, askers, watched, heartbeat, most).open}


class _Streams:
    """The streams of one worker."""

    def __init__(
        self,
        store: Store,
        askers: Askers,
        watched: Callable[[Exception], None],
        heartbeat: float,
        most: int,
    ) -> None:
        self._reads = _Reads(store)
        self._tail = _Tail(self._reads, watched)
        self._askers = askers
        self._watched = watched
        self._heartbeat = heartbeat
        self._most = most
        # Not a number that is counted down in the end: a stream that never began has no end.
        self._open: WeakSet[_Follower] = WeakSet()

    async def open(self, request: Request) -> Stream:
        """Begin a stream, behind the revision that is asked for."""
        if request.method not in {"GET", "HEAD"}:
            raise Problem("method_not_allowed", "only GET is answered here", ALLOW_GET)
        asker: Any = self._askers.presented(request)
        request.asker = asker.identity
        answered = await self._reads.judged(asker)
        facts = require(answered, asker, *_MAY_FOLLOW)
        after = _start(request, answered)
        if len(self._open) >= self._most:
            again = ((b"retry-after", b"10"),)
            raise Problem("too_many_requests", "there are too many streams", again)
        headers = (*_HEADERS, *_stamp(answered))
        if request.method == "HEAD":
            return Stream(headers, _nothing())
        place = _Place(answered.store_id, after)
        follower = _Follower(self._reads, self._tail, asker, place, self._heartbeat)
        follower.admit(answered, facts)
        self._open.add(follower)
        return Stream(headers, follower.pieces(self._watched))


def _start(request: Request, answered: Answered) -> int:
    """
    The revision behind which the stream begins, which has to be one of this history.

    Raises:
        Problem: ``invalid_request``; ``stale``: another store was named, or this one is older
            than what was named (check C8); ``conflict``: it is beyond the head.
    """
    fresh = freshness_of(request)
    after = _after(request)
    if fresh.store not in {None, answered.store_id}:
        raise Problem("stale", "this is another store than the one named", _stamp(answered))
    if answered.revision < fresh.revision:
        raise Problem("stale", "this store is older than what was asked for", _stamp(answered))
    if after > answered.revision:
        raise Problem("conflict", "this store has no such revision yet", _stamp(answered))
    return after


def _after(request: Request) -> int:
    """What was seen: ``Last-Event-ID``, which a reader renews, or else ``after``, which stays."""
    given = request.one(b"last-event-id")
    if given is not None:
        return _revision("Last-Event-ID", given.decode("latin-1"))
    query = parse_qsl(request.query.decode("latin-1"), keep_blank_values=True)
    said = [value for name, value in query if name == "after"]
    if len(said) != 1:
        raise Problem("invalid_request", "after is wanted, once: the last revision seen, or 0")
    return _revision("after", said[0])


def _revision(name: str, text: str) -> int:
    if not _REVISION.fullmatch(text):
        raise Problem("invalid_request", f"{name} is not a whole number")
    return int(text)


def _stamp(answered: Answered) -> tuple[tuple[bytes, bytes], ...]:
    return stamped(Snapshot(answered.store_id, answered.revision))


async def _nothing() -> AsyncIterator[bytes]:
    pieces: tuple[bytes, ...] = ()
    for piece in pieces:
        yield piece


# One event


@dataclass(frozen=True, slots=True)
class _Event:
    """
    A change as it goes out, but for what is the key's own.

    Attributes:
        plain: the members behind ``previous``, as JSON without the braces.
        who: those that only a key that may read is shown.
    """

    revision: int
    tenant: str
    plain: bytes
    who: bytes

    @classmethod
    def of(cls, change: Change) -> _Event:
        """The event of *change*, which concerns a tenant."""
        tenant = "" if change.tenant is None else change.tenant.value
        who = {
            "actor": change.by.actor.name,
            "on_behalf_of": change.by.on_behalf_of,
            "reason": change.by.reason,
        }
        members = {"tenant": tenant, **_outcomes(change), **_state(change)}
        return cls(change.revision, tenant, _members(members), _members(who))

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self.plain) + len(self.who)

    def piece(self, previous: int, *, whole: bool) -> bytes:
        """The event for a key that was sent *previous* before, *whole* if it may read."""
        who = b"," + self.who if whole else b""
        numbers = b'"revision":%d,"previous":%d,' % (self.revision, previous)
        return _sent("change", numbers + self.plain + who, b"id: %d\n" % self.revision)


def _outcomes(change: Change) -> dict[str, Any]:
    """The apps by what became of them, and when the right of those who have it now ends."""
    named: dict[Result, list[str]] = {result: [] for result in Result}
    ends: dict[str, str | None] = {}
    for outcome in change.outcomes:
        named[outcome.result].append(outcome.app.value)
        if outcome.result in {Result.ADDED, Result.CHANGED}:
            until = outcome.expires_at
            ends[outcome.app.value] = None if until is None else instants.text(until)
    return {
        "added": named[Result.ADDED],
        "removed": named[Result.REMOVED],
        "changed": named[Result.CHANGED],
        "expires_at": ends,
    }


def _state(change: Change) -> dict[str, str]:
    """What became of the tenant itself, where something did."""
    match change.operation.effect:
        case Verb.TENANT_ADD:
            # It comes back as it was, where a removal is undone.
            enabled = change.operation.details.get("enabled", True)
            return {"state": "enabled" if enabled else "disabled"}
        case Verb.TENANT_ENABLE:
            return {"state": "enabled"}
        case Verb.TENANT_DISABLE:
            return {"state": "disabled"}
        case Verb.TENANT_REMOVE:
            return {"state": "removed"}
    return {}


def _members(members: dict[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()[1:-1]


def _sent(event: str, members: bytes, id_: bytes = b"") -> bytes:
    # JSON as it is written here has no line breaks, so one line holds it.
    return b"%sevent: %s\ndata: {%s}\n\n" % (id_, event.encode(), members)


# Reading, alone and for all


@dataclass(frozen=True, slots=True)
class _Page:
    """
    Events in their order; up to *through* none is missing.

    Of a page that is *cut* more was read than is held at once.
    """

    events: Sequence[_Event]
    through: int
    cut: bool = False

    @classmethod
    def of(cls, events: Iterable[_Event], through: int) -> _Page:
        """As much of the page as is held at once."""
        kept: list[_Event] = []
        size = 0
        for event in events:
            if len(kept) == _PAGE or (kept and size + event.size > _PAGE_BYTES):
                return cls(kept, kept[-1].revision, cut=True)
            kept.append(event)
            size += event.size
        return cls(kept, through)


class _Reads:
    """What streams ask the store, in threads of their own: no check waits behind them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="changes")

    async def judged(self, asker: KeyHolder | Anyone | None) -> Answered:
        """The head, and the key of *asker*, as they are now."""
        key = asker.key.id if isinstance(asker, KeyHolder) else None
        return await told(self._store, self._store.ask((), key=key))

    async def newest(self, after: int, facts: KeyFacts | None) -> int:
        """The last event up to the revision *after*, of those that such a key sees."""
        tenants = None if facts is None else facts.tenants
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: self._store.newest(after, tenants=tenants)
        )

    async def page(self, after: int, limit: int, facts: KeyFacts | None) -> _Page:
        """The events behind the revision *after* that a key of these *facts* sees, *limit*."""
        tenants = None if facts is None else facts.tenants
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._page, after, limit, tenants
        )

    def _page(self, after: int, limit: int, tenants: frozenset[str] | None) -> _Page:
        found = self._store.follow(after, limit=limit, tenants=tenants)
        return _Page.of(map(_Event.of, found.changes), found.through)


class _Tail:
    """
    The newest events, read once for all streams, and the word that there are more.

    It looks at the head as long as somebody waits. All that it holds is behind `start`.
    """

    def __init__(self, reads: _Reads, watched: Callable[[Exception], None]) -> None:
        self.start = 0
        self.head = 0
        self._recent: deque[_Event] = deque()
        self._size = 0
        self._reads = reads
        self._watched = watched
        self._waiting = 0
        self._moved: asyncio.Future[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    def page(self, after: int) -> _Page | None:
        """The events behind the revision *after*, a page of them; None: not all are held."""
        if not self.start <= after <= self.head:
            return None
        behind = (event for event in self._recent if event.revision > after)
        return _Page.of(behind, self.head)

    async def wait(self, seen: int, seconds: float) -> None:
        """Return once there is more than *seen*, or there is trouble; or after *seconds*."""
        if self.head > seen:
            return
        loop = asyncio.get_running_loop()
        if self._moved is None:
            self._moved = loop.create_future()
        self._waiting += 1
        if self._looking is None or self._looking.done():
            self._looking = loop.create_task(self._look())
        try:
            await asyncio.wait([self._moved], timeout=seconds)
        finally:
            self._waiting -= 1

    async def _look(self) -> None:
        while self._waiting:
            try:
                answered = await self._reads.judged(None)
                if answered.revision != self.head:
                    await self._read_on(answered.revision)
                    self._wake()
            except TenantcfgError as why:
                self._watched(why)
                # Each sees for itself whether it can go on.
                self._wake()
            await asyncio.sleep(_TICK)

    async def _read_on(self, head: int) -> None:
        if not 0 < head - self.head <= _RECENT:
            self._recent.clear()
            self.start = self.head = head
        while self.head < head:
            page = await self._reads.page(self.head, _PAGE, None)
            self._recent.extend(page.events)
            self._size = sum(event.size for event in self._recent)
            self.head = page.through
            self._forget()

    def _forget(self) -> None:
        while len(self._recent) > _RECENT or self._size > _RECENT_BYTES:
            oldest = self._recent.popleft()
            self._size -= oldest.size
            self.start = oldest.revision

    def _wake(self) -> None:
        moved, self._moved = self._moved, None
        if moved is not None and not moved.done():
            moved.set_result(None)


# One stream


@dataclass(slots=True)
class _Place:
    """Up to where a stream has come: of which history, and which event was the last."""

    store_id: str
    through: int
    last: int | None = None


class _Follower:
    """One who follows, at his own pace: what he has not taken yet stays in the store."""

    def __init__(
        self,
        reads: _Reads,
        tail: _Tail,
        asker: KeyHolder | Anyone,
        place: _Place,
        heartbeat: float,
    ) -> None:
        self._reads = reads
        self._tail = tail
        self._asker = asker
        self._place = place
        self._heartbeat = heartbeat
        self._limit = _PAGE
        self._facts: KeyFacts | None = None
        self._judged = 0.0
        self._ends = float("inf")

    def admit(self, answered: Answered, facts: KeyFacts | None) -> None:
        """Take note of the key as it was read."""
        self._facts = facts
        self._judged = time.monotonic()
        if facts is not None and facts.expires_at is not None:
            self._ends = self._judged + (facts.expires_at - answered.at) / 1e6

    async def pieces(self, watched: Callable[[Exception], None]) -> AsyncIterator[bytes]:
        """What goes out, to the end; the last says why there is no more."""
        try:
            async for piece in self._pieces():
                yield piece
        except Problem as why:
            yield self._end(why.code)
        except (Unavailable, StoreUnusable):
            # Told once for all, by the one who looks for all.
            yield self._end("unavailable")
        except Exception as why:  # noqa: BLE001 - it becomes the end
            watched(why)
            yield self._end("internal")

    async def _pieces(self) -> AsyncIterator[bytes]:
        place = self._place
        yield _RETRY + self._beat()
        beaten = time.monotonic()
        while True:
            page = await self._page()
            for event in page.events:
                if self._covers(event):
                    await self._look_again()
                    previous, place.last = place.last or 0, event.revision
                    place.through = event.revision
                    yield event.piece(previous, whole=self._reads_all())
            place.through = page.through
            now = time.monotonic()
            if now - beaten >= self._heartbeat:
                yield self._beat()
                beaten = now
            left = min(beaten + self._heartbeat, self._ends) - time.monotonic()
            await self._tail.wait(place.through, max(left, 0.01))

    async def _page(self) -> _Page:
        """What comes next, and then the key as it is: what was read before, it may still see."""
        place = self._place
        if place.last is None:
            place.last = await self._reads.newest(place.through, self._facts)
        page = self._tail.page(place.through)
        if page is None:
            page = await self._reads.page(place.through, self._limit, self._facts)
            # What would be read only to be read again need not be read.
            self._limit = len(page.events) if page.cut else min(self._limit * 2, _PAGE)
        await self._judge()
        return page

    async def _look_again(self) -> None:
        if time.monotonic() - self._judged > _JUDGED_FOR:
            await self._judge()

    async def _judge(self) -> None:
        """Whether the key is still in force, and the store the one that it was."""
        answered = await self._reads.judged(self._asker)
        facts = require(answered, self._asker, *_MAY_FOLLOW)
        place = self._place
        if answered.store_id != place.store_id or answered.revision < place.through:
            raise Problem("stale", "this is another store now")
        self.admit(answered, facts)

    def _covers(self, event: _Event) -> bool:
        return self._facts is None or self._facts.covers(event.tenant)

    def _reads_all(self) -> bool:
        return self._facts is not None and Right.READ in self._facts.rights

    def _beat(self) -> bytes:
        return _sent("heartbeat", b'"through":%d' % self._place.through)

    def _end(self, code: str) -> bytes:
        return _sent("end", b'"reason":"%s","through":%d' % (code.encode(), self._place.through))
