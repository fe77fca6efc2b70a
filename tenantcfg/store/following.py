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

__all__ = ["follow", "newest"]

_SPAN = 4_096
"""So many revisions are looked through at once: of several tenants they have to be sorted."""


def follow(
    reading: Reading, revision: int, limit: int, tenants: Collection[str] | None
) -> Followed:
    """The changes behind *revision*; see `Store.follow`."""
    head = reading.head
    last = _known(reading, revision)
    end = Revision(min(last + _SPAN, head.revision))
    behind = select(changes).where(changes.c.revision > last, changes.c.revision <= end)
    page = behind.where(_seen(tenants)).order_by(changes.c.revision).limit(min(limit, _SPAN))
    found = tuple(change_of(row) for row in reading.connection.execute(page))
    if len(found) == limit:
        # Others may follow within the span.
        end = found[-1].revision if found else last
    return Followed(head, found, end)


def newest(reading: Reading, revision: int, tenants: Collection[str] | None) -> Revision:
    """The newest change up to *revision*; see `Store.newest`."""
    up_to = (changes.c.revision <= _known(reading, revision), _seen(tenants))
    if tenants is None:
        # Nearly every change concerns a tenant: the first that is come upon, from behind.
        backwards = select(changes.c.revision).where(*up_to).order_by(changes.c.revision.desc())
        return Revision(reading.connection.scalar(backwards.limit(1)) or 0)
    greatest = select(func.max(changes.c.revision)).where(*up_to)
    return Revision(reading.connection.scalar(greatest) or 0)


def _known(reading: Reading, revision: int) -> Revision:
    """*revision*, or the head: what is beyond it may be a number that no database has."""
    if revision < 0:
        raise InvalidInput("not a revision", subject=str(revision), why="it is negative")
    return Revision(min(revision, reading.head.revision))


def _seen(tenants: Collection[str] | None) -> ColumnElement[bool]:
    """Changes that concern a tenant, and one of *tenants*; None: any."""
    if tenants is None:
        return changes.c.tenant != NO_TENANT
    return changes.c.tenant.in_(sorted(tenants))
