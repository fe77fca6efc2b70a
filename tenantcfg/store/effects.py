"""
What a change comes to in the rows of tenants and grants, out of the change alone.

The grants follow from its outcomes, whatever its verb: ``added`` opens a row (and closes
the one that had run out), ``changed`` closes a row and opens one that keeps its giver and
place, ``removed`` closes one. The tenant's row follows from the verb, and of an undo from
``effect`` in its details:

- ``tenant.add``: a row is opened, with ``name``; ``enabled`` is false where an undo brings
  back a tenant that was disabled when it was removed;
- ``tenant.rename``, ``tenant.enable``, ``tenant.disable``: the row is closed, and one is
  opened that differs in that; ``name`` is the name afterwards, ``was`` the one before;
- ``tenant.remove``: the row is closed; the outcomes name every open grant.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from tenantcfg.history import Verb
from tenantcfg.store.views import Tenant

if TYPE_CHECKING:
    from tenantcfg.history import Change
    from tenantcfg.ids import Revision

__all__ = ["effect", "name_key", "tenant_after"]


def effect(change: Change) -> Verb:
    """What kind of change it was in the end: of an undo, what it came to."""
    operation = change.operation
    return Verb(operation.details["effect"]) if operation.verb is Verb.UNDO else operation.verb


def tenant_after(change: Change, before: Tenant | None, revision: Revision) -> Tenant | None:
    """The tenant after *change*, stored as *revision*; None: it is not known any more."""
    verb, details = effect(change), change.operation.details
    if verb is Verb.TENANT_ADD:
        return Tenant(
            change.tenant, details["name"], details.get("enabled", True), revision, revision
        )
    if before is None or verb is Verb.TENANT_REMOVE:
        return None
    if verb is Verb.SET:
        return before
    name = details["name"] if verb is Verb.TENANT_RENAME else before.name
    enabled = before.enabled if verb is Verb.TENANT_RENAME else verb is Verb.TENANT_ENABLE
    return Tenant(before.id, name, enabled, revision, before.added)


def name_key(name: str) -> str:
    """*name* as names are compared: without regard to case, or to how accents are written."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
