"""
The participants API over HTTP, rule by rule, on both databases (participants P1 to P24).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.service.bots import V1_TREE

if TYPE_CHECKING:
    from tests.service.bots import Bot

TREES = [
    f"{base}/{tree}/calls"
    for base in ("", "/v1.0", "/beta", "/v1.0/", "/beta/")
    for tree in ("communications", "app")
]


@pytest.mark.parametrize("tree", TREES)
def test_p1_p11_a_participant_is_removed_and_nothing_is_said(bot: Bot, tree: str) -> None:
    call = bot.a_call("p-1", "p-2")

    said = bot.asks("DELETE", f"{tree}/{call}/participants/p-1")

    assert (said.status, said.reply.body) == (204, b"")
    assert not {"content-type", "content-length", "transfer-encoding"} & set(said.headers)
    assert bot.inside(call) == ["p-2"]
