"""
Members of a Janus room that really send and hear: PCMU over plain RTP, each a tone of their own.

What comes back to one is the mix of the others, so that a test can tell both that somebody's
packets have stopped and that nobody hears them any longer.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import select
import socket
import struct
import threading
import time
from contextlib import contextmanager
from functools import cache
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Handle", "Member", "joined"]

T = TypeVar("T")

PATIENCE = 30.0
RATE = 8000
EVERY = 0.02
SAMPLES = int(RATE * EVERY)
"""Of one packet."""
_HEADER = struct.Struct("!BBHII")
_PCMU = 0


class Handle:
    """A session and a handle of AudioBridge at Janus's own HTTP API, as a client has them."""

    def __init__(self, port: int, secret: str) -> None:
        self._port = port
        self._secret = secret
        self.session: int = self._asked("", janus="create")["data"]["id"]
        attach = {"janus": "attach", "plugin": "janus.plugin.audiobridge"}
        self.id: int = self._asked(f"/{self.session}", **attach)["data"]["id"]

    def message(self, **body: Any) -> dict[str, Any]:
        """What the plugin answers to *body*, which it does in an event."""
        path = f"/{self.session}/{self.id}"
        said = self._asked(path, janus="message", body=body)
        transaction = said["transaction"]
        while said["janus"] != "event" or said.get("transaction") != transaction:
            said = self._exchanged("GET", f"/{self.session}?apisecret={self._secret}&maxev=1")
        answer: dict[str, Any] = said["plugindata"]["data"]
        return answer

    def end(self) -> None:
        """Leave, by ending the session."""
        self._asked(f"/{self.session}", janus="destroy")

    def _asked(self, path: str, **members: Any) -> dict[str, Any]:
        told = {"transaction": f"{random.getrandbits(60):x}", "apisecret": self._secret, **members}
        return self._exchanged("POST", path, json.dumps(told))

    def _exchanged(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request(method, f"/janus{path}", body)
            answer = json.load(connection.getresponse())
        finally:
            connection.close()
        told: dict[str, Any] = answer[0] if isinstance(answer, list) else answer
        assert told["janus"] != "error", told
        return told


class Member:
    """
    Somebody in a room: sends a tone of *hertz* and keeps what comes back, until closed.

    Attributes:
        answer: what Janus said to the join; who was refused neither sends nor hears.
    """

    def __init__(self, handle: Handle, room: str, name: str, hertz: int) -> None:
        self.handle = handle
        self.name = name
        self.hertz = hertz
        self._came: list[tuple[float, bytes]] = []
        self._coming = threading.Condition()
        self._closed = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        rtp = {"ip": "127.0.0.1", "port": self._socket.getsockname()[1], "payload_type": _PCMU}
        told = {"room": room, "id": name, "display": name.title(), "codec": "pcmu", "rtp": rtp}
        self.answer = handle.message(request="join", **told)
        self._thread = threading.Thread(target=self._take_part, daemon=True)
        if self.answer["audiobridge"] == "joined":
            to = self.answer["rtp"]
            self._socket.connect((to["ip"], to["port"]))
            self._thread.start()

    def close(self) -> None:
        """Send and hear no more; Janus is told nothing."""
        self._closed = True
        if self._thread.ident is not None:
            self._thread.join(PATIENCE)
        self._socket.close()

    @property
    def last(self) -> float:
        """When the last packet came (`time.monotonic`); 0: none did."""
        return self._came[-1][0] if self._came else 0.0

    def hears_on(self, seconds: float) -> float:
        """Wait for so many seconds of packets, from now on; when that began."""
        since = time.monotonic()

        def enough() -> bool:
            return self.last >= since + seconds

        with self._coming:
            assert self._coming.wait_for(enough, PATIENCE), f"{self.name} hears nothing"
        return since

    def heard(self, hertz: int, since: float) -> float:
        """How loud a tone was in what has come since; a member's own is 0.3."""
        sound = [one for at, packet in self._came if at >= since for one in packet[_HEADER.size :]]
        around = [2 * math.pi * hertz * place / RATE for place in range(len(sound))]
        real = sum(_LINEAR[one] * math.cos(turn) for one, turn in zip(sound, around, strict=True))
        other = sum(_LINEAR[one] * math.sin(turn) for one, turn in zip(sound, around, strict=True))
        return 2 / max(1, len(sound)) * math.hypot(real, other)

    def longest_gap(self, since: float) -> float:
        """Seconds that passed at most from one packet to the next, from *since* until now."""
        times = [since, *(at for at, _ in self._came if at >= since), time.monotonic()]
        return max(later - one for one, later in itertools.pairwise(times))

    def _take_part(self) -> None:
        packets = self._packets()
        due = time.monotonic()
        while not self._closed:
            wait = due - time.monotonic()
            if wait <= 0:
                due += EVERY
                _unless_refused(lambda: self._socket.send(next(packets)))
            elif select.select([self._socket], [], [], wait)[0]:
                packet = _unless_refused(lambda: self._socket.recv(2048))
                if packet:
                    with self._coming:
                        self._came.append((time.monotonic(), packet))
                        self._coming.notify_all()

    def _packets(self) -> Iterator[bytes]:
        source = random.getrandbits(32)
        tone = _tone(self.hertz)
        for number in itertools.count():
            at = number * SAMPLES
            head = _HEADER.pack(0x80, _PCMU, number & 0xFFFF, at & 0xFFFFFFFF, source)
            begin = at % RATE
            yield head + tone[begin : begin + SAMPLES]


@contextmanager
def joined(port: int, secret: str, room: str, *names: str) -> Iterator[list[Member]]:
    """Members of *room*, each with a handle and a tone of their own, who hear each other."""
    members = []
    try:
        for number, name in enumerate(names):
            members.append(Member(Handle(port, secret), room, name, 400 + 300 * number))
        for one in members:
            one.hears_on(0.1)
        yield members
    finally:
        for one in members:
            one.close()


def _unless_refused(act: Callable[[], T]) -> T | None:
    """What comes of *act*; None: the other side has closed its port."""
    try:
        return act()
    except ConnectionRefusedError:
        return None


@cache
def _tone(hertz: int) -> bytes:
    """A second of it, in whole turns."""
    turn = 2 * math.pi * hertz / RATE
    return bytes(_coded(0.3 * math.sin(turn * place)) for place in range(RATE))


# G.711, mu-law: sign, exponent and four bits of a sample, all inverted.


def _coded(sample: float) -> int:
    size = min(32635, int(abs(sample) * 32768)) + 0x84
    exponent = size.bit_length() - 8
    sign = 0x80 if sample < 0 else 0
    return ~(sign | exponent << 4 | size >> exponent + 3 & 0x0F) & 0xFF


def _decoded(code: int) -> float:
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return (-size if code & 0x80 else size) / 32768


_LINEAR = [_decoded(code) for code in range(256)]
