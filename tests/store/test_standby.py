"""A standby is behind its primary by an unknown time, so it answers no strict check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantcfg import Store, Unavailable
from tenantcfg.store import admin
from tests.stores import APP, CONTOSO, a_grant

if TYPE_CHECKING:
    from tests.postgres import Server


def _becomes_a_standby(server: Server) -> None:
    server.stop()
    (server.folder / "data" / "standby.signal").touch()
    server.start()


@pytest.mark.parametrize("wanted", ["", "&target_session_attrs=any"])
def test_a_standby_is_no_permit(postgres_of_own: Server, wanted: str) -> None:
    url = postgres_of_own.url() + wanted
    with admin.create(url) as store:
        a_grant(store)
        assert store.check(tenant=CONTOSO, app=APP)
        _becomes_a_standby(postgres_of_own)
        with pytest.raises(Unavailable, match="standby"):
            store.check(tenant=CONTOSO, app=APP)
        with pytest.raises(Unavailable, match="standby"):
            store.configuration(CONTOSO)
        with pytest.raises(Unavailable, match="standby"):
            a_grant(store)
        with pytest.raises(Unavailable, match="standby"):
            Store.open(url)
