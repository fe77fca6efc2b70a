"""
What the dev issuer keeps in its folder, and how it is made.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import secrets
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tenantcfg.errors import SettingInvalid, quoted
from tenantcfg.service.dev_issuer.certificates import SERVER_DAYS, Authority, lasts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Folder"]

_CA, _CA_KEY, _SERVER = "ca.pem", "ca-key.pem", "server.pem"
_SIGNING, _SECRET = "signing-key.pem", "client-secret"
_LONGEST: Final = 4096
"""Characters of a path that are shown: somebody has to find it."""
_SPARE_DAYS: Final = 30
"""Days that a certificate must have left at a start."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the issuer keeps what it made: for its owner alone (mode 0700)."""

    path: Path

    @property
    def authority(self) -> Path:
        """The certificate that clients are to believe, PEM."""
        return self.path / _CA

    @property
    def certificate(self) -> Path:
        """The server's certificate and its private key, PEM."""
        return self.path / _SERVER

    @property
    def client_secret(self) -> Path:
        """The file with the secret of all clients."""
        return self.path / _SECRET

    def made(self) -> Self:
        """
        The folder, with all that was missing in it or is about to run out.

        Of services that start at once one makes it, and the others use that.

        Raises:
            SettingInvalid: it cannot be made or used, or is open to others.
        """
        with _usable(self.path):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)
        with _alone(self.path):
            if not (self.path / _SIGNING).exists():
                key = RSAKey.generate_key(2048, private=True)
                self._write(_SIGNING, key.as_pem(private=True))
            if not self.client_secret.exists():
                self._write(_SECRET, secrets.token_urlsafe(32).encode() + b"\n")
            self._certify(dt.datetime.now(dt.UTC))
        self.secret()
        self.key()
        return self

    def _certify(self, now: dt.datetime) -> None:
        """A new server certificate only where need be, and a new authority even more rarely."""
        signs = (self.path / _CA_KEY).exists()
        if not (signs and self._lasts(self.authority, now, SERVER_DAYS)):
            authority = Authority.new(now)
            # First, so that no certificate of another authority is left behind.
            self.certificate.unlink(missing_ok=True)
            self._write(_CA_KEY, authority.key_pem)
            self._write(_CA, authority.pem)
        if not self._lasts(self.certificate, now, _SPARE_DAYS):
            with _usable(self.path / _CA_KEY):
                authority = Authority.of(
                    self.authority.read_bytes(), (self.path / _CA_KEY).read_bytes()
                )
            self._write(_SERVER, authority.server(now))

    @staticmethod
    def _lasts(path: Path, now: dt.datetime, days: int) -> bool:
        with _usable(path):
            return path.exists() and lasts(path.read_bytes(), now, days)

    def _write(self, name: str, content: bytes) -> None:
        """Whole or not at all, and never open to others, not even for a moment."""
        new = self.path / f"{name}.new"
        with _usable(new):
            new.unlink(missing_ok=True)
            opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(opened, "wb") as file:
                file.write(content)
            new.replace(self.path / name)

    def secret(self) -> str:
        """
        The secret of all clients.

        Raises:
            SettingInvalid: it cannot be read, or is none.
        """
        with _usable(self.client_secret):
            secret = self.client_secret.read_text(encoding="ascii").strip()
            if not secret:
                raise ValueError("it is empty")
            return secret

    def key(self) -> RSAKey:
        """
        The key that signs.

        Raises:
            SettingInvalid: it cannot be read, or is none.
        """
        with _usable(self.path / _SIGNING):
            return RSAKey.import_key((self.path / _SIGNING).read_bytes())


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    """
    Tell of what is wrong with *path*.

    Raises:
        SettingInvalid: it could not be read, written or understood.
    """
    try:
        yield
    except (OSError, ValueError, TypeError, JoseError) as why:
        raise SettingInvalid(
            "the dev issuer cannot use what it keeps",
            subject=quoted(str(path), _LONGEST),
            why=getattr(why, "strerror", None) or str(why) or "it is broken",
            hint="remove that: the next start makes it anew",
        ) from why


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other process makes anything in *folder*, which must be ours alone."""
    with _usable(folder):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _usable(folder):
            facts = os.fstat(opened)
            if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o077:
                raise ValueError("it is open to others, and holds secrets")
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
