"""What a change is told: an error means that nothing was changed, also when the log has no room."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tenantcfg import Store
from tenantcfg.store import admin
from tests.stores import BY, CONTOSO

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
