"""
Loading a store with its whole history: `admin.copy`, beside the database's own bulk ways.

The bare ways move the same rows into the same tables, read them with a bare cursor, and judge
nothing; `admin.copy` replays the history and compares every row before it commits.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.report import Table, seconds
from benchmarks.rounds import play, timed
from benchmarks.servers import durable_server
from benchmarks.stores import GRANTS, built, path_of
from tenantcfg.store import admin, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.rounds import Cost, Rounds
    from benchmarks.sizes import Sizes
    from tests.postgres import Server

__all__ = ["measured"]

_TABLES = ("changes", "change_apps", "tenants", "grants")
_HEAD = "SELECT revision, hash, at FROM head"
_MOVE = "UPDATE head SET revision = ?, hash = ?, at = ?"


def measured(folder: Path, sizes: Sizes) -> Iterator[Table]:
    """The tables of this benchmark."""
    source = built(folder, sizes.grants // GRANTS)
    with durable_server() as server:
        targets = _Targets(folder, server)
        yield _to_file(play(_to_files(source, targets), sizes.loads), sizes)
        yield _to_server(play(_to_servers(source, targets), sizes.loads), sizes)


class _Targets:
    """Stores that are made, empty, for one load each; gone after it."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._folder = folder
        self._server = server
        self._numbers = count(1)

    @contextmanager
    def file(self) -> Iterator[str]:
        path = self._folder / f"target-{next(self._numbers)}" / "store.db"
        admin.create(path).close()
        yield f"sqlite:///{path}"
        for each in path.parent.iterdir():
            each.unlink()
        path.parent.rmdir()

    @contextmanager
    def database(self) -> Iterator[str]:
        with self._server.database() as url:
            admin.create(url).close()
            yield url


def _to_files(source: str, targets: _Targets) -> dict[str, Callable[[], Cost]]:
    def into(load: Callable[[str, str], object]) -> Callable[[], Cost]:
        def turn() -> Cost:
            with targets.file() as target:
                return timed(lambda: load(source, target))

        return turn

    return {
        "copy": into(admin.copy),
        "executemany": into(_executemany),
        "reading": lambda: timed(lambda: _read(source)),
    }


def _to_servers(source: str, targets: _Targets) -> dict[str, Callable[[], Cost]]:
    def into(load: Callable[[str, str], object]) -> Callable[[], Cost]:
        def turn() -> Cost:
            with targets.database() as target:
                return timed(lambda: load(source, target))

        return turn

    def back() -> Cost:
        with targets.database() as server, targets.file() as target:
            _copy_in(source, server)
            return timed(lambda: admin.copy(server, target))

    return {"copy": into(admin.copy), "COPY": into(_copy_in), "back": back}


def _selected(source: str, table: str) -> Iterator[Sequence[Any]]:
    """All rows of *table*, by a cursor of the driver's own."""
    with closing(sqlite.connect(path_of(source), patience=1, for_checks=True)) as connection:
        yield from connection.execute(f"SELECT * FROM {table}")  # noqa: S608 - one of ours


def _read(source: str) -> None:
    for table in _TABLES:
        for _ in _selected(source, table):
            pass


def _executemany(source: str, target: str) -> None:
    with closing(sqlite.connect(path_of(target), patience=1)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for table in _TABLES:
            width = len(connection.execute(f"PRAGMA table_info({table})").fetchall())
            places = ", ".join("?" * width)
            insert = f"INSERT INTO {table} VALUES ({places})"  # noqa: S608 - one of ours
            connection.executemany(insert, _selected(source, table))
        connection.execute(_MOVE, _head(source))
        connection.execute("COMMIT")


def _copy_in(source: str, target: str) -> None:
    with psycopg.connect(target) as connection:
        for table in _TABLES:
            with connection.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
                for row in _selected(source, table):
                    copy.write_row(_typed(table, row))
        connection.execute(_MOVE.replace("?", "%s").encode(), _head(source))


def _typed(table: str, row: Sequence[Any]) -> Sequence[Any]:
    # The last column of a tenant is a truth value, which SQLite keeps as a number.
    return (*row[:-1], bool(row[-1])) if table == "tenants" else row


def _head(source: str) -> Sequence[Any]:
    with closing(sqlite.connect(path_of(source), patience=1, for_checks=True)) as connection:
        head: Sequence[Any] = connection.execute(_HEAD).fetchone()
        return head


def _to_file(rounds: Rounds[Cost], sizes: Sizes) -> Table:
    return Table(
        f"{sizes.grants:,} grants with their history, from a file into a file",
        ("", "processor", "clock", "beside executemany: processor", "clock"),
        [
            _line(rounds, name, what, "executemany")
            for name, what in (
                ("copy", "`db copy`"),
                ("executemany", "bare `executemany`"),
                ("reading", "of which reading the rows"),
            )
        ],
    )


def _to_server(rounds: Rounds[Cost], sizes: Sizes) -> Table:
    return Table(
        f"{sizes.grants:,} grants with their history, into PostgreSQL and back",
        ("", "processor (client)", "clock", "beside COPY: processor", "clock"),
        [
            _line(rounds, name, what, "COPY")
            for name, what in (
                ("copy", "`db copy` into PostgreSQL"),
                ("COPY", "PostgreSQL's COPY"),
                ("back", "`db copy` back into a file"),
            )
        ],
    )


def _line(rounds: Rounds[Cost], name: str, what: str, other: str) -> tuple[str, ...]:
    cost = rounds.typical(name)
    ratios = (str(rounds.cpu(name, other)), str(rounds.wall(name, other)))
    return (what, seconds(cost.cpu), seconds(cost.wall), *ratios)
