"""
What waits in an event loop is answered together, where a round trip or a commit costs.

Concurrent questions are asked by one statement, and what is to be stored is committed at once: in
a thread, and while that is under way others gather, and come next; of a file questions are asked in
place, at the end of the loop's turn. The busier the loop, the more go together. Each snapshot is
taken after its questions arrived, so this is as fresh as a single question.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, ref

from tenantcfg.decision import MAX_BATCH
from tenantcfg.errors import TenantcfgError, Unavailable

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, TimerHandle
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

__all__ = ["Asking", "Gatherer"]

_AT_ONCE = 2
"""How many statements of one loop are under way: one travels while another is worked on."""

_MOMENT = 0.05
"""Seconds after which those who have not come do not count as about to come."""

Asked = TypeVar("Asked")
Facts = TypeVar("Facts")
Answer = TypeVar("Answer")
Asked_contra = TypeVar("Asked_contra", contravariant=True)
Answer_co = TypeVar("Answer_co", covariant=True)


class Asking(Protocol[Asked_contra, Facts, Answer_co]):
    """One kind of question, and how several are asked at once."""

    def size(self, asked: Asked_contra) -> int:
        """How many rows it takes to answer, 1 at least."""

    def facts(self, asked: Sequence[Asked_contra]) -> Sequence[Facts]:
        """The facts about each of *asked*, all read or stored at once; in a thread, or in place."""

    def answer(self, asked: Asked_contra, facts: Facts) -> Answer_co:
        """What *facts* come to; an error of ours is of this question alone."""


class Gatherer(Generic[Asked, Facts, Answer]):
    """
    Those who wait with one kind of question, for each loop.

    Args:
        asking: asks for them.
        in_place: in the loop's own thread, which is shorter than a hop to another.
        threads: in which it is asked else; None: those of the loop.
        at_once: how many times it is asked at the same moment, at most.
        rest: called in a thread once nobody has waited for a moment; None: nothing is to be done.
    """

    def __init__(
        self,
        asking: Asking[Asked, Facts, Answer],
        *,
        in_place: bool = False,
        threads: Executor | None = None,
        at_once: int = _AT_ONCE,
        rest: Callable[[], None] | None = None,
    ) -> None:
        self._asking = asking
        self._way = _Way(in_place, threads, at_once, rest)
        self._queues: WeakKeyDictionary[AbstractEventLoop, _Queue[Asked, Facts, Answer]]
        self._queues = WeakKeyDictionary()
        self._last: _Queue[Asked, Facts, Answer] | None = None

    def ask(self, asked: Asked) -> Future[Answer]:
        """The answer to *asked*, which is asked together with others that wait."""
        loop = asyncio.get_running_loop()
        queue = self._last
        # Nearly always there is one loop; to look it up costs as much as to wait in its queue.
        if queue is None or queue.loop() is not loop:
            queue = self._last = self._of(loop)
        return queue.put(loop, asked)

    def _of(self, loop: AbstractEventLoop) -> _Queue[Asked, Facts, Answer]:
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = _Queue(self._asking, self._way, ref(loop))
        return queue


_GIVEN_UP = Unavailable(
    "the question was given up", why="what asked was cancelled", hint="ask again"
)


@dataclass(frozen=True, slots=True)
class _Way:
    """How they are asked; see `Gatherer`."""

    in_place: bool
    threads: Executor | None
    at_once: int
    rest: Callable[[], None] | None


class _Queue(Generic[Asked, Facts, Answer]):
    def __init__(
        self,
        asking: Asking[Asked, Facts, Answer],
        way: _Way,
        loop: ref[AbstractEventLoop],
    ) -> None:
        self.loop = loop
        self._asking = asking
        self._way = way
        self._resting: TimerHandle | None = None
        self._waiting: list[tuple[Asked, Future[Answer]]] = []
        self._under_way = 0
        self._called = False
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, loop: AbstractEventLoop, asked: Asked) -> Future[Answer]:
        answer: Future[Answer] = loop.create_future()
        self._waiting.append((asked, answer))
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        if not self._called:
            # At the end of this turn, when all who came in it have come.
            self._called = True
            loop.call_soon(self._flush, loop)
        return answer

    def _flush(self, loop: AbstractEventLoop) -> None:
        self._called = False
        if self._under_way < self._way.at_once:
            # Behind a server that hangs most have given up by the time that it goes on.
            self._waiting = [one for one in self._waiting if not one[1].done()]
        while self._waiting and self._under_way < self._way.at_once:
            batch = self._next_batch()
            if self._way.in_place:
                self._answer_now(batch)
                continue
            self._under_way += 1
            task = loop.create_task(self._answer(loop, batch))
            self._tasks.add(task)
            task.add_done_callback(partial(self._done, loop, batch))

    def _next_batch(self) -> list[tuple[Asked, Future[Answer]]]:
        """As many of those who wait as one statement takes, and one at least."""
        rows = taken = 0
        for asked, _ in self._waiting:
            rows += self._asking.size(asked)
            if taken and rows > MAX_BATCH:
                break
            taken += 1
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return batch

    def _done(
        self,
        loop: AbstractEventLoop,
        batch: list[tuple[Asked, Future[Answer]]],
        task: asyncio.Task[None],
    ) -> None:
        self._tasks.discard(task)
        self._under_way -= 1
        for _, answer in batch:
            # Left over where the task was cancelled, also before it began.
            if not answer.done():
                answer.set_exception(_own(_GIVEN_UP))
        self._flush(loop)
        if self._way.rest is not None and not (self._under_way or self._called):
            self._resting = loop.call_later(_MOMENT, self._be_at_rest, loop, self._way.rest)

    def _be_at_rest(self, loop: AbstractEventLoop, rest: Callable[[], None]) -> None:
        self._resting = None
        # The threads may have been closed since.
        with suppress(RuntimeError):
            loop.run_in_executor(self._way.threads, rest)

    async def _answer(
        self, loop: AbstractEventLoop, batch: list[tuple[Asked, Future[Answer]]]
    ) -> None:
        questions = [asked for asked, _ in batch]
        try:
            facts = self._asking.facts
            found = await loop.run_in_executor(self._way.threads, facts, questions)
            self._settle_all(batch, found)
        except Exception as why:  # noqa: BLE001 - whoever waits is told, whatever it is
            _fail_all(batch, why)

    def _answer_now(self, batch: list[tuple[Asked, Future[Answer]]]) -> None:
        try:
            self._settle_all(batch, self._asking.facts([asked for asked, _ in batch]))
        except BaseException as why:
            _fail_all(batch, why)
            if not isinstance(why, Exception):
                raise

    def _settle_all(
        self, batch: list[tuple[Asked, Future[Answer]]], found: Sequence[Facts]
    ) -> None:
        for (asked, answer), facts in zip(batch, found, strict=True):
            if not answer.done():
                self._settle(answer, asked, facts)

    def _settle(self, answer: Future[Answer], asked: Asked, facts: Facts) -> None:
        try:
            answer.set_result(self._asking.answer(asked, facts))
        except TenantcfgError as why:
            # Of this question alone; the others have rows of their own.
            answer.set_exception(why)


def _fail_all(batch: Sequence[tuple[object, Future[Answer]]], why: BaseException) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(_own(why))


def _own(why: BaseException) -> TenantcfgError:
    """
    An error for one of those who wait: each raises it, and what is raised grows its traceback.

    What came of the question itself is its cause, one for all, and raised no more.
    """
    if isinstance(why, TenantcfgError):
        own = copy(why)
    else:
        own = TenantcfgError("the question failed", why=f"{type(why).__name__}: {why}")
    own.__cause__ = why
    return own
