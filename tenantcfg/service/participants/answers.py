"""
What goes out: answers in Graph's form, and the one table of errors (participants P16, P17).
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from tenantcfg.service.http import CLOSE, JSON, NO_STORE, Answer

if TYPE_CHECKING:
    from tenantcfg.ids import AppId, Revision, TenantId
    from tenantcfg.service.http import Headers, Problem, Request

__all__ = ["FAULTS", "Fault", "Ids", "Refused", "entity", "fault_of", "nothing"]

FAULTS: Final = {
    "bodyNotAllowed": (400, "BadRequest"),
    "idTooLong": (400, "BadRequest"),
    "queryOptionNotSupported": (400, "BadRequest"),
    "severalAuthorizationHeaders": (400, "BadRequest"),
    "requestNotUnderstood": (400, "BadRequest"),
    "tokenMissing": (401, "InvalidAuthenticationToken"),
    "tokenInvalid": (401, "InvalidAuthenticationToken"),
    "tokenExpired": (401, "InvalidAuthenticationToken"),
    "delegatedTokenNotSupported": (403, "Forbidden"),
    "tokenTypeUnknown": (403, "Forbidden"),
    "rolesMissing": (403, "Forbidden"),
    "removeParticipantNotAllowed": (403, "Forbidden"),
    "pathNotFound": (404, "NotFound"),
    "callNotFound": (404, "NotFound"),
    "participantNotFound": (404, "NotFound"),
    "participantAlreadyRemoved": (404, "NotFound"),
    "methodNotAllowed": (405, "MethodNotAllowed"),
    "participantNotAnswered": (409, "Conflict"),
    "preconditionFailed": (412, "PreconditionFailed"),
    "RequestTooLarge": (413, "RequestTooLarge"),
    "UriTooLong": (414, "UriTooLong"),
    "throttled": (429, "TooManyRequests"),
    "HeadersTooLarge": (431, "HeadersTooLarge"),
    "internal": (500, "InternalServerError"),
    "callControllerFailed": (502, "BadGateway"),
    "callControllerUnavailable": (503, "ServiceUnavailable"),
    "storeUnavailable": (503, "ServiceUnavailable"),
    "signingKeysUnavailable": (503, "ServiceUnavailable"),
    "serviceUnavailable": (503, "ServiceUnavailable"),
}
"""The error table: each ``innerError.code``, its status and its ``code`` (participants P17)."""

_OF_PROBLEMS: Final = {
    "not_found": "pathNotFound",
    "method_not_allowed": "methodNotAllowed",
    "too_large": "RequestTooLarge",
    "too_many_requests": "throttled",
    "internal": "internal",
    "unavailable": "serviceUnavailable",
}
_HEAD_TOO_LARGE: Final = 431
_AGAIN: Final = (429, 503)
_PRINTABLE: Final = re.compile(rb"[ -~]{1,128}")
_KEPT_IN: Final = "tenantcfg.participants.ids"

_NO_STORE: Final[Headers] = (NO_STORE,)
_ENTITY: Final[Headers] = (
    (b"content-type", b"application/json;odata.metadata=minimal;charset=utf-8"),
    (b"odata-version", b"4.0"),
)
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """
    Whom a 403 was said to, for whoever asks later.

    Attributes:
        app: None: the token names none.
        why: one line; what the client is not told may stand in it.
        revision: at which it was decided; None: it was not for the store to decide.
    """

    tenant: TenantId
    app: AppId | None
    why: str
    revision: Revision | None = None


class Fault(Exception):
    """
    An answer that is an error.

    Args:
        inner: the ``innerError.code``, which tells status and code as well.
        message: a sentence of ours; nothing that was sent to us stands in it, but for ids of
            the token's.
        again: seconds after which to ask again, 1 and more; of those that are no 429 and no
            503 it is not said.
        refused: whom it was said to, where that is to be stored.
    """

    def __init__(
        self,
        inner: str,
        message: str,
        headers: Headers = (),
        *,
        again: int = 1,
        refused: Refused | None = None,
    ) -> None:
        super().__init__(inner, message)
        self.inner = inner
        self.message = message
        self.status, self.code = FAULTS[inner]
        if self.status in _AGAIN:
            headers = (*headers, (b"retry-after", b"%d" % max(1, again)))
        self.headers = headers
        self.refused = refused

    def answer(self, ids: Ids) -> Answer:
        """The fault as it goes out."""
        inner = {
            "code": self.inner,
            "date": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()),
            "request-id": ids.request,
            "client-request-id": ids.client,
        }
        members = {"error": {"code": self.code, "message": self.message, "innerError": inner}}
        headers = (JSON, *_NO_STORE, *ids.headers, *self.headers)
        return Answer(self.status, _ENCODER.encode(members).encode(), headers)


def fault_of(problem: Problem) -> Fault:
    """*problem*, which the server has, in this contract's words."""
    inner = _OF_PROBLEMS.get(problem.code, "requestNotUnderstood")
    if problem.status == _HEAD_TOO_LARGE:
        inner = "HeadersTooLarge"
    kept = tuple(one for one in problem.headers if one[0] == b"allow" or one in CLOSE)
    return Fault(inner, f"{problem.message[:1].upper()}{problem.message[1:]}.", kept)


@dataclass(frozen=True, slots=True)
class Ids:
    """
    By what names a request is found again (participants P17).

    Attributes:
        request: ours, new each time; also the key of what is stored about it.
        client: the client's, where it is one that can be said again; else ours once more.
    """

    request: str
    client: str

    @classmethod
    def of(cls, request: Request) -> Ids:
        """Those of *request*, the same however often it is asked; its log line has them too."""
        kept = request.scope.get(_KEPT_IN)
        if isinstance(kept, Ids):
            return kept
        own, sent = str(uuid4()), request.all(b"client-request-id")
        said = len(sent) == 1 and _PRINTABLE.fullmatch(sent[0]) is not None
        ids = cls(own, sent[0].decode() if said else own)
        request.scope[_KEPT_IN] = ids
        request.id = own.encode()
        return ids

    @property
    def headers(self) -> Headers:
        """The headers that each answer has them in."""
        return (
            (b"request-id", self.request.encode()),
            (b"client-request-id", self.client.encode()),
        )


def nothing(ids: Ids) -> Answer:
    """That it was done, and there is nothing to say: 204 (participants P11)."""
    return Answer(204, b"", (*_NO_STORE, *ids.headers))


def entity(members: dict[str, Any], ids: Ids) -> Answer:
    """*members* as OData has them."""
    return Answer(200, _ENCODER.encode(members).encode(), (*_ENTITY, *_NO_STORE, *ids.headers))
