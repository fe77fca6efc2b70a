"""Each rule of the wire contract by its name, asked of the program on either database."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from tenantcfg.store import Store, admin
from tests.service.conftest import PUBLIC, serving
from tests.service.stock import APP, CLOSED, CONTOSO, EMPTY, ENDED, FABRIKAM, OTHER, stocked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.service.served import Service
    from tests.service.stock import Stock

Body = dict[str, Any]

EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"
SUBJECTS = "/access/v1/search/subject"
RESOURCES = "/access/v1/search/resource"
ACTIONS = "/access/v1/search/action"
QUESTIONS = (EVALUATION, EVALUATIONS, SUBJECTS, RESOURCES, ACTIONS)
REMOVE = {"name": "remove_participant"}
WELL_KNOWN = "/.well-known/authzen-configuration/t1"


def app(id_: object = str(APP)) -> Body:
    return {"type": "application", "id": id_}


def tenant(id_: object = str(CONTOSO)) -> Body:
    return {"type": "tenant", "id": id_}


def question(**changed: Any) -> Body:
    """The question that is permitted, with other members; None: without that one."""
    whole = {"subject": app(), "action": REMOVE, "resource": tenant(), **changed}
    return {name: value for name, value in whole.items() if value is not None}


class Pep:
    """A service that asks, with a key."""

    def __init__(self, service: Service, key: str) -> None:
        self.client = httpx.Client(base_url=service.url, timeout=30)
        self.key = key

    def __call__(
        self, path: str, body: object, *, raw: bytes | None = None, **headers: Any
    ) -> httpx.Response:
        """The answer to *body*, or to the bytes *raw*; `_` in a header's name is a hyphen."""
        sent = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = json.dumps(body).encode() if raw is None else raw
        sent = {name: value for name, value in sent.items() if value}
        return self.client.post(path, content=content, headers=sent)

    def decision(self, **changed: Any) -> Body:
        """What is decided on the question with other members."""
        answer = self(EVALUATION, question(**changed))
        assert answer.status_code == 200, answer.text
        decided: Body = answer.json()
        return decided

    def refusal(self, path: str, body: object) -> tuple[int, str, str]:
        """Why there is no decision."""
        answer = self(path, body)
        said = answer.json()
        return answer.status_code, said["error"], said["message"]

    def batch(self, *items: object, **members: Any) -> list[Body]:
        """What becomes of *items*."""
        answer = self(EVALUATIONS, {"evaluations": list(items), **members})
        assert answer.status_code == 200, answer.text
        decided: list[Body] = answer.json()["evaluations"]
        return decided

    def found(self, path: str, **changed: Any) -> list[Body]:
        """What a search finds."""
        answer = self(path, question(**changed))
        assert answer.status_code == 200, answer.text
        results: list[Body] = answer.json()["results"]
        return results


@pytest.fixture(scope="module")
def ask(service: Service, stock: Stock) -> Iterator[Pep]:
    """Asks with a key for everything."""
    pep = Pep(service, stock.check)
    with pep.client:
        yield pep


@pytest.fixture(scope="module")
def limited(service: Service, stock: Stock) -> Iterator[Pep]:
    """Asks with a key for two tenants."""
    pep = Pep(service, stock.limited)
    with pep.client:
        yield pep


def denied(reason: str) -> Body:
    return {"decision": False, "context": {"reason": reason}}


PERMITTED = {"decision": True}
DENIED = {"decision": False}
INVALID = 400, "invalid_request"


# 1.2 Transport


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_w1_every_other_method_is_405_and_says_which_is_allowed(
    ask: Pep, path: str, method: str
) -> None:
    answer = ask.client.request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert method == "HEAD" or answer.json()["error"] == "method_not_allowed"


@pytest.mark.parametrize("kind", ["Application/JSON", "application/json; charset=utf-8"])
def test_w2_the_media_type_is_taken_in_any_case_and_with_parameters(ask: Pep, kind: str) -> None:
    assert ask(EVALUATION, question(), Content_Type=kind).json() == PERMITTED


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json-seq", "application/jsonx"])
def test_w2_another_media_type_or_none_is_400(ask: Pep, kind: str) -> None:
    answer = ask(EVALUATION, question(), Content_Type=kind)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_content_type")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"[]",
        b'"text"',
        b"1",
        b"true",
        b"null",
        b"{} {}",
        b"{}x",
        b"{} // no",
        b'{"a": 1,}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b"{'a': 1}",
        b'{"a": 01}',
    ],
)
@pytest.mark.parametrize("path", [EVALUATION, EVALUATIONS, SUBJECTS])
def test_w3_what_is_not_one_json_object_is_400(ask: Pep, path: str, raw: bytes) -> None:
    answer = ask(path, None, raw=raw)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_json")


def test_w4_a_good_answer_is_200_and_json_and_so_is_a_denial(ask: Pep) -> None:
    for subject in (app(), app("nobody")):
        answer = ask(EVALUATION, question(subject=subject))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"


def test_w5_members_that_are_not_known_are_ignored_wherever_they_stand(ask: Pep) -> None:
    more: Body = {"unknown": [None]}
    asked = {
        **more,
        "resource": tenant() | more,
        "subject": app() | more,
        "action": REMOVE | more,
    }
    assert ask(EVALUATION, asked).json() == PERMITTED
    assert ask.batch(asked, options={"x": 1}, page={"y": 2}) == [PERMITTED]
    assert ask(RESOURCES, asked | {"page": {"z": 3}}).status_code == 200


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"subject": None}, "subject is missing"),
        ({"action": None}, "action is missing"),
        ({"resource": None}, "resource is missing"),
        ({"subject": {"type": "application"}}, "subject.id is missing"),
        ({"subject": {"id": "x"}}, "subject.type is missing"),
        ({"resource": {"type": "tenant"}}, "resource.id is missing"),
        ({"action": {}}, "action.name is missing"),
        ({"action": {"name": 1}}, "action.name is not a string"),
        ({"subject": []}, "subject is not an object"),
        ({"subject": "x"}, "subject is not an object"),
        ({"context": []}, "context is not an object"),
        ({"subject": app() | {"properties": 1}}, "subject.properties is not an object"),
    ],
)
def test_w6_a_member_that_is_missing_or_of_another_type_is_named(
    ask: Pep, changed: Body, message: str
) -> None:
    assert ask.refusal(EVALUATION, question(**changed)) == (*INVALID, message)


@pytest.mark.parametrize(
    ("path", "method", "key", "body", "status"),
    [
        (EVALUATION, "POST", True, json.dumps(question()).encode(), 200),
        (EVALUATION, "POST", True, b"no json", 400),
        (EVALUATION, "POST", False, b"", 401),
        (EVALUATION, "GET", True, b"", 405),
        (EVALUATION, "POST", True, bytes(1024 * 1024 + 1), 413),
        ("/nowhere", "GET", True, b"", 404),
        ("/healthz", "GET", False, b"", 200),
        (WELL_KNOWN, "GET", False, b"", 200),
    ],
)
def test_w7_each_answer_bears_the_id_of_its_request(
    ask: Pep, path: str, method: str, *, key: bool, body: bytes, status: int
) -> None:
    headers = {
        b"X-Request-ID": "any: \u00fcn\u00ef, string".encode(),
        b"Content-Type": b"application/json",
    }
    if key:
        headers[b"Authorization"] = f"Bearer {ask.key}".encode()
    answer = ask.client.request(method, path, content=body, headers=headers)

    assert answer.status_code == status
    assert dict(answer.headers.raw)[b"x-request-id"] == headers[b"X-Request-ID"]


def test_w7_a_request_without_an_id_is_given_one(ask: Pep) -> None:
    first, second = (ask(EVALUATION, question()).headers["x-request-id"] for _ in range(2))

    assert len({first, second, ""}) == 3


def test_w8_a_connection_is_kept_across_errors_and_a_chunked_body_is_read(ask: Pep) -> None:
    place = urlsplit(str(ask.client.base_url))
    head = (
        f"POST {EVALUATION} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ask.key}\r\n"
        "Content-Type: application/json\r\n"
    )
    body = json.dumps(question())
    parts = [body[:7], body[7:]]
    chunked = "".join(f"{len(one):x}\r\n{one}\r\n" for one in parts) + "0\r\n\r\n"
    with (
        socket.create_connection((place.hostname or "", place.port or 0)) as connection,
        connection.makefile("rb") as stream,
    ):
        for rest, status in (
            ("Content-Length: 1\r\n\r\n[", b"400"),
            ("Transfer-Encoding: chunked\r\n\r\n" + chunked, b"200"),
            ("Content-Length: 2\r\n\r\n{}", b"400"),
            (f"Content-Length: {len(body)}\r\n\r\n{body}", b"200"),
        ):
            connection.sendall((head + rest).encode())
            assert stream.readline().split()[1] == status
            length = 0
            while (line := stream.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                length = int(value) if name == b"content-length" else length
            stream.read(length)


# 1.3 The four entities


@pytest.mark.parametrize("id_", [5, 1.5, True, None, [], {}, ["x"]])
def test_w9_an_id_that_is_no_string_is_400(ask: Pep, id_: object) -> None:
    assert ask.refusal(EVALUATION, question(subject=app(id_)))[:2] == INVALID
    assert ask.refusal(EVALUATION, question(resource=tenant(id_)))[:2] == INVALID


def test_w10_properties_and_context_hold_anything_and_null_is_as_if_absent(ask: Pep) -> None:
    for value in (None, {}, {"a": [1, {"b": None}], "decision": True}):
        asked = question(
            subject=app() | {"properties": value},
            resource=tenant() | {"properties": value},
            action=REMOVE | {"properties": value},
        )
        assert ask(EVALUATION, asked | {"context": value}).json() == PERMITTED


def test_w11_the_empty_string_is_a_string_and_denied(ask: Pep) -> None:
    assert ask.decision(subject=app("")) == denied("not_granted")
    assert ask.decision(resource=tenant(""))["decision"] is False
    assert ask.decision(action={"name": ""}) == denied("unsupported_action")


# 1.4 Access Evaluation


def test_w12_a_permit_is_true_and_has_no_context(ask: Pep) -> None:
    assert ask(EVALUATION, question()).content == b'{"decision":true}'


@pytest.mark.parametrize(
    "changed",
    [
        {"subject": app("nobody")},
        {"resource": tenant("nowhere")},
        {"subject": {"type": "user", "id": str(APP)}},
        {"action": {"name": "dance"}},
    ],
)
def test_w13_what_is_not_known_is_denied_and_no_error(ask: Pep, changed: Body) -> None:
    assert ask.decision(**changed)["decision"] is False


def test_w14_the_same_question_has_the_same_answer(ask: Pep) -> None:
    assert {ask(EVALUATION, question()).content for _ in range(5)} == {b'{"decision":true}'}


# 1.5 The batch


def test_w15_answers_stand_in_the_order_of_the_questions(ask: Pep) -> None:
    subjects = [app(), app("nobody"), app(), app(""), app(str(OTHER))]
    decided = ask.batch(*({"subject": one} for one in subjects), action=REMOVE, resource=tenant())

    assert [one["decision"] for one in decided] == [True, False, True, False, True]


def test_w16_a_default_is_taken_whole_or_not_at_all(ask: Pep) -> None:
    whole, partly, none = ask.batch(
        {}, {"resource": {"id": str(CONTOSO)}}, {"resource": tenant("nowhere")}, **question()
    )

    assert (whole, none) == (PERMITTED, DENIED)
    assert partly["context"]["error"] == {"status": 400, "message": "resource.type is missing"}


def test_w17_a_default_that_no_item_uses_is_not_looked_at(ask: Pep) -> None:
    assert ask.batch(question(), resource={}, subject=5, context={}) == [PERMITTED]


@pytest.mark.parametrize("items", [{}, {"evaluations": []}])
def test_w18_without_items_it_is_the_single_question(ask: Pep, items: Body) -> None:
    assert ask(EVALUATIONS, question() | items).json() == PERMITTED
    assert ask(EVALUATIONS, question(subject=app("x")) | items).json() == denied("not_granted")
    message = "action is missing"
    assert ask.refusal(EVALUATIONS, question(action=None) | items) == (*INVALID, message)


def test_w19_a_batch_has_no_decision_of_its_own(ask: Pep) -> None:
    assert list(ask(EVALUATIONS, {"evaluations": [question()]}).json()) == ["evaluations"]


@pytest.mark.parametrize("semantic", ["Execute_All", "", "all", None, 1, ["execute_all"], {}])
def test_w20_another_semantic_is_400(ask: Pep, semantic: object) -> None:
    options = {"evaluations_semantic": semantic}
    refused = ask.refusal(EVALUATIONS, {"evaluations": [question()], "options": options})

    assert refused[:2] == INVALID


@pytest.mark.parametrize("options", [[], "x", 1, True])
def test_w20_options_that_are_no_object_are_400(ask: Pep, options: object) -> None:
    refused = ask.refusal(EVALUATIONS, {"evaluations": [question()], "options": options})

    assert refused == (*INVALID, "options is not an object")


@pytest.mark.parametrize(
    ("semantic", "decisions"),
    [
        ("execute_all", [True, True, False, True]),
        ("deny_on_first_deny", [True, True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_w21_a_batch_ends_where_its_semantic_says(
    ask: Pep, semantic: str, decisions: list[bool]
) -> None:
    yes, no = question(), question(subject=app("nobody"))
    decided = ask.batch(yes, yes, no, yes, options={"evaluations_semantic": semantic})

    assert [one["decision"] for one in decided] == decisions


def test_w21_an_item_that_failed_ends_a_batch_as_a_denial_does(ask: Pep) -> None:
    options = {"evaluations_semantic": "deny_on_first_deny"}
    assert len(ask.batch(question(), {}, question(), options=options)) == 2

    options = {"evaluations_semantic": "permit_on_first_permit"}
    assert len(ask.batch({}, question(), question(), options=options)) == 2


@pytest.mark.parametrize("items", [{}, "x", 1, None, True])
def test_w22_evaluations_that_are_no_array_are_400(ask: Pep, items: object) -> None:
    refused = ask.refusal(EVALUATIONS, question() | {"evaluations": items})

    assert refused == (*INVALID, "evaluations is not an array")


def test_w23_an_error_of_the_whole_is_an_http_error(ask: Pep) -> None:
    assert ask(EVALUATIONS, None, raw=b"[").status_code == 400
    assert ask(EVALUATIONS, {"evaluations": []}, Authorization="Bearer x").status_code == 401


def test_w24_an_error_of_an_item_is_that_items(ask: Pep) -> None:
    wrong = [{}, 5, [], None, question(subject=app(5)), question(resource="x")]
    for lone in wrong:
        [failed] = ask.batch(lone)
        assert failed["decision"] is False
        assert failed["context"]["error"]["status"] == 400

    first, second, third = ask.batch(question(), question(resource={"type": "tenant"}), question())
    message = "resource.id is missing"
    assert (first, third) == (PERMITTED, PERMITTED)
    assert second == {
        "decision": False,
        "context": {"error": {"status": 400, "message": message}},
    }


def test_w25_a_thousand_items_are_answered_and_one_more_is_refused(ask: Pep) -> None:
    assert ask.batch(*[{}] * 1000, **question()) == [PERMITTED] * 1000

    refused = ask.refusal(EVALUATIONS, question() | {"evaluations": [{}] * 1001})
    assert refused == (*INVALID, "evaluations has more than 1000 items")


def test_w26_a_batch_is_judged_on_one_snapshot_and_says_which(ask: Pep, stock: Stock) -> None:
    answer = ask(EVALUATIONS, {"evaluations": [question(), question(resource=tenant("x"))]})

    with Store.open(stock.url) as store:
        assert answer.headers["tenantcfg-revision"] == str(int(store.head().revision))
        assert answer.headers["tenantcfg-store"] == store.store_id


# 1.6 Search


def test_w27_a_page_comes_first_and_results_are_of_the_type_that_was_sought(ask: Pep) -> None:
    answer = ask(RESOURCES, question(resource={"type": "tenant"}, page={}))

    assert list(answer.json()) == ["page", "results"]
    assert {one["type"] for one in answer.json()["results"]} == {"tenant"}


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        (SUBJECTS, {"resource": tenant("nowhere")}),
        (SUBJECTS, {"subject": {"type": "user"}}),
        (SUBJECTS, {"resource": {"type": "room", "id": str(CONTOSO)}}),
        (SUBJECTS, {"action": {"name": "dance"}}),
        (RESOURCES, {"subject": app("nobody")}),
        (RESOURCES, {"resource": {"type": "room"}}),
        (ACTIONS, {"subject": app("nobody")}),
        (ACTIONS, {"resource": tenant("nowhere")}),
        (ACTIONS, {"subject": {"type": "user", "id": str(APP)}}),
    ],
)
def test_w28_nothing_found_is_an_empty_list(ask: Pep, path: str, changed: Body) -> None:
    assert ask(path, question(**changed)).json() == {"results": []}


@pytest.mark.parametrize(
    ("path", "changed", "message"),
    [
        (SUBJECTS, {"subject": None}, "subject is missing"),
        (SUBJECTS, {"subject": {}}, "subject.type is missing"),
        (SUBJECTS, {"action": None}, "action is missing"),
        (SUBJECTS, {"resource": {"type": "tenant"}}, "resource.id is missing"),
        (RESOURCES, {"subject": {"type": "application"}}, "subject.id is missing"),
        (RESOURCES, {"resource": {"id": "x"}}, "resource.type is missing"),
        (ACTIONS, {"subject": {"type": "application"}}, "subject.id is missing"),
        (ACTIONS, {"resource": {"type": "tenant"}}, "resource.id is missing"),
    ],
)
def test_w29_a_search_names_the_member_it_lacks(
    ask: Pep, path: str, changed: Body, message: str
) -> None:
    assert ask.refusal(path, question(**changed)) == (*INVALID, message)


def test_w29_what_is_sought_needs_no_id_and_has_one_ignored(ask: Pep) -> None:
    for id_ in ({}, {"id": "x"}, {"id": 5}):
        assert ask.found(SUBJECTS, subject={"type": "application"} | id_)
        assert ask.found(RESOURCES, resource={"type": "tenant"} | id_)
    for action in (None, {}, {"name": "dance"}, 5):
        assert ask.found(ACTIONS, action=action) == [REMOVE]


def test_w30_what_a_search_finds_is_permitted(ask: Pep) -> None:
    for path, part in ((SUBJECTS, "subject"), (RESOURCES, "resource"), (ACTIONS, "action")):
        found = ask.found(path)
        assert found
        assert [ask.decision(**{part: one}) for one in found] == [PERMITTED] * len(found)


def test_w31_pages_lead_to_the_last_one(ask: Pep) -> None:
    first = ask(SUBJECTS, question(page={"limit": 1})).json()
    token = first["page"]["next_token"]
    last = ask(SUBJECTS, question(page={"token": token, "limit": 1})).json()

    assert first["page"] == {"next_token": token, "count": 1, "total": 2}
    assert token
    assert last["page"] == {"next_token": "", "count": 1, "total": 2}
    assert first["results"] + last["results"] == ask.found(SUBJECTS)


@pytest.mark.parametrize(
    "page",
    [[], "x", 1, {"token": 5}, {"token": None}, {"limit": "1"}, {"properties": []}],
)
def test_w31_a_page_of_another_shape_is_400(ask: Pep, page: object) -> None:
    assert ask.refusal(SUBJECTS, question(page=page))[:2] == INVALID


def test_w32_a_token_alone_goes_on_and_holds_for_its_own_search_only(
    ask: Pep, limited: Pep
) -> None:
    token = ask(SUBJECTS, question(page={"limit": 1})).json()["page"]["next_token"]
    damaged = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")

    assert len(ask.found(SUBJECTS, page={"token": token})) == 1
    for path, changed in (
        (SUBJECTS, {"page": {"token": token, "limit": 2}}),
        (SUBJECTS, {"page": {"token": token}, "resource": tenant(str(FABRIKAM))}),
        (SUBJECTS, {"page": {"token": token}, "context": {"a": 1}}),
        (RESOURCES, {"page": {"token": token}}),
        (SUBJECTS, {"page": {"token": damaged}}),
        (SUBJECTS, {"page": {"token": token + "!"}}),
        (SUBJECTS, {"page": {"token": token[:5] + "\n" + token[5:]}}),
        (SUBJECTS, {"page": {"token": "x"}}),
        (SUBJECTS, {"page": {"token": ""}}),
        (SUBJECTS, {"page": {"token": "\u00e4"}}),
    ):
        assert ask.refusal(path, question(**changed))[:2] == (400, "invalid_page_token")
    assert limited.refusal(SUBJECTS, question(page={"token": token}))[0] == 400


@pytest.mark.parametrize("limit", [-1, 1.5, True, "1", None, [], 1e3])
def test_w33_a_limit_that_is_no_whole_number_is_400(ask: Pep, limit: object) -> None:
    assert ask.refusal(SUBJECTS, question(page={"limit": limit}))[:2] == INVALID


def test_w33_no_limit_is_all_and_0_is_none_with_the_total(ask: Pep) -> None:
    everything = ask(SUBJECTS, question(page={})).json()
    huge = ask(SUBJECTS, question(page={"limit": 10**30})).json()
    nothing = ask(SUBJECTS, question(page={"limit": 0})).json()

    assert everything["page"] == huge["page"] == {"next_token": "", "count": 2, "total": 2}
    assert nothing["results"] == []
    assert (nothing["page"]["count"], nothing["page"]["total"]) == (0, 2)
    assert nothing["page"]["next_token"]


def test_w34_results_are_ordered_and_totals_count_what_the_key_may_see(
    ask: Pep, limited: Pep
) -> None:
    asked = question(resource={"type": "tenant"}, page={})

    assert [one["id"] for one in ask.found(RESOURCES)] == [str(CONTOSO), str(FABRIKAM)]
    assert ask(RESOURCES, asked).json()["page"]["total"] == 2
    assert limited(RESOURCES, asked).json()["page"]["total"] == 1
    assert re.search(r"app_id|5817", ask(SUBJECTS, question(page={"limit": 1})).text)


# 1.7 Metadata


def test_w35_the_metadata_name_what_there_is_and_nothing_empty(ask: Pep) -> None:
    answer = ask.client.get(WELL_KNOWN)

    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "policy_decision_point": PUBLIC,
        "access_evaluation_endpoint": f"{PUBLIC}{EVALUATION}",
        "access_evaluations_endpoint": f"{PUBLIC}{EVALUATIONS}",
        "search_subject_endpoint": f"{PUBLIC}{SUBJECTS}",
        "search_resource_endpoint": f"{PUBLIC}{RESOURCES}",
        "search_action_endpoint": f"{PUBLIC}{ACTIONS}",
    }


def test_w36_the_identifier_is_configured_and_never_the_host_that_was_named(ask: Pep) -> None:
    named = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}

    assert "evil" not in ask.client.get(WELL_KNOWN, headers=named).text


def test_w36_each_route_answers_with_the_mount_prefix_and_without(ask: Pep) -> None:
    for path in QUESTIONS:
        assert ask(f"/t1{path}", question()).content == ask(path, question()).content
    for path in (f"/t2{EVALUATION}", f"/t1/t1{EVALUATION}", f"/t1x{EVALUATION}", "/t1"):
        assert ask(path, question()).status_code == 404


def test_w36_without_a_public_url_there_are_no_metadata(file_service: Service) -> None:
    for path in (WELL_KNOWN, "/.well-known/authzen-configuration"):
        assert httpx.get(f"{file_service.url}{path}").status_code == 404


def test_w37_the_well_known_part_stands_between_host_and_path(ask: Pep) -> None:
    assert ask.client.get(WELL_KNOWN).status_code == 200
    assert ask.client.get("/t1/.well-known/authzen-configuration").status_code == 404


def test_w38_the_metadata_are_for_everybody_and_may_be_kept(ask: Pep) -> None:
    assert ask.client.get(WELL_KNOWN).headers["cache-control"] == "public, max-age=300"
    assert ask.client.head(WELL_KNOWN).status_code == 200
    refused = ask.client.post(WELL_KNOWN)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_w39_no_capabilities_are_claimed(ask: Pep) -> None:
    assert not {"capabilities", "signed_metadata"} & set(ask.client.get(WELL_KNOWN).json())


# 1.8 Who may ask, and hard input


@pytest.mark.parametrize("path", QUESTIONS)
def test_w40_who_is_not_known_gets_401_whatever_was_sent(ask: Pep, stock: Stock, path: str) -> None:
    half = ask.key[:-1]
    other = ask.key[:-1] + ("A" if ask.key[-1] != "A" else "B")
    wrong = ["", "Bearer", f"Basic {ask.key}", ask.key, f"Bearer {half}"]
    wrong += [f"Bearer {other}", f"Bearer {ask.key} x", f"Bearer {ask.key}x", "Bearer x"]
    wrong += [f"Bearer {stock.ended}", f"Bearer {stock.revoked}", f"Bearer{ask.key}"]
    for shown in wrong:
        for raw in (b"no json", json.dumps(question()).encode()):
            answer = ask(path, None, raw=raw, Authorization=shown)
            assert answer.status_code == 401, shown
            assert answer.headers["www-authenticate"] == 'Bearer realm="tenantcfg"'
            assert answer.json()["error"] == "unauthenticated"


def test_w40_two_credentials_are_none(ask: Pep) -> None:
    twice = [("Authorization", f"Bearer {ask.key}")] * 2
    answer = ask.client.post(EVALUATION, headers=twice, json=question())

    assert answer.status_code == 401


def test_w40_the_scheme_is_taken_in_any_case(ask: Pep) -> None:
    answer = ask(EVALUATION, question(), Authorization=f"bEARER {ask.key}")

    assert answer.json() == PERMITTED


def test_w41_a_key_that_may_not_check_gets_403(service: Service, stock: Stock) -> None:
    with (reader := Pep(service, stock.read)).client:
        for path, body in ((EVALUATION, question()), (EVALUATIONS, {"evaluations": [question()]})):
            assert reader.refusal(path, body)[:2] == (403, "forbidden")
        assert reader.found(SUBJECTS)


@pytest.mark.parametrize("seen", [False, True])
def test_w41_who_may_not_ask_is_told_so_whatever_was_sent(
    service: Service,
    stock: Stock,
    seen: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    with (reader := Pep(service, stock.read)).client:
        for path in (EVALUATION, EVALUATIONS):
            for raw in (b"no json", b"x" * (2 << 20), b"{}"):
                if seen:
                    # So that the key is not looked up before the next body is read.
                    assert reader.found(SUBJECTS)
                assert reader(path, None, raw=raw).json()["error"] == "forbidden"
                other = reader(path, None, raw=raw, **{"Content-Type": "text/plain"})
                assert other.json()["error"] == "forbidden"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"subject": "\xff"}',
        json.dumps(question()).encode("utf-16"),
        json.dumps(question()).encode("utf-16-le"),
        json.dumps(question()).encode("utf-32"),
        b'{"a": 1, "a": 1}',
        b'{"type": 1, "ty\\u0070e": 1}',
        b'{"subject": {"type": "application", "id": "x", "id": "y"}}',
        b'{"evaluations": [{"context": {"a": 1, "\\u0061": 2}}]}',
    ],
)
@pytest.mark.parametrize("path", [EVALUATION, EVALUATIONS])
def test_w42_what_two_readers_may_read_as_two_questions_is_400(
    ask: Pep, path: str, raw: bytes
) -> None:
    answer = ask(path, None, raw=raw)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"subject": {"type": "application", "id": "\\ud800"}}',
        b'{"\\udfff": 1}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"\xef\xbb\xbf" + json.dumps(question()).encode(),
    ],
)
@pytest.mark.parametrize("path", [EVALUATION, RESOURCES])
def test_w43_no_input_makes_a_5xx(ask: Pep, path: str, raw: bytes) -> None:
    assert ask(path, None, raw=raw).status_code == 400


@pytest.mark.parametrize("depth", [100, 500, 700, 900, 950, 990])
@pytest.mark.parametrize("path", QUESTIONS)
def test_w43_what_is_nested_is_answered_or_refused(ask: Pep, path: str, depth: int) -> None:
    raw = json.dumps(question(context={"a": 1})).replace("1}", "[" * depth + "]" * depth + "}")

    assert ask(path, None, raw=raw.encode()).status_code in {200, 400}


def test_w43_odd_text_is_text(ask: Pep) -> None:
    for id_ in ("\x00", "\ud83d\ude00", "\u202e", "x" * 100_000, "\U0010ffff"):
        assert ask.decision(subject=app(id_)) == denied("not_granted")
        assert ask.decision(resource=tenant(id_)) == denied("not_granted")
        assert ask.found(SUBJECTS, resource=tenant(id_)) == []
        assert ask.found(RESOURCES, subject=app(id_)) == []
    raw = json.dumps(question(context={"a": 1})).replace('"a": 1', '"a": 1e999')
    assert ask(EVALUATION, None, raw=raw.encode()).status_code in {200, 400}


def test_w44_a_body_of_a_mebibyte_is_read_and_one_more_byte_is_413(ask: Pep) -> None:
    body = json.dumps(question()).encode()
    most = body + b" " * (1024 * 1024 - len(body))

    assert ask(EVALUATION, None, raw=most).json() == PERMITTED
    answer = ask(EVALUATION, None, raw=most + b" ")
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


def test_w45_no_answer_echoes_what_was_sent(ask: Pep) -> None:
    canary = "c4n4ry"
    for body in (
        {canary: 1},
        question(subject={canary: canary}),
        question(action={"name": [canary]}),
        {"evaluations": [canary], canary: canary},
        question(page={"token": canary}),
    ):
        for path in QUESTIONS:
            assert canary not in ask(path, body).text
    assert canary not in ask.client.get(f"/{canary}?{canary}").text
    assert canary not in ask(EVALUATION, None, raw=canary.encode()).text


# 2 What our question is


def test_m1_an_application_may_remove_participants_in_a_tenant(ask: Pep) -> None:
    assert ask.decision() == PERMITTED


def test_m2_parameters_of_the_action_never_change_the_decision(ask: Pep) -> None:
    several: list[Body] = [{"call_id": "c", "participant_id": "p"}, {"call_id": 5}, {"x": []}]
    for properties in several:
        action = REMOVE | {"properties": properties}
        assert ask.decision(action=action) == PERMITTED
        assert ask.decision(action=action, subject=app("x")) == denied("not_granted")


def participant(**properties: object) -> Body:
    return {"type": "participant", "id": str(CONTOSO), "properties": properties}


def test_m3_a_participant_is_judged_by_its_tenant_and_never_by_its_id(ask: Pep) -> None:
    assert ask.decision(resource=participant(tenant_id=str(CONTOSO), call_id="c")) == PERMITTED
    assert ask.decision(resource=participant(tenant_id="nowhere")) == denied("not_granted")
    for wrong in ({}, {"tenant_id": ""}, {"tenant_id": 5}, {"tenant_id": None}):
        assert ask.decision(resource=participant(**wrong)) == denied("tenant_missing")
    lone = {"type": "participant", "id": str(CONTOSO)}
    assert ask.decision(resource=lone) == denied("tenant_missing")


def test_m4_guids_compare_without_case_and_everything_else_exactly(ask: Pep) -> None:
    assert ask.decision(subject=app(str(APP).upper()), resource=tenant(str(CONTOSO).upper())) == (
        PERMITTED
    )
    assert ask.decision(subject=app("APP_ID")) == denied("not_granted")
    for near in (f"{{{APP}}}", f" {APP}", f"{APP} ", str(APP).replace("-", ""), f"urn:uuid:{APP}"):
        assert ask.decision(subject=app(near)) == denied("not_granted")
    assert ask.decision(action={"name": "Remove_Participant"}) == denied("unsupported_action")
    found = ask.found(SUBJECTS, resource=tenant(str(CONTOSO).upper()))
    assert found == [app(str(APP)), app(str(OTHER))]


def test_m5_nothing_in_the_request_grants(ask: Pep) -> None:
    grants = {"role": "admin", "decision": True, "tenant_id": str(CONTOSO), "granted": True}
    asked = {
        "subject": app("nobody") | {"properties": grants},
        "resource": tenant() | {"properties": grants},
        "context": grants,
    }
    assert ask.decision(**asked) == denied("not_granted")
    elsewhere = tenant("nowhere") | {"properties": {"tenant_id": str(CONTOSO)}}
    assert ask.decision(resource=elsewhere) == denied("not_granted")


def test_m6_a_grant_counts_while_its_tenant_is_enabled_and_its_time_not_over(ask: Pep) -> None:
    assert ask.decision(resource=tenant(str(CLOSED))) == denied("tenant_disabled")
    assert ask.decision(subject=app(str(ENDED))) == denied("grant_not_in_force")
    assert ask.decision(resource=tenant(str(EMPTY))) == denied("not_granted")


def test_m7_a_limited_key_learns_of_its_own_tenants_alone(limited: Pep) -> None:
    assert limited.decision() == PERMITTED
    inside_of = limited(EVALUATION, question()).headers
    assert limited.decision(resource=tenant(str(CONTOSO).upper())) == PERMITTED
    assert limited.decision(resource=participant(tenant_id=str(CONTOSO))) == PERMITTED
    for outside in (tenant(str(FABRIKAM)), tenant("nowhere"), participant(tenant_id="nowhere")):
        refused = limited(EVALUATION, question(resource=outside))
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
        assert refused.headers["tenantcfg-revision"] == inside_of["tenantcfg-revision"]

    [inside, barred] = limited.batch(question(), question(resource=tenant(str(FABRIKAM))))
    assert inside == PERMITTED
    assert barred["decision"] is False
    assert barred["context"]["error"]["status"] == 403

    assert limited.found(RESOURCES) == [tenant()]
    assert limited.found(SUBJECTS, resource=tenant(str(FABRIKAM))) == []
    assert limited.found(ACTIONS, resource=tenant(str(FABRIKAM))) == []


def test_s1_a_resource_search_finds_the_tenants_in_which_an_application_may(ask: Pep) -> None:
    assert ask.found(RESOURCES) == [tenant(), tenant(str(FABRIKAM))]


def test_s2_a_subject_search_finds_the_applications_that_may_in_a_tenant(ask: Pep) -> None:
    assert ask.found(SUBJECTS) == [app(), app(str(OTHER))]
    assert ask.found(SUBJECTS, resource=participant(tenant_id=str(CONTOSO))) == [
        app(),
        app(str(OTHER)),
    ]
    assert ask.found(SUBJECTS, resource=participant()) == []
    assert ask.found(SUBJECTS, resource=tenant(str(CLOSED))) == []


def test_s3_an_action_search_finds_what_an_application_may_do(ask: Pep) -> None:
    assert ask.found(ACTIONS) == [REMOVE]
    assert ask.found(ACTIONS, resource=tenant(str(CLOSED))) == []


def test_s4_a_result_is_type_and_id_in_that_order_or_a_name(ask: Pep) -> None:
    for path in (SUBJECTS, RESOURCES):
        assert [list(one) for one in ask.found(path)] == [["type", "id"]] * 2
    assert [list(one) for one in ask.found(ACTIONS)] == [["name"]]


def test_s5_participants_are_not_held_so_none_is_found(ask: Pep) -> None:
    assert ask.found(RESOURCES, resource=participant(tenant_id=str(CONTOSO))) == []


def test_s6_the_document_warns_of_permitting_by_a_search(ask: Pep) -> None:
    document = ask.client.get("/openapi.json").json()

    for path in (SUBJECTS, RESOURCES, ACTIONS):
        assert "Never permit" in document["paths"][path]["post"]["description"]


def test_r1_a_single_denial_says_its_reason(ask: Pep) -> None:
    assert ask(EVALUATION, question(subject=app("x"))).json() == denied("not_granted")


def test_r2_a_batch_says_reasons_when_it_is_asked_to(ask: Pep) -> None:
    no = question(subject=app("x"))

    assert ask.batch(no, question()) == [DENIED, PERMITTED]
    for wanted in (True, False, "true", 1):
        reasons = denied("not_granted") if wanted is True else DENIED
        assert ask.batch(no, question(), options={"include_reasons": wanted}) == [
            reasons,
            PERMITTED,
        ]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"subject": app("x")}, "not_granted"),
        ({"resource": tenant("x")}, "not_granted"),
        ({"resource": {"type": "participant", "id": "p"}}, "tenant_missing"),
        ({"subject": app(str(ENDED))}, "grant_not_in_force"),
        ({"resource": tenant(str(CLOSED))}, "tenant_disabled"),
        ({"subject": {"type": "user", "id": "x"}}, "unsupported_subject_type"),
        ({"resource": {"type": "room", "id": "x"}}, "unsupported_resource_type"),
        ({"action": {"name": "x"}}, "unsupported_action"),
    ],
)
def test_r3_each_reason_has_its_code(ask: Pep, changed: Body, reason: str) -> None:
    assert ask.decision(**changed) == denied(reason)


def test_r4_no_more_is_told_than_the_reason(ask: Pep) -> None:
    near = str(APP)[:-1] + "3"

    assert ask.decision(subject=app(near)) == denied("not_granted")


def test_c5_no_answer_may_be_kept(ask: Pep) -> None:
    for path in QUESTIONS:
        assert ask(path, question()).headers["cache-control"] == "no-store"
        assert ask(path, None, raw=b"x").headers["cache-control"] == "no-store"


def test_c7_c8_each_decision_says_where_it_was_read_and_may_be_asked_to_be_fresh(
    ask: Pep,
) -> None:
    said = ask(EVALUATION, question()).headers
    revision, store = said["tenantcfg-revision"], said["tenantcfg-store"]

    def least(revision: object) -> dict[str, Any]:
        return {"Tenantcfg_Min_Revision": str(revision)}

    for path in QUESTIONS:
        fresh = least(revision) | {"Tenantcfg_Store": store}
        assert ask(path, question(), **fresh).headers["tenantcfg-revision"] == revision
        later = ask(path, question(), **least(int(revision) + 1))
        assert (later.status_code, later.json()["error"]) == (503, "stale")
        assert later.headers["retry-after"] == "1"
        other = ask(path, question(), Tenantcfg_Store="another", **least(1))
        assert (other.status_code, other.json()["error"]) == (503, "stale")
        for wrong in ("x", "-1", "1.5", "1x", "9" * 19):
            refused = ask(path, question(), **least(wrong))
            assert (refused.status_code, refused.json()["error"]) == INVALID


@pytest.mark.parametrize("workers", ["1", "2"])
def test_c8_after_a_restore_revisions_are_those_of_the_history_that_is_there(
    made_sqlite_url: str, tmp_path: Path, workers: str
) -> None:
    """Without a new start of the service, and for whoever names the store of before: never."""
    stock = stocked(made_sqlite_url)
    backup = tmp_path / "backup.db"
    admin.backup(made_sqlite_url, backup)
    with serving(stock, "--workers", workers) as service, (ask := Pep(service, stock.check)).client:
        before = ask(EVALUATION, question()).headers
        promised = int(before["tenantcfg-revision"])
        admin.restore(backup, made_sqlite_url, overwrite=True)
        # On connections of their own, so that every worker is asked.
        ask.client.headers["Connection"] = "close"

        for path in QUESTIONS * 3:
            now = ask(path, question()).headers
            there = int(now["tenantcfg-revision"])
            assert now["tenantcfg-store"] != before["tenantcfg-store"]

            def status(least: int, store: str = "", at: str = path) -> int:
                named = {"Tenantcfg_Min_Revision": str(least), "Tenantcfg_Store": store}
                return ask(at, question(), raw=None, **named).status_code

            assert status(there) == status(there, now["tenantcfg-store"]) == 200
            assert status(there + 1) == status(there + 1, now["tenantcfg-store"]) == 503
            assert status(min(promised, there), before["tenantcfg-store"]) == 503


# 6 Errors


def test_e1_e2_an_error_is_an_object_with_a_code_and_a_sentence_and_no_decision(
    ask: Pep,
) -> None:
    answers = [
        ask(EVALUATION, {}),
        ask(EVALUATION, None, raw=b"x"),
        ask(EVALUATION, {}, Content_Type="text/plain"),
        ask(EVALUATION, {}, Authorization="x"),
        ask(EVALUATION, question(), Tenantcfg_Store="another"),
        ask("/nowhere", {}),
        ask.client.get(EVALUATION),
        ask(SUBJECTS, question(page={"token": "x"})),
    ]
    for answer in answers:
        assert answer.headers["content-type"] == "application/json"
        said = answer.json()
        assert list(said) == ["error", "message"]
        assert isinstance(said["message"], str)
    statuses = {answer.json()["error"]: answer.status_code for answer in answers}
    assert statuses == {
        "invalid_request": 400,
        "invalid_json": 400,
        "invalid_content_type": 400,
        "invalid_page_token": 400,
        "unauthenticated": 401,
        "stale": 503,
        "not_found": 404,
        "method_not_allowed": 405,
    }


def test_every_rule_has_a_test_that_names_it() -> None:
    names = " ".join(name for name in globals() if name.startswith("test_"))
    wanted = [f"w{number}" for number in range(1, 46)]
    wanted += [f"m{number}" for number in range(1, 8)]
    wanted += [f"s{number}" for number in range(1, 7)]
    wanted += [f"r{number}" for number in range(1, 5)]
    wanted += ["e1", "e2"]

    assert [rule for rule in wanted if not re.search(rf"_{rule}_", names)] == []
