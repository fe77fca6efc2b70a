"""
A service whose calls a Janus holds, and what stands between the two: it can stop Janus at will.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from tests.service.misbehaving import Misbehaving, reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.calls.janus_server import Janus
    from tests.service.bots import Bot, Said
    from tests.service.misbehaving import Talk

__all__ = ["Relay", "Served"]


class Relay(Misbehaving):
    """
    Hands questions on to *janus*, and its answers back.

    Attributes:
        stops: whether Janus is stopped when a kick arrives, before it has read it.
    """

    def __init__(self, janus: Janus) -> None:
        super().__init__(self._hand_on)
        self._janus = janus
        self.stops = False

    def _hand_on(self, talk: Talk) -> None:
        if self.stops and b'"kick"' in talk.request:
            self._janus.signal(signal.SIGSTOP)
        # Longer than whoever asks has patience for.
        connection = HTTPConnection("127.0.0.1", self._janus.admin_port, timeout=1.5)
        try:
            path = talk.request.split(b" ", 2)[1].decode()
            connection.request("POST", path, talk.request.partition(b"\r\n\r\n")[2])
            talk.say(reply(connection.getresponse().read()))
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Served:
    """
    What stands between a bot and the members of a call.

    Attributes:
        bot: asks nginx, which hands on to the service.
        url: of the store.
        env: the service's settings.
    """

    janus: Janus
    relay: Relay
    bot: Bot
    url: str
    env: Mapping[str, str]

    def stopped_at_the_order(self, room: str, name: str) -> Said:
        """The answer to a removal for which Janus is stopped just before it reads the kick."""
        self.relay.stops = True
        try:
            return self.bot.removes(room, name)
        finally:
            self.relay.stops = False
