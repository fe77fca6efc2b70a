"""Small builders of what the store's tests start from."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from sqlalchemy import update

from tenantcfg import AppId, Attribution, ListModifier, Store, TenantId
from tenantcfg.history import Actor, Change
from tenantcfg.instants import Instant
from tenantcfg.keys import Right, ServiceKey
from tenantcfg.store import schema
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of

if TYPE_CHECKING:
    from collections.abc import Collection

BY = Attribution(Actor("os:alice"), reason="a test")
CONTOSO = TenantId("b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d21")
FABRIKAM = TenantId("fabrikam")
APP = AppId("5817674c-81d9-4adb-bfb2-8f6a442e4622")
OTHER = AppId("app_id")
HOUR = 3_600_000_000


def soon(hours: int = 1) -> Instant:
    """An instant that is *hours* away."""
    return Instant(time.time_ns() // 1000 + hours * HOUR)


def a_tenant(store: Store, tenant: TenantId = CONTOSO, name: str | None = "Contoso") -> TenantId:
    """A tenant that the store knows."""
    store.add_tenant(tenant, name, by=BY)
    return tenant


def a_grant(
    store: Store,
    app: AppId = APP,
    tenant: TenantId = CONTOSO,
    *,
    until: Instant | None = None,
) -> Change:
    """The change that gave *app* its right, in a tenant that is made known if need be."""
    if tenant not in {one.id for one in store.tenants()}:
        a_tenant(store, tenant, None)
    expiries = {} if until is None else {app: until}
    return store.modify(tenant, ListModifier(add=(app,), expiries=expiries), by=BY)


def revoke(store: Store, app: AppId = APP, tenant: TenantId = CONTOSO) -> Change:
    """The change that took the right of *app* away."""
    return store.modify(tenant, ListModifier(remove=(app,)), by=BY)


def a_key(
    store: Store,
    name: str = "calls",
    *,
    rights: Collection[Right] = (Right.CHECK,),
    tenants: Collection[TenantId] | None = None,
    until: Instant | None = None,
) -> ServiceKey:
    """A key that the store knows."""
    key = ServiceKey.new(secrets.token_bytes)
    store.add_key(name, key, rights=rights, tenants=tenants, expires_at=until, by=BY)
    return key


def let_time_pass(url: str, until: Instant) -> None:
    """
    Bring the store's time to *until* without waiting for it.

    A store is never earlier than its newest change, so that one is said to be of then.
    """
    engine = engine_of(Address.parse(url))
    with engine.begin() as connection:
        connection.execute(update(schema.head).values(at=until))
    engine.dispose()
