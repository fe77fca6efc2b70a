"""
Which version of the schema this program speaks, and whether a store has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantcfg.errors import StoreMissing, StoreNewer, StoreNotOurs, StoreOlder, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.store.address import Address

__all__ = ["SCHEMA_VERSION", "require"]

SCHEMA_VERSION = "0003"
"""The newest migration; a test holds it equal to that of ``migrations/``."""

_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": (
        "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = ANY (current_schemas(false))"
    ),
}
_NO_SCHEMA = "SELECT true WHERE cardinality(current_schemas(false)) = 0"
_VERSION = "SELECT version_num FROM alembic_version"


def require(address: Address, ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    """
    Make sure that the store at *address* is one, and of this program's version.

    Args:
        address: for the message, and to know the database.
        ask: runs a statement and gives all its rows.

    Raises:
        StoreMissing: there is nothing at all, or a store that was never finished.
        StoreNotOurs: something else is there.
        StoreOlder: an earlier release made it.
        StoreNewer: a later release did.
        StoreUnusable: the database user is not let see whether there is one.
    """
    found = {name for (name,) in ask(_TABLES[address.dialect])}
    subject = f"'{address.shown}'"
    if not found and address.dialect == "postgresql" and ask(_NO_SCHEMA):
        raise StoreUnusable(
            "the database user may use no schema", subject=subject, hint="grant one to it"
        )
    if not found:
        raise StoreMissing("there is no store", subject=subject, hint="tenantcfg db upgrade")
    if not {"alembic_version", "head"} <= found:
        raise StoreNotOurs(
            "this is no store of tenantcfg", subject=subject, hint="correct the address"
        )
    versions = [version for (version,) in ask(_VERSION)]
    if versions == [SCHEMA_VERSION]:
        return
    if len(versions) != 1 or not versions[0].isdigit():
        raise StoreNotOurs("the store's version cannot be read", subject=subject)
    if versions[0] > SCHEMA_VERSION:
        raise StoreNewer(
            "the store was written by a later release",
            subject=subject,
            why=f"its version is {versions[0]}, this program's {SCHEMA_VERSION}",
            hint="upgrade tenantcfg",
        )
    raise StoreOlder(
        "the store was written by an earlier release",
        subject=subject,
        why=f"its version is {versions[0]}, this program's {SCHEMA_VERSION}",
        hint="tenantcfg db upgrade",
    )
