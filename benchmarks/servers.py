"""
The check on PostgreSQL: one by one beside a bare cursor, and gathered by an event loop.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.checks import BATCHES, POINT
from benchmarks.report import Table, micro
from benchmarks.rounds import Cost, play, timed
from benchmarks.stores import built, questions
from tenantcfg import Store
from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.store import admin
from tenantcfg.store.questions import POSTGRESQL_ONE
from tests.postgres import running_server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence
    from pathlib import Path

    from benchmarks.rounds import Rounds
    from benchmarks.sizes import Sizes
    from benchmarks.stores import Question
    from tests.postgres import Server

__all__ = ["durable_server", "measured"]

_POINT = POINT.replace("?", "%s")


def measured(folder: Path, sizes: Sizes) -> Iterator[Table]:
    """The tables of this benchmark."""
    small = built(folder, sizes.tenants[0])
    with durable_server() as server, server.database() as url:
        admin.copy(small, url)
        asked = questions(small, sizes.questions)
        with Store.open(url) as store, psycopg.connect(url, autocommit=True) as bare:
            rounds = play(_turns(store, bare.cursor(), asked), sizes.rounds)
    yield _one_by_one(rounds)
    yield _gathered(rounds)


@contextmanager
def durable_server() -> Iterator[Server]:
    """A server that keeps what it has said to have, unlike the one of the tests."""
    with running_server() as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            for setting in ("fsync = on", "full_page_writes = on", "shared_buffers = '128MB'"):
                connection.execute(f"ALTER SYSTEM SET {setting}".encode())
            connection.execute("ALTER SYSTEM SET max_wal_size = '2GB'")
        server.stop()
        server.start()
        yield server


def _turns(
    store: Store, cursor: psycopg.Cursor[Any], asked: Sequence[Question]
) -> dict[str, Callable[[], Cost]]:
    def checks() -> None:
        for tenant, app in asked:
            store.check(tenant=tenant, app=app)

    def statements() -> None:
        for tenant, app in asked:
            values = {"tenant": tenant, "app": app, "action": REMOVE_PARTICIPANT}
            cursor.execute(POSTGRESQL_ONE, values, prepare=True).fetchone()

    def points() -> None:
        for tenant, app in asked:
            cursor.execute(_POINT, (tenant, REMOVE_PARTICIPANT, app), prepare=True).fetchone()

    async def gathered(count: int) -> None:
        for first in range(0, len(asked), count):
            some = asked[first : first + count]
            await asyncio.gather(*(store.check_async(tenant=t, app=a) for t, a in some))

    turns = {
        "check": lambda: timed(checks, len(asked)),
        "bare": lambda: timed(statements, len(asked)),
        "point": lambda: timed(points, len(asked)),
    }
    for count in BATCHES:
        work = partial(_run, gathered, count)
        turns[f"gathered {count}"] = partial(timed, work, len(asked))
    return turns


def _run(asking: Callable[[int], Coroutine[Any, Any, None]], count: int) -> None:
    asyncio.run(asking(count))


def _one_by_one(rounds: Rounds[Cost]) -> Table:
    return Table(
        "A check on PostgreSQL beside a bare cursor that runs its statement (same machine)",
        ("", "check", "bare cursor", "simplest SELECT", "check / cursor"),
        [
            (
                "by the clock",
                *(micro(rounds.typical(name).wall) for name in ("check", "bare", "point")),
                str(rounds.wall("check", "bare")),
            ),
            (
                "processor time of the asking side",
                *(micro(rounds.typical(name).cpu) for name in ("check", "bare", "point")),
                str(rounds.cpu("check", "bare")),
            ),
        ],
    )


def _gathered(rounds: Rounds[Cost]) -> Table:
    return Table(
        "`check_async` on PostgreSQL, for each check (by the clock)",
        ("at once", "cost", "checks a second", "one by one / gathered"),
        [
            (
                f"{count:,}",
                micro(rounds.typical(f"gathered {count}").wall),
                f"{1 / rounds.typical(f'gathered {count}').wall:,.0f}",
                str(rounds.wall("check", f"gathered {count}")),
            )
            for count in BATCHES
        ],
    )
