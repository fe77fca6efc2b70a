"""
Calls and who is in them, and what the participants endpoint did.

The model of `tenantcfg.store.schema` at that time, written out, since it goes on growing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OPEN = sa.text("settled_at IS NULL")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")
LONG_ID = sa.String(512).with_variant(sa.String(512, collation="C"), "postgresql")
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FLAG = sa.Boolean().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the four tables."""
    make_calls()
    make_participants()
    make_removals()
    make_refusals()


def make_calls() -> None:
    """Make the calls that go on."""
    op.create_table(
        "calls",
        sa.Column("tenant", ID, nullable=False),
        sa.Column("call", LONG_ID, nullable=False),
        sa.Column("made_at", WHOLE, nullable=False),
        sa.Column("state", BYTEWISE, nullable=False),
        sa.Column("direction", BYTEWISE, nullable=False),
        sa.Column("subject", BYTEWISE, nullable=True),
        sa.Column("sequence", WHOLE, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "call", name=op.f("calls_pk")),
    )
    op.create_index("calls_in_order", "calls", ["tenant", "made_at", "call"])


def make_participants() -> None:
    """Make those who are in a call."""
    op.create_table(
        "participants",
        sa.Column("tenant", ID, nullable=False),
        sa.Column("call", LONG_ID, nullable=False),
        sa.Column("participant", LONG_ID, nullable=False),
        sa.Column("place", WHOLE, autoincrement=False, nullable=False),
        sa.Column("kind", BYTEWISE, nullable=True),
        sa.Column("identity", BYTEWISE, nullable=True),
        sa.Column("display_name", BYTEWISE, nullable=True),
        sa.Column("home_tenant", BYTEWISE, nullable=True),
        sa.Column("answered", FLAG, nullable=False),
        sa.Column("in_lobby", FLAG, nullable=False),
        sa.Column("muted", FLAG, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "call"], ["calls.tenant", "calls.call"], name=op.f("participants_tenant_fk")
        ),
        sa.PrimaryKeyConstraint("tenant", "call", "participant", name=op.f("participants_pk")),
    )
    columns = ["tenant", "call", "place"]
    op.create_index("participants_in_order", "participants", columns, unique=True)


def make_removals() -> None:
    """Make the audit of removals."""
    op.create_table(
        "removals",
        sa.Column("request_id", ID, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("tenant", ID, nullable=False),
        sa.Column("app", ID, nullable=False),
        sa.Column("call", LONG_ID, nullable=False),
        sa.Column("participant", LONG_ID, nullable=False),
        sa.Column("revision", WHOLE, autoincrement=False, nullable=False),
        sa.Column("controller", BYTEWISE, nullable=False),
        sa.Column("outcome", BYTEWISE, nullable=False),
        sa.Column("settled_at", WHOLE, nullable=True),
        sa.Column("number", WHOLE, nullable=True),
        sa.Column("why", BYTEWISE, nullable=True),
        sa.PrimaryKeyConstraint("request_id", name=op.f("removals_pk")),
    )
    op.create_index("removals_of_call", "removals", ["tenant", "call", "participant", "at"])
    op.create_index("removals_at", "removals", ["tenant", "at"])
    op.create_index("removals_in_order", "removals", ["number"], unique=True)
    op.create_index(
        "removals_open",
        "removals",
        ["controller", "at"],
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )


def make_refusals() -> None:
    """Make the refusals of good tokens."""
    op.create_table(
        "refusals",
        sa.Column("request_id", ID, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("tenant", ID, nullable=False),
        sa.Column("app", ID, nullable=True),
        sa.Column("method", BYTEWISE, nullable=False),
        sa.Column("status", WHOLE, autoincrement=False, nullable=False),
        sa.Column("code", BYTEWISE, nullable=False),
        sa.Column("why", BYTEWISE, nullable=False),
        sa.Column("revision", WHOLE, nullable=True),
        sa.Column("call", BYTEWISE, nullable=True),
        sa.Column("participant", BYTEWISE, nullable=True),
        sa.PrimaryKeyConstraint("request_id", name=op.f("refusals_pk")),
    )
    op.create_index("refusals_at", "refusals", ["at"])
