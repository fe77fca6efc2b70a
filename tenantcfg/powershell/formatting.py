"""
Objects as text, as Format-List and Format-Table show them (cmdlets O1 to O4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantcfg.powershell.values import Number, to_string

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantcfg.powershell.values import PSObject, Value

__all__ = ["ENUMERATION_LIMIT", "format_list", "format_table"]

ENUMERATION_LIMIT = 4
"""PowerShell's ``$FormatEnumerationLimit``: items of a collection that are shown."""

_BOLD, _RESET = "\x1b[32;1m", "\x1b[0m"
_CUT = "…"


def format_list(
    objects: Iterable[PSObject],
    *,
    width: int,
    limit: int | None = ENUMERATION_LIMIT,
    colour: bool = False,
) -> str:
    """
    *objects* as a list: a property a line, an empty line before and after each block.

    A value that is longer than the window wraps under its own column. Of a collection at
    most *limit* items are shown, None: all. Empty without objects.
    """
    blocks = [_block(one, width, limit, colour=colour) for one in objects]
    return "\n" + "\n".join(blocks) + "\n" if blocks else ""


def format_table(
    objects: Iterable[PSObject],
    *,
    width: int,
    limit: int | None = ENUMERATION_LIMIT,
    colour: bool = False,
) -> str:
    """
    *objects* as a table of the first one's properties, columns as wide as what they hold.

    What does not fit the window is cut and ends in ``…``; a column that has no room at all
    is left out. Empty without objects.
    """
    rows = list(objects)
    if not rows:
        return ""
    columns = _fitted(_columns(rows, limit), width)
    lines = [_bold(line, colour=colour, outside=False) for line in _heading(columns)]
    rule = [column.padded("-" * min(len(column.name), column.width)) for column in columns]
    lines.append(_bold(rule, colour=colour, outside=True))
    lines += [
        " ".join(column.cell(column.cells[index]) for column in columns)
        for index in range(len(rows))
    ]
    return "\n" + "\n".join(lines) + "\n\n"


@dataclass(frozen=True, slots=True)
class _Column:
    """
    A column of a table.

    Attributes:
        last: whether it is the last that the objects have. It needs no padding; one that
            became the last because the window ends does.
    """

    name: str
    cells: tuple[str, ...]
    width: int
    right: bool
    last: bool

    def cell(self, text: str) -> str:
        """*text* as wide as the column, or cut."""
        if "\n" in text:
            text = _lines(text)[0][: self.width - 1] + _CUT
        elif len(text) > self.width:
            kept = self.width - 1
            text = _CUT + text[len(text) - kept :] if self.right else text[:kept] + _CUT
        return self.padded(text)

    def padded(self, text: str) -> str:
        """*text* as wide as the column."""
        if self.right:
            return text.rjust(self.width)
        return text if self.last else text.ljust(self.width)


def _block(one: PSObject, width: int, limit: int | None, *, colour: bool) -> str:
    longest = max((len(name) for name in one.properties), default=0)
    lines = []
    for name, value in one.properties.items():
        label = f"{name:<{longest}} : "
        room = max(width - 1 - len(label), 1)
        first, *rest = _wrapped(_text(value, limit), room)
        lines.append((f"{_BOLD}{label}{_RESET}" if colour else label) + first)
        lines += [" " * len(label) + part for part in rest]
    return "\n".join(lines) + "\n"


def _wrapped(text: str, room: int) -> list[str]:
    return [part for line in _lines(text) for part in _pieces(line, room)]


def _lines(text: str) -> list[str]:
    """The lines of *text*; a newline at its end begins an empty one."""
    return text.replace("\r", "").split("\n")


def _pieces(line: str, room: int) -> list[str]:
    return [line[start : start + room] for start in range(0, max(len(line), 1), room)]


def _text(value: Value, limit: int | None) -> str:
    if not isinstance(value, tuple):
        return to_string(value)
    shown = value if limit is None else value[:limit]
    items = ", ".join("$null" if item is None else to_string(item) for item in shown)
    return "{" + items + (_CUT if len(shown) < len(value) else "") + "}"


def _columns(rows: Sequence[PSObject], limit: int | None) -> list[_Column]:
    names = list(rows[0].properties)
    return [_column(name, rows, limit, last=name == names[-1]) for name in names]


def _column(name: str, rows: Sequence[PSObject], limit: int | None, *, last: bool) -> _Column:
    values = [row.properties.get(name) for row in rows]
    cells = tuple(_text(value, limit) for value in values)
    widest = max(len(name), *(len(cell) for cell in cells))
    right = isinstance(values[0], (bool, int, Number))
    return _Column(name, cells, widest, right=right, last=last)


def _fitted(columns: Sequence[_Column], width: int) -> list[_Column]:
    """*columns*, the later ones made narrower or left out where the window ends."""
    fitted: list[_Column] = []
    room = width - 1
    for column in columns:
        if room < 1:
            break
        narrow = min(column.width, room)
        fitted.append(replace(column, width=narrow))
        room -= narrow + 1
    return fitted


def _heading(columns: Sequence[_Column]) -> list[list[str]]:
    """The names of *columns*, wrapped in those that are narrower."""
    wrapped = [_pieces(column.name, column.width) for column in columns]
    lines = []
    for index in range(max(map(len, wrapped), default=0)):
        cells = [part[index] if index < len(part) else "" for part in wrapped]
        # The last cell is never padded: nothing stands behind it.
        lines.append(
            [
                column.padded(cell) if column.right or column is not columns[-1] else cell
                for column, cell in zip(columns, cells, strict=True)
            ]
        )
    return lines


def _bold(cells: Sequence[str], *, colour: bool, outside: bool) -> str:
    """*cells* in a row, bold with *colour*; the blanks between them *outside* of it or in."""
    if not colour:
        return " ".join(cells)
    gap = " " + _BOLD if outside else _BOLD + " "
    return _BOLD + gap.join(cell + _RESET for cell in cells)
