"""What became of a request of the participants API, asked for by its id (participants P14, P16)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.cli.program import SET, Said, run
from tests.service.bots import STRANGER, a_token, environment, of_app
from tests.service.token_maker import APP, TENANT

if TYPE_CHECKING:
    from tests.service.bots import Bot
    from tests.service.key_server import KeyServer


def explained(bot: Bot, request_id: str, *options: str) -> Said:
    return run("explain-request", request_id, "--store", bot.url, *options)


def test_a_removal_is_told_with_the_grant_that_permitted_it(bot: Bot) -> None:
    call = bot.a_call("p-1")
    done = bot.removes(call, "p-1")

    said = explained(bot, done.request_id)

    assert said.code == 0, said.err
    first, request, where, outcome, granted, giver, reason = said.lines
    assert first.endswith(f"Z  removed  {TENANT}  {APP}")
    assert request.startswith(f"  request {done.request_id}, revision ")
    assert where == f"  call {call}, participant p-1"
    assert outcome == "  the participant is out, by the roster"
    assert granted == f"  granted in tenant {TENANT}"
    assert giver.startswith("  given in revision ")
    assert reason == "  reason: a test"


def test_a_denial_is_told_with_the_line_that_would_change_it(bot: Bot) -> None:
    call = bot.a_call("p-1")
    denied = bot.having(of_app(STRANGER)).removes(call, "p-1")

    said = explained(bot, denied.request_id)

    assert said.lines[0].endswith(f"Z  403 removeParticipantNotAllowed  {TENANT}  {STRANGER}")
    assert f"  not_granted: the app has no grant in tenant {TENANT}" in said.lines
    line = f"-Tenant {TENANT} -AllowRemoveParticipantAppIds '@{{Add=\"{STRANGER}\"}}'"
    assert said.lines[-2:] == ["  now: denied", f"  to allow: tenantcfg {SET} {line}"]
    bot.grant(STRANGER)
    assert explained(bot, denied.request_id).lines[-1] == "  now: allowed"
    bot.revoke(STRANGER)


def test_a_users_token_is_told_as_such(bot: Bot) -> None:
    refused = bot.having(a_token(scp="x")).gets("/v1.0/communications/calls")

    said = explained(bot, refused.request_id)

    assert said.lines[0].endswith(f"Z  403 delegatedTokenNotSupported  {TENANT}  {APP}")
    assert said.lines[1:] == [f"  request {refused.request_id}, GET", "  it is a user's"]


def test_it_is_told_as_data(bot: Bot) -> None:
    call = bot.a_call("p-1")
    done, denied = bot.removes(call, "p-1"), bot.having(of_app(STRANGER)).removes(call, "p-1")

    removal = explained(bot, done.request_id.upper(), "-o", "json").json
    refusal = explained(bot, denied.request_id, "-o", "json").json

    assert removal["schema"] == refusal["schema"] == "tenantcfg/participants-request/1"
    assert list(removal) == list(refusal)
    told = ("kind", "result", "call", "participant", "controller")
    assert [removal[one] for one in told] == ["removal", "removed", call, "p-1", "roster"]
    assert (refusal["kind"], refusal["result"]) == ("refusal", "403 removeParticipantNotAllowed")
    assert removal["explanation"]["decision"] == "allowed"
    assert refusal["explanation"]["reason"] == "not_granted"


def test_of_what_is_not_on_record_that_is_told(file_bot: Bot) -> None:
    said = explained(file_bot, str(uuid4()))
    missing = run("explain-request", str(uuid4()), "--store", "sqlite:////nowhere/store.db")

    assert (said.code, missing.code) == (2, 9)
    assert said.err.startswith("tenantcfg: nothing is on record under this request id: '")


@pytest.mark.parametrize("missing", ["public_url", "entra_issuers", "entra_audiences"])
def test_p10_p18_without_what_makes_it_safe_it_does_not_start(
    file_bot: Bot, issuer: KeyServer, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name, value in environment(issuer).items():
        if not name.endswith(missing.upper()):
            monkeypatch.setenv(name, value)

    said = run("serve", "--check-config", "--store", file_bot.url)

    assert said.code == 2
    assert said.err.startswith(f"tenantcfg: a setting is missing: {missing}: calls is roster")
