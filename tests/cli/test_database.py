"""The db verbs, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantcfg.store.version import SCHEMA_VERSION
from tests.cli.program import APP, APPS, CONTOSO, GET, ONE, SET, Said, run

if TYPE_CHECKING:
    from pathlib import Path


def _filled(url: str) -> None:
    for argv in (
        ["tenant", "add", CONTOSO, "contoso"],
        [SET, APPS, f"@{{Add={ONE}}}"],
        [SET, APPS, f"@{{Add={APP}}}", "-ExpiresAt", "2999-01-01T00:00:00Z"],
    ):
        assert run("--store", url, *argv).code == 0


def _on(url: str, *argv: str) -> Said:
    return run("--store", url, *argv)


def _apps(url: str) -> list[str]:
    found: list[str] = _on(url, GET, "-o", "json").json["AllowRemoveParticipantAppIds"]
    return found


def _store_id(url: str) -> str:
    return str(_on(url, "audit", "head", "-o", "json").json["store_id"])


def test_upgrade_makes_a_store_and_finds_it_made(store_url: str) -> None:
    made = _on(store_url, "db", "upgrade")
    assert (made.code, made.out) == (0, ""), made.err
    assert _on(store_url, "db", "current").out == f"{SCHEMA_VERSION}\n"
    again = _on(store_url, "db", "upgrade")
    assert (again.code, "unchanged" in again.err) == (0, True)
    assert _on(store_url, "db", "check").code == 0
    assert _on(store_url, "audit", "verify").code == 0
    assert _on(store_url, "tenant", "list", "-o", "json").json["items"] == []


def test_a_backup_is_a_store_and_a_restore_brings_it_back_under_a_new_id(
    store_url: str, tmp_path: Path
) -> None:
    _filled(store_url)
    file = tmp_path / "backup.db"
    head = _on(store_url, "audit", "head").out
    assert _on(store_url, "db", "backup", str(file)).code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert _on(f"sqlite:///{file}", "audit", "head").out == head
    assert _apps(f"sqlite:///{file}") == [ONE, APP]
    # A backup never overwrites anything.
    assert _on(store_url, "db", "backup", str(file)).code == 7

    assert _on(store_url, SET, APPS, "$null", "-Force").code == 0
    before = _store_id(store_url)
    for guarded in ([], ["--overwrite"]):
        refused = _on(store_url, "db", "restore", str(file), *guarded)
        assert refused.code == 5, refused
        assert _apps(store_url) == []
    assert _on(store_url, "db", "restore", str(file), "--overwrite", "--yes").code == 0
    assert _apps(store_url) == [ONE, APP]
    assert _on(store_url, "audit", "head").out == head
    assert _store_id(store_url) != before
    assert _on(store_url, "audit", "verify", "--head", head.strip()).code == 0


def test_a_copy_keeps_revisions_and_hashes(store_url: str, tmp_path: Path) -> None:
    _filled(store_url)
    target = f"sqlite:///{tmp_path / 'copy' / 'copy.db'}"
    copied = run("db", "copy", store_url, target)
    assert copied.code == 0, copied.err
    assert _on(target, "audit", "head").out == _on(store_url, "audit", "head").out
    assert _on(target, "audit", "verify").code == 0
    assert _apps(target) == [ONE, APP]
    again = run("db", "copy", store_url, target)
    assert again.code == 7, again
    back = run("db", "copy", target, store_url)
    assert back.code == 7, back


def test_what_is_no_backup_is_refused_and_the_store_stays(store_url: str, tmp_path: Path) -> None:
    _filled(store_url)
    file = tmp_path / "letter.txt"
    file.write_text("dear store,\n" * 1000)
    for wrong, code in ((file, 9), (tmp_path / "nothing", 2), (tmp_path, 2)):
        said = _on(store_url, "db", "restore", str(wrong), "--overwrite", "--yes")
        assert said.code == code, said
        assert "Traceback" not in said.err
    assert _apps(store_url) == [ONE, APP]
    assert file.read_text().startswith("dear store")


def test_the_same_line_on_either_database(store_url: str) -> None:
    _filled(store_url)
    assert _on(store_url, "check", "--tenant", "contoso", "--app", APP).out == "allowed\n"
    assert _on(store_url, "check", "--tenant", "contoso", "--app", "other").code == 3
    shown = _on(store_url, GET)
    assert f"{{{ONE}, {APP}}}" in shown.out
    lines = _on(store_url, "history").lines
    assert [line.split()[0] for line in lines if line[0].isdigit()] == ["3", "2", "1"]
