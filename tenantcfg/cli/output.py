"""
Data on standard output: one set of records, six formats, each whole.

Every format carries the records' schema and the store they came from (its address without
user and query, and its id); `json` is one document, `jsonl` one line a record, written as
they come.
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tenantcfg.store import Store

__all__ = ["Records", "dumped", "emit", "printable"]

_GUARDED = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Records:
    """
    What is to be printed.

    Attributes:
        schema: the name and version of the records' shape, ``tenantcfg/history/1``.
        rows: plain JSON objects with the same members each.
        columns: the members, in order, that `table` and `list` and `csv` show.
        single: there is exactly one row by its nature, so `json` is that object.
    """

    schema: str
    rows: Iterable[Mapping[str, Any]]
    columns: tuple[str, ...]
    store: str
    store_id: str
    single: bool = False

    @classmethod
    def of(
        cls,
        store: Store,
        schema: str,
        rows: Iterable[Mapping[str, Any]],
        columns: tuple[str, ...],
        *,
        single: bool = False,
    ) -> Records:
        """Records that came from *store*."""
        return cls(f"tenantcfg/{schema}/1", rows, columns, store.url, store.store_id, single)

    @property
    def stamp(self) -> dict[str, str]:
        """What every format carries beside the rows."""
        return {"schema": self.schema, "store": self.store, "store_id": self.store_id}


def emit(records: Records, form: str, out: TextIO | None = None) -> None:
    """Print *records* in the format *form*, one of `tenantcfg.cli.app.FORMATS`."""
    _WRITERS[form](records, out or sys.stdout)


def printable(text: str) -> str:
    """*text* with its control characters escaped, so that it cannot act on a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    number = ord(character)
    if number < 0x100:  # noqa: PLR2004
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"  # noqa: PLR2004


def _json(records: Records, out: TextIO) -> None:
    if records.single:
        (row,) = records.rows
        print(dumped({**records.stamp, **row}, out, indent=2), file=out)
        return
    opening = dumped(records.stamp, out, indent=2)
    print(opening.removesuffix("\n}") + ',\n  "items": [', end="", file=out)
    separator = "\n    "
    for row in records.rows:
        print(separator + _indented(row, out), end="", file=out)
        separator = ",\n    "
    print(("" if separator == "\n    " else "\n  ") + "]\n}", file=out)


def _unicode(out: TextIO) -> bool:
    return (out.encoding or "utf-8").lower().replace("-", "") == "utf8"


def dumped(value: object, out: TextIO, indent: int | None = None) -> str:
    """JSON in which letters stand as *out* can take them; what cannot be printed is escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=not _unicode(out))
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _indented(row: Mapping[str, Any], out: TextIO) -> str:
    return dumped(row, out, indent=2).replace("\n", "\n    ")


def _jsonl(records: Records, out: TextIO) -> None:
    for row in records.rows:
        print(dumped({**records.stamp, **row}, out), file=out, flush=True)


def _csv(records: Records, out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    columns: tuple[str, ...] = ()
    for row in records.rows:
        whole = {**records.stamp, **row}
        if not columns:
            # What a table leaves out for want of room is here as well.
            columns = tuple(dict.fromkeys((*records.columns, *row, *records.stamp)))
            writer.writerow(columns)
        cells = (_guarded(_csv_cell(whole.get(column))) for column in columns)
        writer.writerow(map(printable, cells) if out.isatty() else cells)
    if not columns:
        writer.writerow((*records.columns, *records.stamp))


def _csv_cell(value: object) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return _cell(value, ";")


def _guarded(text: str) -> str:
    # A spreadsheet would take such a cell for a formula.
    return f"'{text}" if text.startswith(_GUARDED) else text


def _yaml(records: Records, out: TextIO) -> None:
    import yaml  # noqa: PLC0415 - only who asks for YAML pays for it

    rows = [dict(row) for row in records.rows]
    content = {**records.stamp, **(rows[0] if records.single else {"items": rows})}
    yaml.safe_dump(content, out, sort_keys=False, allow_unicode=_unicode(out) and not out.isatty())


def _table(records: Records, out: TextIO) -> None:
    from tabulate import tabulate  # noqa: PLC0415

    rows = [
        [printable(_cell(row.get(name), ", ")) for name in records.columns] for row in records.rows
    ]
    headers = [_label(name) for name in records.columns]
    print(tabulate(rows, headers, tablefmt="simple", disable_numparse=True), file=out)
    print(f"({records.schema}, store {printable(records.store)}, {records.store_id})", file=out)


def _list(records: Records, out: TextIO) -> None:
    for row in records.rows:
        shown = {name: row.get(name) for name in records.columns} | records.stamp
        shown |= {"schema": row.get("schema", records.schema)}
        width = max(map(len, shown))
        for name, value in shown.items():
            print(f"{_label(name):<{width}} : {printable(_cell(value, ', '))}", file=out)
        print(file=out)


def _label(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: object, separator: str) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case dict():
            return separator.join(f"{key}={_cell(one, separator)}" for key, one in value.items())
        case list() | tuple():
            return separator.join(_cells(value, separator))
        case _:
            return str(value)


def _cells(values: Iterable[object], separator: str) -> Iterator[str]:
    for value in values:
        match value:
            case {"app": app, "result": result}:
                yield f"{result} {app}"
            case {"app": app}:
                yield str(app)
            case _:
                yield _cell(value, separator)


_WRITERS: dict[str, Callable[[Records, TextIO], None]] = {
    "json": _json,
    "jsonl": _jsonl,
    "csv": _csv,
    "yaml": _yaml,
    "table": _table,
    "list": _list,
}
