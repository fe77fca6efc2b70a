"""
The rules of PowerShell's grammar for a command: its name, its parameters, its arguments.

Here a word needs no quotes, and what it is depends on where it stands: a parameter in the
first place is a name, and behind ``--`` a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tenantcfg.powershell import tokens
from tenantcfg.powershell.engine_commands import is_engine_command
from tenantcfg.powershell.scanner import COMMAND
from tenantcfg.powershell.tree import (
    ArrayLiteral,
    Command,
    CommandElement,
    CommandParameter,
    ExpandableString,
    Expression,
    Extent,
    StringConstant,
    StringKind,
    Unsupported,
)

if TYPE_CHECKING:
    from tenantcfg.powershell.syntax import Parser
    from tenantcfg.powershell.tokens import Token

__all__ = ["argument", "command", "redirection", "single_argument"]

_NO_ARGUMENT = frozenset(
    {"|", "}", ")", ";", "&&", "||", "&", "--", ","}
    | {tokens.END, tokens.NEWLINE, tokens.REDIRECTION, tokens.REDIRECT_IN}
)
_PRIMARY = frozenset(
    {"(", "$(", "@(", "@{", "{"}
    | {tokens.SPLAT, tokens.VARIABLE, tokens.NUMBER, tokens.EXPANDABLE, tokens.LITERAL}
)
_COMMAND_ENDS = frozenset({"|", "}", ")", ";", "&&", "||", "&", tokens.END, tokens.NEWLINE})

_STREAMS = {
    "*": "* stream",
    "1": "output stream",
    "2": "error stream",
    "3": "warning stream",
    "4": "verbose stream",
    "5": "debug stream",
    "6": "information stream",
}


def command(parser: Parser) -> Command | Unsupported | None:
    """A command with its parameters and arguments."""
    before = parser.set_mode(COMMAND)
    token = parser.next()
    first = token
    called = token.kind in (".", "&")
    if called:
        token = parser.next()
    reader = _CommandReader(parser, first, called=called)
    while token.kind not in _COMMAND_ENDS:
        if not reader.take(token):
            break
        token = parser.next()
    else:
        parser.unget(token)
    parser.set_mode(before)
    return reader.command()


def argument(
    parser: Parser, token: Token, *, single: bool = False, expand: bool = True
) -> Expression | None:
    """
    An argument that begins with *token*: a value, or several with commas.

    *single*: no list, as for a command's name or a file's. A bare word is taken as it
    stands where *expand* is false.
    """
    items: list[Expression] = []
    comma: Token | None = None
    while True:
        kind = token.kind
        if kind in _NO_ARGUMENT:
            parser.unget(token)
            if comma is None:
                return None
            parser.incomplete(comma.end, comma.end, "MissingExpression", ",")
            return parser.broken(items[0].extent.start, comma.end)
        item = _item(parser, token, expand=expand)
        verbatim = kind == tokens.GENERIC and token.value == "--%" and not token.parts
        if single or verbatim or parser.peek().kind != ",":
            break
        comma = parser.next()
        items.append(item)
        parser.skip_newlines()
        token = parser.next()
    if not items:
        return item
    items.append(item)
    return ArrayLiteral(tuple(items), Extent(items[0].extent.start, item.extent.end))


def _item(parser: Parser, token: Token, *, expand: bool) -> Expression:
    if token.kind in _PRIMARY:
        parser.unget(token)
        primary = parser.primary(members=True)
        if primary is not None:
            return primary
    extent = Extent(token.start, token.end)
    if token.kind == tokens.GENERIC:
        if token.parts is not None and expand:
            parts = parser.nested(token.parts)
            return ExpandableString(parts, StringKind.BARE, extent)
        return StringConstant(str(token.value), StringKind.BARE, extent)
    return StringConstant(parser.text_of(token), StringKind.BARE, extent)


def single_argument(parser: Parser) -> Expression | None:
    """One argument, where a list makes no sense."""
    if parser.peek().kind in (",", tokens.END):
        return None
    before = parser.set_mode(COMMAND)
    found = argument(parser, parser.next(), single=True)
    parser.set_mode(before)
    return found


def redirection(parser: Parser, token: Token, streams: set[str]) -> tuple[int, bool]:
    """
    A redirection, whose operator *token* is consumed.

    Returns where it ends, and whether it is one: ``<`` is an error. *streams* are those
    that the command has redirected so far.
    """
    if token.kind == tokens.REDIRECT_IN:
        end = _file_name(parser, token)
        parser.error(token.start, token.end, "RedirectionNotSupported", parser.text_of(token))
        return end, False
    stream, target = cast("tuple[str, str | None]", token.value)
    end = token.end
    if target is None:
        end = _file_name(parser, token)
    elif target != "1" or stream == target:
        parser.error(token.start, token.end, "RedirectionNotSupported", parser.text_of(token))
    if stream in streams:
        parser.error(token.start, end, "StreamAlreadyRedirected", _STREAMS[stream])
    streams.add(stream)
    parser.refuse("a redirection (>)", "redirect this program's output", token.start, end)
    return end, True


def _file_name(parser: Parser, token: Token) -> int:
    name = single_argument(parser)
    if name is not None:
        return name.extent.end
    parser.error(token.end, token.end, "MissingFileSpecification")
    return token.end


class _CommandReader:
    """What `command` has read of one command."""

    __slots__ = (
        "_called",
        "_dashes",
        "_elements",
        "_end",
        "_first",
        "_parser",
        "_past_name",
        "_streams",
    )

    def __init__(self, parser: Parser, first: Token, *, called: bool) -> None:
        self._parser = parser
        self._first = first
        self._called = called
        self._end = first.end
        self._elements: list[CommandElement] = []
        self._past_name = False
        self._dashes = False
        self._streams: set[str] = set()

    def take(self, token: Token) -> bool:
        """Read one element, which begins with *token*; False where it takes all the rest."""
        kind = token.kind
        goes_on = True
        if kind == "--":
            self._double_dash(token)
        elif kind == ",":
            self._end = token.end
            self._parser.error(token.start, token.end, "MissingArgument")
            self._parser.skip_newlines()
        elif kind == tokens.PARAMETER:
            self._parameter(token)
        elif kind in (tokens.REDIRECTION, tokens.REDIRECT_IN):
            self._redirection(token)
        else:
            goes_on = self._value(token)
        self._past_name = True
        return goes_on

    def _add(self, element: CommandElement) -> None:
        self._elements.append(element)
        self._end = element.extent.end

    def _word(self, token: Token) -> None:
        text = self._parser.text_of(token)
        self._add(StringConstant(text, StringKind.BARE, Extent(token.start, token.end)))

    def _double_dash(self, token: Token) -> None:
        if self._dashes:
            self._word(token)
        else:
            text = self._parser.text_of(token)
            self._add(CommandParameter("-", text, None, Extent(token.start, token.end)))
        self._dashes = True

    def _parameter(self, token: Token) -> None:
        if self._dashes or not self._past_name:
            self._word(token)
            return
        parser = self._parser
        value = None
        end = token.end
        if token.flag and parser.peek().kind != ",":
            value = argument(parser, parser.next())
            if value is None:
                text = parser.text_of(token)
                parser.error(end, end, "ParameterRequiresArgument", text)
            else:
                end = value.extent.end
        text, extent = parser.text_of(token), Extent(token.start, end)
        self._add(CommandParameter(str(token.value), text, value, extent))

    def _redirection(self, token: Token) -> None:
        if self._past_name:
            self._end, _ = redirection(self._parser, token, self._streams)
        else:
            self._word(token)

    def _value(self, token: Token) -> bool:
        parser = self._parser
        verbatim = token.value == "--%"
        expand = self._called or self._past_name
        found = argument(parser, token, single=not self._past_name, expand=expand)
        if found is not None:
            self._add(found)
        if not verbatim or not (parser.ungot is None or parser.ungot.kind == tokens.PARAMETER):
            return True
        parser.ungot = None
        rest = parser.scanner.verbatim_argument()
        self._add(StringConstant(str(rest.value), StringKind.BARE, Extent(rest.start, rest.end)))
        return False

    def command(self) -> Command | Unsupported | None:
        """The command, once its end is reached."""
        parser, first = self._parser, self._first
        if self._called:
            return self._call()
        if not self._elements:
            return None
        name = self._elements[0]
        extent = Extent(first.start, self._end)
        if isinstance(name, CommandParameter):  # pragma: no cover  only behind an operator
            return parser.broken(extent.start, extent.end)
        if isinstance(name, StringConstant) and is_engine_command(name.value):
            parser.refuse(
                f"a command of PowerShell ({name.value})",
                "only this program's own commands are known here",
                name.extent.start,
                name.extent.end,
            )
        return Command(name, tuple(self._elements[1:]), extent)

    def _call(self) -> Unsupported | None:
        parser, first = self._parser, self._first
        sign = parser.text_of(first)
        if not self._elements:
            parser.error(first.start, first.end, "MissingExpression", sign)
            return None
        return parser.refuse(
            f"the call operator ({sign})", "write the command's name alone", first.start, self._end
        )
