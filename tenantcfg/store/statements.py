"""
The statements of the check, as SQLAlchemy has them.

`tenantcfg.store.questions` holds the texts that come out, so that no check loads SQLAlchemy
to compile the same texts anew (it costs ten times the check's own start); a test holds the
two equal. Run as a program, this module prints them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, Text, and_, bindparam, func, select, text, true
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from tenantcfg.store.schema import grants, head, of_this_release, tenants

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Dialect, FromClause, Select

__all__ = ["compiled"]

_NOW = text("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now")


def compiled() -> dict[str, str]:
    """The text of each statement, by its name in `tenantcfg.store.questions`."""
    psycopg: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    return {
        "SQLITE_ONE": _text(_one(), sqlite.dialect()),
        "SQLITE_MANY": _text(_many_from_json(), sqlite.dialect()),
        "POSTGRESQL_ONE": _text(_one().add_columns(_NOW), psycopg),
        "POSTGRESQL_MANY": _text(_many_from_arrays().add_columns(_NOW), psycopg),
    }


def _text(statement: Select[Any], dialect: Dialect) -> str:
    return " ".join(str(statement.compile(dialect=dialect)).split())


def _one() -> Select[Any]:
    return _facts(head, bindparam("tenant", type_=String), bindparam("app", type_=String))


def _many_from_json() -> Select[Any]:
    asked = func.json_each(bindparam("asked")).table_valued("key", "value", name="asked")
    pair = asked.c.value
    tenant = func.json_extract(pair, text("'$[0]'"))
    app = func.json_extract(pair, text("'$[1]'"))
    return _facts(head.outerjoin(asked, true()), tenant, app).order_by(asked.c.key)


def _many_from_arrays() -> Select[Any]:
    arrays = [bindparam(name, type_=ARRAY(Text)) for name in ("tenants", "apps")]
    asked = (
        func.unnest(*arrays)
        .table_valued("tenant", "app", with_ordinality="n")
        .render_derived(name="asked")
    )
    facts = _facts(
        head.outerjoin(asked, true()),
        asked.c.tenant,
        asked.c.app,
        # Not the tenant found, though it is the same: PostgreSQL looks a row up by all of its
        # key only where all of it comes from one place, and read through the tenant's list.
        owner=asked.c.tenant,
    )
    return facts.order_by(asked.c.n)


def _facts(
    asked: FromClause,
    tenant: ColumnElement[Any],
    app: ColumnElement[Any],
    owner: ColumnElement[Any] = tenants.c.tenant,
) -> Select[Any]:
    """Everything a decision needs, on one snapshot; a row even where nothing is granted."""
    known = and_(tenants.c.tenant == tenant, tenants.c.to_revision.is_(None))
    granted = and_(
        grants.c.tenant == owner,
        grants.c.action == bindparam("action"),
        grants.c.app == app,
        grants.c.to_revision.is_(None),
    )
    columns = (
        head.c.store_id,
        head.c.revision,
        head.c.at,
        tenants.c.enabled,
        grants.c.app,
        grants.c.expires_at,
    )
    return (
        select(*columns)
        .select_from(asked.outerjoin(tenants, known).outerjoin(grants, granted))
        .where(head.c.id == text("1"), of_this_release)
    )


if __name__ == "__main__":
    for name, statement in compiled().items():
        sys.stdout.write(f"{name}\n{statement}\n\n")
