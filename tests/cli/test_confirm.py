"""Prompts in PowerShell's own words and keys (S4, S5, S10), typed at a real terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.program import (
    APP,
    APPS,
    CONTOSO,
    GET,
    ONE,
    SET,
    TWO,
    Terminal,
    apps,
    revision,
    run,
    start,
)

if TYPE_CHECKING:
    from pathlib import Path

PERFORMING = f'Performing the operation "{SET}" on target "Global".\n'
CHOICES = "[Y] Yes  [A] Yes to All  [N] No  [L] No to All"
ASKED = '[?] Help (default is "Y"): '
ADD = f"@{{Add={APP}}}"
LOST = "lose the right to remove participants"


def test_confirm_asks_in_powershells_words_and_help_tells_what_each_key_does(
    two_apps: Path,
) -> None:
    with Terminal(SET, APPS, ADD, "-Confirm", "-Tenant", "contoso") as terminal:
        shown = terminal.until(ASKED)
        assert "\nConfirm\nAre you sure you want to perform this action?\n" in "\n" + shown
        assert PERFORMING + CHOICES in shown
        terminal.type("?")
        told = terminal.until(ASKED)
        assert [line for line in told.splitlines() if " - " in line][:4] == [
            "Y - Continue with only the next step of the operation.",
            "A - Continue with all the steps of the operation.",
            "N - Skip this operation and proceed with the next operation.",
            "L - Skip this operation and all subsequent operations.",
        ]
        # Help asks again with the line of choices only.
        assert "Are you sure" not in told
        terminal.type("ye")
        assert "Are you sure" not in terminal.until(ASKED)
        terminal.type(" YES ")
        assert terminal.ended().code == 0
    assert apps() == [ONE, TWO, APP]


def test_an_empty_answer_is_the_default_yes(two_apps: Path) -> None:
    with Terminal(SET, APPS, ADD, "-Confirm") as terminal:
        terminal.until(ASKED)
        terminal.type("")
        assert terminal.ended().code == 0
    assert apps() == [ONE, TWO, APP]


@pytest.mark.parametrize("answer", ["n", "No", "l", "no to all"])
def test_no_does_nothing_and_is_no_error(answer: str, two_apps: Path) -> None:
    with Terminal(SET, APPS, ADD, "-Confirm", "-Force") as terminal:
        # S8: -Force does not answer an explicit -Confirm.
        terminal.until(ASKED)
        terminal.type(answer)
        ended = terminal.ended()
    assert ended.code == 0
    assert "added" not in ended.out
    assert (apps(), revision()) == ([ONE, TWO], 3)


def test_ctrl_c_at_the_prompt_changes_nothing_and_is_130(two_apps: Path) -> None:
    with Terminal(SET, APPS, ADD, "-Confirm") as terminal:
        terminal.until(ASKED)
        terminal.interrupt()
        ended = terminal.ended()
    assert ended.code == 130
    assert "Traceback" not in ended.out
    assert (apps(), revision()) == ([ONE, TWO], 3)


def test_the_end_of_input_at_the_prompt_changes_nothing_and_is_5(two_apps: Path) -> None:
    with Terminal(SET, APPS, ADD, "-Confirm") as terminal:
        terminal.until(ASKED)
        terminal.end_input()
        ended = terminal.ended()
    assert ended.code == 5
    assert "The prompt was canceled." in ended.out or "NonInteractive" in ended.out
    assert (apps(), revision()) == ([ONE, TWO], 3)


def test_taking_rights_away_asks_and_says_how_many_apps_lose_them(two_apps: Path) -> None:
    with Terminal(SET, APPS, "$null") as terminal:
        shown = terminal.until(ASKED)
        assert f"2 apps {LOST}" in shown
        assert PERFORMING + "[Y] Yes  " in shown
        terminal.type("n")
        assert terminal.ended().code == 0
    assert (apps(), revision()) == ([ONE, TWO], 3)
    with Terminal(SET, APPS, f"@{{Replace={ONE}}}") as terminal:
        shown = terminal.until(ASKED)
        assert "1 app " in shown
        terminal.type("y")
        assert terminal.ended().code == 0
    assert apps() == [ONE]


ALL_OF_IT = f"'{ONE}','{TWO}','{APP}'"


def test_a_superset_and_what_names_its_losses_do_not_ask(two_apps: Path) -> None:
    assert run("-Command", f"{SET} {APPS} {ALL_OF_IT}").code == 0
    assert run(SET, APPS, f"@{{Remove={APP}}}").code == 0
    assert run(SET, APPS, f"@{{Replace={ONE},{TWO}}}").code == 0
    assert apps() == [ONE, TWO]


@pytest.mark.parametrize("answer", ["-Force", "-Confirm:$false"])
@pytest.mark.parametrize("value", ["$null", f"'{APP}'", f"@{{Replace='{APP}'}}"])
def test_force_and_confirm_false_answer_the_question_where_nobody_can(
    value: str, answer: str, two_apps: Path
) -> None:
    unattended = run("-Command", f"{SET} {APPS} {value}")
    assert (unattended.code, unattended.out, revision()) == (5, "", 3)
    assert LOST in unattended.err
    assert "-Force" in unattended.err
    assert "-Confirm:$false" in unattended.err
    done = run("-Command", f"{SET} {APPS} {value} {answer}")
    assert done.code == 0, done.err
    assert apps() == ([] if value == "$null" else [APP])


def test_an_object_that_takes_rights_away_asks_too(two_tenants: Path) -> None:
    line = f"{GET} -Tenant fabrikam | {SET} -Tenant contoso"
    asked = run("-Command", line)
    assert (asked.code, apps()) == (5, [ONE, TWO])
    assert run("-Command", line + " -Force").code == 0
    assert apps() == []


def test_yes_to_all_and_no_to_all_hold_for_the_rest_of_a_pipeline(two_tenants: Path) -> None:
    # Two objects reach one Set: one question answers for both.
    line = f"$({GET} -Tenant contoso; {GET} -Tenant fabrikam) | {SET} {APPS} {ADD_TEXT} -Confirm"
    with Terminal("-Command", line) as terminal:
        terminal.until(ASKED)
        terminal.type("l")
        ended = terminal.ended()
    assert (ended.code, revision()) == (0, 4)
    assert ASKED not in ended.out
    with Terminal("-Command", line) as terminal:
        terminal.until(ASKED)
        terminal.type("a")
        ended = terminal.ended()
    assert ended.code == 0
    assert ASKED not in ended.out
    assert (apps("contoso"), apps("fabrikam")) == ([ONE, TWO, APP], [APP])


ADD_TEXT = f"@{{Add='{APP}'}}"


def test_where_only_the_input_is_no_terminal_nothing_is_asked(two_apps: Path) -> None:
    # The text itself is standard input, so no answer could come from there.
    said = start(stdin=f"{SET} {APPS} $null\n")
    assert (said.code, said.out) == (5, "")
    assert (apps(), revision()) == ([ONE, TWO], 3)


def test_a_verb_that_cannot_be_taken_back_easily_asks_and_yes_answers(two_apps: Path) -> None:
    with Terminal("tenant", "remove", "contoso") as terminal:
        asked = terminal.until("[y/N]")
        assert "contoso" in asked
        terminal.type("n")
        assert terminal.ended().code == 5
    assert revision() == 3
    with Terminal("tenant", "remove", CONTOSO) as terminal:
        terminal.until("[y/N]")
        terminal.type("y")
        assert terminal.ended().code == 0
    assert revision() == 4


def test_a_redirected_stdout_is_no_reason_not_to_ask(two_apps: Path) -> None:
    line = f"{sys.executable} -m tenantcfg {SET} {APPS} '@{{Add=x}}' -Confirm -o json"
    with Terminal("/bin/sh", "-c", f"{line} | cat >{two_apps}.json; echo ended") as terminal:
        terminal.until(ASKED)
        terminal.type("y")
        terminal.until("ended")
    assert "added" in two_apps.with_name(two_apps.name + ".json").read_text()
