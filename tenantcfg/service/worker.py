"""
One worker: the store, who may ask it, and the endpoints, put together by the settings.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import parent_process
from signal import SIG_IGN, SIGHUP, SIGTERM, signal
from typing import TYPE_CHECKING, Any, Final

import structlog

from tenantcfg.errors import SettingInvalid, TenantcfgError
from tenantcfg.service.application import Application
from tenantcfg.service.askers import Anybody, KeyHolders
from tenantcfg.service.authzen import authzen
from tenantcfg.service.changes import changes
from tenantcfg.service.judging import StoreDecisions
from tenantcfg.service.metrics_folder import hold
from tenantcfg.service.openapi import pages
from tenantcfg.service.operations import (
    FOLDER,
    Counted,
    Metrics,
    Operations,
    log_as_json,
    operations,
)
from tenantcfg.service.standbys import Standby
from tenantcfg.store import Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenantcfg.service.authzen import Askers
    from tenantcfg.service.decision_log import DecisionRecorder
    from tenantcfg.service.http import Endpoint
    from tenantcfg.service.settings import Bind, ServiceSettings
    from tenantcfg.service.tokens import AccessTokens

__all__ = ["Worker", "settle"]

_LOG = structlog.get_logger("tenantcfg.service")
_GRACE: Final = 2.0
"""Seconds for which threads may end their work, once all else had its time to."""
_PAUSE: Final = 1.0
"""Seconds between two tries of a worker that cannot start."""


@dataclass(frozen=True, slots=True)
class Worker:
    """
    Makes the application of one process; what it holds is handed to each of them.

    Attributes:
        page_key: seals page tokens, the same in all workers.
    """

    settings: ServiceSettings
    database_url: str = field(repr=False)
    page_key: bytes = field(repr=False)

    def __call__(self) -> Application:
        """
        The application, on a store of its own.

        Raises:
            TenantcfgError: there is no store to ask, or a setting cannot be used. One worker
                of several ends instead, after a pause, and is started anew.
        """
        log_as_json()
        if parent_process() is not None:
            _join_the_others()
        try:
            application = self._made()
        except TenantcfgError as why:
            if parent_process() is None:
                raise
            _LOG.warning("a worker cannot start", code=why.code, why=str(why))
            time.sleep(_PAUSE)
            sys.exit(1)
        settle()
        return application

    def _made(self) -> Application:
        return _Parts(self.settings, Store.open(self.database_url), self.page_key).application()


class _Parts:
    def __init__(self, told: ServiceSettings, store: Store, page_key: bytes) -> None:
        self._told = told
        self._store = store
        self._page_key = page_key
        self._metrics = Metrics(os.environ.get(FOLDER))
        self._watcher = Operations(self._metrics, told.log_requests)
        self._decisions = Counted(StoreDecisions(store), self._metrics)
        self._starts: list[Any] = []
        self._stops: list[Any] = [self._end_in_any_case, self._close]
        self._judge: AccessTokens | None = None
        self._recorder = self._recording()
        self._standby = self._watched_standby()

    def application(self) -> Application:
        """The parts as one."""
        told = self._told
        endpoints = {**self._authzen(), **self._operations()}
        if told.proxy_source is not None:
            endpoints |= self._proxies()
        if told.calls is not None:
            endpoints |= self._participants()
        if told.calls == "roster":
            endpoints |= self._roster()
        endpoints |= pages(told.public_url, endpoints)
        if told.dev_issuer:
            # It describes itself, in a document of its own.
            endpoints |= self._dev_issuer()
        application = Application(
            endpoints,
            watcher=self._watcher,
            public_url=told.public_url,
            starts=self._starts,
            stops=self._stops,
        )
        if told.grpc_bind is not None:
            self._serve_grpc(application, told.grpc_bind)
        return application

    def _authzen(self) -> dict[bytes, Endpoint]:
        told = self._told
        askers, decisions = self._askers(), self._decisions
        if self._standby is not None:
            # Proxies do without: their clients would say for them how old an answer may be.
            decisions = Counted(StoreDecisions(self._store, self._standby), self._metrics)
        return authzen(
            decisions,
            askers,
            page_key=self._page_key,
            public_url=told.public_url,
            max_body=told.max_body,
            max_batch=told.max_batch,
            recorder=self._recorder,
        ) | changes(self._store, askers, self._watcher.failed, connections=told.max_connections)

    def _askers(self) -> Askers:
        if self._told.insecure_no_auth:
            return Anybody()
        return KeyHolders(self._store, self._standby)

    def _recording(self) -> DecisionRecorder | None:
        told, logged = self._told, self._metrics.logged
        if told.decision_log_url is None:
            return None
        from tenantcfg.service.decision_log import recorder_of  # noqa: PLC0415 - only if wanted

        # Found once for each outcome: to look it up costs more than to count.
        counter = cache(logged.labels)
        recorder = recorder_of(
            told.decision_log_url,
            told.decision_log_mode,
            lambda outcome, number: counter(outcome).inc(number),
            self._metrics.waiting.set,
        )
        self._stops.insert(1, recorder.close)
        return recorder

    def _watched_standby(self) -> Standby | None:
        told = self._told
        if told.read_url is None:
            return None
        standby = Standby(self._store, told.read_url, told.read_lag)
        self._starts.append(standby.start)
        self._stops.insert(1, standby.stop)
        return standby

    def _operations(self) -> dict[bytes, Endpoint]:
        elsewhere = self._told.metrics_bind
        if elsewhere is not None and parent_process() is None:
            port = self._metrics.serve(elsewhere)
            _LOG.info("listening", metrics=f"http://{elsewhere.at(port)}")
        metrics = None if elsewhere else self._metrics
        ready: dict[str, Callable[[], Awaitable[object]]] = {
            "the store": lambda: self._store.ask(()),
        }
        if self._recorder is not None:
            ready["the decision log"] = self._recorder.ready
        return operations(ready, metrics, self._watcher.failed)

    def _proxies(self) -> dict[bytes, Endpoint]:
        from tenantcfg.service.callers import callers_of  # noqa: PLC0415 - only if wanted
        from tenantcfg.service.proxies import proxies  # noqa: PLC0415

        return proxies(
            self._decisions,
            callers_of(self._told, self._tokens),
            failed=self._watcher.failed,
            recorder=self._recorder,
        )

    def _participants(self) -> dict[bytes, Endpoint]:
        from tenantcfg.service.participants.configured import configured  # noqa: PLC0415 - as above

        removals = self._metrics.removals
        made = configured(
            self._told,
            self._store,
            self._tokens(),
            tally=lambda outcome: removals.labels(outcome.value).inc(),
            failed=self._watcher.failed,
        )
        self._starts.append(made.remover.start)
        self._stops.insert(1, made.remover.stop)
        if not self._told.dev_issuer:
            return made.endpoints
        from tenantcfg.service.dev_issuer import Direct  # noqa: PLC0415 - as above

        return {path: Direct(one) for path, one in made.endpoints.items()}

    def _roster(self) -> dict[bytes, Endpoint]:
        from tenantcfg.service.roster import roster  # noqa: PLC0415 - as above

        told = self._told
        return roster(
            self._store,
            self._askers(),
            self._watcher.failed,
            connections=told.max_connections,
            public_url=told.public_url,
            max_body=told.max_body,
        )

    def _tokens(self) -> AccessTokens:
        """The judge of tokens: one, so that keys are fetched once."""
        from tenantcfg.service.callers import tokens_of  # noqa: PLC0415 - as above

        if self._judge is None:
            self._judge = tokens_of(self._told)
            self._starts.append(self._judge.prepare)
            self._stops.append(self._judge.close)
        return self._judge

    def _dev_issuer(self) -> dict[bytes, Endpoint]:
        from tenantcfg.service.dev_issuer import DevIssuer  # noqa: PLC0415 - only if wanted

        # Below the id of any tenant, as Entra's; last, so that every other path is found first.
        return {b"/*": DevIssuer.of(self._told)}

    def _serve_grpc(self, application: Application, bind: Bind) -> None:
        try:
            from tenantcfg.service.envoy_grpc import listening  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as why:
            raise SettingInvalid(
                "grpc_bind needs more than is installed",
                why=f"no module {why.name}",
                hint="pip install 'tenantcfg[grpc]'",
            ) from why

        async def start() -> None:
            server, port = await listening(application, str(bind), self._told.socket_mode)
            self._stops.insert(1, lambda: server.stop(self._told.drain_seconds))
            _LOG.info("listening", grpc=str(bind.at(port)))

        self._starts.append(start)

    async def _end_in_any_case(self) -> None:
        """See to it that what does not answer any more does not keep the process alive."""
        watch = threading.Timer(self._told.drain_seconds + _GRACE, os._exit, [0])
        watch.daemon = True
        watch.start()

    async def _close(self) -> None:
        self._store.close()


def settle() -> None:
    """
    Leave all that is there out of later collections of garbage; it lasts as long as the process.

    To look through it takes some 30 ms, every few thousand requests, in which nobody is answered.
    """
    gc.collect()
    gc.freeze()


def _join_the_others() -> None:
    """Be one of several workers, whose parent alone hears a hangup."""
    signal(SIGHUP, SIG_IGN)
    hold(os.environ[FOLDER])
    _end_with_parent()


def _end_with_parent() -> None:
    """See to it that no worker stays behind, holding the port, when its parent is killed."""
    parent = parent_process()
    assert parent is not None  # noqa: S101 - one of several has one

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
