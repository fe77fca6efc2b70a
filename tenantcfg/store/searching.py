"""
Searches: which apps may act in a tenant, and in which tenants an app may, a page at a time.

What a key may not see is left out while it is looked for, so that it shows neither in a page
nor in the total (check M7). Key, page and total are of one snapshot.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.decision import require_least
from tenantcfg.errors import InvalidInput
from tenantcfg.ids import AppId
from tenantcfg.store import searches
from tenantcfg.store.asking import answered_by, as_key
from tenantcfg.store.checking import as_asked
from tenantcfg.store.views import Found

if TYPE_CHECKING:
    from tenantcfg.ids import TenantId
    from tenantcfg.store.checking import Checks
    from tenantcfg.store.readers import Readers, Row
    from tenantcfg.store.snapshots import Snapshot
    from tenantcfg.store.views import Answered

__all__ = ["Searches", "Wanted"]

_ENABLED = 3
"""Where a row says whether the tenant is enabled."""

_MOST = 2**31 - 2
"""More ids than any page holds, and a number that both databases take."""

_Texts = tuple[str, str]
"""What finds a page, and what counts them all."""

_APPS: _Texts = (searches.APPS, searches.APPS_TOTAL)
_TENANTS: _Texts = (searches.TENANTS, searches.TENANTS_TOTAL)
_WITHIN: dict[str, _Texts] = {
    "sqlite": (searches.SQLITE_WITHIN, searches.SQLITE_WITHIN_TOTAL),
    "postgresql": (searches.POSTGRESQL_WITHIN, searches.POSTGRESQL_WITHIN_TOTAL),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; see `Store.search`."""

    tenant: TenantId | str | None
    app: AppId | str | None
    action: str
    after: str
    limit: int
    key: str | None
    at_least: int

    def __post_init__(self) -> None:
        if self.tenant is not None and self.app is not None:
            raise InvalidInput("both a tenant and an app are named", hint="search by one of them")


class Searches:
    """The searches of one store."""

    def __init__(self, checks: Checks, readers: Readers, dialect: str) -> None:
        self._checks = checks
        self._readers = readers
        self._within = _WITHIN[dialect]

    def find(self, wanted: Wanted) -> Found:
        """What is found; see `Store.search`."""
        require_least(wanted.at_least)
        values = _values(wanted)
        with self._readers.snapshot() as now:
            row = (*now.ask(searches.ASKED, values)[0], now.now)
            self._checks.require(row, wanted.at_least)
            held = answered_by(row, ())
            texts = self._texts(wanted, row, held)
            ids, total = _found(now, texts, _limited(held, values)) if texts else ([], 0)
        page = tuple(ids[: wanted.limit])
        more = len(ids) > len(page)
        return Found(held.store_id, held.revision, held.at, page, total, more, held.key)

    def _texts(self, wanted: Wanted, row: Row, held: Answered) -> _Texts | None:
        """What finds that which the key may see; None: there is nothing, or none of it."""
        if wanted.action != REMOVE_PARTICIPANT or (wanted.key is not None and held.key is None):
            return None
        if wanted.tenant is not None:
            tenant, _ = as_asked((wanted.tenant, ""))
            seen = held.key is None or held.key.covers(tenant)
            return _APPS if seen and row[_ENABLED] == 1 else None
        if wanted.app is None:
            return None
        return self._within if held.key and held.key.tenants is not None else _TENANTS


def _values(wanted: Wanted) -> dict[str, Any]:
    tenant, app = as_asked((wanted.tenant, "" if wanted.app is None else wanted.app))
    return {
        "tenant": tenant,
        "app": app,
        "action": wanted.action,
        "key": as_key(wanted.key),
        # Apps and tenants have ids of one form.
        "after": AppId.exact(wanted.after).value if wanted.after else "",
        # One more, to know whether there is any.
        "most": min(wanted.limit, _MOST) + 1,
        "enabled": True,
    }


def _limited(held: Answered, values: dict[str, Any]) -> dict[str, Any]:
    """*values*, and the tenants to which the key is limited."""
    if held.key is None or held.key.tenants is None:
        return values
    return {**values, "within": json.dumps(sorted(held.key.tenants))}


def _found(now: Snapshot, texts: _Texts, values: dict[str, Any]) -> tuple[list[str], int]:
    """The ids of a page and the next, and how many there are in all."""
    page, total = texts
    values = {**values, "now": now.now}
    return [one for (one,) in now.ask(page, values)], now.value(total, **values) or 0
