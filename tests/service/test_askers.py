"""Who asks is judged at each question, however lately he was seen (check W40, M7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tenantcfg import Store
from tenantcfg.service.askers import KeyHolders
from tenantcfg.service.authzen import authzen
from tenantcfg.service.judging import StoreDecisions
from tenantcfg.service.settings import Bind, ServiceSettings
from tests.service.served import behind_server
from tests.stores import APP, BY, CONTOSO, a_grant, a_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.templates import FileTemplate

EVALUATION, SUBJECTS = "/access/v1/evaluation", "/access/v1/search/subject"
QUESTION = {
    "subject": {"type": "application", "id": str(APP)},
    "action": {"name": "remove_participant"},
    "resource": {"type": "tenant", "id": str(CONTOSO)},
}


@pytest.fixture
def store(tmp_path: Path, file_template: FileTemplate) -> Iterator[Store]:
    file_template.copy_to(tmp_path / "store.db")
    with Store.open(tmp_path / "store.db") as store:
        a_grant(store)
        yield store


@pytest.fixture
def client(store: Store) -> Iterator[httpx.Client]:
    """Asks a service on the store with the key ``calls``."""
    endpoints = authzen(StoreDecisions(store), KeyHolders(store), page_key=bytes(32))
    bearer = {"authorization": f"Bearer {a_key(store).text}"}
    with (
        behind_server(endpoints, ServiceSettings(bind=Bind("127.0.0.1", 0))) as layer,
        httpx.Client(base_url=layer.url, headers=bearer, timeout=30) as client,
    ):
        yield client


def test_a_key_that_was_seen_a_moment_ago_is_nobodys_once_it_is_revoked_m7(
    store: Store, client: httpx.Client
) -> None:
    assert client.post(EVALUATION, json=QUESTION).json() == {"decision": True}

    store.revoke_key("calls", by=BY)

    assert client.post(EVALUATION, json=QUESTION).status_code == 401
    assert client.post(SUBJECTS, json=QUESTION).status_code == 401


@pytest.mark.parametrize(
    ("path", "members"),
    [
        (EVALUATION, {}),
        (SUBJECTS, {}),
        (SUBJECTS, {**QUESTION, "page": {"limit": -1}}),
        (SUBJECTS, {**QUESTION, "page": {"token": "damaged"}}),
    ],
)
def test_who_is_not_known_any_more_learns_nothing_of_what_was_wrong_w40(
    store: Store, client: httpx.Client, path: str, members: dict[str, object]
) -> None:
    assert client.post(path, json=members).status_code == 400

    store.revoke_key("calls", by=BY)

    assert client.post(path, json=members).status_code == 401
