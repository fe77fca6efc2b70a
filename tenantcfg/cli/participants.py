"""
What a request of the participants API was, by its id: a removal, or a refusal, and why.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tenantcfg import instants
from tenantcfg.cli.asking import explained_row, told
from tenantcfg.cli.output import Records, emit, printable
from tenantcfg.decision import Deny
from tenantcfg.errors import InvalidInput
from tenantcfg.meetings import Outcome, Removal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantcfg.cli.app import Run
    from tenantcfg.ids import Revision
    from tenantcfg.instants import Instant
    from tenantcfg.meetings import Refusal
    from tenantcfg.store import Explanation, Store

__all__ = ["as_decided", "explained"]

_COLUMNS = ("at", "kind", "result", "tenant", "app", "call", "participant", "why", "request_id")
_MEANT = {
    Outcome.UNKNOWN: "nobody has said yet whether the participant is out; the service asks again",
    Outcome.REMOVED: "the participant is out",
    Outcome.ALREADY_GONE: "there was nobody to remove any more",
    Outcome.FAILED: "the participant is in the call as before",
}
_RIGHT = "removeParticipantNotAllowed"


def explained(run: Run, request_id: str) -> bool:
    """Whether *request_id* is of a removal or a refusal that is on record; it is told then."""
    with run.open_store() as store:
        found = store.removals.find(request_id.lower())
        if found is None:
            return False
        decided = _decided(store, found)
        if run.output is None:
            for line in _lines(store, found, decided):
                # An id may hold a line break, which would pass for the end of the line.
                print(printable(line))
            sys.stdout.flush()
        else:
            row = {**_row(found), "explanation": decided and explained_row(decided, now=False)}
            records = Records.of(store, "participants-request", [row], _COLUMNS, single=True)
            emit(records, run.output)
        return True


def as_decided(
    store: Store, tenant: str | None, app: str, at: Instant, revision: Revision
) -> Explanation:
    """
    The explanation at *revision*, as of *at* where that is the same.

    At a revision alone expiries are judged by the time of its change, and a grant may have
    run out between that and the answer.
    """
    # Of the service's clock, which may be ahead of the store's.
    with suppress(InvalidInput):
        then = store.explain(tenant=tenant, app=app, as_of=instants.to_datetime(at))
        if then.decision.revision == revision:
            return then
    return store.explain(tenant=tenant, app=app, as_of=revision)


def _decided(store: Store, found: Removal | Refusal) -> Explanation | None:
    """What the store decided then; None: it was not asked."""
    if found.revision is None or found.app is None:
        return None
    return as_decided(store, found.tenant.value, found.app.value, found.at, found.revision)


def _lines(store: Store, found: Removal | Refusal, decided: Explanation | None) -> Iterator[str]:
    row = _row(found)
    yield f"{row['at']}  {row['result']}  {row['tenant']}  {row['app'] or '-'}"
    at = "" if row["revision"] is None else f", revision {row['revision']}"
    yield f"  request {row['request_id']}{at}, {row['method']}"
    if row["call"] is not None:
        yield f"  call {row['call']}, participant {row['participant'] or '-'}"
    if isinstance(found, Removal):
        yield f"  {_MEANT[found.outcome]}, by the {found.controller}"
    # A denial is told by the fact that decided.
    if found.why and (decided is None or isinstance(found, Removal)):
        yield f"  {found.why}"
    for line in () if decided is None else told(decided, now=False):
        yield from (f"  {part}" for part in line.split("\n"))
    if not isinstance(found, Removal) and found.code == _RIGHT and found.app is not None:
        yield from _now(store.explain(tenant=found.tenant, app=found.app))


def _now(explanation: Explanation) -> Iterator[str]:
    """Whether it would be permitted now, and if not, by what line it would."""
    if not isinstance(explanation.decision, Deny):
        yield "  now: allowed"
        return
    yield "  now: denied"
    *_, last = told(explanation, now=True)
    if last.startswith("to allow:"):
        yield f"  {last}"


def _row(found: Removal | Refusal) -> dict[str, Any]:
    own = _of_removal(found) if isinstance(found, Removal) else _of_refusal(found)
    return {
        "at": instants.text(found.at),
        **own,
        "request_id": found.request_id,
        "tenant": found.tenant.value,
        "app": None if found.app is None else found.app.value,
        "call": found.call,
        "participant": found.participant,
        "revision": None if found.revision is None else int(found.revision),
        "why": found.why,
    }


def _of_removal(found: Removal) -> dict[str, Any]:
    settled = found.settled_at
    return {
        "kind": "removal",
        "result": found.outcome.value,
        "method": "DELETE",
        "controller": found.controller,
        "settled_at": None if settled is None else instants.text(settled),
    }


def _of_refusal(found: Refusal) -> dict[str, Any]:
    return {
        "kind": "refusal",
        "result": f"{found.status} {found.code}",
        "method": found.method,
        "controller": None,
        "settled_at": None,
    }
