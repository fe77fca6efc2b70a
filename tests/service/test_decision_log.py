"""The decision log of a service that runs: what leaves a row, and what an answer waits for."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import httpx
import psycopg
import pytest

from tenantcfg import ListModifier, Revision, Store
from tenantcfg.service.decision_log import TRUSTED, Durable, Sampled
from tenantcfg.service.http import Problem
from tenantcfg.store import sqlite
from tenantcfg.store.decision_log import DecisionLog, Entry, LogWriter, Wanted, create
from tests.cli.program import Said, Terminal, run
from tests.decisions import a_log, an_entry
from tests.service.served import PATIENCE, Service
from tests.service.stock import APP, CLOSED, CONTOSO, ENDED, FABRIKAM, OTHER, stocked
from tests.stores import BY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.postgres import Server
    from tests.service.stock import Stock

Body = dict[str, Any]

EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"
SECRET = "a secret of the proxy that nobody is to see"  # noqa: S105 - of the tests alone
CANARIES = ("canary-context", "canary-subject", "canary-action", "canary-header", "canary-page")


def question(app: object = APP.value, tenant: object = CONTOSO.value, **named: Any) -> Body:
    return {
        "subject": {"type": "application", "id": app},
        "action": {"name": "remove_participant", "properties": named},
        "resource": {"type": "tenant", "id": tenant},
    }


@dataclass(frozen=True)
class Logged:
    """A service with a decision log, and how it is asked."""

    service: Service
    stock: Stock
    log_url: str

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key or self.stock.check}"}
        return httpx.Client(base_url=self.service.url, headers=headers, timeout=30)

    def ask(self, body: Body, *, path: str = EVALUATION, key: str | None = None) -> Answered:
        """Ask under a request id of its own."""
        request_id = str(uuid4())
        with self.client(key) as client:
            answer = client.post(path, json=body, headers={"X-Request-ID": request_id})
        return Answered(request_id, answer)

    def proxied(self, path: str, app: str, *, form: str = "nginx") -> Answered:
        """Ask as a proxy does that holds a DELETE of *path*."""
        request_id = str(uuid4())
        names = {"nginx": ("Original-Method", "Original-URI")}
        method, target = names.get(form, ("Forwarded-Method", "Forwarded-Uri"))
        headers = {
            "X-Request-ID": request_id,
            "X-Tenantcfg-Secret": SECRET,
            "X-Tenantcfg-App": app,
            "X-Tenantcfg-Tenant": CONTOSO.value,
            f"X-{method}": "DELETE",
            f"X-{target}": path,
        }
        with httpx.Client(base_url=self.service.url, timeout=30) as client:
            if form == "envoy":
                answer = client.delete(f"/check/envoy{path}", headers=headers)
            else:
                answer = client.get(f"/check/{form}", headers=headers)
        return Answered(request_id, answer)

    def rows(self, request_id: str) -> list[Entry]:
        with DecisionLog.open(self.log_url) as log:
            return log.request(request_id, most=2_000)

    def of(self, answered: Answered) -> Entry:
        """The one row of a request."""
        (row,) = self.rows(answered.request_id)
        return row

    def run(self, *argv: str) -> Said:
        """Run a verb on this store and this log."""
        return run(*argv, "--log", self.log_url, "--store", self.stock.url)


@dataclass(frozen=True)
class Answered:
    request_id: str
    answer: httpx.Response

    @property
    def status(self) -> int:
        return self.answer.status_code


def environment(log_url: str, mode: str) -> dict[str, str]:
    return {
        "TENANTCFG_SERVE_DECISION_LOG_URL": log_url,
        "TENANTCFG_SERVE_DECISION_LOG_MODE": mode,
        "TENANTCFG_SERVE_PROXY_SOURCE": "headers",
        "TENANTCFG_SERVE_PROXY_SECRET": SECRET,
    }


@contextmanager
def logging(stock: Stock, log_url: str, mode: str, *options: str) -> Iterator[Logged]:
    options = ("--store", stock.url, "--bind", "127.0.0.1:0", *options)
    with Service(*options, env=environment(log_url, mode)) as service:
        yield Logged(service, stock, log_url)


@contextmanager
def a_place(near: str, folder: Path, postgres: Server) -> Iterator[str]:
    """Where a log can be made, in the kind of database that *near* is."""
    if near.startswith("sqlite"):
        yield f"sqlite:///{folder / 'log' / 'log.db'}"
        return
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="module")
def durable(
    stock: Stock, tmp_path_factory: pytest.TempPathFactory, postgres: Server
) -> Iterator[Logged]:
    """A service that answers what is on record, store and log in each database."""
    with (
        a_place(stock.url, tmp_path_factory.mktemp("log"), postgres) as log_url,
        logging(stock, log_url, "durable") as logged,
    ):
        yield logged


@pytest.fixture
def log_url(store_url: str, tmp_path: Path, postgres: Server) -> Iterator[str]:
    """Where a log can be made, beside a store of the test's own."""
    with a_place(store_url, tmp_path, postgres) as url:
        yield url


@contextmanager
def locked(log_url: str) -> Iterator[None]:
    """Nobody else can write into the log meanwhile, nor look into it on PostgreSQL."""
    if log_url.startswith("sqlite"):
        path = Path(log_url.removeprefix("sqlite:///"))
        with closing(sqlite.connect(path, patience=30)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")
        return
    with psycopg.connect(log_url) as connection:
        connection.execute("LOCK TABLE decision_writers, decisions IN ACCESS EXCLUSIVE MODE")
        yield


def revoke_and_grant(url: str) -> None:
    """Two changes; they return once they are done."""
    with Store.open(url) as store:
        store.modify(CONTOSO, ListModifier(remove=(OTHER,)), by=BY)
        store.modify(CONTOSO, ListModifier(add=(OTHER,)), by=BY)


# --- What leaves a row ---


def test_an_answer_is_on_record_with_all_that_names_it_m2(durable: Logged) -> None:
    before = time.time_ns() // 1000
    asked = durable.ask(question(APP.value.upper(), call_id="c-1", participant_id="p-1"))

    assert asked.answer.json() == {"decision": True}
    row = durable.of(asked)
    assert before <= row.at <= time.time_ns() // 1000
    assert row == Entry(
        at=row.at,
        request_id=asked.request_id,
        place=None,
        asker=f"key:{durable.stock.check.split('_')[1]}",
        asker_name="check",
        app=APP.value,
        tenant=CONTOSO.value,
        call="c-1",
        participant="p-1",
        decision="permit",
        reason=None,
        store_id=asked.answer.headers["tenantcfg-store"],
        revision=int(asked.answer.headers["tenantcfg-revision"]),
        endpoint=EVALUATION,
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (question("stranger"), "not_granted"),
        (question(tenant="nowhere"), "not_granted"),
        (question(ENDED.value), "grant_not_in_force"),
        (question(tenant=CLOSED.value), "tenant_disabled"),
        ({**question(), "action": {"name": "fly"}}, "unsupported_action"),
    ],
)
def test_a_denial_is_on_record_with_its_reason_r3(durable: Logged, body: Body, reason: str) -> None:
    row = durable.of(durable.ask(body))

    assert (row.decision, row.reason) == ("deny", reason)
    assert (row.app, row.tenant) == (body["subject"]["id"], body["resource"]["id"])


def test_what_is_no_app_and_no_tenant_is_not_kept_as_one_m5(durable: Logged) -> None:
    person = {"type": "user", "id": "canary-subject"}
    of_person = durable.of(durable.ask({**question(), "subject": person}))
    thing = {"type": "call", "id": "canary-subject"}
    of_thing = durable.of(durable.ask({**question(), "resource": thing}))

    assert (of_person.app, of_person.reason) == (None, "unsupported_subject_type")
    assert (of_thing.tenant, of_thing.reason) == (None, "unsupported_resource_type")


def test_the_second_form_names_call_and_participant_m3(durable: Logged) -> None:
    resource = {
        "type": "participant",
        "id": "p-2",
        "properties": {"tenant_id": CONTOSO.value, "call_id": "c-2"},
    }
    row = durable.of(durable.ask({**question(), "resource": resource}))
    resource["properties"] = {"call_id": "c-2"}
    without = durable.of(durable.ask({**question(), "resource": resource}))

    assert (row.decision, row.tenant, row.call, row.participant) == (
        "permit",
        CONTOSO.value,
        "c-2",
        "p-2",
    )
    assert (without.reason, without.tenant, without.participant) == ("tenant_missing", None, "p-2")


def test_a_batch_is_one_row_for_each_answer_in_its_place_w15_w24(durable: Logged) -> None:
    items = [question(), {"resource": 5}, question("stranger"), question(tenant=FABRIKAM.value)]
    asked = durable.ask({"evaluations": items}, path=EVALUATIONS, key=durable.stock.limited)

    rows = durable.rows(asked.request_id)
    assert [(row.place, row.app, row.decision, row.reason) for row in rows] == [
        (0, APP.value, "permit", None),
        (1, None, "error", "invalid_request"),
        (2, "stranger", "deny", "not_granted"),
        (3, APP.value, "barred", "forbidden"),
    ]
    assert {row.endpoint for row in rows} == {EVALUATIONS}


def test_what_a_batch_does_not_answer_leaves_no_row_w21(durable: Logged) -> None:
    body = {
        "evaluations": [question(), question("stranger"), question()],
        "options": {"evaluations_semantic": "deny_on_first_deny"},
    }
    asked = durable.ask(body, path=EVALUATIONS)

    assert [row.decision for row in durable.rows(asked.request_id)] == ["permit", "deny"]


def test_a_batch_without_items_is_one_question_w18(durable: Logged) -> None:
    row = durable.of(durable.ask(question(), path=EVALUATIONS))

    assert (row.place, row.endpoint) == (None, EVALUATIONS)


def test_a_key_that_asks_about_another_tenant_is_on_record_m7(durable: Logged) -> None:
    asked = durable.ask(question(tenant=FABRIKAM.value), key=durable.stock.limited)

    assert asked.status == 403
    row = durable.of(asked)
    assert (row.decision, row.tenant, row.asker_name) == ("barred", FABRIKAM.value, "limited")


@pytest.mark.parametrize("form", ["nginx", "forward", "envoy"])
def test_what_proxies_ask_is_on_record_with_call_and_participant_f11(
    durable: Logged, form: str
) -> None:
    path = "/v1.0/communications/calls/c-3/participants/p-3?secret=canary-page"
    permitted = durable.proxied(path, APP.value, form=form)
    denied = durable.proxied(path, "stranger", form=form)

    assert (permitted.status, denied.status) == (200, 403)
    row = durable.of(permitted)
    assert row == an_entry(
        row.at,
        request_id=permitted.request_id,
        asker=f"proxied:{APP}",
        asker_name=None,
        app=APP.value,
        tenant=CONTOSO.value,
        call="c-3",
        participant="p-3",
        decision="permit",
        reason=None,
        store_id=permitted.answer.headers["tenantcfg-store"],
        revision=int(permitted.answer.headers["tenantcfg-revision"]),
        endpoint=f"/check/{form}",
    )
    row = durable.of(denied)
    # A client learns nothing of it (check F10); who has the request id does.
    assert (row.decision, row.reason) == ("deny", "not_granted")


def test_what_comes_to_no_decision_leaves_no_row(durable: Logged) -> None:
    without = [
        durable.ask(question(), key=durable.stock.revoked),
        durable.ask(question(), key=durable.stock.read),
        durable.ask({"subject": 5}),
        durable.ask({**question(), "subject": {"type": "application"}}, path="/access/v1/nothing"),
        durable.proxied("/somewhere/else", APP.value),
    ]

    assert [one.status for one in without] == [401, 403, 400, 404, 403]
    assert [durable.rows(one.request_id) for one in without] == [[]] * 5


def test_nothing_else_of_a_request_is_kept_and_no_secret_m5(durable: Logged) -> None:
    body = question(call_id="kept-call", canary="canary-action")
    body["subject"]["properties"] = {"secret": "canary-subject"}
    body["context"] = {"secret": "canary-context"}
    body["page"] = {"token": "canary-page"}
    with durable.client() as client:
        client.post(EVALUATION, json=body, headers={"X-Canary": "canary-header"})

    content = everything_in(durable.log_url)
    assert "kept-call" in content
    secrets = (*CANARIES, SECRET, durable.stock.check.split("_", 2)[2])
    assert [one for one in secrets if one in content] == []


def everything_in(log_url: str) -> str:
    """All that a log holds, as text; of a file, all its bytes."""
    if log_url.startswith("sqlite"):
        path = Path(log_url.removeprefix("sqlite:///"))
        return "".join(one.read_bytes().decode("latin-1") for one in path.parent.iterdir())
    with psycopg.connect(log_url) as connection:
        tables = ("decisions", "decision_log", "decision_writers")
        return "".join(
            str(connection.execute(f"TABLE {one}".encode()).fetchall()) for one in tables
        )


def test_texts_are_cut_and_nul_is_no_text(durable: Logged) -> None:
    asked = durable.ask(question("x\0y", "t" * 600, call_id="c" * 600, participant_id=7))
    row = durable.of(asked)

    assert (row.app, row.tenant, row.call, row.participant) == (
        "x\u2400y",
        "t" * 512,
        "c" * 512,
        None,
    )
    with durable.client() as client:
        client.post(EVALUATION, json=question(), headers={"X-Request-ID": "i" * 600})
    assert durable.rows("i" * 600)[0].request_id == "i" * 512


# --- As an admin reads it ---


def test_decisions_are_listed_and_narrowed(durable: Logged) -> None:
    app = f"app-{uuid4()}"
    for tenant in (CONTOSO, CONTOSO, FABRIKAM):
        durable.ask(question(app, tenant.value, call_id="c-9"))
    durable.ask(question(app, "forgotten"))

    def listed(*argv: str) -> list[dict[str, Any]]:
        said = durable.run("decisions", "--app", app, "-o", "jsonl", *argv)
        assert said.code == 0, said.err
        return [json.loads(line) for line in said.lines]

    rows = listed()
    assert [one["tenant"] for one in rows] == ["forgotten", "fabrikam", *[CONTOSO.value] * 2]
    assert [one["tenant"] for one in listed("--tenant", "fabrikam")] == ["fabrikam"]
    assert [one["tenant"] for one in listed("--tenant", CONTOSO.value.upper())] == [
        CONTOSO.value
    ] * 2
    assert [one["tenant"] for one in listed("--tenant", "forgotten")] == ["forgotten"]
    assert listed("--decision", "permit") == []
    assert listed("--limit", "1") == rows[:1]
    assert listed("--since", rows[1]["at"]) == rows[:2]
    assert listed("--until", rows[1]["at"]) == rows[2:]
    assert rows[0]["schema"] == "tenantcfg/decisions/1"
    assert rows[0]["history"] != rows[0]["store_id"]


@pytest.mark.parametrize("form", ["table", "list", "json", "csv", "yaml"])
def test_decisions_are_printed_in_each_format(durable: Logged, form: str) -> None:
    asked = durable.ask(question())
    said = durable.run("decisions", "--limit", "1", "-o", form)

    assert said.code == 0, said.err
    assert asked.request_id in said.out


def test_ids_cannot_move_a_terminals_cursor_nor_forge_a_line(durable: Logged) -> None:
    asked = durable.ask(question("x\x1b[2J\n2026 permit", call_id="c\u202e\r"))
    said = durable.run("explain-request", asked.request_id)

    assert said.code == 0
    assert "x\\x1b[2J\\x0a2026 permit" in said.out
    assert "call c\\u202e\\x0d" in said.out
    assert all(line.isprintable() for line in said.lines)
    assert not any(line.startswith("2026 permit") for line in said.lines)


def test_csv_is_escaped_on_a_terminal_too(tmp_path: Path) -> None:
    url = a_log(f"sqlite:///{tmp_path / 'log.db'}", an_entry(app="x\x1b[2J"))
    with Terminal("decisions", "-o", "csv", "--log", url) as terminal:
        said = terminal.ended()

    assert "x\\x1b[2J" in said.out
    assert "\x1b" not in said.out


def test_a_request_is_explained_by_what_the_store_says(durable: Logged) -> None:
    batch = [question(), question("stranger"), question(tenant=FABRIKAM.value), {"subject": 5}]
    asked = durable.ask({"evaluations": batch}, path=EVALUATIONS, key=durable.stock.limited)
    said = durable.run("explain-request", asked.request_id)
    data = durable.run("explain-request", asked.request_id, "-o", "json").json["items"]

    assert said.code == 0, said.err
    assert re.search(
        r"permit .*\n.*item 0.*\n  granted in tenant .*\n  given in revision", said.out
    )
    assert "deny not_granted" in said.out
    assert "the app has no grant in tenant" in said.out
    assert "who asked may not ask about this tenant" in said.out
    assert "this was no question" in said.out
    assert [one["place"] for one in data] == [0, 1, 2, 3]
    assert data[0]["explanation"]["decided_by"]["actor"] == BY.actor.name
    assert data[1]["explanation"]["reason"] == "not_granted"
    assert [one["explanation"] for one in data[2:]] == [None, None]


def test_an_answer_is_explained_as_of_its_revision(
    made_postgresql_url: str, tmp_path: Path
) -> None:
    # The log need not be in the same kind of database as the store.
    stock, url = stocked(made_postgresql_url), f"sqlite:///{tmp_path / 'log.db'}"
    with logging(stock, url, "durable") as logged:
        before = logged.ask(question(OTHER.value))
        with Store.open(stock.url) as store:
            revoked = store.modify(CONTOSO, ListModifier(remove=(OTHER,)), by=BY)
        after = logged.ask(question(OTHER.value))
        then, now = (logged.run("explain-request", one.request_id) for one in (before, after))

    assert "  granted in tenant" in then.out
    assert "deny not_granted" in now.out
    assert f"last changed in revision {revoked.revision}" in now.out


def test_a_grant_that_ran_out_before_the_answer_had_run_out(file_stock: Stock) -> None:
    with Store.open(file_stock.url) as store:
        head, history = store.head(), store.store_id
        granted = next(one for one in store.history(app=ENDED) if one.outcomes)
    revision = Revision(granted.revision)
    assert revision < head.revision
    folder = Path(file_stock.url.removeprefix("sqlite:///")).parent.parent
    url = f"sqlite:///{folder / 'ended.db'}"
    row = an_entry(granted.at, app=ENDED.value, tenant=CONTOSO.value, store_id=history)
    a_log(
        url,
        row._replace(request_id="before", decision="permit", reason=None, revision=revision),
        row._replace(request_id="elsewhere", store_id="another", revision=revision),
        row._replace(
            request_id="later",
            at=head.at + 1,
            reason="grant_not_in_force",
            revision=head.revision,
        ),
    )

    def explained(request_id: str) -> str:
        return run("explain-request", request_id, "--log", url, "--store", file_stock.url).out

    assert "granted in tenant" in explained("before")
    assert "decided by another store" in explained("elsewhere")
    assert "grant_not_in_force: the grant ended" in explained("later")
    said = run("explain-request", "before", "--log", url, "--store", f"{folder}/missing.db")
    assert (said.code, "the store cannot be asked why" in said.out) == (9, True)


def test_what_cannot_be_read_is_said(durable: Logged, tmp_path: Path) -> None:
    unknown = durable.run("explain-request", "nobody's")
    unset = run("decisions")
    missing = run("decisions", "--log", str(tmp_path / "none.db"))
    empty = run("decisions", "--log", "")

    assert (unknown.code, unset.code, missing.code, empty.code) == (2, 2, 9, 2)
    assert "no decision is on record under this request id: 'nobody's'" in unknown.err
    assert "no decision log is named: --log URL, TENANTCFG_SERVE_DECISION_LOG_URL" in unset.err
    assert "there is no decision log" in missing.err
    assert "an option has no value: --log" in empty.err


def test_the_verbs_find_the_log_by_the_services_own_setting(
    durable: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = durable.ask(question())
    monkeypatch.setenv("TENANTCFG_SERVE_DECISION_LOG_URL", durable.log_url)

    assert asked.request_id in run("decisions", "--limit", "1").out


# --- durable: what is answered is on record ---


def test_many_answers_share_a_commit(durable: Logged) -> None:
    before = batches(durable.log_url)
    with durable.client() as client, ThreadPoolExecutor(32) as threads:
        asks = [threads.submit(client.post, EVALUATION, json=question()) for _ in range(320)]
        assert {one.result().status_code for one in asks} == {200}

    assert 0 < batches(durable.log_url) - before < 320


def batches(log_url: str) -> int:
    statement = "SELECT coalesce(sum(batch), 0) FROM decision_writers"
    if log_url.startswith("sqlite"):
        path = Path(log_url.removeprefix("sqlite:///"))
        with closing(sqlite.connect(path, patience=30)) as connection:
            found = connection.execute(statement).fetchone()
    else:
        with psycopg.connect(log_url) as other:
            found = other.execute(statement).fetchone()
    assert found is not None
    return int(found[0])


def test_without_the_log_there_is_no_answer_and_a_revoke_does_not_wait(
    store_url: str, log_url: str
) -> None:
    with logging(stocked(store_url), log_url, "durable") as logged:
        with locked(log_url):
            revoke_and_grant(store_url)
            path = "/communications/calls/c/participants/p"
            with ThreadPoolExecutor(4) as threads:
                asks = [
                    threads.submit(logged.ask, question()),
                    threads.submit(logged.ask, {"evaluations": [question()]}, path=EVALUATIONS),
                    threads.submit(logged.proxied, path, APP.value),
                    threads.submit(logged.proxied, path, APP.value, form="envoy"),
                ]
                refused = [one.result() for one in asks]
            with logged.client() as client:
                assert not_ready(client).startswith("the decision log ")
                metrics = client.get("/metrics").text
        again = until_answered(logged)
        log = logged.service.stop()[2]

    for one in refused:
        assert one.status == 503
        assert one.answer.headers["retry-after"] == "1"
        assert one.answer.json()["error"] == "unavailable"
    assert 'tenantcfg_decision_log_rows_total{outcome="refused"} 4.0' in metrics
    assert logged.of(again).decision == "permit"
    assert re.search("the decision log (cannot be written|is too slow)", log)


def not_ready(client: httpx.Client) -> str:
    """Why it is not ready, which is told within a second."""
    began = time.monotonic()
    answer = client.get("/readyz")
    # The time of a busy machine on top.
    assert time.monotonic() - began < 1.0 + 1.0
    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
    return str(answer.json()["message"])


def test_a_service_is_ready_once_its_log_can_be_written_and_no_longer(
    store_url: str, log_url: str
) -> None:
    with logging(stocked(store_url), log_url, "durable") as logged, logged.client() as client:
        assert client.get("/readyz").status_code == 200
        # What was written a moment ago is no longer the last word.
        threading.Event().wait(TRUSTED + 0.1)
        with locked(log_url):
            for _ in range(2):
                assert not_ready(client).startswith("the decision log ")
        until_answered(logged)
        assert client.get("/readyz").status_code == 200
        assert waiting(client) == 0


def waiting(client: httpx.Client) -> float:
    """How many rows wait, by the metrics."""
    found = re.search(
        r"^tenantcfg_decision_log_waiting (\S+)$", client.get("/metrics").text, re.MULTILINE
    )
    assert found is not None
    return float(found[1])


def test_a_log_that_takes_nothing_leaves_one_line(file_stock: Stock, tmp_path: Path) -> None:
    with logging(file_stock, f"sqlite:///{tmp_path / 'log.db'}", "durable") as logged:
        for _ in range(2):
            assert logged.ask(question()).status == 200
            (tmp_path / "log.db").rename(tmp_path / "away.db")
            assert {logged.ask(question()).status for _ in range(5)} == {503}
            with logged.client() as client:
                threading.Event().wait(TRUSTED)
                assert not_ready(client) == "the decision log cannot be written now"
            (tmp_path / "away.db").rename(tmp_path / "log.db")
        assert logged.ask(question()).status == 200
        log = logged.service.stop()[2]

    events = [one["event"] for one in map(json.loads, log.splitlines())]
    told = [one for one in events if "the decision log" in one]
    assert told == ["the decision log cannot be written", "the decision log is written again"] * 2


def until_answered(logged: Logged) -> Answered:
    """An answer, once the log takes rows again."""
    for _ in range(20):
        asked = logged.ask(question())
        if asked.status == 200:
            return asked
    raise AssertionError(logged.service.lines)


def test_a_log_that_is_gone_is_not_made_anew_behind_ones_back(
    file_stock: Stock, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with logging(file_stock, url, "durable") as logged:
        assert (tmp_path / "log.db").stat().st_mode & 0o777 == 0o600
        assert logged.ask(question()).status == 200
        (tmp_path / "log.db").rename(tmp_path / "away.db")
        assert logged.ask(question()).status == 503
        (tmp_path / "away.db").rename(tmp_path / "log.db")
        assert logged.ask(question()).status == 200


def test_every_answer_is_on_record_though_workers_are_killed(store_url: str, log_url: str) -> None:
    answered: list[str] = []
    enough = threading.Event()

    def ask(logged: Logged) -> None:
        while not enough.is_set():
            request_id = str(uuid4())
            headers = {"X-Request-ID": request_id}
            with suppress(httpx.HTTPError), logged.client() as client:
                for _ in range(20):
                    answer = client.post(EVALUATION, json=question(), headers=headers)
                    if answer.status_code == 200:
                        answered.append(answer.headers["x-request-id"])
                    headers["X-Request-ID"] = str(uuid4())

    with logging(stocked(store_url), log_url, "durable", "--workers", "2") as logged:
        threads = [threading.Thread(target=ask, args=(logged,)) for _ in range(6)]
        for one in threads:
            one.start()
        try:
            for worker in logged.service.workers:
                seen = len(answered)
                wait_for(lambda most: len(answered) > most, seen + 50)
                os.kill(worker, signal.SIGKILL)
            seen = len(answered)
            wait_for(lambda most: len(answered) > most, seen + 50)
        finally:
            enough.set()
            for one in threads:
                one.join()
    with DecisionLog.open(log_url) as log:
        on_record = {one.request_id for one in log.find(Wanted())}

    assert set(answered) - on_record == set()
    assert len(set(answered)) == len(answered)


def wait_for(reached: Callable[[int], bool], most: int) -> None:
    end = time.monotonic() + 60
    while not reached(most):
        assert time.monotonic() < end
        threading.Event().wait(0.02)


def test_those_that_would_wait_too_long_are_turned_away_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    create(url)
    counted = Counting()

    async def crowd() -> list[object]:
        keeping = Durable(LogWriter(url), counted, patience=5, most=3)
        asks = [keeping.keep([an_entry()] * 2) for _ in range(3)]
        came = await asyncio.gather(*asks, return_exceptions=True)
        await keeping.close()
        return list(came)

    stored, *refused = asyncio.run(crowd())

    assert stored is None
    assert [isinstance(one, Problem) and one.status for one in refused] == [503, 503]
    assert counted.seen == {"stored": 2, "refused": 4}


def test_whoever_has_given_up_leaves_no_row_later(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    create(url)
    counted = Counting()

    async def wait() -> None:
        keeping = Durable(LogWriter(url), counted, patience=0.2)
        with locked(url):
            asks = [keeping.keep([an_entry(at)]) for at in range(2)]
            first = asyncio.create_task(asks[0])
            # It is being written when the second comes.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            came = await asyncio.gather(first, asks[1], return_exceptions=True)
            assert all(isinstance(one, Problem) for one in came)
        await keeping.keep([an_entry(2)])
        await keeping.close()

    asyncio.run(wait())

    with DecisionLog.open(url) as log:
        assert 1 not in [one.at for one in log.find(Wanted())]
    assert counted.seen == {"stored": 1, "refused": 2}


class Counting(dict[str, int]):
    """Counts rows by what became of them."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def __call__(self, outcome: str, number: int) -> None:
        self.seen[outcome] = self.seen.get(outcome, 0) + number


# --- sampled: no answer waits ---


def test_a_locked_log_delays_no_answer_and_no_revoke(store_url: str, log_url: str) -> None:
    with logging(stocked(store_url), log_url, "sampled") as logged:
        with locked(log_url):
            revoke_and_grant(store_url)
            asked = [logged.ask(question()) for _ in range(5)]
        log = logged.service.stop()[2]

    assert [one.status for one in asked] == [200] * 5
    assert [logged.of(one).decision for one in asked] == ["permit"] * 5
    closed = next(json.loads(line) for line in log.splitlines() if "decision log closed" in line)
    assert (closed["stored"], closed["dropped"]) == (5, 0)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_rows_that_wait_show_while_the_log_is_away_and_it_stays_ready(
    file_stock: Stock, tmp_path: Path, workers: str
) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with (
        logging(file_stock, url, "sampled", "--workers", workers) as logged,
        logged.client() as client,
    ):
        with locked(url):
            # On connections of their own, so that every worker has some.
            assert {logged.ask(question()).status for _ in range(20)} == {200}
            wait_for(lambda number: waiting(client) == number, 20)
            assert client.get("/readyz").status_code == 200
            if workers == "2":
                # What a worker that dies has held waits no more.
                os.kill(logged.service.workers[0], signal.SIGKILL)
                wait_for(lambda number: logged_waiting(logged) < number, 20)
        wait_for(lambda number: logged_waiting(logged) == number, 0)


def logged_waiting(logged: Logged) -> float:
    """As `waiting`, on a connection of its own, which a worker that has died may break."""
    while True:
        with suppress(httpx.HTTPError), logged.client() as client:
            return waiting(client)


def sampled(url: str, *requests: int, most: int, stop: float = 5, hold: bool = False) -> Counting:
    """Keep requests of so many rows; the log is held meanwhile, or not."""
    counted = Counting()

    async def keep() -> None:
        keeping = Sampled(LogWriter(url), counted, most=most, gather=0.05, retry=0.05, stop=stop)
        for number, size in enumerate(requests):
            await keeping.keep([an_entry(number)] * size)
        await keeping.close()

    if hold:
        with locked(url):
            asyncio.run(keep())
    else:
        asyncio.run(keep())
    return counted


def test_what_does_not_fit_is_dropped_whole_and_counted(new_url: str) -> None:
    create(new_url)
    counted = sampled(new_url, 3, 3, 2, 1, most=5)

    assert counted.seen == {"stored": 5, "dropped": 4}
    with DecisionLog.open(new_url) as log:
        assert [one.at for one in log.find(Wanted())] == [2, 2, 0, 0, 0]
        assert log.dropped() == 4
    said = run("decisions", "--log", new_url)
    assert "not all are on record: 4 were dropped" in said.err


def test_what_is_left_at_the_end_counts_as_dropped(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    create(url)

    counted = sampled(url, 1, 2, most=5, stop=0.3, hold=True)

    assert counted.seen == {"dropped": 3}


@dataclass
class Slow:
    """A log whose commit is done, and heard of once *heard* is set."""

    writer: LogWriter
    committed: threading.Event = field(default_factory=threading.Event)
    heard: threading.Event = field(default_factory=threading.Event)

    def append(self, *batch: Any) -> None:
        self.writer.append(*batch)
        self.committed.set()
        self.heard.wait(PATIENCE)

    def __getattr__(self, name: str) -> object:
        return getattr(self.writer, name)


def test_what_was_stored_when_the_time_was_over_counts_as_stored(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    create(url)
    counted, slow = Counting(), Slow(LogWriter(url))

    async def keep() -> None:
        keeping = Sampled(cast("LogWriter", slow), counted, most=9, gather=0, stop=0.05)
        await keeping.keep([an_entry(1)])
        await asyncio.to_thread(slow.committed.wait, PATIENCE)
        await keeping.keep([an_entry(2)] * 2)
        await keeping.close()
        slow.heard.set()

    asyncio.run(keep())

    assert counted.seen == {"stored": 1, "dropped": 2}
    with DecisionLog.open(url) as log:
        assert [one.at for one in log.find(Wanted())] == [1]


def test_what_was_counted_as_dropped_is_not_stored_later(new_url: str) -> None:
    """A batch that waits for its turn when the service ends loses it."""
    create(new_url)
    counted, writer = Counting(), LogWriter(new_url)

    async def keep() -> None:
        keeping = Sampled(writer, counted, most=9, gather=0, retry=0.05, stop=0.2)
        with locked(new_url):
            await keeping.keep([an_entry(1)])
            await keeping.close()

    # It returns once the thread that writes has ended.
    asyncio.run(keep())
    for thread in threading.enumerate():
        if thread.name.startswith("decision-log"):
            thread.join(PATIENCE)

    assert counted.seen == {"dropped": 1}
    with DecisionLog.open(new_url) as log:
        assert list(log.find(Wanted())) == []


# --- What refuses to start ---


def test_the_store_is_no_place_for_its_log(
    file_stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(file_stock.url.removeprefix("sqlite:///"))
    for url in (file_stock.url, f"sqlite:///{path.parent}/../{path.parent.name}/{path.name}"):
        monkeypatch.setenv("TENANTCFG_SERVE_DECISION_LOG_URL", url)
        said = run("serve", "--check-config", "--store", file_stock.url)
        assert said.code == 2
        assert "the decision log needs a database of its own: decision_log_url" in said.err


def test_a_look_at_the_settings_makes_no_log(
    file_stock: Stock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANTCFG_SERVE_DECISION_LOG_URL", str(tmp_path / "log.db"))
    assert run("serve", "--check-config", "--store", file_stock.url).code == 0
    assert not (tmp_path / "log.db").exists()


def test_another_store_is_none_either(file_stock: Stock, made_sqlite_url: str) -> None:
    service = Service(
        "--store",
        file_stock.url,
        "--bind",
        "127.0.0.1:0",
        env=environment(made_sqlite_url, "sampled"),
    )
    code, _, log = service.ended()

    assert code == 9
    assert "this is no decision log" in log
