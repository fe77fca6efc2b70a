"""
Where a store is: a file, or a PostgreSQL database.

Loads no database and no SQLAlchemy: the check begins here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn

from tenantcfg.errors import InvalidInput

__all__ = ["Address"]

_POSTGRESQL = re.compile(
    r"(?i:postgres|postgresql|postgresql\+psycopg)://"
    r"(?P<rest>(?:[^/?#@]*@)?"
    r"(?P<shown>(?:\[[0-9a-fA-F:.]*\]|[^/?#@:\[\],]*)(?::\d*)?"
    r"(?:,(?:\[[0-9a-fA-F:.]*\]|[^/?#@:\[\],]*)(?::\d*)?)*(?:/[^/?#@]*)?)"
    r"(?:\?[^#=&]+=[^#=&]*(?:&[^#=&]+=[^#=&]*)*)?)"
)
# What would be a file's name is an address with a slip in it, and may hold a password.
_SLIPPED = re.compile(
    r"(?i)(?:postgres(?:ql)?(?:\+psycopg)?|sqlite)(?::|//)|.*\bpassword\s*=|[^/]*//[^/]*@",
    re.DOTALL,
)
# Bytes of a path, on Linux and with an end to them (PATH_MAX); macOS takes fewer, and says so.
_LONGEST = 4096
# libpq repeats the word in which it finds one of these.
_UNREADABLE = re.compile(r"%(?![0-9a-fA-F]{2})|%00")


@dataclass(frozen=True, slots=True)
class Address:
    """
    The address of a store, parsed.

    Attributes:
        dialect: which database it is.
        shown: the address without user, password and options: what may be printed.
        path: of a file store, absolute; of another: None.
        secret: as libpq takes it, of a PostgreSQL store. Never print it.
    """

    dialect: Literal["sqlite", "postgresql"]
    shown: str
    path: Path | None = None
    secret: str = field(default="", repr=False)

    @classmethod
    def parse(cls, given: str | Path) -> Address:
        """
        The store at *given*: ``sqlite:////path``, ``postgresql://...``, or a bare path.

        A path that is not absolute is below the working folder, now and later.

        Raises:
            InvalidInput: it is neither; a part that could be a secret is not repeated.
            TypeError: it is no text and no path.
        """
        if not isinstance(given, (str, Path)):
            raise TypeError(f"url: str or Path is wanted, not {type(given).__name__}")
        if isinstance(given, Path) or "://" not in given:
            if isinstance(given, str) and _SLIPPED.match(given):
                _refuse("", "neither a file nor a URL can be read from it", "postgresql://...")
            return cls._file(Path(given) if str(given) else None)
        scheme, _, rest = given.partition("://")
        if scheme.lower() == "sqlite":
            if not rest.startswith("/") or "?" in rest:
                _refuse("sqlite", "a file and no options are wanted", "sqlite:////path/store.db")
            return cls._file(Path(rest[1:]) if rest[1:] else None)
        return cls._server(given, scheme)

    @classmethod
    def _file(cls, path: Path | None) -> Address:
        if path is None or not _is_name(str(path)):
            _refuse("", "a store in a file needs the file's name", "sqlite:////path/store.db")
        try:
            absolute = path.expanduser().absolute() if path.parts[:1] == ("~",) else path.absolute()
        except (OSError, RuntimeError):
            _refuse(
                "", "there is no home or working folder to begin at", "sqlite:////path/store.db"
            )
        return cls("sqlite", f"sqlite:///{absolute}", absolute)

    @classmethod
    def _server(cls, given: str, scheme: str) -> Address:
        match = _POSTGRESQL.fullmatch(given)
        if match is None or _UNREADABLE.search(given) or not _decodes(given):
            known = scheme.lower() in {"postgres", "postgresql", "postgresql+psycopg"}
            why = "a part of it cannot be read" if known else "only SQLite and PostgreSQL are known"
            hint = "escape @ / ? # % in user and password as %40 %2F %3F %23 %25" if known else ""
            _refuse(scheme if scheme.isidentifier() else "", why, hint)
        return cls(
            "postgresql", f"postgresql://{match['shown']}", None, f"postgresql://{match['rest']}"
        )


def _is_name(path: str) -> bool:
    """Whether a file can be called so."""
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return len(name) < _LONGEST and b"\0" not in name


def _decodes(given: str) -> bool:
    """Whether what is percent-encoded is UTF-8; whoever decodes it would repeat it."""
    try:
        for run in re.findall(r"(?:%[0-9a-fA-F]{2})+", given):
            bytes.fromhex(run.replace("%", "")).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _refuse(scheme: str, why: str, hint: str) -> NoReturn:
    subject = f"'{scheme}://...'" if scheme else None
    raise InvalidInput("not the address of a store", subject=subject, why=why, hint=hint)
