"""
The tokens of PowerShell's lexical grammar and their kinds.

A kind is a string: the punctuation or operator itself (``(``, ``@{``, ``-eq``), the
keyword in lower case, or one of the capitalised names below for what has many spellings.
"""

from __future__ import annotations

__all__ = [
    "ASSIGNMENTS",
    "BINARY",
    "BLOCK_NAMES",
    "DASH_OPERATORS",
    "END",
    "EXPANDABLE",
    "GENERIC",
    "IDENTIFIER",
    "KEYWORDS",
    "LABEL",
    "LITERAL",
    "MODE_INVARIANT",
    "NEWLINE",
    "NO_ATTRIBUTES",
    "NUMBER",
    "PARAMETER",
    "REDIRECTION",
    "REDIRECT_IN",
    "SPLAT",
    "UNARY",
    "UNKNOWN",
    "VARIABLE",
    "Token",
]

UNKNOWN = "Unknown"
VARIABLE = "Variable"
SPLAT = "Splat"
PARAMETER = "Parameter"
NUMBER = "Number"
LABEL = "Label"
IDENTIFIER = "Identifier"
GENERIC = "Generic"
NEWLINE = "Newline"
END = "End"
LITERAL = "Literal"
EXPANDABLE = "Expandable"
REDIRECTION = "Redirection"
REDIRECT_IN = "RedirectIn"

# Scanned alike in both modes, so that a change of mode need not scan them again.
MODE_INVARIANT = frozenset(
    {NEWLINE, END, LITERAL, EXPANDABLE, REDIRECT_IN}
    | {"(", ")", "{", "}", "]", "@(", "@{", "$(", ";", "&&", "||", "&", "|", ","}
)

_COMPARISONS = (
    "eq ne ge gt lt le like notlike match notmatch replace contains notcontains in notin split"
)
# The operators that begin with a dash; those in upper and lower case spellings are one.
DASH_OPERATORS = frozenset(
    {"bnot", "not", "isnot", "is", "as", "f", "and", "band", "or", "bor", "xor", "bxor"}
    | {"join", "shl", "shr"}
    | {prefix + name for name in _COMPARISONS.split() for prefix in ("", "i", "c")}
)
_DASH_UNARY = frozenset({"bnot", "not", "join", "split", "isplit", "csplit"})

UNARY = frozenset({",", "--", "++", "!", "+", "-"} | {"-" + name for name in _DASH_UNARY})
BINARY = frozenset(
    {"..", "*", "/", "%", "+", "-", "??"}
    | {"-" + name for name in DASH_OPERATORS - {"not", "bnot"}}
)
ASSIGNMENTS = frozenset({"=", "+=", "-=", "*=", "/=", "%=", "??="})

BLOCK_NAMES = frozenset({"begin", "process", "end", "clean", "dynamicparam"})
KEYWORDS = BLOCK_NAMES | frozenset(
    "if elseif else switch foreach from in for while until do try catch finally trap data return"
    " continue break exit throw function filter param class define var using workflow parallel"
    " sequence configuration public private static interface enum namespace module type"
    " assembly command hidden base default".split()
)
# Statements before which an attribute makes no sense.
NO_ATTRIBUTES = frozenset(
    "break continue data do exit for foreach if return switch throw trap try while parallel"
    " sequence function filter workflow".split()
)


class Token:
    """
    One token; *start* and *end* are places in the whole text.

    *value* is the name of a variable, parameter or label, the resolved text of a string or
    bare word, the number; *parts* what an expandable string is made of; *flag* tells a
    parameter with a colon and a here-string.
    """

    __slots__ = ("end", "flag", "kind", "parts", "start", "value")

    def __init__(
        self,
        kind: str,
        start: int,
        end: int,
        value: object = None,
        parts: list[str | Token] | None = None,
        *,
        flag: bool = False,
    ) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.value = value
        self.parts = parts
        self.flag = flag
