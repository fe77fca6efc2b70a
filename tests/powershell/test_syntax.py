"""The text door: tree, parse errors and refusals, against what a real engine recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantcfg.powershell.syntax import parse
from tenantcfg.powershell.tree import (
    ArrayExpression,
    ArrayLiteral,
    Command,
    CommandParameter,
    Constant,
    ExpandableString,
    Expression,
    ExpressionElement,
    Extent,
    Hashtable,
    Paren,
    Pipeline,
    Script,
    StringConstant,
    StringKind,
    SubExpression,
    Variable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS = Path(__file__).parent / "recordings"

IN_SCOPE = frozenset(
    "ScriptBlockAst NamedBlockAst StatementBlockAst PipelineAst CommandAst CommandParameterAst"
    " CommandExpressionAst StringConstantExpressionAst StringConstantExpressionAst:HereString"
    " ExpandableStringExpressionAst ConstantExpressionAst VariableExpressionAst ArrayLiteralAst"
    " ArrayExpressionAst SubExpressionAst ParenExpressionAst HashtableAst ErrorStatementAst"
    " ErrorExpressionAst".split()
)


def recorded() -> Iterator[dict[str, Any]]:
    for path in sorted(RECORDINGS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if "parseErrors" in record:
                yield record


def in_scope(record: dict[str, Any]) -> bool:
    variables = set(record["variables"]) <= {"true", "false", "null"}
    return set(record["nodes"]) <= IN_SCOPE and variables and not record["engineCommands"]


def in_utf16(text: str, place: int) -> int:
    """A place of *text* in UTF-16 units, in which the engine counts."""
    return len(text[:place].encode("utf-16-le", "surrogatepass")) // 2 + max(0, place - len(text))


def test_every_recorded_parse_error_is_ours_in_id_message_place_and_order() -> None:
    different = []
    for record in filter(in_scope, recorded()):
        text = record["input"]
        ours = [
            {
                "id": error.id,
                "message": error.message,
                "incomplete": error.incomplete,
                "start": in_utf16(text, error.extent.start),
                "end": in_utf16(text, error.extent.end),
            }
            for error in parse(text).errors
        ]
        theirs = [
            {key: error[key] for key in ("id", "message", "incomplete", "start", "end")}
            for error in record["parseErrors"]
        ]
        if ours != theirs:
            different.append((text, ours, theirs))
    assert different == []


def test_what_is_outside_the_language_is_refused_and_nothing_else() -> None:
    wrong = []
    for record in recorded():
        parsed = parse(record["input"])
        if in_scope(record):
            if parsed.unsupported:
                wrong.append(record["input"])
        elif not parsed.unsupported and not parsed.errors:
            wrong.append(record["input"])
    assert wrong == []


# -- the tree ---------------------------------------------------------------------------


def value(source: str) -> Expression:
    """The expression that *source* is, standing alone."""
    parsed = parse(source)
    assert (parsed.errors, parsed.unsupported) == ((), ())
    element = parsed.script.statements[0].elements[0]
    assert isinstance(element, ExpressionElement)
    return element.expression


def command(source: str) -> Command:
    parsed = parse(source)
    assert (parsed.errors, parsed.unsupported) == ((), ())
    element = parsed.script.statements[0].elements[0]
    assert isinstance(element, Command)
    return element


@pytest.mark.parametrize(
    ("source", "text", "kind"),
    [
        ("'it''s'", "it's", StringKind.SINGLE),
        ("‘a‛", "a", StringKind.SINGLE),
        ("'`n$x'", "`n$x", StringKind.SINGLE),
        ('"a""b"', 'a"b', StringKind.DOUBLE),
        ('"a`"b`n`0`e"', 'a"b\n\0\x1b', StringKind.DOUBLE),
        ("“a„", "a", StringKind.DOUBLE),
        ('"a`u{e9}`u{1F600}"', "aé😀", StringKind.DOUBLE),
        ('"`u{D83D}`u{DE00}"', "😀", StringKind.DOUBLE),
        ('"$"', "$", StringKind.DOUBLE),
        ('"a$ b"', "a$ b", StringKind.DOUBLE),
        ("@'\na'b\n'@", "a'b", StringKind.SINGLE_HERE),
        ('@"\n\n"@', "", StringKind.DOUBLE_HERE),
        ('@"\r\na\r\nb\r\n"@', "a\r\nb", StringKind.DOUBLE_HERE),
        ('@" \t\n a`tb\n"@', " a\tb", StringKind.DOUBLE_HERE),
    ],
)
def test_strings_have_their_escapes_resolved(source: str, text: str, kind: StringKind) -> None:
    assert value(source) == StringConstant(text, kind, Extent(0, len(source)))


@pytest.mark.parametrize(
    ("source", "number", "type_name"),
    [
        ("1", 1, "System.Int32"),
        ("2147483648", 2**31, "System.Int64"),
        ("-5", -5, "System.Int32"),
        ("+5", 5, "System.Int32"),
        ("–5", -5, "System.Int32"),
        ("0x1F", 31, "System.Int32"),
        ("0xFFFFFFFF", -1, "System.Int32"),
        ("0xFFFFFFFFu", 2**32 - 1, "System.UInt32"),
        ("0xFFFFFFFFl", 2**32 - 1, "System.Int64"),
        ("0xFFy", -1, "System.SByte"),
        ("0xFFFFs", -1, "System.Int16"),
        ("0x0000000000000001", 1, "System.Int64"),
        ("0b11111111", -1, "System.Int32"),
        ("0b111111110", 510, "System.Int32"),
        ("1kb", 1024, "System.Int32"),
        ("1PB", 2**50, "System.Int64"),
        ("5l", 5, "System.Int64"),
        ("5ul", 5, "System.UInt64"),
        ("5u", 5, "System.UInt32"),
        ("5000000000u", 5 * 10**9, "System.UInt64"),
        ("5uy", 5, "System.Byte"),
        ("5us", 5, "System.UInt16"),
        ("5n", 5, "System.Numerics.BigInteger"),
        ("1.5", 1.5, "System.Double"),
        (".5", 0.5, "System.Double"),
        ("1.", 1.0, "System.Double"),
        ("1e3", 1000.0, "System.Double"),
        ("1e–3", 0.001, "System.Double"),
        ("1.5kb", 1536.0, "System.Double"),
        ("1.5l", 2, "System.Int64"),
        ("2.5l", 2, "System.Int64"),
        ("1e400", float("inf"), "System.Double"),
        ("0x", 0, "System.Int32"),
    ],
)
def test_numbers_of_every_notation(source: str, number: float, type_name: str) -> None:
    assert value(source) == Constant(number, type_name, source, Extent(0, len(source)))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("1d", "1"),
        ("1.50d", "1.50"),
        ("99999999999999999999", "99999999999999999999"),
        ("1e-30d", "0.0000000000000000000000000000"),
        ("0.12345678901234567890123456789012345d", "0.1234567890123456789012345679"),
    ],
)
def test_decimals_keep_their_digits(source: str, text: str) -> None:
    constant = value(source)
    assert isinstance(constant, Constant)
    assert (constant.type_name, format(constant.value, "f")) == ("System.Decimal", text)


@pytest.mark.parametrize("source", ["300y", "-1u", "1e30d", "100000000000000000000000000000d"])
def test_a_number_that_no_type_holds_is_an_error_in_an_expression(source: str) -> None:
    (error,) = parse(source).errors
    assert error.id == "BadNumericConstant"
    assert error.message == f"The numeric constant {source} is not valid."


@pytest.mark.parametrize(
    "source",
    ["9" * 5000, "9" * 5000 + "n", "0x" + "7" * 5000 + "n", "0b" + "1" * 5000 + "n"],
)
def test_a_number_longer_than_any_is_none(source: str) -> None:
    assert [error.id for error in parse(source).errors] == ["BadNumericConstant"]
    assert parse(f"@{{{source}=1;{source}=2}}").errors


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("0." + "3" * 5000, 1 / 3),
        ("1e" + "9" * 5000, float("inf")),
        ("1e-" + "9" * 5000, 0.0),
        ("1e-" + "9" * 5000 + "d", 0),
        ("0." + "0" * 5000 + "d", 0),
    ],
)
def test_a_fraction_may_be_as_long_as_it_likes(source: str, number: float) -> None:
    constant = value(source)
    assert isinstance(constant, Constant)
    assert constant.value == number


def test_such_a_number_is_a_word_where_an_argument_stands() -> None:
    assert command("a 300y").elements == (StringConstant("300y", StringKind.BARE, Extent(2, 6)),)


def test_values_have_their_own_nodes() -> None:
    assert value("$TRUE") == Variable(value=True, extent=Extent(0, 5))
    assert value("${null}") == Variable(None, Extent(0, 7))
    assert isinstance(value("@()"), ArrayExpression)
    assert isinstance(value("$()"), SubExpression)
    assert isinstance(value("('a')"), Paren)
    assert value("1,'a'") == ArrayLiteral(
        (
            Constant(1, "System.Int32", "1", Extent(0, 1)),
            StringConstant("a", StringKind.SINGLE, Extent(2, 5)),
        ),
        Extent(0, 5),
    )
    assert isinstance(value(",'a'"), ArrayLiteral)


def test_an_expandable_string_is_its_pieces() -> None:
    string = value('"a$true$(1)b"')
    assert isinstance(string, ExpandableString)
    first, variable, subexpression, last = string.parts
    assert (first, last) == ("a", "b")
    assert variable == Variable(value=True, extent=Extent(2, 7))
    assert isinstance(subexpression, SubExpression)
    assert subexpression.extent == Extent(7, 11)


def test_quotes_inside_a_subexpression_may_be_doubled_or_not() -> None:
    for source in ('"$("a")"', '"$(""a"")"', "\"$('a')\""):
        string = value(source)
        assert isinstance(string, ExpandableString)
        (inner,) = string.parts
        assert isinstance(inner, SubExpression)
        element = inner.statements[0].elements[0]
        assert isinstance(element, ExpressionElement)
        assert isinstance(element.expression, StringConstant)
        assert element.expression.value == "a"


def test_a_hashtable_has_its_entries_as_written() -> None:
    table = value("@{ Add = 'a'\n\"Remove\"='b','c'; }")
    assert isinstance(table, Hashtable)
    keys = [entry.key for entry in table.entries]
    assert [key.value for key in keys if isinstance(key, StringConstant)] == ["Add", "Remove"]
    assert all(isinstance(entry.value, Pipeline) for entry in table.entries)


def test_a_bare_word_as_a_value_is_a_command() -> None:
    table = value("@{Add=app_id}")
    assert isinstance(table, Hashtable)
    assert isinstance(table.entries[0].value.elements[0], Command)


def test_parameters_keep_their_name_as_typed_and_their_whole_text() -> None:
    elements = command("S —Identity:Global -force -- -x").elements
    assert [
        (element.name, element.text)
        for element in elements
        if isinstance(element, CommandParameter)
    ] == [("Identity", "—Identity:"), ("force", "-force"), ("-", "--")]
    # Behind -- a parameter is a word.
    assert elements[-1] == StringConstant("-x", StringKind.BARE, Extent(29, 31))


def test_a_parameter_takes_what_stands_behind_its_colon() -> None:
    (parameter,) = command("a -b: 'c', d").elements
    assert isinstance(parameter, CommandParameter)
    assert isinstance(parameter.argument, ArrayLiteral)
    assert parameter.extent == Extent(2, 12)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ('a"b c"d', "ab cd"),
        ("a'b c'd", "ab cd"),
        ("-Identity'a'", "-Identitya"),
        ("a#b", "a#b"),
        ("a>b", "a>b"),
        ("[x]y", "[x]y"),
        ("-1", "-1"),
        ("1x", "1x"),
        ("a`,b", "a,b"),
        ("--x", "--x"),
        (":x", ":x"),
    ],
)
def test_bare_words_join_what_is_quoted(word: str, text: str) -> None:
    (argument,) = command("a " + word).elements
    assert argument == StringConstant(text, StringKind.BARE, Extent(2, 2 + len(word)))


def test_statements_and_pipelines_are_parted() -> None:
    parsed = parse("a | b; c\n# comment\n<# d #> e `\n -f\n\n| g")
    assert [len(one.elements) for one in parsed.script.statements] == [2, 1, 1, 1]
    assert [error.id for error in parsed.errors] == ["EmptyPipeElement"]
    assert [len(one.elements) for one in parse("a\n# b\n| c").script.statements] == [2]


# -- what is outside the language -----------------------------------------------------


@pytest.mark.parametrize(
    ("text", "construct", "place"),
    [
        ("S -A $id", "a variable ($id)", 5),
        ('S -A "$env:X"', "a variable ($env:X)", 6),
        ("S @p", "splatting (@p)", 2),
        ("$x = 1", "an assignment", 0),
        ("'a' + 'b'", "an operator (+)", 0),
        ("-not 1", "an operator (-not)", 0),
        ("1 ? 2 : 3", "an operator (?:)", 0),
        ("[string[]]'a'", "a type ([string[]])", 0),
        ("S -A ([guid]'a')", "a type ([guid])", 6),
        ("(Get).AllowRemoveParticipantAppIds", "a property (.AllowRemoveParticipantAppIds)", 0),
        ("'a'.ToUpper()", "a method call (.ToUpper())", 0),
        ("(a)[0]", "an index ([...])", 0),
        ("S -A {Add='a'}", "a script block ({...})", 5),
        ("a > b", "a redirection (>)", 2),
        ("a 2>&1", "a redirection (>)", 2),
        ("a && b", "a chain (&& or ||)", 0),
        ("a &", "a background operator (&)", 2),
        ("& a", "the call operator (&)", 0),
        (". a", "the call operator (.)", 0),
        ("if (1) {a}", "a keyword (if)", 0),
        ("foreach ($i in 1) {a}", "a keyword (foreach)", 0),
        ("function f {a}", "a keyword (function)", 0),
        ("return 1", "a keyword (return)", 0),
        ("try {a} catch {b}", "a keyword (try)", 0),
        ("while (1) {}", "a keyword (while)", 0),
        ("do {} until (1)", "a keyword (do)", 0),
        ("for (;;) {}", "a keyword (for)", 0),
        ("switch (1) {default {}}", "a keyword (switch)", 0),
        ("trap {a}", "a keyword (trap)", 0),
        ("class C {}", "a keyword (class)", 0),
        ("class C : D, E { [int]$x = 1; [int] f($y) { return @{} } }", "a keyword (class)", 0),
        ("enum E : byte { A = 1; B }", "a keyword (enum)", 0),
        (":l while (1) {}", "a keyword (while)", 3),
        ("param($x)", "a parameter block (param)", 0),
        ("process {a}", "a block (process)", 0),
        ("using namespace System", "a using statement", 0),
        ("#requires -version 7\na", "a #requires line", 0),
        ("Get-Command", "a command of PowerShell (Get-Command)", 0),
        ("a | % { $_ }", "a command of PowerShell (%)", 4),
        ("a | Where-Object {1}", "a command of PowerShell (Where-Object)", 4),
    ],
)
def test_a_refusal_names_the_construct_and_its_place(text: str, construct: str, place: int) -> None:
    parsed = parse(text)
    assert parsed.errors == ()
    found = [(node.construct, node.extent.start) for node in parsed.unsupported]
    assert (construct, place) in found
    assert all(node.advice and not node.advice.endswith(".") for node in parsed.unsupported)
    assert found == sorted(found, key=lambda item: item[1])


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("configuration {}", [("MissingConfigurationName", 13, 13)]),
        ("configuration", [("MissingConfigurationName", 14, 14)]),
        ("configuration C {}", [("ParserError", 14, 15), ("UnexpectedToken", 17, 18)]),
        ("configuration 1", [("InvalidConfigurationName", 14, 15), ("ParserError", 14, 15)]),
        (
            "configuration )",
            [
                ("ParameterRequiresArgument", 15, 15),
                ("MissingConfigurationName", 14, 15),
                ("ParserError", 14, 15),
            ],
        ),
        ("configuration 'a b' {", [("InvalidConfigurationName", 14, 19), ("ParserError", 14, 19)]),
        ("configuration $x", [("ParserError", 14, 16)]),
    ],
)
def test_a_configuration_fails_as_it_does_without_dsc(
    text: str, errors: list[tuple[str, int, int]]
) -> None:
    # Not among the recordings: there the message has a stack trace with the places of files.
    found = parse(text).errors
    assert [(error.id, error.extent.start, error.extent.end) for error in found] == errors


def test_what_is_scanned_twice_is_refused_once() -> None:
    assert [node.construct for node in parse("[x]$y").unsupported] == [
        "a type ([x])",
        "a variable ($y)",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 500,
        "@{a=" * 500,
        '"$(' * 500,
        "!" * 500,
        "," * 500,
        "[a({" * 500,
        "if (1) {" * 500,
        "$" * 20_000,
    ],
)
def test_a_text_that_would_take_too_much_is_one_refusal(text: str) -> None:
    parsed = parse(text)
    assert [node.construct for node in parsed.unsupported] == ["text nested too deeply"]
    assert parsed.script.statements == ()


def test_what_people_nest_is_not_too_deep() -> None:
    assert parse("(" * 40 + "1" + ")" * 40).unsupported == ()
    assert parse("@{a=" * 40 + "1" + "}" * 40).unsupported == ()


# -- laws -------------------------------------------------------------------------------

MARKS = "{}()[];|&,@$'\"`#-–=.:<>!?%*+/\\ \t\n\r\0“’é😀\ud83d"
WORDS = (
    "@{ @( $( Add -Identity a 1 0x1 1kb $true $x --% if foreach function param <# #> `u{41} `u{"
    " && 2>&1"
)
PIECES = st.sampled_from([*MARKS, *WORDS.split(), '@"\n', '\n"@', "@'\n", "\n'@"])
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=40).map("".join))


@given(TEXTS)
def test_parsing_never_raises(text: str) -> None:
    parsed = parse(text)
    assert parsed.script.text == text
    for error in parsed.errors:
        # The engine's own places reach past the end by a few characters.
        assert 0 <= error.extent.start <= error.extent.end <= len(text) + 3
    for node in parsed.unsupported:
        assert 0 <= node.extent.start <= node.extent.end <= len(text) + 3


@given(TEXTS)
def test_extents_lie_in_the_text_and_in_one_another(text: str) -> None:
    parsed = parse(text)
    if parsed.errors or parsed.unsupported:
        return
    end = 0
    for statement in parsed.script.statements:
        assert end <= statement.extent.start
        end = statement.extent.end
        check_extents(statement)
    assert end <= len(text)


def check_extents(node: object) -> None:
    outer = getattr(node, "extent", None)
    for child in children(node):
        inner = getattr(child, "extent", None)
        if outer is not None and inner is not None:
            assert outer.start <= inner.start <= inner.end <= outer.end
        check_extents(child)


FIELDS = (
    "statements elements entries items parts pipeline expression argument name key value"
).split()


def children(node: object) -> list[object]:
    """The nodes right below *node*."""
    found: list[object] = []
    for field in FIELDS:
        child = getattr(node, field, None)
        found += child if isinstance(child, tuple) else [child]
    return [child for child in found if type(child).__module__ == Script.__module__]


@given(st.text(max_size=40))
def test_a_single_quoted_string_is_any_text(text: str) -> None:
    source = "".join(char * 2 if char in "'‘’‚‛" else char for char in text)
    string = value(f"'{source}'")
    assert isinstance(string, StringConstant)
    assert string.value == text


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_is_read_back(number: int) -> None:
    constant = value(str(number))
    assert isinstance(constant, Constant)
    assert constant.value == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_read_back(number: float) -> None:
    constant = value(repr(number))
    assert isinstance(constant, Constant)
    assert constant.value == number
