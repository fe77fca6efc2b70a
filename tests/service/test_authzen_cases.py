"""
The working group's cases, over real HTTP, against the layer that the product answers with.

They test the layer and not our policy: each scenario is a source of decisions of its own
(scenarios). Compared more strictly than the working group's runners do (check, section 7).
Run other cases by ``--authzen DIR``, which is laid out as ``authzen/`` here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.service.scenarios import FIXTURE, GATEWAY, TASKS, TOKEN, records
from tests.service.served import layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.service.scenarios import Scenario

Client = httpx.Client
Case = dict[str, Any]

CASES = Path(__file__).parent / "authzen"
EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"


def folder(config: pytest.Config) -> Path:
    """Where the cases lie."""
    return Path(config.getoption("--authzen", default=str(CASES)))


def load(config: pytest.Config, name: str) -> Any:  # noqa: ANN401 - what the file says
    path = folder(config) / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def named(cases: list[Any], name: str) -> list[Any]:
    return [pytest.param(one, id=f"{name}-{number}") for number, one in enumerate(cases)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    config = metafunc.config
    if "case" in metafunc.fixturenames:
        cases = load(config, "certification/oidf-suite-cases.json")["cases"]
        metafunc.parametrize("case", [pytest.param(one, id=one["id"]) for one in cases])
    if "decided" in metafunc.fixturenames:
        todo = load(config, "interop/todo-decisions-1_0-02.json").get("evaluation", [])
        gateway = load(config, "interop/gateway-decisions.json").get("evaluation", [])
        metafunc.parametrize("decided", named(todo, "todo") + named(gateway, "gateway"))
    if "batch" in metafunc.fixturenames:
        batches = load(config, "interop/todo-decisions-1_0-02.json").get("evaluations", [])
        metafunc.parametrize("batch", named(batches, "todo"))
    if "searched" in metafunc.fixturenames:
        metafunc.parametrize("searched", list(searches(config)))


def searches(config: pytest.Config) -> Iterator[Any]:
    for kind in ("subject", "resource", "action"):
        whole = load(config, f"interop/search-{kind}-results.json")
        for number, one in enumerate(whole.get("evaluation", [])):
            yield pytest.param((kind, one), id=f"{kind}-{number}")
    for number, one in enumerate(load(config, "interop/idp-results.json").get("search", [])):
        yield pytest.param(("resource", one), id=f"idp-{number}")


def asking(scenario: Scenario) -> Iterator[Client]:
    with (
        layer(scenario) as serving,
        Client(base_url=serving.url, headers={"Authorization": f"Bearer {TOKEN}"}) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def fixture() -> Iterator[Client]:
    yield from asking(FIXTURE)


@pytest.fixture(scope="module")
def todo() -> Iterator[Client]:
    yield from asking(TASKS)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Client]:
    yield from asking(GATEWAY)


@pytest.fixture(scope="module")
def demo(pytestconfig: pytest.Config) -> Iterator[Client]:
    people = load(pytestconfig, "interop/search-users.json")
    papers = load(pytestconfig, "interop/search-records.json")
    yield from asking(records(people, papers))


# Certification


def test_a_case_of_the_conformance_suite(case: Case, fixture: Client) -> None:
    answers = [send(case, fixture) for _ in range(case.get("repeat", 1))]

    for answer in answers:
        assert answer.status_code in case["expect_status"]
        if case.get("request_id"):
            assert answer.headers["x-request-id"] == "as-it-was-sent"
        if "expect" in case:
            hold(case, answer.json(), fixture)
        if answer.status_code != 200:
            assert set(answer.json()) == {"error", "message"}
        for member in case.get("expect_absent", []):
            assert member not in answer.json()


def send(case: Case, client: Client) -> httpx.Response:
    headers = {}
    if case["content_type"]:
        headers["Content-Type"] = case["content_type"]
    if case.get("request_id"):
        headers["X-Request-ID"] = "as-it-was-sent"
    content = case["raw_body"] if "raw_body" in case else json.dumps(case["body"])
    request = client.build_request(case["method"], case["path"], content=content, headers=headers)
    match case.get("credentials"):
        case "none":
            del request.headers["Authorization"]
        case "wrong":
            request.headers["Authorization"] = f"Bearer not-{TOKEN}"
    return client.send(request)


def hold(case: Case, said: Any, client: Client) -> None:  # noqa: ANN401 - what was answered
    """The answer is exactly what is expected, but for what is left to us."""
    expected = case["expect"]
    for name, value in expected.items():
        match name:
            case "decision":
                assert said["decision"] is value
            case "evaluations":
                decisions = [one["decision"] for one in said["evaluations"]]
                assert decisions == [one["decision"] for one in value]
            case "results" if value:
                found = all_results(case, said, client)
                assert [one for one in value if one not in found] == []
            case "results":
                assert said["results"] == []
            case "page":
                assert said["page"].items() >= value.items()
            case _:
                pytest.fail(f"nothing is known of {name}")
    if "evaluations" not in expected and case["path"] == EVALUATIONS:
        assert "evaluations" not in said


def all_results(case: Case, said: Any, client: Client) -> list[Any]:  # noqa: ANN401 - as above
    """The results of the page that was answered, and of all behind it."""
    found = list(said["results"])
    while said.get("page", {}).get("next_token"):
        page = {"token": said["page"]["next_token"]}
        said = client.post(case["path"], json={**case["body"], "page": page}).json()
        found += said["results"]
    return found


# Interop


def test_a_decision_of_an_interop_scenario(decided: Case, todo: Client, gateway: Client) -> None:
    client = gateway if decided["request"]["subject"]["type"] == "identity" else todo
    answer = client.post(EVALUATION, json=decided["request"])

    assert answer.status_code == 200
    assert answer.json()["decision"] is decided["expected"]


def test_a_batch_of_the_todo_scenario_as_exact_json(batch: Case, todo: Client) -> None:
    answer = todo.post(EVALUATIONS, json=batch["request"])

    assert answer.status_code == 200
    assert answer.json() == {"evaluations": batch["expected"]}


def test_a_search_of_the_demonstration(searched: tuple[str, Case], demo: Client) -> None:
    kind, one = searched
    answer = demo.post(f"/access/v1/search/{kind}", json=one["request"])

    assert answer.status_code == 200
    expected = sorted(map(list, map(dict.items, one["expected"]["results"])))
    # As pairs, so that the order of members counts: the type before the id.
    assert sorted(map(list, map(dict.items, answer.json()["results"]))) == expected
