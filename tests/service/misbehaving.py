"""Servers on bare sockets, which answer whatever a test wants: also what no server should."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

__all__ = ["PERMIT", "Misbehaving", "Talk", "reply"]

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
PERMIT = b'{"decision":true}'


def reply(
    body: bytes = PERMIT,
    *headers: str,
    status: str = "200 OK",
    kind: str | None = "application/json",
    length: int | None = None,
) -> bytes:
    """An answer as it goes over the wire; *length* is what it says of its body."""
    lines = [f"HTTP/1.1 {status}", *([] if kind is None else [f"Content-Type: {kind}"]), *headers]
    if not any(line.lower().startswith(("content-length", "transfer-")) for line in headers):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Talk:
    """One request that was read whole, and the connection that waits for its answer."""

    def __init__(self, server: Misbehaving, connection: socket.socket, request: bytes) -> None:
        self.request = request
        self.number = len(server.requests)
        self._server = server
        self._connection = connection

    def say(self, data: bytes) -> None:
        """Send *data* as it is."""
        self._connection.sendall(data)

    def drip(self, data: bytes, seconds: float) -> None:
        """Send *data* byte by byte, with pauses of *seconds*, as long as somebody listens."""
        for byte in data:
            self._connection.sendall(bytes([byte]))
            if self._server.stopping.wait(seconds):
                return

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self._server.stopping.wait(60)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Misbehaving:
    """
    A server that reads requests and has each answered by *answer*, in a thread for each connection.

    Bytes are an answer to all of them; a list of them is one for each, the last for the rest.
    """

    def __init__(
        self,
        answer: bytes | Iterable[bytes] | Callable[[Talk], None],
        *,
        path: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._answer = answer if callable(answer) else _saying(answer)
        self._tls = tls
        self._path = path
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.stopping = threading.Event()
        self.requests: list[bytes] = []
        self.connections = 0

    def __enter__(self) -> Self:
        if self._path is None:
            self._socket = socket.create_server(("127.0.0.1", 0))
        else:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.bind(self._path)
            self._socket.listen()
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        # A closed socket does not wake who waits on it; one that is shut down does.
        for one in (self._socket, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(30)

    @property
    def url(self) -> str:
        """Where it listens."""
        if self._path is not None:
            return f"unix:{self._path}"
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://localhost:{self._socket.getsockname()[1]}"

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        # Who asks goes away in the middle of most of these.
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            rest: bytes | None = b""
            while rest is not None:
                rest = self._request(connection, rest)
        connection.close()

    def _request(self, connection: socket.socket, data: bytes) -> bytes | None:
        """Read and answer one request; what came behind it, or None at the end."""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65_536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        while len(body) < length:
            body += connection.recv(65_536)
        self.requests.append(head + b"\r\n\r\n" + body[:length])
        self._answer(Talk(self, connection, self.requests[-1]))
        return body[length:]


def _saying(answers: bytes | Iterable[bytes]) -> Callable[[Talk], None]:
    several = [answers] if isinstance(answers, bytes) else list(answers)

    def say(talk: Talk) -> None:
        talk.say(several[min(talk.number, len(several)) - 1])

    return say
