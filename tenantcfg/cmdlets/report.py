"""
A change in words: what it did, or would do, one line for each app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantcfg import instants
from tenantcfg.configuration import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantcfg.history import Change

__all__ = ["difference", "summary"]

_SIGNS = {Result.ADDED: "+", Result.REMOVED: "-", Result.CHANGED: "~", Result.UNCHANGED: "="}


def difference(change: Change) -> Iterator[str]:
    """The lines of a diff: a sign, the app, and what became of it."""
    for outcome in change.outcomes:
        yield f"  {_SIGNS[outcome.result]} {outcome.app}{_detail(outcome)}"
    if not change.outcomes:
        yield f"  ~ {_tenant(change)}" if change.effective else "  nothing would change"


def summary(change: Change, *, tenant: str) -> Iterator[str]:
    """What a person is told of a change that was made, or that found nothing to do."""
    for outcome in change.outcomes:
        yield f"{tenant}: {outcome.result} {outcome.app}{_detail(outcome)}"
    effect = change.operation.details.get("effect")
    verb = f"{change.operation.verb} ({effect})" if effect else f"{change.operation.verb}"
    what = "" if change.outcomes else f"{verb}, "
    if change.stored:
        yield f"{tenant}: {what}revision {change.revision}"
    elif not change.outcomes:
        yield f"{tenant}: unchanged"


def _tenant(change: Change) -> str:
    """What becomes of the tenant itself, in a change that names no app."""
    details = change.operation.details
    verb = details.get("effect", change.operation.verb)
    name, was = details.get("name"), details.get("was")
    if was is not None:
        return f"{verb}: {was} -> {name}"
    return f"{verb}: {name}" if name else f"{verb}"


def _detail(outcome: Outcome) -> str:
    until = "" if outcome.expires_at is None else instants.text(outcome.expires_at)
    before = "" if outcome.expired_at is None else instants.text(outcome.expired_at)
    match outcome.result:
        case Result.ADDED if before:
            return f", ends {until or 'never'} (an earlier grant ended {before})"
        case Result.CHANGED:
            return f", ends {until or 'never'} (before: {before or 'never'})"
        case Result.REMOVED:
            return f" (it was to end {before})" if before else ""
        case _:
            return f", ends {until}" if until else ""
