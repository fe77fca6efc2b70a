"""
A real Janus of the tests' own: in a folder, with secrets and ports of its own, not as a service.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.calls.members import joined

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.calls.members import Member

__all__ = ["BRIDGE", "Janus", "installed", "running_janus"]

BRIDGE = "janus.plugin.audiobridge"
PATIENCE = 30.0
_ROOMS = itertools.count(1)

_CONFIGURED = {
    "janus.jcfg": """
general: {
    configs_folder = "%(folder)s"
    plugins_folder = "%(lib)s/plugins"
    transports_folder = "%(lib)s/transports"
    events_folder = "%(lib)s/events"
    loggers_folder = "%(lib)s/loggers"
    debug_level = 3
    api_secret = "%(api_secret)s"
    admin_secret = "%(admin_secret)s"
    session_timeout = 60
}
nat: { ice_enforce_list = "lo" }
media: { rtp_port_range = "20000-20999" }
plugins: { disable = "%(other_plugins)s" }
transports: { disable = "%(other_transports)s" }
""",
    "janus.transport.http.jcfg": """
general: { base_path = "/janus", http = true, port = %(port)d, ip = "127.0.0.1", https = false }
admin: {
    admin_base_path = "/admin"
    admin_http = true
    admin_port = %(admin_port)d
    admin_ip = "127.0.0.1"
    admin_https = false
}
""",
    "janus.plugin.audiobridge.jcfg": """
general: {
    admin_key = "%(admin_key)s"
    string_ids = true
    local_ip = "127.0.0.1"
    rtp_port_range = "21000-29999"
}
""",
}


def _lib() -> Path | None:
    """Where its plugins and transports are: beside its libraries, whatever they are called."""
    found = sorted(Path("/usr/lib").glob(f"*/janus/plugins/lib{_short(BRIDGE)}.so"))
    return found[0].parent.parent if found else None


def _short(plugin: str) -> str:
    return "janus_" + plugin.rpartition(".")[2]


def installed() -> bool:
    """Whether there is a Janus on this machine."""
    return shutil.which("janus") is not None and _lib() is not None


class Janus:
    """A Janus that runs; its rooms are made and forgotten with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.admin_port = _free_ports()
        made = [secrets.token_urlsafe(16) for _ in range(4)]
        self.admin_secret, self.api_secret, self.admin_key, self.room_secret = made
        self.url = f"http://127.0.0.1:{self.admin_port}/admin"
        self._process: subprocess.Popen[bytes] | None = None
        self._configure()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["janus", "-F", self.folder],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"]},
                start_new_session=True,
            )
        end = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError):
                self.asked(janus="ping")
                return
            assert time.monotonic() < end, (self.folder / "log").read_text(errors="replace")
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(0.01)
                raise AssertionError(f"{code}: {(self.folder / 'log').read_text(errors='replace')}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; SIGSTOP has taken effect when this returns."""
        assert self._process is not None
        self._process.send_signal(number)
        if number == signal.SIGSTOP:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def kill(self) -> None:
        """End it at once, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def asked(self, path: str = "", **members: Any) -> dict[str, Any]:
        """What the Admin API answers, whatever that is."""
        told = {"transaction": "t", "admin_secret": self.admin_secret, **members}
        connection = HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE)
        try:
            connection.request("POST", f"/admin{path}", json.dumps(told))
            answer: dict[str, Any] = json.load(connection.getresponse())
        finally:
            connection.close()
        return answer

    def bridge(self, **request: Any) -> dict[str, Any]:
        """What AudioBridge answers."""
        answer = self.asked(janus="message_plugin", plugin=BRIDGE, request=request)
        told: dict[str, Any] = answer["response"]
        return told

    def a_room(self, name: str | None = None, **more: Any) -> str:
        """A new room, with *more* than is usual."""
        room = name or f"room-{next(_ROOMS)}"
        usual = {"secret": self.room_secret, "sampling_rate": 16000, "allow_rtp_participants": True}
        told = {"admin_key": self.admin_key, "room": room, **usual, **more}
        answer = self.bridge(request="create", **told)
        assert answer["audiobridge"] == "created", answer
        return room

    def members(self, room: str, *names: str) -> AbstractContextManager[list[Member]]:
        """Members of *room* who send and hear."""
        return joined(self.port, self.api_secret, room, *names)

    def listed(self, room: str) -> list[str]:
        """Who Janus says is in *room*."""
        told = self.bridge(request="listparticipants", room=room)
        return sorted(one["id"] for one in told["participants"])

    def _configure(self) -> None:
        lib = _lib()
        assert lib is not None
        told = {
            "folder": self.folder,
            "lib": lib,
            "port": self.port,
            "admin_port": self.admin_port,
            "api_secret": self.api_secret,
            "admin_secret": self.admin_secret,
            "admin_key": self.admin_key,
            "other_plugins": _others(lib / "plugins", f"lib{_short(BRIDGE)}.so"),
            "other_transports": _others(lib / "transports", "libjanus_http.so"),
        }
        for name, text in _CONFIGURED.items():
            (self.folder / name).write_text(text % told)


@contextmanager
def running_janus(folder: Path) -> Iterator[Janus]:
    """A Janus that is configured in *folder*."""
    janus = Janus(folder)
    try:
        janus.start()
        yield janus
    finally:
        janus.kill()


def _others(folder: Path, but: str) -> str:
    return ",".join(sorted(one.name for one in folder.glob("*.so") if one.name != but))


def _free_ports() -> tuple[int, int]:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        return one.getsockname()[1], other.getsockname()[1]
