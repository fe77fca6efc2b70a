"""
Who asks: the application that a good token of its own names, and how often it may (P6, P7, P10).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

import structlog

from tenantcfg.service.participants.answers import Fault, Ids, Refused
from tenantcfg.service.tokens import KeysUnavailable, Refusal, TokenRefused, token_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from tenantcfg.service.http import Headers, Request
    from tenantcfg.service.participants.limits import Limit
    from tenantcfg.service.tokens import TokenHolder

__all__ = ["Admission", "Tokens", "authorization_uri"]

_LOG = structlog.get_logger("tenantcfg.service")

_FAULTS: Final = {
    Refusal.UNAUTHENTICATED: ("tokenMissing", "An access token is wanted: Authorization: Bearer."),
    Refusal.SEVERAL: ("severalAuthorizationHeaders", "The header Authorization was sent twice."),
    Refusal.INVALID_TOKEN: ("tokenInvalid", "The access token is not valid here."),
    Refusal.EXPIRED: ("tokenExpired", "The access token has expired; get a new one."),
    Refusal.DELEGATED: (
        "delegatedTokenNotSupported",
        "The access token is a user's. Only an application's own is taken (client credentials).",
    ),
    Refusal.TYPE_UNKNOWN: (
        "tokenTypeUnknown",
        "The access token does not say that it is an application's own (idtyp).",
    ),
    Refusal.ROLES_MISSING: (
        "rolesMissing",
        "The access token has none of the roles that are asked for here.",
    ),
}


class Tokens(Protocol):
    """Verifies access tokens: `tenantcfg.service.tokens.AccessTokens`."""

    async def verify(self, token: str, /) -> TokenHolder:
        """
        Who holds *token*.

        Raises:
            TokenRefused, KeysUnavailable: see there.
        """


@dataclass(frozen=True, slots=True)
class Admission:
    """
    Lets in applications by their tokens.

    Attributes:
        challenge: what a 401 says in ``WWW-Authenticate``, beside its error (P6).
        of_apps: how often an application may ask in a tenant.
        of_addresses: how often an address may come with what is no good token. Good ones are
            let in all the same: behind a proxy all clients have one address.
    """

    tokens: Tokens
    challenge: str
    of_apps: Limit
    of_addresses: Limit

    async def of(self, request: Request) -> TokenHolder:
        """
        The application that asks.

        Raises:
            Fault: it is not let in.
        """
        try:
            holder = await self.tokens.verify(token_of(request.all(b"authorization")))
        except TokenRefused as why:
            raise self._refusal(request, why) from why
        except KeysUnavailable as why:
            raise Fault(
                "signingKeysUnavailable",
                "The access token cannot be verified now.",
                again=why.retry_after,
            ) from why
        request.asker = holder.identity
        self._require_few(holder.tenant, holder.app)
        return holder

    def _refusal(self, request: Request, why: TokenRefused) -> Fault:
        _LOG.info(
            "token refused", request_id=Ids.of(request).request, kind=why.kind.value, why=why.why
        )
        inner, message = _FAULTS[why.kind]
        if why.tenant is None:
            seconds = self.of_addresses.taken(_address(request.peer))
            if seconds:
                return _throttled(seconds)
            return Fault(inner, message, self._challenge(why.kind))
        self._require_few(why.tenant, why.app)
        return Fault(inner, message, refused=Refused(why.tenant, why.app, why.why))

    def _require_few(self, *who: Hashable) -> None:
        seconds = self.of_apps.taken(who)
        if seconds:
            raise _throttled(seconds)

    def _challenge(self, kind: Refusal) -> Headers:
        if kind is Refusal.SEVERAL:
            return ()
        said = self.challenge
        if kind is not Refusal.UNAUTHENTICATED:
            said += ', error="invalid_token"'
        return ((b"www-authenticate", said.encode()),)


def authorization_uri(issuers: Sequence[str]) -> str:
    """
    The authorization endpoint of the first of *issuers* that is one of v2, as Entra builds it.

    Nobody goes there for a token of an application; clients read which authority is meant.
    """
    name = next((one for one in issuers if one.endswith("/v2.0")), issuers[0])
    tenant = name.replace("{tid}", "common").rstrip("/")
    if name.endswith("/v2.0"):
        return f"{tenant.removesuffix('/v2.0')}/oauth2/v2.0/authorize"
    parts = urlsplit(tenant)
    # Tokens of v1 name a host on which nobody is asked for anything.
    host = "login.microsoftonline.com" if parts.netloc == "sts.windows.net" else parts.netloc
    return f"{parts.scheme}://{host}{parts.path}/oauth2/authorize"


def _address(peer: str | None) -> str:
    """Who counts as one: an address, or the network that a customer has of IPv6."""
    if peer is None:
        return ""
    found = ip_address(peer.partition("%")[0])
    if not isinstance(found, IPv6Address):
        return peer
    return found.packed[:8].hex() if found.ipv4_mapped is None else str(found.ipv4_mapped)


def _throttled(seconds: int) -> Fault:
    return Fault("throttled", "There are too many requests; see Retry-After.", again=seconds)
