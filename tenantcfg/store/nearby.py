"""
Which tenants may have been meant by one that is not known.

Of a large store not all are looked through: what one slip of a finger makes of a text is looked
up by the indexes, some thousand texts, however many tenants there are.
"""

from __future__ import annotations

from string import ascii_letters, digits
from typing import TYPE_CHECKING

from sqlalchemy import select

from tenantcfg.ids import MAX_ID_LENGTH, near_misses, slips
from tenantcfg.store.effects import name_key
from tenantcfg.store.rows import standing
from tenantcfg.store.schema import tenants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import ColumnElement

    from tenantcfg.store.engine import Reading

__all__ = ["ids_near", "known_near"]

_LOOKED_THROUGH = 1_000
_AT_ONCE = 500
_IN_GUIDS = "0123456789abcdef-"
_IN_IDS = f"{ascii_letters}{digits}-._ "

_LIVE = select(tenants.c.tenant, tenants.c.name).where(standing(tenants, None))


def ids_near(reading: Reading, wanted: str) -> tuple[str, ...]:
    """The ids of tenants that are one slip away from *wanted*; see `tenantcfg.ids.near_misses`."""
    found = dict.fromkeys(tenant for tenant, _ in _candidates(reading, wanted))
    return near_misses(wanted, found)


def known_near(reading: Reading, wanted: str) -> tuple[str, ...]:
    """The ids and the names of tenants that are one slip away from *wanted*."""
    found = dict.fromkeys(each for both in _candidates(reading, wanted) for each in both if each)
    return near_misses(wanted, found)


def _candidates(reading: Reading, wanted: str) -> Iterator[tuple[str, str | None]]:
    """Id and name of each tenant or, of a large store, of some and of those one slip away."""
    some = _LIVE.order_by(tenants.c.tenant).limit(_LOOKED_THROUGH)
    rows = reading.connection.execute(some).all()
    yield from map(tuple, rows)
    if len(rows) < _LOOKED_THROUGH or len(wanted) > MAX_ID_LENGTH + 1:
        return
    low, key = wanted.lower(), name_key(wanted)
    yield from _looked_up(reading, tenants.c.tenant, (low, *_slips(wanted), *_slips(low)))
    yield from _looked_up(reading, tenants.c.name_key, (key, *_slips(key)))


def _slips(text: str) -> Iterator[str]:
    return slips(text, _IN_GUIDS if set(text) <= set(_IN_GUIDS) else _IN_IDS)


def _looked_up(
    reading: Reading, column: ColumnElement[str | None], texts: Iterable[str]
) -> Iterator[tuple[str, str | None]]:
    distinct = list(dict.fromkeys(texts))
    for start in range(0, len(distinct), _AT_ONCE):
        some = _LIVE.where(column.in_(distinct[start : start + _AT_ONCE]))
        yield from map(tuple, reading.connection.execute(some).all())
