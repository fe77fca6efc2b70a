"""
A key server over https, as an issuer runs one, that can also do what none should.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

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
    chain, ca_bundle = _certificates(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    # A client that never speaks must hold up its own thread only.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    keys = KeyServer(server.server_port, ca_bundle)
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


def _certificates(folder: Path) -> tuple[Path, Path]:
    """The server's key and certificate, and the certificate that it is believed by."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test's own")])
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = (
        _certificate(ca_name, ca_name, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(ca_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id)
    leaf = (
        _certificate(name, ca_name, key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(authority, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    chain, ca_bundle = folder / "server.pem", folder / "ca.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    ca_bundle.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    return chain, ca_bundle


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - dt.timedelta(days=1),
        not_valid_after=now + dt.timedelta(days=1),
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
