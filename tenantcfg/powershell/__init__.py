"""
The language of a line: PowerShell as data.

Text to tree (`parse`), tree to values, values bound to a cmdlet's parameters, and the run of
it all (`Session`), in PowerShell's own order and words. Knows no tenant.
"""

from __future__ import annotations

from tenantcfg.powershell.binding import Cmdlet, Parameter
from tenantcfg.powershell.conversions import Kind
from tenantcfg.powershell.engine import Outcome, Session
from tenantcfg.powershell.host import (
    Choice,
    ConsoleHost,
    Host,
    PromptCanceled,
    PromptUnavailable,
)
from tenantcfg.powershell.invocation import Invocation
from tenantcfg.powershell.records import Category, ErrorRecord
from tenantcfg.powershell.syntax import Parsed, ParseError, parse
from tenantcfg.powershell.values import (
    ActionPreference,
    Hashtable,
    Number,
    PSListModifier,
    PSObject,
    Value,
)

__all__ = [
    "ActionPreference",
    "Category",
    "Choice",
    "Cmdlet",
    "ConsoleHost",
    "ErrorRecord",
    "Hashtable",
    "Host",
    "Invocation",
    "Kind",
    "Number",
    "Outcome",
    "PSListModifier",
    "PSObject",
    "Parameter",
    "ParseError",
    "Parsed",
    "PromptCanceled",
    "PromptUnavailable",
    "Session",
    "Value",
    "parse",
]
