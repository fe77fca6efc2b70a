"""What answers instead of a Janus, or as none should: nothing is claimed that is not known."""

from __future__ import annotations

import json
import re
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from tenantcfg.calls import CallsFailed, CallsUnavailable
from tenantcfg.meetings import Outcome
from tests.calls.controlling import a_removal, told
from tests.service import certificates
from tests.service.misbehaving import Misbehaving, Talk, reply
from tests.stores import CONTOSO

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from tenantcfg.calls.janus import JanusController

    Says = Callable[[Talk], None]
    Ask = Callable[[JanusController], Awaitable[object]]

_TRANSACTION = re.compile(rb'"transaction": "([^"]*)"')


def answered(members: Mapping[str, object]) -> Says:
    """Answers every question with *members*, and with its transaction where they name none."""

    def answer(talk: Talk) -> None:
        found = _TRANSACTION.search(talk.request)
        assert found is not None
        own = {"janus": "success", "transaction": found[1].decode()}
        talk.say(reply(json.dumps({**own, **members}).encode()))

    return answer


def bridge(members: object) -> Says:
    return answered({"response": members})


async def kick(controller: JanusController) -> Outcome:
    return await controller.remove(a_removal("c-1", "ada"))


async def members(controller: JanusController) -> object:
    return await controller.participants(CONTOSO, "c-1", after=None, limit=9)


HUGE = b'{"janus":"success","x":"' + b"x" * (5 * 1024 * 1024)

NONSENSE = {
    "garbage": reply(b"\x00\xff\xfe"),
    "a page": reply(b"<html>It works!</html>", kind="text/html"),
    "nothing": reply(b""),
    "a list": reply(b"[]"),
    "two answers": reply(b"{}{}"),
    "a member twice": reply(b'{"janus":"success","janus":"error"}'),
    "too deep": reply(b'{"x":' * 100_000),
    "huge": reply(HUGE),
    "success for all": reply(b'{"janus":"success"}'),
    "of another question": answered({"transaction": "another"}),
    "acknowledged only": answered({"janus": "ack"}),
    "no answer of a plugin": answered({}),
    "a plugin's answer that is none": bridge("success"),
    "an error without a number": answered({"janus": "error", "error": {"code": "485"}}),
    "an error without anything": answered({"janus": "error"}),
    "a plugin's error without a number": bridge({"error_code": True}),
    "not there": reply(b"", status="404 Not Found"),
    "forbidden": reply(b"{}", status="403 Forbidden"),
    "an error": reply(b"{}", status="500 Internal Server Error"),
    "no content": reply(b"", status="204 No Content"),
}
NO_LIST = {
    "no members": bridge({"audiobridge": "participants", "room": "c-1"}),
    "members that are none": bridge({"participants": ["ada"]}),
    "numbers for ids": bridge({"participants": [{"id": 7}]}),
    "members without ids": bridge({"participants": [{"display": "Ada"}]}),
}


@pytest.mark.parametrize("ask", [kick, members])
@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_is_no_answer(answer: bytes | Says, ask: Ask) -> None:
    with Misbehaving(answer) as server:
        with pytest.raises(CallsFailed):
            told(server.url, ask)
        assert len(server.requests) == 1


@pytest.mark.parametrize("answer", NO_LIST.values(), ids=NO_LIST.keys())
def test_a_list_that_is_none_is_nonsense(answer: Says) -> None:
    with Misbehaving(answer) as server, pytest.raises(CallsFailed, match="makes no sense"):
        told(server.url, members)


def test_ids_that_are_numbers_name_the_setting() -> None:
    with (
        Misbehaving(NO_LIST["numbers for ids"]) as server,
        pytest.raises(CallsFailed, match="string_ids"),
    ):
        told(server.url, members)


@pytest.mark.parametrize("status", ["301 Moved Permanently", "307 Temporary Redirect"])
def test_a_redirect_is_not_followed(status: str) -> None:
    with Misbehaving(bridge({"audiobridge": "success"})) as elsewhere:
        there = reply(b"", f"Location: {elsewhere.url}/admin", status=status)
        with Misbehaving(there) as server, pytest.raises(CallsFailed, match=status[:3]):
            told(server.url, kick)
        assert elsewhere.requests == []


def test_success_is_not_believed_while_the_member_is_listed() -> None:
    def answer(talk: Talk) -> None:
        said: dict[str, Any] = {"audiobridge": "success"}
        if b'"list_sessions"' in talk.request:
            return answered({"sessions": []})(talk)
        if b"listparticipants" in talk.request:
            said = {"participants": [{"id": "ada"}]}
        return bridge(said)(talk)

    with Misbehaving(answer) as server:
        with pytest.raises(CallsUnavailable, match="has not let go") as caught:
            told(server.url, kick)
        assert caught.value.ordered


@pytest.mark.parametrize("code", [485, 492])
def test_no_room_and_no_member_are_gone_already(code: int) -> None:
    with Misbehaving(bridge({"audiobridge": "event", "error_code": code})) as server:
        assert told(server.url, kick) is Outcome.ALREADY_GONE


@pytest.mark.parametrize("code", [482, 483, 484, 489, 490, 499])
def test_any_other_refusal_of_a_kick_is_a_fault(code: int) -> None:
    said = {"audiobridge": "event", "error_code": code, "error": "\x1b[2Jno"}
    with Misbehaving(bridge(said)) as server:
        with pytest.raises(CallsFailed, match=str(code)) as caught:
            told(server.url, kick)
        assert "\x1b" not in str(caught.value)


def _silent(talk: Talk) -> None:
    talk.hang()


def _dripping(talk: Talk) -> None:
    talk.drip(reply(b"{}" + b" " * 1000), 0.05)


def _closing(talk: Talk) -> None:
    talk.close()


@pytest.mark.parametrize("answer", [_dripping, _closing])
def test_silence_after_the_order_is_told_as_that(answer: Says) -> None:
    with Misbehaving(answer) as server:
        with pytest.raises(CallsUnavailable) as caught:
            told(server.url, kick)
        assert caught.value.ordered
        assert sum(b'"kick"' in one for one in server.requests) == 1


@pytest.mark.parametrize("answer", [_silent, _closing])
def test_silence_to_a_question_orders_nothing(answer: Says) -> None:
    with Misbehaving(answer) as server:
        with pytest.raises(CallsUnavailable) as caught:
            told(server.url, members)
        assert not caught.value.ordered


def test_a_proxy_that_does_not_reach_it_may_have_ordered() -> None:
    with Misbehaving(reply(b"", status="502 Bad Gateway")) as server:
        with pytest.raises(CallsUnavailable) as caught:
            told(server.url, kick)
        assert caught.value.ordered


def test_secrets_stand_in_the_body_of_a_post_only() -> None:
    with Misbehaving(bridge({"audiobridge": "event", "error_code": 485})) as server:
        told(f"{server.url}/admin", kick, admin_secret="s3cret", room_secret="r00m")  # noqa: S106 - a test's
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /admin HTTP/1.1\r\n")
        assert b"s3cret" not in head
        assert json.loads(body)["admin_secret"] == "s3cret"  # noqa: S105 - a test's
        request = {"request": "kick", "room": "c-1", "id": "ada", "secret": "r00m"}
        assert json.loads(body)["request"] == request


def test_over_tls_it_has_to_be_the_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificates.made(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made.chain, made.key)
    with Misbehaving(bridge({"audiobridge": "event", "error_code": 485}), tls=tls) as server:
        with pytest.raises(CallsUnavailable, match=r"(?i)certificate") as caught:
            told(server.url, kick)
        assert not caught.value.ordered
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        assert told(server.url, kick) is Outcome.ALREADY_GONE
