"""The store that a test starts with: without tenants, on each database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantcfg import Store

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store without tenants."""
    with Store.open(store_url) as store:
        yield store
