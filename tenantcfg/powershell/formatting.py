"""
Objects as text, as Format-List and Format-Table show them (cmdlets O1 to O4).
"""

from __future__ import annotations

from dataclasses import dataclass
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
    columns = _fitted([_column(name, rows, limit) for name in rows[0].properties], width)
    head = [(column, column.name) for column in columns]
    rule = [(column, "-" * len(column.name)) for column in columns]
    lines = [
        _line(head, colour=colour, between=_BOLD + " " if colour else " "),
        _line(rule, colour=colour, between=" " + _BOLD if colour else " "),
    ]
    lines += [
        _line([(column, column.cells[index]) for column in columns]) for index in range(len(rows))
    ]
    return "\n" + "\n".join(lines) + "\n\n"


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    cells: tuple[str, ...]
    width: int
    right: bool


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
    return [
        line[start : start + room]
        for line in text.splitlines() or [""]
        for start in range(0, max(len(line), 1), room)
    ]


def _text(value: Value, limit: int | None) -> str:
    if not isinstance(value, tuple):
        return to_string(value)
    shown = value if limit is None else value[:limit]
    items = ", ".join("$null" if item is None else to_string(item) for item in shown)
    return "{" + items + (_CUT if len(shown) < len(value) else "") + "}"


def _column(name: str, rows: Sequence[PSObject], limit: int | None) -> _Column:
    values = [row.properties.get(name) for row in rows]
    cells = tuple(_text(value, limit).replace("\n", " ") for value in values)
    widest = max(len(name), *(len(cell) for cell in cells))
    return _Column(name, cells, widest, right=isinstance(values[0], (bool, int, Number)))


def _fitted(columns: Sequence[_Column], width: int) -> list[_Column]:
    """*columns*, the later ones made narrower or left out where the window ends."""
    fitted: list[_Column] = []
    room = width - 1
    for column in columns:
        if room < 1:
            break
        narrow = min(column.width, room)
        fitted.append(_Column(column.name, column.cells, narrow, column.right))
        room -= narrow + 1
    return fitted


def _line(cells: Sequence[tuple[_Column, str]], *, colour: bool = False, between: str = " ") -> str:
    last = len(cells) - 1
    parts = []
    for index, (column, text) in enumerate(cells):
        shown = text if len(text) <= column.width else text[: column.width - 1] + _CUT
        if column.right:
            shown = shown.rjust(column.width)
        elif index < last:
            shown = shown.ljust(column.width)
        parts.append(shown + _RESET if colour else shown)
    return (_BOLD if colour else "") + between.join(parts)
