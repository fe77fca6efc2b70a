"""
The syntax tree of a line: what `syntax` builds, what the engine evaluates.

The nodes are PowerShell's own, cut down to those that are data (see docs, "The
language of a line"). Whatever else PowerShell knows becomes one `Unsupported` node,
so that a refusal can name the construct and its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

__all__ = [
    "ArrayExpression",
    "ArrayLiteral",
    "Command",
    "CommandElement",
    "CommandParameter",
    "Constant",
    "ExpandableString",
    "Expression",
    "ExpressionElement",
    "Extent",
    "HashEntry",
    "Hashtable",
    "Paren",
    "Pipeline",
    "Script",
    "StringConstant",
    "StringKind",
    "SubExpression",
    "Unsupported",
    "Variable",
    "commands_in",
    "nodes_in",
]


@dataclass(frozen=True, slots=True)
class Extent:
    """A half-open range of characters (code points, counted from 0) of the text."""

    start: int
    end: int


class StringKind(Enum):
    """How a string was written."""

    BARE = "bare"
    SINGLE = "single"
    DOUBLE = "double"
    SINGLE_HERE = "single-here"
    DOUBLE_HERE = "double-here"


@dataclass(frozen=True, slots=True)
class StringConstant:
    """A string without anything to expand; *value* has its escapes resolved."""

    value: str
    kind: StringKind
    extent: Extent


@dataclass(frozen=True, slots=True)
class ExpandableString:
    """A double-quoted string or bare word with ``$...`` in it; *parts* in order."""

    parts: tuple[str | Expression, ...]
    kind: StringKind
    extent: Extent


@dataclass(frozen=True, slots=True)
class Constant:
    """
    A number.

    *type_name* is PowerShell's (``System.Int32``, ``System.Int64``, ``System.Double``,
    ``System.Decimal``, ``System.Numerics.BigInteger``, ``System.Byte``, ...); *text* as
    typed, which is what the number turns into as a string in argument position
    (cmdlets G10).
    """

    value: int | float | Decimal
    type_name: str
    text: str
    extent: Extent


@dataclass(frozen=True, slots=True)
class Variable:
    """``$true``, ``$false`` or ``$null``: *value* is that value."""

    value: bool | None
    extent: Extent


@dataclass(frozen=True, slots=True)
class ArrayLiteral:
    """``a,b``; also the unary ``,a``."""

    items: tuple[Expression, ...]
    extent: Extent


@dataclass(frozen=True, slots=True)
class ArrayExpression:
    """``@(...)``: always an array."""

    statements: tuple[Pipeline, ...]
    extent: Extent


@dataclass(frozen=True, slots=True)
class SubExpression:
    """``$(...)``."""

    statements: tuple[Pipeline, ...]
    extent: Extent


@dataclass(frozen=True, slots=True)
class Paren:
    """``(...)`` round one pipeline."""

    pipeline: Pipeline
    extent: Extent


@dataclass(frozen=True, slots=True)
class HashEntry:
    """One ``key = value`` of a hashtable; the value is a whole statement (cmdlets G3)."""

    key: Expression
    value: Pipeline


@dataclass(frozen=True, slots=True)
class Hashtable:
    """``@{...}``, entries as written."""

    entries: tuple[HashEntry, ...]
    extent: Extent


@dataclass(frozen=True, slots=True)
class Unsupported:
    """
    A construct that is not data, or not known here.

    *construct* is its name in plain English with its article (``a variable ($id)``),
    *advice* what to write instead, one clause without a full stop.
    """

    construct: str
    advice: str
    extent: Extent


Expression = (
    StringConstant
    | ExpandableString
    | Constant
    | Variable
    | ArrayLiteral
    | ArrayExpression
    | SubExpression
    | Paren
    | Hashtable
    | Unsupported
)


@dataclass(frozen=True, slots=True)
class CommandParameter:
    """
    ``-Name`` or ``-Name:value``.

    *name* without the dash, as typed. *text* is the whole token as typed, dash and
    colon included: it is the value where an unknown parameter is taken for one
    (cmdlets B8).
    """

    name: str
    text: str
    argument: Expression | None
    extent: Extent


CommandElement = CommandParameter | Expression


@dataclass(frozen=True, slots=True)
class Command:
    """A command call: its name and what follows, in order."""

    name: Expression
    elements: tuple[CommandElement, ...]
    extent: Extent


@dataclass(frozen=True, slots=True)
class ExpressionElement:
    """A value that stands where a command may stand."""

    expression: Expression
    extent: Extent


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One statement: one or more commands, joined by ``|``."""

    elements: tuple[Command | ExpressionElement | Unsupported, ...]
    extent: Extent


def commands_in(node: object) -> Iterator[Command]:
    """Every command in *node*, a node or a tuple of nodes, however deep."""
    return (found for found in nodes_in(node) if isinstance(found, Command))


def nodes_in(node: object) -> Iterator[object]:
    """*node* and everything in it, however deep, each before its parts."""
    yield node
    parts = node if isinstance(node, tuple) else _parts(node)
    for part in parts:
        yield from nodes_in(part)


def _parts(node: object) -> list[object]:
    # Every node is a dataclass with slots; nothing else in a tree holds nodes.
    return [getattr(node, name) for name in getattr(node, "__slots__", ())]


@dataclass(frozen=True, slots=True)
class Script:
    """A whole text: its statements in order."""

    text: str
    statements: tuple[Pipeline, ...]
