"""A word that a script passes on is data: no ticket's title grants a right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.program import APP, APPS, GET, SET, revision, run

if TYPE_CHECKING:
    from pathlib import Path

EVIL = f'{SET} {APPS} @{{Add="evil"}}'
TITLES = [f"({EVIL})", f"$({EVIL})", f'"t $({EVIL})"', f"@({EVIL})", f"; {EVIL}", f"\u2019; {EVIL}"]


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("parameter", ["-Reason", "-OnBehalfOf"])
def test_a_title_is_stored_as_it_is(title: str, parameter: str, two_apps: Path) -> None:
    assert run(SET, APPS, f'@{{Add="{APP}"}}', parameter, title).code == 0
    assert revision() == 4
    newest = run("history", "--limit", "1", "-o", "json").json["items"][0]
    assert newest["reason" if parameter == "-Reason" else "on_behalf_of"] == title


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("place", [["-Tenant"], [APPS], ["-Identity"], []])
def test_a_title_in_any_other_place_changes_nothing(
    title: str, place: list[str], two_apps: Path
) -> None:
    for line in ([SET, *place, title], [SET, "-WhatIf", *place, title], [GET, title]):
        assert run(*line).code == 2
        assert revision() == 3
