"""
Section 8 of the cmdlets' rules, row by row, as the product should treat it.

Every row starts from the list [1..., 2...] at revision 3. The number is the row's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.cli.program import APP, APPS, GET, ONE, SET, TWO, Said, apps, revision, run

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "00000000-0000-4000-8000-00000000000b"
DIGITS = "33333333-3333-3333-3333-333333333333"


class Becomes(NamedTuple):
    """The list afterwards; what standard error says, where it matters."""

    apps: list[str]
    says: str = ""


class Refused(NamedTuple):
    """Exit code 2, nothing changed, and this on standard error."""

    says: str


class Asks(NamedTuple):
    """Exit code 5 and nothing changed where nobody answers; with -Force the list becomes this."""

    apps: list[str]


SAME = Becomes([ONE, TWO])
ADDED = Becomes([ONE, TWO, APP])
UNKNOWN_KEY = "The following unknown list modifier was detected: '{}'."
NOT_FOUND = "A parameter cannot be found that matches parameter name '{}'."
EXTRA = "A positional parameter cannot be found that accepts argument '{}'."
SETS = "Parameter set cannot be resolved using the specified named parameters."

Outcome = Becomes | Refused | Asks

# What stands behind the list parameter. The same at both doors.
VALUES: dict[int, tuple[str, Outcome]] = {
    1: (f'@{{Add="{APP}"}}', ADDED),
    2: (f'@{{Remove="{ONE}"}}', Becomes([TWO])),
    3: (f'@{{Replace="{APP}"}}', Asks([APP])),
    4: (f'@{{aDd="{APP}"}}', ADDED),
    5: (f'@{{Add="{APP}";Remove="{ONE}"}}', Becomes([TWO, APP])),
    6: (f'@{{Remove="{ONE}";Add="{ONE}"}}', SAME),
    7: (f'@{{Add="{ONE}"}}', SAME),
    8: (f'@{{Remove="{APP}"}}', SAME),
    9: (f'@{{Add="{APP}";Replace="{OTHER}"}}', Refused("Replace")),
    10: ("@{Replace=@()}", Becomes([ONE, TWO], "$null")),
    11: (f'@{{Add="{APP}";Replace=@()}}', ADDED),
    12: ("@{}", SAME),
    13: ("@{Add=$null}", Refused("null")),
    14: ('@{Add=""}', Refused("empty")),
    15: (f'@{{Foo="{APP}"}}', Refused(UNKNOWN_KEY.format("Foo"))),
    16: (f'@{{Ad="{APP}"}}', Refused(UNKNOWN_KEY.format("Ad"))),
    17: (f'@{{"Add "="{APP}"}}', Refused(UNKNOWN_KEY.format("Add "))),
    18: (f'@{{Add="{APP}";add="b"}}', Refused("Duplicate keys 'add'")),
    23: ('@{Add="a" "b"}', Refused("""Unexpected token '"b"'""")),
    24: ("@{Add=}", Refused("Missing statement after '=' in hash literal.")),
    25: ("@{Add}", Refused("Missing '=' operator after key in hash literal.")),
    26: (f'@{{Add="{APP}"', Refused("Missing closing '}'")),
    27: (f'{{Add="{APP}"}}', Refused("@{")),
    28: (f'([ordered]@{{Add="{APP}"}})', Refused("[ordered]")),
    29: (f'"{APP}"', Asks([APP])),
    30: (f'@("{APP}","{OTHER}")', Asks([APP, OTHER])),
    31: ("@()", Becomes([ONE, TWO], "$null")),
    32: ("$null", Asks([])),
    72: ('@{Add=@("a",$null)}', Refused("null")),
    73: ("@{Add='it''s'}", Becomes([ONE, TWO, "it's"])),
    74: ('@{Add="a`"b"}', Becomes([ONE, TWO, 'a"b'])),
    75: ('@{Add="$true"}', Becomes([ONE, TWO, "True"])),
    76: ("@{Add='$true'}", Becomes([ONE, TWO, "$true"])),
    79: ("@{Add=“a”}", Becomes([ONE, TWO, "a"])),
}

# The rest of a line behind a cmdlet's name; only what a text can say.
LINES: dict[int, tuple[str, Outcome]] = {
    19: (f"S P @{{Add={APP}}}", Refused(f"The term '{APP}' is not recognized")),
    20: (f"S P @{{Add={DIGITS}}}", Refused("-")),
    21: ("S P @{Add=a,b}", Refused("Missing argument in parameter list.")),
    22: ('S P @{Add="a",b}', Refused("Missing expression after ','.")),
    33: (f'S P "{APP}" "{OTHER}"', Refused(OTHER)),
    34: ("S P", Refused("Missing an argument for parameter 'AllowRemoveParticipantAppIds'.")),
    35: ("S P -WhatIf", Refused("Missing an argument for parameter")),
    36: ("S P -Bogus", Refused("-Bogus")),
    37: (f'S -Allow @{{Add="{APP}"}}', ADDED),
    38: ('S P @{Add="a"} P @{Add="b"}', Refused("is specified more than once")),
    39: (f'S P:@{{Add="{APP}"}}', ADDED),
    40: ("S -Foo", Refused(NOT_FOUND.format("Foo"))),
    41: ("S -Identity=Global", Refused(NOT_FOUND.format("Identity=Global"))),
    42: ("S --Identity Global", Refused("-Identity")),
    43: ("S -I Global", Refused("the parameter name 'I' is ambiguous.")),
    45: ("S -In x", Refused("-Instance")),
    46: ("S -Confirm $false", Refused("-Confirm:$false")),
    47: ("S -Confirm:$false", SAME),
    48: ("S -Confirm:", Refused("Parameter -Confirm: requires an argument.")),
    49: (f'S P @{{Add="{APP}"}} -Confirm:$null', Asks([ONE, TWO])),
    50: (f'S P "{APP}" -Force:$null', Asks([ONE, TWO])),
    51: ("S -Force:x", Refused("argument transformation on parameter 'Force'.")),
    52: ("S -Confirm:x", Refused("Cannot convert 'System.String' to the type")),
    53: ("S -Identity Global -Instance x", Refused(SETS)),
    54: ("S -Instance x Global", Refused(EXTRA.format("Global"))),
    61: (f'S @{{Add="{APP}"}}', Refused(APPS)),
    62: ("S", SAME),
    69: ("S -ErrorAction Sil", SAME),
    70: ("S -ErrorAction X", Refused("Cannot bind parameter 'ErrorAction'.")),
    77: (f'S P @{{Add="{APP}"}} # note', ADDED),
    78: ("S –Identity Global", SAME),
    80: ("S -Foo P @{Bad=1}", Refused(UNKNOWN_KEY.format("Bad"))),
}

GETS: dict[int, tuple[str, str]] = {
    44: ("G -I Global", ""),
    55: ("G -Identity Global -Filter g*", SETS),
    56: ("G Global", ""),
    57: ("G Global x", EXTRA.format("x")),
    58: ("G -WhatIf", NOT_FOUND.format("WhatIf")),
    59: ("G -Confirm:$false", NOT_FOUND.format("Confirm")),
    60: ("G a,b", "Cannot convert value to type System.String."),
}

# What the door of a shell's words forgives (G3, H2, H3): quotes that the shell ate.
WORDS: dict[str, tuple[str, Outcome]] = {
    "19": (f"@{{Add={APP}}}", ADDED),
    "20": (f"@{{Add={DIGITS}}}", Becomes([ONE, TWO, DIGITS])),
    "21": ("@{Add=a,b}", Becomes([ONE, TWO, "a", "b"])),
    "22": ('@{Add="a",b}', Becomes([ONE, TWO, "a", "b"])),
    "30": (f"{APP},{OTHER}", Asks([APP, OTHER])),
    "29": (APP, Asks([APP])),
    "blank": ("@{ Add = a }", Becomes([ONE, TWO, "a"])),
    "two keys": (f"@{{Add=a;Remove={ONE}}}", Becomes([TWO, "a"])),
    "array": (f"@{{Add=@(a,{APP})}}", Becomes([ONE, TWO, "a", APP])),
}


def spelled(line: str) -> str:
    """*line* with S, G and P written out."""
    names = {"S": SET, "G": GET, "P": APPS}
    return re.sub(r"(?<![\w\"'-])[SGP](?=[ :]|$)", lambda found: names[found[0]], line)


def judge(said: Said, outcome: Outcome) -> None:
    """Whether a line that was run once, from the start list, came to *outcome*."""
    match outcome:
        case Becomes(expected, says):
            assert said.code == 0, said.err
            assert apps() == expected
            assert says in said.err
            assert (revision() == 3) == (expected == [ONE, TWO])
        case Refused(says):
            assert said.code == 2, said.err
            assert says in said.err
            assert (said.out, apps(), revision()) == ("", [ONE, TWO], 3)
        case Asks():
            assert said.code == 5, said.err
            assert (said.out, apps(), revision()) == ("", [ONE, TWO], 3)


@pytest.mark.parametrize("row", VALUES)
def test_a_value_in_a_text_comes_to(row: int, two_apps: Path) -> None:
    value, outcome = VALUES[row]
    judge(run("-Command", f"{SET} {APPS} {value}"), outcome)
    if isinstance(outcome, Asks):
        judge(run("-Command", f"{SET} {APPS} {value} -Force"), Becomes(outcome.apps))


@pytest.mark.parametrize("row", VALUES)
def test_a_value_that_is_one_word_of_a_shell_comes_to_the_same(row: int, two_apps: Path) -> None:
    value, outcome = VALUES[row]
    judge(run(SET, APPS, value), outcome)
    if isinstance(outcome, Asks):
        judge(run(SET, APPS, value, "-Confirm:$false"), Becomes(outcome.apps))


@pytest.mark.parametrize("row", LINES)
def test_a_line_of_set_in_a_text_comes_to(row: int, two_apps: Path) -> None:
    line, outcome = LINES[row]
    judge(run("-Command", spelled(line)), outcome)


@pytest.mark.parametrize("row", GETS)
def test_a_line_of_get_in_a_text_comes_to(row: int, two_apps: Path) -> None:
    line, says = GETS[row]
    got = run("-Command", spelled(line))
    assert got.code == (2 if says else 0)
    assert says in got.err
    assert (ONE in got.out) == (not says)


@pytest.mark.parametrize("row", WORDS)
def test_quotes_that_a_shell_ate_are_forgiven_in_its_words_only(row: str, two_apps: Path) -> None:
    value, outcome = WORDS[row]
    judge(run(SET, APPS, value), outcome)
    if isinstance(outcome, Asks):
        judge(run(SET, APPS, value, "-Force"), Becomes(outcome.apps))


@pytest.mark.parametrize("dash", "–—―")
def test_row_36_holds_for_a_dash_that_a_word_processor_made(dash: str, two_apps: Path) -> None:
    line = [SET, APPS, f"{dash}PassThruu", "-Force"]
    judge(run("-Command", " ".join(line)), Refused("it looks like a parameter"))
    judge(run(*line), Refused("it looks like a parameter"))


def test_rows_63_64_and_71_what_if_prints_powershells_line_in_canonical_case(
    two_apps: Path,
) -> None:
    what_if = f'What if: Performing the operation "{SET}" on target "Global".'
    line = f"""{SET} {APPS} @{{Add="{APP}"}}"""
    for written in (
        f"{line} -WhatIf",
        f"{line} -WhatIf -Confirm",
        f"{line.lower()} -wi",
        f"{SET.lower()} -whatif",
    ):
        done = run("-Command", written)
        assert (done.code, done.lines[0]) == (0, what_if), done.err
    assert (apps(), revision()) == ([ONE, TWO], 3)


def test_row_65_verbose_says_what_is_performed(two_apps: Path) -> None:
    done = run("-Command", f"""{SET} {APPS} @{{Add="{APP}"}} -Verbose""")
    assert done.code == 0
    assert f'VERBOSE: Performing the operation "{SET}" on target "Global".' in done.err
    assert done.out == ""
    assert apps() == [ONE, TWO, APP]


@pytest.mark.parametrize("word", ["-Confirm:false", "-Confirm:False", "-Confirm:$false"])
def test_row_52_a_switchs_false_typed_to_please_a_shell_is_false(word: str, two_apps: Path) -> None:
    done = run(SET, APPS, APP, word)
    assert (done.code, apps()) == (0, [APP])


@pytest.mark.parametrize("word", ["-Confirm:true", "-Confirm:$true", "-Confirm"])
def test_row_52_a_switchs_true_typed_to_please_a_shell_is_true(word: str, two_apps: Path) -> None:
    done = run(SET, APPS, f"@{{Add={APP}}}", word)
    assert (done.code, apps()) == (5, [ONE, TWO])
