"""
Rows read as our own types: the state that a change starts from, or that is read back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, or_, select

from tenantcfg.store import snapshots
from tenantcfg.store.schema import changes, grants, tenants
from tenantcfg.store.snapshots import AsOf
from tenantcfg.store.typed import change_of, grant_of, key_of, tenant_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Table

    from tenantcfg.configuration import Grant
    from tenantcfg.history import Change
    from tenantcfg.ids import AppId, Revision, TenantId
    from tenantcfg.instants import Instant
    from tenantcfg.store.engine import Reading
    from tenantcfg.store.views import Tenant

__all__ = [
    "AsOf",
    "change_at",
    "change_of",
    "grant_of",
    "key_of",
    "open_grants",
    "standing",
    "tenant_of",
    "tenant_row",
    "when",
]


@dataclass(frozen=True, slots=True)
class _Past:
    """What has been, as `tenantcfg.store.snapshots` asks for it."""

    _reading: Reading

    @property
    def revision(self) -> Revision:
        return self._reading.head.revision

    @property
    def now(self) -> Instant:
        return self._reading.now

    def time_of(self, revision: Revision) -> int | None:
        at = select(changes.c.at).where(changes.c.revision == revision)
        return self._reading.connection.scalar(at)

    def newest_at(self, instant: Instant) -> int | None:
        newest = select(changes.c.revision).where(changes.c.at <= instant)
        in_order = newest.order_by(changes.c.at.desc(), changes.c.revision.desc())
        return self._reading.connection.scalar(in_order.limit(1))


def when(reading: Reading, as_of: AsOf) -> tuple[Revision, Instant]:
    """The revision that *as_of* means, and its time; see `tenantcfg.store.snapshots.when`."""
    return snapshots.when(_Past(reading), as_of)


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
