"""The controller before a real Janus, in whose rooms members really send and hear."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenantcfg.calls import CallsFailed, CallsUnavailable
from tenantcfg.meetings import Call, Identity, IdentityKind, Outcome, Participant, Whereabouts
from tests.calls.controlling import a_removal, asked, removed
from tests.calls.members import Handle, Member
from tests.stores import CONTOSO, FABRIKAM

if TYPE_CHECKING:
    from tenantcfg.calls.janus import JanusController
    from tests.calls.janus_server import Janus

LATE = 0.04
"""Seconds by which a member's last packet may come after they are out of Janus's list."""
GAP = 0.4
"""Seconds that a mixer on a busy machine may be silent."""


# Who is there


def test_rooms_are_calls_and_members_are_in_them(janus: Janus) -> None:
    room = janus.a_room()
    call = Call(CONTOSO, room)
    with janus.members(room, "bob", "ada"):
        page = asked(janus, lambda one: one.participants(CONTOSO, room, after=None, limit=9))
        assert page is not None
        assert page.items == (
            Participant("ada", Identity(IdentityKind.GUEST, "ada", "Ada")),
            Participant("bob", Identity(IdentityKind.GUEST, "bob", "Bob")),
        )
        assert (page.after, page.total, page.call) == (None, 2, call)
        ada = asked(janus, lambda one: one.whereabouts(CONTOSO, room, "ada"))
        assert ada == Whereabouts(call, page.items[0])
        eve = asked(janus, lambda one: one.whereabouts(CONTOSO, room, "eve"))
        assert eve == Whereabouts(call, None)
    assert asked(janus, lambda one: one.call(CONTOSO, room)) == call
    assert call in asked(janus, lambda one: one.calls(CONTOSO, after=None, limit=999)).items


def test_pages_go_by_ids(janus: Janus) -> None:
    room = janus.a_room()
    with janus.members(room, "c", "a", "b"):

        async def pages(controller: JanusController) -> list[tuple[str, ...]]:
            found, after, more = [], None, True
            while more:
                page = await controller.participants(CONTOSO, room, after=after, limit=2)
                assert page is not None
                assert page.total == 3
                found.append(tuple(one.id for one in page.items))
                after = page.after
                more = after is not None
            return found

        assert asked(janus, pages) == [("a", "b"), ("c",)]


def test_an_unknown_room_is_no_call(janus: Janus) -> None:
    assert asked(janus, lambda one: one.call(CONTOSO, "nowhere")) is None
    ada = asked(janus, lambda one: one.whereabouts(CONTOSO, "nowhere", "ada"))
    assert ada == Whereabouts(None, None)
    asking = asked(janus, lambda one: one.participants(CONTOSO, "nowhere", after=None, limit=9))
    assert asking is None
    assert removed(janus, "nowhere", "ada") is Outcome.ALREADY_GONE


def test_a_private_room_is_listed_with_the_key_of_audiobridge_only(janus: Janus) -> None:
    room = janus.a_room(is_private=True)
    call = Call(CONTOSO, room)
    for key, listed in ((janus.admin_key, True), (None, False)):
        page = asked(janus, lambda one: one.calls(CONTOSO, after=None, limit=999), admin_key=key)
        assert (call in page.items) is listed
    assert asked(janus, lambda one: one.call(CONTOSO, room), admin_key=None) == call


def test_another_tenant_reaches_no_room(janus: Janus) -> None:
    room = janus.a_room()
    with janus.members(room, "ada", "bob"):

        async def ask(controller: JanusController) -> None:
            assert await controller.call(FABRIKAM, room) is None
            assert not (await controller.calls(FABRIKAM, after=None, limit=9)).items
            assert await controller.participants(FABRIKAM, room, after=None, limit=9) is None
            ada = await controller.whereabouts(FABRIKAM, room, "ada")
            assert ada == Whereabouts(None, None)
            foreign = replace(a_removal(room, "ada"), tenant=FABRIKAM)
            assert await controller.remove(foreign) is Outcome.ALREADY_GONE
            with pytest.raises(CallsFailed, match="another tenant's now"):
                await controller.stayed(foreign)

        asked(janus, ask)
        assert janus.listed(room) == ["ada", "bob"]


# Removed


def test_exactly_that_one_is_out_when_the_answer_comes(janus: Janus) -> None:
    room = janus.a_room()
    with janus.members(room, "ada", "bob", "eve") as (ada, bob, eve):
        since = eve.hears_on(0.4)
        assert eve.heard(ada.hertz, since) > 0.2
        assert eve.heard(bob.hertz, since) > 0.2

        began = time.monotonic()
        assert removed(janus, room, "bob") is Outcome.REMOVED
        answered = time.monotonic()

        assert janus.listed(room) == ["ada", "eve"]
        ada.hears_on(0.1)
        since = ada.hears_on(0.4)
        assert bob.last < answered + LATE
        for one, other in ((ada, eve), (eve, ada)):
            assert one.longest_gap(began) < GAP
            assert one.heard(bob.hertz, since) < 0.03
            assert one.heard(other.hertz, since) > 0.2


def test_any_text_is_an_id(janus: Janus) -> None:
    room = janus.a_room("räum/1 '\"<")
    name = "a/b ü;%41"
    with janus.members(room, name, "ada"):
        assert removed(janus, room, name) is Outcome.REMOVED
        assert janus.listed(room) == ["ada"]


def test_whoever_left_is_gone_already(janus: Janus) -> None:
    room = janus.a_room()
    with janus.members(room, "ada", "bob") as (ada, _):
        assert removed(janus, room, "ada") is Outcome.REMOVED
        assert removed(janus, room, "ada") is Outcome.ALREADY_GONE
        ada.handle.end()


def test_who_comes_back_at_once_under_the_same_id_is_another(janus: Janus) -> None:
    """They are never seen to be absent, perhaps: their handle tells that they are new."""
    room = janus.a_room()
    with janus.members(room, "ada", "bob") as (ada, bob):
        back: list[Member] = []

        def come_back() -> None:
            while not back:
                member = Member(Handle(janus.port, janus.api_secret), room, "bob", 1000)
                if member.answer["audiobridge"] == "joined":
                    back.append(member)
                else:
                    member.handle.end()
                    member.close()

        coming = threading.Thread(target=come_back)
        coming.start()
        try:
            assert removed(janus, room, "bob") is Outcome.REMOVED
        finally:
            coming.join(30)
            back[0].close()
        assert bob.last < time.monotonic()
        assert janus.listed(room) == ["ada", "bob"]
        ada.hears_on(0.1)


def test_who_cannot_be_kicked_is_never_said_to_be_out(janus: Janus) -> None:
    """One who was kicked and joins again by the same handle: Janus says success, and keeps them."""
    room = janus.a_room()
    with janus.members(room, "ada", "bob") as (ada, _):
        assert removed(janus, room, "ada") is Outcome.REMOVED
        ada.handle.message(request="join", room=room, id="ada", codec="pcmu", rtp=_rtp(ada))

        async def ask(controller: JanusController) -> None:
            removal = a_removal(room, "ada")
            with pytest.raises(CallsUnavailable) as caught:
                await controller.remove(removal)
            assert caught.value.ordered
            assert await controller.stayed(removal)

        asked(janus, ask)
        assert janus.listed(room) == ["ada", "bob"]
        ada.handle.end()


def _rtp(member: Member) -> dict[str, object]:
    return {**member.answer["rtp"], "port": 9}


# Misconfigured


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"admin_secret": "of-another"}, "janus_admin_secret"),
        ({"room_secret": "of-another"}, "janus_room_secret"),
    ],
)
def test_a_wrong_secret_is_a_fault_of_the_settings(
    janus: Janus, change: dict[str, str | None], hint: str
) -> None:
    room = janus.a_room()
    with janus.members(room, "ada", "bob"):
        with pytest.raises(CallsFailed, match=hint) as caught:
            removed(janus, room, "ada", **change)
        assert "of-another" not in str(caught.value)
        assert janus.listed(room) == ["ada", "bob"]


def test_a_wrong_key_of_audiobridge_is_one_too(janus: Janus) -> None:
    with pytest.raises(CallsFailed, match="janus_admin_key"):
        asked(janus, lambda one: one.calls(CONTOSO, after=None, limit=9), admin_key="wrong")


# Not there


def test_a_janus_that_is_down_was_told_nothing(janus_of_own: Janus) -> None:
    room = janus_of_own.a_room()
    janus_of_own.kill()
    with pytest.raises(CallsUnavailable, match="cannot be reached") as caught:
        removed(janus_of_own, room, "ada")
    assert not caught.value.ordered


def test_an_order_to_a_stopped_janus_is_carried_out_later_and_settled_then(
    janus_of_own: Janus,
) -> None:
    room = janus_of_own.a_room()
    with janus_of_own.members(room, "ada", "bob") as (ada, bob):

        async def ask(controller: JanusController) -> None:
            assert await controller.call(CONTOSO, room)
            janus_of_own.signal(signal.SIGSTOP)
            removal = a_removal(room, "ada")
            with pytest.raises(CallsUnavailable) as caught:
                await controller.remove(removal)
            assert caught.value.ordered
            with pytest.raises(CallsUnavailable):
                await controller.stayed(removal)
            janus_of_own.signal(signal.SIGCONT)
            # At first she is listed as before.
            assert not await controller.stayed(removal)

        asked(janus_of_own, ask)
        assert janus_of_own.listed(room) == ["bob"]
        bob.hears_on(0.1)
        assert ada.last < time.monotonic() - 0.1


def test_one_that_is_stopped_for_a_moment_is_waited_for(janus_of_own: Janus) -> None:
    room = janus_of_own.a_room()
    with janus_of_own.members(room, "ada", "bob"):
        janus_of_own.signal(signal.SIGSTOP)
        going_on = threading.Timer(0.3, janus_of_own.signal, [signal.SIGCONT])
        going_on.start()
        assert removed(janus_of_own, room, "ada") is Outcome.REMOVED
        assert janus_of_own.listed(room) == ["bob"]
        going_on.join()


def test_one_that_ends_in_mid_kick_has_told_nothing(janus_of_own: Janus) -> None:
    room = janus_of_own.a_room()
    with janus_of_own.members(room, "ada", "bob"):

        async def ask(controller: JanusController) -> None:
            janus_of_own.signal(signal.SIGSTOP)
            asyncio.get_running_loop().call_later(0.2, janus_of_own.kill)
            removal = a_removal(room, "ada")
            with pytest.raises(CallsUnavailable) as caught:
                await controller.remove(removal)
            assert caught.value.ordered
            with pytest.raises(CallsUnavailable) as later:
                await controller.stayed(removal)
            assert not later.value.ordered
            janus_of_own.start()
            # Whoever was in a room that is gone is out.
            assert not await controller.stayed(removal)

        asked(janus_of_own, ask)
