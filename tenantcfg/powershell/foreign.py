"""
The rules of PowerShell's grammar for expressions that are outside the language.

Nothing of it ever runs; it is parsed since PowerShell finds its errors first, and since a
refusal has to name the construct. The rest that is outside: types and attributes in
`typenames`, blocks in `blocks`, statements that begin with a keyword in `keywords` and
`definitions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantcfg.powershell import tokens
from tenantcfg.powershell.blocks import script_block
from tenantcfg.powershell.commands import single_argument
from tenantcfg.powershell.tree import Extent, Unsupported
from tenantcfg.powershell.typenames import attributes

if TYPE_CHECKING:
    from tenantcfg.powershell.syntax import Parser
    from tenantcfg.powershell.tokens import Token
    from tenantcfg.powershell.tree import Expression, Pipeline
    from tenantcfg.powershell.typenames import Attribute

__all__ = [
    "assignment",
    "binary",
    "chained",
    "members",
    "ternary",
    "type_expression",
]

_AS_DATA = "write the value out"
_OUTPUT = "use -o json for other output, or read a property there"


def assignment(parser: Parser, left: Expression, operator: Token) -> Pipeline:
    """``left = statement``; the operator is consumed."""
    parser.skip_newlines()
    statement = parser.statement()
    end = operator.end
    if statement is None:
        parser.incomplete(end, end, "ExpectedValueExpression", operator.kind)
    else:
        end = statement.extent.end
    node = parser.refuse(
        "an assignment", "give the values on the command's own line", left.extent.start, end
    )
    return parser.wrapped(node)


def chained(parser: Parser, first: Pipeline) -> Pipeline:
    """``first && second || third &``; the first operator is peeked at."""
    start, end = first.extent.start, first.extent.end
    last: Pipeline | None = first
    links = 0
    operator: Token | None = None
    while last is not None:
        following = parser.peek()
        if following.kind == "&":
            return _background(parser, start, end)
        if following.kind not in ("&&", "||"):
            break
        parser.skip()
        parser.skip_newlines()
        operator = following
        if parser.peek().kind == tokens.END:
            parser.incomplete(operator.end, operator.end, "EmptyPipelineChainElement")
            return _chain(parser, start, end) if links else first
        before = parser.peek()
        last = parser.pipeline()
        if last is None:
            return _chain_without_end(parser, operator, before, start)
        links += 1
        end = last.extent.end
    return _chain(parser, start, end) if links else first


def _chain(parser: Parser, start: int, end: int) -> Pipeline:
    node = parser.refuse(
        "a chain (&& or ||)", "write the statements one after the other", start, end
    )
    return parser.wrapped(node)


def _background(parser: Parser, start: int, end: int) -> Pipeline:
    operator = parser.next()
    following = parser.peek()
    if following.kind in ("&&", "||"):
        parser.skip()
        parser.error(following.start, following.end, "BackgroundOperatorInPipelineChain")
        return parser.wrapped(parser.broken(start, following.end))
    node = parser.refuse("a background operator (&)", "leave it out", operator.start, operator.end)
    return parser.wrapped(Unsupported(node.construct, node.advice, Extent(start, end)))


def _chain_without_end(parser: Parser, operator: Token, found: Token, start: int) -> Pipeline:
    if found.kind == tokens.END:
        parser.incomplete(operator.end, operator.end, "EmptyPipelineChainElement")
    elif found.kind not in (".", "&"):
        parser.error(operator.start, found.end, "EmptyPipelineChainElement")
    return parser.wrapped(parser.broken(start, operator.end))


def binary(parser: Parser, left: Expression) -> Expression:
    """Operators between values; the first is peeked at."""
    operator = parser.peek()
    first = operator
    end = left.extent.end
    while operator.kind in tokens.BINARY:
        parser.skip()
        parser.skip_newlines()
        right = parser.array(ternary=True)
        end = operator.end
        if right is None:
            text = parser.text_of(operator)
            parser.incomplete(end, end, "ExpectedValueExpression", text)
        else:
            end = right.extent.end
        operator = parser.peek()
    return parser.refuse(
        f"an operator ({parser.text_of(first)})", "write its result", left.extent.start, end
    )


def ternary(parser: Parser, condition: Expression) -> Expression:
    """``condition ? a : b``; the question mark is peeked at."""
    parser.enter()
    question = parser.next()
    parser.skip_newlines()
    chosen = _branch(parser, question)
    parser.skip_newlines()
    colon = parser.next()
    if colon.kind != ":":
        parser.unget(colon)
        if chosen is not None:
            parser.incomplete(colon.start, colon.end, "MissingColonInTernaryExpression")
        parser.leave()
        return parser.broken(condition.extent.start, max(colon.start - 1, 0))
    parser.skip_newlines()
    other = _branch(parser, colon)
    parser.leave()
    end = colon.end if other is None else other.extent.end
    return parser.refuse("an operator (?:)", "write its result", condition.extent.start, end)


def _branch(parser: Parser, sign: Token) -> Expression | None:
    found = parser.expression(ternary=True)
    if found is None:
        text = parser.text_of(sign)
        parser.incomplete(sign.end, sign.end, "ExpectedValueExpression", text)
        return None
    return None if parser.is_broken(found) else found


def type_expression(parser: Parser, opening: Token) -> Expression | None:
    """A ``[type]``, alone or as a cast, or attributes before a value."""
    found = attributes(parser, in_expression=True)
    if not found:
        return None
    last = found[-1]
    end = last.extent.end
    if last.called:
        parser.skip_newlines()
        child = parser.unary(ternary=True)
        if child is None:
            extent = last.extent
            parser.incomplete(extent.start, extent.end, "UnexpectedAttribute", last.name)
            return parser.broken(opening.start, end)
        end = child.extent.end
    else:
        end = _cast(parser, found, end)
    return parser.refuse(
        f"a type ([{last.name}])", "write the value without it", found[0].extent.start, end
    )


def _cast(parser: Parser, found: list[Attribute], end: int) -> int:
    access = None
    if parser.ungot is None:
        access = parser.scanner.member_access(bracket=False)
    if access is not None:
        target = parser.broken(found[-1].extent.start, end)
        return members(parser, access, target).extent.end
    if parser.peek().kind in (tokens.NEWLINE, ","):
        return end
    parser.enter()
    child = parser.unary(ternary=True)
    parser.leave()
    return end if child is None else child.extent.end


def members(parser: Parser, access: Token | None, target: Expression) -> Unsupported:
    """What stands behind *target*: ``.name``, ``::name``, ``[index]``, ``.name(...)``."""
    start = target.extent.start
    node: Unsupported | None = None
    end = target.extent.end
    while access is not None:
        parser.skip_newlines()
        if access.kind in ("[", "?["):
            node = _index(parser, access, start)
        else:
            node = _member(parser, access, start)
        end = node.extent.end
        access = None
        if parser.ungot is None:
            access = parser.scanner.member_access(bracket=True)
    return node if node is not None else parser.broken(start, end)


def _index(parser: Parser, opening: Token, start: int) -> Unsupported:
    parser.enter()
    parser.skip_newlines()
    commas, parser.commas = parser.commas, True
    index = parser.expression()
    parser.commas = commas
    end = opening.end
    if index is None:
        parser.incomplete(end, end, "MissingArrayIndexExpression")
    else:
        end = index.extent.end
    parser.skip_newlines()
    closing = parser.next()
    if closing.kind == "]":
        end = closing.end
    else:
        parser.unget(closing)
        if index is not None and not parser.is_broken(index):
            parser.incomplete(end, end, "MissingEndSquareBracket")
    parser.leave()
    return parser.refuse("an index ([...])", _AS_DATA, start, end)


def _member(parser: Parser, operator: Token, start: int) -> Unsupported:
    member = _member_name(parser)
    if member is None:
        parser.incomplete(operator.end, operator.end, "MissingPropertyName")
        member = single_argument(parser)
        end = operator.end if member is None else member.extent.end
        return parser.refuse("a property (.name)", _OUTPUT, start, end)
    opening = None if parser.ungot is not None else parser.scanner.invoke_open()
    name = parser.text[member.extent.start : member.extent.end]
    if opening is None:
        return parser.refuse(f"a property (.{name})", _OUTPUT, start, member.extent.end)
    end = _arguments(parser, opening)
    return parser.refuse(f"a method call (.{name}())", _AS_DATA, start, end)


def _member_name(parser: Parser) -> Expression | None:
    name = parser.simple_name()
    if name is not None:
        return name
    token = parser.peek()
    if token.kind in tokens.UNARY or token.kind == "[":
        return parser.unary()
    return parser.primary(members=False)


def _arguments(parser: Parser, opening: Token) -> int:
    parser.enter()
    if opening.kind == "{":
        parser.skip_newlines()
        end = script_block(parser, opening).extent.end
    else:
        commas, parser.commas = parser.commas, False
        end = _argument_list(parser, opening)
        parser.commas = commas
    parser.leave()
    return end


def _argument_list(parser: Parser, opening: Token) -> int:
    last = opening.end
    comma: Token | None = None
    while True:
        parser.skip_newlines()
        found = parser.expression()
        if found is None:
            break
        last = found.extent.end
        parser.skip_newlines()
        comma = parser.next()
        if comma.kind != ",":
            parser.unget(comma)
            comma = None
            break
    if comma is not None:
        parser.incomplete(comma.end, comma.end, "MissingExpressionAfterToken", ",")
    parser.skip_newlines()
    closing = parser.next()
    if closing.kind == ")":
        return closing.end
    parser.unget(closing)
    if comma is None:
        parser.incomplete(last, last, "MissingEndParenthesisInMethodCall")
        return last
    return comma.end
