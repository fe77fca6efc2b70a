"""
Which answers leave a row in the decision log, and what an answer has to wait for (check M2, M5).

Of a request there is kept who asked, about which app in which tenant, the call and the
participant it named, what was decided and why, at which revision, and under which request id.
Nothing else that was sent is kept, and no secret.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import structlog

from tenantcfg.decision import Deny, Permit
from tenantcfg.errors import TenantcfgError
from tenantcfg.ids import is_guid
from tenantcfg.service.authzen.model import Barred, Question
from tenantcfg.service.http import Problem
from tenantcfg.service.judging import APPLICATION, PARTICIPANT, tenant_of
from tenantcfg.store.decision_log import MAX_TEXT, Entry, LogWriter

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Mapping, Sequence

    from tenantcfg.service.authzen.model import Item, Judged, Outcome
    from tenantcfg.service.http import Request

__all__ = ["DecisionRecorder", "Durable", "Keeping", "Sampled", "Tally", "Waiting", "recorder_of"]

_LOG = structlog.get_logger("tenantcfg.service")

PATIENCE: Final = 2.0
"""Seconds for which an answer waits for its row; then it is 503."""
MOST_WAITING: Final = 10_000
"""So many rows wait at most, in each worker, in mode ``durable``; who comes then is 503."""
QUEUE: Final = 20_000
"""So many rows are kept at most, in each worker, in mode ``sampled``; more are dropped."""

TRUSTED: Final = 1.0
"""Seconds for which a log that was written counts as one that can be, in mode ``durable``."""

_GATHER_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 5.0
_HURRIED_SECONDS: Final = 0.1
_LAST_SECONDS: Final = 0.5
_AT_ONCE: Final = 5_000


class Tally(Protocol):
    """Counts rows, by what became of them."""

    def __call__(self, outcome: str, number: int) -> None:
        """
        *number* rows more were ``stored``, ``refused`` like their answer, or ``dropped``.

        Or ``unknown``: the service ended before it heard whether they were stored.
        """


class Waiting(Protocol):
    """Shows how many rows wait to be stored."""

    def __call__(self, number: int, /) -> None:
        """*number* rows wait now."""


class Keeping(Protocol):
    """How rows are kept."""

    async def keep(self, entries: Sequence[Entry]) -> None:
        """
        Return once what *entries* say may be answered.

        Raises:
            Problem: ``unavailable``: it must not be.
        """

    async def ready(self) -> None:
        """
        Return if what is asked now can be answered, as far as the log goes.

        Raises:
            Problem: ``unavailable``: it could not.
        """

    async def close(self) -> None:
        """Store what can be stored yet, and stop."""


def recorder_of(url: str, mode: str, tally: Tally, waiting: Waiting) -> DecisionRecorder:
    """A recorder that writes into the log at *url*, in ``durable`` or ``sampled`` mode."""
    kind: type[Durable | Sampled] = Durable if mode == "durable" else Sampled
    return DecisionRecorder(kind(LogWriter(url), tally, waiting))


class DecisionRecorder:
    """Records decisions, as `Recorder` says, in the way of *keeping*."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    async def record(
        self, request: Request, endpoint: str, items: Sequence[Item], judged: Judged
    ) -> None:
        """See `Recorder.record`."""
        await self._keeping.keep(_entries(request, endpoint, items, judged))

    async def ready(self) -> None:
        """See `Keeping.ready`."""
        await self._keeping.ready()

    async def close(self) -> None:
        """See `Keeping.close`."""
        await self._keeping.close()


# What is kept


def _entries(request: Request, endpoint: str, items: Sequence[Item], judged: Judged) -> list[Entry]:
    at = time.time_ns() // 1000
    # Of the client, and by its kind any bytes.
    request_id = _text(request.id.decode("latin-1"))
    asker, name, read = _text(request.asker), judged.asker_name, judged.snapshot
    return [
        Entry(
            at,
            request_id,
            item.place,
            asker,
            name,
            *_asked(item.asked),
            *_decided(item.outcome),
            read.store,
            None if read.revision is None else int(read.revision),
            endpoint,
        )
        for item in items
    ]


def _asked(
    asked: Question | Problem,
) -> tuple[str | None, str | None, str | None, str | None]:
    """App, tenant, call and participant of a question (check M1 to M3)."""
    if isinstance(asked, Problem):
        return None, None, None, None
    subject, resource, named = asked.subject, asked.resource, asked.action.properties
    tenant = tenant_of(asked)
    call, participant = _named(named, "call_id"), _named(named, "participant_id")
    if resource.type == PARTICIPANT:
        call, participant = _named(resource.properties, "call_id") or call, _text(resource.id)
    return (
        _id(subject.id) if subject.type == APPLICATION else None,
        None if tenant is None else _id(tenant),
        call,
        participant,
    )


def _decided(outcome: Outcome | Problem) -> tuple[str, str | None]:
    match outcome:
        case Permit():
            return "permit", None
        case Deny(reason=reason):
            return "deny", reason.value
        case Barred():
            return "barred", "forbidden"
    return "error", outcome.code


def _named(properties: Mapping[str, Any], name: str) -> str | None:
    value = properties.get(name)
    return _text(value) if isinstance(value, str) and value else None


def _id(text: str) -> str:
    return text.lower() if is_guid(text) else _text(text)


def _text(text: str) -> str:
    """*text* as both databases hold it: PostgreSQL knows no NUL."""
    cut = text[:MAX_TEXT]
    return cut.replace("\0", "\u2400") if "\0" in cut else cut


# How it is kept


class _Writing:
    """The one thread of this process that writes, one batch after the other."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, "decision-log")
        self._away = False

    async def append(self, number: int, entries: Sequence[Entry], dropped: int = 0) -> None:
        """Store them; a line says when that ceases to work, and when it works again."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._writer.append, number, entries, dropped)
        except Exception as why:
            if not self._away:
                self._away = True
                _told(why)
            raise
        if self._away:
            self._away = False
            _LOG.info("the decision log is written again")

    def give_up(self) -> None:
        self._writer.give_up()

    def became_of(self, number: int) -> bool | None:
        return self._writer.became_of(number)

    def close(self) -> None:
        # What still hangs there ends by itself, or with the process.
        self._thread.submit(self._writer.close)
        self._thread.shutdown(wait=False, cancel_futures=False)


def _unavailable() -> Problem:
    return Problem("unavailable", "the decision cannot be put on record now")


class Durable:
    """
    An answer goes out after its row is on the disk, or not at all.

    Those that wait are stored together: while one batch is committed the next gathers, so an
    answer waits for two commits at most, where the log is well.

    Args:
        writer: into the log.
        tally: counts rows.
        waiting: shows how many wait.
        patience: seconds that an answer waits at most.
        most: rows that wait at most.
    """

    def __init__(
        self,
        writer: LogWriter,
        tally: Tally,
        waiting: Waiting = lambda _: None,
        *,
        patience: float = PATIENCE,
        most: int = MOST_WAITING,
    ) -> None:
        self._writing = _Writing(writer)
        self._tally = tally
        self._patience = patience
        self._most = most
        self._waiting: list[tuple[Sequence[Entry], Future[None]]] = []
        self._size = self._under_way = 0
        self._show = waiting
        self._written = -inf
        self._slow = False
        self._numbers = count(1)
        self._task: asyncio.Task[None] | None = None

    async def keep(self, entries: Sequence[Entry]) -> None:
        """See `Keeping.keep`."""
        outcome = "refused"
        try:
            async with asyncio.timeout(self._patience):
                await self._stored(entries)
            outcome = "stored"
        except TimeoutError:
            self._tell_slow()
            raise _unavailable() from None
        finally:
            self._tally(outcome, len(entries))

    async def ready(self) -> None:
        """
        See `Keeping.ready`: a commit of a moment ago says so, or one that has no rows.

        The last commit alone would not do. Where it failed nobody might ask any more, so that
        none would come after it; and a log can go away while nobody asks.
        """
        if time.monotonic() - self._written <= TRUSTED:
            return
        try:
            await self._stored(())
        except Problem as why:
            raise Problem("unavailable", "the decision log cannot be written now") from why

    def _tell_slow(self) -> None:
        """Once, until rows are stored again."""
        if not self._slow:
            self._slow = True
            _LOG.warning("the decision log is too slow", seconds=self._patience)

    def _stored(self, entries: Sequence[Entry]) -> Future[None]:
        if self._size + len(entries) > self._most:
            raise _unavailable()
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, stored))
        self._size += len(entries)
        self._show(self._size + self._under_way)
        if self._task is None:
            self._task = asyncio.create_task(self._write())
        return stored

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                self._under_way, self._size = self._size, 0
                # Whoever has given up gets no answer, and needs no row.
                await self._write_batch([one for one in batch if not one[1].done()])
                self._under_way = 0
                self._show(self._size)
        finally:
            self._task = None

    async def _write_batch(self, batch: Sequence[tuple[Sequence[Entry], Future[None]]]) -> None:
        entries = [entry for entries, _ in batch for entry in entries]
        why: Exception | None = None
        try:
            if batch:
                await self._writing.append(next(self._numbers), entries)
                self._written = time.monotonic()
                self._slow = False
        except Exception as failure:  # noqa: BLE001 - those who wait are told
            why = failure
        for _, stored in batch:
            if stored.done():
                continue
            if why is None:
                stored.set_result(None)
            else:
                stored.set_exception(_unavailable())

    async def close(self) -> None:
        """See `Keeping.close`; whoever waits is answered before."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=self._patience)
        self._writing.close()


class Sampled:
    """
    No answer waits: its row is stored soon, or dropped and counted where the queue is full.

    Args:
        writer: into the log.
        tally: counts rows.
        waiting: shows how many wait, a moment later.
        most: rows that are kept at most until they are stored.
        gather: seconds between two batches; a failed one is tried again after *retry*.
        stop: seconds for what is left in the end.
    """

    def __init__(
        self,
        writer: LogWriter,
        tally: Tally,
        waiting: Waiting = lambda _: None,
        *,
        most: int = QUEUE,
        gather: float = _GATHER_SECONDS,
        retry: float = _RETRY_SECONDS,
        stop: float = _STOP_SECONDS,
    ) -> None:
        self._writing = _Writing(writer)
        self._tally = tally
        self._show = waiting
        self._most = most
        self._gather = gather
        self._retry = retry
        self._stop = stop
        self._queue: list[Entry] = []
        self._batch: _Batch | None = None
        self._stored = self._dropped = self._said = 0
        self._given_up = False
        self._numbers = count(1)
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    async def keep(self, entries: Sequence[Entry]) -> None:
        """See `Keeping.keep`; it returns at once. A request is kept whole, or dropped whole."""
        if len(self._queue) + len(entries) > self._most:
            self._drop(len(entries))
            return
        self._queue += entries
        if self._task is None:
            self._task = asyncio.create_task(self._write())

    async def ready(self) -> None:
        """See `Keeping.ready`; no answer waits."""

    async def close(self) -> None:
        """See `Keeping.close`; a line says what became of all rows."""
        self._ending.set()
        task = self._task or asyncio.create_task(self._write())
        await asyncio.wait({task}, timeout=self._stop)
        # What hangs must not be stored after it was counted as dropped. A commit under way may
        # end yet.
        self._given_up = True
        self._writing.give_up()
        await asyncio.wait({task}, timeout=_LAST_SECONDS)
        if not task.done():
            task.cancel()
        unknown = self._settle()
        self._writing.close()
        _LOG.info(
            "decision log closed", stored=self._stored, dropped=self._dropped, unknown=unknown
        )

    def _settle(self) -> int:
        """Count what is left, each row once; how many it is not known of."""
        batch, unknown = self._batch, 0
        if batch is not None:
            became = self._writing.became_of(batch.number)
            if became:
                self._done(batch)
            elif became is None:
                unknown = len(batch.entries)
                del self._queue[:unknown]
                self._tally("unknown", unknown)
        if self._queue:
            self._drop(len(self._queue))
            self._queue.clear()
        self._show(0)
        return unknown

    def _drop(self, number: int) -> None:
        self._dropped += number
        self._tally("dropped", number)

    async def _write(self) -> None:
        """Store the queue, and how many were dropped, until there is nothing to tell."""
        try:
            await self._pause(self._gather)
            while not self._given_up and (self._queue or self._dropped != self._said):
                # Not with each row: to show it costs as much as to keep it.
                self._show(len(self._queue))
                stored = await self._write_batch()
                self._show(len(self._queue))
                await self._pause(self._gather if stored else self._retry)
                if not stored and self._ending.is_set():
                    await asyncio.sleep(_HURRIED_SECONDS)
        finally:
            self._task = None

    async def _write_batch(self) -> bool:
        """
        Whether the oldest rows of the queue are stored now; they stay in it until they are.

        One that failed may be stored all the same, so it is tried again as it was.
        """
        if self._batch is None:
            entries = self._queue[:_AT_ONCE]
            self._batch = _Batch(next(self._numbers), entries, self._dropped)
        batch = self._batch
        try:
            await self._writing.append(*batch)
        except Exception:  # noqa: BLE001 - it is tried again, and was told
            return False
        self._done(batch)
        return True

    def _done(self, batch: _Batch) -> None:
        self._batch = None
        del self._queue[: len(batch.entries)]
        self._said = batch.dropped
        self._stored += len(batch.entries)
        self._tally("stored", len(batch.entries))

    async def _pause(self, seconds: float) -> None:
        """Let rows gather; in the end nothing more comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()


class _Batch(NamedTuple):
    """What is stored at once, see `LogWriter.append`."""

    number: int
    entries: Sequence[Entry]
    dropped: int


def _told(why: Exception) -> None:
    if isinstance(why, TenantcfgError):
        _LOG.warning("the decision log cannot be written", code=why.code, why=str(why))
    else:
        _LOG.error("unexpected", exc_info=why)
