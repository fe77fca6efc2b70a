"""
A key server over https, as an issuer runs one, that can also do what none should.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.service import certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["KeyServer", "Page", "running_key_server"]


@dataclass(frozen=True)
class Page:
    """
    What is answered at a path.

    Attributes:
        held_by: nothing is answered before it is set.
        raw: sent instead of an answer, then the connection is closed.
        endless: after the body come more bytes, one by one, until `held_by` is set.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    held_by: threading.Event | None = None
    raw: bytes | None = None
    endless: bool = False


class KeyServer:
    """The server; *pages* by path, changed at will, and how often each path was asked for."""

    def __init__(self, port: int, ca_bundle: Path) -> None:
        self.url = f"https://localhost:{port}"
        self.ca_bundle = ca_bundle
        self.pages: dict[str, Page] = {}
        self.asked: Counter[str] = Counter()
        self._arrived = threading.Condition()

    def arrived(self, path: str) -> None:
        with self._arrived:
            self.asked[path] += 1
            self._arrived.notify_all()

    def wait_for(self, path: str, times: int) -> None:
        """Return once *path* was asked for so many times."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.asked[path] >= times, timeout=60)


@contextlib.contextmanager
def running_key_server(folder: Path) -> Iterator[KeyServer]:
    """A server with a certificate of its own, which *folder* is for."""
    files = certificates.made(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.chain, files.key)
    # A client that never speaks must hold up its own thread only.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    keys = KeyServer(server.server_port, files.authority)
    server.keys = keys  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield keys
    finally:
        for page in keys.pages.values():
            if page.held_by:
                page.held_by.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        keys: KeyServer = self.server.keys  # type: ignore[attr-defined]
        page = keys.pages.get(self.path, Page(status=404))
        keys.arrived(self.path)
        if page.held_by and not page.endless:
            page.held_by.wait(60)
        # Whoever asked may have gone.
        with contextlib.suppress(OSError):
            self._answer(page)

    def _answer(self, page: Page) -> None:
        self.close_connection = True
        if page.raw is not None:
            self.wfile.write(page.raw)
            return
        self.send_response(page.status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page.body)
        while page.endless and page.held_by and not page.held_by.wait(0.02):
            self.wfile.write(b" ")

    def log_message(self, *args: Any) -> None:
        """Say nothing."""
