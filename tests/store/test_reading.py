from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tenantcfg import (
    Actor,
    AppId,
    Attribution,
    Deny,
    InvalidInput,
    ListModifier,
    Permit,
    Reason,
    Revision,
    Store,
    TenantId,
    Unavailable,
    UnknownTenant,
)
from tenantcfg.instants import Instant, to_datetime
from tenantcfg.store.address import Address
from tenantcfg.store.engine import engine_of
from tests.stores import (
    APP,
    BY,
    CONTOSO,
    FABRIKAM,
    OTHER,
    a_grant,
    a_tenant,
    let_time_pass,
    revoke,
    soon,
)

if TYPE_CHECKING:
    from pathlib import Path


def revisions(store: Store, **wanted: object) -> list[int]:
    return [int(change.revision) for change in store.history(**wanted)]  # type: ignore[arg-type]


# The state, now and then


def test_a_configuration_is_what_is_in_force(store: Store, store_url: str) -> None:
    ends = soon()
    a_grant(store, until=ends)
    change = a_grant(store, OTHER)

    configuration = store.configuration(CONTOSO)
    assert configuration.apps == (APP, OTHER)
    assert configuration.revision == change.revision

    let_time_pass(store_url, ends)
    assert store.configuration(CONTOSO).apps == (OTHER,)


def test_an_unknown_tenant_has_no_configuration(store: Store) -> None:
    with pytest.raises(UnknownTenant, match="unknown tenant: 'fabrikam'"):
        store.configuration(FABRIKAM)


def test_each_revision_can_be_read_back(store: Store) -> None:
    a_tenant(store)
    lists = [
        store.modify(CONTOSO, modifier, by=BY)
        for modifier in (
            ListModifier(add=(APP,)),
            ListModifier(add=(OTHER,)),
            ListModifier(remove=(APP,)),
            ListModifier(add=(APP,)),
            ListModifier(replace=()),
        )
    ]
    expected = [(APP,), (APP, OTHER), (OTHER,), (OTHER, APP), ()]

    assert [store.configuration(CONTOSO, as_of=one.revision).apps for one in lists] == expected
    with pytest.raises(UnknownTenant, match="at revision 0"):
        store.configuration(CONTOSO, as_of=Revision(0))


def test_each_instant_can_be_read_back(store: Store) -> None:
    changes = [a_grant(store), revoke(store), a_grant(store, OTHER)]

    for change, apps in zip(changes, [(APP,), (), (OTHER,)], strict=True):
        assert store.configuration(CONTOSO, as_of=to_datetime(change.at)).apps == apps
    before = to_datetime(Instant(store.change(1).at - 1))
    assert store.tenants(as_of=before) == ()


def test_an_expiry_is_judged_at_the_time_that_is_asked_for(store: Store, store_url: str) -> None:
    ends = soon()
    given = a_grant(store, until=ends)
    let_time_pass(store_url, Instant(ends + 10))

    assert store.configuration(CONTOSO).apps == ()
    assert store.configuration(CONTOSO, as_of=given.revision).apps == (APP,)
    assert store.configuration(CONTOSO, as_of=to_datetime(Instant(ends - 1))).apps == (APP,)
    assert store.configuration(CONTOSO, as_of=to_datetime(ends)).apps == ()


def test_the_future_cannot_be_read(store: Store) -> None:
    a_tenant(store)

    with pytest.raises(InvalidInput, match="no such revision yet: 2: the newest is 1"):
        store.tenants(as_of=Revision(2))
    with pytest.raises(InvalidInput, match="the instant is in the future"):
        store.configuration(CONTOSO, as_of=to_datetime(soon()))
    with pytest.raises(InvalidInput, match="no time zone"):
        store.tenants(as_of=to_datetime(soon()).replace(tzinfo=None))


def test_tenants_come_in_the_order_in_which_they_were_made_known(store: Store) -> None:
    for name in ("c", "a", "b"):
        a_tenant(store, TenantId(name), None)
    store.rename_tenant(TenantId("c"), "last", by=BY)

    assert [tenant.id.value for tenant in store.tenants()] == ["c", "a", "b"]
    assert [tenant.name for tenant in store.tenants(as_of=Revision(1))] == [None]


def test_an_app_acts_where_its_grant_is_in_force_and_the_tenant_enabled(
    store: Store, store_url: str
) -> None:
    ends = soon()
    ending, disabled, revoked = (TenantId(name) for name in ("ending", "disabled", "revoked"))
    for tenant in (CONTOSO, disabled, revoked):
        a_grant(store, APP, tenant)
    a_grant(store, APP, ending, until=ends)
    a_grant(store, OTHER, FABRIKAM)
    before = store.head().revision
    store.disable_tenant(disabled, by=BY)
    revoke(store, APP, revoked)

    def tenants(as_of: Revision | None = None) -> list[TenantId]:
        return [tenant.id for tenant, _ in store.grants_of(APP, as_of=as_of)]

    assert tenants() == [CONTOSO, ending]
    assert tenants(before) == [CONTOSO, disabled, revoked, ending]
    assert [grant.app for _, grant in store.grants_of(OTHER)] == [OTHER]
    let_time_pass(store_url, ends)
    assert tenants() == [CONTOSO]


def test_known_apps_are_those_in_any_list(store: Store) -> None:
    a_grant(store)
    a_grant(store, APP, FABRIKAM)
    a_grant(store, OTHER)
    a_grant(store, AppId("gone"))
    revoke(store, AppId("gone"))

    assert store.known_apps() == (APP, OTHER)


# The history


def test_history_is_newest_first_or_oldest_first(store: Store) -> None:
    a_grant(store)
    revoke(store)

    assert revisions(store) == [3, 2, 1]
    assert revisions(store, newest_first=False) == [1, 2, 3]
    assert revisions(store, limit=2) == [3, 2]
    assert revisions(store, limit=0) == []


def test_history_by_tenant_app_and_actor(store: Store) -> None:
    a_grant(store)  # 1, 2
    a_grant(store, APP, FABRIKAM)  # 3, 4
    a_grant(store, OTHER)  # 5
    bob = Attribution(Actor("os:bob"))
    store.modify(CONTOSO, ListModifier(add=(AppId("x"), APP)), by=bob)  # 6, names APP too

    assert revisions(store, tenant=CONTOSO) == [6, 5, 2, 1]
    assert revisions(store, app=APP) == [6, 4, 2]
    assert revisions(store, tenant=FABRIKAM, app=APP) == [4]
    assert revisions(store, actor="os:bob") == [6]
    assert revisions(store, actor="os:alice", app=APP, newest_first=False) == [2, 4]
    assert revisions(store, tenant=TenantId("unknown")) == []


def test_history_by_time(store: Store) -> None:
    a_grant(store)
    revoke(store)
    at = {int(change.revision): change.at for change in store.history()}

    assert revisions(store, since=at[2]) == [3, 2]
    assert revisions(store, until=at[2]) == [1]
    assert revisions(store, since=at[1], until=at[3]) == [2, 1]
    assert revisions(store, since=Instant(at[3] + 1)) == []
    assert revisions(store, until=at[1]) == []


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_long_history_comes_whole_and_holds_up_nobody(
    store: Store,
    newest_first: bool,  # noqa: FBT001
) -> None:
    a_tenant(store)
    for number in range(220):
        store.modify(CONTOSO, ListModifier(add=(AppId(f"app{number}"),)), by=BY)

    changes = store.history(newest_first=newest_first)
    first = next(changes)
    late = a_grant(store, AppId("late"))
    found = [int(first.revision), *(int(change.revision) for change in changes)]

    expected = list(range(1, 222))
    assert found == (expected[::-1] if newest_first else expected)
    assert late.revision == 222
    assert revisions(store, limit=210, newest_first=newest_first)[-1] == (
        13 if newest_first else 210
    )


def test_a_change_that_is_not_there(store: Store) -> None:
    with pytest.raises(InvalidInput, match="no such revision: 7: the newest is 0"):
        store.change(7)


# Explanations


def test_a_permit_is_explained_by_its_grant_and_giver(store: Store) -> None:
    given = a_grant(store)
    prolonged = a_grant(store, until=soon())

    explanation = store.explain(tenant=CONTOSO.value.upper(), app=APP.value)

    assert explanation.decision == Permit()
    assert explanation.decision.revision == prolonged.revision
    assert (explanation.tenant_id, explanation.app_id) == (CONTOSO.value, APP.value)
    assert explanation.tenant == store.find_tenant(CONTOSO.value)
    assert explanation.grant == store.configuration(CONTOSO).grants[0]
    assert explanation.change == given
    assert explanation.expiry_change == prolonged
    assert explanation.near_misses == ()


def test_a_denial_is_explained_by_what_took_the_right(store: Store) -> None:
    a_grant(store)
    taken = revoke(store)
    a_grant(store, OTHER)

    explanation = store.explain(tenant=CONTOSO.value, app=APP.value)

    assert explanation.decision == Deny(Reason.NOT_GRANTED)
    assert explanation.change == taken
    assert explanation.grant is None


def test_a_right_that_ended_is_explained_by_its_grant(store: Store, store_url: str) -> None:
    ends = soon()
    given = a_grant(store, until=ends)
    let_time_pass(store_url, ends)

    explanation = store.explain(tenant=CONTOSO.value, app=APP.value)

    assert explanation.decision == Deny(Reason.GRANT_NOT_IN_FORCE)
    assert explanation.grant is not None
    assert explanation.grant.expires_at == ends
    assert explanation.change == given


def test_a_disabled_tenant_is_explained_by_who_disabled_it(store: Store) -> None:
    a_grant(store)
    disabled = store.disable_tenant(CONTOSO, by=BY)
    store.rename_tenant(CONTOSO, "Contoso", by=BY)

    explanation = store.explain(tenant=CONTOSO.value, app=APP.value)

    assert explanation.decision == Deny(Reason.TENANT_DISABLED)
    assert explanation.change == disabled
    removed = store.remove_tenant(CONTOSO, by=BY)
    back = store.undo(removed.revision, by=BY)
    assert store.explain(tenant=CONTOSO.value, app=APP.value).change == back


def test_a_removed_tenant_is_explained_by_who_removed_it(store: Store) -> None:
    a_grant(store)
    removed = store.remove_tenant(CONTOSO, by=BY)

    explanation = store.explain(tenant=CONTOSO.value, app=APP.value)

    assert explanation.decision == Deny(Reason.NOT_GRANTED)
    assert explanation.tenant is None
    assert explanation.change == removed


def test_what_never_was_has_no_change(store: Store) -> None:
    explanation = store.explain(tenant="nobody", app="nothing")

    assert explanation.decision == Deny(Reason.NOT_GRANTED)
    assert explanation.change is None


@pytest.mark.parametrize(
    ("tenant", "app", "action", "reason"),
    [
        ("", APP.value, "remove_participant", Reason.TENANT_MISSING),
        (CONTOSO.value, APP.value, "dance", Reason.UNSUPPORTED_ACTION),
        (" ", APP.value, "remove_participant", Reason.NOT_GRANTED),
        (CONTOSO.value, " x", "remove_participant", Reason.NOT_GRANTED),
        ("a\0b", "\ud800", "remove_participant", Reason.NOT_GRANTED),
    ],
)
def test_an_explanation_decides_as_a_check_does(
    store: Store, tenant: str, app: str, action: str, reason: Reason
) -> None:
    a_grant(store)

    explanation = store.explain(tenant=tenant, app=app, action=action)

    assert explanation.decision == Deny(reason)
    assert explanation.decision == store.check(tenant=tenant, app=app, action=action)


def test_the_past_is_explained_as_it_was(store: Store) -> None:
    given = a_grant(store)
    taken = revoke(store)

    then = store.explain(tenant=CONTOSO.value, app=APP.value, as_of=given.revision)

    assert then.decision == Permit()
    assert then.decision.revision == given.revision
    assert then.change == given
    now = store.explain(tenant=CONTOSO.value, app=APP.value, as_of=to_datetime(taken.at))
    assert (now.decision, now.change) == (Deny(Reason.NOT_GRANTED), taken)
    before = store.explain(tenant=CONTOSO.value, app=APP.value, as_of=Revision(1))
    assert (before.decision, before.change) == (Deny(Reason.NOT_GRANTED), None)


def test_near_misses_name_what_may_have_been_meant(store: Store) -> None:
    a_grant(store)
    a_grant(store, OTHER, FABRIKAM)
    slip = APP.value.replace("5817", "5187")

    def misses(tenant: str, app: str) -> tuple[str, ...]:
        return store.explain(tenant=tenant, app=app).near_misses

    assert misses(CONTOSO.value, slip) == (f"one character off: app '{APP}' is granted there",)
    assert misses(CONTOSO.value, "fabrikam") == ("'fabrikam' is known as a tenant, not as an app",)
    assert misses("app_id", "x") == ("'app_id' is known as an app, not as a tenant",)
    assert misses("fabrikan", "x") == ("one character off: tenant 'fabrikam' is known",)
    assert misses(CONTOSO.value, "app_id") == ("the app is granted elsewhere: in 'fabrikam'",)
    assert misses(CONTOSO.value, APP.value) == ()
    assert store.near_misses(tenant=CONTOSO, app=APP) == ()
    assert store.near_misses(tenant=CONTOSO, app=AppId(slip)) != ()


def test_at_most_five_other_tenants_are_named(store: Store) -> None:
    for number in range(7):
        a_grant(store, APP, TenantId(f"tenant{number}"))

    (line,) = store.near_misses(tenant=CONTOSO, app=APP)

    assert line.endswith("'tenant4', and more")


def test_a_history_does_not_go_on_as_another(store: Store, store_url: str, tmp_path: Path) -> None:
    from tenantcfg.store import admin  # noqa: PLC0415

    a_tenant(store)
    admin.backup(store_url, tmp_path / "backup.db")
    for number in range(205):
        store.rename_tenant(CONTOSO, f"name {number}", by=BY)
    reading = store.history()
    assert next(reading).revision == 206

    admin.restore(tmp_path / "backup.db", store_url, overwrite=True)

    with pytest.raises(Unavailable, match="the store is another one now: .*: read it anew"):
        list(reading)
    assert revisions(store) == [1]


# What SQLite and PostgreSQL both know to count by; the store's own way takes a while for so many.
MANY = """
    INSERT INTO tenants (tenant, from_revision, added, name, name_key, enabled)
    WITH RECURSIVE counted(n) AS (SELECT 10000 UNION ALL SELECT n + 1 FROM counted WHERE n < 12999)
    SELECT 'customer-' || n, 1, 1, 'Name ' || n, 'name ' || n, {true} FROM counted
"""


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("customer-129900", "customer-12990"),
        ("custmer-12990", "customer-12990"),
        ("cusotmer-12990", "customer-12990"),
        ("Customer-12990", "customer-12990"),
        ("CUSTOMER-1299O", "customer-12990"),
        ("Name12990", "Name 12990"),
        ("NAME 12-990", "Name 12990"),
        ("b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d2", "b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d21"),
        ("B7D4C6DE-2D5F-4A53-9A9A-5C0E6B0F3D22", "b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d21"),
    ],
)
def test_one_of_many_tenants_is_found_by_a_slip(
    store: Store, store_url: str, wanted: str, meant: str
) -> None:
    a_tenant(store)
    engine = engine_of(Address.parse(store_url))
    with engine.begin() as connection:
        connection.execute(text(MANY.format(true=1 if store.dialect == "sqlite" else "true")))
    engine.dispose()

    with pytest.raises(UnknownTenant, match=f"did you mean .*'{meant}'"):
        store.find_tenant(wanted)
    if not meant.startswith("Name"):
        misses = store.explain(tenant=wanted, app="x").near_misses
        assert f"one character off: tenant '{meant}' is known" in misses


# Opening and closing


def test_a_store_says_what_it_is_and_nothing_secret(store: Store, store_url: str) -> None:
    assert store.dialect in store.url
    assert "?" not in store.url
    assert "@" not in store.url
    with Store.open(store_url) as other:
        assert other.store_id == store.store_id
        assert other.url == store.url


def test_a_store_is_opened_by_the_path_of_its_file(sqlite_url: str, tmp_path: Path) -> None:
    from tenantcfg.store import admin  # noqa: PLC0415

    admin.create(sqlite_url).close()

    with Store.open(tmp_path / "store" / "store.db") as store:
        assert store.url == sqlite_url
