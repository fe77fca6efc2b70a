"""What an operator sees: health, metrics, logs without secrets, the document and its page."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import time
from base64 import urlsafe_b64encode
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
import structlog.testing
from hypothesis import HealthCheck, Phase, settings
from prometheus_client.parser import text_string_to_metric_families
from schemathesis import checks

from tenantcfg.errors import Reason, Unavailable
from tenantcfg.service.askers import PATIENCE
from tenantcfg.service.connections import SPARE
from tenantcfg.service.http import STATUS, Request
from tenantcfg.service.openapi import document, pages
from tenantcfg.service.operations import Metrics, Operations
from tests.service.conftest import PUBLIC, serving
from tests.service.served import Service
from tests.service.stock import APP, CONTOSO, Stock, stocked
from tests.service.wire import exchange, request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Server
    from tests.templates import TablesTemplate

SECRET = "a secret that is long enough for a proxy"  # noqa: S105 - of the tests
EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"
QUESTION = {
    "subject": {"type": "application", "id": str(APP)},
    "action": {"name": "remove_participant"},
    "resource": {"type": "tenant", "id": str(CONTOSO)},
}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


# Health


def test_health_and_readiness_are_for_everybody_and_for_reading_only(service: Service) -> None:
    for path in ("/healthz", "/readyz", "/t1/healthz"):
        assert httpx.get(f"{service.url}{path}").status_code == 200
        assert httpx.head(f"{service.url}{path}").content == b""
        refused = httpx.post(f"{service.url}{path}")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_without_its_file_it_is_alive_and_not_ready_and_denies_nobody(
    made_sqlite_url: str, tmp_path: Path
) -> None:
    stock = stocked(made_sqlite_url)
    path = Path(made_sqlite_url.removeprefix("sqlite:///"))
    with serving(stock) as running, httpx.Client(base_url=running.url) as client:
        hidden = path.rename(tmp_path / "hidden")
        assert client.get("/healthz").status_code == 200
        for answer in (
            client.get("/readyz"),
            client.post(EVALUATION, json=QUESTION, headers=bearer(stock.check)),
            client.post(EVALUATIONS, json=QUESTION, headers=bearer(stock.check)),
            client.post("/access/v1/search/subject", json=QUESTION, headers=bearer(stock.check)),
        ):
            assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
            assert answer.headers["retry-after"] == "1"
            assert str(path) not in answer.text
        failures = numbers(client.get("/metrics").text)["tenantcfg_store_failures_total"]
        assert failures == {(("code", "unavailable"),): 4.0}

        hidden.rename(path)
        assert client.get("/readyz").status_code == 200
        _, _, err = running.stop()
    lines = [json.loads(line) for line in err.splitlines()]
    warned = [one for one in lines if one["level"] == "warning"]
    assert {(one["event"], one["code"]) for one in warned} == {
        ("the store cannot be asked", "unavailable")
    }
    assert sum(one["number"] for one in warned) <= 4
    requests = [one for one in lines if one["event"] == "request"]
    assert [(one["status"], one["why"]) for one in requests] == [(503, warned[0]["why"])] * 4


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """All processes of *server* stopped in the middle of whatever they do."""
    main = int((server.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    children = Path(f"/proc/{main}/task/{main}/children").read_text(encoding="ascii").split()
    stopped = [main, *map(int, children)]
    for one in stopped:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in stopped:
            os.kill(one, signal.SIGCONT)


def test_readiness_is_told_within_a_second_whatever_hangs(
    postgres_of_own: Server, tables_template: TablesTemplate
) -> None:
    with postgres_of_own.database() as url:
        tables_template.copy_to(url)
        stock = stocked(url)
        env = {"TENANTCFG_SERVE_DRAIN_SECONDS": "0"}
        with (
            Service("--store", url, "--bind", "127.0.0.1:0", env=env) as running,
            httpx.Client(base_url=running.url, timeout=30) as client,
        ):

            def asked() -> httpx.Response:
                return client.post(EVALUATION, json=QUESTION, headers=bearer(stock.check))

            assert asked().json() == {"decision": True}
            with frozen(postgres_of_own):
                for _ in range(3):
                    began = time.monotonic()
                    assert client.get("/readyz").status_code == 503
                    # The time of a busy machine on top.
                    assert time.monotonic() - began < 1.0 + 1.0
                assert client.get("/healthz").status_code == 200
                hung = asked()
                assert (hung.status_code, hung.json()["error"]) == (503, "unavailable")
                began = time.monotonic()
                followed = client.get("/changes?after=0", headers=bearer(stock.check))
                assert (followed.status_code, followed.json()["error"]) == (503, "unavailable")
                assert time.monotonic() - began < PATIENCE + 3.0
            assert asked().json() == {"decision": True}
            assert client.get("/readyz").status_code == 200

            with frozen(postgres_of_own):
                assert client.get("/readyz").status_code == 503
                assert running.stop()[0] == 0


# Metrics


def numbers(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """The samples of an exposition, by name and labels."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def ask_all(client: httpx.Client, stock: Stock, times: int = 1) -> None:
    """One permit, one denial, one batch of both, one refusal, one that leads nowhere."""
    nobody = {**QUESTION, "subject": {"type": "application", "id": "nobody"}}
    for _ in range(times):
        for body in (QUESTION, nobody):
            client.post(EVALUATION, json=body, headers=bearer(stock.check))
        batch = {"evaluations": [QUESTION, nobody, nobody]}
        client.post(EVALUATIONS, json=batch, headers=bearer(stock.check))
        client.post(EVALUATION, json=QUESTION)
        client.get("/some/where/else")


def expected(times: int) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    return {
        "tenantcfg_checks_total": {
            (("decision", "permit"), ("reason", "")): 2.0 * times,
            (("decision", "deny"), ("reason", "not_granted")): 3.0 * times,
        },
        "tenantcfg_http_requests_total": {
            (("route", EVALUATION), ("status", "200")): 2.0 * times,
            (("route", EVALUATION), ("status", "401")): 1.0 * times,
            (("route", EVALUATIONS), ("status", "200")): 1.0 * times,
            (("route", ""), ("status", "404")): 1.0 * times,
        },
    }


def test_metrics_count_answers_and_decisions_and_name_nobody(file_stock: Stock) -> None:
    with serving(file_stock) as running, httpx.Client(base_url=running.url) as client:
        ask_all(client, file_stock)
        text = client.get("/metrics").text

    found = numbers(text)
    for name, samples in expected(1).items():
        assert found[name] == samples
    timed = found["tenantcfg_http_request_seconds_count"]
    assert timed[("route", EVALUATION),] == 3.0
    assert "process_cpu_seconds_total" in found
    for name in (str(APP), str(CONTOSO), "nobody", "where", file_stock.check[5:17]):
        assert name not in text


def test_metrics_of_several_workers_are_added_up_and_begin_anew(file_stock: Stock) -> None:
    for _ in range(2):
        with (
            serving(file_stock, "--workers", "2", "--metrics-bind", "127.0.0.1:0") as running,
            httpx.Client(base_url=running.url, headers={"Connection": "close"}) as client,
        ):
            listening = [one for one in map(json.loads, running.lines) if "metrics" in one]
            ask_all(client, file_stock, times=10)
            elsewhere = listening[0]["metrics"]
            found = numbers(httpx.get(f"{elsewhere}/metrics").text)
            assert client.get("/metrics").status_code == 404

        for name, samples in expected(10).items():
            assert found[name] == samples


def test_metrics_can_have_a_place_of_their_own(file_stock: Stock) -> None:
    with (
        serving(file_stock, "--metrics-bind", "127.0.0.1:0") as running,
        httpx.Client(base_url=running.url) as client,
    ):
        elsewhere = next(
            one["metrics"] for one in map(json.loads, running.lines) if "metrics" in one
        )
        ask_all(client, file_stock)
        assert client.get("/metrics").status_code == 404
        found = numbers(httpx.get(f"{elsewhere}/metrics").text)

    assert found["tenantcfg_checks_total"] == expected(1)["tenantcfg_checks_total"]


# Logs


@pytest.mark.parametrize(
    ("which", "statuses"), [("all", [200, 200, 401, 404]), ("problems", [401, 404]), ("none", [])]
)
def test_requests_leave_a_line_as_it_is_set(
    file_stock: Stock, which: str, statuses: list[int]
) -> None:
    env = {"TENANTCFG_SERVE_LOG_REQUESTS": which}
    options = ("--store", file_stock.url, "--bind", "127.0.0.1:0")
    with Service(*options, env=env) as running, httpx.Client(base_url=running.url) as client:
        headers = {"X-Request-ID": "mine"}
        client.post(EVALUATION, json=QUESTION, headers=bearer(file_stock.check) | headers)
        client.get("/healthz", headers=headers)
        client.post(EVALUATION, json=QUESTION, headers=headers)
        client.get("/nowhere", headers=headers)
        _, _, err = running.stop()

    lines = [one for one in map(json.loads, err.splitlines()) if one["event"] == "request"]
    assert [one["status"] for one in lines] == statuses
    for one in lines:
        assert list(one)[:3] == ["timestamp", "level", "event"]
        assert (one["request_id"], one["peer"]) == ("mine", "127.0.0.1")
    if which == "all":
        assert lines[0]["asker"] == f"key:{file_stock.check[5:17]}"
        assert [one["route"] for one in lines] == [EVALUATION, "/healthz", EVALUATION, ""]


def test_what_a_client_names_is_cut_in_a_line() -> None:
    async def nothing() -> dict[str, str]:
        return {}

    head = {"method": "GET", "raw_path": b"/check/nginx", "query_string": b""}
    request = Request({**head, "headers": [(b"x-request-id", b"r" * 1000)]}, nothing)
    request.asker = "proxied:" + "a" * 1000

    with structlog.testing.capture_logs() as lines:
        Operations(Metrics(), "all").answered(request, "/check/nginx", 200, 0.001)

    assert lines[0]["request_id"] == "r" * 200 + "..."
    assert lines[0]["asker"] == "proxied:" + "a" * 192 + "..."


def test_a_store_that_is_away_leaves_a_line_a_second() -> None:
    metrics = Metrics()
    operations = Operations(metrics)

    with structlog.testing.capture_logs() as lines:
        for _ in range(1000):
            operations.failed(Unavailable("the store cannot be reached"))
            operations.refused("no_http")

    events = [one["event"] for one in lines]
    assert events[:2] == ["the store cannot be asked", "connections are refused"]
    # As many seconds as a busy machine takes for that.
    assert len(events) < 20
    found = numbers(metrics.exposed().decode())
    assert found["tenantcfg_store_failures_total"] == {(("code", "unavailable"),): 1000.0}
    assert found["tenantcfg_http_refused_total"] == {(("reason", "no_http"),): 1000.0}


def test_what_is_refused_before_it_is_a_request_is_counted_by_reason(file_stock: Stock) -> None:
    env = {"TENANTCFG_SERVE_MAX_CONNECTIONS": "2"}
    options = ("--store", file_stock.url, "--bind", "127.0.0.1:0")
    with Service(*options, env=env) as running:
        place = urlsplit(running.url)
        assert place.port is not None
        assert exchange(place.port, b"nonsense\r\n\r\n").status == 400
        long = request("GET", "/healthz", "X-Long: " + "x" * 70_000)
        assert exchange(place.port, long).status == 431
        with ExitStack() as stack:
            for _ in range(2 + SPARE):
                stack.enter_context(socket.create_connection(("127.0.0.1", place.port)))
            assert exchange(place.port, b"").status == 503
        text = until_served(f"{running.url}/metrics")
        _, _, err = running.stop()

    assert numbers(text)["tenantcfg_http_refused_total"] == {
        (("reason", "no_http"),): 1.0,
        (("reason", "large_head"),): 1.0,
        (("reason", "too_many_connections"),): 1.0,
    }
    told = [one for one in map(json.loads, err.splitlines()) if "refused" in one["event"]]
    assert (told[0]["reason"], told[0]["number"]) == ("no_http", 1)
    assert len(told) <= 3


def until_served(url: str) -> str:
    """What is at *url*, once those have gone that keep it from being served."""
    for _ in range(100):
        if (answer := httpx.get(url)).status_code == 200:
            return answer.text
    raise AssertionError(url)


def test_why_a_token_did_not_pass_is_told_and_the_token_is_not(file_stock: Stock) -> None:
    ours, other = "https://localhost:1/t", "https://other.example/t"
    env = {
        "TENANTCFG_SERVE_PROXY_SOURCE": "token",
        "TENANTCFG_SERVE_ENTRA_ISSUERS": f"{ours}/{{tid}}/",
        "TENANTCFG_SERVE_ENTRA_JWKS": "https://localhost:1/keys",
        "TENANTCFG_SERVE_ENTRA_AUDIENCES": "canary-audience",
    }
    options = ("--store", file_stock.url, "--bind", "127.0.0.1:0")
    held = {"X-Original-Method": "DELETE", "X-Original-URI": "/app/calls/c/participants/p"}
    with Service(*options, env=env) as running, httpx.Client(base_url=running.url) as client:
        client.get("/check/nginx", headers=held)
        tokens = ["canary", signed_by_nobody(other), signed_by_nobody(ours)]
        answers = [client.get("/check/nginx", headers=held | bearer(one)) for one in tokens]
        _, _, err = running.stop()

    assert [one.status_code for one in answers] == [401, 401, 503]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30
    assert len(answers[2].headers.get_list("retry-after")) == 1
    lines = [one for one in map(json.loads, err.splitlines()) if one["event"] == "request"]
    told = [one["why"] for one in lines]
    assert told[0] == "unauthenticated: there is no bearer token"
    assert told[1].startswith("invalid_token: it is no compact JWS")
    assert "other.example" in told[2]
    assert told[3].startswith("the issuer's signing keys are not at hand, for ")
    for one in ("canary", *tokens[1].split("."), *tokens[2].split(".")):
        assert one not in err


def signed_by_nobody(issuer: str) -> str:
    """A token with the claims of *issuer*, and any signature."""
    claims = {"iss": f"{issuer}/{CONTOSO}/", "tid": str(CONTOSO), "aud": "canary", "sub": "canary"}
    parts = [{"alg": "RS256", "kid": "canary"}, claims, "a signature"]
    encoded = [urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in parts]
    return b".".join(encoded).decode()


def test_no_secret_and_nothing_that_was_asked_is_written_anywhere(
    postgres: Server, tables_template: TablesTemplate, tmp_path: Path
) -> None:
    canaries = {name: f"c4n4ry-{name}-{secrets.token_hex(12)}" for name in (
        "password", "proxy", "log", "read", "header", "body", "query", "path", "token", "agent",
    )}  # fmt: skip
    page_key = secrets.token_hex(32)
    with postgres.database() as url, postgres.database() as log:
        tables_template.copy_to(url)
        stock = stocked(url)
        # Trusted without one, as PostgreSQL's own way goes; it is a secret all the same.
        with_password = url.replace("@/", f":{canaries['password']}@/")
        secret = tmp_path / "secret"
        secret.write_text(canaries["proxy"])
        config = tmp_path / "tenantcfg.toml"
        config.write_text(
            f'database_url = "{with_password}"\n[serve]\nlog_requests = "all"\n'
            f'proxy_source = "headers"\nproxy_secret_file = "{secret}"\n'
            f'page_key = "{page_key}"\nbind = "127.0.0.1:0"\n'
            f'decision_log_url = "{log.replace("@/", ":" + canaries["log"] + "@/")}"\n'
            f'read_url = "{url.replace("@/", ":" + canaries["read"] + "@/")}"\n'
        )
        env = {"TENANTCFG_CONFIG": str(config)}
        said = []
        with Service(env=env) as running, httpx.Client(base_url=running.url) as client:
            said += list(hostile(client, stock, canaries))
            said.append(client.get("/metrics").text)
            _, out, err = running.stop()
        from tests.cli.program import start  # noqa: PLC0415 - beside Service

        told = start("serve", "--check-config", env=env)
        refused = start("serve", "--bind", "nowhere", env=env)
    everything = "".join([*said, out, err, told.out, told.err, refused.out, refused.err])

    assert told.code == 0
    assert refused.code == 2
    # A secret is base64url and may hold "_" itself: what follows the second one is all of it.
    whole = [key.split("_", 2)[2] for key in (stock.check, stock.revoked, stock.limited)]
    hidden = [*canaries.values(), page_key, stock.check, *whole]
    assert [one for one in hidden if one in everything] == []
    assert len(err.splitlines()) > 10


def hostile(client: httpx.Client, stock: Stock, canary: dict[str, str]) -> Iterator[str]:
    """Answers to requests that have secrets in every place, good ones and bad ones."""
    headers = {
        "X-Secret": canary["header"],
        "Cookie": canary["header"],
        "User-Agent": canary["agent"],
        "X-Tenantcfg-Secret": canary["proxy"],
    }
    body = {
        **QUESTION,
        "context": {"x": canary["body"]},
        "action": {"name": "remove_participant", "properties": {canary["body"]: canary["body"]}},
    }
    for key in (stock.check, stock.revoked, stock.limited, canary["token"]):
        for path in (EVALUATION, EVALUATIONS, f"/{canary['path']}", "/check/nginx", "/metrics"):
            for content in (json.dumps(body), canary["body"], f'{{"{canary["body"]}": 1}}'):
                answer = client.post(
                    f"{path}?x={canary['query']}",
                    content=content,
                    headers={**headers, **bearer(key), "Content-Type": "application/json"},
                )
                yield answer.text + str(answer.headers)


def test_a_fault_of_ours_is_told_by_its_place_and_not_by_what_was_sent(
    file_stock: Stock, tmp_path: Path
) -> None:
    # The program with a fault in it, which no input is known to find.
    broken = tmp_path / "sitecustomize.py"
    broken.write_text(
        "import tenantcfg.service.judging as judging\n"
        "async def judge(self, questions, *_):\n"
        "    raise KeyError(questions[0].subject.id)\n"
        "judging.StoreDecisions.judge = judge\n"
    )
    path = os.pathsep.join([str(tmp_path), os.getcwd()])  # noqa: PTH109 - a text
    options = ("--store", file_stock.url, "--bind", "127.0.0.1:0")
    with Service(*options, env={"PYTHONPATH": path}) as running:
        answer = httpx.post(
            f"{running.url}{EVALUATION}",
            json={**QUESTION, "subject": {"type": "application", "id": "c4n4ry"}},
            headers=bearer(file_stock.check) | {"X-Request-ID": "mine"},
        )
        _, _, err = running.stop()

    assert (answer.status_code, answer.json()["error"]) == (500, "internal")
    assert answer.headers["x-request-id"] == "mine"
    assert "c4n4ry" not in answer.text + err
    [fault] = [one for one in map(json.loads, err.splitlines()) if one["level"] == "error"]
    assert fault["fault"] == "KeyError"
    assert fault["at"][-1].endswith("judge")


# The document


@pytest.fixture(scope="module")
def described(file_stock: Stock) -> Iterator[Service]:
    """A service that answers all that one can."""
    env = {
        "TENANTCFG_SERVE_PROXY_SOURCE": "headers",
        "TENANTCFG_SERVE_PROXY_SECRET": SECRET,
        "TENANTCFG_SERVE_CALLS": "roster",
        # Nobody is there: no token passes, and that is known at once.
        "TENANTCFG_SERVE_ENTRA_ISSUERS": f"https://127.0.0.1:1/{CONTOSO}/v2.0",
        "TENANTCFG_SERVE_ENTRA_AUDIENCES": "api://nobody",
    }
    options = ("--store", file_stock.url, "--bind", "127.0.0.1:0", "--public-url", PUBLIC)
    with Service(*options, env=env) as running:
        yield running


def test_the_document_is_that_of_this_service(described: Service, service: Service) -> None:
    answer = httpx.get(f"{described.url}/openapi.json")
    without = httpx.get(f"{service.url}/openapi.json").json()["paths"]

    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == document(PUBLIC)
    assert answer.json()["openapi"].startswith("3.1")
    left_out = answer.json()["paths"].keys() - without.keys()
    kinds = ("/check/", "/communications/", "/roster/", "/removals")
    assert left_out == {one for one in answer.json()["paths"] if one.startswith(kinds)}


def test_each_path_of_the_document_is_answered(described: Service) -> None:
    paths = httpx.get(f"{described.url}/openapi.json").json()["paths"]

    asked = [(path, method) for path, operations in paths.items() for method in operations]
    for path, method in asked:
        answer = httpx.request(method, described.url + re.sub(r"{\w+}", "x", path))
        assert answer.status_code != 404, path
    assert (len(paths), len(asked)) == (24, 28)


def test_a_path_that_is_not_described_makes_no_service() -> None:
    """So the document of a service that runs has all paths of its table."""
    with pytest.raises(KeyError, match="forgotten"):
        pages(None, [b"/healthz", b"/forgotten"])


def test_each_code_and_each_reason_stands_in_the_document_and_on_the_page(
    service: Service,
) -> None:
    page = httpx.get(f"{service.url}/docs").text
    whole = json.dumps(document())

    for name in (*STATUS, *(reason.value for reason in Reason)):
        assert f'"{name}"' in whole
        assert name in page


def test_the_page_needs_no_network_and_runs_nothing(service: Service) -> None:
    answer = httpx.get(f"{service.url}/docs")

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert re.findall(r"(?:src|href)=\"?([^\" >]+)", answer.text)
    assert not re.search(r"https?://|<script|\son\w+=|@import|url\(", answer.text)
    links = set(re.findall(r'href="([^"]+)"', answer.text))
    anchors = {f"#{one}" for one in re.findall(r'id="([^"]+)"', answer.text)}
    assert links - anchors == {"openapi.json"}


# The streams have no end.
SCHEMA = schemathesis.openapi.from_dict(document(PUBLIC)).exclude(path=["/changes", "/removals"])
checks.load_all_checks()
CHECKS: list[Any] = checks.CHECKS.get_by_names(
    ["content_type_conformance", "response_schema_conformance", "status_code_conformance"]
)


@SCHEMA.parametrize()
@settings(
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_nothing_that_the_document_leads_to_makes_a_5xx_or_another_answer(
    case: schemathesis.Case[Any], described: Service, file_stock: Stock
) -> None:
    shown = {"X-Tenantcfg-Secret": SECRET, "X-Request-ID": "mine", **bearer(file_stock.check)}
    answer = case.call(base_url=described.url, headers=shown)

    # 503 stands for a revision that is not there yet.
    assert answer.status_code < 500 or answer.json()["error"] == "stale"
    # Graph has an id of its own for each request (participants P17).
    of_graph = case.path.startswith("/communications/")
    assert answer.headers["x-request-id"] == (
        answer.headers["request-id"] if of_graph else ["mine"]
    )
    case.validate_response(answer, checks=CHECKS)
