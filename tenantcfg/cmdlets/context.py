"""
What the cmdlets of one run share: the store, the tenant that is meant, and who acts.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenantcfg.errors import InvalidInput, TenantNotNamed, UnknownTenant
from tenantcfg.history import Actor, Attribution

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tenantcfg.cmdlets.pin import Pin, Pins
    from tenantcfg.history import Change
    from tenantcfg.ids import Revision, TenantId
    from tenantcfg.settings import Settings
    from tenantcfg.store import Store, Tenant

__all__ = ["Context", "os_user", "shown_tenant"]

_LISTED = 10
"""Tenants that an error lists; more are counted."""


@dataclass(slots=True)
class Context:
    """
    One run of the program: what its lines share.

    Attributes:
        open_store: opens the store; called at most once, when a line first needs it.
        pins: of this terminal session; None: there is no terminal, so nothing is pinned.
        say: takes a line of talk for the person at the terminal (standard error).
        on_change: is given each change that a line made, found unchanged, or would make.
        on_receipt: is given the same as data, unless the line wrote something else (-PassThru).
        connect_failed: whether a Connect of this text failed: no line behind it may run, for
            it would mean another tenant.
        alone: whether the line is the whole text, so that Connect pins for the session.
    """

    settings: Settings
    open_store: Callable[[], Store]
    pins: Pins | None
    say: Callable[[str], None]
    on_change: Callable[[Change, Tenant], None] = lambda _change, _tenant: None
    on_receipt: Callable[[Change, Tenant], None] = lambda _change, _tenant: None
    alone: bool = True
    connected: Pin | None = None
    connect_failed: bool = False
    _store: Store | None = field(default=None, init=False)

    @property
    def store(self) -> Store:
        """The store, opened when first asked for."""
        if self._store is None:
            self._store = self.open_store()
        return self._store

    def close(self) -> None:
        """Close the store, if a line opened it."""
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def is_open(self) -> bool:
        """Whether a line needed the store so far."""
        return self._store is not None

    def tenant(
        self,
        named: str | None = None,
        piped: TenantId | None = None,
        *,
        as_of: Revision | datetime | None = None,
    ) -> Tenant:
        """
        The tenant that is meant: *named* on the line, else *piped*, else the nearest setting.

        A tenant that the line did not name is said, with where it came from. One that is not
        known now is looked for *as_of* then, if that is what the line asks about.

        Raises:
            UnknownTenant: the store does not know the one that is meant.
            TenantNotNamed: none is meant, and there is not exactly one.
        """
        if named is not None:
            if not named.strip():
                raise InvalidInput("-Tenant is empty", hint="a variable that gave nothing?")
            return self._known(named, as_of)
        if piped is not None:
            return self.store.find_tenant(piped.value)
        tenant, where = self._unnamed(as_of)
        self.say(f"tenant {shown_tenant(tenant)}, {where}")
        return tenant

    def only_tenant(self) -> Tenant:
        """
        The only tenant there is.

        Raises:
            TenantNotNamed: there is none, or more than one; lists them.
        """
        tenants = self.store.tenants()
        if len(tenants) == 1:
            return tenants[0]
        raise self._which(tenants)

    def by(self, *, on_behalf_of: str | None = None, reason: str | None = None) -> Attribution:
        """Who acts: the user of the process, with what was only claimed beside it."""
        claimed = dict(self.settings.claimed)
        pin = self.connected or self._pin()
        if pin is not None and pin.account:
            claimed["AccountId"] = pin.account
        return Attribution(Actor(os_user(), tuple(claimed.items())), on_behalf_of, reason)

    def _known(self, named: str, as_of: Revision | datetime | None) -> Tenant:
        try:
            return self.store.find_tenant(named)
        except UnknownTenant:
            if as_of is None:
                raise
            return self.store.find_tenant(named, as_of=as_of)

    def _unnamed(self, as_of: Revision | datetime | None) -> tuple[Tenant, str]:
        if self.connected is not None:
            return self.store.find_tenant(self.connected.tenant.value), "as connected"
        if self.settings.tenant is not None:
            tenant = self._known(self.settings.tenant, as_of)
            return tenant, f"from {self.settings.tenant_from}"
        pin = self._pin()
        if pin is not None:
            return self.store.find_tenant(pin.tenant.value), "connected in this terminal"
        return self.only_tenant(), "the only one there is"

    def _pin(self) -> Pin | None:
        return self.pins.get(self.store.store_id) if self.pins else None

    def _which(self, tenants: tuple[Tenant, ...]) -> TenantNotNamed:
        if not tenants:
            return TenantNotNamed(
                "no tenant is known", why="the store is new", hint="tenantcfg tenant add ID NAME"
            )
        listed = ", ".join(shown_tenant(tenant) for tenant in tenants[:_LISTED])
        more = f" and {len(tenants) - _LISTED} more" if len(tenants) > _LISTED else ""
        return TenantNotNamed(
            "no tenant is named",
            why=f"there are {len(tenants)}: {listed}{more}",
            hint="say which with -Tenant, --tenant or TENANTCFG_TENANT",
        )


def os_user() -> str:
    """``os:NAME`` of the effective user; never what the environment says."""
    number = os.geteuid()
    try:
        return f"os:{pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"os:{number}"


def shown_tenant(tenant: Tenant) -> str:
    """The tenant for a person: its name and id."""
    return f"{tenant.name} ({tenant.id})" if tenant.name else str(tenant.id)
