from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text, update

from tenantcfg import (
    AppId,
    Attribution,
    Conflict,
    InvalidInput,
    ListModifier,
    Refused,
    Store,
    StoreMissing,
    StoreNotOurs,
    TenantId,
)
from tenantcfg.history import Actor
from tenantcfg.store import admin, schema, sqlite
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.postgres import Server

BY = Attribution(Actor("os:alice"))
TENANT, OTHER = TenantId("11111111-1111-1111-1111-111111111111"), TenantId("other")
A, B = AppId("a"), AppId("b")


def filled(url: str | Path) -> Store:
    """A store with a tenant, a disabled one, a grant, and one that was taken away."""
    store = admin.create(url)
    store.add_tenant(TENANT, "Contoso é", by=BY)
    store.add_tenant(OTHER, None, by=BY)
    store.modify(TENANT, ListModifier(add=(A, B)), by=BY)
    store.modify(TENANT, ListModifier(remove=(B,)), by=BY)
    store.disable_tenant(OTHER, by=BY)
    return store


def everything(store: Store) -> tuple[object, ...]:
    """All that can be read back."""
    return (
        store.head(),
        tuple(store.history()),
        store.tenants(),
        tuple(store.configuration(tenant.id).grants for tenant in store.tenants()),
    )


@pytest.fixture
def another_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """The address of a further store of the kind that is asked for, not made yet."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / 'further' / 'store.db'}"
        server: Server = request.getfixturevalue("postgres")
        context = server.database()
        url = context.__enter__()
        request.addfinalizer(lambda: context.__exit__(None, None, None))
        return url

    return make


# Making


def test_a_store_is_made_empty_and_opened_the_next_time(new_url: str) -> None:
    with admin.create(new_url) as store:
        assert (store.head().revision, store.tenants()) == (0, ())
        made = store.store_id
        store.add_tenant(TENANT, "Contoso", by=BY)
    with admin.create(new_url) as store:
        assert store.store_id == made
        assert store.head().revision == 1


def test_two_stores_have_two_ids(tmp_path: Path) -> None:
    with admin.create(tmp_path / "1.db") as one, admin.create(tmp_path / "2.db") as two:
        assert one.store_id != two.store_id


def test_a_file_is_its_owners_alone_in_a_folder_of_its_owners(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with filled(tmp_path / "new" / "store.db"):
            modes = {
                each.name: each.stat().st_mode & 0o777 for each in (tmp_path / "new").iterdir()
            }
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert modes["store.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o770)
    (tmp_path / "shared").chmod(0o2770)
    admin.create(tmp_path / "shared" / "store.db").close()
    assert (tmp_path / "shared").stat().st_mode & 0o7777 == 0o2770


@pytest.mark.parametrize("content", [b"not a database at all, but a text\n" * 50, b"x"])
def test_what_is_no_store_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    for act in (admin.create, admin.upgrade):
        with pytest.raises(StoreNotOurs):
            act(path)
    for look in (admin.current, admin.check_schema, Store.open):
        with pytest.raises((StoreNotOurs, StoreMissing)):
            look(path)
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    before = path.read_bytes()
    for act in (admin.create, admin.upgrade, admin.current, admin.check_schema):
        with pytest.raises(StoreNotOurs, match="this is no store of tenantcfg"):
            act(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["bookmarks.sqlite"]


def test_another_programs_tables_are_left_alone(postgresql_url: str) -> None:
    engine = engine_of(Address.parse(postgresql_url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE bookmarks (url TEXT)"))
    engine.dispose()
    for act in (admin.create, admin.upgrade):
        with pytest.raises(StoreNotOurs, match="this is no store of tenantcfg"):
            act(postgresql_url)


def test_a_file_that_was_begun_and_never_finished_is_no_store_and_is_finished(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    sqlite.make_file(path)
    with pytest.raises(StoreMissing):
        Store.open(path)
    with admin.create(path) as store:
        assert store.verify() == ()


CREATE = """
import sys
from tenantcfg.store import admin
sys.stdin.readline()
with admin.create(sys.argv[1]) as store:
    print(store.store_id)
"""


def test_many_that_make_a_store_at_once_make_one(new_url: str) -> None:
    command = [sys.executable, "-W", "error", "-c", CREATE, new_url]
    makers = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("\n")
        maker.stdin.flush()
    said = [maker.communicate() for maker in makers]
    assert {errors for _, errors in said} == {""}
    with Store.open(new_url) as store:
        assert {ids.strip() for ids, _ in said} == {store.store_id}
        assert store.verify() == ()


def test_threads_that_make_a_store_at_once_make_one(new_url: str) -> None:
    def made(_number: int) -> str:
        with admin.create(new_url) as store:
            return store.store_id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(made, range(8)))) == 1


# Backing up


def test_a_backup_is_a_store_of_its_own(store_url: str, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with filled(store_url) as store:
        assert admin.backup(store_url, backup) == store.head()
        assert [each.name for each in tmp_path.iterdir() if "backup" in each.name] == ["backup.db"]
        assert backup.stat().st_mode & 0o777 == 0o600
        with Store.open(backup) as copied:
            assert everything(copied) == everything(store)
            assert copied.verify(head=store.head()) == ()


def test_a_backup_never_goes_over_a_file(store_url: str, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    with filled(store_url), pytest.raises(Conflict, match="the file is there already: .*taken'"):
        admin.backup(store_url, taken)
    assert taken.read_text() == "mine"
    assert not [each for each in tmp_path.iterdir() if each.name.endswith(".part")]


def test_a_backup_needs_its_folder(store_url: str, tmp_path: Path) -> None:
    with filled(store_url), pytest.raises(InvalidInput, match="no such folder"):
        admin.backup(store_url, tmp_path / "nowhere" / "backup.db")


@pytest.mark.parametrize("end", ["-wal", "-journal"])
def test_a_backup_is_not_laid_beside_the_log_of_another_file(
    store_url: str, tmp_path: Path, end: str
) -> None:
    (tmp_path / f"backup.db{end}").write_bytes(b"left behind")
    filled(store_url).close()
    with pytest.raises(Conflict, match=f"the file is there already: .*backup.db{end}'"):
        admin.backup(store_url, tmp_path / "backup.db")
    assert [each.name for each in tmp_path.glob("*backup.db*")] == [f"backup.db{end}"]


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_a_backup_never_passes_for_the_log_of_the_store(tmp_path: Path, end: str) -> None:
    path = tmp_path / "store.db"
    filled(path).close()
    with pytest.raises(InvalidInput, match="SQLite would take it for a part of the store"):
        admin.backup(path, tmp_path / f"store.db{end}")
    assert [each.name for each in tmp_path.iterdir()] == ["store.db"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE grants SET to_revision = NULL",
        "UPDATE changes SET content = '{}' WHERE revision = 2",
        "UPDATE head SET revision = 4",
        "DELETE FROM change_apps",
    ],
)
def test_a_damaged_store_is_not_backed_up(store_url: str, tmp_path: Path, statement: str) -> None:
    filled(store_url).close()
    engine = engine_of(Address.parse(store_url))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StoreNotOurs, match="the store is damaged: .*: tenantcfg audit verify"):
        admin.backup(store_url, tmp_path / "backup.db")
    assert sorted(tmp_path.iterdir()) == before


def test_a_page_that_no_table_needs_is_damage_as_well(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    filled(path).close()
    whole = path.read_bytes()
    with closing(sqlite.connect(path, patience=1)) as connection:
        ((page,),) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'changes_of_actor'"
        )
    start = (page - 1) * 4096
    path.write_bytes(whole[: start + 4000] + bytes(96) + whole[start + 4096 :])
    with pytest.raises(StoreNotOurs, match="damaged"):
        admin.backup(path, tmp_path / "backup.db")
    assert not (tmp_path / "backup.db").exists()


def test_there_is_nothing_to_back_up_where_there_is_no_store(new_url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        admin.backup(new_url, tmp_path / "backup.db")
    assert not (tmp_path / "backup.db").exists()


def test_a_backup_that_was_broken_off_leaves_no_file(store_url: str, tmp_path: Path) -> None:
    with filled(store_url):
        pass
    engine = engine_of(Address.parse(store_url))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE head RENAME COLUMN hash TO other"))
    engine.dispose()
    with pytest.raises(StoreNotOurs):
        admin.backup(store_url, tmp_path / "backup.db")
    assert not [each for each in tmp_path.iterdir() if "backup" in each.name]


def test_a_folder_without_links_takes_a_backup_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_paths: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    # As on a memory stick.
    monkeypatch.setattr(os, "link", no_links)
    with filled(tmp_path / "store.db") as store:
        admin.backup(tmp_path / "store.db", tmp_path / "backup.db")
        with Store.open(tmp_path / "backup.db") as copied:
            assert everything(copied) == everything(store)


# Restoring


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_of_either_database_restores_into_either(
    store_url: str, another_url: Callable[[str], str], kind: str, tmp_path: Path
) -> None:
    backup, target = tmp_path / "backup.db", another_url(kind)
    with filled(store_url) as store:
        head = admin.backup(store_url, backup)
        content = backup.read_bytes()
        assert admin.restore(backup, target) == head
        with Store.open(target) as restored:
            assert everything(restored) == everything(store)
            assert restored.verify(head=head) == ()
            assert restored.store_id != store.store_id
            restored.modify(TENANT, ListModifier(add=(B,)), by=BY)
            assert restored.verify(head=head) == ()
    assert backup.read_bytes() == content


def test_a_restore_renews_the_id_each_time(store_url: str, tmp_path: Path) -> None:
    backup, seen = tmp_path / "backup.db", set()
    with filled(store_url) as store:
        seen.add(store.store_id)
        admin.backup(store_url, backup)
    for _ in range(2):
        admin.restore(backup, store_url, overwrite=True)
        with Store.open(store_url) as store:
            seen.add(store.store_id)
    assert len(seen) == 3


def test_a_store_that_holds_changes_is_not_overwritten_unless_told(
    store_url: str, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    with filled(store_url) as store:
        head = admin.backup(store_url, backup)
        store.modify(TENANT, ListModifier(add=(B,)), by=BY)
        before = everything(store)
        with pytest.raises(Refused, match="the store holds changes: .*: it is at revision 6: back"):
            admin.restore(backup, store_url)
        assert everything(store) == before
        assert admin.restore(backup, store_url, overwrite=True) == head
    with Store.open(store_url) as store:
        assert store.head() == head
        assert store.verify() == ()


def test_an_open_store_sees_the_restored_one(store_url: str, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with filled(store_url) as store:
        admin.backup(store_url, backup)
        store.modify(TENANT, ListModifier(add=(B,)), by=BY)
        assert store.check(tenant=TENANT, app=B)
        admin.restore(backup, store_url, overwrite=True)
        assert not store.check(tenant=TENANT, app=B)
        assert store.check(tenant=TENANT, app=A)
        assert store.check(tenant=TENANT, app=A).revision == 5
        assert store.modify(TENANT, ListModifier(add=(B,)), by=BY).revision == 6
        assert store.verify() == ()


def test_who_asks_during_a_restore_sees_the_store_before_or_after(
    store_url: str, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    with filled(store_url) as store:
        admin.backup(store_url, backup)
        store.modify(TENANT, ListModifier(add=(B,)), by=BY)
        store.modify(TENANT, ListModifier(remove=(A,)), by=BY)
        with ThreadPoolExecutor(1) as pool:
            restoring = pool.submit(admin.restore, backup, store_url, overwrite=True)
            seen = set()
            while not restoring.done():
                a, b = store.check_many([(TENANT, A), (TENANT, B)])
                assert a.revision == b.revision
                seen.add((bool(a), bool(b), int(a.revision or 0)))
        assert restoring.result().revision == 5
        assert seen <= {(False, True, 7), (True, False, 5)}


def test_a_damaged_store_is_set_aside(tmp_path: Path) -> None:
    path, backup = tmp_path / "store.db", tmp_path / "backup.db"
    with filled(path) as store:
        admin.backup(path, backup)
        path.write_bytes(b"damaged" * 4_000)
        with pytest.raises(StoreNotOurs):
            admin.restore(backup, path)
        admin.restore(backup, path, overwrite=True)
        assert store.check(tenant=TENANT, app=A)
    with Store.open(path) as store:
        assert store.verify() == ()
    assert (tmp_path / "store.db.damaged-1").read_bytes() == b"damaged" * 4_000


def test_a_store_damaged_in_its_midst_is_set_aside(tmp_path: Path) -> None:
    path, backup = tmp_path / "store.db", tmp_path / "backup.db"
    filled(path).close()
    admin.backup(path, backup)
    page = 4096
    whole = path.read_bytes()
    path.write_bytes(whole[: 2 * page] + b"\xff" * (len(whole) - 3 * page) + whole[-page:])
    admin.restore(backup, path, overwrite=True)
    with Store.open(path) as store:
        assert store.verify() == ()
    assert (tmp_path / "store.db.damaged-1").exists()


def test_whoever_writes_to_a_store_that_is_set_aside_is_let_finish(tmp_path: Path) -> None:
    path, backup = tmp_path / "store.db", tmp_path / "backup.db"
    filled(path).close()
    head = admin.backup(path, backup)
    with closing(sqlite.connect(path, patience=1)) as later, ThreadPoolExecutor(1) as pool:
        later.execute("UPDATE alembic_version SET version_num = '9999'")
        later.execute("BEGIN IMMEDIATE")
        later.execute("UPDATE head SET revision = 77")
        restoring = pool.submit(admin.restore, backup, path, overwrite=True)
        wait([restoring], timeout=1)
        assert not (tmp_path / "store.db.damaged-1").exists()
        later.execute("COMMIT")
        assert restoring.result() == head
    with closing(sqlite.connect(tmp_path / "store.db.damaged-1", patience=1)) as aside:
        assert aside.execute("SELECT revision FROM head").fetchall() == [(77,)]
    with Store.open(path) as store:
        assert store.head() == head


def test_a_backup_that_was_tampered_with_is_not_restored(store_url: str, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with filled(store_url) as store:
        admin.backup(store_url, backup)
        engine = engine_of(Address.parse(backup))
        with engine.begin() as connection:
            connection.execute(update(schema.grants).values(to_revision=None))
        engine.dispose()
        before = everything(store)
        with pytest.raises(StoreNotOurs, match="the store is damaged: .*backup.db': revision 4: "):
            admin.restore(backup, store_url, overwrite=True)
        assert everything(store) == before


def test_what_is_no_backup_is_not_restored(new_url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such backup: .*: there is no file"):
        admin.restore(tmp_path / "nowhere.db", new_url)
    (tmp_path / "text").write_text("x" * 5_000)
    with pytest.raises(StoreNotOurs):
        admin.restore(tmp_path / "text", new_url)
    (tmp_path / "empty").touch()
    with pytest.raises(StoreNotOurs, match="this is no backup"):
        admin.restore(tmp_path / "empty", new_url)
    with pytest.raises(StoreMissing):
        Store.open(new_url)


# Copying


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_store_is_copied_from_either_database_to_either(
    store_url: str, another_url: Callable[[str], str], kind: str
) -> None:
    target = another_url(kind)
    with filled(store_url) as store:
        receipts = [change.receipt for change in store.history()]
        assert admin.copy(store_url, target) == store.head()
        with Store.open(target) as copied:
            assert everything(copied) == everything(store)
            assert copied.store_id != store.store_id
            assert all(copied.verify(head=receipt) == () for receipt in receipts)
            copied.modify(TENANT, ListModifier(add=(B,)), by=BY)
            assert copied.verify() == ()
            assert store.head().revision == 5


def test_a_store_is_copied_to_an_empty_one_alone(
    store_url: str, another_url: Callable[[str], str]
) -> None:
    target = another_url("sqlite")
    with filled(store_url), filled(target) as other:
        before = everything(other)
        with pytest.raises(Conflict, match="the target holds changes: .*: it is at revision 5: "):
            admin.copy(store_url, target)
        assert everything(other) == before


def test_a_damaged_store_is_not_copied(store_url: str, another_url: Callable[[str], str]) -> None:
    filled(store_url).close()
    engine = engine_of(Address.parse(store_url))
    with engine.begin() as connection:
        connection.execute(update(schema.tenants).values(enabled=True))
    engine.dispose()
    target = another_url("sqlite")
    with pytest.raises(StoreNotOurs, match=r"the store is damaged: .*: revision 5: tenant"):
        admin.copy(store_url, target)
    with Store.open(target) as empty:
        assert (empty.head().revision, empty.tenants()) == (0, ())


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE grants SET position = 'x'",
        "UPDATE grants SET app = app || char(0)",
        "UPDATE grants SET from_revision = 99",
        "UPDATE tenants SET enabled = 7",
        "UPDATE changes SET at = 1.5",
        "UPDATE changes SET content = CAST(x'ff41' AS TEXT)",
    ],
)
def test_what_no_column_of_ours_holds_is_not_copied(
    tmp_path: Path, another_url: Callable[[str], str], kind: str, statement: str
) -> None:
    damaged, target = tmp_path / "damaged.db", another_url(kind)
    filled(damaged).close()
    with closing(sqlite.connect(damaged, patience=1)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute(statement)
    with pytest.raises(StoreNotOurs, match=r"damaged: .*damaged.db'"):
        admin.copy(damaged, target)
    with Store.open(target) as empty:
        assert (empty.head().revision, empty.tenants()) == (0, ())


def test_there_is_nothing_to_copy_where_there_is_no_store(
    new_url: str, another_url: Callable[[str], str]
) -> None:
    target = another_url("sqlite")
    with pytest.raises(StoreMissing):
        admin.copy(new_url, target)
    with pytest.raises(StoreMissing):
        Store.open(target)
