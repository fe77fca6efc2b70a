"""
``db``: the store itself - its schema, its backups, its moves.
"""

from __future__ import annotations

from pathlib import Path

import click

from tenantcfg.cli.app import Run, Verbs, say, verb_options
from tenantcfg.cli.changing import confirm
from tenantcfg.cli.exits import Exit
from tenantcfg.cli.output import printable

__all__ = ["db"]


@click.group(cls=Verbs)
def db() -> None:
    """The store: make or upgrade it, look at its version, back it up, restore, copy it."""
