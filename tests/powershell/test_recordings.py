"""
What a real PowerShell engine did with some thousand lines, and what we do with them.

Three counts for each folder of recordings, equal and not: the effect (refused or not; what
was bound, said, asked and written), the ids of the errors, and message, category and place of
the first one. There is no list of excused lines. Any folder:

    python tests/powershell/test_recordings.py --recordings DIR
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if __name__ == "__main__":
    # Run by its path: pytest finds the checkout, whether it is installed or not.
    sys.exit(pytest.main(["-q", "-p", "no:randomly", __file__, *sys.argv[1:]]))

from tenantcfg.powershell import (
    ActionPreference,
    Category,
    Choice,
    Cmdlet,
    ErrorRecord,
    Invocation,
    Kind,
    Number,
    Parameter,
    PSListModifier,
    PSObject,
    Session,
    parse,
)
from tenantcfg.powershell.values import to_string, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tenantcfg.powershell import Outcome, Parsed, ParseError, Value

Recorded: TypeAlias = Any  # as JSON has it

HERE = Path(__file__).parent
OURS = HERE / "recordings"
SET = "Set-CsApplicationMeetingConfiguration"
GET = "Get-CsApplicationMeetingConfiguration"
START = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222")
WIDTH = 120

SET_PARAMETERS = (
    Parameter("AllowRemoveParticipantAppIds", Kind.LIST_MODIFIER),
    Parameter("Force", Kind.SWITCH),
    Parameter("Identity", Kind.STRING, sets=("Identity",), position=1),
    Parameter("Instance", Kind.OBJECT, sets=("Instance",), by_value=True),
)
GET_PARAMETERS = (
    Parameter("Identity", Kind.STRING, sets=("Identity",), position=1),
    Parameter("LocalStore", Kind.SWITCH),
    Parameter("Filter", Kind.STRING, sets=("Filter",)),
)
SET_EXTENSIONS = (
    *(
        Parameter(name, Kind.STRING, extension=True)
        for name in ("Tenant", "Reason", "OnBehalfOf", "ExpiresAt", "ExpiresIn")
    ),
    Parameter("PassThru", Kind.SWITCH, extension=True),
)
GET_EXTENSIONS = tuple(Parameter(n, Kind.STRING, extension=True) for n in ("Tenant", "AsOf"))
NAMES_EXTENSION = re.compile(
    r"(?i)[-–—―](Tenant|Reason|OnBehalfOf|ExpiresAt|ExpiresIn|PassThru|AsOf)\b"
)

IN_SCOPE = frozenset(
    "ScriptBlockAst NamedBlockAst StatementBlockAst PipelineAst CommandAst CommandParameterAst "
    "CommandExpressionAst StringConstantExpressionAst StringConstantExpressionAst:HereString "
    "ExpandableStringExpressionAst ConstantExpressionAst VariableExpressionAst ArrayLiteralAst "
    "ArrayExpressionAst SubExpressionAst ParenExpressionAst HashtableAst ErrorStatementAst "
    "ErrorExpressionAst".split()
)


# --- what the recorder had: its two cmdlets and its host


@dataclass(slots=True)
class Recorder:
    """A host that answers as the line says, and writes down what it is told."""

    answers: list[str]
    calls: list[dict[str, Any]] = field(default_factory=list)
    host: list[dict[str, str]] = field(default_factory=list)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    verbose_texts: list[str] = field(default_factory=list)

    def write_object(self, value: Value) -> None:
        """Objects are in the outcome."""

    def error(self, record: ErrorRecord) -> None:
        """Errors are in the outcome."""

    def out_line(self, text: str) -> None:
        self.host.append({"stream": "out", "text": text})

    def verbose(self, text: str) -> None:
        self.host.append({"stream": "verbose", "text": text})
        self.verbose_texts.append(text)

    def warning(self, text: str) -> None:
        raise AssertionError(text)

    debug = information = warning

    def suspend(self) -> None:
        self.host.append({"stream": "nested-prompt", "text": "enter"})

    def prompt_for_choice(
        self, caption: str, message: str, choices: Sequence[Choice], default: int
    ) -> int:
        reply = self.answers.pop(0).lower() if self.answers else ""
        names = [(choice.key.lower(), choice.text.lower()) for choice in choices]
        answer = next((i for i, name in enumerate(names) if reply in name), default)
        self.prompts.append(
            {
                "caption": caption,
                "message": message,
                "choices": [{"label": one.label, "help": one.help} for one in choices],
                "default": default,
                "answer": answer,
            }
        )
        return answer

    def cmdlets(self, *, extended: bool) -> tuple[Cmdlet, Cmdlet]:
        return (
            Cmdlet(
                SET,
                SET_PARAMETERS + (SET_EXTENSIONS if extended else ()),
                self._set,
                default_set="Identity",
                supports_should_process=True,
            ),
            Cmdlet(
                GET,
                GET_PARAMETERS + (GET_EXTENSIONS if extended else ()),
                self._get,
                default_set="Identity",
            ),
        )

    def _set(self, call: Invocation) -> None:
        self._note(call, should_process=call.should_process("Global"))

    def _get(self, call: Invocation) -> None:
        self._note(call, should_process=None)
        call.write(
            PSObject(
                "PsGolden.ApplicationMeetingConfiguration",
                {"Identity": "Global", "AllowRemoveParticipantAppIds": START},
            )
        )

    def _note(self, call: Invocation, *, should_process: bool | None) -> None:
        self.calls.append(
            {
                "command": call.cmdlet.name,
                "invocationName": call.invocation_name,
                "parameterSet": call.parameter_set,
                "bound": {name: as_recorded(value) for name, value in call.bound.items()},
                "shouldProcess": should_process,
            }
        )


def as_recorded(value: Value) -> Recorded:
    """A bound value as the recordings have it."""
    return value if isinstance(value, bool) else as_item(value)


def as_item(value: Value) -> Recorded:
    """A value among others as the recordings have it."""
    match value:
        case None | str():
            return value
        case bool() | ActionPreference() | int():
            return {"type": type_name(value), "text": str(value)}
        case PSListModifier():
            return {
                "type": str(value),
                "add": [as_item(item) for item in value.add],
                "remove": [as_item(item) for item in value.remove],
                "replace": [as_item(item) for item in value.replace],
                "applied": [
                    None if item == {"type": _OBJECT, "text": ""} and not _is_object(raw) else item
                    for raw in value.apply_to(START)
                    for item in [as_item(raw)]
                ],
            }
        case PSObject():
            return {"type": type_name(value), "text": ""}
        case Number():
            return {"type": value.type_name, "text": value.shown}
        case _:
            return {"type": type_name(value), "text": to_string(value)}


_OBJECT = "System.Management.Automation.PSCustomObject"


def _is_object(value: Value) -> bool:
    return isinstance(value, PSObject)


def as_output(value: Value) -> dict[str, str] | None:
    """An object that came out, as the recordings have it."""
    if value is None:
        return None
    if isinstance(value, PSObject):
        return {"type": value.type_name, "text": str(value)}
    return {"type": type_name(value), "text": to_string(value)}


# --- comparing


@dataclass(frozen=True, slots=True)
class Verdict:
    """What of a record is equal; None: the record is left aside for this measure."""

    effect: bool | None = None
    error_id: bool | None = None
    first_error: bool | None = None


ASIDE = Verdict()


def compare(record: Mapping[str, Any], *, extended: bool = False) -> Verdict:
    """*record*, run by us and compared."""
    text = record["input"]
    if is_aside(record) or (extended and NAMES_EXTENSION.search(text)):
        return ASIDE
    parsed = parse(text)
    recorder = Recorder(answers_of(text))
    session = Session(recorder.cmdlets(extended=extended), recorder)
    if not in_scope(record):
        return Verdict(effect=is_refused(parsed, session))
    if record["parseErrors"] or parsed.errors:
        return compare_parse(record, parsed)
    if parsed.unsupported:
        return Verdict(effect=False, error_id=False, first_error=False)
    return compare_run(record, recorder, session.run(parsed.script))


def compare_parse(record: Mapping[str, Any], parsed: Parsed) -> Verdict:
    recorded, ours = record["parseErrors"], parsed.errors
    if not recorded or not ours:
        return Verdict(effect=False, error_id=False, first_error=False)
    first, error = recorded[0], ours[0]
    place = (units(record["input"], error.extent.start), units(record["input"], error.extent.end))
    same = (error.message, *place) == (first["message"], first["start"], first["end"])
    shown = (
        first["incomplete"] or rendered(error, record["input"]) == record["terminating"]["rendered"]
    )
    return Verdict(effect=True, error_id=error.id == first["id"], first_error=same and shown)


def rendered(error: ParseError, text: str) -> str:
    """A parse error as it is shown; of an incomplete text the recorder showed nothing."""
    record = ErrorRecord(error.id, Category.PARSER_ERROR, error.message, extent=error.extent)
    return record.render(text, WIDTH)


def compare_run(record: Mapping[str, Any], recorder: Recorder, outcome: Outcome) -> Verdict:
    text, terminating = record["input"], record["terminating"]
    errors = [*record["errors"], *([terminating] if terminating else [])]
    ours = [*outcome.errors, *([outcome.terminating] if outcome.terminating else [])]
    same_ids = [error["fqid"] for error in errors] == [error.fqid for error in ours]
    if record.get("varies"):
        return Verdict(effect=None, error_id=same_ids)
    effect = {
        "refused": bool(errors),
        "calls": without_string_list(record["calls"]),
        "host": record["host"],
        "verbose": record["verbose"],
        "prompts": record["prompts"],
        "output": record["output"],
    }
    same_effect = effect == {
        "refused": bool(ours),
        "calls": recorder.calls,
        "host": recorder.host,
        "verbose": recorder.verbose_texts,
        "prompts": recorder.prompts,
        "output": [as_output(value) for value in outcome.objects],
    }
    same_first = bool(errors) == bool(ours) and (not errors or same_error(errors[0], ours[0], text))
    return Verdict(same_effect, same_ids, same_first)


def same_error(recorded: Mapping[str, Any], ours: ErrorRecord, text: str) -> bool:
    ours_too = {
        "category": ours.category,
        "reason": ours.reason,
        "message": ours.message,
        "target": ours.target,
        # The recorder's terminal swallowed carriage returns.
        "rendered": ours.render(text, WIDTH).replace("\r", "").strip(),
    }
    theirs = {name: recorded[name] for name in ours_too}
    theirs["rendered"] = theirs["rendered"].strip()
    return ours_too == theirs


def in_scope(record: Mapping[str, Any]) -> bool:
    variables = {name.lower() for name in record["variables"]}
    return (
        IN_SCOPE.issuperset(record["nodes"])
        and variables <= {"true", "false", "null"}
        and not record["engineCommands"]
    )


def is_aside(record: Mapping[str, Any]) -> bool:
    """Whether *record* shows help or names a module: ours knows it, the recorder did not."""
    shows_help = any(one and one["type"] == "ExtendedCmdletHelpInfo" for one in record["output"])
    return shows_help or "microsoftteams\\" in record["input"].lower()


def is_refused(parsed: Parsed, session: Session) -> bool:
    """Whether the doors refuse the text before anything of it runs."""
    return bool(parsed.unsupported or parsed.errors or session.judge(parsed.script))


def answers_of(text: str) -> list[str]:
    found = re.search(r"#\s*answers:\s*(.*)$", text)
    return [answer.strip() for answer in found[1].split(",")] if found else []


def units(text: str, place: int) -> int:
    """*place*, counted in UTF-16 units as the recordings do; it may lie behind the end."""
    return place + sum(char > "\uffff" for char in text[:place])


def without_string_list(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """*calls* without the second application of a modifier, which is .NET's list of strings."""
    return [
        {**call, "bound": {name: _plain(value) for name, value in call["bound"].items()}}
        for call in calls
    ]


def _plain(value: Recorded) -> Recorded:
    if not isinstance(value, dict):
        return value
    return {name: part for name, part in value.items() if name != "appliedToStrings"}


def records(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if "parseErrors" in record:
                yield record


def tally(folder: Path, *, extended: bool) -> tuple[Counter[tuple[str, bool]], list[str]]:
    """Equal and not, by measure; and the lines that differ."""
    counts: Counter[tuple[str, bool]] = Counter()
    different = []
    for record in records(folder):
        verdict = compare(record, extended=extended)
        for measure in MEASURES:
            equal = getattr(verdict, measure)
            if equal is not None:
                counts[measure, equal] += 1
                if not equal:
                    different.append(f"{measure}: {record['input']!r}")
    return counts, different


MEASURES = ("effect", "error_id", "first_error")


# --- the tests


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.config.getoption("--recordings", default=None) or OURS)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    def say_it(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(text + "\n")

    return say_it


@pytest.mark.parametrize("extended", [False, True], ids=["real", "with our own parameters"])
def test_lines_do_what_they_do_in_powershell(
    folder: Path, say: Callable[[str], None], *, extended: bool
) -> None:
    counts, different = tally(folder, extended=extended)

    say(f"\n{folder.name}, {'with our own parameters' if extended else 'the real parameters'}:")
    for measure in MEASURES:
        say(f"  {measure}: {counts[measure, True]} equal, {counts[measure, False]} not")
    assert different == []


def test_what_the_dry_pass_tells_is_what_the_run_finds(folder: Path) -> None:
    for record in records(folder):
        parsed = parse(record["input"])
        if parsed.errors or parsed.unsupported:
            continue
        recorder = Recorder(answers_of(record["input"]))
        session = Session(recorder.cmdlets(extended=False), recorder)

        told = [error.fqid for error in session.judge(parsed.script)]

        assert recorder.calls == []
        outcome = session.run(parsed.script)
        found = iter([error.fqid for error in outcome.errors])
        assert all(error in found for error in told), record["input"]
