"""The decision log itself: made, written to and read, in a database of its own."""

from __future__ import annotations

import re
import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantcfg import Store
from tenantcfg.errors import InvalidInput, StoreMissing, StoreNewer, StoreNotOurs, Unavailable
from tenantcfg.instants import Instant
from tenantcfg.store import sqlite
from tenantcfg.store.decision_log import DecisionLog, Entry, LogWriter, Wanted, create, decisions
from tests.decisions import an_entry
from tests.planned import caught, plans
from tests.stores import a_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Server


def executed(url: str, *statements: str) -> None:
    """Do to the database what no statement of ours does."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        with closing(sqlite.connect(path, patience=1)) as connection:
            for statement in statements:
                connection.execute(statement)
        return
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def log_url(new_url: str) -> str:
    """A log without rows, once in each database."""
    assert create(new_url)
    return new_url


@pytest.fixture
def writer(log_url: str) -> Iterator[LogWriter]:
    writer = LogWriter(log_url)
    yield writer
    writer.close()


def all_of(url: str, **wanted: Any) -> list[Entry]:
    with DecisionLog.open(url) as log:
        return list(log.find(Wanted(**wanted)))


# --- Made ---


def test_a_log_is_made_once_and_for_its_owner_alone(new_url: str) -> None:
    assert create(new_url) is True
    assert create(new_url) is False
    if new_url.startswith("sqlite"):
        path = Path(new_url.removeprefix("sqlite:///"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_of_those_that_make_it_at_once_one_does(new_url: str) -> None:
    made: list[bool] = []
    together = threading.Barrier(6)

    def make() -> None:
        together.wait()
        made.append(create(new_url))

    threads = [threading.Thread(target=make) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(made) == [False] * 5 + [True]


def test_a_store_is_no_place_for_it(store_url: str) -> None:
    with Store.open(store_url) as store:
        a_tenant(store)

    with pytest.raises(StoreNotOurs, match="this is no decision log.*a database of its own"):
        create(store_url)
    with pytest.raises(StoreNotOurs):
        DecisionLog.open(store_url)
    with Store.open(store_url) as store:
        assert store.verify() == ()


def test_one_of_a_later_release_is_refused(log_url: str, writer: LogWriter) -> None:
    executed(log_url, "UPDATE decision_log SET version = 2")

    for use in (create, DecisionLog.open, lambda _: writer.append(1, [an_entry()])):
        with pytest.raises(StoreNewer, match="the decision log was made by a later release"):
            use(log_url)


def test_without_a_log_it_is_said_so(tmp_path: Path) -> None:
    missing = f"sqlite:///{tmp_path / 'log.db'}"

    for use in (DecisionLog.open, lambda url: LogWriter(url).append(1, [an_entry()])):
        with pytest.raises(StoreMissing, match="there is no decision log.*tenantcfg serve makes"):
            use(missing)
    assert not (tmp_path / "log.db").exists()
    with pytest.raises(InvalidInput):
        create("mysql://x")


# --- Written ---


def test_what_was_appended_is_found_the_newest_first(log_url: str, writer: LogWriter) -> None:
    first, second, third = an_entry(1), an_entry(3, place=0), an_entry(2, reason=None, app=None)

    writer.append(1, [first, second])
    writer.append(2, [third])

    assert all_of(log_url) == [second, third, first]


def test_a_batch_that_comes_again_is_stored_once(log_url: str, writer: LogWriter) -> None:
    writer.append(1, [an_entry(1)], 2)
    writer.append(1, [an_entry(1)], 2)
    writer.append(2, [an_entry(2)], 5)
    other = LogWriter(log_url)
    other.append(1, [an_entry(3)], 7)
    other.close()

    assert [one.at for one in all_of(log_url)] == [3, 2, 1]
    with DecisionLog.open(log_url) as log:
        assert log.dropped() == 12


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=40
) | st.sampled_from(["'\"\\", "[1]", "null", "\x1b[31m", "\u2028"])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(st.builds(an_entry, request_id=TEXTS, app=st.none() | TEXTS, call=TEXTS)))
def test_every_text_comes_back_as_it_was(entries: list[Entry], log_url: str) -> None:
    writer = LogWriter(log_url)
    executed(log_url, "DELETE FROM decisions")
    writer.append(1, entries)
    writer.close()

    assert all_of(log_url) == entries[::-1]


def test_a_file_that_went_or_was_replaced_is_never_written_to(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path / 'log.db'}", tmp_path / "log.db"
    create(url)
    writer = LogWriter(url)
    writer.append(1, [an_entry(1)])

    path.rename(tmp_path / "away.db")
    with pytest.raises(StoreMissing, match="there is no decision log"):
        writer.append(2, [an_entry(2)])
    for beside in tmp_path.glob("log.db-*"):
        beside.unlink()
    create(url)
    writer.append(2, [an_entry(2)])
    writer.close()

    assert [one.at for one in all_of(url)] == [2]


def test_a_server_that_went_and_came_back_is_written_to_again(postgres_of_own: Server) -> None:
    with postgres_of_own.database() as url:
        create(url)
        writer = LogWriter(url)
        writer.append(1, [an_entry(1)])
        postgres_of_own.stop("immediate")
        with pytest.raises(Unavailable, match="the decision log cannot be used.*the log cannot be"):
            writer.append(2, [an_entry(2)])
        postgres_of_own.start()
        writer.append(2, [an_entry(2)])
        # The connection is there, and the server behind it is another one.
        postgres_of_own.stop("fast")
        postgres_of_own.start()
        writer.append(3, [an_entry(3)])
        writer.close()

        assert [one.at for one in all_of(url)] == [3, 2, 1]


# --- Read ---


def test_decisions_are_found_by_what_stands_in_them(log_url: str, writer: LogWriter) -> None:
    tenants, apps, kinds = ["a", "b", None], ["x", "y"], ["permit", "deny"]
    entries = [
        an_entry(at // 3, tenant=tenants[at % 3], app=apps[at % 2], decision=kinds[at // 7 % 2])
        for at in range(1_000)
    ]
    writer.append(1, entries)

    for tenant in ("a", "b", "c", None):
        for app in ("x", None):
            for decision in ("deny", None):
                found = all_of(
                    log_url,
                    tenant=tenant,
                    app=app,
                    decision=decision,
                    since=Instant(20),
                    until=Instant(250),
                )
                assert found == [
                    one
                    for one in reversed(entries)
                    if tenant in {one.tenant, None}
                    and app in {one.app, None}
                    and decision in {one.decision, None}
                    and 20 <= one.at < 250
                ]
    assert all_of(log_url, limit=201) == entries[:-202:-1]


def test_a_request_is_found_by_its_id_the_oldest_decision_first(
    log_url: str, writer: LogWriter
) -> None:
    writer.append(1, [an_entry(at, request_id=f"r-{at % 2}", place=at) for at in range(20)])

    with DecisionLog.open(log_url) as log:
        assert [one.place for one in log.request("r-1", most=3)] == [15, 17, 19]
        assert log.request("r-2", most=3) == []


def test_every_question_to_the_log_goes_by_an_index(log_url: str, writer: LogWriter) -> None:
    writer.append(
        1, [an_entry(n, tenant=f"t{n % 9}", app=f"a{n}", request_id=str(n)) for n in range(3_000)]
    )
    with caught() as sent:
        for wanted in (
            {},
            {"tenant": "t7"},
            {"app": "a7"},
            {"since": Instant(5), "until": Instant(7)},
            {"tenant": "t7", "decision": "deny", "since": Instant(5)},
        ):
            all_of(log_url, limit=300, **wanted)
        with DecisionLog.open(log_url) as log:
            log.request("7", most=3)

    sent = [one for one in sent if "FROM decisions" in one[0]]
    assert len(sent) > 6
    for statement, plan in plans(log_url, sent):
        assert re.search(r"decisions_(at|of_\w+)", plan), f"{statement}\n{plan}"
        assert not re.search(r"Seq Scan on decisions|TEMP B-TREE", plan), f"{statement}\n{plan}"


def test_a_row_has_what_an_entry_has() -> None:
    assert [column.name for column in decisions.c] == ["id", *Entry._fields]
    may_miss = {column.name for column in decisions.c if column.nullable}
    assert may_miss == {name for name, kind in Entry.__annotations__.items() if "None" in str(kind)}
