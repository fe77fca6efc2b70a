"""Ctrl-C at any moment: told as what it is, nothing half-done, and nobody is locked out."""

from __future__ import annotations

import gc
import random
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest

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


# Python's own: an interruption in a callback of the garbage collector's is only reported, and
# one between a connection's opening and its first name leaves it to be collected: here, below.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_store_that_is_interrupted_at_any_moment_goes_on(store: Store, store_url: str) -> None:
    a_tenant(store)
    told = []
    for number in range(60):
        app = AppId(f"app{number}")
        try:
            with interrupted_soon():
                if number % 3:
                    store.modify(CONTOSO, ListModifier(add=(app,)), by=BY)
                    told.append(app)
                else:
                    store.modify(CONTOSO, ListModifier(add=(app,)), by=BY, what_if=True)
                    list(store.history(limit=3))
        except KeyboardInterrupt:
            continue

    with Store.open(store_url) as other:
        other.modify(CONTOSO, ListModifier(add=(AppId("last"),)), by=BY)
    assert {*told, AppId("last")} <= set(store.configuration(CONTOSO).apps)
    assert store.verify() == ()
    gc.collect()
