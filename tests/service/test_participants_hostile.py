"""
What a hostile bot tries, or a broken one, and whoever stands in its way (participants P5 to P24).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantcfg.meetings import Outcome, Removal
from tenantcfg.store.sqlite import connect
from tests.service.bots import V1_TREE
from tests.service.wire import exchange, request

if TYPE_CHECKING:
    from tests.service.bots import Bot

UNPARSED = [
    ("fragment", request("DELETE", "/v1.0/communications/calls/c#x")),
    ("large", request("DELETE", "/v1.0/communications/calls/c", f"X-Large: {'x' * 70_000}")),
    ("lengths", request("DELETE", "/v1.0/x", "Content-Length: 0", "Content-Length: 3")),
    ("method", request("delete", "/v1.0/communications/calls/c/participants/p")),
    ("nonsense", b"\x16\x03\x01\x00\xa5\x01\x00\x00"),
]


@pytest.mark.parametrize("raw", [raw for _, raw in UNPARSED], ids=[name for name, _ in UNPARSED])
def test_p17_what_is_refused_before_it_is_a_request_is_dated_too(file_bot: Bot, raw: bytes) -> None:
    said = exchange(file_bot.port, raw)

    assert said.status in {400, 431}
    assert said.headers["date"].endswith("GMT")
    assert said.headers["cache-control"] == "no-store"


def test_p5_a_body_that_never_ends_is_told_in_time_and_is_nobody_elses_fault(
    file_bot: Bot,
) -> None:
    call = file_bot.a_call("p-1")

    said = file_bot.asks(
        "DELETE", f"{V1_TREE}/{call}/participants/p-1", "Transfer-Encoding: chunked"
    )

    assert said.short == (400, "bodyNotAllowed")
    assert file_bot.inside(call) == ["p-1"]


@pytest.mark.parametrize("query", ["+$filter=x", "%20$filter=x", "x=1&amp;$filter=x", "%09$top=1"])
def test_p18_an_option_is_one_wherever_its_sign_stands(file_bot: Bot, query: str) -> None:
    call = file_bot.a_call("p-1", "p-2")
    path = f"{V1_TREE}/{call}/participants"

    listed = file_bot.gets(f"{path}?{query}")
    removed = file_bot.asks("DELETE", f"{path}/p-1?{query}")

    assert [one.short for one in (listed, removed)] == [(400, "queryOptionNotSupported")] * 2
    assert file_bot.inside(call) == ["p-1", "p-2"]


@pytest.mark.parametrize("prefix", ["/", "/graph/"])
def test_p1_p16_a_base_without_a_version_is_told_in_graphs_form(file_bot: Bot, prefix: str) -> None:
    """The Python SDK doubles the slash behind its base URL, whatever that is."""
    call = file_bot.a_call("p-1")

    for tree in ("communications", "app"):
        said = file_bot.asks("DELETE", f"{prefix}/{tree}/calls/{call}/participants/p-1")
        assert (said.short, said.code) == ((404, "pathNotFound"), "NotFound")
    assert file_bot.inside(call) == ["p-1"]


def test_p15_a_request_in_absolute_form_is_judged_by_its_path_alone(file_bot: Bot) -> None:
    call = file_bot.a_call("p-1")
    target = f"http://user@other.example:99{V1_TREE}/{call}/participants/p-1"

    assert file_bot.having(None).asks("DELETE", target).short == (401, "tokenMissing")
    assert file_bot.asks("DELETE", target).status == 204


def test_p13_p14_of_fifty_at_once_each_is_told_what_happened(bot: Bot) -> None:
    call = bot.a_call("one", *(f"p-{number}" for number in range(20)))
    with ThreadPoolExecutor(50) as pool:
        same = [pool.submit(bot.removes, call, "one") for _ in range(30)]
        each = [pool.submit(bot.removes, call, f"p-{number}") for number in range(20)]
        answers = sorted(str(one.result().short) for one in same)
        removed = [one.result() for one in each]

    assert answers == ["(204, None)", *["(404, 'participantAlreadyRemoved')"] * 29]
    assert [one.status for one in removed] == [204] * 20
    assert bot.inside(call) == []
    for one in removed:
        row = bot.store.removals.find(one.request_id)
        assert isinstance(row, Removal)
        assert row.outcome is Outcome.REMOVED


def test_p14_whoever_looks_does_not_wait_for_those_who_remove(file_bot: Bot) -> None:
    call = file_bot.a_call(*(f"p-{number}" for number in range(20)))
    path = Path(file_bot.url.removeprefix("sqlite:///"))

    with ThreadPoolExecutor(20) as pool, closing(connect(path, patience=5)) as held:
        held.execute("BEGIN IMMEDIATE")
        removed = [pool.submit(file_bot.removes, call, f"p-{number}") for number in range(20)]
        wait(removed, timeout=0.5)
        looked = [file_bot.gets(f"{V1_TREE}/{call}/participants").status for _ in range(3)]
        answers = {one.result().short for one in removed}
        held.execute("ROLLBACK")

    assert looked == [200, 200, 200]
    # It is the store that stands in the way, and not the calls.
    assert answers == {(503, "storeUnavailable")}
    assert len(file_bot.inside(call)) == 20
