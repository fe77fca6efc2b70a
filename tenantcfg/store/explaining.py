"""
Why a check is decided as it is: the fact, who gave it, and what may have been meant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.decision import Deny, Facts, decide
from tenantcfg.errors import InvalidInput, Reason, quoted
from tenantcfg.ids import AppId, Revision, TenantId, near_misses
from tenantcfg.store import reasons
from tenantcfg.store.snapshots import when
from tenantcfg.store.typed import (
    ChangeRow,
    GrantRow,
    TenantRow,
    change_of,
    grant_of,
    tenant_of,
)
from tenantcfg.store.views import Explanation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantcfg.configuration import Grant
    from tenantcfg.history import Change
    from tenantcfg.store.snapshots import AsOf, Snapshot
    from tenantcfg.store.views import Tenant

    # The ids of tenants that are one slip away from one that is not known. It loads SQLAlchemy.
    TenantsNear = Callable[[str], tuple[str, ...]]

__all__ = ["explain", "near"]

_SHOWN = 5

_Id = TypeVar("_Id", TenantId, AppId)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, of a store at one of its revisions; what cannot be an id is None."""

    store: Snapshot
    tenant: TenantId | None
    app: AppId | None
    action: str
    revision: Revision

    def at(self, revision: Revision) -> _Question:
        """The same question, asked at *revision*."""
        return replace(self, revision=revision)


def explain(
    store: Snapshot,
    tenant_id: str,
    app_id: str,
    action: str,
    as_of: AsOf,
    *,
    tenants_near: TenantsNear,
) -> Explanation:
    """The decision and what it rests on; see `Store.explain`."""
    revision, at = when(store, as_of)
    if action != REMOVE_PARTICIPANT:
        return Explanation(Deny(Reason.UNSUPPORTED_ACTION, revision), tenant_id, app_id)
    if not tenant_id:
        return Explanation(Deny(Reason.TENANT_MISSING, revision), tenant_id, app_id)
    exact = _read(TenantId.exact, tenant_id), _read(AppId.exact, app_id)
    question = _Question(store, *exact, action, revision)
    tenant = _tenant(question)
    grant = _grant(question) if tenant else None
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
        change=_deciding(question, tenant, grant),
        expiry_change=_of_expiry(question, grant),
        near_misses=()
        if decision
        else (*_unwrapped(app_id), *_near_misses(question.at(store.revision), tenants_near)),
    )


def _unwrapped(app: str) -> Iterator[str]:
    """What an admin's door would have read, where that is another id than *app*, taken exactly."""
    meant = _read(AppId.parse, app)
    if meant is not None and meant != _read(AppId.exact, app):
        yield f"a check takes an app exactly: did you mean {quoted(meant.value)}?"


def near(
    store: Snapshot, tenant: TenantId, app: AppId, action: str, tenants_near: TenantsNear
) -> tuple[str, ...]:
    """What may have been meant by an app that is not granted in a tenant, as sentences."""
    return _near_misses(_Question(store, tenant, app, action, store.revision), tenants_near)


def _near_misses(now: _Question, tenants_near: TenantsNear) -> tuple[str, ...]:
    granted = [grant.app.value for grant in _grants(now) if grant.in_force(now.store.now)]
    if now.app is not None and now.app.value in granted:
        return ()
    return (
        *(_slips(now, now.app.value, granted) if now.app else ()),
        *(_other_tenants(now, now.tenant, tenants_near) if now.tenant else ()),
        *(_elsewhere(now, now.app.value) if now.app else ()),
    )


def _slips(now: _Question, app: str, granted: list[str]) -> Iterator[str]:
    for one in near_misses(app, granted):
        yield f"one character off: app {quoted(one)} is granted there"
    if _tenant_row(now, app) is not None:
        yield f"{quoted(app)} is known as a tenant, not as an app"


def _other_tenants(now: _Question, tenant: TenantId, tenants_near: TenantsNear) -> Iterator[str]:
    if _tenant(now) is not None:
        return
    if now.store.first(reasons.NAMED_AS_APP, app=tenant.value) is not None:
        yield f"{quoted(tenant.value)} is known as an app, not as a tenant"
    for one in tenants_near(tenant.value):
        yield f"one character off: tenant {quoted(one)} is known"


def _elsewhere(now: _Question, app: str) -> Iterator[str]:
    values = {
        "app": app,
        "action": now.action,
        "tenant": now.tenant.value if now.tenant else "",
        "now": now.store.now,
        "most": _SHOWN + 1,
    }
    found = [quoted(name or tenant) for tenant, name in now.store.ask(reasons.ELSEWHERE, values)]
    if found:
        more = ", and more" if len(found) > _SHOWN else ""
        yield f"the app is granted elsewhere: in {', '.join(found[:_SHOWN])}{more}"


def _tenant(question: _Question) -> Tenant | None:
    return _tenant_row(question, question.tenant.value) if question.tenant else None


def _tenant_row(question: _Question, tenant: str) -> Tenant | None:
    row = question.store.first(reasons.TENANT, tenant=tenant, revision=question.revision)
    return None if row is None else tenant_of(TenantRow(*row))


def _grant(question: _Question) -> Grant | None:
    if question.app is None:
        return None
    row = question.store.first(reasons.GRANT, **_listed(question), app=question.app.value)
    return None if row is None else grant_of(GrantRow(*row))


def _grants(question: _Question) -> list[Grant]:
    rows = question.store.ask(reasons.GRANTS, _listed(question)) if question.tenant else ()
    return [grant_of(GrantRow(*row)) for row in rows]


def _listed(question: _Question) -> dict[str, Any]:
    """The values that name the list which is asked about."""
    return {
        "tenant": question.tenant.value if question.tenant else "",
        "action": question.action,
        "revision": question.revision,
    }


def _deciding(question: _Question, tenant: Tenant | None, grant: Grant | None) -> Change | None:
    revision: int | None
    if tenant is not None and not tenant.enabled:
        revision = _disabled(question, tenant)
    elif grant is not None:
        revision = grant.granted
    else:
        revision = _taken_away(question, tenant)
    return None if revision is None else _change(question, revision)


def _disabled(question: _Question, tenant: Tenant) -> int:
    """The revision since which the tenant is disabled; a rename since then is passed over."""
    ended = question.store.value(
        reasons.DISABLED, tenant=tenant.id.value, added=tenant.added, revision=question.revision
    )
    return ended or tenant.added


def _taken_away(question: _Question, tenant: Tenant | None) -> int | None:
    """The revision that ended the app's last grant or, without a tenant, the tenant."""
    if question.tenant is None:
        return None
    if tenant is None:
        return question.store.value(
            reasons.TENANT_ENDED, tenant=question.tenant.value, revision=question.revision
        )
    app = question.app.value if question.app else ""
    return question.store.value(reasons.GRANT_ENDED, **_listed(question), app=app)


def _of_expiry(question: _Question, grant: Grant | None) -> Change | None:
    changed = grant is not None and grant.since != grant.granted
    return _change(question, grant.since) if changed and grant else None


def _change(question: _Question, revision: int) -> Change | None:
    row = question.store.first(reasons.CHANGE, revision=revision)
    return None if row is None else change_of(ChangeRow(*row))


def _read(read: Callable[[str], _Id], text: str) -> _Id | None:
    try:
        return read(text)
    except InvalidInput:
        return None
