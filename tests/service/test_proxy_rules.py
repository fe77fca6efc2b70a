"""The check as proxies ask it, rule by rule, without a proxy between (check F1 to F13)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from tenantcfg import ListModifier, Store
from tenantcfg.service.application import Application
from tenantcfg.service.envoy_ext_authz_pb2 import CheckRequest, CheckResponse
from tenantcfg.service.envoy_grpc import listening
from tenantcfg.service.judging import StoreDecisions
from tenantcfg.service.operations import Metrics, Operations
from tenantcfg.service.proxies import HeaderCallers, proxies
from tests.service.guarding import GOOD, STRANGER, Check, Loop
from tests.service.wire import Reply, exchange, request
from tests.stores import APP, BY, CONTOSO, FABRIKAM, a_grant, a_tenant, revoke

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from tenantcfg.service.envoy_grpc import App
    from tenantcfg.service.http import Receive, Scope, Send
    from tests.templates import FileTemplate

ROOT = Path(__file__).resolve().parent.parent.parent

MAY = "/v1.0/communications/calls/c-1/participants/p-1"
NGINX, FORWARD, ENVOY = "/check/nginx", "/check/forward", "/check/envoy"
PAIRS = {
    NGINX: ("X-Original-Method", "X-Original-URI"),
    FORWARD: ("X-Forwarded-Method", "X-Forwarded-Uri"),
}
FORMS = [NGINX, FORWARD, ENVOY]

PERMIT = (200, {"decision": True})
NOT_GRANTED = (403, {"error": "not_granted"})
NOT_GATED = (403, {"error": "not_gated"})
UNKNOWN = (401, {"error": "unauthenticated"})
FORBIDDEN = (403, {"error": "forbidden"})
UNAVAILABLE = (503, {"error": "unavailable"})


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, file_template: FileTemplate) -> Path:
    """Where the store lies that most tests ask; who changes it brings it back."""
    folder = tmp_path_factory.mktemp("store")
    file_template.copy_to(folder / "store.db")
    return folder


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[Store]:
    with Store.open(folder / "store.db") as store:
        a_grant(store)
        yield store


@pytest.fixture(scope="module")
def check(loop: Loop, store: Store) -> Iterator[Check]:
    with running(loop, Check.started(store)) as check:
        yield check


@contextmanager
def running(loop: Loop, started: Coroutine[Any, Any, Check]) -> Iterator[Check]:
    check = loop.run(started)
    yield check
    loop.run(check.stop())


def asked(
    check: Check,
    form: str,
    *headers: str,
    method: str = "DELETE",
    target: str = MAY,
    by: str = "GET",
) -> Reply:
    """What the check answers to a proxy of *form* that holds this request."""
    if form == ENVOY:
        return exchange(check.port, request(method, ENVOY + target, *headers))
    of_method, of_target = PAIRS[form]
    pair = (f"{of_method}: {method}", f"{of_target}: {target}")
    return exchange(check.port, request(by, form, *pair, *headers))


def said(reply: Reply) -> tuple[int | None, Any]:
    return reply.status, json.loads(reply.body)


# --- F1: what is believed ---


@pytest.mark.parametrize("form", FORMS)
def test_whoever_has_the_right_is_permitted_f3_5_4(check: Check, store: Store, form: str) -> None:
    reply = asked(check, form, GOOD, "X-Request-ID: r-1")

    assert said(reply) == PERMIT
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["tenantcfg-revision"] == str(store.head().revision)
    assert reply.headers["tenantcfg-store"] == store.store_id
    assert reply.headers["x-request-id"] == "r-1"


@pytest.mark.parametrize("form", FORMS)
def test_whoever_has_not_is_denied_without_the_reason_f10(
    check: Check, store: Store, form: str
) -> None:
    reply = asked(check, form, STRANGER, "X-Request-ID: r-1")

    assert said(reply) == NOT_GRANTED
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["tenantcfg-revision"] == str(store.head().revision)
    assert reply.headers["x-request-id"] == "r-1"


def test_a_revoke_holds_from_the_next_question_on_c1(check: Check, store: Store) -> None:
    assert said(asked(check, NGINX, GOOD)) == PERMIT
    revoke(store)
    assert said(asked(check, NGINX, GOOD)) == NOT_GRANTED
    store.modify(CONTOSO, ListModifier(add=(APP,)), by=BY)
    assert said(asked(check, NGINX, GOOD)) == PERMIT


@pytest.mark.parametrize(("form", "other"), [(NGINX, FORWARD), (FORWARD, NGINX)])
def test_the_other_familys_headers_are_not_believed_f1(check: Check, form: str, other: str) -> None:
    method, target = PAIRS[other]

    reply = asked(check, form, GOOD, f"{method}: DELETE", f"{target}: {MAY}", target="/x")

    assert said(reply) == NOT_GATED


@pytest.mark.parametrize("form", [NGINX, FORWARD])
def test_headers_do_not_tell_envoys_request_and_a_path_does_not_tell_the_others_f1(
    check: Check, form: str
) -> None:
    method, target = PAIRS[form]
    pair = (f"{method}: DELETE", f"{target}: {MAY}")

    assert said(exchange(check.port, request("DELETE", f"{ENVOY}/x", *pair, GOOD))) == NOT_GATED
    assert said(exchange(check.port, request("DELETE", form, GOOD))) == NOT_GATED


@pytest.mark.parametrize("form", [NGINX, FORWARD])
def test_the_checks_own_query_is_not_read_f1(check: Check, form: str) -> None:
    method, target = PAIRS[form]
    path = f"{form}?{target}={MAY}&tenant=x"

    permitted = request("GET", path, f"{method}: DELETE", f"{target}: {MAY}", GOOD)
    assert said(exchange(check.port, permitted)) == PERMIT
    assert said(exchange(check.port, request("GET", path, GOOD))) == NOT_GATED


@pytest.mark.parametrize("form", [NGINX, FORWARD])
@pytest.mark.parametrize("by", ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE"])
def test_any_method_asks_f1_f6(check: Check, form: str, by: str) -> None:
    assert asked(check, form, GOOD, by=by).status == 200
    assert asked(check, form, STRANGER, by=by).status == 403


# --- F2: missing, empty, twice ---


@pytest.mark.parametrize("form", [NGINX, FORWARD])
@pytest.mark.parametrize("which", [0, 1])
def test_a_header_of_the_pair_that_is_missing_empty_or_twice_refuses_f2(
    check: Check, form: str, which: int
) -> None:
    whole = [f"{PAIRS[form][0]}: DELETE", f"{PAIRS[form][1]}: {MAY}"]
    without = whole[1 - which]
    empty = f"{PAIRS[form][which]}:"

    for headers in [(without,), (without, empty), (*whole, whole[which]), (*whole, empty)]:
        assert said(exchange(check.port, request("GET", form, *headers, GOOD))) == NOT_GATED


@pytest.mark.parametrize("form", [NGINX, FORWARD])
def test_other_spellings_of_the_pair_are_other_headers_f2(check: Check, form: str) -> None:
    method, target = PAIRS[form]
    folded = f"{target.replace('-', '_')}: {MAY}"

    reply = exchange(check.port, request("GET", form, f"{method}: DELETE", folded, GOOD))

    assert said(reply) == NOT_GATED


@pytest.mark.parametrize("form", FORMS)
def test_two_tokens_are_nobodys_f2(check: Check, form: str) -> None:
    assert said(asked(check, form, GOOD, STRANGER)) == UNKNOWN
    assert said(asked(check, form, STRANGER, GOOD)) == UNKNOWN


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("joined", [f"{GOOD}, Bearer stranger", f"{GOOD},", f"{GOOD}, good"])
def test_two_tokens_in_one_header_are_nobodys_f2(check: Check, form: str, joined: str) -> None:
    assert said(asked(check, form, joined)) == UNKNOWN


# --- F5: what is gated ---


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("base", ["", "/v1.0", "/beta", "/v1.0/", "/beta/"])
@pytest.mark.parametrize("tree", ["communications", "app"])
def test_the_operation_has_these_spellings_f5(
    check: Check, form: str, base: str, tree: str
) -> None:
    target = f"{base}/{tree}/calls/c.1_~-/participants/P-9?x=/../y"

    assert said(asked(check, form, GOOD, target=target)) == PERMIT


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", ["delete", "Delete", "DELETED", "GET", "POST", "OPTIONS"])
def test_no_other_method_is_gated_f5_f6(check: Check, form: str, method: str) -> None:
    # What is no method at all the server refuses before anybody is asked.
    assert asked(check, form, GOOD, method=method).status in {400, 403}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/v1.0/communications/calls/c-1",
        "/v1.0/communications/calls/c-1/participants",
        "/v1.0/communications/calls/c-1/participants/",
        f"{MAY}/",
        f"/{MAY}",
        f"{MAY}/mute",
        f"{MAY};x",
        f"{MAY}%00",
        f"{MAY}%2F..",
        MAY.replace("p-1", ".."),
        MAY.replace("p-1", "%2e%2e"),
        MAY.replace("c-1", ".."),
        MAY.replace("/c-1", "('c-1')"),
        MAY.replace("p-1", "a%20b"),
        MAY.replace("/calls", "\\calls"),
        MAY.replace("/calls", "//calls"),
        MAY.replace("/v1.0", "/V1.0"),
        MAY.replace("/v1.0", "/v1.0//"),
        MAY.replace("/v1.0", "/v1.0/x/.."),
        MAY.replace("participants", "Participants"),
        f"/x?{MAY}",
        f"/x#{MAY}",
    ],
)
def test_nothing_else_is_gated_f5(check: Check, form: str, target: str) -> None:
    assert said(asked(check, form, GOOD, target=target)) == NOT_GATED


@pytest.mark.parametrize("form", [NGINX, FORWARD])
def test_an_absolute_url_is_not_gated_f5(check: Check, form: str) -> None:
    assert said(asked(check, form, GOOD, target=f"http://x{MAY}")) == NOT_GATED


@pytest.mark.parametrize("path", ["/check/envoy", "/check/envoy*", "/check/envoyhttp:", "/check/x"])
def test_what_is_no_path_of_ours_is_refused_and_not_missing_f4(check: Check, path: str) -> None:
    assert said(exchange(check.port, request("DELETE", path, GOOD))) == NOT_GATED


def test_what_stands_behind_a_fragment_is_not_gated_f5(check: Check) -> None:
    for form in [NGINX, FORWARD]:
        assert said(asked(check, form, GOOD, target=f"{MAY}#x")) == NOT_GATED


# --- F7, F8: who asks ---


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("headers", [(), ("Authorization: Basic x",), ("Authorization: Bearer",)])
def test_who_shows_no_token_is_asked_for_one_f4(
    check: Check, form: str, headers: tuple[str, ...]
) -> None:
    reply = asked(check, form, *headers)

    assert said(reply) == UNKNOWN
    assert reply.headers["www-authenticate"] == 'Bearer realm="tenantcfg"'


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("token", "answer"),
    [
        ("nobodys", UNKNOWN),
        ("delegated", FORBIDDEN),
        ("unverified", UNAVAILABLE),
        ("broken", UNAVAILABLE),
    ],
)
def test_a_token_that_does_not_pass_permits_nothing_f7(
    check: Check, form: str, token: str, answer: tuple[int, Any]
) -> None:
    assert said(asked(check, form, f"Authorization: Bearer {token}")) == answer


@pytest.mark.parametrize("form", FORMS)
def test_no_header_of_a_client_names_app_or_tenant_f8(check: Check, form: str) -> None:
    named = (f"X-Tenantcfg-App: {APP}", f"X-Tenantcfg-Tenant: {CONTOSO}")

    assert said(asked(check, form, STRANGER, *named)) == NOT_GRANTED
    assert said(asked(check, form, *named)) == UNKNOWN


SECRET = "a secret of the proxy's"  # noqa: S105 - not a secret
SHOWN = f"X-Tenantcfg-Secret: {SECRET}"
NAMED = (f"X-Tenantcfg-App: {APP.value.upper()}", f"X-Tenantcfg-Tenant: {CONTOSO}")


@pytest.fixture(scope="module")
def by_headers(loop: Loop, store: Store) -> Iterator[Check]:
    with running(loop, Check.started(store, HeaderCallers(SECRET))) as check:
        yield check


@pytest.mark.parametrize("form", FORMS)
def test_a_proxy_with_the_secret_is_believed_whom_it_names_f7(by_headers: Check, form: str) -> None:
    assert said(asked(by_headers, form, SHOWN, *NAMED)) == PERMIT
    stranger = ("X-Tenantcfg-App: stranger", NAMED[1])
    assert said(asked(by_headers, form, SHOWN, *stranger)) == NOT_GRANTED


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "headers", [NAMED, ("X-Tenantcfg-Secret: x", *NAMED), (SHOWN, SHOWN, *NAMED), (SHOWN,)]
)
def test_without_the_secret_or_a_name_nobody_is_known_f7(
    by_headers: Check, form: str, headers: tuple[str, ...]
) -> None:
    assert said(asked(by_headers, form, *headers)) == UNKNOWN


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("which", [0, 1])
def test_a_name_that_is_sent_twice_is_refused_f7(by_headers: Check, form: str, which: int) -> None:
    twice = (SHOWN, *NAMED, NAMED[which].partition(":")[0] + ": x")

    assert said(asked(by_headers, form, *twice)) == FORBIDDEN


def scope_of(peer: tuple[str, int] | None, *headers: str, scheme: str = "http") -> Scope:
    """A request of nginx's, as a server hands it over."""
    pair = ("X-Original-Method: DELETE", f"X-Original-URI: {MAY}")
    split = [line.split(": ", 1) for line in (*pair, *headers)]
    return {
        "type": "http",
        "method": "GET",
        "scheme": scheme,
        "raw_path": NGINX.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in split],
        "client": peer,
    }


def the_application(
    store: Store, callers: HeaderCallers, public_url: str | None = None
) -> Application:
    endpoints = proxies(StoreDecisions(store), callers, failed=Operations(Metrics()).failed)
    return Application(endpoints, public_url=public_url)


def status_of(
    store: Store, callers: HeaderCallers, scope: Scope, public_url: str | None = None
) -> int:
    sent: list[Any] = []

    async def receive() -> Scope:
        return {"type": "http.disconnect"}

    async def send(message: Scope) -> None:
        sent.append(message)

    asyncio.run(the_application(store, callers, public_url)(scope, receive, send))
    status: int = sent[0]["status"]
    return status


LOCAL, REMOTE = ("127.0.0.1", 5000), ("192.0.2.7", 5000)


@pytest.mark.parametrize(
    ("callers", "scope", "status"),
    [
        (HeaderCallers(), scope_of(None, *NAMED), 200),
        (HeaderCallers(), scope_of(LOCAL, *NAMED), 401),
        (HeaderCallers(), scope_of(LOCAL, SHOWN, *NAMED), 401),
        (HeaderCallers(SECRET), scope_of(None, *NAMED), 401),
        (HeaderCallers(SECRET), scope_of(None, SHOWN, *NAMED), 200),
        (HeaderCallers(SECRET), scope_of(("::1", 5000), SHOWN, *NAMED), 200),
        (HeaderCallers(SECRET), scope_of(REMOTE, SHOWN, *NAMED), 401),
        (HeaderCallers(SECRET), scope_of(REMOTE, SHOWN, *NAMED, scheme="https"), 401),
        (HeaderCallers(certified=True), scope_of(REMOTE, *NAMED, scheme="https"), 200),
        (HeaderCallers(certified=True), scope_of(REMOTE, *NAMED), 401),
    ],
)
def test_a_peer_is_believed_by_its_socket_its_certificate_or_its_secret_f7(
    store: Store, callers: HeaderCallers, scope: Scope, status: int
) -> None:
    assert status_of(store, callers, scope) == status


# --- C6, C8, F12: what cannot be told ---


def test_a_store_that_cannot_be_asked_is_503_c6(
    loop: Loop, tmp_path: Path, file_template: FileTemplate
) -> None:
    file_template.copy_to(tmp_path / "store.db")
    with (
        Store.open(tmp_path / "store.db") as store,
        running(loop, Check.started(store)) as check,
    ):
        (tmp_path / "store.db").rename(tmp_path / "gone.db")

        for form in FORMS:
            reply = asked(check, form, GOOD)

            assert said(reply) == UNAVAILABLE
            assert reply.headers["retry-after"] == "1"


def test_what_takes_too_long_is_503_f12(loop: Loop, store: Store) -> None:
    with running(loop, Check.started(store, patience=0.05)) as check:
        for form in FORMS:
            assert said(asked(check, form, "Authorization: Bearer slow")) == UNAVAILABLE


@pytest.mark.parametrize("prefix", ["/t1", "/check"])
@pytest.mark.parametrize("below", [True, False])
def test_a_mount_prefix_takes_no_path_from_a_proxy_w36(
    store: Store, prefix: str, *, below: bool
) -> None:
    scope = scope_of(None, *NAMED)
    scope["method"] = "DELETE"
    scope["raw_path"] = f"{prefix if below else ''}{ENVOY}{MAY}".encode()

    assert status_of(store, HeaderCallers(), scope, f"https://pdp.example.com{prefix}") == 200


@pytest.mark.parametrize("form", FORMS)
def test_how_fresh_an_answer_must_be_is_honoured_or_refused_c8(
    check: Check, store: Store, form: str
) -> None:
    now = store.head().revision
    known = f"Tenantcfg-Store: {store.store_id}"
    fresh, newer = f"Tenantcfg-Min-Revision: {now}", f"Tenantcfg-Min-Revision: {now + 1}"

    assert said(asked(check, form, GOOD, fresh, known)) == PERMIT
    assert said(asked(check, form, GOOD, newer)) == (503, {"error": "stale"})
    assert said(asked(check, form, GOOD, "Tenantcfg-Store: x")) == (503, {"error": "stale"})
    assert asked(check, form, GOOD, "Tenantcfg-Min-Revision: x").status == 403


def test_a_store_that_was_restored_is_told_from_the_one_before_c8(
    loop: Loop, tmp_path: Path, file_template: FileTemplate
) -> None:
    path, restored = tmp_path / "store.db", tmp_path / "restored.db"
    for one in (path, restored):
        file_template.copy_to(one)
        with Store.open(one) as made:
            a_grant(made)
    with Store.open(restored) as other:
        now = other.store_id
    with Store.open(path) as store, running(loop, Check.started(store)) as check:
        before = store.store_id
        assert asked(check, NGINX, GOOD).headers["tenantcfg-store"] == before
        restored.replace(path)

        for form in FORMS:
            reply = asked(check, form, GOOD, f"Tenantcfg-Store: {before}")
            assert said(reply) == (503, {"error": "stale"})
            assert asked(check, form, GOOD).headers["tenantcfg-store"] == now


def test_ids_that_nobody_can_have_are_denied(by_headers: Check) -> None:
    odd = ("X-Tenantcfg-App: " + "x" * 200, NAMED[1])

    assert said(asked(by_headers, NGINX, SHOWN, *odd)) == NOT_GRANTED


def test_another_tenants_grant_is_no_grant(by_headers: Check, store: Store) -> None:
    a_tenant(store, FABRIKAM, "Fabrikam")

    named = (NAMED[0], f"X-Tenantcfg-Tenant: {FABRIKAM}")
    assert said(asked(by_headers, NGINX, SHOWN, *named)) == NOT_GRANTED


# --- F13: gRPC ---


def told(port: int, *, method: str = "DELETE", target: str = MAY, **more: Any) -> CheckResponse:
    """What Envoy is told over gRPC about this request; *more*: its headers, the call's metadata."""
    asked = CheckRequest()
    http = asked.attributes.request.http
    http.method, http.path = method, target
    http.headers[":method"], http.headers[":path"] = method, target
    for name, value in more.get("headers", {"authorization": "Bearer good"}).items():
        http.headers[name] = value
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        check = channel.unary_unary(
            "/envoy.service.auth.v3.Authorization/Check",
            request_serializer=CheckRequest.SerializeToString,
            response_deserializer=CheckResponse.FromString,
        )
        answer: CheckResponse = check(asked, timeout=20, metadata=more.get("metadata"))
        return answer


def meaning(answer: CheckResponse) -> tuple[int, str | None, int]:
    """Code, which answer to the client, and its status."""
    which = answer.WhichOneof("http_response")
    status = getattr(answer, which).status.code if which not in {None, "ok_response"} else 0
    return answer.status.code, which, status


def test_envoy_is_told_the_same_over_grpc_f13(check: Check, store: Store) -> None:
    port = check.grpc_port

    assert meaning(told(port)) == (0, "ok_response", 0)
    denied = told(port, headers={"authorization": "Bearer stranger", "x-request-id": "r-1"})
    assert meaning(denied) == (7, "denied_response", 403)
    assert json.loads(denied.denied_response.body) == {"error": "not_granted"}
    headers = {one.header.key: one.header.value for one in denied.denied_response.headers}
    assert headers == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "tenantcfg-revision": str(store.head().revision),
        "tenantcfg-store": store.store_id,
        "x-request-id": "r-1",
    }


def test_who_is_unknown_is_asked_for_a_token_over_grpc_f13(check: Check) -> None:
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Bearer good,Bearer x"}):
        answer = told(check.grpc_port, headers=headers)

        assert meaning(answer) == (16, "denied_response", 401)
        sent = {one.header.key: one.header.value for one in answer.denied_response.headers}
        assert sent["www-authenticate"] == 'Bearer realm="tenantcfg"'


@pytest.mark.parametrize("token", ["unverified", "broken"])
def test_a_failure_of_ours_has_a_code_over_grpc_f13(check: Check, token: str) -> None:
    answer = told(check.grpc_port, headers={"authorization": f"Bearer {token}"})

    assert meaning(answer) == (14, "error_response", 503)


@pytest.mark.parametrize(
    "more",
    [
        {"method": "delete"},
        {"method": ""},
        {"target": f"{MAY}/"},
        {"target": "*"},
        {"target": ""},
        {"target": f"http://x{MAY}"},
        {"target": "/../../healthz"},
        {"target": f"/x?{MAY}"},
    ],
)
def test_nothing_else_is_gated_over_grpc_f5(check: Check, more: dict[str, str]) -> None:
    assert meaning(told(check.grpc_port, **more)) == (7, "denied_response", 403)


def test_an_empty_question_is_refused_f13(check: Check) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{check.grpc_port}") as channel:
        ask: Any = channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")
        answer = CheckResponse.FromString(ask(b"", timeout=20))

    assert meaning(answer) == (7, "denied_response", 403)


def test_the_secret_may_be_shown_as_metadata_f7(by_headers: Check) -> None:
    named = {"x-tenantcfg-app": APP.value, "x-tenantcfg-tenant": CONTOSO.value}
    secret = [("x-tenantcfg-secret", SECRET)]
    port = by_headers.grpc_port

    assert meaning(told(port, headers=named, metadata=secret))[0] == 0
    assert meaning(told(port, headers=named))[0] == 16
    twice = named | {"x-tenantcfg-secret": SECRET}
    assert meaning(told(port, headers=twice, metadata=secret))[0] == 16


def test_envoys_messages_are_what_their_definition_makes(tmp_path: Path) -> None:
    definition = "tenantcfg/service/envoy_ext_authz.proto"
    to = (f"--python_out={tmp_path}", f"--pyi_out={tmp_path}")
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "--proto_path=.", *to, definition],
        cwd=ROOT,
        check=True,
    )

    made = [one.relative_to(tmp_path) for one in tmp_path.rglob("*_pb2.py*")]
    assert {one.suffix for one in made} == {".py", ".pyi"}
    for one in made:
        assert (ROOT / one).read_bytes() == (tmp_path / one).read_bytes()


async def _fails(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise ZeroDivisionError


async def _says_nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    pass


async def _says_yes_to_something_else(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        (_fails, (14, "error_response", 503)),
        (_says_nothing, (14, "error_response", 503)),
        (_says_yes_to_something_else, (7, "denied_response", 403)),
    ],
)
def test_whatever_goes_wrong_behind_grpc_refuses_f13(
    loop: Loop, application: App, expected: tuple[int, str, int]
) -> None:
    server, port = loop.run(listening(application, "127.0.0.1:0"))

    assert meaning(told(port)) == expected
    loop.run(server.stop(None))


def test_a_unix_socket_serves_grpc_as_well(loop: Loop, store: Store, tmp_path: Path) -> None:
    application = the_application(store, HeaderCallers())
    server, _ = loop.run(listening(application, f"unix:{tmp_path}/s"))
    asked = CheckRequest()
    http = asked.attributes.request.http
    http.method, http.path = "DELETE", MAY
    http.headers["x-tenantcfg-app"], http.headers["x-tenantcfg-tenant"] = str(APP), str(CONTOSO)
    with grpc.insecure_channel(f"unix:{tmp_path}/s") as channel:
        ask: Any = channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")
        answer = CheckResponse.FromString(ask(asked.SerializeToString(), timeout=20))
    loop.run(server.stop(None))

    assert meaning(answer) == (0, "ok_response", 0)
