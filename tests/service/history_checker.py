"""
What was changed and what was answered meanwhile, and whether the two can be true together.

A fact (this grant, this tenant, this key) is in force or not, and one writer changes it, one
change after the other. A change takes hold at one instant between its start and its
acknowledgement, and an answer is read at one instant between being asked and being given
(check C1). What no choice of instants explains is a fault of the service.

All times are seconds of one monotonic clock, which the processes of a machine share.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Answer", "Fault", "Rule", "Write", "faults"]

Fact = tuple[str, ...]

SLACK: Final = 0.02
"""Seconds by which the end of a grant may be off: it is set on a clock that runs by itself."""


@dataclass(frozen=True, slots=True)
class Write:
    """
    A change of one fact, which is not in force before the first.

    Attributes:
        in_force: what it makes of the fact.
        acknowledged: when the writer was told; infinite: never, so it may have been made or not.
        revision: that it took; None where that is not known, or nothing had to be changed.
        until: when the fact ends by itself.
    """

    fact: Fact
    began: float
    acknowledged: float = inf
    revision: int | None = None
    in_force: bool = field(kw_only=True)
    until: float = field(default=inf, kw_only=True)

    def may_be(self, value: bool, answer: Answer) -> bool:  # noqa: FBT001 - what the fact is
        """Whether the fact, as this change left it, can be *value* to *answer*."""
        if not self.in_force or self.until == inf:
            return self.in_force is value
        if value:
            return answer.asked <= self.until + SLACK
        return answer.answered >= self.until - SLACK


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer to one client, which asks anew when it has it.

    Attributes:
        form: how it was asked.
        facts: what must all be in force for a permit; of a denial with a reason that alone.
        permit: whether they were found to be.
        revision: at which it was read; None: it did not say.
        promised: the revision that it was asked not to be older than.
        strict: whether it must show all that was acknowledged before it was asked for. One of
            a standby must only be true at its revision.
    """

    client: str
    form: str
    asked: float
    answered: float
    facts: tuple[Fact, ...]
    permit: bool = field(kw_only=True)
    revision: int | None
    promised: int = 0
    strict: bool = True


class Rule(StrEnum):
    """What an answer can do wrong."""

    PERMITTED = "a permit for what was not in force any more"
    DENIED = "a denial of what was in force"
    OLDER = "older than a change that was acknowledged before"
    PROMISE = "older than it was asked to be"
    BACKWARDS = "older than the answer before it"


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer that cannot be."""

    rule: Rule
    answer: Answer


def faults(writes: Sequence[Write], answers: Sequence[Answer]) -> list[Fault]:
    """The faults of *answers*, given all *writes*; each fact's in the order they were made in."""
    return [
        *_wrong(writes, answers),
        *_older(writes, answers),
        *(
            Fault(Rule.PROMISE, one)
            for one in answers
            if one.revision is not None and one.revision < one.promised
        ),
        *_backwards(answers),
    ]


def _wrong(writes: Sequence[Write], answers: Sequence[Answer]) -> Iterator[Fault]:
    of_fact: dict[Fact, list[Write]] = {}
    for write in writes:
        of_fact.setdefault(write.fact, [_never(write.fact)]).append(write)
    for answer in answers:
        may_be = [
            any(one.may_be(answer.permit, answer) for one in _not_overtaken(changes, answer))
            for changes in (of_fact.get(fact, [_never(fact)]) for fact in answer.facts)
        ]
        if answer.permit and not all(may_be):
            yield Fault(Rule.PERMITTED, answer)
        if not answer.permit and not any(may_be):
            yield Fault(Rule.DENIED, answer)


def _never(fact: Fact) -> Write:
    """What stands before the first change of *fact*."""
    return Write(fact, -inf, -inf, 0, in_force=False)


def _not_overtaken(changes: Sequence[Write], answer: Answer) -> Iterator[Write]:
    """Of *changes*, of one fact, those that can be the last one that *answer* saw."""
    begun = bisect_left(changes, answer.answered, key=lambda one: one.began)
    for place in range(begun - 1, -1, -1):
        write, seen = changes[place], None
        if write.revision is not None and answer.revision is not None:
            seen = write.revision <= answer.revision
        if seen is not False:
            yield write
        if seen or (answer.strict and write.acknowledged <= answer.asked):
            return


def _older(writes: Sequence[Write], answers: Sequence[Answer]) -> Iterator[Fault]:
    known = sorted((one.acknowledged, one.revision) for one in writes if one.revision is not None)
    times = [time for time, _ in known]
    newest = [0]
    for _, revision in known:
        newest.append(max(newest[-1], revision))
    for answer in answers:
        if answer.revision is None or not answer.strict:
            continue
        # What was acknowledged at that very instant may have been so a moment later.
        if answer.revision < newest[bisect_left(times, answer.asked)]:
            yield Fault(Rule.OLDER, answer)


def _backwards(answers: Sequence[Answer]) -> Iterator[Fault]:
    of_client: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.revision is not None:
            of_client[answer.client].append(answer)
    for own in of_client.values():
        for before, after in pairwise(sorted(own, key=lambda one: one.asked)):
            # Those of one batch were asked together.
            if after.asked >= before.answered and _revision(after) < _revision(before):
                yield Fault(Rule.BACKWARDS, after)


def _revision(answer: Answer) -> int:
    assert answer.revision is not None
    return answer.revision
