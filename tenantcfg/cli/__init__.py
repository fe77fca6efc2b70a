"""
The command line: `main` is the program.
"""

from __future__ import annotations

from tenantcfg.cli.app import main

__all__ = ["main"]
