"""
The exit codes: the one table, and which error ends in which.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from tenantcfg import errors

__all__ = ["Exit", "exit_of"]


class Exit(IntEnum):
    """What the program's exit code says; `meaning` is the sentence in the docs."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> Self:
        """An exit code with its meaning."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        return member

    DONE = (0, "done; also: it was already so, or you answered no to a cmdlet's prompt")
    UNEXPECTED = (1, "an error that should not happen: please report it")
    USAGE = (2, "the line or a value in it cannot be what was meant; nothing was changed")
    DENIED = (3, "check: the app may not act in this tenant")
    PARTLY = (4, "a line failed after an earlier line of the same text had changed something")
    REFUSED = (5, "a guard held it back: a question had no answer, or no; nothing was changed")
    UNAVAILABLE = (6, "the store cannot be asked now, or took too long; ask again")
    CONFLICT = (7, "the state of the store forbids it; nothing was changed")
    DIFFERENCES = (8, "differences were found: audit verify or db check failed")
    UNUSABLE = (9, "the store cannot be used until a person acts")
    INTERRUPTED = (130, "interrupted by Ctrl-C; nothing half-done")


_EXITS: tuple[tuple[type[errors.TenantcfgError], Exit], ...] = (
    (errors.InvalidInput, Exit.USAGE),
    (errors.SettingInvalid, Exit.USAGE),
    (errors.Refused, Exit.REFUSED),
    (errors.Unavailable, Exit.UNAVAILABLE),
    (errors.Conflict, Exit.CONFLICT),
    (errors.StoreUnusable, Exit.UNUSABLE),
)


def exit_of(error: BaseException) -> Exit:
    """The exit code in which *error* ends the program."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.UNEXPECTED)
