"""
Turning a value into what a parameter takes, or a misfit that says why not (cmdlets B14).

The engine's own parameters (the common ones) and those of a script function fail in other
words and by other ids; both live here, each in its own table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NoReturn

from tenantcfg.powershell.characters import folded
from tenantcfg.powershell.tree import Constant, ExpressionElement, Extent
from tenantcfg.powershell.values import (
    NOTHING,
    ActionPreference,
    Hashtable,
    Number,
    PSListModifier,
    PSObject,
    enumerate_value,
    to_string,
    type_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from tenantcfg.powershell.values import Value

__all__ = ["Conversion", "Kind", "Misfit", "VariablePath", "convert", "dotnet_type"]

_SMA = "System.Management.Automation."
_SWITCH = _SMA + "SwitchParameter"
_ACTION = _SMA + "ActionPreference"
_INT32 = range(-(2**31), 2**31)
_TOO_LARGE = "Value was either too large or too small for an Int32."
_NO_DIGITS_AT_ALL = (
    "Specified argument was out of the range of valid values. (Parameter 'Index was out of range. "
    "Must be non-negative and less than the size of the collection.')"
)
_HEXADECIMAL = ("0x", "&h", "#")


class Kind(Enum):
    """What a parameter takes. Those that begin with ENGINE are the common parameters'."""

    STRING = "System.String"
    SWITCH = _SWITCH
    OBJECT = _SMA + "PSObject"
    INT = "System.Int32"
    STRING_ARRAY = "System.String[]"
    LIST_MODIFIER = _SMA + "PSListModifier`1[System.String]"
    ENGINE_SWITCH = "engine " + _SWITCH
    ENGINE_ACTION = "engine " + _ACTION
    ENGINE_VARIABLE = "engine System.String"
    ENGINE_INT = "engine System.Int32"


class Conversion(Enum):
    """How a value did not fit: id, category and exception of the error that says so."""

    TRANSFORMATION = (
        "ParameterArgumentTransformationError",
        "InvalidData",
        "ParameterBindingArgumentTransformationException",
    )
    VALIDATION = (
        "ParameterArgumentValidationError",
        "InvalidData",
        "ParameterBindingValidationException",
    )
    ARGUMENT = ("CannotConvertArgument", "InvalidArgument", "ParameterBindingException")
    NO_MESSAGE = ("CannotConvertArgumentNoMessage", "InvalidArgument", "ParameterBindingException")
    SETTING = ("ParameterBindingFailed", "WriteError", "ParameterBindingException")


class Misfit(Exception):
    """A value does not fit its parameter; the binder makes the error record of it."""

    def __init__(self, conversion: Conversion, message: str) -> None:
        super().__init__(message)
        self.conversion = conversion
        self.message = message


def dotnet_type(kind: Kind) -> str:
    """The full name of the .NET type that *kind* is."""
    return kind.value.removeprefix("engine ")


def convert(value: Value, kind: Kind, parameter: str) -> Value:
    """
    *value* as a parameter of *kind* binds it.

    Raises:
        Misfit: it does not fit; the message names *parameter*.
    """
    return _CONVERTERS[kind](value, parameter)


@dataclass(frozen=True, slots=True)
class VariablePath:
    """
    The variable that a ``-...Variable`` parameter names.

    Attributes:
        scope: in lower case; empty where none is named.
        name: empty where only a scope is named.
    """

    scope: str
    name: str

    @classmethod
    def of(cls, value: str, parameter: str, *, append: bool = True) -> VariablePath:
        """
        The path that *value* is. With *append* a leading ``+`` is no part of it.

        Without, a name that begins with it or with the drive ``variable:`` is taken whole.

        Raises:
            Misfit: it is empty, or on a drive that holds no variables.
        """
        path = value.removeprefix("+")
        if not path:
            raise Misfit(
                Conversion.VALIDATION,
                f"Cannot validate argument on parameter '{parameter}'. Cannot process argument "
                'because the value of argument "path" is not valid. Change the value of the '
                '"path" argument and run the operation again.',
            )
        before, colon, name = path.partition(":")
        scope = before.lower()
        if colon and scope and scope not in _SCOPES:
            raise Misfit(
                Conversion.VALIDATION,
                f"Cannot validate argument on parameter '{parameter}'. Cannot validate argument "
                f"'{path}' because it is not a valid variable name.",
            )
        if not append and (path != value or scope == _DRIVE):
            return cls("", value)
        return cls(scope, name) if colon else cls("", path)


_DRIVE = "variable"
_SCOPES = frozenset({"global", "local", "script", "private", _DRIVE})


# --- the parameters of a script function


def _transformation(parameter: str, reason: str) -> NoReturn:
    raise Misfit(
        Conversion.TRANSFORMATION,
        f"Cannot process argument transformation on parameter '{parameter}'. {reason}",
    )


def _string(value: Value, parameter: str) -> Value:
    if isinstance(value, tuple):
        _transformation(parameter, "Cannot convert value to type System.String.")
    return to_string(value)


def _switch(value: Value, parameter: str) -> Value:
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, Number) and value.type_name != "System.Numerics.BigInteger":
        _transformation(
            parameter,
            f'Cannot convert the "{value}" value of type "{value.type_name}" to type "{_SWITCH}".',
        )
    _transformation(
        parameter,
        f'Cannot convert value "{type_name(value)}" to type "{_SWITCH}". Boolean parameters '
        "accept only Boolean values and numbers, such as $True, $False, 1 or 0.",
    )


def _object(value: Value, parameter: str) -> Value:
    del parameter
    return value


def _int(value: Value, parameter: str) -> Value:
    try:
        return _to_int32(value)
    except ValueError as why:
        _transformation(parameter, str(why))


def _string_array(value: Value, parameter: str) -> Value:
    del parameter
    return None if value is None else tuple(to_string(item) for item in enumerate_value(value))


def _list_modifier(value: Value, parameter: str) -> Value:
    if value is None or isinstance(value, PSListModifier):
        return value
    if not isinstance(value, Hashtable):
        items = (None if item is NOTHING else item for item in enumerate_value(value))
        return PSListModifier(replace=tuple(items))
    parts: dict[str, tuple[Value, ...]] = {}
    for key, items in value.enumerated():
        name = key.lower() if isinstance(key, str) else ""
        if name not in {"add", "remove", "replace"}:
            _transformation(parameter, _unknown_modifier(key))
        parts[name] = enumerate_value(items)
    return PSListModifier(**parts)


def _unknown_modifier(key: Value) -> str:
    return (
        'Cannot convert value "System.Collections.Hashtable" to type '
        f'"{dotnet_type(Kind.LIST_MODIFIER)}". Error: "The following unknown list modifier was '
        f"detected: '{_plain_text(key)}'. Valid list modifiers are Add, Remove, and Replace.\""
    )


# --- the common parameters


def _no_message(parameter: str, reason: str) -> NoReturn:
    raise Misfit(Conversion.NO_MESSAGE, f"Cannot bind parameter '{parameter}'. {reason}")


def _argument(value: Value, kind: Kind, parameter: str, why: str) -> NoReturn:
    raise Misfit(
        Conversion.ARGUMENT,
        f"Cannot convert '{type_name(value)}' to the type '{dotnet_type(kind)}' required by "
        f"parameter '{parameter}'. {why}",
    )


_NO_ARRAYS = "Specified method is not supported."


def _engine_switch(value: Value, parameter: str) -> Value:
    if value is None:
        return True
    if isinstance(value, bool):
        return value
    if isinstance(value, Number) and value.type_name != "System.Numerics.BigInteger":
        return bool(value)
    _argument(value, Kind.ENGINE_SWITCH, parameter, "")


def _engine_variable(value: Value, parameter: str) -> Value:
    if value is None:
        return None
    if isinstance(value, tuple):
        _argument(value, Kind.ENGINE_VARIABLE, parameter, _NO_ARRAYS)
    text = to_string(value)
    VariablePath.of(text, parameter)
    return text


def _engine_int(value: Value, parameter: str) -> Value:
    if value is None:
        raise Misfit(
            Conversion.VALIDATION,
            f"Cannot validate argument on parameter '{parameter}'. The argument is null, empty, "
            "or an element of the argument collection contains a null value. Supply a "
            "collection that does not contain any null values and then try the command again.",
        )
    if isinstance(value, tuple):
        _argument(value, Kind.ENGINE_INT, parameter, _NO_ARRAYS)
    try:
        return _to_int32(value)
    except ValueError as why:
        _no_message(parameter, str(why))


def _engine_action(value: Value, parameter: str) -> Value:
    if value is None:
        _setting(parameter, _no_action("null"))
    try:
        action = _to_action(value)
    except ValueError as why:
        _no_message(parameter, str(why))
    if action is ActionPreference.Suspend:
        _setting(
            parameter,
            "The Suspend ActionPreference value is reserved for future use and is not supported "
            "at this time. For more information about preference variables, see the Help topic, "
            '"about_Preference_Variables."',
        )
    return action


def _setting(parameter: str, reason: str) -> NoReturn:
    raise Misfit(
        Conversion.SETTING,
        f"Cannot bind parameter '{parameter}' to the target. Exception setting "
        f'"{parameter}": "{reason}"',
    )


# --- enumeration


def _to_action(value: Value) -> ActionPreference:
    match value:
        case str():
            return _action_of_text(value)
        case bool():
            raise ValueError(
                f'Cannot convert value "{value}" to type "{_ACTION}". Error: "Invalid cast from '
                f"'System.Boolean' to '{_ACTION}'.\""
            )
        case Number():
            return _action_of_number(value)
        case tuple():
            return _action_of_text(",".join(_action_text(item) for item in value))
        case Hashtable():
            return _action_of_entries(value)
        case PSObject():
            why = _foreign(value, _ACTION)
            raise ValueError(f'Cannot convert value "{value}" to type "{_ACTION}". Error: "{why}"')
        case _:
            raise ValueError(_no_action("null"))


def _action_text(item: Value) -> str:
    """An item of an array: text as it is, anything else as the name that it comes to."""
    return item if isinstance(item, str) else _to_action(item).name


def _action_of_number(number: Number) -> ActionPreference:
    if number.type_name == "System.Numerics.BigInteger":
        raise ValueError(_foreign(number, _ACTION))
    if number.type_name in {"System.Double", "System.Decimal", "System.Single"}:
        # Not a whole type: read as text, as typed.
        return _action_of_text(to_string(number))
    # A cast to 32 bits: what is above them is lost.
    return _defined((int(number.value) + 2**31) % 2**32 - 2**31, str(number))


def _action_of_text(text: str) -> ActionPreference:
    name = text.strip()
    if name[:1].isdecimal() or name[:1] in {"+", "-"}:
        return _action_of_digits(text.lstrip(), text)
    if text and not name:
        raise ValueError(_no_name(text))
    if "," in name:
        return _several([part.strip() for part in name.split(",")], text)
    return _named(name, text)


def _action_of_digits(digits: str, text: str) -> ActionPreference:
    number = _number_of_digits(digits)
    if number is None:
        raise ValueError(_no_name(text))
    if number not in _INT32:
        raise ValueError(
            f'Cannot convert value "{text}" to type "{_ACTION}". Error: "{_TOO_LARGE}"'
        )
    return _defined(number, text)


def _named(name: str, text: str) -> ActionPreference:
    exact = [action for action in ActionPreference if folded(action.name) == folded(name)]
    # Blanks do not count round a whole name; the beginning of one has none.
    near = exact or [a for a in ActionPreference if folded(a.name).startswith(folded(text))]
    if len(near) == 1:
        return near[0]
    if not near:
        raise ValueError(_no_name(text))
    listed = ", ".join(action.name for action in near)
    raise ValueError(
        f'Cannot convert value "{text}" to type "{_ACTION}". Error: "The identifier name {text} '
        "cannot be processed because it is either too similar or identical to the following "
        f'enumerator names: {listed}. Use a more specific identifier name."'
    )


def _several(names: list[str], text: str) -> ActionPreference:
    by_name = {folded(action.name): action for action in ActionPreference}
    if any(folded(name) not in by_name for name in names):
        raise ValueError(_no_name(text))
    number = 0
    for name in names:
        number |= by_name[folded(name)]
    return _defined(number, text)


def _action_of_entries(table: Hashtable) -> ActionPreference:
    number = 0
    cannot = f'Cannot create object of type "{_ACTION}". '
    for key, value in table.enumerated():
        if to_string(key).lower() != "value__":
            raise ValueError(
                f"{cannot}The property '{_plain_text(key)}' was not found for the '{_ACTION}' "
                "object. The settable properties are: [value__ <System.Int32>]."
            )
        try:
            number = _to_int32(value)
        except ValueError as why:
            raise ValueError(cannot + str(why)) from None
    return ActionPreference(number)


def _defined(number: int, shown: str) -> ActionPreference:
    if number in ActionPreference.__members__.values():
        return ActionPreference(number)
    raise ValueError(_no_action(f'value "{shown}"'))


def _no_action(shown: str) -> str:
    names = ",".join(ActionPreference.__members__)
    return (
        f'Cannot convert {shown} to type "{_ACTION}" due to enumeration values that are not '
        "valid. Specify one of the following enumeration values and try again. The possible "
        f'enumeration values are "{names}".'
    )


def _no_name(text: str) -> str:
    names = ", ".join(ActionPreference.__members__)
    return (
        f'Cannot convert value "{text}" to type "{_ACTION}". Error: "Unable to match the '
        f"identifier name {text} to a valid enumerator name. Specify one of the following "
        f'enumerator names and try again:\n{names}"'
    )


# --- whole numbers


def _to_int32(value: Value) -> int:
    match value:
        case None:
            return 0
        case bool():
            return int(value)
        case Number():
            return _whole(value.value, str(value))
        case str():
            return _int_of_text(value)
        case _:
            raise ValueError(_foreign(value, "System.Int32"))


def _whole(value: float | Decimal, shown: str) -> int:
    number = _rounded(value)
    if number is None:
        raise ValueError(f'{_cannot(shown)} Error: "{_TOO_LARGE}"')
    return number


def _rounded(value: float | Decimal) -> int | None:
    """*value* as 32 bits hold it, halves to the even number; None: they do not."""
    try:
        number = round(value)
    except (OverflowError, ValueError):
        return None
    return number if number in _INT32 else None


def _int_of_text(text: str) -> int:
    """What .NET's converter of whole numbers reads, else what the language reads as a number."""
    digits = text.strip()
    if not digits:
        return 0
    try:
        return _int_of_digits(digits)
    except ValueError as why:
        number = _number_of_text(digits)
        whole = None if number is None else _rounded(number)
        if whole is None:
            raise ValueError(f'{_cannot(text)} Error: "{why}"') from None
        return whole


def _int_of_digits(digits: str) -> int:
    prefix = next((one for one in _HEXADECIMAL if digits.lower().startswith(one)), None)
    if prefix is not None:
        return _int_of_bits(digits[len(prefix) :])
    number = _number_of_digits(digits)
    if number is None:
        raise ValueError(f"The input string '{digits}' was not in a correct format.")
    if number not in _INT32:
        raise ValueError(_TOO_LARGE)
    return number


def _number_of_digits(text: str) -> int | None:
    """What .NET reads as a whole number: blanks may stand behind it, then NULs."""
    digits = text.rstrip("\0").rstrip("\t\n\v\f\r ")
    unsigned = digits[1:] if digits[:1] in ("+", "-") else digits
    return int(digits) if unsigned.isascii() and unsigned.isdecimal() else None


def _int_of_bits(digits: str) -> int:
    """The whole number whose 32 bits the hexadecimal *digits* are."""
    if not digits:
        raise ValueError(_NO_DIGITS_AT_ALL)
    if digits[0] == "-":
        raise ValueError("String cannot contain a minus sign if the base is not 10.")
    digits = digits.removeprefix("+").lower().removeprefix("0x")
    read = len(digits) - len(digits.lstrip("0123456789abcdef"))
    if read == 0:
        raise ValueError("Could not find any recognizable digits.")
    bits = int(digits[:read], 16)
    if bits >= 2**32:
        raise ValueError("Value was either too large or too small for a UInt32.")
    if read < len(digits):
        raise ValueError("Additional non-parsable characters are at the end of the string.")
    return (bits + 2**31) % 2**32 - 2**31


def _number_of_text(digits: str) -> float | Decimal | None:
    """The number that *digits* is as a literal, or with commas between its thousands."""
    number = _literal(digits)
    whole, point, fraction = digits.partition(".")
    if number is None and "," in whole and whole[0] != "," and "," not in fraction:
        number = _literal(whole.replace(",", "") + point + fraction)
    return number


def _literal(digits: str) -> float | Decimal | None:
    from tenantcfg.powershell.syntax import parse  # noqa: PLC0415  a rare way, a big module

    parsed = parse(digits)
    statements = parsed.script.statements
    if parsed.errors or parsed.unsupported or len(statements) != 1:
        return None
    (element, *rest) = statements[0].elements
    if rest or not isinstance(element, ExpressionElement):
        return None
    node = element.expression
    whole = Extent(0, len(digits))
    return node.value if isinstance(node, Constant) and node.extent == whole else None


def _cannot(shown: str) -> str:
    return f'Cannot convert value "{shown}" to type "System.Int32".'


def _foreign(value: Value, target: str) -> str:
    kind = value.type_name if isinstance(value, PSObject) else type_name(value)
    return f'Cannot convert the "{_plain_text(value)}" value of type "{kind}" to type "{target}".'


def _plain_text(value: Value) -> str:
    """What .NET itself makes of *value*, an array's items not looked at."""
    return type_name(value) if isinstance(value, tuple) else str(value)


_CONVERTERS: dict[Kind, Callable[[Value, str], Value]] = {
    Kind.STRING: _string,
    Kind.SWITCH: _switch,
    Kind.OBJECT: _object,
    Kind.INT: _int,
    Kind.STRING_ARRAY: _string_array,
    Kind.LIST_MODIFIER: _list_modifier,
    Kind.ENGINE_SWITCH: _engine_switch,
    Kind.ENGINE_ACTION: _engine_action,
    Kind.ENGINE_VARIABLE: _engine_variable,
    Kind.ENGINE_INT: _engine_int,
}
