"""
The benchmarks work, at sizes at which their figures mean nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

import benchmarks.__main__ as program
from benchmarks import changes, stores
from benchmarks.report import Table
from benchmarks.rounds import Cost, Rounds, Spread, play
from benchmarks.sizes import FULL, QUICK
from tenantcfg import Store

if TYPE_CHECKING:
    from pathlib import Path

TINY = replace(
    QUICK,
    tenants=(5, 8, 11),
    questions=4,
    rounds=2,
    remembered=20,
    starts=1,
    grants=30,
    loads=1,
    sets=2,
    adders=2,
    serving=0.05,
    servings=1,
    removals=16,
)
SPREAD = re.compile(r"\d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\)")


# Kicks are of Janus's: tests/calls.
@pytest.mark.parametrize("name", [name for name in program.BENCHMARKS if name != "kicks"])
def test_each_benchmark_gives_tables_of_figures_with_the_spread_of_its_ratios(
    name: str, tmp_path: Path
) -> None:
    tables = list(program.BENCHMARKS[name](tmp_path, TINY))
    assert all({len(row) for row in table.rows} == {len(table.columns)} for table in tables)
    assert any(SPREAD.fullmatch(cell) for table in tables for row in table.rows for cell in row)


def test_no_change_is_lost_where_processes_add_at_once(tmp_path: Path) -> None:
    ((processes, _, *outcome),) = changes.at_once(tmp_path, 2).rows
    assert (processes, *outcome) == ("2", "0", "2", "2", "sound")


def test_the_stores_that_are_asked_have_a_history_that_accounts_for_them(tmp_path: Path) -> None:
    url = stores.built(tmp_path, 7)
    with Store.open(url) as store:
        assert store.verify() == ()
        assert store.head().revision == 14
        assert {len(store.configuration(tenant.id).grants) for tenant in store.tenants()} == {3}


def test_a_store_that_is_there_is_asked_again(tmp_path: Path) -> None:
    with (
        Store.open(stores.built(tmp_path, 3)) as first,
        Store.open(stores.built(tmp_path, 3)) as second,
    ):
        assert first.store_id == second.store_id


def test_a_fifth_of_the_questions_is_denied(tmp_path: Path) -> None:
    url = stores.built(tmp_path, 20)
    with Store.open(url) as store:
        decisions = store.check_many(stores.questions(url, 100))
    assert sum(map(bool, decisions)) == 80


def test_ratios_are_those_of_neighbours_in_a_round() -> None:
    ours = [Cost(2, 30), Cost(30, 40), Cost(8, 90)]
    bare = [Cost(1, 10), Cost(10, 10), Cost(2, 10)]
    rounds = Rounds({"ours": ours, "bare": bare})
    assert rounds.cpu("ours", "bare") == Spread(2, 3, 4)
    assert rounds.wall("ours", "bare") == Spread(3, 4, 9)
    assert rounds.typical("ours") == Cost(8, 40)


def test_each_contestant_comes_first_and_last_in_its_turn() -> None:
    order: list[str] = []

    def turn(name: str) -> Cost:
        order.append(name)
        return Cost(1, 1)

    play({name: partial(turn, name) for name in "abc"}, 3)
    assert "".join(order) == "abcacbcab"


def test_the_command_line_selects_by_name_and_prints_markdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []

    def measured(folder: Path, sizes: object) -> list[Table]:
        asked.append((folder, sizes))
        return [Table("A title", ("what", "cost"), [("one", "2.0 us")])]

    monkeypatch.setitem(program.BENCHMARKS, "checks", measured)
    program.main(["checks", "--quick", "--folder", str(tmp_path)])
    program.main(["checks", "--folder", str(tmp_path)])
    assert asked == [(tmp_path, QUICK), (tmp_path, FULL)]
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:6] == ["", "### A title", "", "| what | cost |", "| --- | --- |"]
    assert lines[6] == "| one | 2.0 us |"


def test_a_benchmark_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["speed"])
    assert "no such benchmark: speed: there are checks, servers" in capsys.readouterr().err
