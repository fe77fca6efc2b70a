"""
How costs are compared: the contestants take turns, round after round, in one run.

A machine that is busy with something else is busy with it for both neighbours in a round, so a
ratio is taken inside each round, and what is told of the rounds is the smallest, the middle and
the largest. Costs of two runs are never compared.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Cost", "Rounds", "Spread", "play", "process", "timed"]

C = TypeVar("C", bound="Cost")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one unit of work: of processors (children not counted), and of the clock."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Spread:
    """The smallest, the middle and the largest of several rounds."""

    low: float
    middle: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Rounds(Generic[C]):
    """The costs of each contestant, a round each."""

    costs: Mapping[str, Sequence[C]]

    def typical(self, name: str) -> Cost:
        """The middle cost of *name*, by processor and by clock."""
        costs = self.costs[name]
        return Cost(median(cost.cpu for cost in costs), median(cost.wall for cost in costs))

    def cpu(self, name: str, to: str) -> Spread:
        """How many times the processor time of *to* it is that *name* takes."""
        return self.ratio(name, to, lambda cost: cost.cpu)

    def wall(self, name: str, to: str) -> Spread:
        """As `cpu`, by the clock on the wall."""
        return self.ratio(name, to, lambda cost: cost.wall)

    def middle(self, name: str, what: Callable[[C], float]) -> float:
        """The middle of *what* is told of each cost of *name*."""
        return median(map(what, self.costs[name]))

    def ratio(self, name: str, to: str, what: Callable[[C], float]) -> Spread:
        """How many times that of *to* it is, what is told of *name*."""
        pairs = zip(self.costs[name], self.costs[to], strict=True)
        return _spread([what(one) / what(other) for one, other in pairs])


def play(contestants: Mapping[str, Callable[[], C]], count: int) -> Rounds[C]:
    """
    *count* rounds, in each of which every contestant has one turn.

    Who comes first, and who after whom, changes from round to round: the second may find warm
    what the first left.
    """
    names = list(contestants)
    costs: dict[str, list[C]] = {name: [] for name in names}
    for number in range(count):
        first = number % len(names)
        order = names[first:] + names[:first]
        for name in reversed(order) if number % 2 else order:
            costs[name].append(contestants[name]())
    return Rounds(costs)


def timed(work: Callable[[], object], units: int = 1) -> Cost:
    """What one of the *units* costs that *work* does, in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Cost(cpu / units, wall / units)


def process(command: list[str], environment: Mapping[str, str], expected: int = 0) -> Cost:
    """
    What a whole process costs, from its start to its end; what it prints is thrown away.

    Raises:
        RuntimeError: it ended with another exit code than *expected*.
    """
    start = time.perf_counter()
    number = os.posix_spawn(command[0], command, environment, file_actions=_SILENT)
    _, status, usage = os.wait4(number, 0)
    wall = time.perf_counter() - start
    if (code := os.waitstatus_to_exitcode(status)) != expected:
        raise RuntimeError(f"{' '.join(command)}: exit code {code}")
    return Cost(usage.ru_utime + usage.ru_stime, wall)


_SILENT = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]


def _spread(values: Sequence[float]) -> Spread:
    return Spread(min(values), median(values), max(values))
