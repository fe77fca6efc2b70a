"""The tenant verbs."""

from __future__ import annotations

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
    TWO,
    apps,
    revision,
    run,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_adding_the_first_tenant_makes_the_store_for_its_owner_alone(embedded: Path) -> None:
    said = run("tenant", "add", f"{{{CONTOSO.upper()}}}", "Contoso Ltd.")
    assert (said.code, said.out) == (0, "")
    assert str(embedded) in said.err
    assert embedded.stat().st_mode & 0o777 == 0o600
    assert embedded.parent.stat().st_mode & 0o777 == 0o700
    (tenant,) = run("tenant", "list", "-o", "json").json["items"]
    assert tenant == {"tenant": CONTOSO, "name": "Contoso Ltd.", "enabled": True, "added": 1}


def test_a_tenant_added_again_is_unchanged_and_another_name_is_a_conflict(contoso: Path) -> None:
    assert run("tenant", "add", CONTOSO.upper(), "contoso").code == 0
    assert revision() == 1
    assert run("tenant", "add", CONTOSO, "other").code == 7
    assert run("tenant", "add", FABRIKAM, "CONTOSO").code == 7
    assert run("tenant", "add", FABRIKAM).code == 0
    assert revision() == 2


@pytest.mark.parametrize("name", [CONTOSO, FABRIKAM.upper(), "", " x", "a\tb", "x" * 129])
def test_a_name_that_could_be_taken_for_something_else_is_refused(name: str, contoso: Path) -> None:
    said = run("tenant", "rename", "contoso", name)
    assert (said.code, said.out, revision()) == (2, "", 1)


def test_a_disabled_tenants_grants_stay_and_do_not_count(two_apps: Path) -> None:
    assert run("tenant", "disable", "contoso").code == 0
    assert run("check", "--tenant", "contoso", "--app", ONE).code == 3
    assert run(SET, APPS, f"@{{Add={APP}}}").code == 0
    assert run("tenant", "disable", "contoso").code == 0
    assert revision() == 5
    assert run("tenant", "enable", "contoso").code == 0
    assert [run("check", "--app", app).code for app in (ONE, TWO, APP)] == [0, 0, 0]


def test_a_tenant_renamed_keeps_its_id_and_its_grants(two_apps: Path) -> None:
    assert run("tenant", "rename", CONTOSO, "Contoso GmbH").code == 0
    assert apps("contoso gmbh") == [ONE, TWO]
    assert run(GET, "-Tenant", "contoso").code == 2


def test_a_removed_tenants_grants_end_and_it_comes_back_without_them(two_tenants: Path) -> None:
    assert run("tenant", "remove", "contoso", "--yes").code == 0
    assert run("check", "--tenant", CONTOSO, "--app", ONE).code == 3
    assert run("tenant", "remove", "contoso", "--yes").code == 2
    assert [one["name"] for one in run("tenant", "list", "-o", "json").json["items"]] == [
        "fabrikam"
    ]
    assert run("tenant", "add", CONTOSO, "contoso").code == 0
    assert apps("contoso") == []
    then = run("tenant", "list", "--as-of", "4", "-o", "json").json["items"]
    assert [one["name"] for one in then] == ["contoso", "fabrikam"]
