"""
The server: sockets, processes, TLS, and how it ends. uvicorn does the work.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import ssl
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess

from tenantcfg import __version__
from tenantcfg.errors import SettingInvalid, StoreUnusable, TenantcfgError, quoted
from tenantcfg.service.connections import SPARE, Connection
from tenantcfg.service.metrics_folder import folder_of_own
from tenantcfg.service.operations import FOLDER, Metrics, forget, log_as_json
from tenantcfg.service.sockets import BACKLOG, listening, require_free
from tenantcfg.service.worker import Worker
from tenantcfg.store import Store
from tenantcfg.store.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from uvicorn.supervisors.multiprocess import Process

    from tenantcfg.service.application import Application
    from tenantcfg.service.settings import ServiceSettings

__all__ = ["Factory", "require", "run", "serve"]

_LOG = structlog.get_logger("tenantcfg.service")
_FAILED: Final = 3  # uvicorn's exit code of a worker that could not start
_READY_SECONDS: Final = 60.0


class Factory(Protocol):
    """Makes the application of a process; it is pickled on its way there."""

    @property
    def settings(self) -> ServiceSettings:
        """What the server goes by."""

    def __call__(self) -> Application:
        """The application."""


def serve(told: ServiceSettings, database_url: str) -> None:
    """
    Serve the store at *database_url* until a signal asks to stop; then drain, and return.

    Raises:
        SettingInvalid: a setting cannot be used, or nothing can listen where it says.
        StoreUnusable: there is no store to serve, or one that cannot be served safely.
        Unavailable: the store cannot be reached now.
    """
    log_as_json()
    require(told, database_url)
    with Store.open(database_url) as store:
        shown, store_id = store.url, store.store_id
    if told.decision_log_url is not None:
        _make_log(told.decision_log_url)
    page_key = told.page_key or token_bytes(32)
    if told.insecure_no_auth:
        _LOG.warning(
            "INSECURE: whoever reaches this service may ask, with no key at all",
            insecure_no_auth=True,
            hint="for trying out, on this machine; make keys: tenantcfg key new",
        )
    with listening(told.bind, told.socket_mode) as sockets:
        if told.dev_issuer:
            told = _issuing(told, sockets)
        said: dict[str, object] = {"version": __version__, "store": shown, "store_id": store_id}
        run(Worker(told, database_url, page_key), said, sockets)


def _issuing(told: ServiceSettings, sockets: list[socket.socket]) -> ServiceSettings:
    from tenantcfg.service.dev_issuer import SCOPE, Folder, issuing  # noqa: PLC0415 - only if wanted

    told = issuing(told, sockets[0].getsockname()[1])
    folder = Folder(told.dev_issuer_folder)
    _LOG.warning(
        "DEVELOPMENT: whoever has the client secret gets a token of any application",
        dev_issuer=told.public_url,
        scope=SCOPE,
        client_secret_in=str(folder.client_secret),
        ca=str(folder.authority),
        hint="for building bots, on this machine; docs, Remove participants with a Graph SDK",
    )
    return told


def require(told: ServiceSettings, database_url: str) -> None:
    """
    Refuse what would be found out in the middle of serving.

    Raises:
        SettingInvalid, StoreUnusable: see `serve`.
    """
    if Address.parse(database_url).dialect == "sqlite":
        _require_fixed_sqlite()
    if told.tls:
        _tls(told)
    if told.decision_log_url is not None:
        _require_apart(told.decision_log_url, database_url)
    if told.read_url is not None:
        _require_server("read_url", told.read_url)
        _require_server("read_url is set, and the store", database_url)
    if told.proxy_source == "token" or (told.calls is not None and not told.dev_issuer):
        from tenantcfg.service.callers import rules_of  # noqa: PLC0415 - only if wanted

        rules_of(told)


def _require_fixed_sqlite() -> None:
    # Loads the driver, which a service on PostgreSQL has no use for.
    from tenantcfg.store.sqlite import driver, wal_is_safe  # noqa: PLC0415

    if not wal_is_safe(driver.sqlite_version_info):
        raise StoreUnusable(
            "this SQLite cannot serve a store that is written to",
            subject=f"SQLite {driver.sqlite_version}",
            why="3.7.0 to 3.51.2 can lose what was committed, or keep checks waiting",
            hint="pip install pysqlite3, which brings a fixed one, or serve from PostgreSQL",
        )


def _require_apart(log_url: str, database_url: str) -> None:
    log, store = Address.parse(log_url), Address.parse(database_url)
    same = log.shown == store.shown
    if log.path is not None and store.path is not None:
        same = log.path.resolve() == store.path.resolve()
    if same:
        raise SettingInvalid(
            "the decision log needs a database of its own",
            subject="decision_log_url",
            why="it is the store's",
            hint="name another file, or another database",
        )


def _require_server(what: str, url: str) -> None:
    if Address.parse(url).dialect != "postgresql":
        raise SettingInvalid(
            "only PostgreSQL has standbys",
            subject=what,
            why="it is a file",
            hint="name servers: postgresql://HOST/DATABASE",
        )


def _make_log(url: str) -> None:
    # Loads SQLAlchemy, which a service without a log has no use for.
    from tenantcfg.store.decision_log import create  # noqa: PLC0415

    if create(url):
        _LOG.info("decision log made", log=Address.parse(url).shown)


def run(
    factory: Factory,
    said: dict[str, object] | None = None,
    sockets: list[socket.socket] | None = None,
) -> None:
    """
    Serve what *factory* makes, at *sockets*; without them, where its settings say.

    A line in the log says where, and *said*, once it answers.

    Raises:
        SettingInvalid: nothing can listen where the settings say.
        TenantcfgError: no worker could start.
    """
    told = factory.settings
    with ExitStack() as stack:
        if sockets is None:
            sockets = stack.enter_context(listening(told.bind, told.socket_mode))
        if told.grpc_bind is not None:
            require_free(told.grpc_bind, told.socket_mode)
        _allow_files(told.max_connections + SPARE + 128)
        addresses = [_address(one, told) for one in sockets]

        def announce() -> None:
            _LOG.info(
                "listening",
                addresses=addresses,
                workers=told.workers,
                pid=os.getpid(),
                **(said or {}),
            )

        if told.workers == 1:
            _run_one(_config(factory), sockets, announce)
        else:
            stack.enter_context(_shared_metrics(told))
            _run_many(_config(factory), sockets, announce)
    _LOG.info("stopped", pid=os.getpid())


def _config(factory: Factory) -> uvicorn.Config:
    told = factory.settings
    return uvicorn.Config(
        factory,
        factory=True,
        interface="asgi3",
        lifespan="on",
        http=Connection,
        ws="none",
        workers=told.workers,
        # Nobody's word is taken for where a request comes from.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        backlog=BACKLOG,
        timeout_keep_alive=int(told.idle_seconds),
        timeout_graceful_shutdown=max(1, round(told.drain_seconds)),
        ssl_certfile=told.tls_cert,
        ssl_context_factory=_tls_of if told.tls else None,
    )


# TLS


def _tls_of(config: uvicorn.Config, _: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    factory: Any = config.app
    return _tls(factory.settings)


def _tls(told: ServiceSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A pair that does not fit is told apart from a file that cannot be read.
    for name in ("tls_cert", "tls_key", "tls_client_ca"):
        _readable(name, getattr(told, name))
    # Without a password of its own OpenSSL would ask for one, on the terminal.
    _loaded("tls_cert and tls_key", context.load_cert_chain, told.tls_cert, told.tls_key, "")
    if told.tls_client_ca is not None:
        _loaded("tls_client_ca", context.load_verify_locations, told.tls_client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _readable(name: str, path: Path | None) -> None:
    if path is None:
        return
    try:
        path.read_bytes()
    except OSError as why:
        raise SettingInvalid(
            "cannot be used for TLS",
            subject=f"{name} {quoted(str(path))}",
            why=str(why.strerror),
        ) from why


def _loaded(name: str, load: Callable[..., object], *arguments: object) -> None:
    try:
        load(*arguments)
    except ssl.SSLError as why:
        mismatch = why.reason == "KEY_VALUES_MISMATCH"
        said = "the key is not that of the certificate" if mismatch else "not PEM, or encrypted"
        raise SettingInvalid("cannot be used for TLS", subject=name, why=said) from why


def _address(one: socket.socket, told: ServiceSettings) -> str:
    if one.family == socket.AF_UNIX:
        return str(told.bind)
    host, port = one.getsockname()[:2]
    scheme = "https" if told.tls else "http"
    return f"{scheme}://{replace(told.bind, host=host).at(port)}"


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files, as far as it may be, to what the connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        # Beyond it connections are closed without an answer, and nobody would know why.
        _LOG.warning("too few open files for max_connections", limit=most, wanted=wanted)


# Processes


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()


def _run_one(
    config: uvicorn.Config, sockets: list[socket.socket], announce: Callable[[], None]
) -> None:
    server = _Server(config, announce)

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn drains, then raises the signal again for whoever handled it before: that is us, and
    # so it is for one that comes before uvicorn listens to them.
    before = {one: signal.signal(one, stop) for one in (signal.SIGTERM, signal.SIGINT)}
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        # As SIGTERM, and not at once; nohup has it ignored.
        before[signal.SIGHUP] = signal.signal(
            signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM)
        )
    try:
        server.run(sockets)
    except SystemExit as why:
        raise TenantcfgError("the service could not start", hint="see the log") from why
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


class _Supervisor(Multiprocess):
    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], announce: Callable[[], None]
    ) -> None:
        super().__init__(config, sockets)
        self._announce = announce

    def init_processes(self) -> None:
        super().init_processes()
        if all(one.wait_until_ready(_READY_SECONDS) for one in self.processes):
            self._announce()

    def keep_subprocess_alive(self) -> None:
        before = list(self.processes)
        super().keep_subprocess_alive()
        for old in self._gone(before):
            _LOG.warning("a worker has died", pid=old.pid, exit=old.exitcode)

    def handle_signals(self) -> None:
        before = list(self.processes)
        super().handle_signals()
        self._gone(before)

    def _gone(self, before: list[Process]) -> list[Process]:
        """Those of *before* that are no workers any more; their numbers are of the past."""
        gone = [one for one in before if one not in self.processes]
        for one in gone:
            if one.pid is not None:
                forget(one.pid, os.environ[FOLDER])
        return gone


def _run_many(
    config: uvicorn.Config, sockets: list[socket.socket], announce: Callable[[], None]
) -> None:
    supervisor = _Supervisor(config, sockets, announce)
    supervisor.run()
    if any(one.exitcode == _FAILED for one in supervisor.processes):
        raise TenantcfgError("no worker could start", hint="see the log")


@contextmanager
def _shared_metrics(told: ServiceSettings) -> Iterator[None]:
    with folder_of_own() as folder:
        os.environ[FOLDER] = folder
        if told.metrics_bind is not None:
            port = Metrics(folder).serve(told.metrics_bind)
            _LOG.info("listening", metrics=f"http://{told.metrics_bind.at(port)}")
        yield
