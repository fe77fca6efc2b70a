"""
Calls, who is in them, and what becomes of those who are removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from tenantcfg.errors import InvalidInput, quoted

if TYPE_CHECKING:
    from tenantcfg.ids import AppId, Revision, TenantId
    from tenantcfg.instants import Instant

__all__ = [
    "MAX_MEETING_ID",
    "MAX_MEETING_TEXT",
    "Call",
    "CallState",
    "Direction",
    "Identity",
    "IdentityKind",
    "Outcome",
    "Page",
    "Participant",
    "Refusal",
    "Removal",
    "Removed",
    "UnknownCall",
    "Whereabouts",
    "meeting_id",
    "meeting_text",
]

MAX_MEETING_ID = 512
"""The longest id of a call or a participant, in characters (docs, limits)."""
MAX_MEETING_TEXT = 1_000
"""The longest subject of a call and name of a participant, in characters (docs, limits)."""

T = TypeVar("T")


class CallState(StrEnum):
    """How far a call has come, in Graph's words (participants P19)."""

    INCOMING = "incoming"
    ESTABLISHING = "establishing"
    RINGING = "ringing"
    ESTABLISHED = "established"
    HOLD = "hold"
    TRANSFERRING = "transferring"
    TRANSFER_ACCEPTED = "transferAccepted"
    REDIRECTING = "redirecting"
    TERMINATING = "terminating"
    TERMINATED = "terminated"


class Direction(StrEnum):
    """Who began a call, in Graph's words."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


class IdentityKind(StrEnum):
    """As what somebody takes part, in Graph's words (participants P19)."""

    USER = "user"
    GUEST = "guest"
    APPLICATION = "application"
    PHONE = "phone"
    DEVICE = "device"


class Outcome(StrEnum):
    """What became of a removal (participants P14)."""

    UNKNOWN = "unknown"
    """It was begun, and nobody has said yet what became of it."""
    REMOVED = "removed"
    ALREADY_GONE = "already_gone"
    """There was nobody to remove any more."""
    FAILED = "failed"
    """The participant is there as before."""


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Who somebody is.

    Attributes:
        tenant: their home tenant; None: not said.
    """

    kind: IdentityKind
    id: str
    display_name: str | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """
    Somebody in a call.

    Attributes:
        identity: None: not said.
        answered: whether the call was answered; before that nobody is removed
            (participants P12).
        muted: by themselves.
    """

    id: str
    identity: Identity | None = None
    answered: bool = True
    in_lobby: bool = False
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """
    A call of a tenant.

    Attributes:
        sequence: rises with every change of who is in it; None: not known.
    """

    tenant: TenantId
    id: str
    state: CallState = CallState.ESTABLISHED
    direction: Direction = Direction.OUTGOING
    subject: str | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """
    What there is of somebody in a call.

    Attributes:
        call: None: there is no such call.
        participant: None: nobody of this id is in it.
    """

    call: Call | None
    participant: Participant | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """
    Some of what there is, in its order.

    Attributes:
        after: what to ask for behind the last of *items*; None: there is no more.
        total: how many there are in all, at this moment.
        call: of a page of participants: whose they are.
    """

    items: tuple[T, ...]
    after: str | None
    total: int
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """
    That an application had somebody removed from a call; the audit row.

    Attributes:
        request_id: of the request, and the row's key: a request removes one, at most.
        at: when it was begun.
        revision: of the store, at which it was permitted.
        controller: which kind of controller was told.
        settled_at: when *outcome* became known; None: it is not.
        why: what else is to be said of the outcome.
    """

    request_id: str
    at: Instant
    tenant: TenantId
    app: AppId
    call: str
    participant: str
    revision: Revision
    controller: str
    outcome: Outcome = Outcome.UNKNOWN
    settled_at: Instant | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """
    What whoever carries the media is told: this one is out, drop them.

    Attributes:
        number: rises by one from one removal to the next, in the order of their commits.
    """

    number: int
    at: Instant
    tenant: TenantId
    call: str
    participant: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    That somebody with a good token was refused (kept for 30 days).

    Attributes:
        app: None: the token names none.
        status, code: of the answer.
        why: one line for whoever asks later; what the client was not told may stand in it.
        revision: at which it was decided; None: it was not for the store to decide.
        call, participant: as the path named them, where it did.
    """

    request_id: str
    at: Instant
    tenant: TenantId
    app: AppId | None
    method: str
    status: int
    code: str
    why: str
    revision: Revision | None = None
    call: str | None = None
    participant: str | None = None


class UnknownCall(InvalidInput):
    """The tenant has no call of this id: make it known, or correct the id."""

    code = "unknown_call"


def meeting_id(what: str, text: object) -> str:
    """
    *text* as the id of a *what*, a call or a participant: 1 to 512 printable characters, kept.

    Raises:
        InvalidInput: it cannot be one.
    """
    if not isinstance(text, str):
        raise TypeError(f"{what}: str is wanted, not {type(text).__name__}")
    why = ""
    if not 1 <= len(text) <= MAX_MEETING_ID:
        why = f"it has {len(text)} characters, 1 to {MAX_MEETING_ID} are allowed"
    elif not text.isprintable():
        why = "it holds a character that cannot be printed"
    if why:
        raise InvalidInput(f"not the id of a {what}", subject=quoted(text), why=why)
    return text


def meeting_text(what: str, text: object) -> str:
    """
    *text* as *what*, a subject or a name: 1,000 characters at most, kept as it is.

    Raises:
        InvalidInput: it is longer, or holds what no database keeps (NUL, half a surrogate pair).
    """
    if not isinstance(text, str):
        raise TypeError(f"{what}: str is wanted, not {type(text).__name__}")
    why = ""
    if len(text) > MAX_MEETING_TEXT:
        why = f"it has {len(text)} characters, {MAX_MEETING_TEXT} are allowed"
    elif any(one == "\0" or "\ud800" <= one <= "\udfff" for one in text):
        why = "it holds a character that cannot be stored"
    if why:
        raise InvalidInput(f"not a {what}", subject=quoted(text), why=why)
    return text
