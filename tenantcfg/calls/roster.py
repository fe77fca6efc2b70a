"""
The roster of the store as a call controller: the embedded default.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.ids import TenantId
    from tenantcfg.meetings import Call, Outcome, Page, Participant, Removal
    from tenantcfg.store import Store

__all__ = ["RosterController"]

T = TypeVar("T")

_READERS: Final = 4


class RosterController:
    """
    The calls that *store* holds (`CallController`).

    Whoever is taken out of it is out: the media layer follows the removals as a stream and drops
    them.
    """

    name: Final = "roster"
    settles: Final = True

    def __init__(self, store: Store) -> None:
        self._store = store
        # Of their own: whoever writes may wait for a lock, and keeps a thread while they do.
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="calls")

    async def calls(self, tenant: TenantId, *, after: str | None, limit: int) -> Page[Call]:
        """See `CallController.calls`."""
        asked = partial(self._store.roster.calls, tenant, after=after, limit=limit)
        return await self._read(asked)

    async def call(self, tenant: TenantId, call: str) -> Call | None:
        """See `CallController.call`."""
        return await self._read(partial(self._store.roster.call, tenant, call))

    async def participants(
        self, tenant: TenantId, call: str, *, after: str | None, limit: int
    ) -> Page[Participant] | None:
        """See `CallController.participants`."""
        asked = partial(self._store.roster.participants, tenant, call, after=after, limit=limit)
        return await self._read(asked)

    async def participant(
        self, tenant: TenantId, call: str, participant: str
    ) -> Participant | None:
        """See `CallController.participant`."""
        asked = partial(self._store.roster.participant, tenant, call, participant)
        return await self._read(asked)

    async def remove(self, removal: Removal) -> Outcome:
        """See `CallController.remove`; the outcome is settled in the same commit."""
        return await asyncio.to_thread(self._store.roster.remove, removal.request_id)

    async def stayed(self, removal: Removal) -> bool:
        """See `CallController.stayed`; nothing is under way, whatever was ordered."""
        found = await self.participant(removal.tenant, removal.call, removal.participant)
        return found is not None

    async def close(self) -> None:
        """See `CallController.close`; the store is closed by whoever opened it."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    async def _read(self, asked: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, asked)
