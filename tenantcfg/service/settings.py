"""
What the service was told: one dataclass, in which each setting says what it is and how it is read.

An option on the command line wins over ``TENANTCFG_SERVE_*`` in the environment, that over the
table ``[serve]`` of the TOML file, that over the default. A secret may stand in a file of its
own: the variable, or the key, with ``_FILE`` or ``_file`` behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from tenantcfg import settings
from tenantcfg.errors import InvalidInput, SettingInvalid, quoted
from tenantcfg.ids import TenantId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["PREFIX", "VARIABLES", "Bind", "ServiceSettings", "load_service"]

PREFIX: Final = "TENANTCFG_SERVE_"
_MONTH: Final = 30 * 24 * 3600

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
"""The names that the dev issuer's certificate holds for."""


@dataclass(frozen=True, slots=True)
class Bind:
    """
    Where to listen: a host and a port, or the path of a unix socket.

    Port 0 is any that is free.
    """

    host: str = ""
    port: int = 0
    path: str | None = None

    @classmethod
    def parse(cls, text: str) -> Bind:
        """
        The place that *text* names: ``ADDR:PORT``, ``[ADDR]:PORT`` or ``unix:/path``.

        Raises:
            ValueError: it names none.
        """
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            if not path.startswith("/") or "\0" in path:
                raise ValueError("the path of a unix socket begins with /")
            return cls(path=path)
        found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", text)
        if found is None or int(found[3]) > 65535:  # noqa: PLR2004 - the last port there is
            raise ValueError("wanted: ADDR:PORT, [ADDR]:PORT or unix:/path")
        return cls(found[1] or found[2], int(found[3]))

    @property
    def local(self) -> bool:
        """Whether nobody but this machine can reach it."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def at(self, port: int) -> str:
        """The place with another *port*, as text."""
        return str(self) if self.path is not None else str(replace(self, port=port))

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


# How a setting is read: from TOML's value or the variable's text; ValueError says what is wrong.


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004 - as what else is wrong
    return value


def _flag(value: object) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    said = value if isinstance(value, bool) else known.get(_text(value).lower())
    if said is None:
        raise ValueError("neither true nor false")
    return said


def _number(value: object, least: float, most: float) -> float:
    said = value
    if isinstance(value, str):
        said = float(value) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", value) else None
    if isinstance(said, bool) or not isinstance(said, (int, float)) or not least <= said <= most:
        raise ValueError(f"not a number from {least:.15g} to {most:.15g}")
    return said


def _whole(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        said = _number(value, least, most)
        if said != int(said):
            raise ValueError("not a whole number")
        return int(said)

    return read


def _seconds(least: float, most: float) -> Callable[[object], float]:
    return lambda value: float(_number(value, least, most))


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise ValueError("not a list of texts")
    return tuple(value)


def _one_of(*known: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if _text(value) not in known:
            raise ValueError(f"not one of {', '.join(known)}")
        return _text(value)

    return read


def _bind(value: object) -> Bind:
    return Bind.parse(_text(value))


def _path(value: object) -> Path:
    return Path(_text(value))


def _mode(value: object) -> int:
    if not re.fullmatch(r"0?[0-7]{3}", _text(value)):
        raise ValueError("not a mode like 0660")
    return int(_text(value), 8)


def _public(value: object) -> str:
    """The identifier of the decision point, character for character (check W35, W36)."""
    url = _text(value)
    parts = urlsplit(url)
    local = Bind(parts.hostname or "").local
    if not parts.hostname or (parts.scheme != "https" and not (parts.scheme == "http" and local)):
        raise ValueError("an https URL is wanted")
    if "?" in url or "#" in url or "@" in parts.netloc or url.endswith("/") or not url.isascii():
        raise ValueError(
            "it must be ASCII, without query, fragment and user, and with no slash at the end"
        )
    return url


def _tenant(value: object) -> TenantId:
    try:
        return TenantId.parse(_text(value))
    except InvalidInput as why:
        raise ValueError(str(why)) from why


def _page_key(value: object) -> bytes:
    try:
        key = bytes.fromhex(_text(value))
    except ValueError:
        key = b""
    if len(key) != 32:  # noqa: PLR2004 - of SHA-256
        raise ValueError("not 64 hexadecimal digits: openssl rand -hex 32 makes them")
    return key


def _long_enough(value: object) -> str:
    if len(_text(value)) < 32:  # noqa: PLR2004 - what nobody guesses
        raise ValueError("shorter than 32 characters: openssl rand -hex 32 makes one")
    return _text(value)


def _said(what: str, read: Callable[[object], object]) -> dict[str, object]:
    """What a setting is, and how it is read; one that is not to be shown is a secret."""
    return {"what": what, "read": read}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What `tenantcfg serve` goes by; made by `load_service`, which judges the whole."""

    bind: Bind = field(default=Bind("127.0.0.1", 8180), metadata=_said("where to listen", _bind))
    socket_mode: int = field(
        default=0o660, metadata=_said("of the unix sockets: who may connect", _mode)
    )
    grpc_bind: Bind | None = field(
        default=None, metadata=_said("where to listen for Envoy's own protocol", _bind)
    )
    metrics_bind: Bind | None = field(
        default=None,
        metadata=_said("where to serve /metrics, instead of beside everything else", _bind),
    )
    workers: int = field(default=1, metadata=_said("processes that answer", _whole(1, 256)))
    public_url: str | None = field(
        default=None,
        metadata=_said(
            "the URL that clients know the service by; without it there is no metadata", _public
        ),
    )
    tls_cert: Path | None = field(default=None, metadata=_said("certificate chain, PEM", _path))
    tls_key: Path | None = field(default=None, metadata=_said("its private key, PEM", _path))
    tls_client_ca: Path | None = field(
        default=None,
        metadata=_said(
            "with it only clients with a certificate of this authority are let in, PEM", _path
        ),
    )
    insecure_no_auth: bool = field(
        default=False, metadata=_said("ask nobody who they are; on this machine only", _flag)
    )
    dev_issuer: bool = field(
        default=False,
        metadata=_said(
            "issue tokens to whoever builds a bot on this machine, over TLS of its own", _flag
        ),
    )
    page_key: bytes | None = field(
        default=None,
        repr=False,
        metadata=_said("seals page tokens: the same on all machines behind one name", _page_key),
    )

    proxy_source: Literal["token", "headers"] | None = field(
        default=None,
        metadata=_said(
            "from where /check/... knows who asks: the application's own "
            "token, or headers that the proxy sets; without it there is no /check/...",
            _one_of("token", "headers"),
        ),
    )
    proxy_secret: str | None = field(
        default=None,
        repr=False,
        metadata=_said("that a proxy on this machine shows in X-Tenantcfg-Secret", _long_enough),
    )
    calls: Literal["roster", "janus"] | None = field(
        default=None,
        metadata=_said(
            "who holds the calls of the participants API: the store's roster, or a Janus server; "
            "without it there is none",
            _one_of("roster", "janus"),
        ),
    )
    calls_unanswered: Literal["refuse", "cancel"] = field(
        default="refuse",
        metadata=_said(
            "whether one who has not answered the call may be removed",
            _one_of("refuse", "cancel"),
        ),
    )
    calls_limit: int = field(
        default=600,
        metadata=_said(
            "requests a minute of an app in a tenant, and bad tokens of an address, to each worker",
            _whole(1, 1_000_000),
        ),
    )
    janus_url: str | None = field(
        default=None, metadata=_said("of the Admin API of the Janus server with the calls", _public)
    )
    janus_tenant: TenantId | None = field(
        default=None, metadata=_said("whose calls all its rooms are", _tenant)
    )
    janus_admin_secret: str | None = field(
        default=None, repr=False, metadata=_said("admin_secret of its janus.jcfg", _text)
    )
    janus_room_secret: str | None = field(
        default=None, repr=False, metadata=_said("the secret of every room", _text)
    )
    janus_admin_key: str | None = field(
        default=None,
        repr=False,
        metadata=_said("admin_key of AudioBridge; without it no list has private rooms", _text),
    )
    entra_issuers: tuple[str, ...] = field(
        default=(),
        metadata=_said("of tokens that are taken; {tid} stands for the token's tenant", _texts),
    )
    entra_discovery: tuple[str, ...] = field(
        default=(),
        metadata=_said(
            "discovery document of each issuer, in their order; else below its name", _texts
        ),
    )
    entra_jwks: tuple[str, ...] = field(
        default=(),
        metadata=_said("signing keys of each issuer, instead of entra_discovery", _texts),
    )
    entra_audiences: tuple[str, ...] = field(
        default=(), metadata=_said("audiences of tokens that are taken", _texts)
    )
    entra_algorithms: tuple[str, ...] = field(
        default=("RS256",), metadata=_said("that a token may be signed with", _texts)
    )
    entra_idtyp: Literal["required", "when_present"] = field(
        default="required",
        metadata=_said(
            "whether a token must say that it is an application's",
            _one_of("required", "when_present"),
        ),
    )
    entra_roles: tuple[str, ...] = field(
        default=(), metadata=_said("one of these must be among its roles; none: any", _texts)
    )
    entra_refresh_seconds: int = field(
        default=24 * 3600,
        metadata=_said(
            "age of signing keys at which they are fetched anew, while the old ones serve",
            _whole(60, _MONTH),
        ),
    )
    entra_refuse_seconds: int = field(
        default=72 * 3600,
        metadata=_said(
            "age of signing keys at which they are believed no more", _whole(60, _MONTH)
        ),
    )
    entra_ca_bundle: Path | None = field(
        default=None, metadata=_said("certificates that key servers are believed by, PEM", _path)
    )

    read_url: str | None = field(
        default=None,
        repr=False,
        metadata=_said("of a standby, for requests that say how fresh they must be", _text),
    )
    read_lag: float | None = field(
        default=None,
        metadata=_said(
            "seconds that a standby may be behind and answer every request", _seconds(0, 3600)
        ),
    )
    decision_log_url: str | None = field(
        default=None,
        repr=False,
        metadata=_said("the decision log, in a file or PostgreSQL of its own", _text),
    )
    decision_log_mode: Literal["durable", "sampled"] = field(
        default="durable",
        metadata=_said(
            "answer only what is stored, or store what can be", _one_of("durable", "sampled")
        ),
    )
    max_body: int = field(
        default=1 << 20, metadata=_said("bytes of a request's body", _whole(1024, 1 << 24))
    )
    max_batch: int = field(default=1000, metadata=_said("questions of a batch", _whole(1, 1000)))
    max_connections: int = field(
        default=1000, metadata=_said("at once, in each worker", _whole(1, 100_000))
    )
    head_seconds: float = field(
        default=10.0, metadata=_said("for a request's head to arrive", _seconds(0.1, 600))
    )
    body_seconds: float = field(
        default=10.0, metadata=_said("for its body to arrive", _seconds(0.1, 600))
    )
    idle_seconds: float = field(
        default=75.0,
        metadata=_said("that a connection is kept open between requests", _seconds(1, 3600)),
    )
    drain_seconds: float = field(
        default=10.0,
        metadata=_said(
            "for which a service that is to stop finishes its answers", _seconds(0, 600)
        ),
    )
    log_requests: Literal["all", "problems", "none"] = field(
        default="problems",
        metadata=_said(
            "which requests leave a line: all, or those with another status than 2xx",
            _one_of("all", "problems", "none"),
        ),
    )

    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Where each setting that is no default came from."""
    dev_issuer_folder: Path = field(default=Path(), repr=False, compare=False)
    """Where the dev issuer keeps what it made."""

    @property
    def tls(self) -> bool:
        """Whether clients come by TLS."""
        return self.tls_cert is not None

    def shown(self) -> Iterator[tuple[str, str, str]]:
        """Name, value and origin of each setting; of secrets only whether they are set."""
        for one in _declared():
            value = getattr(self, one.name)
            origin = self.sources.get(one.name, "the default")
            yield one.name, _as_text(one.name, value, secret=not one.repr), origin


def _declared() -> list[Any]:
    return [one for one in fields(ServiceSettings) if "what" in one.metadata]


def _as_text(name: str, value: object, *, secret: bool) -> str:
    if value in (None, ()):
        return "-"
    if secret:
        return "(set)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:04o}" if name == "socket_mode" else str(value)


def _variables() -> dict[str, str]:
    found = {}
    for one in _declared():
        variable, what = PREFIX + one.name.upper(), one.metadata["what"]
        found[variable] = what
        if not one.repr:
            found[f"{variable}_FILE"] = f"a file in which that stands: {what}"
    return found


VARIABLES: Final = _variables()
"""Every variable of the service, and what it does (docs, settings)."""


def load_service(
    environment: Mapping[str, str], options: Mapping[str, object] | None = None
) -> ServiceSettings:
    """
    The settings of the service, from *options*, *environment*, TOML file and defaults.

    The *options* go by the names of `ServiceSettings`; None stands for one that was not given.

    Raises:
        SettingInvalid: one is not known, empty, unreadable or contradicts another; one that
            another needs is missing.
    """
    table, path = settings.of_table(environment, "serve")
    _refuse_unknown(environment, table, path)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for one in _declared():
        found = _found(one, options or {}, environment, table, path)
        if found is None:
            continue
        where, said = found
        values[one.name] = _read(one, said, where)
        sources[one.name] = where
    if values.get("dev_issuer"):
        values["dev_issuer_folder"] = settings.data_folder(environment) / "dev-issuer"
        if "calls" not in values:
            # Tokens alone are of no use.
            values["calls"], sources["calls"] = "roster", sources["dev_issuer"]
    whole = ServiceSettings(**values, sources=sources)
    _judge(whole)
    return whole


def _refuse_unknown(environment: Mapping[str, str], table: Mapping[str, Any], path: Path) -> None:
    names = {one.name for one in _declared()}
    files = {f"{one.name}_file" for one in _declared() if not one.repr}
    hint = f"known: {', '.join(sorted(names))}"
    for key in table:
        if key not in names | files:
            why = f"in [serve] of {path}"
            raise SettingInvalid("unknown setting", subject=quoted(key), why=why, hint=hint)
    for variable in environment:
        # A slip in a setting that guards something must not pass for its default.
        if variable.startswith(PREFIX) and variable not in VARIABLES:
            raise SettingInvalid("unknown setting", subject=quoted(variable), hint=hint)


def _found(
    one: Any,  # noqa: ANN401 - a field
    options: Mapping[str, object],
    environment: Mapping[str, str],
    table: Mapping[str, Any],
    path: Path,
) -> tuple[str, object] | None:
    name, secret = one.name, not one.repr
    if options.get(name) is not None:
        return f"--{name.replace('_', '-')}", options[name]
    variable = PREFIX + name.upper()
    said = settings.secret(variable, environment) if secret else environment.get(variable)
    if said is not None:
        return variable, said
    if secret and f"{name}_file" in table:
        named = {variable + "_FILE": _read_path(table[f"{name}_file"], name, path)}
        if name in table:
            raise SettingInvalid(f"{name} and {name}_file are both set", why=f"in {path}")
        return f"{name}_file in {path}", settings.secret(variable, named)
    return (f"{name} in {path}", table[name]) if name in table else None


def _read_path(value: object, name: str, path: Path) -> str:
    if not isinstance(value, str) or not value:
        raise SettingInvalid("not a path", subject=f"{name}_file", why=f"in {path}")
    return value


def _read(one: Any, said: object, where: str) -> object:  # noqa: ANN401 - a field
    if said == "":
        # What a script passes for an unset variable must not mean the default.
        raise SettingInvalid(
            "a setting is empty", subject=where, hint="give it a value or unset it"
        )
    try:
        return one.metadata["read"](said)
    except ValueError as why:
        # An "@" may have a password before it.
        shown = f" {quoted(str(said))}" if one.repr and "@" not in str(said) else ""
        raise SettingInvalid(
            "a setting cannot be used", subject=f"{where}{shown}", why=str(why)
        ) from None


def _judge(told: ServiceSettings) -> None:
    """Refuse what contradicts itself, or lacks what makes it safe."""
    for this, other in (
        ("tls_cert", "tls_key"),
        ("tls_key", "tls_cert"),
        ("tls_client_ca", "tls_cert"),
    ):
        _need(told, this, other)
    _need(told, "read_lag", "read_url")
    if told.grpc_bind is not None:
        _need(told, "grpc_bind", "proxy_source")
        # Each worker binds for itself: a path is the last one's, and port 0 is many.
        if told.workers > 1 and not told.grpc_bind.port:
            raise SettingInvalid(
                "several workers cannot share this place",
                subject=f"grpc_bind {told.grpc_bind}",
                hint="wanted: ADDR:PORT, or one worker",
            )
    if told.metrics_bind is not None and told.metrics_bind.path is not None:
        raise SettingInvalid("metrics_bind is no unix socket", hint="wanted: ADDR:PORT")
    if told.insecure_no_auth:
        _judge_without_keys(told)
    if told.dev_issuer:
        _judge_dev_issuer(told)
    if told.proxy_source == "token":
        for needed in ("entra_issuers", "entra_audiences"):
            _need(told, "proxy_source", needed, value="token")
    if told.proxy_source == "headers":
        _judge_headers(told)
    _judge_calls(told)


def _judge_without_keys(told: ServiceSettings) -> None:
    for name in ("bind", "grpc_bind"):
        place: Bind | None = getattr(told, name)
        if place is not None and not place.local:
            raise SettingInvalid(
                "without keys only this machine may ask",
                subject=f"{name} {place}",
                why="insecure_no_auth is set",
                hint="listen on 127.0.0.1, [::1] or unix:/path, or make keys: tenantcfg key new",
            )
    if told.proxy_source is not None:
        raise SettingInvalid(
            "proxy_source and insecure_no_auth are both set",
            why="what comes through a proxy is refused without keys",
            hint="unset one",
        )


def _judge_dev_issuer(told: ServiceSettings) -> None:
    """Whoever reaches it can be any application: so nobody but this machine may."""
    if told.bind.host not in _LOOPBACK:
        raise SettingInvalid(
            "the dev issuer answers this machine only",
            subject=f"bind {told.bind}",
            why="dev_issuer is set",
            hint="listen on 127.0.0.1:PORT, [::1]:PORT or localhost:PORT",
        )
    parts = urlsplit(told.public_url or "https://localhost")
    if parts.scheme != "https" or parts.hostname not in _LOOPBACK or parts.path:
        raise SettingInvalid(
            "the dev issuer is known by a name of this machine only",
            subject=f"public_url {told.public_url}",
            why="dev_issuer is set",
            hint="unset it, or set https://localhost:PORT",
        )
    against = [one for one in told.sources if one.startswith(("entra_", "tls_", "proxy_"))]
    if against:
        raise SettingInvalid(
            f"{against[0]} and dev_issuer are both set",
            why="the dev issuer has tokens and certificates of its own, and is behind no proxy",
            hint="unset one",
        )


def _judge_calls(told: ServiceSettings) -> None:
    if told.calls == "janus":
        for needed in ("janus_url", "janus_tenant", "janus_admin_secret", "janus_room_secret"):
            _need(told, "calls", needed, value="janus")
    if told.calls is None or told.dev_issuer:
        return
    # Links begin with the last one: the header Host is anybody's.
    for needed in ("entra_issuers", "entra_audiences", "public_url"):
        _need(told, "calls", needed, value=told.calls)


def _judge_headers(told: ServiceSettings) -> None:
    """Who may say whom it asks for: only a peer that is trusted (check F7)."""
    for name, place in (("bind", told.bind), ("grpc_bind", told.grpc_bind)):
        # No certificate is asked for where Envoy speaks its own protocol.
        certified = name == "bind" and told.tls_client_ca is not None
        if place is None or place.path is not None or certified:
            continue
        if not place.local:
            also = ", or set tls_client_ca" if name == "bind" else ""
            raise SettingInvalid(
                "headers are taken from a trusted proxy only",
                subject=f"{name} {place}",
                why="proxy_source is headers",
                hint=f"listen on unix:/path or on 127.0.0.1{also}",
            )
        _need(told, "proxy_source", "proxy_secret", value="headers")


def _need(told: ServiceSettings, this: str, other: str, *, value: str = "") -> None:
    if getattr(told, this) is not None and not getattr(told, other):
        raise SettingInvalid(
            "a setting is missing",
            subject=other,
            why=f"{this} is {value or 'set'}",
            hint=f"set {PREFIX}{other.upper()}, or {other} in [serve] of the settings file",
        )
