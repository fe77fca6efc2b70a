"""
``check`` and ``who``: may an app act, which apps may act here, where may this app act.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from tenantcfg import instants
from tenantcfg.cli.app import Run, Verb, known_apps, say, verb_options
from tenantcfg.cli.exits import Exit
from tenantcfg.cli.output import Records, emit, printable
from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.decision import Deny
from tenantcfg.errors import InvalidInput, Reason, TenantcfgError, UnknownTenant
from tenantcfg.ids import AppId, TenantId, is_guid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tenantcfg.configuration import Grant
    from tenantcfg.ids import Revision
    from tenantcfg.store import Explanation, Store, Tenant

__all__ = ["as_of_option", "check", "explained_row", "told", "who"]


@click.command(
    cls=Verb,
    examples=(
        "tenantcfg check --tenant contoso --app 5817674c-81d9-4adb-bfb2-8f6a442e4622",
        "tenantcfg check --tenant contoso --app 5817674c-81d9-4adb-bfb2-8f6a442e4622 --explain",
        "tenantcfg check --tenant contoso --app app_id --as-of 2026-11-24T09:00:00Z",
    ),
)
@click.option(
    "--app",
    shell_complete=known_apps,
    required=True,
    metavar="APP",
    help="The application id, exactly.",
)
@click.option("--explain", is_flag=True, help="Say which fact decided, and who gave it.")
@click.option("--as-of", "when", metavar="REV|TIME", help="As it stood then, not now.")
@click.option("--at-least", metavar="REV", help="Refuse to answer from an older store.")
@verb_options(tenant=True)
@click.pass_obj
def check(run: Run, app: str, when: str | None, at_least: str | None, *, explain: bool) -> Exit:
    """May this app remove participants in this tenant? allowed (exit 0) or denied (exit 3)."""
    with run.open_store() as store:
        then = as_of_option(when, store)
        tenant = _tenant(run, store, then)
        if when is None and not explain and run.output is None:
            return _plain(store, tenant, app, _least(at_least))
        if at_least is not None:
            store.check(tenant=tenant, app=app, at_least=_least(at_least))
        explanation = store.explain(tenant=tenant, app=app, as_of=then)
        _print(run, store, explanation, now=when is None, whole=explain)
        return Exit.DENIED if isinstance(explanation.decision, Deny) else Exit.DONE


@click.command(
    cls=Verb,
    examples=(
        "tenantcfg who --tenant contoso",
        "tenantcfg who --app 5817674c-81d9-4adb-bfb2-8f6a442e4622 -o json",
    ),
)
@click.option(
    "--app", shell_complete=known_apps, metavar="APP", help="In which tenants may this app act?"
)
@click.option("--as-of", "when", metavar="REV|TIME", help="As it stood then, not now.")
@verb_options(tenant=True)
@click.pass_obj
def who(run: Run, app: str | None, when: str | None) -> Exit:
    """Which apps may act in a tenant (--tenant), or in which tenants an app may (--app)."""
    with run.open_store() as store:
        if app is None:
            rows = _apps_of(store, run, as_of_option(when, store))
        elif run.tenant is not None:
            raise InvalidInput("--tenant and --app are both given", hint="use tenantcfg check")
        else:
            rows = _tenants_of(store, AppId.exact(app), as_of_option(when, store))
        columns = ("tenant", "tenant_name", "app", "granted", "expires_at")
        emit(Records.of(store, "grants", rows, columns), run.output or "table")
    return Exit.DONE


def _plain(store: Store, tenant: str, app: str, at_least: int) -> Exit:
    """The way of scripts: one statement, one word."""
    decision = store.check(tenant=tenant, app=app, at_least=at_least)
    if decision:
        print("allowed")
        return Exit.DONE
    print("denied")
    try:
        lines = list(told(store.explain(tenant=tenant, app=app), now=True))
    except TenantcfgError as why:
        # The answer stands, and whoever asked has it already.
        lines = [f"why cannot be told: {why}"]
    for line in lines:
        say(line)
    return Exit.DENIED


def _tenant(run: Run, store: Store, then: Revision | datetime | None) -> str:
    """The id that is asked about; what names no tenant is asked as it stands, and denied."""
    if run.settings.tenant is None:
        from tenantcfg.cli.changing import context_of  # noqa: PLC0415

        return context_of(run, store).tenant().id.value
    named = run.settings.tenant
    if is_guid(named):
        return TenantId.exact(named).value
    try:
        return store.find_tenant(named).id.value
    except UnknownTenant as why:
        if then is not None:
            with suppress(UnknownTenant):
                return store.find_tenant(named, as_of=then).id.value
        say(str(why))
        return named


def _least(given: str | None) -> int:
    from tenantcfg.ids import Revision  # noqa: PLC0415

    return Revision.parse(given) if given is not None else 0


def as_of_option(given: str | None, store: Store) -> Revision | datetime | None:
    """What ``--as-of`` names: a revision, an instant, or None: now."""
    if given is None:
        return None
    from tenantcfg.cmdlets import as_of  # noqa: PLC0415

    return as_of(given, store)


def _print(run: Run, store: Store, explanation: Explanation, *, now: bool, whole: bool) -> None:
    row = explained_row(explanation, now=now)
    if run.output is not None:
        emit(Records.of(store, "check", [row], tuple(row), single=True), run.output)
        return
    print(row["decision"])
    for line in told(explanation, now=now):
        if whole:
            print("\n".join(map(printable, line.split("\n"))))
        else:
            say(line)


def explained_row(explanation: Explanation, *, now: bool) -> dict[str, Any]:
    """What *explanation* says, as data; of *now*, with the line that would change it."""
    decision, grant, change = explanation.decision, explanation.grant, explanation.change
    return {
        "decision": "allowed" if decision else "denied",
        "reason": decision.reason.value if isinstance(decision, Deny) else None,
        "tenant": explanation.tenant_id,
        "tenant_name": explanation.tenant.name if explanation.tenant else None,
        "app": explanation.app_id,
        "action": REMOVE_PARTICIPANT,
        "revision": int(decision.revision or 0),
        "expires_at": _ends(grant),
        "decided_by": change.to_json() if change else None,
        "near_misses": list(explanation.near_misses),
        "line": _line(explanation) if now else None,
    }


def _why(explanation: Explanation) -> str:
    name = explanation.tenant.name if explanation.tenant else None
    where = f"tenant {name or explanation.tenant_id}"
    decision = explanation.decision
    if not isinstance(decision, Deny):
        ends = _ends(explanation.grant)
        return f"granted in {where}{f', until {ends}' if ends else ''}{_giver(explanation)}"
    match decision.reason:
        case Reason.TENANT_DISABLED:
            return f"tenant_disabled: {where} is disabled{_giver(explanation)}"
        case Reason.GRANT_NOT_IN_FORCE:
            return f"grant_not_in_force: the grant ended {_ends(explanation.grant)}"
        case Reason.NOT_GRANTED if explanation.tenant is None:
            return f"not_granted: no tenant is known as {explanation.tenant_id}"
        case Reason.NOT_GRANTED:
            return f"not_granted: the app has no grant in {where}{_giver(explanation)}"
        case reason:
            return reason.value


def _giver(explanation: Explanation) -> str:
    change = explanation.change
    if change is None:
        return ""
    by = change.by
    what = "given" if explanation.decision else "last changed"
    lines = [
        f"\n{what} in revision {change.revision}, {instants.text(change.at)}, by {by.actor.name}"
    ]
    lines += [f", {where} {name}" for where, name in by.actor.claimed]
    if by.on_behalf_of:
        lines.append(f", on behalf of {by.on_behalf_of}")
    if by.reason:
        lines.append(f"\nreason: {by.reason}")
    return "".join(lines)


def told(explanation: Explanation, *, now: bool) -> Iterator[str]:
    """What *explanation* says, in lines; of *now*, with the one that would change it."""
    yield _why(explanation)
    yield from explanation.near_misses
    line = _line(explanation)
    # What would change today's decision says nothing about a past one.
    if now and line:
        yield f"{'to revoke' if explanation.decision else 'to allow'}: {line}"


def _line(explanation: Explanation) -> str | None:
    """The line that would change the decision; None where it could not be pasted."""
    decision, tenant = explanation.decision, explanation.tenant
    try:
        app, tenant_id = AppId.exact(explanation.app_id), TenantId.exact(explanation.tenant_id)
    except InvalidInput:
        return None
    if not (app.pastable and tenant_id.pastable):
        return None
    if tenant is None:
        # A name that is not known is more likely a slip than a tenant's id.
        return f"tenantcfg tenant add {tenant_id} NAME" if tenant_id.is_guid else None
    named = tenant.name if tenant.name and AppId.exact(tenant.name).pastable else tenant_id
    if isinstance(decision, Deny) and decision.reason is Reason.TENANT_DISABLED:
        return f"tenantcfg tenant enable {named}"
    key = "Remove" if decision else "Add"
    return (
        f"tenantcfg Set-CsApplicationMeetingConfiguration -Tenant {named} "
        f"-AllowRemoveParticipantAppIds '@{{{key}=\"{app}\"}}'"
    )


def _ends(grant: Grant | None) -> str | None:
    return instants.text(grant.expires_at) if grant and grant.expires_at is not None else None


def _apps_of(store: Store, run: Run, when: Revision | datetime | None) -> list[dict[str, Any]]:
    from tenantcfg.cli.changing import context_of  # noqa: PLC0415

    tenant = context_of(run, store).tenant(run.tenant, as_of=when)
    grants = store.configuration(tenant.id, as_of=when).grants
    if not store.find_tenant(tenant.id.value, as_of=when).enabled:
        say(f"tenant {tenant.name or tenant.id} is disabled: no app may act there")
        return []
    return [_grant_row(tenant, grant) for grant in grants]


def _tenants_of(store: Store, app: AppId, when: Revision | datetime | None) -> list[dict[str, Any]]:
    return [_grant_row(tenant, grant) for tenant, grant in store.grants_of(app, as_of=when)]


def _grant_row(tenant: Tenant, grant: Grant) -> dict[str, Any]:
    return {
        "tenant": tenant.id.value,
        "tenant_name": tenant.name,
        "app": grant.app.value,
        "granted": int(grant.granted),
        "expires_at": _ends(grant),
    }
