"""
Reads from a real standby of a real primary (check C3, C8; design, rule 11).

Replay is paused to make the standby fall behind, and either server stopped.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantcfg import AppId, ListModifier, Permit, Revision, Store, TenantId
from tenantcfg.errors import (
    InvalidInput,
    RevisionNotReached,
    SettingInvalid,
    StoreReadOnly,
    Unavailable,
)
from tenantcfg.service.server import require
from tenantcfg.service.settings import ServiceSettings
from tenantcfg.service.standbys import Marks
from tenantcfg.store import admin
from tests.postgres import running_server, running_standby
from tests.service.served import PATIENCE, Service
from tests.stores import BY, a_grant, a_key, revoke

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.postgres import Server, Standby

SECRET = "a secret that is long enough for a proxy"  # noqa: S105 - of the tests
TENANT, APP, OTHER = TenantId("contoso"), AppId("app"), AppId("other")
LAG = 0.8


@dataclass(frozen=True)
class Pair:
    """A primary with a store, its standby, and a service that reads from both."""

    primary: Server
    standby: Standby
    url: str
    standby_url: str
    key: str
    service: Service

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store at the primary."""
        with Store.open(self.url) as store:
            yield store

    def head(self) -> int:
        """The newest revision."""
        with self.store() as store:
            return int(store.head().revision)

    def ask(
        self,
        least: int | None = None,
        *,
        key: str | None = None,
        app: AppId = APP,
        store: str | None = None,
    ) -> httpx.Response:
        """The service's answer on *app*, not from before revision *least*."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        if least is not None:
            headers["Tenantcfg-Min-Revision"] = str(least)
        if store is not None:
            headers["Tenantcfg-Store"] = store
        body = {
            "subject": {"type": "application", "id": app.value},
            "action": {"name": "remove_participant"},
            "resource": {"type": "tenant", "id": TENANT.value},
        }
        url = f"{self.service.url}/access/v1/evaluation"
        return httpx.post(url, json=body, headers=headers, timeout=PATIENCE)

    def proxied(self, least: int) -> httpx.Response:
        """What a proxy is answered, whose client says how old the answer may be."""
        headers = {
            "X-Original-Method": "DELETE",
            "X-Original-URI": "/v1.0/communications/calls/c-1/participants/p-1",
            "X-Tenantcfg-App": APP.value,
            "X-Tenantcfg-Tenant": TENANT.value,
            "X-Tenantcfg-Secret": SECRET,
            "Tenantcfg-Min-Revision": str(least),
        }
        return httpx.get(f"{self.service.url}/check/nginx", headers=headers, timeout=PATIENCE)


@contextmanager
def a_pair(**told: str) -> Iterator[Pair]:
    with running_server() as primary, primary.database() as url:
        database = url.partition("?")[0].rpartition("/")[2]
        admin.create(url).close()
        with Store.open(url) as store:
            a_grant(store, APP, TENANT)
            key = a_key(store).text
        with running_standby(primary) as standby:
            standby_url = standby.url(database)
            env = {
                "TENANTCFG_SERVE_READ_URL": standby_url,
                "TENANTCFG_SERVE_PROXY_SOURCE": "headers",
                "TENANTCFG_SERVE_PROXY_SECRET": SECRET,
                **told,
            }
            with Service("--store", url, "--bind", "127.0.0.1:0", env=env) as service:
                service.until("the standby answers")
                yield Pair(primary, standby, url, standby_url, key, service)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One whose standby answers only who names a revision."""
    with a_pair() as made:
        yield made


@pytest.fixture(scope="module")
def lagging() -> Iterator[Pair]:
    """One whose standby answers everybody, as long as it is not further behind than LAG."""
    with a_pair(TENANTCFG_SERVE_READ_LAG=str(LAG)) as made:
        yield made


@contextmanager
def paused(pair: Pair) -> Iterator[None]:
    caught_up(pair)
    pair.standby.pause()
    try:
        yield
    finally:
        pair.standby.resume()
        caught_up(pair)


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    server.stop("immediate")
    try:
        yield
    finally:
        server.start()


def until(true: Callable[[], bool]) -> None:
    """Wait until *true*."""
    end, rest = time.monotonic() + PATIENCE, Event()
    while not true():
        assert time.monotonic() < end
        rest.wait(0.02)


def answered(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """
    What *ask* gets once it is answered, as its Retry-After says to go on asking.

    A standby that is slow for once is not asked for half a second: a busy machine may do that.
    """
    got: list[httpx.Response] = []

    def is_answered() -> bool:
        got.append(ask())
        return got[-1].status_code != 503

    until(is_answered)
    return got[-1]


def caught_up(pair: Pair) -> None:
    """Wait until the standby is where the primary is."""
    head = pair.head()

    def reached() -> bool:
        try:
            with Store.open(pair.standby_url, standby=True) as store:
                store.check(tenant=TENANT, app=APP, at_least=head)
        except RevisionNotReached:
            return False
        return True

    until(reached)


# The store's door


def test_a_standby_answers_what_says_how_fresh_it_must_be(pair: Pair) -> None:
    with Store.open(pair.standby_url, standby=True) as store, paused(pair):
        before = pair.head()
        with pair.store() as primary:
            revoked = revoke(primary, APP, TENANT).revision

        assert store.check(tenant=TENANT, app=APP, at_least=before) == Permit(Revision(before))
        with pytest.raises(RevisionNotReached, match="has not reached"):
            store.check(tenant=TENANT, app=APP, at_least=revoked)
        for unsaid in (
            lambda: store.check(tenant=TENANT, app=APP),
            lambda: store.check_many([(TENANT, APP)]),
            lambda: store.search(tenant=TENANT, limit=1),
        ):
            with pytest.raises(InvalidInput, match="says how fresh"):
                unsaid()
        with pytest.raises(StoreReadOnly):
            store.modify(TENANT, ListModifier(add=(APP,)), by=BY)
        with pair.store() as primary:
            a_grant(primary, APP, TENANT)


def test_only_a_standby_is_opened_as_one(pair: Pair, made_sqlite_url: str) -> None:
    with pytest.raises(Unavailable, match="not in hot standby mode"):
        Store.open(pair.url, standby=True)
    with pytest.raises(Unavailable, match="the server is no standby"):
        Store.open(pair.url + "&target_session_attrs=any", standby=True)
    with pytest.raises(InvalidInput, match="no standbys"):
        Store.open(made_sqlite_url, standby=True)
    with pytest.raises(Unavailable, match="standby"):
        Store.open(pair.standby_url + "&target_session_attrs=any")


def test_one_that_was_promoted_answers_no_more(postgres_of_own: Server) -> None:
    with postgres_of_own.database() as url:
        admin.create(url).close()
        with running_standby(postgres_of_own) as standby, Store.open(url) as primary:
            a_grant(primary, APP, TENANT)
            name = url.partition("?")[0].rpartition("/")[2]
            with Store.open(standby.url(name), standby=True) as store:

                def reached() -> bool:
                    try:
                        return bool(store.check(tenant=TENANT, app=APP, at_least=2))
                    except RevisionNotReached:
                        return False

                until(reached)
                standby.promote()
                for _ in range(2):
                    with pytest.raises(Unavailable):
                        store.check(tenant=TENANT, app=APP, at_least=2)


# The service, without a lag


def test_who_names_a_revision_is_answered_when_the_primary_is_down(pair: Pair) -> None:
    """And nobody else: not a strict check, and no proxy, whatever its client says (C1, C6)."""
    caught_up(pair)
    head = pair.head()
    assert pair.ask(head).json() == {"decision": True}
    with stopped(pair.primary):
        permitted = answered(lambda: pair.ask(head))

        assert (permitted.status_code, permitted.json()) == (200, {"decision": True})
        assert permitted.headers["Tenantcfg-Revision"] == str(head)
        assert "Tenantcfg-Lag" not in permitted.headers
        assert answered(lambda: pair.ask(head, app=OTHER)).json()["decision"] is False
        for strict in (pair.ask(), pair.ask(0), pair.ask(head + 1), pair.proxied(head)):
            assert (strict.status_code, strict.json()["error"]) == (503, "unavailable")
            assert strict.headers["Retry-After"] == "1"
    until(lambda: pair.ask().status_code == 200)


def test_a_standby_that_is_behind_answers_nothing_too_old(pair: Pair) -> None:
    with paused(pair), pair.store() as store:
        for _ in range(10):
            revoked = revoke(store, APP, TENANT).revision
            answers = [pair.ask(), pair.ask(revoked)]
            assert {one.json()["decision"] for one in answers} == {False}
            granted = a_grant(store, APP, TENANT).revision
            answers = [pair.ask(), pair.ask(granted), pair.ask(revoked), pair.proxied(0)]
            assert {one.json()["decision"] for one in answers} == {True}
            assert int(answers[2].headers["Tenantcfg-Revision"]) >= revoked


def test_who_names_the_revision_of_a_change_sees_it(pair: Pair) -> None:
    with pair.store() as store:
        for _ in range(20):
            answer = pair.ask(revoke(store, APP, TENANT).revision)
            assert answer.json()["decision"] is False
            answer = pair.ask(a_grant(store, APP, TENANT).revision)
            assert answer.json()["decision"] is True


def test_a_batch_is_answered_as_a_question_is_and_a_search_by_the_primary(pair: Pair) -> None:
    caught_up(pair)
    head = pair.head()
    pair.ask(head)
    headers = {"Authorization": f"Bearer {pair.key}", "Tenantcfg-Min-Revision": str(head)}
    items = [{"subject": {"type": "application", "id": one.value}} for one in (APP, OTHER, APP)]
    body = {
        "action": {"name": "remove_participant"},
        "resource": {"type": "tenant", "id": TENANT.value},
    }
    with httpx.Client(base_url=pair.service.url, headers=headers, timeout=PATIENCE) as client:
        search = {**body, "subject": {"type": "application"}}
        found = client.post("/access/v1/search/subject", json=search)
        assert found.json()["results"] == [{"type": "application", "id": APP.value}]
        with stopped(pair.primary):
            asked = {**body, "evaluations": items}
            batch = answered(lambda: client.post("/access/v1/evaluations", json=asked))
            found = client.post("/access/v1/search/subject", json=search)
    decisions = [one["decision"] for one in batch.json()["evaluations"]]
    assert (batch.headers["Tenantcfg-Revision"], decisions) == (str(head), [True, False, True])
    assert (found.status_code, found.json()["error"]) == (503, "unavailable")
    until(lambda: pair.ask().status_code == 200)


def test_another_store_is_not_answered_for(pair: Pair) -> None:
    """Check C8, also where the standby would answer."""
    caught_up(pair)
    answer = pair.ask(pair.head(), store="another")

    assert (answer.status_code, answer.json()["error"]) == (503, "stale")


def test_a_standby_is_taken_up_again_once_it_has_the_history_that_was_restored(pair: Pair) -> None:
    before = pair.ask().headers["Tenantcfg-Store"]
    with psycopg.connect(pair.url) as connection:
        # What a restore does beside putting the rows back.
        connection.execute("UPDATE head SET store_id = 'another'")
    caught_up(pair)
    head = pair.head()
    assert pair.ask(head, store=before).json()["error"] == "stale"
    assert pair.ask(head, store="another").status_code == 200

    def answered_by_the_standby() -> bool:
        with stopped(pair.primary):
            answer = pair.ask(head, store="another")
        until(lambda: pair.ask().status_code == 200)
        return answer.status_code == 200

    until(answered_by_the_standby)
    with psycopg.connect(pair.url) as connection:
        connection.execute("UPDATE head SET store_id = %s", [before])
    caught_up(pair)


def test_a_key_that_was_revoked_lasts_no_longer_than_a_look_at_the_primary(pair: Pair) -> None:
    """However far behind its holder would have the standby be (M7)."""
    with pair.store() as store:
        key = a_key(store, "leaked").text
    head = pair.head()
    with paused(pair), pair.store() as store:
        assert pair.ask(head, key=key).status_code == 200
        store.revoke_key("leaked", by=BY)
        assert pair.ask(key=key).status_code == 401
        until(lambda: pair.ask(head, key=key).status_code == 401)
        assert pair.ask(1, key=key).status_code == 401


def test_a_key_that_the_standby_does_not_know_yet_is_judged_by_the_primary(pair: Pair) -> None:
    with paused(pair), pair.store() as store:
        head = pair.head()
        key = a_key(store, "young").text
        assert pair.ask(head, key=key).json() == {"decision": True}


def test_the_primary_is_asked_when_the_standby_is_down(pair: Pair) -> None:
    head = pair.head()
    with stopped(pair.standby):
        for _ in range(3):
            assert pair.ask(head).json() == {"decision": True}
            assert pair.ask().json() == {"decision": True}
        pair.service.until("the standby does not answer")
    pair.service.until("the standby answers")


# The service, with a lag


@given(
    lag=st.floats(0.1, 3600),
    steps=st.lists(st.tuples(st.floats(0.01, 1), st.integers(0, 3)), min_size=1),
    behind=st.floats(0, 1),
)
def test_what_is_known_of_the_primary_proves_a_lag_and_no_smaller_one(
    lag: float, steps: list[tuple[float, int]], behind: float
) -> None:
    """Each step is a look at the primary, and the revisions that it took on since."""
    marks, looks = Marks(lag), [(0.0, 1)]
    for after, taken in steps:
        looks.append((looks[-1][0] + after * lag / 4, looks[-1][1] + taken))
    for at, revision in looks:
        marks.note(at, revision)
    now = looks[-1][0]
    # A standby at the revision that the primary was at so long ago.
    reached = max(revision for at, revision in looks if at <= max(now - behind * lag, 0))

    shown = marks.missed_since(reached)
    known = [revision for at, revision in looks if at == shown]
    assert shown is None or known[0] <= reached
    least = marks.least(now - lag)
    assert least is not None
    if behind < 0.4:
        assert least <= reached
        assert shown is not None
        assert now - shown <= lag
    assert marks.newest == looks[-1][1]


def test_each_answer_says_how_far_it_may_be_behind(lagging: Pair) -> None:
    caught_up(lagging)
    lags = [lagging.ask().headers["Tenantcfg-Lag"] for _ in range(20)]

    assert all(0 <= float(one) <= LAG for one in lags)
    assert any(float(one) > 0 for one in lags)
    assert "Tenantcfg-Lag" not in lagging.proxied(0).headers


def test_no_answer_misses_what_is_older_than_it_says(lagging: Pair) -> None:
    with paused(lagging), lagging.store() as store:
        revoked = revoke(store, APP, TENANT).revision
        acknowledged = time.monotonic()
        old = new = 0
        while not new:
            asked = time.monotonic()
            answer = lagging.ask()
            if int(answer.headers["Tenantcfg-Revision"]) >= revoked:
                assert answer.json()["decision"] is False
                new += 1
            else:
                assert answer.json()["decision"] is True
                assert asked - acknowledged < float(answer.headers["Tenantcfg-Lag"]) <= LAG
                old += 1
        assert old
        # Of the two only the primary knows: it is never behind.
        assert lagging.ask().headers["Tenantcfg-Lag"] == "0.000"
        a_grant(store, APP, TENANT)


def test_a_lag_that_is_not_proven_any_more_is_none(lagging: Pair) -> None:
    """With the primary down nothing tells how far the standby is behind."""
    caught_up(lagging)
    head = lagging.head()
    until(lambda: float(lagging.ask().headers["Tenantcfg-Lag"]) > 0)
    with stopped(lagging.primary):
        down = time.monotonic()
        while (answer := lagging.ask()).status_code == 200:
            assert float(answer.headers["Tenantcfg-Lag"]) <= LAG
            assert time.monotonic() < down + PATIENCE
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert lagging.ask(head).status_code == 200
    until(lambda: lagging.ask().status_code == 200)


@pytest.mark.parametrize(
    ("store", "standby"),
    [
        ("sqlite:////s.db", "postgresql://standby/tenantcfg"),
        ("postgresql://primary/tenantcfg", "sqlite:////s.db"),
    ],
)
def test_a_file_has_no_standby(store: str, standby: str) -> None:
    with pytest.raises(SettingInvalid, match="only PostgreSQL has standbys"):
        require(ServiceSettings(read_url=standby), store)
