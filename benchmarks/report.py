"""
Results as tables of Markdown, as docs/reference/performance.md takes them.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tenantcfg.store import sqlite

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Table", "micro", "milli", "seconds", "surroundings"]


@dataclass(frozen=True, slots=True)
class Table:
    """What was measured, with its figures as they are printed."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return "\n".join([f"### {self.title}", "", *(f"| {' | '.join(line)} |" for line in lines)])


def micro(cost: float) -> str:
    """Seconds, as microseconds."""
    return f"{cost * 1e6:.1f} us"


def milli(cost: float) -> str:
    """Seconds, as milliseconds."""
    return f"{cost * 1e3:.1f} ms"


def seconds(cost: float) -> str:
    """Seconds as they are."""
    return f"{cost:.1f} s"


def surroundings() -> str:
    """When and on what kind of machine this is measured, and how busy it is with other work."""
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {load}"
    return f"{now}; {python}; SQLite {sqlite.driver.sqlite_version}; {machine}"
