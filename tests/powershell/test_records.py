"""Errors as they are shown: place, cut, wrap (cmdlets B18)."""

from __future__ import annotations

import pytest

from tenantcfg.powershell import ErrorRecord
from tenantcfg.powershell.records import Category, not_found
from tenantcfg.powershell.tree import Extent


def an_error(text: str, marked: str, message: str = "wrong") -> ErrorRecord:
    start = text.index(marked)
    return ErrorRecord(
        "Wrong,Set-X",
        "InvalidData",
        message,
        extent=Extent(start, start + len(marked)),
        command="Set-X",
    )


def shown(text: str, marked: str) -> list[str]:
    """The source line and the marks below it."""
    return an_error(text, marked).render(text, 80).splitlines()[2:4]


def test_on_the_first_line_the_message_stands_alone() -> None:
    assert an_error("Set-X a", "a").render("Set-X a", 80) == "Set-X: wrong\n"


def test_without_a_place_the_message_stands_alone() -> None:
    record = ErrorRecord("Wrong", "InvalidData", "wrong")

    assert record.render("a\nb", 80) == "InvalidData: wrong\n"


def test_from_the_second_line_on_the_place_is_shown() -> None:
    text = "Set-X\nSet-X -Foo bar"

    assert an_error(text, "-Foo").render(text, 80) == (
        "Set-X: \nLine |\n   2 |  Set-X -Foo bar\n     |        ~~~~\n     | wrong\n"
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_each_kind_of_newline_ends_a_line(newline: str) -> None:
    assert shown(f"a{newline}b{newline}c d", "d") == ["   3 |  c d", "     |    ~"]


def test_a_place_that_goes_on_in_the_next_line_is_marked_to_the_end_of_its_first() -> None:
    assert shown("1\nSet-X @{\na=1}", "@{\na=1}") == ["   2 |  Set-X @{", "     |        ~~"]


def test_tabs_are_four_blanks() -> None:
    assert shown("1\n\tSet-X\tab", "\tab") == ["   2 |      Set-X    ab", "     |           ~~~~~~"]


def test_a_character_of_two_units_counts_twice() -> None:
    assert shown("1\n'🎉' x", "x") == ["   2 |  '🎉' x", "     |       ~"]


def test_a_long_line_is_cut_round_the_place() -> None:
    text = "1\n" + "a" * 60 + " here " + "b" * 60

    assert shown(text, "here") == [
        "   2 |  … " + "a" * 56 + " here bbbbbbb …",
        "     |  " + " " * 59 + "~~~~",
    ]


def test_a_long_place_is_cut_at_the_end() -> None:
    text = "1\nx " + "y" * 100

    assert shown(text, "y" * 100) == ["   2 |  x " + "y" * 67 + " …", "     |    " + "~" * 67]


def test_the_start_of_a_long_line_has_no_dots_before_it() -> None:
    text = "1\nx " + "y" * 100

    assert shown(text, "x") == ["   2 |  x " + "y" * 67 + " …", "     |  ~"]


def test_a_place_in_an_empty_line_shows_no_line() -> None:
    record = ErrorRecord("Wrong", "InvalidData", "wrong", extent=Extent(1, 1), command="X")

    assert record.render("\n", 80) == "X: \nLine |\n     | wrong\n"


def test_a_number_of_five_digits_moves_the_bar() -> None:
    text = "\n" * 9999 + "Set-X a"

    assert an_error(text, "a").render(text, 80).splitlines()[1:4] == [
        " Line |",
        "10000 |  Set-X a",
        "      |        ~",
    ]
    assert an_error(text, "a").render(text, 80).endswith("\n      | wrong\n")


def test_the_message_of_a_parse_error_wraps_at_the_window() -> None:
    record = ErrorRecord(
        "Wrong", Category.PARSER_ERROR, "one two three four five six", extent=Extent(0, 1)
    )

    assert record.render("x", 20) == (
        "ParserError: \n"
        "Line |\n"
        "   1 |  x\n"
        "     |  ~\n"
        # A line that is exactly as wide as the window loses its last word as well.
        "     | one two\n"
        "     | three four\n"
        "     | five six\n"
        "\n"
    )
    assert record.reason == "ParentContainsErrorRecordException"


def test_a_word_longer_than_the_window_stays_whole() -> None:
    record = ErrorRecord("Wrong", Category.PARSER_ERROR, "a" * 40, extent=Extent(0, 1))

    assert record.render("x", 20).splitlines()[-2] == "     | " + "a" * 40


def test_an_unknown_command_is_named_as_typed() -> None:
    record = not_found("Get-Nope", Extent(0, 8))

    assert record.render("Get-Nope", 80) == (
        "Get-Nope: The term 'Get-Nope' is not recognized as a name of a cmdlet, function, script "
        "file, or executable program.\nCheck the spelling of the name, or if a path was included, "
        "verify that the path is correct and try again.\n"
    )
    assert (record.id, record.reason) == ("CommandNotFoundException",) * 2
