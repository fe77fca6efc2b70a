"""Values, their texts, the list modifier, and what each kind of parameter makes of a value."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantcfg.powershell import (
    ActionPreference,
    Hashtable,
    Kind,
    Number,
    PSListModifier,
    PSObject,
)
from tenantcfg.powershell.conversions import Misfit, VariablePath, convert
from tenantcfg.powershell.numbers import Literal, value_of
from tenantcfg.powershell.values import NOTHING, argument_text, to_string, type_name

if TYPE_CHECKING:
    from tenantcfg.powershell import Value

OBJECT = PSObject("T", {"Identity": "Global", "Ids": ("a",)})
OBJECT_TEXT = "@{Identity=Global; Ids=System.Collections.Generic.List`1[System.String]}"


def double(value: float) -> Number:
    return Number(value, "System.Double")


def int32(value: int) -> Number:
    return Number(value, "System.Int32")


# --- texts


@pytest.mark.parametrize(
    ("value", "shown", "dotnet"),
    [
        (1.0, "1", "1"),
        (2.5, "2.5", "2.5"),
        (-0.0, "-0", "-0"),
        (0.0001, "0.0001", "0.0001"),
        (1e-5, "1E-05", "1E-05"),
        (1.234e-5, "1.234E-05", "1.234E-05"),
        (1e14, "100000000000000", "100000000000000"),
        (1e15, "1E+15", "1000000000000000"),
        (1e17, "1E+17", "1E+17"),
        (0.1 + 0.2, "0.3", "0.30000000000000004"),
        (123456789.123456789, "123456789.123457", "123456789.12345679"),
        (5e-324, "4.94065645841247E-324", "5E-324"),
        (float("inf"), "Infinity", "Infinity"),
        (float("-inf"), "-Infinity", "-Infinity"),
    ],
)
def test_a_double_has_fifteen_digits_shown_and_all_in_messages(
    value: float, shown: str, dotnet: str
) -> None:
    assert (double(value).shown, str(double(value))) == (shown, dotnet)


@pytest.mark.parametrize(
    ("digits", "shown"),
    [
        ("157123015701163506424002510414", "1.57123015701163E+29"),
        ("-157123015701163506424002510414", "-1.57123015701163E+29"),
        ("81167413656037657308907438080", "8.11674136560376E+28"),
    ],
)
def test_a_whole_number_beyond_the_decimals_is_cut_to_a_double(digits: str, shown: str) -> None:
    number = value_of(Literal(digits, 10, "", real=False, multiplier=1))

    assert number is not None
    assert Number(number.value, number.type_name).shown == shown


def test_a_decimal_keeps_its_zeros() -> None:
    assert str(Number(Decimal("1.50"), "System.Decimal")) == "1.50"


def test_a_number_as_an_argument_turns_into_what_was_typed() -> None:
    typed = Number(16, "System.Int32", typed="0x10")

    assert (to_string(typed), str(typed)) == ("0x10", "16")
    assert typed == int32(16)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (NOTHING, ""),
        (True, "True"),
        ((int32(1), None, "a", (int32(2),), double(1e15)), "1  a System.Object[] 1E+15"),
        (Hashtable(), "System.Collections.Hashtable"),
        (OBJECT, OBJECT_TEXT),
        ((OBJECT, "x"), " x"),
    ],
)
def test_values_as_strings(value: Value, text: str) -> None:
    assert to_string(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "$null"),
        (NOTHING, "$null"),
        (double(1e15), "1000000000000000"),
        (("a",), "System.Object[]"),
        ("a", "a"),
        (False, "False"),
    ],
)
def test_values_as_messages_name_them(value: Value, text: str) -> None:
    assert argument_text(value) == text


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "System.Boolean"),
        ("a", "System.String"),
        (double(1), "System.Double"),
        (1, "System.Int32"),
        ((), "System.Object[]"),
        (Hashtable(), "System.Collections.Hashtable"),
        (OBJECT, "System.Management.Automation.PSCustomObject"),
        (ActionPreference.Stop, "System.Management.Automation.ActionPreference"),
        (PSListModifier(), "System.Management.Automation.PSListModifier`1[System.String]"),
    ],
)
def test_values_know_their_dotnet_type(value: Value, name: str) -> None:
    assert type_name(value) == name


def test_keys_of_a_hashtable_are_equal_without_regard_to_case_and_by_type() -> None:
    table = Hashtable([("Add", 1), (int32(1), 2), (True, 3)])

    assert "ADD" in table
    assert "\u03a3" in Hashtable([("\u03c2", 1)])
    assert "\u1e9e" not in Hashtable([("\u00df", 1)])
    assert int32(1) in table
    assert "1" not in table
    assert len(table) == 3
    assert [key for key, _ in table.items()] == ["Add", int32(1), True]


def test_entries_come_in_the_order_of_their_buckets() -> None:
    table = Hashtable([(int32(1), None), (int32(128), None)])

    assert [key for key, _ in table.enumerated()] == [int32(128), int32(1)]


def test_where_a_key_s_bucket_is_drawn_anew_entries_come_as_written() -> None:
    table = Hashtable([(int32(1), None), ("x", None), (int32(128), None)])

    assert [key for key, _ in table.enumerated()] == [int32(1), "x", int32(128)]


def test_a_table_of_any_size_gives_each_entry_once() -> None:
    for size in (*range(20), 100, 254, 299, 300, 301, 1000):
        table = Hashtable((int32(number * 7919), None) for number in range(size))

        assert len(list(table.enumerated())) == len(table) == size


def test_nothing_is_false_and_shows_itself() -> None:
    assert not NOTHING
    assert repr(NOTHING) == "NOTHING"


def test_hashtables_are_equal_by_content_and_show_it() -> None:
    assert Hashtable([("a", 1)]) == Hashtable([("a", 1)])
    assert Hashtable([("a", 1)]) != Hashtable([("a", 2)])
    assert repr(Hashtable([("a", 1)])) == "Hashtable([('a', 1)])"


def test_a_number_is_true_where_it_is_not_zero() -> None:
    assert double(0.5)
    assert not int32(0)


# --- the list modifier (cmdlets L9, L10)


def test_remove_comes_before_add_and_takes_the_first_equal_item() -> None:
    modifier = PSListModifier(add=("x",), remove=("a", "x"))

    assert modifier.apply_to(["a", "b", "a", "X"]) == ("b", "a", "X", "x")


def test_an_empty_replace_does_nothing() -> None:
    assert PSListModifier(replace=()).apply_to(["a"]) == ("a",)


def test_a_replace_stands_alone() -> None:
    assert PSListModifier(add=("x",), replace=("y", "y")).apply_to(["a"]) == ("y", "y")


items = st.lists(st.sampled_from("abc"), max_size=5)


@given(items, items, items)
def test_applying_keeps_the_count_of_every_item(
    start: list[str], add: list[str], remove: list[str]
) -> None:
    result = PSListModifier(add=tuple(add), remove=tuple(remove)).apply_to(start)

    for item in "abc":
        left = max(start.count(item) - remove.count(item), 0)
        assert result.count(item) == left + add.count(item)
    assert result[len(result) - len(add) :] == tuple(add)


# --- conversions (cmdlets B14, L3 to L13, G16)


@pytest.mark.parametrize(
    ("kind", "value", "bound"),
    [
        (Kind.STRING, None, ""),
        (Kind.STRING, Number(16, "System.Int32", typed="0x10"), "0x10"),
        (Kind.STRING, Hashtable(), "System.Collections.Hashtable"),
        (Kind.SWITCH, None, False),
        (Kind.SWITCH, True, True),
        (Kind.OBJECT, ("a",), ("a",)),
        (Kind.INT, "5", 5),
        (Kind.STRING_ARRAY, "a", ("a",)),
        (Kind.STRING_ARRAY, ("a", int32(1)), ("a", "1")),
        (Kind.STRING_ARRAY, None, None),
        (Kind.LIST_MODIFIER, None, None),
        (Kind.LIST_MODIFIER, "", PSListModifier(replace=("",))),
        (Kind.LIST_MODIFIER, (), PSListModifier()),
        (Kind.LIST_MODIFIER, ("a", NOTHING), PSListModifier(replace=("a", None))),
        (Kind.LIST_MODIFIER, Hashtable(), PSListModifier()),
        (Kind.LIST_MODIFIER, Hashtable([("aDD", ("a", None))]), PSListModifier(add=("a", None))),
        (Kind.LIST_MODIFIER, Hashtable([("Remove", None)]), PSListModifier(remove=(None,))),
        (Kind.ENGINE_SWITCH, None, True),
        (Kind.ENGINE_SWITCH, double(0), False),
        (Kind.ENGINE_VARIABLE, None, None),
        (Kind.ENGINE_VARIABLE, "+global:v", "+global:v"),
        (Kind.ENGINE_ACTION, "sil", ActionPreference.SilentlyContinue),
        (Kind.ENGINE_ACTION, " Stop ", ActionPreference.Stop),
        (Kind.ENGINE_ACTION, "2", ActionPreference.Continue),
        (Kind.ENGINE_ACTION, "\xa02\t\0", ActionPreference.Continue),
        (Kind.ENGINE_ACTION, int32(4), ActionPreference.Ignore),
        (Kind.ENGINE_ACTION, Number(2**32 + 1, "System.Int64"), ActionPreference.Stop),
        (Kind.ENGINE_ACTION, ("Stop", "Continue"), ActionPreference.Inquire),
        (Kind.ENGINE_ACTION, ("Stop", (int32(1), int32(2))), ActionPreference.Inquire),
        (Kind.ENGINE_ACTION, Hashtable(), ActionPreference.SilentlyContinue),
        (Kind.ENGINE_ACTION, Hashtable([("value__", "2")]), ActionPreference.Continue),
        # A number that has no name is kept where it is set in this way.
        (Kind.ENGINE_ACTION, Hashtable([("value__", int32(9))]), ActionPreference(9)),
        (Kind.ENGINE_INT, "", 0),
        (Kind.ENGINE_INT, " 5 ", 5),
        (Kind.ENGINE_INT, "5 \0\0", 5),
        (Kind.ENGINE_INT, "1,000", 1000),
        (Kind.ENGINE_INT, "0x1F", 31),
        (Kind.ENGINE_INT, "#1F", 31),
        (Kind.ENGINE_INT, "&h+0x1F", 31),
        (Kind.ENGINE_INT, "0x", 0),
        (Kind.ENGINE_INT, "1e-40000000000000000000000000d", 0),
        (Kind.ENGINE_INT, "0xFFFFFFFF", -1),
        (Kind.ENGINE_INT, "1.5kb", 1536),
        (Kind.ENGINE_INT, "1e2", 100),
        (Kind.ENGINE_INT, double(1.5), 2),
        (Kind.ENGINE_INT, double(2.5), 2),
        (Kind.ENGINE_INT, True, 1),
    ],
)
def test_a_value_that_fits_is_bound(kind: Kind, value: Value, bound: Value) -> None:
    assert convert(value, kind, "P") == bound


NUMBERS_ONLY = (
    "Boolean parameters accept only Boolean values and numbers, such as $True, $False, 1 or 0."
)
NO_ACTION = (
    "due to enumeration values that are not valid. Specify one of the following enumeration "
    'values and try again. The possible enumeration values are "SilentlyContinue,Stop,Continue,'
    'Inquire,Ignore,Suspend,Break".'
)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (Kind.STRING, ("a",), "parameter 'P'. Cannot convert value to type System.String."),
        (Kind.SWITCH, "true", NUMBERS_ONLY),
        (Kind.SWITCH, int32(1), 'Cannot convert the "1" value of type "System.Int32" to type'),
        (Kind.INT, "x", "The input string 'x' was not in a correct format."),
        (Kind.LIST_MODIFIER, Hashtable([("Foo", 1)]), "list modifier was detected: 'Foo'."),
        (Kind.LIST_MODIFIER, Hashtable([(True, 1)]), "list modifier was detected: 'True'."),
        (Kind.LIST_MODIFIER, Hashtable([(("Add",), 1)]), "detected: 'System.Object[]'."),
        (Kind.ENGINE_SWITCH, "x", "Cannot convert 'System.String' to the type"),
        (Kind.ENGINE_VARIABLE, ("a",), "Specified method is not supported."),
        (Kind.ENGINE_VARIABLE, "", 'the value of argument "path" is not valid.'),
        (Kind.ENGINE_VARIABLE, "+x:y", "'x:y' because it is not a valid variable name."),
        (Kind.ENGINE_VARIABLE, "x:y", "'x:y' because it is not a valid variable name."),
        (Kind.ENGINE_ACTION, None, f"Cannot convert null to type {{}} {NO_ACTION}"),
        (Kind.ENGINE_ACTION, "", "too similar or identical"),
        (Kind.ENGINE_ACTION, "S", "names: SilentlyContinue, Stop, Suspend. Use a more"),
        (Kind.ENGINE_ACTION, "X", "Unable to match the identifier name X to a valid enumerator"),
        (Kind.ENGINE_ACTION, " ", "Unable to match the identifier name   to a valid enumerator"),
        # Blanks are passed over round a whole name, not round the beginning of one.
        (Kind.ENGINE_ACTION, "Sil ", "Unable to match the identifier name Sil  to a valid"),
        (Kind.ENGINE_ACTION, " S", "Unable to match the identifier name  S to a valid"),
        # The Kelvin sign is no k.
        (Kind.ENGINE_ACTION, "Brea\u212a", "Unable to match the identifier name Brea\u212a to a"),
        (Kind.ENGINE_ACTION, "1\xa0", "Unable to match the identifier name 1\xa0 to a valid"),
        (Kind.ENGINE_ACTION, "1x", "Unable to match the identifier name 1x to a valid"),
        (
            Kind.ENGINE_ACTION,
            "99999999999",
            "Value was either too large or too small for an Int32.",
        ),
        (Kind.ENGINE_ACTION, int32(7), NO_ACTION),
        (Kind.ENGINE_ACTION, True, "Invalid cast from 'System.Boolean' to"),
        (Kind.ENGINE_ACTION, "Suspend", "is reserved for future use and is not supported"),
        (Kind.ENGINE_ACTION, Hashtable([("a", 1)]), "The property 'a' was not found for the"),
        (Kind.ENGINE_ACTION, Hashtable([(double(1e15), 1)]), "property '1000000000000000' was"),
        (Kind.ENGINE_ACTION, Hashtable([((), 1)]), "The property 'System.Object[]' was not"),
        (Kind.ENGINE_ACTION, Hashtable([("value__", (int32(1),))]), '"System.Object[]" value of'),
        (Kind.ENGINE_ACTION, OBJECT, 'value of type "T" to type'),
        (Kind.ENGINE_INT, None, "The argument is null, empty, or an element of the argument"),
        (Kind.ENGINE_INT, (), "Specified method is not supported."),
        (Kind.ENGINE_INT, double(1e30), "Value was either too large or too small for an Int32."),
        (Kind.ENGINE_INT, "0x1FFFFFFFF", "Value was either too large or too small for a UInt32."),
        (Kind.ENGINE_INT, "0x1FFFFFFFFg", "Value was either too large or too small for a UInt32."),
        (Kind.ENGINE_INT, "#", "Must be non-negative and less than the size of the collection."),
        (Kind.ENGINE_INT, "#-1", "String cannot contain a minus sign if the base is not 10."),
        (Kind.ENGINE_INT, "#x", "Could not find any recognizable digits."),
        (Kind.ENGINE_INT, "0x1g", "Additional non-parsable characters are at the end of the"),
        (Kind.ENGINE_INT, "99999999999", "too large or too small for an Int32."),
        (Kind.ENGINE_INT, "5;", "The input string '5;' was not in a correct format."),
        (Kind.ENGINE_INT, "1|2", "The input string '1|2' was not in a correct format."),
        (Kind.ENGINE_INT, Hashtable(), 'value of type "System.Collections.Hashtable" to type'),
    ],
)
def test_a_value_that_does_not_fit_says_why(kind: Kind, value: Value, why: str) -> None:
    with pytest.raises(Misfit) as misfit:
        convert(value, kind, "P")

    expected = why.format('"System.Management.Automation.ActionPreference"')
    assert expected in misfit.value.message
    assert "'P'" in misfit.value.message


@pytest.mark.parametrize(
    ("value", "append", "name"),
    [
        ("v", True, "v"),
        ("+v", True, "v"),
        ("global:v", True, "v"),
        (":v", True, "v"),
        ("global:", True, ""),
        ("+v", False, "+v"),
        ("local:v", False, "v"),
        ("variable:v", False, "variable:v"),
    ],
)
def test_a_variable_is_named_without_its_scope(value: str, name: str, *, append: bool) -> None:
    assert VariablePath.of(value, "P", append=append).name == name
