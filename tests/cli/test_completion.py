"""The Tab key: cmdlets, parameters, tenants and app ids, in real shells and by their protocol."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.cli.program import APPS, CONTOSO, FABRIKAM, GET, ONE, SET, TWO, run, surroundings
from tests.shells.shell import SHELLS, install, run_in

if TYPE_CHECKING:
    from pathlib import Path

COMPLETED = [name for name in ("bash", "zsh", "fish") if shutil.which(name)]


def offered(line: str, monkeypatch: pytest.MonkeyPatch, shell: str = "bash") -> set[str]:
    """What is offered for the last word of *line*."""
    words = line.split(" ")
    with monkeypatch.context() as patch:
        patch.setenv("_TENANTCFG_COMPLETE", f"{shell}_complete")
        patch.setenv("COMP_WORDS", line)
        patch.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words) - 1))
        said = run()
    assert said.err == ""
    lines = said.lines
    if shell == "zsh":
        return {lines[place + 1] for place in range(0, len(lines) - 2, 3)}
    return {line.partition(",")[2] for line in lines if line}


def test_verbs_and_cmdlets_in_any_case(two_tenants: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"check", "history", "db", SET, GET} <= offered("tenantcfg ", monkeypatch)
    for shell in ("bash", "zsh", "fish"):
        assert offered("tenantcfg Set", monkeypatch, shell) == {SET}
    assert offered("tenantcfg set-cs", monkeypatch) == {SET}
    assert offered("tenantcfg tenant r", monkeypatch) == {"rename", "remove"}
    assert {"bash", "zsh", "fish"} == offered("tenantcfg completion ", monkeypatch)


def test_parameters_and_options(two_tenants: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered(f"tenantcfg {SET} -Al", monkeypatch) == {APPS}
    own = {APPS, "-Identity", "-Instance", "-Force", "-Tenant", "-Reason", "-ExpiresIn"}
    assert own <= offered(f"tenantcfg {SET} -", monkeypatch)
    assert "-WhatIf" in offered(f"tenantcfg {SET} -W", monkeypatch)
    assert "-AsOf" in offered(f"tenantcfg {GET} -a", monkeypatch)
    assert offered("tenantcfg check --exp", monkeypatch) == {"--explain"}


def test_keys_from_the_store(contoso: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("key", "new", "calls", "--check", "-o", "json").json
    run("key", "new", "two words", "--check")
    assert {"calls", made["id"]} <= offered("tenantcfg key revoke ", monkeypatch)
    assert "two words" not in offered("tenantcfg key rotate ", monkeypatch)
    assert offered("tenantcfg key rotate ca", monkeypatch) == {"calls"}
    assert "contoso" in offered("tenantcfg key new x --tenant ", monkeypatch)


def test_calls_and_those_in_them_from_the_store(
    two_tenants: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tenant, call in (("contoso", "c-1"), ("contoso", "c 2"), ("fabrikam", "d-1")):
        run("call", "new", "--tenant", tenant, "--id", call)
    run("call", "join", "c-1", "--tenant", "contoso", "--id", "p-1")
    run("call", "join", "d-1", "--tenant", "fabrikam", "--id", "p-2")
    assert offered("tenantcfg call show --tenant contoso ", monkeypatch) == {"c-1"}
    assert offered("tenantcfg call end --tenant fabrikam ", monkeypatch) == {"d-1"}
    # Which tenant is meant is not known, and nothing is said of it.
    assert offered("tenantcfg call end ", monkeypatch) == set()
    monkeypatch.setenv("TENANTCFG_TENANT", "contoso")
    assert offered("tenantcfg call leave ", monkeypatch) == {"c-1"}
    assert offered("tenantcfg call leave c-1 ", monkeypatch) == {"p-1"}
    assert offered("tenantcfg call answer c-9 ", monkeypatch) == set()


def test_tenants_from_the_store(two_tenants: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"contoso", "fabrikam"}
    for line in (
        f"tenantcfg {SET} -Tenant ",
        f"tenantcfg {GET} -tenant ",
        "tenantcfg Connect-MicrosoftTeams -TenantId ",
        "tenantcfg check --tenant ",
        "tenantcfg --tenant ",
        "tenantcfg tenant disable ",
        "tenantcfg tenant remove ",
        "tenantcfg history --tenant ",
    ):
        assert both <= offered(line, monkeypatch), line
    assert offered("tenantcfg check --tenant fab", monkeypatch) == {"fabrikam"}
    by_id = offered(f"tenantcfg check --tenant {FABRIKAM[:6]}", monkeypatch)
    assert by_id == {FABRIKAM}
    assert CONTOSO in offered(f"tenantcfg {SET} -Tenant 7", monkeypatch)


def test_app_ids_from_the_store(two_tenants: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {ONE, TWO} <= offered("tenantcfg check --tenant contoso --app ", monkeypatch)
    assert offered("tenantcfg who --app 2", monkeypatch) == {TWO}
    assert offered("tenantcfg history --app 1", monkeypatch) == {ONE}
    whole = offered(f"tenantcfg {SET} -Tenant contoso {APPS} @{{Remove=", monkeypatch)
    assert whole == {f"@{{Remove={ONE}}}", f"@{{Remove={TWO}}}"}


def test_values_of_a_fixed_choice(two_tenants: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formats = {"json", "jsonl", "csv", "yaml", "table", "list"}
    assert offered("tenantcfg who -o ", monkeypatch) == formats
    assert offered(f"tenantcfg {GET} -o ", monkeypatch) == formats
    assert {"exit-codes", SET} <= offered("tenantcfg help ", monkeypatch)


def test_where_there_is_no_store_nothing_is_offered_made_or_said(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(home.rglob("*"))
    assert offered("tenantcfg check --tenant ", monkeypatch) == set()
    assert offered("tenantcfg check --app ", monkeypatch) == set()
    assert offered(f"tenantcfg {SET} -Tenant ", monkeypatch) == set()
    assert sorted(home.rglob("*")) == before


SETUP = {
    "bash": ('PS1="> "; eval "$(tenantcfg completion bash)"',),
    "zsh": (
        "PS1='> '; zstyle ':completion:*' insert-tab false",
        "autoload -U compinit && compinit -u -D",
        'eval "$(tenantcfg completion zsh)"',
    ),
}


@pytest.mark.parametrize("shell", [name for name in COMPLETED if name != "fish"])
def test_the_tab_key_in_a_real_shell(shell: str, two_tenants: Path, tmp_path: Path) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    install(bin_)
    env = surroundings()
    env["PATH"] = f"{bin_}:{env['PATH']}"
    child = pexpect.spawn(
        SHELLS[shell][0],
        [*SHELLS[shell][1:], "-i"],
        env=env,
        timeout=30,
        encoding="utf-8",
        dimensions=(50, 250),
    )
    for line in SETUP[shell]:
        child.sendline(line)
    child.sendline("echo rea''dy")
    child.expect_exact("ready\r\n")
    child.send("tenantcfg Set\t")
    child.expect_exact(SET)
    child.send("-Tenant fab\t")
    child.expect_exact("fabrikam")
    child.close(force=True)


@pytest.mark.parametrize("shell", [name for name in COMPLETED if name == "fish"])
def test_the_tab_key_in_fish(shell: str, two_tenants: Path, tmp_path: Path) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    install(bin_)
    script = f"""tenantcfg completion fish | source
complete -C 'tenantcfg Set'
complete -C 'tenantcfg {SET} -Tenant fab'
"""
    done = run_in(shell, script, bin_, tmp_path)
    assert done.stdout.splitlines() == [SET, "fabrikam"], done.stderr


def test_a_shell_that_is_not_known_is_refused() -> None:
    said = run("completion", "tcsh")
    assert (said.code, said.out) == (2, "")
