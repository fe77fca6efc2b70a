"""
Threads in which the store is asked for the calls API, apart from all others.

Checks that are gathered have the event loop's own threads; removals that wait for a lock take
none of them.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.store import Store

__all__ = ["StoreThreads"]

P = ParamSpec("P")
T = TypeVar("T")

# Together no more than the connections that a store keeps open.
_READERS: Final = 2
_WRITERS: Final = {"sqlite": 1, "postgresql": 2}
"""In a file one writes at a time anyway: two would look after the lock, and sleep in between."""


class StoreThreads:
    """
    A few threads that ask *store*, and others that write to it: who reads waits for no writer.

    What is given up before its turn came is not carried out.
    """

    def __init__(self, store: Store) -> None:
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="calls")
        self._writers = ThreadPoolExecutor(
            _WRITERS[store.dialect], thread_name_prefix="calls-written"
        )

    async def read(self, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What *ask* gives, which only reads."""
        return await _run(self._readers, partial(ask, *args, **kwargs))

    async def write(self, write: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What *write* gives, which may have to wait for others that write."""
        return await _run(self._writers, partial(write, *args, **kwargs))

    def close(self) -> None:
        """Begin nothing more; what is under way is not waited for."""
        for threads in (self._readers, self._writers):
            threads.shutdown(wait=False, cancel_futures=True)


async def _run(threads: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, call)
