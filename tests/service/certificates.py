"""Certificates for a server on this machine and for a client, of an authority of our own."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files, PEM."""

    authority: Path
    chain: Path
    key: Path
    client: Path
    client_key: Path


def made(folder: Path, *, by_address: bool = True) -> Certificates:
    """New ones in *folder*, for localhost and, with *by_address*, for 127.0.0.1."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority of a test")])
    id_ = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    root = (
        _begun(authority, authority, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(id_, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files = Certificates(
        *(folder / name for name in ("ca", "chain", "key", "client", "client-key"))
    )
    _write(files.authority, root)
    issued = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(id_)
    local: list[x509.GeneralName] = [x509.DNSName("localhost")]
    if by_address:
        local.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    for name, certificate, key in (
        ("server", files.chain, files.key),
        ("client", files.client, files.client_key),
    ):
        own = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        signed = (
            _begun(subject, authority, own)
            .add_extension(x509.SubjectAlternativeName(local), critical=False)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(issued, critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        _write(certificate, signed)
        key.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return files


def _begun(
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


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
