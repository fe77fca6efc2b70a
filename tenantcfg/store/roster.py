"""
The roster: which calls go on, and who is in them, as media layers and admins report it.

It holds what is now. Who left is gone from it, and so is a call that ended; whom the service has
removed stands in ``removals``. Nothing here takes a revision.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from tenantcfg.errors import Conflict, InvalidInput, quoted
from tenantcfg.ids import TenantId
from tenantcfg.instants import Instant
from tenantcfg.meetings import (
    Call,
    Outcome,
    Page,
    Participant,
    Removed,
    UnknownCall,
    meeting_id,
    meeting_text,
)
from tenantcfg.store.changing import known
from tenantcfg.store.rounds import CarryOut, Rounds
from tenantcfg.store.schema import calls, participants, removals
from tenantcfg.store.whereabouts import call_of, participant_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import ColumnElement

    from tenantcfg.meetings import Whereabouts
    from tenantcfg.store.engine import Database, Reading
    from tenantcfg.store.whereabouts import Lookups

__all__ = ["Roster"]

_BEFORE_ALL = "-1"


class Roster:
    """
    The calls of a store; got from `Store.roster`.

    Each method is one transaction. Ids of calls and participants are texts of 1 to 512 printable
    characters, compared exactly, and what cannot be one is InvalidInput everywhere; a call is
    looked for among those of its tenant.
    """

    def __init__(self, database: Database, lookups: Lookups) -> None:
        self._database = database
        self._lookups = lookups

    # Reported

    def new_call(self, call: Call, *, what_if: bool = False) -> Call:
        """
        Make *call* known, with nobody in it yet.

        Raises:
            UnknownTenant: the store does not know its tenant.
            Conflict: the tenant has a call of this id.
            InvalidInput: its id or its subject cannot be one.
        """
        _require_writable(call)
        with self._changing(what_if=what_if) as within:
            known(within, call.tenant)
            if _call_row(within, call.tenant, call.id) is not None:
                raise Conflict("the call is known already", subject=quoted(call.id))
            if not what_if:
                within.connection.execute(insert(calls), _columns_of_call(call, within.now))
            return replace(call, sequence=0)

    def report_call(self, call: Call) -> bool:
        """
        Make *call* known, or describe it anew; whether it is new. Who is in it stays.

        Raises:
            UnknownTenant, InvalidInput: as `new_call`.
            Conflict: it came and went at the same moment.
        """
        _require_writable(call)
        if self._described(call):
            return False
        try:
            self.new_call(call)
        except Conflict:
            # Somebody else reported it meanwhile.
            if not self._described(call):
                raise
            return False
        return True

    def _described(self, call: Call) -> bool:
        """Describe *call* anew; False: there is none."""
        with self._changing(what_if=False) as within:
            known(within, call.tenant)
            found = _lock_call(within, call.tenant, call.id)
            if found is not None and call_of(found) != replace(call, sequence=found.sequence):
                columns = _description_of_call(call)
                within.connection.execute(_DESCRIBE_CALL, {**_of(call.tenant, call.id), **columns})
            return found is not None

    def end_call(self, tenant: TenantId, call: str, *, what_if: bool = False) -> int:
        """
        End *call*: it is forgotten, with all who are in it; how many those were.

        Raises:
            UnknownCall: there is no such call.
        """
        with self._changing(what_if=what_if) as within:
            _require_call(within, tenant, call, lock=not what_if)
            found = within.connection.scalar(_COUNT_IN, _of(tenant, call)) or 0
            if not what_if:
                within.connection.execute(_LEAVE_ALL, _of(tenant, call))
                within.connection.execute(_END, _of(tenant, call))
            return int(found)

    def report(
        self, tenant: TenantId, call: str, participant: Participant, *, what_if: bool = False
    ) -> bool:
        """
        Put *participant* into *call* as described, or describe them anew; whether they are new.

        Reporting the same again changes nothing.

        Raises:
            UnknownCall: there is no such call.
            InvalidInput: an id or a name cannot be one.
            Conflict: the one of this id was removed from this call by this service. There is no
                way back: whoever joins again has another id.
        """
        _require_writable(participant)
        with self._changing(what_if=what_if) as within:
            found = _require_call(within, tenant, call, lock=not what_if)
            there = _participant_row(within, tenant, call, participant.id)
            if there is not None and participant_of(there) == participant:
                return False
            if there is None and _was_removed(within, tenant, call, participant.id):
                raise Conflict(
                    "the participant was removed from this call",
                    subject=quoted(participant.id),
                    why="a report that came late would bring them back",
                    hint="whoever joins again has another id",
                )
            if not what_if:
                self._put(within, found, participant, new=there is None)
            return there is None

    def answered(
        self, tenant: TenantId, call: str, participant: str, *, what_if: bool = False
    ) -> bool:
        """
        Say that *participant* has answered; False: it was said before.

        Raises:
            UnknownCall: there is no such call.
            InvalidInput: nobody of this id is in it.
        """
        with self._changing(what_if=what_if) as within:
            found = _require_call(within, tenant, call, lock=not what_if)
            row = _participant_row(within, tenant, call, participant)
            if row is None:
                raise _nobody(participant)
            there = participant_of(row)
            if not there.answered and not what_if:
                self._put(within, found, replace(there, answered=True), new=False)
            return not there.answered

    def left(self, tenant: TenantId, call: str, participant: str, *, what_if: bool = False) -> bool:
        """
        Take *participant* out of *call*, as they left; False: they are not in it.

        Raises:
            UnknownCall: there is no such call.
        """
        with self._changing(what_if=what_if) as within:
            _require_call(within, tenant, call, lock=not what_if)
            if what_if:
                return _participant_row(within, tenant, call, participant) is not None
            return _taken_out(within, tenant, call, participant)

    # Asked

    def call(self, tenant: TenantId, call: str) -> Call | None:
        """The call of this id; None: the tenant has none."""
        with self._database.reading() as reading:
            row = _call_row(reading, tenant, call)
        return None if row is None else call_of(row)

    def calls(self, tenant: TenantId, *, after: str | None = None, limit: int) -> Page[Call]:
        """
        The calls of *tenant*, in the order in which they were made known, *limit* at most.

        They begin behind *after*, which the page before has named; None: with the first.

        Raises:
            InvalidInput: *after* is of no page.
        """
        made_at, _, behind = (after or f"{_BEFORE_ALL}:").partition(":")
        if not behind.isprintable():
            raise _no_page(after or "")
        values = {"of_tenant": tenant.value, "made_at": _number(made_at), "behind": behind}
        with self._database.reading() as reading:
            rows = reading.connection.execute(_CALLS, {**values, "most": limit + 1}).all()
            total = reading.connection.scalar(_COUNT_CALLS, {"of_tenant": tenant.value}) or 0
        page = rows[:limit]
        last = f"{page[-1].made_at}:{page[-1].call}" if len(rows) > limit else None
        return Page(tuple(map(call_of, page)), last, int(total))

    def participant(self, tenant: TenantId, call: str, participant: str) -> Participant | None:
        """The one of this id in *call*; None: nobody there is, or there is no such call."""
        with self._database.reading() as reading:
            row = _participant_row(reading, tenant, call, participant)
        return None if row is None else participant_of(row)

    async def whereabouts(self, tenant: TenantId, call: str, participant: str) -> Whereabouts:
        """The call and the one of this id in it, each of them if it is there; at one moment."""
        return await self._lookups.ask(tenant, call, participant)

    def participants(
        self, tenant: TenantId, call: str, *, after: str | None = None, limit: int
    ) -> Page[Participant] | None:
        """
        Those in *call*, in the order in which they joined; None: there is no such call.

        Who is in it throughout comes on one page exactly, whoever joins and leaves meanwhile
        (participants P18). *after* and *limit* are as `calls` has them.
        """
        values = {**_of(tenant, call), "place": _number(after or _BEFORE_ALL), "most": limit + 1}
        with self._database.reading() as reading:
            found = _call_row(reading, tenant, call)
            if found is None:
                return None
            rows = reading.connection.execute(_IN_CALL, values).all()
            total = reading.connection.scalar(_COUNT_IN, _of(tenant, call)) or 0
        page = rows[:limit]
        last = str(page[-1].place) if len(rows) > limit else None
        return Page(tuple(map(participant_of, page)), last, int(total), call_of(found))

    # Removed

    def remove(self, request_id: str) -> Outcome:
        """
        Carry out the removal that was begun under *request_id*, and settle it, in one commit.

        Raises:
            InvalidInput: none was begun, or it is settled.
        """
        return Rounds(self._database).one(CarryOut(request_id))

    def removed(
        self, after: int, *, limit: int, tenants: Collection[str] | None = None
    ) -> tuple[Removed, ...]:
        """
        The removals behind the number *after*, *limit* at most, for whoever carries the media.

        Of *tenants* only, where it is not None.
        """
        statement = _REMOVED
        if tenants is not None:
            statement = statement.where(removals.c.tenant.in_(sorted(tenants)))
        with self._database.reading() as reading:
            rows = reading.connection.execute(statement, {"after": after, "most": limit})
            return tuple(
                Removed(
                    row.number,
                    Instant(row.settled_at),
                    TenantId.exact(row.tenant),
                    row.call,
                    row.participant,
                )
                for row in rows
            )

    def last_removed(
        self, *, up_to: int | None = None, tenants: Collection[str] | None = None
    ) -> int:
        """
        The number of the newest removal; 0: there was none.

        Of those *up_to* a number, and of *tenants* only, where these are not None.
        """
        statement = _LAST_NUMBER
        if up_to is not None:
            statement = statement.where(removals.c.number <= up_to)
        if tenants is not None:
            statement = statement.where(removals.c.tenant.in_(sorted(tenants)))
        with self._database.reading() as reading:
            return int(reading.connection.scalar(statement) or 0)

    def _put(self, within: Reading, call: Any, participant: Participant, *, new: bool) -> None:  # noqa: ANN401
        row = {"tenant": call.tenant, "call": call.call, "participant": participant.id}
        columns = _columns_of_participant(participant)
        if new:
            place = {"place": call.sequence + 1}
            within.connection.execute(insert(participants), {**row, **columns, **place})
        else:
            named = {f"of_{name}": value for name, value in row.items()}
            within.connection.execute(_DESCRIBE, {**named, **columns})
        within.connection.execute(_MOVE_ON, _of(TenantId.exact(call.tenant), call.call))

    @contextmanager
    def _changing(self, *, what_if: bool) -> Iterator[Reading]:
        if what_if:
            with self._database.reading() as reading:
                yield reading
            return
        with self._database.recording() as recording:
            try:
                yield recording
            except IntegrityError as why:
                raise Conflict(
                    "somebody else reported it at the same moment", hint="look, then report anew"
                ) from why


# Statements

_TENANT: ColumnElement[str] = bindparam("of_tenant")
_CALL: ColumnElement[str] = bindparam("of_call")
_WHOM: ColumnElement[str] = bindparam("of_participant")
_THE_CALL = and_(calls.c.tenant == _TENANT, calls.c.call == _CALL)
_THOSE_IN = and_(participants.c.tenant == _TENANT, participants.c.call == _CALL)
_THE_ONE = and_(_THOSE_IN, participants.c.participant == _WHOM)

_ONE_CALL = select(calls).where(_THE_CALL)
_HELD_CALL = _ONE_CALL.with_for_update()
_END = delete(calls).where(_THE_CALL)
_DESCRIBE_CALL = update(calls).where(_THE_CALL)
_MOVE_ON = update(calls).where(_THE_CALL).values(sequence=calls.c.sequence + 1)
_CALLS = (
    select(calls)
    .where(calls.c.tenant == _TENANT)
    .where(
        tuple_(calls.c.made_at, calls.c.call) > tuple_(bindparam("made_at"), bindparam("behind"))
    )
    .order_by(calls.c.made_at, calls.c.call)
    .limit(bindparam("most"))
)
_COUNT_CALLS = select(func.count()).select_from(calls).where(calls.c.tenant == _TENANT)

_ONE = select(participants).where(_THE_ONE)
_TAKE_OUT = delete(participants).where(_THE_ONE)
_LEAVE_ALL = delete(participants).where(_THOSE_IN)
_DESCRIBE = update(participants).where(_THE_ONE)
_IN_CALL = (
    select(participants)
    .where(_THOSE_IN, participants.c.place > bindparam("place"))
    .order_by(participants.c.place)
    .limit(bindparam("most"))
)
_COUNT_IN = select(func.count()).select_from(participants).where(_THOSE_IN)

_LAST_NUMBER = select(func.max(removals.c.number))
_WAS_REMOVED = select(
    exists().where(
        removals.c.tenant == _TENANT,
        removals.c.call == _CALL,
        removals.c.participant == _WHOM,
        removals.c.outcome == literal_column(f"'{Outcome.REMOVED.value}'"),
    )
)
_REMOVED = (
    select(removals)
    .where(removals.c.number > bindparam("after"))
    .order_by(removals.c.number)
    .limit(bindparam("most"))
)


def _of(tenant: TenantId, call: str) -> dict[str, str]:
    return {"of_tenant": tenant.value, "of_call": meeting_id("call", call)}


def _of_one(tenant: TenantId, call: str, whom: str) -> dict[str, str]:
    return {**_of(tenant, call), "of_participant": meeting_id("participant", whom)}


def _call_row(reading: Reading, tenant: TenantId, call: str) -> Any:  # noqa: ANN401 - a row
    return reading.connection.execute(_ONE_CALL, _of(tenant, call)).one_or_none()


def _lock_call(within: Reading, tenant: TenantId, call: str) -> Any:  # noqa: ANN401 - a row
    """The call, its row held until the end of the transaction, on a server as well."""
    return within.connection.execute(_HELD_CALL, _of(tenant, call)).one_or_none()


def _require_call(within: Reading, tenant: TenantId, call: str, *, lock: bool) -> Any:  # noqa: ANN401
    row = _lock_call(within, tenant, call) if lock else _call_row(within, tenant, call)
    if row is None:
        raise _no_call(call)
    return row


def _participant_row(reading: Reading, tenant: TenantId, call: str, whom: str) -> Any:  # noqa: ANN401
    values = _of_one(tenant, call, whom)
    return reading.connection.execute(_ONE, values).one_or_none()


def _taken_out(within: Reading, tenant: TenantId, call: str, whom: str) -> bool:
    values = _of_one(tenant, call, whom)
    if within.connection.execute(_TAKE_OUT, values).rowcount == 0:
        return False
    within.connection.execute(_MOVE_ON, _of(tenant, call))
    return True


def _was_removed(reading: Reading, tenant: TenantId, call: str, whom: str) -> bool:
    values = _of_one(tenant, call, whom)
    return bool(reading.connection.scalar(_WAS_REMOVED, values))


def _number(written: str) -> int:
    try:
        found = int(written) if written.lstrip("-").isdecimal() and written.isascii() else None
    except ValueError:
        found = None
    if found is None or not -1 <= found < 1 << 62:
        raise _no_page(written)
    return found


def _no_page(written: str) -> InvalidInput:
    return InvalidInput("not of a page", subject=quoted(written), hint="begin at the first")


# Rows and values


def _require_writable(reported: Call | Participant) -> None:
    """Whether all that *reported* says can be kept."""
    if isinstance(reported, Call):
        meeting_id("call", reported.id)
        if reported.subject is not None:
            meeting_text("subject", reported.subject)
        return
    meeting_id("participant", reported.id)
    who = reported.identity
    if who is None:
        return
    meeting_id(who.kind.value, who.id)
    if who.display_name is not None:
        meeting_text("name", who.display_name)
    if who.tenant is not None:
        meeting_id("tenant", who.tenant)


def _columns_of_call(call: Call, now: Instant) -> dict[str, Any]:
    key = {"tenant": call.tenant.value, "call": call.id, "made_at": now, "sequence": 0}
    return {**key, **_description_of_call(call)}


def _description_of_call(call: Call) -> dict[str, Any]:
    return {
        "state": call.state.value,
        "direction": call.direction.value,
        "subject": call.subject,
    }


def _columns_of_participant(participant: Participant) -> dict[str, Any]:
    who = participant.identity
    return {
        "kind": None if who is None else who.kind.value,
        "identity": None if who is None else who.id,
        "display_name": None if who is None else who.display_name,
        "home_tenant": None if who is None else who.tenant,
        "answered": participant.answered,
        "in_lobby": participant.in_lobby,
        "muted": participant.muted,
    }


def _no_call(call: str) -> UnknownCall:
    return UnknownCall("unknown call", subject=quoted(call), hint="tenantcfg call show lists them")


def _nobody(participant: str) -> InvalidInput:
    return InvalidInput(
        "nobody of this id is in the call",
        subject=quoted(participant),
        hint="tenantcfg call show CALL lists who is",
    )
