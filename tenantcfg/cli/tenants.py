"""
``tenant``: the tenants that the store knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tenantcfg.cli.app import Run, Verbs, known_tenants, say, verb_options
from tenantcfg.cli.asking import as_of_option
from tenantcfg.cli.changing import attributed, confirm, context_of, done
from tenantcfg.cli.exits import Exit
from tenantcfg.cli.output import Records, emit
from tenantcfg.cmdlets import shown_tenant
from tenantcfg.errors import StoreMissing
from tenantcfg.ids import TenantId

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.history import Change
    from tenantcfg.store import Store, Tenant

__all__ = ["tenant"]


@click.group(
    cls=Verbs,
    examples=(
        "tenantcfg tenant add 72f988bf-86f1-41af-91ab-2d7cd011db47 contoso",
        "tenantcfg tenant list",
    ),
)
def tenant() -> None:
    """The tenants that the store knows; a tenant must be known before it is changed."""


@tenant.command(
    "add",
    examples=("tenantcfg tenant add 72f988bf-86f1-41af-91ab-2d7cd011db47 contoso",),
)
@click.argument("tenant_id", metavar="ID")
@click.argument("name", required=False)
@attributed
@verb_options()
@click.pass_obj
def add(
    run: Run,
    tenant_id: str,
    name: str | None,
    reason: str | None,
    on_behalf_of: str | None,
    *,
    what_if: bool,
) -> Exit:
    """Make a tenant known. It has an id and, if you like, a name; the store is made if need be."""
    known = TenantId.parse(tenant_id)
    try:
        store = run.open_store()
    except StoreMissing:
        if what_if:
            print(f"What if: a new store, and in it the tenant {known}.")
            return Exit.DONE
        store = _new_store(run)
    with store:
        by = context_of(run, store).by(on_behalf_of=on_behalf_of, reason=reason)
        change = store.add_tenant(known, name, by=by, what_if=what_if)
        return done(run, store, change, what_if=what_if)


@tenant.command("list", examples=("tenantcfg tenant list -o json",))
@click.option("--as-of", "when", metavar="REV|TIME", help="As it stood then, not now.")
@verb_options()
@click.pass_obj
def list_(run: Run, when: str | None) -> Exit:
    """The tenants, with their names, and whether they are enabled."""
    with run.open_store() as store:
        rows = [_row(one) for one in store.tenants(as_of=as_of_option(when, store))]
        columns = ("tenant", "name", "enabled", "added")
        emit(Records.of(store, "tenants", rows, columns), run.output or "table")
    return Exit.DONE


@tenant.command("rename", examples=("tenantcfg tenant rename contoso fabrikam",))
@click.argument("tenant", metavar="TENANT", shell_complete=known_tenants)
@click.argument("name")
@attributed
@verb_options()
@click.pass_obj
def rename(run: Run, /, name: str, **given: Any) -> Exit:
    """Give a tenant another name; its id stays."""
    return _change(run, given, lambda store, one, **by: store.rename_tenant(one.id, name, **by))


@tenant.command("disable", examples=('tenantcfg tenant disable contoso --reason "incident 4711"',))
@click.argument("tenant", metavar="TENANT", shell_complete=known_tenants)
@attributed
@verb_options()
@click.pass_obj
def disable(run: Run, /, **given: Any) -> Exit:
    """Deny every app in a tenant. The grants stay, for 'tenant enable'."""
    return _change(run, given, lambda store, one, **by: store.disable_tenant(one.id, **by))


@tenant.command("enable", examples=("tenantcfg tenant enable contoso",))
@click.argument("tenant", metavar="TENANT", shell_complete=known_tenants)
@attributed
@verb_options()
@click.pass_obj
def enable(run: Run, /, **given: Any) -> Exit:
    """Let the grants of a disabled tenant count again."""
    return _change(run, given, lambda store, one, **by: store.enable_tenant(one.id, **by))


@tenant.command("remove", examples=("tenantcfg tenant remove contoso --what-if",))
@click.argument("tenant", metavar="TENANT", shell_complete=known_tenants)
@click.option("--yes", is_flag=True, help="Do not ask.")
@attributed
@verb_options()
@click.pass_obj
def remove(run: Run, /, *, yes: bool, **given: Any) -> Exit:
    """Forget a tenant: its grants end, its history stays."""

    def change(store: Store, one: Tenant, **by: Any) -> Change:
        if not given["what_if"]:
            apps = len(store.configuration(one.id).apps)
            lose = "1 app loses" if apps == 1 else f"{apps} apps lose"
            confirm(f"Remove {shown_tenant(one)}? {lose} the right there.", yes=yes)
        return store.remove_tenant(one.id, **by)

    return _change(run, given, change)


def _change(run: Run, given: dict[str, Any], change: Callable[..., Change]) -> Exit:
    with run.open_store() as store:
        found = store.find_tenant(given["tenant"])
        by = context_of(run, store).by(on_behalf_of=given["on_behalf_of"], reason=given["reason"])
        made = change(store, found, by=by, what_if=given["what_if"])
        return done(run, store, made, what_if=given["what_if"])


def _new_store(run: Run) -> Store:
    from tenantcfg.store.admin import create  # noqa: PLC0415

    store = create(run.settings.database_url)
    say(f"made the store {store.url}")
    return store


def _row(one: Tenant) -> dict[str, Any]:
    return {
        "tenant": one.id.value,
        "name": one.name,
        "enabled": one.enabled,
        "added": int(one.added),
    }
