"""Stores that the command line's tests start from, each made once and copied for each test."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cli.program import CONTOSO, FABRIKAM, ONE, TWO, grant, run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stores lie that others are copied from."""
    return tmp_path_factory.mktemp("templates")


@pytest.fixture
def embedded(home: Path) -> Path:
    """Where the embedded store of this test lies, or will."""
    return home / "data" / "tenantcfg" / "tenantcfg.db"


def _contoso() -> None:
    assert run("tenant", "add", CONTOSO, "contoso").code == 0


def _two_apps() -> None:
    _contoso()
    grant(ONE)
    grant(TWO)


def _two_tenants() -> None:
    _two_apps()
    assert run("tenant", "add", FABRIKAM, "fabrikam").code == 0


STORES = {"contoso": _contoso, "two_apps": _two_apps, "two_tenants": _two_tenants}


def _copied(name: str, templates: Path, embedded: Path) -> Path:
    template = templates / name
    if template.exists():
        shutil.copytree(template, embedded.parent)
    else:
        STORES[name]()
        shutil.copytree(embedded.parent, template)
    return embedded


@pytest.fixture
def contoso(templates: Path, embedded: Path) -> Path:
    """An embedded store that knows the one tenant contoso, without apps; revision 1."""
    return _copied("contoso", templates, embedded)


@pytest.fixture
def two_apps(templates: Path, embedded: Path) -> Path:
    """As `contoso`, with the start list of section 8; revision 3."""
    return _copied("two_apps", templates, embedded)


@pytest.fixture
def two_tenants(templates: Path, embedded: Path) -> Path:
    """As `two_apps`, and a second tenant fabrikam without apps; revision 4."""
    return _copied("two_tenants", templates, embedded)
