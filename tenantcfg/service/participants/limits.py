"""
How often somebody may ask: so many times a minute, and as many at once (participants P17).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Limit"]

_REMEMBERED: Final = 50_000
_MINUTE: Final = 60.0


class Limit:
    """
    *per_minute* requests a minute for each who asks, in this process.

    Who has not asked for a minute may ask so many times at once. Those who asked last are
    remembered, not everybody: who comes from more addresses than that has more tries.
    """

    def __init__(self, per_minute: int, ticks: Callable[[], float]) -> None:
        self._most = float(per_minute)
        self._ticks = ticks
        # Whoever asked last stands last.
        self._left: dict[Hashable, tuple[float, float]] = {}

    def taken(self, who: Hashable) -> int:
        """
        Count one request of *who*; 0: it may be answered.

        Else it is not counted, and the seconds are told after which one may be: 1 and more.
        """
        now = self._ticks()
        left, at = self._left.pop(who, (self._most, now))
        left = min(self._most, left + (now - at) * self._most / _MINUTE)
        over = left < 1
        self._left[who] = (left if over else left - 1, now)
        if len(self._left) > _REMEMBERED:
            del self._left[next(iter(self._left))]
        return max(1, math.ceil((1 - left) * _MINUTE / self._most)) if over else 0
