"""How statements run, what a body can do, and what the dry pass tells before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tenantcfg.powershell import (
    Choice,
    Cmdlet,
    Hashtable,
    Invocation,
    Kind,
    Number,
    Parameter,
    PromptUnavailable,
    PSListModifier,
    PSObject,
    Session,
    parse,
)
from tenantcfg.powershell.values import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenantcfg.powershell import ErrorRecord, Outcome, Value


@dataclass(slots=True)
class Told:
    """A host that keeps what it is told; *replies* are the indexes of the answers to come."""

    replies: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    objects: list[Value] = field(default_factory=list)

    def write_object(self, value: Value) -> None:
        self.objects.append(value)

    def out_line(self, text: str) -> None:
        self.lines.append(text)

    def verbose(self, text: str) -> None:
        self.lines.append(f"v {text}")

    def warning(self, text: str) -> None:
        self.lines.append(f"w {text}")

    def debug(self, text: str) -> None:
        self.lines.append(f"d {text}")

    def information(self, text: str) -> None:
        self.lines.append(f"i {text}")

    def error(self, record: ErrorRecord) -> None:
        self.errors.append(record.fqid)

    def suspend(self) -> None:
        self.lines.append("suspended")

    def prompt_for_choice(
        self, caption: str, message: str, choices: Sequence[Choice], default: int
    ) -> int:
        self.lines.append(f"? {caption}: {message} {[one.text for one in choices]} {default}")
        if not self.replies:
            raise PromptUnavailable
        return self.replies.pop(0)


class Wrong(Exception):
    code = "wrong"


def judged(bound: Mapping[str, Any]) -> Exception | None:
    return Wrong("the name is wrong") if bound.get("Name") == "wrong" else None


def a_session(body: Callable[[Invocation], None], host: Told) -> Session:
    parameters = (
        Parameter("Name", Kind.STRING, sets=("Name",), position=1),
        Parameter("List", Kind.LIST_MODIFIER),
        Parameter("Thing", Kind.OBJECT, sets=("Thing",), by_value=True),
    )
    get = Cmdlet("Get-Thing", (), lambda call: call.write(PSObject("Thing", {"Name": "a"})))
    set_ = Cmdlet(
        "Set-Thing",
        parameters,
        body,
        judge=judged,
        default_set="Name",
        supports_should_process=True,
        module="Things",
    )
    return Session([get, set_], host)


def run(
    line: str, body: Callable[[Invocation], None] = lambda _: None, *replies: int
) -> tuple[Outcome, Told]:
    host = Told(list(replies))
    return a_session(body, host).run(parse(line).script), host


def judge(line: str) -> list[str]:
    host = Told()
    records = a_session(lambda call: call.fail("it ran", "Ran"), host).judge(parse(line).script)
    assert (host.lines, host.errors, host.objects) == ([], [], [])
    return [record.fqid for record in records]


def bound_by(line: str) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    run(line, lambda call: calls.append(dict(call.bound)))
    return calls


# --- running


def test_objects_come_out_in_order_and_an_array_by_its_items() -> None:
    outcome, host = run("1,2; @('a'); $null; Set-Thing; (,('x','y'))")

    one, two = Number(1, "System.Int32"), Number(2, "System.Int32")
    assert outcome.objects == (one, two, "a", None, ("x", "y"))
    assert host.objects == list(outcome.objects)


def test_an_error_ends_its_statement_and_the_next_one_runs() -> None:
    outcome, host = run("nosuch; 'a'")

    assert [error.id for error in outcome.errors] == ["CommandNotFoundException"]
    assert outcome.objects == ("a",)
    assert not outcome.goes_on
    assert host.errors == ["CommandNotFoundException"]


@pytest.mark.parametrize(
    ("line", "bound"),
    [
        ("Set-Thing -List @(nosuch)", PSListModifier()),
        ("Set-Thing -List $(nosuch)", None),
        ('Set-Thing -List "$(nosuch)x"', PSListModifier(replace=("x",))),
        ("Set-Thing -List @(nosuch; 'a')", PSListModifier(replace=("a",))),
    ],
)
def test_what_fails_inside_a_subexpression_leaves_the_rest(
    line: str, bound: PSListModifier | None
) -> None:
    assert bound_by(line) == [{"List": bound}]


@pytest.mark.parametrize(
    "line",
    [
        "Set-Thing -List @{Add=nosuch}",
        "Set-Thing -List (nosuch)",
        "Set-Thing -List @((nosuch))",
        "Set-Thing -List @{$null='a'}",
        "Set-Thing -List @{Add='a';('add')='b'}",
        "Set-Thing | nosuch",
    ],
)
def test_what_fails_anywhere_else_keeps_the_command_from_running(line: str) -> None:
    assert bound_by(line) == []


def test_each_object_of_the_pipeline_is_a_call() -> None:
    assert bound_by("'a', $null, @('b', 'c') | Set-Thing") == [
        {"Thing": "a"},
        {"Thing": None},
        {"Thing": ("b", "c")},
    ]
    assert bound_by("@() | Set-Thing") == []
    assert bound_by("Set-Thing | Set-Thing") == [{}]


def test_an_object_travels_as_it_is() -> None:
    (call,) = bound_by("Get-Thing | Set-Thing")

    assert isinstance(call["Thing"], PSObject)


def test_values_of_a_hashtable_are_statements() -> None:
    inner, outer = bound_by("Set-Thing -Thing @{a=Get-Thing; b='x','y'; c=Set-Thing}")

    assert inner == {}
    assert isinstance(outer["Thing"], Hashtable)
    values = dict(outer["Thing"].items())
    assert isinstance(values["a"], PSObject)
    assert values["b"] == ("x", "y")
    assert values["c"] is NOTHING


def test_a_name_may_be_qualified_and_a_get_be_left_out() -> None:
    for line in ("Things\\Set-Thing", "global:set-thing", "SET-THING"):
        assert bound_by(line) == [{}]
    assert run("thing")[0].errors == ()
    assert (
        run("Others\\Set-Thing")[0]
        .errors[0]
        .message.startswith("The term 'Others\\Set-Thing' is not recognized")
    )


def test_what_an_unknown_name_holds_is_not_expanded_in_the_message() -> None:
    (error,) = run("no$($true)such")[0].errors

    assert error.target == "no$($true)such"


def test_help_is_asked_for_and_nothing_runs() -> None:
    outcome, _ = run("Set-Thing -Name nosuch -?", lambda call: call.fail("it ran", "Ran"))

    assert outcome.help_for == ("Set-Thing",)
    assert outcome.errors == ()


def test_help_takes_no_objects() -> None:
    outcome, _ = run("'a' | Set-Thing -?")

    assert outcome.help_for == ()
    assert [error.fqid for error in outcome.errors] == [
        "InputObjectNotBound,Microsoft.PowerShell.Commands.GetHelpCommand"
    ]


def test_one_statement_runs_by_itself() -> None:
    host = Told()
    session = a_session(lambda _: None, host)
    first, second = parse("'a'; 'b'").script.statements

    assert session.run_statement(second).objects == ("b",)
    assert session.run_statement(first).objects == ("a",)


# --- what a body can do


def failing(call: Invocation) -> None:
    call.write_error("no such thing", "NoThing", category="ObjectNotFound", target="x")


def test_an_error_of_a_body_bears_the_cmdlet_s_name() -> None:
    (error,) = run("Set-Thing", failing)[0].errors

    assert (error.fqid, error.category, error.target) == (
        "NoThing,Set-Thing",
        "ObjectNotFound",
        "x",
    )
    assert error.render("Set-Thing", 80) == "Set-Thing: no such thing\n"


@pytest.mark.parametrize("action", ["SilentlyContinue", "Ignore"])
def test_an_error_can_be_kept_quiet_and_is_known_all_the_same(action: str) -> None:
    outcome, host = run(f"Set-Thing -ErrorAction {action}", failing)

    assert (outcome.errors, host.errors) == ((), [])
    assert outcome.first_error is not None
    assert outcome.goes_on


def test_the_first_error_is_the_first_in_time() -> None:
    outcome, _ = run("Set-Thing -ErrorAction Ignore; nosuch", failing)

    assert outcome.first_error == outcome.suppressed[0]
    assert run("nosuch; Set-Thing -ErrorAction Stop", failing)[0].first_error is not None
    assert run("Set-Thing")[0].first_error is None


@pytest.mark.parametrize(
    ("line", "goes_on"), [("Set-Thing", False), ("Set-Thing -ErrorAction Continue", True)]
)
def test_only_a_line_that_says_so_goes_on_behind_its_error(line: str, *, goes_on: bool) -> None:
    assert run(line, failing)[0].goes_on is goes_on


def test_stop_ends_the_whole_text() -> None:
    outcome, host = run("Set-Thing -ErrorAction Stop; 'a'", failing)

    assert outcome.terminating is not None
    assert outcome.terminating.message == (
        'The running command stopped because the preference variable "ErrorActionPreference" or '
        "common parameter is set to Stop: no such thing"
    )
    assert outcome.terminating.render("", 80) == "Set-Thing: no such thing\n"
    assert (outcome.objects, outcome.goes_on, host.errors) == ((), False, [])


def test_inquire_asks_and_can_halt() -> None:
    outcome, host = run("'a','b','c' | Set-Thing -ErrorAction Inquire", failing, 0, 3, 2)

    assert [error.id for error in outcome.errors] == ["NoThing"]
    assert outcome.terminating is not None
    assert outcome.terminating.id == "ActionPreferenceStop"
    assert host.lines[0] == (
        "? Confirm: no such thing ['Yes', 'Yes to All', 'Halt Command', 'Suspend'] 0"
    )
    assert host.lines[2] == "suspended"


def test_a_failing_body_ends_the_statement() -> None:
    outcome, _ = run("'a','b' | Set-Thing; 'c'", lambda call: call.fail("no", "No"))

    assert [error.fqid for error in outcome.errors] == ["No,Set-Thing"]
    assert outcome.objects == ("c",)


def asking(call: Invocation) -> None:
    call.write(call.should_process("it"))


DOING = 'Performing the operation "Set-Thing" on target "it".'
SURE = "? Confirm: Are you sure you want to perform this action?\n" + DOING


@pytest.mark.parametrize(
    ("line", "answer", "lines"),
    [
        ("Set-Thing", True, []),
        ("Set-Thing -Verbose", True, [f"v {DOING}"]),
        ("Set-Thing -WhatIf -Confirm", False, [f"What if: {DOING}"]),
        ("Set-Thing -Confirm:$false -WhatIf:$false", True, []),
    ],
)
def test_should_process_without_a_question(line: str, lines: list[str], *, answer: bool) -> None:
    outcome, host = run(line, asking)

    assert (outcome.objects, host.lines) == ((answer,), lines)


@pytest.mark.parametrize(
    ("replies", "answers"),
    [
        ((0, 2, 0), (True, False, True)),
        ((1,), (True, True, True)),
        ((3,), (False, False, False)),
        ((4, 2, 1), (False, True, True)),
    ],
)
def test_an_answer_to_all_holds_for_the_whole_call(
    replies: tuple[int, ...], answers: tuple[bool, ...]
) -> None:
    outcome, host = run("1,2,3 | Set-Thing -Confirm -Verbose", asking, *replies)

    assert outcome.objects == answers
    assert [line for line in host.lines if line != "suspended"] == [
        f"{SURE} ['Yes', 'Yes to All', 'No', 'No to All', 'Suspend'] 0"
    ] * len(replies)


def test_a_question_without_an_answer_stops_everything() -> None:
    with pytest.raises(PromptUnavailable):
        run("Set-Thing -Confirm; 'a'", asking)


@pytest.mark.parametrize(("reply", "answer"), [(0, True), (1, False)])
def test_should_continue_asks_whatever_the_preferences(reply: int, *, answer: bool) -> None:
    outcome, host = run(
        "Set-Thing -Confirm:$false", lambda call: call.write(call.should_continue("Sure?")), reply
    )

    assert outcome.objects == (answer,)
    assert host.lines == ["? Confirm: Sure? ['Yes', 'No', 'Suspend'] 0"]


def talking(call: Invocation) -> None:
    call.verbose("a")
    call.debug("b")
    call.warning("c")
    call.information("d")
    call.host_line("e")


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("Set-Thing", ["w c", "e"]),
        ("Set-Thing -Verbose -Debug", ["v a", "d b", "w c", "e"]),
        ("Set-Thing -WarningAction Ignore -InformationAction Continue", ["i d", "e"]),
    ],
)
def test_streams_follow_their_preferences(line: str, lines: list[str]) -> None:
    assert run(line, talking)[1].lines == lines


def test_a_warning_can_stop_the_text() -> None:
    outcome, host = run("Set-Thing -WarningAction Stop", talking)

    assert host.lines == ["w c"]
    assert outcome.terminating is not None
    assert outcome.terminating.fqid == "ActionPreferenceStop,Set-Thing"


def test_a_warning_can_ask() -> None:
    assert run("Set-Thing -WarningAction Inquire", talking, 1)[1].lines[-1] == "e"


def test_a_body_knows_its_call() -> None:
    calls: list[tuple[str, str, bool]] = []
    run(
        "set-thing a -WhatIf; 'x' | Things\\Set-Thing",
        lambda call: calls.append((call.invocation_name, call.parameter_set, call.what_if)),
    )

    assert calls == [("set-thing", "Name", True), ("Things\\Set-Thing", "Thing", False)]


# --- the dry pass

OURS = "Set-Thing"
NOT_FOUND = "CommandNotFoundException"
TRANSFORMATION = f"ParameterArgumentTransformationError,{OURS}"


@pytest.mark.parametrize(
    ("line", "errors"),
    [
        ("Set-Thing a; Get-Thing | Set-Thing -List @{Add='x'}", []),
        ("Set-Thing a; nosuch; Set-Thing -Foo", [NOT_FOUND, f"NamedParameterNotFound,{OURS}"]),
        ("Set-Thing -List @(nosuch)", [NOT_FOUND]),
        ("Set-Thing (Get-Thing | nosuch)", [NOT_FOUND]),
        ('"$(nosuch)"', [NOT_FOUND]),
        ("@{a=nosuch}", [NOT_FOUND]),
        ("@{a=1;('a')=2}", ["DuplicateKeyInHashLiteral"]),
        ("Set-Thing (Get-Thing) -List @{Bad=1}", [TRANSFORMATION]),
        ("Set-Thing -List @{Bad=Get-Thing}", [TRANSFORMATION]),
        ("Set-Thing -Name a -Thing b", [f"AmbiguousParameterSet,{OURS}"]),
        ("Set-Thing -ov true", ["VariableNotWritable"]),
        ("Set-Thing nosuch -?", []),
        ("1, 'a'", []),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(line: str, errors: list[str]) -> None:
    assert judge(line) == errors


def test_a_cmdlet_judges_its_values_where_all_are_known() -> None:
    assert judge("Set-Thing wrong") == ["wrong,Set-Thing"]
    assert judge("Set-Thing wrong -List @{Add=Get-Thing}") == []
    assert judge("Set-Thing (Get-Thing)") == []
    assert judge('Set-Thing "$(Get-Thing)"') == []
    assert judge("Set-Thing -List @($(Get-Thing), 1)") == []
    assert judge("Set-Thing wrong -List @(1; 'a')") == ["wrong,Set-Thing"]


def test_the_cause_of_a_judgement_is_kept() -> None:
    (record,) = a_session(lambda _: None, Told()).judge(parse("Set-Thing wrong").script)

    assert isinstance(record.cause, Wrong)
    assert record.message == "the name is wrong"


def test_what_is_no_data_is_refused_by_the_engine_too() -> None:
    (error,) = run("Set-Thing $x")[0].errors

    assert (error.id, error.category) == ("NotData", "ParserError")
