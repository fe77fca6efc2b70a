"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from tenantcfg import Actor, AppId, Attribution, ListModifier, TenantId
from tenantcfg.store import admin

if TYPE_CHECKING:
    from pathlib import Path

WITH_EXAMPLES = ("", ".configuration", ".decision", ".instants", ".store.door")


@pytest.fixture
def contoso(tmp_path: Path) -> str:
    """A store in which tenant contoso has granted the app of the source's own line."""
    url = f"sqlite:///{tmp_path / 'store' / 'tenantcfg.db'}"
    by = Attribution(Actor("os:alice"))
    app = AppId("5817674c-81d9-4adb-bfb2-8f6a442e4622")
    with admin.create(url) as store:
        store.add_tenant(TenantId("contoso"), None, by=by)
        store.modify(TenantId("contoso"), ListModifier(add=(app,)), by=by)
    return url


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_are_true(name: str, contoso: str) -> None:
    module = import_module(f"tenantcfg{name}")
    found = doctest.testmod(module, extraglobs={"url": contoso})
    assert found.attempted
    assert not found.failed
