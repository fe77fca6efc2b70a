"""The real SDKs for Python, told no more than the base URL and the CA."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sdks import installed
from tests.sdks.conftest import APP, STRANGER

if TYPE_CHECKING:
    from tests.sdks.conftest import Bench, Ran

HERE = Path(__file__).parent
BOT = HERE.parent.parent / "examples" / "remove_participant.py"
GUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ODD = "p/4 ü'#?%2F"
"""An id that has to be encoded."""


def ran(bench: Bench, program: Path, *words: str, app: object = APP) -> Ran:
    command = installed.python()
    assert command is not None
    return bench.run([*command, str(program), *words], app=STRANGER if app is STRANGER else APP)


@pytest.mark.parametrize(
    ("flavour", "tokens"),
    [
        ("msgraph", "msal"),
        ("msgraph", "azure"),
        ("msgraph", "azure-sync"),
        ("msgraph_beta", "azure"),
    ],
)
def test_it_lists_pages_reads_removes_and_understands_an_error(
    bench: Bench, flavour: str, tokens: str
) -> None:
    call = bench.a_call("p-1", "p-2", "p-3", ODD)
    told = ran(bench, HERE / "graph_client.py", flavour, tokens, call).told

    assert [call, "established", "Monday"] in told["calls"]
    assert told["listed"] == ["p-1", "p-2", "p-3", ODD]
    assert (told["guest"], told["user"], told["muted"]) == ("Name of p-1", "Name of p-2", False)
    assert told["pages"] == [["p-1", "p-2"], ["p-3", ODD]]
    assert (told["read"], told["removed"]) == (ODD, None)
    assert told["error"] == [404, "NotFound", "participantAlreadyRemoved"]
    assert told["message"]
    assert told["same_id"]
    assert GUID.fullmatch(told["request_id"])
    left = ["p-2", "p-3"] if flavour == "msgraph_beta" else ["p-1", "p-2", "p-3"]
    assert bench.inside(call) == left


def test_msal_gets_a_token_keeps_it_and_is_told_of_a_wrong_secret(bench: Bench) -> None:
    told = ran(bench, HERE / "msal_client.py").told

    assert told == {
        "first": ["Bearer", "identity_provider"],
        "second": "cache",
        "same": True,
        "wrong": "invalid_client",
        "graphs": "invalid_scope",
    }


def test_the_bot_of_the_examples_does_what_it_says(bench: Bench) -> None:
    call = bench.a_call("p-1", "p-2", "p-3")
    denied = ran(bench, BOT, call, "p-2", app=STRANGER)
    shown = ran(bench, BOT)
    removed = ran(bench, BOT, call, "p-2")
    again = ran(bench, BOT, call, "p-2")

    line = f'-AllowRemoveParticipantAppIds @{{Add="{STRANGER}"}}'
    assert (denied.code, denied.out.partition(" ")[0]) == (1, "403")
    assert line in denied.out
    assert shown.code == 0, shown.err
    assert f"{call} p-2 Name of p-2\n" in shown.out
    assert (removed.code, removed.out) == (0, "removed\n")
    assert (again.code, again.out.partition(":")[0]) == (1, "404 NotFound")
    assert bench.inside(call) == ["p-1", "p-3"]
