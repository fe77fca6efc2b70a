"""
The objects that travel through a pipeline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantcfg.powershell import PSObject

if TYPE_CHECKING:
    from tenantcfg.configuration import ApplicationMeetingConfiguration
    from tenantcfg.history import Change
    from tenantcfg.store import Tenant

__all__ = ["ConfigurationObject", "ConnectionObject", "TenantObject"]


class ConfigurationObject(PSObject):
    """
    What Get returns; by pipeline or ``-Instance`` it means its own tenant (cmdlets C15).

    *change* is the change that Set made of it with ``-PassThru``; None from Get.
    """

    def __init__(
        self,
        tenant: Tenant,
        configuration: ApplicationMeetingConfiguration,
        change: Change | None = None,
    ) -> None:
        super().__init__(
            "Microsoft.Rtc.Management.WritableConfig.Settings.PlatformApplications"
            ".ApplicationMeetingConfiguration",
            {
                "Identity": "Global",
                "AllowRemoveParticipantAppIds": tuple(app.value for app in configuration.apps),
            },
        )
        self.tenant = tenant
        self.configuration = configuration
        self.change = change


class TenantObject(PSObject):
    """What Get-CsTenant returns (cmdlets N5)."""

    def __init__(self, tenant: Tenant) -> None:
        super().__init__(
            "Microsoft.Rtc.Management.Xds.Tenant",
            {"TenantId": tenant.id.value, "DisplayName": tenant.name, "Enabled": tenant.enabled},
        )
        self.tenant = tenant


class ConnectionObject(PSObject):
    """What Connect-MicrosoftTeams returns (cmdlets N2)."""

    def __init__(self, account: str, tenant: Tenant) -> None:
        super().__init__(
            "Microsoft.TeamsCmdlets.PowerShell.Connect.Models.PSAzureContext",
            {
                "Account": account,
                "Environment": "AzureCloud",
                "Tenant": tenant.name or tenant.id.value,
                "TenantId": tenant.id.value,
            },
        )
        self.tenant = tenant
