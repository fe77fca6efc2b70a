"""Which tenant a line means, and that it is said when the line did not name it."""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.program import (
    APP,
    APPS,
    CONTOSO,
    FABRIKAM,
    GET,
    ONE,
    SET,
    Terminal,
    apps,
    revision,
    run,
    start,
    text,
)

if TYPE_CHECKING:
    from pathlib import Path

THIRD = "b0000000-0000-4000-8000-000000000003"
PROGRAM = f"{shlex.quote(sys.executable)} -m tenantcfg"


@pytest.fixture
def three(two_tenants: Path) -> Path:
    """A store of three tenants."""
    assert run("tenant", "add", THIRD, "third").code == 0
    return two_tenants


def meant(*argv: str) -> str:
    """The name of the tenant for which a Get was answered."""
    said = run(*argv, "-o", "json")
    assert said.code == 0, said.err
    return str(said.json["tenant_name"])


def test_the_nearest_naming_wins(three: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(GET).code == 2

    settings = home / "config" / "tenantcfg" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('tenant = "contoso"\n')
    assert meant(GET) == "contoso"

    monkeypatch.setenv("TENANTCFG_TENANT", "fabrikam")
    assert meant(GET) == "fabrikam"
    assert meant("--tenant", "third", GET) == "third"
    assert meant(GET, "--tenant", "third") == "third"

    said = run("--tenant", "third", "-Command", f"Connect-MicrosoftTeams -TenantId contoso; {GET}")
    assert said.code == 0, said.err
    assert "contoso" in said.err.splitlines()[-1]
    assert meant("--tenant", "third", GET, "-Tenant", "contoso") == "contoso"
    named = text(
        "Connect-MicrosoftTeams -TenantId contoso",
        f"{SET} {APPS} @{{Add='{APP}'}} -Tenant third",
    )
    assert (named.code, apps("third")) == (0, [APP])


def test_a_tenant_is_named_by_id_or_name_in_any_case_and_written_leniently(three: Path) -> None:
    for written in (
        "CONTOSO",
        CONTOSO,
        CONTOSO.upper(),
        f"{{{CONTOSO}}}",
        f" {CONTOSO} ",
        f"urn:uuid:{CONTOSO}",
    ):
        assert meant(GET, "-Tenant", written) == "contoso"


def test_a_tenant_that_the_line_did_not_name_is_named_on_stderr_with_where_it_came_from(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(GET, "-Tenant", "contoso").err == ""
    by_option = run(GET, "--tenant", "contoso").err
    assert "contoso" in by_option
    assert CONTOSO in by_option
    assert "--tenant" in by_option
    monkeypatch.setenv("TENANTCFG_TENANT", "contoso")
    assert "TENANTCFG_TENANT" in run(GET).err
    connected = text("Connect-MicrosoftTeams -TenantId fabrikam", GET).err
    assert FABRIKAM in connected


def test_the_only_tenant_is_meant_and_said_and_with_more_the_error_lists_them(
    two_apps: Path,
) -> None:
    alone = run(GET)
    assert (alone.code, "only" in alone.err) == (0, True)
    run("tenant", "add", FABRIKAM, "fabrikam")
    for argv in (
        [GET],
        [SET, APPS, f"@{{Add={APP}}}"],
        ["who"],
        ["check", "--app", APP],
        ["Connect-MicrosoftTeams"],
    ):
        said = run(*argv)
        assert (said.code, said.out) == (2, ""), argv
        assert "contoso" in said.err
        assert FABRIKAM in said.err
    assert revision() == 4


def test_an_unknown_tenant_is_not_made_and_near_names_are_shown(three: Path) -> None:
    said = run(SET, APPS, f"@{{Add={APP}}}", "-Tenant", "contosso")
    assert (said.code, revision()) == (2, 5)
    assert "contoso" in said.err.replace("contosso", "")
    near = run(GET, "-Tenant", CONTOSO[:-1] + "8")
    assert near.code == 2
    assert CONTOSO in near.err


def test_an_empty_naming_never_means_another_tenant(
    two_apps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a script passes whose variable is not set; the only tenant would say "allowed".
    for argv in (
        [GET, "-Tenant", ""],
        [GET, "--tenant", ""],
        ["check", "--app", ONE, "--tenant", ""],
        ["--tenant", "", "check", "--app", ONE],
        ["who", "--tenant", ""],
        ["history", "--tenant="],
    ):
        said = run(*argv)
        assert (said.code, said.out) == (2, ""), argv
    monkeypatch.setenv("TENANTCFG_TENANT", "")
    assert (run("check", "--app", ONE).code, run(GET).code) == (2, 2)


def test_an_empty_store_never_means_another_store(two_apps: Path) -> None:
    for argv in (
        [GET, "--store", ""],
        ["--store", "", "check", "--app", ONE],
        ["tenant", "add", THIRD, "third", "--store", ""],
    ):
        said = run(*argv)
        assert (said.code, said.out) == (2, ""), argv
    assert revision() == 3


def test_a_pin_holds_for_its_terminal_session_until_disconnect_and_for_no_other(
    three: Path,
) -> None:
    get = f"{PROGRAM} {GET} -o jsonl 2>&1"
    mine = "; ".join(
        [
            f"{PROGRAM} Connect-MicrosoftTeams -TenantId fabrikam >/dev/null",
            f"echo one; {get}",
            # Neither a terminal at its input nor one to see: a job that was started from here.
            f"echo two; {PROGRAM} {GET} </dev/null 2>&1 | cat",
            f"echo three; setsid -w {PROGRAM} {GET} </dev/null >{three}.job 2>&1; cat {three}.job",
            f"{PROGRAM} Disconnect-MicrosoftTeams",
            f"echo four; {get}",
            f"{PROGRAM} Disconnect-MicrosoftTeams && echo five",
        ]
    )
    with Terminal("/bin/sh", "-c", mine, columns=2000) as terminal:
        shown = terminal.ended().out
    one, _two, three_, four, five = re.split(
        r"^(?:two|three|four|five)$", shown, flags=re.MULTILINE
    )
    assert '"tenant_name": "fabrikam"' in one
    assert "connected" in one
    assert "no tenant is named" in three_
    assert "no tenant is named" in four
    assert five.strip() == ""


def test_a_pin_is_not_inherited_without_a_terminal_nor_by_another_one(
    three: Path,
) -> None:
    with Terminal("/bin/sh", "-c", f"{PROGRAM} Connect-MicrosoftTeams -TenantId fabrikam"):
        pass
    with Terminal(
        "/bin/sh", "-c", f"{PROGRAM} Connect-MicrosoftTeams -TenantId third >/dev/null; read x"
    ) as first:
        with Terminal(GET) as second:
            other = second.ended()
        assert other.code == 2
        assert "no tenant is named" in other.out
        assert start(GET).code == 2
        first.type("done")


def test_a_pin_is_for_one_store(three: Path, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other' / 'other.db'}"
    for tenant, name in ((CONTOSO, "contoso"), (FABRIKAM, "fabrikam")):
        assert run("--store", other, "tenant", "add", tenant, name).code == 0
    lines = (
        f"{PROGRAM} Connect-MicrosoftTeams -TenantId fabrikam >/dev/null; "
        f"{PROGRAM} {GET} --store {other}"
    )
    with Terminal("/bin/sh", "-c", lines) as terminal:
        assert "no tenant is named" in terminal.ended().out


def test_connect_without_a_terminal_says_that_nothing_is_remembered(three: Path) -> None:
    said = run("Connect-MicrosoftTeams", "-TenantId", "fabrikam")
    assert said.code == 0
    assert "no terminal" in said.err
    assert run(GET).code == 2


@pytest.mark.parametrize(
    "words",
    [
        "-Credential x",
        "-AccessTokens a,b",
        "-CertificateThumbprint x -ApplicationId y -TenantId contoso",
        "-UseDeviceAuthentication",
        "-Identity",
        "-MSI",
        "-ManagedServiceSecret x -Identity",
    ],
)
def test_what_looks_like_a_login_is_refused_in_one_sentence(words: str, three: Path) -> None:
    said = run("-Command", f"Connect-MicrosoftTeams {words}")
    assert (said.code, said.out) == (2, "")
    assert said.err.strip()
    assert "Traceback" not in said.err


def test_connects_account_is_a_claim_and_what_has_no_effect_is_said_with_verbose(
    three: Path,
) -> None:
    said = text(
        "Connect-MicrosoftTeams -TenantId contoso -AccountId dana@contoso.com `",
        "    -LogLevel Info -Verbose",
        f"{SET} {APPS} @{{Add='{APP}'}}",
    )
    assert said.code == 0
    assert "LogLevel" in said.err
    newest = run("history", "--limit", "1", "-o", "json").json["items"][0]
    assert "dana@contoso.com" in newest["claimed"].values()
    assert newest["actor"].startswith("os:")


def test_a_connect_that_chose_no_tenant_ends_the_text(two_tenants: Path) -> None:
    line = f"Connect-MicrosoftTeams -TenantId fabrikam -WhatIf; {SET} {APPS} @{{Add='{APP}'}}"
    before = run("audit", "head").out
    said = run("--tenant", "contoso", "-Command", line)
    assert said.code == 5
    assert "not connected" in said.err
    assert run("audit", "head").out == before
