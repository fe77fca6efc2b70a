"""Who, why, for whom and for how long: what a change carries into the history."""

from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tenantcfg.instants import from_datetime
from tests.cli.program import (
    APP,
    APPS,
    GET,
    ONE,
    SET,
    TWO,
    apps,
    revision,
    run,
    start,
)
from tests.stores import let_time_pass

if TYPE_CHECKING:
    from pathlib import Path

ADD = f"@{{Add={APP}}}"


def newest() -> dict[str, Any]:
    """The newest change."""
    said = run("history", "--limit", "1", "-o", "json")
    assert said.code == 0, said.err
    found: dict[str, Any] = said.json["items"][0]
    return found


def ends(app: str) -> datetime | None:
    """When the right of *app* ends."""
    for grant in run(GET, "-o", "json").json["grants"]:
        if grant["app"] == app:
            at = grant["expires_at"]
            return datetime.fromisoformat(at) if at else None
    raise AssertionError(app)


def test_reason_and_on_behalf_of_stand_in_the_receipt_and_the_history(two_apps: Path) -> None:
    receipt = run(
        SET, APPS, ADD, "-Reason", "pilot: no. 7", "-OnBehalfOf", "service desk", "-o", "json"
    ).json
    assert (receipt["reason"], receipt["on_behalf_of"]) == ("pilot: no. 7", "service desk")
    found = newest()
    assert (found["reason"], found["on_behalf_of"]) == ("pilot: no. 7", "service desk")
    shown = run("history").out
    assert "pilot: no. 7" in shown
    assert "service desk" in shown
    explained = run("check", "--app", APP, "--explain").out
    assert "pilot: no. 7" in explained
    verb = run("tenant", "disable", "contoso", "--reason", "left", "--on-behalf-of", "legal")
    assert verb.code == 0
    assert (newest()["reason"], newest()["on_behalf_of"]) == ("left", "legal")


def test_a_reason_of_more_than_1000_characters_is_refused(two_apps: Path) -> None:
    assert run(SET, APPS, ADD, "-Reason", "x" * 1001).code == 2
    assert revision() == 3
    assert run(SET, APPS, ADD, "-Reason", "x" * 1000).code == 0


def test_the_actor_is_the_user_of_the_process_and_claims_stand_beside_it(two_apps: Path) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    said = start(
        SET,
        APPS,
        ADD,
        env={
            "LOGNAME": "mallory",
            "USER": "mallory",
            "SUDO_USER": "dana",
            "TENANTCFG_ACTOR": "dana@contoso.com",
        },
    )
    assert said.code == 0
    found = newest()
    assert found["actor"] == f"os:{me}"
    assert "dana" in found["claimed"].values()
    assert "dana@contoso.com" in found["claimed"].values()
    assert "mallory" not in str(found)


def test_a_right_for_a_time_ends_then(two_apps: Path) -> None:
    until = datetime.now(UTC) + timedelta(days=40)
    said = run(SET, APPS, ADD, "-ExpiresAt", until.isoformat())
    assert said.code == 0, said.err
    assert ends(APP) == until
    for written, length in (
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("4h", timedelta(hours=4)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
    ):
        before = datetime.now(UTC)
        said = run(SET, APPS, ADD, "-ExpiresIn", written)
        assert said.code == 0, said.err
        at = ends(APP)
        assert at is not None
        assert before + length <= at <= datetime.now(UTC) + length


def test_a_right_for_a_time_is_counted_by_the_stores_clock(two_apps: Path) -> None:
    # A machine whose clock was ahead has made the newest change.
    ahead = datetime.now(UTC) + timedelta(hours=2)
    let_time_pass(str(two_apps), from_datetime(ahead))
    said = run(SET, APPS, ADD, "-ExpiresIn", "30m")
    assert said.code == 0, said.err
    assert ends(APP) == ahead + timedelta(minutes=30)


def test_a_new_expiry_is_a_change_with_old_and_new_and_none_keeps_it(two_apps: Path) -> None:
    run(SET, APPS, ADD, "-ExpiresAt", "2999-01-01T00:00:00Z")
    again = run(SET, APPS, ADD, "-ExpiresAt", "2999-02-01T00:00:00+02:00", "-o", "json").json
    outcome = again["outcomes"][0]
    assert (again["result"], outcome["result"]) == ("changed", "changed")
    assert outcome["expires_at"] == "2999-01-31T22:00:00Z"
    assert "2999-01-01T00:00:00Z" in outcome.values()
    found = revision()
    kept = run(SET, APPS, ADD)
    assert (kept.code, revision()) == (0, found)
    assert "2999-01-31T22:00:00Z" in kept.err
    assert run(SET, APPS, ADD, "-ExpiresAt", "2999-01-31T22:00:00Z").code == 0
    assert revision() == found


def test_an_expiry_is_for_the_apps_that_the_line_names(two_apps: Path) -> None:
    line = f"{SET} {APPS} @{{Replace='{ONE}','{APP}','{TWO}'}} -ExpiresIn 1d"
    assert run("-Command", line).code == 0
    assert None not in {ends(ONE), ends(TWO), ends(APP)}
    assert run(SET, APPS, "@{Add=other}", "-ExpiresIn", "1h").code == 0
    assert apps() == [ONE, TWO, APP, "other"]


@pytest.mark.parametrize(
    "more",
    [
        ["-ExpiresAt", "2001-01-01T00:00:00Z"],
        ["-ExpiresAt", "2999-01-01T00:00:00"],
        ["-ExpiresAt", "2999-01-01"],
        ["-ExpiresAt", "tomorrow"],
        ["-ExpiresAt", ""],
        ["-ExpiresIn", "0h"],
        ["-ExpiresIn", "-4h"],
        ["-ExpiresIn", "4"],
        ["-ExpiresIn", "4y"],
        ["-ExpiresIn", "999999999999w"],
        ["-ExpiresIn", "4h", "-ExpiresAt", "2999-01-01T00:00:00Z"],
    ],
    ids=" ".join,
)
def test_an_expiry_that_cannot_be_meant_is_refused(more: list[str], two_apps: Path) -> None:
    said = run(SET, APPS, ADD, *more)
    assert (said.code, said.out, revision()) == (2, "", 3), said.err


@pytest.mark.parametrize("value", [f"@{{Remove={ONE}}}", "$null", "@{}", "@{Replace=@()}"])
def test_an_expiry_with_nothing_added_is_refused(value: str, two_apps: Path) -> None:
    said = run(SET, APPS, value, "-ExpiresIn", "4h", "-Force")
    assert (said.code, said.out, revision()) == (2, "", 3), said.err


def test_a_store_that_is_asked_as_of_then_answers_as_it_stood(two_apps: Path) -> None:
    assert run(SET, APPS, f"@{{Remove={ONE};Add={APP}}}").code == 0
    ids = "AllowRemoveParticipantAppIds"
    assert run(GET, "-AsOf", "2", "-o", "json").json[ids] == [ONE]
    assert run(GET, "-AsOf", "3", "-o", "json").json[ids] == [ONE, TWO]
    at = newest()["at"]
    assert run(GET, "-AsOf", at, "-o", "json").json[ids] == [TWO, APP]
    before = datetime.fromisoformat(at) - timedelta(microseconds=1)
    assert run(GET, "-AsOf", before.isoformat(), "-o", "json").json[ids] == [ONE, TWO]
    for wrong in ("9", "-1", "2026-01-01", "soon"):
        assert run(GET, "-AsOf", wrong).code == 2


def test_a_right_that_has_ended_counts_as_not_there_and_is_not_brought_back(two_apps: Path) -> None:
    run(SET, APPS, ADD, "-ExpiresIn", "1s")
    # The clock alone takes the right away.
    while run("check", "--app", APP).code == 0:
        pass
    assert apps() == [ONE, TWO]
    anew = run(SET, APPS, ADD, "-ExpiresIn", "2s", "-o", "json").json
    assert anew["outcomes"][0]["result"] == "added"
    run(SET, APPS, "$null", "-Force")
    while run("undo", "6", "--what-if").out.count(f"+ {APP}"):
        pass
    undone = run("undo", "6")
    assert undone.code == 0
    assert APP in undone.err
    assert sorted(apps()) == [ONE, TWO]
