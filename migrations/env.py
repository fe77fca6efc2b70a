"""
How the schema grows: under one lock, in one transaction, with limits to the waiting.

`tenantcfg.store.admin` runs this and hands over its connection, in a transaction that it
commits. There is no other way in: an address that alembic opened by itself would miss the
store's own settings and locks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context
from sqlalchemy import text

from tenantcfg.store.schema import Base

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK = 0x7E4A_17C0_4F16
"""The advisory lock that upgrades of one PostgreSQL database take in turn: any number, ours."""

TURN = (
    # Another upgrade is waited for as long as another writer would be.
    "SET LOCAL lock_timeout = '30s'",
    f"SELECT pg_advisory_xact_lock({LOCK})",
    # A table that a check is reading is waited for as well, but not so long that the checks
    # which queue up behind the waiting lock run into their own deadlines.
    "SET LOCAL lock_timeout = '4s'",
    "SET LOCAL statement_timeout = '10min'",
)


def take_turns(connection: Connection) -> None:
    """Hold off a second upgrade of the same store; on SQLite the write lock does it."""
    if connection.dialect.name == "postgresql":
        for statement in TURN:
            connection.execute(text(statement))


def run() -> None:
    """Run what the context asks for, on the connection that was handed over."""
    connection: Connection = context.config.attributes["connection"]
    take_turns(connection)
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
