"""What the tests of calls are given: a Janus, one of a test's own, a service before one."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.calls.janus_server import running_janus
from tests.calls.serving import Relay, Served
from tests.service.bots import a_bot, environment, publish
from tests.service.key_server import running_key_server
from tests.service.programs import before_calls
from tests.service.token_maker import TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.calls.janus_server import Janus
    from tests.templates import FileTemplate


@pytest.fixture(scope="session")
def janus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Janus]:
    """The Janus that tests share; not to be stopped. Each makes rooms of its own."""
    with running_janus(tmp_path_factory.mktemp("janus")) as running:
        yield running


@pytest.fixture
def janus_of_own(tmp_path: Path) -> Iterator[Janus]:
    """A Janus of this test's own, to be stopped and killed at will."""
    folder = tmp_path / "janus"
    folder.mkdir()
    with running_janus(folder) as running:
        yield running


@pytest.fixture(scope="session")
def served(
    tmp_path_factory: pytest.TempPathFactory, file_template: FileTemplate
) -> Iterator[Served]:
    """A service before a Janus, behind an nginx; who stops or kills that Janus starts it anew."""
    folder = tmp_path_factory.mktemp("served")
    url = f"sqlite:///{folder / 'store' / 'store.db'}"
    file_template.copy_to(folder / "store" / "store.db")
    for name in ("janus", "issuer", "nginx"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        janus = stack.enter_context(running_janus(folder / "janus"))
        relay = stack.enter_context(Relay(janus))
        issuer = stack.enter_context(running_key_server(folder / "issuer"))
        publish(issuer)
        env = environment(
            issuer,
            calls="janus",
            janus_url=f"{relay.url}/admin",
            janus_tenant=TENANT,
            janus_admin_secret=janus.admin_secret,
            janus_room_secret=janus.room_secret,
            janus_admin_key=janus.admin_key,
        )
        bot, _ = stack.enter_context(a_bot(url, issuer, env))
        ports = stack.enter_context(before_calls(folder / "nginx", bot.port))
        yield Served(janus, relay, replace(bot, port=ports.listen), url, env)
