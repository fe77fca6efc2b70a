"""Whoever only looks, or asks what would be, leaves the store's file as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantcfg import ListModifier, Store
from tenantcfg.store import admin
from tests.stores import APP, BY, CONTOSO, a_grant

if TYPE_CHECKING:
    from pathlib import Path


def test_a_backup_that_is_looked_into_stays_as_it_is(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    a_grant(store)
    kept = tmp_path / "kept.db"
    admin.backup(store_url, kept)
    before = kept.read_bytes()
    with Store.open(kept) as backup:
        assert backup.check(tenant=CONTOSO, app=APP)
        assert len(list(backup.history())) == 2
        assert backup.verify() == ()
        assert backup.modify(CONTOSO, ListModifier(remove=(APP,)), by=BY, what_if=True).effective
    assert admin.check_schema(kept) == ()
    assert kept.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["kept.db"]
