"""
The shared store: how a PostgreSQL database is connected to.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tenantcfg.errors import Unavailable

__all__ = ["SETTINGS_OF_CHECKS", "connect"]

SETTINGS_OF_CHECKS = (
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET statement_timeout = '5s';"
    " SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;"
    " SET enable_seqscan = off"
)
"""
What makes a connection one for checks: it reads only, and waits five seconds at most.

And it goes by the indexes alone. Left to itself PostgreSQL read through all grants to answer
200 questions at once (30,000 grants: 20 ms, by the indexes 0.6), and with no statistics yet
to answer two.
"""

_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 10,
    # Of several hosts the one that is written to, whichever stands first.
    "target_session_attrs": "primary",
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
        Unavailable: the server is a standby, whatever the address asks for: how far it is
            behind cannot be told, and a check that is behind permits what was revoked.
    """
    given = conninfo_to_dict(secret)
    defaults = {name: value for name, value in _DEFAULTS.items() if name not in given}
    connection = psycopg.connect(secret, autocommit=True, **defaults)
    if connection.info.parameter_status("in_hot_standby") == "on":
        host = connection.info.host
        connection.close()
        raise Unavailable(
            "the server is a standby",
            subject=f"'{host}'",
            why="it may be behind its primary",
            hint="name the primary in the store's address, or all hosts",
        )
    return connection
