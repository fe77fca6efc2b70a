"""
Many rows at once: all of a table, out of one database and into the other, or into our hands.

By the drivers' own ways, as the drivers have the rows: what SQLAlchemy does for each row costs
several times what it costs to move one.
"""

from __future__ import annotations

from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from sqlalchemy import Connection, Select, Table

__all__ = ["fill", "rows"]

_AT_ONCE = 1_000

# Several are read side by side.
_numbers = count(1)


def rows(connection: Connection, statement: Select[Any]) -> Generator[Sequence[Any]]:
    """
    The rows of *statement*, which has no parameters, each the values of its columns in order.

    They come in portions, inside the transaction of *connection*: memory does not grow with
    their number.
    """
    driver: Any = connection.connection.driver_connection
    text = str(statement.compile(connection))
    if connection.dialect.name == "sqlite":
        with closing(driver.cursor()) as cursor:
            yield from cursor.execute(text)
        return
    with driver.cursor(name=f"tenantcfg_rows_{next(_numbers)}") as cursor:
        cursor.itersize = _AT_ONCE
        yield from cursor.execute(text)


def fill(connection: Connection, table: Table, found: Iterable[Sequence[Any]]) -> None:
    """
    Add the rows *found* to *table*, inside the transaction of *connection*.

    Keys, indexes and references hold as for any other row.
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        driver.executemany(str(insert(table).compile(connection)), found)
        return
    with driver.cursor() as cursor, cursor.copy(_copy_of(connection, table)) as copying:
        for row in found:
            copying.write_row(row)


def _copy_of(connection: Connection, table: Table) -> str:
    names = connection.dialect.identifier_preparer
    columns = ", ".join(names.format_column(column) for column in table.c)
    return f"COPY {names.format_table(table)} ({columns}) FROM STDIN"
