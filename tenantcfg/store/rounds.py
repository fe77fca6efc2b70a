"""
What the participants endpoint stores, several at once: a round of writes is one commit.

A commit costs the same whether it carries one removal or fifty. So what waits is stored together,
each write with an outcome of its own, and what fails for a reason of its own harms no neighbour:
a round that could not be committed because of one of them is done again, each alone.

The statements are texts, the same for both databases but for how a list of rows is sent along,
and are run by the driver's cursor: SQLAlchemy's own work would cost several times theirs.
"""

# ruff: noqa: S608 - all that stands in these texts is our own

from __future__ import annotations

import json
import time
from collections import Counter
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.decision import Decision, Permit
from tenantcfg.errors import Conflict, InvalidInput, OutcomeUnknown, TenantcfgError, quoted
from tenantcfg.instants import Instant
from tenantcfg.meetings import Outcome, Refusal, Removal, meeting_id
from tenantcfg.store import failures, questions, version
from tenantcfg.store.checking import decided_by
from tenantcfg.store.snapshots import as_psycopg_has_it

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tenantcfg.store.engine import Ask, Database
    from tenantcfg.store.readers import Row

__all__ = ["KEPT", "Begin", "CarryOut", "Refuse", "Rounds", "Settle", "Write", "texts"]

T = TypeVar("T")

KEPT: Final = 30 * 86_400 * 1_000_000
"""Microseconds for which a refusal is kept."""

_SHARED: Final = 0.25
_ALONE: Final = 1.0
"""
Seconds that a round waits for a row that others hold, on a server.

What waits for it alone waits longer; several would wait for the one among them.
"""
_APART: Final = 1.5
"""Seconds within which what could not be stored together is tried apart; later nobody asks."""


class Write(Generic[T]):
    """One thing to store, and *T* is what comes of it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Begin(Write[Decision]):
    """
    Ask whether a removal is permitted now, and if so put it on record.

    The right is read in the transaction that stores the row, so a revoke that was acknowledged
    before is seen (participants P15). A denial stores nothing. Revision, time and outcome of
    *removal* are not looked at.
    """

    removal: Removal


@dataclass(frozen=True, slots=True)
class CarryOut(Write[Outcome]):
    """Take the one of a removal that was begun out of their call: `Roster.remove`."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Settle(Write[Outcome]):
    """Say what became of a removal: `Removals.settle`."""

    request_id: str
    outcome: Outcome
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Refuse(Write[None]):
    """Store a refusal; those that have been kept long enough go."""

    refusal: Refusal


class Rounds:
    """
    Writes into *database*; each round is one commit.

    It is asked by a `tenantcfg.store.gathering.Gatherer`, which has `rest` called when nothing
    waits, or for one write at a time.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def one(self, write: Write[T]) -> T:
        """What comes of *write*, in a commit of its own."""
        done = self._alone(write)
        self.rest()
        return self.answer(write, done)

    def rest(self) -> None:
        """Leave the store as whoever finds it is to find it: nothing waits to be stored."""
        self._database.empty_log()

    def size(self, asked: Write[Any]) -> int:
        """See `Asking.size`."""
        del asked
        return 1

    def facts(self, asked: Sequence[Write[Any]]) -> Sequence[object]:
        """
        What comes of each of *asked*: or the error that is its own.

        Raises:
            OutcomeUnknown: nobody can tell of any of them whether it is stored.
            Unavailable, StoreUnusable: none is.
        """
        try:
            return self._committed(asked)
        except OutcomeUnknown:
            raise
        except TenantcfgError as why:
            if len(asked) == 1 or not failures.of_one_statement(why):
                raise
            return self._apart(asked, why)

    def _apart(self, asked: Sequence[Write[Any]], why: TenantcfgError) -> list[object]:
        """What comes of each by itself; *why* of those whose turn does not come in time."""
        end = time.monotonic() + _APART
        return [self._alone(one) if time.monotonic() < end else copy(why) for one in asked]

    def answer(self, asked: Write[T], facts: object) -> T:
        """See `Asking.answer`."""
        del asked
        if isinstance(facts, TenantcfgError):
            raise facts
        return cast("T", facts)

    def _alone(self, write: Write[Any]) -> object:
        try:
            (done,) = self._committed([write])
        except TenantcfgError as why:
            return why
        return done

    def _committed(self, writes: Sequence[Write[Any]]) -> list[object]:
        patience = _SHARED if len(writes) > 1 else _ALONE
        with self._database.recording_bare(patience=patience) as ask:
            return _Round(self._database, ask).done(writes)


class _Round:
    """One transaction, in which each write finds what those before it have left."""

    def __init__(self, database: Database, ask: Ask) -> None:
        self._address = database.address
        self._texts = _TEXTS[database.address.dialect]
        self._ask = ask
        self._now: Instant | None = None

    def done(self, writes: Sequence[Write[Any]]) -> list[object]:
        """What comes of each, in their order."""
        came: dict[int, object] = {}
        # Whoever locks rows does so in this order, and in that of their keys.
        acts: dict[type[Write[Any]], Callable[[Any], Iterable[object]]] = {
            Settle: self._settled,
            CarryOut: self._carried_out,
            Begin: self._begun,
            Refuse: self._refused,
        }
        for kind, act in acts.items():
            places = [place for place, one in enumerate(writes) if type(one) is kind]
            if places:
                done = act([writes[place] for place in places])
                came.update(zip(places, done, strict=True))
        return [came[place] for place in range(len(writes))]

    # Begun

    def _begun(self, writes: Sequence[Begin]) -> list[object]:
        asked = [(one.removal.tenant.value, one.removal.app.value) for one in writes]
        # Behind whatever had to wait for a lock: what was revoked meanwhile is seen.
        decisions = list(map(_decision, writes, self._facts(asked)))
        rows = [
            _columns(one.removal, decision)
            for one, decision in zip(writes, decisions, strict=True)
            if isinstance(decision, Permit)
        ]
        if not rows:
            return list(decisions)
        kept = {request_id for (request_id,) in self._run("BEGIN", rows=rows, now=self._time())}
        return [
            self._on_record(one, decision, kept)
            for one, decision in zip(writes, decisions, strict=True)
        ]

    def _on_record(self, write: Begin, decision: object, kept: set[str]) -> object:
        request_id = write.removal.request_id
        if not isinstance(decision, Permit):
            return decision
        if request_id in kept:
            # Of two that have one id, the second finds it taken.
            kept.discard(request_id)
            return decision
        return Conflict("a removal of this id is on record already", subject=quoted(request_id))

    # Carried out

    def _carried_out(self, writes: Sequence[CarryOut]) -> list[object]:
        now, begun = self._time(), self._held([one.request_id for one in writes])
        there = self._taken_out(begun.values())
        number = self._last_number() if there else 0
        came: list[object] = []
        rows: list[tuple[str, str, int | None]] = []
        for one in writes:
            whom = begun.pop(one.request_id, None)
            if whom is None:
                what = quoted(one.request_id)
                came.append(InvalidInput("no removal to carry out", subject=what))
                continue
            outcome = Outcome.REMOVED if whom in there else Outcome.ALREADY_GONE
            # Of several that ask for the same one, the first has removed them.
            there.discard(whom)
            number += outcome is Outcome.REMOVED
            rows.append(
                (one.request_id, outcome.value, number if outcome is Outcome.REMOVED else None)
            )
            came.append(outcome)
        if rows:
            self._run("SETTLE_ALL", rows=rows, now=now)
        return came

    def _held(self, request_ids: Sequence[str]) -> dict[str, _Whom]:
        """
        Who is to be removed by each of those that were begun, and are not settled.

        Whoever settles one meanwhile has to wait, and finds it settled.
        """
        rows = self._run("BEGUN", rows=[(one,) for one in request_ids])
        return {request_id: tuple(whom) for request_id, *whom in rows}

    def _taken_out(self, asked: Iterable[_Whom]) -> set[_Whom]:
        """Those of *asked* who were in their calls, and are not any more."""
        whom = list(dict.fromkeys(asked))
        if not whom:
            return set()
        if "HOLD" in self._texts:
            self._run("HOLD", rows=[one[:2] for one in whom])
        there = {(*row,) for row in self._run("TAKE_OUT", rows=whom)}
        if there:
            many = Counter(one[:2] for one in there)
            self._run("MOVE_ON", rows=[(*of, number) for of, number in many.items()])
        return there

    def _last_number(self) -> int:
        if "NUMBERING" in self._texts:
            self._run("NUMBERING")
        return int(self._run("LAST_NUMBER")[0][0] or 0)

    # Settled

    def _settled(self, writes: Sequence[Settle]) -> Iterable[object]:
        if "SETTLING" in self._texts:
            self._run("SETTLING")
        return [self._settle(one) for one in writes]

    def _settle(self, write: Settle) -> Outcome:
        now, outcome, of = self._time(), write.outcome, {"request_id": write.request_id}
        if outcome is Outcome.REMOVED and self._run("BY_ANOTHER", **of):
            outcome = Outcome.ALREADY_GONE
        settled = None if outcome is Outcome.UNKNOWN else now
        why = None if write.why is None else _storable(write.why)
        self._run("SETTLE", outcome=outcome.value, settled_at=settled, why=why, **of)
        found = self._run("OUTCOME", **of)
        try:
            return Outcome(found[0][0]) if found else outcome
        except ValueError as why_not:
            what = f"removal {quoted(write.request_id)} cannot be read: {why_not}"
            raise failures.damaged(what) from why_not

    # Refused

    def _refused(self, writes: Sequence[Refuse]) -> list[object]:
        self._run("FORGET", before=self._time() - KEPT)
        self._run("REFUSE", rows=[_columns_of_refusal(one.refusal) for one in writes])
        return [None] * len(writes)

    # Asked

    def _run(self, text: str, **values: Any) -> list[Row]:
        if "rows" in values:
            values["rows"] = json.dumps(values["rows"], separators=(",", ":"))
        return self._ask(self._texts[text], values)

    def _time(self) -> Instant:
        """Of the store's clock, never earlier than the head, when the transaction began."""
        if self._now is None:
            self._facts(())
        assert self._now is not None  # noqa: S101 - it was read just now
        return self._now

    def _facts(self, asked: Sequence[tuple[str, str]]) -> list[Row]:
        """What a check would be told of each pair of tenant and app, see `Readers.many`."""
        if self._address.dialect == "sqlite":
            found = self._ask(questions.SQLITE_MANY, (json.dumps(asked), REMOVE_PARTICIPANT))
            now = time.time_ns() // 1000
            found = [(*row, now) for row in found]
        else:
            columns = {"tenants": [one for one, _ in asked], "apps": [one for _, one in asked]}
            values = {**columns, "action": REMOVE_PARTICIPANT}
            found = self._ask(questions.POSTGRESQL_MANY, values)
        if len(found) != max(len(asked), 1):
            # Nothing at all is found where it was upgraded meanwhile.
            version.require(self._address, lambda text: self._ask(text, ()))
            raise failures.damaged(f"{len(found)} rows answer {len(asked)} questions")
        try:
            self._now = Instant(max(int(found[0][2]), int(found[0][-1])))
        except (TypeError, ValueError) as why:
            raise failures.damaged(f"its head cannot be read: {why}") from why
        return found[: len(asked)]


_Whom = tuple[str, ...]
"""Tenant, call and participant."""


def _decision(write: Begin, facts: Row) -> object:
    """What the *facts* come to; an error that is of this one alone is returned."""
    try:
        meeting_id("call", write.removal.call)
        meeting_id("participant", write.removal.participant)
        return decided_by(facts)
    except TenantcfgError as why:
        return why


def _columns(removal: Removal, permit: Permit) -> tuple[object, ...]:
    return (
        removal.request_id,
        removal.tenant.value,
        removal.app.value,
        removal.call,
        removal.participant,
        permit.revision,
        removal.controller,
    )


def _columns_of_refusal(refusal: Refusal) -> tuple[object, ...]:
    return (
        refusal.request_id,
        refusal.at,
        refusal.tenant.value,
        None if refusal.app is None else refusal.app.value,
        refusal.method,
        refusal.status,
        refusal.code,
        _storable(refusal.why),
        refusal.revision,
        refusal.call,
        refusal.participant,
    )


def _storable(text: str) -> str:
    """*text* as both databases hold it: there are no NULs, and no halves of surrogate pairs."""
    whole = text if text.isprintable() else text.encode(errors="backslashreplace").decode()
    return whole.replace("\0", "\\x00")


# The texts

# Whoever is to number a removal waits for whoever has just numbered one, so that numbers rise in
# the order of commits; and who settles one for who does so too, and so sees it. Any numbers, ours.
# In a file the write lock does it.
_NUMBERING: Final = 0x7E4A_17C0_4F17
_SETTLING: Final = 0x7E4A_17C0_4F18


def texts(dialect: str) -> dict[str, str]:
    """
    The statements, by their names; with the parameters as the driver takes them.

    Where one is called ``rows`` it is a JSON array of arrays.
    """
    server = dialect == "postgresql"
    held = " FOR UPDATE" if server else ""

    def given(**kinds: str) -> str:
        """The rows that are sent along, as a table of these columns."""
        return _given_to_server(kinds) if server else _given_to_file(kinds)

    of_removal = {"tenant": "text", "app": "text", "call": "text", "participant": "text"}
    begun = {"request_id": "text", **of_removal, "revision": "bigint", "controller": "text"}
    refused = {
        "request_id": "text",
        "at": "bigint",
        "tenant": "text",
        "app": "text",
        "method": "text",
        "status": "bigint",
        "code": "text",
        "why": "text",
        "revision": "bigint",
        "call": "text",
        "participant": "text",
    }
    settled = {"request_id": "text", "outcome": "text", "number": "bigint"}
    one = {"tenant": "text", "call": "text", "participant": "text"}
    of_call = {"tenant": "text", "call": "text"}
    found = {
        "BEGIN": f"INSERT INTO removals ({', '.join(begun)}, at, outcome)"
        f" SELECT {', '.join(begun)}, CAST(:now AS bigint), '{Outcome.UNKNOWN.value}'"
        f" FROM {given(**begun)} WHERE true"
        " ON CONFLICT (request_id) DO NOTHING RETURNING request_id",
        "BEGUN": "SELECT request_id, tenant, call, participant FROM removals"
        f" WHERE request_id IN (SELECT request_id FROM {given(request_id='text')})"
        f" AND settled_at IS NULL ORDER BY request_id{held}",
        "TAKE_OUT": "DELETE FROM participants WHERE (tenant, call, participant) IN"
        f" (SELECT tenant, call, participant FROM {given(**one)})"
        " RETURNING tenant, call, participant",
        "MOVE_ON": "UPDATE calls SET sequence = calls.sequence + given.many"
        f" FROM {given(**of_call, many='bigint')}"
        " WHERE calls.tenant = given.tenant AND calls.call = given.call",
        "LAST_NUMBER": "SELECT max(number) FROM removals",
        "SETTLE_ALL": "UPDATE removals SET outcome = given.outcome, number = given.number,"
        f" settled_at = CAST(:now AS bigint) FROM {given(**settled)}"
        " WHERE removals.request_id = given.request_id",
        "SETTLE": "UPDATE removals SET outcome = :outcome, why = :why,"
        " settled_at = CAST(:settled_at AS bigint)"
        " WHERE request_id = :request_id AND settled_at IS NULL",
        "BY_ANOTHER": "SELECT 1 FROM removals JOIN removals AS other"
        " ON other.tenant = removals.tenant AND other.call = removals.call"
        " AND other.participant = removals.participant WHERE removals.request_id = :request_id"
        " AND other.request_id <> :request_id AND other.settled_at >= removals.at"
        f" AND other.outcome = '{Outcome.REMOVED.value}' LIMIT 1",
        "OUTCOME": "SELECT outcome FROM removals WHERE request_id = :request_id",
        "FORGET": "DELETE FROM refusals WHERE at < CAST(:before AS bigint)",
        "REFUSE": f"INSERT INTO refusals ({', '.join(refused)})"
        f" SELECT {', '.join(refused)} FROM {given(**refused)}",
    }
    if not server:
        return found
    found["HOLD"] = (
        f"SELECT 1 FROM calls WHERE (tenant, call) IN (SELECT tenant, call FROM {given(**of_call)})"
        " ORDER BY tenant, call FOR UPDATE"
    )
    found["NUMBERING"] = f"SELECT pg_advisory_xact_lock({_NUMBERING})"
    found["SETTLING"] = f"SELECT pg_advisory_xact_lock({_SETTLING})"
    return {name: as_psycopg_has_it(text) for name, text in found.items()}


def _given_to_file(kinds: Mapping[str, str]) -> str:
    columns = (f"json_extract(value, '$[{place}]') AS {of}" for place, of in enumerate(kinds))
    return f"(SELECT {', '.join(columns)} FROM json_each(:rows)) AS given"


def _given_to_server(kinds: Mapping[str, str]) -> str:
    columns = (
        f"CAST(value->>{place} AS {kind}) AS {of}" for place, (of, kind) in enumerate(kinds.items())
    )
    return f"(SELECT {', '.join(columns)} FROM jsonb_array_elements(CAST(:rows AS jsonb))) AS given"


_TEXTS: Final = {dialect: texts(dialect) for dialect in ("sqlite", "postgresql")}
