"""A store across forks: a child sees what is there, or cannot tell; it never reads what was."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tenantcfg import Unavailable
from tests.stores import a_grant

if TYPE_CHECKING:
    from tenantcfg import Store

# Processes of their own: the tests' has threads, and other stores open.
CHILD = """
import os, sys
from tenantcfg import Store, TenantcfgError
from tests.stores import APP, CONTOSO, a_grant, revoke

url = sys.argv[1]
{before}

def word():
    try:
        return "permit" if store.check(tenant=CONTOSO, app=APP) else "deny"
    except TenantcfgError as why:
        return why.code

asked, answered = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    for _ in range(2):
        os.read(asked[0], 1)
        os.write(answered[1], word().encode().ljust(20))
    os._exit(0)

def of_child():
    os.write(asked[1], b"?")
    return os.read(answered[0], 20).decode().strip()

{after}
"""


def _run(url: str, before: str, after: str) -> list[str]:
    script = CHILD.format(before=before, after=after)
    told = subprocess.run(
        [sys.executable, "-c", script, url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=60,
    )
    return told.stdout.split()


def test_a_child_sees_what_others_revoke_once_its_parent_has_let_go(
    store: Store, store_url: str
) -> None:
    a_grant(store)
    # Others who open the file and close it last take the write-ahead log away.
    after = """
print(of_child())
store.close()
for change in (revoke, a_grant, revoke):
    with Store.open(url) as other:
        change(other)
print(of_child())
"""
    before = "store = Store.open(url); store.check(tenant=CONTOSO, app=APP); store.head()"
    assert _run(store_url, before, after) == ["permit", "deny"]


def test_a_parent_goes_on_after_a_fork(store: Store, store_url: str) -> None:
    a_grant(store)
    after = "print(of_child(), word()); revoke(store); print(of_child(), word())"
    before = "store = Store.open(url); store.check(tenant=CONTOSO, app=APP); store.head()"
    assert _run(store_url, before, after) == ["permit", "permit", "deny", "deny"]


def test_a_child_of_a_parent_that_was_using_a_file_cannot_tell(
    store: Store, store_url: str
) -> None:
    a_grant(store)
    before = "store = Store.open(url); held = store._database.reading(); held.__enter__()"
    expected = "unavailable" if store.dialect == "sqlite" else "permit"
    after = "print(of_child(), word(), of_child())"
    assert _run(store_url, before, after) == [expected, "permit", expected]


def test_a_closed_store_stays_closed(store: Store) -> None:
    a_grant(store)
    changes = store.history()
    store.close()
    for ask in (store.head, store.tenants, lambda: next(changes), lambda: a_grant(store)):
        with pytest.raises(Unavailable, match="the store was closed"):
            ask()
