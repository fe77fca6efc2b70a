"""
Undo: a change of its own that takes another one back.

What the change gave goes, what it took comes again with its old expiry, as far as nobody
touched the same apps, or the same tenant, since. A service key that it made is revoked; one that
it ended stays so.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from tenantcfg import instants
from tenantcfg.configuration import ListModifier, Outcome, Result, apply
from tenantcfg.errors import Conflict
from tenantcfg.history import Operation, Verb
from tenantcfg.store.changing import planned
from tenantcfg.store.effects import column_of, effect
from tenantcfg.store.keys import live_key, revoked
from tenantcfg.store.reading import one_change
from tenantcfg.store.rows import open_grants, tenant_of, tenant_row
from tenantcfg.store.schema import grants, keys, tenants
from tenantcfg.store.tenancy import added, named, removed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Row, Select, Table

    from tenantcfg.history import Attribution, Change
    from tenantcfg.ids import AppId, Revision, TenantId
    from tenantcfg.instants import Instant
    from tenantcfg.store.changing import Plan
    from tenantcfg.store.engine import Reading
    from tenantcfg.store.views import Tenant

__all__ = ["undo"]

_SHOWN = 10
_NONE: Mapping[str, Any] = MappingProxyType({})


def undo(revision: Revision, by: Attribution) -> Callable[[Reading], Plan]:
    """The plan of `Store.undo`."""

    def plan(reading: Reading) -> Plan:
        change = one_change(reading, revision)
        if change.tenant is None:
            return _key(reading, change, by)
        if effect(change) is Verb.SET:
            return _list(reading, change, change.tenant, by)
        return _tenant(reading, change, change.tenant, by)

    return plan


def _key(reading: Reading, change: Change, by: Attribution) -> Plan:
    if effect(change) is not Verb.KEY_NEW:
        raise Conflict(
            "the change cannot be undone",
            subject=f"revision {change.revision}",
            why="a key that was ended does not come back, as its secret may be known to others",
            hint="tenantcfg key new makes another",
        )
    made = change.operation.details["key"]
    hint = "tenantcfg key revoke ends a key"
    _refuse_later(change, _later_keys(reading, change, made), hint=hint)
    found = live_key(reading, made)
    assert found is not None  # noqa: S101 - one that is gone was refused as a later change
    told = _undo(change, Verb.KEY_REVOKE)
    return revoked(reading, (found,), by, told.verb, told.details)


def _list(reading: Reading, change: Change, of: TenantId, by: Attribution) -> Plan:
    touched = [outcome.app for outcome in change.outcomes if outcome.effective]
    _refuse_later(change, _later_grants(reading, change, touched) | _removals(reading, change))
    tenant = tenant_row(reading, of)
    assert tenant is not None  # noqa: S101 - one that is gone was refused as a later change
    modifier, lapsed = _reversed(change.outcomes, reading.now)
    current = open_grants(reading, of, change.action)
    outcomes = apply(modifier, current, now=reading.now).outcomes
    unrestored = tuple(
        Outcome(app, Result.UNCHANGED)
        for app in lapsed
        if app not in {outcome.app for outcome in outcomes}
    )
    operation = _undo(change, Verb.SET, _not_restored(lapsed))
    return planned(
        reading,
        tenant,
        by,
        operation,
        (*outcomes, *unrestored),
        grants=current,
        action=change.action,
    )


def _reversed(
    outcomes: Iterable[Outcome], now: Instant
) -> tuple[ListModifier, dict[AppId, Instant]]:
    """The modifier that takes *outcomes* back, and the apps whose old right has ended since."""
    back: dict[AppId, Instant | None] = {}
    away: list[AppId] = []
    lapsed: dict[AppId, Instant] = {}
    for outcome in outcomes:
        until = outcome.expired_at
        if outcome.result is Result.ADDED:
            away.append(outcome.app)
        elif outcome.effective and (until is None or until > now):
            back[outcome.app] = until
        elif outcome.effective and until is not None:
            lapsed[outcome.app] = until
            # A longer right that the change gave goes all the same.
            if outcome.result is Result.CHANGED:
                away.append(outcome.app)
    return ListModifier(add=tuple(back), remove=tuple(away), expiries=back), lapsed


def _tenant(reading: Reading, change: Change, of: TenantId, by: Attribution) -> Plan:
    verb = effect(change)
    later = _later_tenants(reading, change)
    if verb is Verb.TENANT_ADD:
        later |= _later_grants(reading, change, None)
    _refuse_later(change, later)
    found = tenant_row(reading, of)
    if found is None:
        return _known_again(reading, change, of, by)
    if verb is Verb.TENANT_ADD:
        return removed(reading, found, by, _undo(change, Verb.TENANT_REMOVE))
    if verb is Verb.TENANT_RENAME:
        was = change.operation.details["was"]
        return named(reading, found, was, by, _undo(change, Verb.TENANT_RENAME))
    back = Verb.TENANT_ENABLE if verb is Verb.TENANT_DISABLE else Verb.TENANT_DISABLE
    operation = _undo(change, back, {"name": found.name})
    return planned(reading, found, by, operation, action=change.action, effective=True)


def _known_again(reading: Reading, change: Change, of: TenantId, by: Attribution) -> Plan:
    """The plan that brings a removed tenant back, with its grants as far as they last."""
    before = _as_it_was(reading, change, of)
    modifier, lapsed = _reversed(change.outcomes, reading.now)
    outcomes = apply(modifier, (), now=reading.now).outcomes
    unrestored = tuple(Outcome(app, Result.UNCHANGED) for app in lapsed)
    details = {
        "name": before.name,
        **({} if before.enabled else {"enabled": False}),
        **_not_restored(lapsed),
    }
    return added(
        reading,
        of,
        before.name,
        by,
        operation=_undo(change, Verb.TENANT_ADD, details),
        outcomes=(*outcomes, *unrestored),
    )


def _as_it_was(reading: Reading, removal: Change, of: TenantId) -> Tenant:
    statement = select(tenants).where(
        tenants.c.tenant == of.value, tenants.c.to_revision == removal.revision
    )
    return tenant_of(reading.connection.execute(statement).one())


def _undo(change: Change, comes_to: Verb, details: Mapping[str, Any] = _NONE) -> Operation:
    told = {"undoes": int(change.revision), "effect": comes_to.value, **details}
    return Operation(Verb.UNDO, told)


def _not_restored(lapsed: dict[AppId, Instant]) -> dict[str, Any]:
    if not lapsed:
        return {}
    ended = {app.value: instants.text(until) for app, until in lapsed.items()}
    return {"not_restored": ended}


def _later_grants(reading: Reading, change: Change, apps: list[AppId] | None) -> set[int]:
    """The later revisions that touched *apps* of the same tenant; None: any of its apps."""
    ids = None if apps is None else {app.value for app in apps}
    rows = reading.connection.execute(_touched_since(grants, change))
    return {
        revision
        for row in rows
        if ids is None or row.app in ids
        for revision in _since(row, change)
    }


def _later_tenants(reading: Reading, change: Change) -> set[int]:
    """The later revisions that touched the tenant itself."""
    rows = reading.connection.execute(_touched_since(tenants, change))
    return {revision for row in rows for revision in _since(row, change)}


def _later_keys(reading: Reading, change: Change, made: str) -> set[int]:
    """The later revisions that touched the key *made*."""
    rows = reading.connection.execute(select(keys).where(keys.c.id == made))
    return {revision for row in rows for revision in _since(row, change)}


def _removals(reading: Reading, change: Change) -> set[int]:
    """The later revisions that removed the tenant, whether or not it came back."""
    rows = reading.connection.execute(_touched_since(tenants, change)).all()
    begun = {row.from_revision for row in rows}
    return {revision for row in rows for revision in _since(row, change)} - begun


def _touched_since(table: Table, change: Change) -> Select[Any]:
    since = or_(table.c.from_revision > change.revision, table.c.to_revision > change.revision)
    mine = [table.c.tenant == column_of(change.tenant)]
    if table is grants:
        mine.append(grants.c.action == change.action)
    return select(table).where(*mine, since)


def _since(row: Row[Any], change: Change) -> set[int]:
    ends = {row.from_revision, row.to_revision}
    return {revision for revision in ends if revision and revision > change.revision}


def _refuse_later(
    change: Change,
    later: set[int],
    *,
    hint: str = "undo those first, or say in a line what you want instead",
) -> None:
    if not later:
        return
    named = ", ".join(map(str, sorted(later)[:_SHOWN]))
    raise Conflict(
        "the change cannot be undone",
        subject=f"revision {change.revision}",
        why=f"later changes touch the same: {named}{', ...' if len(later) > _SHOWN else ''}",
        hint=hint,
    )
