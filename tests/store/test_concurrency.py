"""Many at once: threads and processes, on one store."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import psycopg

from tenantcfg import AppId, Deny, Permit, Reason, Store, Unavailable
from tests.stores import APP, CONTOSO, OTHER, a_grant, a_tenant, revoke

if TYPE_CHECKING:
    from tenantcfg import Change, Decision

# The program is loaded once and then there many times: each process is on its own from the fork
# on, opens the store by itself, and begins when the starter closes the pipe.
ADD = """
import os, sys
import tenantcfg.store.changing, tenantcfg.store.engine, tenantcfg.store.postgresql
from tenantcfg import AppId, Store
from tests.stores import a_grant

url, processes, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
begin, starter = os.pipe()
running = []
for number in range(processes):
    child = os.fork()
    if not child:
        os.close(starter)
        os.read(begin, 1)
        with Store.open(url) as store:
            for one in range(number * each, (number + 1) * each):
                os.write(1, b"%d\\n" % a_grant(store, AppId(f"app{one}")).revision)
        sys.exit()
    running.append(child)
os.close(starter)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in running))
"""


def at_once(url: str, processes: int, each: int) -> list[int]:
    """The revisions that as many processes got, which began together."""
    told = subprocess.run(
        [sys.executable, "-c", ADD, url, str(processes), str(each)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=240,
    )
    return [int(line) for line in told.stdout.split()]


def test_processes_that_add_at_once_all_win(store: Store, store_url: str) -> None:
    a_tenant(store)

    revisions = at_once(store_url, processes=8, each=5)

    assert sorted(revisions) == list(range(2, 42))
    assert {app.value for app in store.configuration(CONTOSO).apps} == {
        f"app{number}" for number in range(40)
    }
    assert store.verify() == ()


# A change of each, all at once. With AT_ONCE=200 in the environment it takes minutes.
MANY = int(os.environ.get("AT_ONCE", "24"))


def test_many_that_add_at_once_all_win(store: Store, store_url: str) -> None:
    a_tenant(store)

    revisions = at_once(store_url, processes=MANY, each=1)

    assert sorted(revisions) == list(range(2, MANY + 2))
    assert len(store.configuration(CONTOSO).apps) == MANY
    assert store.verify() == ()


def test_a_server_that_is_full_is_waited_for(made_postgresql_url: str) -> None:
    with Store.open(made_postgresql_url) as store:
        a_tenant(store)
    with psycopg.connect(made_postgresql_url, autocommit=True) as admin:
        admin.execute("CREATE ROLE single LOGIN SUPERUSER")
        single = made_postgresql_url.replace("postgres@", "single@")
        database = admin.info.dbname
        admin.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 1")
        admin.execute("ALTER ROLE single NOSUPERUSER")
        admin.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO single")
        try:
            with ThreadPoolExecutor() as pool:
                # The admin's own connection is the one that there is room for.
                waiting = [pool.submit(a_change, single, number) for number in range(3)]
                wait(waiting, timeout=1)
                admin.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 2")
                assert sorted(each.result() for each in waiting) == [2, 3, 4]
        finally:
            admin.execute(f"ALTER DATABASE {database} CONNECTION LIMIT -1")
            admin.execute("DROP OWNED BY single")
            admin.execute("DROP ROLE single")


def a_change(url: str, number: int) -> int:
    with Store.open(url) as store:
        return int(a_grant(store, AppId(f"app{number}")).revision)


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
