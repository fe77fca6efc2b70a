"""
The decision: facts and the clock go in, a permit or a denial with its reason comes out.

There is no third decision. What cannot be told is an exception, raised by the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tenantcfg.errors import InvalidInput, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantcfg.ids import AppId, Revision, TenantId
    from tenantcfg.instants import Instant

    Pair = tuple[TenantId | str | None, AppId | str]
    """What one question is about."""

__all__ = ["MAX_BATCH", "Decision", "Deny", "Facts", "Permit", "decide", "pairs", "require_least"]

MAX_BATCH = 1_000
"""The most questions that one call may ask (docs, limits)."""


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


# What every door of a check asks of whoever asks


def pairs(questions: Iterable[Pair]) -> list[Pair]:
    """
    *questions*, each a pair.

    Raises:
        InvalidInput: there are more than `MAX_BATCH`.
        TypeError: one is no pair.
    """
    # What comes out of whatever yields them is the caller's.
    given = list(questions)
    try:
        asked = [(tenant, app) for tenant, app in given]
    except (TypeError, ValueError) as why:
        raise TypeError(f"questions: pairs of tenant and app are wanted: {why}") from why
    if len(asked) > MAX_BATCH:
        raise InvalidInput(
            "too many questions at once",
            subject=str(len(asked)),
            hint=f"ask at most {MAX_BATCH} in one call",
        )
    return asked


def require_least(at_least: object) -> None:
    """Raise TypeError unless *at_least* is a revision, so that nothing else is passed over."""
    if isinstance(at_least, bool) or not isinstance(at_least, int):
        raise TypeError(f"at_least: Revision is wanted, not {type(at_least).__name__}")
