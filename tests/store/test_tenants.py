from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tenantcfg import Conflict, InvalidInput, Revision, TenantId, UnknownTenant
from tenantcfg.store import Tenant
from tests.stores import APP, BY, CONTOSO, FABRIKAM, OTHER, a_grant, a_tenant, revoke

if TYPE_CHECKING:
    from tenantcfg import Store


def test_a_tenant_is_made_known(store: Store) -> None:
    change = store.add_tenant(CONTOSO, "Contoso", by=BY)

    assert store.tenants() == (Tenant(CONTOSO, "Contoso", True, change.revision, change.revision),)  # noqa: FBT003
    assert change.operation.details == {"name": "Contoso"}


def test_adding_it_again_changes_nothing(store: Store) -> None:
    a_tenant(store)

    assert not store.add_tenant(CONTOSO, "Contoso", by=BY).stored
    assert not store.add_tenant(CONTOSO, None, by=BY).stored


def test_a_known_tenant_is_not_renamed_by_adding_it(store: Store) -> None:
    a_tenant(store)
    a_tenant(store, FABRIKAM, None)

    with pytest.raises(Conflict, match="known by another name: 'b7d4.*its name is 'Contoso'"):
        store.add_tenant(CONTOSO, "Other", by=BY)
    with pytest.raises(Conflict, match="it has none yet"):
        store.add_tenant(FABRIKAM, "Fabrikam Inc", by=BY)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "it has 0 characters"),
        ("x" * 129, "it has 129 characters"),
        (" x", "a blank stands at its end"),
        ("a\nb", "cannot be printed"),
        ("5817674C-81d9-4adb-bfb2-8f6a442e4622", "the shape of a GUID"),
        ("{5817674c-81d9-4adb-bfb2-8f6a442e4622}", "the shape of a GUID"),
        (FABRIKAM.value, "it is the tenant's id"),
    ],
)
def test_what_cannot_be_a_name_is_refused(store: Store, name: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=f"not a tenant's name: .*{why}"):
        store.add_tenant(FABRIKAM, name, by=BY)
    assert store.tenants() == ()


@pytest.mark.parametrize("name", ["contoso", "CONTOSO", "Contoso"])
def test_names_are_unique_without_regard_to_case(store: Store, name: str) -> None:
    a_tenant(store)

    with pytest.raises(Conflict, match="the name is taken: .*'b7d4c6de"):
        store.add_tenant(FABRIKAM, name, by=BY)


def test_case_is_more_than_ascii(store: Store) -> None:
    store.add_tenant(CONTOSO, "Straße \u00c9", by=BY)

    with pytest.raises(Conflict):
        store.add_tenant(FABRIKAM, "STRASSE e\u0301", by=BY)


def test_no_name_is_an_id_and_no_id_a_name(store: Store) -> None:
    a_tenant(store, FABRIKAM, "Contoso")

    with pytest.raises(Conflict, match="the name is taken: 'fabrikam': a tenant has this id"):
        store.add_tenant(CONTOSO, "fabrikam", by=BY)
    with pytest.raises(Conflict, match="the id is taken as a name: 'Contoso'"):
        store.add_tenant(TenantId("Contoso"), None, by=BY)


def test_a_tenant_is_renamed_and_its_id_and_grants_stay(store: Store) -> None:
    a_tenant(store)
    a_grant(store)

    change = store.rename_tenant(CONTOSO, "Contoso Ltd", by=BY)

    assert change.operation.details == {"name": "Contoso Ltd", "was": "Contoso"}
    assert store.find_tenant("contoso ltd").added == 1
    assert store.configuration(CONTOSO).apps == (APP,)
    assert not store.rename_tenant(CONTOSO, "Contoso Ltd", by=BY).stored
    assert store.rename_tenant(CONTOSO, "CONTOSO LTD", by=BY).stored
    store.add_tenant(FABRIKAM, "Contoso", by=BY)
    with pytest.raises(Conflict):
        store.rename_tenant(CONTOSO, "contoso", by=BY)


def test_a_tenant_is_disabled_and_enabled_once(store: Store) -> None:
    a_tenant(store)

    assert store.disable_tenant(CONTOSO, by=BY).stored
    assert not store.disable_tenant(CONTOSO, by=BY).effective
    assert not store.find_tenant("Contoso").enabled
    assert store.enable_tenant(CONTOSO, by=BY).stored
    assert not store.enable_tenant(CONTOSO, by=BY).effective
    assert store.find_tenant("Contoso").enabled


def test_a_removed_tenant_is_forgotten_and_its_history_stays(store: Store) -> None:
    a_tenant(store)
    a_grant(store)
    a_grant(store, OTHER)

    change = store.remove_tenant(CONTOSO, by=BY)

    assert [outcome.app for outcome in change.outcomes] == [APP, OTHER]
    assert store.tenants() == ()
    assert len(list(store.history(tenant=CONTOSO))) == 4
    a_tenant(store)
    assert store.configuration(CONTOSO).apps == ()
    assert store.verify() == ()


CHANGES: dict[str, Any] = {
    "add": lambda store, **more: store.add_tenant(FABRIKAM, None, **more),
    "rename": lambda store, **more: store.rename_tenant(CONTOSO, "x", **more),
    "disable": lambda store, **more: store.disable_tenant(CONTOSO, **more),
    "enable": lambda store, **more: store.enable_tenant(CONTOSO, **more),
    "remove": lambda store, **more: store.remove_tenant(CONTOSO, **more),
}


@pytest.mark.parametrize("verb", ["rename", "disable", "enable", "remove"])
def test_a_tenant_must_be_known_to_be_changed(store: Store, verb: str) -> None:
    change = CHANGES[verb]
    for what_if in (True, False):
        with pytest.raises(UnknownTenant):
            change(store, by=BY, what_if=what_if)


@pytest.mark.parametrize("verb", ["add", "rename", "disable", "remove"])
def test_a_what_if_changes_nothing(store: Store, verb: str) -> None:
    change = CHANGES[verb]
    a_tenant(store)
    a_grant(store)
    before = (store.head(), store.tenants())

    assert change(store, by=BY, what_if=True).effective

    assert (store.head(), store.tenants()) == before


@pytest.mark.parametrize(
    "text",
    [
        CONTOSO.value,
        CONTOSO.value.upper(),
        f" {{{CONTOSO}}} ",
        f"urn:uuid:{CONTOSO}",
        "Contoso",
        "cONTOSO",
        " contoso ",
    ],
)
def test_a_tenant_is_found_by_id_and_by_name(store: Store, text: str) -> None:
    a_tenant(store)

    assert store.find_tenant(text).id == CONTOSO


@pytest.mark.parametrize("text", ["contosso", "b7d4c6de-2d5f-4a53-9a9a-5c0e6b0f3d22"])
def test_what_is_not_found_is_told_with_what_may_have_been_meant(store: Store, text: str) -> None:
    a_tenant(store)

    with pytest.raises(UnknownTenant, match="did you mean '(Contoso|b7d4c6de)"):
        store.find_tenant(text)


@pytest.mark.parametrize("text", ["", "x" * 500, "a\0b", "nothing like it", "\ud800"])
def test_what_is_no_tenant_is_unknown(store: Store, text: str) -> None:
    a_tenant(store)

    with pytest.raises(UnknownTenant):
        store.find_tenant(text)


def test_a_tenant_is_found_as_it_was(store: Store) -> None:
    a_tenant(store)
    change = store.rename_tenant(CONTOSO, "Other", by=BY)
    gone = store.remove_tenant(CONTOSO, by=BY)

    assert store.find_tenant("Contoso", as_of=Revision(1)).name == "Contoso"
    assert store.find_tenant("other", as_of=change.revision).name == "Other"
    with pytest.raises(UnknownTenant):
        store.find_tenant("Contoso", as_of=gone.revision)


def test_revoking_is_not_forgetting(store: Store) -> None:
    a_grant(store)
    revoke(store)

    assert [tenant.id for tenant in store.tenants()] == [CONTOSO]
