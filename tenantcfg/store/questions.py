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

_FACTS = (
    "SELECT head.store_id, head.revision, head.at, tenants.enabled, grants.app, grants.expires_at"
)
_KEY = (
    ", keys.id, keys.name, keys.digest, keys.rights, keys.tenants, keys.expires_at AS expires_at_1"
)
_CLOCK = ", (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now"
_OF_THIS_RELEASE = (
    " WHERE head.id = 1 AND (EXISTS (SELECT 1 FROM alembic_version"
    f" WHERE alembic_version.version_num = '{SCHEMA_VERSION}'))"
)

# Where one question finds its tenant and its grant, and where each of many does.
_SQLITE_GRANT = (
    " FROM head"
    " LEFT OUTER JOIN tenants ON tenants.tenant = ? AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = tenants.tenant"
    " AND grants.action = ? AND grants.app = ? AND grants.to_revision IS NULL"
)
_SQLITE_GRANTS = (
    " FROM head"
    " LEFT OUTER JOIN json_each(?) AS asked ON 1 = 1"
    " LEFT OUTER JOIN tenants ON tenants.tenant = json_extract(asked.value, '$[0]')"
    " AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = tenants.tenant"
    " AND grants.action = ? AND grants.app = json_extract(asked.value, '$[1]')"
    " AND grants.to_revision IS NULL"
)
_SQLITE_IN_ORDER = ' ORDER BY asked."key"'
_POSTGRESQL_GRANT = (
    " FROM head"
    " LEFT OUTER JOIN tenants ON tenants.tenant = %(tenant)s::VARCHAR"
    " AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = tenants.tenant"
    " AND grants.action = %(action)s::VARCHAR AND grants.app = %(app)s::VARCHAR"
    " AND grants.to_revision IS NULL"
)
_POSTGRESQL_ASKED = " FROM head LEFT OUTER JOIN unnest(%(tenants)s::TEXT[], %(apps)s::TEXT[]"
_POSTGRESQL_GRANTS = (
    " LEFT OUTER JOIN tenants ON tenants.tenant = asked.tenant"
    " AND tenants.to_revision IS NULL"
    " LEFT OUTER JOIN grants ON grants.tenant = asked.tenant"
    " AND grants.action = %(action)s::VARCHAR AND grants.app = asked.app"
    " AND grants.to_revision IS NULL"
)
_POSTGRESQL_IN_ORDER = " ORDER BY asked.n"

SQLITE_ONE = f"{_FACTS}{_SQLITE_GRANT}{_OF_THIS_RELEASE}"

SQLITE_ONE_ASKED = (
    f"{_FACTS}{_KEY}{_SQLITE_GRANT}"
    " LEFT OUTER JOIN keys ON keys.id = ? AND keys.to_revision IS NULL"
    f"{_OF_THIS_RELEASE}"
)

SQLITE_MANY = f"{_FACTS}{_SQLITE_GRANTS}{_OF_THIS_RELEASE}{_SQLITE_IN_ORDER}"

SQLITE_MANY_ASKED = (
    f"{_FACTS}{_KEY}{_SQLITE_GRANTS}"
    " LEFT OUTER JOIN keys ON keys.id = json_extract(asked.value, '$[2]')"
    " AND keys.to_revision IS NULL"
    f"{_OF_THIS_RELEASE}{_SQLITE_IN_ORDER}"
)

POSTGRESQL_ONE = f"{_FACTS}{_CLOCK}{_POSTGRESQL_GRANT}{_OF_THIS_RELEASE}"

POSTGRESQL_ONE_ASKED = (
    f"{_FACTS}{_KEY}{_CLOCK}{_POSTGRESQL_GRANT}"
    " LEFT OUTER JOIN keys ON keys.id = %(key)s::VARCHAR AND keys.to_revision IS NULL"
    f"{_OF_THIS_RELEASE}"
)

POSTGRESQL_MANY = (
    f"{_FACTS}{_CLOCK}{_POSTGRESQL_ASKED})"
    " WITH ORDINALITY AS asked(tenant, app, n) ON true"
    f"{_POSTGRESQL_GRANTS}{_OF_THIS_RELEASE}{_POSTGRESQL_IN_ORDER}"
)

POSTGRESQL_MANY_ASKED = (
    f"{_FACTS}{_KEY}{_CLOCK}{_POSTGRESQL_ASKED}, %(keys)s::TEXT[])"
    " WITH ORDINALITY AS asked(tenant, app, key, n) ON true"
    f"{_POSTGRESQL_GRANTS}"
    " LEFT OUTER JOIN keys ON keys.id = asked.key AND keys.to_revision IS NULL"
    f"{_OF_THIS_RELEASE}{_POSTGRESQL_IN_ORDER}"
)
