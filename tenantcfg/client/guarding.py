"""
Guards of a service's own deletions: they ask, and nothing goes on without a permit (check C10).

A guard answers for the service where it may not go on: 401 if it is not known who wants to, 403
if it is denied, 503 if the check cannot tell. The body is ``{"error": CODE}`` and tells nothing
else: why it is denied is for the service's own log, not for its clients (check F4, F10).
"""

from __future__ import annotations

import functools
import inspect
import json
import logging
import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast, overload

from tenantcfg.client.asking import AsyncClient
from tenantcfg.client.waiting import Client
from tenantcfg.client.wire import fits_header
from tenantcfg.decision import Deny, Permit
from tenantcfg.errors import TenantcfgError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping

    from tenantcfg.decision import Decision

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
    Environ = dict[str, Any]
    WSGIApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

__all__ = ["ASGIGuard", "Refusal", "Removal", "WSGIGuard", "guard"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

# Any other method asks: one that nobody has thought of may delete as well.
_PASSING: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS"})
# Frameworks read these, in any of the spellings that a gateway folds into one, as the method.
_OVERRIDING: Final = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})
_NO_LETTER: Final = re.compile("[^a-z0-9]")
_LOG = logging.getLogger("tenantcfg.client")


@dataclass(frozen=True, slots=True)
class Removal:
    """
    Who is about to remove a participant, as the service itself has verified it.

    Tenant and app come from a token that the service trusts, never from what a client can write
    (check F8). *call_id* and *participant_id* are for the decision log, *request_id* names the
    question in all logs.
    """

    tenant: str
    app: str
    call_id: str | None = None
    participant_id: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    The answer to a request that may not go on.

    Attributes:
        status: 401, 403 or 503.
        code: ``unauthenticated``, ``not_granted``, or ``unavailable``.
    """

    status: int
    code: str

    @property
    def body(self) -> bytes:
        """``{"error": CODE}``."""
        return json.dumps({"error": self.code}).encode()

    @property
    def headers(self) -> dict[str, str]:
        """The headers, with the length of the body."""
        more = _MORE.get(self.status, {})
        return {
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
            "Cache-Control": "no-store",
            **more,
        }


_MORE: Final = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}
_UNKNOWN: Final = Refusal(401, "unauthenticated")
_DENIED: Final = Refusal(403, "not_granted")
_CANNOT_TELL: Final = Refusal(503, "unavailable")


@dataclass(frozen=True, slots=True)
class ASGIGuard:
    """
    An ASGI application before which every DELETE asks, and every method that is not well known.

    GET, HEAD, POST, PUT, PATCH and OPTIONS pass, unless a header would make another method of
    them. *app* is called once for each permit, and for nothing else that asks.

    Attributes:
        removal: what a request is about to do, of its scope; None: it is not known who wants
            to. It may be a coroutine function. What it raises goes up, and *app* is not called.
    """

    app: ASGIApp
    client: AsyncClient
    removal: Callable[[Scope], Removal | Awaitable[Removal | None] | None]

    def __post_init__(self) -> None:
        _require(AsyncClient, self.client)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        refusal = await self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
            return
        headers = [(k.lower().encode(), v.encode()) for k, v in refusal.headers.items()]
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else refusal.body
        await send({"type": "http.response.body", "body": body})

    async def _refusal(self, scope: Scope) -> Refusal | None:
        headers = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
        if _passes(scope["method"], headers):
            return None
        given = headers.get("x-request-id", b"").decode("latin-1")
        return await _asked(self.client, await _settled(self.removal(scope)), given)


@dataclass(frozen=True, slots=True)
class WSGIGuard:
    """As `ASGIGuard`, for WSGI: *removal* is given the environ."""

    app: WSGIApp
    client: Client
    removal: Callable[[Environ], Removal | None]

    def __post_init__(self) -> None:
        _require(Client, self.client)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, as WSGI has it."""
        refusal = self._refusal(environ)
        if refusal is None:
            return self.app(environ, start_response)
        status = f"{refusal.status} {HTTPStatus(refusal.status).phrase}"
        start_response(status, list(refusal.headers.items()))
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else refusal.body]

    def _refusal(self, environ: Environ) -> Refusal | None:
        headers = [name.removeprefix("HTTP_").lower() for name in environ]
        if _passes(environ["REQUEST_METHOD"], headers):
            return None
        given = environ.get("HTTP_X_REQUEST_ID", "")
        return _asked_sync(self.client, self.removal(environ), given)


@overload
def guard(
    client: AsyncClient,
    removal: Callable[P, Removal | Awaitable[Removal | None] | None],
    *,
    refuse: Callable[[Refusal], S],
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R | S]]]: ...


@overload
def guard(
    client: Client,
    removal: Callable[P, Removal | None],
    *,
    refuse: Callable[[Refusal], S],
) -> Callable[[Callable[P, R]], Callable[P, R | S]]: ...


def guard(
    client: AsyncClient | Client,
    removal: Callable[P, Any],
    *,
    refuse: Callable[[Refusal], S],
) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """
    A decorator of functions that delete: the function runs only after a permit, at once.

    An `AsyncClient` is for coroutine functions, a `Client` for others; TypeError otherwise.

    Args:
        client: asks.
        removal: what is about to be done, of the function's own arguments; None: it is not
            known who wants to. What it raises goes up.
        refuse: makes of a `Refusal` what the framework answers with, or raises.
    """

    def decorated(view: Callable[P, Any]) -> Callable[P, Any]:
        waits = inspect.iscoroutinefunction(view)
        _require(AsyncClient if waits else Client, client)
        if waits:
            return _guarded(cast("AsyncClient", client), removal, refuse, view)
        return _guarded_sync(cast("Client", client), removal, refuse, view)

    return decorated


def _guarded(
    client: AsyncClient,
    removal: Callable[P, Any],
    refuse: Callable[[Refusal], S],
    view: Callable[P, Awaitable[R]],
) -> Callable[P, Coroutine[Any, Any, R | S]]:
    @functools.wraps(view)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R | S:
        refusal = await _asked(client, await _settled(removal(*args, **kwargs)))
        return await view(*args, **kwargs) if refusal is None else refuse(refusal)

    return guarded


def _guarded_sync(
    client: Client,
    removal: Callable[P, Any],
    refuse: Callable[[Refusal], S],
    view: Callable[P, R],
) -> Callable[P, R | S]:
    @functools.wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R | S:
        refusal = _asked_sync(client, removal(*args, **kwargs))
        return view(*args, **kwargs) if refusal is None else refuse(refusal)

    return guarded


# Asking


async def _asked(client: AsyncClient, told: object, given: str = "") -> Refusal | None:
    """Why what was *told* may not be done; None: it may, now."""
    if told is None:
        return _UNKNOWN
    try:
        return _refusal(await client.check(**_question(told, given)))
    except TenantcfgError as why:
        return _cannot_tell(why)


def _asked_sync(client: Client, told: object, given: str = "") -> Refusal | None:
    if told is None:
        return _UNKNOWN
    try:
        return _refusal(client.check(**_question(told, given)))
    except TenantcfgError as why:
        return _cannot_tell(why)


def _question(told: object, given: str) -> dict[str, Any]:
    """The words of a check; *given* is a request id that came from outside."""
    if not isinstance(told, Removal):
        raise TypeError(f"removal: Removal or None is wanted, not {type(told).__name__}")
    if told.request_id is None and fits_header(given):
        told = replace(told, request_id=given)
    return {
        "tenant": told.tenant,
        "app": told.app,
        "call_id": told.call_id,
        "participant_id": told.participant_id,
        "request_id": told.request_id,
    }


def _refusal(decision: Decision) -> Refusal | None:
    match decision:
        case Permit():
            return None
        case Deny(reason=reason):
            _LOG.info("a removal was denied: %s", reason.value)
            return _DENIED


def _cannot_tell(why: TenantcfgError) -> Refusal:
    # What passes by itself, and what a person has to look at.
    level = logging.WARNING if isinstance(why, Unavailable) else logging.ERROR
    _LOG.log(level, "a removal was refused: %s", why)
    return _CANNOT_TELL


async def _settled(told: object) -> object:
    return await told if inspect.isawaitable(told) else told


def _passes(method: str, headers: Iterable[str]) -> bool:
    overridden = any(_NO_LETTER.sub("-", name) in _OVERRIDING for name in headers)
    return method in _PASSING and not overridden


def _require(kind: type[AsyncClient | Client], client: object) -> None:
    if not isinstance(client, kind):
        found = type(client).__name__
        raise TypeError(f"client: {kind.__name__} is wanted here, not {found}")
