"""
Number literals: from the digits, suffix and multiplier of a token to a value and its type.

The types are .NET's: the narrowest signed one that holds the value, 32 bits at least, else
decimal, else double; a suffix asks for one (``y uy s us l ul u d n``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantcfg.powershell.characters import DASHES, DECIMAL_DIGITS, HEX_DIGITS

if TYPE_CHECKING:
    from decimal import Context, Decimal

__all__ = [
    "DECIMAL_LIMIT",
    "Literal",
    "Number",
    "invariant_text",
    "read_literal",
    "value_of",
]

DECIMAL_LIMIT = 2**96 - 1
_DOUBLE_LIMIT = int(1.7976931348623157e308)
_DOUBLE_BITS = 53

# In both cases and no more: to Python the Kelvin sign is a k as well.
_MULTIPLIERS = {
    letter: 2 ** (10 * power)
    for power, letters in enumerate(("kK", "mM", "gG", "tT", "pP"), start=1)
    for letter in letters
}
_SUFFIXES = frozenset("uslnydUSLNYD")
_BINARY_DIGITS = frozenset("01")

# Only a BigInteger could hold a whole number of more digits than these. Python itself turns
# no text of more than 4,300 digits into a number, nor a number into such a text.
_MOST_DIGITS = 3_000
_LONGEST_EXPONENT = 6

_INFINITIES = {float("inf"): "Infinity", float("-inf"): "-Infinity"}

# Suffix -> the types tried in order: name, least and greatest value.
_INT32 = ("System.Int32", -(2**31), 2**31 - 1)
_INT64 = ("System.Int64", -(2**63), 2**63 - 1)
_UINT32 = ("System.UInt32", 0, 2**32 - 1)
_UINT64 = ("System.UInt64", 0, 2**64 - 1)
_INTEGERS: dict[str, tuple[tuple[str, int, int], ...]] = {
    "": (_INT32, _INT64),
    "y": (("System.SByte", -128, 127),),
    "uy": (("System.Byte", 0, 255),),
    "s": (("System.Int16", -(2**15), 2**15 - 1),),
    "us": (("System.UInt16", 0, 2**16 - 1),),
    "l": (_INT64,),
    "ul": (_UINT64,),
    "u": (_UINT32, _UINT64),
}

# Lengths at which the first bit of a binary literal is a sign.
_SIGNED_BINARY = frozenset((8, 16, 32, 64, 96))
_BIG_BINARY = 128
_LONG_HEX = 16
_HEX_DIGITS = {"y": 2, "s": 4, "l": 16}
_LONG_BINARY = 64


@dataclass(frozen=True, slots=True)
class Literal:
    """
    What the scanner saw: *digits* with an ASCII sign and point, *base* 10, 16 or 2.

    A hexadecimal literal has one more ``0`` before its digits. *suffix* is in lower case;
    *real* says that there was a point or an exponent; *multiplier* is 1 or that of ``kb`` ...
    """

    digits: str
    base: int
    suffix: str
    real: bool
    multiplier: int


@dataclass(frozen=True, slots=True)
class Number:
    """A value and the name of its .NET type."""

    value: int | float | Decimal
    type_name: str


def read_literal(script: str, index: int, ends: frozenset[str]) -> tuple[Literal | None, int]:
    """
    The number literal at *index* of *script*, and the place behind it.

    None where there is none; the place is then behind what looked like one. *script* ends
    in a NUL character, *ends* holds what may follow a number.
    """
    reader = _LiteralReader(script, index, ends)
    return reader.literal(), reader.index


class _LiteralReader:
    __slots__ = ("_ends", "_script", "index")

    def __init__(self, script: str, index: int, ends: frozenset[str]) -> None:
        self._script = script
        self._ends = ends
        self.index = index

    def _next(self) -> str:
        char = self._script[self.index]
        self.index += 1
        return char

    def literal(self) -> Literal | None:
        sign = ""
        char = self._next()
        if char == "+" or char in DASHES:
            sign = "+" if char == "+" else "-"
            char = self._next()
        base, real, valid = 10, False, True
        if char == ".":
            digits, valid = self._fraction()
            digits, real = "." + digits, True
        elif char == "0" and self._script[self.index] in "xXbB":
            digits, base = self._other_base()
            valid = base != 2 or bool(sign or digits)  # noqa: PLR2004
        else:
            digits, real, valid = self._decimal_literal(char)
        suffix, good = self._number_suffix()
        multiplier, complete = self._multiplier()
        if not (valid and good and complete and self._script[self.index] in self._ends):
            return None
        return Literal(sign + digits, base, suffix, real, multiplier)

    def _decimal_digits(self) -> str:
        script, begin, index = self._script, self.index, self.index
        while script[index] in DECIMAL_DIGITS:
            index += 1
        self.index = index
        return script[begin:index]

    def _decimal_literal(self, char: str) -> tuple[str, bool, bool]:
        digits = char + self._decimal_digits()
        follower = self._script[self.index]
        if follower == "." and self._script[self.index + 1] != ".":
            self.index += 1
            fraction, valid = self._fraction()
            return digits + "." + fraction, True, valid
        if follower in "eE":
            self.index += 1
            exponent, valid = self._exponent()
            return digits + "e" + exponent, True, valid
        return digits, False, True

    def _fraction(self) -> tuple[str, bool]:
        digits = self._decimal_digits()
        if self._script[self.index] not in "eE":
            return digits, True
        self.index += 1
        exponent, valid = self._exponent()
        return digits + "e" + exponent, valid

    def _exponent(self) -> tuple[str, bool]:
        sign = ""
        char = self._script[self.index]
        if char == "+" or char in DASHES:
            self.index += 1
            sign = "+" if char == "+" else "-"
        digits = self._decimal_digits()
        return sign + digits, bool(digits)

    def _other_base(self) -> tuple[str, int]:
        hexadecimal = self._next() in "xX"
        allowed = HEX_DIGITS if hexadecimal else _BINARY_DIGITS
        begin = self.index
        while self._script[self.index] in allowed:
            self.index += 1
        digits = self._script[begin : self.index]
        return ("0" + digits, 16) if hexadecimal else (digits, 2)

    def _number_suffix(self) -> tuple[str, bool]:
        script = self._script
        if script[self.index] not in _SUFFIXES:
            return "", True
        suffix = self._next().lower()
        if script[self.index] not in _SUFFIXES:
            return suffix, True
        second = self._next().lower()
        return suffix + second, suffix == "u" and second in "lsy"

    def _multiplier(self) -> tuple[int, bool]:
        factor = _MULTIPLIERS.get(self._script[self.index])
        if factor is None:
            return 1, True
        self.index += 1
        if self._script[self.index] not in "bB":
            return factor, False
        self.index += 1
        return factor, True


def value_of(literal: Literal) -> Number | None:
    """The value of *literal*; None where no type holds it."""
    if not literal.digits.isascii():
        # A sign before a digit of another script: .NET reads no number there.
        return None
    if literal.real:
        return _real(literal) if _has_digits(literal.digits) else None
    whole = _whole(literal)
    if whole is None:
        return None
    value, suffix = whole
    return _fitted(value, suffix, decimal_base=literal.base == 10)  # noqa: PLR2004


def _has_digits(digits: str) -> bool:
    """Whether a digit stands before the exponent: a sign and a point alone are no number."""
    return any(char.isdecimal() for char in digits.partition("e")[0])


def _real(literal: Literal) -> Number | None:
    if literal.suffix == "d":
        return _decimal(literal.digits, literal.multiplier)
    value = float(literal.digits) * literal.multiplier
    if not literal.suffix:
        return Number(value, "System.Double")
    if value in _INFINITIES:
        return None
    return _fitted(round(value), literal.suffix, decimal_base=True)


def _decimal(digits: str, multiplier: int) -> Number | None:
    from decimal import Context, Decimal  # noqa: PLC0415  rare, and it takes 2 ms

    mantissa, mark, exponent = digits.partition("e")
    if len(exponent) > _LONGEST_EXPONENT:
        # Decimal refuses an exponent of twenty digits; one of three says as much.
        exponent = "-999" if exponent.startswith("-") else "999"
    exact = Decimal(f"{mantissa}e{exponent}" if mark else digits)
    if exact and exact.adjusted() >= len(str(DECIMAL_LIMIT)):
        return None
    context = Context(prec=1000)
    value = _scaled(exact, context)
    if value is None:
        return None
    result = _scaled(context.multiply(value, Decimal(multiplier)), context)
    return None if result is None else Number(result, "System.Decimal")


def _scaled(exact: Decimal, context: Context) -> Decimal | None:
    """*exact* with at most 28 decimals, as many as 96 bits leave room for."""
    from decimal import Decimal  # noqa: PLC0415

    for scale in range(max(0, min(-int(exact.as_tuple().exponent), 28)), -1, -1):
        value = exact.quantize(Decimal(1).scaleb(-scale), context=context)
        if abs(int(value.scaleb(scale, context=context))) <= DECIMAL_LIMIT:
            return value or abs(value)
    return None


def _whole(literal: Literal) -> tuple[int, str] | None:
    if len(literal.digits) > _MOST_DIGITS:
        return None
    if literal.base == 10:  # noqa: PLR2004
        return int(literal.digits) * literal.multiplier, literal.suffix
    negative = literal.digits.startswith("-")
    digits = literal.digits.lstrip("+-")
    read = _hexadecimal if literal.base == _LONG_HEX else _binary
    parsed = read(digits, literal.suffix)
    if parsed is None:
        return None
    value, suffix = parsed
    return value * (-literal.multiplier if negative else literal.multiplier), suffix


def _hexadecimal(digits: str, suffix: str) -> tuple[int, str] | None:
    # As many digits as the type has bits for are bits: 0xFFFFFFFF is -1, and so is 0xFFy.
    bits = _HEX_DIGITS.get(suffix) or (8 if len(digits) < _LONG_HEX else _LONG_HEX)
    if not suffix.startswith("u") and len(digits) == bits + 1:
        digits = digits[1:]
    value = int(digits or "0", 16)
    if digits and digits[0] in "89abcdefABCDEF":
        value -= 16 ** len(digits)
    if len(digits) == _LONG_HEX and suffix in ("", "u"):
        suffix += "l"
    return value, suffix


def _binary(digits: str, suffix: str) -> tuple[int, str] | None:
    if not digits:
        # A sign, 0b and no digit: nothing, or zero where no bit could be a sign.
        return (0, suffix) if suffix.startswith("u") else None
    value = int(digits, 2)
    signed = len(digits) in _SIGNED_BINARY or len(digits) >= _BIG_BINARY
    if digits[0] == "1" and signed and not suffix.startswith("u"):
        value -= 1 << len(digits)
    if len(digits) == _LONG_BINARY and suffix in ("", "u"):
        suffix += "l"
    return value, suffix


def _fitted(value: int, suffix: str, *, decimal_base: bool) -> Number | None:
    if suffix == "n":
        return Number(value, "System.Numerics.BigInteger")
    for name, least, greatest in _INTEGERS.get(suffix, ()):
        if least <= value <= greatest:
            return Number(value, name)
    if suffix == "d" or (not suffix and decimal_base):
        if abs(value) <= DECIMAL_LIMIT:
            from decimal import Decimal  # noqa: PLC0415

            return Number(Decimal(value), "System.Decimal")
        if not suffix and abs(value) <= _DOUBLE_LIMIT:
            return Number(_cut_to_double(value), "System.Double")
    return None


def _cut_to_double(value: int) -> float:
    """*value* with the first 53 of its bits: .NET rounds no BigInteger."""
    spare = max(abs(value).bit_length() - _DOUBLE_BITS, 0)
    cut = abs(value) >> spare << spare
    return float(-cut if value < 0 else cut)


def invariant_text(value: float | Decimal) -> str:
    """A number as .NET writes it: the shortest digits that read back the same."""
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, float):
        return format(value, "f")
    if value in _INFINITIES:
        return _INFINITIES[value]
    sign, digits, exponent = _digits_of(value)
    if -5 < exponent < 17:  # noqa: PLR2004
        return sign + _plain(digits, exponent)
    fraction = "." + digits[1:] if len(digits) > 1 else ""
    mark = "-" if exponent < 0 else "+"
    return f"{sign}{digits[0]}{fraction}E{mark}{abs(exponent):02d}"


def _digits_of(value: float) -> tuple[str, str, int]:
    """Sign, shortest digits without trailing zeros, exponent of the first digit."""
    mantissa, _, exponent = repr(value).partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    power = int(exponent or 0) + len(whole) - 1
    digits = whole + fraction
    stripped = digits.lstrip("0")
    power -= len(digits) - len(stripped)
    return sign, stripped.rstrip("0") or "0", power if stripped else 0


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    padded = digits.ljust(exponent + 1, "0")
    fraction = padded[exponent + 1 :]
    return padded[: exponent + 1] + ("." + fraction if fraction else "")
