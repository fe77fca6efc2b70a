"""
What an operator sees: health, metrics, logs.

Labels and lines name routes, codes and reasons, and never what was asked, nor any secret: a
fault is told by its type and place, since its message may repeat what was sent to us.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
import traceback
from collections import Counter as Tally
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, Final

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from tenantcfg.calls import CallsFailed, CallsUnavailable
from tenantcfg.decision import Deny, Permit
from tenantcfg.errors import SettingInvalid, StoreUnusable, Unavailable
from tenantcfg.service.http import ALLOW_GET, NO_STORE, Answer, Problem, answered, told_of

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence

    from tenantcfg.service.authzen import (
        Asker,
        Decisions,
        Freshness,
        Judged,
        Outcome,
        Page,
        Question,
        Search,
    )
    from tenantcfg.service.http import Endpoint, Request
    from tenantcfg.service.settings import Bind

    Event = MutableMapping[str, Any]

__all__ = ["FOLDER", "Counted", "Metrics", "Operations", "forget", "log_as_json", "operations"]

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which several workers keep their numbers."""

READY_WITHIN: Final = 0.8
"""Seconds after which a store that has not answered counts as one that does not."""

_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_LOG = structlog.get_logger("tenantcfg.service")
_LONGEST: Final = 200
_SELDOM: Final = 1.0


# Logs


def log_as_json(level: int = logging.INFO) -> None:
    """Write this process's logs to standard error, one JSON object a line."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _told,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(),
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [_Passed()]
    root.setLevel(logging.WARNING)


class _Lines:
    """Standard error, line by line; a reader that has gone makes no request fail."""

    def msg(self, line: str) -> None:
        # In one piece, so that lines of several workers do not mix.
        with suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), f"{line}\n".encode("utf-8", "backslashreplace"))

    debug = info = warning = error = critical = msg


class _Passed(logging.Handler):
    """What the parts that we use have to say."""

    def emit(self, record: logging.LogRecord) -> None:
        fault = record.exc_info[1] if record.exc_info else None
        _LOG.log(record.levelno, record.getMessage(), logger=record.name, exc_info=fault)


def _told(logger: object, method: str, event: Event) -> Event:
    """*event* with its fault, if it has one, told by type and place."""
    del logger, method
    why = event.pop("exc_info", None)
    if isinstance(why, BaseException):
        frames = traceback.extract_tb(why.__traceback__)[-8:]
        event["fault"] = type(why).__name__
        event["at"] = [f"{one.filename}:{one.lineno} {one.name}" for one in frames]
    first = {name: event.pop(name) for name in ("timestamp", "level", "event")}
    return {**first, **event}


# Metrics


class Metrics:
    """The numbers of this process, or those of all workers where they share a *folder*."""

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder
        self._own = CollectorRegistry()
        if folder is None:
            ProcessCollector(registry=self._own)
        self.requests = Counter(
            "tenantcfg_http_requests",
            "Answers, by route and status.",
            ["route", "status"],
            registry=self._own,
        )
        self.seconds = Histogram(
            "tenantcfg_http_request_seconds",
            "From a request's head to its answer, by route.",
            ["route"],
            registry=self._own,
            buckets=_BUCKETS,
        )
        self.checks = Counter(
            "tenantcfg_checks",
            "Decisions, by what was decided and why.",
            ["decision", "reason"],
            registry=self._own,
        )
        self.failures = Counter(
            "tenantcfg_store_failures",
            "Requests that found no store to answer them, by code.",
            ["code"],
            registry=self._own,
        )
        self.refused = Counter(
            "tenantcfg_http_refused",
            "Connections that were refused before there was a request, by reason.",
            ["reason"],
            registry=self._own,
        )
        self.logged = Counter(
            "tenantcfg_decision_log_rows",
            "Rows for the decision log, by what became of them.",
            ["outcome"],
            registry=self._own,
        )
        self.waiting = Gauge(
            "tenantcfg_decision_log_waiting",
            "Rows that wait to be stored in the decision log.",
            registry=self._own,
            multiprocess_mode="livesum",
        )

        self.removals = Counter(
            "tenantcfg_removals",
            "Removals of participants that were begun, by what became of them.",
            ["outcome"],
            registry=self._own,
        )

    def exposed(self) -> bytes:
        """All numbers, as Prometheus reads them."""
        return generate_latest(self._whole())

    def _whole(self) -> CollectorRegistry:
        if self._folder is None:
            return self._own
        whole = CollectorRegistry()
        MultiProcessCollector(whole, path=self._folder)  # type: ignore[no-untyped-call]
        return whole

    def serve(self, bind: Bind) -> int:
        """
        Serve them on *bind*, in a thread of their own; the port.

        Raises:
            SettingInvalid: nothing can listen there.
        """
        try:
            server, _ = start_http_server(bind.port, bind.host, registry=self._whole())
        except OSError as why:
            said = why.strerror or str(why)
            raise SettingInvalid("cannot listen", subject=str(bind), why=said) from why
        return server.server_port


class Counted:
    """*decisions*, counted as they are made."""

    def __init__(self, decisions: Decisions, metrics: Metrics) -> None:
        self._decisions = decisions
        self._checks = metrics.checks
        self._known: dict[tuple[str, str], Counter] = {}

    async def judge(self, questions: Sequence[Question], asker: Asker, fresh: Freshness) -> Judged:
        """See `Decisions.judge`."""
        judged = await self._decisions.judge(questions, asker, fresh)
        if len(judged.outcomes) == 1:
            self._counter(*_kind(judged.outcomes[0])).inc()
            return judged
        for (decision, reason), number in Tally(map(_kind, judged.outcomes)).items():
            self._counter(decision, reason).inc(number)
        return judged

    async def search(self, search: Search, asker: Asker, fresh: Freshness) -> Page:
        """See `Decisions.search`; what is found is no decision."""
        return await self._decisions.search(search, asker, fresh)

    def _counter(self, decision: str, reason: str) -> Counter:
        found = self._known.get((decision, reason))
        if found is None:
            found = self._known[decision, reason] = self._checks.labels(decision, reason)
        return found


def _kind(outcome: Outcome) -> tuple[str, str]:
    match outcome:
        case Permit():
            return "permit", ""
        case Deny(reason=reason):
            return "deny", reason
    return "barred", ""


# What watches the requests, and what answers an operator


class Operations:
    """
    Counts and logs what becomes of each request.

    Args:
        metrics: where it counts.
        lines: which requests leave a line: ``all``, ``problems``, ``none``.
    """

    def __init__(self, metrics: Metrics, lines: str = "problems") -> None:
        self._metrics = metrics
        self._from = {"all": 0, "problems": 300, "none": 1000}[lines]
        self._requests: dict[tuple[str, int], Counter] = {}
        self._seconds: dict[str, Histogram] = {}
        self._away = _Seldom("the store cannot be asked")
        self._refusals = _Seldom("connections are refused")

    def answered(self, request: Request, route: str, status: int, seconds: float) -> None:
        """See `Watcher.answered`."""
        counter = self._requests.get((route, status))
        if counter is None:
            counter = self._metrics.requests.labels(route, str(status))
            self._requests[route, status] = counter
            self._seconds.setdefault(route, self._metrics.seconds.labels(route))
        counter.inc()
        self._seconds[route].observe(seconds)
        if status >= self._from:
            _line(request, route, status, seconds)

    def failed(self, why: Exception) -> None:
        """See `Watcher.failed`."""
        if isinstance(why, (CallsUnavailable, CallsFailed)):
            _LOG.warning("the call controller cannot be asked", code=why.code, why=str(why))
        elif isinstance(why, (Unavailable, StoreUnusable)):
            self._metrics.failures.labels(why.code).inc()
            self._away.tell(code=why.code, why=str(why))
        else:
            _LOG.error("unexpected", exc_info=why)

    def refused(self, why: str) -> None:
        """See `Watcher.refused`."""
        self._metrics.refused.labels(why).inc()
        self._refusals.tell(reason=why)


class _Seldom:
    """A warning that is written once a second at the most, with how many there were."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._next = -inf
        self._number = 0

    def tell(self, **members: object) -> None:
        self._number += 1
        now = time.monotonic()
        if now >= self._next:
            _LOG.warning(self._event, **members, number=self._number)
            self._next, self._number = now + _SELDOM, 0


def _line(request: Request, route: str, status: int, seconds: float) -> None:
    _LOG.info(
        "request",
        request_id=_cut(request.id.decode("latin-1")),
        method=request.method,
        route=route,
        status=status,
        ms=round(seconds * 1000, 3),
        asker=_cut(request.asker),
        peer=request.peer,
        **({"why": request.why} if request.why else {}),
    )


def _cut(text: str) -> str:
    """*text*, which is of the client's choosing, as long as a line has room for it."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def forget(pid: int, folder: str) -> None:
    """What the process *pid*, which has ended, had at the moment, counts no more."""
    mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]


def operations(
    ready: Mapping[str, Callable[[], Awaitable[object]]],
    metrics: Metrics | None,
    watched: Callable[[Exception], None] = lambda _: None,
) -> dict[bytes, Endpoint]:
    """
    The endpoints for an operator, by their paths.

    Args:
        ready: what answers need, by its name; each returns once it is there.
        metrics: served here; None: elsewhere.
        watched: is told why the store does not answer.
    """
    endpoints: dict[bytes, Endpoint] = {
        b"/healthz": _reading(_alive),
        b"/readyz": _reading(_readiness(ready, watched)),
    }
    if metrics is not None:
        endpoints[b"/metrics"] = _reading(_exposition(metrics))
    return endpoints


def _reading(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Any:  # noqa: ANN401 - what the endpoint answers
        if request.method not in {"GET", "HEAD"}:
            raise Problem("method_not_allowed", "only GET is answered here", ALLOW_GET)
        return await endpoint(request)

    return answer


async def _alive(_: Request) -> Answer:
    return answered({"status": "ok"})


def _readiness(
    ready: Mapping[str, Callable[[], Awaitable[object]]], watched: Callable[[Exception], None]
) -> Endpoint:
    async def readiness(request: Request) -> Answer:
        asked = {name: asyncio.ensure_future(ask()) for name, ask in ready.items()}
        # Not wait_for, which waits for what it cancels.
        await asyncio.wait(asked.values(), timeout=READY_WITHIN)
        for one in asked.values():
            one.cancel()
        # All are looked at, so that none has failed unheard.
        troubles = [_trouble(name, one, request, watched) for name, one in asked.items()]
        for trouble in filter(None, troubles):
            raise trouble
        return answered({"status": "ready"})

    return readiness


def _trouble(
    name: str, asked: Future[object], request: Request, watched: Callable[[Exception], None]
) -> Problem | None:
    """Why what was *asked* keeps us from answering; None: it does not."""
    if not asked.done():
        return Problem("unavailable", f"{name} has not answered in time")
    why = asked.exception()
    if why is None or isinstance(why, Problem):
        return why
    if isinstance(why, Exception):
        request.why = told_of(why)
        watched(why)
    return Problem("unavailable", f"{name} cannot be asked now")


def _exposition(metrics: Metrics) -> Endpoint:
    async def exposition(_: Request) -> Answer:
        kind = (b"content-type", CONTENT_TYPE_LATEST.encode())
        return Answer(200, metrics.exposed(), (kind, NO_STORE))

    return exposition
