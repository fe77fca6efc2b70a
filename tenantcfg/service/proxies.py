"""
The check as proxies ask it before they let a request through (check, section 5).

A proxy tells which request it holds and who sent it, and goes by the status alone: 200 permits,
everything else does not. Bodies and headers of refusals reach clients, so they say a code and
no more (check F10).
"""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Protocol

from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.decision import Deny, Permit
from tenantcfg.errors import Unavailable
from tenantcfg.service.askers import Anyone
from tenantcfg.service.authzen.endpoints import freshness_of, stamped
from tenantcfg.service.authzen.model import Action, Entity, Item, Question
from tenantcfg.service.http import Problem, Request, answered, told_of
from tenantcfg.service.judging import APPLICATION, TENANT
from tenantcfg.service.paths import split
from tenantcfg.service.tokens import KeysUnavailable, TokenRefused, token_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.service.authzen.model import Decisions, Recorder
    from tenantcfg.service.http import Answer, Endpoint
    from tenantcfg.service.paths import Place
    from tenantcfg.service.tokens import TokenHolder

__all__ = ["Caller", "Callers", "HeaderCallers", "TokenCallers", "Tokens", "proxies"]

PATIENCE: Final = 0.8
"""Seconds until a question without an answer is answered 503: less than any proxy waits."""

_UNKNOWN: Final = 401
_REFUSALS: Final = (_UNKNOWN, 403, 503)
_NGINX: Final = b"/check/nginx"
_FORWARD: Final = b"/check/forward"
_ENVOY: Final = b"/check/envoy"
_APP: Final = b"x-tenantcfg-app"
_TENANT: Final = b"x-tenantcfg-tenant"
_SECRET: Final = b"x-tenantcfg-secret"
_JOINED: Final = (b"authorization", _APP, _TENANT, _SECRET)


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who sent the request that a proxy holds (check F7).

    Attributes:
        app: the application's id, as it was told.
        tenant: the id of the tenant in which it acts.
        identity: a name for logs, without any secret.
    """

    app: str
    tenant: str
    identity: str


class Callers(Protocol):
    """Finds out who sent the request that a proxy holds (check F7, F8)."""

    async def caller(self, request: Request, /) -> Caller:
        """
        The application and its tenant, never from the path or the query.

        Raises:
            Problem: ``unauthenticated``: it is not known who it is; ``forbidden``: it is known,
                and nobody who may ask; ``unavailable``: it cannot be told now.
        """


class Tokens(Protocol):
    """Verifies access tokens: `tenantcfg.service.tokens.AccessTokens`."""

    async def verify(self, token: str, /) -> TokenHolder:
        """
        Who holds *token*.

        Raises:
            TokenRefused, KeysUnavailable: see there.
        """


class TokenCallers:
    """
    Callers by their own access token, which the proxy passes on as it came (check F7).

    The same code judges as at the endpoint: a token that is refused there permits nothing here.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def caller(self, request: Request, /) -> Caller:
        """See `Callers.caller`."""
        try:
            holder = await self._tokens.verify(token_of(request.all(b"authorization")))
        except TokenRefused as why:
            request.why = str(why)
            code = "unauthenticated" if why.kind.status == _UNKNOWN else "forbidden"
            raise Problem(code, "the token does not pass") from why
        except KeysUnavailable as why:
            request.why = str(why)
            again = ((b"retry-after", b"%d" % why.retry_after),)
            raise Problem("unavailable", "the token cannot be verified now", again) from why
        return Caller(holder.app.value, holder.tenant.value, holder.identity)


class HeaderCallers:
    """
    Callers as a proxy names them that has verified the token itself (check F7).

    They stand in ``X-Tenantcfg-App`` and ``X-Tenantcfg-Tenant``, which the proxy must overwrite.
    Believed is who comes by a unix socket, from this machine with the secret, or by TLS where
    that lets in nobody without a certificate.

    Args:
        secret: what ``X-Tenantcfg-Secret`` must say; None: nobody is believed for it. Where
            there is one, a unix socket must show it as well.
        certified: whether whoever comes by TLS has shown a certificate.
    """

    def __init__(self, secret: str | None = None, *, certified: bool = False) -> None:
        self._secret = None if secret is None else secret.encode()
        self._certified = certified

    async def caller(self, request: Request, /) -> Caller:
        """See `Callers.caller`; a header that was sent twice is ``forbidden``."""
        if not self._believed(request):
            raise Problem("unauthenticated", "this is not the proxy that is believed")
        app = _named(request, _APP)
        return Caller(app, _named(request, _TENANT), f"proxied:{app}")

    def _believed(self, request: Request) -> bool:
        if self._certified and request.scope["scheme"] == "https":
            return True
        if request.peer is None:
            return self._secret is None or self._shown(request)
        return ip_address(request.peer).is_loopback and self._shown(request)

    def _shown(self, request: Request) -> bool:
        shown = request.all(_SECRET)
        return (
            self._secret is not None
            and len(shown) == 1
            and hmac.compare_digest(shown[0], self._secret)
        )


def _named(request: Request, name: bytes) -> str:
    values = request.all(name)
    if len(values) > 1:
        raise Problem("forbidden", "a header that names who asks was sent twice")
    if not values or not values[0]:
        raise Problem("unauthenticated", "a header that names who asks is missing")
    try:
        return values[0].decode()
    except UnicodeDecodeError as why:
        raise Problem("forbidden", "a header that names who asks is not UTF-8") from why


@dataclass(frozen=True, slots=True)
class _Held:
    """The request that a proxy holds: its method and raw target, and *by* whom it was sent."""

    method: bytes
    target: bytes
    by: Request

    @property
    def guarded(self) -> Place | None:
        """What the one operation that can be permitted is to remove (check F5)."""
        place = split(self.target.partition(b"?")[0])
        if self.method != b"DELETE" or place is None or place.call is None:
            return None
        if place.participant is None or not (place.call.plain and place.participant.plain):
            return None
        return place


def proxies(
    decisions: Decisions,
    callers: Callers,
    *,
    failed: Callable[[Exception], object],
    patience: float = PATIENCE,
    recorder: Recorder | None = None,
) -> dict[bytes, Endpoint]:
    """
    The endpoints that proxies ask, by their raw paths (check F1).

    The path alone decides which headers are believed. Every method is answered, and only with
    200, 401, 403 or 503 (check F3, F4, F6).

    Args:
        decisions: where they come from; nobody's key is asked for.
        callers: tell who sent the request.
        failed: is told why a question is answered 503.
        patience: seconds until a question without an answer is answered 503 (check F12).
        recorder: is told of each decision before it is answered.
    """
    check = _Check(decisions, callers, patience, failed, recorder)
    return {
        _NGINX: check.of(_NGINX, _told(b"x-original-method", b"x-original-uri")),
        _FORWARD: check.of(_FORWARD, _told(b"x-forwarded-method", b"x-forwarded-uri")),
        _ENVOY + b"/*": check.of(_ENVOY, _shown),
        # Envoy's path need not begin with a slash ("*", "http:"), and 404 is no refusal (F4).
        b"/check/*": check.of(b"", lambda _: None),
    }


class _Check:
    def __init__(
        self,
        decisions: Decisions,
        callers: Callers,
        patience: float,
        failed: Callable[[Exception], object],
        recorder: Recorder | None,
    ) -> None:
        self._decisions = decisions
        self._callers = callers
        self._patience = patience
        self._failed = failed
        self._recorder = recorder

    def of(self, path: bytes, held: Callable[[Request], _Held | None]) -> Endpoint:
        """The endpoint at *path*, for those who tell the request they hold as *held* reads it."""
        endpoint = path.decode()

        async def answer(request: Request) -> Answer:
            try:
                async with asyncio.timeout(self._patience):
                    return await self._judged(request, endpoint, held(request))
            except Problem as why:
                problem = why
            except TimeoutError:
                problem = self._failure(
                    request, Unavailable("a proxy's question was not answered in time")
                )
            except Exception as why:  # noqa: BLE001 - it becomes a refusal
                problem = self._failure(request, why)
            request.why = request.why or problem.message
            return _refusal(problem)

        return answer

    def _failure(self, request: Request, why: Exception) -> Problem:
        request.why = told_of(why)
        self._failed(why)
        return Problem("unavailable", "it cannot be told now")

    async def _judged(self, request: Request, endpoint: str, held: _Held | None) -> Answer:
        place = None if held is None else held.guarded
        if held is None or place is None:
            request.why = "not_gated"
            return answered({"error": "not_gated"}, status=403)
        fresh = freshness_of(held.by)
        try:
            who = await self._callers.caller(held.by)
        finally:
            # Of Envoy's request, whose headers are taken apart.
            request.why = held.by.why
        request.asker = who.identity
        question = _question(who, place)
        judged = await self._decisions.judge([question], Anyone(), fresh)
        (outcome,) = judged.outcomes
        if self._recorder is not None:
            await self._recorder.record(request, endpoint, [Item(question, outcome)], judged)
        read = stamped(judged.snapshot)
        if not isinstance(outcome, Permit):
            # Which reason it was is nothing for a client (check F10).
            request.why = outcome.reason if isinstance(outcome, Deny) else "not_granted"
            return answered({"error": "not_granted"}, status=403, headers=read)
        return answered({"decision": True}, headers=read)


def _question(who: Caller, place: Place) -> Question:
    """The question that a proxy asks, in the form of check M1 and M2."""
    named = {"call_id": place.call, "participant_id": place.participant}
    properties = {name: one.raw.decode() for name, one in named.items() if one is not None}
    return Question(
        Entity(APPLICATION, who.app),
        Action(REMOVE_PARTICIPANT, properties),
        Entity(TENANT, who.tenant),
    )


def _told(method: bytes, target: bytes) -> Callable[[Request], _Held | None]:
    """Reads the request as told in a pair of headers; None: not told, or twice (check F2)."""

    def read(request: Request) -> _Held | None:
        match request.all(method), request.all(target):
            case [one], [other] if one and other:
                return _Held(one, other, request)
        return None

    return read


def _shown(request: Request) -> _Held:
    """The request as Envoy shows it: as its own, below our path."""
    path = request.path.partition(_ENVOY)[2]
    return _Held(request.method.encode("latin-1"), path, _apart(request))


def _apart(request: Request) -> Request:
    """*request* with the headers apart that Envoy joins where they were sent twice (check F2)."""
    headers = [
        (name, value.strip())
        for name, joined in request.scope["headers"]
        for value in (joined.split(b",") if name in _JOINED else [joined])
    ]
    return Request({**request.scope, "headers": headers}, _nothing)


async def _nothing() -> dict[str, str]:
    return {"type": "http.disconnect"}


def _refusal(problem: Problem) -> Answer:
    """The code of *problem* and no more, by a status that every proxy knows (check F4, F10)."""
    # A header that makes no sense is the client's fault, but 400 would be 500 in nginx.
    status = problem.status if problem.status in _REFUSALS else 403
    return answered({"error": problem.code}, status=status, headers=problem.headers)
