"""Help: by every habit, with examples before options, and a near name for a wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantcfg import __version__, cmdlets
from tenantcfg.cli import app
from tests.cli.program import APP, APPS, GET, SET, revision, run, start

if TYPE_CHECKING:
    from pathlib import Path

VERBS = ["check", "who", "history", "undo", "audit verify", "tenant add", "db copy", "completion"]


def test_help_needs_no_store_and_makes_none(home: Path) -> None:
    before = sorted(home.rglob("*"))
    first = start("--help")
    assert (first.code, first.err) == (0, "")
    for word in ("-h", "-?", "help"):
        said = run(word)
        assert (said.code, said.err) == (0, ""), word
        for verb in ("check", "history", "tenant", SET, GET):
            assert verb in said.out, word
    assert sorted(home.rglob("*")) == before
    assert run("--version").out.split()[-1] == __version__


@pytest.mark.parametrize("group", ["", "tenant", "key", "call", "db", "audit"])
def test_a_group_shows_examples_before_its_options_and_whole_sentences(group: str) -> None:
    shown = run(*group.split(), "--help").out.partition("\n")[2]
    examples = shown[shown.index("Examples:") : shown.index("Options:")]
    assert f"tenantcfg {group}".rstrip() in examples
    assert "..." not in shown


def test_the_program_names_the_cmdlets_there_are() -> None:
    # Twice, since a help that asked the cmdlets' room would load the language with it.
    assert app.CMDLETS == cmdlets.NAMES


@pytest.mark.parametrize("cmdlet", cmdlets.NAMES)
def test_a_cmdlets_help_by_every_habit_starts_with_examples(cmdlet: str) -> None:
    shown = run(cmdlet, "-?")
    assert (shown.code, shown.err) == (0, "")
    assert "Examples" in shown.out.splitlines()[2]
    assert f"tenantcfg {cmdlet}" in shown.out
    for argv in (
        [cmdlet, "--help"],
        [cmdlet, "-h"],
        ["help", cmdlet],
        ["help", cmdlet.lower()],
        ["-Command", f"{cmdlet} -?"],
    ):
        assert run(*argv).out == shown.out, argv


def test_a_question_mark_anywhere_on_the_line_runs_nothing(two_apps: Path) -> None:
    for argv in (
        [SET, APPS, f"@{{Add={APP}}}", "-?"],
        [SET, "-?", APPS, "$null", "-Force"],
        [SET, APPS, f"@{{Add={APP}}}", "--help"],
        ["-Command", f"{SET} {APPS} @{{Add='{APP}'}} -?"],
    ):
        said = run(*argv)
        assert (said.code, "Examples" in said.out, revision()) == (0, True, 3), argv


def test_a_dash_h_that_is_a_value_is_no_help(two_apps: Path) -> None:
    said = run("-Command", f"{SET} {APPS} @{{Add='x'}} -Reason '-h'")
    assert (said.code, revision()) == (0, 4)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_help_has_its_examples_before_its_options(verb: str) -> None:
    shown = run(*verb.split(), "--help")
    assert (shown.code, shown.err) == (0, "")
    assert 0 < shown.out.index("Examples") < shown.out.index("Options")
    assert f"tenantcfg {verb}" in shown.out.partition("Examples")[2]
    assert run(*verb.split(), "-h").out == shown.out
    assert run(*verb.split(), "-?").out == shown.out
    if " " not in verb:
        assert f"tenantcfg {verb}" in run("help", verb).out


def test_every_topic_that_help_names_is_there() -> None:
    listed = run("help").out.partition("Topics")[2].splitlines()[1:]
    topics = [line.strip() for line in listed if line.strip()]
    assert len(topics) > 5
    for topic in topics:
        said = run("help", topic)
        assert (said.code, said.err) == (0, ""), topic
        assert said.out.strip()


def test_exit_codes_are_one_table() -> None:
    shown = run("help", "exit-codes").out
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130):
        assert f" {code}  " in shown


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["chekc"], "check"),
        (["histroy"], "history"),
        (["tenant", "ad"], "add"),
        (["audit", "verfy"], "verify"),
        (["check", "--ap", "x"], "--app"),
        (["help", "langauge"], "language"),
        (["Get-CsTenants"], "Get-CsTenant"),
        (["Set-CsAplicationMeetingConfiguration"], SET),
        ([SET, "-AllowRemoveParticipantAppId:x", "-Resaon", "x"], "-Reason"),
        ([SET, "-Froce"], "-Force"),
        ([SET, "-Tenat", "x"], "-Tenant"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_wrong_name_is_answered_with_the_near_one(
    argv: list[str], meant: str, two_apps: Path
) -> None:
    said = run(*argv)
    assert (said.code, said.out) == (2, ""), said
    assert "did you mean" in said.err.lower() or "Did you mean" in said.err
    assert meant in said.err


def test_a_verb_group_alone_lists_its_verbs() -> None:
    for group, verb in (("tenant", "rename"), ("audit", "verify"), ("db", "restore")):
        said = run(group)
        assert verb in said.out + said.err
        assert said.code == 2
