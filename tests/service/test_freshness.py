"""
What was acknowledged is seen by every check sent later, whatever is killed (check C1 to C11).

Short by default; ``--seconds N`` goes on for longer.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from math import inf
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantcfg import AppId, ListModifier, Store, TenantId
from tenantcfg.errors import TenantcfgError
from tests.cli.program import APPS, SET, start
from tests.postgres import running_standby
from tests.service.history_checker import Fault, Write, faults
from tests.service.history_recording import (
    Plan,
    Recorded,
    ask,
    changed,
    grant_and_revoke,
    granted,
    taken,
)
from tests.service.served import Service
from tests.service.stock import APP, CLOSED, CONTOSO, EMPTY, ENDED, FABRIKAM, OTHER
from tests.stores import BY, a_key, a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.postgres import Server
    from tests.service.stock import Stock

SECRET = "a secret that is long enough for a proxy"  # noqa: S105 - of the tests
ALPHA, BETA = "alpha", "beta"
BY_LIBRARY = tuple((ALPHA, app) for app in ("a-1", "a-2", "a-3"))
BY_PROGRAM = tuple((BETA, app) for app in ("b-1", "b-2"))
GUESTS = tuple(f"guest-{number}" for number in range(1, 9))
CLIENTS = 3
TRIES = 20


# The history


class Changes:
    """The changes of the test itself: by the program, and by the library, each then a fault."""

    def __init__(self, url: str, service: Service, store: Store) -> None:
        self.url = url
        self.service = service
        self.store = store
        self.killed = 0
        self.writes: list[Write] = []

    def until(self, end: float, crash: Callable[[], None]) -> None:
        """Change one thing after the other until *end*."""
        first, second = BY_PROGRAM
        guests = iter(GUESTS)
        steps = cycle(
            [
                lambda: self._by_library(first, in_force=True),
                lambda: self._by_program(second, in_force=True),
                self._kill_a_worker,
                lambda: self._by_library(first, in_force=False),
                crash,
                lambda: self._revoke(next(guests, None)),
                self._kill_a_worker,
                lambda: self._enable(in_force=False),
                crash,
                lambda: self._enable(in_force=True),
                self._kill_a_worker,
                lambda: self._by_program(second, in_force=False),
                crash,
            ]
        )
        while time.monotonic() < end:
            next(steps)()

    def _kill_a_worker(self) -> None:
        workers = self.service.workers
        if len(workers) > 1:
            os.kill(workers[self.killed % len(workers)], signal.SIGKILL)
            self.killed += 1

    def _write(
        self, fact: tuple[str, ...], change: Callable[[], int | None], *, in_force: bool
    ) -> None:
        for _ in range(TRIES):
            self.writes.append(changed(fact, change, in_force=in_force))
            if self.writes[-1].acknowledged < inf:
                return
            # Whether it was made is settled before anything else is.
        raise AssertionError(f"{fact}: no change of it is acknowledged")

    def _by_library(self, pair: tuple[str, str], *, in_force: bool) -> None:
        apps = (AppId(pair[1]),)
        modifier = ListModifier(add=apps) if in_force else ListModifier(remove=apps)
        tenant = TenantId(pair[0])
        self._write(
            granted(pair),
            lambda: taken(self.store.modify(tenant, modifier, by=BY)),
            in_force=in_force,
        )

    def _by_program(self, pair: tuple[str, str], *, in_force: bool) -> None:
        tenant, app = pair
        line = f'@{{{"Add" if in_force else "Remove"}="{app}"}}'
        self._write(granted(pair), self._run(SET, "-Tenant", tenant, APPS, line), in_force=in_force)

    def _enable(self, *, in_force: bool) -> None:
        verb = "enable" if in_force else "disable"
        self._write(("tenant", BETA), self._run("tenant", verb, BETA), in_force=in_force)

    def _revoke(self, name: str | None) -> None:
        if name is not None:
            self._write(("key", name), self._run("key", "revoke", name), in_force=False)

    def _run(self, *line: str) -> Callable[[], int | None]:
        def run() -> int | None:
            said = start(*line, "--store", self.url, "-o", "json")
            if said.code:
                raise TenantcfgError("the program failed", why=said.err)
            receipt = json.loads(said.out)
            return receipt["revision"] if receipt["result"] == "changed" else None

        return run


def beginning(store: Store) -> tuple[list[Write], str, dict[str, str]]:
    """What is there before the clients come: tenants, a key, and keys to be revoked."""
    for name in (ALPHA, BETA):
        a_tenant(store, TenantId(name), None)
    key = a_key(store).text
    guests = {name: a_key(store, name).text for name in GUESTS}
    revision = store.head().revision
    facts = [("tenant", ALPHA), ("tenant", BETA), *(("key", name) for name in GUESTS)]
    return [Write(fact, 0, 0, revision, in_force=True) for fact in facts], key, guests


def recorded(
    url: str, seconds: float, crash: Callable[[], None], standby: str | None = None
) -> None:
    """Change and ask for some time, then judge what was answered."""
    options = ("--store", url, "--bind", "127.0.0.1:0", "--workers", "2")
    told = {"TENANTCFG_SERVE_PROXY_SOURCE": "headers", "TENANTCFG_SERVE_PROXY_SECRET": SECRET}
    if standby is not None:
        told["TENANTCFG_SERVE_READ_URL"] = standby
    spawn = multiprocessing.get_context("spawn")
    with Store.open(url) as store, ProcessPoolExecutor(CLIENTS + 1, spawn) as processes:
        writes, key, guests = beginning(store)
        with Service(*options, env=told) as service:
            end = time.monotonic() + seconds
            port = httpx.URL(service.url).port
            assert port is not None
            pairs = BY_LIBRARY + BY_PROGRAM
            plan = Plan(port, pairs, key, guests, SECRET, end, standby is not None)
            clients = [processes.submit(ask, plan, f"client {n}") for n in range(CLIENTS)]
            writer = processes.submit(grant_and_revoke, url, BY_LIBRARY, end)
            changes = Changes(url, service, store)
            changes.until(end, crash)
            writes += [*writer.result(), *changes.writes]
            histories = [one.result() for one in clients]
        judge(writes, histories)
        durable(store, writes)
    assert changes.killed


def judge(writes: list[Write], histories: list[Recorded]) -> None:
    """No answer is one that cannot be, and there is enough of each kind to tell."""
    answers = [answer for one in histories for answer in one.answers]
    others = sum((one.others for one in histories), Counter[tuple[str, str]]())

    assert not (found := faults(writes, answers)), told_of(found, writes)
    # A store that was crashed is out of reach for a while; nothing else is no decision.
    assert {code for _, code in others} <= {"gone", "unavailable"}, others
    kinds = Counter((one.form, one.permit) for one in answers)
    forms = ("single", "guest", "batch", "search", "proxied")
    assert set(kinds) == {(form, permit) for form in forms for permit in (True, False)}
    assert any(one.promised for one in answers)


def told_of(found: list[Fault], writes: list[Write]) -> str:
    """The first of the faults, and what was changed of its facts."""
    first = found[0]
    changes = [one for one in writes if one.fact in first.answer.facts]
    return "\n".join(map(str, [f"{len(found)} faults", first, *changes]))


def durable(store: Store, writes: list[Write]) -> None:
    """What was acknowledged last is what the store holds in the end (check C3)."""
    last = {one.fact: one for one in writes if one.fact[0] == "grant"}
    for (_, tenant, app), write in last.items():
        if write.acknowledged < inf == write.until:
            assert bool(store.check(tenant=tenant, app=app)) is (
                write.in_force and (tenant != BETA or enabled(writes))
            )


def enabled(writes: list[Write]) -> bool:
    """Whether BETA is, in the end."""
    return [one.in_force for one in writes if one.fact == ("tenant", BETA)][-1]


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    found: float = request.config.getoption("--seconds")
    return found


def test_no_history_of_a_file_store_is_one_that_cannot_be(
    made_sqlite_url: str, seconds: float
) -> None:
    """Check C1, C2, C3, C7, C8, C9, C11."""
    recorded(made_sqlite_url, seconds, lambda: None)


def test_no_history_of_a_shared_store_is_one_that_cannot_be(
    postgres_of_own: Server, seconds: float
) -> None:
    """Check C1, C2, C3, C7, C8, C9, C11; the server crashes in between."""
    from tenantcfg.store import admin  # noqa: PLC0415

    with postgres_of_own.database() as url:
        admin.create(url).close()

        def crash() -> None:
            postgres_of_own.stop("immediate")
            postgres_of_own.start()

        recorded(url, seconds, crash)


def test_no_history_with_a_standby_is_one_that_cannot_be(
    postgres_of_own: Server, seconds: float
) -> None:
    """Who names a revision may be answered by the standby, others never are (check C3, C8)."""
    from tenantcfg.store import admin  # noqa: PLC0415

    primary = postgres_of_own
    with primary.database() as url:
        admin.create(url).close()
        with running_standby(primary) as standby:

            def stop_and_start(server: Server) -> None:
                server.stop("immediate")
                server.start()

            crashes: Iterator[Callable[[], object]] = cycle(
                [
                    standby.pause,
                    lambda: stop_and_start(standby),
                    lambda: stop_and_start(primary),
                ]
            )

            def crash() -> None:
                next(crashes)()

            name = url.partition("?")[0].rpartition("/")[2]
            recorded(url, seconds, crash, standby.url(name))


# A batch and its questions, asked one by one


ENTITIES = st.fixed_dictionaries(
    {
        "subject": st.builds(
            lambda kind, id_: {"type": kind, "id": id_},
            st.sampled_from(["application", "application", "user"]),
            st.sampled_from([APP.value, APP.value.upper(), OTHER.value, ENDED.value, "", "x\0"]),
        ),
        "action": st.builds(
            lambda name: {"name": name}, st.sampled_from(["remove_participant"] * 3 + ["read"])
        ),
        "resource": st.one_of(
            st.builds(
                lambda id_: {"type": "tenant", "id": id_},
                st.sampled_from([CONTOSO.value, FABRIKAM.value, CLOSED.value, EMPTY.value, "no"]),
            ),
            st.builds(
                lambda id_: {"type": "participant", "id": "p", "properties": {"tenant_id": id_}},
                st.sampled_from([CONTOSO.value, CLOSED.value, "", None]),
            ),
        ),
    }
)


@given(questions=st.lists(ENTITIES, min_size=1, max_size=6), picks=st.lists(st.integers(0, 5)))
@settings(max_examples=30)
def test_one_batch_is_the_map_of_its_questions_asked_alone(
    service: Service, stock: Stock, questions: list[dict[str, Any]], picks: list[int]
) -> None:
    """On one revision, repeats and all (check W15, W26, C2)."""
    several = questions + [questions[pick % len(questions)] for pick in picks]
    headers = {"Authorization": f"Bearer {stock.check}"}
    with httpx.Client(base_url=service.url, headers=headers) as client:
        alone = [client.post("/access/v1/evaluation", json=one) for one in several]
        batch = client.post(
            "/access/v1/evaluations",
            json={"evaluations": several, "options": {"include_reasons": True}},
        )

    assert {one.status_code for one in [*alone, batch]} == {200}
    assert batch.json()["evaluations"] == [one.json() for one in alone]
    assert len({one.headers["Tenantcfg-Revision"] for one in [*alone, batch]}) == 1
