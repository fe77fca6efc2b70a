"""
Errors as data, and their text as PowerShell's ConciseView shows it (cmdlets B18).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantcfg.powershell.tree import Extent

__all__ = ["Category", "ErrorRecord", "StatementFailed", "TextStopped", "not_found"]

_SMA = "System.Management.Automation."
_SHOWN = 69
"""Characters of a source line that are shown; the window is not asked."""
_BEFORE, _AFTER = 12, 8
"""Characters round an error that are kept before the rest is cut."""


class Category:
    """The names of the error categories that occur here."""

    INVALID_ARGUMENT = "InvalidArgument"
    INVALID_DATA = "InvalidData"
    INVALID_OPERATION = "InvalidOperation"
    NOT_SPECIFIED = "NotSpecified"
    OBJECT_NOT_FOUND = "ObjectNotFound"
    OPERATION_STOPPED = "OperationStopped"
    PARSER_ERROR = "ParserError"
    WRITE_ERROR = "WriteError"


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """
    One error.

    Attributes:
        fqid: the fully qualified id: ``NAME,CANONICAL-COMMAND`` or ``NAME`` alone.
        exception: the full name of its .NET class.
        target: what the error is about, as text; None: nothing.
        extent: where in the text; None: not known.
        command: what stands before the colon when shown: the canonical command name, for an
            unknown command the name as typed; None: the category does.
        cause: the Python exception that a cmdlet's body turned into this record.
        shown: the message that is shown where it is not *message*.
    """

    fqid: str
    category: str
    message: str
    exception: str = _SMA + "ParameterBindingException"
    target: str | None = None
    extent: Extent | None = None
    command: str | None = None
    cause: BaseException | None = None
    shown: str | None = None

    @property
    def id(self) -> str:
        """The id without the command's name."""
        return self.fqid.partition(",")[0]

    @property
    def reason(self) -> str:
        """The class of the exception, without its namespace."""
        name = self.exception.rpartition(".")[2]
        if self.category == Category.PARSER_ERROR or self.id == "ActionPreferenceStop":
            return "ParentContainsErrorRecordException"
        return name

    def render(self, text: str, width: int) -> str:
        """
        The record as the default view shows it, without colour, ending in a newline.

        *text* is the text that the extent counts in; *width* the columns of the window, at
        which a parse error's message is wrapped.
        """
        head = f"{self.command or self.category}: "
        shown = self.message if self.shown is None else self.shown
        if self.extent is None:
            return f"{head}{shown}\n"
        place = _Place.of(text, self.extent)
        parse_error = self.category == Category.PARSER_ERROR
        if place.line == 1 and not parse_error:
            return f"{head}{shown}\n"
        bar = f"{place.indent}     | "
        message = _wrapped(shown, bar, width) if parse_error else bar + shown
        return _joined(f"{head}\n{_block(place)}{message}\n")


class StatementFailed(Exception):
    """A terminating error: the statement ends here, the text goes on."""

    def __init__(self, record: ErrorRecord) -> None:
        super().__init__(record.message)
        self.record = record


class TextStopped(Exception):
    """The preference ``Stop``, or a person at a prompt, ends the whole text."""

    def __init__(self, record: ErrorRecord) -> None:
        super().__init__(record.message)
        self.record = record


def not_found(name: str, extent: Extent) -> ErrorRecord:
    """The error of a command *name* that nobody knows."""
    message = (
        f"The term '{name}' is not recognized as a name of a cmdlet, function, script file, or "
        "executable program.\nCheck the spelling of the name, or if a path was included, verify "
        "that the path is correct and try again."
    )
    return ErrorRecord(
        fqid="CommandNotFoundException",
        category=Category.OBJECT_NOT_FOUND,
        message=message,
        exception=_SMA + "CommandNotFoundException",
        target=name,
        extent=extent,
        command=name,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in UTF-16 units, in which PowerShell counts: line from 1, column from 0."""

    line: int
    source: str
    column: int
    length: int

    @property
    def indent(self) -> str:
        """The blanks that a line number of more than four digits moves the rest by."""
        return " " * (len(str(self.line)) - 4)

    @classmethod
    def of(cls, text: str, extent: Extent) -> _Place:
        before = text[: extent.start]
        line_start = _line_start(before)
        line = before[:line_start].count("\n") + _lone_returns(before[:line_start]) + 1
        source = _units(_first_line(text[line_start:])).rstrip()
        column = len(_units(before[line_start:]))
        marked = _units(_first_line(text[extent.start : extent.end]))
        whole = len(_units(text[extent.start : extent.end]))
        ends_here = whole == len(marked) and column + whole <= len(source)
        return cls(line, source, column, whole if ends_here else len(source) - column)


def _block(place: _Place) -> str:
    """The lines ``Line |``, the source line, and the row that marks the place in it."""
    number = str(place.line).rjust(4)
    indent = place.indent
    head = f"{indent}Line |\n"
    if not place.source:
        return head
    shown, column, length = _cut(*_tabs_expanded(place))
    mark = " " * column + "~" * max(length, 1)
    return f"{head}{number} |  {shown}\n{indent}     |  {mark}\n"


def _tabs_expanded(place: _Place) -> tuple[str, int, int]:
    end = place.column + max(place.length, 0)
    parts = (place.source[: place.column], place.source[place.column : end], place.source[end:])
    before, marked, after = (part.replace("\t", "    ") for part in parts)
    return before + marked + after, len(before), len(marked)


def _cut(source: str, column: int, length: int) -> tuple[str, int, int]:
    """At most 69 characters of *source*, the marked ones and what is before them first."""
    if len(source) <= _SHOWN:
        return source, column, length
    before, after = min(column, _BEFORE), min(len(source) - length - column, _AFTER)
    more_follows = True
    if before + length + after < _SHOWN:
        before += min(column - before, _SHOWN - before - length - after)
        rest = len(source) - length - column
        if rest > 0:
            after += min(rest, _SHOWN - before - length - after)
        more_follows = after < rest
    start = max(column - before, 0)
    shown = source[start : start + _SHOWN]
    prefix = "… " if before < column else ""
    length = min(length, _SHOWN - before)
    return prefix + shown + (" …" if more_follows else ""), before + len(prefix), length


def _wrapped(message: str, bar: str, width: int) -> str:
    """*message* behind *bar*, in lines of at most *width* where blanks allow it."""
    message = bar + message.replace("\n", " ").replace("\t", " ")
    if len(message) <= width:
        return message + "\n"
    first = _truncated(message, width)
    lines = [first]
    rest = message[len(first) :].strip()
    while len(rest) + len(bar) > width:
        part = _truncated(bar + rest, width)
        if len(part) <= len(bar):
            break
        lines.append(part)
        rest = rest[len(part) - len(bar) :].strip()
    return "\n".join((*lines, bar + rest)) + "\n"


def _truncated(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    cut = text[:length]
    at = max((place for place, char in enumerate(cut) if char.isspace()), default=length)
    return cut[:at]


def _line_start(before: str) -> int:
    return max(before.rfind("\n"), before.rfind("\r")) + 1


def _lone_returns(text: str) -> int:
    return text.count("\r") - text.count("\r\n")


def _first_line(text: str) -> str:
    return text.replace("\r", "\n").partition("\n")[0]


def _units(text: str) -> str:
    """*text* with one character for each UTF-16 unit."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(units[i] | units[i + 1] << 8) for i in range(0, len(units), 2))


def _joined(units: str) -> str:
    """The text that *units* spell; half a pair, which only a cut leaves, stays as it is."""
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
