"""
Why a check is decided as it is: the fact, who gave it, and what may have been meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import func, or_, select

from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.decision import Deny, Facts, decide
from tenantcfg.errors import InvalidInput, Reason, quoted
from tenantcfg.ids import AppId, Revision, TenantId, near_misses
from tenantcfg.store.nearby import ids_near
from tenantcfg.store.rows import AsOf, change_at, open_grants, standing, tenant_row, when
from tenantcfg.store.schema import grants, tenants
from tenantcfg.store.views import Explanation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantcfg.configuration import Grant
    from tenantcfg.history import Change
    from tenantcfg.store.engine import Reading
    from tenantcfg.store.views import Tenant

__all__ = ["explain", "near"]

_SHOWN = 5

_Id = TypeVar("_Id", TenantId, AppId)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, at one revision; what cannot be an id is None."""

    tenant: TenantId | None
    app: AppId | None
    action: str
    revision: Revision


def explain(reading: Reading, tenant_id: str, app_id: str, action: str, as_of: AsOf) -> Explanation:
    """The decision and what it rests on; see `Store.explain`."""
    revision, at = when(reading, as_of)
    if action != REMOVE_PARTICIPANT:
        return Explanation(Deny(Reason.UNSUPPORTED_ACTION, revision), tenant_id, app_id)
    if not tenant_id:
        return Explanation(Deny(Reason.TENANT_MISSING, revision), tenant_id, app_id)
    question = _Question(_exact(TenantId, tenant_id), _exact(AppId, app_id), action, revision)
    tenant = tenant_row(reading, question.tenant, revision) if question.tenant else None
    grant = _grant(reading, question) if tenant else None
    facts = Facts(
        revision=revision,
        enabled=tenant.enabled if tenant else None,
        granted=grant is not None,
        expires_at=grant.expires_at if grant else None,
    )
    decision = decide(facts, at)
    return Explanation(
        decision=decision,
        tenant_id=question.tenant.value if question.tenant else tenant_id,
        app_id=question.app.value if question.app else app_id,
        tenant=tenant,
        grant=grant,
        change=_deciding(reading, question, tenant, grant),
        expiry_change=_of_expiry(reading, grant),
        near_misses=() if decision else _near_misses(reading, question),
    )


def near(reading: Reading, tenant: TenantId, app: AppId, action: str) -> tuple[str, ...]:
    """What may have been meant by an app that is not granted in a tenant, as sentences."""
    return _near_misses(reading, _Question(tenant, app, action, reading.head.revision))


def _near_misses(reading: Reading, question: _Question) -> tuple[str, ...]:
    tenant, app = question.tenant, question.app
    held = open_grants(reading, tenant, question.action) if tenant else ()
    granted = [grant.app.value for grant in held if grant.in_force(reading.now)]
    if app is not None and app.value in granted:
        return ()
    return (
        *(_slips(reading, app.value, granted) if app else ()),
        *(_other_tenants(reading, tenant) if tenant else ()),
        *(_elsewhere(reading, question) if app else ()),
    )


def _slips(reading: Reading, app: str, granted: list[str]) -> Iterator[str]:
    for one in near_misses(app, granted):
        yield f"one character off: app {quoted(one)} is granted there"
    if tenant_row(reading, TenantId(app)) is not None:
        yield f"{quoted(app)} is known as a tenant, not as an app"


def _other_tenants(reading: Reading, tenant: TenantId) -> Iterator[str]:
    if tenant_row(reading, tenant) is not None:
        return
    as_app = select(grants.c.tenant).where(grants.c.app == tenant.value, standing(grants, None))
    if reading.connection.execute(as_app.limit(1)).first() is not None:
        yield f"{quoted(tenant.value)} is known as an app, not as a tenant"
    for one in ids_near(reading, tenant.value):
        yield f"one character off: tenant {quoted(one)} is known"


def _elsewhere(reading: Reading, question: _Question) -> Iterator[str]:
    app, tenant = question.app, question.tenant
    others = (
        select(grants.c.tenant, tenants.c.name)
        .join(tenants, tenants.c.tenant == grants.c.tenant)
        .where(grants.c.app == (app.value if app else ""), grants.c.action == question.action)
        .where(grants.c.tenant != (tenant.value if tenant else ""))
        .where(standing(grants, None), standing(tenants, None))
        .where(or_(grants.c.expires_at.is_(None), grants.c.expires_at > reading.now))
        .order_by(grants.c.tenant)
        .limit(_SHOWN + 1)
    )
    found = [quoted(row.name or row.tenant) for row in reading.connection.execute(others)]
    if found:
        more = ", and more" if len(found) > _SHOWN else ""
        yield f"the app is granted elsewhere: in {', '.join(found[:_SHOWN])}{more}"


def _grant(reading: Reading, question: _Question) -> Grant | None:
    if question.tenant is None or question.app is None:
        return None
    held = open_grants(
        reading, question.tenant, question.action, question.revision, apps=(question.app,)
    )
    return held[0] if held else None


def _deciding(
    reading: Reading, question: _Question, tenant: Tenant | None, grant: Grant | None
) -> Change | None:
    revision: int | None
    if tenant is not None and not tenant.enabled:
        revision = _disabled(reading, tenant, question.revision)
    elif grant is not None:
        revision = grant.granted
    else:
        revision = _taken_away(reading, question, tenant)
    return None if revision is None else change_at(reading, revision)


def _disabled(reading: Reading, tenant: Tenant, at: Revision) -> int:
    """The revision since which the tenant is disabled; a rename since then is passed over."""
    ended = select(func.max(tenants.c.to_revision)).where(
        tenants.c.tenant == tenant.id.value,
        tenants.c.enabled,
        tenants.c.from_revision >= tenant.added,
        tenants.c.to_revision <= at,
    )
    return reading.connection.scalar(ended) or tenant.added


def _taken_away(reading: Reading, question: _Question, tenant: Tenant | None) -> int | None:
    """The revision that ended the app's last grant or, without a tenant, the tenant."""
    if question.tenant is None:
        return None
    table = tenants if tenant is None else grants
    ended = select(func.max(table.c.to_revision)).where(
        table.c.tenant == question.tenant.value, table.c.to_revision <= question.revision
    )
    if tenant is not None:
        app = question.app.value if question.app else ""
        ended = ended.where(grants.c.action == question.action, grants.c.app == app)
    revision: int | None = reading.connection.scalar(ended)
    return revision


def _of_expiry(reading: Reading, grant: Grant | None) -> Change | None:
    changed = grant is not None and grant.since != grant.granted
    return change_at(reading, grant.since) if changed and grant else None


def _exact(kind: type[_Id], text: str) -> _Id | None:
    try:
        return kind.exact(text)
    except InvalidInput:
        return None
