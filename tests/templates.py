"""
Stores without tenants that are there at once, each with an id of its own.

The migrations make one store of each kind, and every further one is its copy: the migrations take
longer than most tests. What they make is the business of the tests that ask for ``new_url``.
"""

from __future__ import annotations

import re
import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
from sqlalchemy import Engine, event

from tenantcfg.store import admin, sqlite

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FileTemplate", "TablesTemplate"]


class FileTemplate:
    """An embedded store, made in the new file *path*."""

    def __init__(self, path: Path) -> None:
        self._path = path
        admin.create(path).close()

    def copy_to(self, path: Path) -> None:
        """Make the same in the new file *path*, and its folder if need be."""
        sqlite.make_file(path)
        shutil.copyfile(self._path, path)
        with closing(sqlite.connect(path, patience=1)) as connection:
            connection.execute("UPDATE head SET store_id = ?", (str(uuid4()),))


class TablesTemplate:
    """
    A shared store, made in the empty database at *url*.

    It is copied by saying once more what was said there: to copy a whole database, PostgreSQL's
    own tables with it, takes longer than the migrations do.
    """

    def __init__(self, url: str) -> None:
        self._said: list[tuple[str, Any]] = []
        event.listen(Engine, "before_cursor_execute", self._hear)
        try:
            admin.create(url).close()
        finally:
            event.remove(Engine, "before_cursor_execute", self._hear)

    def copy_to(self, url: str) -> None:
        """Make the same in the empty database at *url*."""
        with psycopg.connect(url) as connection:
            for statement, parameters in self._said:
                connection.execute(statement.encode(), parameters)
            connection.execute("UPDATE head SET store_id = %s", (str(uuid4()),))

    def _hear(self, *args: Any) -> None:
        _connection, _cursor, statement, parameters, _context, many = args
        if re.match(r"\s*(SELECT|SET)\b", statement) is None:
            self._said += [(statement, one) for one in (parameters if many else [parameters])]
