"""
The texts of the check, as SQLAlchemy compiled them from the tables.

They stand here so that a check loads no SQLAlchemy; `tenantcfg.store.statements` is where
they come from, and a test holds the two equal. The parameters of ``SQLITE_ONE`` are tenant,
action, app; of ``SQLITE_MANY`` a JSON array of pairs, and the action. With ``_ASKED`` the id of a
key comes behind them, of ``SQLITE_MANY_ASKED`` as the third of each in the array.

Where the store is of another release they find nothing at all, not even the head. Else each
gives store id, revision and time of the head, whether the tenant is enabled, the app
where it has a grant, and the expiry; those with ``_ASKED`` then id, name, digest, rights, tenants
and expiry of the key; PostgreSQL's also its clock. At least one row, on one snapshot.
"""

# ruff: noqa: S608 - all that stands in these texts is our own

from __future__ import annotations

from tenantcfg.store.version import SCHEMA_VERSION

__all__ = [
    "POSTGRESQL_MANY",
    "POSTGRESQL_MANY_ASKED",
    "POSTGRESQL_ONE",
    "POSTGRESQL_ONE_ASKED",
    "SQLITE_MANY",
    "SQLITE_MANY_ASKED",
    "SQLITE_ONE",
    "SQLITE_ONE_ASKED",
]

_OF_THIS_RELEASE = (
    "(EXISTS (SELECT 1 FROM alembic_version"
    f" WHERE alembic_version.version_num = '{SCHEMA_VERSION}'))"
)

SQLITE_ONE = (
    "SELECT head.store_id, head.revision, head.at,"
    " tenants.enabled, grants.app, grants.expires_at"
    " FROM head"
    " LEFT OUTER JOIN tenants ON tenants.tenant = ? AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = tenants.tenant"
    " AND grants.action = ? AND grants.app = ? AND grants.to_revision IS NULL"
    f" WHERE head.id = 1 AND {_OF_THIS_RELEASE}"
)

SQLITE_MANY = (
    "SELECT head.store_id, head.revision, head.at,"
    " tenants.enabled, grants.app, grants.expires_at"
    " FROM head"
    " LEFT OUTER JOIN json_each(?) AS asked ON 1 = 1"
    " LEFT OUTER JOIN tenants ON tenants.tenant = json_extract(asked.value, '$[0]')"
    " AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = tenants.tenant"
    " AND grants.action = ? AND grants.app = json_extract(asked.value, '$[1]')"
    " AND grants.to_revision IS NULL"
    f" WHERE head.id = 1 AND {_OF_THIS_RELEASE}"
    ' ORDER BY asked."key"'
)

POSTGRESQL_ONE = (
    "SELECT head.store_id, head.revision, head.at,"
    " tenants.enabled, grants.app, grants.expires_at,"
    " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now"
    " FROM head"
    " LEFT OUTER JOIN tenants ON tenants.tenant = %(tenant)s::VARCHAR"
    " AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = tenants.tenant"
    " AND grants.action = %(action)s::VARCHAR AND grants.app = %(app)s::VARCHAR"
    " AND grants.to_revision IS NULL"
    f" WHERE head.id = 1 AND {_OF_THIS_RELEASE}"
)

POSTGRESQL_MANY = (
    "SELECT head.store_id, head.revision, head.at,"
    " tenants.enabled, grants.app, grants.expires_at,"
    " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now"
    " FROM head"
    " LEFT OUTER JOIN unnest(%(tenants)s::TEXT[], %(apps)s::TEXT[])"
    " WITH ORDINALITY AS asked(tenant, app, n) ON true"
    " LEFT OUTER JOIN tenants ON tenants.tenant = asked.tenant"
    " AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = asked.tenant"
    " AND grants.action = %(action)s::VARCHAR AND grants.app = asked.app"
    " AND grants.to_revision IS NULL"
    f" WHERE head.id = 1 AND {_OF_THIS_RELEASE}"
    " ORDER BY asked.n"
)

SQLITE_ONE_ASKED = (
    "SELECT head.store_id, head.revision, head.at,"
    " tenants.enabled, grants.app, grants.expires_at,"
    " keys.id, keys.name, keys.digest, keys.rights, keys.tenants,"
    " keys.expires_at AS expires_at_1"
    " FROM head"
    " LEFT OUTER JOIN tenants ON tenants.tenant = ? AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = tenants.tenant"
    " AND grants.action = ? AND grants.app = ? AND grants.to_revision IS NULL"
    " LEFT OUTER JOIN keys ON keys.id = ? AND keys.to_revision IS NULL"
    f" WHERE head.id = 1 AND {_OF_THIS_RELEASE}"
)

SQLITE_MANY_ASKED = (
    "SELECT head.store_id, head.revision, head.at,"
    " tenants.enabled, grants.app, grants.expires_at,"
    " keys.id, keys.name, keys.digest, keys.rights, keys.tenants,"
    " keys.expires_at AS expires_at_1"
    " FROM head"
    " LEFT OUTER JOIN json_each(?) AS asked ON 1 = 1"
    " LEFT OUTER JOIN tenants ON tenants.tenant = json_extract(asked.value, '$[0]')"
    " AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = tenants.tenant"
    " AND grants.action = ? AND grants.app = json_extract(asked.value, '$[1]')"
    " AND grants.to_revision IS NULL"
    " LEFT OUTER JOIN keys ON keys.id = json_extract(asked.value, '$[2]')"
    " AND keys.to_revision IS NULL"
    f" WHERE head.id = 1 AND {_OF_THIS_RELEASE}"
    ' ORDER BY asked."key"'
)

POSTGRESQL_ONE_ASKED = (
    "SELECT head.store_id, head.revision, head.at,"
    " tenants.enabled, grants.app, grants.expires_at,"
    " keys.id, keys.name, keys.digest, keys.rights, keys.tenants,"
    " keys.expires_at AS expires_at_1,"
    " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now"
    " FROM head"
    " LEFT OUTER JOIN tenants ON tenants.tenant = %(tenant)s::VARCHAR"
    " AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = tenants.tenant"
    " AND grants.action = %(action)s::VARCHAR AND grants.app = %(app)s::VARCHAR"
    " AND grants.to_revision IS NULL"
    " LEFT OUTER JOIN keys ON keys.id = %(key)s::VARCHAR AND keys.to_revision IS NULL"
    f" WHERE head.id = 1 AND {_OF_THIS_RELEASE}"
)

POSTGRESQL_MANY_ASKED = (
    "SELECT head.store_id, head.revision, head.at,"
    " tenants.enabled, grants.app, grants.expires_at,"
    " keys.id, keys.name, keys.digest, keys.rights, keys.tenants,"
    " keys.expires_at AS expires_at_1,"
    " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now"
    " FROM head"
    " LEFT OUTER JOIN unnest(%(tenants)s::TEXT[], %(apps)s::TEXT[], %(keys)s::TEXT[])"
    " WITH ORDINALITY AS asked(tenant, app, key, n) ON true"
    " LEFT OUTER JOIN tenants ON tenants.tenant = asked.tenant"
    " AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = asked.tenant"
    " AND grants.action = %(action)s::VARCHAR AND grants.app = asked.app"
    " AND grants.to_revision IS NULL"
    " LEFT OUTER JOIN keys ON keys.id = asked.key AND keys.to_revision IS NULL"
    f" WHERE head.id = 1 AND {_OF_THIS_RELEASE}"
    " ORDER BY asked.n"
)
