"""
PowerShell's values, as far as they are data, and their texts.

Null, booleans and strings are Python's own; an array (``System.Object[]``) is a tuple; a
number carries its .NET type. Nothing here judges what a value means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from tenantcfg.powershell.characters import folded
from tenantcfg.powershell.hash_order import bucket_order, hash_code
from tenantcfg.powershell.numbers import invariant_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from decimal import Decimal

__all__ = [
    "NOTHING",
    "ActionPreference",
    "Hashtable",
    "Number",
    "PSListModifier",
    "PSObject",
    "Value",
    "argument_text",
    "enumerate_value",
    "to_string",
    "type_name",
]

# None, bool, str, Number, Hashtable, PSObject, PSListModifier, ActionPreference, or a tuple
# of these. (A recursive union would only move the casts to every caller.)
Value: TypeAlias = Any


class _Nothing:
    """What a command that wrote nothing gives: null to whoever looks, no item to a pipeline."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NOTHING"

    def __str__(self) -> str:
        return ""


NOTHING = _Nothing()

_LIST_TYPE = "System.Collections.Generic.List`1[System.String]"


@dataclass(frozen=True, slots=True)
class Number:
    """
    A number and its .NET type (``System.Int32``, ``System.Double``, ...).

    *typed* is how it stood on the line where it stood as a command's argument: that is what
    it turns into as a string (cmdlets G10). ``str`` gives .NET's invariant text, *shown*
    PowerShell's, which has fifteen digits of a double at most.
    """

    value: int | float | Decimal
    type_name: str
    typed: str | None = field(default=None, compare=False)

    @property
    def shown(self) -> str:
        """The text that it has as a value."""
        return _double_text(self.value) if isinstance(self.value, float) else str(self)

    def __str__(self) -> str:
        return invariant_text(self.value)

    def __bool__(self) -> bool:
        return self.value != 0


class Hashtable:
    """
    ``@{...}``: keys of any value, strings among them without regard to case.

    It keeps the order of the literal; .NET's own is that of `enumerated`.
    """

    __slots__ = ("_entries",)

    def __init__(self, items: Iterable[tuple[Value, Value]] = ()) -> None:
        self._entries: dict[object, tuple[Value, Value]] = {}
        for key, value in items:
            self._entries[_folded(key)] = (key, value)

    def __contains__(self, key: object) -> bool:
        return _folded(key) in self._entries

    def add(self, key: Value, value: Value) -> bool:
        """Put one entry more into it, unless one has this key already; whether it did."""
        entry = key, value
        return self._entries.setdefault(_folded(key), entry) is entry

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hashtable) and self._entries == other._entries

    __hash__ = None  # type: ignore[assignment]  # it compares by content

    def __repr__(self) -> str:
        return f"Hashtable({list(self.items())!r})"

    def __str__(self) -> str:
        return "System.Collections.Hashtable"

    def items(self) -> Iterator[tuple[Value, Value]]:
        """The entries, keys as written."""
        return iter(self._entries.values())

    def enumerated(self) -> Iterator[tuple[Value, Value]]:
        """The entries in .NET's order, where it can be told; nothing good depends on it."""
        entries = list(self._entries.values())
        codes = [_code(key) for key, _ in entries]
        if None in codes:
            return iter(entries)
        known = [code for code in codes if code is not None]
        return (entries[place] for place in bucket_order(known))


class PSObject:
    """
    An object with named properties, as travels through a pipeline.

    A cmdlet knows its own objects by their Python class. A tuple among the properties is
    a list of strings.
    """

    __slots__ = ("__dict__", "properties", "type_name")

    def __init__(self, type_name: str, properties: Mapping[str, Value]) -> None:
        self.type_name = type_name
        self.properties = properties

    def __str__(self) -> str:
        texts = (f"{name}={_property_text(value)}" for name, value in self.properties.items())
        return "@{" + "; ".join(texts) + "}"


@dataclass(frozen=True, slots=True)
class PSListModifier:
    """
    What to do to a list: PowerShell's own type, which holds any values and judges none.

    A null, a duplicate, a nested array is an item like any other (cmdlets L4, L5).
    """

    add: tuple[Value, ...] = ()
    remove: tuple[Value, ...] = ()
    replace: tuple[Value, ...] = ()

    def apply_to(self, current: Iterable[Value]) -> tuple[Value, ...]:
        """
        The list after this modifier, as the class's own ``ApplyTo`` has it (cmdlets L9).

        A Replace that has an item stands alone; else each Remove takes the first equal item
        (strings by case), then each Add goes to the end, whether it is there or not.
        """
        if self.replace:
            return self.replace
        items = list(current)
        for item in self.remove:
            if item in items:
                items.remove(item)
        return (*items, *self.add)

    def __str__(self) -> str:
        return "System.Management.Automation.PSListModifier`1[System.String]"


class ActionPreference(IntEnum):
    """What to do with an error, a warning, a message."""

    SilentlyContinue = 0
    Stop = 1
    Continue = 2
    Inquire = 3
    Ignore = 4
    Suspend = 5
    Break = 6

    @classmethod
    def _missing_(cls, value: object) -> ActionPreference | None:
        """A number without a name is a value of a .NET enumeration like any other."""
        if not isinstance(value, int):
            return None
        unnamed = int.__new__(cls, value)
        unnamed._name_, unnamed._value_ = str(value), value
        return unnamed

    def __str__(self) -> str:
        return self.name


def type_name(value: Value) -> str:
    """The full name of the .NET type of *value*, which is not null."""
    match value:
        case bool():
            name = "System.Boolean"
        case str():
            name = "System.String"
        case Number():
            name = value.type_name
        case ActionPreference():
            name = "System.Management.Automation.ActionPreference"
        case int():
            name = "System.Int32"
        case tuple():
            name = "System.Object[]"
        case PSObject() | _Nothing():
            name = "System.Management.Automation.PSCustomObject"
        case _:
            name = str(value)
    return name


def to_string(value: Value) -> str:
    """*value* turned into a string, as in ``"$(...)"``: an array's items are joined by blanks."""
    match value:
        case None:
            return ""
        case Number():
            return value.typed if value.typed is not None else value.shown
        case tuple():
            return " ".join(_item_text(item) for item in value)
        case _:
            return str(value)


def argument_text(value: Value) -> str:
    """*value* as an error message names an argument: as typed, ``$null``, an array's type."""
    match value:
        case None | _Nothing():
            return "$null"
        case tuple():
            return "System.Object[]"
        case Number():
            return value.typed if value.typed is not None else str(value)
        case _:
            return str(value)


def enumerate_value(value: Value) -> tuple[Value, ...]:
    """The items of an array, one level; anything else is one item (cmdlets L4)."""
    return value if isinstance(value, tuple) else (value,)


def _item_text(item: Value) -> str:
    match item:
        case None | PSObject():
            # An object without a text of its own is empty between others.
            return ""
        case tuple():
            return "System.Object[]"
        case Number():
            return item.shown
        case _:
            return str(item)


def _property_text(value: Value) -> str:
    return _LIST_TYPE if isinstance(value, tuple) else to_string(value)


def _folded(key: Value) -> object:
    match key:
        case bool():
            return (bool, key)
        case str():
            return folded(key)
        case Number():
            return (key.type_name, key.value)
        case Hashtable() | tuple():
            # Compared by identity in .NET: two are never the same key.
            return id(key)
        case _:
            return key


def _code(key: Value) -> int | None:
    """The hash code that .NET gives to *key*; None: it differs from process to process."""
    if isinstance(key, bool):
        return int(key)
    return hash_code(key.value, key.type_name) if isinstance(key, Number) else None


def _double_text(value: float) -> str:
    """Fifteen digits at most, as PowerShell shows a double in every culture."""
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124  NaN
        return {"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN")
    mantissa, _, exponent = f"{abs(value):.14e}".partition("e")
    digits = mantissa.replace(".", "").rstrip("0") or "0"
    sign = "-" if str(value).startswith("-") else ""
    power = int(exponent)
    if -5 < power < 15:  # noqa: PLR2004  outside, .NET turns to the exponent form
        return sign + _plain(digits, power + 1)
    point = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{point}E{power:+03d}"


def _plain(digits: str, scale: int) -> str:
    """0.DIGITS times ten to the power of *scale*, written out."""
    if scale <= 0:
        return "0." + "0" * -scale + digits
    if scale >= len(digits):
        return digits + "0" * (scale - len(digits))
    return f"{digits[:scale]}.{digits[scale:]}"
