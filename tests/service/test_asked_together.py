"""Requests that arrive together are answered from one read, each by its own key and question."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx

from tenantcfg import Store
from tenantcfg.store.address import Address
from tests.service.served import Service
from tests.stores import APP, BY, CONTOSO, a_grant, a_key

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE = 16


def asked(url: str, keys: Sequence[str]) -> list[int]:
    """The statuses of many questions at once, each asked with one of *keys*."""
    question = {
        "subject": {"type": "application", "id": APP.value},
        "action": {"name": "remove_participant"},
        "resource": {"type": "tenant", "id": CONTOSO.value},
    }

    def ask(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(headers=headers, timeout=10) as client:
            return client.post(f"{url}/access/v1/evaluation", json=question).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, keys))


def test_one_key_that_is_revoked_is_nobodys_and_a_file_that_is_gone_answers_none(
    made_sqlite_url: str,
) -> None:
    path = Address.parse(made_sqlite_url).path
    assert path is not None
    with Store.open(made_sqlite_url) as store:
        a_grant(store)
        keys = [a_key(store, name).text for name in ("one", "two")] * (AT_ONCE // 2)
        with Service("--store", made_sqlite_url, "--bind", "127.0.0.1:0") as service:
            assert asked(service.url, keys) == [200] * AT_ONCE

            store.revoke_key("two", by=BY)
            assert asked(service.url, keys) == [200, 401] * (AT_ONCE // 2)

            path.unlink()
            assert asked(service.url, keys[::2]) == [503] * (AT_ONCE // 2)
