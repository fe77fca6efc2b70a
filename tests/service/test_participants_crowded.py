"""Checks are answered however many removals wait for the store (participants P14)."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg

from tenantcfg.configuration import REMOVE_PARTICIPANT
from tests.service.bots import V1_TREE, Bot, a_bot
from tests.service.token_maker import APP, TENANT
from tests.service.wire import Reply, exchange, request
from tests.stores import a_key

if TYPE_CHECKING:
    from tests.service.key_server import KeyServer

MANY = 50
"""More than an event loop has threads on any machine: 32 at most."""
SOME = 1
IN_LINE = "SELECT count(*) FROM pg_locks WHERE relation = 'removals'::regclass AND NOT granted"


def test_checks_are_answered_while_many_removals_hang_on_the_store(
    made_postgresql_url: str, issuer: KeyServer
) -> None:
    with a_bot(made_postgresql_url, issuer) as (bot, _), ExitStack() as stack:
        key = a_key(bot.store, "proxy").text
        people = [f"p-{number}" for number in range(MANY)]
        call = bot.a_call(*people)
        blocker = stack.enter_context(psycopg.connect(made_postgresql_url))
        blocker.execute("LOCK TABLE removals IN EXCLUSIVE MODE")
        asking = [stack.enter_context(asked(bot, call, one)) for one in people]
        until_some_wait(blocker)

        answers = [checked(bot, key) for _ in range(20)]

        assert {said.status for said in answers} == {200}
        assert all(json.loads(said.body)["decision"] for said in answers)
        # Of those who ask for a removal nobody is told that it has happened.
        statuses = {one.recv(12) for one in asking}
        assert statuses == {b"HTTP/1.1 503"}
        blocker.rollback()
        assert bot.removes(call, people[-1]).status == 204


def asked(bot: Bot, call: str, participant: str) -> socket.socket:
    """A connection on which the removal of *participant* is asked for."""
    connection = socket.create_connection(("127.0.0.1", bot.port), timeout=20)
    path = f"{V1_TREE}/{call}/participants/{participant}"
    connection.sendall(request("DELETE", path, f"Authorization: Bearer {bot.token}"))
    return connection


def until_some_wait(blocker: psycopg.Connection[tuple[int]]) -> None:
    """Wait until some stand in line for what *blocker* holds."""
    end = time.monotonic() + 20
    while blocker.execute(IN_LINE).fetchall() < [(SOME,)]:
        assert time.monotonic() < end
        time.sleep(0.02)


def checked(bot: Bot, key: str) -> Reply:
    question = {
        "subject": {"type": "application", "id": APP},
        "action": {"name": REMOVE_PARTICIPANT},
        "resource": {"type": "tenant", "id": TENANT},
    }
    headers = (f"Authorization: Bearer {key}", "Content-Type: application/json")
    body = json.dumps(question).encode()
    return exchange(bot.port, request("POST", "/access/v1/evaluation", *headers, body=body))
