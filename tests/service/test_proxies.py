"""
A DELETE behind a real proxy, as deploy/ configures it, with the real check and a real service.

What is asked and what arrives is held together: whatever was tried, nothing reaches the service
that the check has not permitted, as it is, or that needs no permission.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tenantcfg import ListModifier, Store
from tests.service.guarding import (
    FAULTS,
    GOOD,
    HANGS,
    STRANGER,
    Asked,
    Check,
    Guarded,
    Loop,
    Relay,
    surprises,
)
from tests.service.programs import PROXIES, running
from tests.service.tricks import AN_OVERRIDE_AS_A_TRAILER, MAY, TRICKS, Outcome, Trick
from tests.service.wire import Reply, exchange, h2_exchange, request
from tests.stores import APP, BY, CONTOSO, a_grant, revoke

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.templates import FileTemplate

PERMITTED = request("DELETE", MAY, GOOD)
DENIED = request("DELETE", MAY, STRANGER)
GET = request("GET", MAY)

# What two of them cannot be told, as their files in deploy/ say.
PERMITS_BY_ANY_2XX = ("traefik",)
HANDS_ON_TRAILERS = ("haproxy", "haproxy-debian")


@dataclass(frozen=True, slots=True)
class Setting:
    """One proxy, and what stands before and behind it."""

    name: str
    port: int
    h2_port: int
    loop: Loop
    store: Store
    check: Check
    relay: Relay
    guarded: Guarded

    def sent(self, raw: bytes, *, patience: float = 20.0, to_the_end: bool = False) -> Reply:
        """What a client gets for *raw*; what was asked and has passed before is forgotten."""
        self._forget()
        return exchange(self.port, raw, patience=patience, to_the_end=to_the_end)

    def tried(self, trick: Trick) -> None:
        if trick.h2:
            self._forget()
            h2_exchange(self.h2_port, trick.raw)
        else:
            self.sent(trick.raw, to_the_end=trick.to_the_end)

    @property
    def passed(self) -> list[tuple[str, str]]:
        return [(one.method, one.path) for one in self.guarded.passed]

    @property
    def surprises(self) -> list[str]:
        return surprises(self.check.asked, self.guarded.passed)

    @contextmanager
    def failing(self, fault: str) -> Iterator[None]:
        """The check fails like this; it works again afterwards, and is seen to."""
        self.loop.run(self.relay.fail(fault))
        try:
            yield
        finally:
            self.loop.run(self.relay.fail(None))
            self.works()

    @contextmanager
    def down(self) -> Iterator[None]:
        """The check is not there; it is again afterwards."""
        self.loop.run(self.relay.go_down())
        try:
            yield
        finally:
            self.loop.run(self.relay.come_back())
            self.works()

    def works(self) -> None:
        """Wait until a request passes; a connection that the proxy kept may be found broken."""
        end = time.monotonic() + 20
        while self.sent(PERMITTED).status != 200:
            assert time.monotonic() < end, "the check is there, and is not asked"

    def _forget(self) -> None:
        self.check.asked.clear()
        self.guarded.passed.clear()


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, file_template: FileTemplate) -> Iterator[Store]:
    path = tmp_path_factory.mktemp("store") / "store.db"
    file_template.copy_to(path)
    with Store.open(path) as store:
        a_grant(store)
        yield store


@pytest.fixture(scope="module")
def check(loop: Loop, store: Store) -> Iterator[Check]:
    check = loop.run(Check.started(store))
    yield check
    loop.run(check.stop())


@pytest.fixture(scope="module", params=list(PROXIES))
def proxy(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def setting(
    proxy: str, loop: Loop, store: Store, check: Check, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setting]:
    folder: Path = tmp_path_factory.mktemp(proxy)
    relay = Relay(check.grpc_port if proxy == "envoy-grpc" else check.port)
    guarded = Guarded()
    loop.run(relay.start())
    loop.run(guarded.start())
    try:
        with running(proxy, folder, relay.port, guarded.port) as ports:
            setting = Setting(proxy, ports.listen, ports.h2, loop, store, check, relay, guarded)
            # Some listen before they know their routes.
            setting.works()
            yield setting
    finally:
        loop.run(relay.stop())
        loop.run(guarded.stop())


def test_a_permitted_delete_passes_once(setting: Setting) -> None:
    reply = setting.sent(PERMITTED)

    assert (reply.status, reply.body) == (200, b"guarded\n")
    assert setting.check.asked == [Asked("DELETE", MAY, 200)]
    assert setting.passed == [("DELETE", MAY)]


def test_a_denied_delete_does_not(setting: Setting) -> None:
    reply = setting.sent(DENIED)

    assert reply.status == 403
    assert setting.check.asked == [Asked("DELETE", MAY, 403)]
    assert setting.passed == []


def test_who_shows_no_token_is_asked_for_one(setting: Setting) -> None:
    reply = setting.sent(request("DELETE", MAY))

    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="tenantcfg"'
    assert setting.passed == []


def test_a_revoke_holds_from_the_next_request_on(setting: Setting) -> None:
    revoke(setting.store)
    assert setting.sent(PERMITTED).status == 403
    assert setting.passed == []
    setting.store.modify(CONTOSO, ListModifier(add=(APP,)), by=BY)
    assert setting.sent(PERMITTED).status == 200
    assert setting.passed == [("DELETE", MAY)]


def test_other_methods_pass_unasked_while_the_check_is_down(setting: Setting) -> None:
    with setting.down():
        assert setting.sent(GET).status == 200
        assert setting.passed == [("GET", MAY)]
        assert setting.sent(request("POST", "/v1.0/users", body=b"{}")).status == 200
        assert setting.passed == [("POST", "/v1.0/users")]


def test_nothing_is_permitted_while_the_check_is_down(setting: Setting) -> None:
    with setting.down():
        reply = setting.sent(PERMITTED)

        assert reply.status in {500, 502, 503}
        assert setting.passed == []


@pytest.mark.parametrize("fault", [*FAULTS, HANGS])
def test_nothing_is_permitted_by_a_check_that_fails(setting: Setting, fault: str) -> None:
    with setting.failing(fault):
        setting.sent(PERMITTED, patience=6)

        exception = fault in {"201", "204"} and setting.name in PERMITS_BY_ANY_2XX
        assert setting.passed == ([("DELETE", MAY)] if exception else [])


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.name)
def test_no_trick_gets_anywhere(setting: Setting, trick: Trick) -> None:
    setting.tried(trick)

    exception = trick is AN_OVERRIDE_AS_A_TRAILER and setting.name in HANDS_ON_TRAILERS
    assert setting.surprises == (["an override in the trailers"] if exception else [])
    match trick.outcome:
        case Outcome.PASSES:
            assert len(setting.passed) == 1
        case Outcome.REFUSED:
            assert setting.passed == []
