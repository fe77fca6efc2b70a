"""
No text, however broken, ends in a traceback: it is parsed, judged and run.

Some thousand texts each time, others every time; more of them with ``--lines 100000``.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantcfg.powershell import (
    Cmdlet,
    Kind,
    Parameter,
    PromptUnavailable,
    PSObject,
    Session,
    parse,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantcfg.powershell import Choice, ErrorRecord, Invocation, Value

BATCH = 1000
LINES = 4 * BATCH
SET = "Set-CsApplicationMeetingConfiguration"
GET = "Get-CsApplicationMeetingConfiguration"
RECORDED = [
    json.loads(line)["input"]
    for name in ("lines", "fuzz")
    for line in (Path(__file__).parent / "recordings" / f"{name}.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
PIECES = [
    *(SET, GET, "CsApplicationMeetingConfiguration", "nosuch", "-AllowRemoveParticipantAppIds"),
    *("-A", "-Identity", "-I", "-Instance", "-Force", "-WhatIf", "-Confirm", "-ea", "-ErrorAction"),
    *("-OutBuffer", "-ov", "-Filter", "-?", "--", "--%", "-Identity:", "-Confirm:", "Stop", "Sil"),
    *("@{", "}", "@(", "$(", "(", ")", "{", "[", "]", ",", ";", "|", "||", "&&", "&", "=", ":"),
    *("Add", "Remove", "Replace", '"', "'", "`", "@'\n", "\n'@", '@"\n', '\n"@', "#", "<#", "#>"),
    *("$true", "$null", "${false}", "$x", "$", "@", "0x10", "1.5", "1kb", "1e400", "-1", "99999"),
    *("\n", "\r\n", "\r", "\t", " ", "\0", "\u2028", "–", "“", "‘", "é", "日本", "🎉", "\ud800"),
    *(">", "2>&1", "<", "if", "foreach", "function", "class", "..", "+", "::", "%", "?", "`u{41}"),
]


class Deaf:
    """A host that hears everything and answers as it likes."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def write_object(self, value: Value) -> None:
        str(value)

    def out_line(self, text: str) -> None:
        """Hear it."""

    verbose = warning = debug = information = out_line

    def error(self, record: ErrorRecord) -> None:
        assert record.fqid

    def suspend(self) -> None:
        """Go on."""

    def prompt_for_choice(
        self, caption: str, message: str, choices: Sequence[Choice], default: int
    ) -> int:
        assert (caption, message, default) == ("Confirm", message, 0)
        if self._dice.random() < 0.1:
            raise PromptUnavailable
        return self._dice.randrange(len(choices))


def set_(call: Invocation) -> None:
    call.should_process("Global")


def get(call: Invocation) -> None:
    call.write(PSObject("X", {"Identity": "Global", "Ids": ("a",)}))


CMDLETS = (
    Cmdlet(
        SET,
        (
            Parameter("AllowRemoveParticipantAppIds", Kind.LIST_MODIFIER),
            Parameter("Force", Kind.SWITCH),
            Parameter("Identity", Kind.STRING, sets=("Identity",), position=1),
            Parameter("Instance", Kind.OBJECT, sets=("Instance",), by_value=True),
            Parameter("ResultSize", Kind.INT, minimum=0),
            Parameter("Tokens", Kind.STRING_ARRAY),
        ),
        set_,
        default_set="Identity",
        supports_should_process=True,
    ),
    Cmdlet(GET, (Parameter("Identity", Kind.STRING, position=1),), get),
)


def a_dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  what it throws need not be secret


def pieced(dice: random.Random) -> str:
    """Pieces of the language in any order."""
    blank = dice.choice(["", " ", " "])
    return blank.join(dice.choices(PIECES, k=dice.randint(1, 25)))


def damaged(dice: random.Random) -> str:
    """A recorded line with some characters taken out, put in or moved."""
    text = list(dice.choice(RECORDED))
    for _ in range(dice.randint(1, 4)):
        place = dice.randint(0, len(text))
        change = dice.random()
        if change < 0.4:
            del text[place : place + dice.randint(1, 3)]
        elif change < 0.8:
            text.insert(place, dice.choice(PIECES))
        else:
            text[place:place] = text[: dice.randint(0, 20)]
    return "".join(text)


def nested(dice: random.Random) -> str:
    """Brackets in brackets, deeper than anyone types."""
    depth = dice.randint(1, 60)
    opening, closing = dice.choice(
        [("@(", ")"), ("$(", ")"), ("(", ")"), ("@{a=", "}"), ('"$(', ')"')]
    )
    return dice.choice(["", f"{SET} "]) + opening * depth + "1" + closing * depth


def try_out(text: str, dice: random.Random) -> None:
    parsed = parse(text)
    session = Session(CMDLETS, Deaf(dice))
    for record in session.judge(parsed.script):
        record.render(text, 80)
    try:
        outcome = session.run(parsed.script)
    except PromptUnavailable:
        return
    for record in outcome.errors:
        assert record.render(text, 80).endswith("\n")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """As many batches as lines are asked for, so that none takes longer than a test may."""
    if "batch" in metafunc.fixturenames:
        lines = metafunc.config.getoption("--lines", default=None) or LINES
        metafunc.parametrize("batch", range(-(-lines // BATCH)))


def test_no_text_ends_in_a_traceback(batch: int) -> None:
    seed = random.SystemRandom().randrange(10**9)
    dice = a_dice(seed)
    for number in range(BATCH):
        kinds = [pieced, damaged, nested] if number % 50 == 0 else [pieced, damaged]
        text = dice.choice(kinds)(dice)
        try:
            try_out(text, dice)
        except Exception as why:
            why.add_note(f"the text (batch {batch}, seed {seed}, number {number}): {text!r}")
            raise


def test_a_printed_value_parsed_again_is_the_same_value() -> None:
    dice = a_dice(7)
    for _ in range(500):
        value = "".join(dice.choices("ab'\"`$@{}()#; \n\té日🎉“‘-", k=dice.randint(0, 12)))
        quoted = "'" + "".join(c * 2 if c in "'‘’‚‛" else c for c in value) + "'"

        (statement,) = parse(quoted).script.statements

        outcome = Session((), Deaf(dice)).run_statement(statement)
        assert outcome.objects == (value,)


@pytest.mark.parametrize("text", ["", "\n", ";;", "# nothing", "\ufeff", "\0"])
def test_a_text_without_statements_is_no_error_in_running(text: str) -> None:
    try_out(text, a_dice(1))
