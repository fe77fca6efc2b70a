"""
Which command a name means (cmdlets B1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantcfg.powershell.binding import Cmdlet

__all__ = ["found"]

_SCOPES = ("global:", "script:")


def found(typed: str, cmdlets: Mapping[str, Cmdlet]) -> Cmdlet | None:
    """
    The cmdlet that *typed* means; None: nobody knows it.

    *cmdlets* by name in lower case. A name may be qualified by its module's, or by a scope;
    one without a verb also stands for ``Get-NAME``.
    """
    name = typed.lower()
    module, separator, unqualified = name.rpartition("\\")
    if separator:
        cmdlet = cmdlets.get(unqualified)
        return cmdlet if cmdlet is not None and module == cmdlet.module.lower() else None
    for scope in _SCOPES:
        if name.startswith(scope):
            return cmdlets.get(name.removeprefix(scope))
    return cmdlets.get(name) or cmdlets.get(f"get-{name}")
