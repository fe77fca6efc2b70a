"""
Service keys: what a service shows when it asks, and what the store holds of it.

A key is an id that may be seen and a secret that may not. The store keeps the SHA-256 of the
secret, which has 256 random bits, so that no slower hash is needed (check W40).
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from tenantcfg.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.instants import Instant

__all__ = ["MAX_TENANTS", "KeyFacts", "Right", "ServiceKey", "admits", "fingerprint"]

MAX_TENANTS = 1_000
"""The most tenants that a key can be limited to (docs, limits)."""

_TEXT = re.compile(r"tcfg_([a-z2-7]{12})_([A-Za-z0-9_-]{43})")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_NOBODY = "00" * 32


class Right(StrEnum):
    """What a key may ask (check M7, W41)."""

    CHECK = "check"
    """Decisions, searches, and the stream of changes without who and why."""
    READ = "read"
    """Searches, and the stream with who and why."""
    MEDIA = "media"
    """To report calls and who is in them, and to follow whom apps removed."""


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """
    A key as it is shown once and presented with each request: ``tcfg_ID_SECRET``.

    The secret stands in no representation of it.

    Attributes:
        digest: the SHA-256 of the secret, in hexadecimal: what the store keeps.
    """

    id: str
    secret: str = field(repr=False)
    digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", sha256(self.secret.encode("ascii")).hexdigest())

    @classmethod
    def new(cls, random: Callable[[int], bytes]) -> ServiceKey:
        """A key of *random*, which gives so many bytes (`secrets.token_bytes`)."""
        name = "".join(_ALPHABET[byte % 32] for byte in random(12))
        return cls(name, urlsafe_b64encode(random(32)).rstrip(b"=").decode())

    @classmethod
    def parse(cls, text: str) -> ServiceKey:
        """
        The key that *text* is, exactly.

        Raises:
            InvalidInput: it cannot be one; the text is not repeated.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            raise InvalidInput("not a service key", hint="tenantcfg key new makes one")
        return cls(found[1], found[2])

    @property
    def text(self) -> str:
        """The whole key, with its secret."""
        return f"tcfg_{self.id}_{self.secret}"


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """
    What the store holds of a key, as it was read beside the answer it belongs to.

    Attributes:
        digest: `ServiceKey.digest`.
        tenants: the ids of those it may ask about, known or not; None: all.
        expires_at: when it ends; None: never.
    """

    id: str
    name: str
    digest: str = field(repr=False)
    rights: frozenset[Right]
    tenants: frozenset[str] | None
    expires_at: Instant | None

    def covers(self, tenant: str) -> bool:
        """Whether the key may ask about *tenant*, given in its canonical form."""
        return self.tenants is None or tenant in self.tenants


def fingerprint(digest: str) -> str:
    """
    What the history holds of a key's *digest*, in hexadecimal: the SHA-256 of that once more.

    A digest that somebody put in the place of another shows beside it; the digest itself, by
    which a secret is judged, stands in the table of keys alone.
    """
    return sha256(digest.encode("ascii")).hexdigest()


def admits(facts: KeyFacts | None, presented: ServiceKey, now: Instant) -> bool:
    """
    Whether *presented* is the key of *facts*, and in force at *now*.

    The comparison takes as long for a wrong secret as for an unknown key.
    """
    kept = facts.digest if facts else _NOBODY
    same = hmac.compare_digest(kept, presented.digest)
    if facts is None or not same:
        return False
    return facts.expires_at is None or now < facts.expires_at
