"""
Threads in which the store is asked for the calls API, apart from all others.

Checks that are gathered have the event loop's own threads; removals that wait for a lock take
none of them.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

from tenantcfg.store.gathering import Gatherer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.store import Store
    from tenantcfg.store.rounds import Write

__all__ = ["StoreThreads"]

P = ParamSpec("P")
T = TypeVar("T")

# Together no more than the connections that a store keeps open.
_READERS: Final = 2
_WRITERS: Final = 1
"""In a file one writes at a time anyway. On a server two shared what waited, and did no more."""


class StoreThreads:
    """
    A few threads that ask *store*, and others that write to it: who reads waits for no writer.

    What is to be written waits for the commit that is under way, and shares the next. What is
    given up before its turn came is not carried out.
    """

    def __init__(self, store: Store) -> None:
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="calls")
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="calls-written")
        self._gatherer: Gatherer[Write[Any], object, object]
        rounds = store.removals.rounds
        self._gatherer = Gatherer(rounds, threads=self._writers, at_once=_WRITERS, rest=rounds.rest)

    async def read(self, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What *ask* gives, which only reads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, partial(ask, *args, **kwargs))

    async def write(self, write: Write[T]) -> T:
        """What comes of *write*, which is stored together with others that wait."""
        return cast("T", await self._gatherer.ask(write))

    def close(self) -> None:
        """Begin nothing more; what is under way is not waited for."""
        for threads in (self._readers, self._writers):
            threads.shutdown(wait=False, cancel_futures=True)
