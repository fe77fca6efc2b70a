"""A store with one of everything that a service can be asked about, and the keys to ask with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantcfg import AppId, ListModifier, Store, TenantId
from tenantcfg.keys import Right, ServiceKey
from tests.stores import BY, a_grant, let_time_pass, soon

if TYPE_CHECKING:
    from collections.abc import Collection

    from tenantcfg.instants import Instant

CONTOSO = TenantId("b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d21")
FABRIKAM = TenantId("fabrikam")
CLOSED = TenantId("closed")
EMPTY = TenantId("empty")
APP = AppId("5817674c-81d9-4adb-bfb2-8f6a442e4622")
OTHER = AppId("app_id")
ENDED = AppId("ended")


@dataclass(frozen=True, slots=True)
class Stock:
    """
    The store at *url*, and the texts of its keys.

    APP and OTHER may act in CONTOSO, APP in FABRIKAM and in CLOSED, which is disabled; the
    grant of ENDED in CONTOSO has ended; EMPTY has no grants.
    """

    url: str
    check: str
    read: str
    limited: str
    """To CONTOSO and CLOSED."""
    ended: str
    revoked: str


def stocked(url: str) -> Stock:
    """The stock in the store at *url*, which is there and empty."""
    with Store.open(url) as store:
        a_grant(store, ENDED, until=soon(1))
        ended = _key(store, "ended", expires_at=soon(1))
        let_time_pass(url, soon(2))
        for tenant in (FABRIKAM, CLOSED, EMPTY):
            store.add_tenant(tenant, None, by=BY)
        store.modify(CONTOSO, ListModifier(add=(APP, OTHER)), by=BY)
        store.modify(FABRIKAM, ListModifier(add=(APP,)), by=BY)
        store.modify(CLOSED, ListModifier(add=(APP,)), by=BY)
        store.disable_tenant(CLOSED, by=BY)
        revoked = _key(store, "revoked")
        store.revoke_key("revoked", by=BY)
        return Stock(
            url=url,
            check=_key(store, "check"),
            read=_key(store, "read", Right.READ),
            limited=_key(store, "limited", tenants=(CONTOSO, CLOSED)),
            ended=ended,
            revoked=revoked,
        )


def _key(
    store: Store,
    name: str,
    right: Right = Right.CHECK,
    *,
    tenants: Collection[TenantId] | None = None,
    expires_at: Instant | None = None,
) -> str:
    key = ServiceKey.new(secrets.token_bytes)
    store.add_key(name, key, rights=[right], tenants=tenants, expires_at=expires_at, by=BY)
    return key.text
