"""
The rules of PowerShell's grammar for ``[types]`` and ``[Attributes()]``.

Both are outside the language; see `foreign`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantcfg.powershell import tokens
from tenantcfg.powershell.scanner import EXPRESSION, TYPE_NAME
from tenantcfg.powershell.tree import Extent

if TYPE_CHECKING:
    from tenantcfg.powershell.syntax import Parser
    from tenantcfg.powershell.tokens import Token

__all__ = ["Attribute", "attribute", "attributes", "type_name"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """``[name]``, or ``[name(...)]`` where *called*."""

    name: str
    extent: Extent
    called: bool


def attributes(parser: Parser, *, in_expression: bool) -> list[Attribute]:
    """All attributes and types that stand here."""
    found: list[Attribute] = []
    while True:
        following = attribute(parser)
        if following is None:
            return found
        found.append(following)
        if not in_expression or following.called:
            parser.skip_newlines()


def attribute(parser: Parser) -> Attribute | None:
    """One attribute or type."""
    opening = _opening(parser)
    if opening is None:
        return None
    parser.skip_newlines()
    parser.enter()
    name = type_name(parser, assembly=True)
    parser.leave()
    if name is None:
        parser.resync(opening.start)
        parser.incomplete(opening.end, opening.end, "MissingTypename")
        return None
    token = parser.next()
    text = parser.text[name.start : name.end]
    if token.kind == "(":
        return Attribute(text, Extent(opening.start, _call(parser, token)), called=True)
    end = token.end
    if token.kind != "]":
        parser.unget(token)
        place = max(token.start - 1, 0)
        parser.error(place, place, "EndSquareBracketExpectedAtEndOfAttribute")
        end = name.end
    return Attribute(text, Extent(opening.start, end), called=False)


def _opening(parser: Parser) -> Token | None:
    ungot = parser.ungot
    if ungot is None:
        return parser.scanner.left_bracket()
    return parser.next() if ungot.kind == "[" else None


def _call(parser: Parser, opening: Token) -> int:
    """The arguments of an attribute up to its ``]``; where it ends."""
    parser.enter()
    parser.skip_newlines()
    before = parser.set_mode(EXPRESSION)
    commas, parser.commas = parser.commas, False
    last = _call_arguments(parser, opening.end)
    parser.commas = commas
    parser.set_mode(before)
    parser.skip_newlines()
    parser.leave()
    closing: Token | None = parser.next()
    if closing is not None and closing.kind != ")":
        parser.unget(closing)
        closing = None
        parser.incomplete(last, last, "MissingEndParenthesisInExpression")
    parser.skip_newlines()
    bracket = parser.next()
    if bracket.kind == "]":
        return bracket.end
    parser.unget(bracket)
    if closing is None:
        return last
    parser.incomplete(closing.end, closing.end, "EndSquareBracketExpectedAtEndOfAttribute")
    return closing.end


def _call_arguments(parser: Parser, last: int) -> int:
    comma: Token | None = None
    seen: set[str] = set()
    while True:
        parser.skip_newlines()
        name = parser.simple_name()
        if name is not None:
            end = _named_argument(parser)
            last = last if end is None else end
            if name.value in seen:
                extent = name.extent
                parser.error(extent.start, extent.end, "DuplicateNamedArgument", name.value)
            seen.add(name.value)
        else:
            found = parser.expression()
            if found is not None:
                last = found.extent.end
            elif comma is not None:
                last = comma.end
                parser.incomplete(last, last, "MissingExpressionAfterToken", ",")
        parser.skip_newlines()
        if parser.peek().kind != ",":
            return last
        comma = parser.next()
        last = comma.end


def _named_argument(parser: Parser) -> int | None:
    if parser.peek().kind != "=":
        return None
    equals = parser.next()
    parser.skip_newlines()
    found = parser.expression()
    if found is not None:
        return found.extent.end
    parser.incomplete(equals.end, equals.end, "MissingExpressionInNamedArgument")
    parser.sync(")", ",", "]", tokens.NEWLINE, consume=True)
    return equals.end


def type_name(parser: Parser, *, assembly: bool) -> Extent | None:
    """The name of a type, its assembly's behind a comma where *assembly* allows one."""
    before = parser.set_mode(TYPE_NAME)
    token = parser.next()
    found: Extent | None = None
    if token.kind == tokens.IDENTIFIER:
        found = _rest_of_name(parser, token, assembly=assembly, bare_argument=False)
    else:
        parser.unget(token)
    parser.set_mode(before)
    return found


def _rest_of_name(parser: Parser, name: Token, *, assembly: bool, bare_argument: bool) -> Extent:
    whole = Extent(name.start, name.end)
    token = parser.peek()
    if token.kind == "[":
        parser.skip()
        return _after_bracket(parser, name, token, bare_argument=bare_argument)
    if token.kind == "," and assembly and not bare_argument:
        parser.skip()
        return _assembly(parser, whole, token)
    return whole


def _assembly(parser: Parser, whole: Extent, comma: Token) -> Extent:
    if not parser.scanner.assembly_name():
        parser.error(comma.end, comma.end, "MissingAssemblyNameSpecification")
        return whole
    return Extent(whole.start, parser.scanner.restore_point())


def _after_bracket(parser: Parser, name: Token, opening: Token, *, bare_argument: bool) -> Extent:
    whole = Extent(name.start, name.end)
    parser.skip_newlines()
    token = parser.next()
    if token.kind in ("]", ","):
        return _array(parser, whole, token, bare_argument=bare_argument)
    if token.kind in ("[", tokens.IDENTIFIER):
        return _generic(parser, name, token, bare_argument=bare_argument)
    if token.kind == tokens.END:
        parser.unget(token)
        parser.incomplete(opening.end, opening.end, "MissingTypename")
    else:
        parser.error(token.start, token.end, "UnexpectedToken", parser.text_of(token))
        parser.sync("]", consume=True)
    return whole


def _generic_argument(parser: Parser, first: Token) -> Extent:
    if first.kind == tokens.IDENTIFIER:
        return _rest_of_name(parser, first, assembly=True, bare_argument=True)
    token = parser.next()
    if token.kind != tokens.IDENTIFIER:
        parser.unget(token)
        parser.incomplete(token.end, token.end, "MissingTypename")
        return Extent(first.start, first.end)
    found = _rest_of_name(parser, token, assembly=True, bare_argument=False)
    closing = parser.next()
    if closing.kind != "]":
        parser.unget(closing)
        place = max(closing.start - 1, 0)
        parser.incomplete(place, place, "EndSquareBracketExpectedAtEndOfType")
    return found


def _generic(parser: Parser, name: Token, first: Token, *, bare_argument: bool) -> Extent:
    parser.enter()
    last = _generic_argument(parser, first)
    while True:
        parser.skip_newlines()
        token = parser.next()
        if token.kind != ",":
            break
        parser.skip_newlines()
        following = parser.peek()
        if following.kind in (tokens.IDENTIFIER, "["):
            parser.skip()
            last = _generic_argument(parser, following)
        else:
            parser.incomplete(token.end, token.end, "MissingTypename")
            last = Extent(token.start, token.end)
    parser.leave()
    end = token.end
    if token.kind != "]":
        parser.unget(token)
        place = max(token.start - 1, 0)
        parser.incomplete(place, place, "EndSquareBracketExpectedAtEndOfAttribute")
        end = last.end
    whole = Extent(name.start, end)
    following = parser.peek()
    if following.kind == "[":
        parser.skip()
        return _array(parser, whole, parser.next(), bare_argument=bare_argument)
    if following.kind == "," and not bare_argument:
        parser.skip()
        return _assembly(parser, whole, following)
    return whole


def _array(parser: Parser, whole: Extent, token: Token, *, bare_argument: bool) -> Extent:
    while True:
        whole = Extent(whole.start, _dimensions(parser, whole.end, token))
        following = parser.peek()
        if following.kind == "," and not bare_argument:
            parser.skip()
            _assembly(parser, whole, following)
            return whole
        if following.kind != "[":
            return whole
        parser.skip()
        token = parser.next()


def _dimensions(parser: Parser, end: int, token: Token) -> int:
    if token.kind == "]":
        return token.end
    if token.kind == ",":
        comma = token
        while token.kind == ",":
            comma = token
            token = parser.next()
        if token.kind != "]":
            parser.unget(token)
            parser.error(comma.end, comma.end, "EndSquareBracketExpectedAtEndOfAttribute")
        return token.end
    if token.kind == tokens.END:
        parser.unget(token)
        place = max(token.start - 1, 0)
        parser.error(place, place, "EndSquareBracketExpectedAtEndOfAttribute")
    else:
        parser.error(token.start, token.end, "UnexpectedToken", parser.text_of(token))
        parser.sync("]", consume=True)
    return end
