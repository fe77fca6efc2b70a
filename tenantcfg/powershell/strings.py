"""
What strings are made of: characters, escapes, and what is expanded in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantcfg.powershell.characters import HEX_DIGITS

if TYPE_CHECKING:
    from tenantcfg.powershell.tokens import Token

__all__ = ["Escape", "Fault", "StringText", "read_escape"]

_ESCAPES = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
# What a `u escape that is none leaves in the string.
_NO_CHARACTER = "\uffff"
_MOST_DIGITS = 6
_GREATEST_CODE_POINT = 0x10FFFF


@dataclass(frozen=True, slots=True)
class Fault:
    """An error of PowerShell's, from *start* to *end* of the text that was read."""

    id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Escape:
    """The *text* that an escape stands for, where it ends, and what is wrong with it."""

    text: str
    end: int
    fault: Fault | None = None


def read_escape(script: str, index: int) -> Escape:
    """
    The escape in *script* whose backtick stands before *index*.

    *script* must go on with NUL characters behind its end.
    """
    char = script[index]
    if char == "u":
        return _unicode(script, index + 1)
    return Escape(_ESCAPES.get(char, char), index + 1)


def _unicode(script: str, index: int) -> Escape:
    begin = index - 2
    if script[index] != "{":
        return _invalid(index, Fault("InvalidUnicodeEscapeSequence", begin, index))
    first = end = index + 1
    while script[end] in HEX_DIGITS and end - first < _MOST_DIGITS:
        end += 1
    digits = script[first:end]
    if script[end] != "}":
        return _invalid(end, Fault(_unclosed(len(digits), script[end]), end, end + 1))
    if not digits:
        return _invalid(end + 1, Fault("InvalidUnicodeEscapeSequence", begin, end + 1))
    value = int(digits, 16)
    if value > _GREATEST_CODE_POINT:
        return _invalid(end + 1, Fault("InvalidUnicodeEscapeSequenceValue", first, end))
    return Escape(chr(value), end + 1)


def _invalid(end: int, fault: Fault) -> Escape:
    return Escape(_NO_CHARACTER, end, fault)


def _unclosed(digits: int, char: str) -> str:
    if digits < _MOST_DIGITS:
        return "InvalidUnicodeEscapeSequence"
    if char in HEX_DIGITS:
        return "TooManyDigitsInUnicodeEscapeSequence"
    return "MissingUnicodeEscapeSequenceTerminator"


class StringText:
    """The text of a string as it is scanned: its characters and what it expands."""

    __slots__ = ("_parts", "_raw", "_run")

    def __init__(self) -> None:
        self._raw: list[str] = []
        self._run: list[str] = []
        self._parts: list[str | Token] = []

    def add(self, piece: str) -> None:
        """Take *piece* as it stands."""
        if piece:
            self._raw.append(piece)
            self._run.append(piece)

    def expand(self, source: str, token: Token) -> None:
        """Take *token*, written as *source*, into the string."""
        self._raw.append(source)
        self._flush()
        self._parts.append(token)

    def joined(self) -> str:
        """The text with what it expands as typed."""
        return _paired("".join(self._raw))

    def parts_or_none(self) -> list[str | Token] | None:
        """The pieces in order; None where nothing is expanded."""
        if not self._parts:
            return None
        self._flush()
        return self._parts

    def _flush(self) -> None:
        if self._run:
            self._parts.append(_paired("".join(self._run)))
            self._run = []


def _paired(text: str) -> str:
    """*text* with halves of surrogate pairs that met (```u{D83D}`u{DE00}``) joined."""
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
