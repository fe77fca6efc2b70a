"""
Every statement of the store, as the databases plan it.

The statements are not listed here: each door of a store of some size is used, what is sent
to the database is caught, and the database is asked how it would find the rows.
"""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from tenantcfg import (
    AppId,
    Attribution,
    ListModifier,
    Revision,
    Store,
    TenantId,
    UnknownTenant,
)
from tenantcfg.history import Actor
from tenantcfg.instants import Instant
from tenantcfg.keys import Right, ServiceKey
from tenantcfg.meetings import Call, Outcome, Participant, Refusal
from tenantcfg.store import (
    admin,
    postgresql,
    questions,
    reasons,
    rounds,
    schema,
    searches,
    snapshots,
    statements,
    whereabouts,
)
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of
from tenantcfg.store.removals import Removals
from tenantcfg.store.roster import Roster
from tests.planned import caught, plans
from tests.stores import a_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

BY = Attribution(Actor("os:alice"))
TENANTS = [TenantId(f"tenant-{number}") for number in range(40)]
APPS = tuple(AppId(f"app-{number}") for number in range(30))
TENANT, APP = TENANTS[7], APPS[3]
EARLIER = Revision(60)
RIGHTS = (Right.CHECK,)
MAY: dict[str, Any] = {
    "tenant": TENANTS[10],
    "app": APP,
    "call": "call-1",
    "participant": "5",
    "controller": "roster",
}
"""Somebody who may be removed, as nobody above takes the right away."""

# Who asks for all rows is answered by reading all rows; everything else goes by an index.
READS_ALL = {
    "tenants": {"tenants"},
    "tenants as of": {"tenants"},
    "known apps": {"grants"},
    # Of keys there are a handful, and names are compared without regard to case.
    "service keys": {"keys"},
    "find key": {"keys"},
    "add key": {"keys"},
    "rotate key": {"keys"},
    "revoke key": {"keys"},
    "undo a key": {"keys"},
}

# What goes by the driver's cursor is planned further down.
BARE = {"begin", "begin another", "remove from a call", "settle", "refuse"}


def suppressed(use: Callable[[], object]) -> bool:
    """Whether *use* found no tenant."""
    try:
        use()
    except UnknownTenant:
        return True
    return False


DOORS: dict[str, Callable[[Store], object]] = {
    "head": lambda store: store.head(),
    "tenants": lambda store: store.tenants(),
    "tenants as of": lambda store: store.tenants(as_of=EARLIER),
    "find by id": lambda store: store.find_tenant(TENANT.value),
    "find by name": lambda store: store.find_tenant("NAME 7"),
    "find none": lambda store: suppressed(lambda: store.find_tenant("tenant-77")),
    "configuration": lambda store: store.configuration(TENANT),
    "configuration as of": lambda store: store.configuration(TENANT, as_of=EARLIER),
    "configuration at": lambda store: store.configuration(TENANT, as_of=datetime.now(UTC)),
    "grants of": lambda store: store.grants_of(APP),
    "grants of as of": lambda store: store.grants_of(APP, as_of=EARLIER),
    "known apps": lambda store: store.known_apps(),
    "history": lambda store: list(store.history(limit=3)),
    "history oldest first": lambda store: list(store.history(limit=3, newest_first=False)),
    "history of tenant": lambda store: list(store.history(tenant=TENANT, limit=3)),
    "history of app": lambda store: list(store.history(app=APP, limit=3)),
    "history of both": lambda store: list(store.history(tenant=TENANT, app=APP, limit=3)),
    "history of actor": lambda store: list(store.history(actor="os:alice", limit=3)),
    "history since": lambda store: list(store.history(since=Instant(1), limit=3)),
    "history until": lambda store: list(store.history(until=Instant(2**52), limit=3)),
    "change": lambda store: store.change(EARLIER),
    "changes after": lambda store: store.changes_after(EARLIER, limit=3),
    "follow": lambda store: store.follow(EARLIER, limit=3),
    "follow tenants": lambda store: store.follow(
        EARLIER, limit=3, tenants=[TENANT.value, TENANTS[8].value]
    ),
    "newest": lambda store: store.newest(EARLIER),
    "newest of tenants": lambda store: store.newest(
        EARLIER, tenants=[TENANT.value, TENANTS[8].value]
    ),
    "service keys": lambda store: store.service_keys(),
    "find key": lambda store: store.find_key("KEY 7"),
    "add key": lambda store: a_key(store, "new", tenants=[TENANT]),
    "rotate key": lambda store: store.rotate_key(
        "key 7", ServiceKey.new(secrets.token_bytes), by=BY
    ),
    "revoke key": lambda store: store.revoke_key("key 8", by=BY),
    "undo a key": lambda store: store.undo(
        store.add_key("x", ServiceKey.new(secrets.token_bytes), rights=RIGHTS, by=BY).revision,
        by=BY,
    ),
    "modify": lambda store: store.modify(TENANT, ListModifier(remove=(APP,)), by=BY),
    "undo a list": lambda store: store.undo(store.head().revision, by=BY),
    "add": lambda store: store.add_tenant(TenantId("new"), "New", by=BY),
    "rename": lambda store: store.rename_tenant(TENANT, "Other", by=BY),
    "disable": lambda store: store.disable_tenant(TENANT, by=BY),
    "enable": lambda store: store.enable_tenant(TENANTS[9], by=BY),
    "remove": lambda store: store.remove_tenant(TENANTS[11], by=BY),
    "undo a tenant": lambda store: store.undo(
        store.disable_tenant(TENANTS[12], by=BY).revision, by=BY
    ),
    "undo a removal": lambda store: store.undo(
        store.remove_tenant(TENANTS[13], by=BY).revision, by=BY
    ),
    "call": lambda store: store.roster.call(TENANT, "call-1"),
    "calls": lambda store: store.roster.calls(TENANT, limit=3),
    "calls after": lambda store: store.roster.calls(TENANT, after="2:call-2", limit=3),
    "participant": lambda store: store.roster.participant(TENANT, "call-1", "3"),
    "participants": lambda store: store.roster.participants(TENANT, "call-1", limit=3),
    "participants after": lambda store: store.roster.participants(
        TENANT, "call-1", after="4", limit=3
    ),
    "new call": lambda store: store.roster.new_call(Call(TENANT, "new")),
    "report a call": lambda store: store.roster.report_call(Call(TENANT, "new", subject="Tea")),
    "end a call": lambda store: store.roster.end_call(TENANT, "call-2"),
    "report": lambda store: store.roster.report(TENANT, "call-1", Participant("new")),
    "report anew": lambda store: store.roster.report(
        TENANT, "call-1", Participant("new", answered=False)
    ),
    "answered": lambda store: store.roster.answered(TENANT, "call-1", "new"),
    "left": lambda store: store.roster.left(TENANT, "call-1", "new"),
    "begin": lambda store: store.removals.begin("fresh", **MAY),
    "remove from a call": lambda store: store.roster.remove("fresh"),
    "removed": lambda store: store.roster.removed(500, limit=3),
    "removed of tenants": lambda store: store.roster.removed(500, limit=3, tenants=[TENANT.value]),
    "last removed": lambda store: store.roster.last_removed(),
    "last removed of tenants": lambda store: store.roster.last_removed(
        up_to=700, tenants=[TENANT.value, TENANTS[8].value]
    ),
    "begin another": lambda store: store.removals.begin("other", **MAY),
    "settle": lambda store: store.removals.settle("other", Outcome.FAILED),
    "open": lambda store: store.removals.open("roster", before=Instant(2**52)),
    "find": lambda store: store.removals.find("request-7"),
    "find a refusal": lambda store: store.removals.find("refusal-7"),
    "was removed": lambda store: store.removals.was_removed(TENANT, "call-1", "7"),
    "of": lambda store: store.removals.of(TENANT, limit=3),
    "refuse": lambda store: store.removals.refuse(
        Refusal("new", Instant(1), TENANT, APP, "DELETE", 403, "code", "why")
    ),
}


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store in which reading all rows and finding a few are two things."""
    with admin.create(store_url) as store:
        for number, tenant in enumerate(TENANTS):
            store.add_tenant(tenant, f"Name {number}", by=BY)
            store.modify(tenant, ListModifier(add=APPS), by=BY)
        for tenant in TENANTS[:30]:
            store.modify(tenant, ListModifier(replace=APPS[:20]), by=BY)
        for number in range(10):
            a_key(store, f"key {number}")
        fill_roster(store_url)
        yield store


def fill_roster(url: str) -> None:
    """Put 5 calls of 10 into each tenant, and a thousand removals and refusals into the store."""
    calls = [
        {"tenant": tenant.value, "call": f"call-{number}", "made_at": number, "sequence": 10}
        | {"state": "established", "direction": "incoming"}
        for tenant in TENANTS
        for number in range(5)
    ]
    people = [
        {"tenant": one["tenant"], "call": one["call"], "participant": str(place), "place": place}
        | {"answered": True, "in_lobby": False, "muted": False}
        for one in calls
        for place in range(1, 11)
    ]
    done: list[dict[str, Any]] = [
        {"at": number, "tenant": TENANTS[number % 40].value, "app": APP.value}
        | {"call": "call-1", "participant": str(number)}
        for number in range(1_000)
    ]
    removals = [
        {"request_id": f"request-{one['at']}", "revision": 1, "controller": "roster"}
        | {"outcome": "removed", "settled_at": one["at"], "number": one["at"] + 1, **one}
        for one in done
    ]
    refusals = [
        {"request_id": f"refusal-{one['at']}", "method": "DELETE", "status": 403}
        | {"code": "code", "why": "why", **one, "at": 2**52}
        for one in done
    ]
    engine = engine_of(Address.parse(url))
    with engine.begin() as connection:
        connection.execute(insert(schema.calls), calls)
        connection.execute(insert(schema.participants), people)
        connection.execute(insert(schema.removals), removals)
        connection.execute(insert(schema.refusals), refusals)
    engine.dispose()


def finds_rows(statement: str) -> bool:
    found = re.match(r"\s*(SELECT|UPDATE|DELETE)\b", statement)
    return found is not None and " FROM pg_" not in statement


BY_KEY = re.compile(r"ORDER BY (changes|tenants)\.(?:revision|tenant)(?: DESC)?\s+LIMIT")
BESIDE = {"calls", "participants", "refusals", "removals"}


def read_through(plan: str) -> set[str]:
    """The tables that are read from end to end."""
    found = re.findall(r"^SCAN (\w+)|Seq Scan on (\w+)", plan, re.MULTILINE)
    ours = {"changes", "change_apps", "grants", "keys", "tenants"} | BESIDE
    return {one or other for one, other in found} & ours


def test_every_statement_finds_its_rows_by_an_index(store: Store, store_url: str) -> None:
    for door, use in DOORS.items():
        with caught() as sent:
            use(store)
        assert sent or door in BARE
        finding = [one for one in sent if finds_rows(one[0])]
        for statement, plan in plans(store_url, finding):
            walked = read_through(plan)
            # Read along a key, from one end, as far as it is wanted.
            if "TEMP B-TREE" not in plan:
                walked -= set(BY_KEY.findall(statement))
            assert walked <= READS_ALL.get(door, set()), f"{door}\n{statement}\n{plan}"


def test_every_door_that_reads_or_changes_is_tried_above() -> None:
    asked = {"ask", "check", "check_many", "check_async", "explain", "near_misses", "search"}
    asked |= {"whereabouts"}
    others = {"open", "close", "verify"}
    of_each = [*vars(Store), *vars(Roster), *vars(Removals)]
    doors = {name for name in of_each if not name.startswith("_")} - asked - others
    code = " ".join(str(door.__code__.co_names) for door in DOORS.values())
    assert not {name for name in doors if f"'{name}'" not in code}


QUESTIONS: dict[str, dict[str, Any]] = {
    "sqlite": {
        questions.SQLITE_ONE: ("tenant-7", "remove_participant", "app-3"),
        questions.SQLITE_MANY: ('[["tenant-7","app-3"],["x","y"]]', "remove_participant"),
        questions.SQLITE_ONE_ASKED: ("tenant-7", "remove_participant", "app-3", "a"),
        questions.SQLITE_MANY_ASKED: ('[["tenant-7","app-3","a"]]', "remove_participant"),
    },
    "postgresql": {
        questions.POSTGRESQL_ONE: {
            "tenant": "tenant-7",
            "app": "app-3",
            "action": "remove_participant",
        },
        questions.POSTGRESQL_MANY: {
            "tenants": ["tenant-7", "x"],
            "apps": ["app-3", "y"],
            "action": "remove_participant",
        },
        questions.POSTGRESQL_ONE_ASKED: {
            "tenant": "tenant-7",
            "app": "app-3",
            "action": "remove_participant",
            "key": "a",
        },
        questions.POSTGRESQL_MANY_ASKED: {
            "tenants": ["tenant-7", "x"],
            "apps": ["app-3", "y"],
            "keys": ["a", None],
            "action": "remove_participant",
        },
    },
}


def test_a_check_finds_its_one_grant_by_all_that_names_it(store: Store, store_url: str) -> None:
    for plan in checks_planned(store, store_url):
        assert read_through(plan) == set()
        found = re.search(
            r"SEARCH grants USING (?:COVERING )?INDEX grants_(?:live|check) \((.*)\)"
            r"|using grants_(?:live|check|of_app) on grants .*\n\s*Index Cond: (.*)",
            plan,
        )
        assert found, plan
        condition = found[1] or found[2]
        assert all(column in condition for column in ("tenant", "action", "app")), plan


def checks_planned(store: Store, url: str) -> Iterator[str]:
    """The plans of the check's statements, on a connection such as checks have."""
    engine = engine_of(Address.parse(url))
    explain = "EXPLAIN QUERY PLAN "
    with engine.connect() as connection:
        if store.dialect == "postgresql":
            explain = "EXPLAIN "
            # Its own housekeeping does it within a minute.
            connection.exec_driver_sql("ANALYZE")
            connection.exec_driver_sql(postgresql.SETTINGS_OF_CHECKS.partition(";")[2])
        for statement, parameters in QUESTIONS[store.dialect].items():
            rows = connection.exec_driver_sql(explain + statement, parameters)
            yield "\n".join(str(row[-1]) for row in rows)
        connection.rollback()
    engine.dispose()


def test_an_explanation_finds_its_rows_by_an_index(store: Store, store_url: str) -> None:
    values: dict[str, object] = {
        "action": "remove_participant",
        "added": 1,
        "app": "app-3",
        "at": 2**52,
        "most": 6,
        "now": 2**50,
        "revision": EARLIER,
        "tenant": "tenant-7",
    }
    texts = [getattr(reasons, name) for name in reasons.__all__]
    if store.dialect == "postgresql":
        texts = [snapshots.as_psycopg_has_it(text) for text in texts]
    planned = list(plans(store_url, [(text, values) for text in texts]))
    assert len(planned) == len(texts)
    for statement, plan in planned:
        assert read_through(plan) == set(), f"{statement}\n{plan}"


def test_a_search_finds_its_rows_by_an_index(store: Store, store_url: str) -> None:
    other = {"sqlite": "POSTGRESQL", "postgresql": "SQLITE"}[store.dialect]
    values: dict[str, object] = {
        "action": "remove_participant",
        "after": "",
        "app": "app-3",
        "enabled": True,
        "key": "a",
        "most": 6,
        "now": 2**50,
        "tenant": "tenant-7",
        "within": '["tenant-7", "tenant-8"]',
    }
    texts = [getattr(searches, name) for name in searches.__all__ if not name.startswith(other)]
    if store.dialect == "postgresql":
        texts = [snapshots.as_psycopg_has_it(text) for text in texts]
    planned = list(plans(store_url, [(text, values) for text in texts]))
    assert len(planned) == len(texts)
    for statement, plan in planned:
        assert read_through(plan) == set(), f"{statement}\n{plan}"


ROWS = {
    "BEGIN": ["new", TENANT.value, "app-3", "call-1", "5", 1, "roster"],
    "BEGUN": ["request-7"],
    "HOLD": [TENANT.value, "call-1"],
    "TAKE_OUT": [TENANT.value, "call-1", "5"],
    "MOVE_ON": [TENANT.value, "call-1", 1],
    "SETTLE_ALL": ["request-7", "removed", 5],
    "REFUSE": ["new", 1, TENANT.value, "app-3", "DELETE", 403, "code", "why", 1, "c", "p"],
}
"""A row that is sent along with a text of a round."""


def test_a_round_finds_its_rows_by_an_index(store: Store, store_url: str) -> None:
    values: dict[str, object] = {
        "before": 1,
        "now": 2**50,
        "outcome": "removed",
        "request_id": "request-7",
        "settled_at": 2**50,
        "why": None,
    }
    texts = rounds.texts(store.dialect)
    assert set(ROWS) <= set(texts) | {"HOLD"}
    for name, text in texts.items():
        asked = {**values, "rows": json.dumps([ROWS[name]] * 20)} if name in ROWS else values
        ((_, plan),) = plans(store_url, [(text, asked)])
        assert read_through(plan) == set(), f"{name}\n{plan}"


def test_who_is_where_is_found_by_an_index(store: Store, store_url: str) -> None:
    one = (TENANT.value, "call-1", "5")
    asked: dict[str, tuple[str, Any]] = {
        "sqlite": (whereabouts.SQLITE, one),
        "postgresql": (
            whereabouts.POSTGRESQL,
            {"tenants": [one[0]] * 20, "calls": [one[1]] * 20, "participants": [one[2]] * 20},
        ),
    }
    ((_, plan),) = plans(store_url, [asked[store.dialect]])
    assert read_through(plan) == set(), plan


def test_the_texts_of_the_check_are_those_of_the_tables() -> None:
    assert statements.compiled() == texts_of(questions)


def test_the_texts_of_an_explanation_are_those_of_the_tables() -> None:
    assert statements.reasons() == texts_of(reasons)


def test_the_texts_of_a_search_are_those_of_the_tables() -> None:
    assert statements.searches() == texts_of(searches)


def texts_of(module: ModuleType) -> dict[str, str]:
    return {name: getattr(module, name) for name in module.__all__}
