"""
What a change comes to in the rows of tenants, grants and keys, out of the change alone.

The grants follow from its outcomes, whatever its verb: ``added`` opens a row (and closes
the one that had run out), ``changed`` closes a row and opens one that keeps its giver and
place, ``removed`` closes one. The tenant's row follows from the verb, and of an undo from
``effect`` in its details:

- ``tenant.add``: a row is opened, with ``name``; ``enabled`` is false where an undo brings
  back a tenant that was disabled when it was removed;
- ``tenant.rename``, ``tenant.enable``, ``tenant.disable``: the row is closed, and one is
  opened that differs in that; ``name`` is the name afterwards, ``was`` the one before;
- ``tenant.remove``: the row is closed; the outcomes name every open grant.

The rows of keys follow from the verb as well:

- ``key.new``: the row of ``key`` is opened, with ``name``, ``rights``, ``tenants`` and
  ``expires_at``;
- ``key.rotate``: the same, and that of ``replaces`` is closed; unless ``until`` is null one is
  opened that ends then and has given its name away;
- ``key.revoke``: the rows of ``keys`` are closed.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenantcfg import instants
from tenantcfg.history import Verb
from tenantcfg.keys import Right
from tenantcfg.store.views import Key, Tenant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenantcfg.history import Change
    from tenantcfg.ids import Revision, TenantId

__all__ = [
    "NO_TENANT",
    "column_of",
    "effect",
    "key_columns",
    "keys_after",
    "keys_ended",
    "name_key",
    "tenant_after",
]

NO_TENANT = ""
"""What stands in a column for the tenant of a change that concerns none."""


def column_of(tenant: TenantId | None) -> str:
    """The *tenant* of a change as it stands in a column."""
    return NO_TENANT if tenant is None else tenant.value


def effect(change: Change) -> Verb:
    """What kind of change it was in the end: of an undo, what it came to."""
    return change.operation.effect


def tenant_after(change: Change, before: Tenant | None, revision: Revision) -> Tenant | None:
    """The tenant after *change*, stored as *revision*; None: it is not known any more."""
    verb, details = effect(change), change.operation.details
    if change.tenant is None or verb is Verb.SET:
        return before
    if verb is Verb.TENANT_ADD:
        return Tenant(
            change.tenant, details["name"], details.get("enabled", True), revision, revision
        )
    if before is None or verb is Verb.TENANT_REMOVE:
        return None
    name = details["name"] if verb is Verb.TENANT_RENAME else before.name
    enabled = before.enabled if verb is Verb.TENANT_RENAME else verb is Verb.TENANT_ENABLE
    return Tenant(before.id, name, enabled, revision, before.added)


def name_key(name: str) -> str:
    """*name* as names are compared: without regard to case, or to how accents are written."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def keys_ended(change: Change) -> tuple[str, ...]:
    """The ids of the keys whose rows *change* closes."""
    verb, details = effect(change), change.operation.details
    if verb is Verb.KEY_REVOKE:
        return tuple(details["keys"])
    return (details["replaces"],) if verb is Verb.KEY_ROTATE else ()


def keys_after(change: Change, before: Mapping[str, Key], revision: Revision) -> Iterator[Key]:
    """
    The keys whose rows *change*, stored as *revision*, opens; the one it makes comes first.

    *before* has those whose rows it closes.
    """
    verb, details = effect(change), change.operation.details
    if verb not in {Verb.KEY_NEW, Verb.KEY_ROTATE}:
        return
    ends, tenants = details["expires_at"], details["tenants"]
    yield Key(
        id=details["key"],
        name=details["name"],
        rights=frozenset(map(Right, details["rights"])),
        tenants=None if tenants is None else tuple(tenants),
        expires_at=None if ends is None else instants.parse(ends),
        rotated=False,
        since=revision,
        added=revision,
    )
    old = before.get(details["replaces"]) if verb is Verb.KEY_ROTATE else None
    if old is not None and details["until"] is not None:
        until = instants.parse(details["until"])
        yield replace(old, expires_at=until, rotated=True, since=revision)


def key_columns(key: Key) -> dict[str, Any]:
    """What stands in the row of *key*, but for its digest and where the row begins and ends."""
    return {
        "id": key.id,
        "added": key.added,
        "name": key.name,
        "name_key": None if key.rotated else name_key(key.name),
        "rights": ",".join(sorted(key.rights)),
        "tenants": None if key.tenants is None else json.dumps(key.tenants, ensure_ascii=False),
        "expires_at": key.expires_at,
    }
