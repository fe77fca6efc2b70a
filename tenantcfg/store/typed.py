"""
Rows as our own types, whoever read them: what no statement of ours wrote is a damaged store.
"""

from __future__ import annotations

import json
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tenantcfg.configuration import Grant
from tenantcfg.errors import InvalidInput
from tenantcfg.history import Change
from tenantcfg.ids import AppId, Revision, TenantId
from tenantcfg.instants import Instant
from tenantcfg.store.failures import damaged
from tenantcfg.store.views import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ChangeRow", "GrantRow", "TenantRow", "change_of", "grant_of", "tenant_of"]

T = TypeVar("T")


class TenantRow(NamedTuple):
    """What is read of a tenant: columns of its table, by their names."""

    tenant: str
    name: str | None
    enabled: bool | int
    from_revision: int
    added: int


class GrantRow(NamedTuple):
    """What is read of a grant: columns of its table, by their names."""

    app: str
    granted: int
    from_revision: int
    position: int
    expires_at: int | None


class ChangeRow(NamedTuple):
    """What is read of a change: columns of its table, by their names."""

    content: str
    hash: str


def _as_written(read: Callable[[Any], T]) -> Callable[[Any], T]:
    """*read*, for which a row that nobody of ours wrote is a damaged store."""

    @wraps(read)
    def reading(row: Any) -> T:  # noqa: ANN401 - SQLAlchemy's rows have the same names
        try:
            return read(row)
        except (TypeError, ValueError, InvalidInput) as why:
            raise damaged(f"a row cannot be read: {why}") from why

    return reading


@_as_written
def tenant_of(row: TenantRow) -> Tenant:
    """The tenant of one row of its table."""
    return Tenant(
        id=TenantId(row.tenant),
        name=row.name,
        enabled=row.enabled == 1,
        since=Revision(row.from_revision),
        added=Revision(row.added),
    )


@_as_written
def grant_of(row: GrantRow) -> Grant:
    """The grant of one row of its table."""
    return Grant(
        app=AppId(row.app),
        granted=Revision(row.granted),
        since=Revision(row.from_revision),
        position=row.position,
        expires_at=None if row.expires_at is None else Instant(int(row.expires_at)),
    )


@_as_written
def change_of(row: ChangeRow) -> Change:
    """The change of one row of its table."""
    return Change.from_json({**json.loads(row.content), "hash": row.hash})
