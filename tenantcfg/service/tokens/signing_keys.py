"""
The signing keys of one issuer, as fresh as they can be had and no older than is allowed.

Two ages: from the first on, the keys are fetched anew while the old ones serve; from the second
on, the old ones serve no more. Whoever asks for a key that is known never waits for a fetch.
One fetch runs at a time and none begins within 30 seconds of the last one's beginning, whatever
came of that, so that tokens with made-up key ids move nothing (participants P25).
"""

from __future__ import annotations

import asyncio
import math
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from tenantcfg.errors import quoted
from tenantcfg.service.tokens.fetching import FetchFailed
from tenantcfg.service.tokens.rules import TENANT, template_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

__all__ = ["KeyUnfit", "KeysUnavailable", "SigningKey", "SigningKeys", "signing_key", "uptime"]

_LOG = structlog.get_logger("tenantcfg.service.tokens")

PAUSE: Final = 30.0
"""Seconds between the beginnings of two fetches, at least."""
SMALLEST_RSA: Final = 2048
"""Bits."""

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class KeysUnavailable(Exception):
    """
    The issuer's keys are not at hand, so nobody can tell what the token is: answer 503.

    Attributes:
        retry_after: seconds after which asking again makes sense; 1 and more.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the issuer's signing keys are not at hand, for {retry_after} s")
        self.retry_after = retry_after


class KeyUnfit(Exception):
    """A published key that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """
    A public key that tokens may be signed with.

    Attributes:
        algorithm: the one it is for, RS256 or ES256; others are not tried with it.
        issuer: whom the set says it belongs to, a template or a name; None: it does not say.
    """

    kid: str
    algorithm: str
    issuer: str | None
    public: RSAKey | ECKey

    def vouches(self, iss: str, tid: str) -> bool:
        """Whether it may sign for the issuer *iss* of the tenant *tid* (participants P10.3)."""
        return self.issuer is None or self.issuer.replace(TENANT, tid) == iss


def signing_key(jwk: object) -> SigningKey:
    """
    The key that *jwk* is (RFC 7517), if it is one to verify signatures with.

    Raises:
        KeyUnfit: it is of another kind or for another use, too short, broken, has no id, or
            shows its private half.
    """
    if not isinstance(jwk, dict):
        raise KeyUnfit("it is no object")
    kid, issuer = jwk.get("kid"), jwk.get("issuer")
    if not isinstance(kid, str) or not kid:
        raise KeyUnfit("it has no id")
    if not (issuer is None or isinstance(issuer, str)):
        raise KeyUnfit("its issuer is no text")
    algorithm, public = _public(jwk)
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        raise KeyUnfit("it is for another use or algorithm")
    if not isinstance(operations, list) or "verify" not in operations:
        raise KeyUnfit("it is not for verifying")
    return SigningKey(kid, algorithm, None if issuer is None else template_of(issuer), public)


def _public(jwk: Mapping[str, Any]) -> tuple[str, RSAKey | ECKey]:
    kind = jwk.get("kty")
    # Whoever reads the set could sign with it.
    if not _PRIVATE.isdisjoint(jwk):
        raise KeyUnfit("it shows its private half")
    try:
        # The members that make the key and no others: an odd one beside them is no fault of it.
        if kind == "RSA":
            if _bits(jwk["n"]) < SMALLEST_RSA:
                raise KeyUnfit(f"it has less than {SMALLEST_RSA} bits")
            return "RS256", RSAKey.import_key({name: jwk[name] for name in ("kty", "n", "e")})
        if kind == "EC" and jwk["crv"] == "P-256":
            return "ES256", ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y")})
    except (JoseError, ValueError, TypeError, KeyError) as why:
        raise KeyUnfit(f"it is broken ({type(why).__name__})") from why
    raise KeyUnfit("it is of another kind")


def _bits(modulus: str) -> int:
    return int.from_bytes(urlsafe_b64decode(modulus + "==")).bit_length()


def uptime() -> float:
    """Seconds that no clock's setting moves, those in which the machine slept among them."""
    # Linux leaves sleep out of CLOCK_MONOTONIC, macOS counts it there.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class SigningKeys:
    """
    The keys of an issuer, by id; for one event loop at a time.

    Args:
        name: the issuer's, for the log.
        fetch: the keys as the issuer publishes them now; raises `FetchFailed`.
        refresh_after: age in seconds; *refuse_after* too.
        ticks: seconds that only ever rise.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[Iterable[object]]],
        *,
        refresh_after: float,
        refuse_after: float,
        ticks: Callable[[], float] = uptime,
    ) -> None:
        self._name = name
        self._fetch = fetch
        self._refresh_after = refresh_after
        self._refuse_after = refuse_after
        self._ticks = ticks
        self._known: Mapping[str, Sequence[SigningKey]] = {}
        # When the fetch that brought them began: they may be as old as that.
        self._known_at = -math.inf
        self._tried_at = -math.inf
        self._failed = False
        self._trying: asyncio.Task[None] | None = None

    async def of(self, kid: str) -> Sequence[SigningKey]:
        """
        The keys with the id *kid*; none: the issuer has no such key.

        There may be more than one: an id is not promised to be one key's.

        Raises:
            KeysUnavailable: it could not be asked, and what is known is too old or has no
                such key.
        """
        found = self._known.get(kid)
        if found and self.in_force:
            if self._age >= self._refresh_after:
                self._try()
            return found
        if trying := self._try():
            # Whoever waits may leave; the fetch goes on for the others.
            await asyncio.wait({trying})
        if self._failed or not self.in_force:
            raise KeysUnavailable(max(1, math.ceil(self._pause)))
        return self._known.get(kid, ())

    async def prepare(self) -> None:
        """Fetch the keys if that may be, so that the first who asks does not wait; never raises."""
        if trying := self._try():
            await asyncio.wait({trying})

    async def close(self) -> None:
        """End a fetch that is under way."""
        if trying := self._trying:
            trying.cancel()
            await asyncio.wait({trying})

    @property
    def in_force(self) -> bool:
        """Whether there are keys, young enough to be believed."""
        return self._age < self._refuse_after

    @property
    def _age(self) -> float:
        return self._ticks() - self._known_at

    @property
    def _pause(self) -> float:
        """Seconds until the next fetch may begin."""
        return self._tried_at + PAUSE - self._ticks()

    def _try(self) -> asyncio.Task[None] | None:
        """The fetch under way, begun now if it may; None: it may not."""
        if self._trying is None and self._pause <= 0:
            self._tried_at = self._ticks()
            self._failed = True
            self._trying = asyncio.create_task(self._renew())
        return self._trying

    async def _renew(self) -> None:
        began = self._tried_at
        try:
            known = self._fit(await self._fetch())
            if not known:
                # An issuer without keys is one whose answer is wrong; the old ones serve out.
                raise FetchFailed("there is no usable key in the set")  # noqa: TRY301
        except FetchFailed as why:
            _LOG.warning("signing keys did not come", issuer=self._name, why=str(why))
        except Exception as why:  # noqa: BLE001 - nobody may be waiting, so it is told here
            _LOG.error("signing keys did not come", issuer=self._name, exc_info=why)
        else:
            # Whole: a key that the issuer withdrew is gone.
            self._known, self._known_at, self._failed = known, began, False
            _LOG.info("signing keys came", issuer=self._name, keys=len(known))
        finally:
            self._trying = None

    def _fit(self, published: Iterable[object]) -> dict[str, list[SigningKey]]:
        """Those of *published* that can be used, each judged alone."""
        known: dict[str, list[SigningKey]] = {}
        for jwk in published:
            try:
                key = signing_key(jwk)
            except KeyUnfit as why:
                kid = quoted(str(jwk.get("kid"))) if isinstance(jwk, dict) else "none"
                _LOG.warning("a signing key is left out", issuer=self._name, kid=kid, why=str(why))
            else:
                known.setdefault(key.kid, []).append(key)
        return known
