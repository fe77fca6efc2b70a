"""
The roster of the store as a call controller: the embedded default.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tenantcfg.ids import TenantId
    from tenantcfg.meetings import Call, Outcome, Page, Participant, Removal
    from tenantcfg.store import Store

__all__ = ["RosterController"]


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

    async def calls(self, tenant: TenantId, *, after: str | None, limit: int) -> Page[Call]:
        """See `CallController.calls`."""
        asked = partial(self._store.roster.calls, tenant, after=after, limit=limit)
        return await asyncio.to_thread(asked)

    async def call(self, tenant: TenantId, call: str) -> Call | None:
        """See `CallController.call`."""
        return await asyncio.to_thread(self._store.roster.call, tenant, call)

    async def participants(
        self, tenant: TenantId, call: str, *, after: str | None, limit: int
    ) -> Page[Participant] | None:
        """See `CallController.participants`."""
        asked = partial(self._store.roster.participants, tenant, call, after=after, limit=limit)
        return await asyncio.to_thread(asked)

    async def participant(
        self, tenant: TenantId, call: str, participant: str
    ) -> Participant | None:
        """See `CallController.participant`."""
        return await asyncio.to_thread(self._store.roster.participant, tenant, call, participant)

    async def remove(self, removal: Removal) -> Outcome:
        """See `CallController.remove`; the outcome is settled in the same commit."""
        return await asyncio.to_thread(self._store.roster.remove, removal.request_id)

    async def stayed(self, removal: Removal) -> bool:
        """See `CallController.stayed`; nothing is under way, whatever was ordered."""
        found = await self.participant(removal.tenant, removal.call, removal.participant)
        return found is not None

    async def close(self) -> None:
        """See `CallController.close`; the store is closed by whoever opened it."""
