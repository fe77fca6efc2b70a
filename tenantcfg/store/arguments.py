"""
What the library's door is given, judged before a database is asked.

A wrong type is a fault of the program that calls, and a `TypeError` that says what is wanted; a
value that cannot be what it stands for is `InvalidInput`, as everywhere. The check needs none
of this: what cannot be an id is not granted.

Whoever only checks loads this module as well, so what few of its functions need they load
themselves.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.errors import InvalidInput, quoted
from tenantcfg.ids import AppId, TenantId

__all__ = [
    "attribution",
    "change",
    "collection",
    "id_text",
    "instants",
    "known_as",
    "limit",
    "past",
    "permission",
    "require",
    "several",
    "span",
]


_HUNDRED_YEARS = 100 * 366 * 86_400_000_000


def require(*kinds: type | None, **given: object) -> None:
    """Raise TypeError unless each of *given* is of one of *kinds*, or None where that is one."""
    for name, one in given.items():
        if not (one is None and None in kinds) and not _is_of(one, *filter(None, kinds)):
            wanted = " or ".join(kind.__name__ if kind else "None" for kind in kinds)
            raise TypeError(f"{name}: {wanted} is wanted, not {type(one).__name__}")


def _is_of(one: object, *kinds: type) -> bool:
    # To Python a bool is a number; to us it is a slip.
    return isinstance(one, kinds) and (not isinstance(one, bool) or bool in kinds)


def change(tenant: object, by: object) -> None:
    """What every change of a tenant is given."""
    require(TenantId, tenant=tenant)
    attribution(by)


def attribution(by: object) -> None:
    """Who changes something."""
    from tenantcfg.history import Attribution  # noqa: PLC0415

    require(Attribution, by=by)


def permission(action: object) -> None:
    """
    An action whose grants are read or changed.

    Raises:
        InvalidInput: there is no such permission.
    """
    require(str, action=action)
    if action != REMOVE_PARTICIPANT:
        # Whoever adds a second one has the verbs of tenants and undo close and restore its grants.
        raise InvalidInput(
            "no such permission", subject=quoted(str(action)), why=f"there is {REMOVE_PARTICIPANT}"
        )


def past(as_of: object) -> None:
    """A point in the history, or None."""
    require(int, datetime, None, as_of=as_of)


def id_text(kind: type[TenantId | AppId], **given: object) -> str:
    """The text of an id that is given as one or as a text; None is an empty one."""
    require(str, kind, None, **given)
    (one,) = given.values()
    return "" if one is None else str(one)


def collection(of: type, **given: object) -> None:
    """Several of a kind, or None; a text would be taken for its letters."""
    for name, several in given.items():
        letters = isinstance(several, (str, bytes))
        if several is None or (isinstance(several, Collection) and not letters):
            continue
        found = type(several).__name__
        raise TypeError(f"{name}: a collection of {of.__name__} is wanted, not {found}")


def several(of: type, *more: None, **given: object) -> None:
    """A collection of which each is of a kind, or None where that is named."""
    collection(of, **given)
    for name, one in given.items():
        if one is None and None not in more:
            raise TypeError(f"{name}: a collection of {of.__name__} is wanted, not NoneType")
        for each in one if isinstance(one, Collection) else ():
            require(of, **{name: each})


def span(**given: object) -> None:
    """
    How long something lasts, in microseconds.

    Raises:
        InvalidInput: it is negative, or over a hundred years.
    """
    for name, length in given.items():
        require(int, **{name: length})
        if not (isinstance(length, int) and 0 <= length <= _HUNDRED_YEARS):
            why = "0 to a hundred years, in microseconds, is wanted"
            raise InvalidInput(f"no length for '{name}'", subject=str(length)[:40], why=why)


def known_as(actor: object) -> None:
    """
    An actor as the history names one, or None.

    Raises:
        InvalidInput: nobody can be called so.
    """
    require(str, None, actor=actor)
    if isinstance(actor, str):
        from tenantcfg.history import Actor  # noqa: PLC0415

        Actor(actor)


def limit(number: object) -> None:
    """
    How many are wanted at most, or None.

    Raises:
        InvalidInput: it is negative.
    """
    require(int, None, limit=number)
    if isinstance(number, int) and number < 0:
        raise InvalidInput("not a number of changes", subject=str(number), why="it is negative")


def instants(**given: object) -> None:
    """
    Instants, or None.

    Raises:
        InvalidInput: one lies outside the years 1 to 9999.
    """
    from tenantcfg.instants import require as require_instant  # noqa: PLC0415

    for name, moment in given.items():
        if moment is not None:
            require_instant(name, moment)
