"""check and who: the answer on stdout, and what decided it for whoever asks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
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
    grant,
    run,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_check_takes_a_tenants_name_or_id_and_an_app_exactly(two_tenants: Path) -> None:
    for tenant in ("contoso", "Contoso", CONTOSO, CONTOSO.upper()):
        assert run("check", "--tenant", tenant, "--app", ONE).out == "allowed\n"
    # Only the case of a GUID is folded: what an admin may type is no id of a service.
    grant("Bot", APP)
    assert run("check", "--tenant", "contoso", "--app", APP.upper()).code == 0
    for exact in ("bot", f"{{{APP}}}", f" {APP}", f"urn:uuid:{APP}", "", "a\nb", "x" * 129):
        said = run("check", "--tenant", "contoso", "--app", exact)
        assert (said.code, said.out) == (3, "denied\n"), exact


@pytest.mark.parametrize("written", [f" {ONE}", f"{{{ONE}}}", f"urn:uuid:{ONE}"])
def test_an_app_that_only_an_admin_s_door_would_read_is_denied_and_told(
    two_tenants: Path, written: str
) -> None:
    said = run("check", "--tenant", "contoso", "--app", written)
    assert (said.code, said.out) == (3, "denied\n")
    assert f"a check takes an app exactly: did you mean '{ONE}'?" in said.err


def test_what_is_neither_known_nor_possible_is_denied_with_the_near_miss(
    two_tenants: Path,
) -> None:
    unknown = run("check", "--tenant", "nobody", "--app", ONE)
    assert (unknown.code, unknown.out) == (3, "denied\n")
    near = run("check", "--tenant", "contoso", "--app", ONE[:-1] + "2")
    assert (near.code, near.out) == (3, "denied\n")
    assert ONE in near.err
    name = run("check", "--tenant", "contosso", "--app", ONE)
    assert (name.code, name.out) == (3, "denied\n")
    assert "contoso" in name.err.replace("contosso", "")
    elsewhere = run("check", "--tenant", "fabrikam", "--app", ONE)
    assert "contoso" in elsewhere.err
    swapped = run("check", "--tenant", "contoso", "--app", CONTOSO)
    assert "tenant" in swapped.err


def test_a_denial_says_its_reason_and_the_line_that_would_allow_it(two_tenants: Path) -> None:
    denied = run("check", "--tenant", "fabrikam", "--app", APP)
    assert f"""{APPS} '@{{Add="{APP}"}}'""" in denied.err
    run("tenant", "disable", "contoso")
    disabled = run("check", "--tenant", "contoso", "--app", ONE, "-o", "json")
    assert (disabled.code, disabled.json["reason"]) == (3, "tenant_disabled")
    assert "tenant enable contoso" in disabled.json["line"]
    run(SET, "-Tenant", "fabrikam", APPS, f"@{{Add={APP}}}", "-ExpiresAt", "2999-01-01T00:00:00Z")
    allowed = run("check", "--tenant", "fabrikam", "--app", APP, "-o", "json")
    assert (allowed.code, allowed.json["expires_at"]) == (0, "2999-01-01T00:00:00Z")


def test_explain_tells_the_fact_its_revision_who_gave_it_and_why(two_tenants: Path) -> None:
    run(SET, "-Tenant", "contoso", APPS, f"@{{Add={APP}}}", "-Reason", "moderation")
    said = run("check", "--tenant", "contoso", "--app", APP, "--explain")
    assert (said.code, said.lines[0]) == (0, "allowed")
    for told in ("revision 5", "os:", "moderation", "Remove="):
        assert told in said.out
    run(SET, "-Tenant", "contoso", APPS, f"@{{Remove={APP}}}", "-Reason", "abuse")
    gone = run("check", "--tenant", "contoso", "--app", APP, "--explain")
    assert (gone.code, gone.lines[0]) == (3, "denied")
    for told in ("revision 6", "abuse", "Add="):
        assert told in gone.out + gone.err


def test_check_as_of_a_revision_or_an_instant(two_tenants: Path) -> None:
    def answer(as_of: str) -> tuple[int, str]:
        said = run("check", "--tenant", "contoso", "--app", TWO, "--as-of", as_of)
        return said.code, said.out

    changes = run("history", "-o", "json").json["items"]
    third = next(change for change in changes if change["revision"] == 3)
    assert answer("2") == (3, "denied\n")
    assert answer("3") == (0, "allowed\n")
    assert answer(third["at"]) == (0, "allowed\n")
    assert answer("2000-01-01T00:00:00Z") == (3, "denied\n")


def test_a_tenant_that_was_removed_since_was_known_then(two_tenants: Path) -> None:
    assert run("tenant", "remove", "contoso", "--yes").code == 0
    then = ("--as-of", "4")
    for tenant in ("contoso", CONTOSO):
        who = run("who", "--tenant", tenant, *then, "-o", "json")
        assert [item["app"] for item in who.json["items"]] == [ONE, TWO]
        assert run("check", "--tenant", tenant, "--app", ONE, *then).out == "allowed\n"
        assert ONE in run(GET, "-Tenant", tenant, "-AsOf", "4").out
        assert ONE in run("--tenant", tenant, GET, "-AsOf", "4").out
        assert run("who", "--tenant", tenant).code == 2
        assert run("who", "--tenant", tenant, "--as-of", "0").code == 2
        assert run("check", "--tenant", tenant, "--app", ONE).out == "denied\n"
        assert run(GET, "-Tenant", tenant).code == 2


def test_at_least_is_honoured_or_refused(two_tenants: Path) -> None:
    ask = ["check", "--tenant", "contoso", "--app", ONE, "--at-least"]
    assert run(*ask, "4").out == "allowed\n"
    late = run(*ask, "5")
    assert (late.code, late.out) == (6, "")


def test_who_may_act_in_a_tenant_and_where_an_app_may_act(two_tenants: Path) -> None:
    grant(ONE, tenant="fabrikam")

    def pairs(*argv: str) -> list[tuple[str, str]]:
        items = run("who", *argv, "-o", "json").json["items"]
        return [(item["tenant_name"], item["app"]) for item in items]

    assert pairs("--tenant", "contoso") == [("contoso", ONE), ("contoso", TWO)]
    assert sorted(pairs("--app", ONE)) == [("contoso", ONE), ("fabrikam", ONE)]
    assert run("who", "--app", ONE, "--tenant", "fabrikam").code == 2
    assert pairs("--app", APP) == []
    assert pairs("--app", ONE, "--as-of", "4") == [("contoso", ONE)]
    run("tenant", "disable", "contoso")
    assert pairs("--app", ONE) == [("fabrikam", ONE)]
    assert ONE in run("who", "--tenant", "fabrikam").out


def test_no_app_may_act_in_a_tenant_while_it_is_disabled(two_apps: Path) -> None:
    run("tenant", "disable", "contoso")
    disabled = run("who", "--tenant", "contoso", "-o", "json")
    assert disabled.json["items"] == []
    assert "is disabled" in disabled.err
    assert run("who", "--app", ONE, "-o", "json").json["items"] == []
    before = run("who", "--tenant", "contoso", "--as-of", "3", "-o", "json")
    assert [row["app"] for row in before.json["items"]] == [ONE, TWO]
    run("tenant", "enable", "contoso")
    then = run("who", "--tenant", "contoso", "--as-of", "4", "-o", "json")
    assert then.json["items"] == []


def test_a_denial_stays_one_where_its_reason_cannot_be_told(two_apps: Path) -> None:
    run(SET, APPS, f"@{{Remove='{ONE}'}}")
    with closing(sqlite3.connect(two_apps)) as connection:
        connection.execute("DROP TABLE changes")
    said = run("check", "--tenant", "contoso", "--app", ONE)
    assert (said.code, said.out) == (3, "denied\n")
    assert "why cannot be told" in said.err
