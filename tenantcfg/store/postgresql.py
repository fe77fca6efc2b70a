"""
The shared store: how a PostgreSQL database is connected to.
"""

from __future__ import annotations

import random
import re
import time
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tenantcfg.errors import Unavailable

__all__ = ["OPENING_PATIENCE", "SETTINGS_OF_CHECKS", "connect", "require_standby"]

OPENING_PATIENCE = 10.0
"""For how many seconds whoever opens a store waits for a server that is full."""

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


# The server says so before there is a session, and libpq hands on its words alone.
_FULL = re.compile(r"too many (?:clients|connections)|remaining connection slots are reserved")


def connect(
    secret: str, *, patience: float = 0.0, standby: bool = False
) -> psycopg.Connection[Any]:
    """
    A connection that commits by itself; what the address itself sets is kept.

    A server that has as many connections as it takes is asked again for *patience* seconds: a
    hundred is what PostgreSQL takes by default, and two hundred admins may come at once.

    With *standby* it is one to a standby, and to nothing else; see `Store.open`.

    Raises:
        psycopg.Error: as libpq says; nothing is translated here.
        Unavailable: the server is a standby, whatever the address asks for: how far it is
            behind cannot be told, and a check that is behind permits what was revoked. Or it
            is none, where one is wanted.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return _connected(secret, standby=standby)
        except psycopg.OperationalError as why:
            if time.monotonic() > deadline or not _FULL.search(str(why)):
                raise
        # Seldom, as a server makes a process for each that it turns away.
        time.sleep(random.uniform(0.2, 1))  # noqa: S311


def _connected(secret: str, *, standby: bool) -> psycopg.Connection[Any]:
    given = conninfo_to_dict(secret)
    wanted = {**_DEFAULTS, "target_session_attrs": "standby"} if standby else _DEFAULTS
    defaults = {name: value for name, value in wanted.items() if name not in given}
    connection = psycopg.connect(secret, autocommit=True, **defaults)
    if standby:
        require_standby(connection)
    elif _in_recovery(connection):
        host = connection.info.host
        connection.close()
        raise Unavailable(
            "the server is a standby",
            subject=f"'{host}'",
            why="it may be behind its primary",
            hint="name the primary in the store's address, or all hosts",
        )
    return connection


def require_standby(connection: psycopg.Connection[Any]) -> None:
    """
    Make sure that *connection* is to a standby, as the server said when it last answered.

    Raises:
        Unavailable: it was promoted: it may write a history of its own, in which a revision
            means something else. The connection is closed.
    """
    if not _in_recovery(connection):
        host = connection.info.host
        connection.close()
        raise Unavailable(
            "the server is no standby",
            subject=f"'{host}'",
            why="its history may be another one than the primary's",
            hint="name a standby, or this server as the store itself",
        )


def _in_recovery(connection: psycopg.Connection[Any]) -> bool:
    return connection.info.parameter_status("in_hot_standby") == "on"
