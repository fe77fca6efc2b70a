"""
How much is measured: `FULL` for figures to write down, `QUICK` to see that it works.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "Sizes"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """
    Counts of everything.

    Attributes:
        tenants: of each store that is asked, from the smallest to the largest.
        questions: that each contestant is asked in a round.
        rounds: of questions, and of single changes.
        remembered: checks after which the memory of their process is looked at again.
        starts: of each program.
        grants: that are loaded, three a tenant.
        loads: how often.
        sets: changes in a round.
        adders: processes that add at once.
        serving: seconds for which a service is asked in a round.
        servings: rounds of services.
        removals: by DELETE, in a round.
        kicks: removals from calls that Janus holds, and kicks of its own.
    """

    tenants: tuple[int, ...]
    questions: int
    rounds: int
    remembered: int
    starts: int
    grants: int
    loads: int
    sets: int
    adders: int
    serving: float
    servings: int
    removals: int
    kicks: int


FULL = Sizes(
    tenants=(1_000, 100_000, 1_000_000),
    questions=2_000,
    rounds=25,
    remembered=500_000,
    starts=25,
    grants=1_000_000,
    loads=3,
    sets=20,
    adders=200,
    serving=2.0,
    servings=9,
    removals=320,
    kicks=20,
)
QUICK = Sizes(
    tenants=(1_000, 10_000, 50_000),
    questions=1_000,
    rounds=9,
    remembered=20_000,
    starts=5,
    grants=15_000,
    loads=3,
    sets=5,
    adders=10,
    serving=0.5,
    servings=3,
    removals=64,
    kicks=6,
)
