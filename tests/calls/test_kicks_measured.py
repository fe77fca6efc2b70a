"""The benchmark of kicks works, at a size at which its figures mean nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import kicks
from benchmarks.sizes import QUICK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.calls.janus_server import Janus


def test_removals_are_measured_beside_kicks_of_janus_own(janus: Janus, tmp_path: Path) -> None:
    (table,) = kicks.measured(tmp_path, replace(QUICK, kicks=1))
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert table.rows[0][1].endswith(" ms")
