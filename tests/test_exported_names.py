from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import tenantcfg

ROOMS = ["errors", "ids", "instants", "configuration", "history", "decision"]


@pytest.mark.parametrize("name", tenantcfg.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(tenantcfg, name) is not None


@pytest.mark.parametrize("name", [name for name in tenantcfg.__all__ if name != "__version__"])
def test_a_public_name_is_that_of_its_room(name: str) -> None:
    homes = [
        room for room in [*ROOMS, "store"] if name in import_module(f"tenantcfg.{room}").__all__
    ]
    assert homes
    assert all(
        getattr(import_module(f"tenantcfg.{room}"), name) is getattr(tenantcfg, name)
        for room in homes
    )


PUBLIC = """
    Actor AppId ApplicationMeetingConfiguration Attribution Change Conflict Decision Deny Grant
    InvalidInput ListModifier NotAdmitted OutcomeUnknown Permit Reason Refused Revision
    RevisionNotReached SettingInvalid Store StoreFull StoreMissing StoreNewer StoreNotOurs
    StoreOlder StoreReadOnly StoreUnusable TenantId TenantNotNamed TenantcfgError Unavailable
    UnknownTenant __version__
"""


def test_the_public_names_are_these() -> None:
    assert sorted(tenantcfg.__all__) == sorted(PUBLIC.split())
    assert dir(tenantcfg) == sorted(tenantcfg.__all__)


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'tenantcfg' has no attribute 'Nothing'"):
        tenantcfg.Nothing  # noqa: B018


@pytest.mark.parametrize("room", ROOMS)
def test_a_pure_room_names_what_it_exports(room: str) -> None:
    module = import_module(f"tenantcfg.{room}")
    own = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }
    assert own <= set(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


ASKING = """
import sys, tenantcfg
tenantcfg.AppId("x"), tenantcfg.Permit()
print(*{"sqlalchemy", "click", "tenantcfg.powershell", "tenantcfg.store"} & set(sys.modules))
"""


def test_the_door_loads_nothing_until_it_is_used() -> None:
    told = subprocess.run(
        [sys.executable, "-c", ASKING], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == ""
