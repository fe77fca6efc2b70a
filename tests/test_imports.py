"""What is loaded, and what is not: a check answers before the rest of the house has woken up."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

COMMAND_LINE = {"click", "tabulate", "yaml"}
DATABASES = {"alembic", "psycopg", "pysqlite3", "sqlalchemy", "sqlite3"}
LANGUAGE = {"tenantcfg.powershell"}

REPORT = "import json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"

CHECK = """
from tenantcfg import AppId, Deny, Permit, Store, TenantId
with Store.open({url!r}) as store:
    tenant = TenantId.parse("b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d21")
    app = AppId.parse("5817674c-81d9-4adb-bfb2-8f6a442e4622")
    assert not store.check(tenant=tenant, app=app)
"""

EXPLANATION = """
from tenantcfg import Store
with Store.open({url!r}) as store:
    tenant, app = "b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d21", "5817674c-81d9-4adb-bfb2-8f6a442e4622"
    assert not store.explain(tenant=tenant, app=app).decision
"""

PROGRAM = """
import sys
from tenantcfg.cli import main
sys.argv[0] = "tenantcfg"
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def loaded_by(program: str, *arguments: str) -> set[str]:
    """The modules that a new Python has loaded after *program*."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{program}\n{REPORT}", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stderr.splitlines()[-1]))


def ours(modules: set[str]) -> set[str]:
    return {module for module in modules if module.split(".")[0] == "tenantcfg"}


def test_the_library_loads_nothing_until_it_is_used() -> None:
    assert ours(loaded_by("import tenantcfg")) == {"tenantcfg"}


def test_ids_and_decisions_load_no_database() -> None:
    loaded = loaded_by("from tenantcfg import AppId, Deny, Permit, Revision, TenantId")

    assert not loaded & (COMMAND_LINE | DATABASES | LANGUAGE)


def test_a_check_as_a_library_loads_neither_command_line_nor_language(store_url: str) -> None:
    loaded_by(
        PROGRAM, "tenant", "add", "b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d21", "--store", store_url
    )

    loaded = loaded_by(CHECK.format(url=store_url))

    assert not loaded & (COMMAND_LINE | LANGUAGE | {"tenantcfg.cli", "tenantcfg.cmdlets"})


def test_a_denied_check_is_told_its_reason_without_sqlalchemy(store_url: str) -> None:
    loaded_by(
        PROGRAM, "tenant", "add", "b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d21", "--store", store_url
    )

    loaded = loaded_by(EXPLANATION.format(url=store_url))

    assert not loaded & {"sqlalchemy", "alembic"}


def test_a_check_on_sqlite_does_not_load_the_other_database(sqlite_url: str) -> None:
    loaded_by(
        PROGRAM, "tenant", "add", "b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d21", "--store", sqlite_url
    )

    assert "psycopg" not in loaded_by(CHECK.format(url=sqlite_url))


def test_the_asking_side_over_http_loads_neither_store_nor_service_nor_command_line() -> None:
    loaded = loaded_by("from tenantcfg.client import ASGIGuard, AsyncClient, Client, guard")

    assert not loaded & {*COMMAND_LINE, *DATABASES, *LANGUAGE, "uvicorn", "structlog", "joserfc"}
    rooms = {name.split(".")[1] for name in ours(loaded) if "." in name}
    assert rooms == {"client", "configuration", "decision", "errors", "i_json", "ids", "keys"}


WITHOUT_ITS_EXTRA = """
import sys
sys.modules["httpcore"] = None
try:
    import tenantcfg.client
except Exception as why:
    print(type(why).__name__, why, file=sys.stderr)
"""


def test_without_its_extra_the_client_says_what_to_install() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_ITS_EXTRA], check=True, capture_output=True, text=True
    )

    assert ran.stderr == (
        "SettingInvalid the client is not installed: no module httpcore:"
        " pip install 'tenantcfg[client]'\n"
    )


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_no_database(option: str) -> None:
    loaded = loaded_by(PROGRAM, option)

    assert not loaded & DATABASES
    assert "tenantcfg.store" not in loaded


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_no_tables_and_no_language(option: str) -> None:
    assert not loaded_by(PROGRAM, option) & {"tabulate", "yaml", *LANGUAGE}


def test_the_language_knows_nothing_of_ours() -> None:
    loaded = loaded_by("import tenantcfg.powershell")

    assert {module for module in ours(loaded) if not module.startswith("tenantcfg.powershell")} == {
        "tenantcfg"
    }
    assert not loaded & (COMMAND_LINE | DATABASES)


def test_the_cmdlets_load_no_command_line() -> None:
    assert not loaded_by("import tenantcfg.cmdlets") & {*COMMAND_LINE, "tenantcfg.cli"}
