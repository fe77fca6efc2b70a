"""Which store a command works on: the option, the environment, the settings file, the default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.program import CONTOSO, GET, Terminal, run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def urls(tmp_path: Path) -> dict[str, str]:
    """The addresses of four stores, each with a tenant of its own name."""
    found = {}
    for name in ("option", "variable", "secret", "settings"):
        found[name] = f"sqlite:///{tmp_path / name / 'store.db'}"
        assert run("--store", found[name], "tenant", "add", CONTOSO, name).code == 0
    return found


def asked() -> str:
    """The name of the only tenant of the store that is meant."""
    said = run("tenant", "list", "-o", "json")
    assert said.code == 0, said.err
    return str(said.json["items"][0]["name"])


def test_the_nearest_naming_of_a_store_wins(
    urls: dict[str, str], contoso: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked() == "contoso"
    settings = home / "config" / "tenantcfg" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'database_url = "{urls["settings"]}"\n')
    assert asked() == "settings"

    secret = home / "url"
    secret.write_text(urls["secret"] + "\n")
    monkeypatch.setenv("TENANTCFG_DATABASE_URL_FILE", str(secret))
    assert asked() == "secret"
    monkeypatch.setenv("TENANTCFG_DATABASE_URL", urls["variable"])
    assert run("tenant", "list").code == 2
    monkeypatch.delenv("TENANTCFG_DATABASE_URL_FILE")
    assert asked() == "variable"
    for argv in (
        ["--store", urls["option"], "tenant", "list", "-o", "json"],
        ["tenant", "list", f"--store={urls['option']}", "-o", "json"],
        ["Get-CsTenant", "--store", urls["option"], "-o", "json"],
        ["-Command", "Get-CsTenant", "--store", urls["option"], "-o", "json"],
    ):
        said = run(*argv)
        assert "option" in said.out, (argv, said.err)


@pytest.mark.parametrize("content", ["colour = 1", "tenant = 5", "tenant = [", '[x]\ny = "z"'])
def test_a_settings_file_that_is_wrong_is_named_and_refused(
    content: str, contoso: Path, home: Path
) -> None:
    settings = home / "config" / "tenantcfg" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(content)
    said = run(GET)
    assert (said.code, said.out) == (2, "")
    assert str(settings) in said.err


def test_the_program_alone_on_a_terminal_tells_how_to_go_on_and_does_not_wait() -> None:
    with Terminal() as terminal:
        shown = terminal.ended()
    assert "--help" in shown.out
    assert shown.code == 2
