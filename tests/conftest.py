"""
What every test stands on: an environment of its own, and stores of both kinds.

No test sees the home folder, the settings, the terminal, the time zone or the language of whoever
runs it; what a test starts as a process inherits the same.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdist.workermanage import WorkerController

    from tests.postgres import Server
    from tests.templates import FileTemplate, TablesTemplate

# Deadlines tell more about the machine than about the code.
settings.register_profile("tenantcfg", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tenantcfg")

# A run in the background ignores Ctrl-C, one that outlives its terminal ignores the hangup, and
# so would every program that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

FOREIGN = (
    "TENANTCFG_",
    "XDG_",
    "PG",
    "LC_",
    "SUDO_",
    "COLUMNS",
    "LINES",
    "LANGUAGE",
    "NO_COLOR",
    "FORCE_COLOR",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "PYTHONUNBUFFERED",
    "PYTHONWARNINGS",
)

_homes = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of `scripts/test` that are more than pytest's own."""
    parser.addoption("--all", action="store_true", help="try every proxy and SDK that is installed")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Say in the closing line what could not be tried here."""
    said = config.stash.get(LEFT_OUT, None)
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if said and terminal is not None:
        terminal.write_line(said)


LEFT_OUT = pytest.StashKey[str]()
"""What was collected and could not be tried."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a worker left out to whoever writes the closing line."""
    handed_over = getattr(session.config, "workeroutput", None)
    if handed_over is not None:
        handed_over["left_out"] = session.config.stash.get(LEFT_OUT, "")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Take it: all workers collected the same."""
    said = getattr(node, "workeroutput", {}).get("left_out")
    if said:
        node.config.stash[LEFT_OUT] = said


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of programs that are not here, or not asked for."""
    said = []
    for leave_out in (_proxies, _sdks, _janus, _pages):
        outside, why = leave_out(config, items)
        if outside:
            items[:] = [item for item in items if item not in outside]
            config.hook.pytest_deselected(items=outside)
            said.append(why)
    config.stash[LEFT_OUT] = "\n".join(said)


def _proxies(config: pytest.Config, items: list[pytest.Item]) -> tuple[list[pytest.Item], str]:
    of_proxies = [item for item in items if item.path.name == "test_proxies.py"]
    if not of_proxies:
        return [], ""
    from tests.service import programs  # noqa: PLC0415 - costs nothing where it isn't asked for

    tried = programs.chosen(config)
    outside: list[pytest.Item] = [
        item
        for item in of_proxies
        if isinstance(item, pytest.Function) and item.callspec.params["proxy"] not in tried
    ]
    return outside, programs.left_out(config)


def _sdks(config: pytest.Config, items: list[pytest.Item]) -> tuple[list[pytest.Item], str]:
    of_sdks = [
        item
        for item in items
        if item.path.parent.name == "sdks" or item.path.name == "test_janus_sdk.py"
    ]
    if not of_sdks:
        return [], ""
    from tests.sdks import installed  # noqa: PLC0415 - as above

    missing = installed.missing(config)
    outside = [item for item in of_sdks if item.path.name in missing]
    return outside, installed.left_out(config)


def _janus(_: pytest.Config, items: list[pytest.Item]) -> tuple[list[pytest.Item], str]:
    of_janus: dict[pytest.Item, set[str]] = {
        item: {"janus", "janus_of_own", "served"} & {*item.fixturenames}
        for item in items
        if isinstance(item, pytest.Function) and item.path.parent.name == "calls"
    }
    if not any(of_janus.values()):
        return [], ""
    from tests.calls.janus_server import installed  # noqa: PLC0415 - as above
    from tests.service.programs import nginx  # noqa: PLC0415 - as above

    why = "not installed; as root, where there is apt, scripts/test --all does it"
    if not installed():
        return [item for item, needed in of_janus.items() if needed], f"Janus left out ({why})"
    if nginx() is None:
        outside = [item for item, needed in of_janus.items() if "served" in needed]
        return outside, f"Janus behind nginx left out (nginx is {why})"
    return [], ""


def _pages(_: pytest.Config, items: list[pytest.Item]) -> tuple[list[pytest.Item], str]:
    if shutil.which("curl"):
        return [], ""
    outside: list[pytest.Item] = [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and item.originalname == "test_the_commands_of_a_page_print_what_it_shows"
        and "curl" in Path(str(item.callspec.params["path"])).read_text(encoding="utf-8")
    ]
    return outside, f"{len(outside)} pages of the docs left out (curl is not installed)"


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests' home folders lie, one for each."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def home(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home folder of this test, new and empty; all its settings point below it or nowhere."""
    folder = homes / str(next(_homes))
    folder.mkdir(mode=0o700)
    for name in list(os.environ):
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)
    for name, value in _surroundings(folder).items():
        monkeypatch.setenv(name, value)
    time.tzset()
    yield folder
    monkeypatch.undo()
    time.tzset()


def _surroundings(home: Path) -> dict[str, str]:
    scripts = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    return {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "XDG_STATE_HOME": str(home / "state"),
        # Far from UTC and by no whole hour, so that a local time can't pass for an instant.
        "TZ": "TEST-05:45",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        # The program as installed beside the Python that runs the tests.
        "PATH": path if path.startswith(scripts + os.pathsep) else scripts + os.pathsep + path,
    }


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The PostgreSQL server that all tests share; not to be stopped."""
    from tests.postgres import running_server  # noqa: PLC0415 - costs nothing where it isn't asked for

    with running_server() as server:
        yield server


@pytest.fixture
def postgres_of_own() -> Iterator[Server]:
    """A PostgreSQL server of this test's own, to be stopped, crashed and started at will."""
    from tests.postgres import running_server  # noqa: PLC0415 - as above

    with running_server() as server:
        yield server


# A store of either kind: yet to be made, or there and without tenants.


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of an embedded store that is not there yet."""
    return f"sqlite:///{tmp_path / 'store' / 'store.db'}"


@pytest.fixture
def postgresql_url(postgres: Server) -> Iterator[str]:
    """The address of a PostgreSQL database that is there and empty."""
    with postgres.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest) -> str:
    """The address of a store yet to be made, once on each database."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The address of a store without tenants, once on each database."""
    url: str = request.getfixturevalue(f"made_{request.param}_url")
    return url


@pytest.fixture
def made_sqlite_url(sqlite_url: str, file_template: FileTemplate) -> str:
    """The address of an embedded store without tenants."""
    file_template.copy_to(Path(sqlite_url.removeprefix("sqlite:///")))
    return sqlite_url


@pytest.fixture
def made_postgresql_url(postgresql_url: str, tables_template: TablesTemplate) -> str:
    """The address of a shared store without tenants."""
    tables_template.copy_to(postgresql_url)
    return postgresql_url


@pytest.fixture(scope="session")
def file_template(tmp_path_factory: pytest.TempPathFactory) -> FileTemplate:
    """The embedded store that others are copies of."""
    from tests.templates import FileTemplate  # noqa: PLC0415 - as above

    return FileTemplate(tmp_path_factory.mktemp("template") / "store.db")


@pytest.fixture(scope="session")
def tables_template(postgres: Server) -> TablesTemplate:
    """The shared store that others are copies of."""
    from tests.templates import TablesTemplate  # noqa: PLC0415 - as above

    with postgres.database() as url:
        return TablesTemplate(url)
