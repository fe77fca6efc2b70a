"""
The tables, once for both databases.

``changes`` is the truth: ``tenants``, ``grants`` and ``keys`` are what the changes came to, as
temporal rows, so that the state at any revision can be read back. A row
is live while ``to_revision`` is null; it counts at a revision R when ``from_revision <= R``
and ``to_revision`` is null or ``> R``. Every instant is an integer, microseconds since the
epoch. Ids are compared bytewise on both databases.

Beside that history stand ``calls`` and ``participants``, which hold what is now and nothing
else, and ``removals`` and ``refusals``, which say what the participants endpoint did. None of
them takes a revision (design, rule 1 of the store).

The check does not import this module: it would pay for the mapper on each start of the
program (`tenantcfg.store.statements` says how its text is held equal to these tables).
"""

from __future__ import annotations

from typing import Annotated, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    column,
    exists,
    select,
    table,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantcfg.store.version import SCHEMA_VERSION

__all__ = [
    "Base",
    "CallRow",
    "ChangeAppRow",
    "ChangeRow",
    "GrantRow",
    "HeadRow",
    "KeyRow",
    "ParticipantRow",
    "RefusalRow",
    "RemovalRow",
    "TenantRow",
    "calls",
    "change_apps",
    "changes",
    "grants",
    "head",
    "keys",
    "of_this_release",
    "participants",
    "refusals",
    "removals",
    "tenants",
]

_LIVE = text("to_revision IS NULL")
_OPEN = text("settled_at IS NULL")

# PostgreSQL's default order of texts is the locale's; "C" is that of the bytes, as SQLite's.
_Bytewise = Text().with_variant(Text(collation="C"), "postgresql")
_BytewiseId = String(128).with_variant(String(128, collation="C"), "postgresql")
_BytewiseLongId = String(512).with_variant(String(512, collation="C"), "postgresql")

# On SQLite an INTEGER key is the row's own number, and needs no index of its own.
_Whole = BigInteger().with_variant(Integer(), "sqlite")

Id = Annotated[str, mapped_column(_BytewiseId)]
LongId = Annotated[str, mapped_column(_BytewiseLongId)]
Word = Annotated[str, mapped_column(_Bytewise)]
Hash = Annotated[
    str, mapped_column(String(64).with_variant(String(64, collation="C"), "postgresql"))
]
Number = Annotated[int, mapped_column(_Whole, autoincrement=False)]
Flag = Annotated[bool, mapped_column(Boolean().with_variant(Integer(), "sqlite"))]
Microseconds = Annotated[int, mapped_column(_Whole)]
Made = Annotated[int, mapped_column(_Whole, ForeignKey("changes.revision"), autoincrement=False)]


class Base(DeclarativeBase):
    """Of all tables; its metadata is what the migrations are compared with."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pk",
            "fk": "%(table_name)s_%(column_0_name)s_fk",
            "ck": "%(table_name)s_%(constraint_name)s",
        }
    )


class HeadRow(Base):
    """
    The newest change, in one row: writers lock it, and every answer reads it.

    Revision 0, with `history.GENESIS` as its hash, is the store before its first change.
    """

    __tablename__ = "head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    store_id: Mapped[Word]
    revision: Mapped[Number]
    hash: Mapped[Hash]
    at: Mapped[Microseconds]


class ChangeRow(Base):
    """
    One change. *content* is the text that was hashed (`history.canonical`), whole.

    *at*, *tenant* and *actor* repeat what stands in it, to be found by. A change that concerns
    no tenant, but a service key, has an empty *tenant*: no tenant's id is empty.
    """

    __tablename__ = "changes"
    __table_args__ = (
        Index("changes_of_tenant", "tenant", "revision"),
        Index("changes_of_actor", "actor", "revision"),
        Index("changes_at", "at", "revision"),
    )

    revision: Mapped[Number] = mapped_column(primary_key=True)
    at: Mapped[Microseconds]
    tenant: Mapped[Id]
    actor: Mapped[Word]
    content: Mapped[Word]
    hash: Mapped[Hash]


class ChangeAppRow(Base):
    """That a change names an app, whatever became of it there; *tenant* is the change's."""

    __tablename__ = "change_apps"
    # The key is all there is to find; SQLite need not keep the rows a second time beside it.
    __table_args__ = ({"sqlite_with_rowid": False},)

    app: Mapped[Id] = mapped_column(primary_key=True)
    revision: Mapped[Made] = mapped_column(primary_key=True)
    tenant: Mapped[Id]


class TenantRow(Base):
    """
    A tenant as it was from one revision to another.

    *name_key* is the name as it is compared: two live tenants never have the same. *added*
    is the revision that made the tenant known, in all its rows.
    """

    __tablename__ = "tenants"
    __table_args__ = (
        Index("tenants_live", "tenant", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
        # All that a check reads of a tenant.
        Index(
            "tenants_check",
            "tenant",
            "to_revision",
            "enabled",
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        Index(
            "tenants_live_name",
            "name_key",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
    )

    tenant: Mapped[Id] = mapped_column(primary_key=True)
    from_revision: Mapped[Made] = mapped_column(primary_key=True)
    to_revision: Mapped[int | None] = mapped_column(_Whole)
    added: Mapped[Number]
    name: Mapped[str | None] = mapped_column(_BytewiseId)
    name_key: Mapped[str | None] = mapped_column(_Bytewise)
    # As it lies, on SQLite: as a boolean, whatever somebody wrote there would pass for true.
    enabled: Mapped[bool] = mapped_column(Boolean().with_variant(Integer(), "sqlite"))


class GrantRow(Base):
    """
    That an app may act in a tenant, from one revision to another.

    *granted* is the revision that gave the right and *position* the place among the apps of
    that change; a later change of the expiry closes the row and opens one that keeps both.
    """

    __tablename__ = "grants"
    __table_args__ = (
        Index(
            "grants_live",
            "tenant",
            "action",
            "app",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        # The tenant stands in it for PostgreSQL's sake: before it has statistics it may take
        # this index for the check, and would then read through all tenants of an app.
        # All that a check reads of a grant, so that it need not look further for the row.
        Index(
            "grants_check",
            "tenant",
            "action",
            "app",
            "to_revision",
            "expires_at",
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        Index("grants_of_app", "app", "action", "tenant", "from_revision"),
    )

    tenant: Mapped[Id] = mapped_column(primary_key=True)
    action: Mapped[Id] = mapped_column(primary_key=True)
    app: Mapped[Id] = mapped_column(primary_key=True)
    from_revision: Mapped[Made] = mapped_column(primary_key=True)
    to_revision: Mapped[int | None] = mapped_column(_Whole)
    granted: Mapped[Number]
    position: Mapped[Number]
    expires_at: Mapped[int | None] = mapped_column(_Whole)


class CallRow(Base):
    """
    A call that goes on; *sequence* rises with every change of who is in it.

    The tenant is the first part of the key, so that nothing finds another tenant's call.
    """

    __tablename__ = "calls"
    __table_args__ = (Index("calls_in_order", "tenant", "made_at", "call"),)

    tenant: Mapped[Id] = mapped_column(primary_key=True)
    call: Mapped[LongId] = mapped_column(primary_key=True)
    made_at: Mapped[Microseconds]
    state: Mapped[Word]
    direction: Mapped[Word]
    subject: Mapped[str | None] = mapped_column(_Bytewise)
    sequence: Mapped[Number]


class ParticipantRow(Base):
    """Somebody who is in a call; *place* is the call's sequence at which they joined."""

    __tablename__ = "participants"
    __table_args__ = (
        ForeignKeyConstraint(["tenant", "call"], ["calls.tenant", "calls.call"]),
        Index("participants_in_order", "tenant", "call", "place", unique=True),
    )

    tenant: Mapped[Id] = mapped_column(primary_key=True)
    call: Mapped[LongId] = mapped_column(primary_key=True)
    participant: Mapped[LongId] = mapped_column(primary_key=True)
    place: Mapped[Number]
    kind: Mapped[str | None] = mapped_column(_Bytewise)
    identity: Mapped[str | None] = mapped_column(_Bytewise)
    display_name: Mapped[str | None] = mapped_column(_Bytewise)
    home_tenant: Mapped[str | None] = mapped_column(_Bytewise)
    answered: Mapped[Flag]
    in_lobby: Mapped[Flag]
    muted: Mapped[Flag]


class RemovalRow(Base):
    """
    That somebody was to be removed from a call, and what became of it.

    *number* is given where it was done by this store's own roster: one more than the last, in
    the order of commits, for those who follow.
    """

    __tablename__ = "removals"
    __table_args__ = (
        Index("removals_of_call", "tenant", "call", "participant", "at"),
        Index("removals_at", "tenant", "at"),
        Index("removals_in_order", "number", unique=True),
        Index(
            "removals_open",
            "controller",
            "at",
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
    )

    request_id: Mapped[Id] = mapped_column(primary_key=True)
    at: Mapped[Microseconds]
    tenant: Mapped[Id]
    app: Mapped[Id]
    call: Mapped[LongId]
    participant: Mapped[LongId]
    revision: Mapped[Number]
    controller: Mapped[Word]
    outcome: Mapped[Word]
    settled_at: Mapped[int | None] = mapped_column(_Whole)
    number: Mapped[int | None] = mapped_column(_Whole)
    why: Mapped[str | None] = mapped_column(_Bytewise)


class RefusalRow(Base):
    """That a request with a good token was refused, and why; kept for 30 days."""

    __tablename__ = "refusals"
    __table_args__ = (Index("refusals_at", "at"),)

    request_id: Mapped[Id] = mapped_column(primary_key=True)
    at: Mapped[Microseconds]
    tenant: Mapped[Id]
    app: Mapped[str | None] = mapped_column(_BytewiseId)
    method: Mapped[Word]
    status: Mapped[Number]
    code: Mapped[Word]
    why: Mapped[Word]
    revision: Mapped[int | None] = mapped_column(_Whole)
    call: Mapped[str | None] = mapped_column(_Bytewise)
    participant: Mapped[str | None] = mapped_column(_Bytewise)


class KeyRow(Base):
    """
    A service key as it was from one revision to another.

    *digest* is all there is of its secret. *name_key* is the name as it is compared: no two
    live keys have the same. A key that was rotated keeps its name and has no *name_key* while
    it lasts out, as the one that came in its place has it. *rights* are words with commas,
    *tenants* a JSON array of ids in their order, or null: all. *added* is the revision that
    made the key, in all its rows.
    """

    __tablename__ = "keys"
    __table_args__ = (
        Index("keys_live", "id", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
        Index(
            "keys_live_name", "name_key", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE
        ),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    from_revision: Mapped[Made] = mapped_column(primary_key=True)
    to_revision: Mapped[int | None] = mapped_column(_Whole)
    added: Mapped[Number]
    name: Mapped[Id]
    name_key: Mapped[str | None] = mapped_column(_Bytewise)
    digest: Mapped[Hash]
    rights: Mapped[Word]
    tenants: Mapped[str | None] = mapped_column(_Bytewise)
    expires_at: Mapped[int | None] = mapped_column(_Whole)


# The tables as Core has them: statements are Core's, rows are turned into our own types.
head = cast("Table", HeadRow.__table__)
changes = cast("Table", ChangeRow.__table__)
change_apps = cast("Table", ChangeAppRow.__table__)
tenants = cast("Table", TenantRow.__table__)
grants = cast("Table", GrantRow.__table__)
keys = cast("Table", KeyRow.__table__)
calls = cast("Table", CallRow.__table__)
participants = cast("Table", ParticipantRow.__table__)
removals = cast("Table", RemovalRow.__table__)
refusals = cast("Table", RefusalRow.__table__)

_version = table("alembic_version", column("version_num"))

of_this_release = exists(
    select(text("1")).where(_version.c.version_num == text(f"'{SCHEMA_VERSION}'"))
)
"""
That the store is of this program's version, on the snapshot of the statement in which it stands.

A store may be upgraded while it is open. What the newer tables say a right depends on, this program
does not know; so whatever it reads it reads together with this.
"""
