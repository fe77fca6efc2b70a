"""The main job, as somebody does it on the first day: each step a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.program import APP, APPS, CONTOSO, GET, SET, apps, revision, run, start

if TYPE_CHECKING:
    from pathlib import Path

# The source's own line, as a shell leaves it, and as it stands.
AS_A_SHELL_LEAVES_IT = f"@{{Add={APP}}}"
AS_IT_STANDS = f'@{{Add="{APP}"}}'


def test_the_sources_own_line_grants_and_a_check_permits_from_then_on(home: Path) -> None:
    made = start("tenant", "add", CONTOSO, "contoso", "--reason", "new customer")
    assert (made.code, made.out) == (0, "")
    assert "revision 1" in made.err

    before = start("check", "--tenant", CONTOSO, "--app", APP)
    assert (before.code, before.out) == (3, "denied\n")
    assert f"""-AllowRemoveParticipantAppIds '@{{Add="{APP}"}}'""" in before.err

    granted = start(SET, APPS, AS_A_SHELL_LEAVES_IT)
    assert (granted.code, granted.out) == (0, "")
    assert f"added {APP}" in granted.err

    shown = start(GET)
    assert (shown.code, shown.out) == (
        0,
        f"\nIdentity                     : Global\nAllowRemoveParticipantAppIds : {{{APP}}}\n\n",
    )
    after = start("check", "--tenant", CONTOSO, "--app", APP)
    assert (after.code, after.out) == (0, "allowed\n")


def test_a_grant_given_again_is_unchanged_and_takes_no_revision(contoso: Path) -> None:
    assert run(SET, APPS, AS_IT_STANDS).code == 0
    found = revision()
    again = run(SET, APPS, AS_A_SHELL_LEAVES_IT)
    assert (again.code, again.out) == (0, "")
    assert f"unchanged {APP}" in again.err
    assert revision() == found
    assert run(SET, APPS, AS_IT_STANDS, "-o", "json").json["result"] == "unchanged"


def test_taking_the_right_away_denies_at_once_and_removing_what_is_not_there_succeeds(
    contoso: Path,
) -> None:
    run(SET, APPS, AS_IT_STANDS)
    assert run(SET, APPS, f'@{{Remove="{APP}"}}').code == 0
    denied = run("check", "--app", APP)
    assert (denied.code, denied.out) == (3, "denied\n")
    found = revision()
    again = run(SET, APPS, f'@{{Remove="{APP}"}}')
    assert (again.code, revision()) == (0, found)
    assert f"unchanged {APP}" in again.err


def test_one_line_names_several_apps_and_ids_become_canonical(contoso: Path) -> None:
    other = "00000000-0000-4000-8000-00000000000A"
    done = run(SET, APPS, f'@{{Add="{{{APP.upper()}}}", " {other} ", "urn:uuid:{APP}"}}')
    assert done.code == 0
    assert apps() == [APP, other.lower()]


def test_a_guid_in_another_case_is_the_same_app_and_other_ids_are_exact(contoso: Path) -> None:
    run(SET, APPS, f'@{{Add="{APP}","bot"}}')
    found = revision()
    assert run(SET, APPS, f'@{{Add="{APP.upper()}"}}').code == 0
    assert revision() == found
    assert run(SET, APPS, '@{Add="Bot"}').code == 0
    assert apps() == [APP, "bot", "Bot"]


def test_an_id_that_is_no_guid_is_stored_with_a_warning(contoso: Path) -> None:
    done = run(SET, APPS, "@{Add=app_id}")
    assert done.code == 0
    assert "warning" in done.err
    assert "app_id" in done.err
    assert apps() == ["app_id"]


def test_near_misses_are_named_when_granting(two_apps: Path) -> None:
    off_by_one = ONE_OFF
    done = run(SET, APPS, f'@{{Add="{off_by_one}"}}')
    assert done.code == 0
    assert "one character off" in done.err
    tenant = run(SET, APPS, f'@{{Add="{CONTOSO}"}}')
    assert tenant.code == 0
    assert "tenant" in tenant.err.partition(CONTOSO)[2]


ONE_OFF = "11111111-1111-1111-1111-111111111112"


def test_the_order_is_that_of_granting_and_what_stays_keeps_its_place(two_apps: Path) -> None:
    one, two = apps()
    assert run(SET, APPS, f'@{{Replace="{APP}","{two}","{one}"}}').code == 0
    assert apps() == [one, two, APP]


def test_set_prints_nothing_on_stdout_unless_passthru(contoso: Path) -> None:
    quiet = run(SET, APPS, AS_IT_STANDS)
    assert (quiet.code, quiet.out) == (0, "")
    passed = run(SET, APPS, "@{Add=other}", "-PassThru")
    assert passed.code == 0
    assert passed.out == run(GET).out
    assert "other" in passed.out
    as_json = run(SET, APPS, "@{Add=third}", "-PassThru", "-o", "json")
    assert as_json.json["AllowRemoveParticipantAppIds"] == [APP, "other", "third"]
    assert as_json.json["schema"] == "tenantcfg/configuration/1"


def test_set_alone_binds_and_changes_nothing(two_apps: Path) -> None:
    found = revision()
    done = run(SET)
    assert (done.code, done.out, revision()) == (0, "", found)
