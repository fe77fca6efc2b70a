"""A server that does not let us in, or not to the tables: told in a line, without the password."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg

from tenantcfg import Store, StoreMissing, StoreReadOnly, StoreUnusable, TenantcfgError, Unavailable
from tenantcfg.store import admin

if TYPE_CHECKING:
    from tests.postgres import Server

SECRET = "S3cret%20of%20ours"  # noqa: S105 - what must not be printed
ROLES = """
CREATE ROLE ours LOGIN PASSWORD 'S3cret of ours';
CREATE ROLE stranger LOGIN PASSWORD 'S3cret of ours';
CREATE ROLE group_only PASSWORD 'S3cret of ours';
CREATE ROLE busy LOGIN PASSWORD 'S3cret of ours' CONNECTION LIMIT 0;
CREATE ROLE blind LOGIN PASSWORD 'S3cret of ours';
CREATE ROLE part LOGIN PASSWORD 'S3cret of ours';
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO ours, part;
GRANT SELECT ON head TO part;
"""
LET_IN = """
local all postgres trust
local all ours,group_only,busy,blind,part scram-sha-256
"""


def locked(server: Server) -> None:
    admin.create(server.url()).close()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(ROLES)
        connection.execute("CREATE DATABASE fresh")
        connection.execute("CREATE DATABASE closed")
        connection.execute("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
    (server.folder / "data" / "pg_hba.conf").write_text(LET_IN)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")
    server.stop()
    server.start()


def address(server: Server, role: str, password: str = SECRET, database: str = "postgres") -> str:
    return f"postgresql://{role}:{password}@/{database}?host={quote(str(server.folder))}"


def told(act: object, url: str) -> TenantcfgError | None:
    try:
        act(url)  # type: ignore[operator]
    except TenantcfgError as why:
        return why
    return None


def test_whoever_is_not_let_in_is_told_so_and_nothing_secret(postgres_of_own: Server) -> None:
    server = postgres_of_own
    locked(server)
    shut, absent, denied = StoreUnusable, StoreMissing, StoreReadOnly
    cases: list[tuple[str, type[TenantcfgError], str]] = [
        (address(server, "ours", "S3cretly%20wrong"), shut, "password authentication failed"),
        (address(server, "ours", ""), shut, "no password supplied"),
        (address(server, "unheard_of"), shut, "no pg_hba.conf entry"),
        (address(server, "stranger"), shut, "no pg_hba.conf entry"),
        (address(server, "group_only"), shut, "not permitted to log in"),
        (address(server, "ours", database="closed"), shut, "permission denied for database"),
        (address(server, "blind"), shut, "may use no schema"),
        (address(server, "ours", database="nowhere"), absent, "make the database on the server"),
        (address(server, "ours"), denied, "permission denied for table"),
        (address(server, "part"), denied, "permission denied for table"),
        (address(server, "busy"), Unavailable, "too many connections for role"),
    ]
    for url, kind, words in cases:
        for act in (Store.open, admin.create, admin.upgrade, admin.current):
            why = told(act, url)
            assert type(why) is kind, (url, why)
            said = str(why)
            assert words in said
            assert "\n" not in said
            assert "S3cret" not in said
    # Whoever may not make tables where none are yet learns it when he makes a store.
    fresh = address(server, "ours", database="fresh")
    assert type(told(Store.open, fresh)) is StoreMissing
    made = told(admin.upgrade, fresh)
    assert type(made) is StoreReadOnly
    assert "CREATE TABLE" not in str(made)
    code = {StoreUnusable: 9, StoreMissing: 9, StoreReadOnly: 9, Unavailable: 6}
    for url, kind, words in cases[:1] + cases[-1:]:
        check = [sys.executable, "-m", "tenantcfg", "check", "--tenant", "t", "--app", "a"]
        ended = subprocess.run(
            [*check, "--store", url], check=False, capture_output=True, text=True
        )
        assert (ended.returncode, ended.stdout) == (code[kind], "")
        assert words in ended.stderr
        assert ended.stderr.count("\n") == 1
        assert "S3cret" not in ended.stderr
