"""An option with an empty value is a script's unset variable, and never means anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.program import APP, APPS, CONTOSO, SET, run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def granted(home: Path) -> Path:
    run("tenant", "add", CONTOSO, "contoso")
    assert run(SET, APPS, f'@{{Add="{APP}"}}').code == 0
    return home


@pytest.mark.usefixtures("granted")
@pytest.mark.parametrize(
    "line",
    [
        ("check", "--tenant", "", "--app", APP),
        ("check", "--tenant=", "--app", APP),
        ("--tenant", "", "check", "--app", APP),
        ("check", "--tenant", CONTOSO, "--app", APP, "--store", ""),
        ("check", "--tenant", CONTOSO, "--app", APP, "--as-of", ""),
        ("check", "--tenant", CONTOSO, "--app", APP, "--at-least", ""),
        ("who", "--tenant", ""),
        ("history", "--tenant", ""),
        ("history", "--app", ""),
        ("history", "--since", ""),
        ("history", "--until", ""),
        ("audit", "verify", "--head", ""),
        ("Connect-MicrosoftTeams", "-TenantId", ""),
        ("Get-CsTenant", "-Identity", ""),
        (SET, "-Tenant", "", APPS, f'@{{Remove="{APP}"}}'),
    ],
    ids=" ".join,
)
def test_an_empty_value_is_a_usage_error_and_answers_nothing(line: tuple[str, ...]) -> None:
    said = run(*line)
    assert (said.code, said.out) == (2, "")
    assert said.err


@pytest.mark.usefixtures("granted")
def test_no_app_is_denied() -> None:
    said = run("check", "--tenant", CONTOSO, "--app", "")
    assert (said.code, said.out) == (3, "denied\n")


@pytest.mark.usefixtures("granted")
def test_a_line_for_pasting_is_one_that_the_set_door_takes() -> None:
    said = run("check", "--tenant", CONTOSO, "--app=-x", "--explain")
    assert said.code == 3
    assert "to allow" not in said.out
