"""
Changes: one that is durable beside two bare commits, and many processes that add at once.
"""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.report import Table, milli, seconds
from benchmarks.rounds import play, timed
from benchmarks.servers import durable_server
from benchmarks.starts import environment, program
from benchmarks.stores import BY, path_of
from tenantcfg import AppId, ListModifier, Store, TenantId
from tenantcfg.store import admin, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.rounds import Cost, Rounds
    from benchmarks.sizes import Sizes

__all__ = ["ADD", "SCRATCH", "at_once", "commits", "measured"]

_TENANT = TenantId("b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d21")
_APP = AppId("5817674c-81d9-4adb-bfb2-8f6a442e4622")
SCRATCH = "CREATE TABLE scratch (n INTEGER PRIMARY KEY, t TEXT)"
ADD = "INSERT INTO scratch (n, t) SELECT coalesce(max(n), 0) + 1, 'a row' FROM scratch"


def measured(folder: Path, sizes: Sizes) -> Iterator[Table]:
    """The tables of this benchmark."""
    with durable_server() as server, server.database() as url, ExitStack() as open_ones:
        file = _new(folder, "changed")
        bare_file = sqlite.connect(path_of(_new(folder, "bare")), patience=1)
        open_ones.enter_context(closing(bare_file))
        bare_server = open_ones.enter_context(psycopg.connect(url, autocommit=True))
        stores = [open_ones.enter_context(_known(each)) for each in (file, url)]
        turns = {
            "file": _sets(stores[0], sizes.sets),
            "bare file": commits(bare_file, sizes.sets),
            "server": _sets(stores[1], sizes.sets),
            "bare server": commits(bare_server, sizes.sets),
        }
        yield _single(play(turns, sizes.rounds))
    yield at_once(folder, sizes.adders)


def _new(folder: Path, name: str) -> str:
    path = folder / name / "store.db"
    for old in path.parent.glob("store.db*"):
        old.unlink()
    admin.create(path).close()
    return f"sqlite:///{path}"


def _known(url: str) -> Store:
    store = admin.create(url)
    store.add_tenant(_TENANT, "contoso", by=BY)
    return store


def _sets(store: Store, count: int) -> Callable[[], Cost]:
    """Changes that each have an effect: the app is added and removed in turn."""
    given = [ListModifier(add=(_APP,)), ListModifier(remove=(_APP,))]

    def work() -> None:
        for number in range(count):
            store.modify(_TENANT, given[number % 2], by=BY)

    return lambda: timed(work, count)


def commits(connection: Any, count: int) -> Callable[[], Cost]:  # noqa: ANN401 - of two drivers
    """Twice as many commits of one row each."""
    connection.execute(SCRATCH)

    def work() -> None:
        for _ in range(2 * count):
            connection.execute("BEGIN")
            connection.execute(ADD)
            connection.execute("COMMIT")

    return lambda: timed(work, count)


def _single(rounds: Rounds[Cost]) -> Table:
    return Table(
        "One change, durable, beside two bare commits of one row",
        ("", "change", "two commits", "by the clock", "processor time"),
        [
            (
                what,
                milli(rounds.typical(name).wall),
                milli(rounds.typical(f"bare {name}").wall),
                str(rounds.wall(name, f"bare {name}")),
                str(rounds.cpu(name, f"bare {name}")),
            )
            for name, what in (("file", "SQLite"), ("server", "PostgreSQL"))
        ],
    )


def at_once(folder: Path, adders: int) -> Table:
    """So many processes of the program, started together, each adding an app of its own."""
    url = _new(folder, "crowded")
    _known(url).close()
    start = time.perf_counter()
    running = [
        subprocess.Popen(_adding(url, number), env=environment(folder), stderr=subprocess.DEVNULL)
        for number in range(adders)
    ]
    failed = sum(one.wait() != 0 for one in running)
    wall = time.perf_counter() - start
    with Store.open(url) as store:
        there = len(store.configuration(_TENANT).grants)
        revisions = store.head().revision - 1
        sound = not store.verify()
    return Table(
        "Processes that add an app each, all at once (SQLite)",
        ("processes", "clock", "failed", "apps there", "revisions", "`audit verify`"),
        [
            (
                str(adders),
                seconds(wall),
                str(failed),
                str(there),
                str(revisions),
                "sound" if sound else "not sound",
            )
        ],
    )


def _adding(url: str, number: int) -> list[str]:
    line = f"@{{Add='app-{number}'}}"
    cmdlet = "Set-CsApplicationMeetingConfiguration"
    words = (cmdlet, "-AllowRemoveParticipantAppIds", line, "-Tenant", _TENANT.value)
    return program("--store", url, *words)
