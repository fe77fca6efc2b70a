"""
The history alone is enough: whatever is in the store can be had from its receipts.

Random commands run on a real store. Then a model that knows nothing of the store reads the
receipts, as JSON, and says what there must be, at every revision.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantcfg import AppId, Attribution, ListModifier, Revision, Store, TenantId
from tenantcfg.errors import Conflict, InvalidInput, UnknownTenant
from tenantcfg.history import Actor
from tenantcfg.instants import from_datetime
from tenantcfg.instants import text as instant_text
from tenantcfg.keys import Right, ServiceKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.postgres import Server
    from tests.templates import FileTemplate, TablesTemplate

    Fresh = Callable[[], AbstractContextManager[str]]

TENANTS = ("t1", "t2", "5817674c-81d9-4adb-bfb2-8f6a442e4622")
APPS = ("a", "b", "c", "11111111-1111-1111-1111-111111111111")
BY = Attribution(Actor("os:alice"))


# The model: plain JSON in, plain dictionaries out


@dataclass
class Model:
    """What the receipts say, one after the other."""

    tenants: dict[str, dict[str, Any]] = field(default_factory=dict)
    grants: dict[tuple[str, str], str | None] = field(default_factory=dict)
    order: dict[str, list[str]] = field(default_factory=dict)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    at: str = ""

    def read(self, receipt: dict[str, Any]) -> None:
        self.at = receipt["at"]
        operation = receipt["operation"]
        verb = operation.get("effect", operation["verb"])
        if verb.startswith("key."):
            assert receipt["tenant"] is None
            self._key(verb, operation)
            return
        self._tenant(receipt["tenant"], verb, operation)
        for outcome in receipt["outcomes"]:
            self._grant(receipt["tenant"], outcome)

    def _tenant(self, tenant: str, verb: str, operation: dict[str, Any]) -> None:
        if verb == "tenant.add":
            enabled = operation.get("enabled", True)
            self.tenants[tenant] = {"name": operation["name"], "enabled": enabled}
        elif verb == "tenant.rename":
            self.tenants[tenant]["name"] = operation["name"]
        elif verb in {"tenant.enable", "tenant.disable"}:
            self.tenants[tenant]["enabled"] = verb == "tenant.enable"
        elif verb == "tenant.remove":
            del self.tenants[tenant]

    def _key(self, verb: str, operation: dict[str, Any]) -> None:
        if verb == "key.revoke":
            for key in operation["keys"]:
                del self.keys[key]
            return
        if verb == "key.rotate":
            old = self.keys.pop(operation["replaces"])
            if operation["until"] is not None:
                self.keys[operation["replaces"]] = {**old, "expires_at": operation["until"]}
        told = ("name", "rights", "tenants", "expires_at")
        self.keys[operation["key"]] = {name: operation[name] for name in told}

    def _grant(self, tenant: str, outcome: dict[str, Any]) -> None:
        app, result = outcome["app"], outcome["result"]
        order = self.order.setdefault(tenant, [])
        if result in {"removed", "added"} and app in order:
            order.remove(app)
            del self.grants[tenant, app]
        if result == "added":
            order.append(app)
        if result in {"added", "changed"}:
            self.grants[tenant, app] = outcome.get("expires_at")

    def in_force(self, tenant: str, now: str) -> list[str]:
        ends = ((app, self.grants[tenant, app]) for app in self.order.get(tenant, []))
        return [app for app, end in ends if end is None or _later(end, now)]


def _later(one: str, other: str) -> bool:
    return datetime.fromisoformat(one) > datetime.fromisoformat(other)


# The commands

names = st.sampled_from(["One", "Two", "ONE", None])
some_apps = st.lists(st.sampled_from(APPS), max_size=3).map(lambda found: tuple(map(AppId, found)))
# A hair's breadth ahead: some will have run out by the next command, some will not.
spans = st.none() | st.sampled_from([1, 3_000, 20_000, 10**12])
tenants = st.sampled_from(TENANTS).map(TenantId)


@dataclass(frozen=True)
class Edit:
    tenant: TenantId
    add: tuple[AppId, ...]
    remove: tuple[AppId, ...]
    whole: bool
    span: int | None
    timed: bool

    def __call__(self, store: Store) -> object:
        until = None
        if self.span is not None:
            until = from_datetime(datetime.now(UTC) + timedelta(microseconds=self.span))
        ends = dict.fromkeys(self.add, until) if self.timed else {}
        modifier = (
            ListModifier(replace=self.add, expiries=ends)
            if self.whole
            else ListModifier(add=self.add, remove=self.remove, expiries=ends)
        )
        return store.modify(self.tenant, modifier, by=BY)


@dataclass(frozen=True)
class OfTenant:
    what: str
    tenant: TenantId
    name: str | None

    def __call__(self, store: Store) -> object:
        if self.what == "add":
            return store.add_tenant(self.tenant, self.name, by=BY)
        if self.what == "rename":
            return store.rename_tenant(self.tenant, self.name or "Other", by=BY)
        if self.what == "enable":
            return store.enable_tenant(self.tenant, by=BY)
        if self.what == "disable":
            return store.disable_tenant(self.tenant, by=BY)
        return store.remove_tenant(self.tenant, by=BY)


@dataclass(frozen=True)
class Undo:
    back: int

    def __call__(self, store: Store) -> object:
        return store.undo(Revision(int(store.head().revision) - self.back), by=BY)


@dataclass(frozen=True)
class OfKey:
    what: str
    name: str
    rights: frozenset[Right]
    tenants: tuple[TenantId, ...] | None
    span: int | None

    def __call__(self, store: Store) -> object:
        key = ServiceKey.new(secrets.token_bytes)
        until = None
        if self.span is not None:
            until = from_datetime(datetime.now(UTC) + timedelta(microseconds=self.span))
        if self.what == "new":
            return store.add_key(
                self.name, key, rights=self.rights, tenants=self.tenants, expires_at=until, by=BY
            )
        if self.what == "rotate":
            overlap = self.span or 0
            return store.rotate_key(self.name, key, overlap=overlap, by=BY)
        return store.revoke_key(self.name, by=BY)


commands = st.one_of(
    st.builds(Edit, tenants, some_apps, some_apps, st.booleans(), spans, st.booleans()),
    st.builds(Edit, tenants, some_apps, some_apps, st.booleans(), spans, st.booleans()),
    st.builds(
        OfTenant,
        st.sampled_from(["add", "add", "rename", "enable", "disable", "remove"]),
        tenants,
        names,
    ),
    st.builds(
        OfKey,
        st.sampled_from(["new", "new", "rotate", "revoke"]),
        st.sampled_from(["calls", "CALLS", "other"]),
        st.frozensets(st.sampled_from(Right), min_size=1),
        st.none() | st.lists(tenants, max_size=2).map(tuple),
        spans,
    ),
    st.builds(Undo, st.integers(0, 3)),
)


# New stores in a hurry


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """Gives the addresses of stores without tenants, one after the other."""
    if request.param == "sqlite":
        file: FileTemplate = request.getfixturevalue("file_template")
        folder, numbers = tmp_path_factory.mktemp("fresh"), count()

        @contextmanager
        def copied_file() -> Iterator[str]:
            path = folder / str(next(numbers)) / "store.db"
            file.copy_to(path)
            yield f"sqlite:///{path}"
            shutil.rmtree(path.parent)

        return copied_file
    server: Server = request.getfixturevalue("postgres")
    tables: TablesTemplate = request.getfixturevalue("tables_template")

    @contextmanager
    def copied_tables() -> Iterator[str]:
        with server.database() as url:
            tables.copy_to(url)
            yield url

    return copied_tables


def run(store: Store, sequence: list[Callable[[Store], object]]) -> None:
    for command in sequence:
        try:
            command(store)
        except (Conflict, InvalidInput, UnknownTenant):
            # The state forbids it: that, too, must leave no trace.
            continue


@settings(max_examples=25)
@given(sequence=st.lists(commands, min_size=4, max_size=25))
def test_the_state_rebuilt_from_the_receipts_is_the_stores(
    fresh: Fresh, sequence: list[Callable[[Store], object]]
) -> None:
    opening = [OfTenant("add", TenantId(tenant), None) for tenant in TENANTS[:2]]
    with fresh() as url, Store.open(url) as store:
        run(store, [*opening, *sequence])
        model, receipts = Model(), list(store.history(newest_first=False))
        assert [receipt.revision for receipt in receipts] == list(range(1, len(receipts) + 1))
        for receipt in receipts:
            model.read(json.loads(json.dumps(receipt.to_json())))
            assert_same(store, model, receipt.revision)
        assert_same_now(store, model)
        assert_same_keys(store, model)
        assert store.verify(head=store.head()) == ()


def assert_same(store: Store, model: Model, revision: Revision) -> None:
    """At a revision of the past."""
    known = {
        tenant.id.value: {"name": tenant.name, "enabled": tenant.enabled}
        for tenant in store.tenants(as_of=revision)
    }
    assert known == model.tenants
    for tenant in known:
        found = store.configuration(TenantId(tenant), as_of=revision)
        rebuilt = model.in_force(tenant, model.at)
        assert [app.value for app in found.apps] == rebuilt
        for grant in found.grants:
            end = model.grants[tenant, grant.app.value]
            expected = None if end is None else from_datetime(datetime.fromisoformat(end))
            assert grant.expires_at == expected
    for app in APPS:
        holders = [tenant.id.value for tenant, _ in store.grants_of(AppId(app), as_of=revision)]
        assert sorted(holders) == sorted(
            tenant
            for tenant, about in model.tenants.items()
            if about["enabled"] and app in model.in_force(tenant, model.at)
        )


def assert_same_keys(store: Store, model: Model) -> None:
    """As an admin sees them, and as whoever asks with one finds it."""
    listed = {
        key.id: {
            "name": key.name,
            "rights": sorted(key.rights),
            "tenants": None if key.tenants is None else list(key.tenants),
            "expires_at": None if key.expires_at is None else instant_text(key.expires_at),
        }
        for key in store.service_keys()
    }
    assert listed == model.keys
    every = {
        change.operation.details["key"]
        for change in store.history()
        if "key" in change.operation.details
    }
    found = {key: asyncio.run(store.ask((), key=key)).key for key in every}
    assert {key for key, facts in found.items() if facts is not None} == set(model.keys)


def assert_same_now(store: Store, model: Model) -> None:
    """By the check, which also judges what has run out since."""
    before = datetime.now(UTC).isoformat()
    questions = [(tenant, app) for tenant in TENANTS for app in APPS]
    answers = [bool(one) for one in store.check_many(questions)]
    singly = [bool(store.check(tenant=tenant, app=app)) for tenant, app in questions]
    after = datetime.now(UTC).isoformat()
    for (tenant, app), *said in zip(questions, answers, singly, strict=True):
        enabled = model.tenants.get(tenant, {"enabled": False})["enabled"]
        # Whatever ran out while we asked may have been answered either way.
        possible = {enabled and app in model.in_force(tenant, now) for now in (before, after)}
        assert set(said) <= possible, (tenant, app)
