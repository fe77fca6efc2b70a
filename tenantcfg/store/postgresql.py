"""
The shared store: how a PostgreSQL database is connected to.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

__all__ = ["CHECK_PATIENCE", "NOW", "WRITE_PATIENCE", "connect", "settings_of_checks"]

WRITE_PATIENCE = 30
"""For how many seconds a writer waits for another."""

CHECK_PATIENCE = 5
"""For how many seconds a check waits for its answer; then it can't tell."""

NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""The server's clock in microseconds: that of all of its clients."""

_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 10,
    "fallback_application_name": "tenantcfg",
    # A server that vanished without a word is noticed, not waited for.
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def connect(secret: str) -> psycopg.Connection[Any]:
    """
    A connection that commits by itself; what the address itself sets is kept.

    Raises:
        psycopg.Error: as libpq says; nothing is translated here.
    """
    given = conninfo_to_dict(secret)
    defaults = {name: value for name, value in _DEFAULTS.items() if name not in given}
    return psycopg.connect(secret, autocommit=True, **defaults)


def settings_of_checks() -> str:
    """The statements that make a connection one for checks: reading only, and not for long."""
    return (
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;"
        f" SET statement_timeout = '{CHECK_PATIENCE}s'"
    )
