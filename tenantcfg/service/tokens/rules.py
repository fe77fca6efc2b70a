"""
What an access token must be, as a setting: nothing of it is guessed, nothing has a lenient default.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tenantcfg.errors import SettingInvalid, quoted

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ALGORITHMS", "Idtyp", "Issuer", "TokenRules", "is_https", "template_of"]

ALGORITHMS: Final = frozenset({"RS256", "ES256"})
"""Those that may be allowed: what a key of an issuer can sign with."""

TENANT: Final = "{tid}"
_SPELLINGS: Final = ("{tenantid}", "{tenant}")
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")

GRAPH: Final = frozenset(
    {
        "https://graph.microsoft.com",
        "https://graph.microsoft.com/",
        "00000003-0000-0000-c000-000000000000",
    }
)
"""The audiences of Microsoft Graph, whose tokens only Graph can verify (participants P10.4)."""


class Idtyp(StrEnum):
    """When a token must say by ``idtyp`` that it is an application's (participants P7)."""

    REQUIRED = "required"
    """Always. The API's registration must ask Entra for this optional claim."""
    WHEN_PRESENT = "when_present"
    """A token without it passes, if nothing else in it tells of a user."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """
    Who signs tokens, and where its keys are found.

    Keys are an issuer's own: those of one never vouch for another (participants P10.3), so
    tokens of v1 and v2 need two of these.

    Attributes:
        name: what ``iss`` must be, exactly; ``{tid}`` in it stands for the tenant of the token.
            Without it there must be one GUID in the name, and the issuer vouches for that
            tenant only.
        discovery: the URL of its discovery document, which must bear the same name.
        jwks: the URL of its keys, instead of *discovery*.

    Raises:
        SettingInvalid: on making one that cannot be used.
    """

    name: str
    discovery: str | None = None
    jwks: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", template_of(self.name))
        if not is_https(self.name):
            raise _invalid("an issuer is no https URL", self.name)
        rest = self.name.replace(TENANT, "", 1)
        if "{" in rest or "}" in rest:
            raise _invalid("an issuer holds a placeholder that is not known", self.name, _ONE)
        if rest == self.name and len(_GUID.findall(rest)) != 1:
            raise _invalid("an issuer names no tenant", self.name, _ONE)
        if (self.discovery is None) == (self.jwks is None):
            raise _invalid(
                "an issuer's keys have no place, or two", self.name, "set discovery or jwks"
            )
        if not is_https(self.discovery or self.jwks or ""):
            raise _invalid("signing keys come by https only", self.discovery or self.jwks or "")

    def vouches(self, iss: str, tid: str) -> bool:
        """Whether *iss* is this issuer's name for the tenant *tid*, which must be a GUID."""
        if iss != self.name.replace(TENANT, tid):
            return False
        return TENANT in self.name or tid.lower() in self.name.lower()


@dataclass(frozen=True, slots=True)
class TokenRules:
    """
    What tokens pass (participants P7, P8, P10).

    Attributes:
        issuers: whose tokens are read at all.
        audiences: whom a token must be for; never Microsoft Graph.
        algorithms: of `ALGORITHMS`.
        required_roles: one of these must be among ``roles``; none: no role is asked for.
        refresh_seconds: the age at which signing keys are fetched anew, in the background.
        refuse_seconds: the age at which they are not believed any more.
        ca_bundle: certificates that key servers are believed by, instead of the public ones.

    Raises:
        SettingInvalid: on making rules with something missing, so that a service that could
            not tell whose tokens it reads does not start.
    """

    issuers: tuple[Issuer, ...]
    audiences: frozenset[str]
    algorithms: frozenset[str] = frozenset({"RS256"})
    idtyp: Idtyp = Idtyp.REQUIRED
    required_roles: frozenset[str] = frozenset()
    refresh_seconds: int = 24 * 3600
    refuse_seconds: int = 72 * 3600
    ca_bundle: Path | None = None

    def __post_init__(self) -> None:
        if not self.issuers:
            raise SettingInvalid("no issuer of tokens is set", hint="name whose tokens are read")
        if not self.audiences or not all(self.audiences):
            raise SettingInvalid(
                "no audience of tokens is set",
                hint="set the client id or api:// URI of this API's own registration",
            )
        if foreign := sorted(self.audiences & GRAPH):
            raise _invalid(
                "tokens for Microsoft Graph cannot be verified", foreign[0], "set an own audience"
            )
        if not self.algorithms or self.algorithms - ALGORITHMS:
            wrong = ", ".join(sorted(self.algorithms - ALGORITHMS))
            raise _invalid("a signature algorithm cannot be allowed", wrong, "RS256 or ES256")
        if not 0 < self.refresh_seconds < self.refuse_seconds:
            raise SettingInvalid(
                "the ages of signing keys do not fit",
                why=f"refresh after {self.refresh_seconds} s, refuse after {self.refuse_seconds} s",
                hint="refresh before you refuse",
            )


_ONE: Final = f"write {TENANT} where the tenant's id stands, or one tenant's id"


def template_of(name: str) -> str:
    """*name* with the tenant's placeholder in our spelling; Entra has another in its documents."""
    for spelling in _SPELLINGS:
        name = name.replace(spelling, TENANT)
    return name


def is_https(url: str) -> bool:
    """Whether *url* is an https URL with a host and without a user and a fragment."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme == "https"
            and bool(parts.hostname)
            # Asked for because a port that is none raises.
            and parts.port != 0
            and "@" not in parts.netloc
            and not parts.fragment
            and url.isascii()
            and url.isprintable()
        )
    except ValueError:
        return False


def _invalid(what: str, subject: str, hint: str = "") -> SettingInvalid:
    return SettingInvalid(what, subject=quoted(subject, 200), hint=hint)
