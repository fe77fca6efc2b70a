"""What a change is told: an error means that nothing was changed, also when the log has no room."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from tenantcfg import Store, Unavailable
from tenantcfg.store import admin, sqlite
from tests.stores import BY, CONTOSO, a_grant

if TYPE_CHECKING:
    from pathlib import Path

# No file may grow beyond what the store's has: what is committed fits into the log, and not into
# the file when it is brought there.
WRITER = """
import pathlib, resource, signal, sys
from tenantcfg import AppId, ListModifier, Store, TenantcfgError
from tests.stores import BY, CONTOSO

path = pathlib.Path(sys.argv[1])
store = Store.open(path)
first = tuple(AppId(f"an-app-with-a-long-name-{number:06}") for number in range(3000))
print(store.modify(CONTOSO, ListModifier(add=first), by=BY).revision)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, resource.RLIM_INFINITY))
for number in range(100):
    more = tuple(AppId(f"another-with-a-long-name-{number}-{n}") for n in range(60))
    try:
        print(store.modify(CONTOSO, ListModifier(add=more), by=BY).revision)
    except TenantcfgError as why:
        break
"""


def test_an_error_means_that_nothing_was_changed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with admin.create(path) as store:
        store.add_tenant(CONTOSO, None, by=BY)
    told = subprocess.run(
        [sys.executable, "-c", WRITER, path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=120,
    )
    with Store.open(path) as store:
        assert store.head().revision == int(told.stdout.split()[-1])
        assert store.verify() == ()


def test_a_file_that_was_replaced_behind_a_waiting_writer_is_not_changed(tmp_path: Path) -> None:
    path, other = tmp_path / "store.db", tmp_path / "other.db"
    for each in (path, other):
        with admin.create(each) as made:
            made.add_tenant(CONTOSO, None, by=BY)
    with Store.open(path) as store, ThreadPoolExecutor() as pool:
        assert store.head().revision == 1
        holder = sqlite.connect(path, patience=1)
        holder.execute("BEGIN IMMEDIATE")
        waiting = pool.submit(a_grant, store)
        wait([waiting], timeout=1)
        other.replace(path)
        holder.execute("COMMIT")
        holder.close()
        with pytest.raises(Unavailable):
            waiting.result()
        assert a_grant(store).revision == 2


BEGIN = """
import sqlite3, sys
sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")
"""


def test_a_second_maker_in_the_same_process_drops_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    sqlite.make_file(path)
    with closing(sqlite.connect(path, patience=1)) as holder, ThreadPoolExecutor() as pool:
        holder.execute("BEGIN IMMEDIATE")
        making = pool.submit(admin.create, path)
        wait([making], timeout=1)
        other = subprocess.run(
            [sys.executable, "-c", BEGIN, path], check=False, capture_output=True, text=True
        )
        holder.execute("ROLLBACK")
        with suppress(Unavailable):
            making.result().close()
    assert "database is locked" in other.stderr
