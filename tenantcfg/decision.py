"""
The decision: facts and the clock go in, a permit or a denial with its reason comes out.

There is no third decision. What cannot be told is an exception, raised by the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tenantcfg.errors import Reason

if TYPE_CHECKING:
    from tenantcfg.ids import Revision
    from tenantcfg.instants import Instant

__all__ = ["Decision", "Deny", "Facts", "Permit", "decide"]


@dataclass(frozen=True, slots=True)
class Permit:
    """
    The app may act. True in a condition.

    *revision* is the store's at the moment of the answer and takes no part in comparison.
    """

    revision: Revision | None = field(default=None, compare=False)

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Deny:
    """
    The app may not act, and why. False in a condition.

    *reason* compares equal to its spelling on the wire. *revision* as in `Permit`.

    >>> denied = Deny(Reason.NOT_GRANTED)
    >>> denied.reason == "not_granted", bool(denied)
    (True, False)
    """

    reason: Reason
    revision: Revision | None = field(default=None, compare=False)

    def __bool__(self) -> bool:
        return False


Decision = Permit | Deny


class Facts(NamedTuple):
    """
    What one statement of the store brings together, on one snapshot.

    A tuple, as every check makes one: that costs half of what a dataclass does.

    Attributes:
        revision: of the head.
        enabled: whether the tenant is; None: the store knows no such tenant.
        granted: whether an open grant is there, in force or run out.
        expires_at: when it ends; None: never, or no grant.
    """

    revision: Revision
    enabled: bool | None
    granted: bool
    expires_at: Instant | None


def decide(facts: Facts, now: Instant) -> Decision:
    """
    The decision on *facts* at *now*, which is never earlier than the head's time.

    Reasons win in the order of `Reason`; an unknown tenant is ``not_granted``, so that a
    service learns nothing about which tenants there are (check R3).
    """
    revision, enabled, granted, expires_at = facts
    if enabled is False:
        return Deny(Reason.TENANT_DISABLED, revision)
    if not enabled or not granted:
        return Deny(Reason.NOT_GRANTED, revision)
    if expires_at is not None and now >= expires_at:
        return Deny(Reason.GRANT_NOT_IN_FORCE, revision)
    return Permit(revision)
