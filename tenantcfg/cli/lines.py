"""
Lines of PowerShell: the two doors, argv and text, before one engine.

A text is judged whole before its first line runs: a typo in line 3 changes nothing. Then
its statements run in turn; the first that fails ends the text, unless it said that errors
do not matter (``-ErrorAction Continue`` or ``SilentlyContinue``).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tenantcfg.cli.app import FORMATS, Run, json_error, say
from tenantcfg.cli.changing import context_of, receipt_row
from tenantcfg.cli.exits import Exit, exit_of
from tenantcfg.cli.terminal import Terminal
from tenantcfg.cli.topics import cmdlet_help
from tenantcfg.cmdlets import cmdlets, shown_tenant, summary
from tenantcfg.errors import InvalidInput, TenantcfgError
from tenantcfg.powershell import Session, parse
from tenantcfg.powershell.argv import ArgvRefusal, parse_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantcfg.cmdlets import Context
    from tenantcfg.history import Change
    from tenantcfg.powershell import ErrorRecord, Outcome, Parsed, Script, Unsupported
    from tenantcfg.store import Tenant

__all__ = ["run_text", "run_words"]

_OURS = {
    "--store": "store_url",
    "--tenant": "tenant",
    "-o": "output",
    "--output": "output",
}


def run_words(run: Run, words: Sequence[str]) -> Exit:
    """Run what a shell left of one line: a cmdlet's name and the words behind it."""
    kept, asked_for_help = _take_ours(run, words)
    if asked_for_help:
        kept = [kept[0], "-?"]
    try:
        parsed = parse_words(kept)
    except ArgvRefusal as why:
        raise InvalidInput(str(why)) from why
    return _Text(run, alone=True).run(parsed)


def run_text(run: Run, door: str, words: Sequence[str]) -> Exit:
    """Run a text: the words of ``-Command``, the file of ``-File``, or standard input."""
    if door == "command" and list(words) != ["-"]:
        if not words:
            raise InvalidInput("-Command has no text", hint="tenantcfg -Command 'Get-CsTenant'")
        kept, _ = _take_ours(run, words)
        return _Text(run, alone=True).run(parse(" ".join(kept)))
    kept, _ = _take_ours(run, words)
    if door == "file":
        return _Text(run, alone=False).run(parse(_read_file(kept)))
    return _Text(run, alone=False).run(parse(_decoded(sys.stdin.buffer.read(), "standard input")))


@dataclass(slots=True)
class _Text:
    """One text on its way through the engine."""

    run_: Run
    alone: bool
    changed: bool = field(default=False, init=False)
