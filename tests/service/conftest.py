"""What the tests of the service are given: options, and services that run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.service.bots import a_bot, publish
from tests.service.key_server import running_key_server
from tests.service.served import Service
from tests.service.stock import Stock, stocked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Server
    from tests.service.bots import Bot
    from tests.service.key_server import KeyServer
    from tests.templates import FileTemplate, TablesTemplate

CASES = Path(__file__).parent / "authzen"
PUBLIC = "https://pdp.example.com/t1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--authzen",
        metavar="DIR",
        default=str(CASES),
        help="run the AuthZEN cases of another folder",
    )
    parser.addoption(
        "--seconds",
        metavar="N",
        type=float,
        default=6.0,
        help="for how long the history checker changes and asks, on each database",
    )


@pytest.fixture(scope="session")
def file_stock(tmp_path_factory: pytest.TempPathFactory, file_template: FileTemplate) -> Stock:
    """The stock in an embedded store; nobody changes it."""
    path = tmp_path_factory.mktemp("stock") / "store" / "store.db"
    file_template.copy_to(path)
    return stocked(f"sqlite:///{path}")


@pytest.fixture(scope="session")
def shared_stock(postgres: Server, tables_template: TablesTemplate) -> Iterator[Stock]:
    """The stock in PostgreSQL; nobody changes it."""
    with postgres.database() as url:
        tables_template.copy_to(url)
        yield stocked(url)


@pytest.fixture(scope="session", params=["file", "shared"])
def stock(request: pytest.FixtureRequest) -> Stock:
    """The stock, once in each database."""
    found: Stock = request.getfixturevalue(f"{request.param}_stock")
    return found


@pytest.fixture(scope="session")
def service(stock: Stock) -> Iterator[Service]:
    """A service on the stock, in each database, with all that can be set for it."""
    with serving(stock, "--public-url", PUBLIC) as running:
        yield running


@pytest.fixture(scope="session")
def file_service(file_stock: Stock) -> Iterator[Service]:
    """A service on the stock in an embedded store."""
    with serving(file_stock) as running:
        yield running


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyServer]:
    """The key server of the issuer that the services of the participants API believe."""
    with running_key_server(tmp_path_factory.mktemp("issuer")) as server:
        publish(server)
        yield server


@pytest.fixture(scope="session")
def file_bot(
    tmp_path_factory: pytest.TempPathFactory, file_template: FileTemplate, issuer: KeyServer
) -> Iterator[Bot]:
    """A bot that may act, whose service has an embedded store."""
    path = tmp_path_factory.mktemp("bot") / "store" / "store.db"
    file_template.copy_to(path)
    with a_bot(f"sqlite:///{path}", issuer) as (bot, _):
        yield bot


@pytest.fixture(scope="session")
def shared_bot(
    postgres: Server, tables_template: TablesTemplate, issuer: KeyServer
) -> Iterator[Bot]:
    """A bot that may act, whose service has a store in PostgreSQL."""
    with postgres.database() as url:
        tables_template.copy_to(url)
        with a_bot(url, issuer) as (bot, _):
            yield bot


@pytest.fixture(params=["file", "shared"])
def bot(request: pytest.FixtureRequest) -> Bot:
    """A bot that may act, once with each database; who changes rights brings them back."""
    found: Bot = request.getfixturevalue(f"{request.param}_bot")
    return found


def serving(stock: Stock, *options: str) -> Service:
    """The program, serving *stock* on a port that was free."""
    return Service("--store", stock.url, "--bind", "127.0.0.1:0", *options)
