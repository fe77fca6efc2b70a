"""
The plans of the tenant verbs: made known, renamed, disabled, enabled, removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from tenantcfg.configuration import REMOVE_PARTICIPANT, Outcome, Result
from tenantcfg.errors import Conflict, InvalidInput, quoted
from tenantcfg.history import Operation, Verb
from tenantcfg.ids import MAX_ID_LENGTH, TenantId, is_guid
from tenantcfg.store.changing import Plan, known, planned, unstored
from tenantcfg.store.effects import name_key
from tenantcfg.store.rows import open_grants, tenant_of, tenant_row
from tenantcfg.store.schema import tenants

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.configuration import Grant
    from tenantcfg.history import Attribution
    from tenantcfg.store.engine import Reading
    from tenantcfg.store.views import Tenant

__all__ = ["add", "added", "named", "removed", "rename", "set_enabled", "take_away"]


def add(tenant: TenantId, name: str | None, by: Attribution) -> Callable[[Reading], Plan]:
    """The plan of `Store.add_tenant`."""

    def plan(reading: Reading) -> Plan:
        found = tenant_row(reading, tenant)
        operation = Operation(Verb.TENANT_ADD, {"name": name})
        if found is None:
            return added(reading, tenant, name, by, operation=operation)
        if name not in {None, found.name}:
            raise Conflict(
                "the tenant is known by another name",
                subject=quoted(tenant.value),
                why=f"its name is {quoted(found.name)}" if found.name else "it has none yet",
                hint="tenantcfg tenant rename gives it another",
            )
        return planned(reading, found, by, operation, action=REMOVE_PARTICIPANT, effective=False)

    return plan


def rename(tenant: TenantId, name: str, by: Attribution) -> Callable[[Reading], Plan]:
    """The plan of `Store.rename_tenant`."""

    def plan(reading: Reading) -> Plan:
        return named(reading, known(reading, tenant), name, by, Operation(Verb.TENANT_RENAME, {}))

    return plan


def set_enabled(tenant: TenantId, by: Attribution, *, enabled: bool) -> Callable[[Reading], Plan]:
    """The plan of `Store.enable_tenant` and `Store.disable_tenant`."""
    verb = Verb.TENANT_ENABLE if enabled else Verb.TENANT_DISABLE

    def plan(reading: Reading) -> Plan:
        found = known(reading, tenant)
        return planned(
            reading,
            found,
            by,
            Operation(verb, {"name": found.name}),
            action=REMOVE_PARTICIPANT,
            effective=found.enabled != enabled,
        )

    return plan


def take_away(tenant: TenantId, by: Attribution) -> Callable[[Reading], Plan]:
    """The plan of `Store.remove_tenant`."""

    def plan(reading: Reading) -> Plan:
        return removed(reading, known(reading, tenant), by, Operation(Verb.TENANT_REMOVE, {}))

    return plan


def added(
    reading: Reading,
    tenant: TenantId,
    name: str | None,
    by: Attribution,
    *,
    operation: Operation,
    outcomes: tuple[Outcome, ...] = (),
) -> Plan:
    """The plan that makes *tenant* known, with the grants that *outcomes* give it."""
    if name is not None:
        _require_name(reading, tenant, name)
    if (other := _live_by_name(reading, name_key(tenant.value))) and other.name == tenant.value:
        raise Conflict(
            "the id is taken as a name",
            subject=quoted(tenant.value),
            why=f"tenant {quoted(other.id.value)} is called so",
            hint="rename that one first",
        )
    change = unstored(reading, tenant, by, operation, outcomes)
    return Plan(change, effective=True, tenant=None)


def named(
    reading: Reading,
    found: Tenant,
    name: str | None,
    by: Attribution,
    operation: Operation,
) -> Plan:
    """The plan that gives a tenant another name; what it says of names is added."""
    if name is not None and name != found.name:
        _require_name(reading, found.id, name)
    told = {**operation.details, "name": name, "was": found.name}
    return planned(
        reading,
        found,
        by,
        Operation(operation.verb, told),
        action=REMOVE_PARTICIPANT,
        effective=name != found.name,
    )


def removed(reading: Reading, found: Tenant, by: Attribution, operation: Operation) -> Plan:
    """The plan that forgets a tenant; each of its open grants ends, those that ran out too."""
    current = open_grants(reading, found.id, REMOVE_PARTICIPANT)
    return planned(
        reading,
        found,
        by,
        Operation(operation.verb, {**operation.details, "name": found.name}),
        tuple(_ended(grant) for grant in current),
        action=REMOVE_PARTICIPANT,
        effective=True,
        grants=current,
    )


def _ended(grant: Grant) -> Outcome:
    return Outcome(grant.app, Result.REMOVED, None, grant.expires_at)


def _require_name(reading: Reading, tenant: TenantId, name: str) -> None:
    if why := _why_no_name(tenant, name):
        raise InvalidInput("not a tenant's name", subject=quoted(name), why=why)
    other = _live_by_name(reading, name_key(name))
    if other is not None and other.id != tenant:
        raise Conflict(
            "the name is taken",
            subject=quoted(name),
            why=f"tenant {quoted(other.id.value)} has it, without regard to case",
            hint="choose another",
        )
    if tenant_row(reading, TenantId.exact(name)) is not None:
        raise Conflict("the name is taken", subject=quoted(name), why="a tenant has this id")


def _why_no_name(tenant: TenantId, name: str) -> str:
    if not 1 <= len(name) <= MAX_ID_LENGTH:
        return f"it has {len(name)} characters, 1 to {MAX_ID_LENGTH} are allowed"
    if not name.isprintable():
        return "it holds a character that cannot be printed"
    if name != name.strip():
        return "a blank stands at its end"
    if is_guid(TenantId.parse(name).value):
        return "it has the shape of a GUID, as an id has"
    if name == tenant.value:
        return "it is the tenant's id, which serves wherever a name does"
    return ""


def _live_by_name(reading: Reading, key: str) -> Tenant | None:
    statement = select(tenants).where(tenants.c.name_key == key, tenants.c.to_revision.is_(None))
    row = reading.connection.execute(statement).one_or_none()
    return None if row is None else tenant_of(row)
