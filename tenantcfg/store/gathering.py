"""
Concurrent checks answered together, where a round trip costs.

The checks that wait in an event loop are asked by one statement, in a thread. While it is
under way others gather, and are asked next: the busier the loop, the more go together. Each
snapshot is taken after its questions arrived, so this is as fresh as a single check.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from tenantcfg.errors import RevisionNotReached
from tenantcfg.store.checking import MAX_BATCH

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

    from tenantcfg.decision import Decision
    from tenantcfg.store.checking import Checks, Question
    from tenantcfg.store.readers import Row

__all__ = ["Gatherer"]

_AT_ONCE = 2
"""How many statements of one loop are under way: one travels while another is worked on."""


class Gatherer:
    """The waiting checks of one store, for each loop and each action."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._queues: WeakKeyDictionary[AbstractEventLoop, dict[str, _Queue]] = WeakKeyDictionary()

    async def ask(self, question: Question, action: str, at_least: int) -> Decision:
        """The decision on *question*; as `Checks.one`, together with others that wait."""
        loop = asyncio.get_running_loop()
        queues = self._queues.setdefault(loop, {})
        if action not in queues:
            queues[action] = _Queue(self._checks, action)
        return await queues[action].put(loop, question, at_least)


class _Queue:
    def __init__(self, checks: Checks, action: str) -> None:
        self._checks = checks
        self._action = action
        self._waiting: list[tuple[Question, int, Future[Decision]]] = []
        self._under_way = 0
        self._called = False
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, loop: AbstractEventLoop, question: Question, at_least: int) -> Future[Decision]:
        answer: Future[Decision] = loop.create_future()
        self._waiting.append((question, at_least, answer))
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
            task.add_done_callback(self._tasks.discard)

    async def _answer(
        self, loop: AbstractEventLoop, batch: list[tuple[Question, int, Future[Decision]]]
    ) -> None:
        questions = [question for question, _, _ in batch]
        try:
            rows = await loop.run_in_executor(None, self._checks.facts, questions, self._action)
            for (question, at_least, answer), row in zip(batch, rows, strict=True):
                if not answer.done():
                    self._settle(answer, question, row, at_least)
        except Exception as why:  # noqa: BLE001 - whoever waits is told, whatever it is
            for _, _, answer in batch:
                if not answer.done():
                    answer.set_exception(why)
        finally:
            self._under_way -= 1
            self._flush(loop)

    def _settle(
        self, answer: Future[Decision], question: Question, row: Row, at_least: int
    ) -> None:
        try:
            answer.set_result(self._checks.decided(question, row, self._action, at_least))
        except RevisionNotReached as why:
            answer.set_exception(why)
