"""
Changes: worked out on what is there, then stored whole or not at all.

Each change is a plan, made by a function that only reads, and carried out by `carry_out`,
the one place that writes. A what-if makes the same plan, in a transaction in which the
database refuses to write.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, update

from tenantcfg import instants
from tenantcfg.configuration import REMOVE_PARTICIPANT, Result, apply
from tenantcfg.errors import InvalidInput, Refused, UnknownTenant, quoted
from tenantcfg.history import Change, Operation, Verb, canonical, seal
from tenantcfg.store import schema
from tenantcfg.store.effects import (
    column_of,
    key_columns,
    keys_after,
    keys_ended,
    name_key,
    tenant_after,
)
from tenantcfg.store.rows import open_grants, tenant_row

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from tenantcfg.configuration import Applied, Grant, ListModifier, Outcome
    from tenantcfg.history import Attribution
    from tenantcfg.ids import AppId, TenantId
    from tenantcfg.store.engine import Database, Reading, Writing
    from tenantcfg.store.views import Key, Tenant

__all__ = ["Plan", "carry_out", "known", "modify", "planned", "unstored"]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    A change that was worked out and not stored.

    Attributes:
        change: without revision of its own.
        effective: whether there is anything to store.
        tenant: as it is before; None: not known, or none is concerned.
        grants: the tenant's open grants before.
        keys: those that the change ends, as they are before.
        digests: of the secrets of the keys whose rows it opens, each behind the key's id.
    """

    change: Change
    effective: bool
    tenant: Tenant | None
    grants: tuple[Grant, ...] = ()
    keys: tuple[Key, ...] = ()
    digests: tuple[tuple[str, str], ...] = ()


def carry_out(
    database: Database, plan: Callable[[Reading], Plan], *, what_if: bool = False
) -> Change:
    """
    The change that *plan* comes to, stored unless *what_if* or without effect.

    Two at once are made one after the other, each on what the one before it left.
    """
    if what_if:
        with database.reading() as reading:
            return _unstored(plan(reading), reading)
    with database.writing() as writing:
        made = plan(writing)
        return _stored(made, writing) if made.effective else _unstored(made, writing)


def modify(
    tenant: TenantId,
    modifier: ListModifier,
    by: Attribution,
    *,
    action: str,
    may_remove: Collection[AppId] | None,
) -> Callable[[Reading], Plan]:
    """The plan of `Store.modify`."""

    def plan(reading: Reading) -> Plan:
        found = known(reading, tenant)
        _refuse_past(modifier, reading)
        current = open_grants(reading, tenant, action)
        applied = apply(modifier, current, now=reading.now)
        _refuse_unconfirmed(applied, may_remove)
        operation = Operation(Verb.SET, _as_given(modifier))
        return planned(
            reading, found, by, operation, applied.outcomes, grants=current, action=action
        )

    return plan


def known(reading: Reading, tenant: TenantId) -> Tenant:
    """
    The tenant as it is now.

    Raises:
        UnknownTenant: there is none of this id.
    """
    found = tenant_row(reading, tenant)
    if found is None:
        raise UnknownTenant(
            "unknown tenant",
            subject=quoted(tenant.value),
            hint="tenantcfg tenant add makes one known",
        )
    return found


def unstored(
    reading: Reading,
    tenant: TenantId | None,
    by: Attribution,
    operation: Operation,
    outcomes: tuple[Outcome, ...] = (),
    *,
    action: str = REMOVE_PARTICIPANT,
) -> Change:
    """The change of a plan: at the revision that it was worked out at."""
    return Change(
        revision=reading.head.revision,
        at=reading.now,
        tenant=tenant,
        action=action,
        by=by,
        operation=operation,
        outcomes=outcomes,
    )


def planned(
    reading: Reading,
    tenant: Tenant,
    by: Attribution,
    operation: Operation,
    outcomes: tuple[Outcome, ...] = (),
    *,
    action: str,
    effective: bool | None = None,
    grants: tuple[Grant, ...] = (),
) -> Plan:
    """A plan on a known tenant; without *effective* its outcomes say whether it is."""
    change = unstored(reading, tenant.id, by, operation, outcomes, action=action)
    if effective is None:
        effective = any(outcome.effective for outcome in outcomes)
    return Plan(change, effective, tenant, grants)


def _refuse_past(modifier: ListModifier, reading: Reading) -> None:
    for app, until in modifier.expiries.items():
        if until is not None and until <= reading.now:
            raise InvalidInput(
                "the expiry is in the past",
                subject=instants.text(until),
                why=f"it is {instants.text(reading.now)} in the store, of app {quoted(app.value)}",
                hint="remove the app to end its right now",
            )


def _refuse_unconfirmed(applied: Applied, may_remove: Collection[AppId] | None) -> None:
    if may_remove is None:
        return
    lost = [one.app for one in applied.outcomes if one.result is Result.REMOVED]
    if stray := [app for app in lost if app not in may_remove]:
        raise Refused(
            "stale plan",
            subject=quoted(stray[0].value),
            why="it would lose its right as well, and stood not there when that was confirmed",
            hint="look again, then repeat the change",
        )


def _as_given(modifier: ListModifier) -> dict[str, Any]:
    given: dict[str, Any]
    if modifier.replace is not None:
        given = {"replace": [app.value for app in modifier.replace]}
    else:
        parts = {"add": modifier.add, "remove": modifier.remove}
        given = {key: [app.value for app in apps] for key, apps in parts.items() if apps}
    if modifier.expiries:
        given["expiries"] = {
            app.value: None if until is None else instants.text(until)
            for app, until in modifier.expiries.items()
        }
    return given


def _unstored(plan: Plan, reading: Reading) -> Change:
    """The change as it is shown: it names the one that it would follow, if it would be made."""
    return replace(plan.change, previous=reading.head.hash) if plan.effective else plan.change


# Writing. Nothing above this line can.


def _stored(plan: Plan, writing: Writing) -> Change:
    change = seal(plan.change, writing.head)
    _write_change(writing, change)
    _write_tenant(writing, plan, change)
    _write_grants(writing, plan, change)
    _write_keys(writing, plan, change)
    moved = {"revision": change.revision, "hash": change.hash, "at": change.at}
    writing.connection.execute(_MOVE_HEAD, moved)
    return change


_MOVE_HEAD = update(schema.head).where(schema.head.c.id == 1)
_CLOSE_TENANT = (
    update(schema.tenants)
    .where(schema.tenants.c.tenant == bindparam("of_tenant"))
    .where(schema.tenants.c.to_revision.is_(None))
)
_CLOSE_GRANT = (
    update(schema.grants)
    .where(schema.grants.c.tenant == bindparam("of_tenant"))
    .where(schema.grants.c.action == bindparam("of_action"))
    .where(schema.grants.c.app == bindparam("of_app"))
    .where(schema.grants.c.to_revision.is_(None))
)

_CLOSE_KEY = (
    update(schema.keys)
    .where(schema.keys.c.id == bindparam("of_id"))
    .where(schema.keys.c.to_revision.is_(None))
)


def _write_change(writing: Writing, change: Change) -> None:
    row = {
        "revision": change.revision,
        "at": change.at,
        "tenant": column_of(change.tenant),
        "actor": change.by.actor.name,
        "content": canonical(change),
        "hash": change.hash,
    }
    writing.connection.execute(insert(schema.changes), row)
    named = [
        {"app": outcome.app.value, "revision": change.revision, "tenant": row["tenant"]}
        for outcome in change.outcomes
    ]
    if named:
        writing.connection.execute(insert(schema.change_apps), named)


def _write_tenant(writing: Writing, plan: Plan, change: Change) -> None:
    after = tenant_after(change, plan.tenant, change.revision)
    if after == plan.tenant:
        return
    if plan.tenant is not None:
        ended = {"of_tenant": plan.tenant.id.value, "to_revision": change.revision}
        writing.connection.execute(_CLOSE_TENANT, ended)
    if after is not None:
        row = {
            "tenant": after.id.value,
            "from_revision": after.since,
            "to_revision": None,
            "added": after.added,
            "name": after.name,
            "name_key": None if after.name is None else name_key(after.name),
            "enabled": after.enabled,
        }
        writing.connection.execute(insert(schema.tenants), row)


def _write_grants(writing: Writing, plan: Plan, change: Change) -> None:
    before = {grant.app: grant for grant in plan.grants}
    effective = [outcome for outcome in change.outcomes if outcome.effective]
    ended = [
        {
            "of_tenant": column_of(change.tenant),
            "of_action": change.action,
            "of_app": outcome.app.value,
            "to_revision": change.revision,
        }
        for outcome in effective
        if outcome.app in before
    ]
    if ended:
        writing.connection.execute(_CLOSE_GRANT, ended)
    if begun := list(_opened(change, before)):
        writing.connection.execute(insert(schema.grants), begun)


def _opened(change: Change, before: Mapping[AppId, Grant]) -> Iterator[dict[str, Any]]:
    position = 0
    for outcome in change.outcomes:
        if outcome.result not in {Result.ADDED, Result.CHANGED}:
            continue
        row = {
            "tenant": column_of(change.tenant),
            "action": change.action,
            "app": outcome.app.value,
            "from_revision": change.revision,
            "to_revision": None,
            "granted": change.revision,
            "position": position,
            "expires_at": outcome.expires_at,
        }
        if outcome.result is Result.CHANGED:
            kept = before[outcome.app]
            row |= {"granted": kept.granted, "position": kept.position}
        else:
            position += 1
        yield row


def _write_keys(writing: Writing, plan: Plan, change: Change) -> None:
    ended = [{"of_id": key, "to_revision": change.revision} for key in keys_ended(change)]
    if ended:
        writing.connection.execute(_CLOSE_KEY, ended)
    before, digests = {key.id: key for key in plan.keys}, dict(plan.digests)
    place = {"from_revision": change.revision, "to_revision": None}
    begun = [
        {**key_columns(key), **place, "digest": digests[key.id]}
        for key in keys_after(change, before, change.revision)
    ]
    if begun:
        writing.connection.execute(insert(schema.keys), begun)
