"""
A removal from a call that Janus holds: from the request to the member's last packet.

Beside it stands Janus's own kick, asked directly. Janus carries out either only when a timer of
its own rings, once a second, or up to three quarters of one later; so both neighbours of a round
are asked at the same moment of Janus's second, which is another in each round.
"""

from __future__ import annotations

import math
import random
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.report import Table, milli
from benchmarks.rounds import Cost, play
from benchmarks.services import serving
from tenantcfg.store import admin
from tests.calls.janus_server import running_janus
from tests.calls.members import Handle, Member
from tests.service.bots import V1_TREE, a_token, environment, prepare, publish
from tests.service.key_server import running_key_server
from tests.service.token_maker import TENANT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.sizes import Sizes
    from tests.calls.janus_server import Janus

__all__ = ["measured"]

_PREFIX = "TENANTCFG_SERVE_"
_OVER = 0.1
"""Seconds of silence after which no packet comes any more; they come every 20 ms."""


@dataclass(frozen=True, slots=True)
class Kick(Cost):
    """
    One that took *wall* seconds until the last packet.

    Attributes:
        answered: seconds until there was an answer.
    """

    answered: float


def measured(folder: Path, sizes: Sizes) -> Iterator[Table]:
    """The table of this benchmark."""
    with ExitStack() as stack:
        home = folder / "kicks"
        for name in ("janus", "issuer"):
            (home / name).mkdir(parents=True, exist_ok=True)
        janus = stack.enter_context(running_janus(home / "janus"))
        port = stack.enter_context(_service(home, janus))
        room = janus.a_room()
        stays = Member(Handle(janus.port, janus.api_secret), room, "stays", 400)
        stack.enter_context(closing(stays))
        turns = {
            "DELETE": _kicks(janus, room, _deleting(port, room), sizes.kicks),
            "kick": _kicks(janus, room, _kicking(janus, room), sizes.kicks),
        }
        rounds = play(turns, sizes.kicks)
    yield _compared(rounds.costs["DELETE"], rounds.costs["kick"])


@contextmanager
def _service(home: Path, janus: Janus) -> Iterator[int]:
    """The port of a service before *janus*."""
    url = f"sqlite:///{home / 'store' / 'store.db'}"
    for old in (home / "store").glob("store.db*"):
        old.unlink()
    with admin.create(url) as store:
        prepare(store)
    with running_key_server(home / "issuer") as issuer:
        publish(issuer)
        told = environment(
            issuer,
            calls="janus",
            janus_url=janus.url,
            janus_tenant=TENANT,
            janus_admin_secret=janus.admin_secret,
            janus_room_secret=janus.room_secret,
        )
        settings = {name.removeprefix(_PREFIX).lower(): value for name, value in told.items()}
        with serving(home, url, **settings) as service:
            yield service.port


def _kicks(janus: Janus, room: str, ask: Callable[[str], None], rounds: int) -> Callable[[], Kick]:
    """Each: somebody joins, is heard, and is out; *ask* returns with the answer."""
    # The same moments for each contestant.
    moments = random.Random(7)  # noqa: S311 - no secret
    phases = iter([moments.random() for _ in range(rounds)])
    names = (f"member-{number}" for number in count())

    def kick() -> Kick:
        name = next(names)
        member = Member(Handle(janus.port, janus.api_secret), room, name, 700)
        with closing(member):
            member.hears_on(0.1)
            time.sleep((next(phases) - time.monotonic()) % 1)
            asked = time.monotonic()
            ask(name)
            answered = time.monotonic()
            while name in janus.listed(room) or time.monotonic() < member.last + _OVER:
                time.sleep(0.01)
            return Kick(0, member.last - asked, answered - asked)

    return kick


def _deleting(port: int, room: str) -> Callable[[str], None]:
    token = a_token()

    def ask(name: str) -> None:
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            headers = {"Authorization": f"Bearer {token}"}
            connection.request("DELETE", f"{V1_TREE}/{room}/participants/{name}", None, headers)
            if (status := connection.getresponse().status) != 204:  # noqa: PLR2004 - done
                raise RuntimeError(f"the answer to a DELETE is {status}")

    return ask


def _kicking(janus: Janus, room: str) -> Callable[[str], None]:
    def ask(name: str) -> None:
        told: dict[str, Any] = {"room": room, "id": name, "secret": janus.room_secret}
        answer = janus.bridge(request="kick", **told)
        if answer != {"audiobridge": "success"}:
            raise RuntimeError(f"the answer to a kick is {answer}")

    return ask


def _compared(ours: Sequence[Kick], bare: Sequence[Kick]) -> Table:
    figures = {"`DELETE`": ours, "Janus's own kick": bare}
    rows = [
        (
            name,
            *(milli(part([one.wall for one in kicks])) for part in (median, _p99)),
            *(milli(part([one.answered for one in kicks])) for part in (median, _p99)),
        )
        for name, kicks in figures.items()
    ]
    ratios = [
        f"{part([one.wall for one in ours]) / part([one.wall for one in bare]):.2f}"
        for part in (median, _p99)
    ]
    later = sorted(one.wall - other.wall for one, other in zip(ours, bare, strict=True))
    spread = f"{milli(median(later))} ({milli(later[0])} to {milli(later[-1])})"
    return Table(
        f"A removal from a call of Janus, {len(ours)} of each",
        ("", "last packet, median", "p99", "answer, median", "p99"),
        [
            *rows,
            ("ratio", *ratios, "", ""),
            ("later than its neighbour", spread, "", "", ""),
        ],
    )


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(len(values) * 0.99) - 1]
