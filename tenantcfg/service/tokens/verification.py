"""
A token goes in, the application and the tenant it acts in come out, or why they do not.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from joserfc import jws
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode

from tenantcfg.errors import quoted
from tenantcfg.ids import MAX_ID_LENGTH, AppId, TenantId, is_guid
from tenantcfg.service.http import Problem, bearer_of, strict_json
from tenantcfg.service.tokens.fetching import KeyServers
from tenantcfg.service.tokens.rules import Idtyp
from tenantcfg.service.tokens.signing_keys import SigningKeys, uptime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenantcfg.service.tokens.fetching import KeySource
    from tenantcfg.service.tokens.rules import TokenRules
    from tenantcfg.service.tokens.signing_keys import SigningKey

__all__ = ["AccessTokens", "Refusal", "TokenHolder", "TokenRefused", "token_of"]

MAX_TOKEN: Final = 16 * 1024
"""The longest token, in bytes (docs, limits)."""
LEEWAY: Final = 60
"""Seconds by which the issuer's clock and ours may differ."""

# The end of the year 9999. What lies behind it is no time but a way to say "never".
_LATEST: Final = 253_402_300_799

# How the type of a JWT may be written (RFC 7519 section 5.1, RFC 9068 section 2.1). Logout
# tokens, DPoP proofs and the like are signed by the same keys and say what they are here.
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})

# Which claims are the application's, and how it proved who it is, by version.
_COLUMNS: Final = {"1.0": ("appid", "appidacr"), "2.0": ("azp", "azpacr")}
_PUBLIC_CLIENT: Final = "0"


class Refusal(StrEnum):
    """
    What kind of refusal it is; each asks something else of the caller.

    The first four are 401, the others 403.
    """

    UNAUTHENTICATED = "unauthenticated"
    """There is no token."""
    SEVERAL = "several"
    """There are two, and nobody can say which one counts."""
    INVALID_TOKEN = "invalid_token"  # noqa: S105 - the name of a refusal
    """It is none of ours, or not what it says."""
    EXPIRED = "expired"
    """It was good once: get a new one."""
    DELEGATED = "delegated"
    """It is a user's."""
    TYPE_UNKNOWN = "type_unknown"
    """It does not say, or not without doubt, that it is an application's."""
    ROLES_MISSING = "roles_missing"
    """The application has none of the roles that are asked for."""

    @property
    def status(self) -> int:
        """
        The HTTP status: 401 while it is not known who asks, else 403.

        Where a malformed request has a status of its own, two tokens are that (participants P6).
        """
        return 401 if self in _UNKNOWN else 403


_UNKNOWN: Final = frozenset(
    {Refusal.UNAUTHENTICATED, Refusal.SEVERAL, Refusal.INVALID_TOKEN, Refusal.EXPIRED}
)


class TokenRefused(Exception):
    """
    The token does not pass: answer by *kind*.

    *why* is one line for our own log. Who sent the token does not get it (participants P17),
    and the token does not stand in it; names that it bears may, escaped.

    Attributes:
        tenant, app: whom it names, where it is good and only not of the kind that is wanted
            (403); else None.
    """

    def __init__(
        self,
        kind: Refusal,
        why: str,
        *,
        tenant: TenantId | None = None,
        app: AppId | None = None,
    ) -> None:
        super().__init__(kind, why)
        self.kind = kind
        self.why = why
        self.tenant = tenant
        self.app = app

    def __str__(self) -> str:
        return f"{self.kind}: {self.why}"


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """
    An application that showed a good token of its own.

    Attributes:
        token_id: the issuer's id of the token; None: it has none. For the log only.
        subject: the application's service principal in the tenant; None: not said. For the
            log only, never compared with an application's id.
        version: of the token, ``1.0`` or ``2.0``.
    """

    app: AppId
    tenant: TenantId
    token_id: str | None
    subject: str | None
    version: str

    @property
    def identity(self) -> str:
        """A name without any secret, as the history writes it."""
        return f"entra:{self.app}"


def token_of(authorization: Sequence[bytes]) -> str:
    """
    The token in the values of the header ``Authorization``, one for each time it was sent.

    Raises:
        TokenRefused: there is none (no header, another scheme, nothing behind ``Bearer``), or
            the header was sent twice (participants P6).
    """
    if len(authorization) > 1:
        raise TokenRefused(Refusal.SEVERAL, "the header Authorization was sent twice")
    token = bearer_of(authorization[0]) if authorization else ""
    if not token:
        raise TokenRefused(Refusal.UNAUTHENTICATED, "there is no bearer token")
    return token


class AccessTokens:
    """
    The access tokens that pass *rules*; for one event loop at a time.

    Args:
        rules: whose tokens, for whom, of which kind.
        clock: seconds since 1970, for the times in tokens.
        ticks: seconds that only ever rise, for the ages of keys.
        servers: where keys come from; None: over https, as *rules* have it.

    Raises:
        SettingInvalid: the certificates that *rules* name cannot be read.
    """

    def __init__(
        self,
        rules: TokenRules,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = uptime,
        servers: KeySource | None = None,
    ) -> None:
        servers = servers or KeyServers(rules.ca_bundle)
        self._rules = rules
        self._issuers = [
            (
                issuer,
                SigningKeys(
                    issuer.name,
                    partial(servers.fetch, issuer),
                    refresh_after=rules.refresh_seconds,
                    refuse_after=rules.refuse_seconds,
                    ticks=ticks,
                ),
            )
            for issuer in rules.issuers
        ]
        self._registry = jws.JWSRegistry(algorithms=sorted(rules.algorithms))
        self._claims = JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=LEEWAY,
            exp={"essential": True},
            aud={"essential": True, "values": sorted(rules.audiences)},
        )

    async def prepare(self) -> None:
        """Fetch all keys, so that the first token does not wait; what fails stands in the log."""
        await asyncio.gather(*(keys.prepare() for _, keys in self._issuers))

    async def close(self) -> None:
        """End what is under way."""
        await asyncio.gather(*(keys.close() for _, keys in self._issuers))

    @property
    def ready(self) -> bool:
        """Whether keys of every issuer are at hand, young enough to be believed."""
        return all(keys.in_force for _, keys in self._issuers)

    async def verify(self, token: str) -> TokenHolder:
        """
        Who holds *token*.

        Nothing in the token chooses how it is judged: not the algorithm, not the key, not
        where keys are found (participants P10).

        Raises:
            TokenRefused: it does not pass.
            KeysUnavailable: its issuer's keys are not at hand.
        """
        signed = self._read(token)
        claims = _object("payload", signed.payload)
        tid, keys = self._issuer(claims)
        await self._signature(signed, claims["iss"], tid, keys)
        self._times_and_audience(claims)
        return self._holder(claims, TenantId.exact(tid))

    def _read(self, token: str) -> jws.CompactSignature:
        """*token* taken apart; nothing in it is believed yet."""
        if not token:
            raise TokenRefused(Refusal.UNAUTHENTICATED, "there is no token")
        if len(token) > MAX_TOKEN:
            raise _invalid(f"it is longer than {MAX_TOKEN} bytes")
        try:
            signed = jws.extract_compact(token.encode("ascii"), registry=self._registry)
        except (JoseError, ValueError, TypeError, RecursionError) as why:
            raise TokenRefused(
                Refusal.INVALID_TOKEN, f"it is no compact JWS ({type(why).__name__})"
            ) from why
        # The library has read it as well, and of two members of one name took the last (P26).
        self._header(_object("header", urlsafe_b64decode(signed.segments["header"])))
        return signed

    def _header(self, header: Mapping[str, Any]) -> None:
        if "nonce" in header:
            raise _invalid(
                "its header has a nonce: it is for Microsoft Graph, ask for our audience"
            )
        # Empty or of things we know, too: nothing that must be understood is.
        if "crit" in header:
            raise _invalid("its header has crit")
        algorithm, kind = header["alg"], header.get("typ", "JWT")
        if not isinstance(algorithm, str) or algorithm not in self._rules.algorithms:
            raise _invalid("its algorithm is not allowed")
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise _invalid("its typ is of no access token")
        if not isinstance(header.get("kid"), str):
            raise _invalid("it names no key")

    def _issuer(self, claims: Mapping[str, Any]) -> tuple[str, SigningKeys]:
        """The tenant and the keys of the issuer that vouches for it (participants P10.3)."""
        iss, tid = claims.get("iss"), claims.get("tid")
        if not isinstance(iss, str) or not isinstance(tid, str) or not is_guid(tid):
            raise _invalid("it has no iss, or no tid that is a GUID")
        for issuer, keys in self._issuers:
            if issuer.vouches(iss, tid):
                return tid, keys
        raise _invalid(f"its issuer {quoted(iss, 200)} is none of ours for its tenant")

    async def _signature(
        self, signed: jws.CompactSignature, iss: str, tid: str, keys: SigningKeys
    ) -> None:
        header = signed.headers()
        found = await keys.of(header["kid"])
        if not found:
            raise _invalid("its issuer has no such key")
        fit = (key for key in found if key.algorithm == header["alg"] and key.vouches(iss, tid))
        if not any(self._signed_by(key, signed) for key in fit):
            raise _invalid("no key of its issuer made its signature")

    def _signed_by(self, key: SigningKey, signed: jws.CompactSignature) -> bool:
        try:
            return jws.validate_compact(signed, key.public, registry=self._registry)
        except (JoseError, ValueError, TypeError) as why:
            raise TokenRefused(
                Refusal.INVALID_TOKEN, f"its header is not right ({type(why).__name__})"
            ) from why

    def _times_and_audience(self, claims: dict[str, Any]) -> None:
        try:
            self._claims.validate(claims)
        except ExpiredTokenError as why:
            raise TokenRefused(Refusal.EXPIRED, "its time is over") from why
        except JoseError as why:
            # The library names the claim, never what stands in it.
            raise TokenRefused(Refusal.INVALID_TOKEN, str(why)) from why
        if claims["exp"] > _LATEST:
            raise _invalid("it never ends")

    def _holder(self, claims: Mapping[str, Any], tenant: TenantId) -> TokenHolder:
        version, app = _application(claims)
        unfit = self._unfit(claims)
        if unfit is not None or app is None:
            kind, why = unfit or (Refusal.TYPE_UNKNOWN, "it names no application")
            raise TokenRefused(kind, why, tenant=tenant, app=app)
        return TokenHolder(
            app=app,
            tenant=tenant,
            token_id=_audited(claims, "uti"),
            subject=_audited(claims, "oid") or _audited(claims, "sub"),
            version=version,
        )

    def _unfit(self, claims: Mapping[str, Any]) -> tuple[Refusal, str] | None:
        """Why a good token is not of the kind that is wanted; None: it is."""
        users = self._users(claims)
        if users is not None:
            return users
        if any(str(claims.get(proof)) == _PUBLIC_CLIENT for _, proof in _COLUMNS.values()):
            return Refusal.TYPE_UNKNOWN, "its client proved nothing"
        wanted, roles = self._rules.required_roles, claims.get("roles")
        if wanted and not (isinstance(roles, list) and any(one in roles for one in wanted)):
            return Refusal.ROLES_MISSING, "it has none of the required roles"
        return None

    def _users(self, claims: Mapping[str, Any]) -> tuple[Refusal, str] | None:
        """Why it is, or may be, a user's (participants P7); None: it is an application's own."""
        kind = claims.get("idtyp")
        if "scp" in claims or kind == "user":
            return Refusal.DELEGATED, "it is a user's"
        if "idtyp" not in claims:
            if self._rules.idtyp is Idtyp.REQUIRED:
                return (
                    Refusal.TYPE_UNKNOWN,
                    "it has no idtyp, an optional claim to be asked for",
                )
        elif kind != "app":
            return Refusal.TYPE_UNKNOWN, "its idtyp is not app"
        return None


def _object(part: str, text: bytes) -> dict[str, Any]:
    try:
        return strict_json(text)
    except Problem as why:
        raise TokenRefused(Refusal.INVALID_TOKEN, f"its {part} is not one JSON object") from why


def _application(claims: Mapping[str, Any]) -> tuple[str, AppId | None]:
    """The version, and the application in its column; None: none stands there."""
    version = claims.get("ver")
    if not isinstance(version, str) or version not in _COLUMNS:
        raise _invalid("its version is neither 1.0 nor 2.0")
    named = {name: claims[name] for name, _ in _COLUMNS.values() if name in claims}
    if not all(isinstance(one, str) and is_guid(one) for one in named.values()):
        raise _invalid("its application is no GUID")
    if len({one.lower() for one in named.values()}) > 1:
        raise _invalid("it names two applications")
    one = named.get(_COLUMNS[version][0])
    return version, AppId.exact(one) if one is not None else None


def _audited(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH else None


def _invalid(why: str) -> TokenRefused:
    return TokenRefused(Refusal.INVALID_TOKEN, why)
