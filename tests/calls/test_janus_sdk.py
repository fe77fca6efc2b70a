"""The real Graph SDK for Python removes a member of a real Janus, through a real nginx."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from tests.sdks import installed

if TYPE_CHECKING:
    from tests.calls.serving import Served

PROGRAM = installed.HERE / "janus_client.py"
LATE = 0.04
GAP = 0.4


def test_exactly_that_ones_media_stop(served: Served) -> None:
    bot, janus = served.bot, served.janus
    room = janus.a_room()
    name = "a/b ü;%41"
    command = installed.python()
    assert command is not None
    assert bot.token is not None
    told = {"GRAPH_URL": f"http://127.0.0.1:{bot.port}/v1.0", "GRAPH_TOKEN": bot.token}
    with janus.members(room, name, "bob", "eve") as (ada, bob, eve):
        began = time.monotonic()
        said = subprocess.run(
            [*command, PROGRAM, room, name],
            env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **told},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        answered = time.monotonic()

        assert said.stdout.split("\n") == [name, "bob", "eve", "removed", ""], said.stderr
        bob.hears_on(0.1)
        since = bob.hears_on(0.4)
        assert ada.last < answered + LATE
        for one, other in ((bob, eve), (eve, bob)):
            assert one.longest_gap(began) < GAP
            assert one.heard(ada.hertz, since) < 0.03
            assert one.heard(other.hertz, since) > 0.2
        assert janus.listed(room) == ["bob", "eve"]
