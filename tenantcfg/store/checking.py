"""
The check: facts are read, `decide` decides. The one hot path of the house.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.decision import Deny, Facts, decide, pairs, require_least
from tenantcfg.errors import InvalidInput, Reason, RevisionNotReached
from tenantcfg.ids import AppId, Revision, TenantId, is_guid
from tenantcfg.store.failures import damaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantcfg.decision import Decision, Pair
    from tenantcfg.store.readers import Readers, Row

__all__ = ["Checks", "as_asked", "asked_for", "decided_by"]

# No id and no action is empty, so this one is never known and never granted.
_IMPOSSIBLE = ""


class Checks:
    """
    The questions of one store, each answered from what is there at the moment.

    *store_id* is that of the store as it was opened: revisions that a caller holds are of
    its history, and cannot be looked for in another.
    """

    def __init__(self, readers: Readers, shown: str) -> None:
        self._readers = readers
        self._ask = readers.one
        self._shown = shown
        self.store_id: str = readers.one(_IMPOSSIBLE, _IMPOSSIBLE, _IMPOSSIBLE)[0]

    def one(
        self, tenant: TenantId | str | None, app: AppId | str, action: str, at_least: int
    ) -> Decision:
        """The decision on one question; see `Store.check`."""
        row = self._ask(_text(TenantId, tenant), _text(AppId, app), asked_for(action))
        if at_least != 0 or action != REMOVE_PARTICIPANT or not tenant:
            return self.decided((tenant, app), row, action, at_least)
        return decided_by(row)

    def many(self, questions: Iterable[Pair], action: str, at_least: int) -> list[Decision]:
        """The decisions on *questions*, on one snapshot; see `Store.check_many`."""
        asked = pairs(questions)
        rows = self.facts(asked, action)
        self.require(rows[0], at_least)
        return [
            self.decided(question, row, action, 0)
            # Without questions there is the bare head.
            for question, row in zip(asked, rows[: len(asked)], strict=True)
        ]

    def facts(self, asked: Sequence[Pair], action: str) -> list[Row]:
        """The row of each question, on one snapshot; the bare head where there is none."""
        return self._readers.many([as_asked(one) for one in asked], asked_for(action))

    def decided(self, question: Pair, row: Row, action: str, at_least: int) -> Decision:
        """The decision on *question* that *row* comes to, unless it is too old."""
        if at_least != 0:
            self.require(row, at_least)
        if action != REMOVE_PARTICIPANT:
            return Deny(Reason.UNSUPPORTED_ACTION, Revision(row[1]))
        if not question[0]:
            return Deny(Reason.TENANT_MISSING, Revision(row[1]))
        return decided_by(row)

    def require(self, row: Row, at_least: int) -> None:
        """Raise RevisionNotReached unless *row*, of any statement, is as new as *at_least*."""
        require_least(at_least)
        if at_least and row[0] != self.store_id:
            raise RevisionNotReached(
                "the store is another one now",
                subject=f"'{self._shown}'",
                why=f"revision {at_least} belongs to a history that a restore replaced",
                hint="open the store anew",
            )
        if not isinstance(row[1], int):
            raise damaged("its revision is no number")
        if row[1] < at_least:
            raise RevisionNotReached(
                "the store has not reached the revision",
                subject=str(int(at_least)),
                why=f"it is at {row[1]}",
                hint="ask again",
            )


def as_asked(question: Pair) -> tuple[str, str]:
    """The tenant and the app of *question* as the database has them, or has none like them."""
    return _text(TenantId, question[0]), _text(AppId, question[1])


def asked_for(action: str) -> str:
    """*action* as the database is asked for it; none that is not known, be it what it may."""
    return action if action == REMOVE_PARTICIPANT else _IMPOSSIBLE


def _text(kind: type[TenantId | AppId], given: TenantId | AppId | str | None) -> str:
    """The id *given* as the database has it, if it is one of its *kind* or can be one."""
    if given.__class__ is str:
        return given.lower() if is_guid(given) else _exact(kind, given)
    if isinstance(given, str):
        # One of a kind of its own, as a member of an enumeration: what counts are its letters.
        return _text(kind, str.__str__(given))
    return given.value if isinstance(given, kind) else _IMPOSSIBLE


def _exact(kind: type[TenantId | AppId], text: str) -> str:
    try:
        return kind.exact(text).value
    except InvalidInput:
        return _IMPOSSIBLE


def decided_by(row: Row) -> Decision:
    """The decision that *row* comes to: the columns of the check's statement, and the clock."""
    _, revision, at, enabled, app, expires_at, now = row
    try:
        facts = Facts(
            Revision(revision),
            # A one and nothing else: SQLite keeps whatever somebody wrote.
            None if enabled is None else enabled == 1,
            app is not None,
            expires_at,
        )
        # A clock that was set back behind the head revives nothing.
        return decide(facts, at if at > now else now)  # noqa: FURB136 - a third of its cost
    except (TypeError, ValueError) as why:
        raise damaged(f"a row cannot be read: {why}") from why
