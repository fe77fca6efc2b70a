"""The commands that PowerShell's engine brings along, which are none of ours."""

from __future__ import annotations

__all__ = ["ENGINE_COMMANDS"]

# Lower case.
ENGINE_COMMANDS: frozenset[str] = frozenset()
