"""
A certificate authority that is good for this machine's own names and for nothing else.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

__all__ = ["AUTHORITY_DAYS", "SERVER_DAYS", "Authority", "lasts"]

AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 365

_NAMES: Final[tuple[x509.GeneralName, ...]] = (
    x509.DNSName("localhost"),
    x509.IPAddress(ip_address("127.0.0.1")),
    x509.IPAddress(ip_address("::1")),
)
# Its key lies on a developer's disk, and somebody may have his whole machine believe it.
_CONSTRAINED: Final[tuple[x509.GeneralName, ...]] = (
    x509.DNSName("localhost"),
    x509.IPAddress(ip_network("127.0.0.0/8")),
    x509.IPAddress(ip_network("::1/128")),
)
_USES: Final = (
    "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
    "key_cert_sign crl_sign encipher_only decipher_only"
).split()


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs the certificates of servers on this machine."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def new(cls, now: dt.datetime) -> Self:
        """Another one, for `AUTHORITY_DAYS`."""
        key = ec.generate_private_key(ec.SECP256R1())
        # Whoever trusts an earlier one must be able to tell them apart.
        name = _name(f"tenantcfg dev issuer {secrets.token_hex(4)}")
        certificate = (
            _certificate(name, name, key, now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.NameConstraints(_CONSTRAINED, None), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def of(cls, certificate: bytes, key: bytes) -> Self:
        """
        The one that was written down as two texts in PEM.

        Raises:
            ValueError, TypeError: they are none, or not of one authority.
        """
        found = x509.load_pem_x509_certificate(certificate)
        private = serialization.load_pem_private_key(key, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise TypeError("the authority's key is of another kind")
        if private.public_key() != found.public_key():
            raise ValueError("the authority's key is not that of its certificate")
        return cls(found, private)

    @property
    def pem(self) -> bytes:
        """What clients are to believe."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """What signs."""
        return _pem_of(self.key)

    def server(self, now: dt.datetime) -> bytes:
        """
        A certificate for this machine's names with its private key, PEM, for `SERVER_DAYS`.

        Python 3.13 and later look strictly: without the identifiers they would refuse it.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        signer = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        signed_by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer.value)
        certificate = (
            _certificate(_name("localhost"), self.certificate.subject, key, now, SERVER_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
            .add_extension(signed_by, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM) + _pem_of(key)


def lasts(pem: bytes, now: dt.datetime, days: int) -> bool:
    """
    Whether the first certificate in *pem* is good for so many days more.

    Raises:
        ValueError: there is none.
    """
    certificate = x509.load_pem_x509_certificate(pem)
    return certificate.not_valid_after_utc - now > dt.timedelta(days)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
    days: int,
) -> x509.CertificateBuilder:
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=public,
        serial_number=x509.random_serial_number(),
        # The clock of a virtual machine may lag.
        not_valid_before=now - dt.timedelta(days=1),
        not_valid_after=now + dt.timedelta(days),
    ).add_extension(identifier, critical=False)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _usage(*wanted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{use: use in wanted for use in _USES})


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
