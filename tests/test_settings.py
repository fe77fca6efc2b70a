"""The settings: an option wins over the environment, that over the file, that over the default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantcfg.errors import SettingInvalid
from tenantcfg.settings import load

if TYPE_CHECKING:
    from pathlib import Path

HOME = {"HOME": "/home/alice"}


def test_without_anything_the_store_is_a_file_in_the_xdg_data_folder() -> None:
    assert load(HOME).database_url == "sqlite:////home/alice/.local/share/tenantcfg/tenantcfg.db"
    there = load({**HOME, "XDG_DATA_HOME": "/data"})
    assert there.database_url == "sqlite:////data/tenantcfg/tenantcfg.db"


def test_a_relative_xdg_folder_is_ignored_as_the_specification_says() -> None:
    assert load({**HOME, "XDG_DATA_HOME": "data", "XDG_STATE_HOME": "."}) == load(HOME)


def test_an_option_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('database_url = "sqlite:///file"\ntenant = "file"\n')
    environment = {**HOME, "TENANTCFG_CONFIG": str(config)}
    assert load(environment).database_url == "sqlite:///file"
    assert load(environment).tenant_from == f"tenant in {config}"

    environment |= {"TENANTCFG_DATABASE_URL": "sqlite:///env", "TENANTCFG_TENANT": "env"}
    assert load(environment).database_url == "sqlite:///env"
    assert load(environment).tenant == "env"

    told = load(environment, store="sqlite:///option", tenant="option")
    assert (told.database_url, told.database_from) == ("sqlite:///option", "--store")
    assert (told.tenant, told.tenant_from) == ("option", "--tenant")


def test_the_file_in_the_config_folder_is_read_without_being_named(tmp_path: Path) -> None:
    folder = tmp_path / "tenantcfg"
    folder.mkdir()
    (folder / "config.toml").write_text('tenant = "contoso"\n')
    assert load({**HOME, "XDG_CONFIG_HOME": str(tmp_path)}).tenant == "contoso"


def test_a_url_with_a_password_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://u:p@h/d\n")
    environment = {**HOME, "TENANTCFG_DATABASE_URL_FILE": str(secret)}
    assert load(environment).database_url == "postgresql://u:p@h/d"


def test_a_setting_that_is_set_twice_refuses_to_start(tmp_path: Path) -> None:
    environment = {
        **HOME,
        "TENANTCFG_DATABASE_URL": "sqlite:///a",
        "TENANTCFG_DATABASE_URL_FILE": str(tmp_path / "url"),
    }
    with pytest.raises(SettingInvalid, match="both set"):
        load(environment)


def test_a_named_file_that_is_not_there_refuses_to_start(tmp_path: Path) -> None:
    for variable in ("TENANTCFG_CONFIG", "TENANTCFG_DATABASE_URL_FILE"):
        with pytest.raises(SettingInvalid, match="cannot read a file: .*No such file"):
            load({**HOME, variable: str(tmp_path / "gone")})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"tenant = ", "not TOML"),
        (b'tennant = "contoso"', "unknown setting: 'tennant'"),
        (b"tenant = 1", "not a text: 'tenant'"),
        (b"\xff\xfe", "it is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_refuses_to_start(
    tmp_path: Path, content: bytes, message: str
) -> None:
    config = tmp_path / "config.toml"
    config.write_bytes(content)
    with pytest.raises(SettingInvalid, match=message):
        load({**HOME, "TENANTCFG_CONFIG": str(config)})


def test_a_file_as_windows_writes_it_is_read(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_bytes(b'\xef\xbb\xbftenant = "contoso"\r\n')

    assert load({**HOME, "TENANTCFG_CONFIG": str(config)}).tenant == "contoso"


def test_names_that_are_only_said_are_claims() -> None:
    settings = load({**HOME, "SUDO_USER": "alice", "TENANTCFG_ACTOR": "ci", "LOGNAME": "mallory"})
    assert settings.claimed == (("SUDO_USER", "alice"), ("TENANTCFG_ACTOR", "ci"))


@pytest.mark.parametrize("given", ["store", "tenant"])
def test_an_empty_setting_means_no_other_store_or_tenant(given: str) -> None:
    with pytest.raises(SettingInvalid, match="a setting is empty: --"):
        load({**HOME, "TENANTCFG_TENANT": "contoso"}, **{given: ""})
    variable = {"store": "TENANTCFG_DATABASE_URL", "tenant": "TENANTCFG_TENANT"}[given]
    with pytest.raises(SettingInvalid, match=f"a setting is empty: {variable}"):
        load({**HOME, variable: ""})
