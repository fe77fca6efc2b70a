"""
Tokens as an issuer makes them, and as nobody should: written and signed here, byte by byte.

Nothing here knows the library that tokens are verified with.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["APP", "TENANT", "Keys", "claims_of", "encoded", "json_of", "jwk", "text_of", "token"]

TENANT = "5f0c9f0e-8a56-4b1f-9a53-77f3a1f0c001"
APP = "5817674c-81d9-4adb-bfb2-8f6a442e4622"
AUDIENCE = "9d3c1c0a-7f54-4b7c-8e43-2b8a5a3b7f10"
OBJECT = "0b1f6c1e-3a3e-4c0e-9b53-0d1a5d3f2b10"
ISSUERS = {"v1": "https://sts.example.net/{}/", "v2": "https://login.example.com/{}/v2.0"}

_CURVES: dict[str, ec.EllipticCurve] = {"ec": ec.SECP256R1(), "p384": ec.SECP384R1()}

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Keys:
    """The issuer's private keys by name, and some that are nobody's; made when first used."""

    def __init__(self) -> None:
        self._made: dict[str, Private] = {}

    def __getitem__(self, name: str) -> Private:
        if name not in self._made:
            self._made[name] = (
                ec.generate_private_key(_CURVES[name])
                if name in _CURVES
                else rsa.generate_private_key(65537, 1024 if name == "short" else 2048)
            )
        return self._made[name]


def claims_of(form: str, now: int) -> dict[str, Any]:
    """The claims of a good token, as v1 or v2 has them (participants P10)."""
    column = {
        "v1": {"ver": "1.0", "appid": APP, "appidacr": "2"},
        "v2": {"ver": "2.0", "azp": APP, "azpacr": "1"},
    }
    return {
        "aud": AUDIENCE if form == "v2" else f"api://{AUDIENCE}",
        "iss": ISSUERS[form].format(TENANT),
        "iat": now - 5,
        "nbf": now - 5,
        "exp": now + 3600,
        "tid": TENANT,
        **column[form],
        "idtyp": "app",
        "oid": OBJECT,
        "sub": OBJECT,
        "uti": "dGhpcy1pcy1hbi1pZA",
        "roles": ["Calls.JoinGroupCall.All"],
    }


def json_of(members: Mapping[str, Any], *, now: int, form: str, more: str = "") -> bytes:
    """An object of *members*, *more* behind them; special values as token_cases.json tells."""
    written = [
        f"{json.dumps(name)}:{_written(value, now, form)}"
        for name, value in members.items()
        if value != {"absent": True}
    ]
    return ("{" + ",".join(written) + more + "}").encode()


def _written(value: object, now: int, form: str) -> str:
    match value:
        case {"raw": text}:
            return str(text)
        case {"now": int(seconds)}:
            return str(now + seconds)
        case {"digits": times}:
            return "9" * int(times)
        case {"issuer_of": tenant, **rest}:
            return json.dumps(ISSUERS[form].format(tenant) + str(rest.get("behind", "")))
        case {"times": times, "of": text}:
            return json.dumps(str(text) * int(times))
    return json.dumps(value)


def text_of(value: str | dict[str, Any]) -> str:
    """A text, or one that is repeated."""
    return value if isinstance(value, str) else str(value["of"] * value["times"])


def token(header: bytes, payload: bytes, key: Private, algorithm: str = "RS256") -> str:
    """The compact form, signed with *key* by *algorithm*, whatever *header* says."""
    signed = f"{encoded(header)}.{encoded(payload)}"
    return f"{signed}.{encoded(_signature(signed.encode(), key, algorithm))}"


def encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _signature(content: bytes, key: Private, algorithm: str) -> bytes:
    digest = {"256": hashes.SHA256, "512": hashes.SHA512}.get(algorithm[2:], hashes.SHA256)()
    if algorithm == "none":
        return b""
    if algorithm == "HS256":
        # The mistake of keying a MAC with what everybody can read.
        pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hmac.digest(pem, content, "sha256")
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(content, ec.ECDSA(digest)))
        size = (key.curve.key_size + 7) // 8
        return r.to_bytes(size) + s.to_bytes(size)
    if algorithm == "PS256":
        return key.sign(content, padding.PSS(padding.MGF1(digest), 32), digest)
    return key.sign(content, padding.PKCS1v15(), digest)


def jwk(key: Private, kid: str, **more: Any) -> dict[str, Any]:
    """The public half of *key* as it is published, with *more* members."""
    public = key.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        point, size = public.public_numbers(), (public.curve.key_size + 7) // 8
        curve = {"secp256r1": "P-256", "secp384r1": "P-384"}[public.curve.name]
        numbers = {"kty": "EC", "crv": curve}
        numbers |= {"x": encoded(point.x.to_bytes(size)), "y": encoded(point.y.to_bytes(size))}
    else:
        made = public.public_numbers()
        numbers = {"kty": "RSA", "n": encoded(made.n.to_bytes(public.key_size // 8))}
        numbers |= {"e": encoded(made.e.to_bytes(3))}
    return {**numbers, "use": "sig", "kid": kid, **more}
