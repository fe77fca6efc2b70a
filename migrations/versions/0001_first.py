"""
The first tables: head, changes, change_apps, tenants, grants.

The models of `tenantcfg.store.schema` at that time, written out, since they go on growing.
"""

from __future__ import annotations

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

GENESIS = "0" * 64
LIVE = sa.text("to_revision IS NULL")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
HASH = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Make all tables, and the head of an empty store with an id of its own."""
    make_head()
    make_changes()
    make_tenants()
    make_grants()


def make_head() -> None:
    """Make the one row that writers lock."""
    head = op.create_table(
        "head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("store_id", BYTEWISE, nullable=False),
        sa.Column("revision", WHOLE, autoincrement=False, nullable=False),
        sa.Column("hash", HASH, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("head_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("head_pk")),
    )
    start = {"id": 1, "store_id": str(uuid4()), "revision": 0, "hash": GENESIS, "at": 0}
    op.bulk_insert(head, [start])


def make_changes() -> None:
    """Make the history and the look-up of its apps."""
    op.create_table(
        "changes",
        sa.Column("revision", WHOLE, autoincrement=False, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("tenant", ID, nullable=False),
        sa.Column("actor", BYTEWISE, nullable=False),
        sa.Column("content", BYTEWISE, nullable=False),
        sa.Column("hash", HASH, nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("changes_pk")),
    )
    op.create_index("changes_of_tenant", "changes", ["tenant", "revision"])
    op.create_index("changes_of_actor", "changes", ["actor", "revision"])
    op.create_index("changes_at", "changes", ["at", "revision"])
    op.create_table(
        "change_apps",
        sa.Column("app", ID, nullable=False),
        sa.Column("revision", WHOLE, autoincrement=False, nullable=False),
        sa.Column("tenant", ID, nullable=False),
        made("change_apps", "revision"),
        sa.PrimaryKeyConstraint("app", "revision", name=op.f("change_apps_pk")),
        sqlite_with_rowid=False,
    )


def make_tenants() -> None:
    """Make the tenants."""
    op.create_table(
        "tenants",
        sa.Column("tenant", ID, nullable=False),
        sa.Column("from_revision", WHOLE, autoincrement=False, nullable=False),
        sa.Column("to_revision", WHOLE, nullable=True),
        sa.Column("added", WHOLE, autoincrement=False, nullable=False),
        sa.Column("name", ID, nullable=True),
        sa.Column("name_key", BYTEWISE, nullable=True),
        sa.Column("enabled", sa.Boolean().with_variant(sa.Integer(), "sqlite"), nullable=False),
        made("tenants", "from_revision"),
        sa.PrimaryKeyConstraint("tenant", "from_revision", name=op.f("tenants_pk")),
    )
    unique_while_live("tenants_live", "tenants", ["tenant"])
    while_live("tenants_check", "tenants", ["tenant", "to_revision", "enabled"])
    unique_while_live("tenants_live_name", "tenants", ["name_key"])


def make_grants() -> None:
    """Make the grants."""
    op.create_table(
        "grants",
        sa.Column("tenant", ID, nullable=False),
        sa.Column("action", ID, nullable=False),
        sa.Column("app", ID, nullable=False),
        sa.Column("from_revision", WHOLE, autoincrement=False, nullable=False),
        sa.Column("to_revision", WHOLE, nullable=True),
        sa.Column("granted", WHOLE, autoincrement=False, nullable=False),
        sa.Column("position", WHOLE, autoincrement=False, nullable=False),
        sa.Column("expires_at", WHOLE, nullable=True),
        made("grants", "from_revision"),
        sa.PrimaryKeyConstraint("tenant", "action", "app", "from_revision", name=op.f("grants_pk")),
    )
    unique_while_live("grants_live", "grants", ["tenant", "action", "app"])
    checked = ["tenant", "action", "app", "to_revision", "expires_at"]
    while_live("grants_check", "grants", checked)
    op.create_index("grants_of_app", "grants", ["app", "action", "tenant", "from_revision"])


def made(table: str, column: str) -> sa.ForeignKeyConstraint:
    """Hold *column* to a revision that there is."""
    name = op.f(f"{table}_{column}_fk")
    return sa.ForeignKeyConstraint([column], ["changes.revision"], name=name)


def while_live(name: str, table: str, columns: list[str]) -> None:
    """Index *columns* of the live rows."""
    op.create_index(name, table, columns, sqlite_where=LIVE, postgresql_where=LIVE)


def unique_while_live(name: str, table: str, columns: list[str]) -> None:
    """Index *columns* of the live rows, in which they are unique."""
    op.create_index(name, table, columns, unique=True, sqlite_where=LIVE, postgresql_where=LIVE)
