"""
Who asks: service keys, or nobody in particular on a machine of one's own.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, TypeVar

from tenantcfg.errors import InvalidInput, Unavailable
from tenantcfg.keys import Right, ServiceKey, admits
from tenantcfg.service.authzen.model import Freshness
from tenantcfg.service.http import Problem, bearer_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from tenantcfg.keys import KeyFacts
    from tenantcfg.service.http import Request
    from tenantcfg.service.standbys import Standby
    from tenantcfg.store import Answered, Found, Store

__all__ = [
    "MAY_CHECK",
    "MAY_SEARCH",
    "Anybody",
    "KeyHolder",
    "KeyHolders",
    "bearer",
    "in_time",
    "require",
    "require_direct",
    "told",
]

T = TypeVar("T")

MAY_CHECK: Final = (Right.CHECK,)
"""The rights of which a key needs one to ask for decisions."""
MAY_SEARCH: Final = (Right.CHECK, Right.READ)
"""And those to search (check M7)."""

PATIENCE: Final = 3.0
"""Seconds that a store has to answer a request in."""
_SEEN_FOR: Final = 5.0
"""Seconds for which a key that was in force has its bodies read without a look before."""
_SEEN_MOST: Final = 10_000

_PROXIED: Final = (b"forwarded", b"via")
_PROXIED_FAMILY: Final = b"x-forwarded-"


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Who presented a service key; *shown*: the whole value of the header it came in."""

    key: ServiceKey = field(repr=False)
    shown: bytes = field(repr=False)

    @property
    def identity(self) -> str:
        """The key's id, which is no secret."""
        return f"key:{self.key.id}"


@dataclass(frozen=True, slots=True)
class Anyone:
    """Who asks a service that asks nobody who they are."""

    identity: str = "anybody"


class KeyHolders:
    """
    Those who hold a key of *store*.

    Before a body is read a key is looked up, unless it was in force a moment ago: that only
    saves the look; whether the key is in force, and what it may, is judged once more on the
    snapshot of the answer, so that a revocation holds from the next request (check W40, M7). So
    a *standby* will do for that look, and goes on when the store cannot be asked.
    """

    def __init__(self, store: Store, standby: Standby | None = None) -> None:
        self._store = store
        self._standby = standby
        # By what is shown, so that a key that comes again is neither read nor hashed again.
        self._seen: dict[bytes, _Seen] = {}

    def presented(self, request: Request) -> KeyHolder:
        """The key in ``Authorization: Bearer``; see `Askers.presented`."""
        shown = request.sole(b"authorization") or b""
        seen = self._seen.get(shown)
        if seen is not None:
            return seen.holder
        try:
            return KeyHolder(ServiceKey.parse(bearer_of(shown)), shown)
        except InvalidInput as why:
            raise unknown() from why

    async def known(self, asker: KeyHolder, *, searching: bool, anew: bool) -> None:
        """See `Askers.known`."""
        shown, rights = asker.shown, MAY_SEARCH if searching else MAY_CHECK
        seen = None if anew else self._seen.get(shown)
        if seen is not None and seen.until > time.monotonic() and seen.may(rights):
            return
        self._seen.pop(shown, None)
        facts = None if anew else await self._known_to_standby(asker, rights)
        if facts is None:
            answered = await told(self._store, self._store.ask((), key=asker.key.id))
            facts = require(answered, asker, *rights)
        if facts is None:
            return
        if len(self._seen) >= _SEEN_MOST:
            self._seen.clear()
        self._seen[shown] = _Seen(asker, time.monotonic() + _SEEN_FOR, facts.rights)

    async def _known_to_standby(self, asker: KeyHolder, rights: Sequence[Right]) -> KeyFacts | None:
        """The facts of the key, where a standby admits it; None: the store has to be asked."""
        if self._standby is None:
            return None
        key = asker.key
        read = await self._standby.read(
            Freshness(1), lambda store, least: store.ask((), key=key.id, at_least=least)
        )
        with suppress(Problem):
            return None if read is None else require(read.answered, asker, *rights)
        return None


@dataclass(frozen=True, slots=True)
class _Seen:
    """Who held a key that was in force, until when nobody looks again, and what it may."""

    holder: KeyHolder
    until: float
    rights: frozenset[Right]

    def may(self, rights: Sequence[Right]) -> bool:
        return not self.rights.isdisjoint(rights)


class Anybody:
    """Everyone on this machine, but for whoever came through a proxy (``--insecure-no-auth``)."""

    def presented(self, request: Request) -> Anyone:
        """See `Askers.presented`; a forwarded request is ``forbidden``."""
        require_direct(request, "without keys only this machine is answered, directly")
        return Anyone()

    async def known(self, asker: Anyone, *, searching: bool, anew: bool) -> None:
        """See `Askers.known`."""


def require_direct(request: Request, otherwise: str) -> None:
    """
    See to it that *request* was made on this machine, and that no proxy has handed it on.

    Raises:
        Problem: ``forbidden``, with the sentence *otherwise*.
    """
    names = {name for name, _ in request.scope["headers"]}
    forwarded = any(name in _PROXIED or name.startswith(_PROXIED_FAMILY) for name in names)
    if forwarded or not (request.peer is None or ip_address(request.peer).is_loopback):
        raise Problem("forbidden", otherwise)


def told(store: Store, asked: Awaitable[T]) -> Awaitable[T]:
    """
    What *store* answers, if it does in time (check C6).

    A file is asked in place and has a time of its own; a server may have stopped in the middle.

    Raises:
        Unavailable: it has not.
    """
    return asked if store.dialect == "sqlite" else in_time(store, asked)


async def in_time(store: Store, asked: Awaitable[T]) -> T:
    """
    What *store* answers in a thread, if it does in time (check C6).

    Raises:
        Unavailable: it has not.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            return await asked
    except TimeoutError as why:
        raise Unavailable("the store has not answered in time", subject=store.url) from why


def bearer(request: Request) -> str:
    """
    The token of ``Authorization: Bearer``.

    Raises:
        Problem: ``unauthenticated``: there is none, or two.
    """
    token = bearer_of(request.sole(b"authorization") or b"")
    if not token:
        raise unknown()
    return token


def require(read: Answered | Found, asker: KeyHolder | Anyone, *rights: Right) -> KeyFacts | None:
    """
    The facts of the key that *asker* holds, as they were *read*; None: no key is wanted.

    One of *rights* is enough.

    Raises:
        Problem: ``unauthenticated``, ``forbidden``.
    """
    if isinstance(asker, Anyone):
        return None
    facts = read.key
    if facts is None or not admits(facts, asker.key, read.at):
        raise unknown()
    if not facts.rights.intersection(rights):
        raise Problem("forbidden", "this key may not ask for this")
    return facts


def unknown() -> Problem:
    """Who asks is not known."""
    return Problem("unauthenticated", "a service key in force is wanted: Authorization: Bearer")
