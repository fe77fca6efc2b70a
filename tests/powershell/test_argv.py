"""The argv door: what each shell leaves of a line, and what becomes of it (cmdlets H)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantcfg.powershell.argv import ArgvRefusal, ParameterKind, parse_words, quoted
from tenantcfg.powershell.syntax import Parsed, parse
from tenantcfg.powershell.tree import (
    ArrayLiteral,
    Command,
    CommandParameter,
    Extent,
    Hashtable,
    StringConstant,
    StringKind,
    Variable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SET = "Set-CsApplicationMeetingConfiguration"
LIST = "-AllowRemoveParticipantAppIds"
SWITCHES = ("force", "whatif", "confirm", "verbose", "debug")
VALUES = ("identity", "instance", "reason")


def kind_of(name: str) -> ParameterKind:
    name = name.lower()
    if LIST[1:].lower().startswith(name):
        return ParameterKind.LIST
    if name in SWITCHES:
        return ParameterKind.SWITCH
    return ParameterKind.VALUE if name in VALUES else ParameterKind.UNKNOWN


def read(*words: str) -> Parsed | ArgvRefusal:
    return parse_words([SET, *words], parameters=kind_of)


def source(*words: str) -> str:
    """What the words are as PowerShell source, behind the command's name."""
    parsed = read(*words)
    assert isinstance(parsed, Parsed), parsed
    assert (parsed.errors, parsed.unsupported) == ((), ())
    (statement,) = parsed.script.statements
    (command,) = statement.elements
    assert isinstance(command, Command)
    assert parsed == parse(parsed.script.text)
    return parsed.script.text[len(SET) + 1 :]


def refusal(*words: str) -> ArgvRefusal:
    refused = read(*words)
    assert isinstance(refused, ArgvRefusal), refused
    assert refused.message
    assert refused.hint
    return refused


CUT = "Missing closing '}' in statement block or type definition."
PASTE = f'{SET} {LIST} \'@{{Add="a","b"}}\''

# What arrived behind the list parameter -> what it means.
ACCEPTED = [
    (['@{Add="a","b"}'], '@{Add="a","b"}'),
    (["@{Add='a','b'}"], "@{Add='a','b'}"),
    (["@{Add=a}"], "@{Add='a'}"),
    (["@{Add=app_id}"], "@{Add='app_id'}"),
    (["@{Add=a,b}"], "@{Add='a','b'}"),
    (["@{Add=a;Remove=b}"], "@{Add='a';Remove='b'}"),
    (["@{ Add = a }"], "@{ Add = 'a' }"),
    (["@{", "Add", "=", "a", "}"], "@{ Add = 'a' }"),
    (["@{", "Add", "=", "a,", "b", "}"], "@{ Add = 'a', 'b' }"),
    (["@{\nAdd=a\n}"], "@{\nAdd='a'\n}"),
    (["@{}"], "@{}"),
    (["@()"], "@()"),
    (['@("a","b")'], '@("a","b")'),
    (["@(a,b)"], "@('a','b')"),
    (["@{Replace=@(a,b)}"], "@{Replace=@('a','b')}"),
    (["@{Replace=@()}"], "@{Replace=@()}"),
    (["$null"], "$null"),
    (["a,b"], "'a','b'"),
    (["a"], "'a'"),
    (["a b"], "'a b'"),
    (['"a","b"'], '"a","b"'),
    # Read as PowerShell reads it: the quotes are no part of the id.
    (['a,"b"'], 'a,"b"'),
    (['a,"b c"'], 'a,"b c"'),
    (["a#b"], "'a#b'"),
    (["@<Add=app_id>"], "@{Add='app_id'}"),
    (["'@{Add=x}'"], "@{Add='x'}"),
    (["'@{", "Add", "=", "x", "}'"], "@{ Add = 'x' }"),
    (["@{Add=“a”}"], "@{Add=“a”}"),
    (["@{Add=‘a’,b}"], "@{Add=‘a’,'b'}"),
    (
        ["@{Add=5817674c-81d9-4adb-bfb2-8f6a442e4622}"],
        "@{Add='5817674c-81d9-4adb-bfb2-8f6a442e4622'}",
    ),
    # Row 20: digits only would be arithmetic in PowerShell; row 22.
    (
        ["@{Add=11111111-1111-1111-1111-111111111111}"],
        "@{Add='11111111-1111-1111-1111-111111111111'}",
    ),
    (['@{Add="a",b}'], "@{Add=\"a\",'b'}"),
    (["@{Add=12}"], "@{Add='12'}"),
    (["@{Foo=a}"], "@{Foo='a'}"),
    (["@{Add=$null}"], "@{Add=$null}"),
    # For the rooms above to refuse: a hashtable that PowerShell itself turned into text.
    (["System.Collections.Hashtable"], "'System.Collections.Hashtable'"),
    (["System.Object[]"], "'System.Object[]'"),
    (["{Add=a}"], "'{Add=a}'"),
]

# What arrived -> PowerShell's sentence or ours, and the line to paste if there is one.
REFUSED = [
    (["@Add=a", "@b"], "A hashtable arrived in pieces: @Add=a @b", PASTE),
    (["@Add = a", "@b"], "A hashtable arrived in pieces: @Add = a @b", PASTE),
    (["@Replace=@(a", "@b)"], "A hashtable arrived in pieces: @Replace=@(a @b)", "Replace"),
    (["@Add="], "A hashtable arrived in pieces: @Add=", None),
    (["@Add=x y"], "A hashtable arrived in pieces: @Add=x y", None),
    (["@{Add=a"], CUT, None),
    (["@{"], CUT, None),
    (["@{Add=a", "-WhatIf"], CUT, None),
    (["@{Add=x", "y}"], "'x y' is not a legal bare word.", None),
    (["@{Add=x y}"], "'x y' is not a legal bare word.", None),
    (["@{Add=}"], "Missing statement after '=' in hash literal. In: @{Add=}", None),
    (["@{Add=a,,b}"], "A list in '@{Add=a,,b}' has an empty place.", None),
    (["@{Add=,b}"], "A list in '@{Add=,b}' has an empty place.", None),
    (["@{Add=a,}"], "Missing expression after ','. In: @{Add=a,}", None),
    (["@{Add}"], "Missing '=' operator after key in hash literal. In: @{Add}", None),
    (
        ['@{Add="a" "b"}'],
        'Unexpected token \'"b"\' in expression or statement. In: @{Add="a" "b"}',
        None,
    ),
    (["@{Add=a}}"], "Unexpected token '}' in expression or statement. In: @{Add=a}}", None),
    (
        ["@{Add=a;add=b}"],
        "Duplicate keys 'add' are not allowed in hash literals. In: @{Add=a;add=b}",
        None,
    ),
    (["@{Add=`a`}"], f"{CUT} In: @{{Add=`a`}}", None),
    (["@{Add=urn:uuid:1}"], "A value in @{Add=urn:uuid:1} is not a legal bare word.", None),
    (["@x"], "'@x' is no value here.", None),
    (["@"], "'@' is no value here.", None),
    ([""], "The list value is empty.", None),
    (["a,"], "The list 'a,' has an empty place.", None),
    ([",a"], "The list ',a' has an empty place.", None),
    (['"a" "b"'], '\'"a" "b"\' is not one value.', None),
    (["'a"], "The string is missing the terminator: '. In: 'a", None),
    # "a","b c" without its quotes, or a quoted list; and what PowerShell reads as another text.
    (["a,b c"], "'a,b c' is one id or several.", None),
    (["a, b"], "'a, b' is one id or several.", None),
    (['a"b"'], "'a\"b\"' may be read in two ways.", None),
    (["a`b"], "'a`b' may be read in two ways.", None),
    (["a$true"], "'a$true' may be read in two ways.", None),
    (['a,b"c"'], "'a,b\"c\"' may be read in two ways.", None),
    (["it's"], "The string is missing the terminator: '. In: it's", None),
    (["a;b"], "'a;b' is not one value.", None),
    (["a(b)"], "'a(b)' is not one value.", None),
    (["#a"], "'#a' is not one value.", None),
]


@pytest.mark.parametrize(("arrived", "meant"), ACCEPTED)
def test_a_list_value_whose_quotes_a_shell_ate_is_read(arrived: list[str], meant: str) -> None:
    assert source(LIST, *arrived) == f"{LIST} {meant}"
    assert source(f"{LIST}:{arrived[0]}", *arrived[1:]) == f"{LIST}:{meant}"


@pytest.mark.parametrize(
    "whole",
    [
        '@{Add="a" # Dana\'s { "own"\n;Remove="b"}',
        '@{\n# Add=old}\nAdd="a" <# \' { #>\n}',
        "@{Add=@'\nit's {\n'@\n}",
        '@{Add=@"\n}\n"@\n}',
        '@("a" # don\'t )\n)',
    ],
)
def test_a_value_that_arrives_whole_is_left_as_it_is(whole: str) -> None:
    assert source(LIST, whole) == f"{LIST} {whole}"


def test_a_long_list_that_a_shell_split_is_joined_in_no_time() -> None:
    ids = [f"{number:08}-1111-4111-8111-111111111111" for number in range(2000)]
    began = time.process_time()
    joined = source(LIST, "@{", "Add", "=", *(f"{one}," for one in ids[1:]), ids[0], "}")
    # Looked through again for each word it took 9 seconds.
    assert time.process_time() - began < 3
    assert joined.count("'") == 2 * len(ids)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        # PowerShell 7, and Windows PowerShell 5.1, which eats the inner double quotes.
        ([LIST, '@{Add="a","b"}'], f'{LIST} @{{Add="a","b"}}'),
        ([LIST, "@{Add=a,b}"], f"{LIST} @{{Add='a','b'}}"),
        ([LIST, "@{Add=a; Remove=b}"], f"{LIST} @{{Add='a'; Remove='b'}}"),
        # Typed without quotes in either: text for the cmdlets to refuse; arrays are words.
        ([LIST, "System.Collections.Hashtable"], f"{LIST} 'System.Collections.Hashtable'"),
        ([LIST, "a", "b"], f"{LIST} 'a' 'b'"),
        # PowerShell turns $false into its text.
        (["-Confirm:False"], "-Confirm:$false"),
        # cmd: double quotes are taken off, single ones are letters.
        ([LIST, "@{Add=a}"], f"{LIST} @{{Add='a'}}"),
        ([LIST, "'@{Add=a}'"], f"{LIST} @{{Add='a'}}"),
        ([LIST, "'@{Add=a;", "Remove=b}'"], f"{LIST} @{{Add='a'; Remove='b'}}"),
        ([LIST, "'@{Add='a'}'"], f"{LIST} @{{Add='a'}}"),
        ([LIST, "'a'"], f"{LIST} 'a'"),
        ([LIST, "'a','b'"], f"{LIST} 'a','b'"),
    ],
)
def test_what_windows_shells_leave(words: list[str], text: str) -> None:
    assert source(*words) == text


@pytest.mark.parametrize(("arrived", "message", "paste"), REFUSED)
def test_a_torn_value_is_refused(arrived: list[str], message: str, paste: str | None) -> None:
    refused = refusal(LIST, *arrived)
    assert refused.message == message
    if paste is None or refused.line_to_paste is None:
        assert refused.line_to_paste == paste
    else:
        assert paste in refused.line_to_paste
        # Pasted into a shell, the line arrives whole.
        assert source(LIST, refused.line_to_paste.split("'")[1])


def test_the_line_to_paste_keeps_the_other_words() -> None:
    refused = refusal("-Identity", "Global", LIST, "@Add=a", "@b", "-WhatIf")
    assert refused.line_to_paste == (f'{SET} -Identity Global {LIST} \'@{{Add="a","b"}}\' -WhatIf')
    assert refusal("-Reason", "x y", LIST, "@Add=a", "@b").line_to_paste is None


def test_the_line_to_paste_keeps_the_parameter_that_the_pieces_hang_on() -> None:
    paste = f'{SET} {LIST}:\'@{{Add="a","b"}}\' -WhatIf'
    assert refusal(f"{LIST}:@Add=a", f"{LIST}:@b", "-WhatIf").line_to_paste == paste
    assert refusal(f"{LIST}:@Add=a").line_to_paste == f"{SET} {LIST}:'@{{Add=\"a\"}}'"


def test_no_line_to_paste_leaves_a_word_over() -> None:
    # fish and zsh part "x y" so that the y stands alone.
    assert refusal(LIST, "@Add=b", "@x", "y").line_to_paste is None


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-Identity", "Global"], "-Identity 'Global'"),
        (["-Identity:Global"], "-Identity:'Global'"),
        (["—Identity", "x"], "—Identity 'x'"),
        # An unknown one may be a value, as it was typed (B8).
        ([LIST, "–Bogus"], f"{LIST} –Bogus"),
        (["-Reason", "for the new room, until May"], "-Reason 'for the new room, until May'"),
        (["-Reason", "it's"], "-Reason 'it''s'"),
        (["-Reason", "it’s"], "-Reason 'it’’s'"),
        (["-Reason", "-urgent fix"], "-Reason '-urgent fix'"),
        (["-Reason", "a$b`c"], "-Reason 'a$b`c'"),
        (["-Reason", ""], "-Reason ''"),
        (["-Identity=Global"], "-Identity=Global"),
        (["-Bogus"], "-Bogus"),
        (["-1"], "'-1'"),
        (["-"], "'-'"),
        (["-?"], "-?"),
        (["--", "-x"], "-- '-x'"),
        (["5"], "'5'"),
        (["-Confirm:false"], "-Confirm:$false"),
        (["-Confirm:$False"], "-Confirm:$false"),
        (["-WhatIf:TRUE"], "-WhatIf:$true"),
        (["-Confirm:$null"], "-Confirm:$null"),
        (["-Confirm:0"], "-Confirm:0"),
        (["-WhatIf:0x1"], "-WhatIf:0x1"),
        (["-Force:x"], "-Force:'x'"),
        (["-Identity:true"], "-Identity:'true'"),
        (["@'\nx\n'@"], "@'\nx\n'@"),
    ],
)
def test_each_word_is_one_argument(words: list[str], text: str) -> None:
    assert source(*words) == text


@pytest.mark.parametrize("name", ["Confirm", "WhatIf", "Force"])
def test_a_switch_whose_value_was_eaten_is_never_guessed(name: str) -> None:
    refused = refusal(f"-{name}:")
    assert refused.message == f"Parameter -{name}: requires an argument."
    assert f"'-{name}:$false'" in refused.hint


def test_any_other_parameter_whose_value_was_eaten_is_refused_too() -> None:
    assert refusal(f"{LIST}:", "a").message == f"Parameter {LIST}: requires an argument."


def test_two_dashes_are_a_habit_from_elsewhere() -> None:
    refused = refusal("--Identity", "Global")
    assert refused.message == "A parameter cannot be found that matches parameter name '-Identity'."
    assert refused.hint == "PowerShell's parameters have one dash: -Identity"


@pytest.mark.parametrize("words", [[], [""], ["a b"], ["$x"], ["'a'"]])
def test_the_first_word_is_a_name(words: list[str]) -> None:
    refused = parse_words(words, parameters=kind_of)
    assert isinstance(refused, ArgvRefusal)
    assert refused.message.endswith("is not the name of a command.")


def test_what_powershell_would_compute_is_named_as_in_a_text() -> None:
    for word, construct in [("$id", "a variable ($id)"), ("@{Add=$id}", "a variable ($id)")]:
        parsed = read(LIST, word)
        assert isinstance(parsed, Parsed)
        assert [node.construct for node in parsed.unsupported] == [construct]


def test_both_doors_end_in_the_same_tree() -> None:
    words = read("-Confirm:false", LIST, "@{Add=a}", "-Identity", "Global")
    assert isinstance(words, Parsed)
    text = f"{SET} -Confirm:$false {LIST} @{{Add='a'}} -Identity 'Global'"
    assert words == parse(text)
    command = words.script.statements[0].elements[0]
    assert isinstance(command, Command)
    confirm, _, table, _, identity = command.elements
    assert isinstance(confirm, CommandParameter)
    assert isinstance(confirm.argument, Variable)
    assert isinstance(table, Hashtable)
    assert identity == StringConstant("Global", StringKind.SINGLE, Extent(105, 113))


# -- laws -------------------------------------------------------------------------------

WORDS = st.one_of(
    st.text(max_size=20),
    st.lists(
        st.sampled_from([*"@{}()=;,'\"$-–:<>`| \n", "@{", "Add", "a", "-Confirm", "@<", "“"]),
        max_size=12,
    ).map("".join),
)


@given(st.lists(WORDS, max_size=5))
def test_any_words_are_a_line_or_a_refusal(words: list[str]) -> None:
    found = read(*words)
    if isinstance(found, ArgvRefusal):
        assert found.message
        return
    assert found.errors == ()
    (statement,) = found.script.statements
    assert len(statement.elements) == 1


@pytest.mark.parametrize(
    "words", [["$id;", "x"], ['"$id"\n', "x"], ["$null;", "x"], ['"a" #', "x"]]
)
def test_no_word_ends_the_line_before_the_next(words: list[str]) -> None:
    assert refusal(LIST, *words).message == "The words make no single line."


@given(st.text(min_size=1, max_size=30))
def test_a_literal_word_is_that_string(word: str) -> None:
    if word[0] in "@$('\"-–—―" or word[0] in "‘’‚‛“”„" or "," in word:
        return
    parsed = read("-Reason", word)
    assert isinstance(parsed, Parsed)
    command = parsed.script.statements[0].elements[0]
    assert isinstance(command, Command)
    argument = command.elements[1]
    assert isinstance(argument, StringConstant)
    assert argument.value == word


@given(st.lists(st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True), min_size=1, max_size=4))
def test_bare_ids_in_braces_are_strings_whatever_they_look_like(ids: list[str]) -> None:
    parsed = read(LIST, "@{Add=" + ",".join(ids) + "}")
    assert isinstance(parsed, Parsed)
    command = parsed.script.statements[0].elements[0]
    assert isinstance(command, Command)
    table = command.elements[1]
    assert isinstance(table, Hashtable)
    found = table.entries[0].value.elements[0].expression  # type: ignore[union-attr]
    items = found.items if isinstance(found, ArrayLiteral) else (found,)
    assert [item.value for item in items if isinstance(item, StringConstant)] == ids


@given(st.text(max_size=20))
def test_quoting_is_undone_by_the_parser(text: str) -> None:
    parsed = parse("x " + quoted(text))
    command = parsed.script.statements[0].elements[0]
    assert isinstance(command, Command)
    (argument,) = command.elements
    assert isinstance(argument, StringConstant)
    assert argument.value == text


# -- through real shells ------------------------------------------------------------------

OPTIONS = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"], "dash": []}
SHELLS = [shell for shell in OPTIONS if shutil.which(shell)]

# Typed -> what bash, zsh, fish and dash pass; None where the shell itself refuses.
TYPED: list[tuple[str, Sequence[list[str] | None]]] = [
    ("""'@{Add="a","b"}'""", [['@{Add="a","b"}']] * 4),
    ('''"@{Add='a','b'}"''', [["@{Add='a','b'}"]] * 4),
    ('@{Add="a"}', [["@{Add=a}"]] * 4),
    ('@{Add="a","b"}', [["@Add=a", "@b"]] * 3 + [["@{Add=a,b}"]]),
    (
        '@{Add="a";Remove="b"}',
        [["@{Add=a"], ["@{Add=a"], ["@{Add=a;Remove=b}"], ["@{Add=a"]],
    ),
    ('@{Replace=@("a","b")}', [None] * 4),
    (
        '@{ Add = "a" }',
        [["@{", "Add", "=", "a", "}"], None, ["@{ Add = a }"], ["@{", "Add", "=", "a", "}"]],
    ),
    (
        '@{ Add = "a", "b" }',
        [
            ["@{", "Add", "=", "a,", "b", "}"],
            None,
            ["@Add = a", "@b"],
            ["@{", "Add", "=", "a,", "b", "}"],
        ],
    ),
    ('"@{Add="a"}"', [["@{Add=a}"]] * 4),
    ('@{Add="$id"}', [["@{Add=}"], ["@{Add=}"], ["@Add="], ["@{Add=}"]]),
    ("@{Add=$two}", [["@{Add=x", "y}"], ["@{Add=x y}"], ["@Add=x y"], ["@{Add=x", "y}"]]),
    ("@{}", [["@{}"]] * 4),
    ("@()", [None, None, [], None]),
    ("$null", [[]] * 4),
    ('"$null"', [[""]] * 4),
    ("'$null'", [["$null"]] * 4),
    ('"a","b"', [["a,b"]] * 4),
    ("-Confirm:$false", [["-Confirm:"], ["-Confirm:"], [], ["-Confirm:"]]),
    ("-WhatIf:$true", [["-WhatIf:"], ["-WhatIf:"], [], ["-WhatIf:"]]),
    ("'-Confirm:$false'", [["-Confirm:$false"]] * 4),
    ('@{Add=`"a`"}', [None, None, ["@{Add=`a`}"], None]),
    ('@{\nAdd="a"\n}', [None, None, ["@{\nAdd=a\n}"], None]),
    ("@<Add=app_id>", [None] * 4),
    ("'@<Add=app_id>'", [["@<Add=app_id>"]] * 4),
]
KNOWN = {tuple(arrived) for arrived, _ in ACCEPTED} | {tuple(row[0]) for row in REFUSED}


@pytest.fixture(scope="session")
def show(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that prints its arguments."""
    path = tmp_path_factory.mktemp("argv") / "show.py"
    path.write_text("import json, sys\nprint(json.dumps(sys.argv[1:]))\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("typed", "expected"), TYPED)
def test_what_a_shell_leaves_is_what_the_table_says(
    shell: str, typed: str, expected: Sequence[list[str] | None], show: Path
) -> None:
    two = 'set two "x y"' if shell == "fish" else 'two="x y"'
    line = f"{two}; {sys.executable} {show} {typed}"
    ran = subprocess.run(
        [shell, *OPTIONS[shell], "-c", line],
        capture_output=True,
        text=True,
        check=False,
        cwd=show.parent,
        env={"PATH": "/usr/bin:/bin", "HOME": str(show.parent)},
    )
    arrived = expected[list(OPTIONS).index(shell)]
    if arrived is None:
        # It refuses, or cuts the command at the newline and then refuses.
        assert ran.returncode != 0 or not ran.stdout
        return
    assert json.loads(ran.stdout.splitlines()[0]) == arrived
    if arrived and not arrived[0].startswith("-"):
        found = read(LIST, *arrived)
        assert isinstance(found, (Parsed, ArgvRefusal))


@pytest.mark.parametrize(
    "arrived", [row for _, rows in TYPED for row in rows if row and row[0][:1] in ("@", "")]
)
def test_whatever_a_shell_leaves_of_a_list_has_its_row_above(arrived: list[str]) -> None:
    assert tuple(arrived) in KNOWN


COMMANDS = [
    f'({SET} {LIST} @{{Add="evil"}})',
    f'$({SET} {LIST} @{{Add="evil"}})',
    f"\"t $({SET} {LIST} @{{Add='evil'}})\"",
    f"@({SET} {LIST} evil)",
    f'@{{Add="x $({SET} {LIST} evil)"}}',
    f"@{{Add=({SET} {LIST} evil)}}",
    f"@{{Add=@({SET} {LIST} evil)}}",
    f"@{{$({SET} {LIST} evil)=1}}",
    f"'a\u2019; {SET} {LIST} evil; \u2018b'",
    f"'\u2019 {LIST} evil '",
    f"x\u2019; {SET} {LIST} evil #",
    f"x'\n{SET} {LIST} evil",
    f"; {SET} {LIST} evil",
    f"| {SET} {LIST} evil",
    f"@'\n{SET}\n'@ ; {SET}",
]


def names_of(node: object) -> list[str]:
    """The names of all commands in a tree."""
    if isinstance(node, (tuple, list)):
        return [name for one in node for name in names_of(one)]
    found = [str(node.name)] if isinstance(node, Command) else []
    for field in getattr(node, "__dataclass_fields__", ()):
        found += names_of(getattr(node, field))
    return found


@pytest.mark.parametrize("behind", [LIST, "-Reason", "-Identity", "-Reason:", "-Foo", "--", ""])
@pytest.mark.parametrize("word", COMMANDS)
def test_no_word_is_ever_a_second_command(word: str, behind: str) -> None:
    words = [behind + word] if behind.endswith(":") else [*([behind] if behind else []), word]
    parsed = read(*words)
    if isinstance(parsed, Parsed) and not parsed.unsupported:
        assert len(names_of(parsed.script.statements)) == 1


@given(st.lists(st.sampled_from(COMMANDS) | st.text(max_size=12) | WORDS, max_size=4))
def test_no_words_are_ever_more_than_one_command(words: list[str]) -> None:
    parsed = read(*words)
    if isinstance(parsed, Parsed) and not parsed.unsupported:
        assert len(names_of(parsed.script.statements)) == 1


@pytest.mark.parametrize(
    "reason",
    [
        "@dana asked",
        "(see CHG-1)",
        "$5 budget",
        '"quoted" thing',
        "it's \u2019typographic\u2018",
        "a; b | c",
        "'a' and 'b'",
        "",
        *COMMANDS[:3],
    ],
)
@pytest.mark.parametrize("colon", [False, True])
def test_a_text_is_taken_as_it_is(reason: str, *, colon: bool) -> None:
    if colon and not reason:
        return
    words = [f"-Reason:{reason}"] if colon else ["-Reason", reason]
    parsed = parse(SET + " " + source(*words))
    command = parsed.script.statements[0].elements[0]
    assert isinstance(command, Command)
    last = command.elements[-1]
    value = last.argument if isinstance(last, CommandParameter) else last
    assert isinstance(value, StringConstant)
    assert value.value == reason
