"""
Which command a name means (cmdlets B1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantcfg.powershell.binding import Cmdlet

__all__ = ["found"]

_ALIASES: dict[str, str] = {}


def found(typed: str, cmdlets: Mapping[str, Cmdlet]) -> Cmdlet | str:
    """
    The cmdlet that *typed* means; else the name that PowerShell reports as not recognized.

    *cmdlets* by name in lower case. A name may be qualified by its module's; one without a
    verb also stands for ``Get-NAME``.
    """
    module, separator, name = typed.rpartition("\\")
    cmdlet = cmdlets.get(name.lower())
    if cmdlet is not None and (not separator or module.lower() == cmdlet.module.lower()):
        return cmdlet
    if separator:
        return typed
    alias = _ALIASES.get(typed.lower())
    if alias is not None:
        return alias
    return cmdlets.get(f"get-{typed.lower()}", typed) if "-" not in typed else typed
