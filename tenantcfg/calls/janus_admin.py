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

__all__ = ["BRIDGE", "JanusAdmin", "Refused"]

BRIDGE: Final = "janus.plugin.audiobridge"
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


class Refused(CallsFailed):
    """Janus, or its plugin, does not do what was asked; *number* is its code for why."""

    def __init__(self, where: str, number: int, why: object) -> None:
        told = quoted(why, 200)[1:-1] if isinstance(why, str) else "it does not say why"
        super().__init__(
            "Janus refuses what it was asked",
            subject=where,
            why=f"{number}, {told}",
            hint=_HINTS.get(number, "see the log of Janus"),
        )
        self.number = number


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

    async def bridge(self, request: Mapping[str, str], *, orders: bool = False) -> dict[str, Any]:
        """
        What AudioBridge answers to *request*.

        *orders* says whether it does what cannot be taken back, should it arrive.

        Raises:
            Refused: it does not do it.
            CallsUnavailable: there is no answer; its *ordered* says whether the request of one
                who *orders* may have arrived.
            CallsFailed: the answer is none of Janus's.
        """
        told = {"janus": "message_plugin", "plugin": BRIDGE, "request": request}
        members = (await self.ask(told, orders=orders)).get("response")
        if not isinstance(members, dict):
            raise self._nonsense("it holds no answer of the plugin")
        number = members.get("error_code")
        if number is not None:
            raise Refused(self._where, self._number(number), members.get("error"))
        return members

    async def ask(
        self, request: Mapping[str, Any], path: str = "", *, orders: bool = False
    ) -> dict[str, Any]:
        """
        What Janus itself answers to *request*, below *path* of its API.

        Raises:
            CallsFailed, CallsUnavailable: as `bridge`.
        """
        transaction = str(next(self._numbers))
        body = {**request, "transaction": transaction, "admin_secret": self._secret}
        members = self._members(*await self._exchange(path, body, orders=orders))
        if members.get("janus") == "error":
            told = members.get("error")
            error = told if isinstance(told, dict) else {}
            raise Refused(self._where, self._number(error.get("code")), error.get("reason"))
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

    def _number(self, told: object) -> int:
        if isinstance(told, bool) or not isinstance(told, int):
            raise self._nonsense("its error has no number")
        return told

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
