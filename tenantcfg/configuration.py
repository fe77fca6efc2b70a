"""
The application meeting configuration of a tenant, and what a list modifier does to it.

Pure: no store, no clock. The store reads the configuration under its lock, calls `apply`,
and writes what came out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from tenantcfg.errors import InvalidInput, quoted
from tenantcfg.ids import AppId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantcfg.ids import Revision, TenantId
    from tenantcfg.instants import Instant

__all__ = [
    "MAX_APPS",
    "REMOVE_PARTICIPANT",
    "ApplicationMeetingConfiguration",
    "Applied",
    "Grant",
    "ListModifier",
    "Outcome",
    "Result",
    "apply",
]

REMOVE_PARTICIPANT = "remove_participant"
"""The one permission there is: the default `action` of every call."""

MAX_APPS = 10_000
"""The most apps that may hold one permission in a tenant (docs, limits)."""


@dataclass(frozen=True, slots=True)
class Grant:
    """
    That an app may act, as it stands in a tenant.

    Attributes:
        granted: the revision that gave the right; a later change of the expiry keeps it.
        since: the revision that gave the row its present form, `granted` or later.
        position: the place among the apps that were granted in the same change, from 0.
        expires_at: the first instant at which the right is gone; None: it does not end.
    """

    app: AppId
    granted: Revision
    since: Revision
    position: int = 0
    expires_at: Instant | None = None

    def in_force(self, now: Instant) -> bool:
        """Whether the right is there at *now*."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class ApplicationMeetingConfiguration:
    """
    The configuration of one tenant at one revision.

    *grants* are those in force at *at*, in the order of granting.
    """

    tenant: TenantId
    revision: Revision
    at: Instant
    grants: tuple[Grant, ...]
    action: str = REMOVE_PARTICIPANT

    @property
    def apps(self) -> tuple[AppId, ...]:
        """The apps that may act, in the order of granting."""
        return tuple(grant.app for grant in self.grants)


@dataclass(frozen=True, slots=True)
class ListModifier:
    """
    What a line asks of a list of apps.

    Either *replace* (the whole list; empty: clear it) or *add* and *remove*. *expiries* says
    when the right ends for apps that are added or stand in *replace*: an instant, or None
    for "does not end". An app that it does not name keeps its expiry, or gets none when new.

    Raises:
        InvalidInput: *replace* stands beside *add* or *remove*, or *expiries* names an app
            that is not granted by the modifier, or a time outside the years 1 to 9999.
        TypeError: an app is no `AppId`, or an expiry no instant.
    """

    add: tuple[AppId, ...] = ()
    remove: tuple[AppId, ...] = ()
    replace: tuple[AppId, ...] | None = None
    expiries: Mapping[AppId, Instant | None] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        _require_apps(add=self.add, remove=self.remove)
        if self.replace is not None:
            _require_apps(replace=self.replace)
        if self.replace is not None and (self.add or self.remove):
            raise InvalidInput(
                "Replace stands beside Add or Remove",
                why="it is the whole list by itself",
                hint="write one or the other",
            )
        if stray := [app for app in self.expiries if app not in self.wanted]:
            raise InvalidInput(
                "an expiry for an app that is not granted",
                subject=quoted(stray[0].value),
                hint="add it in the same line",
            )
        for app, until in self.expiries.items():
            if until is not None:
                # Whoever only asks has no list modifier, and need not read times.
                from tenantcfg import instants  # noqa: PLC0415

                instants.require(f"the expiry of {quoted(app.value)}", until)

    @property
    def wanted(self) -> tuple[AppId, ...]:
        """The apps that are to hold the right afterwards, as named."""
        return self.add if self.replace is None else self.replace


def _require_apps(**lists: object) -> None:
    for name, apps in lists.items():
        if not isinstance(apps, (tuple, list)):
            raise TypeError(f"{name}: a tuple of AppId is wanted, not {type(apps).__name__}")
        for app in apps:
            if not isinstance(app, AppId):
                raise TypeError(f"{name}: AppId is wanted, not {type(app).__name__}")


class Result(StrEnum):
    """What became of one app."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of one app in a change.

    Attributes:
        expires_at: when the right ends now. Of a removed app, and of one that was not
            there: None.
        expired_at: when the right ended or was to end before, for ``changed`` and
            ``removed``; for ``added``: when an earlier grant had run out. Else None.
    """

    app: AppId
    result: Result
    expires_at: Instant | None = None
    expired_at: Instant | None = None

    @property
    def effective(self) -> bool:
        """Whether anything changed."""
        return self.result is not Result.UNCHANGED


@dataclass(frozen=True, slots=True)
class Applied:
    """
    The list after a modifier, and what became of each distinct app that was named or lost.

    *apps* is what is in force afterwards, in order of granting. *outcomes* are in the order
    of the steps: removals before additions, each as named; apps that only a Replace took
    away stand last, in list order. The added ones among them are in their order of granting.
    """

    apps: tuple[AppId, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def effective(self) -> bool:
        """Whether anything changed."""
        return any(outcome.effective for outcome in self.outcomes)


def apply(modifier: ListModifier, current: Sequence[Grant], *, now: Instant) -> Applied:
    """
    The list after *modifier*, and what became of each app.

    Replace stands alone; else Remove comes before Add, however the line was written
    (cmdlets L9), so an app in both is there afterwards. Ids are a set: the net effect
    counts, and adding a present app or removing a missing one is ``unchanged`` (cmdlets
    L14). A grant that has run out is not there: adding it makes it anew.

    >>> from tenantcfg.ids import AppId, Revision
    >>> a, b = AppId("a"), AppId("b")
    >>> held = [Grant(a, granted=Revision(1), since=Revision(1))]
    >>> done = apply(ListModifier(add=(a, b)), held, now=0)
    >>> [f"{outcome.result} {outcome.app}" for outcome in done.outcomes]
    ['unchanged a', 'added b']

    Args:
        modifier: what the line asks; ids may repeat, the first mention counts.
        current: the tenant's open grants, in order of granting, those that have run out
            among them. Not modified.
        now: the store's time, never earlier than that of its head.

    Raises:
        InvalidInput: more than `MAX_APPS` apps would hold the right.
    """
    present = {grant.app: grant for grant in current if grant.in_force(now)}
    run_out = {grant.app: grant.expires_at for grant in current if grant.app not in present}
    wanted = dict.fromkeys(modifier.wanted)
    if modifier.replace is None:
        # An app in both takes its place among the added ones, as after PowerShell's own steps.
        removed = (app for app in modifier.remove if app not in wanted)
        named = dict.fromkeys((*removed, *wanted))
    else:
        named = dict.fromkeys((*wanted, *present))
    outcomes = tuple(
        _granted(app, modifier, present.get(app), run_out.get(app))
        if app in wanted
        else _withdrawn(app, present.get(app))
        for app in named
    )
    lost = {outcome.app for outcome in outcomes if outcome.result is Result.REMOVED}
    gained = [outcome.app for outcome in outcomes if outcome.result is Result.ADDED]
    apps = (*(app for app in present if app not in lost), *gained)
    if len(apps) > MAX_APPS and gained:
        raise InvalidInput(
            "too many apps",
            subject=str(len(apps)),
            why=f"a tenant holds at most {MAX_APPS}",
            hint="remove some first",
        )
    return Applied(apps, outcomes)


def _granted(
    app: AppId, modifier: ListModifier, grant: Grant | None, run_out: Instant | None
) -> Outcome:
    if grant is None:
        return Outcome(app, Result.ADDED, modifier.expiries.get(app), run_out)
    until = modifier.expiries.get(app, grant.expires_at)
    if until == grant.expires_at:
        return Outcome(app, Result.UNCHANGED, until)
    return Outcome(app, Result.CHANGED, until, grant.expires_at)


def _withdrawn(app: AppId, grant: Grant | None) -> Outcome:
    if grant is None:
        return Outcome(app, Result.UNCHANGED)
    return Outcome(app, Result.REMOVED, None, grant.expires_at)
