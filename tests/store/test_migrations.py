from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

import tenantcfg
from tenantcfg import Store, StoreMissing, StoreNewer, StoreNotOurs, StoreOlder
from tenantcfg.store import admin, schema
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of
from tenantcfg.store.version import SCHEMA_VERSION
from tests.stores import a_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from tests.postgres import Server

PACKAGE = Path(tenantcfg.__file__).parent

# What SQLite and PostgreSQL themselves say about tables, keys, constraints and indexes.
DESCRIPTIONS = {
    "sqlite": """
        SELECT type, name, tbl_name, sql FROM sqlite_master
        WHERE tbl_name != 'alembic_version' ORDER BY name
    """,
    "postgresql": """
        SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default,
        character_maximum_length, collation_name FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name != 'alembic_version' ORDER BY 1, 2;
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        AND conname NOT LIKE 'alembic%' ORDER BY 1, 2;
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename != 'alembic_version' ORDER BY 1, 2
    """,
}


def described(connection: Connection) -> list[list[str]]:
    statements = DESCRIPTIONS[connection.dialect.name].split(";")
    return [
        [" ".join(str(tuple(row)).replace("\\n", " ").replace("\\t", " ").split()) for row in rows]
        for rows in (connection.execute(text(statement)) for statement in statements)
    ]


def of_the_store(url: str) -> list[list[str]]:
    engine = engine_of(Address.parse(url))
    with engine.connect() as connection:
        found = described(connection)
    engine.dispose()
    return found


@pytest.fixture
def models_url(new_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A second database, of the same kind, whose tables were made from the models."""
    if new_url.startswith("sqlite"):
        (tmp_path / "models.db").touch()
        yield f"sqlite:///{tmp_path / 'models.db'}"
    else:
        server: Server = request.getfixturevalue("postgres")
        with server.database() as url:
            yield url


def test_the_migrations_make_what_the_models_say(new_url: str, models_url: str) -> None:
    admin.upgrade(new_url)
    engine = engine_of(Address.parse(models_url))
    with engine.begin() as connection:
        schema.Base.metadata.create_all(connection)
    engine.dispose()
    made = of_the_store(new_url)
    assert made == of_the_store(models_url)
    assert all(made)
    assert admin.check_schema(new_url) == ()


def test_the_program_knows_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(admin.migrations()))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [SCHEMA_VERSION]
    # In their order as texts: that is how an older one is told from a newer.
    names = [script.revision for script in scripts.walk_revisions()]
    assert names == sorted(names, reverse=True)
    assert all(len(name) == 4 and name.isdigit() for name in names)


def test_migrations_only_grow() -> None:
    for script in (admin.migrations() / "versions").glob("*.py"):
        said = script.read_text()
        for word in ("drop_", "alter_column", "rename_table", "DROP ", "DELETE ", "def downgrade"):
            assert word not in said, f"{script.name}: {word}"


def test_a_table_that_differs_is_told(new_url: str) -> None:
    admin.upgrade(new_url)
    engine = engine_of(Address.parse(new_url))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE tenants ADD COLUMN colour INTEGER"))
        connection.execute(text("DROP INDEX changes_at"))
    engine.dispose()
    found = " ".join(admin.check_schema(new_url))
    assert "colour" in found
    assert "changes_at" in found


# Versions


def test_a_missing_store_is_made_and_a_made_one_left(new_url: str) -> None:
    assert admin.upgrade(new_url) == admin.Upgrade(None, SCHEMA_VERSION)
    assert admin.upgrade(new_url) == admin.Upgrade(SCHEMA_VERSION, SCHEMA_VERSION)
    assert admin.current(new_url) == SCHEMA_VERSION


def test_there_is_no_version_where_there_is_no_store(new_url: str) -> None:
    with pytest.raises(StoreMissing, match="^there is no store"):
        admin.current(new_url)
    with pytest.raises(StoreMissing, match="^there is no store"):
        admin.check_schema(new_url)


def stamp(url: str, statement: str) -> None:
    engine = engine_of(Address.parse(url))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_store_of_a_later_release_is_refused_and_left(new_url: str) -> None:
    admin.upgrade(new_url)
    stamp(new_url, "UPDATE alembic_version SET version_num = '9999'")
    assert admin.current(new_url) == "9999"
    for act in (admin.upgrade, admin.create, admin.check_schema):
        with pytest.raises(StoreNewer, match=r"version is 9999, this program's \d+: upgrade tenan"):
            act(new_url)
    assert admin.current(new_url) == "9999"


@pytest.mark.parametrize(
    "statement", ["DELETE FROM alembic_version", "UPDATE alembic_version SET version_num = 'x'"]
)
def test_a_version_that_says_nothing_is_refused(new_url: str, statement: str) -> None:
    admin.upgrade(new_url)
    stamp(new_url, statement)
    for act in (admin.upgrade, admin.create, admin.current, admin.check_schema):
        with pytest.raises(StoreNotOurs, match="the store's version cannot be read"):
            act(new_url)


# The release after this one, as it will be


NEXT = f"{int(SCHEMA_VERSION) + 1:04}"
ADDED = '''
"""A column more."""

import sqlalchemy as sa
from alembic import op

revision = "{after}"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("tenants", sa.Column("note", sa.Text(), nullable=True))
    {failing}
'''


def copy_program(package: Path, migrations: Path) -> None:
    """Copy it with what is compiled of it, but for files that somebody is just writing."""
    being_written = shutil.ignore_patterns("*.pyc.*")
    shutil.copytree(PACKAGE, package, ignore=being_written)
    shutil.copytree(admin.migrations(), migrations, ignore=being_written)


def a_later_release(folder: Path, *, failing: str = "") -> Path:
    """A copy of the program and its migrations, one migration further on."""
    later = folder / "later"
    copy_program(later / "tenantcfg", later / "migrations")
    added = ADDED.format(before=SCHEMA_VERSION, after=NEXT, failing=failing)
    (later / "migrations" / "versions" / f"{NEXT}_note.py").write_text(added)
    speaks(later, NEXT)
    return later


def the_first_release(folder: Path) -> Path:
    """A copy of the program that knows the first migration alone, and makes no keys."""
    first = folder / "first"
    copy_program(first / "tenantcfg", first / "migrations")
    for script in (first / "migrations" / "versions").glob("*.py"):
        if not script.name.startswith("0001_"):
            script.unlink()
    speaks(first, "0001")
    return first


def speaks(program: Path, version: str) -> None:
    """Make *version* the one that the program at *program* works with."""
    said = program / "tenantcfg" / "store" / "version.py"
    ours = f'SCHEMA_VERSION = "{SCHEMA_VERSION}"'
    assert ours in said.read_text()
    said.write_text(said.read_text().replace(ours, f'SCHEMA_VERSION = "{version}"'))


def run(program: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """*code* in a process of its own, with the program at *program*."""
    environment = {**os.environ, "PYTHONPATH": str(program)}
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, env=environment, cwd=program
    )


UPGRADE = """
import sys
from tenantcfg.store import admin
done = admin.upgrade(sys.argv[1])
print(done.before, done.after, done.kept.name if done.kept else None)
"""
FILL = """
import sys
import tenantcfg
from tenantcfg.store import admin
by = tenantcfg.Attribution(tenantcfg.Actor("os:test"))
with admin.create(sys.argv[1]) as store:
    store.add_tenant(tenantcfg.TenantId("t"), sys.argv[2], by=by)
"""


def test_an_upgrade_keeps_the_rows_and_a_copy_of_the_file(new_url: str, tmp_path: Path) -> None:
    assert run(PACKAGE.parent, FILL, new_url, "Contoso").stderr == ""
    later = a_later_release(tmp_path)
    first, again = run(later, UPGRADE, new_url), run(later, UPGRADE, new_url)
    file = Address.parse(new_url).path
    kept = file.with_name(f"store.db.{SCHEMA_VERSION}-1") if file else None
    name = kept.name if kept else None
    assert first.stdout == f"{SCHEMA_VERSION} {NEXT} {name}\n", first.stderr
    assert again.stdout == f"{NEXT} {NEXT} None\n"
    with pytest.raises(StoreNewer, match=f"is {NEXT}, this program's {SCHEMA_VERSION}"):
        admin.create(new_url)
    if kept:
        assert kept.stat().st_mode & 0o777 == 0o600
        with admin.create(kept) as before:
            assert [tenant.name for tenant in before.tenants()] == ["Contoso"]
            assert before.verify() == ()
    asked = f"""
import tenantcfg
with tenantcfg.Store.open({new_url!r}) as store:
    print([tenant.name for tenant in store.tenants()], store.verify())
"""
    assert run(later, asked).stdout == "['Contoso'] ()\n"


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(new_url: str, tmp_path: Path) -> None:
    assert run(PACKAGE.parent, FILL, new_url, "Contoso").stderr == ""
    before = of_the_store(new_url)
    later = a_later_release(tmp_path, failing='op.execute("SELECT 1 FROM nothing_of_the_kind")')
    assert run(later, UPGRADE, new_url).returncode == 1
    assert of_the_store(new_url) == before
    with admin.create(new_url) as store:
        assert store.verify() == ()


def test_a_backup_of_the_release_before_is_upgraded_when_it_is_restored(
    new_url: str, tmp_path: Path
) -> None:
    assert run(PACKAGE.parent, FILL, new_url, "Contoso").stderr == ""
    backup = tmp_path / "backup.db"
    admin.backup(new_url, backup)
    code = """
import sys
from tenantcfg.store import admin
print(admin.restore(sys.argv[1], sys.argv[2]).revision, admin.current(sys.argv[2]))
"""
    later = a_later_release(tmp_path)
    restored = run(later, code, str(backup), str(tmp_path / "new" / "store.db"))
    assert restored.stdout == f"1 {NEXT}\n", restored.stderr
    assert admin.current(backup) == SCHEMA_VERSION


def test_a_filled_store_of_the_first_release_gets_its_keys(new_url: str, tmp_path: Path) -> None:
    made = run(the_first_release(tmp_path), FILL, new_url, "Contoso")
    assert made.stderr == ""
    assert admin.current(new_url) == "0001"
    with pytest.raises(StoreOlder, match="tenantcfg db upgrade"):
        Store.open(new_url)
    done = admin.upgrade(new_url)
    assert (done.before, done.after) == ("0001", SCHEMA_VERSION)
    assert admin.check_schema(new_url) == ()
    with Store.open(new_url) as store:
        assert [tenant.name for tenant in store.tenants()] == ["Contoso"]
        key = a_key(store)
        assert [one.id for one in store.service_keys()] == [key.id]
        assert store.verify() == ()


def test_a_backup_of_the_first_release_is_restored_with_room_for_keys(
    new_url: str, tmp_path: Path
) -> None:
    old = tmp_path / "old" / "store.db"
    made = run(the_first_release(tmp_path), FILL, str(old), "Contoso")
    assert made.stderr == ""
    assert admin.restore(old, new_url).revision == 1
    with Store.open(new_url) as store:
        a_key(store)
        assert store.verify() == ()
    assert admin.current(old) == "0001"


# Found wherever the package lies


def test_an_installed_package_has_its_migrations_inside(tmp_path: Path) -> None:
    installed = tmp_path / "site"
    copy_program(installed / "tenantcfg", installed / "tenantcfg" / "_migrations")
    made = run(installed, UPGRADE, str(tmp_path / "made" / "store.db"))
    assert made.stdout == f"None {SCHEMA_VERSION} None\n", made.stderr


def test_a_folder_with_a_percent_sign_in_its_name_is_found(tmp_path: Path) -> None:
    odd = tmp_path / "100%(here)s"
    copy_program(odd / "tenantcfg", odd / "migrations")
    made = run(odd, UPGRADE, str(odd / "store.db"))
    assert made.stdout == f"None {SCHEMA_VERSION} None\n", made.stderr


def test_a_version_that_nobody_wrote_is_refused_and_nothing_is_copied(tmp_path: Path) -> None:
    file = tmp_path / "store" / "tenantcfg.db"
    admin.create(file).close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(StoreNotOurs, match="none of ours"):
        admin.upgrade(file)
    assert [path.name for path in file.parent.glob("*.0000*")] == []
