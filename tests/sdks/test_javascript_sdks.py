"""The real SDKs for JavaScript, told no more than the base URL and the CA."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sdks import installed
from tests.sdks.conftest import APP, STRANGER
from tests.sdks.test_python_sdks import GUID, ODD

if TYPE_CHECKING:
    from tests.sdks.conftest import Bench, Ran

HERE = Path(__file__).parent
BOT = HERE.parent.parent / "examples" / "remove-participant.mjs"


def ran(bench: Bench, program: Path, *words: str, app: object = APP) -> Ran:
    command = installed.node()
    assert command is not None
    return bench.run([*command, str(program), *words], app=STRANGER if app is STRANGER else APP)


@pytest.mark.parametrize("tokens", ["azure", "msal"])
def test_it_lists_pages_reads_removes_and_understands_an_error(bench: Bench, tokens: str) -> None:
    call = bench.a_call("p-1", "p-2", "p-3", ODD)
    told = ran(bench, HERE / "graph-client.mjs", tokens, call).told

    assert [call, "established", "Monday"] in told["calls"]
    assert told["listed"] == ["p-1", "p-2", "p-3", ODD]
    assert (told["guest"], told["user"], told["muted"]) == ("Name of p-1", "Name of p-2", False)
    assert told["pages"] == [["p-1", "p-2"], ["p-3", ODD]]
    assert (told["read"], told["removed"], told["removed_by_app"]) == (ODD, None, None)
    assert told["error"] == [404, "NotFound", "participantAlreadyRemoved"]
    assert told["message"]
    assert told["same_id"]
    assert GUID.fullmatch(told["request_id"])
    assert bench.inside(call) == ["p-2", "p-3"]


def test_the_bot_of_the_examples_does_what_it_says(bench: Bench, tmp_path: Path) -> None:
    # As in a project of one's own: what it imports is looked for beside it.
    bot = Path(shutil.copy(BOT, tmp_path))
    (tmp_path / "node_modules").symlink_to(installed.MODULES)
    call = bench.a_call("p-1", "p-2", "p-3")
    denied = ran(bench, bot, call, "p-2", app=STRANGER)
    shown = ran(bench, bot)
    removed = ran(bench, bot, call, "p-2")
    again = ran(bench, bot, call, "p-2")

    line = f'-AllowRemoveParticipantAppIds @{{Add="{STRANGER}"}}'
    assert (denied.code, denied.out.partition(" ")[0]) == (1, "403")
    assert line in denied.out
    assert shown.code == 0, shown.err
    assert f"{call} p-2 Name of p-2\n" in shown.out
    assert (removed.code, removed.out) == (0, "removed\n")
    assert (again.code, again.out.partition(":")[0]) == (1, "404 NotFound")
    assert bench.inside(call) == ["p-1", "p-3"]
