"""
What the dev issuer answers: its description, its keys, and a token to whoever shows the secret.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote_plus
from uuid import UUID, uuid5

from joserfc import jwt

from tenantcfg.ids import is_guid
from tenantcfg.service.askers import require_direct
from tenantcfg.service.dev_issuer.keeping import Folder
from tenantcfg.service.http import (
    ALLOW_GET,
    ALLOW_POST,
    Answer,
    Headers,
    OwnWords,
    Problem,
    answered,
)
from tenantcfg.service.tokens import AccessTokens, Issuer, TokenRules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joserfc.jwk import RSAKey

    from tenantcfg.service.http import Endpoint, Request, Stream
    from tenantcfg.service.settings import ServiceSettings

__all__ = ["AUDIENCE", "SCOPE", "DevIssuer", "Direct"]

AUDIENCE: Final = "api://tenantcfg"
"""For whom its tokens are."""
SCOPE: Final = f"{AUDIENCE}/.default"
"""What a client asks for to get one."""
_SECONDS: Final = 3600
"""For which a token is good."""
_LONGEST: Final = 64 * 1024
"""Bytes of a form that are read."""
_FORM: Final = b"application/x-www-form-urlencoded"
_OBJECTS: Final = UUID("3f0f8a52-9a0c-4d8c-8a34-6f2d1c9b7e10")


@dataclass(frozen=True, slots=True)
class DevIssuer:
    """
    The issuer, as clients and the judge of tokens see it.

    Attributes:
        url: what clients know the service by.
        secret: that every client shows, whatever its id.
        key: signs.
        clock: seconds since 1970.
    """

    url: str
    secret: str = field(repr=False)
    key: RSAKey = field(repr=False)
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, told: ServiceSettings) -> DevIssuer:
        """
        The one of settings that `issuing` made.

        Raises:
            SettingInvalid: its folder cannot be used.
        """
        folder = Folder(told.dev_issuer_folder)
        return cls(told.public_url or "", folder.secret(), folder.key())

    def tokens(self) -> AccessTokens:
        """The judge of its tokens, by the rules for Entra's."""
        issuer = Issuer(f"{self.url}/{{tid}}/v2.0", jwks=f"{self.url}/common/discovery/v2.0/keys")
        return AccessTokens(
            TokenRules(issuers=(issuer,), audiences=frozenset({AUDIENCE})), servers=self
        )

    async def fetch(self, _: Issuer) -> Sequence[object]:
        """The keys that it publishes."""
        return [self._public()]

    async def __call__(self, request: Request) -> Answer:
        """
        Answer what an issuer is asked: its description, its keys, a token.

        Raises:
            Problem: ``forbidden``: it came through a proxy; ``not_found``; ``method_not_allowed``.
        """
        require_direct(request, "the dev issuer answers this machine only, directly")
        found = _PATH.fullmatch(request.path)
        if found is None:
            raise Problem("not_found", "there is nothing at this path")
        tenant, what = found["tenant"].decode(), found["what"]
        allowed = (b"POST",) if what == _TOKEN else (b"GET", b"HEAD")
        if request.method.encode() not in allowed:
            headers = ALLOW_POST if what == _TOKEN else ALLOW_GET
            raise Problem("method_not_allowed", "another method is wanted", headers)
        try:
            return await self._answer(request, _tenant(tenant, what), what)
        except _Refused as why:
            return why.answer()

    async def _answer(self, request: Request, tenant: str, what: bytes) -> Answer:
        if what == _KEYS:
            return answered({"keys": [self._public()]})
        if what == _DISCOVERY:
            return answered(self._description(tenant))
        return answered(self._granted(tenant, await _form(request), *_basic(request)))

    def _description(self, tenant: str) -> dict[str, object]:
        """As OpenID Connect Discovery has it; clients want the authorization endpoint named."""
        below = f"{self.url}/{tenant}"
        return {
            "issuer": f"{below}/v2.0",
            "authorization_endpoint": f"{below}/oauth2/v2.0/authorize",
            "token_endpoint": f"{below}/oauth2/v2.0/token",
            "jwks_uri": f"{below}/discovery/v2.0/keys",
            "response_types_supported": ["token"],
            "grant_types_supported": ["client_credentials"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }

    def _granted(
        self, tenant: str, form: dict[str, str], named: str | None, shown: str | None
    ) -> dict[str, object]:
        """The token that *form* asks for (RFC 6749 section 4.4); its other members are ignored."""
        client = self._client(form, named, shown)
        match form.get("grant_type"):
            case "client_credentials":
                pass
            case None:
                raise _Refused("invalid_request", "grant_type is missing")
            case _:
                raise _Refused("unsupported_grant_type", "there is client_credentials only")
        if form.get("scope") != SCOPE:
            raise _Refused("invalid_scope", f"{_foreign(form)}the scope here is {SCOPE}")
        return {
            "token_type": "Bearer",
            "expires_in": _SECONDS,
            "access_token": self._token(tenant, client),
        }

    def _client(self, form: dict[str, str], named: str | None, shown: str | None) -> str:
        """The client's id, once it has shown the secret."""
        if named is not None and "client_secret" in form:
            raise _Refused("invalid_request", "the client shows its secret in two places")
        client = form.get("client_id", named)
        secret = form.get("client_secret", "") if shown is None else shown
        if client is None:
            raise _Refused("invalid_request", "client_id is missing")
        if named not in (None, client):
            raise _Refused("invalid_request", "the client has two ids")
        if not hmac.compare_digest(secret.encode(), self.secret.encode()):
            raise _Refused(
                "invalid_client",
                "the client's secret is wrong: it stands in the file client-secret of the issuer",
                basic=named is not None,
            )
        if not is_guid(client):
            raise _Refused("unauthorized_client", "client_id is no GUID, as an app's id is")
        return client.lower()

    def _token(self, tenant: str, client: str) -> str:
        """A token of version 2 that says that *client* acts for itself (participants P10)."""
        now = int(self.clock())
        principal = str(uuid5(_OBJECTS, f"{tenant}/{client}"))
        claims: dict[str, Any] = {
            "aud": AUDIENCE,
            "iss": f"{self.url}/{tenant}/v2.0",
            "iat": now,
            "nbf": now,
            "exp": now + _SECONDS,
            "azp": client,
            "azpacr": "1",
            "idtyp": "app",
            "oid": principal,
            "sub": principal,
            "tid": tenant,
            "uti": secrets.token_urlsafe(16),
            "ver": "2.0",
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": self._public()["kid"]}
        return jwt.encode(header, claims, self.key, algorithms=["RS256"])

    def _public(self) -> dict[str, Any]:
        public = dict(self.key.as_dict(private=False))
        return {**public, "kid": self.key.thumbprint(), "use": "sig", "alg": "RS256"}


@dataclass(frozen=True, slots=True)
class Direct:
    """*endpoint*, for this machine and not through a proxy: what takes the issuer's tokens."""

    endpoint: Endpoint

    async def __call__(self, request: Request) -> Answer | Stream:
        """
        Answer as the endpoint does.

        Raises:
            Problem: ``forbidden``: it came through a proxy.
        """
        require_direct(request, "tokens of the dev issuer are taken on this machine, directly")
        return await self.endpoint(request)

    def worded(self, problem: Problem, request: Request) -> Answer:
        """*problem* in the endpoint's words, if it has its own; see `OwnWords`."""
        if isinstance(self.endpoint, OwnWords):
            return self.endpoint.worded(problem, request)
        return problem.answer()


# What it is asked


_DISCOVERY: Final = b"v2.0/.well-known/openid-configuration"
_KEYS: Final = b"discovery/v2.0/keys"
_TOKEN: Final = b"oauth2/v2.0/token"
_PATH: Final = re.compile(
    rb"/(?P<tenant>[^/]+)/(?P<what>" + b"|".join(map(re.escape, (_DISCOVERY, _KEYS, _TOKEN))) + b")"
)


class _Refused(Exception):
    """An answer of RFC 6749 section 5.2; *why* is a sentence of ours."""

    def __init__(self, error: str, why: str, *, basic: bool = False) -> None:
        super().__init__(error, why)
        self._members = {"error": error, "error_description": why}
        self._status = 401 if error == "invalid_client" else 400
        challenge = (b"www-authenticate", b'Basic realm="tenantcfg"')
        self._headers: Headers = (challenge,) if basic else ()

    def answer(self) -> Answer:
        """The refusal as it goes out."""
        return answered(self._members, status=self._status, headers=self._headers)


def _tenant(name: str, what: bytes) -> str:
    """*name* as tokens spell it; its keys are the same for all, and so under any name."""
    if what != _KEYS and not is_guid(name):
        raise _Refused("invalid_tenant", "the tenant in the path is no GUID: name it by its id")
    return name.lower()


async def _form(request: Request) -> dict[str, str]:
    kind = request.one(b"content-type") or b""
    if kind.partition(b";")[0].strip().lower() != _FORM:
        raise _Refused("invalid_request", f"a form is wanted: {_FORM.decode()}")
    try:
        body = (await request.body(_LONGEST)).decode()
        pairs = parse_qsl(body, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as why:
        raise _Refused("invalid_request", "the form cannot be read") from why
    form = dict(pairs)
    if len(form) < len(pairs):
        raise _Refused("invalid_request", "a member of the form was sent twice")
    return form


def _basic(request: Request) -> tuple[str | None, str | None]:
    """Id and secret in ``Authorization: Basic`` (RFC 6749 section 2.3.1); None: they are not."""
    given = request.one(b"authorization")
    if given is None:
        return None, None
    scheme, _, rest = given.decode("latin-1").partition(" ")
    try:
        client, colon, secret = b64decode(rest, validate=True).decode().partition(":")
    except ValueError:
        client = colon = secret = ""
    if scheme.lower() != "basic" or not colon:
        raise _Refused("invalid_client", "Authorization is not Basic", basic=True)
    return unquote_plus(client), unquote_plus(secret)


def _foreign(form: dict[str, str]) -> str:
    """What is to be said first of a scope of Graph's own."""
    if "graph.microsoft.com" in form.get("scope", ""):
        return "nobody but Graph can verify a token for Graph; "
    return ""
