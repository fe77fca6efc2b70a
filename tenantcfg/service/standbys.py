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

__all__ = ["Marks", "Read", "Standby"]

PATIENCE: Final = 0.3
"""Seconds that a standby has to answer in, before the primary is asked instead."""
LOOK_EVERY: Final = 0.5
"""Seconds between two looks at either server, or less where the named lag is short."""
_LOOKS_A_LAG: Final = 8
_SOONEST: Final = 0.02

_LOG = structlog.get_logger("tenantcfg.service")


@dataclass(frozen=True, slots=True)
class _Mark:
    """What was acknowledged before *at*, of our clock, has *revision* or a smaller one."""

    at: float
    revision: int


class Marks:
    """
    What is known of the primary's revision, and since when; pure, times come in.

    Args:
        lag: the seconds for which it has to be known.
    """

    def __init__(self, lag: float) -> None:
        self._apart = lag / _LOOKS_A_LAG
        # The oldest first. Twice as many as are that far apart within the lag.
        self._marks: deque[_Mark] = deque(maxlen=2 * _LOOKS_A_LAG + 1)

    @property
    def newest(self) -> int:
        """The revision that was seen last; 0: none was."""
        return self._marks[-1].revision if self._marks else 0

    def note(self, at: float, revision: int) -> None:
        """The primary, asked after *at*, was at *revision*."""
        if len(self._marks) > 1 and self._marks[-1].at < self._marks[-2].at + self._apart:
            # In place of the one before: else those of a long lag would not reach back so far.
            self._marks.pop()
        self._marks.append(_Mark(at, revision))

    def least(self, since: float) -> int | None:
        """The smallest revision known that shows all from before some time after *since*."""
        return next((one.revision for one in self._marks if one.at >= since), None)

    def missed_since(self, revision: int) -> float | None:
        """Until when a state at *revision* shows everything; None: it is not known."""
        return next((one.at for one in reversed(self._marks) if one.revision <= revision), None)


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
        self._history = primary.store_id
        self._marks = Marks(lag or 0.0)
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
        store = self._store
        if store is None or store.store_id != self._history or not (self._answers and least):
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                answered = await ask(store, least)
        except RevisionNotReached:
            return None
        except TimeoutError:
            self._lost(Unavailable("the standby has not answered in time"))
            return None
        except TenantcfgError as why:
            self._lost(why)
            return None
        shown = self._marks.missed_since(answered.revision)
        lag = None if shown is None else time.monotonic() - shown
        proven = lag is not None and self.lag is not None and lag <= self.lag
        if answered.store_id != self._history or not (fresh.revision or proven):
            return None
        return Read(answered, lag)

    def _least(self, fresh: Freshness) -> int | None:
        """
        The revision that a standby must have reached to be asked at all.

        Who names one does not get less than what the primary is known to have: a key that
        was revoked would choose for itself a revision at which it was not (check M7).
        """
        if fresh.revision:
            return max(fresh.revision, self._marks.newest)
        return None if self.lag is None else self._marks.least(time.monotonic() - self.lag)

    async def _watch_primary(self) -> None:
        while True:
            at = time.monotonic()
            with suppress(TenantcfgError):
                # That it does not answer is told by those who have to ask it.
                answered = await told(self._primary, self._primary.ask(()))
                if answered.store_id != self._history:
                    # A backup was restored, and numbers mean something else now.
                    self._history = answered.store_id
                    self._marks = Marks(self.lag or 0.0)
                self._marks.note(at, answered.revision)
            await asyncio.sleep(self._every)

    async def _watch_standby(self) -> None:
        while True:
            try:
                store = await self._opened()
                with suppress(RevisionNotReached):
                    await store.ask((), at_least=1)
            except TenantcfgError as why:
                self._lost(why)
            else:
                self._found()
            await asyncio.sleep(self._every)

    async def _opened(self) -> Store:
        """The standby, opened anew where the history is another one: a store keeps to its own."""
        before = self._store
        if before is not None and before.store_id == self._history:
            return before
        self._store = None
        if before is not None:
            before.close()
        self._store = await asyncio.to_thread(Store.open, self._url, standby=True)
        return self._store

    def _lost(self, why: TenantcfgError) -> None:
        if self._answers is not False:
            _LOG.warning("the standby does not answer", code=why.code, why=str(why))
        self._answers = False

    def _found(self) -> None:
        if not self._answers:
            _LOG.info("the standby answers")
        self._answers = True
