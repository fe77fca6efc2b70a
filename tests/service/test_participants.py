"""
The participants API over HTTP, rule by rule, on both databases (participants P1 to P19, P23, P24).
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import UUID

import pytest

from tenantcfg import TenantId
from tenantcfg.meetings import (
    CallState,
    Identity,
    IdentityKind,
    Outcome,
    Participant,
    Refusal,
    Removal,
)
from tests.service.bots import BASE, STRANGER, V1_TREE, Said, a_token, of_app
from tests.service.token_cases import ANOTHER
from tests.service.token_maker import APP, TENANT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.bots import Bot

CALLS = ("/communications/calls", "/app/calls")
TREES = [
    base + tree for base in ("", "/v1.0", "/beta", "/v1.0/", "/beta/", "/graph") for tree in CALLS
]
HOME = TenantId(TENANT)
UNKNOWN_PATH = (404, "pathNotFound")
GONE = (404, "participantAlreadyRemoved")
NOT_ALLOWED = (405, "methodNotAllowed")


# P1 to P5: routes, methods, ids


@pytest.mark.parametrize("tree", TREES)
def test_p1_p11_a_participant_is_removed_and_nothing_is_said(bot: Bot, tree: str) -> None:
    call = bot.a_call("p-1", "p-2")

    said = bot.asks("DELETE", f"{tree}/{call}/participants/p-1")

    assert (said.status, said.reply.body) == (204, b"")
    assert not {"content-type", "content-length", "transfer-encoding"} & set(said.headers)
    assert bot.inside(call) == ["p-2"]


@pytest.mark.parametrize(
    "spelt",
    [
        "/v1.0///communications/calls/{}/participants/p-1",
        "/v1.0/communications//calls/{}/participants/p-1",
        "/v1.0/communications/calls//{}/participants/p-1",
        "/v1.0/communications/calls/{}//participants/p-1",
        "/v1.0/communications/calls/{}/participants//p-1",
        "/v1.0/communications/calls/{}/participants/p-1/",
        "/v1.0/communications/calls/{}/participants/",
        "/v1.0/communications/calls/{}/",
        "/v1.0/communications/calls/",
        "/v1.0/communications/calls/{}/participants/p-1/x",
        "/v1.0/communications%2Fcalls/{}/participants/p-1",
        "/v1.0/communications/Calls/{}/participants/p-1",
        "/v1.0/Communications/calls/{}/participants/p-1",
        "/v1.0/communications/calls/{}/participants;x/p-1",
        "/v1.0/communications/calls;x/{}/participants/p-1",
        "/v1.0/communications/calls/{}/participants/..",
        "/v1.0/communications/calls/{}/participants/.",
        "/v1.0/communications/calls/{}/participants/%2e%2e",
        "/v1.0/communications/calls/{}/participants/.%2E",
        "/v1.0/communications/calls/../participants/p-1",
        "/v1.0/communications/calls/%2e/participants/p-1",
        "/v1.0/x/../communications/calls/{}/participants/p-1",
        "/v1.0/v1.0/communications/calls/{}/participants/p-1",
        "/$batch",
        "/v1.0/$batch",
        "/beta/$batch",
        "/v1.0/communications/$batch",
        "/v1.0",
        "/communications",
        "/app/",
        "/beta//",
    ],
)
def test_p1_p3_what_is_nearly_a_route_is_none(file_bot: Bot, spelt: str) -> None:
    call = file_bot.a_call("p-1")

    for method in ("DELETE", "POST", "GET"):
        assert file_bot.asks(method, spelt.format(call)).short == UNKNOWN_PATH
    assert file_bot.inside(call) == ["p-1"]


def test_p3_an_encoded_slash_is_of_the_id(file_bot: Bot) -> None:
    call = file_bot.a_call("p-1")
    path = f"{V1_TREE}/{call}%2Fparticipants%2Fp-1"

    # A call of that id, which there is not, and which nobody hangs up.
    assert file_bot.gets(path).short == (404, "callNotFound")
    assert file_bot.asks("DELETE", path).short == NOT_ALLOWED
    assert file_bot.inside(call) == ["p-1"]


@pytest.mark.parametrize("place", ["", "/{0}", "/{0}/participants", "/{0}/participants/p-1"])
@pytest.mark.parametrize("keyed", [False, True])
def test_p2_lists_and_entities_are_read(bot: Bot, place: str, *, keyed: bool) -> None:
    call = bot.a_call("p-1")
    path = V1_TREE + place.format(call)
    if keyed:
        path = re.sub(r"(calls|participants)/([cp]-\w+)", r"\1('\2')", path)

    got, head = bot.gets(path), bot.asks("HEAD", path)

    assert got.status == head.status == 200
    assert head.reply.body == b""
    assert head.headers["content-length"] == got.headers["content-length"]
    same = ("content-type", "odata-version", "cache-control")
    assert [head.headers[one] for one in same] == [got.headers[one] for one in same]


@pytest.mark.parametrize(
    ("place", "allowed"),
    [
        ("", "GET, HEAD"),
        ("/{0}", "GET, HEAD"),
        ("/{0}/participants", "GET, HEAD"),
        ("/{0}/participants/p-1", "GET, HEAD, DELETE"),
        ("('{0}')/participants('p-1')", "GET, HEAD, DELETE"),
    ],
)
def test_p2_every_other_method_is_refused(file_bot: Bot, place: str, allowed: str) -> None:
    call = file_bot.a_call("p-1")
    methods = {"POST", "PUT", "PATCH", "OPTIONS", "DELETE", "PURGE", "TRACE", "MOVE"}

    for method in methods - set(allowed.split(", ")):
        # Before any token is asked for.
        said = file_bot.having(None).asks(method, V1_TREE + place.format(call))

        assert said.short == NOT_ALLOWED
        assert said.headers["allow"] == allowed
    assert file_bot.inside(call) == ["p-1"]


ODD = [
    "a/b",
    "call/1 ü",
    "..a",
    "%41",
    "a%2Fb",
    "it's",
    "a;b=c",
    "a?b#c&d",
    "日本語",
    "x" * 512,
    "ü" * 512,
    "'); DROP TABLE participants; --",
    '"><script>',
    "\\",
    "{0}",
    "$top",
    "p-1,p-2",
    "*",
    "null",
    "%",
]


@pytest.mark.parametrize("keyed", [False, True])
def test_p3_an_id_is_any_text_and_is_decoded_once(bot: Bot, *, keyed: bool) -> None:
    form = "('{}')/participants('{}')" if keyed else "/{}/participants/{}"
    for name in ODD:
        call = bot.a_call(name, "p-2", id=f"{name[:490]}{secrets.token_hex(8)}")
        as_sent = [quote(one.replace("'", "''") if keyed else one, safe="") for one in (call, name)]

        got = bot.gets(V1_TREE + form.format(*as_sent))
        said = bot.asks("DELETE", V1_TREE + form.format(*as_sent))

        assert (got.status, got.json["id"]) == (200, name)
        assert said.status == 204, name
        assert bot.inside(call) == ["p-2"], name


@pytest.mark.parametrize("name", [".", ".."])
def test_p3_whose_id_is_a_step_in_a_path_is_removed_by_the_key_form(bot: Bot, name: str) -> None:
    """A member may choose such an id, and must not be out of reach by it."""
    call = bot.a_call(name, "p-1")
    path = f"{V1_TREE}/{call}/participants"

    as_a_segment = bot.asks("DELETE", f"{path}/{name}")
    said = bot.asks("DELETE", f"{path}('{name}')")

    assert (as_a_segment.short, said.status) == (UNKNOWN_PATH, 204)
    assert bot.inside(call) == ["p-1"]


NO_IDS = [
    *("x" * 513, quote("ü" * 513)),
    *("a%00", "a%0A", "%7f", "%E2%80%8B"),
    *("%ff", "%c3", "%ed%a0%80"),
    *("%zz", "%4", "%"),
]
"""Too long, not printable, not UTF-8, not percent-encoded."""


def test_p17_what_cannot_be_an_id_is_refused(file_bot: Bot) -> None:
    call = file_bot.a_call("p-1")

    for sent in NO_IDS:
        for path in (f"/{call}/participants/{sent}", f"/{sent}/participants/p-1"):
            for method in ("GET", "DELETE"):
                assert file_bot.asks(method, V1_TREE + path).short == (400, "idTooLong"), sent
    assert file_bot.gets(f"{V1_TREE}('a'b')").short == (400, "idTooLong")


@pytest.mark.parametrize("tree", TREES)
def test_p4_the_deprecated_tree_says_so_and_names_the_other(bot: Bot, tree: str) -> None:
    call = bot.a_call("p-1")
    place = f"/{call}/participants/p-1"

    for said in (bot.gets(tree + place), bot.gets(f"{tree}/none"), bot.asks("PUT", tree + place)):
        marked = {"deprecation", "link"} & set(said.headers)
        assert bool(marked) == ("/app" in tree)
    said = bot.asks("DELETE", tree + place)
    assert said.status == 204
    if "/app" in tree:
        base = BASE + tree.removeprefix("/graph").partition("/app")[0].rstrip("/")
        successor = f"{base}/communications/calls{place}"
        assert re.fullmatch(r"@\d+", said.headers["deprecation"])
        assert said.headers["link"] == f'<{successor}>; rel="successor-version"'


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (["Content-Length: 0"], b"", (204, None)),
        (["Content-Type: application/json"], b"", (204, None)),
        (["Transfer-Encoding: chunked"], b"0\r\n\r\n", (204, None)),
        ([], b"{}", (400, "bodyNotAllowed")),
        (["Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n", (400, "bodyNotAllowed")),
        (["Content-Length: 1048576"], b"", (400, "bodyNotAllowed")),
        (["Content-Length: 1048577"], b"", (413, "RequestTooLarge")),
        (["Content-Length: 99999999999999"], b"", (413, "RequestTooLarge")),
    ],
)
def test_p5_a_removal_has_no_body(
    bot: Bot, headers: list[str], body: bytes, expected: tuple[int, str | None]
) -> None:
    call = bot.a_call("p-1")

    said = bot.asks("DELETE", f"{V1_TREE}/{call}/participants/p-1", *headers, body=body)

    assert said.short == expected
    assert bot.inside(call) == ([] if said.status == 204 else ["p-1"])


# P6 to P9: who may; the tokens themselves are in test_participants_tokens


@pytest.mark.parametrize("token", [a_token("v1"), a_token("v2")], ids=["v1", "v2"])
def test_p9_the_app_and_the_tenant_are_the_tokens(bot: Bot, token: str) -> None:
    call = bot.a_call("p-1")
    headers = [
        f"X-Tenantcfg-Tenant: {ANOTHER}",
        f"X-Tenantcfg-App: {STRANGER}",
        "X-HTTP-Method-Override: GET",
        f"X-Original-URL: {V1_TREE}/other/participants/p-2",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Host: evil.example",
    ]

    assert bot.having(token).removes(call, "p-1", *headers).status == 204
    assert bot.inside(call) == []


def test_p9_another_tenants_call_is_no_call(bot: Bot) -> None:
    call = bot.a_call("p-1", tenant=ANOTHER)
    other = bot.having(of_app(APP, ANOTHER))

    assert bot.removes(call, "p-1").short == (404, "callNotFound")
    assert bot.gets(f"{V1_TREE}/{call}").short == (404, "callNotFound")
    assert call not in [one["id"] for one in bot.gets(V1_TREE).json["value"]]
    assert other.removes(call, "p-1").status == 204


def test_p9_one_id_in_two_tenants_is_two_calls(bot: Bot) -> None:
    call = bot.a_call("p-1")
    bot.a_call("p-1", tenant=ANOTHER, id=call)

    assert bot.removes(call, "p-1").status == 204
    assert (bot.inside(call), bot.inside(call, ANOTHER)) == ([], ["p-1"])


def test_p9_without_the_right_nothing_is_done_read_or_told(bot: Bot) -> None:
    call = bot.a_call("p-1")
    stranger = bot.having(of_app(STRANGER))
    paths = ["", f"/{call}", f"/{call}/participants", f"/{call}/participants/p-1"]

    answers = [stranger.gets(V1_TREE + path) for path in [*paths, "/none", "/none/participants/x"]]
    answers += [stranger.removes(call, "p-1"), stranger.removes("none", "p-1")]

    assert {said.short for said in answers} == {(403, "removeParticipantNotAllowed")}
    assert {said.code for said in answers} == {"Forbidden"}
    (message,) = {said.json["error"]["message"] for said in answers}
    assert (
        "Set-CsApplicationMeetingConfiguration "
        f'-AllowRemoveParticipantAppIds @{{Add="{STRANGER}"}}' in message
    )
    assert bot.inside(call) == ["p-1"]


def test_p8_p9_the_tenants_configuration_decides_from_the_next_request_on(bot: Bot) -> None:
    call = bot.a_call("p-1", "p-2")
    stranger = bot.having(of_app(STRANGER))

    assert stranger.removes(call, "p-1").status == 403
    bot.grant(STRANGER)
    assert stranger.removes(call, "p-1").status == 204
    bot.revoke(STRANGER)
    assert stranger.removes(call, "p-2").status == 403
    assert bot.inside(call) == ["p-2"]


def test_p9_a_tenant_that_is_disabled_or_unknown_is_told_like_no_right(bot: Bot) -> None:
    elsewhere = "7d1a2b3c-0000-4000-8000-0000000000bb"

    said = bot.having(of_app(APP, elsewhere)).gets(V1_TREE)

    assert said.short == (403, "removeParticipantNotAllowed")


def test_p7_a_users_token_is_refused_and_that_is_on_record(bot: Bot) -> None:
    call = bot.a_call("p-1")

    said = bot.having(a_token(scp="Calls.Read")).removes(call, "p-1")

    assert said.short == (403, "delegatedTokenNotSupported")
    kept = bot.store.removals.find(said.request_id)
    assert isinstance(kept, Refusal)
    assert (str(kept.tenant), str(kept.app)) == (TENANT, APP)
    assert (kept.method, kept.status, kept.code) == ("DELETE", 403, "delegatedTokenNotSupported")
    assert (kept.call, kept.participant, kept.revision) == (call, "p-1", None)


def test_a_denial_is_on_record_with_its_reason_and_revision(bot: Bot) -> None:
    call = bot.a_call("p-1")
    stranger = bot.having(of_app(STRANGER))

    read, removal = stranger.gets(f"{V1_TREE}/%00"), stranger.removes(call, "p-1")

    for said, where in ((read, (None, None)), (removal, (call, "p-1"))):
        kept = bot.store.removals.find(said.request_id)
        assert isinstance(kept, Refusal)
        assert (kept.call, kept.participant) == where
        assert (kept.code, kept.why) == ("removeParticipantNotAllowed", "not_granted")
        assert kept.revision == bot.store.head().revision


# P12, P13: who can be removed


def test_p12_one_who_has_not_answered_stays(bot: Bot) -> None:
    call = bot.a_call(Participant("p-1", answered=False))

    assert bot.removes(call, "p-1").short == (409, "participantNotAnswered")
    bot.store.roster.answered(HOME, call, "p-1")
    assert bot.removes(call, "p-1").status == 204


def test_p13_a_second_removal_is_told_apart_from_one_of_nobody(bot: Bot) -> None:
    call = bot.a_call("p-1", "left")
    bot.store.roster.left(HOME, call, "left")

    assert bot.removes(call, "p-1").status == 204
    assert bot.removes(call, "p-1").short == GONE
    assert bot.removes(call, "left").short == (404, "participantNotFound")
    assert bot.removes(call, "nobody").short == (404, "participantNotFound")
    assert bot.gets(f"{V1_TREE}/{call}/participants/p-1").short == (
        404,
        "participantAlreadyRemoved",
    )


def test_p13_of_many_at_once_one_has_done_it(bot: Bot) -> None:
    call = bot.a_call("p-1", "p-2")
    answers: list[Said] = []
    gate = threading.Barrier(6)

    def remove() -> None:
        gate.wait()
        answers.append(bot.removes(call, "p-1"))

    threads = [threading.Thread(target=remove) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(said.short for said in answers) == [(204, None), *[GONE] * 5]
    assert bot.inside(call) == ["p-2"]
    removals = [bot.store.removals.find(said.request_id) for said in answers]
    begun = [one.outcome for one in removals if isinstance(one, Removal)]
    assert begun.count(Outcome.REMOVED) == 1
    assert set(begun) <= {Outcome.REMOVED, Outcome.ALREADY_GONE}


def test_p19_of_a_call_that_has_ended_there_are_no_participants(bot: Bot) -> None:
    call = bot.a_call("p-1", state=CallState.TERMINATED)

    assert bot.gets(f"{V1_TREE}/{call}").json["state"] == "terminated"
    for said in (
        bot.gets(f"{V1_TREE}/{call}/participants"),
        bot.gets(f"{V1_TREE}/{call}/participants/p-1"),
        bot.removes(call, "p-1"),
    ):
        assert said.short == (404, "callNotFound")


def test_p14_what_was_done_is_on_record_before_it_is_told(bot: Bot) -> None:
    call = bot.a_call("p-1")

    said = bot.removes(call, "p-1")

    kept = bot.store.removals.find(said.request_id)
    assert isinstance(kept, Removal)
    assert (str(kept.tenant), str(kept.app), kept.call, kept.participant) == (
        TENANT,
        APP,
        call,
        "p-1",
    )
    assert (kept.outcome, kept.controller) == (Outcome.REMOVED, "roster")
    assert kept.revision == bot.store.head().revision
    assert kept.settled_at is not None


# P15: the order


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that can be wrong, and what is said where it is the first."""

    name: str
    expected: tuple[int, str | None]


ORDER = [
    Step("path", (404, "pathNotFound")),
    Step("method", (405, "methodNotAllowed")),
    Step("token", (401, "tokenInvalid")),
    Step("delegated", (403, "delegatedTokenNotSupported")),
    Step("right", (403, "removeParticipantNotAllowed")),
    Step("body", (400, "bodyNotAllowed")),
    Step("query", (400, "queryOptionNotSupported")),
    Step("call", (404, "callNotFound")),
    Step("participant", (404, "participantNotFound")),
    Step("answered", (409, "participantNotAnswered")),
    Step("precondition", (412, "preconditionFailed")),
    Step("nothing", (204, None)),
]


@pytest.mark.parametrize("first", range(len(ORDER)), ids=lambda at: ORDER[at].name)
@pytest.mark.parametrize("more", [True, False], ids=["and all behind", "alone"])
def test_p15_of_all_that_is_wrong_the_first_is_told(bot: Bot, first: int, *, more: bool) -> None:
    wrong = {step.name for step in (ORDER[first:] if more else ORDER[first : first + 1])}
    call = bot.a_call(Participant("p-1", answered="answered" not in wrong), "p-2")
    there = "p-2" if "participant" not in wrong else "nobody"
    whom = "p-1" if "answered" in wrong and "participant" not in wrong else there
    path = f"{V1_TREE}/{'none' if 'call' in wrong else call}/participants/{whom}"
    token = _first(
        wrong,
        token=lambda: "no.token.this",
        delegated=lambda: a_token(scp="x"),
        right=lambda: of_app(STRANGER),
        otherwise=a_token,
    )

    said = bot.having(token).asks(
        "PATCH" if "method" in wrong else "DELETE",
        path + ("/x" if "path" in wrong else "") + ("?$filter=x" if "query" in wrong else ""),
        *(['If-Match: "x"'] if "precondition" in wrong else []),
        body=b"{}" if "body" in wrong else b"",
    )

    assert said.short == ORDER[first].expected
    assert len(bot.inside(call)) == (1 if said.status == 204 else 2)


def _first(wrong: set[str], *, otherwise: Callable[[], str], **made: Callable[[], str]) -> str:
    return next((make() for name, make in made.items() if name in wrong), otherwise())


# P16, P17: what each answer has


def answers(bot: Bot) -> list[Said]:
    """One of many kinds."""
    call = bot.a_call("p-1", Participant("p-2", answered=False))
    nobody, stranger = bot.having(None), bot.having(of_app(STRANGER))
    at = f"{V1_TREE}/{call}/participants"
    return [
        bot.asks("DELETE", f"{at}/p-1"),
        bot.asks("DELETE", f"{at}/p-1"),
        bot.asks("DELETE", f"{at}/p-2"),
        bot.asks("DELETE", f"{at}/p-2", body=b"x"),
        bot.asks("PUT", at),
        bot.gets(at),
        bot.gets(f"{at}?$filter=x"),
        bot.gets("/v1.0/users"),
        bot.asks("POST", "/v1.0/$batch", body=b"{}"),
        bot.gets(f"{V1_TREE}/{'x' * 17000}"),
        nobody.gets(at),
        stranger.gets(at),
    ]


def test_p16_every_error_has_graphs_body(bot: Bot) -> None:
    for said in answers(bot):
        if said.status in {200, 204}:
            continue
        assert said.headers["content-type"] == "application/json"
        assert list(said.json) == ["error"]
        error = said.json["error"]
        assert list(error) == ["code", "message", "innerError"]
        inner = error["innerError"]
        assert list(inner) == ["code", "date", "request-id", "client-request-id"]
        assert inner["request-id"] == said.headers["request-id"]
        assert inner["client-request-id"] == said.headers["client-request-id"]
        told = dt.datetime.fromisoformat(inner["date"]).replace(tzinfo=dt.UTC)
        assert len(inner["date"]) == 19
        assert abs(dt.datetime.now(dt.UTC) - told) < dt.timedelta(seconds=30)


def test_p17_every_answer_has_its_ids_and_is_not_kept(bot: Bot) -> None:
    found = answers(bot)

    for said in found:
        assert str(UUID(said.request_id)) == said.request_id
        assert said.headers["client-request-id"] == said.request_id
        assert said.headers["cache-control"] == "no-store"
        assert said.headers["date"]
        assert "location" not in said.headers
    assert len({said.request_id for said in found}) == len(found)


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        (["client-request-id: 7d1a2b3c-abcd"], "7d1a2b3c-abcd"),
        (["Client-Request-Id: " + "~" * 128], "~" * 128),
        (["client-request-id: a b"], "a b"),
        (["client-request-id: " + "x" * 129], None),
        (["client-request-id: \xe9"], None),
        (["client-request-id: a\tb"], None),
        (["client-request-id:"], None),
        (["client-request-id: a", "client-request-id: a"], None),
    ],
)
def test_p17_the_clients_id_is_said_again_where_it_can_be(
    file_bot: Bot, sent: list[str], echoed: str | None
) -> None:
    for said in (file_bot.gets(V1_TREE, *sent), file_bot.gets("/v1.0/none", *sent)):
        assert said.headers["client-request-id"] == (echoed or said.request_id)
        assert said.request_id != echoed


def test_p17_an_entity_is_odata(bot: Bot) -> None:
    said = bot.gets(V1_TREE)

    kind = "application/json;odata.metadata=minimal;charset=utf-8"
    assert (said.headers["content-type"], said.headers["odata-version"]) == (kind, "4.0")


def test_p17_a_url_that_is_too_long_is_told(file_bot: Bot) -> None:
    said = file_bot.gets(f"{V1_TREE}?{'x' * 17000}")

    assert (said.short, said.code) == ((414, "UriTooLong"), "UriTooLong")


# P18, P19: lists and what is in them


def test_p18_a_list_that_is_not_paged_is_whole(bot: Bot) -> None:
    call = bot.a_call("p-2", "p-1", "p-3")

    said = bot.gets(f"{V1_TREE}/{call}/participants").json

    assert list(said) == ["@odata.context", "value"]
    context = f"{BASE}/v1.0/$metadata#communications/calls('{call}')/participants"
    assert said["@odata.context"] == context
    # In the order of joining.
    assert [one["id"] for one in said["value"]] == ["p-2", "p-1", "p-3"]


@pytest.mark.parametrize("tree", TREES)
def test_p18_pages_are_linked_below_the_base_that_the_client_uses(bot: Bot, tree: str) -> None:
    call = bot.a_call(*(f"p-{at}" for at in range(5)))
    base = BASE + tree.removeprefix("/graph").partition("/communications")[0].partition("/app")[0]
    found, pages = [], 0
    query = "%24Top=2&$select=id&$count=true"
    while query:
        said = bot.gets(f"{tree}/{call}/participants?{query}", "Host: evil.example").json
        found += said["value"]
        pages += 1
        assert said["@odata.count"] == 5
        link = said.get("@odata.nextLink", "")
        root, _, query = link.partition("?")
        own = "app" if "/app" in tree else "communications"
        assert root in {"", f"{base.rstrip('/')}/{own}/calls/{call}/participants"}

    assert found == [{"id": f"p-{at}"} for at in range(5)]
    assert pages == 3


def test_p18_who_stays_comes_once_however_others_come_and_go(bot: Bot) -> None:
    call = bot.a_call(*(f"p-{at}" for at in range(6)))
    first = bot.gets(f"{V1_TREE}/{call}/participants?$top=3").json
    bot.store.roster.left(HOME, call, "p-0")
    bot.store.roster.left(HOME, call, "p-4")
    bot.store.roster.report(HOME, call, Participant("p-9"))

    rest = bot.gets(first["@odata.nextLink"].removeprefix(BASE)).json

    assert [one["id"] for one in first["value"] + rest["value"]] == [
        "p-0",
        "p-1",
        "p-2",
        "p-3",
        "p-5",
        "p-9",
    ]
    assert "@odata.nextLink" not in rest


def test_p18_an_empty_list_is_one(bot: Bot) -> None:
    call = bot.a_call()

    said = bot.gets(f"{V1_TREE}/{call}/participants?$count=true")

    assert (said.status, said.json["value"], said.json["@odata.count"]) == (200, [], 0)


def test_p2_p18_the_calls_of_the_tenant_are_listed_in_pages(bot: Bot) -> None:
    made = [bot.a_call() for _ in range(3)]
    found, path = [], f"{V1_TREE}?$top=2&$select=id"
    while path:
        said = bot.gets(path).json
        assert said["@odata.context"] == f"{BASE}/v1.0/$metadata#communications/calls"
        found += [one["id"] for one in said["value"]]
        path = said.get("@odata.nextLink", "").removeprefix(BASE)

    assert [one for one in found if one in made] == made
    assert len(set(found)) == len(found)


NOT_TAKEN = [
    "$filter=id eq 'p-1'".replace(" ", "%20"),
    "$Filter=x",
    "%24filter=x",
    "%2524filter=x&$filter=x",
    "filter=x",
    "$orderby=id",
    "$skip=1",
    "$search=x",
    "$expand=x",
    "$format=json",
    "$apply=x",
    "$compute=x",
    "$unknown=x",
    "$=1",
    "$",
    "search=x",
    "top=1",
    "$top=0",
    "$top=1000",
    "$top=-1",
    "$top=",
    "$top=1.0",
    "$top=%D9%A1",
    "$top=1&$top=1",
    "$top=1&$TOP=2",
    "$count=yes",
    "$count=",
    "$skiptoken=",
    "$skiptoken=x",
    "$skiptoken=%00",
    "$skiptoken=bm90aGluZw",
    "$select=",
    "$select=nothing",
    "$select=id,,info",
    "$select=*",
    "$select=ID",
    "$select=%ff",
]


def test_p18_an_option_that_is_not_taken_is_refused(file_bot: Bot) -> None:
    call = file_bot.a_call("p-1")

    for query in NOT_TAKEN:
        said = file_bot.gets(f"{V1_TREE}/{call}/participants?{query}")
        assert said.short == (400, "queryOptionNotSupported"), query


@pytest.mark.parametrize("query", ["$top=1", "$count=true", "$skiptoken=MQ", "$filter=x"])
def test_p18_of_one_only_properties_are_selected(file_bot: Bot, query: str) -> None:
    call = file_bot.a_call("p-1")

    for path in (f"/{call}", f"/{call}/participants/p-1"):
        assert file_bot.gets(f"{V1_TREE}{path}?{query}").status == 400
    assert file_bot.asks("DELETE", f"{V1_TREE}/{call}/participants/p-1?{query}").status == 400
    assert file_bot.asks("DELETE", f"{V1_TREE}/{call}/participants/p-1?$select=id").status == 400
    assert file_bot.inside(call) == ["p-1"]


def test_p18_names_that_are_nobodys_options_are_left_alone(file_bot: Bot) -> None:
    call = file_bot.a_call("p-1")
    path = f"{V1_TREE}/{call}/participants"

    assert file_bot.gets(f"{path}?x=1&client-request-id=2&&=").status == 200
    assert file_bot.gets(f"{path}?$select=id,%20isMuted&$count=false").status == 200
    assert file_bot.asks("DELETE", f"{path}/p-1?x=$filter").status == 204


def test_p19_a_participant_as_graph_writes_them(bot: Bot) -> None:
    ada = Identity(IdentityKind.USER, "0b1f6c1e-3a3e-4c0e-9b53-0d1a5d3f2b10", "Ada Bÿron", TENANT)
    call = bot.a_call(Participant("p-31", ada, muted=True))
    context = f"{BASE}/v1.0/$metadata#communications/calls('{call}')/participants/$entity"

    user = {"id": ada.id, "displayName": ada.display_name, "tenantId": TENANT}

    assert bot.gets(f"{V1_TREE}/{call}/participants/p-31").json == {
        "@odata.context": context,
        "id": "p-31",
        "info": {"identity": {"user": user}},
        "isInLobby": False,
        "isMuted": True,
        "rosterSequenceNumber": 1,
    }


@pytest.mark.parametrize("kind", list(IdentityKind))
def test_p19_an_identity_of_a_derived_type_says_so(file_bot: Bot, kind: IdentityKind) -> None:
    call = file_bot.a_call(Participant("p-1", Identity(kind, "i-1")))

    (one,) = file_bot.gets(f"{V1_TREE}/{call}/participants?$select=info").json["value"]

    derived = {"@odata.type": "#microsoft.graph.communicationsIdentitySet"}
    expected = {kind.value: {"id": "i-1"}}
    if kind in {IdentityKind.GUEST, IdentityKind.PHONE}:
        expected = {**derived, **expected}  # type: ignore[dict-item]
    assert one == {"info": {"identity": expected}}


def test_p19_one_who_has_not_answered_is_marked_whatever_was_selected(file_bot: Bot) -> None:
    call = file_bot.a_call(Participant("p-1", answered=False, in_lobby=True), "p-2")

    said = file_bot.gets(f"{V1_TREE}/{call}/participants?$select=isInLobby").json

    assert said["value"] == [
        {"isInLobby": True, "@tenantcfg.answered": False},
        {"isInLobby": False},
    ]


def test_p19_a_call_as_graph_writes_it(bot: Bot) -> None:
    call = bot.a_call(state=CallState.HOLD, subject="Plän")

    assert bot.gets(f"/beta/communications/calls/{call}").json == {
        "@odata.context": f"{BASE}/beta/$metadata#communications/calls/$entity",
        "id": call,
        "state": "hold",
        "direction": "outgoing",
        "subject": "Plän",
        "tenantId": TENANT,
    }


# P23, P24: conditions, and what is never said


@pytest.mark.parametrize(
    ("headers", "met"),
    [
        (["If-Match: *"], True),
        (["If-Match:  * "], True),
        (['If-Match: "x"'], False),
        (['If-Match: W/"x"'], False),
        (['If-Match: *, "x"'], False),
        (["If-Match: *", 'If-Match: "x"'], False),
        (["If-Match:"], False),
        (['If-None-Match: "x"'], True),
        (["If-None-Match: *"], False),
        (["If-Unmodified-Since: Tue, 24 Nov 2020 00:00:00 GMT"], True),
    ],
)
def test_p23_a_condition_that_does_not_hold_keeps_everybody_in(
    bot: Bot, headers: list[str], *, met: bool
) -> None:
    call = bot.a_call("p-1")

    said = bot.removes(call, "p-1", *headers)

    assert said.short == ((204, None) if met else (412, "preconditionFailed"))
    assert bot.inside(call) == ([] if met else ["p-1"])
    assert bot.removes(call, "nobody", *headers).status == 404


@pytest.mark.parametrize(
    "target", ["/v1.0", "/v1.0/", "//", "/communications/calls/", "/app", f"{V1_TREE}/x/", "/x"]
)
def test_p24_nobody_is_sent_elsewhere(file_bot: Bot, target: str) -> None:
    for method in ("GET", "HEAD", "DELETE", "POST", "OPTIONS"):
        said = file_bot.asks(method, target, "X-Forwarded-Proto: http")

        assert said.status in {404, 405}
        assert "location" not in said.headers
