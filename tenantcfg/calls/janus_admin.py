"""
The Admin API of a Janus server: one question by POST, one answer (participants P14).

What comes back is an answer only if it is one in every respect; no redirect is followed, and no
proxy of the surroundings is used.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpcore

from tenantcfg import i_json
from tenantcfg.calls import CallsFailed, CallsUnavailable
from tenantcfg.errors import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BRIDGE", "NO_HANDLE", "NO_MEMBER", "NO_ROOM", "NO_SESSION", "JanusAdmin"]

BRIDGE: Final = "janus.plugin.audiobridge"
NO_SESSION: Final = 458
NO_HANDLE: Final = 459
NO_ROOM: Final = 485
NO_MEMBER: Final = 492

_PATIENCE: Final = 1.0
"""Seconds for one answer. Janus takes less than a millisecond; stopped, it is silent for ever."""

_LONGEST: Final = 4 * 1024 * 1024
"""The longest answer that is read, in bytes: some 30,000 members of a room."""
_OK: Final = 200
_BEHIND: Final = (502, 503, 504)
"""What a proxy before Janus says of it; Janus itself always says 200."""
_MOST_CONNECTIONS: Final = 20
# Shorter than Janus keeps a connection that is not used, so that ours is the first to let go.
_KEPT_SECONDS: Final = 5.0
_LOST: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    OSError,
    TimeoutError,
)


# Janus's codes below 480, those of AudioBridge from there on.
_HINTS: Final = {
    403: "correct janus_admin_secret: the admin_secret of janus.jcfg",
    460: "let Janus load its AudioBridge plugin",
    483: "correct janus_room_secret: that of every room",
    484: "set string_ids = true in janus.plugin.audiobridge.jcfg",
    489: "correct janus_room_secret, that of every room, or janus_admin_key",
}


class JanusAdmin:
    """
    Asks the Admin API at *url*.

    Args:
        url: with its path, usually ``/admin``; no slash at the end.
        secret: the ``admin_secret`` of its configuration.
    """

    def __init__(self, url: str, secret: str) -> None:
        self.url = url
        self._secret = secret
        self._host = urlsplit(url).netloc
        self._numbers = count(1)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context() if url.startswith("https:") else None,
            max_connections=_MOST_CONNECTIONS,
            keepalive_expiry=_KEPT_SECONDS,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def bridge(
        self, request: Mapping[str, str], *absent: int, orders: bool = False
    ) -> dict[str, Any]:
        """
        What AudioBridge answers to *request*; nothing, where its error is one of *absent*.

        *orders* says whether it does what cannot be taken back, should it arrive.

        Raises:
            CallsUnavailable: there is no answer; its *ordered* says whether the request of one
                who *orders* may have arrived.
            CallsFailed: it is refused otherwise, or the answer is none of Janus's.
        """
        told = {"janus": "message_plugin", "plugin": BRIDGE, "request": request}
        members = (await self.ask(told, orders=orders)).get("response")
        if not isinstance(members, dict):
            raise self._nonsense("it holds no answer of the plugin")
        if members.get("error_code") is not None:
            self._require(absent, members["error_code"], members.get("error"))
            return {}
        return members

    async def ask(
        self, request: Mapping[str, Any], *absent: int, path: str = "", orders: bool = False
    ) -> dict[str, Any]:
        """
        What Janus itself answers to *request*, below *path* of its API; nothing, as `bridge`.

        Raises:
            CallsFailed, CallsUnavailable: as `bridge`.
        """
        transaction = str(next(self._numbers))
        body = {**request, "transaction": transaction, "admin_secret": self._secret}
        members = self._members(*await self._exchange(path, body, orders=orders))
        if members.get("janus") == "error":
            told = members.get("error")
            error = told if isinstance(told, dict) else {}
            self._require(absent, error.get("code"), error.get("reason"))
            return {}
        if members.get("janus") != "success" or members.get("transaction") != transaction:
            raise self._nonsense("it is no answer to what was asked")
        return members

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def _exchange(
        self, path: str, members: Mapping[str, Any], *, orders: bool
    ) -> tuple[int, bytes]:
        """Status and body of what comes back."""
        seen = _Seen()
        content = json.dumps(members).encode()
        headers = [
            ("Host", self._host),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(content))),
        ]
        try:
            async with asyncio.timeout(_PATIENCE):
                status, body = await self._answer(path, headers, content, seen)
        except _LOST as why:
            late = isinstance(why, TimeoutError)
            raise CallsUnavailable(
                "Janus is silent" if seen.sent else "Janus cannot be reached",
                subject=self._where,
                why=f"{_PATIENCE:g} s have passed" if late else quoted(_named(why), 200)[1:-1],
                ordered=orders and seen.sent,
            ) from why
        if status in _BEHIND:
            raise CallsUnavailable(
                "Janus cannot be reached", subject=self._where, why=str(status), ordered=orders
            )
        return status, body

    async def _answer(
        self, path: str, headers: list[tuple[str, str]], content: bytes, seen: _Seen
    ) -> tuple[int, bytes]:
        body = bytearray()
        async with self._pool.stream(
            "POST",
            self.url + path,
            headers=headers,
            content=content,
            extensions={"trace": seen.trace},
        ) as response:
            async for piece in response.aiter_stream():
                body += piece
                if len(body) > _LONGEST:
                    raise self._nonsense(f"it has more than {_LONGEST} bytes")
            return response.status, bytes(body)

    def _members(self, status: int, body: bytes) -> dict[str, Any]:
        if status != _OK:
            raise self._nonsense(f"its status is {status}")
        try:
            return i_json.object_of(body)
        except (ValueError, RecursionError) as why:
            raise self._nonsense("it is not one JSON object in UTF-8") from why

    def _require(self, absent: tuple[int, ...], number: object, why: object) -> None:
        """Raise, but for the error *number* of what is not there."""
        if type(number) is not int:
            raise self._nonsense("its error has no number")
        if number not in absent:
            told = quoted(why, 200)[1:-1] if isinstance(why, str) else "it does not say why"
            raise CallsFailed(
                "Janus refuses what it was asked",
                subject=self._where,
                why=f"{number}, {told}",
                hint=_HINTS.get(number, "see the log of Janus"),
            )

    def _nonsense(self, why: str) -> CallsFailed:
        return CallsFailed(
            "what answers is not Janus",
            subject=self._where,
            why=why,
            hint="correct janus_url: that of the Admin API",
        )

    @property
    def _where(self) -> str:
        return quoted(self.url, 200)


class _Seen:
    """Whether anything of a request may have arrived."""

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent = False

    async def trace(self, event: str, _: dict[str, Any]) -> None:
        """Hear of a step; the name is what httpcore calls it."""
        if event.endswith("send_request_headers.started"):
            self.sent = True


def _named(why: Exception) -> str:
    return str(why) or type(why).__name__
