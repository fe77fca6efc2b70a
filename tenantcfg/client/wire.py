"""
Questions and answers as they go over the wire (check, sections 1.4 and 1.5).

What comes back is an answer only if it is one in every respect: all else raises, and is neither a
permit nor a denial (check C6). Nothing here sends or waits.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tenantcfg import i_json
from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.decision import Deny, Permit, pairs
from tenantcfg.errors import (
    InvalidInput,
    NotAdmitted,
    Reason,
    RevisionNotReached,
    SettingInvalid,
    TenantcfgError,
    Unavailable,
    quoted,
)
from tenantcfg.ids import MAX_ID_LENGTH, AppId, Revision, TenantId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantcfg.decision import Decision, Pair

__all__ = ["MAX_ANSWER", "Question", "Reply", "Wanted", "fits_header", "many", "one"]

MAX_ANSWER: Final = 1024 * 1024
"""The longest answer that is read, in bytes."""

_LONGEST_PARAMETER: Final = 512
_LARGEST_REVISION: Final = 10**18 - 1
_IN_A_HEADER: Final = re.compile(r"[\x21-\x7e]{1,200}")
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
# No id holds a NUL, so what is sent with one is never granted.
_NO_ID: Final = "\0"


def fits_header(text: str) -> bool:
    """Whether *text* can be a request id, or another id that a header carries as it is."""
    return _IN_A_HEADER.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent: where to, and the body."""

    path: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What an answer must be to count.

    Attributes:
        url: of the service, for messages.
        request_id: of the question; an answer to another one is none.
        at_least: the revision that it must not be older than (check C8).
        store_id: of the store that it must come from; None: any.
    """

    url: str
    request_id: str
    at_least: int = 0
    store_id: str | None = None

    @property
    def where(self) -> str:
        """The service and the question, as a message names them."""
        return f"{quoted(self.url, 200)} (request {self.request_id})"

    def headers(self) -> list[tuple[str, str]]:
        """The headers that say so."""
        said = [("X-Request-ID", self.request_id)]
        if self.at_least > 0:
            said.append(("Tenantcfg-Min-Revision", str(min(self.at_least, _LARGEST_REVISION))))
        if self.store_id is not None:
            said.append(("Tenantcfg-Store", self.store_id))
        return said


# Questions


def one(
    tenant: TenantId | str | None,
    app: AppId | str,
    action: str,
    *,
    call_id: str | None = None,
    participant_id: str | None = None,
) -> Question:
    """The question whether *app* may act in *tenant* (check M1, M2)."""
    parameters = {"call_id": call_id, "participant_id": participant_id}
    given = {
        name: _sendable(value, _LONGEST_PARAMETER)
        for name, value in parameters.items()
        if value is not None
    }
    members = {"action": _action(action) | ({"properties": given} if given else {})}
    return Question("/access/v1/evaluation", _json(members | _entities(tenant, app)))


def many(questions: Iterable[Pair], action: str) -> tuple[Question, int]:
    """
    The question about all of *questions* at once, and how many they are.

    Raises:
        InvalidInput, TypeError: as `pairs`.
    """
    items = [_entities(tenant, app) for tenant, app in pairs(questions)]
    options = {"include_reasons": True}
    members = {"action": _action(action), "evaluations": items, "options": options}
    return Question("/access/v1/evaluations", _json(members)), len(items)


def _entities(tenant: TenantId | str | None, app: AppId | str) -> dict[str, Any]:
    subject = {"type": "application", "id": _id(AppId, app)}
    if not tenant:
        # A tenant without an id is none that a limited key may ask about (check M7); a participant
        # without a tenant is what it is to any key (check M3).
        return {"subject": subject, "resource": {"type": "participant", "id": ""}}
    return {"subject": subject, "resource": {"type": "tenant", "id": _id(TenantId, tenant)}}


def _id(kind: type[TenantId | AppId], given: object) -> str:
    """*given* as the service is asked for it; what cannot be an id stays what cannot be one."""
    if isinstance(given, str):
        return _sendable(str.__str__(given), MAX_ID_LENGTH + 1)
    return given.value if isinstance(given, kind) else _NO_ID


def _action(action: object) -> dict[str, Any]:
    if action == REMOVE_PARTICIPANT:
        return {"name": REMOVE_PARTICIPANT}
    return {"name": _sendable(action, MAX_ID_LENGTH + 1) if isinstance(action, str) else _NO_ID}


def _sendable(text: str, longest: int) -> str:
    # Half of a surrogate pair is no text, and no service takes it (check W43).
    return _SURROGATES.sub(_NO_ID, text[:longest])


def _json(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


# Answers


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What came back, whole.

    Attributes:
        headers: by name in lower case; what was sent twice is joined by a comma.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def decision(self, wanted: Wanted) -> Decision:
        """
        The decision that this is.

        Raises:
            NotAdmitted, SettingInvalid, InvalidInput: the question was refused.
            RevisionNotReached: it is older than *wanted*, or of another store.
            Unavailable: it is anything else.
        """
        return _decision(self._members(wanted), self._revision, wanted)

    def decisions(self, wanted: Wanted, count: int) -> list[Decision]:
        """
        The *count* decisions that this is.

        Raises:
            TenantcfgError: as `decision`; also if one of them is an error.
        """
        items = self._members(wanted).get("evaluations")
        if not isinstance(items, list) or len(items) != count:
            raise _no_answer(wanted, f"it does not hold {count} decisions")
        return [_decision(item, self._revision, wanted) for item in items]

    @property
    def again(self) -> bool:
        """Whether the same question may have an answer soon."""
        return self.status in {502, 503, 504}

    @property
    def retry_after(self) -> float:
        """The seconds after which that may be; 0: it does not say."""
        text = self.headers.get("retry-after", "")
        # A date is taken for never: nobody waits for one within the time of a check.
        return float(text) if _DIGITS.fullmatch(text) else float("inf") if text else 0.0

    def _members(self, wanted: Wanted) -> dict[str, Any]:
        if self.status != 200:  # noqa: PLR2004 - the one that is an answer
            raise self.failure(wanted)
        if why := self._why_none(wanted):
            raise _no_answer(wanted, why)
        try:
            members = i_json.object_of(self.body)
        except (ValueError, RecursionError) as why_not:
            raise _no_answer(wanted, "its body is not one JSON object in UTF-8") from why_not
        self._require_fresh(wanted)
        return members

    def _why_none(self, wanted: Wanted) -> str:
        """Why this is no answer of the service to this question; empty: it is one."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return f"its content type is {quoted(kind)}"
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            return "it is compressed"
        if "age" in self.headers:
            return "it comes from a cache"
        if self.headers.get("x-request-id", wanted.request_id) != wanted.request_id:
            return "its X-Request-ID is that of another question"
        if not _DIGITS.fullmatch(self.headers.get("tenantcfg-revision", "0")):
            return "its revision is no number"
        return ""

    @property
    def _revision(self) -> Revision | None:
        text = self.headers.get("tenantcfg-revision")
        return None if text is None else Revision(text)

    def _require_fresh(self, wanted: Wanted) -> None:
        store, revision = self.headers.get("tenantcfg-store"), self._revision
        if wanted.store_id is not None and store != wanted.store_id:
            raise RevisionNotReached(
                "the answer comes from another store",
                subject=quoted(store or ""),
                why=f"{quoted(wanted.store_id)} was named",
                hint="after a restore make the client anew, with the new store id",
            )
        if wanted.at_least > (revision or 0):
            raise RevisionNotReached(
                "the service has not reached the revision",
                subject=str(int(wanted.at_least)),
                why="it does not say where it is" if revision is None else f"it is at {revision}",
                hint="ask again",
            )

    def failure(self, wanted: Wanted) -> TenantcfgError:
        """What this is instead of a decision, its status not being 200 (check E2)."""
        try:
            members = i_json.object_of(self.body)
        except (ValueError, RecursionError):
            members = {}
        code, message = members.get("error"), members.get("message")
        said = f"{self.status} {code}" if isinstance(code, str) and code.isidentifier() else ""
        why = said or str(self.status)
        if said and isinstance(message, str):
            why += f", {quoted(message, 200)[1:-1]}"
        return _failure(self.status, code, wanted, why)


def _failure(status: int, code: object, wanted: Wanted, why: str) -> TenantcfgError:
    kind, what, hint = _FAILURES.get(status, _NO_ANSWER)
    if code == "stale":
        kind, what, hint = _STALE
    return kind(what, subject=wanted.where, why=why, hint=hint)


_NO_ANSWER: Final = (Unavailable, "the service gave no answer", "ask again; see its log")
_STALE: Final = (
    RevisionNotReached,
    "the service is older than what was asked for, or another store",
    "ask again, or the primary",
)
_NOT_THERE: Final = (
    SettingInvalid,
    "nothing answers checks at this address",
    "correct the url: that of the service, without /access/v1",
)
_NOT_TAKEN: Final = (
    InvalidInput,
    "the service does not take the question",
    "correct it, or ask for fewer at once",
)
_FAILURES: Final[dict[int, tuple[type[TenantcfgError], str, str]]] = {
    400: _NOT_TAKEN,
    401: (
        NotAdmitted,
        "the service does not know who asks",
        "give it a service key that is in force (tenantcfg key list)",
    ),
    403: (
        NotAdmitted,
        "the key may not ask this; that is no denial",
        "let its rights and tenants be looked at (tenantcfg key list)",
    ),
    404: _NOT_THERE,
    405: _NOT_THERE,
    413: _NOT_TAKEN,
}


def _no_answer(wanted: Wanted, why: str) -> TenantcfgError:
    return _failure(200, None, wanted, f"200, but {why}")


def _decision(item: object, revision: Revision | None, wanted: Wanted) -> Decision:
    members = item if isinstance(item, dict) else {}
    decision = members.get("decision")
    context = members.get("context")
    details = context if isinstance(context, dict) else {}
    if "error" in details:
        raise _item_failure(details["error"], wanted)
    # Exactly these two: the text "false" is true to Python.
    if decision is True and not context:
        return Permit(revision)
    if decision is False:
        return Deny(_reason(details.get("reason")), revision)
    # A permit with a condition that is not understood is refused (check W12).
    raise _no_answer(wanted, "it holds no decision")


def _item_failure(error: object, wanted: Wanted) -> TenantcfgError:
    """What an item is that could not be judged, and so is no denial (check W24, M7)."""
    members = error if isinstance(error, dict) else {}
    status, message = members.get("status"), members.get("message")
    told = quoted(message, 200)[1:-1] if isinstance(message, str) else "no reason told"
    known = status if isinstance(status, int) else 0
    return _failure(known, None, wanted, f"an item of the answer is an error: {known}, {told}")


def _reason(code: object) -> Reason:
    """The reason *code*; new ones may come, and the denial stands without it (check R3)."""
    try:
        return Reason(code)  # type: ignore[arg-type]
    except ValueError:
        return Reason.NOT_GRANTED
