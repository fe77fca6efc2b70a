"""
Removals from calls of the roster, over HTTP, beside two bare durable commits of the same database.

Two, since a removal is put on record before it is ordered, and settled after. Each is another
participant's, and is asked for with a token. The bare commits of a file are made by one
connection: as many as it would have to take turns.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.asking import ask_each
from benchmarks.changes import SCRATCH
from benchmarks.report import Table, micro, milli
from benchmarks.rounds import Cost, play, timed
from benchmarks.servers import durable_server
from benchmarks.services import serving
from benchmarks.stores import path_of
from tenantcfg import TenantId
from tenantcfg.meetings import Call, Participant
from tenantcfg.store import admin, sqlite
from tests.service.bots import V1_TREE, a_token, environment, prepare, publish
from tests.service.key_server import running_key_server
from tests.service.token_maker import TENANT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.asking import Heard
    from benchmarks.rounds import Rounds
    from benchmarks.services import Service
    from benchmarks.sizes import Sizes
    from tenantcfg import Store
    from tests.service.key_server import KeyServer

__all__ = ["measured"]

CONNECTIONS = (1, 16)
_PREFIX = "TENANTCFG_SERVE_"
_HOME = TenantId(TENANT)
_DATABASES = {"file": "SQLite", "server": "PostgreSQL"}


@dataclass(frozen=True, slots=True)
class Removed(Cost):
    """What one removal cost the service, and how long half, and all but a hundredth, waited."""

    p50: float
    p99: float


def measured(folder: Path, sizes: Sizes) -> Iterator[Table]:
    """The table of this benchmark."""
    home = folder / "removals"
    (home / "issuer").mkdir(parents=True, exist_ok=True)
    turns: dict[str, Callable[[], Cost]] = {}
    with ExitStack() as stack:
        server = stack.enter_context(durable_server())
        issuer = stack.enter_context(running_key_server(home / "issuer"))
        publish(issuer)
        asking = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
        urls = {
            "file": f"sqlite:///{home / 'store' / 'store.db'}",
            "server": stack.enter_context(server.database()),
        }
        for old in path_of(urls["file"]).parent.glob("store.db*"):
            old.unlink()
        for name, url in urls.items():
            store = stack.enter_context(admin.create(url))
            prepare(store)
            service = stack.enter_context(_serving(home, url, issuer))
            removing = _Removing(store, service, asking, sizes.removals)
            bare = _bare(stack, home, url)
            for number in CONNECTIONS:
                turns[f"{name} {number}"] = partial(removing.turn, number)
                turns[f"bare {name} {number}"] = _pairs(bare[:number], sizes.removals)
        # What is opened at the first one is not counted.
        play(turns, 1)
        rounds = play(turns, sizes.servings)
    yield _compared(rounds)


def _serving(home: Path, url: str, issuer: KeyServer) -> Any:  # noqa: ANN401 - as `serving`
    told = environment(issuer)
    settings = {name.removeprefix(_PREFIX).lower(): value for name, value in told.items()}
    return serving(home, url, **settings)


class _Removing:
    """Removes *many* at a time from calls of *store*, by *service*."""

    def __init__(
        self, store: Store, service: Service, asking: ProcessPoolExecutor, many: int
    ) -> None:
        self._store = store
        self._service = service
        self._asking = asking
        self._many = many
        self._calls = count()

    def turn(self, connections: int) -> Removed:
        """What one removal costs when so many are asked for at once."""
        requests = self._requests()
        before = self._service.cpu()
        asked = self._asking.submit(ask_each, self._service.port, requests, connections)
        heard: Heard = asked.result()
        used = max(self._service.cpu() - before, 0.01)
        return Removed(used / self._many, heard.seconds / self._many, heard.p50, heard.p99)

    def _requests(self) -> list[bytes]:
        """One for each participant of a new call."""
        call = f"c-{next(self._calls)}"
        self._store.roster.new_call(Call(_HOME, call))
        people = [f"p-{number}" for number in range(self._many)]
        for one in people:
            self._store.roster.report(_HOME, call, Participant(one))
        head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {a_token()}\r\n\r\n"
        return [
            f"DELETE {V1_TREE}/{call}/participants/{one} HTTP/1.1\r\n{head}".encode()
            for one in people
        ]


# Beside it


def _bare(stack: ExitStack, home: Path, url: str) -> list[Any]:
    """Connections with a table of their own: one to a file, several to a server."""
    if url.startswith("sqlite"):
        path = home / "bare" / "store.db"
        for old in path.parent.glob("store.db*"):
            old.unlink()
        admin.create(path).close()
        opened = [stack.enter_context(closing(sqlite.connect(path, patience=1)))]
    else:
        opened = [
            stack.enter_context(psycopg.connect(url, autocommit=True))
            for _ in range(CONNECTIONS[-1])
        ]
    opened[0].execute(SCRATCH)
    return opened


_NUMBERS = count(1)


def _pairs(connections: list[Any], many: int) -> Callable[[], Cost]:
    """*many* times two commits of one row each, shared out to *connections*."""

    def some(connection: Any) -> None:  # noqa: ANN401 - of two drivers
        for _ in range(2 * many // len(connections)):
            connection.execute("BEGIN")
            connection.execute(f"INSERT INTO scratch VALUES ({next(_NUMBERS)}, 'a row')")  # noqa: S608
            connection.execute("COMMIT")

    def work() -> None:
        if len(connections) == 1:
            some(connections[0])
            return
        with ThreadPoolExecutor(len(connections)) as threads:
            list(threads.map(some, connections))

    return lambda: timed(work, many)


def _compared(rounds: Rounds[Any]) -> Table:
    return Table(
        "A removal over HTTP beside two bare durable commits",
        (
            "",
            "connections",
            "removals a second",
            "p50",
            "p99",
            "processor",
            "two commits, a second",
            "rate / two commits",
        ),
        [
            (
                what,
                str(number),
                f"{1 / rounds.typical(f'{name} {number}').wall:,.0f}",
                milli(rounds.middle(f"{name} {number}", lambda one: one.p50)),
                milli(rounds.middle(f"{name} {number}", lambda one: one.p99)),
                micro(rounds.typical(f"{name} {number}").cpu),
                f"{1 / rounds.typical(f'bare {name} {number}').wall:,.0f}",
                str(rounds.wall(f"bare {name} {number}", f"{name} {number}")),
            )
            for name, what in _DATABASES.items()
            for number in CONNECTIONS
        ],
    )
