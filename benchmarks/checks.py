"""
The check on an embedded store: beside a bare cursor, from a small store to a big one, for long.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from json import dumps
from typing import TYPE_CHECKING, Any

from benchmarks.report import Table, micro
from benchmarks.rounds import Cost, Rounds, play, timed
from benchmarks.stores import built, path_of, questions
from tenantcfg import Store
from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.store import sqlite
from tenantcfg.store.questions import SQLITE_MANY, SQLITE_ONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.sizes import Sizes
    from benchmarks.stores import Question

__all__ = ["BATCHES", "POINT", "measured", "slices"]

POINT = "SELECT granted FROM grants WHERE tenant = ? AND action = ? AND app = ?"
POINT += " AND to_revision IS NULL"

BATCHES = (100, 1_000)
"""How many questions are asked together."""

# So many that none is asked twice while what it needed is still at hand.
_DIFFERENT = 50_000


@dataclass(frozen=True, slots=True)
class _Subject:
    """A store that is asked, by the name of its row in the tables, and what it is asked."""

    name: str
    url: str
    asked: Sequence[Question]


def measured(folder: Path, sizes: Sizes) -> Iterator[Table]:
    """The tables of this benchmark."""
    subjects = list(_subjects(folder, sizes))
    with ExitStack() as open_ones:
        contestants: dict[str, Callable[[], Cost]] = {}
        for subject in subjects:
            store = open_ones.enter_context(Store.open(subject.url))
            cursor = open_ones.enter_context(closing(_bare(subject.url))).cursor()
            _warm(cursor, subject.asked)
            turns = _turns(store, cursor, subject, sizes.questions)
            contestants |= {f"{name} {subject.name}": turn for name, turn in turns.items()}
        rounds = play(contestants, sizes.rounds)
    names = [subject.name for subject in subjects]
    yield _beside_a_cursor(rounds, names)
    yield _growth(rounds, names)
    yield _together(subjects[0].url, sizes)
    yield _memory(subjects[-1].url, sizes)


def _subjects(folder: Path, sizes: Sizes) -> Iterator[_Subject]:
    """Each store, asked about all its tenants; the last one once more, about a few of them."""
    for tenants in sizes.tenants:
        url = built(folder, tenants)
        yield _Subject(f"{tenants:,}", url, questions(url, _DIFFERENT))
    few, most = sizes.tenants[0], sizes.tenants[-1]
    url = built(folder, most)
    yield _Subject(f"{most:,}, asked about {few:,} of them", url, questions(url, few))


def slices(asked: Sequence[Question], count: int) -> Iterator[list[Question]]:
    """The questions of one round after the other, so many each; other ones as long as there are."""
    endless = cycle(asked)
    while True:
        yield list(islice(endless, count))


def _bare(url: str) -> Any:  # noqa: ANN401 - the driver's own type
    return sqlite.driver.connect(f"file:{path_of(url)}?mode=ro", uri=True, isolation_level=None)


def _warm(cursor: Any, asked: Sequence[Question]) -> None:  # noqa: ANN401 - as above
    """Have read from the disk what will be asked for: whoever came first would pay for it."""
    for tenant, app in asked:
        cursor.execute(SQLITE_ONE, (tenant, REMOVE_PARTICIPANT, app)).fetchone()


def _turns(
    store: Store,
    cursor: Any,  # noqa: ANN401 - the driver's own type
    subject: _Subject,
    count: int,
) -> dict[str, Callable[[], Cost]]:
    def checks(some: list[Question]) -> None:
        for tenant, app in some:
            store.check(tenant=tenant, app=app)

    def statements(some: list[Question]) -> None:
        for tenant, app in some:
            cursor.execute(SQLITE_ONE, (tenant, REMOVE_PARTICIPANT, app)).fetchone()

    path = str(path_of(subject.url))

    def looks(some: list[Question]) -> None:
        for tenant, app in some:
            os.stat(path)  # noqa: PTH116 - as the check does
            cursor.execute(SQLITE_ONE, (tenant, REMOVE_PARTICIPANT, app)).fetchone()

    def points(some: list[Question]) -> None:
        for tenant, app in some:
            cursor.execute(POINT, (tenant, REMOVE_PARTICIPANT, app)).fetchone()

    works = {"check": checks, "bare": statements, "looks": looks, "point": points}
    return {name: _turn(work, slices(subject.asked, count)) for name, work in works.items()}


def _turn(
    work: Callable[[list[Question]], None], rounds: Iterator[list[Question]]
) -> Callable[[], Cost]:
    def turn() -> Cost:
        some = next(rounds)
        return timed(lambda: work(some), len(some))

    return turn


def _beside_a_cursor(rounds: Rounds[Cost], names: Sequence[str]) -> Table:
    return Table(
        "A check beside a bare cursor that runs its statement (processor time)",
        (
            "tenants",
            "check",
            "bare cursor",
            "with a stat of the file",
            "simplest SELECT",
            "check / cursor",
            "by the clock",
        ),
        [
            (
                name,
                micro(rounds.typical(f"check {name}").cpu),
                micro(rounds.typical(f"bare {name}").cpu),
                micro(rounds.typical(f"looks {name}").cpu),
                micro(rounds.typical(f"point {name}").cpu),
                str(rounds.cpu(f"check {name}", f"bare {name}")),
                str(rounds.wall(f"check {name}", f"bare {name}")),
            )
            for name in names
        ],
    )


def _growth(rounds: Rounds[Cost], names: Sequence[str]) -> Table:
    first, *others = names
    works = ("check", "bare", "point")
    return Table(
        f"What the same costs beside {first} tenants (processor time)",
        ("tenants", "check", "bare cursor", "simplest SELECT"),
        [
            (name, *(str(rounds.cpu(f"{work} {name}", f"{work} {first}")) for work in works))
            for name in others
        ],
    )


def _together(url: str, sizes: Sizes) -> Table:
    asked = questions(url, max(BATCHES))
    with Store.open(url) as store, closing(_bare(url)) as connection:
        cursor = connection.cursor()

        def one_by_one() -> None:
            for tenant, app in asked:
                store.check(tenant=tenant, app=app)

        def bare(some: list[Question]) -> None:
            cursor.execute(SQLITE_MANY, (dumps(some), REMOVE_PARTICIPANT)).fetchall()

        contestants = {"one by one": lambda: timed(one_by_one, len(asked))}
        for count in BATCHES:
            some = asked[:count]
            contestants |= {
                f"many {count}": partial(timed, partial(store.check_many, some), count),
                f"bare {count}": partial(timed, partial(bare, some), count),
            }
        rounds = play(contestants, sizes.rounds)
    return Table(
        "`check_many`, for each question (processor time)",
        ("questions", "check_many", "bare cursor", "check_many / cursor", "check_many / check"),
        [
            (
                f"{count:,}",
                micro(rounds.typical(f"many {count}").cpu),
                micro(rounds.typical(f"bare {count}").cpu),
                str(rounds.cpu(f"many {count}", f"bare {count}")),
                str(rounds.cpu(f"many {count}", "one by one")),
            )
            for count in BATCHES
        ],
    )


def _memory(url: str, sizes: Sizes) -> Table:
    """In a process of its own, which has nothing else in its memory."""
    command = [sys.executable, "-m", "benchmarks.memory", url, str(sizes.remembered)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return Table(
        f"Memory of a process that checks ({sizes.tenants[-1]:,} tenants)",
        ("checks", "resident"),
        [(f"{checks:,}", f"{kibibytes:,} KiB") for checks, kibibytes in said],
    )
