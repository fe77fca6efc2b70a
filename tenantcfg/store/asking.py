"""
What waits to be answered: single checks, and the questions of services with their keys.

A service's questions are read together with the key that it asks with, by one statement: were
the key read before, a permit could be given by one that was revoked in between (check M7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.decision import pairs, require_least
from tenantcfg.ids import Revision
from tenantcfg.instants import Instant
from tenantcfg.store.checking import as_asked, asked_for
from tenantcfg.store.failures import damaged
from tenantcfg.store.gathering import Gatherer
from tenantcfg.store.typed import key_facts
from tenantcfg.store.views import Answered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantcfg.decision import Decision, Pair
    from tenantcfg.store.checking import Checks
    from tenantcfg.store.readers import Readers, Row

__all__ = ["Asks", "GatheredChecks", "answered_by", "as_key"]

_KEY = slice(6, 12)
"""Where the key stands in a row; before it a check's facts, behind it the clock."""

# No id of a key is empty, so this one is nobody's.
_NOBODY = ""
_NOTHING: Pair = (None, "")


@dataclass(frozen=True, slots=True)
class _Check:
    question: Pair
    action: str
    at_least: int


class GatheredChecks:
    """Single checks, those that wait asked together; see `Store.check_async`."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._gatherer: Gatherer[_Check, Row, Decision] = Gatherer(self)

    async def ask(self, question: Pair, action: str, at_least: int) -> Decision:
        """The decision on *question*; as `Checks.one`."""
        require_least(at_least)
        return await self._gatherer.ask(_Check(question, action, at_least))

    def size(self, asked: _Check) -> int:
        """See `Asking.size`."""
        del asked
        return 1

    def facts(self, asked: Sequence[_Check]) -> Sequence[Row]:
        """See `Asking.facts`; what is asked of another action is denied whatever they are."""
        return self._checks.facts([one.question for one in asked], REMOVE_PARTICIPANT)

    def answer(self, asked: _Check, facts: Row) -> Decision:
        """See `Asking.answer`."""
        return self._checks.decided(asked.question, facts, asked.action, asked.at_least)


# Tuples, as every request makes one of each: that costs half of what a dataclass does.


class _Asked(NamedTuple):
    questions: Sequence[Pair]
    key: str
    action: str
    at_least: int


class _Facts(NamedTuple):
    """A row for each question, or one where there is none; and that with the key, if any has."""

    rows: Sequence[Row]
    keyed: Row


class Asks:
    """The questions of services; see `Store.ask`."""

    def __init__(self, checks: Checks, readers: Readers, *, in_place: bool) -> None:
        self._checks = checks
        self._readers = readers
        self._gatherer: Gatherer[_Asked, _Facts, Answered]
        self._gatherer = Gatherer(self, in_place=in_place)

    async def ask(
        self, questions: Sequence[Pair], key: str | None, action: str, at_least: int
    ) -> Answered:
        """The decisions on *questions* and the facts of *key*, on one snapshot."""
        require_least(at_least)
        asked = _Asked(pairs(questions), as_key(key), action, at_least)
        return await self._gatherer.ask(asked)

    def size(self, asked: _Asked) -> int:
        """See `Asking.size`."""
        return len(asked.questions) or 1

    def facts(self, asked: Sequence[_Asked]) -> Sequence[_Facts]:
        """See `Asking.facts`."""
        if len(asked) == 1 and len(asked[0].questions) <= 1:
            row = self._one(asked[0].questions, asked[0].key, asked[0].action)
            return [_Facts([row], row)]
        # One action for all: what is asked of another is denied whatever the facts are.
        rows = self._readers.many_asked(list(_lines(asked)), REMOVE_PARTICIPANT)
        return list(_dealt(asked, rows))

    def answer(self, asked: _Asked, facts: _Facts) -> Answered:
        """See `Asking.answer`."""
        first = facts.rows[0]
        if asked.at_least:
            self._checks.require(first, asked.at_least)
        decided = self._checks.decided
        decisions = [
            decided(question, (*row[:6], row[-1]), asked.action, 0)
            for question, row in zip(asked.questions, facts.rows, strict=False)
        ]
        return answered_by(facts.keyed, tuple(decisions))

    def _one(self, questions: Sequence[Pair], key: str, action: str) -> Row:
        tenant, app = as_asked(questions[0] if questions else _NOTHING)
        return self._readers.one_asked(tenant, app, asked_for(action), key)


def as_key(key: str | None) -> str:
    """*key* as the database is asked for it; none that there is, if it can be no key's id."""
    if key is None:
        return _NOBODY
    if not isinstance(key, str):
        raise TypeError(f"key: the id of a key is wanted, not {type(key).__name__}")
    return key if key.isascii() and key.isalnum() else _NOBODY


def answered_by(row: Row, decisions: tuple[Decision, ...]) -> Answered:
    """What *row*, one with a key, says beside the *decisions*."""
    try:
        # A clock that was set back behind the head revives nothing.
        at = Instant(max(row[2], row[-1]))
        key = None if row[6] is None else key_facts(row[_KEY])
        return Answered(row[0], Revision(row[1]), at, decisions, key)
    except (TypeError, ValueError) as why:
        raise damaged(f"a row cannot be read: {why}") from why


def _lines(asked: Sequence[_Asked]) -> Iterator[tuple[str, str, str | None]]:
    """A line for each row that is wanted; a key stands in the first of those who ask with it."""
    seen: set[str] = set()
    for one in asked:
        key = None if one.key in seen else one.key
        seen.add(one.key)
        for question in one.questions or (_NOTHING,):
            yield (*as_asked(question), key)
            key = None


def _dealt(asked: Sequence[_Asked], rows: Sequence[Row]) -> Iterator[_Facts]:
    """Each one's own rows, and the one that his key was read in."""
    keyed: dict[str, Row] = {}
    place = 0
    for one in asked:
        mine = rows[place : place + (len(one.questions) or 1)]
        place += len(mine)
        yield _Facts(mine, keyed.setdefault(one.key, mine[0]))
