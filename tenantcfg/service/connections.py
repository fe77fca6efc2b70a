"""
One connection: uvicorn's own protocol, and the guards that it lacks.

A head, a body and an answer have their time; heads and bodies have a size; an upgrade that nobody
asked us to make is left out without losing the body behind it (Java's HttpClient offers h2c with
its first POST); and a connection beyond the limit is answered, not kept waiting.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tenantcfg.service.http import CLOSE, LATE, Problem

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from tenantcfg.service.http import Answer
    from tenantcfg.service.settings import ServiceSettings

__all__ = ["Connection"]

HEAD_BYTES: Final = 64 * 1024
"""The most bytes of a request line and its headers; more are 431."""
LINGER: Final = 1.0
"""Seconds for which what a refused client still sends is thrown away, so that it hears us."""
WRITE_SECONDS: Final = 30.0
"""Seconds for which a client may leave an answer unread."""
SPARE: Final = 64
"""So many connections beyond the limit are answered: that there are too many."""
HELD_BYTES: Final = 16 * 1024
"""So much of what is written is held to the end of the loop's turn."""
NEW_SECONDS: Final = 0.5
"""Seconds in which somebody who has just connected may ask a service that is to stop."""
# The framing of tiny chunks is a multiple of what is in them.
_FRAMING: Final = 8

_REFUSALS: Final = {
    400: Problem("invalid_request", "this is no HTTP request that is answered here", CLOSE),
    431: Problem("too_large", "the head of the request is too large", CLOSE, status=431),
    503: Problem("unavailable", "there are too many connections", CLOSE),
}
_REQUEST_LINE: Final = re.compile(rb"\S{1,64} (/\S*) HTTP/1\.")
_REASONS: Final = {400: "no_http", 431: "large_head", 503: "too_many_connections"}


class Connection(HttpToolsProtocol):
    """Answers the requests of one connection, in their order."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        told: ServiceSettings = config.app.settings  # type: ignore[union-attr]
        self._told = told
        # uvicorn has none before the first request.
        self.url = b""
        # Bytes of this message, without those that came together with its first.
        self._fed = 0
        self._chunk = 0
        self._in_head = False
        self._underway = False
        self._upgrading = False
        self._refusal = 0
        self._last = False
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; who is beyond the limit is told."""
        super().connection_made(_Joining(transport, self.loop))
        over = len(self.connections) - self._told.max_connections
        if over > SPARE:
            self._refuse(503)
            return
        if over > 0:
            self.app = self.config.loaded_app.busy
        self._arm(self._told.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget all deadlines."""
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Finish what is under way, and hear who has only just come; no more."""
        self.config.loaded_app.drain()
        self._last = True
        cycle: Any = self.cycle
        if cycle is None and not self._refusal:
            # Their request may be on its way. To close would be to give no answer to it.
            self._disarm()
            self._arm(NEW_SECONDS)
            return
        super().shutdown()

    def pause_writing(self) -> None:
        """Wait until the client has read; not for ever."""
        super().pause_writing()
        self._stalled = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    # What comes in

    def data_received(self, data: bytes) -> None:
        """Take *data* apart, and see to it that the rest comes in time."""
        if self._refusal:
            return
        self._unset_keepalive_if_required()
        self._chunk = len(data)
        if self._underway:
            self._fed += self._chunk
        rest: bytes | None = data
        while rest is not None:
            rest = self._parsed(rest)
        if self._underway or not self._answering():
            self._look_at_time_and_size()

    def _parsed(self, data: bytes) -> bytes | None:
        """Feed the parser; what is to be fed next, in the place of an upgrade."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._without_upgrade() + data[upgrade.args[0] :]
        except httptools.HttpParserError:
            # Of a method that it does not know, or bytes no URL has, the parser tells no path.
            line = None if self._underway and self.url else _REQUEST_LINE.match(data)
            if line is not None:
                self.url = line[1]
            self._refuse(self._refusal or 400)
        return None

    def _without_upgrade(self) -> bytes:
        """The head that was read, without the upgrade; the parser begins anew."""
        kept = [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        self.parser = httptools.HttpRequestParser(self)
        self._upgrading = False
        return b"\r\n".join([b"%s %s HTTP/%s" % (method, self.url, version), *kept, b"", b""])

    def _look_at_time_and_size(self) -> None:
        if self._refusal:
            return
        if self._in_head and self._fed > HEAD_BYTES:
            self._refuse(431)
        elif self._underway and self._fed > HEAD_BYTES + _FRAMING * self._told.max_body:
            self.transport.abort()
        elif self._deadline is None:
            in_body = self._underway and not self._in_head
            self._arm(self._told.body_seconds if in_body else self._told.head_seconds)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = self._underway = True
        self._fed = 0

    def on_headers_complete(self) -> None:
        """The head is there; refuse it, or have it answered."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("a tunnel")
            self._upgrading = True
            return
        if self._fed or self._chunk > HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > HEAD_BYTES:
                self._refusal = 431
                raise ValueError("too large")
        # A fragment is no part of a request, and would be cut from the path before it is judged.
        if b"#" in self.url:
            raise ValueError("a fragment")
        self._in_head = False
        self._fed = 0
        self._disarm()
        super().on_headers_complete()
        # Trailers come later, and are not taken for headers.
        self.headers = []
        if self._last:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """The request is there."""
        if self._upgrading:
            return
        self._underway = False
        self._disarm()
        super().on_message_complete()

    # What is refused, and what comes too late

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        del msg
        self._refuse(400)

    def _refuse(self, status: int) -> None:
        """Say why, in the form of whoever would have answered, and take nothing more (check E2)."""
        self._refusal = status
        self.config.loaded_app.refused(_REASONS[status])
        path = self.url.partition(b"?")[0]
        answer: Answer = self.config.loaded_app.refusal(path, self._sent(), _REFUSALS[status])
        lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
        headers = (*self.server_state.default_headers, *answer.headers)
        lines += [b"%s: %s" % header for header in headers]
        lines += [b"content-length: %d" % len(answer.body), b"", answer.body]
        self.transport.write(b"\r\n".join(lines))
        self._disarm()
        if self._answering() or not self.transport.can_write_eof():
            self.transport.close()
            return
        # Closed at once, what is still unread would cost the client the answer.
        self.transport.write_eof()
        self._arm(LINGER)

    def _sent(self) -> list[tuple[bytes, bytes]]:
        """The headers of the request that is under way, if its head was understood (check W7)."""
        return list(self.scope["headers"]) if self._underway and not self._in_head else []

    def _answering(self) -> bool:
        # uvicorn's None before the first request is hidden from the type checker.
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _arm(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._too_late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if not self._answering():
            self.transport.close()
        elif self._underway and not self._in_head:
            self.scope[LATE] = True  # type: ignore[typeddict-unknown-key]
            self.cycle.message_event.set()


class _Joining(asyncio.Transport):
    """
    A transport on which what is written goes out in one piece, at the end of the loop's turn.

    uvicorn writes head and body of an answer each by itself, and uvloop sends each at once. To
    send, and so to wake who waits, is the dearest part of a short answer; who has asked on
    several connections is woken once for all of them. Of much that is written no more is held
    than `HELD_BYTES`, so that a client who does not read is noticed.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held = bytearray()

    def get_extra_info(self, name: str, default: object = None) -> Any:  # noqa: ANN401 - asyncio's
        """As the transport."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """As the transport."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """As the transport."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """As the transport."""
        self._transport.resume_reading()

    def can_write_eof(self) -> bool:
        """As the transport."""
        return self._transport.can_write_eof()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*, soon."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held += data
        if len(self._held) > HELD_BYTES:
            self._send()

    def write_eof(self) -> None:
        """Send what is held, and no more."""
        self._send()
        self._transport.write_eof()

    def close(self) -> None:
        """Send what is held, and close."""
        self._send()
        self._transport.close()

    def abort(self) -> None:
        """Close, whatever is held."""
        self._held.clear()
        self._transport.abort()

    def _send(self) -> None:
        if self._held:
            held, self._held = self._held, bytearray()
            self._transport.write(held)
