"""
The commands that PowerShell's engine brings along, which are none of ours.

Cmdlets, functions and aliases of the engine alone, without any module; a noun stands for
its Get- command, as it does in PowerShell.
"""

from __future__ import annotations

from tenantcfg.powershell.characters import ascii_lower

__all__ = ["is_engine_command"]

_MODULE = "microsoft.powershell.core\\"
_NAMES = frozenset(
    r"""
% ? add-history cd cd.. cd\ cd~ chdir clc clear-history clear-host clhy cli clp cls
clv command copy cpi cvpa dbp debug-job del dir disable-experimentalfeature ebp echo
enable-experimentalfeature enter-pshostprocess enter-pssession epal epcsv erase etsn
exec exit-pshostprocess exit-pssession experimentalfeature export-modulemember exsn fc
fl foreach foreach-object ft fw gal gbp gc gci gcm gcs gdr gerr get-command
get-experimentalfeature get-help get-history get-job get-module get-pshostprocessinfo
get-pssession get-pssubsystem ghy gi gjb gl gm gmo gp gps gpv group gsn gu gv h help
history icm iex ihy ii import-module invoke-command invoke-history ipal ipcsv ipmo irm
iwr job md measure mi module move mp nal ndr new-module new-modulemanifest
new-psrolecapabilityfile new-pssession new-pssessionconfigurationfile
new-pssessionoption new-pstransportoption ni nmo nsn nv oh oss out-default out-host
out-null pause popd prompt pshostprocessinfo pssession pssubsystem pushd pwd r rbp
rcjb rcsn rd rdr receive-job register-argumentcompleter remove-job remove-module
remove-pssession ren ri rjb rmo rni rnp rp rsn rv rvpa sajb sal saps save-help sbp
select set set-psdebug set-strictmode si sl sls sp spjb spps start-job stop-job sv
switch-process tabexpansion2 test-modulemanifest type update-help wait-job where
where-object wjb
""".split()
)


def is_engine_command(name: str) -> bool:
    """Whether PowerShell itself has a command *name*, in any case."""
    return ascii_lower(name).removeprefix(_MODULE) in _NAMES
