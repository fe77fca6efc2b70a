"""
The same line through both doors: as a text, and as the words that a shell made of it.

Quoted so that every word arrives whole, a line means at the argv door what it means as a
text. Typed as it stands, a shell takes quotes off and tears words apart: what is left means
the same or is refused, and never another grant.
"""

from __future__ import annotations

import shutil
import subprocess
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tenantcfg.powershell import (
    Cmdlet,
    ConsoleHost,
    Hashtable,
    Kind,
    Number,
    Parameter,
    PSListModifier,
    Session,
    parse,
)
from tenantcfg.powershell.argv import ArgvRefusal, ParameterKind, parse_words
from tenantcfg.powershell.binding import matching
from tenantcfg.powershell.records import StatementFailed
from tenantcfg.powershell.tree import Extent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenantcfg.powershell import Invocation, Parsed

SET = "Set-CsApplicationMeetingConfiguration"
LIST = "-AllowRemoveParticipantAppIds"

# What became of a line: its name, and the values that were bound or the error's id.
Effect = tuple[str, object]


def effect_of(parsed: Parsed) -> Effect:
    """What a line does: the values that it binds, or the id of its first error."""
    calls: list[dict[str, object]] = []

    def keep(call: Invocation) -> None:
        calls.append({name: plain(value) for name, value in call.bound.items()})

    if parsed.unsupported:
        return "refused", "it is no data"
    if parsed.errors:
        return "error", parsed.errors[0].id
    outcome = Session([a_cmdlet(keep)], a_host()).run(parsed.script)
    if outcome.errors:
        return "error", outcome.errors[0].fqid
    # The cmdlets refuse any other (C8): a word too many is a wrong Identity to them.
    elsewhere = any(call.get("Identity", "Global") != "Global" for call in calls)
    return ("refused", "Identity") if elsewhere else ("bound", calls)


def hear(_: object) -> None:
    """Nobody looks at it."""


def a_host() -> ConsoleHost:
    return ConsoleHost(StringIO(), None, on_object=hear, on_error=hear)


def a_cmdlet(body: Callable[[Invocation], None]) -> Cmdlet:
    return Cmdlet(
        SET,
        (
            Parameter(LIST[1:], Kind.LIST_MODIFIER),
            Parameter("Force", Kind.SWITCH),
            Parameter("Identity", Kind.STRING, sets=("Identity",), position=1),
            Parameter("Reason", Kind.STRING),
            Parameter("ResultSize", Kind.INT, minimum=0),
        ),
        body,
        default_set="Identity",
        supports_should_process=True,
    )


def kind_of(name: str) -> ParameterKind:
    try:
        meant = matching(a_cmdlet(hear), name, Extent(0, 0))
    except StatementFailed:
        return ParameterKind.UNKNOWN
    if meant is None:
        return ParameterKind.UNKNOWN
    if meant.kind is Kind.LIST_MODIFIER:
        return ParameterKind.LIST
    return ParameterKind.SWITCH if meant.is_switch else ParameterKind.VALUE


def plain(value: object) -> object:
    """*value* as something that compares, a number of a bare word as the text that it was."""
    match value:
        case Number():
            return value.typed if value.typed is not None else value
        case PSListModifier():
            return {
                key: [plain(item) for item in items]
                for key, items in (
                    ("add", value.add),
                    ("remove", value.remove),
                    ("replace", value.replace),
                )
            }
        case Hashtable():
            return [(plain(key), plain(item)) for key, item in value.items()]
        case tuple():
            return [plain(item) for item in value]
        case _:
            return value


def as_text(line: str) -> Effect:
    return effect_of(parse(line))


def as_words(words: list[str]) -> Effect:
    parsed = parse_words(words, parameters=kind_of)
    if isinstance(parsed, ArgvRefusal):
        return "refused", parsed.message
    return effect_of(parsed)


# -- lines ------------------------------------------------------------------------------

PLAIN = st.from_regex(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,7}", fullmatch=True)
GUIDS = st.uuids().map(str) | st.from_regex(
    r"[0-9]{8}-[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{12}", fullmatch=True
)
ODD = st.text("ab1 ,;=@{}()$'\"`#|&<>!~*?[]\\%:+^é–“‘\n-", min_size=1, max_size=6)
BLANKS = st.sampled_from(["", "", " ", "  "])
ASIDES = st.sampled_from(["", "", "", " <# } ; ' #>", " # don't { } ;\n", "\n"])


def double(text: str) -> str:
    return '"' + "".join("`" + one if one in '$`"“”„' else one for one in text) + '"'


def single(text: str) -> str:
    return "'" + "".join(one * 2 if one in "'‘’‚‛" else one for one in text) + "'"


def here(text: str) -> str:
    return single(text) if "\n" in text else f"@'\n{text}\n'@"


STRINGS = st.builds(
    lambda quote, text: quote(text),
    st.sampled_from([double, double, single, here]),
    GUIDS | PLAIN | ODD,
)
ITEMS = st.one_of(
    STRINGS,
    STRINGS,
    st.sampled_from(["$null", "$true", '""', "@()"]),
    st.builds("({})".format, STRINGS),
    st.builds("@({}, {})".format, STRINGS, STRINGS),
    st.builds('"$({})"'.format, STRINGS),
)
COMMAS = st.builds("{},{}".format, BLANKS, BLANKS)
VALUES = st.builds(
    lambda items, comma: comma.join(items), st.lists(ITEMS, min_size=1, max_size=3), COMMAS
)
ENTRIES = st.builds(
    "{}{}{}={}{}{}".format,
    ASIDES,
    st.sampled_from(["Add", "Add", "Remove", "Replace", "aDD", '"Remove"', "Foo"]),
    BLANKS,
    BLANKS,
    VALUES,
    ASIDES,
)
TABLES = st.builds(
    lambda entries, end: "@{" + end.join(entries) + "}",
    st.lists(ENTRIES, max_size=3),
    st.sampled_from([";", " ; ", "\n"]),
)
# What one word of a shell is to PowerShell, too: no blanks outside of quotes.
BARE = st.builds(",".join, st.lists(GUIDS | PLAIN | STRINGS, min_size=1, max_size=3))
NAMES = st.sampled_from([LIST, "-Allow", "-a", "–A"])
GRANTS = st.builds(
    lambda name, value, colon: [f"{name}:{value}"] if colon else [name, value],
    NAMES,
    TABLES | TABLES | VALUES | BARE,
    st.booleans(),
)
OTHERS = st.sampled_from(
    [
        *(["-WhatIf"], ["-Confirm:$false"], ["-Confirm:$null"], ["-Force:$true"], ["-wh:0"]),
        *(["-Confirm:1"], ["-Force:1"], ["-Foo"], ["-I"], ["–Foo"], ["-Confirm:x"]),
        *(["-Identity", "Global"], ["-Id", "'Global'"], ["-Reason", "'a b'"], ["-Reason", "5"]),
        *(["-Reason", "-x"], ["-Identity", "-Force"], ["-ea", "Stop,Continue"], ["-ea:Stop"]),
        *(["-ResultSize", "0x10"], ["-ResultSize", "1kb"], ["-ResultSize", "-1"], ["-ov", "x"]),
    ]
)
# Behind -- a text parts -Name:value in two, a shell does not; all of them are refused later.
ENDS = st.sampled_from([[], [], ["--"], ["--", "Global"], ["--", "-x"]])
LINES = st.builds(
    lambda parts, end: [SET, *(word for part in [*parts, end] for word in part)],
    st.lists(GRANTS | OTHERS, min_size=1, max_size=3),
    ENDS,
)


def numbered(effect: Effect) -> bool:
    """Whether a number without its text is in it: in a list only the argv door keeps a text."""
    return "Number(" in repr(effect)


@given(LINES)
@settings(max_examples=400)
def test_words_that_arrive_whole_mean_what_the_text_means(words: list[str]) -> None:
    text, arrived = as_text(" ".join(words)), as_words(words)

    if "bound" in (text[0], arrived[0]) and not numbered(text):
        assert arrived == text, words


# -- through real shells ------------------------------------------------------------------

OPTIONS = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"], "dash": []}
SHELLS = [shell for shell in OPTIONS if shutil.which(shell)]
# A string as people write ids; a shell cannot be seen to take a quote, a $ or a \ out of one.
TAME = st.builds(
    lambda quote, text: quote(text),
    st.sampled_from([double, double, single]),
    GUIDS | PLAIN | st.text("ab1 ;=@{}()#:é[]-", min_size=1, max_size=6),
)
TAME_VALUES = st.builds(
    lambda items, comma: comma.join(items), st.lists(TAME, min_size=1, max_size=3), COMMAS
)
TAME_TABLES = st.builds(
    lambda entries, end: "@{" + end.join(entries) + "}",
    st.lists(
        st.builds(
            "{1}{0}{2}={3}{4}{1}".format,
            st.sampled_from(["Add", "Remove", "Replace"]),
            BLANKS,
            BLANKS,
            BLANKS,
            TAME_VALUES | st.builds("@({})".format, TAME_VALUES),
        ),
        max_size=2,
        unique_by=lambda entry: entry.strip()[:3],
    ),
    st.sampled_from([";", " ; ", "\n"]),
)
TYPED = st.builds(
    lambda name, value, other: f"{SET} {name}{value}{other}",
    st.sampled_from([LIST + " ", LIST + ":"]),
    TAME_TABLES | TAME_TABLES | TAME_VALUES | st.builds("@({})".format, TAME_VALUES),
    st.sampled_from(["", "", " -WhatIf", " -Confirm:$false", " -Identity Global"]),
)


def passed_by(shell: str, lines: list[str], folder: Path) -> list[list[str] | None]:
    """The words that *shell* passes of each line; None where it refuses the line."""
    script = folder / "lines"
    if shell == "fish":
        begin = "function show; printf '%s\\x1f' $argv; printf '\\x1e'; end"
        one = "eval {} 2>/dev/null; printf '\\x1d'"
    else:
        begin = "show() { printf '%s\\037' \"$@\"; printf '\\036'; }"
        one = "(eval {}) 2>/dev/null; printf '\\035'"
    escaped = [f"show {line}".replace("\\", "\\\\").replace("'", "'\\''") for line in lines]
    calls = [one.format(f"'{line}'") for line in escaped]
    script.write_text("\n".join([begin, *calls]), encoding="utf-8")
    ran = subprocess.run(
        [shutil.which(shell) or shell, *OPTIONS[shell], str(script)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=folder,
        # Whatever a line may begin to mean, no command is there to be run.
        env={"PATH": str(folder), "LC_ALL": "C.UTF-8", "HOME": str(folder)},
    )
    answers = ran.stdout.split("\x1d")[:-1]
    assert len(answers) == len(lines), ran.stderr
    return [
        answer.partition("\x1e")[0].split("\x1f")[:-1] if "\x1e" in answer else None
        for answer in answers
    ]


@pytest.mark.parametrize("shell", SHELLS)
@given(st.lists(TYPED, min_size=40, max_size=40))
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_what_a_shell_leaves_never_means_another_grant(
    shell: str, tmp_path: Path, lines: list[str]
) -> None:
    for line, words in zip(lines, passed_by(shell, lines, tmp_path), strict=True):
        if words is None or words[:1] != [SET]:
            continue
        arrived = as_words(words)
        if arrived[0] == "bound" and not lost_without_a_trace(shell, line):
            assert arrived == as_text(line), (line, words)


def lost_without_a_trace(shell: str, line: str) -> bool:
    """Whether fish takes a whole word away and leaves nothing to see (cmdlets H)."""
    return shell == "fish" and ("$" in line or "@(" in line or ":(" in line)
