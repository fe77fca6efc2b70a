"""history, undo and audit: what was, what can be taken back, and that nobody changed the past."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.cli.program import (
    APP,
    APPS,
    FABRIKAM,
    GET,
    ONE,
    SET,
    TWO,
    apps,
    grant,
    revision,
    run,
)

if TYPE_CHECKING:
    from pathlib import Path


def revisions(*argv: str) -> list[int]:
    """The revisions that a history lists, in its order."""
    said = run("history", *argv, "-o", "jsonl")
    assert said.code == 0, said.err
    return [json.loads(line)["revision"] for line in said.lines]


def test_the_history_is_newest_first_and_may_be_narrowed(two_tenants: Path) -> None:
    grant(ONE, tenant="fabrikam")
    assert revisions() == [5, 4, 3, 2, 1]
    assert revisions("--limit", "2") == [5, 4]
    assert revisions("--tenant", "fabrikam") == [5, 4]
    assert revisions("--tenant", FABRIKAM.upper()) == [5, 4]
    assert revisions("--app", ONE) == [5, 2]
    assert revisions("--app", ONE, "--tenant", "contoso") == [2]
    actor = json.loads(run("history", "--limit", "1", "-o", "jsonl").out)["actor"]
    assert revisions("--actor", actor) == [5, 4, 3, 2, 1]
    assert revisions("--actor", "os:nobody-at-all") == []


def test_the_history_of_a_time_takes_its_beginning_and_not_its_end(two_tenants: Path) -> None:
    at = {one["revision"]: one["at"] for one in run("history", "-o", "json").json["items"]}
    assert revisions("--since", at[3]) == [4, 3]
    assert revisions("--until", at[3]) == [2, 1]
    assert revisions("--since", at[2], "--until", at[4]) == [3, 2]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert revisions("--since", tomorrow) == []


def test_every_receipt_is_whole_and_each_is_chained_to_the_one_before(two_apps: Path) -> None:
    lines = run("history", "-o", "jsonl").lines
    changes = [json.loads(line) for line in lines]
    assert [change["operation"]["verb"] for change in changes] == ["set", "set", "tenant.add"]
    assert all(newer["previous"] == older["hash"] for newer, older in pairwise(changes))
    receipt = run(SET, APPS, f"@{{Add={APP}}}", "-o", "json").json
    stored = json.loads(run("history", "--limit", "1", "-o", "jsonl").out)
    assert stored == {key: value for key, value in receipt.items() if key in stored} | {
        "schema": stored["schema"]
    }


def test_an_undo_takes_one_change_back_and_is_itself_a_change(two_apps: Path) -> None:
    run(SET, APPS, f"@{{Add={APP};Remove={ONE}}}")
    said = run("undo", "4", "--reason", "wrong app")
    assert (said.code, revision()) == (0, 5)
    assert sorted(apps()) == [ONE, TWO]
    newest = run("history", "--limit", "1", "-o", "json").json["items"][0]
    assert (newest["operation"]["undoes"], newest["reason"]) == (4, "wrong app")
    assert run("undo", "5").code == 0
    assert sorted(apps()) == [TWO, APP]
    head = run("audit", "head").out.strip()
    assert run("undo", head).code == 0
    assert sorted(apps()) == [ONE, TWO]


def test_an_undo_restores_old_expiries(two_apps: Path) -> None:
    end = "2999-01-01T00:00:00Z"
    run(SET, APPS, f"@{{Add={APP}}}", "-ExpiresAt", end)
    run(SET, APPS, "$null", "-Force")
    assert run("undo", "5").code == 0
    grants = {one["app"]: one["expires_at"] for one in run(GET, "-o", "json").json["grants"]}
    assert grants == {ONE: None, TWO: None, APP: end}


def test_an_undo_is_refused_when_later_changes_touch_the_same_apps(two_apps: Path) -> None:
    run(SET, APPS, f"@{{Add={APP}}}")
    run(SET, APPS, f"@{{Remove={APP}}}")
    refused = run("undo", "4")
    assert (refused.code, refused.out, revision()) == (7, "", 5)
    assert "5" in refused.err
    # A change of other apps is no obstacle.
    assert run("undo", "2").code == 0
    assert apps() == [TWO]


def test_an_undo_of_a_tenant_verb(two_tenants: Path) -> None:
    run("tenant", "remove", "contoso", "--yes")
    assert run(GET, "-Tenant", "contoso").code == 2
    assert run("undo", "5").code == 0
    assert apps("contoso") == [ONE, TWO]
    run("tenant", "rename", "fabrikam", "other")
    assert run("undo", "7").code == 0
    assert run(GET, "-Tenant", "fabrikam").code == 0


def test_a_removed_tenant_keeps_its_history(two_tenants: Path) -> None:
    run("tenant", "remove", "fabrikam", "--yes")
    assert revisions("--tenant", FABRIKAM) == [5, 4]


def _tampered(store: Path, *statements: str) -> None:
    with closing(sqlite3.connect(store)) as other, other:
        for statement in statements:
            other.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE grants SET app = 'somebody-else' WHERE app LIKE '1111%'",
        "DELETE FROM grants WHERE app LIKE '1111%'",
        "UPDATE grants SET expires_at = 99999999999999999",
        "UPDATE tenants SET enabled = 0",
        "UPDATE tenants SET name = 'x'",
        "DELETE FROM tenants",
        "UPDATE changes SET content = replace(content, '1-1', '2-1') WHERE revision = 2",
        "UPDATE changes SET at = at + 1 WHERE revision = 2",
        "UPDATE changes SET hash = substr(hash, 2) || 'x' WHERE revision = 2",
        "UPDATE head SET revision = 2",
        "UPDATE head SET hash = substr(hash, 2) || 'x'",
    ],
)
def test_audit_verify_finds_a_changed_row(statement: str, two_apps: Path) -> None:
    assert run("audit", "verify").code == 0
    _tampered(two_apps, "PRAGMA foreign_keys = OFF", statement)
    said = run("audit", "verify")
    assert said.code == 8, said
    assert "Traceback" not in said.err
    assert "unexpected" not in said.err


def test_audit_verify_finds_a_dropped_and_a_swapped_change(two_apps: Path) -> None:
    whole = two_apps.read_bytes()
    _tampered(two_apps, "PRAGMA foreign_keys = OFF", "DELETE FROM changes WHERE revision = 2")
    assert run("audit", "verify").code == 8
    two_apps.write_bytes(whole)
    _tampered(
        two_apps,
        "PRAGMA foreign_keys = OFF",
        "UPDATE changes SET revision = 9 WHERE revision = 2",
        "UPDATE changes SET revision = 2 WHERE revision = 3",
        "UPDATE changes SET revision = 3 WHERE revision = 9",
    )
    assert run("audit", "verify").code == 8
    two_apps.write_bytes(whole)
    assert run("audit", "verify").code == 0


def test_an_earlier_head_finds_a_history_that_was_cut_off_or_written_anew(
    two_apps: Path, tmp_path: Path
) -> None:
    early = two_apps.read_bytes()
    noted = run("audit", "head").out.strip()
    run(SET, APPS, f"@{{Add={APP}}}")
    assert run("audit", "verify", "--head", noted).code == 0
    later = run("audit", "head").out.strip()

    two_apps.write_bytes(early)
    # Whole in itself, but not what it was.
    assert run("audit", "verify").code == 0
    cut = run("audit", "verify", "--head", later)
    assert cut.code == 8
    run(SET, APPS, "@{Add=somebody-else}")
    anew = run("audit", "verify", "--head", later)
    assert anew.code == 8
    assert run("audit", "verify", "--head", noted).code == 0
    for wrong in ("x", "3", "3:zz", f"{noted}0"):
        assert run("audit", "verify", "--head", wrong).code == 2


def test_problems_are_data(two_apps: Path) -> None:
    _tampered(two_apps, "DELETE FROM grants WHERE app LIKE '1111%'")
    said = run("audit", "verify", "-o", "json")
    assert said.code == 8
    assert said.json["schema"] == "tenantcfg/problems/1"
    assert ONE in said.json["items"][0]["problem"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("undo {}", 0),
        ("undo {} --what-if", 0),
        (f"check --tenant contoso --app {APP} --as-of {{}}", 3),
        ("who --tenant contoso --as-of {}", 0),
        (f"{GET} -AsOf {{}}", 0),
        ("tenant list --as-of {}", 0),
    ],
)
def test_a_receipt_of_another_history_names_nothing_here(
    line: str, code: int, two_apps: Path
) -> None:
    head = run("audit", "head").out.strip()
    wrong = head[:-1] + ("0" if head[-1] != "0" else "1")
    said = run(*line.format(wrong).split())
    assert (said.code, said.out, revision()) == (7, "", 3)
    assert "the receipt is not of this history" in said.err
    assert run(*line.format(head).split()).code == code
