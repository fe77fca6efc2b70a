"""
Rows as our own types, whoever read them: what no statement of ours wrote is a damaged store.
"""

from __future__ import annotations

import json
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tenantcfg.configuration import Grant
from tenantcfg.errors import InvalidInput
from tenantcfg.history import Change
from tenantcfg.ids import AppId, Revision, TenantId
from tenantcfg.instants import Instant
from tenantcfg.keys import KeyFacts, Right
from tenantcfg.store.failures import damaged
from tenantcfg.store.views import Key, Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ChangeRow",
    "GrantRow",
    "KeyRow",
    "TenantRow",
    "change_of",
    "grant_of",
    "key_facts",
    "key_of",
    "rights_of",
    "tenant_of",
    "tenants_of",
]

T = TypeVar("T")

_KEYS = 256
"""Of how many keys the facts are kept."""

_DIGEST_BYTES = 32


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


class KeyRow(NamedTuple):
    """What is read of a key that somebody asks with: columns of its table, by their names."""

    id: str
    name: str
    digest: str
    rights: str
    tenants: str | None
    expires_at: int | None


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


def rights_of(written: str) -> frozenset[Right]:
    """The rights in their column: words with commas between."""
    return frozenset(map(Right, written.split(",")))


def tenants_of(written: str | None) -> frozenset[str] | None:
    """The tenants in their column: a JSON array of ids; None: all."""
    if written is None:
        return None
    ids = json.loads(written)
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise ValueError(f"no list of tenants: {written[:60]}")
    return frozenset(ids)


@_as_written
def key_of(row: Any) -> Key:  # noqa: ANN401 - any row with the columns of its table
    """The key of one row of its table."""
    tenants = tenants_of(row.tenants)
    return Key(
        id=row.id,
        name=row.name,
        rights=rights_of(row.rights),
        tenants=None if tenants is None else tuple(sorted(tenants)),
        expires_at=None if row.expires_at is None else Instant(int(row.expires_at)),
        rotated=row.name_key is None,
        since=Revision(row.from_revision),
        added=Revision(row.added),
    )


@_as_written
@lru_cache(maxsize=_KEYS)
def key_facts(row: KeyRow) -> KeyFacts:
    """
    The facts of the key in one row, or in a tuple of the same values.

    What was made of a row is kept: the same values come to the same facts, whenever they are
    read, and whoever asks a thousand times a second has his tenants taken apart once.
    """
    if len(bytes.fromhex(row[2])) != _DIGEST_BYTES:
        raise ValueError("no digest of a secret")
    return KeyFacts(
        id=row[0],
        name=row[1],
        digest=row[2],
        rights=rights_of(row[3]),
        tenants=tenants_of(row[4]),
        expires_at=None if row[5] is None else Instant(int(row[5])),
    )


@_as_written
def change_of(row: ChangeRow) -> Change:
    """The change of one row of its table."""
    return Change.from_json({**json.loads(row.content), "hash": row.hash})
