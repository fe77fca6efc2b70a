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

NAMES = (
    "Set-CsApplicationMeetingConfiguration",
    "Get-CsApplicationMeetingConfiguration",
    "Connect-MicrosoftTeams",
    "Disconnect-MicrosoftTeams",
    "Get-CsTenant",
)
"""The cmdlets' names. Those that change something are they with ShouldProcess."""


_WITHOUT_EFFECT = (
    "ErrorVariable",
    "WarningVariable",
    "InformationVariable",
    "OutVariable",
    "OutBuffer",
    "PipelineVariable",
)


def cmdlets(context: Context) -> tuple[Cmdlet, ...]:
    """The cmdlets, working on *context*."""
    mine = meeting_configuration
    return (
        Cmdlet(
            name="Set-CsApplicationMeetingConfiguration",
            parameters=mine.SET_PARAMETERS,
            run=_ours(context, mine.set_),
            judge=_judged(mine.judge_set),
            default_set="Identity",
            supports_should_process=True,
        ),
        Cmdlet(
            name="Get-CsApplicationMeetingConfiguration",
            parameters=mine.GET_PARAMETERS,
            run=_ours(context, mine.get),
            judge=_judged(mine.judge_get),
            default_set="Identity",
        ),
        Cmdlet(
            name="Connect-MicrosoftTeams",
            parameters=connection.CONNECT_PARAMETERS,
            run=_ours(context, connection.connect),
            judge=_judged(connection.judge_connect),
            default_set=connection.CONNECT_SETS[0],
            supports_should_process=True,
        ),
        Cmdlet(
            name="Disconnect-MicrosoftTeams",
            parameters=(),
            run=_ours(context, connection.disconnect),
            supports_should_process=True,
        ),
        Cmdlet(
            name="Get-CsTenant",
            parameters=connection.TENANT_PARAMETERS,
            run=_ours(context, connection.get_tenant),
            judge=_judged(connection.judge_tenant),
        ),
    )


def declared(name: str) -> tuple[str, ...]:
    """The parameters' names of the cmdlet *name* (any case), as declared; none if unknown."""
    mine = {
        "set-csapplicationmeetingconfiguration": meeting_configuration.SET_PARAMETERS,
        "get-csapplicationmeetingconfiguration": meeting_configuration.GET_PARAMETERS,
        "connect-microsoftteams": connection.CONNECT_PARAMETERS,
        "get-cstenant": connection.TENANT_PARAMETERS,
    }
    return tuple(parameter.name for parameter in mine.get(name.lower(), ()))


def _ours(
    context: Context, body: Callable[[Context, Invocation], None]
) -> Callable[[Invocation], None]:
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


def _judged(
    judge: Callable[[Mapping[str, Any]], None],
) -> Callable[[Mapping[str, Any]], TenantcfgError | None]:
    """The judge, its error returned: a dry pass collects, it does not run."""

    def judged(bound: Mapping[str, Any]) -> TenantcfgError | None:
        try:
            judge(bound)
        except TenantcfgError as why:
            return why
        return None

    return judged
