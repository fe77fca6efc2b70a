"""Ctrl-C at any moment: told as what it is, nothing half-done, and nobody is locked out."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from tenantcfg import AppId, ListModifier, Store
from tests.stores import BY, CONTOSO, a_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def interrupted_soon() -> Iterator[None]:
    """A Ctrl-C comes in here, or would have come a little later."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0002, 0.02))  # noqa: S311
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def interrupted_often(url: str) -> list[str]:
    """Change the store and read it, most times not to the end; the apps of the changes done."""
    told = []
    with Store.open(url) as store:
        for number in range(60):
            app = AppId(f"app{number}")
            try:
                with interrupted_soon():
                    if number % 3:
                        store.modify(CONTOSO, ListModifier(add=(app,)), by=BY)
                        told.append(app.value)
                    else:
                        store.modify(CONTOSO, ListModifier(add=(app,)), by=BY, what_if=True)
                        list(store.history(limit=3))
            except KeyboardInterrupt:
                continue
        store.modify(CONTOSO, ListModifier(add=(AppId("last"),)), by=BY)
    return [*told, "last"]


def test_a_store_that_is_interrupted_at_any_moment_goes_on(store: Store, store_url: str) -> None:
    a_tenant(store)
    # In a process of its own: an interruption between a connection's opening and its first name
    # leaves it to the garbage collector, which would complain in another test.
    told = json.loads(
        subprocess.run(
            [sys.executable, "-c", _PROGRAM, store_url],
            check=True,
            capture_output=True,
            timeout=120,
        ).stdout
    )

    assert "last" in told
    assert {AppId(one) for one in told} <= set(store.configuration(CONTOSO).apps)
    assert store.verify() == ()


_PROGRAM = """
import json, sys
from tests.store.test_interrupted import interrupted_often
print(json.dumps(interrupted_often(sys.argv[1])))
"""
