"""
Rows read as our own types: the state that a change starts from, or that is read back.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, or_, select

from tenantcfg import instants
from tenantcfg.configuration import Grant
from tenantcfg.errors import InvalidInput
from tenantcfg.history import Change
from tenantcfg.ids import AppId, Revision, TenantId
from tenantcfg.instants import Instant
from tenantcfg.store.failures import damaged
from tenantcfg.store.schema import changes, grants, tenants
from tenantcfg.store.views import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Row, Table

    from tenantcfg.store.engine import Reading

__all__ = [
    "AsOf",
    "change_at",
    "change_of",
    "grant_of",
    "open_grants",
    "standing",
    "tenant_of",
    "tenant_row",
    "when",
]

T = TypeVar("T")

AsOf = Revision | datetime | None
"""A revision, an instant that knows its zone, or None: now."""


def when(reading: Reading, as_of: AsOf) -> tuple[Revision, Instant]:
    """
    The revision that *as_of* means, and the time at which expiries are judged then.

    Of a revision it is the time of that change, also of the newest: what ran out only later
    was in force.

    Raises:
        InvalidInput: it is in the future, or the instant has no time zone.
    """
    if as_of is None:
        return reading.head.revision, reading.now
    if isinstance(as_of, datetime):
        return _at(reading, instants.from_datetime(as_of))
    if not 0 <= as_of <= reading.head.revision:
        raise InvalidInput(
            "there is no such revision yet",
            subject=str(int(as_of)),
            why=f"the newest is {reading.head.revision}",
        )
    at = reading.connection.scalar(select(changes.c.at).where(changes.c.revision == as_of))
    return Revision(as_of), Instant(0 if at is None else at)


def _at(reading: Reading, instant: Instant) -> tuple[Revision, Instant]:
    if instant > reading.now:
        raise InvalidInput(
            "the instant is in the future",
            subject=instants.text(instant),
            why=f"it is {instants.text(reading.now)} in the store",
        )
    newest = (
        select(changes.c.revision)
        .where(changes.c.at <= instant)
        .order_by(changes.c.at.desc(), changes.c.revision.desc())
        .limit(1)
    )
    return Revision(reading.connection.scalar(newest) or 0), instant


def standing(table: Table, revision: Revision | None) -> ColumnElement[bool]:
    """Which rows of a temporal *table* count at *revision*; None: the live ones."""
    ended = table.c.to_revision
    if revision is None:
        return ended.is_(None)
    return and_(table.c.from_revision <= revision, or_(ended.is_(None), ended > revision))


def tenant_row(
    reading: Reading, tenant: TenantId, revision: Revision | None = None
) -> Tenant | None:
    """The tenant as it stood at *revision*; None: it was not known."""
    statement = select(tenants).where(tenants.c.tenant == tenant.value, standing(tenants, revision))
    row = reading.connection.execute(statement).one_or_none()
    return None if row is None else tenant_of(row)


def open_grants(
    reading: Reading,
    tenant: TenantId,
    action: str,
    revision: Revision | None = None,
    apps: Sequence[AppId] | None = None,
) -> tuple[Grant, ...]:
    """
    The rows of a tenant that stood at *revision*, in the order of granting.

    Those that have run out are among them. With *apps*, a handful, only theirs.
    """
    statement = (
        select(grants)
        .where(
            grants.c.tenant == tenant.value,
            grants.c.action == action,
            standing(grants, revision),
        )
        .order_by(grants.c.granted, grants.c.position)
    )
    if apps is not None:
        statement = statement.where(grants.c.app.in_([app.value for app in apps]))
    return tuple(grant_of(row) for row in reading.connection.execute(statement))


def change_at(reading: Reading, revision: int) -> Change | None:
    """The change that took *revision*; None: there is none."""
    statement = select(changes).where(changes.c.revision == revision)
    row = reading.connection.execute(statement).one_or_none()
    return None if row is None else change_of(row)


def _as_written(read: Callable[[Row[Any]], T]) -> Callable[[Row[Any]], T]:
    """*read*, for which a row that nobody of ours wrote is a damaged store."""

    @wraps(read)
    def reading(row: Row[Any]) -> T:
        try:
            return read(row)
        except (TypeError, ValueError, InvalidInput) as why:
            raise damaged(f"a row cannot be read: {why}") from why

    return reading


@_as_written
def tenant_of(row: Row[Any]) -> Tenant:
    """The tenant of one row of its table."""
    return Tenant(
        id=TenantId(row.tenant),
        name=row.name,
        enabled=row.enabled == 1,
        since=Revision(row.from_revision),
        added=Revision(row.added),
    )


@_as_written
def grant_of(row: Row[Any]) -> Grant:
    """The grant of one row of its table."""
    return Grant(
        app=AppId(row.app),
        granted=Revision(row.granted),
        since=Revision(row.from_revision),
        position=row.position,
        expires_at=None if row.expires_at is None else Instant(int(row.expires_at)),
    )


@_as_written
def change_of(row: Row[Any]) -> Change:
    """The change of one row of its table."""
    return Change.from_json({**json.loads(row.content), "hash": row.hash})
