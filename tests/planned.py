"""The statements that are sent to a database, and how it would find their rows."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event, text

from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["caught", "plans"]


@contextmanager
def caught() -> Iterator[list[tuple[str, Any]]]:
    """The statements that any engine sends, with their parameters."""
    sent: list[tuple[str, Any]] = []

    def catch(_connection: object, _cursor: object, statement: str, *more: Any) -> None:
        parameters = more[0]
        sent.append((statement, parameters[0] if isinstance(parameters, list) else parameters))

    event.listen(Engine, "before_cursor_execute", catch)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", catch)


def plans(url: str, sent: list[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    """Each statement that was *sent*, with its plan."""
    engine = engine_of(Address.parse(url))
    explain = "EXPLAIN QUERY PLAN " if url.startswith("sqlite") else "EXPLAIN "
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # As with a million rows: tables are read through only if nothing else goes.
            connection.execute(text("ANALYZE"))
            connection.execute(text("SET enable_seqscan = off"))
        for statement, parameters in sent:
            rows = connection.exec_driver_sql(explain + statement, parameters)
            yield statement, "\n".join(str(row[-1]) for row in rows)
        connection.rollback()
    engine.dispose()
