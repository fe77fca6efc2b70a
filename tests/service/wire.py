"""HTTP by hand, over raw sockets: for requests that no client would send."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "api.example.com"
CLOSE = "Connection: close"

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_BODILESS = re.compile(rb"HTTP/1\.[01] (101|204|304)")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; status None: nothing that is an answer."""

    status: int | None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def request(
    method: str,
    target: str,
    *headers: str,
    body: bytes = b"",
    version: str = "HTTP/1.1",
    host: str | None = HOST,
) -> bytes:
    """A request as it goes over the wire, each character of it a byte."""
    lines = [f"{method} {target} {version}", *([] if host is None else [f"Host: {host}"]), *headers]
    if body and not re.search("(?i)content-length|transfer-encoding", "\n".join(headers)):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def exchange(port: int, raw: bytes, *, patience: float = 20.0, to_the_end: bool = False) -> Reply:
    """
    The first answer to *raw*; after *patience*, in seconds, who asks goes away.

    With *to_the_end* it is read until the other side has closed, for the sake of what that does
    meanwhile.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        data = _read(connection, raw, patience, to_the_end=to_the_end)
    return _reply(data)


def _read(connection: socket.socket, raw: bytes, patience: float, *, to_the_end: bool) -> bytes:
    data, end = b"", time.monotonic() + patience
    try:
        connection.sendall(raw)
        head = raw.startswith(b"HEAD ")
        while (left := end - time.monotonic()) > 0:
            if not to_the_end and _whole(_final(data), head=head):
                break
            connection.settimeout(left)
            piece = connection.recv(65536)
            if not piece:
                break
            data += piece
    except (TimeoutError, ConnectionError):
        pass
    return data


def _final(data: bytes) -> bytes:
    """*data* from the first answer that is no interim one."""
    while re.match(rb"HTTP/1\.[01] 1(?!01)", data) and b"\r\n\r\n" in data:
        data = data.partition(b"\r\n\r\n")[2]
    return data


def _whole(data: bytes, *, head: bool) -> bool:
    """Whether *data* is an answer to its end; that to a HEAD has no body, nor have some others."""
    top, end, body = data.partition(b"\r\n\r\n")
    if head or not end or _BODILESS.match(top):
        return bool(end)
    if _CHUNKED.search(top):
        return body.endswith(b"0\r\n\r\n")
    length = _LENGTH.search(top)
    return length is not None and len(body) >= int(length[1])


def _reply(data: bytes) -> Reply:
    data = _final(data)
    status = _STATUS.match(data)
    if status is None:
        return Reply(None)
    head, _, body = data.partition(b"\r\n\r\n")
    headers = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Reply(int(status[1]), headers, body)


# HTTP/2, as much of it as a request needs: no compression, one stream.

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS, _RESET, _SETTINGS, _GOAWAY, _DATA = 1, 3, 4, 7, 0
_END_STREAM, _END_HEADERS = 1, 4


def h2_request(
    method: str, path: str, *headers: tuple[str, str], scheme: str = "http", authority: str = HOST
) -> bytes:
    """A request of HTTP/2, said without asking first whether it is spoken."""
    own = [(":method", method), (":path", path), (":scheme", scheme), (":authority", authority)]
    return h2_of([*own, *headers])


def h2_of(fields: Sequence[tuple[str, str]]) -> bytes:
    """A request of HTTP/2 with these *fields*, right or not."""
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)
    headers = _frame(_HEADERS, _END_STREAM | _END_HEADERS, 1, block)
    return _PREFACE + _frame(_SETTINGS, 0, 0, b"") + headers


def h2_exchange(port: int, raw: bytes, *, patience: float = 20.0) -> None:
    """Send *raw* and wait until it is answered, refused or hung up on."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.sendall(raw)
        stream = connection.makefile("rb")
        try:
            while head := stream.read(9):
                length, kind, flags = int.from_bytes(head[:3]), head[3], head[4]
                stream.read(length)
                if kind in {_RESET, _GOAWAY} or (kind in {_HEADERS, _DATA} and flags & _END_STREAM):
                    break
                if kind == _SETTINGS and not flags:
                    connection.sendall(_frame(_SETTINGS, 1, 0, b""))
        except (TimeoutError, ConnectionError):
            pass


def _text(text: str) -> bytes:
    """A literal of HPACK."""
    data, rest = text.encode("latin-1"), len(text) - 127
    if rest < 0:
        return bytes([len(data)]) + data
    low = [rest & 127 | 128, rest >> 7] if rest > 127 else [rest]
    return bytes([127, *low]) + data


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload
