"""
The rules of PowerShell's grammar for statements that define something or bring it in.

They are outside the language; see `foreign`. The bodies of classes and enumerations are
skipped: from the brace on they are refused as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantcfg.powershell import tokens
from tenantcfg.powershell.blocks import block, block_inside, parameters, script_block
from tenantcfg.powershell.commands import argument, single_argument
from tenantcfg.powershell.scanner import COMMAND, TYPE_NAME
from tenantcfg.powershell.tree import Constant, Extent, Hashtable, StringConstant
from tenantcfg.powershell.typenames import type_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.powershell.syntax import Parser
    from tenantcfg.powershell.tokens import Token
    from tenantcfg.powershell.tree import Expression, Pipeline

__all__ = ["RULES", "using_statement"]

_NOT_A_NAME = frozenset(
    {"|", "(", "{", "@(", "@{", "}", ")", ";", "&&", "||", "&"}
    | {tokens.END, tokens.REDIRECTION, tokens.REDIRECT_IN, tokens.VARIABLE, tokens.SPLAT}
    | {tokens.EXPANDABLE, tokens.LITERAL}
)
_CONFIGURATION_NAME = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-"
)
# PowerShell asks .NET for the type; these are the ones that there is a reason to write.
_NUMBER_TYPES = frozenset(
    "byte sbyte short ushort int uint long ulong int16 uint16 int32 uint32 int64 uint64".split()
)


def _function(parser: Parser, token: Token) -> Pipeline:
    parser.skip_newlines()
    name = parser.next()
    if name.kind in _NOT_A_NAME:
        parser.unget(name)
        word = parser.text_of(token)
        parser.incomplete(token.end, token.end, "MissingNameAfterKeyword", word)
        return parser.broken_statement(token.start, token.end)
    end, wrong = _function_parameters(parser, name)
    opening = parser.next()
    if opening.kind != "{":
        parser.unget(opening)
        if not wrong:
            parser.incomplete(end, end, "MissingFunctionBody")
        return parser.broken_statement(token.start, end)
    if wrong:
        return parser.broken_statement(token.start, end)
    before = parser.set_mode(COMMAND)
    end = block_inside(parser, opening)
    parser.set_mode(before)
    return parser.refuse_keyword(token, end)


def _function_parameters(parser: Parser, name: Token) -> tuple[int, bool]:
    """The parenthesis behind a function's name: where it ends, and whether it is wrong."""
    parser.skip_newlines()
    if parser.peek().kind != "(":
        return name.end, False
    opening = parser.next()
    end = parameters(parser, opening)
    parser.skip_newlines()
    closing = parser.next()
    wrong = closing.kind != ")"
    if wrong:
        parser.unget(closing)
        parser.incomplete(end, end, "MissingEndParenthesisInFunctionParameterList")
    else:
        end = closing.end
    parser.skip_newlines()
    return end, wrong


def _type(parser: Parser, token: Token) -> Pipeline:
    """``class`` or ``enum``, whose body is not read."""
    parser.skip_newlines()
    name = parser.simple_name()
    if name is None:
        word = parser.text_of(token)
        parser.incomplete(token.end, token.end, "MissingNameAfterKeyword", word)
        return parser.broken_statement(token.start, token.end)
    end = name.extent.end
    if token.kind == "class":
        parser.skip_newlines()
    before = parser.set_mode(TYPE_NAME)
    if parser.peek().kind == ":":
        colon = parser.next()
        if token.kind == "enum":
            _number_type(parser, colon)
        else:
            end = max(end, _base_types(parser, colon))
    parser.skip_newlines()
    opening = parser.next()
    parser.unget(opening)
    parser.set_mode(before)
    if opening.kind != "{":
        parser.incomplete(end, end, "MissingTypeBody", token.kind)
        return parser.broken_statement(token.start, end)
    return parser.refuse_keyword(token, _skip_body(parser))


def _base_types(parser: Parser, colon: Token) -> int:
    """The types that a class is made from: where the last of them ends; 0: there is none."""
    sign, end = colon, 0
    while True:
        parser.skip_newlines()
        found = type_name(parser, assembly=False)
        if found is None:
            parser.incomplete(sign.end, sign.end, "TypeNameExpected")
            return end
        end = found.end
        parser.refuse_program("a class", found.start, end)
        parser.skip_newlines()
        if parser.peek().kind != ",":
            return end
        sign = parser.next()


def _number_type(parser: Parser, colon: Token) -> None:
    """The type of the numbers of an enumeration."""
    parser.skip_newlines()
    found = type_name(parser, assembly=False)
    if found is None:
        parser.incomplete(colon.end, colon.end, "TypeNameExpected")
        return
    name = parser.text[found.start : found.end]
    if name.lower().removeprefix("system.") not in _NUMBER_TYPES:
        parser.error(found.start, found.end, "InvalidUnderlyingType", name)


def _skip_body(parser: Parser) -> int:
    """Everything up to the brace that closes the one that follows; where it ends."""
    opening = parser.next()
    end, depth = opening.end, 1
    while depth:
        token = parser.next()
        end = token.end
        if token.kind in ("{", "@{"):
            depth += 1
        elif token.kind == "}":
            depth -= 1
        elif token.kind == tokens.END:
            parser.unget(token)
            place = opening.end
            parser.incomplete(place, place, "MissingEndCurlyBrace", detected=end)
            break
    return end


def _configuration(parser: Parser, token: Token) -> None:
    """
    A ``configuration``, which is an error of its own wherever DSC is not installed.

    PowerShell reads the name, reports that and forgets the token behind the name.
    """
    parser.skip_newlines()
    name = parser.peek()
    kept = len(parser.unsupported)
    if name.kind == "{":
        parser.error(token.end, token.end, "MissingConfigurationName")
        script_block(parser, parser.next())
        del parser.unsupported[kept:]
        return
    if name.kind in (tokens.END, ","):
        parser.incomplete(name.end, name.end, "MissingConfigurationName")
        return
    found = argument(parser, parser.next())
    if found is None:
        text = parser.text_of(name)
        parser.error(name.end, name.end, "ParameterRequiresArgument", text)
        parser.incomplete(name.start, name.end, "MissingConfigurationName")
    elif isinstance(found, (StringConstant, Constant)) and not _names_configuration(found):
        extent = found.extent
        value = found.value if isinstance(found, StringConstant) else ""
        parser.error(extent.start, extent.end, "InvalidConfigurationName", value)
    del parser.unsupported[kept:]
    parser.skip_newlines()
    parser.error(name.start, name.end, "ParserError")
    parser.resync(parser.scanner.restore_point())


def _names_configuration(name: StringConstant | Constant) -> bool:
    text = name.value if isinstance(name, StringConstant) else ""
    return text[:1].isalpha() and text.isascii() and set(text) <= _CONFIGURATION_NAME


def using_statement(parser: Parser, token: Token) -> Pipeline:
    """``using namespace ...`` and its like; the keyword is consumed."""
    kind = parser.next()
    if kind.kind not in ("namespace", "module", "assembly", "type", "command"):
        parser.unget(kind)
        parser.incomplete(token.end, token.end, "MissingUsingStatementDirective")
        return parser.broken_statement(token.start, token.end)
    name = parser.next()
    if name.kind in (tokens.END, tokens.NEWLINE, ",", ";"):
        if name.kind == tokens.END:
            parser.unget(name)
        parser.incomplete(kind.end, kind.end, "MissingUsingItemName")
        return parser.broken_statement(token.start, kind.end)
    kept = len(parser.unsupported)
    found = argument(parser, name)
    if not _names_item(found, kind):
        # PowerShell keeps nothing of it.
        del parser.unsupported[kept:]
        end = _refuse_item(parser, name, found)
        if found is None:
            parser.sync(";", tokens.NEWLINE, consume=True)
        return parser.broken_statement(token.start, end)
    if isinstance(found, StringConstant) and kind.kind != "assembly":
        if parser.peek().kind == "=":
            return _alias(parser, token, kind)
        if kind.kind in ("type", "command"):
            parser.incomplete(name.end, name.end, "MissingEqualsInUsingAlias")
            return parser.broken_statement(token.start, name.end)
    return _used(parser, token)


def _names_item(found: Expression | None, kind: Token) -> bool:
    if isinstance(found, Hashtable):
        return kind.kind == "module"
    return isinstance(found, StringConstant)


def _refuse_item(parser: Parser, token: Token, found: Expression | None) -> int:
    extent = Extent(token.start, token.end) if found is None else found.extent
    text = parser.text[extent.start : extent.end]
    parser.error(extent.start, extent.end, "InvalidValueForUsingItemName", text)
    return extent.end


def _alias(parser: Parser, token: Token, kind: Token) -> Pipeline:
    """The ``= item`` behind a name; the sign is peeked at."""
    equals = parser.next()
    item = parser.next()
    if item.kind in (tokens.END, tokens.NEWLINE, ";"):
        parser.unget(item)
        parser.incomplete(equals.end, equals.end, "MissingNamespaceAlias")
        return parser.broken_statement(token.start, equals.end)
    if item.kind == ",":
        parser.error(item.start, item.end, "UnexpectedUnaryOperator", ",")
        return parser.broken_statement(token.start, item.end)
    found = argument(parser, item)
    if _names_item(found, kind):
        return _used(parser, token)
    return parser.broken_statement(token.start, _refuse_item(parser, item, found))


def _used(parser: Parser, token: Token) -> Pipeline:
    following = parser.peek()
    if following.kind not in (tokens.NEWLINE, ";", tokens.END):
        parser.incomplete(following.start, following.end, "MissingStatementTerminator")
    node = parser.refuse("a using statement", "leave it out", token.start, following.start)
    return parser.wrapped(node)


def _late_using(parser: Parser, token: Token) -> Pipeline:
    found = using_statement(parser, token)
    extent = found.extent
    parser.error(extent.start, extent.end, "UsingMustBeAtStartOfScript")
    return found


def _data(parser: Parser, token: Token) -> Pipeline:
    parser.skip_newlines()
    name = parser.simple_name()
    end = token.end if name is None else name.extent.end
    parser.skip_newlines()
    if parser.peek().kind == tokens.PARAMETER:
        end, wrong = _supported_commands(parser)
        if wrong:
            return parser.broken_statement(token.start, end)
    body = block(parser)
    if body is not None:
        return parser.refuse_keyword(token, body.end)
    parser.incomplete(end, end, "MissingStatementBlockForDataSection")
    return parser.broken_statement(token.start, end)


def _supported_commands(parser: Parser) -> tuple[int, bool]:
    flag = parser.next()
    end, wrong = flag.end, False
    if not "supportedcommand".startswith(str(flag.value).lower()):
        wrong = True
        parser.error(
            flag.start, flag.end, "InvalidParameterForDataSectionStatement", str(flag.value)
        )
    while True:
        parser.skip_newlines()
        found = single_argument(parser)
        if found is None:
            if not wrong:
                parser.incomplete(end, end, "MissingValueForSupportedCommandInDataSectionStatement")
            return end, True
        end = found.extent.end
        if parser.peek().kind != ",":
            return end, wrong
        end = parser.next().end


RULES: dict[str, Callable[[Parser, Token], Pipeline | None]] = {
    "function": _function,
    "filter": _function,
    "workflow": _function,
    "class": _type,
    "enum": _type,
    "configuration": _configuration,
    "data": _data,
    "using": _late_using,
}
