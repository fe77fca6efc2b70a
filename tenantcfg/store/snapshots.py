"""
A store at one moment, asked in several statements, and what a moment is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from tenantcfg import instants
from tenantcfg.errors import InvalidInput
from tenantcfg.ids import Revision
from tenantcfg.instants import Instant
from tenantcfg.store import reasons
from tenantcfg.store.failures import damaged

if TYPE_CHECKING:
    from collections.abc import Callable

    Row = tuple[Any, ...]
    Ask = Callable[[str, dict[str, Any]], list[Row]]

__all__ = ["AsOf", "Past", "Snapshot", "as_psycopg_has_it", "snapshot", "when"]

AsOf = Revision | datetime | None
"""A revision, an instant that knows its zone, or None: now."""


class Past(Protocol):
    """What has to be known of a store, to say which revision a moment means."""

    @property
    def revision(self) -> Revision:
        """The newest."""

    @property
    def now(self) -> Instant:
        """The time of the store's clock, never earlier than the newest revision's."""

    def time_of(self, revision: Revision) -> int | None:
        """When *revision* was made; None: the store before its first change."""

    def newest_at(self, instant: Instant) -> int | None:
        """The newest revision that is not later than *instant*."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    A store as it is at one moment; a `Past` as well.

    Attributes:
        ask: all rows that one of `tenantcfg.store.reasons` finds with the values given.
    """

    ask: Ask
    revision: Revision
    now: Instant

    def first(self, text: str, **values: Any) -> Row | None:
        """The first of the rows, where there is one."""
        return next(iter(self.ask(text, values)), None)

    def value(self, text: str, **values: Any) -> int | None:
        """The one value of the first row, where there is one."""
        row = self.first(text, **values)
        return None if row is None else row[0]

    def time_of(self, revision: Revision) -> int | None:
        """As `Past` says."""
        return self.value(reasons.TIME, revision=revision)

    def newest_at(self, instant: Instant) -> int | None:
        """As `Past` says."""
        return self.value(reasons.NEWEST, at=instant)


def snapshot(ask: Ask, clock: Callable[[], int]) -> Snapshot | None:
    """What *ask* sees from now on; None: it has no head, or is of another release."""
    heads = ask(reasons.HEAD, {})
    if len(heads) != 1:
        return None
    ((revision, at),) = heads
    try:
        # A clock that was set back behind the head revives nothing.
        return Snapshot(ask, Revision(revision), Instant(max(clock(), int(at))))
    except (TypeError, ValueError) as why:
        raise damaged(f"its head cannot be read: {why}") from why


_NAMED = re.compile(r"(?<!:):(\w+)")


def as_psycopg_has_it(text: str) -> str:
    """A text of ours with its parameters written as psycopg wants them."""
    return _NAMED.sub(r"%(\1)s", text)


def when(past: Past, as_of: AsOf) -> tuple[Revision, Instant]:
    """
    The revision that *as_of* means, and the time at which expiries are judged then.

    Of a revision it is the time of that change, also of the newest: what ran out only later
    was in force.

    Raises:
        InvalidInput: it is in the future, or the instant has no time zone.
    """
    if as_of is None:
        return past.revision, past.now
    if isinstance(as_of, datetime):
        return _at(past, instants.from_datetime(as_of))
    if not 0 <= as_of <= past.revision:
        raise InvalidInput(
            "there is no such revision yet",
            subject=str(int(as_of)),
            why=f"the newest is {past.revision}",
        )
    return Revision(as_of), Instant(past.time_of(as_of) or 0)


def _at(past: Past, instant: Instant) -> tuple[Revision, Instant]:
    if instant > past.now:
        raise InvalidInput(
            "the instant is in the future",
            subject=instants.text(instant),
            why=f"it is {instants.text(past.now)} in the store",
        )
    return Revision(past.newest_at(instant) or 0), instant
