"""One table of exit codes (design.md): a program that calls ours may rely on each of them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.program import (
    APP,
    APPS,
    CONTOSO,
    FABRIKAM,
    GET,
    ONE,
    PROGRAM,
    SET,
    apps,
    revision,
    run,
    start,
    surroundings,
)

if TYPE_CHECKING:
    from pathlib import Path

ADD = f'@{{Add="{APP}"}}'


def test_done_is_0_and_data_alone_is_on_stdout(two_apps: Path) -> None:
    shown = start(GET)
    assert (shown.code, shown.out.count("\n")) == (0, 4)
    assert "contoso" in shown.err
    assert "contoso" not in shown.out
    silent = run(SET, APPS, ADD)
    assert (silent.code, silent.out) == (0, "")


@pytest.mark.parametrize(
    "argv",
    [
        ["chekc"],
        ["check"],
        ["check", "--app", APP, "--nope"],
        ["check", "--app", APP, "-o", "xml"],
        ["check", "--app", APP, "--as-of", "yesterday"],
        ["check", "--app", APP, "--as-of", "99"],
        ["history", "--limit", "0"],
        ["history", "--since", "2026-11-24"],
        ["undo", "99"],
        ["undo", "many"],
        ["tenant", "add"],
        ["tenant", "add", ""],
        ["tenant", "add", FABRIKAM, CONTOSO],
        ["tenant", "rename", "nobody", "other"],
        ["tenant", "disable", "nobody"],
        ["help", "nothing"],
        ["--store", "http://localhost/x", GET],
        ["--store", "mysql://localhost/x", GET],
        [GET, "-AsOf", "99"],
        [GET, "-Tenant", "nobody"],
        [SET, APPS, ADD, "-Tenant", "nobody"],
        ["Connect-MicrosoftTeams", "-TenantId", "nobody"],
        ["Set-CsNothing"],
        ["-Command", f"{SET} -Foo"],
        ["-File", "/nowhere/at/all.ps1"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_2_with_one_clear_message_and_nothing_changed(
    argv: list[str], two_apps: Path
) -> None:
    said = run(*argv)
    assert (said.code, said.out) == (2, ""), said.err
    assert said.err
    assert "Traceback" not in said.err
    assert (revision(), apps()) == (3, apps())


def test_a_denial_is_3_and_its_one_word_stands_on_stdout(two_apps: Path) -> None:
    denied = start("check", "--tenant", "contoso", "--app", APP)
    assert (denied.code, denied.out) == (3, "denied\n")
    allowed = run("check", "--tenant", "contoso", "--app", ONE)
    assert (allowed.code, allowed.out) == (0, "allowed\n")


def test_a_text_that_failed_after_it_changed_something_is_4(two_apps: Path) -> None:
    said = start("-Command", f"{SET} {APPS} {ADD}\n{GET} -Tenant nobody\n{SET} {APPS} @{{}}")
    assert said.code == 4
    assert "nobody" in said.err
    assert APP in apps()


def test_a_text_that_failed_before_it_changed_anything_has_the_errors_code(two_apps: Path) -> None:
    said = run("-Command", f"{GET}\n{SET} {APPS} {ADD} -Tenant nobody\n{SET} {APPS} {ADD}")
    assert (said.code, revision()) == (2, 3)
    again = run("-Command", f"{SET} {APPS} '{ONE}'")
    assert (again.code, revision()) == (5, 3)


@pytest.mark.parametrize(
    "argv",
    [
        [SET, APPS, "$null"],
        [SET, APPS, APP],
        [SET, APPS, ADD, "-Confirm"],
        ["tenant", "remove", "contoso"],
    ],
    ids=" ".join,
)
def test_a_question_without_an_answer_is_5_and_says_what_to_add(
    argv: list[str], two_apps: Path
) -> None:
    said = run(*argv)
    assert (said.code, said.out) == (5, "")
    assert "-Force" in said.err or "--yes" in said.err or "-Confirm:$false" in said.err
    assert (revision(), len(apps())) == (3, 2)


def test_a_store_that_cannot_be_asked_now_is_6_never_denied(two_apps: Path, tmp_path: Path) -> None:
    away = f"postgresql://nobody:secret@/x?host={tmp_path}"
    said = start("--store", away, "check", "--tenant", "contoso", "--app", ONE)
    assert (said.code, said.out) == (6, "")
    assert "secret" not in said.err
    late = run("check", "--tenant", "contoso", "--app", ONE, "--at-least", "99")
    assert (late.code, late.out) == (6, "")


def test_a_locked_store_is_6_for_a_check(two_apps: Path) -> None:
    with sqlite3.connect(two_apps) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        said = run("check", "--tenant", "contoso", "--app", ONE)
        other.rollback()
    other.close()
    # A store that readers need not wait for may answer; then it answers rightly.
    assert (said.code, said.out) in [(6, ""), (0, "allowed\n")]


def test_what_the_state_forbids_is_7(two_tenants: Path) -> None:
    taken = run("tenant", "rename", "fabrikam", "Contoso")
    assert (taken.code, taken.out) == (7, "")
    assert "contoso" in taken.err.lower()
    assert run("tenant", "add", FABRIKAM, "other").code == 7
    assert run(SET, "-Tenant", "contoso", APPS, f'@{{Remove="{ONE}"}}').code == 0
    overtaken = run("undo", "2")
    assert (overtaken.code, overtaken.out) == (7, "")
    assert "5" in overtaken.err
    assert revision() == 5


def test_differences_are_8(two_apps: Path) -> None:
    with sqlite3.connect(two_apps) as other:
        other.execute("UPDATE grants SET app = ? WHERE app = ?", (APP, ONE))
    other.close()
    said = run("audit", "verify")
    assert said.code == 8
    assert APP in said.out + said.err


def test_a_store_that_is_not_there_is_9_and_is_not_made_by_asking(embedded: Path) -> None:
    for argv in (
        ["check", "--tenant", "contoso", "--app", APP],
        [GET],
        [SET, APPS, ADD],
        ["history"],
        ["who", "--app", APP],
        ["audit", "verify"],
        ["tenant", "list"],
        ["db", "current"],
        ["db", "check"],
    ):
        said = run(*argv)
        assert (said.code, said.out) == (9, ""), argv
        assert "tenant add" in said.err or "db upgrade" in said.err, said.err
    assert not embedded.parent.exists()


def test_a_file_that_is_no_store_is_9_and_stays_as_it_is(embedded: Path) -> None:
    embedded.parent.mkdir(parents=True)
    embedded.write_bytes(b"no database, but a letter that somebody keeps" * 100)
    before = embedded.read_bytes()
    for argv in (["check", "--tenant", "c", "--app", APP], [GET], ["tenant", "add", CONTOSO, "c"]):
        said = run(*argv)
        assert (said.code, said.out) == (9, ""), said.err
    assert embedded.read_bytes() == before


@pytest.mark.parametrize(
    ("version", "word"), [("9999", "upgrade tenantcfg"), ("0000", "db upgrade")]
)
def test_a_store_of_another_version_is_9_with_the_line_that_helps(
    version: str, word: str, two_apps: Path
) -> None:
    with sqlite3.connect(two_apps) as other:
        other.execute("UPDATE alembic_version SET version_num = ?", (version,))
    other.close()
    said = run("check", "--tenant", "contoso", "--app", ONE)
    assert (said.code, said.out) == (9, "")
    assert word in said.err
    current = run("db", "current")
    assert (current.code, current.out) == (0, f"{version}\n")


def test_ctrl_c_is_130(two_apps: Path) -> None:
    held = sqlite3.connect(two_apps)
    held.execute("BEGIN IMMEDIATE")
    # Another process's write makes this one wait.
    with subprocess.Popen(
        [*PROGRAM, SET, APPS, ADD, "-Verbose"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=surroundings(),
    ) as process:
        assert process.stderr is not None
        said = b""
        while b"VERBOSE: Performing" not in said:
            read = os.read(process.stderr.fileno(), 4096)
            assert read, said
            said += read
        process.send_signal(signal.SIGINT)
        process.wait(timeout=40)
        rest = said + process.stderr.read()
    held.rollback()
    held.close()
    assert process.returncode == 130
    assert b"Traceback" not in rest
    assert revision() == 3


def test_a_reader_that_leaves_early_is_no_error_of_ours(two_apps: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@" | true', "sh", *PROGRAM, "history", "-o", "jsonl"],
        capture_output=True,
        check=False,
        env=surroundings(),
    )
    assert b"Traceback" not in done.stderr


def test_an_error_with_o_json_is_one_object_on_stderr_with_a_stable_code(two_apps: Path) -> None:
    for argv, code in (
        ([GET, "-Tenant", "nobody"], "unknown_tenant"),
        ([SET, "-Foo"], "NamedParameterNotFound"),
        ([SET, APPS, APP], "refused"),
        (["check", "--tenant", "contoso", "--app", APP, "--at-least", "9"], "revision_not_reached"),
        (["undo", "99"], "invalid_input"),
    ):
        said = run(*argv, "-o", "json")
        error = json.loads(said.err.splitlines()[-1])
        assert (error["schema"], error["code"], error["exit"]) == (
            "tenantcfg/error/1",
            code,
            said.code,
        )
        assert said.out == ""


def test_an_error_with_o_json_holds_no_character_that_acts_on_a_terminal(two_apps: Path) -> None:
    said = run(GET, "-Identity", "a\x9b31m\u202eb", "-o", "json")
    assert said.code == 2
    assert said.err.strip().isprintable()
    assert "a\x9b31m\u202eb" in json.loads(said.err)["message"]
