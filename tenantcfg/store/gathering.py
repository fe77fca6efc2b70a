"""
Concurrent checks answered together, where a round trip costs.

The checks that wait in an event loop are asked by one statement, in a thread. While it is
under way others gather, and are asked next: the busier the loop, the more go together. Each
snapshot is taken after its questions arrived, so this is as fresh as a single check.
"""

from __future__ import annotations

import asyncio
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from tenantcfg.errors import TenantcfgError, Unavailable
from tenantcfg.store.checking import MAX_BATCH, asked_for, require_least

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

    from tenantcfg.decision import Decision
    from tenantcfg.store.checking import Checks, Question
    from tenantcfg.store.readers import Row

__all__ = ["Gatherer"]

_AT_ONCE = 2
"""How many statements of one loop are under way: one travels while another is worked on."""


class Gatherer:
    """The waiting checks of one store, for each loop and each action that is known."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._queues: WeakKeyDictionary[AbstractEventLoop, dict[str, _Queue]] = WeakKeyDictionary()

    async def ask(self, question: Question, action: str, at_least: int) -> Decision:
        """The decision on *question*; as `Checks.one`, together with others that wait."""
        require_least(at_least)
        loop = asyncio.get_running_loop()
        queues = self._queues.setdefault(loop, {})
        known = asked_for(action)
        if known not in queues:
            queues[known] = _Queue(self._checks, known)
        return await queues[known].put(loop, _Asked(question, action, at_least))


@dataclass(frozen=True, slots=True)
class _Asked:
    question: Question
    action: str
    at_least: int


_Batch = list[tuple[_Asked, "Future[Decision]"]]
_GIVEN_UP = Unavailable("the check was given up", why="what asked was cancelled", hint="ask again")


class _Queue:
    def __init__(self, checks: Checks, action: str) -> None:
        self._checks = checks
        self._action = action
        self._waiting: _Batch = []
        self._under_way = 0
        self._called = False
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, loop: AbstractEventLoop, asked: _Asked) -> Future[Decision]:
        answer: Future[Decision] = loop.create_future()
        self._waiting.append((asked, answer))
        if not self._called:
            # At the end of this turn, when all who came in it have come.
            self._called = True
            loop.call_soon(self._flush, loop)
        return answer

    def _flush(self, loop: AbstractEventLoop) -> None:
        self._called = False
        while self._waiting and self._under_way < _AT_ONCE:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            self._under_way += 1
            task = loop.create_task(self._answer(loop, batch))
            self._tasks.add(task)
            task.add_done_callback(partial(self._done, loop, batch))

    def _done(self, loop: AbstractEventLoop, batch: _Batch, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._under_way -= 1
        for _, answer in batch:
            # Left over where the task was cancelled, also before it began.
            if not answer.done():
                answer.set_exception(_own(_GIVEN_UP))
        self._flush(loop)

    async def _answer(self, loop: AbstractEventLoop, batch: _Batch) -> None:
        questions = [asked.question for asked, _ in batch]
        try:
            rows = await loop.run_in_executor(None, self._checks.facts, questions, self._action)
            for (asked, answer), row in zip(batch, rows, strict=True):
                if not answer.done():
                    self._settle(answer, asked, row)
        except Exception as why:  # noqa: BLE001 - whoever waits is told, whatever it is
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(_own(why))

    def _settle(self, answer: Future[Decision], asked: _Asked, row: Row) -> None:
        try:
            decision = self._checks.decided(asked.question, row, asked.action, asked.at_least)
            answer.set_result(decision)
        except TenantcfgError as why:
            # Of this question alone; the others have rows of their own.
            answer.set_exception(why)


def _own(why: Exception) -> TenantcfgError:
    """
    An error for one of those who wait: each raises it, and what is raised grows its traceback.

    What came of the question itself is its cause, one for all, and raised no more.
    """
    if isinstance(why, TenantcfgError):
        own = copy(why)
    else:
        own = TenantcfgError("the check failed", why=f"{type(why).__name__}: {why}")
    own.__cause__ = why
    return own
