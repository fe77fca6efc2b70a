"""
`Client`: the same as `AsyncClient`, for threads.

It asks in an event loop of its own thread, because only there a deadline holds whatever the other
side does: a name that does not resolve, or an answer that drips, keep a blocking socket for longer
than any timeout of its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakSet, finalize

from tenantcfg.client.asking import AsyncClient, closed, late
from tenantcfg.client.target import ATTEMPTS, TIMEOUT
from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.errors import Unavailable, quoted

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine, Iterable

    from tenantcfg.decision import Decision
    from tenantcfg.ids import AppId, TenantId

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """
    A service to ask: the words of `Store.check`, over HTTP.

    Safe to use from many threads at once, and in a child after a fork. Arguments as those of
    `AsyncClient`. Best made once, and closed in the end or used in a ``with``.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        store_id: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._client = AsyncClient(
            url, key, timeout=timeout, attempts=attempts, store_id=store_id, tls=tls
        )
        self.url = self._client.url
        self._timeout = float(timeout)
        self._turning: _Turning | None = None
        self._lost: list[_Turning] = []
        self._lock = threading.Lock()
        self._closed = False
        _clients.add(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def check(
        self,
        *,
        tenant: TenantId | str | None,
        app: AppId | str,
        action: str = REMOVE_PARTICIPANT,
        at_least: int = 0,
        call_id: str | None = None,
        participant_id: str | None = None,
        request_id: str | None = None,
    ) -> Decision:
        """Whether *app* may act in *tenant* now; see `AsyncClient.check`."""
        return self._run(
            self._client.check(
                tenant=tenant,
                app=app,
                action=action,
                at_least=at_least,
                call_id=call_id,
                participant_id=participant_id,
                request_id=request_id,
            )
        )

    def check_many(
        self,
        questions: Iterable[tuple[TenantId | str, AppId | str]],
        *,
        action: str = REMOVE_PARTICIPANT,
        at_least: int = 0,
        request_id: str | None = None,
    ) -> list[Decision]:
        """The decisions on pairs of tenant and app; see `AsyncClient.check_many`."""
        # Here, not in the thread: where they come from is the caller's.
        asked = list(questions)
        return self._run(
            self._client.check_many(asked, action=action, at_least=at_least, request_id=request_id)
        )

    def close(self) -> None:
        """Close all connections; later calls raise `Unavailable`."""
        with self._lock:
            self._closed = True
            turning, self._turning = self._turning, None
        if turning is not None:
            turning.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        end = time.monotonic() + self._timeout
        try:
            future = asyncio.run_coroutine_threadsafe(call, self._loop())
        except (RuntimeError, Unavailable) as why:
            # The loop may have been closed by another thread since it was found.
            call.close()
            raise closed(self.url) from why
        try:
            result = future.result(self._timeout)
        except TimeoutError as why:
            raise late(quoted(self.url, 200), self._timeout) from why
        except CancelledError as why:
            raise closed(self.url) from why
        finally:
            # Of one that nobody waits for any more.
            future.cancel()
        if time.monotonic() > end:
            raise late(quoted(self.url, 200), self._timeout)
        return result

    def _loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise closed(self.url)
            if self._turning is None:
                self._turning = _Turning(self, self._client)
            return self._turning.loop

    def _forked(self) -> None:
        """Begin anew in a child: the thread is not here, and the connections are the parent's."""
        self._lock = threading.Lock()
        if self._turning is not None:
            self._turning.forget()
            # Kept, since to take a loop apart would reach into what the parent waits on.
            self._lost.append(self._turning)
            self._turning = None


class _Turning:
    """An event loop that turns in a thread of its own, until *owner* is gone or says so."""

    def __init__(self, owner: Client, client: AsyncClient) -> None:
        self.loop = asyncio.new_event_loop()
        thread = threading.Thread(
            target=self.loop.run_forever, name="tenantcfg-client", daemon=True
        )
        thread.start()
        self._end = finalize(owner, _end, self.loop, thread, client)

    def end(self) -> None:
        """End the thread, and close what is open."""
        self._end()

    def forget(self) -> None:
        """Touch it never again."""
        self._end.detach()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, client: AsyncClient) -> None:
    finishing = asyncio.run_coroutine_threadsafe(_finished(client), loop)
    with suppress(TimeoutError):
        finishing.result(1.0)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _finished(client: AsyncClient) -> None:
    """End what still waits for an answer, and close what was open."""
    waiting = asyncio.all_tasks() - {asyncio.current_task()}
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await client.close()


_clients: WeakSet[Client] = WeakSet()


def _after_fork() -> None:
    for one in list(_clients):
        one._forked()  # noqa: SLF001 - the same module's


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
