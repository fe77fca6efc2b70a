"""
Entra access tokens: which application calls, and in which tenant it does so.

One judge for the proxies' check and for the participants endpoint, so that a token that is
refused at one of them permits nothing at the other (check F7; participants P6, P7, P10, P25,
P26). What the rules are is `rules`; where the keys come from, `fetching` and `signing_keys`;
what becomes of a token, `verification`.
"""

from __future__ import annotations

from tenantcfg.service.tokens.fetching import KeyServers, KeySource
from tenantcfg.service.tokens.rules import Idtyp, Issuer, TokenRules
from tenantcfg.service.tokens.signing_keys import KeysUnavailable
from tenantcfg.service.tokens.verification import (
    AccessTokens,
    Refusal,
    TokenHolder,
    TokenRefused,
    token_of,
)

__all__ = [
    "AccessTokens",
    "Idtyp",
    "Issuer",
    "KeyServers",
    "KeySource",
    "KeysUnavailable",
    "Refusal",
    "TokenHolder",
    "TokenRefused",
    "TokenRules",
    "token_of",
]
