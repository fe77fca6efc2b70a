"""What a service is told of Janus, and when it does not start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantcfg import SettingInvalid, TenantId
from tenantcfg.service.settings import PREFIX, load_service

if TYPE_CHECKING:
    from pathlib import Path

    from tenantcfg.service.settings import ServiceSettings

WHOLE = {
    "calls": "janus",
    "public_url": "https://calls.example.org",
    "entra_issuers": "https://login.example/{tid}/v2.0",
    "entra_audiences": "api://calls",
    "janus_url": "http://127.0.0.1:7088/admin",
    "janus_tenant": "B7D4C6DE-2D5F-4A53-9A9A-5C0E6B0F3D21",
    "janus_admin_secret": "of-the-admin-api",
    "janus_room_secret": "of-every-room",
    "janus_admin_key": "of-the-bridge",
}
SECRETS = ("janus_admin_secret", "janus_room_secret", "janus_admin_key")


def loaded(**changes: str | None) -> ServiceSettings:
    said = {name: value for name, value in {**WHOLE, **changes}.items() if value is not None}
    return load_service({PREFIX + name.upper(): value for name, value in said.items()})


def test_a_tenant_is_read_as_an_admin_writes_it() -> None:
    assert loaded().janus_tenant == TenantId("b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d21")


@pytest.mark.parametrize(
    "name", ["janus_url", "janus_tenant", "janus_admin_secret", "janus_room_secret"]
)
def test_without_what_it_needs_it_does_not_start(name: str) -> None:
    with pytest.raises(SettingInvalid, match=f"missing: {name}: calls is janus"):
        loaded(**{name: None})


def test_without_a_key_of_audiobridge_it_does() -> None:
    assert loaded(janus_admin_key=None).janus_admin_key is None


@pytest.mark.parametrize(
    "url",
    [
        "http://janus.example.org:7088/admin",
        "http://10.0.0.7:7088/admin",
        "https://janus.example.org/admin/",
        "https://user:word@janus.example.org/admin",
        "https://janus.example.org/admin?x=1",
        "ws://127.0.0.1:7188",
        "/admin",
    ],
)
def test_secrets_go_by_tls_or_stay_on_the_machine(url: str) -> None:
    with pytest.raises(SettingInvalid, match="JANUS_URL"):
        loaded(janus_url=url)


def test_a_tenant_that_is_none_is_refused() -> None:
    with pytest.raises(SettingInvalid, match="JANUS_TENANT"):
        loaded(janus_tenant="\x07")


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_stand_in_a_file_and_is_never_shown(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret-of-a-file\n")
    file.chmod(0o600)
    told = loaded(**{name: None, f"{name}_file": str(file)})
    assert getattr(told, name) == "s3cret-of-a-file"
    assert "s3cret" not in repr(told)
    assert {one: value for one, value, _ in told.shown()}[name] == "(set)"
