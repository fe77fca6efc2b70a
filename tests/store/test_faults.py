"""
What goes wrong around a store: one clear error, nothing half done, and never "allowed".
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event, text

from tenantcfg import (
    AppId,
    Attribution,
    Change,
    ListModifier,
    Store,
    StoreFull,
    StoreMissing,
    StoreNewer,
    StoreNotOurs,
    StoreOlder,
    StoreReadOnly,
    StoreUnusable,
    TenantId,
    Unavailable,
)
from tenantcfg.history import Actor
from tenantcfg.store import admin, sqlite
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Server

BY = Attribution(Actor("os:alice"))
TENANT = TenantId("t")
A, B = AppId("a"), AppId("b")
MANY = tuple(AppId(f"an-app-with-a-long-name-{number:06}") for number in range(5_000))


def filled(url: str | Path) -> Store:
    store = admin.create(url)
    store.add_tenant(TENANT, "Contoso", by=BY)
    grant(store, A)
    return store


def grant(store: Store, *apps: AppId) -> Change:
    return store.modify(TENANT, ListModifier(add=apps), by=BY)


def revoke(store: Store, *apps: AppId) -> Change:
    return store.modify(TENANT, ListModifier(remove=apps), by=BY)


def allowed(store: Store, app: AppId = A) -> bool:
    return bool(store.check(tenant=TENANT, app=app))


def assert_as_before(store: Store, revision: int) -> None:
    assert store.head().revision == revision
    assert store.verify() == ()
    assert allowed(store)


# The disk is full


def test_a_full_disk_is_said_and_changes_nothing(tmp_path: Path) -> None:
    with filled(tmp_path / "store.db") as store:
        pages = (tmp_path / "store.db").stat().st_size // 4096 + 20

        def little_room(connection: Any, _entry: object) -> None:  # noqa: ANN401
            connection.execute(f"PRAGMA max_page_count={pages}").fetchone()

        store.close()
        event.listen(Engine, "connect", little_room)
        try:
            with Store.open(tmp_path / "store.db") as cramped:
                with pytest.raises(StoreFull, match="the disk is full: .*: nothing was changed"):
                    grant(cramped, *MANY)
                assert_as_before(cramped, 2)
        finally:
            event.remove(Engine, "connect", little_room)
    with Store.open(tmp_path / "store.db") as roomy:
        assert grant(roomy, *MANY).revision == 3
        assert roomy.verify() == ()


ON_A_FULL_DISK = """
import pathlib
import sys
import tenantcfg
from tenantcfg.history import Actor
from tenantcfg.store import admin

folder = sys.argv[1]
by = tenantcfg.Attribution(Actor("os:alice"))
tenant, app = tenantcfg.TenantId("t"), tenantcfg.AppId("a")
store = admin.create(folder + "/store.db")
store.add_tenant(tenant, None, by=by)
store.modify(tenant, tenantcfg.ListModifier(add=(app,)), by=by)
many = tuple(tenantcfg.AppId(f"an-app-with-a-long-name-{n:06}") for n in range(9_000))
for act in (
    lambda: store.modify(tenant, tenantcfg.ListModifier(add=many), by=by),
    lambda: pathlib.Path(folder, "ballast").write_bytes(bytes(2 ** 20)),
    lambda: admin.backup(folder + "/store.db", folder + "/backup.db"),
    lambda: admin.create(folder + "/new/store.db"),
    lambda: store.modify(tenant, tenantcfg.ListModifier(remove=(app,)), by=by),
):
    try:
        act()
        print("done")
    except tenantcfg.TenantcfgError as error:
        print(error.code)
    except OSError:
        print("no room")
print(store.head().revision, bool(store.check(tenant=tenant, app=app)), store.verify())
"""
MOUNT = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -W error -c "$3" "$1"'


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(
            ["unshare", "-rm", "mount", "-t", "tmpfs", "none", folder],
            check=False,
            capture_output=True,
        )
    return tried.returncode == 0


@pytest.mark.skipif(not _may_mount(), reason="no small disk can be had on this machine")
def test_a_disk_that_is_really_full_is_said_and_changes_nothing(tmp_path: Path) -> None:
    command = ["unshare", "-rm", "sh", "-c", MOUNT, "sh", str(tmp_path), sys.executable]
    told = subprocess.run(
        [*command, ON_A_FULL_DISK],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    *said, last = told.stdout.splitlines()
    assert said[0] == "store_full", told.stderr
    assert said[2:4] == ["store_full", "store_full"]
    # A small change may still find room in what the store has already.
    assert (said[4], last) in {
        ("store_full", "2 True ()"),
        ("done", "3 False ()"),
    }


# Reading only


@contextmanager
def another_user() -> Iterator[None]:
    """Root may write everything; so be nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder below which other users may pass."""
    folder = Path(tempfile.mkdtemp(prefix="tenantcfg-"))
    folder.chmod(0o755)
    yield folder
    for each in (folder, *folder.iterdir()):
        each.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize("folder_mode", [0o555, 0o777])
def test_a_file_that_may_only_be_read_is_not_changed(open_folder: Path, folder_mode: int) -> None:
    path = open_folder / "store.db"
    with filled(path) as store:
        grant(store, B)
        revoke(store, B)
    path.chmod(0o444)
    open_folder.chmod(folder_mode)
    with another_user():
        with pytest.raises(StoreReadOnly, match="give this user the right to write the file"):
            grant(Store.open(path), B)
        with suppress(StoreReadOnly), Store.open(path) as reader:
            assert not allowed(reader, B)
    open_folder.chmod(0o755)
    path.chmod(0o600)
    with Store.open(path) as store:
        assert_as_before(store, 4)


def test_a_file_that_may_not_be_read_is_no_permit(open_folder: Path) -> None:
    path = open_folder / "store.db"
    filled(path).close()
    path.chmod(0o000)
    with another_user(), pytest.raises(StoreReadOnly, match="cannot be opened: .*right to read"):
        Store.open(path)


def test_what_sqlite_left_beside_a_read_only_file_is_named(open_folder: Path) -> None:
    path = open_folder / "store.db"
    filled(path).close()
    open_folder.chmod(0o777)
    modes = {"store.db": 0o666, "store.db-wal": 0o666, "store.db-shm": 0o444}
    for name, mode in modes.items():
        path.with_name(name).touch()
        path.with_name(name).chmod(mode)
    with another_user(), pytest.raises(StoreReadOnly, match="and the -wal and -shm beside it"):
        grant(Store.open(path), B)


def test_a_folder_that_may_only_be_read_gets_no_store(open_folder: Path) -> None:
    admin.create(open_folder / "first.db").close()
    open_folder.chmod(0o555)
    with another_user():
        for act in (admin.create, admin.upgrade):
            with pytest.raises(StoreReadOnly):
                act(open_folder / "store.db")
            with pytest.raises(StoreReadOnly):
                act(open_folder / "folder" / "store.db")
    assert {each.name for each in open_folder.iterdir()} == {"first.db"}


def test_a_store_opened_for_reading_only_changes_nothing(store_url: str) -> None:
    filled(store_url).close()
    with Store.open(store_url, read_only=True) as store:
        with pytest.raises(StoreReadOnly, match="opened for reading only"):
            grant(store, B)
        assert_as_before(store, 2)


def test_a_database_user_who_may_only_read_changes_nothing(postgresql_url: str) -> None:
    with filled(postgresql_url):
        pass
    engine = engine_of(Address.parse(postgresql_url))
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE reader LOGIN"))
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"))
    reader = postgresql_url.replace("postgres@", "reader@")
    try:
        with Store.open(reader) as store:
            with pytest.raises(StoreReadOnly):
                grant(store, B)
            assert_as_before(store, 2)
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP OWNED BY reader"))
            connection.execute(text("DROP ROLE reader"))
        engine.dispose()


# Locked


def test_a_locked_store_can_be_asked_and_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "WRITE_PATIENCE", 0.05)
    path = tmp_path / "store.db"
    with filled(path) as store:
        other = sqlite.connect(path, patience=1)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="the store is locked: .*: ask again"):
            grant(store, B)
        if sqlite.wal_is_safe(sqlite.driver.sqlite_version_info):
            assert allowed(store)
        other.execute("ROLLBACK")
        assert grant(store, B).revision == 3
        other.close()


def test_a_file_that_is_held_altogether_is_no_permit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "WRITE_PATIENCE", 0.05)
    path = tmp_path / "store.db"
    filled(path).close()
    other = sqlite.connect(path, patience=1)
    other.execute("PRAGMA locking_mode=EXCLUSIVE").fetchone()
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match="the store is locked"):
        Store.open(path)
    other.close()
    with Store.open(path) as store:
        assert_as_before(store, 2)


# Replaced, gone, of another release


def test_a_file_that_was_replaced_is_the_store_from_then_on(tmp_path: Path) -> None:
    path, other = tmp_path / "store.db", tmp_path / "other.db"
    with filled(path) as store:
        with filled(other) as revoked:
            revoke(revoked, A)
        assert allowed(store)
        assert store.head().revision == 2
        for end in ("-wal", "-shm"):
            (tmp_path / f"store.db{end}").unlink(missing_ok=True)
        other.replace(path)
        assert not allowed(store)
        assert [bool(one) for one in store.check_many([(TENANT, A)])] == [False]
        assert store.head().revision == 3
        assert grant(store, B).revision == 4
        assert store.verify() == ()


def test_a_file_that_is_gone_is_no_permit_until_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with filled(path) as store:
        assert allowed(store)
        store.head()
        admin.backup(path, tmp_path / "backup.db")
        for each in tmp_path.glob("store.db*"):
            each.unlink()
        for act in (lambda: allowed(store), store.head, lambda: grant(store, B)):
            with pytest.raises((Unavailable, StoreMissing)):
                act()
        assert not path.exists()
        (tmp_path / "backup.db").rename(path)
        assert_as_before(store, 2)
        assert grant(store, B).revision == 3


@pytest.mark.parametrize("content", [b"", b"no database at all, but a text of some length" * 99])
def test_a_file_that_became_something_else_is_no_permit(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    with filled(path) as store:
        assert allowed(store)
        for each in tmp_path.glob("store.db*"):
            each.unlink()
        path.write_bytes(content)
        for act in (lambda: allowed(store), store.head, lambda: grant(store, B)):
            with pytest.raises(StoreUnusable):
                act()
        assert path.read_bytes()[:100] == content[:100] or not content


def test_each_torn_page_is_an_error_or_harmless_and_never_a_permit(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with filled(path) as store:
        revoke(store, A)
    admin.backup(path, tmp_path / "whole.db")
    whole = (tmp_path / "whole.db").read_bytes()
    for page in range(len(whole) // 4096):
        torn = tmp_path / f"torn-{page}.db"
        torn.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
        with suppress(StoreUnusable), Store.open(torn) as store:
            assert not allowed(store)
        with suppress(StoreUnusable), Store.open(torn) as store:
            assert store.verify() != ()


@pytest.mark.parametrize(("stamp", "kind"), [("0000", StoreOlder), ("9999", StoreNewer)])
def test_a_store_of_another_release_is_refused_with_the_line_that_helps(
    store_url: str, stamp: str, kind: type[StoreUnusable]
) -> None:
    filled(store_url).close()
    engine = engine_of(Address.parse(store_url))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{stamp}'"))  # noqa: S608
    engine.dispose()
    helps = {StoreOlder: "tenantcfg db upgrade", StoreNewer: "upgrade tenantcfg"}[kind]
    with pytest.raises(kind, match=f"its version is {stamp}, this program's .*: {helps}"):
        Store.open(store_url)


def test_a_database_that_is_not_there_is_missing(postgres: Server) -> None:
    for act in (Store.open, admin.create, admin.current):
        with pytest.raises(StoreMissing):
            act(postgres.url("nowhere"))


def test_a_table_that_was_dropped_is_an_error(store_url: str) -> None:
    filled(store_url).close()
    engine = engine_of(Address.parse(store_url))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE grants"))
    engine.dispose()
    with pytest.raises(StoreNotOurs), Store.open(store_url) as store:
        allowed(store)


# The server goes and comes


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_is_gone_is_no_permit_and_one_that_is_back_is_used(
    postgres_of_own: Server,
    mode: Any,  # noqa: ANN401
) -> None:
    with filled(postgres_of_own.url()) as store:
        assert allowed(store)
        store.head()
        postgres_of_own.stop(mode)
        for act in (
            lambda: allowed(store),
            lambda: store.check_many([(TENANT, A)]),
            store.head,
            lambda: grant(store, B),
            lambda: Store.open(postgres_of_own.url()),
            lambda: admin.create(postgres_of_own.url()),
        ):
            with pytest.raises(Unavailable):
                act()
        postgres_of_own.start()
        assert_as_before(store, 2)
        assert grant(store, B).revision == 3
        postgres_of_own.stop(mode)
        postgres_of_own.start()
        # Nobody asked in between: what was open is of no use, and nobody need notice.
        assert allowed(store, B)
        assert grant(store, AppId("c")).revision == 4
        assert store.verify() == ()


# Killed at any moment

WRITER = """
import sys
import tenantcfg
from tenantcfg.history import Actor

by = tenantcfg.Attribution(Actor("os:writer"))
tenant, apps = tenantcfg.TenantId("t"), tuple(tenantcfg.AppId(f"app-{n}") for n in range(20))
with tenantcfg.Store.open(sys.argv[1]) as store:
    while True:
        for modifier in (
            tenantcfg.ListModifier(add=apps), tenantcfg.ListModifier(replace=apps[:3])
        ):
            print(store.modify(tenant, modifier, by=by).receipt, flush=True)
"""


def test_a_writer_killed_at_any_moment_loses_nothing_that_it_was_told(store_url: str) -> None:
    filled(store_url).close()
    receipts: list[str] = []
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, store_url], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        receipts += [writer.stdout.readline() for _ in range(random.randint(1, 12))]  # noqa: S311
        writer.kill()
        receipts += writer.communicate()[0].splitlines()
        # The next command, at once.
        with Store.open(store_url) as store:
            receipts.append(grant(store, AppId(f"after-{len(receipts)}")).receipt)
            assert store.verify(head=receipts[-1].strip()) == ()
    told = [receipt.strip() for receipt in receipts if len(receipt.strip()) > 64]
    with Store.open(store_url) as store:
        kept = [change.receipt for change in store.history(newest_first=False)]
    assert set(told) <= set(kept)


RESTORER = """
import sys
from tenantcfg.store import admin
print("begun", flush=True)
while True:
    admin.restore(sys.argv[1], sys.argv[2], overwrite=True)
"""


def test_a_restore_killed_at_any_moment_leaves_the_store_before_or_after(
    store_url: str, tmp_path: Path
) -> None:
    with filled(store_url) as store:
        grant(store, *MANY[:500])
        after = admin.backup(store_url, tmp_path / "backup.db")
        before = grant(store, B)
    for number in range(4):
        restorer = subprocess.Popen(
            [sys.executable, "-c", RESTORER, str(tmp_path / "backup.db"), store_url],
            stdout=subprocess.PIPE,
            text=True,
            # What it leaves behind goes with the test.
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        assert restorer.stdout is not None
        assert restorer.stdout.readline() == "begun\n"
        with suppress(subprocess.TimeoutExpired):
            restorer.wait(timeout=random.uniform(0.1, 1))  # noqa: S311
        restorer.kill()
        restorer.communicate()
        with Store.open(store_url) as store:
            assert str(store.head()) in {before.receipt, str(after)}
            assert store.verify() == ()
            before = grant(store, AppId(f"after-{number}"))


MAKER = """
import sys
from tenantcfg.store import admin
admin.create(sys.argv[1]).close()
print("made", flush=True)
"""


def test_a_maker_killed_at_any_moment_leaves_no_half_store(new_url: str) -> None:
    for _ in range(5):
        maker = subprocess.Popen(
            [sys.executable, "-c", MAKER, new_url], stdout=subprocess.PIPE, text=True
        )
        with suppress(subprocess.TimeoutExpired):
            maker.wait(timeout=random.uniform(0.3, 1.2))  # noqa: S311
        maker.kill()
        said = maker.communicate()[0]
        try:
            Store.open(new_url).close()
        except StoreMissing:
            assert said == ""
    with admin.create(new_url) as store:
        assert store.verify() == ()
        assert store.add_tenant(TENANT, None, by=BY).revision == 1
