"""
The act: a removal is put on record, ordered, and settled by what became of it (participants P14).

What was begun goes on to its end whoever has gone meanwhile. What was left open, by a service
that was killed or a controller that fell silent, is asked about and settled later.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import structlog

from tenantcfg.calls import CallsFailed, CallsUnavailable
from tenantcfg.decision import Deny
from tenantcfg.errors import TenantcfgError
from tenantcfg.instants import Instant
from tenantcfg.meetings import Outcome
from tenantcfg.service.askers import in_time
from tenantcfg.store.rounds import Begin, Settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenantcfg.calls import CallController
    from tenantcfg.calls.threads import StoreThreads
    from tenantcfg.meetings import Removal
    from tenantcfg.store import Store

__all__ = ["Remover", "controlled"]

T = TypeVar("T")

_LOG = structlog.get_logger("tenantcfg.service")

ASKED: Final = 2.0
"""Seconds for which the controller may think about who is where."""
ORDERED: Final = 4.0
"""Seconds that a removal may take."""
STAYED: Final = 3.0
"""Seconds that the controller may take to say what became of an order."""
LEFT: Final = 12.0
"""
Seconds after which a removal that is still open is nobody's any more.

Longer than it may be at work: ordered, asked after, and settled behind another writer.
"""
PAUSE: Final = 60.0
"""Seconds between two looks at what is open."""


class Tally(Protocol):
    """Counts removals, by what became of them."""

    def __call__(self, outcome: Outcome) -> None:
        """One more came to *outcome*."""


async def controlled(asked: Awaitable[T], seconds: float = ASKED, *, ordered: bool = False) -> T:
    """
    What the controller says, if it does so in time.

    Raises:
        CallsUnavailable: it does not; *ordered* tells whether it may do it all the same.
    """
    try:
        async with asyncio.timeout(seconds):
            return await asked
    except TimeoutError as why:
        raise CallsUnavailable(
            "the call controller has not answered in time", why=f"{seconds:g} s", ordered=ordered
        ) from why


class Remover:
    """
    Removes participants by *controller*, and keeps the audit of it in *store*.

    Args:
        threads: in which the store is asked; closed by `stop`.
        tally: counts what becomes of removals.
        failed: is told what was in the way.
        patience: seconds that a removal may take.
    """

    def __init__(
        self,
        controller: CallController,
        store: Store,
        threads: StoreThreads,
        *,
        tally: Tally,
        failed: Callable[[Exception], object],
        patience: float = ORDERED,
    ) -> None:
        self._patience = patience
        self._controller = controller
        self._store = store
        self._threads = threads
        self._tally = tally
        self._failed = failed
        self._acting: set[asyncio.Task[Outcome | Deny]] = set()
        self._settling: asyncio.Task[None] | None = None

    @property
    def controller(self) -> str:
        """The kind of controller, as the audit has it."""
        return self._controller.name

    # One removal

    async def remove(self, removal: Removal) -> Outcome | Deny:
        """
        What became of *removal*: ``REMOVED``, ``ALREADY_GONE``, or that it is not permitted.

        Whoever waits for it may go away; it is done all the same.

        Raises:
            CallsUnavailable, CallsFailed: it did not happen, or nobody can tell.
            Unavailable, StoreUnusable: it is not on record what became of it.
        """
        acting = asyncio.create_task(self._act(removal))
        self._acting.add(acting)
        acting.add_done_callback(self._acting.discard)
        return await asyncio.shield(acting)

    async def _act(self, removal: Removal) -> Outcome | Deny:
        decision = await in_time(self._store, self._threads.write(Begin(removal)))
        if isinstance(decision, Deny):
            return decision
        outcome = Outcome.UNKNOWN
        try:
            outcome = await self._carried_out(removal)
        except _NotDone as why:
            outcome = why.outcome
            raise why.trouble from why.trouble.__cause__
        finally:
            self._tally(outcome)
        return outcome

    async def _carried_out(self, removal: Removal) -> Outcome:
        if self._controller.settles:
            return await controlled(self._controller.remove(removal), self._patience, ordered=True)
        try:
            ordered = self._controller.remove(removal)
            outcome = await controlled(ordered, self._patience, ordered=True)
        except (CallsUnavailable, CallsFailed) as why:
            return await self._looked_after(removal, why)
        return await self._settle(removal, outcome)

    async def _looked_after(self, removal: Removal, trouble: TenantcfgError) -> Outcome:
        """The outcome by who is there, since the controller has not told it."""
        outcome, why = Outcome.FAILED, str(trouble)
        if not isinstance(trouble, CallsUnavailable) or trouble.ordered:
            try:
                outcome = await self._asked_after(removal)
            except (CallsUnavailable, CallsFailed):
                outcome = Outcome.UNKNOWN
        if outcome is Outcome.REMOVED:
            return await self._settle(removal, outcome, why)
        try:
            await self._settle(removal, outcome, why)
        except TenantcfgError as unsettled:
            self._failed(unsettled)
        raise _NotDone(outcome, trouble)

    async def _asked_after(self, removal: Removal) -> Outcome:
        """What became of a removal that nobody has told of."""
        if await controlled(self._controller.stayed(removal), STAYED):
            return Outcome.FAILED
        # Where order and outcome are one commit, what is open did not happen.
        return Outcome.ALREADY_GONE if self._controller.settles else Outcome.REMOVED

    async def _settle(self, removal: Removal, outcome: Outcome, why: str | None = None) -> Outcome:
        settled = self._threads.write(Settle(removal.request_id, outcome, why))
        return await in_time(self._store, settled)

    # What was left open

    async def start(self) -> None:
        """Begin to settle what is left open, now and from then on."""
        self._settling = asyncio.create_task(self._settle_on())

    async def stop(self) -> None:
        """Finish what is under way, and let go of the controller."""
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.wait({self._settling})
        if self._acting:
            await asyncio.wait(self._acting, timeout=ORDERED)
        await self._controller.close()
        self._threads.close()

    async def _settle_on(self) -> None:
        await self.settle_open()
        # By then whatever was open at the start is old enough.
        await asyncio.sleep(LEFT)
        while True:
            await self.settle_open()
            await asyncio.sleep(PAUSE)

    async def settle_open(self, left: float = LEFT) -> None:
        """Settle what was begun *left* seconds ago or earlier, as far as it can be told."""
        before = Instant(int((time.time() - left) * 1_000_000))
        try:
            found = await self._threads.read(
                self._store.removals.open, self._controller.name, before=before
            )
        except Exception as why:  # noqa: BLE001 - there is a next time
            self._failed(why)
            return
        for removal in found:
            # One that nobody can tell of is in the way of no other.
            try:
                await self._settle_late(removal)
            except Exception as why:  # noqa: BLE001 - as above
                self._failed(why)

    async def _settle_late(self, removal: Removal) -> None:
        outcome = await self._asked_after(removal)
        outcome = await self._settle(removal, outcome, "left open, and asked after")
        self._tally(outcome)
        _LOG.warning(
            "a removal was left open", request_id=removal.request_id, outcome=outcome.value
        )


class _NotDone(Exception):
    """It did not happen, or nobody can tell, because of *trouble*."""

    def __init__(self, outcome: Outcome, trouble: Any) -> None:  # noqa: ANN401 - see above
        super().__init__(outcome, trouble)
        self.outcome = outcome
        self.trouble: TenantcfgError = trouble
