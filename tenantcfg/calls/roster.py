"""
The roster of the store as a call controller: the embedded default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantcfg.store.rounds import CarryOut

if TYPE_CHECKING:
    from tenantcfg.calls.threads import StoreThreads
    from tenantcfg.ids import TenantId
    from tenantcfg.meetings import Call, Outcome, Page, Participant, Removal, Whereabouts
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

    def __init__(self, store: Store, threads: StoreThreads) -> None:
        self._roster = store.roster
        self._threads = threads

    async def calls(self, tenant: TenantId, *, after: str | None, limit: int) -> Page[Call]:
        """See `CallController.calls`."""
        return await self._threads.read(self._roster.calls, tenant, after=after, limit=limit)

    async def call(self, tenant: TenantId, call: str) -> Call | None:
        """See `CallController.call`."""
        return await self._threads.read(self._roster.call, tenant, call)

    async def participants(
        self, tenant: TenantId, call: str, *, after: str | None, limit: int
    ) -> Page[Participant] | None:
        """See `CallController.participants`."""
        asked = self._roster.participants
        return await self._threads.read(asked, tenant, call, after=after, limit=limit)

    async def whereabouts(self, tenant: TenantId, call: str, participant: str) -> Whereabouts:
        """See `CallController.whereabouts`."""
        return await self._roster.whereabouts(tenant, call, participant)

    async def remove(self, removal: Removal) -> Outcome:
        """See `CallController.remove`; the outcome is settled in the same commit."""
        return await self._threads.write(CarryOut(removal.request_id))

    async def stayed(self, removal: Removal) -> bool:
        """See `CallController.stayed`; nothing is under way, whatever was ordered."""
        found = await self.whereabouts(removal.tenant, removal.call, removal.participant)
        return found.participant is not None

    async def close(self) -> None:
        """See `CallController.close`; the store is closed by whoever opened it."""
