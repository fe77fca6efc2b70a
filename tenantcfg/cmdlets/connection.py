"""
``Connect-`` and ``Disconnect-MicrosoftTeams`` and ``Get-CsTenant`` (cmdlets N1 to N5).

There is nothing to log in to: who acts is the user of the process. So Connect names the
tenant that later lines mean, and refuses whatever carries or asks for a credential; a
login must never look as if it had happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantcfg.cmdlets.context import os_user
from tenantcfg.cmdlets.objects import ConnectionObject, TenantObject
from tenantcfg.cmdlets.pin import Pin
from tenantcfg.errors import InvalidInput, Refused
from tenantcfg.powershell import Kind, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantcfg.cmdlets.context import Context
    from tenantcfg.powershell import Invocation
    from tenantcfg.store import Tenant

__all__ = [
    "CONNECT_PARAMETERS",
    "CONNECT_SETS",
    "TENANT_PARAMETERS",
    "connect",
    "disconnect",
    "get_tenant",
    "judge_connect",
    "judge_tenant",
]

CONNECT_SETS = (
    "UserCredential",
    "ServicePrincipalCertificate",
    "ServicePrincipalCertificateThumbprint",
    "AccessTokens",
    "ManagedServiceLogin",
)
_USER, _CERTIFICATE, _THUMBPRINT, _TOKENS, _MANAGED = CONNECT_SETS

CONNECT_PARAMETERS = (
    Parameter("TenantId", Kind.STRING, sets=(_USER, _CERTIFICATE, _THUMBPRINT)),
    Parameter("Credential", Kind.OBJECT, sets=(_USER,)),
    Parameter("CertificateThumbprint", Kind.STRING, sets=(_THUMBPRINT,)),
    Parameter("Certificate", Kind.OBJECT, sets=(_CERTIFICATE,)),
    Parameter("ApplicationId", Kind.STRING, sets=(_CERTIFICATE, _THUMBPRINT)),
    Parameter("AccountId", Kind.STRING, sets=(_USER,)),
    Parameter("LogLevel", Kind.STRING, sets=(_USER,)),
    Parameter("LogFilePath", Kind.STRING, sets=(_USER,)),
    Parameter("TeamsEnvironmentName", Kind.STRING, sets=(_USER,)),
    Parameter("UseDeviceAuthentication", Kind.SWITCH, sets=(_USER,)),
    Parameter("AccessTokens", Kind.STRING_ARRAY, sets=(_TOKENS,)),
    Parameter("Identity", Kind.SWITCH, sets=(_MANAGED,), aliases=("MSI", "ManagedService")),
    Parameter("ManagedServiceHostName", Kind.STRING, sets=(_MANAGED,)),
    Parameter("ManagedServicePort", Kind.INT, sets=(_MANAGED,)),
    Parameter("ManagedServiceSecret", Kind.OBJECT, sets=(_MANAGED,)),
)
TENANT_PARAMETERS = (
    Parameter("Identity", Kind.STRING, position=1, by_value=True),
    Parameter("Filter", Kind.STRING),
    Parameter("ResultSize", Kind.INT, minimum=0),
    Parameter("DomainController", Kind.STRING),
)

_CREDENTIALS = (
    "Credential",
    "CertificateThumbprint",
    "Certificate",
    "ApplicationId",
    "UseDeviceAuthentication",
    "AccessTokens",
    "Identity",
    "ManagedServiceHostName",
    "ManagedServicePort",
    "ManagedServiceSecret",
)
_WITHOUT_EFFECT = ("TeamsEnvironmentName", "LogLevel", "LogFilePath")


def judge_connect(bound: Mapping[str, Any]) -> None:
    """
    What can be said of a Connect line before anything runs.

    Raises:
        InvalidInput: a parameter carries or asks for a credential (cmdlets N3).
    """
    for name in _CREDENTIALS:
        if name in bound:
            raise InvalidInput(
                "no credential is taken here",
                subject=f"-{name}",
                why="who acts is the user of this process, as the system knows it",
                hint="leave it out; -TenantId names the tenant, -AccountId who you say you are",
            )


def judge_tenant(bound: Mapping[str, Any]) -> None:
    """
    What can be said of a Get-CsTenant line before anything runs.

    Raises:
        InvalidInput: -Filter, which is a script of PowerShell operators (cmdlets G15, N5).
    """
    if "Filter" in bound:
        raise InvalidInput(
            "-Filter is not evaluated here",
            subject=f"'{bound['Filter']}'",
            why="it is a script",
            hint="use -Identity with an id or a name, or Get-CsTenant -o json",
        )


def connect(context: Context, call: Invocation) -> None:
    """Choose the tenant that later lines mean: of this text, or of this terminal session."""
    judge_connect(call.bound)
    for name in _WITHOUT_EFFECT:
        if name in call.bound:
            call.verbose(f"-{name} has no effect here.")
    account = call.bound.get("AccountId") or None
    tenant = _meant(context, call.bound.get("TenantId"))
    if not call.should_process(tenant.id.value):
        _end_here(context)
        return
    context.connected = Pin(tenant.id, account)
    if context.alone:
        _pin(context, tenant, account)
    call.write(ConnectionObject(account or os_user().removeprefix("os:"), tenant))


def disconnect(context: Context, call: Invocation) -> None:
    """Forget the tenant that Connect chose; also when there was none (cmdlets N4)."""
    if not call.should_process("the connected tenant"):
        return
    context.connected = None
    if context.alone and context.pins:
        context.pins.forget(context.store.store_id)


def get_tenant(context: Context, call: Invocation) -> None:
    """Write the tenants: all, or the one with this id or name."""
    judge_tenant(call.bound)
    if "DomainController" in call.bound:
        call.verbose("-DomainController has no effect here.")
    named = call.bound.get("Identity")
    found = (context.store.find_tenant(named),) if named is not None else context.store.tenants()
    most = call.bound.get("ResultSize")
    for tenant in found[:most]:
        call.write(TenantObject(tenant))


def _end_here(context: Context) -> None:
    """
    End a text in which Connect chose no tenant: its lines would mean another than it says.

    Raises:
        Refused: there are lines behind.
    """
    if not context.alone:
        raise Refused(
            "not connected",
            why="the lines behind would mean another tenant",
            hint="name the tenant on each line with -Tenant",
        )


def _meant(context: Context, named: str | None) -> Tenant:
    if named is not None:
        return context.store.find_tenant(named)
    return context.only_tenant()


def _pin(context: Context, tenant: Tenant, account: str | None) -> None:
    if context.pins is None:
        context.say("this is no terminal, so the tenant is not remembered for later lines")
        return
    context.pins.put(context.store.store_id, Pin(tenant.id, account))
