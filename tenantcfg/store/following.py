"""
What whoever follows the changes is to see of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from tenantcfg.errors import InvalidInput
from tenantcfg.ids import Revision
from tenantcfg.store.effects import NO_TENANT
from tenantcfg.store.rows import change_of
from tenantcfg.store.schema import changes
from tenantcfg.store.views import Followed

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement

    from tenantcfg.store.engine import Reading

__all__ = ["follow"]

_MOST = 2**31
"""More changes than any list holds, and a number that both databases have."""


def follow(
    reading: Reading, revision: int, limit: int, tenants: Collection[str] | None
) -> Followed:
    """The changes behind *revision*; see `Store.follow`."""
    if revision < 0:
        raise InvalidInput("not a revision", subject=str(revision), why="it is negative")
    head = reading.head
    # What is beyond the newest may be a number that no database has.
    last = Revision(min(revision, head.revision))
    behind = select(changes).where(changes.c.revision > last, _seen(tenants))
    page = behind.order_by(changes.c.revision).limit(min(limit, _MOST))
    found = tuple(change_of(row) for row in reading.connection.execute(page))
    reached = found[-1].revision if found else last
    through = head.revision if len(found) < limit else reached
    return Followed(head, _before(reading, last, tenants), found, through)


def _before(reading: Reading, last: Revision, tenants: Collection[str] | None) -> Revision:
    """The last revision up to *last* that is seen."""
    up_to = (changes.c.revision <= last, _seen(tenants))
    if tenants is None:
        # Nearly every change is seen: the first that is come upon, from behind.
        newest = select(changes.c.revision).where(*up_to).order_by(changes.c.revision.desc())
        return Revision(reading.connection.scalar(newest.limit(1)) or 0)
    greatest = select(func.max(changes.c.revision)).where(*up_to)
    return Revision(reading.connection.scalar(greatest) or 0)


def _seen(tenants: Collection[str] | None) -> ColumnElement[bool]:
    """Changes that concern a tenant, and one of *tenants*; None: any."""
    if tenants is None:
        return changes.c.tenant != NO_TENANT
    return changes.c.tenant.in_(sorted(tenants))
