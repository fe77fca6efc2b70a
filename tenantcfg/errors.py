"""
Every error of ours, and the one table of refusal reasons.

    TenantcfgError
    +-- InvalidInput          a value that cannot be what it stands for       exit 2
    |   +-- UnknownTenant     no such tenant in the store                     exit 2
    |   +-- TenantNotNamed    no tenant named, and more than one to choose    exit 2
    +-- Refused               a guard held the change back                    exit 5
    +-- Conflict              the state forbids it                            exit 7
    +-- Unavailable           cannot tell now; ask again                      exit 6
    |   +-- RevisionNotReached  the store is behind what was asked for        exit 6
    |   +-- OutcomeUnknown      a change may or may not have been stored      exit 6
    +-- StoreUnusable         until a person acts                             exit 9
    |   +-- StoreMissing
    |   +-- StoreNotOurs
    |   +-- StoreNewer
    |   +-- StoreOlder
    |   +-- StoreReadOnly
    |   +-- StoreFull
    +-- SettingInvalid        a setting is missing or cannot be used          exit 2
    |   +-- NotAdmitted       a service does not let this key ask             exit 2
    +-- OutputLost            what was asked for was not told                 exit 1

"Cannot tell" is never a decision: whatever could not be asked raises, and nothing that
raises permits.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

__all__ = [
    "Conflict",
    "InvalidInput",
    "NotAdmitted",
    "OutcomeUnknown",
    "OutputLost",
    "Reason",
    "Refused",
    "RevisionNotReached",
    "SettingInvalid",
    "StoreFull",
    "StoreMissing",
    "StoreNewer",
    "StoreNotOurs",
    "StoreOlder",
    "StoreReadOnly",
    "StoreUnusable",
    "TenantNotNamed",
    "TenantcfgError",
    "Unavailable",
    "UnknownTenant",
    "quoted",
]


class Reason(StrEnum):
    """
    Why a check denies, in the order in which reasons win (check R3).

    The value is the spelling on the wire, everywhere.
    """

    UNSUPPORTED_SUBJECT_TYPE = "unsupported_subject_type"
    UNSUPPORTED_RESOURCE_TYPE = "unsupported_resource_type"
    UNSUPPORTED_ACTION = "unsupported_action"
    TENANT_MISSING = "tenant_missing"
    TENANT_DISABLED = "tenant_disabled"
    GRANT_NOT_IN_FORCE = "grant_not_in_force"
    NOT_GRANTED = "not_granted"


def quoted(text: str, longest: int = 60) -> str:
    """
    *text* as a message names it: in quotes, on one line, cut after *longest* characters.

    What cannot be printed is escaped as in Python's own literals, so that no input moves a
    terminal's cursor by way of an error.
    """
    head = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode()
        for one in text[:longest]
    )
    return f"'{head}...'" if len(text) > longest else f"'{head}'"


class TenantcfgError(Exception):
    """
    Base of all errors of ours.

    The message is one line, `what: which input: why: what to do`; *subject* is the input
    it speaks of (None where there is none), *hint* what to do, also part of the message.
    """

    code: ClassVar[str] = "unexpected"

    def __init__(
        self, what: str, *, subject: str | None = None, why: str = "", hint: str = ""
    ) -> None:
        self.what = what
        self.subject = subject
        self.why = why
        self.hint = hint
        super().__init__(what, subject, why, hint)

    def __str__(self) -> str:
        parts = [self.what, self.subject or "", self.why, self.hint]
        return ": ".join(part for part in parts if part)

    def __reduce__(self) -> tuple[object, ...]:
        return (_remake, (type(self), self.what, self.subject, self.why, self.hint))


def _remake(
    kind: type[TenantcfgError], what: str, subject: str | None, why: str, hint: str
) -> TenantcfgError:
    return kind(what, subject=subject, why=why, hint=hint)


class InvalidInput(TenantcfgError):
    """A value cannot be what it stands for: correct the input and call again."""

    code = "invalid_input"


class UnknownTenant(InvalidInput):
    """The store knows no tenant by this id or name: make it known, or correct the name."""

    code = "unknown_tenant"


class TenantNotNamed(InvalidInput):
    """No tenant was named and there is not exactly one: name it."""

    code = "tenant_not_named"


class SettingInvalid(TenantcfgError):
    """A setting is missing, unreadable or contradicts another: correct it and start again."""

    code = "setting_invalid"


class NotAdmitted(SettingInvalid):
    """The service does not know this key, or it may not ask this: no denial; correct the key."""

    code = "not_admitted"


class OutputLost(TenantcfgError):
    """Standard output cannot be written; what was to be changed is: read the history."""

    code = "output_lost"


class Refused(TenantcfgError):
    """A guard (confirmation, blast radius, stale plan) held the change back: decide again."""

    code = "refused"


class Conflict(TenantcfgError):
    """The state of the store forbids the change: look at it, then ask for another."""

    code = "conflict"


class Unavailable(TenantcfgError):
    """The store cannot be asked now (locked, unreachable, too slow): ask again."""

    code = "unavailable"


class RevisionNotReached(Unavailable):
    """The store has not reached the revision that was asked for: ask again, or the primary."""

    code = "revision_not_reached"


class OutcomeUnknown(Unavailable):
    """The connection was lost in a commit: read the history before you repeat the change."""

    code = "outcome_unknown"


class StoreUnusable(TenantcfgError):
    """The store cannot be used until a person acts."""

    code = "store_unusable"


class StoreMissing(StoreUnusable):
    """There is no store at this place: make one, or correct the place."""

    code = "store_missing"


class StoreNotOurs(StoreUnusable):
    """What lies there is no store of tenantcfg, or is damaged: restore a backup."""

    code = "store_not_ours"


class StoreNewer(StoreUnusable):
    """The store was written by a later release: upgrade the program."""

    code = "store_newer"


class StoreOlder(StoreUnusable):
    """The store was written by an earlier release: upgrade it with ``tenantcfg db upgrade``."""

    code = "store_older"


class StoreReadOnly(StoreUnusable):
    """The store's file or folder cannot be written by this user: grant the right."""

    code = "store_read_only"


class StoreFull(StoreUnusable):
    """The disk that holds the store is full: nothing was changed; make room."""

    code = "store_full"
