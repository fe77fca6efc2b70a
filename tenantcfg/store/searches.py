"""
The texts of searches, as SQLAlchemy compiled them from the tables.

As those of `tenantcfg.store.reasons` they stand here so that a service loads no SQLAlchemy to
answer; `tenantcfg.store.statements` is where they come from, and a test holds the two equal.
*after* is the id behind which a page begins, *most* how many rows are wanted, *within* a JSON
array of the tenants that may be found. ``ASKED`` gives the row of one question with its key, as
`tenantcfg.store.questions` says; each ``_TOTAL`` counts what the text before it finds in all.
"""

# ruff: noqa: S608 - all that stands in these texts is our own

from __future__ import annotations

from tenantcfg.store.version import SCHEMA_VERSION

__all__ = [
    "APPS",
    "APPS_TOTAL",
    "ASKED",
    "POSTGRESQL_WITHIN",
    "POSTGRESQL_WITHIN_TOTAL",
    "SQLITE_WITHIN",
    "SQLITE_WITHIN_TOTAL",
    "TENANTS",
    "TENANTS_TOTAL",
]

ASKED = (
    "SELECT head.store_id, head.revision, head.at, tenants.enabled, grants.app,"
    " grants.expires_at, keys.id, keys.name, keys.digest, keys.rights, keys.tenants,"
    " keys.expires_at AS expires_at_1 FROM head"
    " LEFT OUTER JOIN tenants ON tenants.tenant = :tenant AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = tenants.tenant AND grants.action = :action"
    " AND grants.app = :app AND grants.to_revision IS NULL"
    " LEFT OUTER JOIN keys ON keys.id = :key AND keys.to_revision IS NULL"
    " WHERE head.id = 1 AND (EXISTS (SELECT 1 FROM alembic_version"
    f" WHERE alembic_version.version_num = '{SCHEMA_VERSION}'))"
)

_IN_FORCE = (
    "WHERE grants.action = :action AND grants.to_revision IS NULL"
    " AND (grants.expires_at IS NULL OR grants.expires_at > :now)"
)
_OF_TENANT = f"FROM grants {_IN_FORCE} AND grants.tenant = :tenant"
_OF_APP = (
    f"FROM grants JOIN tenants ON tenants.tenant = grants.tenant {_IN_FORCE}"
    " AND grants.app = :app AND tenants.to_revision IS NULL AND tenants.enabled = :enabled"
)
_OF_APP_SQLITE = (
    f"{_OF_APP} AND grants.tenant IN (SELECT anon_1.value FROM json_each(:within) AS anon_1)"
)
_OF_APP_POSTGRESQL = (
    f"{_OF_APP} AND grants.tenant IN"
    " (SELECT json_array_elements_text(:within) AS json_array_elements_text_1)"
)
_BY_APP = "AND grants.app > :after ORDER BY grants.app LIMIT :most"
_BY_TENANT = "AND grants.tenant > :after ORDER BY grants.tenant LIMIT :most"
_HOW_MANY = "SELECT count(*) AS count_1"

APPS = f"SELECT grants.app {_OF_TENANT} {_BY_APP}"
APPS_TOTAL = f"{_HOW_MANY} {_OF_TENANT}"

TENANTS = f"SELECT grants.tenant {_OF_APP} {_BY_TENANT}"
TENANTS_TOTAL = f"{_HOW_MANY} {_OF_APP}"

SQLITE_WITHIN = f"SELECT grants.tenant {_OF_APP_SQLITE} {_BY_TENANT}"
SQLITE_WITHIN_TOTAL = f"{_HOW_MANY} {_OF_APP_SQLITE}"

POSTGRESQL_WITHIN = f"SELECT grants.tenant {_OF_APP_POSTGRESQL} {_BY_TENANT}"
POSTGRESQL_WITHIN_TOTAL = f"{_HOW_MANY} {_OF_APP_POSTGRESQL}"
