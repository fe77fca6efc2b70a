"""The call verbs: a call by hand, from its beginning to whom an app removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from tenantcfg import AppId, Store, TenantId
from tenantcfg.meetings import Outcome
from tests.cli.program import CONTOSO, FABRIKAM, ONE, TWO, Said, Terminal, revision, run

if TYPE_CHECKING:
    from pathlib import Path


def call(*argv: str, tenant: str = "contoso", code: int = 0) -> Said:
    """What a call verb printed, for *tenant*."""
    said = run("call", *argv, "--tenant", tenant)
    assert said.code == code, said
    return said


def shown(*argv: str, tenant: str = "contoso") -> list[dict[str, Any]]:
    """The items that a call verb shows."""
    items: list[dict[str, Any]] = call(*argv, "-o", "json", tenant=tenant).json["items"]
    return items


def people(id_: str = "c-1") -> list[str]:
    return [one["participant"] for one in shown("show", id_)]


def test_a_call_from_its_beginning_to_its_end(two_apps: Path) -> None:
    made = call("new", "--subject", "Monday")
    id_ = made.out.removesuffix("\n")
    assert UUID(id_).version == 4
    assert made.err == ""
    ada = call("join", id_, "--user", "u-1", "--name", "Ada Byron").out.removesuffix("\n")
    assert UUID(ada).version == 4
    bob = call("join", id_, "--phone", "+49 30 1", "--id", "p-2", "--unanswered").out
    assert bob == "p-2\n"
    assert shown("show") == [
        {
            "tenant": CONTOSO,
            "tenant_name": "contoso",
            "call": id_,
            "state": "established",
            "direction": "outgoing",
            "subject": "Monday",
            "sequence": 2,
        }
    ]
    assert call("answer", id_, "p-2").err == f"call.answer of p-2 at {id_} in tenant contoso\n"
    alike = {"tenant": CONTOSO, "call": id_, "home_tenant": None, "answered": True}
    alike |= {"in_lobby": False, "muted": False}
    byron, phone = "Ada Byron", "+49 30 1"
    assert shown("show", id_) == [
        {**alike, "participant": ada, "kind": "user", "identity": "u-1", "display_name": byron},
        {**alike, "participant": "p-2", "kind": "phone", "identity": phone, "display_name": None},
    ]
    assert call("leave", id_, ada).out == ""
    assert people(id_) == ["p-2"]
    assert call("end", id_).err == f"call.end at {id_} in tenant contoso\n"
    assert shown("show") == []
    # Who is in a call is no part of the history.
    assert revision() == 3


def test_what_changes_nothing_says_so(two_apps: Path) -> None:
    call("new", "--id", "c-1")
    call("join", "c-1", "--id", "p-1", "--lobby")
    again = call("join", "c-1", "--id", "p-1", "--lobby", "-o", "json").json
    anew = call("join", "c-1", "--id", "p-1", "--muted", "-o", "json").json
    assert (again["result"], anew["result"]) == ("unchanged", "changed")
    assert call("answer", "c-1", "p-1").err.endswith(": unchanged\n")
    assert call("leave", "c-1", "p-9", "-o", "json").json["result"] == "unchanged"
    said = call("leave", "c-1", "p-9", "--what-if")
    assert said.out == "What if: call.leave of p-9 at c-1 in tenant contoso: unchanged.\n"
    assert people() == ["p-1"]


def test_a_what_if_names_no_id_that_there_will_not_be(two_apps: Path) -> None:
    call("new", "--id", "c-1")
    assert call("new", "--what-if").out == "What if: call.new in tenant contoso.\n"
    assert call("join", "c-1", "--what-if", "-o", "json").json["participant"] is None
    told = call("join", "c-1", "--id", "p-1", "--what-if", "-o", "json").json
    assert (told["participant"], told["result"]) == ("p-1", "would change")
    assert (len(shown("show")), people()) == (1, [])


@pytest.mark.parametrize("kind", ["user", "guest", "phone", "device", "application"])
def test_a_participant_is_of_one_kind(two_apps: Path, kind: str) -> None:
    call("new", "--id", "c-1")
    call("join", "c-1", f"--{kind}", "x-1")
    assert [one["kind"] for one in shown("show", "c-1")] == [kind]
    other = "--guest" if kind == "user" else "--user"
    both = call("join", "c-1", f"--{kind}", "x-1", other, "x-2", code=2)
    assert "give one" in both.err
    assert "a name of nobody" in call("join", "c-1", "--name", "x", code=2).err
    assert len(people()) == 1


@pytest.mark.parametrize(
    ("argv", "code", "why"),
    [
        (["show", "c-9"], 2, "unknown call: 'c-9'"),
        (["join", "c-9"], 2, "unknown call: 'c-9'"),
        (["answer", "c-9", "p-1"], 2, "unknown call: 'c-9'"),
        (["answer", "c-1", "p-9"], 2, "nobody of this id is in the call: 'p-9'"),
        (["leave", "c-9", "p-1"], 2, "unknown call: 'c-9'"),
        (["end", "c-9"], 2, "unknown call: 'c-9'"),
        (["new", "--id", "c-1"], 7, "the call is known already: 'c-1'"),
        (["new", "--id", ""], 2, "not the id of a call: ''"),
        (["join", "c-1", "--user", ""], 2, "not the id of a user: ''"),
        (["join", "c-1", "--id", "a\tb"], 2, "a character that cannot be printed"),
    ],
)
def test_what_cannot_be_is_refused(two_apps: Path, argv: list[str], code: int, why: str) -> None:
    call("new", "--id", "c-1")
    said = call(*argv, code=code)
    assert why in said.err
    assert said.out == ""
    assert people() == []


def test_calls_are_those_of_the_tenant_that_is_meant(two_tenants: Path) -> None:
    call("new", "--id", "c-1")
    call("new", "--id", "c-1", tenant=FABRIKAM)
    call("join", "c-1", "--id", "p-1", tenant="fabrikam")
    assert people() == []
    assert run("call", "show").code == 2
    said = run("--tenant", "fabrikam", "call", "show", "c-1", "-o", "json")
    assert [one["participant"] for one in said.json["items"]] == ["p-1"]
    assert call("new", tenant="nobody", code=2).err.startswith("tenantcfg: ")


def test_the_only_tenant_is_said_and_meant(two_apps: Path) -> None:
    said = run("call", "new", "--id", "c-1")
    assert said.out == "c-1\n"
    assert said.err == f"tenant contoso ({CONTOSO}), the only one there is\n"


def removal(store: Store, app: str, participant: str) -> str:
    request_id = str(uuid4())
    begun = store.removals.begin(
        request_id,
        tenant=TenantId(CONTOSO),
        app=AppId(app),
        call="c-1",
        participant=participant,
        controller="roster",
    )
    assert begun
    return request_id


def test_whom_apps_removed_newest_first(two_apps: Path) -> None:
    assert shown("removals") == []
    call("new", "--id", "c-1")
    call("join", "c-1", "--id", "p-1")
    with Store.open(two_apps) as store:
        first = removal(store, ONE, "p-1")
        assert store.roster.remove(first) is Outcome.REMOVED
        second = removal(store, TWO, "p-2")
    items = shown("removals")
    assert [one["request_id"] for one in items] == [second, first]
    told = {name: items[0][name] for name in ("app", "participant", "outcome", "settled_at")}
    assert told == {"app": TWO, "participant": "p-2", "outcome": "unknown", "settled_at": None}
    assert (items[1]["outcome"], items[1]["revision"]) == ("removed", 3)
    assert items[1]["settled_at"] >= items[1]["at"]
    assert [one["request_id"] for one in shown("removals", "--limit", "1")] == [second]
    assert people() == []
    back = call("join", "c-1", "--id", "p-1", code=7)
    assert "whoever joins again has another id" in back.err


def test_what_cannot_be_printed_does_not_reach_a_terminal(two_apps: Path) -> None:
    call("new", "--id", "c-1", "--subject", "a\x1b[2Jb")
    call("join", "c-1", "--guest", "g", "--name", "c\x1b[2Jd")
    for argv in (["show"], ["show", "c-1"]):
        with Terminal("call", *argv, "--tenant", "contoso") as terminal:
            assert "\x1b" not in terminal.ended().out


# As the shell hands over what is no UTF-8: the byte 0xff.
NO_ID = "p-\udcff"


@pytest.mark.parametrize(
    "argv",
    [
        *(["show", NO_ID], ["end", NO_ID], ["answer", NO_ID, "p-1"], ["leave", NO_ID, "p-1"]),
        *(["answer", "c-1", NO_ID], ["leave", "c-1", NO_ID], ["leave", "c-1", NO_ID, "--what-if"]),
        *(["join", NO_ID, "--id", "p-1"], ["join", "c-1", "--id", NO_ID]),
        *(["join", "c-1", "--user", NO_ID], ["new", "--id", NO_ID], ["new", "--subject", NO_ID]),
    ],
)
def test_what_is_no_text_is_no_id_and_told_in_one_line(two_apps: Path, argv: list[str]) -> None:
    call("new", "--id", "c-1")

    said = call(*argv, code=2)

    assert said.err.startswith("tenantcfg: not ")
    assert said.err.count("\n") == 1
