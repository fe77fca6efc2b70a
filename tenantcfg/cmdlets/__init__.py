"""
The cmdlets: their parameters declared, and the work of each one call of the store.

The door is `cmdlets`, which gives a PowerShell session what it may run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantcfg.cmdlets import connection, meeting_configuration
from tenantcfg.cmdlets.context import Context, shown_tenant
from tenantcfg.cmdlets.lists import LIST_PARAMETER
from tenantcfg.cmdlets.meeting_configuration import as_of, revision_in
from tenantcfg.cmdlets.objects import ConfigurationObject, ConnectionObject, TenantObject
from tenantcfg.cmdlets.pin import Pins, terminal_session
from tenantcfg.cmdlets.report import difference, summary
from tenantcfg.errors import Refused, TenantcfgError
from tenantcfg.powershell import Cmdlet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantcfg.powershell import Invocation

    _Body = Callable[[Context, Invocation], None]
    _Judge = Callable[[Mapping[str, Any]], None]

__all__ = [
    "LIST_PARAMETER",
    "NAMES",
    "ConfigurationObject",
    "ConnectionObject",
    "Context",
    "Pins",
    "TenantObject",
    "as_of",
    "cmdlets",
    "declared",
    "difference",
    "revision_in",
    "shown_tenant",
    "summary",
    "terminal_session",
]

_PARAMETERS = {
    "Set-CsApplicationMeetingConfiguration": meeting_configuration.SET_PARAMETERS,
    "Get-CsApplicationMeetingConfiguration": meeting_configuration.GET_PARAMETERS,
    "Connect-MicrosoftTeams": connection.CONNECT_PARAMETERS,
    "Disconnect-MicrosoftTeams": (),
    "Get-CsTenant": connection.TENANT_PARAMETERS,
}

NAMES = tuple(_PARAMETERS)
"""The cmdlets' names. Those that change something are they with ShouldProcess."""


def cmdlets(context: Context) -> tuple[Cmdlet, ...]:
    """The cmdlets, working on *context*."""

    def cmdlet(name: str, body: _Body, judge: _Judge | None = None, **more: Any) -> Cmdlet:
        return Cmdlet(
            name=name,
            parameters=_PARAMETERS[name],
            run=_ours(context, body),
            judge=_judged(judge) if judge else None,
            **more,
        )

    mine = meeting_configuration
    return (
        cmdlet(
            "Set-CsApplicationMeetingConfiguration",
            mine.set_,
            mine.judge_set,
            default_set="Identity",
            supports_should_process=True,
        ),
        cmdlet(
            "Get-CsApplicationMeetingConfiguration",
            mine.get,
            mine.judge_get,
            default_set="Identity",
        ),
        cmdlet(
            "Connect-MicrosoftTeams",
            connection.connect,
            connection.judge_connect,
            default_set=connection.CONNECT_SETS[0],
            supports_should_process=True,
        ),
        cmdlet("Disconnect-MicrosoftTeams", connection.disconnect, supports_should_process=True),
        cmdlet("Get-CsTenant", connection.get_tenant, connection.judge_tenant),
    )


def declared(name: str) -> tuple[str, ...]:
    """The parameters' names of the cmdlet *name* (any case), as declared; none if unknown."""
    found = {known.lower(): parameters for known, parameters in _PARAMETERS.items()}
    return tuple(parameter.name for parameter in found.get(name.lower(), ()))


def _ours(context: Context, body: _Body) -> Callable[[Invocation], None]:
    """The body, its errors turned into a record of PowerShell's error stream."""

    def run(call: Invocation) -> None:
        for name in call.bound:
            if name.endswith("Variable") or name == "OutBuffer":
                call.verbose(f"-{name} has no effect here.")
        try:
            if context.connect_failed:
                raise Refused("an earlier Connect-MicrosoftTeams failed", hint="correct that first")
            body(context, call)
        except TenantcfgError as why:
            if body is connection.connect:
                context.connect_failed = True
            call.write_error(str(why), why.code, cause=why)

    return run


def _judged(judge: _Judge) -> Callable[[Mapping[str, Any]], TenantcfgError | None]:
    """The judge, its error returned: a dry pass collects, it does not run."""

    def judged(bound: Mapping[str, Any]) -> TenantcfgError | None:
        try:
            judge(bound)
        except TenantcfgError as why:
            return why
        return None

    return judged
