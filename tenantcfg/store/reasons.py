"""
The texts that an explanation asks with, as SQLAlchemy compiled them from the tables.

As those of the check (`tenantcfg.store.questions`) they stand here so that a denied check is told
its reason without SQLAlchemy; `tenantcfg.store.statements` is where they come from, and a test
holds the two equal. They are the same for both databases. Parameters are named, as ``:tenant``:
*revision* is that of the state which is asked about, *most* how many rows are wanted.
"""

# ruff: noqa: S608 - all that stands in these texts is our own

from __future__ import annotations

from tenantcfg.store.version import SCHEMA_VERSION

__all__ = [
    "CHANGE",
    "DISABLED",
    "ELSEWHERE",
    "GRANT",
    "GRANTS",
    "GRANT_ENDED",
    "HEAD",
    "NAMED_AS_APP",
    "NEWEST",
    "TENANT",
    "TENANT_ENDED",
    "TIME",
]

HEAD = (
    "SELECT head.revision, head.at FROM head WHERE head.id = 1 AND (EXISTS (SELECT 1 FROM"
    f" alembic_version WHERE alembic_version.version_num = '{SCHEMA_VERSION}'))"
)

TIME = "SELECT changes.at FROM changes WHERE changes.revision = :revision"

NEWEST = (
    "SELECT changes.revision FROM changes WHERE changes.at <= :at ORDER BY changes.at DESC,"
    " changes.revision DESC LIMIT 1"
)

CHANGE = "SELECT changes.content, changes.hash FROM changes WHERE changes.revision = :revision"

TENANT = (
    "SELECT tenants.tenant, tenants.name, tenants.enabled, tenants.from_revision,"
    " tenants.added FROM tenants WHERE tenants.tenant = :tenant AND tenants.from_revision <="
    " :revision AND (tenants.to_revision IS NULL OR tenants.to_revision > :revision)"
)

GRANTS = (
    "SELECT grants.app, grants.granted, grants.from_revision, grants.position,"
    " grants.expires_at FROM grants WHERE grants.tenant = :tenant AND grants.action = :action"
    " AND grants.from_revision <= :revision AND (grants.to_revision IS NULL OR"
    " grants.to_revision > :revision) ORDER BY grants.granted, grants.position"
)

GRANT = (
    "SELECT grants.app, grants.granted, grants.from_revision, grants.position,"
    " grants.expires_at FROM grants WHERE grants.tenant = :tenant AND grants.action = :action"
    " AND grants.from_revision <= :revision AND (grants.to_revision IS NULL OR"
    " grants.to_revision > :revision) AND grants.app = :app"
)

DISABLED = (
    "SELECT max(tenants.to_revision) AS max_1 FROM tenants WHERE tenants.tenant = :tenant AND"
    " tenants.enabled AND tenants.from_revision >= :added AND tenants.to_revision <= :revision"
)

TENANT_ENDED = (
    "SELECT max(tenants.to_revision) AS max_1 FROM tenants WHERE tenants.to_revision <="
    " :revision AND tenants.tenant = :tenant"
)

GRANT_ENDED = (
    "SELECT max(grants.to_revision) AS max_1 FROM grants WHERE grants.to_revision <="
    " :revision AND grants.tenant = :tenant AND grants.action = :action AND grants.app = :app"
)

NAMED_AS_APP = (
    "SELECT grants.tenant FROM grants WHERE grants.app = :app AND grants.to_revision IS NULL"
    " LIMIT 1"
)

ELSEWHERE = (
    "SELECT grants.tenant, tenants.name FROM grants JOIN tenants ON tenants.tenant ="
    " grants.tenant WHERE grants.app = :app AND grants.action = :action AND grants.tenant !="
    " :tenant AND grants.to_revision IS NULL AND tenants.to_revision IS NULL AND"
    " (grants.expires_at IS NULL OR grants.expires_at > :now) ORDER BY grants.tenant LIMIT"
    " :most"
)
