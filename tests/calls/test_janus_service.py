"""DELETE as a bot sends it: through a real nginx, to a real service, before a real Janus."""

from __future__ import annotations

import json
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import update

from tenantcfg.meetings import Outcome, Removal
from tenantcfg.store import schema
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of
from tests.service.bots import V1_TREE, of_app
from tests.service.guarding import listening, port_of
from tests.service.programs import before_calls
from tests.service.served import Service
from tests.service.token_cases import ANOTHER
from tests.service.token_maker import APP

if TYPE_CHECKING:
    from pathlib import Path

    from tests.calls.serving import Served
    from tests.service.bots import Bot, Said

LATE = 0.04
GAP = 0.4
BEFORE = 3_600 * 1_000_000


def kept(bot: Bot, said: Said) -> Removal:
    found = bot.store.removals.find(said.request_id)
    assert isinstance(found, Removal)
    return found


def test_exactly_that_ones_media_stop(served: Served) -> None:
    bot, janus = served.bot, served.janus
    room = janus.a_room()
    with janus.members(room, "ada", "bob", "eve") as (ada, bob, eve):
        assert bob.heard(ada.hertz, bob.hears_on(0.3)) > 0.2
        began = time.monotonic()

        said = bot.removes(room, "bob")

        answered = time.monotonic()
        assert (said.status, said.reply.body) == (204, b"")
        ada.hears_on(0.1)
        since = ada.hears_on(0.4)
        assert bob.last < answered + LATE
        for one, other in ((ada, eve), (eve, ada)):
            assert one.longest_gap(began) < GAP
            assert one.heard(bob.hertz, since) < 0.03
            assert one.heard(other.hertz, since) > 0.2
        assert kept(bot, said).outcome is Outcome.REMOVED
        assert kept(bot, said).controller == "janus"
        assert bot.removes(room, "bob").short == (404, "participantAlreadyRemoved")
        listed = bot.gets(f"{V1_TREE}/{room}/participants").json["value"]
        assert [one["id"] for one in listed] == ["ada", "eve"]
        guest = {"id": "ada", "displayName": "Ada"}
        assert listed[0]["info"]["identity"]["guest"] == guest


def test_ids_and_paths_arrive_as_they_were_sent(served: Served) -> None:
    bot, janus = served.bot, served.janus
    room = janus.a_room("a room/1")
    with janus.members(room, "a/b ü", "bob"):
        target = "communications/calls/a%20room%2F1/participants/"
        other = "communications/calls/x/../a%20room%2F1/participants/bob"
        for path in (f"/v1.0///{target}bob", f"/v1.0/{target}bob/", f"/v1.0/{other}"):
            assert bot.asks("DELETE", path).status in {400, 404}
        assert bot.asks("DELETE", f"/v1.0//{target}a%2Fb%20%C3%BC").status == 204
        assert janus.listed(room) == ["bob"]


def test_nobody_is_out_of_reach_by_an_id_that_is_a_step_in_a_path(served: Served) -> None:
    bot, janus = served.bot, served.janus
    room = janus.a_room()
    with janus.members(room, "..", "bob"):
        assert bot.removes(room, "..").status in {404, 405}
        assert bot.asks("DELETE", f"{V1_TREE}/{room}/participants('..')").status == 204
        assert janus.listed(room) == ["bob"]


def test_of_many_at_once_one_has_done_it(served: Served) -> None:
    bot, janus = served.bot, served.janus
    room = janus.a_room()
    with janus.members(room, "ada", "bob"):
        answers: list[Said] = []
        gate = threading.Barrier(5)

        def remove() -> None:
            gate.wait()
            answers.append(bot.removes(room, "ada"))

        threads = [threading.Thread(target=remove) for _ in range(5)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert sorted(said.status or 0 for said in answers) == [204, 404, 404, 404, 404]
        assert janus.listed(room) == ["bob"]


def test_another_tenant_reaches_no_room(served: Served) -> None:
    janus, bot = served.janus, served.bot.having(of_app(APP, ANOTHER))
    room = janus.a_room()
    with janus.members(room, "ada", "bob"):
        there = bot.removes(room, "ada")
        assert there.short == bot.removes("nowhere", "ada").short == (404, "callNotFound")
        assert bot.gets(V1_TREE).json["value"] == []
        assert janus.listed(room) == ["ada", "bob"]


def test_who_cannot_be_kicked_is_never_said_to_be_out(served: Served) -> None:
    bot, janus = served.bot, served.janus
    room = janus.a_room()
    with janus.members(room, "ada", "bob") as (ada, _):
        assert bot.removes(room, "ada").status == 204
        rtp = {**ada.answer["rtp"], "port": 9}
        ada.handle.message(request="join", room=room, id="ada", codec="pcmu", rtp=rtp)

        said = bot.removes(room, "ada")

        assert said.short == (503, "callControllerUnavailable")
        assert int(said.headers["retry-after"]) >= 1
        assert kept(bot, said).outcome is Outcome.FAILED
        assert janus.listed(room) == ["ada", "bob"]
        ada.handle.end()


def test_a_room_with_a_secret_of_its_own_is_a_fault_and_nobody_leaves(served: Served) -> None:
    bot, janus = served.bot, served.janus
    room = janus.a_room(secret="another")  # noqa: S106 - a test's
    with janus.members(room, "ada", "bob"):
        said = bot.removes(room, "ada")
        assert said.short == (502, "callControllerFailed")
        assert kept(bot, said).outcome is Outcome.FAILED
        assert "489" in (kept(bot, said).why or "")
        assert janus.listed(room) == ["ada", "bob"]


def test_an_order_to_a_stopped_janus_is_unknown_until_it_is_asked_after(served: Served) -> None:
    """Stopped between the lookups and the order, for as long as the service waits."""
    bot, janus = served.bot, served.janus
    room = janus.a_room()
    with janus.members(room, "ada", "bob") as (_, bob):
        said = served.stopped_at_the_order(room, "ada")
        assert said.short == (503, "callControllerUnavailable")
        assert kept(bot, said).outcome is Outcome.UNKNOWN

        janus.signal(signal.SIGCONT)
        engine = engine_of(Address.parse(served.url))
        with engine.begin() as connection:
            ago = schema.removals.c.at - BEFORE
            of_request = schema.removals.c.request_id == said.request_id
            connection.execute(update(schema.removals).where(of_request).values(at=ago))
        engine.dispose()
        with Service("--store", served.url, "--bind", "127.0.0.1:0", env=served.env) as later:
            line = later.until("a removal was left open", request_id=said.request_id)
        assert line["outcome"] == "removed"
        assert kept(bot, said).outcome is Outcome.REMOVED
        assert janus.listed(room) == ["bob"]
        bob.hears_on(0.1)


def test_a_janus_that_is_down_or_silent_is_asked_nothing_more(served: Served) -> None:
    bot, janus = served.bot, served.janus
    room = janus.a_room()
    janus.signal(signal.SIGSTOP)
    silent = bot.removes(room, "ada")
    janus.signal(signal.SIGCONT)
    janus.kill()
    down = bot.removes(room, "ada")
    janus.start()
    for said in (silent, down):
        assert said.short == (503, "callControllerUnavailable")
        assert int(said.headers["retry-after"]) >= 1
        # Nothing was ordered, so there is nothing to settle.
        assert bot.store.removals.find(said.request_id) is None
    assert bot.removes(room, "ada").short == (404, "callNotFound")


def test_what_nginx_says_itself_has_graphs_form(served: Served, tmp_path: Path) -> None:
    refused = served.bot.asks("DELETE", f"{V1_TREE}/%00/participants/ada")
    assert refused.short == (400, "proxyRefused")
    with listening() as nobody, before_calls(tmp_path, port_of(nobody)) as ports:
        nobody.close()
        unreached = replace(served.bot, port=ports.listen).removes("c-1", "ada")
    assert unreached.short == (503, "serviceUnreachable")
    assert unreached.headers["retry-after"] == "2"
    assert json.loads(unreached.reply.body)["error"]["code"] == "ServiceUnavailable"
    for said in (refused, unreached):
        assert said.headers["request-id"] == said.headers["client-request-id"]
