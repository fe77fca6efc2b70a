"""
Which characters mean what in PowerShell's lexical grammar.

PowerShell reads UTF-16 units, so that a character outside the Basic Multilingual Plane is
never a letter to it; the predicates here keep to that.
"""

from __future__ import annotations

__all__ = [
    "AFTER_NUMBER",
    "BLANKS",
    "DASHES",
    "DECIMAL_DIGITS",
    "DOUBLE_QUOTES",
    "HEX_DIGITS",
    "NEWLINES",
    "SINGLE_QUOTES",
    "TOKEN_ENDS",
    "ascii_lower",
    "folded",
    "identifier_follows",
    "identifier_starts",
    "is_letter",
    "is_letter_or_digit",
    "variable_starts",
    "white_space",
]

DASHES = frozenset("-\u2013\u2014\u2015")
SINGLE_QUOTES = frozenset("'\u2018\u2019\u201a\u201b")
DOUBLE_QUOTES = frozenset('"\u201c\u201d\u201e')
NEWLINES = frozenset("\r\n")

# Blanks in the grammar's sense: newlines are not among them.
BLANKS = frozenset(
    " \t\v\f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

# What ends a bare word, a parameter, a number: the NUL character too, which the scanner
# also uses to mark the end of the text.
TOKEN_ENDS = BLANKS | frozenset("\0\r\n&(),;{|}")

# What ends a number in an expression on top of that.
AFTER_NUMBER = frozenset("!#%*+-./<=>]") | DASHES

DECIMAL_DIGITS = frozenset("0123456789")
HEX_DIGITS = frozenset("0123456789abcdefABCDEF")

_ASCII_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_IDENTIFIER_START = _ASCII_LETTERS | {"_"}
_IDENTIFIER = _IDENTIFIER_START | DECIMAL_DIGITS
_VARIABLE_START = _IDENTIFIER | frozenset("$:?^")
_WHITE_SPACE = BLANKS | NEWLINES

# The dotless i and the long s.
_STAY = frozenset("\u0131\u017f")


def is_letter(char: str) -> bool:
    """Whether .NET calls *char* a letter."""
    return char.isalpha() and char <= "\uffff"


def is_letter_or_digit(char: str) -> bool:
    """Whether .NET calls *char* a letter or a decimal digit of any script."""
    return (char.isalpha() or char.isdecimal()) and char <= "\uffff"


def white_space(char: str) -> bool:
    """Whether .NET calls *char* white space: blanks and newlines."""
    return char in _WHITE_SPACE


def identifier_starts(char: str) -> bool:
    """Whether an identifier may start with *char*."""
    return char in _IDENTIFIER_START or (char > "\x7f" and is_letter(char))


def identifier_follows(char: str) -> bool:
    """Whether *char* may stand inside an identifier."""
    return char in _IDENTIFIER or (char > "\x7f" and is_letter_or_digit(char))


def variable_starts(char: str) -> bool:
    """Whether ``$`` followed by *char* is a variable."""
    return char in _VARIABLE_START or (char > "\x7f" and is_letter_or_digit(char))


def ascii_lower(text: str) -> str:
    """
    *text* in lower case if it is ASCII, else as it is.

    For names that are ASCII: to PowerShell no other letter equals one of theirs, to Python
    the Kelvin sign is a k.
    """
    return text.lower() if text.isascii() else text


def folded(text: str) -> str:
    """*text* as PowerShell compares it without regard to case: each character upper-case."""
    return text.upper() if text.isascii() else "".join(map(_upper, text))


def _upper(char: str) -> str:
    """One character for one, as .NET has it; none becomes an ASCII letter."""
    if char in _STAY:
        return char
    upper = char.upper()
    if len(upper) > 1:
        # Where Python writes two letters, the one letter of Unicode is that of titles.
        upper = char.title()
    return upper if len(upper) == 1 else char
