"""The key verbs: what is shown once, and what is shown never."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tenantcfg import Store
from tenantcfg.keys import KeyFacts, Right, ServiceKey, admits
from tests.cli.program import CONTOSO, FABRIKAM, Said, revision, run, start

if TYPE_CHECKING:
    from pathlib import Path


def new(*options: str, name: str = "calls") -> ServiceKey:
    """A key that was made, out of what was printed."""
    said = run("key", "new", name, *(options or ("--check",)))
    assert said.code == 0, said.err
    return ServiceKey.parse(said.out.removesuffix("\n"))


def held(embedded: Path, key: ServiceKey) -> KeyFacts | None:
    """What the store holds of *key*, if it is in force."""
    with Store.open(embedded) as store:
        answered = asyncio.run(store.ask((), key=key.id))
        return answered.key if admits(answered.key, key, answered.at) else None


def listed() -> dict[str, str]:
    """The state of each key, by its id."""
    return {one["id"]: one["state"] for one in run("key", "list", "-o", "json").json["items"]}


def test_a_new_key_is_printed_alone_and_known_from_then_on(two_tenants: Path) -> None:
    said = start("key", "new", "calls", "--check", "--tenant", "contoso", "--tenant", FABRIKAM)
    assert said.code == 0
    key = ServiceKey.parse(said.out.removesuffix("\n"))
    facts = held(two_tenants, key)
    assert facts is not None
    assert (facts.name, facts.rights) == ("calls", frozenset({Right.CHECK}))
    assert facts.tenants == frozenset({CONTOSO, FABRIKAM})
    assert facts.expires_at is None
    assert key.secret not in said.err
    assert key.id in said.err


def test_a_key_covers_all_tenants_unless_some_are_named(contoso: Path) -> None:
    facts = held(contoso, new("--check", "--read", "--media"))
    assert facts is not None
    assert (facts.tenants, facts.rights) == (None, frozenset(Right))


def test_a_tenant_named_before_the_verb_counts(two_tenants: Path) -> None:
    said = run("--tenant", "contoso", "key", "new", "calls", "--check")
    facts = held(two_tenants, ServiceKey.parse(said.out.strip()))
    assert facts is not None
    assert facts.tenants == frozenset({CONTOSO})


def test_a_tenant_that_the_environment_means_limits_no_key(
    two_tenants: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANTCFG_TENANT", "contoso")
    facts = held(two_tenants, new())
    assert facts is not None
    assert facts.tenants is None


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--check", "--tenant", "nobody"),
        ("--check", "--tenant", ""),
        ("--check", "--expires-in", "soon"),
        ("--check", "--expires-at", "2020-01-01T00:00:00Z"),
        ("--check", "--expires-at", "2040-01-01T00:00:00Z", "--expires-in", "1d"),
    ],
)
def test_a_key_that_cannot_be_is_refused_and_nothing_is_printed(
    contoso: Path, options: tuple[str, ...]
) -> None:
    said = run("key", "new", "calls", *options)
    assert (said.code, said.out) == (2, "")
    assert revision() == 1


def test_an_expiry_is_that_of_the_key(contoso: Path) -> None:
    timed = held(contoso, new("--check", "--expires-at", "2040-01-01T00:00:00Z"))
    assert timed is not None
    assert timed.expires_at == 2_208_988_800_000_000
    lasting = held(contoso, new("--check", "--expires-in", "90d", name="other"))
    assert lasting is not None
    assert lasting.expires_at is not None


@pytest.mark.parametrize("right", Right)
def test_a_key_may_what_was_said_and_no_more(contoso: Path, right: Right) -> None:
    facts = held(contoso, new(f"--{right.value}"))
    assert facts is not None
    assert facts.rights == {right}


@pytest.mark.parametrize("form", ["json", "jsonl", "yaml", "csv", "list", "table"])
def test_a_key_as_data_is_shown_with_what_it_may(contoso: Path, form: str) -> None:
    said = run("key", "new", "calls", "--read", "-o", form)
    assert said.code == 0
    assert said.out.count("tcfg_") == 1
    assert "tcfg_" not in said.err
    if form == "json":
        made = said.json
        assert made["schema"] == "tenantcfg/key/1"
        key = ServiceKey.parse(made["key"])
        assert (made["id"], made["name"], made["rights"]) == (key.id, "calls", ["read"])
        assert (made["tenants"], made["expires_at"], made["revision"]) == (None, None, 2)
        assert held(contoso, key) is not None


def test_a_what_if_shows_no_key_and_makes_none(contoso: Path) -> None:
    said = run("key", "new", "calls", "--check", "--what-if")
    assert (said.code, said.out) == (0, "What if: key.new of key calls.\n  ~ key.new: calls\n")
    made = run("key", "new", "calls", "--check", "--what-if", "-o", "json").json
    assert (made["key"], made["id"], made["result"]) == (None, None, "would change")
    assert (listed(), revision()) == ({}, 1)


def test_a_name_that_is_taken_is_a_conflict(contoso: Path) -> None:
    new()
    said = run("key", "new", "CALLS", "--check")
    assert (said.code, said.out) == (7, "")


def test_a_revoked_key_is_gone_for_good(contoso: Path) -> None:
    key = new()
    assert run("key", "revoke", "calls", "--reason", "lost").code == 0
    assert held(contoso, key) is None
    assert listed() == {}
    again = run("key", "revoke", "calls")
    assert (again.code, again.err) == (0, "key calls: unchanged\n")
    undone = run("undo", "3")
    assert undone.code == 7
    assert "a key that was ended does not come back" in undone.err
    assert run("key", "revoke", "nobody").code == 2


def test_a_rotated_key_lasts_out(contoso: Path) -> None:
    old = new("--check", "--tenant", "contoso")
    said = run("key", "rotate", "calls")
    key = ServiceKey.parse(said.out.strip())
    assert listed() == {old.id: "rotated", key.id: "in force"}
    assert held(contoso, old) is not None
    facts = held(contoso, key)
    assert facts is not None
    assert facts.tenants == frozenset({CONTOSO})
    newest = ServiceKey.parse(run("key", "rotate", "calls", "--overlap", "0").out.strip())
    assert listed() == {old.id: "rotated", newest.id: "in force"}
    assert run("key", "revoke", "calls").code == 0
    assert listed() == {}


def test_undoing_a_new_key_revokes_it(contoso: Path) -> None:
    key = new()
    assert run("undo", "2", "--what-if").out == (
        "What if: undo of key calls.\n  ~ key.revoke: calls\n"
    )
    said = run("undo", "2")
    assert (said.code, said.err) == (0, "key calls: undo (key.revoke), revision 3\n")
    assert held(contoso, key) is None


def test_the_history_tells_of_keys_and_of_no_secret(contoso: Path) -> None:
    keys = [new(), new(name="other")]
    keys.append(ServiceKey.parse(run("key", "rotate", "other").out.strip()))
    run("key", "revoke", "calls", "--reason", "lost")
    said = [
        run("history"),
        *(run("history", "-o", form) for form in ("json", "jsonl", "csv", "yaml", "table")),
        *(run("key", "list", "-o", form) for form in ("json", "csv", "yaml", "table", "list")),
        run("audit", "verify"),
        run("key", "revoke", "calls", "-o", "json"),
        run("undo", "5", "-o", "json"),
    ]
    shown = " ".join(one.out + one.err for one in said)
    for key in keys:
        assert key.secret not in shown
        assert key.digest not in shown
    assert [line.split("  ")[2:5:2] for line in said[0].lines if "key." in line] == [
        ["keys", "key.revoke calls"],
        ["keys", "key.rotate other"],
        ["keys", "key.new other"],
        ["keys", "key.new calls"],
    ]
    rows = [json.loads(line) for line in run("history", "-o", "jsonl").lines]
    assert [row["tenant"] for row in rows] == [None, None, None, None, CONTOSO]
    assert len(run("history", "--tenant", "contoso", "-o", "jsonl").lines) == 1
    assert said[-3].code == 0


def test_a_store_without_keys_lists_none(contoso: Path) -> None:
    assert run("key", "list", "-o", "json").json["items"] == []


def test_without_a_store_none_is_made(embedded: Path) -> None:
    said: list[Said] = [
        run("key", "new", "calls", "--check"),
        run("key", "list"),
        run("key", "revoke", "calls"),
        run("key", "rotate", "calls"),
    ]
    assert [(one.code, one.out) for one in said] == [(9, "")] * 4
    assert not embedded.exists()
