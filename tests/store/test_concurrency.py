"""Many at once: threads and processes, on one store."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tenantcfg import AppId, Deny, Permit, Reason, Store, Unavailable
from tests.stores import APP, CONTOSO, OTHER, a_grant, a_tenant, revoke

if TYPE_CHECKING:
    from tenantcfg import Change, Decision

ADD = """
import sys
from tenantcfg import AppId, Store
from tests.stores import a_grant
url, first, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sys.stdin.read()
with Store.open(url) as store:
    for each in range(first, first + number):
        print(int(a_grant(store, AppId(f"app{each}")).revision))
"""


def at_once(url: str, processes: int, each: int) -> list[int]:
    """The revisions that as many processes got, which began together."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", ADD, url, str(number * each), str(each)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    told = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0] * processes
    return [int(line) for text in told for line in text.split()]


def test_processes_that_add_at_once_all_win(store: Store, store_url: str) -> None:
    a_tenant(store)

    revisions = at_once(store_url, processes=8, each=5)

    assert sorted(revisions) == list(range(2, 42))
    assert {app.value for app in store.configuration(CONTOSO).apps} == {
        f"app{number}" for number in range(40)
    }
    assert store.verify() == ()


def test_two_admins_adding_at_once_both_win(store: Store, store_url: str) -> None:
    a_tenant(store)
    with Store.open(store_url) as other, ThreadPoolExecutor(2) as pool:
        for number in range(10):
            one = pool.submit(a_grant, store, AppId(f"one{number}"))
            two = pool.submit(a_grant, other, AppId(f"two{number}"))
            assert {one.result().revision, two.result().revision} == {
                2 * number + 2,
                2 * number + 3,
            }

    assert len(store.configuration(CONTOSO).apps) == 20
    assert store.verify() == ()


def test_one_store_serves_many_threads(store: Store) -> None:
    a_grant(store)

    def work(number: int) -> list[Decision | Change]:
        mine = AppId(f"app{number}")
        return [
            store.check(tenant=CONTOSO, app=APP),
            store.check(tenant=CONTOSO, app=mine),
            a_grant(store, mine),
            store.check(tenant=CONTOSO, app=mine),
            store.check_many([(CONTOSO, mine)])[0],
            revoke(store, mine),
            store.check(tenant=CONTOSO, app=mine),
        ]

    with ThreadPoolExecutor(24) as pool:
        results = list(pool.map(work, range(48)))

    expected = [Permit(), Deny(Reason.NOT_GRANTED), Permit(), Permit(), Deny(Reason.NOT_GRANTED)]
    for permit, before, given, after, many, taken, gone in results:
        assert [permit, before, after, many, gone] == expected
        assert given.revision is not None
        assert taken.revision is not None
        assert given.revision < taken.revision
    assert store.head().revision == 2 + 96
    assert store.verify() == ()


def test_a_store_that_is_closed_under_its_users_permits_nothing(
    store: Store, store_url: str
) -> None:
    a_grant(store)
    shared = Store.open(store_url)

    def ask() -> int:
        asked = 0
        try:
            while True:
                assert shared.check(tenant=CONTOSO, app=APP)
                asked += 1
                if asked == 20:
                    shared.close()
        except Unavailable:
            return asked

    with ThreadPoolExecutor(4) as pool:
        assert max(future.result() for future in [pool.submit(ask) for _ in range(4)]) >= 20


def test_checks_go_on_while_a_writer_holds_the_lock(store: Store) -> None:
    a_grant(store)

    with store._database.writing():  # noqa: SLF001 - a writer that takes its time
        assert store.check(tenant=CONTOSO, app=APP)
        assert store.check_many([(CONTOSO, OTHER)]) == [Deny(Reason.NOT_GRANTED)]
        assert store.configuration(CONTOSO).apps == (APP,)


def test_loops_in_threads_keep_their_checks_apart(store: Store) -> None:
    a_grant(store)

    async def ask() -> list[Decision]:
        return await asyncio.gather(
            *(store.check_async(tenant=CONTOSO, app=APP) for _ in range(50))
        )

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: asyncio.run(ask()), range(8)))

    assert runs == [[Permit()] * 50] * 8
