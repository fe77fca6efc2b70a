"""
What a client is told when it is made: where to ask, as whom, and how long. It is judged here.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Final, NoReturn, Self
from urllib.parse import urlsplit

import httpcore

from tenantcfg import __version__
from tenantcfg.client.wire import fits_header
from tenantcfg.errors import InvalidInput, SettingInvalid, quoted
from tenantcfg.keys import ServiceKey

__all__ = ["ATTEMPTS", "TIMEOUT", "Target"]

TIMEOUT: Final = 0.2
"""Seconds for a whole call (check C10)."""
ATTEMPTS: Final = 3

_LONGEST_TIMEOUT: Final = 60.0
_MOST_ATTEMPTS: Final = 10
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_PATH: Final = re.compile(r"[A-Za-z0-9._~/-]*")


@dataclass(frozen=True, slots=True)
class Target:
    """
    What a client was told, once it is found to be good.

    Attributes:
        url: of the service, for messages.
        base: what paths are put behind.
        socket: where it listens, if it is no port.
        headers: of every question.
        tls: whom to trust.
        timeout: seconds for a whole call.
        attempts: how often to ask, at most.
        store_id: of the store that answers must come from; None: any.
    """

    url: str
    base: str
    socket: str | None
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    tls: ssl.SSLContext
    timeout: float
    attempts: int
    store_id: str | None

    @classmethod
    def of(
        cls,
        url: str,
        key: str | None,
        *,
        timeout: float,
        attempts: int,
        store_id: str | None,
        tls: ssl.SSLContext | None,
    ) -> Self:
        """
        What `AsyncClient` is made of.

        Raises:
            SettingInvalid: one of these cannot be what it stands for.
        """
        shown, base, socket = _place(url)
        if isinstance(timeout, bool) or not 0 < timeout <= _LONGEST_TIMEOUT:
            _refuse("timeout", str(timeout), f"above 0, at most {_LONGEST_TIMEOUT:g} s is wanted")
        if isinstance(attempts, bool) or attempts not in range(1, _MOST_ATTEMPTS + 1):
            _refuse("number of attempts", str(attempts), f"1 to {_MOST_ATTEMPTS} is wanted")
        if store_id is not None and not fits_header(store_id):
            _refuse("store_id", store_id, "it is no store id")
        return cls(
            url=shown,
            base=base,
            socket=socket,
            headers=(("Host", urlsplit(base).netloc), *_headers(key)),
            tls=_tls(tls, needed=base.startswith("https:")),
            timeout=float(timeout),
            attempts=int(attempts),
            store_id=store_id,
        )


def _place(url: str) -> tuple[str, str, str | None]:
    """The URL for messages, the one that paths are put behind, and the socket if it is one."""
    if url.startswith("unix:/"):
        return url, "http://localhost", url.removeprefix("unix:")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        _refuse("url", url, "it is no URL")
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(host):
        _refuse("url", url, "http://HOST, https://HOST or unix:/path is wanted")
    if not url.isprintable():
        # urlsplit drops some of these without a word.
        _refuse("url", url, "it holds what cannot be printed")
    if "@" in parts.netloc or "?" in url or "#" in url or not _PATH.fullmatch(parts.path):
        _refuse("url", parts.hostname or "", "user, query, fragment or escapes stand in it")
    where = f"[{host}]" if ":" in host else host
    path = parts.path.rstrip("/")
    base = f"{parts.scheme}://{where}{'' if port is None else f':{port}'}{path}"
    return base, base, None


def _headers(key: str | None) -> list[tuple[str, str]]:
    headers = [
        ("User-Agent", f"tenantcfg/{__version__}"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "identity"),
        ("Content-Type", "application/json"),
    ]
    if key is None:
        return headers
    try:
        return [*headers, ("Authorization", f"Bearer {ServiceKey.parse(key).text}")]
    except (InvalidInput, TypeError) as why:
        raise SettingInvalid(
            "the key is no service key", why="it may be cut", hint="tenantcfg key new makes one"
        ) from why


def _tls(given: ssl.SSLContext | None, *, needed: bool) -> ssl.SSLContext:
    if not needed:
        # Nobody to trust, and no time spent on reading who could be.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return given or httpcore.default_ssl_context()


def _refuse(name: str, given: str, why: str) -> NoReturn:
    raise SettingInvalid(f"not a {name} for a client", subject=quoted(given), why=why)
