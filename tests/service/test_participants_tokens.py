"""
Every token that is known to be tried, at the participants API, in both versions (P6, P10, P26).

The cases are those of the tokens' own tests. Here it is seen what a bot gets told, and that
nobody has been removed.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.service.bots import V1_TREE, a_bot, a_token, publish
from tests.service.key_server import Page, running_key_server
from tests.service.token_cases import CASES, made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.service.bots import Bot
    from tests.service.key_server import KeyServer
    from tests.templates import FileTemplate

FAULTS = {
    "holder": (404, "callNotFound"),
    "unauthenticated": (401, "tokenMissing"),
    "invalid_token": (401, "tokenInvalid"),
    "expired": (401, "tokenExpired"),
    "delegated": (403, "delegatedTokenNotSupported"),
    "type_unknown": (403, "tokenTypeUnknown"),
}
UNAVAILABLE = (503, "signingKeysUnavailable")
SEVERAL = (400, "severalAuthorizationHeaders")
CHALLENGE = (
    'Bearer realm="", authorization_uri="https://login.example.com/common/oauth2/v2.0/authorize"'
)


def tried_here(case: dict[str, Any]) -> bool:
    """Whether it is of the usual rules, can stand in a header, and holds for a second or two."""
    at_the_edge = ('{"now": -59}', '{"now": 61}')
    cannot_be_sent = (["append", "\n"], ["append", " "], ["insert", "\0"])
    return (
        "rules" not in case
        and case.get("edit") not in cannot_be_sent
        and not any(one in json.dumps(case) for one in at_the_edge)
    )


@pytest.mark.parametrize(
    "case", [case for case in CASES if tried_here(case)], ids=lambda case: str(case["claim"])
)
def test_p10_p26_a_token_passes_or_is_refused(file_bot: Bot, case: dict[str, Any]) -> None:
    for form in ("v1", "v2"):
        token = made(case, form, int(time.time()))

        said = file_bot.having(token).removes("none", "p-1")

        assert said.short == FAULTS[case["expect"]], form
        if said.status == 401:
            known = case["expect"] != "unauthenticated"
            error = ', error="invalid_token"' if known else ""
            assert said.headers["www-authenticate"] == CHALLENGE + error
        # Neither is the token told, nor what is wrong with it.
        assert not any(part in said.reply.body.decode() for part in token.split(".") if part[20:])


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([], (401, "tokenMissing")),
        (["Authorization:"], (401, "tokenMissing")),
        (["Authorization: Bearer"], (401, "tokenMissing")),
        (["Authorization: Basic {}"], (401, "tokenMissing")),
        (["Authorization: {}"], (401, "tokenMissing")),
        (["X-Authorization: Bearer {}"], (401, "tokenMissing")),
        (["Cookie: access_token={}; Authorization=Bearer {}"], (401, "tokenMissing")),
        (["Authorization: bearer {}"], (404, "callNotFound")),
        (["AUTHORIZATION: BEARER {}"], (404, "callNotFound")),
        (["Authorization: Bearer {}"] * 2, SEVERAL),
        (["Authorization: Bearer {}", "Authorization:"], SEVERAL),
        (["Authorization: Basic x", "Authorization: Bearer {}"], SEVERAL),
        (["Authorization: Bearer {}, Bearer {}"], (401, "tokenInvalid")),
    ],
)
def test_p6_a_token_is_in_one_header_and_nowhere_else(
    file_bot: Bot, sent: list[str], expected: tuple[int, str]
) -> None:
    headers = [one.replace("{}", a_token()) for one in sent]

    said = file_bot.having(None).gets(f"{V1_TREE}/none?access_token={a_token()}", *headers)

    assert said.short == expected
    challenge = said.headers.get("www-authenticate", "")
    assert challenge.startswith(CHALLENGE) == (said.status == 401)
    # A claims challenge would make the Python SDK send its request again (P6).
    assert "claims" not in challenge
    assert ('error="invalid_token"' in challenge) == (expected[1] == "tokenInvalid")


def test_p25_without_keys_nobody_is_let_in_and_told_when_to_ask_again(
    tmp_path: Path, file_template: FileTemplate
) -> None:
    with running_key_server(tmp_path) as server, a_file_bot(tmp_path, file_template, server) as bot:
        said = bot.gets(V1_TREE)

        assert said.short == UNAVAILABLE
        assert 1 <= int(said.headers["retry-after"]) <= 60


def test_p25_ids_of_keys_that_nobody_knows_hold_up_nobody(
    tmp_path: Path, file_template: FileTemplate
) -> None:
    with running_key_server(tmp_path) as server:
        publish(server)
        with a_file_bot(tmp_path, file_template, server) as bot:
            assert bot.gets(V1_TREE).status == 200
            fetched = server.asked["/v2"]
            server.pages["/v2"] = Page(status=500)

            unknown = bot.having(made({"header": {"kid": "x"}}, "v2", int(time.time())))
            answers = {unknown.gets(V1_TREE).short for _ in range(100)}

            assert answers <= {(401, "tokenInvalid"), UNAVAILABLE}
            assert bot.gets(V1_TREE).status == 200
            assert server.asked["/v2"] <= fetched + 1


@contextmanager
def a_file_bot(folder: Path, template: FileTemplate, server: KeyServer) -> Iterator[Bot]:
    path = folder / "store" / "store.db"
    template.copy_to(path)
    with a_bot(f"sqlite:///{path}", server) as (bot, _):
        yield bot
