"""
The statements of the check, of why it is denied, and of searches, as SQLAlchemy has them.

`tenantcfg.store.questions`, `tenantcfg.store.reasons` and `tenantcfg.store.searches` hold the
texts that come out, so that none loads SQLAlchemy to compile the same texts anew (it costs ten
times the check's own start); a test holds them equal. Run as a program, this module prints them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    String,
    Text,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine.default import DefaultDialect

from tenantcfg.store.schema import changes, grants, head, keys, of_this_release, tenants
from tenantcfg.store.typed import ChangeRow, GrantRow, KeyRow, TenantRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Dialect, FromClause, Select, Table

__all__ = ["compiled", "reasons", "searches"]

# As both databases take it, once the parameters are written as each driver wants them.
_NAMED = DefaultDialect(paramstyle="named")
_NOW = text("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now")


def compiled() -> dict[str, str]:
    """The text of each statement, by its name in `tenantcfg.store.questions`."""
    psycopg: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    return {
        "SQLITE_ONE": _text(_one(), sqlite.dialect()),
        "SQLITE_MANY": _text(_many_from_json(), sqlite.dialect()),
        "SQLITE_ONE_ASKED": _text(_one(asked=True), sqlite.dialect()),
        "SQLITE_MANY_ASKED": _text(_many_from_json(asked=True), sqlite.dialect()),
        "POSTGRESQL_ONE": _text(_one().add_columns(_NOW), psycopg),
        "POSTGRESQL_MANY": _text(_many_from_arrays().add_columns(_NOW), psycopg),
        "POSTGRESQL_ONE_ASKED": _text(_one(asked=True).add_columns(_NOW), psycopg),
        "POSTGRESQL_MANY_ASKED": _text(_many_from_arrays(asked=True).add_columns(_NOW), psycopg),
    }


def reasons() -> dict[str, str]:
    """The text of each statement, by its name in `tenantcfg.store.reasons`."""
    return {name: _text(statement, _NAMED) for name, statement in _reasons().items()}


def searches() -> dict[str, str]:
    """The text of each statement, by its name in `tenantcfg.store.searches`."""
    found = {name: _text(statement, _NAMED) for name, statement in _searches().items()}
    return {"ASKED": _text(_one(asked=True), _NAMED), **found}


def _text(statement: Select[Any], dialect: Dialect) -> str:
    return " ".join(str(statement.compile(dialect=dialect)).split())


def _one(*, asked: bool = False) -> Select[Any]:
    tenant, app, key = (bindparam(name, type_=String) for name in ("tenant", "app", "key"))
    return _facts(head, tenant, app, key=key if asked else None)


def _many_from_json(*, asked: bool = False) -> Select[Any]:
    many = func.json_each(bindparam("asked")).table_valued("key", "value", name="asked")
    tenant, app, key = (
        func.json_extract(many.c.value, text(f"'$[{place}]'")) for place in range(3)
    )
    facts = _facts(head.outerjoin(many, true()), tenant, app, key=key if asked else None)
    return facts.order_by(many.c.key)


def _many_from_arrays(*, asked: bool = False) -> Select[Any]:
    names = ("tenant", "app", "key") if asked else ("tenant", "app")
    arrays = [bindparam(f"{name}s", type_=ARRAY(Text)) for name in names]
    many = (
        func.unnest(*arrays).table_valued(*names, with_ordinality="n").render_derived(name="asked")
    )
    facts = _facts(
        head.outerjoin(many, true()),
        many.c.tenant,
        many.c.app,
        # Not the tenant found, though it is the same: PostgreSQL looks a row up by all of its
        # key only where all of it comes from one place, and read through the tenant's list.
        owner=many.c.tenant,
        key=many.c.key if asked else None,
    )
    return facts.order_by(many.c.n)


def _facts(
    asked: FromClause,
    tenant: ColumnElement[Any],
    app: ColumnElement[Any],
    owner: ColumnElement[Any] = tenants.c.tenant,
    key: ColumnElement[Any] | None = None,
) -> Select[Any]:
    """
    Everything a decision needs, on one snapshot; a row even where nothing is granted.

    With *key* the key of this id as well, where there is one.
    """
    known = and_(tenants.c.tenant == tenant, tenants.c.to_revision.is_(None))
    granted = and_(
        grants.c.tenant == owner,
        grants.c.action == bindparam("action"),
        grants.c.app == app,
        grants.c.to_revision.is_(None),
    )
    columns: tuple[ColumnElement[Any], ...] = (
        head.c.store_id,
        head.c.revision,
        head.c.at,
        tenants.c.enabled,
        grants.c.app,
        grants.c.expires_at,
    )
    found = asked.outerjoin(tenants, known).outerjoin(grants, granted)
    if key is not None:
        found = found.outerjoin(keys, and_(keys.c.id == key, keys.c.to_revision.is_(None)))
        columns += _columns_of(keys, KeyRow)
    return select(*columns).select_from(found).where(head.c.id == text("1"), of_this_release)


def _reasons() -> dict[str, Select[Any]]:
    tenant, app, action, revision = _named("tenant", "app", "action", "revision")
    at_revision = changes.c.revision == revision
    of_tenant = tenants.c.tenant == tenant
    of_list = and_(grants.c.tenant == tenant, grants.c.action == action)
    newest = select(changes.c.revision).where(changes.c.at <= bindparam("at"))
    listed = _columns(grants, GrantRow).where(of_list, _standing(grants))
    disabled = select(func.max(tenants.c.to_revision)).where(
        of_tenant,
        # As it lies in either database, where SQLAlchemy would compare it with a number.
        literal_column("tenants.enabled"),
        tenants.c.from_revision >= bindparam("added"),
        tenants.c.to_revision <= revision,
    )
    return {
        "HEAD": select(head.c.revision, head.c.at).where(head.c.id == text("1"), of_this_release),
        "TIME": select(changes.c.at).where(at_revision),
        "NEWEST": newest.order_by(changes.c.at.desc(), changes.c.revision.desc()).limit(
            literal_column("1")
        ),
        "CHANGE": _columns(changes, ChangeRow).where(at_revision),
        "TENANT": _columns(tenants, TenantRow).where(of_tenant, _standing(tenants)),
        "GRANTS": listed.order_by(grants.c.granted, grants.c.position),
        "GRANT": listed.where(grants.c.app == app),
        "DISABLED": disabled,
        "TENANT_ENDED": _ended(tenants).where(of_tenant),
        "GRANT_ENDED": _ended(grants).where(of_list, grants.c.app == app),
        "NAMED_AS_APP": select(grants.c.tenant)
        .where(grants.c.app == app, grants.c.to_revision.is_(None))
        .limit(literal_column("1")),
        "ELSEWHERE": _elsewhere(),
    }


def _named(*parameters: str) -> Iterator[ColumnElement[Any]]:
    return (bindparam(name) for name in parameters)


def _columns(table: Table, row: type[ChangeRow | GrantRow | TenantRow]) -> Select[Any]:
    return select(*_columns_of(table, row))


def _columns_of(
    table: Table, row: type[ChangeRow | GrantRow | KeyRow | TenantRow]
) -> tuple[ColumnElement[Any], ...]:
    return tuple(table.c[name] for name in row._fields)


def _standing(table: Table) -> ColumnElement[bool]:
    ended = table.c.to_revision
    (revision,) = _named("revision")
    return and_(table.c.from_revision <= revision, or_(ended.is_(None), ended > revision))


def _ended(table: Table) -> Select[Any]:
    ended = table.c.to_revision
    return select(func.max(ended)).where(ended <= bindparam("revision"))


def _elsewhere() -> Select[Any]:
    ends = grants.c.expires_at
    return (
        select(grants.c.tenant, tenants.c.name)
        .join(tenants, tenants.c.tenant == grants.c.tenant)
        .where(grants.c.app == bindparam("app"), grants.c.action == bindparam("action"))
        .where(grants.c.tenant != bindparam("tenant"))
        .where(grants.c.to_revision.is_(None), tenants.c.to_revision.is_(None))
        .where(or_(ends.is_(None), ends > bindparam("now")))
        .order_by(grants.c.tenant)
        .limit(bindparam("most"))
    )


def _searches() -> dict[str, Select[Any]]:
    apps = _in_force(grants).where(grants.c.tenant == bindparam("tenant"))
    of_app = _in_force(grants.join(tenants, tenants.c.tenant == grants.c.tenant)).where(
        grants.c.app == bindparam("app"),
        tenants.c.to_revision.is_(None),
        # Compared as it lies: on SQLite a one, and nothing else that somebody wrote there.
        literal_column("tenants.enabled") == bindparam("enabled"),
    )
    given: ColumnElement[Any] = bindparam("within")
    sqlite_ids = select(func.json_each(given).table_valued("value").c.value)
    postgresql_ids = select(func.json_array_elements_text(given))
    return {
        **_paged("APPS", apps, grants.c.app),
        **_paged("TENANTS", of_app, grants.c.tenant),
        **_paged("SQLITE_WITHIN", of_app.where(grants.c.tenant.in_(sqlite_ids)), grants.c.tenant),
        **_paged(
            "POSTGRESQL_WITHIN",
            of_app.where(grants.c.tenant.in_(postgresql_ids)),
            grants.c.tenant,
        ),
    }


def _in_force(found: FromClause) -> Select[Any]:
    """The grants that are in force, with no columns yet."""
    ends = grants.c.expires_at
    return (
        select()
        .select_from(found)
        .where(grants.c.action == bindparam("action"), grants.c.to_revision.is_(None))
        .where(or_(ends.is_(None), ends > bindparam("now")))
    )


def _paged(name: str, found: Select[Any], of: ColumnElement[Any]) -> dict[str, Select[Any]]:
    """What finds a page of *of* in its order, and what counts them all."""
    page = found.add_columns(of).where(of > bindparam("after")).order_by(of)
    return {
        name: page.limit(bindparam("most")),
        f"{name}_TOTAL": found.add_columns(func.count()),
    }


if __name__ == "__main__":
    for name, statement in (compiled() | reasons() | searches()).items():
        sys.stdout.write(f"{name}\n{statement}\n\n")
