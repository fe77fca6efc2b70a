"""``python -m tenantcfg`` is the program."""

from __future__ import annotations

from tenantcfg.cli import main

main()
