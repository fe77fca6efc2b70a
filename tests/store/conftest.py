"""The store that a test starts with: just made, on each database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantcfg.store import admin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantcfg import Store


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store without tenants."""
    with admin.create(store_url) as store:
        yield store
