"""
Questions and answers, and the two things that the layer is given: decisions and who may ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from tenantcfg.decision import Deny, Permit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantcfg.service.http import Problem, Request

__all__ = [
    "Action",
    "Asker",
    "Askers",
    "Barred",
    "Decisions",
    "Entity",
    "Freshness",
    "Item",
    "Judged",
    "Outcome",
    "Page",
    "Question",
    "Recorder",
    "Search",
    "Snapshot",
    "Sought",
]


# What questions are made of is read from JSON in one go where it is written plainly (`Plain`),
# which a dataclass would be no less; but of these a check makes four, for the price of one.


class Entity(Struct, frozen=True, omit_defaults=True):
    """A subject or a resource; *id* is empty where a search looks for it (check W9, W27)."""

    type: str
    id: str
    properties: Mapping[str, Any] = {}


class Action(Struct, frozen=True, omit_defaults=True):
    """What is to be done; *name* is empty where a search looks for it."""

    name: str
    properties: Mapping[str, Any] = {}


class Question(Struct, frozen=True, omit_defaults=True):
    """Whether *subject* may do *action* to *resource*."""

    subject: Entity
    action: Action
    resource: Entity
    context: Mapping[str, Any] = {}


class Sought(StrEnum):
    """What a search looks for (check W27)."""

    SUBJECT = "subject"
    RESOURCE = "resource"
    ACTION = "action"


@dataclass(frozen=True, slots=True)
class Search:
    """A question with one part open, and which part of what fits is wanted."""

    sought: Sought
    question: Question
    after: str
    """Only what comes behind this id; empty: from the first on."""
    limit: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """What an answer must not be older than: a revision, and of which store (check C8)."""

    revision: int = 0
    store: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    Where an answer was read; None: the source of decisions has no such thing.

    Attributes:
        lag: for how many seconds at most it may have missed something; None: nothing is said.
    """

    store: str | None = None
    revision: int | None = None
    lag: float | None = None


@dataclass(frozen=True, slots=True)
class Barred:
    """Who asks may not ask about this (check M7)."""


Outcome = Permit | Deny | Barred


@dataclass(frozen=True, slots=True)
class Judged:
    """
    The outcomes of questions, in their order, all on one snapshot (check W26).

    Attributes:
        asker_name: what who asks is called there, beside his identity; None: nothing.
    """

    outcomes: Sequence[Outcome]
    snapshot: Snapshot = field(default_factory=Snapshot)
    asker_name: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """
    A question with its outcome; a problem, where an item of a batch was no question (check W24).

    Attributes:
        place: in the batch, from 0; None: it was asked alone.
    """

    asked: Question | Problem
    outcome: Outcome | Problem
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """
    A part of what a search finds, ordered by id (check W34).

    Attributes:
        results: ids, or names of actions.
        total: how many there are in all, of what who asks may see.
        more: whether others follow.
    """

    results: Sequence[str]
    total: int
    more: bool
    snapshot: Snapshot = field(default_factory=Snapshot)


class Asker(Protocol):
    """
    Who asks, as far as the credential says.

    Each source of askers has a type of its own, which the decisions it is used with know.
    """

    @property
    def identity(self) -> str:
        """A name without any secret: page tokens are bound to it, logs name it."""


class Askers(Protocol):
    """Who may ask (check W40, W41)."""

    def presented(self, request: Request) -> Asker:
        """
        Who the request says it is; nothing is looked up.

        Raises:
            Problem: ``unauthenticated``: there is no credential, or what cannot be one.
        """

    async def known(self, asker: Any, *, searching: bool, anew: bool) -> None:  # noqa: ANN401 - see Asker
        """
        Return if *asker* is known, and may ask; it decides no more than whether a body is read.

        Args:
            asker: who presented himself.
            searching: whether it is a search that is asked for.
            anew: it is looked up whatever was seen a moment ago.

        Raises:
            Problem: ``unauthenticated``: it is not known, or its time is over; ``forbidden``.
        """


class Decisions(Protocol):
    """
    Where decisions come from.

    Both methods judge *asker* as well, on the snapshot of the answer, and raise `Problem`
    (``unauthenticated``, ``forbidden``, ``unavailable``, ``stale``) where there is none.
    """

    async def judge(
        self,
        questions: Sequence[Question],
        asker: Any,  # noqa: ANN401 - see Asker
        fresh: Freshness,
    ) -> Judged:
        """The outcome of each of *questions*; there may be none of them."""

    async def search(self, search: Search, asker: Any, fresh: Freshness) -> Page:  # noqa: ANN401 - see Asker
        """What fits *search*."""


class Recorder(Protocol):
    """Is told what was decided, before it is answered (check M2, M5)."""

    async def record(
        self, request: Request, endpoint: str, items: Sequence[Item], judged: Judged
    ) -> None:
        """
        Keep *items*, which *judged* came to and *endpoint* is about to answer.

        Raises:
            Problem: ``unavailable``: they cannot be kept, and must not be answered.
        """
