"""
Streams of server-sent events: one look at the store for all who follow, each at their own pace.

What is followed is a `Feed`: events with rising numbers. What a key may not see does not show: its
stream has the events of its tenants alone, and what each event names as the one before it is the
last of these.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qsl
from weakref import WeakSet

from tenantcfg.errors import StoreUnusable, TenantcfgError, Unavailable
from tenantcfg.keys import Right
from tenantcfg.service.askers import KeyHolder, require, told
from tenantcfg.service.authzen import Snapshot
from tenantcfg.service.authzen.endpoints import freshness_of, stamped
from tenantcfg.service.http import ALLOW_GET, NO_STORE, Problem, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence

    from tenantcfg.keys import KeyFacts
    from tenantcfg.service.askers import Anyone
    from tenantcfg.service.authzen import Askers
    from tenantcfg.service.http import Request
    from tenantcfg.store import Answered, Store

__all__ = ["HEARTBEAT", "Event", "Feed", "Page", "Streams", "members_of", "sent"]

HEARTBEAT: Final = 10.0
"""Seconds between two heartbeats of a stream."""

_JUDGED_FOR: Final = 1.0
"""Seconds for which events go out, to a reader who takes his time, on one look at the key."""
_PAGE: Final = 16
_PAGE_BYTES: Final = 1 << 17
"""So much of what a reader has not taken yet is held for him, and one event at the least."""
_RECENT: Final = 64
_RECENT_BYTES: Final = 1 << 20
"""Of so many numbers the events are kept for all streams; who is further behind reads alone."""

_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_RETRY: Final = b"retry: 1000\n"
_HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    NO_STORE,
    # nginx would collect what it passes on.
    (b"x-accel-buffering", b"no"),
)


class Event(Protocol):
    """One event, but for what is the key's own."""

    @property
    def number(self) -> int:
        """Its number, greater than of the one before."""

    @property
    def tenant(self) -> str:
        """The id of the tenant that it concerns."""

    @property
    def size(self) -> int:
        """Bytes that it holds."""

    def piece(self, previous: int, *, whole: bool) -> bytes:
        """The event for a key that was sent *previous* before, *whole* if it may read."""


class Feed(Protocol):
    """
    What can be followed; it is read in threads of its own, so that no check waits behind it.

    Attributes:
        rights: one of them is enough to follow.
        tick: seconds between two looks at the head, one for all streams of a worker.
    """

    @property
    def rights(self) -> tuple[Right, ...]: ...  # noqa: D102

    @property
    def tick(self) -> float: ...  # noqa: D102

    async def head(self, answered: Answered) -> int:
        """The number of the newest event; *answered* is what the store said just now."""

    async def newest(self, after: int, tenants: Collection[str] | None) -> int:
        """The number of the last event up to *after*, of those of *tenants*; None: of all."""

    async def page(self, after: int, limit: int, tenants: Collection[str] | None) -> Page:
        """The events behind the number *after*, of those of *tenants*, *limit* at most."""


class Streams:
    """
    The streams of one feed, of one worker.

    Args:
        store: whose events they are.
        askers: who may ask.
        watched: is told why the store does not answer, and of faults.
        heartbeat: seconds between two heartbeats.
        most: how many there may be at once.
    """

    def __init__(
        self,
        feed: Feed,
        store: Store,
        askers: Askers,
        watched: Callable[[Exception], None],
        *,
        heartbeat: float,
        most: int,
    ) -> None:
        self._reads = _Reads(store, feed)
        self._tail = _Tail(self._reads, watched)
        self._askers = askers
        self._watched = watched
        self._heartbeat = heartbeat
        self._most = most
        # Not a number that is counted down in the end: a stream that never began has no end.
        self._open: WeakSet[_Follower] = WeakSet()

    async def open(self, request: Request) -> Stream:
        """Begin a stream, behind the number that is asked for."""
        if request.method not in {"GET", "HEAD"}:
            raise Problem("method_not_allowed", "only GET is answered here", ALLOW_GET)
        asker: Any = self._askers.presented(request)
        request.asker = asker.identity
        answered = await self._reads.judged(asker)
        facts = require(answered, asker, *self._reads.feed.rights)
        after = await self._start(request, answered)
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

    async def _start(self, request: Request, answered: Answered) -> int:
        """
        The number behind which the stream begins, which has to be one of this history.

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
        if after > await self._reads.feed.head(answered):
            raise Problem("conflict", "this store has not got that far", _stamp(answered))
        return after


def _after(request: Request) -> int:
    """What was seen: ``Last-Event-ID``, which a reader renews, or else ``after``, which stays."""
    given = request.one(b"last-event-id")
    if given is not None:
        return _number("Last-Event-ID", given.decode("latin-1"))
    query = parse_qsl(request.query.decode("latin-1"), keep_blank_values=True)
    said = [value for name, value in query if name == "after"]
    if len(said) != 1:
        raise Problem("invalid_request", "after is wanted, once: the last number seen, or 0")
    return _number("after", said[0])


def _number(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise Problem("invalid_request", f"{name} is not a whole number")
    return int(text)


def _stamp(answered: Answered) -> tuple[tuple[bytes, bytes], ...]:
    return stamped(Snapshot(answered.store_id, answered.revision))


async def _nothing() -> AsyncIterator[bytes]:
    pieces: tuple[bytes, ...] = ()
    for piece in pieces:
        yield piece


def members_of(members: dict[str, Any]) -> bytes:
    """*members* as JSON, without the braces."""
    return json.dumps(members, separators=(",", ":")).encode()[1:-1]


def sent(event: str, members: bytes, id_: bytes = b"") -> bytes:
    """The event of the name *event* as it goes out; *id_* is a line, or nothing."""
    # JSON as it is written here has no line breaks, so one line holds it.
    return b"%sevent: %s\ndata: {%s}\n\n" % (id_, event.encode(), members)


# Reading, alone and for all


@dataclass(frozen=True, slots=True)
class Page:
    """
    Events in their order; up to *through* none is missing.

    Of a page that is *cut* more was read than is held at once.
    """

    events: Sequence[Event]
    through: int
    cut: bool = False

    @classmethod
    def of(cls, events: Iterable[Event], through: int) -> Page:
        """As much of the page as is held at once."""
        kept: list[Event] = []
        size = 0
        for event in events:
            if len(kept) == _PAGE or (kept and size + event.size > _PAGE_BYTES):
                return cls(kept, kept[-1].number, cut=True)
            kept.append(event)
            size += event.size
        return cls(kept, through)


class _Reads:
    """What streams ask."""

    def __init__(self, store: Store, feed: Feed) -> None:
        self._store = store
        self.feed = feed

    async def judged(self, asker: KeyHolder | Anyone | None) -> Answered:
        """The head, and the key of *asker*, as they are now."""
        key = asker.key.id if isinstance(asker, KeyHolder) else None
        return await told(self._store, self._store.ask((), key=key))

    async def newest(self, after: int, facts: KeyFacts | None) -> int:
        """The last event up to the number *after*, of those that such a key sees."""
        return await self.feed.newest(after, None if facts is None else facts.tenants)

    async def page(self, after: int, limit: int, facts: KeyFacts | None) -> Page:
        """The events behind the number *after* that a key of these *facts* sees, *limit*."""
        return await self.feed.page(after, limit, None if facts is None else facts.tenants)


class _Tail:
    """
    The newest events, read once for all streams, and the word that there are more.

    It looks at the head as long as somebody waits. All that it holds is behind `start`.
    """

    def __init__(self, reads: _Reads, watched: Callable[[Exception], None]) -> None:
        self.start = 0
        self.head = 0
        self._recent: deque[Event] = deque()
        self._size = 0
        self._reads = reads
        self._watched = watched
        self._waiting = 0
        self._moved: asyncio.Future[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    def page(self, after: int) -> Page | None:
        """The events behind the number *after*, a page of them; None: not all are held."""
        if not self.start <= after <= self.head:
            return None
        behind = (event for event in self._recent if event.number > after)
        return Page.of(behind, self.head)

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
                head = await self._reads.feed.head(await self._reads.judged(None))
                if head != self.head:
                    await self._read_on(head)
                    self._wake()
            except TenantcfgError as why:
                self._watched(why)
                # Each sees for itself whether it can go on.
                self._wake()
            await asyncio.sleep(self._reads.feed.tick)

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
            self.start = oldest.number

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
                    previous, place.last = place.last or 0, event.number
                    place.through = event.number
                    yield event.piece(previous, whole=self._reads_all())
            place.through = page.through
            now = time.monotonic()
            if now - beaten >= self._heartbeat:
                yield self._beat()
                beaten = now
            left = min(beaten + self._heartbeat, self._ends) - time.monotonic()
            await self._tail.wait(place.through, max(left, 0.01))

    async def _page(self) -> Page:
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
        facts = require(answered, self._asker, *self._reads.feed.rights)
        place = self._place
        head = await self._reads.feed.head(answered)
        if answered.store_id != place.store_id or head < place.through:
            raise Problem("stale", "this is another store now")
        self.admit(answered, facts)

    def _covers(self, event: Event) -> bool:
        return self._facts is None or self._facts.covers(event.tenant)

    def _reads_all(self) -> bool:
        return self._facts is not None and Right.READ in self._facts.rights

    def _beat(self) -> bytes:
        return sent("heartbeat", b'"through":%d' % self._place.through)

    def _end(self, code: str) -> bytes:
        return sent("end", b'"reason":"%s","through":%d' % (code.encode(), self._place.through))
