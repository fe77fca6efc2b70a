"""How the address of a store is read, and that no message repeats what may be a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantcfg import InvalidInput, Store
from tenantcfg.store.address import Address


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://u:hun%ter2@127.0.0.1:1/db",
        "postgresql://u:hunter2%00@127.0.0.1:1/db",
        "postgresql://u@127.0.0.1:1/db?password=hunter%2",
        "postgresql://u:hun/ter2@127.0.0.1:1/db",
        "postgresql:/u:hunter2@127.0.0.1/db",
        "Postgres:u:hunter2@127.0.0.1/db",
        "host=127.0.0.1 password=hunter2",
        "host=127.0.0.1 password = hunter2",
        "postgresql://u@127.0.0.1:1/db?hunter2",
        "postgresql://u@127.0.0.1:1/db?sslmode=disable&hunter2",
        "postgresql//u:hunter2@127.0.0.1/db",
        "u//a:hunter2@127.0.0.1/db",
        "postgresql://u:hun%C3%28ter2@127.0.0.1/db",
        "mysql://u:hunter2@127.0.0.1/db",
    ],
)
def test_an_address_with_a_slip_is_refused_and_its_password_not_repeated(given: str) -> None:
    with pytest.raises(InvalidInput, match="not the address of a store") as refused:
        Store.open(given)
    assert "hun" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://u:hun%25ter2@db.example/x?password=y", "postgresql://db.example/x"),
        ("postgres://u@[::1]:5433,db2:5432/x", "postgresql://[::1]:5433,db2:5432/x"),
        ("PostgreSQL://u@h/x?sslmode=disable&application_name=a", "postgresql://h/x"),
        ("sqlite:////srv/a.db", "sqlite:////srv/a.db"),
        ("/srv/postgresql/a:b.db", "sqlite:////srv/postgresql/a:b.db"),
        (Path("/srv/password=x"), "sqlite:////srv/password=x"),
    ],
)
def test_what_is_shown_is_without_user_password_and_options(given: str | Path, shown: str) -> None:
    assert Address.parse(given).shown == shown
