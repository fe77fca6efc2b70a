"""
The audit of the participants endpoint: whom it removed, and whom it refused.

A removal is stored before it is ordered and settled once its outcome is known, so that one whose
service was killed in between is found, and asked for (participants P14).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, literal_column, select

from tenantcfg.errors import InvalidInput, quoted
from tenantcfg.ids import AppId, Revision, TenantId
from tenantcfg.instants import Instant
from tenantcfg.meetings import Outcome, Refusal, Removal
from tenantcfg.store.failures import damaged
from tenantcfg.store.rounds import KEPT, Begin, Refuse, Rounds, Settle
from tenantcfg.store.schema import refusals, removals

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from tenantcfg.decision import Decision
    from tenantcfg.store.engine import Database

__all__ = ["KEPT", "Removals"]


class Removals:
    """
    What the participants endpoint did; got from `Store.removals`. Each method is one commit.

    Attributes:
        rounds: stores the same, several at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.rounds = Rounds(database)

    def begin(
        self,
        request_id: str,
        *,
        tenant: TenantId,
        app: AppId,
        call: str,
        participant: str,
        controller: str,
    ) -> Decision:
        """
        Whether *app* may remove participants in *tenant* now; and if so, the removal begun.

        The right is read in the transaction that stores the row, so a revoke that was
        acknowledged before is seen (participants P15). A denial stores nothing.
        """
        removal = Removal(
            request_id, _NEVER, tenant, app, call, participant, Revision(0), controller
        )
        return self.rounds.one(Begin(removal))

    def settle(self, request_id: str, outcome: Outcome, why: str | None = None) -> Outcome:
        """
        Say what became of the removal *request_id*; what stands there then.

        `Outcome.UNKNOWN` leaves it to be settled. One that is settled stays as it is. Of several
        that were under way together for the same participant one has removed them, the first that
        is settled so; the others found nobody (participants P13).
        """
        return self.rounds.one(Settle(request_id, outcome, why))

    def open(self, controller: str, *, before: Instant) -> tuple[Removal, ...]:
        """Removals that *controller* was told, and nobody has settled; those begun *before*."""
        with self._database.reading() as reading:
            values = {"of_controller": controller, "before": before}
            rows = reading.connection.execute(_OPEN, values)
            return tuple(_removal(row) for row in rows)

    def find(self, request_id: str) -> Removal | Refusal | None:
        """What the request was, if a right was asked for: a removal or a refusal; else None."""
        asked = {"of_request": request_id}
        with self._database.reading() as reading:
            row = reading.connection.execute(_REMOVAL, asked).one_or_none()
            if row is not None:
                return _removal(row)
            row = reading.connection.execute(_REFUSAL, asked).one_or_none()
        return None if row is None else _refusal(row)

    def was_removed(self, tenant: TenantId, call: str, participant: str) -> bool:
        """Whether this service has removed the one of this id from this call (participants P13)."""
        values = {"of_tenant": tenant.value, "of_call": call, "of_participant": participant}
        with self._database.reading() as reading:
            return reading.connection.scalar(_DONE, values) is not None

    def of(self, tenant: TenantId, *, limit: int) -> tuple[Removal, ...]:
        """The newest removals in *tenant*, newest first."""
        with self._database.reading() as reading:
            values = {"of_tenant": tenant.value, "most": limit}
            return tuple(_removal(row) for row in reading.connection.execute(_OF_TENANT, values))

    def refuse(self, refusal: Refusal) -> None:
        """Store *refusal*; those that have been kept long enough go."""
        self.rounds.one(Refuse(refusal))


_NEVER = Instant(0)
_BY_REQUEST: ColumnElement[str] = bindparam("of_request")
_REMOVAL = select(removals).where(removals.c.request_id == _BY_REQUEST)
_REFUSAL = select(refusals).where(refusals.c.request_id == _BY_REQUEST)
_OPEN = (
    select(removals)
    .where(removals.c.settled_at.is_(None), removals.c.controller == bindparam("of_controller"))
    .where(removals.c.at < bindparam("before"))
    .order_by(removals.c.at)
)
_OF_TENANT = (
    select(removals)
    .where(removals.c.tenant == bindparam("of_tenant"))
    .order_by(removals.c.at.desc(), removals.c.request_id)
    .limit(bindparam("most"))
)
_DONE = (
    select(removals.c.request_id)
    .where(
        removals.c.tenant == bindparam("of_tenant"),
        removals.c.call == bindparam("of_call"),
        removals.c.participant == bindparam("of_participant"),
        removals.c.outcome == literal_column(f"'{Outcome.REMOVED.value}'"),
    )
    .limit(literal_column("1"))
)


def _removal(row: Any) -> Removal:  # noqa: ANN401 - a row
    try:
        return Removal(
            request_id=row.request_id,
            at=Instant(row.at),
            tenant=TenantId.exact(row.tenant),
            app=AppId.exact(row.app),
            call=row.call,
            participant=row.participant,
            revision=Revision(row.revision),
            controller=row.controller,
            outcome=Outcome(row.outcome),
            settled_at=None if row.settled_at is None else Instant(row.settled_at),
            why=row.why,
        )
    except (TypeError, ValueError, InvalidInput) as why:
        raise damaged(f"removal {quoted(row.request_id)} cannot be read: {why}") from why


def _refusal(row: Any) -> Refusal:  # noqa: ANN401 - a row
    try:
        return Refusal(
            request_id=row.request_id,
            at=Instant(row.at),
            tenant=TenantId.exact(row.tenant),
            app=None if row.app is None else AppId.exact(row.app),
            method=row.method,
            status=row.status,
            code=row.code,
            why=row.why,
            revision=None if row.revision is None else Revision(row.revision),
            call=row.call,
            participant=row.participant,
        )
    except (TypeError, ValueError, InvalidInput) as why:
        raise damaged(f"refusal {quoted(row.request_id)} cannot be read: {why}") from why
