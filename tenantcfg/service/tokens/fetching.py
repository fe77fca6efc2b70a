"""
How signing keys come over the network: briefly, little, from the place itself, or not at all.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import TYPE_CHECKING, Any, Final, Protocol

import httpx

from tenantcfg.errors import SettingInvalid, quoted
from tenantcfg.service.tokens.rules import is_https, template_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tenantcfg.service.tokens.rules import Issuer

__all__ = ["FetchFailed", "KeyServers", "KeySource"]

LONGEST: Final = 1024 * 1024
"""Bytes of a document that are read at most (participants P25)."""


class FetchFailed(Exception):
    """The keys of an issuer did not come; the message says why, in one line."""


class KeySource(Protocol):
    """Where the keys of issuers come from."""

    async def fetch(self, issuer: Issuer, /) -> Sequence[object]:
        """
        The keys that *issuer* publishes, as they are: nothing says yet that they are keys.

        Raises:
            FetchFailed: they did not come in time, whole, and from there.
        """


class KeyServers:
    """
    The servers that issuers publish their keys on, asked over https.

    Redirects are not followed, the environment's proxies and certificates not looked at.

    Args:
        ca_bundle: a PEM file of the certificates they are believed by; None: the public ones.
        seconds: within which the keys must be there, discovery document and all.

    Raises:
        SettingInvalid: *ca_bundle* cannot be read, or is none.
    """

    def __init__(self, ca_bundle: Path | None = None, *, seconds: float = 5.0) -> None:
        self._seconds = seconds
        self._believed = _believed(ca_bundle)

    async def fetch(self, issuer: Issuer, /) -> Sequence[object]:
        """The keys that *issuer* publishes; see `KeySource.fetch`."""
        try:
            async with asyncio.timeout(self._seconds), self._client() as client:
                document = await _document(client, await _place(client, issuer))
        except TimeoutError as why:
            raise FetchFailed(f"no answer within {self._seconds:g} s") from why
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as why:
            # A host's name that cannot be one is a UnicodeError.
            raise FetchFailed(f"{type(why).__name__} {quoted(str(why), 200)}") from why
        keys = document.get("keys")
        if not isinstance(keys, list):
            raise FetchFailed("the document is no set of keys")
        return keys

    def _client(self) -> httpx.AsyncClient:
        # One for each fetch: there is one a day, and none is bound to an event loop that ended.
        return httpx.AsyncClient(
            verify=self._believed,
            trust_env=False,
            follow_redirects=False,
            timeout=self._seconds,
            # Unpacking would let a small answer become a large one.
            headers={"accept": "application/json", "accept-encoding": "identity"},
        )


async def _place(client: httpx.AsyncClient, issuer: Issuer) -> str:
    """The URL of the keys; the discovery document must be the issuer's own (OIDC Discovery 4.3)."""
    if issuer.jwks is not None:
        return issuer.jwks
    document = await _document(client, issuer.discovery or "")
    name, place = document.get("issuer"), document.get("jwks_uri")
    if not isinstance(name, str) or template_of(name) != issuer.name:
        raise FetchFailed("the discovery document is another issuer's")
    if not isinstance(place, str) or not is_https(place):
        raise FetchFailed("the discovery document names no https URL of keys")
    return place


async def _document(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url) as response:
        if response.status_code != httpx.codes.OK:
            raise FetchFailed(f"the answer has status {response.status_code}")
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > LONGEST:
                raise FetchFailed(f"the answer has more than {LONGEST} bytes")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as why:
        raise FetchFailed("the answer is no JSON") from why
    if not isinstance(document, dict):
        raise FetchFailed("the answer is no JSON object")
    return document


def _believed(ca_bundle: Path | None) -> ssl.SSLContext:
    if ca_bundle is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except OSError as why:
        # ssl.SSLError is one; what it says of a file that is no PEM helps nobody.
        reason = "it holds no certificate" if isinstance(why, ssl.SSLError) else why.strerror
        raise SettingInvalid(
            "cannot read certificates", subject=quoted(str(ca_bundle)), why=reason or ""
        ) from why
