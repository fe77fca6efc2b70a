"""
What all contracts of the service share on the wire: requests, answers, the error table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable
from uuid import uuid4

from tenantcfg import i_json
from tenantcfg.errors import TenantcfgError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

__all__ = [
    "ALLOW_GET",
    "ALLOW_POST",
    "CLOSE",
    "JSON",
    "LATE",
    "NO_STORE",
    "REQUEST_ID",
    "STATUS",
    "Answer",
    "ClientGone",
    "Endpoint",
    "Headers",
    "OwnWords",
    "Problem",
    "Request",
    "Stream",
    "answered",
    "bearer_of",
    "strict_json",
    "told_of",
    "written",
]

Headers = tuple[tuple[bytes, bytes], ...]

JSON: Final = (b"content-type", b"application/json")
NO_STORE: Final = (b"cache-control", b"no-store")
ALLOW_GET: Final[Headers] = ((b"allow", b"GET, HEAD"),)
ALLOW_POST: Final[Headers] = ((b"allow", b"POST"),)
CLOSE: Final[Headers] = ((b"connection", b"close"),)
CHALLENGE: Final = (b"www-authenticate", b'Bearer realm="tenantcfg"')

REQUEST_ID: Final = b"x-request-id"
# A request without an id is given one: of this process, and counted. To make a UUID takes as long
# as half a check.
_PROCESS: Final = uuid4().hex[:16].encode()
_NUMBERS: Final = count(1)
LATE: Final = "tenantcfg.late"
"""Set in the scope, by the server, when a body has taken too long to arrive."""

STATUS: Final = {
    "invalid_content_type": 400,
    "invalid_json": 400,
    "invalid_request": 400,
    "invalid_page_token": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "too_large": 413,
    "too_many_requests": 429,
    "internal": 500,
    "unavailable": 503,
    "stale": 503,
}
"""The error table: each code and its status (check E2)."""

_ALWAYS: Final[dict[str, Headers]] = {
    "unauthenticated": (CHALLENGE,),
    "unavailable": ((b"retry-after", b"1"),),
    "stale": ((b"retry-after", b"1"),),
}


class Problem(Exception):
    """
    An answer that is no decision: ``{"error": code, "message": sentence}`` (check E2).

    *message* is a sentence of ours; nothing that was sent to us stands in it (check W45).
    *status* is the table's, where no other is named.
    """

    def __init__(
        self, code: str, message: str, headers: Headers = (), *, status: int | None = None
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = STATUS[code] if status is None else status
        own = {name for name, _ in headers}
        always = (one for one in _ALWAYS.get(code, ()) if one[0] not in own)
        self.headers = (*always, *headers)

    def answer(self) -> Answer:
        """The problem as it goes out."""
        members = {"error": self.code, "message": self.message}
        return answered(members, status=self.status, headers=self.headers)


class ClientGone(Exception):
    """Who asked has gone; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out, whole."""

    status: int
    body: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Stream:
    """What goes out piece by piece, until *pieces* end or the client goes."""

    headers: Headers
    pieces: AsyncIterator[bytes]


class Endpoint(Protocol):
    """Answers the requests of one path; raises `Problem` where there is no other answer."""

    async def __call__(self, request: Request, /) -> Answer | Stream:
        """Answer *request*."""


@runtime_checkable
class OwnWords(Protocol):
    """An endpoint whose contract has errors of its own form, also those of the server's."""

    def worded(self, problem: Problem, request: Request, /) -> Answer:
        """*problem*, as it goes out from here."""


# Made once: json's own functions make one for each text.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


def written(members: object) -> bytes:
    """*members* as JSON."""
    return _ENCODER.encode(members).encode()


def answered(members: object, *, status: int = 200, headers: Headers = ()) -> Answer:
    """*members* as JSON, not to be stored (check C5)."""
    return Answer(status, written(members), (JSON, NO_STORE, *headers))


class Request:
    """
    One request, as the server hands it over: header names in lower case, values as sent.

    Attributes:
        path: as it was sent, never decoded: ``%2F`` is no ``/`` (check F5).
        id: the request id that it came with, as it is, or a new one (check W7).
        asker: who says to ask, once that was read; for logs, so without any secret.
        why: it was not answered as it was asked; for logs too. Empty: it was.
    """

    __slots__ = (
        "_headers",
        "_receive",
        "_some_twice",
        "asker",
        "id",
        "method",
        "path",
        "query",
        "scope",
        "why",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: bytes = scope["raw_path"]
        self.query: bytes = scope["query_string"]
        self.asker = self.why = ""
        self._receive = receive
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._some_twice = len(self._headers) < len(scope["headers"])
        given = self._headers.get(REQUEST_ID)
        if given is None:
            given = b"%b-%x" % (_PROCESS, next(_NUMBERS))
        elif self._some_twice:
            given = self.all(REQUEST_ID)[0]
        self.id: bytes = given

    def all(self, name: bytes) -> list[bytes]:
        """The values of the header *name*, one for each time it was sent."""
        if name not in self._headers:
            return []
        return [value for key, value in self.scope["headers"] if key == name]

    def one(self, name: bytes) -> bytes | None:
        """
        The value of the header *name*; None without it.

        Raises:
            Problem: ``invalid_request``, where it was sent twice.
        """
        value = self._headers.get(name)
        if value is not None and self._some_twice and len(self.all(name)) > 1:
            raise Problem("invalid_request", f"the header {name.decode()} was sent twice")
        return value

    def sole(self, name: bytes) -> bytes | None:
        """The value of the header *name*; None without it, and where it was sent twice."""
        value = self._headers.get(name)
        return None if self._some_twice and len(self.all(name)) > 1 else value

    @property
    def peer(self) -> str | None:
        """The address of who is connected; None over a unix socket."""
        client: Sequence[Any] | None = self.scope.get("client")
        return str(client[0]) if client else None

    async def body(self, limit: int) -> bytes:
        """
        The body, of at most *limit* bytes (check W44).

        Raises:
            Problem: ``too_large``, without reading on; ``invalid_request``: it took too long.
            ClientGone: it ended before its end.
        """
        length = self.one(b"content-length")
        # What is no number the server refuses before us.
        if length is not None and int(length) > limit:
            raise _too_large(limit)
        pieces, size, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            piece: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            if more and LATE in self.scope:
                raise Problem("invalid_request", "the body did not come in time", CLOSE)
            pieces.append(piece)
        return b"".join(pieces)

    async def gone(self) -> None:
        """Wait until who asked has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def bearer_of(authorization: bytes) -> str:
    """The token in a value of ``Authorization``, its scheme in any case; empty: there is none."""
    scheme, _, token = authorization.decode("latin-1").partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" else ""


def told_of(why: Exception) -> str:
    """*why* for a line of the log; of a fault only its type, as the rest may be anybody's."""
    return str(why) if isinstance(why, TenantcfgError) else type(why).__name__


def _too_large(limit: int) -> Problem:
    return Problem("too_large", f"the body has more than {limit} bytes")


def strict_json(body: bytes) -> dict[str, Any]:
    """
    *body* as one JSON object, by I-JSON's rules (check W3, W42, W43).

    Raises:
        Problem: ``invalid_json``: it is none.
    """
    try:
        return i_json.object_of(body)
    except (ValueError, RecursionError) as why:
        # UnicodeError and JSONDecodeError are ValueErrors; so is a number of 5,000 digits.
        raise Problem("invalid_json", "the body is not one JSON object in UTF-8") from why
