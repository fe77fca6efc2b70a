"""
The service keys.

The model of `tenantcfg.store.schema` at that time, written out, since it goes on growing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LIVE = sa.text("to_revision IS NULL")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
HASH = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the keys."""
    op.create_table(
        "keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("from_revision", WHOLE, autoincrement=False, nullable=False),
        sa.Column("to_revision", WHOLE, nullable=True),
        sa.Column("added", WHOLE, autoincrement=False, nullable=False),
        sa.Column("name", ID, nullable=False),
        sa.Column("name_key", BYTEWISE, nullable=True),
        sa.Column("digest", HASH, nullable=False),
        sa.Column("rights", BYTEWISE, nullable=False),
        sa.Column("tenants", BYTEWISE, nullable=True),
        sa.Column("expires_at", WHOLE, nullable=True),
        sa.ForeignKeyConstraint(
            ["from_revision"], ["changes.revision"], name=op.f("keys_from_revision_fk")
        ),
        sa.PrimaryKeyConstraint("id", "from_revision", name=op.f("keys_pk")),
    )
    for name, column in (("keys_live", "id"), ("keys_live_name", "name_key")):
        op.create_index(
            name, "keys", [column], unique=True, sqlite_where=LIVE, postgresql_where=LIVE
        )
