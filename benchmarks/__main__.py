"""
``python -m benchmarks [--quick] [--kicks N] [--folder DIR] [NAME ...]``: all, or those named.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks import changes, checks, kicks, loads, removals, servers, service, starts, tokens
from benchmarks.report import surroundings
from benchmarks.sizes import FULL, QUICK

if TYPE_CHECKING:
    from collections.abc import Sequence

BENCHMARKS = {
    "checks": checks.measured,
    "servers": servers.measured,
    "service": service.measured,
    "starts": starts.measured,
    "loads": loads.measured,
    "changes": changes.measured,
    "removals": removals.measured,
    "tokens": tokens.measured,
    "kicks": kicks.measured,
}


def main(words: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for, and print a table after the other."""
    parser = _parser()
    asked = parser.parse_args(words)
    if unknown := set(asked.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(unknown)}: there are {', '.join(BENCHMARKS)}")
    sizes = QUICK if asked.quick else FULL
    if asked.kicks is not None:
        sizes = replace(sizes, kicks=asked.kicks)
    print(surroundings(), flush=True)
    with ExitStack() as kept:
        folder = asked.folder or Path(kept.enter_context(TemporaryDirectory(prefix="tenantcfg-")))
        for name in asked.names or BENCHMARKS:
            for table in BENCHMARKS[name](folder, sizes):
                print(f"\n{table}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="small, in a minute: to see it work")
    parser.add_argument("--kicks", type=int, metavar="N", help="how many of each; 80 for figures")
    parser.add_argument("--folder", type=Path, help="keep the stores there, and find them again")
    return parser


if __name__ == "__main__":
    main()
