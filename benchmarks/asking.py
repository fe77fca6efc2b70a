"""
Asks a server over HTTP as fast as it answers: the load that its rates are measured under.

In a process of its own, and as light as can be: whole requests that were made before, one under
way on each connection, nothing read of an answer but its status and its length.
"""

from __future__ import annotations

import asyncio
import gc
import math
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Heard", "ask", "ask_each"]

_GOOD = b"HTTP/1.1 200 "
_EMPTY = b"HTTP/1.1 204 "
_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(frozen=True, slots=True)
class Heard:
    """So many *answers*, all of them good, and the *seconds* of the clock that they took."""

    answers: int
    seconds: float
    p50: float
    p99: float


def ask(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Heard:
    """
    What a server on *port* of this machine answers in so many *seconds*.

    Raises:
        RuntimeError: an answer was not 200, or a connection was closed.
    """
    gc.disable()
    return uvloop.run(_ask(port, requests, connections, seconds))


def ask_each(port: int, requests: Sequence[bytes], connections: int) -> Heard:
    """
    As `ask`, each of *requests* once, however long that takes.

    Raises:
        RuntimeError: as `ask`.
    """
    gc.disable()
    return uvloop.run(_ask_each(port, requests, connections))


async def _ask(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Heard:
    taken: list[float] = []
    made = await _connected(port, cycle(requests), connections, taken)
    # A server takes one new connection in each turn of its loop: that is another matter.
    for one in made:
        one.ask(until=0)
    await asyncio.gather(*(one.ended for one in made))
    taken.clear()
    return await _heard(made, taken, seconds)


async def _ask_each(port: int, requests: Sequence[bytes], connections: int) -> Heard:
    taken: list[float] = []
    made = await _connected(port, iter(requests), connections, taken)
    return await _heard(made, taken, math.inf)


async def _connected(
    port: int, requests: Iterator[bytes], connections: int, taken: list[float]
) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    return [
        (await loop.create_connection(lambda: _Connection(requests, taken), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]


async def _heard(made: Sequence[_Connection], taken: list[float], seconds: float) -> Heard:
    began = perf_counter()
    for one in made:
        one.ask(until=began + seconds)
    await asyncio.gather(*(one.ended for one in made))
    passed = perf_counter() - began
    for one in made:
        one.transport.close()
    taken.sort()
    return Heard(len(taken), passed, taken[len(taken) // 2], taken[len(taken) * 99 // 100])


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport
    ended: asyncio.Future[None]

    def __init__(self, requests: Iterator[bytes], taken: list[float]) -> None:
        self._requests = requests
        self._taken = taken
        self._heard = b""
        self._sent = self._until = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def ask(self, until: float) -> None:
        """Ask, and again once there is an answer, *until* then."""
        self.ended = asyncio.get_running_loop().create_future()
        self._until = until
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head = self._heard.find(_END)
        if head < 0:
            return
        empty = self._heard.startswith(_EMPTY)
        if not empty and len(self._heard) < head + len(_END) + self._length():
            return
        now = perf_counter()
        self._taken.append(now - self._sent)
        if not (empty or self._heard.startswith(_GOOD)):
            self._end(RuntimeError(f"answered with {self._heard!r}"))
        elif now < self._until:
            self._ask()
        else:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(RuntimeError(f"the connection was closed: {exc}"))

    def _length(self) -> int:
        start = self._heard.index(_LENGTH) + len(_LENGTH)
        return int(self._heard[start : self._heard.index(b"\r", start)])

    def _ask(self) -> None:
        request = next(self._requests, None)
        if request is None:
            return self._end(None)
        self._heard = b""
        self._sent = perf_counter()
        self.transport.write(request)
        return None

    def _end(self, why: Exception | None) -> None:
        if self.ended.done():
            return
        if why is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(why)
