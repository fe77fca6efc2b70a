"""Whoever reads the output may go away, or its disk be full: no denial becomes a permit by that."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.program import APP, APPS, GET, ONE, PROGRAM, SET, run, surroundings

if TYPE_CHECKING:
    from pathlib import Path


def _unread(*argv: str, at_once: bool = False) -> int:
    """The exit code of the program when nobody reads what it prints, at the end or at once."""
    reading, writing = os.pipe()
    os.close(reading)
    env = _written(at_once=at_once)
    try:
        return subprocess.run([*PROGRAM, *argv], stdout=writing, check=False, env=env).returncode
    finally:
        os.close(writing)


def _written(*, at_once: bool) -> dict[str, str]:
    """The environment of a program whose output has a buffer, as users have it, or has none."""
    return surroundings({"PYTHONUNBUFFERED": "1"} if at_once else {})


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("more", [(), ("--explain",), ("-o", "json"), ("--as-of", "3")])
def test_a_denial_that_nobody_reads_is_no_permit(
    more: tuple[str, ...], two_apps: Path, *, at_once: bool
) -> None:
    assert _unread("check", "--tenant", "contoso", "--app", APP, *more, at_once=at_once) != 0


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("line", [("history",), ("history", "-o", "jsonl"), (GET,)])
def test_whoever_read_enough_of_a_list_may_go(
    line: tuple[str, ...], two_apps: Path, *, at_once: bool
) -> None:
    assert _unread(*line, at_once=at_once) == 0


@pytest.mark.parametrize("at_once", [False, True])
def test_a_change_that_cannot_be_told_is_made_and_said_to_be(
    two_apps: Path, *, at_once: bool
) -> None:
    env = _written(at_once=at_once)
    argv = [*PROGRAM, SET, APPS, f'@{{Add="{APP}"}}', "-o", "json"]
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        said = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, check=False, env=env)
    assert said.returncode == 1
    assert b"output_lost" in said.stderr
    assert run("check", "--tenant", "contoso", "--app", APP).code == 0


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams_are_as_good_as_dev_null(closed: tuple[int, ...], two_apps: Path) -> None:
    redirections = " ".join(f"{number}>&-" for number in closed)
    for app, code in ((ONE, 0), (APP, 3)):
        line = f'"$0" -m tenantcfg check --tenant contoso --app {app} {redirections}'
        argv = ["sh", "-c", line, PROGRAM[0]]
        done = subprocess.run(argv, check=False, env=surroundings(), capture_output=True)
        assert done.returncode == code


@pytest.mark.parametrize("at_once", [False, True])
def test_talk_that_nobody_hears_undoes_nothing(two_apps: Path, *, at_once: bool) -> None:
    env = _written(at_once=at_once)
    argv = [*PROGRAM, SET, APPS, f'@{{Add="{APP}"}}']
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        assert subprocess.run(argv, stderr=full, check=False, env=env).returncode == 0


@pytest.mark.parametrize("form", ["json", "jsonl", "yaml", "csv", "table", "list"])
def test_a_terminal_without_unicode_gets_all_of_it_escaped(form: str, two_apps: Path) -> None:
    assert run("tenant", "rename", "contoso", "Ünïcode").code == 0
    argv = [*PROGRAM, "tenant", "list", "-o", form]
    env = surroundings() | {"PYTHONIOENCODING": "ascii"}
    said = subprocess.run(argv, check=False, env=env, capture_output=True)
    assert (said.returncode, said.stderr) == (0, b"")
    assert said.stdout.isascii()
    if form == "json":
        assert json.loads(said.stdout)["items"][0]["name"] == "Ünïcode"


def test_a_permit_that_nobody_reads_is_none_the_less(two_apps: Path) -> None:
    assert _unread("check", "--tenant", "contoso", "--app", ONE) == 0


def test_a_denial_on_a_full_disk_is_no_permit(two_apps: Path) -> None:
    argv = [*PROGRAM, "check", "--tenant", "contoso", "--app", APP, "--explain"]
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        assert subprocess.run(argv, stdout=full, check=False, env=surroundings()).returncode != 0
