"""
The stream of changes: ``GET /changes?after=REV``, server-sent events in revision order.

What a key may not see does not show. Changes of service keys are shown to nobody. The stream is for
those who keep something that a change makes wrong; whoever permits by it permits by what was
(check S6).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tenantcfg import instants
from tenantcfg.configuration import Result
from tenantcfg.history import Verb
from tenantcfg.keys import Right
from tenantcfg.service.streams import HEARTBEAT, Page, Streams, members_of, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tenantcfg.history import Change
    from tenantcfg.service.authzen import Askers
    from tenantcfg.service.http import Endpoint
    from tenantcfg.store import Answered, Store

__all__ = ["changes"]

STREAMS: Final = 500
"""The most streams at once in each worker, and no more than half of its connections."""

_THREADS: Final = 2


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
    feed = _Changes(store)
    streams = Streams(feed, store, askers, watched, heartbeat=heartbeat, most=most)
    return {b"/changes": streams.open}


class _Changes:
    """The changes of *store*, as they are followed (`Feed`)."""

    rights: Final = (Right.CHECK, Right.READ)
    tick: Final = 0.2

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="changes")

    async def head(self, answered: Answered) -> int:
        """See `Feed.head`."""
        return answered.revision

    async def newest(self, after: int, tenants: Collection[str] | None) -> int:
        """See `Feed.newest`."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: self._store.newest(after, tenants=tenants)
        )

    async def page(self, after: int, limit: int, tenants: Collection[str] | None) -> Page:
        """See `Feed.page`."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._page, after, limit, tenants
        )

    def _page(self, after: int, limit: int, tenants: Collection[str] | None) -> Page:
        found = self._store.follow(after, limit=limit, tenants=tenants)
        return Page.of(map(_Event.of, found.changes), found.through)


@dataclass(frozen=True, slots=True)
class _Event:
    """
    A change as it goes out, but for what is the key's own.

    Attributes:
        plain: the members behind ``previous``, as JSON without the braces.
        who: those that only a key that may read is shown.
    """

    number: int
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
        return cls(change.revision, tenant, members_of(members), members_of(who))

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self.plain) + len(self.who)

    def piece(self, previous: int, *, whole: bool) -> bytes:
        """The event for a key that was sent *previous* before, *whole* if it may read."""
        who = b"," + self.who if whole else b""
        numbers = b'"revision":%d,"previous":%d,' % (self.number, previous)
        return sent("change", numbers + self.plain + who, b"id: %d\n" % self.number)


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
