"""
Who is where: a call and one who is in it, found by one statement on a connection of the checks'.

Nothing else is read as often of the roster, and nothing is kept: what is told is what stands
there. On a server those that wait are looked up together.
"""

# ruff: noqa: S608 - all that stands in these texts is our own

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tenantcfg.ids import TenantId
from tenantcfg.meetings import (
    Call,
    CallState,
    Direction,
    Identity,
    IdentityKind,
    Participant,
    Whereabouts,
    meeting_id,
)
from tenantcfg.store.failures import damaged
from tenantcfg.store.gathering import Gatherer
from tenantcfg.store.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantcfg.store.readers import Readers, Row

__all__ = ["POSTGRESQL", "SQLITE", "Asked", "Lookups", "call_of", "participant_of"]


class _CallRow(NamedTuple):
    tenant: Any
    call: Any
    state: Any
    direction: Any
    subject: Any
    sequence: Any


class _ParticipantRow(NamedTuple):
    participant: Any
    kind: Any
    identity: Any
    display_name: Any
    home_tenant: Any
    answered: Any
    in_lobby: Any
    muted: Any


_COLUMNS: Final = ", ".join(
    f"{table}.{column}"
    for table, row in (("calls", _CallRow), ("participants", _ParticipantRow))
    for column in row._fields
)
# As the check's: at least one row, unless the store is of another release.
_OF_THIS_RELEASE: Final = (
    " WHERE head.id = 1 AND EXISTS (SELECT 1 FROM alembic_version"
    f" WHERE version_num = '{SCHEMA_VERSION}')"
)

SQLITE: Final = (
    f"SELECT {_COLUMNS} FROM head LEFT JOIN calls ON calls.tenant = ? AND calls.call = ?"
    " LEFT JOIN participants ON participants.tenant = calls.tenant"
    f" AND participants.call = calls.call AND participants.participant = ?{_OF_THIS_RELEASE}"
)
"""Of tenant, call and participant."""

POSTGRESQL: Final = (
    f"SELECT {_COLUMNS} FROM head LEFT JOIN unnest(%(tenants)s::TEXT[], %(calls)s::TEXT[],"
    " %(participants)s::TEXT[]) WITH ORDINALITY AS asked(tenant, call, participant, n) ON true"
    " LEFT JOIN calls ON calls.tenant = asked.tenant AND calls.call = asked.call"
    " LEFT JOIN participants ON participants.tenant = asked.tenant"
    " AND participants.call = asked.call AND participants.participant = asked.participant"
    f"{_OF_THIS_RELEASE} ORDER BY asked.n"
)
"""Of as many as are asked for, in their order."""


class Asked(NamedTuple):
    """Who is looked for, and where."""

    tenant: str
    call: str
    participant: str


class Lookups:
    """Finds those who are asked for, by *readers* of a store of this *dialect*."""

    def __init__(self, readers: Readers, dialect: str) -> None:
        self._readers = readers
        self._in_file = dialect == "sqlite"
        self._gatherer: Gatherer[Asked, Row, Whereabouts]
        self._gatherer = Gatherer(self, in_place=self._in_file)

    async def ask(self, tenant: TenantId, call: str, participant: str) -> Whereabouts:
        """
        The call and the one in it, each of them if it is there.

        Raises:
            InvalidInput: *call* or *participant* can be no id.
            Unavailable, StoreUnusable: the store cannot be asked.
        """
        asked = Asked(
            tenant.value, meeting_id("call", call), meeting_id("participant", participant)
        )
        return await self._gatherer.ask(asked)

    def size(self, asked: Asked) -> int:
        """See `Asking.size`."""
        del asked
        return 1

    def facts(self, asked: Sequence[Asked]) -> Sequence[Row]:
        """See `Asking.facts`."""
        if self._in_file:
            return [self._readers.rows(SQLITE, one, 1)[0] for one in asked]
        tenants, calls, participants = (list(column) for column in zip(*asked, strict=True))
        values = {"tenants": tenants, "calls": calls, "participants": participants}
        return self._readers.rows(POSTGRESQL, values, len(asked))

    def answer(self, asked: Asked, facts: Row) -> Whereabouts:
        """See `Asking.answer`."""
        del asked
        of_call, of_one = _CallRow(*facts[:6]), _ParticipantRow(*facts[6:])
        return Whereabouts(
            None if of_call.call is None else call_of(of_call),
            None if of_one.participant is None else participant_of(of_one),
        )


def call_of(row: Any) -> Call:  # noqa: ANN401 - of any statement
    """The call that *row* is about."""
    try:
        return Call(
            TenantId.exact(row.tenant),
            row.call,
            CallState(row.state),
            Direction(row.direction),
            row.subject,
            row.sequence,
        )
    except ValueError as why:
        raise damaged(f"a call cannot be read: {why}") from why


def participant_of(row: Any) -> Participant:  # noqa: ANN401 - of any statement
    """The participant that *row* is about."""
    try:
        who = None
        if row.kind is not None:
            kind = IdentityKind(row.kind)
            who = Identity(kind, row.identity, row.display_name, row.home_tenant)
        return Participant(
            row.participant, who, bool(row.answered), bool(row.in_lobby), bool(row.muted)
        )
    except ValueError as why:
        raise damaged(f"a participant cannot be read: {why}") from why
