"""A service that is killed between order and answer, and what the next one makes of it (P14)."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from tenantcfg import Store, TenantId
from tenantcfg.instants import Instant
from tenantcfg.meetings import Call, Outcome, Participant, Removal
from tests.cli.program import run
from tests.service.bots import V1_TREE, a_token, environment, prepare
from tests.service.served import Service
from tests.service.token_maker import TENANT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.key_server import KeyServer

HOME = TenantId(TENANT)
LATER = Instant(2**52)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def of(store: Store, request_id: str) -> Removal:
    found = store.removals.find(request_id)
    assert isinstance(found, Removal)
    return found


def test_p14_killed_before_the_answer_it_is_unknown_until_the_next_start_settles_it(
    made_postgresql_url: str, issuer: KeyServer
) -> None:
    url = made_postgresql_url
    options = ("--store", url, "--bind", "127.0.0.1:0")
    with Store.open(url) as store:
        prepare(store)
        store.roster.new_call(Call(HOME, "c-1"))
        store.roster.report(HOME, "c-1", Participant("p-1"))
        with (
            Service(*options, env=environment(issuer)) as service,
            psycopg.connect(url) as media,
        ):
            # The order waits for whoever is at this call.
            media.execute("SELECT * FROM calls FOR UPDATE")
            asking = threading.Thread(target=removed, args=(service.url,))
            asking.start()
            until(lambda: len(store.removals.open("roster", before=LATER)) == 1)
            service.signal(signal.SIGKILL)
            asking.join()
            service.ended()
        (left,) = store.removals.open("roster", before=LATER)
        assert of(store, left.request_id).outcome is Outcome.UNKNOWN
        assert "nobody has said yet" in run("explain-request", left.request_id, "--store", url).out
        half_a_minute_later(url)

        with Service(*options, env=environment(issuer)) as again:
            line = again.until("a removal was left open")

            assert (line["request_id"], line["outcome"]) == (left.request_id, "failed")
        assert of(store, left.request_id).outcome is Outcome.FAILED
        assert store.roster.participant(HOME, "c-1", "p-1") is not None


def removed(url: str) -> None:
    """Ask for the removal; there is no answer."""
    token = {"Authorization": f"Bearer {a_token()}"}
    with pytest.raises(httpx.TransportError):
        httpx.delete(f"{url}{V1_TREE}/c-1/participants/p-1", headers=token, timeout=30)


def half_a_minute_later(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE removals SET at = at - 40000000")
