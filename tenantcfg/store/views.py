"""
What is read back from a store, beside the configuration itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantcfg.configuration import Grant
    from tenantcfg.decision import Decision
    from tenantcfg.history import Change, Head
    from tenantcfg.ids import Revision, TenantId
    from tenantcfg.instants import Instant
    from tenantcfg.keys import KeyFacts, Right

__all__ = ["Answered", "Explanation", "Followed", "Found", "Key", "Tenant"]


@dataclass(frozen=True, slots=True)
class Tenant:
    """
    A tenant as the store knows it.

    Attributes:
        name: unique without regard to case; None: it has only its id.
        enabled: whether its grants count.
        since: the revision that gave it its present name and state.
        added: the revision that made it known.
    """

    id: TenantId
    name: str | None
    enabled: bool
    since: Revision
    added: Revision


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    A decision with the fact behind it.

    Attributes:
        decision: as `Store.check` decides, at the revision and time that were asked for.
        tenant_id, app_id: as asked, in canonical form where they can be ids.
        tenant: None: no tenant was known by this id then.
        grant: the grant that decided, in force or run out; None: there was none.
        change: the change that decided: that gave the grant, took it away last, or disabled
            the tenant. None where nothing ever did.
        expiry_change: the change that set the grant's present expiry, if it was a later one.
        near_misses: sentences about what may have been meant instead.
    """

    decision: Decision
    tenant_id: str
    app_id: str
    tenant: Tenant | None = None
    grant: Grant | None = None
    change: Change | None = None
    expiry_change: Change | None = None
    near_misses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Key:
    """
    A service key as the store knows it, without what its secret could be judged by.

    Attributes:
        name: unique without regard to case among the keys that are not `rotated`.
        tenants: the ids of those it may ask about, in their order; None: all.
        expires_at: the first instant at which it is no key any more; None: it does not end.
        rotated: whether another key came in its place, and this one only lasts out.
        since: the revision that gave it its present form.
        added: the revision that made it.
    """

    id: str
    name: str
    rights: frozenset[Right]
    tenants: tuple[str, ...] | None
    expires_at: Instant | None
    rotated: bool
    since: Revision
    added: Revision

    def in_force(self, now: Instant) -> bool:
        """Whether it is a key at *now*."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class Answered:
    """
    What a service asked, with the key that it asked with, all on one snapshot.

    Attributes:
        store_id: of the history that *revision* is of.
        at: the time that expiries are judged by, those of the key as well.
        decisions: in the order of the questions.
        key: None: no live key has the id that was asked with, or none was.
    """

    store_id: str
    revision: Revision
    at: Instant
    decisions: tuple[Decision, ...]
    key: KeyFacts | None


@dataclass(frozen=True, slots=True)
class Found:
    """
    What a search found, on one snapshot; *store_id*, *revision*, *at*, *key* as in `Answered`.

    Attributes:
        ids: this page of them, in the order of their bytes.
        total: how many there are in all, of those that the key may see.
        more: whether there are any after this page.
    """

    store_id: str
    revision: Revision
    at: Instant
    ids: tuple[str, ...]
    total: int
    more: bool
    key: KeyFacts | None


@dataclass(frozen=True, slots=True)
class Followed:
    """
    A page of the changes that concern tenants, on one snapshot.

    Attributes:
        head: of the snapshot.
        changes: the oldest first.
        through: up to this revision none is missing from the page; others may follow it.
    """

    head: Head
    changes: tuple[Change, ...]
    through: Revision
