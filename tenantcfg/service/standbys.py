"""
A standby beside the primary, for those who say how old an answer may be (design, rule 11).

A request that names a revision may be answered by a standby that has reached it. Any other may
only within a lag that the operator has named, and that is proven: from time to time the primary
is asked for its revision, and a standby that has reached it shows everything that was
acknowledged before it was asked for. That needs no clock but our own, and holds whatever the
two servers believe of each other. Where nothing is proven the primary is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from tenantcfg.errors import RevisionNotReached, TenantcfgError, Unavailable
from tenantcfg.service.askers import told
from tenantcfg.store import Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenantcfg.service.authzen.model import Freshness
    from tenantcfg.store import Answered

__all__ = ["Read", "Standby"]

PATIENCE: Final = 0.3
"""Seconds that a standby has to answer in, before the primary is asked instead."""
LOOK_EVERY: Final = 0.5
"""Seconds between two looks at either server, or less where the named lag is short."""
_LOOKS_A_LAG: Final = 4
_SOONEST: Final = 0.02
_MARKS: Final = 16

_LOG = structlog.get_logger("tenantcfg.service")


@dataclass(frozen=True, slots=True)
class _Mark:
    """The primary was at *revision*, or beyond, at the time *at* of our clock."""

    at: float
    revision: int


@dataclass(frozen=True, slots=True)
class Read:
    """
    What a standby answered.

    Attributes:
        lag: for how many seconds at most it may have missed something; None: not known.
    """

    answered: Answered
    lag: float | None


class Standby:
    """
    A standby of *primary*.

    Args:
        url: its address.
        lag: the seconds that it may be behind to answer requests that name no revision; None:
            it does not answer those.
    """

    def __init__(self, primary: Store, url: str, lag: float | None = None) -> None:
        self._primary = primary
        self._url = url
        self.lag = lag
        shortest = LOOK_EVERY if lag is None else min(LOOK_EVERY, lag / _LOOKS_A_LAG)
        self._every = max(shortest, _SOONEST)
        self._store: Store | None = None
        self._answers: bool | None = None
        self._same_history = True
        # The oldest first; rightly none, where the primary has not been asked yet.
        self._marks: deque[_Mark] = deque(maxlen=_MARKS)
        self._watching: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to watch both servers; that the standby is there is not waited for."""
        watches = (self._watch_primary(), self._watch_standby())
        self._watching = [asyncio.ensure_future(one) for one in watches]

    async def stop(self) -> None:
        """End watching, and close the connections."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        if self._store is not None:
            self._store.close()

    async def read(
        self, fresh: Freshness, ask: Callable[[Store, int], Awaitable[Answered]]
    ) -> Read | None:
        """
        What *ask* comes to at the standby; None: the primary has to be asked.

        Args:
            fresh: of what revision it must be; of none: within the named lag.
            ask: takes the store, and the revision that its answer must not be older than.
        """
        least = self._least(fresh)
        if self._store is None or not (self._answers and self._same_history and least):
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                answered = await ask(self._store, least)
        except RevisionNotReached:
            return None
        except TimeoutError:
            self._lost(Unavailable("the standby has not answered in time"))
            return None
        except TenantcfgError as why:
            self._lost(why)
            return None
        lag = self._lag_of(answered)
        proven = lag is not None and self.lag is not None and lag <= self.lag
        if answered.store_id != self._primary.store_id or not (fresh.revision or proven):
            return None
        return Read(answered, lag)

    def _least(self, fresh: Freshness) -> int | None:
        """
        The revision that a standby must have reached to be asked at all.

        Who names one does not get less than what the primary is known to have: a key that
        was revoked would choose for itself a revision at which it was not (check M7).
        """
        if fresh.revision:
            return max(fresh.revision, self._marks[-1].revision if self._marks else 0)
        if self.lag is None:
            return None
        oldest = time.monotonic() - self.lag
        return next((one.revision for one in self._marks if one.at >= oldest), None)

    def _lag_of(self, answered: Answered) -> float | None:
        now = time.monotonic()
        reached = (one.at for one in reversed(self._marks) if one.revision <= answered.revision)
        return next((now - at for at in reached), None)

    async def _watch_primary(self) -> None:
        while True:
            at = time.monotonic()
            with suppress(TenantcfgError):
                # That it does not answer is told by those who have to ask it.
                answered = await told(self._primary, self._primary.ask(()))
                # Another one: a backup was restored, and numbers mean something else now.
                self._same_history = answered.store_id == self._primary.store_id
                self._marks.append(_Mark(at, answered.revision))
            await asyncio.sleep(self._every)

    async def _watch_standby(self) -> None:
        while True:
            try:
                if self._store is None:
                    self._store = await asyncio.to_thread(Store.open, self._url, standby=True)
                with suppress(RevisionNotReached):
                    await self._store.ask((), at_least=1)
            except TenantcfgError as why:
                self._lost(why)
            else:
                self._found()
            await asyncio.sleep(self._every)

    def _lost(self, why: TenantcfgError) -> None:
        if self._answers is not False:
            _LOG.warning("the standby does not answer", code=why.code, why=str(why))
        self._answers = False

    def _found(self) -> None:
        if not self._answers:
            _LOG.info("the standby answers")
        self._answers = True
