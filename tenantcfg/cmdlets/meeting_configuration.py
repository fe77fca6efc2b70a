"""
``Set-`` and ``Get-CsApplicationMeetingConfiguration``.

The parameters of the real module (cmdlets C1, C2) with ours behind them, and the one call of
the store that each cmdlet is.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenantcfg import instants
from tenantcfg.cmdlets.lists import LIST_PARAMETER, combined, modifier
from tenantcfg.cmdlets.objects import ConfigurationObject
from tenantcfg.cmdlets.report import difference
from tenantcfg.configuration import ListModifier, Result
from tenantcfg.errors import Conflict, InvalidInput
from tenantcfg.ids import Revision
from tenantcfg.powershell import Kind, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tenantcfg.cmdlets.context import Context
    from tenantcfg.history import Change
    from tenantcfg.ids import AppId, TenantId
    from tenantcfg.instants import Expiry, Instant
    from tenantcfg.powershell import Invocation
    from tenantcfg.store import Store, Tenant

__all__ = [
    "GET_PARAMETERS",
    "SET_PARAMETERS",
    "as_of",
    "get",
    "judge_get",
    "judge_set",
    "revision_in",
    "set_",
]

SET_PARAMETERS = (
    Parameter(LIST_PARAMETER, Kind.LIST_MODIFIER),
    Parameter("Force", Kind.SWITCH),
    Parameter("Identity", Kind.STRING, sets=("Identity",), position=1),
    Parameter("Instance", Kind.OBJECT, sets=("Instance",), by_value=True),
    Parameter("Tenant", Kind.STRING, extension=True),
    Parameter("Reason", Kind.STRING, extension=True),
    Parameter("OnBehalfOf", Kind.STRING, extension=True),
    Parameter("ExpiresAt", Kind.STRING, extension=True),
    Parameter("ExpiresIn", Kind.STRING, extension=True),
    Parameter("PassThru", Kind.SWITCH, extension=True),
)

GET_PARAMETERS = (
    Parameter("Identity", Kind.STRING, sets=("Identity",), position=1),
    Parameter("LocalStore", Kind.SWITCH),
    Parameter("Filter", Kind.STRING, sets=("Filter",)),
    Parameter("Tenant", Kind.STRING, extension=True),
    Parameter("AsOf", Kind.STRING, extension=True),
)

_IDENTITY = "Global"
_CAPTION = "Confirm"
_LOOKED_AT = 5


def judge_set(bound: Mapping[str, Any]) -> None:
    """
    What can be said of a Set line's values before anything runs.

    Raises:
        InvalidInput: an Identity other than Global, an item that is no app id, an expiry
            that cannot be read or has nothing to apply to.
    """
    _judge_identity(bound)
    edit = _edit(bound)
    if _expiry(bound) and not (edit and edit.wanted):
        raise InvalidInput("an expiry, and no app is granted", hint=f"name it in -{LIST_PARAMETER}")


def judge_get(bound: Mapping[str, Any]) -> None:
    """
    What can be said of a Get line's values before anything runs.

    Raises:
        InvalidInput: an Identity other than Global, or an -AsOf that cannot be read.
    """
    _judge_identity(bound)
    if "AsOf" in bound:
        as_of(bound["AsOf"])


def get(context: Context, call: Invocation) -> None:
    """Write the tenant's configuration, now or as of a revision or an instant."""
    bound = call.bound
    judge_get(bound)
    if "LocalStore" in bound:
        call.verbose("-LocalStore has no effect here: there is one store.")
    when = as_of(bound["AsOf"], context.store) if "AsOf" in bound else None
    tenant = context.tenant(bound.get("Tenant"), as_of=when)
    if "Filter" in bound and not _wildcard(bound["Filter"]).fullmatch(_IDENTITY):
        return
    call.write(ConfigurationObject(tenant, context.store.configuration(tenant.id, as_of=when)))


def set_(context: Context, call: Invocation) -> None:
    """Change the tenant's list: what-if, confirmation, then one call of the store."""
    judge_set(call.bound)
    source = _instance(call.bound)
    tenant = context.tenant(call.bound.get("Tenant"), source.tenant.id if source else None)
    wanted = _wanted(context, tenant, call.bound, source)
    if wanted is None:
        if call.should_process(_IDENTITY):
            context.say("nothing is asked for: no list was given")
        return
    _hint(context, call.bound, wanted)
    _near_misses(context, tenant.id, wanted)
    by = context.by(on_behalf_of=call.bound.get("OnBehalfOf"), reason=call.bound.get("Reason"))
    go = call.should_process(_IDENTITY)
    if call.what_if:
        _what_if(
            context, call, tenant, context.store.modify(tenant.id, wanted, by=by, what_if=True)
        )
        return
    lost = _taken_away(context, tenant, wanted)
    if not go or (lost and not _answered(call) and not _asked(call, tenant, lost)):
        return
    bound_by = lost if wanted.replace is not None and not _answered(call) else None
    change = context.store.modify(tenant.id, wanted, by=by, may_remove=bound_by)
    context.on_change(change, tenant)
    _warn(context, change)
    if not call.bound.get("PassThru"):
        context.on_receipt(change, tenant)
        return
    configuration = context.store.configuration(tenant.id)
    call.write(ConfigurationObject(tenant, configuration, change))


def as_of(given: str, store: Store | None = None) -> Revision | datetime:
    """
    The point in the history that ``-AsOf`` or ``--as-of`` names: a revision or an instant.

    Raises:
        InvalidInput: *given* is neither.
        Conflict: it is a receipt, and not of a change of *store*.
    """
    if re.fullmatch(r"\d+(:[0-9a-fA-F]*)?", given, re.ASCII):
        return Revision.parse(given) if store is None else revision_in(given, store)
    return instants.to_datetime(instants.parse(given))


def revision_in(given: str, store: Store) -> Revision:
    """
    The revision that *given* names: a number, or the ``REV:HASH`` of a receipt of *store*.

    Raises:
        InvalidInput: it is neither.
        Conflict: its hash is another: the receipt is of another store, or of a history that
            a restore replaced.
    """
    revision, (_, _, digest) = Revision.parse(given), given.strip().partition(":")
    if digest and store.change(revision).hash != digest.lower():
        raise Conflict(
            "the receipt is not of this history",
            subject=f"'{revision}:...'",
            why="revision and hash do not belong together",
            hint="name the store that it came from, or look into tenantcfg history",
        )
    return revision


def _judge_identity(bound: Mapping[str, Any]) -> None:
    given = bound.get("Identity")
    if given is None or given.lower() == _IDENTITY.lower():
        return
    raise InvalidInput(
        "no such Identity",
        subject=f"'{given}'",
        why=f"there is one configuration, {_IDENTITY}",
        hint=_identity_hint(given),
    )


def _identity_hint(given: str) -> str:
    if given in {"True", "False"}:
        return f"a switch takes its value after a colon, as in -Confirm:${given.lower()}"
    if given.startswith("--"):
        return f"a parameter has one dash: {given[1:]}"
    if given.startswith(("System.", "@")):
        return f"put -{LIST_PARAMETER} before it"
    if given.startswith("-"):
        return "no parameter has this name"
    return f"leave it out, or name the app in -{LIST_PARAMETER} and the tenant in -Tenant"


def _edit(bound: Mapping[str, Any]) -> ListModifier | None:
    return modifier(bound[LIST_PARAMETER]) if LIST_PARAMETER in bound else None


def _instance(bound: Mapping[str, Any]) -> ConfigurationObject | None:
    if "Instance" not in bound:
        return None
    given = bound["Instance"]
    if isinstance(given, ConfigurationObject):
        return given
    raise InvalidInput(
        "not a configuration",
        subject="$null" if given is None else f"'{given}'",
        why="-Instance, and the pipeline, take what Get-CsApplicationMeetingConfiguration returns",
        hint="Get-CsApplicationMeetingConfiguration -Tenant a | "
        "Set-CsApplicationMeetingConfiguration -Tenant b",
    )


def _wanted(
    context: Context,
    tenant: Tenant,
    bound: Mapping[str, Any],
    source: ConfigurationObject | None,
) -> ListModifier | None:
    edit = _edit(bound)
    until = _until(context, tenant, bound, edit)
    if source is not None:
        grants = source.configuration.grants
        base = ListModifier(
            replace=tuple(grant.app for grant in grants),
            expiries={grant.app: grant.expires_at for grant in grants},
        )
        return combined(base, edit, until)
    return replace(edit, expiries=until) if edit is not None else None


def _expiry(bound: Mapping[str, Any]) -> Expiry | None:
    named = ("-ExpiresAt", "-ExpiresIn")
    return instants.parse_expiry(bound.get("ExpiresAt"), bound.get("ExpiresIn"), named=named)


def _until(
    context: Context, tenant: Tenant, bound: Mapping[str, Any], edit: ListModifier | None
) -> dict[AppId, Instant | None]:
    expiry = _expiry(bound)
    if edit is None or expiry is None:
        return {}
    ends = expiry.instant(lambda: context.store.configuration(tenant.id).at)
    return dict.fromkeys(edit.wanted, ends)


def _hint(context: Context, bound: Mapping[str, Any], wanted: ListModifier) -> None:
    if LIST_PARAMETER in bound and wanted == ListModifier():
        context.say(f"-{LIST_PARAMETER} names no app, so nothing changes; $null clears the list")


def _warn(context: Context, change: Change) -> None:
    for outcome in change.outcomes:
        if outcome.result is Result.ADDED and not outcome.app.is_guid:
            context.say(
                f"warning: the app id '{outcome.app}' is no GUID; it stands as it was given"
            )


def _what_if(context: Context, call: Invocation, tenant: Tenant, change: Change) -> None:
    context.on_change(change, tenant)
    context.on_receipt(change, tenant)
    _warn(context, change)
    for line in difference(change):
        call.host_line(line)


def _taken_away(context: Context, tenant: Tenant, wanted: ListModifier) -> tuple[AppId, ...]:
    """The apps that a Replace takes the right from, without having named them (S10)."""
    if wanted.replace is None:
        return ()
    preview = context.store.modify(tenant.id, wanted, by=context.by(), what_if=True)
    return tuple(o.app for o in preview.outcomes if o.result is Result.REMOVED)


def _answered(call: Invocation) -> bool:
    return bool(call.bound.get("Force")) or "Confirm" in call.bound


def _asked(call: Invocation, tenant: Tenant, lost: tuple[AppId, ...]) -> bool:
    number = f"{len(lost)} app{'s lose' if len(lost) > 1 else ' loses'}"
    return call.should_continue(
        f"{number} the right to remove participants in tenant {tenant.name or tenant.id}.\n"
        f'Performing the operation "{call.cmdlet.name}" on target "{_IDENTITY}".',
        _CAPTION,
    )


def _near_misses(context: Context, tenant: TenantId, wanted: ListModifier) -> None:
    """Say what may have been meant instead, of the first apps of a short list."""
    if wanted.replace is None:
        for app in (*wanted.add, *wanted.remove)[:_LOOKED_AT]:
            if app in wanted.add and context.store.grants_of(app):
                # It acts somewhere, so it is no slip of the finger.
                continue
            for note in context.store.near_misses(tenant=tenant, app=app):
                context.say(f"note: '{app}': {note}")


def _wildcard(pattern: str) -> re.Pattern[str]:
    """PowerShell's wildcards: ``*``, ``?``, ``[abc]``, and a backtick before what is meant."""
    parts = re.findall(r"`.|\[[^\]]+\]|.", pattern, re.DOTALL)
    return re.compile("".join(_wildcard_part(part) for part in parts), re.IGNORECASE | re.DOTALL)


def _wildcard_part(part: str) -> str:
    if part == "*":
        return ".*"
    if part == "?":
        return "."
    if part.startswith("[") and part.endswith("]") and len(part) > 2:  # noqa: PLR2004
        inside = "".join(c if c == "-" else re.escape(c) for c in part[1:-1])
        return f"[{inside}]"
    return re.escape(part[1:] if part.startswith("`") and len(part) > 1 else part)
