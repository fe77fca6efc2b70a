"""
The check over HTTP: beside a constant answer, in batches, on both databases, with a decision log.

Each contestant is a server in processes of its own and is asked by another process, so that on
two cores neither takes the other's. With more workers than that leaves room for, they do.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from secrets import token_bytes
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

from benchmarks.asking import ask
from benchmarks.changes import ADD, SCRATCH
from benchmarks.report import Table, micro, milli
from benchmarks.rounds import Cost, Rounds, play
from benchmarks.servers import durable_server
from benchmarks.services import constant, serving, writing
from benchmarks.stores import BY, built, path_of, questions
from tenantcfg import Store
from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.keys import Right, ServiceKey
from tenantcfg.store import admin, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.asking import Heard
    from benchmarks.services import Service
    from benchmarks.sizes import Sizes
    from benchmarks.stores import Question

    Turn = Callable[[], "Served"]

__all__ = ["measured"]

CONNECTIONS = (16, 64)
BATCH = 100
_DIFFERENT = 2_000
_NOT_KEPT = {"date", "connection", "content-length"}
_COMMITS = 50
_ONE = "/access/v1/evaluation"
_MANY = "/access/v1/evaluations"


@dataclass(frozen=True, slots=True)
class Served(Cost):
    """What one check cost the server, and how long half, and all but a hundredth, waited."""

    p50: float
    p99: float


def measured(folder: Path, sizes: Sizes) -> Iterator[Table]:
    """The tables of this benchmark."""
    with _Contest.begun(folder, sizes) as contest:
        rounds = contest.played()
        memory = {name: one.resident() for name, one in contest.services.items()}
        yield _beside_a_constant(rounds, memory)
        yield _batches(rounds)
        yield _ways(rounds, memory)
        yield _durable(rounds)
        yield _writers(contest.with_writers())


@dataclass(frozen=True, slots=True)
class _Contest:
    folder: Path
    sizes: Sizes
    asking: ProcessPoolExecutor
    services: Mapping[str, Service]
    requests: Mapping[str, Sequence[bytes]]
    urls: Mapping[str, str]

    @classmethod
    @contextmanager
    def begun(cls, folder: Path, sizes: Sizes) -> Iterator[_Contest]:
        """All servers, running and warm."""
        with ExitStack() as stack:
            server = stack.enter_context(durable_server())
            urls = {name: _copied(folder, sizes, name) for name in ("served", "other")}
            urls["PostgreSQL"] = stack.enter_context(server.database())
            admin.copy(urls["served"], urls["PostgreSQL"])
            key = _keyed(urls["served"]), _keyed(urls["PostgreSQL"])
            asked = questions(urls["served"], _DIFFERENT)
            spawned = ProcessPoolExecutor(1, get_context("spawn"))
            asking = stack.enter_context(spawned)
            services = dict(_services(folder, urls, stack))
            answer = _answered(services["check"], key[0], asked[1])
            for kind in ("constant", "bare"):
                services[kind] = stack.enter_context(constant(folder, kind, _ONE, answer))
            requests = {name: _singles(key[name == "PostgreSQL"], asked) for name in services}
            services["batch"] = services["check"]
            requests["batch"] = _batched(key[0], asked)
            yield cls(folder, sizes, asking, services, requests, urls)

    def played(self) -> Rounds[Served]:
        """Every contestant with each number of connections."""
        turns: dict[str, Turn] = {
            f"{name} {number}": partial(self.asked, name, number)
            for name in self.services
            for number in CONNECTIONS
        }
        turns["two commits"] = partial(_commits, self.folder)
        # What is opened at the first question is not counted.
        play(turns, 1)
        return play(turns, self.sizes.servings)

    def with_writers(self) -> Rounds[Served]:
        """The check alone; while another store is written to; while its own is."""
        url, other = self.urls["served"], self.urls["other"]
        turns: dict[str, Turn] = {
            "nobody": partial(self.asked, "check", CONNECTIONS[0]),
            "elsewhere": partial(self._beside_a_writer, other),
            "here": partial(self._beside_a_writer, url),
        }
        return play(turns, self.sizes.servings)

    def _beside_a_writer(self, url: str) -> Served:
        with writing(self.folder, url):
            return self.asked("check", CONNECTIONS[0])

    def asked(self, name: str, connections: int) -> Served:
        """What one check costs the service *name*, and how long it takes."""
        service, requests = self.services[name], self.requests[name]
        before = service.cpu()
        heard: Heard = self.asking.submit(
            ask, service.port, requests, connections, self.sizes.serving
        ).result()
        checks = heard.answers * (BATCH if name == "batch" else 1)
        used = max(service.cpu() - before, 0.01)
        return Served(used / checks, heard.seconds / checks, heard.p50, heard.p99)


def _copied(folder: Path, sizes: Sizes, name: str) -> str:
    """A store of its own, since it is written to."""
    url = f"sqlite:///{folder / name / 'store.db'}"
    for old in path_of(url).parent.glob("*.db*"):
        old.unlink()
    admin.copy(built(folder, sizes.tenants[0]), url)
    return url


def _keyed(url: str) -> str:
    key = ServiceKey.new(token_bytes)
    with Store.open(url) as store:
        store.add_key("benchmark", key, rights=[Right.CHECK], by=BY)
    return key.text


def _services(
    folder: Path, urls: Mapping[str, str], stack: ExitStack
) -> Iterator[tuple[str, Service]]:
    file = urls["served"]
    made = {
        "check": serving(folder, file),
        "PostgreSQL": serving(folder, urls["PostgreSQL"]),
        "2 workers": serving(folder, file, "--workers", "2"),
    }
    for mode in ("sampled", "durable"):
        log = f"sqlite:///{folder / 'served' / f'{mode}.db'}"
        made[mode] = serving(folder, file, decision_log_url=log, decision_log_mode=mode)
    for name, one in made.items():
        yield name, stack.enter_context(one)


# What is asked


def _answered(service: Service, key: str, question: Question) -> dict[str, object]:
    """The headers and the body of a permit, for a constant answer of the same size."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{service.port}{_ONE}"
    with urlopen(Request(url, json.dumps(_question(question)).encode(), headers)) as answer:
        kept = [(name, value) for name, value in answer.headers.items() if name not in _NOT_KEPT]
        return {"headers": kept, "body": answer.read().decode()}


def _question(question: Question) -> dict[str, object]:
    tenant, app = question
    return {
        "subject": {"type": "application", "id": app},
        "action": {
            "name": REMOVE_PARTICIPANT,
            "properties": {"call_id": "c-1", "participant_id": "p-1"},
        },
        "resource": {"type": "tenant", "id": tenant},
    }


def _singles(key: str, asked: Sequence[Question]) -> list[bytes]:
    return [_request(_ONE, key, _question(one)) for one in asked]


def _batched(key: str, asked: Sequence[Question]) -> list[bytes]:
    groups = [asked[first : first + BATCH] for first in range(0, len(asked), BATCH)]
    return [
        _request(_MANY, key, {"evaluations": [_question(one) for one in group]}) for group in groups
    ]


def _request(path: str, key: str, members: object) -> bytes:
    body = json.dumps(members).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _commits(folder: Path) -> Served:
    """Two bare commits of a row each, one after the other, into a file beside the logs."""
    taken = []
    path = folder / "served" / "commits.db"
    with closing(sqlite.driver.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(SCRATCH.replace("TABLE", "TABLE IF NOT EXISTS"))
        for _ in range(_COMMITS):
            began = perf_counter()
            for _ in range(2):
                connection.execute("BEGIN")
                connection.execute(ADD)
                connection.execute("COMMIT")
            taken.append(perf_counter() - began)
    taken.sort()
    return Served(0.0, sum(taken) / len(taken), taken[len(taken) // 2], taken[-1])


# What is told of it


def _beside_a_constant(rounds: Rounds[Served], memory: Mapping[str, int]) -> Table:
    return Table(
        "A check over HTTP beside a constant answer of the same size, and beside no work at all",
        (*_HEAD, "memory", "rate / constant", "p99 / constant", "processor / constant", "/ bare"),
        [
            (
                *_figures(rounds, name, number),
                f"{memory[name] / 1e6:.0f} MB",
                str(rounds.ratio(f"constant {number}", f"{name} {number}", _wall)),
                str(rounds.ratio(f"{name} {number}", f"constant {number}", _p99)),
                str(rounds.cpu(f"{name} {number}", f"constant {number}")),
                str(rounds.cpu(f"{name} {number}", f"bare {number}")),
            )
            for number in CONNECTIONS
            for name in ("check", "constant", "bare")
        ],
    )


def _batches(rounds: Rounds[Served]) -> Table:
    return Table(
        f"A batch of {BATCH} beside single checks, for each check",
        ("connections", "checks a second", "processor", "rate / single", "processor of a single"),
        [
            (
                str(number),
                f"{1 / rounds.typical(f'batch {number}').wall:,.0f}",
                micro(rounds.typical(f"batch {number}").cpu),
                str(rounds.ratio(f"check {number}", f"batch {number}", _wall)),
                str(rounds.cpu(f"check {number}", f"batch {number}")),
            )
            for number in CONNECTIONS
        ],
    )


def _ways(rounds: Rounds[Served], memory: Mapping[str, int]) -> Table:
    return Table(
        "The single check in other ways, beside one worker on SQLite without a decision log",
        (*_HEAD, "memory", "rate", "p99", "processor"),
        [
            (
                *_figures(rounds, name, number),
                f"{memory[name] / 1e6:.0f} MB",
                str(rounds.ratio(f"check {number}", f"{name} {number}", _wall)),
                str(rounds.ratio(f"{name} {number}", f"check {number}", _p99)),
                str(rounds.cpu(f"{name} {number}", f"check {number}")),
            )
            for number in CONNECTIONS
            for name in ("PostgreSQL", "2 workers", "sampled", "durable")
        ],
    )


def _durable(rounds: Rounds[Served]) -> Table:
    commits = [milli(rounds.middle("two commits", what)) for what in (_p50, _p99)]
    return Table(
        "What a durable decision log adds, beside two bare commits",
        ("connections", "p50 off", "p50 durable", "p99 off", "p99 durable", "commits p50", "p99"),
        [
            (
                str(number),
                *(
                    milli(rounds.middle(f"{name} {number}", what))
                    for what in (_p50, _p99)
                    for name in ("check", "durable")
                ),
                *commits,
            )
            for number in CONNECTIONS
        ],
    )


def _writers(rounds: Rounds[Served]) -> Table:
    return Table(
        f"Checks while changes are made without a pause ({CONNECTIONS[0]} connections)",
        ("changes", "checks a second", "p50", "p99", "p99 / none", "p99 / to another store"),
        [
            (
                what,
                f"{1 / rounds.typical(name).wall:,.0f}",
                milli(rounds.middle(name, _p50)),
                milli(rounds.middle(name, _p99)),
                str(rounds.ratio(name, "nobody", _p99)),
                str(rounds.ratio(name, "elsewhere", _p99)),
            )
            for name, what in (
                ("nobody", "none"),
                ("elsewhere", "to another store"),
                ("here", "to the store that is asked"),
            )
        ],
    )


_HEAD = ("", "connections", "a second", "p50", "p99", "processor")


def _figures(rounds: Rounds[Served], name: str, number: int) -> Sequence[str]:
    turn = f"{name} {number}"
    typical = rounds.typical(turn)
    return (
        name,
        str(number),
        f"{1 / typical.wall:,.0f}",
        milli(rounds.middle(turn, _p50)),
        milli(rounds.middle(turn, _p99)),
        micro(typical.cpu),
    )


def _wall(served: Served) -> float:
    return served.wall


def _p50(served: Served) -> float:
    return served.p50


def _p99(served: Served) -> float:
    return served.p99
