"""
Instants: how a time is read, kept and shown.

An instant is an integer, microseconds since 1970-01-01T00:00:00Z, in memory and in both
databases: no driver's and no database's idea of a time zone can come between.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NewType, NoReturn

from tenantcfg.errors import InvalidInput, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Expiry",
    "Instant",
    "from_datetime",
    "parse",
    "parse_duration",
    "parse_expiry",
    "require",
    "text",
    "to_datetime",
]

Instant = NewType("Instant", int)
"""Microseconds since the epoch, UTC."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
# Hours and minutes are judged here: releases of Python differ over 24:00 and an offset of +05:99.
_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ](?:[01]\d|2[0-3]):[0-5]\d:\d{2}(?:\.\d+)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)
_FRACTION = re.compile(r"\.(\d+)")
_ZONE = re.compile(r"(?:[Zz]|[+-]\d{2}:\d{2})$")
_DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse(given: str) -> Instant:
    """
    The instant written in RFC 3339 (section 5.6), as ``2027-01-31T18:00:00Z``.

    The zone must be there: a time without one means another instant on every machine.
    Digits after the microsecond are cut off.

    >>> text(parse("2027-01-31T19:00:00+01:00"))
    '2027-01-31T18:00:00Z'

    Raises:
        InvalidInput: *given* is no such text, names no real time, or has no zone.
    """
    if _RFC3339.fullmatch(given) is None:
        _refuse(given, "RFC 3339 is wanted")
    if _ZONE.search(given) is None:
        _refuse(given, "it has no time zone", f"write {given}Z, or its offset from UTC")
    cut = _FRACTION.sub(lambda found: "." + found[1][:6].ljust(6, "0"), given)
    try:
        moment = datetime.fromisoformat(cut.upper())
    except ValueError:
        _refuse(given, "there is no such time")
    return from_datetime(moment)


def parse_duration(given: str) -> int:
    """
    The length of ``90s``, ``15m``, ``4h``, ``30d`` or ``2w``, in microseconds; never zero.

    Raises:
        InvalidInput: *given* is no such text, zero, or over a hundred years.
    """
    match = _DURATION.fullmatch(given)
    microseconds = int(match[1]) * _SECONDS[match[2]] * 1_000_000 if match else 0
    if not 0 < microseconds <= 100 * 366 * 86_400_000_000:
        raise InvalidInput(
            "not a duration",
            subject=quoted(given),
            why="a number and one of s, m, h, d, w is wanted",
            hint="4h or 30d, for example",
        )
    return microseconds


@dataclass(frozen=True, slots=True)
class Expiry:
    """When something is to end: *at* an instant, or *after* so many microseconds."""

    at: Instant | None = None
    after: int = 0

    def instant(self, now: Callable[[], Instant]) -> Instant:
        """
        The instant; *now* is asked only where it counts.

        It must be the store's clock, which is what ends things: this machine's may be another.
        """
        return Instant(now() + self.after) if self.at is None else self.at


def parse_expiry(at: str | None, after: str | None, *, named: tuple[str, str]) -> Expiry | None:
    """
    The expiry that is given as an instant or as a duration; None: neither is.

    Args:
        at: as `parse` takes it.
        after: as `parse_duration` takes it.
        named: what the two are called where they are given, for messages.

    Raises:
        InvalidInput: both are given, or what is given cannot be read.
    """
    if at is not None and after is not None:
        raise InvalidInput(f"{named[0]} and {named[1]} are both given", hint="give one")
    if at is not None:
        return Expiry(at=parse(at))
    return None if after is None else Expiry(after=parse_duration(after))


def from_datetime(moment: datetime) -> Instant:
    """
    The instant of *moment*, which must know its zone.

    Raises:
        InvalidInput: *moment* has no time zone, or lies outside the years 1 to 9999 of UTC.
    """
    if moment.utcoffset() is None:
        _refuse(moment.isoformat(), "it has no time zone")
    instant = Instant((moment - _EPOCH) // _MICROSECOND)
    if not _FIRST <= instant <= _LAST:
        _refuse(moment.isoformat(), "it lies outside the years 1 to 9999 of UTC")
    return instant


def require(name: str, given: object) -> None:
    """
    Make sure that *given* is an instant; *name* says what of.

    Raises:
        TypeError: it is no whole number.
        InvalidInput: it lies outside the years 1 to 9999 of UTC.
    """
    if isinstance(given, bool) or not isinstance(given, int):
        kind = type(given).__name__
        raise TypeError(f"{name}: microseconds since 1970, an int, are wanted, not {kind}")
    if not _FIRST <= given <= _LAST:
        _refuse(f"{name} {given}"[:40], "it lies outside the years 1 to 9999 of UTC")


def to_datetime(instant: Instant) -> datetime:
    """The same instant as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=instant)


def text(instant: Instant) -> str:
    """
    The instant in RFC 3339, UTC; a fraction only where there is one.

    `parse` of it is the same instant again.
    """
    return to_datetime(instant).replace(tzinfo=None).isoformat() + "Z"


def _refuse(given: str, why: str, hint: str = "2027-01-31T18:00:00Z, for example") -> NoReturn:
    raise InvalidInput("not an instant", subject=quoted(given), why=why, hint=hint)
