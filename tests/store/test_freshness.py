"""What a check sees: everything that anybody committed before it began, and nothing less."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantcfg import (
    Deny,
    Permit,
    Reason,
    RevisionNotReached,
    Store,
    StoreNotOurs,
    StoreUnusable,
    Unavailable,
)
from tenantcfg.store import admin
from tenantcfg.store.address import Address
from tests.stores import (
    APP,
    BY,
    CONTOSO,
    OTHER,
    a_grant,
    a_tenant,
    let_time_pass,
    revoke,
    soon,
)

if TYPE_CHECKING:
    from tests.postgres import Server

REVOKED = Deny(Reason.NOT_GRANTED)

TURN = """
import sys
from tenantcfg import Store
from tests.stores import a_grant, revoke
with Store.open(sys.argv[1]) as store:
    for line in sys.stdin:
        change = (a_grant if line.strip() == "grant" else revoke)(store)
        print(int(change.revision), flush=True)
"""


def test_what_another_process_committed_is_seen_at_once(store: Store, store_url: str) -> None:
    a_tenant(store)
    command = [sys.executable, "-c", TURN, store_url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        for turn in range(60):
            other.stdin.write("revoke\n" if turn % 2 else "grant\n")
            other.stdin.flush()
            revision = int(other.stdout.readline())

            decision = store.check(tenant=CONTOSO, app=APP, at_least=revision)

            assert bool(decision) is (turn % 2 == 0)
            assert decision.revision == revision
        other.stdin.close()


def test_no_face_of_the_check_remembers(store: Store, store_url: str) -> None:
    a_grant(store)
    with Store.open(store_url) as other:
        assert store.check(tenant=CONTOSO, app=APP)
        assert store.check_many([(CONTOSO, APP)]) == [Permit()]

        revoke(other)

        assert store.check(tenant=CONTOSO, app=APP) == REVOKED
        assert store.check_many([(CONTOSO, APP)]) == [REVOKED]
        assert asyncio.run(store.check_async(tenant=CONTOSO, app=APP)) == REVOKED
        assert store.explain(tenant=CONTOSO.value, app=APP.value).decision == REVOKED


def test_a_clock_that_is_set_back_revives_nothing(store: Store, store_url: str) -> None:
    until = soon(1)
    a_grant(store, until=until)
    let_time_pass(store_url, soon(2))

    later = a_grant(store, OTHER)

    assert store.check(tenant=CONTOSO, app=APP) == Deny(Reason.GRANT_NOT_IN_FORCE)
    assert later.at >= until


# A file store whose file is replaced, or gone


@pytest.fixture
def file(sqlite_url: str) -> Path:
    path = Address.parse(sqlite_url).path
    assert path is not None
    return path


@pytest.fixture
def file_store(sqlite_url: str, file: Path) -> Store:
    store = admin.create(sqlite_url)
    a_grant(store)
    return store


def test_a_file_that_is_gone_permits_nothing(file_store: Store, file: Path) -> None:
    with file_store as store:
        assert store.check(tenant=CONTOSO, app=APP)
        file.unlink()

        with pytest.raises(Unavailable, match="the store's file is gone"):
            store.check(tenant=CONTOSO, app=APP)
        for _ in range(2):
            with pytest.raises(Unavailable):
                store.check_many([(CONTOSO, APP)])
            with pytest.raises(Unavailable):
                store.head()
            with pytest.raises(Unavailable):
                revoke(store)
        assert not file.exists()


def test_a_file_that_comes_back_is_asked_again(
    file_store: Store, file: Path, tmp_path: Path
) -> None:
    with file_store as store:
        file.rename(tmp_path / "aside")
        with pytest.raises(Unavailable):
            store.check(tenant=CONTOSO, app=APP)
        (tmp_path / "aside").rename(file)

        assert store.check(tenant=CONTOSO, app=APP)


def test_another_file_at_the_same_path_is_the_one_that_is_asked(
    file_store: Store, file: Path, tmp_path: Path
) -> None:
    with file_store as store, admin.create(tmp_path / "other" / "store.db") as other:
        a_tenant(other)
        change = a_grant(other, OTHER)
        other.close()
        assert store.check(tenant=CONTOSO, app=APP)
        revision = store.head().revision

        (tmp_path / "other" / "store.db").replace(file)

        assert store.check(tenant=CONTOSO, app=APP) == REVOKED
        assert store.check(tenant=CONTOSO, app=OTHER)
        assert store.head().revision == change.revision
        with pytest.raises(RevisionNotReached, match="the store is another one now"):
            store.check(tenant=CONTOSO, app=OTHER, at_least=revision)
        assert revoke(store, OTHER).stored
        assert store.check(tenant=CONTOSO, app=OTHER) == REVOKED


def test_a_file_that_is_no_store_any_more_permits_nothing(
    file_store: Store, file: Path, tmp_path: Path
) -> None:
    with file_store as store:
        assert store.check(tenant=CONTOSO, app=APP)
        (tmp_path / "text").write_text("no database, and longer than a header of one is\n" * 20)

        (tmp_path / "text").replace(file)

        with pytest.raises(StoreNotOurs):
            store.check(tenant=CONTOSO, app=APP)
        with pytest.raises(StoreNotOurs):
            revoke(store)


def test_a_log_that_a_replaced_file_left_behind_is_not_read(
    file_store: Store, file: Path, tmp_path: Path
) -> None:
    with file_store as store, admin.create(tmp_path / "other" / "store.db") as other:
        a_tenant(other)
        other.close()
        with store._database.reading():  # noqa: SLF001 - a reader that keeps the log from being emptied
            a_grant(store, OTHER)
            assert store.check(tenant=CONTOSO, app=OTHER)
            (tmp_path / "other" / "store.db").replace(file)

            if Path(f"{file}-wal").exists() and Path(f"{file}-wal").stat().st_size:
                with pytest.raises(StoreUnusable, match="the log of another file"):
                    store.check(tenant=CONTOSO, app=OTHER)
                with pytest.raises(StoreUnusable):
                    revoke(store, OTHER)
            else:
                assert store.check(tenant=CONTOSO, app=OTHER) == REVOKED


def test_a_copy_of_the_same_store_is_the_same_history(
    file_store: Store, file: Path, tmp_path: Path
) -> None:
    with file_store as store:
        copy = tmp_path / "copy.db"
        shutil.copy(file, copy)

        assert store.check(tenant=CONTOSO, app=APP, at_least=1)
        copy.replace(file)

        # The same store id: the same history, as far as it goes.
        assert store.check(tenant=CONTOSO, app=APP, at_least=1)


# A server that was stopped, or started again


def test_a_server_that_was_started_again_is_asked_again(postgres_of_own: Server) -> None:
    with postgres_of_own.database() as url, admin.create(url) as store:
        a_grant(store)
        assert store.check(tenant=CONTOSO, app=APP)

        postgres_of_own.stop("immediate")
        with pytest.raises(Unavailable):
            store.check(tenant=CONTOSO, app=APP)
        with pytest.raises(Unavailable):
            revoke(store)
        postgres_of_own.start()

        assert store.check(tenant=CONTOSO, app=APP)
        assert revoke(store).stored

        postgres_of_own.stop("fast")
        postgres_of_own.start()
        assert store.check(tenant=CONTOSO, app=APP) == REVOKED
        assert asyncio.run(store.check_async(tenant=CONTOSO, app=APP)) == REVOKED


# A closed store, and a fork


def test_a_closed_store_answers_nothing(store: Store) -> None:
    a_grant(store)
    store.check(tenant=CONTOSO, app=APP)

    store.close()

    with pytest.raises(Unavailable, match="the store was closed"):
        store.check(tenant=CONTOSO, app=APP)
    with pytest.raises(Unavailable, match="the store was closed"):
        store.head()
    with pytest.raises(Unavailable, match="the store was closed"):
        store.add_tenant(CONTOSO, None, by=BY)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_after_a_fork_asks_for_itself(store: Store) -> None:
    a_grant(store)
    assert store.check(tenant=CONTOSO, app=APP)
    child = os.fork()
    if child == 0:
        # Whatever happens here must not run on as a second pytest.
        code = 1
        try:
            assert store.check(tenant=CONTOSO, app=APP)
            assert store.check_many([(CONTOSO, APP)])[0]
            revoke(store)
            assert not store.check(tenant=CONTOSO, app=APP)
            code = 0
        finally:
            os._exit(code)

    assert os.waitpid(child, 0)[1] == 0
    assert store.check(tenant=CONTOSO, app=APP) == REVOKED
    assert a_grant(store).stored
    assert store.check(tenant=CONTOSO, app=APP)
    assert store.verify() == ()
