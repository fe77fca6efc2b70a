"""
What is read back: tenants, configurations, look-ups both ways, the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from tenantcfg.configuration import ApplicationMeetingConfiguration
from tenantcfg.errors import InvalidInput, Unavailable, UnknownTenant, quoted
from tenantcfg.ids import AppId, TenantId
from tenantcfg.store.effects import name_key
from tenantcfg.store.nearby import known_near
from tenantcfg.store.rows import (
    AsOf,
    change_at,
    change_of,
    grant_of,
    open_grants,
    standing,
    tenant_of,
    tenant_row,
    when,
)
from tenantcfg.store.schema import change_apps, changes, grants, head, tenants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Select

    from tenantcfg.configuration import Grant
    from tenantcfg.history import Change, Head
    from tenantcfg.ids import Revision
    from tenantcfg.instants import Instant
    from tenantcfg.store.engine import Database, Reading
    from tenantcfg.store.views import Tenant

__all__ = [
    "Wanted",
    "all_tenants",
    "changes_after",
    "configuration",
    "find_tenant",
    "grants_of",
    "history",
    "known_apps",
    "one_change",
]

_PAGE = 200
_MOST = 2**31
"""More changes than any list holds, and a number that both databases have."""


def all_tenants(reading: Reading, as_of: AsOf) -> tuple[Tenant, ...]:
    """The tenants that were known then, in the order in which they were made known."""
    revision = None if as_of is None else when(reading, as_of)[0]
    statement = (
        select(tenants)
        .where(standing(tenants, revision))
        .order_by(tenants.c.added, tenants.c.tenant)
    )
    return tuple(tenant_of(row) for row in reading.connection.execute(statement))


def find_tenant(reading: Reading, name_or_id: str, as_of: AsOf) -> Tenant:
    """The tenant that an admin means; see `Store.find_tenant`."""
    revision = None if as_of is None else when(reading, as_of)[0]
    wanted = name_or_id.strip()
    found = _by_id(reading, wanted, revision) or _by_name(reading, wanted, revision)
    if found is not None:
        return found
    raise UnknownTenant(
        "unknown tenant",
        subject=quoted(name_or_id),
        why=_meant(reading, wanted),
        hint="tenantcfg tenant list shows them, tenantcfg tenant add makes one known",
    )


def _by_id(reading: Reading, wanted: str, revision: Revision | None) -> Tenant | None:
    try:
        tenant = TenantId.parse(wanted)
    except InvalidInput:
        return None
    return tenant_row(reading, tenant, revision)


def _by_name(reading: Reading, wanted: str, revision: Revision | None) -> Tenant | None:
    if not wanted.isprintable():
        return None
    statement = select(tenants).where(
        tenants.c.name_key == name_key(wanted), standing(tenants, revision)
    )
    row = reading.connection.execute(statement).one_or_none()
    return None if row is None else tenant_of(row)


def _meant(reading: Reading, wanted: str) -> str:
    near = known_near(reading, wanted)
    return f"did you mean {' or '.join(map(quoted, near))}?" if near else ""


def configuration(
    reading: Reading, tenant: TenantId, action: str, as_of: AsOf
) -> ApplicationMeetingConfiguration:
    """The configuration of a tenant; see `Store.configuration`."""
    revision, at = when(reading, as_of)
    past = None if as_of is None else revision
    if tenant_row(reading, tenant, past) is None:
        raise UnknownTenant(
            "unknown tenant",
            subject=quoted(tenant.value),
            why="" if as_of is None else f"at revision {revision}",
            hint="tenantcfg tenant list shows them",
        )
    standing_then = open_grants(reading, tenant, action, past)
    in_force = tuple(grant for grant in standing_then if grant.in_force(at))
    return ApplicationMeetingConfiguration(tenant, revision, at, in_force, action)


def grants_of(
    reading: Reading, app: AppId, action: str, as_of: AsOf
) -> tuple[tuple[Tenant, Grant], ...]:
    """In which tenants an app may act; see `Store.grants_of`."""
    revision, at = when(reading, as_of)
    past = None if as_of is None else revision
    held = (
        select(grants)
        .where(grants.c.app == app.value, grants.c.action == action, standing(grants, past))
        .where(or_(grants.c.expires_at.is_(None), grants.c.expires_at > at))
        .order_by(grants.c.granted, grants.c.position, grants.c.tenant)
    )
    enabled = {
        tenant.id.value: tenant for tenant in _of_app(reading, app, action, past) if tenant.enabled
    }
    rows = reading.connection.execute(held)
    return tuple((enabled[row.tenant], grant_of(row)) for row in rows if row.tenant in enabled)


def _of_app(reading: Reading, app: AppId, action: str, past: Revision | None) -> Iterator[Tenant]:
    statement = (
        select(tenants)
        .join(grants, grants.c.tenant == tenants.c.tenant)
        .where(grants.c.app == app.value, grants.c.action == action)
        .where(standing(grants, past), standing(tenants, past))
    )
    return map(tenant_of, reading.connection.execute(statement))


def known_apps(reading: Reading) -> tuple[AppId, ...]:
    """The apps that any tenant grants anything, in the order of their ids."""
    statement = select(grants.c.app).where(standing(grants, None)).distinct()
    rows = reading.connection.scalars(statement.order_by(grants.c.app))
    return tuple(AppId(app) for app in rows)


def one_change(reading: Reading, revision: int) -> Change:
    """The change that took *revision*; see `Store.change`."""
    # Beyond the newest there is none, be it a number that a database has or one that it has not.
    found = change_at(reading, revision) if 0 < revision <= reading.head.revision else None
    if found is None:
        raise InvalidInput(
            "there is no such revision",
            subject=str(int(revision)),
            why=f"the newest is {reading.head.revision}",
            hint="tenantcfg history lists them",
        )
    return found


def changes_after(reading: Reading, revision: int, limit: int) -> tuple[Head, tuple[Change, ...]]:
    """The changes behind *revision* and the head; see `Store.changes_after`."""
    if revision < 0:
        raise InvalidInput("not a revision", subject=str(revision), why="it is negative")
    # What is beyond the newest may be a number that no database has.
    last = min(revision, int(reading.head.revision))
    statement = select(changes).where(changes.c.revision > last).order_by(changes.c.revision)
    rows = reading.connection.execute(statement.limit(min(limit, _MOST)))
    return reading.head, tuple(change_of(row) for row in rows)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes of the history; see `Store.history`."""

    tenant: TenantId | None = None
    app: AppId | None = None
    actor: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    limit: int | None = None
    newest_first: bool = True


def history(database: Database, wanted: Wanted) -> Iterator[Change]:
    """
    The changes that are wanted, a page at a time; see `Store.history`.

    Each page is a transaction of its own, so that a reader who takes his time keeps nobody
    waiting. What is stored meanwhile is not among them; where a restore came between two
    pages, the rest would be of another history, and there is none.
    """
    with database.reading() as reading:
        lowest, highest = _bounds(reading, wanted)
        store_id = _store_id(reading)
    return _pages(database, wanted, lowest, highest, store_id)


def _store_id(reading: Reading) -> str:
    return str(reading.connection.scalar(select(head.c.store_id)))


def _bounds(reading: Reading, wanted: Wanted) -> tuple[int, int]:
    """The first and the last revision that the times leave; times rise with revisions."""
    lowest, highest = 1, int(reading.head.revision)
    if wanted.since is not None:
        since = select(func.min(changes.c.revision)).where(changes.c.at >= wanted.since)
        lowest = reading.connection.scalar(since) or highest + 1
    if wanted.until is not None:
        until = select(func.max(changes.c.revision)).where(changes.c.at < wanted.until)
        highest = reading.connection.scalar(until) or 0
    return lowest, highest


def _pages(
    database: Database, wanted: Wanted, lowest: int, highest: int, store_id: str
) -> Iterator[Change]:
    left = wanted.limit
    while lowest <= highest and left != 0:
        size = _PAGE if left is None else min(_PAGE, left)
        with database.reading() as reading:
            if _store_id(reading) != store_id:
                raise Unavailable(
                    "the store is another one now",
                    subject=f"'{database.address.shown}'",
                    why="it was restored while its history was read",
                    hint="read it anew",
                )
            page = _page(reading, wanted, lowest, highest, size)
        yield from page
        if len(page) < size:
            return
        left = None if left is None else left - size
        if wanted.newest_first:
            highest = page[-1].revision - 1
        else:
            lowest = page[-1].revision + 1


def _page(reading: Reading, wanted: Wanted, lowest: int, highest: int, size: int) -> list[Change]:
    statement, revision = _chosen(wanted)
    order = revision.desc() if wanted.newest_first else revision
    page = statement.where(revision.between(lowest, highest)).order_by(order).limit(size)
    return [change_of(row) for row in reading.connection.execute(page)]


def _chosen(wanted: Wanted) -> tuple[Select[Any], ColumnElement[int]]:
    statement, revision, tenant = select(changes), changes.c.revision, changes.c.tenant
    if wanted.app is not None:
        revision, tenant = change_apps.c.revision, change_apps.c.tenant
        statement = statement.join(change_apps, changes.c.revision == revision).where(
            change_apps.c.app == wanted.app.value
        )
    if wanted.tenant is not None:
        statement = statement.where(tenant == wanted.tenant.value)
    if wanted.actor is not None:
        statement = statement.where(changes.c.actor == wanted.actor)
    return statement, revision
