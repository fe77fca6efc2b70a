"""
Checks, and tells how much memory its process has: ``python -m benchmarks.memory URL CHECKS``.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from benchmarks.stores import questions
from tenantcfg import Store

__all__: list[str] = []

_LOOKS = 5


def main(url: str, checks: int) -> None:
    """Print how many checks there were, and the kibibytes after them, as JSON pairs."""
    part = checks // _LOOKS
    asked = questions(url, min(part, 50_000))
    seen = []
    with Store.open(url) as store:
        for look in range(1, _LOOKS + 1):
            for number in range(part):
                tenant, app = asked[number % len(asked)]
                store.check(tenant=tenant, app=app)
            seen.append((look * part, resident()))
    print(json.dumps(seen))


def resident() -> int:
    """The kibibytes of this process that are in memory; where that is not told, the most ever."""
    statistics = Path("/proc/self/statm")
    if statistics.exists():
        return int(statistics.read_text().split()[1]) * resource.getpagesize() // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
