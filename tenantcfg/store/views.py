"""
What is read back from a store, beside the configuration itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantcfg.configuration import Grant
    from tenantcfg.decision import Decision
    from tenantcfg.history import Change
    from tenantcfg.ids import Revision, TenantId

__all__ = ["Explanation", "Tenant"]


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
