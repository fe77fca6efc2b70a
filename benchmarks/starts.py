"""
Start-up: whole processes, from nothing to the answer.
"""

from __future__ import annotations

import compileall
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import Table, milli
from benchmarks.rounds import play, process
from benchmarks.stores import built, path_of, questions
from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.store.questions import SQLITE_ONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.rounds import Cost, Rounds
    from benchmarks.sizes import Sizes
    from benchmarks.stores import Question

__all__ = ["ROOT", "environment", "measured", "program"]

ROOT = Path(__file__).resolve().parent.parent

_DENIED = "tenantcfg check, denied"

_PAIRS = (
    ("tenantcfg check", "import sqlalchemy, and the statement"),
    (_DENIED, "import sqlalchemy, and the statement"),
    ("tenantcfg --version", "import click"),
    ("tenantcfg check", "nothing"),
    ("tenantcfg --version", "nothing"),
)


def measured(folder: Path, sizes: Sizes) -> Iterator[Table]:
    """The table of this benchmark."""
    for package in ("tenantcfg", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=2)
    commands = _commands(built(folder, sizes.tenants[0]))
    turns = {
        name: partial(process, command, environment(folder), 3 if name == _DENIED else 0)
        for name, command in commands.items()
    }
    # The first start of each writes what byte code there is not, and is not counted.
    play(turns, 1)
    rounds = play(turns, sizes.starts)
    yield Table(
        "A whole process",
        ("command", "processor", "clock"),
        [
            (name, milli(rounds.typical(name).cpu), milli(rounds.typical(name).wall))
            for name in commands
        ],
    )
    yield _ratios(rounds)


def program(*words: str) -> list[str]:
    """The command line that runs tenantcfg on *words*."""
    return [sys.executable, "-m", "tenantcfg", *words]


def environment(folder: Path) -> dict[str, str]:
    """Of a process that finds the checkout and no settings, and may keep its byte code."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    homes = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    return kept | {"PYTHONPATH": str(ROOT)} | dict.fromkeys(homes, str(folder / "home"))


def _commands(url: str) -> dict[str, list[str]]:
    # The first question is one that is denied.
    denied, (tenant, app) = questions(url, 2)
    values = (tenant, REMOVE_PARTICIPANT, app)
    statement = (
        "import sqlalchemy\n"
        f"engine = sqlalchemy.create_engine('sqlite:///{path_of(url)}')\n"
        "with engine.connect() as connection:\n"
        f"    print(connection.exec_driver_sql({SQLITE_ONE!r}, {values!r}).all())\n"
    )
    return {
        "tenantcfg check": _check(url, (tenant, app)),
        _DENIED: _check(url, denied),
        "import sqlalchemy, and the statement": [sys.executable, "-c", statement],
        "tenantcfg --version": program("--version"),
        "import click": [sys.executable, "-c", "import click"],
        "nothing": [sys.executable, "-c", "pass"],
    }


def _check(url: str, question: Question) -> list[str]:
    tenant, app = question
    return program("check", "--store", url, "--tenant", tenant, "--app", app)


def _ratios(rounds: Rounds[Cost]) -> Table:
    return Table(
        "One beside the other",
        ("command", "beside", "processor", "clock"),
        [
            (one, other, str(rounds.cpu(one, other)), str(rounds.wall(one, other)))
            for one, other in _PAIRS
        ],
    )
