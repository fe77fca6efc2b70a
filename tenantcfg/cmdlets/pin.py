"""
The pinned tenant: what ``Connect-MicrosoftTeams -TenantId`` leaves behind, standing alone.

A pin holds for one terminal session and one store, and only on a terminal: a cron job, a
service or another window never inherits it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tenantcfg.errors import InvalidInput
from tenantcfg.ids import TenantId

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Pin", "Pins", "terminal_session"]

_LONGEST_KEPT = 200
"""Files of other sessions beyond this number are forgotten, the oldest first."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A pinned tenant, and the name that was claimed with ``-AccountId`` beside it."""

    tenant: TenantId
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Pins:
    """The pins of one terminal session, kept in *folder* (mode 0700), one file a session."""

    folder: Path
    session: str

    def get(self, store_id: str) -> Pin | None:
        """The pin for the store with this id, or None."""
        kept = self._read().get(store_id)
        if not isinstance(kept, dict):
            return None
        account = kept.get("account")
        try:
            tenant = TenantId.exact(kept["tenant"])
        except (KeyError, InvalidInput):
            return None
        return Pin(tenant, account if isinstance(account, str) else None)

    def put(self, store_id: str, pin: Pin) -> None:
        """Remember *pin* for the store with this id, instead of any former one."""
        self._write(
            {**self._read(), store_id: {"tenant": pin.tenant.value, "account": pin.account}}
        )

    def forget(self, store_id: str) -> None:
        """Forget the pin for the store with this id; also when there is none."""
        kept = dict(self._read())
        if kept.pop(store_id, None) is not None:
            self._write(kept)

    @property
    def _path(self) -> Path:
        return self.folder / f"pin-{self.session}.json"

    def _read(self) -> Mapping[str, object]:
        try:
            with _opened(self._path, os.O_RDONLY) as file:
                # Root, who kept another's HOME, means no tenant that this other chose.
                kept = json.load(file) if os.fstat(file.fileno()).st_uid == os.geteuid() else {}
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    def _write(self, kept: Mapping[str, object]) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self._path.with_suffix(f".{os.getpid()}")
            draft.unlink(missing_ok=True)
            with _opened(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
                json.dump(kept, file)
            draft.replace(self._path)
        except OSError as why:
            raise InvalidInput(
                "the tenant cannot be pinned",
                subject=f"'{self.folder}'",
                why=why.strerror or "",
                hint="name the tenant on each line with -Tenant",
            ) from why
        self._tidy()

    def _tidy(self) -> None:
        with contextlib.suppress(OSError):
            by_age = sorted(self.folder.glob("pin-*.json"), key=lambda path: path.stat().st_mtime)
            for path in by_age[:-_LONGEST_KEPT]:
                path.unlink(missing_ok=True)


def _opened(path: Path, flags: int) -> TextIO:
    """The file at *path*, which is no link to another."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "r" if flags == os.O_RDONLY else "w", encoding="utf-8")


def terminal_session() -> str | None:
    """
    A name for this terminal session, other in each window and login; None: no terminal.

    Made of the session's number, its leader's start and the terminal, so that a number
    that the system gives out again does not inherit a pin.
    """
    if not (sys.stdin.isatty() or sys.stderr.isatty()):
        return None
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return None
    try:
        device = os.fstat(terminal).st_rdev
    finally:
        os.close(terminal)
    leader = os.getsid(0)
    known = f"{leader}:{_start_of(leader)}:{device}:{os.geteuid()}"
    return hashlib.sha256(known.encode()).hexdigest()[:32]


def _start_of(process: int) -> str:
    with contextlib.suppress(OSError, IndexError):
        # Field 22 of stat, counted behind the command's name, which may hold anything.
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{stat.rpartition(')')[2].split()[19]}"
    return ""
