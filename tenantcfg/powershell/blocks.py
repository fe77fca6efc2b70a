"""
The rules of PowerShell's grammar for ``{...}``: blocks, their parameters, their named parts.

All of it is outside the language; see `foreign`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantcfg.powershell import tokens
from tenantcfg.powershell.scanner import COMMAND, EXPRESSION
from tenantcfg.powershell.tree import Extent
from tenantcfg.powershell.typenames import attributes

if TYPE_CHECKING:
    from tenantcfg.powershell.syntax import Parser
    from tenantcfg.powershell.tokens import Token
    from tenantcfg.powershell.tree import Unsupported

__all__ = [
    "block",
    "block_inside",
    "named_blocks",
    "param_block",
    "parameters",
    "script_block",
]


def param_block(parser: Parser) -> bool:
    """A ``param(...)`` with its attributes; False where there is none."""
    parser.skip_newlines()
    found = attributes(parser, in_expression=False)
    parser.skip_newlines()
    keyword = parser.peek()
    if keyword.kind != "param":
        return False
    parser.skip()
    parser.skip_newlines()
    opening = parser.next()
    if opening.kind != "(":
        parser.unget(opening)
        return False
    end = parameters(parser, opening)
    parser.skip_newlines()
    closing = parser.next()
    if closing.kind != ")":
        parser.unget(closing)
        parser.incomplete(end, end, "MissingEndParenthesisInFunctionParameterList")
    for item in found:
        if not item.called:
            extent = item.extent
            parser.error(extent.start, extent.end, "TypeNotAllowedBeforeParam", item.name)
    parser.refuse("a parameter block (param)", "write the values out", keyword.start, closing.end)
    return True


def parameters(parser: Parser, opening: Token) -> int:
    """The parameters of a function; where the last of them ends."""
    end = opening.end
    comma: Token | None = None
    while True:
        last = _one_parameter(parser)
        if last is None:
            if comma is not None:
                parser.incomplete(comma.end, comma.end, "MissingExpressionAfterToken", ",")
            return end
        end = last
        parser.skip_newlines()
        if parser.peek().kind != ",":
            return end
        comma = parser.next()


def _one_parameter(parser: Parser) -> int | None:
    commas, parser.commas = parser.commas, False
    before = parser.set_mode(EXPRESSION)
    parser.skip_newlines()
    found = attributes(parser, in_expression=False)
    parser.skip_newlines()
    token = parser.next()
    end: int | None = None
    if token.kind in (tokens.VARIABLE, tokens.SPLAT):
        end = _default(parser, token)
    else:
        parser.unget(token)
        if found:
            end = found[-1].extent.end
            parser.incomplete(end, end, "InvalidFunctionParameter")
            parser.sync(")", consume=True)
    parser.commas = commas
    parser.set_mode(before)
    return end


def _default(parser: Parser, variable: Token) -> int:
    parser.skip_newlines()
    if parser.peek().kind != "=":
        return variable.end
    equals = parser.next()
    parser.skip_newlines()
    value = parser.expression()
    if value is not None:
        return value.extent.end
    parser.incomplete(equals.end, equals.end, "MissingExpressionAfterToken", "=")
    return variable.end


def script_block(parser: Parser, opening: Token) -> Unsupported:
    """A ``{...}`` as a value; the brace is consumed."""
    commas, parser.commas = parser.commas, True
    before = parser.set_mode(COMMAND)
    parser.skip_newlines()
    end = block_inside(parser, opening)
    parser.commas = commas
    parser.set_mode(before)
    return parser.refuse(
        "a script block ({...})", "for a list write @{Add='...'} with its @", opening.start, end
    )


def block_inside(parser: Parser, opening: Token) -> int:
    """A script block up to its closing brace; where it ends."""
    parser.skip_newlines()
    point = parser.restore_point()
    kept = len(parser.unsupported)
    if not param_block(parser):
        del parser.unsupported[kept:]
        parser.resync(point)
    parser.skip_terminators()
    if parser.peek().kind in tokens.BLOCK_NAMES:
        last = named_blocks(parser, opening)
        return opening.end if last is None else last
    return _closed(parser, opening)


def _closed(parser: Parser, opening: Token) -> int:
    """Statements up to the brace that closes *opening*; where they end."""
    found = parser.statements()
    closing = parser.next()
    if closing.kind == "}":
        return closing.end
    parser.unget(closing)
    parser.incomplete(opening.start, opening.end, "MissingEndCurlyBrace", detected=closing.end)
    return found[-1].extent.end if found else opening.end


def block(parser: Parser) -> Extent | None:
    """A ``{...}`` of statements."""
    parser.skip_newlines()
    opening = parser.next()
    if opening.kind != "{":
        parser.unget(opening)
        return None
    parser.enter()
    end = _closed(parser, opening)
    parser.leave()
    return Extent(opening.start, end)


def named_blocks(parser: Parser, opening: Token | None) -> int | None:
    """
    ``begin {...}``, ``process {...}`` and so on: where they end, None where none has a block.

    *opening* is the brace around them; at the top of a text there is none, and what is read
    here is all that PowerShell reads of the text.
    """
    seen: set[str] = set()
    end: int | None = None
    while True:
        token = parser.next()
        if token.kind not in tokens.BLOCK_NAMES:
            break
        found = block(parser)
        end = token.end
        if found is None:
            parser.incomplete(end, end, "MissingNamedStatementBlock", token.kind)
        else:
            end = found.end
        if token.kind in seen:
            parser.error(token.start, end, "DuplicateScriptCommandClause", token.kind)
        seen.add(token.kind)
        parser.refuse_program(f"a block ({token.kind})", token.start, end)
        parser.skip_terminators()
    if token.kind == "}" and opening is not None:
        return token.end
    if opening is not None:
        parser.unget(token)
    if token.kind not in ("}", tokens.END):
        text = parser.text_of(token)
        parser.error(token.start, token.end, "MissingNamedBlocks", text)
    elif opening is not None:
        parser.incomplete(opening.start, opening.end, "MissingEndCurlyBrace", detected=token.end)
    elif token.kind == "}":
        parser.error(token.start, token.end, "UnexpectedToken", parser.text_of(token))
    return end
