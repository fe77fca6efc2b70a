"""
The history: one `Change` for each revision, chained by hashes.

A `Change` is the receipt that an admin gets and the row of the audit trail, one thing. It
says what changed, never the whole list: before and after are read back from the rows.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tenantcfg import instants
from tenantcfg.configuration import Outcome, Result
from tenantcfg.errors import InvalidInput, quoted
from tenantcfg.ids import AppId, Revision, TenantId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantcfg.instants import Instant

__all__ = [
    "GENESIS",
    "MAX_REASON_LENGTH",
    "START",
    "Actor",
    "Attribution",
    "Change",
    "Head",
    "Operation",
    "Verb",
    "broken_link",
    "broken_links",
    "canonical",
    "seal",
]

GENESIS = "0" * 64
"""The hash that the first change names as its previous one."""

MAX_REASON_LENGTH = 1_000
"""The longest reason, in characters (docs, limits)."""


@dataclass(frozen=True, slots=True)
class Actor:
    """
    Who made a change.

    *name* is what the system vouches for (``os:alice``); *claimed* are names that were only
    said (``SUDO_USER``, ``TENANTCFG_ACTOR``, ``AccountId``), as pairs of where and what:
    they stand beside the name, never instead. They are kept in the order of where.

    Raises:
        InvalidInput: a name is too long or cannot be stored, or two claims come from the
            same place.
    """

    name: str
    claimed: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _storable("actor", self.name)
        for where, name in self.claimed:
            _storable("place of a claimed actor", where)
            _storable("claimed actor", name)
        ordered = tuple(sorted(self.claimed))
        if len(dict(ordered)) != len(ordered):
            raise InvalidInput("two claimed actors come from the same place")
        object.__setattr__(self, "claimed", ordered)


@dataclass(frozen=True, slots=True)
class Attribution:
    """
    Who changes something, for whom and why.

    Raises:
        InvalidInput: the reason or the name of whom it is for is too long, or holds a NUL
            or half a surrogate pair.
    """

    actor: Actor
    on_behalf_of: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.actor, Actor):
            raise TypeError(f"actor: Actor is wanted, not {type(self.actor).__name__}")
        for what, given in (("reason", self.reason), ("on behalf of", self.on_behalf_of)):
            if given is not None:
                _storable(what, given)


def _storable(what: str, given: str) -> None:
    if not isinstance(given, str):
        raise TypeError(f"{what}: str is wanted, not {type(given).__name__}")
    if len(given) > MAX_REASON_LENGTH:
        raise InvalidInput(
            f"the text for '{what}' is too long",
            subject=f"{len(given)} characters",
            hint=f"at most {MAX_REASON_LENGTH}",
        )
    if _UNSTORABLE.search(given):
        raise InvalidInput(
            f"the text for '{what}' cannot be stored",
            subject=quoted(given),
            why="it holds a NUL or half a surrogate pair",
        )


# No UTF-8 text holds half a pair, and PostgreSQL's holds no NUL.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Verb(StrEnum):
    """What kind of change it was."""

    SET = "set"
    UNDO = "undo"
    TENANT_ADD = "tenant.add"
    TENANT_RENAME = "tenant.rename"
    TENANT_DISABLE = "tenant.disable"
    TENANT_ENABLE = "tenant.enable"
    TENANT_REMOVE = "tenant.remove"
    KEY_NEW = "key.new"
    KEY_ROTATE = "key.rotate"
    KEY_REVOKE = "key.revoke"

    @property
    def of_keys(self) -> bool:
        """Whether it concerns service keys, and so no tenant."""
        return self in _OF_KEYS


_OF_KEYS = frozenset({Verb.KEY_NEW, Verb.KEY_ROTATE, Verb.KEY_REVOKE})


@dataclass(frozen=True, slots=True)
class Operation:
    """
    The operation as given.

    Attributes:
        details: plain JSON (objects, lists, strings, integers, booleans, null); of a
            ``set`` the modifier, of a tenant verb the name before and after, of a key verb
            the key but for its secret. Never a member ``verb``: in JSON the verb stands
            among them.

    Raises:
        ValueError: *details* has a member ``verb``.
    """

    verb: Verb
    details: Mapping[str, Any]

    def __post_init__(self) -> None:
        if "verb" in self.details:
            raise ValueError("the details of an operation have a member 'verb'")

    @property
    def effect(self) -> Verb:
        """What kind of change it is in the end: of an undo, what that comes to."""
        return Verb(self.details["effect"]) if self.verb is Verb.UNDO else self.verb


@dataclass(frozen=True, slots=True)
class Change:
    """
    One change: the receipt and the audit row.

    Attributes:
        revision: the number it took; of a what-if, and of a change without effect, the
            revision at which it was found, with *hash* empty.
        at: of the store's clock; never earlier than the change before.
        tenant: None where it concerns service keys: they are of no tenant.
        action: the permission whose grants the outcomes speak of.
        previous, hash: SHA-256 in lower-case hexadecimal; see `seal`. A what-if names the
            change that it would follow as its previous one, a change without effect none.
    """

    revision: Revision
    at: Instant
    tenant: TenantId | None
    action: str
    by: Attribution
    operation: Operation
    outcomes: tuple[Outcome, ...]
    previous: str = ""
    hash: str = ""

    @property
    def stored(self) -> bool:
        """Whether this change took a revision and stands in the history."""
        return bool(self.hash)

    @property
    def effective(self) -> bool:
        """Whether it changed anything or, as a what-if, would have."""
        return bool(self.previous)

    @property
    def receipt(self) -> str:
        """``REV:HASH``, which later proves that the history was not rewritten."""
        return f"{self.revision}:{self.hash}"

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON; `from_json` of it is the same change again."""
        return {
            "revision": int(self.revision),
            "at": instants.text(self.at),
            "tenant": None if self.tenant is None else self.tenant.value,
            "action": self.action,
            "actor": self.by.actor.name,
            "claimed": dict(self.by.actor.claimed),
            "on_behalf_of": self.by.on_behalf_of,
            "reason": self.by.reason,
            "operation": {"verb": self.operation.verb.value, **self.operation.details},
            "outcomes": [_outcome_to_json(outcome) for outcome in self.outcomes],
            "previous": self.previous,
            "hash": self.hash,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Change:
        """
        The change that `to_json` wrote.

        Raises:
            ValueError: *row* is not what it wrote.
        """
        try:
            return cls._from_json(row)
        except (AttributeError, KeyError, OverflowError, TypeError, InvalidInput) as problem:
            raise ValueError(f"not a change as it is written: {problem!r}") from problem

    @classmethod
    def _from_json(cls, row: Mapping[str, Any]) -> Change:
        details = dict(row["operation"])
        operation = Operation(Verb(details.pop("verb")), details)
        return cls(
            revision=Revision(row["revision"]),
            at=instants.parse(row["at"]),
            tenant=_tenant_of(row["tenant"], operation),
            action=row["action"],
            by=Attribution(
                Actor(row["actor"], tuple(row["claimed"].items())),
                row["on_behalf_of"],
                row["reason"],
            ),
            operation=operation,
            outcomes=tuple(_outcome_from_json(outcome) for outcome in row["outcomes"]),
            previous=row["previous"],
            hash=row["hash"],
        )


@dataclass(frozen=True, slots=True)
class Head:
    """The newest change of a store: its revision, hash and time. Revision 0: none yet."""

    revision: Revision
    hash: str
    at: Instant

    def __str__(self) -> str:
        return f"{self.revision}:{self.hash}"


START = Head(Revision(0), GENESIS, instants.Instant(0))
"""The head of a store before its first change."""


def seal(change: Change, head: Head) -> Change:
    """
    *change* with the revision, previous hash and hash that follow *head*.

    The hash is the SHA-256 of `canonical`, the previous hash in it: whoever alters,
    drops, swaps or inserts a change breaks every hash that follows.
    """
    unsealed = replace(
        change,
        revision=Revision(head.revision + 1),
        at=max(change.at, head.at),
        previous=head.hash,
        hash="",
    )
    return replace(unsealed, hash=_digest(canonical(unsealed)))


def canonical(change: Change) -> str:
    """
    The text that is hashed: `Change.to_json` without ``hash``, keys sorted, no blanks, ASCII.

    Equal changes have equal texts, and a change read back from one has the same text again.
    """
    content = change.to_json()
    del content["hash"]
    return _as_hashed(content)


# Made once: whoever reads a history through comes by here at every change.
_as_hashed = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def broken_links(changes: Iterable[Change]) -> Iterator[str]:
    """
    What is wrong with *changes* as a chain from the first revision on, one line each.

    Found are altered changes, gaps, repeats, swaps and times that run backwards. A tail
    that was cut off leaves a sound chain: only an earlier head shows it.
    """
    before = START
    for change in changes:
        for wrong in broken_link(change, before):
            yield f"revision {change.revision}: {wrong}"
        before = Head(change.revision, change.hash, change.at)


def broken_link(change: Change, before: Head, *, text: str | None = None) -> Iterator[str]:
    """
    What is wrong with *change* as the one that follows *before*; nothing when it is sound.

    *text* is its `canonical` one, from who has it already.
    """
    if change.revision != before.revision + 1:
        yield f"it follows revision {before.revision}"
    if change.previous != before.hash:
        yield "it does not name the hash of the change before it"
    if change.hash != _digest(canonical(change) if text is None else text):
        yield "its content does not have its hash"
    if change.at < before.at:
        yield "its time is earlier than that of the change before it"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _tenant_of(written: str | None, operation: Operation) -> TenantId | None:
    if (written is None) != operation.effect.of_keys:
        raise ValueError(f"{operation.effect} of the tenant {written!r}")
    return None if written is None else TenantId(written)


def _outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    shown: dict[str, Any] = {"app": outcome.app.value, "result": outcome.result.value}
    if outcome.expires_at is not None:
        shown["expires_at"] = instants.text(outcome.expires_at)
    if outcome.expired_at is not None:
        shown["expired_at"] = instants.text(outcome.expired_at)
    return shown


def _outcome_from_json(row: Mapping[str, Any]) -> Outcome:
    ends, ended = row.get("expires_at"), row.get("expired_at")
    return Outcome(
        AppId(row["app"]),
        Result(row["result"]),
        None if ends is None else instants.parse(ends),
        None if ended is None else instants.parse(ended),
    )
