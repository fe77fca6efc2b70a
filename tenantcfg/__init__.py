"""
The tenant configuration manager for applications that act on live meetings.

The library's door. Names load their room when they are first used (PEP 562), so that a
service that only asks loads neither the command line nor the language of the cmdlets.

    >>> import tenantcfg
    >>> tenantcfg.AppId.parse("{5817674C-81D9-4ADB-BFB2-8F6A442E4622}").value
    '5817674c-81d9-4adb-bfb2-8f6a442e4622'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# ruff: noqa: F403, F405 - which errors there are is said in their own room, and in __all__
if TYPE_CHECKING:
    from tenantcfg.configuration import ApplicationMeetingConfiguration, Grant, ListModifier
    from tenantcfg.decision import Decision, Deny, Permit
    from tenantcfg.errors import *
    from tenantcfg.history import Actor, Attribution, Change
    from tenantcfg.ids import AppId, Revision, TenantId
    from tenantcfg.store import Store

__version__ = "0.1.0"

_ROOMS = {
    "configuration": ("ApplicationMeetingConfiguration", "Grant", "ListModifier"),
    "decision": ("Decision", "Deny", "Permit"),
    "history": ("Actor", "Attribution", "Change"),
    "ids": ("AppId", "Revision", "TenantId"),
    "store": ("Store",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Actor",
    "AppId",
    "ApplicationMeetingConfiguration",
    "Attribution",
    "Change",
    "Conflict",
    "Decision",
    "Deny",
    "Grant",
    "InvalidInput",
    "ListModifier",
    "NotAdmitted",
    "OutcomeUnknown",
    "Permit",
    "Reason",
    "Refused",
    "Revision",
    "RevisionNotReached",
    "SettingInvalid",
    "Store",
    "StoreFull",
    "StoreMissing",
    "StoreNewer",
    "StoreNotOurs",
    "StoreOlder",
    "StoreReadOnly",
    "StoreUnusable",
    "TenantId",
    "TenantNotNamed",
    "TenantcfgError",
    "Unavailable",
    "UnknownTenant",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'tenantcfg' has no attribute '{name}'")
    value = getattr(import_module(f"tenantcfg.{_ROOM_OF.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
