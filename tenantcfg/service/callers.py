"""
Whose requests proxies hold, as it was configured (check F7): tokens, or headers of the proxy.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from tenantcfg.errors import SettingInvalid
from tenantcfg.service.proxies import HeaderCallers, TokenCallers
from tenantcfg.service.tokens import AccessTokens, Idtyp, Issuer, TokenRules

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.service.proxies import Callers
    from tenantcfg.service.settings import ServiceSettings

__all__ = ["callers_of", "rules_of", "tokens_of"]


def callers_of(told: ServiceSettings, tokens: Callable[[], AccessTokens]) -> Callers:
    """
    The callers that *told* has proxies ask for; *tokens* gives the judge of theirs.

    Raises:
        SettingInvalid: what it says of tokens cannot be used.
    """
    if told.proxy_source == "headers":
        return HeaderCallers(told.proxy_secret, certified=told.tls_client_ca is not None)
    return TokenCallers(tokens())


def tokens_of(told: ServiceSettings) -> AccessTokens:
    """
    The judge of tokens that *told* asks for: those of Entra, or of the dev issuer.

    Raises:
        SettingInvalid: what it says of tokens cannot be used.
    """
    if told.dev_issuer:
        from tenantcfg.service.dev_issuer import DevIssuer  # noqa: PLC0415 - only if wanted

        return DevIssuer.of(told).tokens()
    return AccessTokens(rules_of(told))


def rules_of(told: ServiceSettings) -> TokenRules:
    """
    What tokens pass, by *told*.

    Raises:
        SettingInvalid: something is missing, or cannot be used.
    """
    return TokenRules(
        issuers=tuple(_issuers(told)),
        audiences=frozenset(told.entra_audiences),
        algorithms=frozenset(told.entra_algorithms),
        idtyp=Idtyp(told.entra_idtyp),
        required_roles=frozenset(told.entra_roles),
        refresh_seconds=told.entra_refresh_seconds,
        refuse_seconds=told.entra_refuse_seconds,
        ca_bundle=told.entra_ca_bundle,
    )


def _issuers(told: ServiceSettings) -> list[Issuer]:
    for name in ("entra_discovery", "entra_jwks"):
        places = getattr(told, name)
        if places and len(places) != len(told.entra_issuers):
            raise SettingInvalid(f"{name} and entra_issuers are not equally many")
    if told.entra_discovery and told.entra_jwks:
        raise SettingInvalid("entra_discovery and entra_jwks are both set", hint="unset one")
    places = zip_longest(told.entra_issuers, told.entra_discovery, told.entra_jwks)
    return [
        Issuer(name, None if jwks else discovery or _below(name), jwks)
        for name, discovery, jwks in places
    ]


def _below(issuer: str) -> str:
    if "{" in issuer:
        raise SettingInvalid(
            "a setting is missing",
            subject="entra_discovery",
            why="an issuer of many tenants does not tell where its keys are",
            hint="set entra_discovery or entra_jwks",
        )
    return issuer.rstrip("/") + "/.well-known/openid-configuration"
