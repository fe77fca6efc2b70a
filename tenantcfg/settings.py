"""
The settings: where each comes from, and nothing else reads environment or file.

An option on the command line wins over ``TENANTCFG_*`` in the environment, that over the
TOML file, that over the default. A secret may stand in a file of its own, named by the
same variable with ``_FILE`` behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantcfg.errors import SettingInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VARIABLES", "Settings", "data_folder", "load", "of_table", "secret"]

VARIABLES = {
    "TENANTCFG_DATABASE_URL": "where the store is",
    "TENANTCFG_DATABASE_URL_FILE": "a file in which that stands, for a URL with a password",
    "TENANTCFG_TENANT": "the tenant, by id or name, that a line means if it names none",
    "TENANTCFG_ACTOR": "who you say you are; stands in the history as a claim",
    "TENANTCFG_CONFIG": "the TOML file, instead of tenantcfg/config.toml in the XDG config folder",
}
"""Every variable that is ours, and what it does (docs, settings)."""

_KEYS = {"database_url": "TENANTCFG_DATABASE_URL", "tenant": "TENANTCFG_TENANT"}
_TABLES = ("serve",)


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What the program was told, once, at its start.

    Attributes:
        database_url: of the store, with its secrets: never print it.
        database_from: in words, where `database_url` came from.
        tenant: the tenant that was set outside the line, and *tenant_from* where; None: none.
        claimed: the names that were only said, as pairs of where and what.
        state: the folder for what is remembered of a terminal session.
    """

    database_url: str
    database_from: str
    tenant: str | None
    tenant_from: str
    claimed: tuple[tuple[str, str], ...]
    state: Path


def load(
    environment: Mapping[str, str], *, store: str | None = None, tenant: str | None = None
) -> Settings:
    """
    The settings, from options (*store*, *tenant*), *environment*, TOML file and defaults.

    Raises:
        SettingInvalid: a setting is there and empty; a file that was named cannot be read, is
            no TOML, holds a key that is not known or a value that is no text; a variable is set
            twice (with and without ``_FILE``); there is no home folder to keep the store in.
    """
    from_file, path = _toml(environment)
    url = _first(
        ("--store", store),
        ("TENANTCFG_DATABASE_URL", secret("TENANTCFG_DATABASE_URL", environment)),
        (f"database_url in {path}", from_file.get("database_url")),
    )
    named = _first(
        ("--tenant", tenant),
        ("TENANTCFG_TENANT", environment.get("TENANTCFG_TENANT")),
        (f"tenant in {path}", from_file.get("tenant")),
    )
    return Settings(
        database_url=url[1] if url else _embedded(environment),
        database_from=url[0] if url else "the default",
        tenant=named[1] if named else None,
        tenant_from=named[0] if named else "",
        claimed=tuple(
            (name, environment[name])
            for name in ("SUDO_USER", "TENANTCFG_ACTOR")
            if environment.get(name)
        ),
        state=_folder(environment, "XDG_STATE_HOME", ".local/state"),
    )


def _first(*candidates: tuple[str, str | None]) -> tuple[str, str] | None:
    found = next(((where, value) for where, value in candidates if value is not None), None)
    if found is not None and not found[1]:
        # What a script passes for an unset variable must not mean another store or tenant.
        raise SettingInvalid(
            "a setting is empty", subject=found[0], hint="give it a value or unset it"
        )
    return found


def _embedded(environment: Mapping[str, str]) -> str:
    return f"sqlite:///{data_folder(environment) / 'tenantcfg.db'}"


def data_folder(environment: Mapping[str, str]) -> Path:
    """
    The folder for what is kept: ``tenantcfg`` in the XDG data folder.

    Raises:
        SettingInvalid: there is no home folder for it.
    """
    return _folder(environment, "XDG_DATA_HOME", ".local/share")


def _folder(environment: Mapping[str, str], variable: str, below_home: str) -> Path:
    given = environment.get(variable, "")
    # The XDG Base Directory Specification: a relative path is to be ignored.
    if given.startswith("/"):
        return Path(given) / "tenantcfg"
    home = environment.get("HOME") or _home_of_user()
    return Path(home) / below_home / "tenantcfg"


def _home_of_user() -> str:
    try:
        return str(Path.home())
    except RuntimeError as why:
        raise SettingInvalid(
            "no home folder", why="HOME is not set", hint="set HOME, or name the store by --store"
        ) from why


def secret(variable: str, environment: Mapping[str, str]) -> str | None:
    """
    What *variable* says, or the file that is named by it with ``_FILE`` behind; None: neither.

    Raises:
        SettingInvalid: both are set; the file cannot be read.
    """
    path = environment.get(f"{variable}_FILE")
    if not path:
        return environment.get(variable)
    if environment.get(variable):
        raise SettingInvalid(f"{variable} and {variable}_FILE are both set", hint="unset one")
    return _read(Path(path), f"{variable}_FILE").strip()


def of_table(environment: Mapping[str, str], table: str) -> tuple[Mapping[str, Any], Path]:
    """
    What the TOML file says in *table*, and which file that is; empty without one.

    Raises:
        SettingInvalid: the file cannot be used, see `load`.
    """
    content, path = _content(environment)
    return content.get(table, {}), path


def _toml(environment: Mapping[str, str]) -> tuple[dict[str, str], Path]:
    content, path = _content(environment)
    return {key: value for key, value in content.items() if key in _KEYS}, path


def _content(environment: Mapping[str, str]) -> tuple[dict[str, Any], Path]:
    named = environment.get("TENANTCFG_CONFIG")
    path = Path(named) if named else _config_home(environment)
    if path is None or not (named or path.is_file()):
        return {}, Path("config.toml")
    # A program that was given no file need not pay for the parser.
    import tomllib  # noqa: PLC0415

    try:
        content = tomllib.loads(_read(path, "TENANTCFG_CONFIG" if named else "the settings file"))
    except tomllib.TOMLDecodeError as why:
        raise SettingInvalid("not TOML", subject=f"'{path}'", why=str(why)) from why
    for key, value in content.items():
        if key not in {*_KEYS, *_TABLES}:
            raise SettingInvalid(
                "unknown setting", subject=f"'{key}'", why=f"in {path}", hint=f"known: {_known()}"
            )
        kind, called = (dict, "table") if key in _TABLES else (str, "text")
        if not isinstance(value, kind):
            raise SettingInvalid(f"not a {called}", subject=f"'{key}'", why=f"in {path}")
    return content, path


def _config_home(environment: Mapping[str, str]) -> Path | None:
    given = environment.get("XDG_CONFIG_HOME", "")
    if given.startswith("/"):
        return Path(given) / "tenantcfg" / "config.toml"
    home = environment.get("HOME")
    return Path(home) / ".config" / "tenantcfg" / "config.toml" if home else None


def _known() -> str:
    return ", ".join([*_KEYS, *(f"[{table}]" for table in _TABLES)])


def _read(path: Path, where: str) -> str:
    try:
        # Windows' editors begin a file with a byte order mark.
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as why:
        reason = getattr(why, "strerror", None) or "it is not UTF-8"
        raise SettingInvalid(
            "cannot read a file", subject=f"'{path}'", why=f"{where}: {reason}"
        ) from why
