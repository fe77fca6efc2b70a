from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantcfg.decision import Deny, Facts, Permit, decide
from tenantcfg.errors import Reason
from tenantcfg.ids import Revision
from tenantcfg.instants import Instant

NOW = Instant(1_000)
AT = Revision(7)


def facts(*, enabled: bool | None = True, granted: bool = True, ends: int | None = None) -> Facts:
    return Facts(AT, enabled, granted, None if ends is None else Instant(ends))


@pytest.mark.parametrize(
    ("known", "decision"),
    [
        (facts(), Permit()),
        (facts(ends=1_001), Permit()),
        (facts(ends=1_000), Deny(Reason.GRANT_NOT_IN_FORCE)),
        (facts(ends=999), Deny(Reason.GRANT_NOT_IN_FORCE)),
        (facts(granted=False), Deny(Reason.NOT_GRANTED)),
        (facts(enabled=False), Deny(Reason.TENANT_DISABLED)),
        (facts(enabled=False, ends=999), Deny(Reason.TENANT_DISABLED)),
        (facts(enabled=False, granted=False), Deny(Reason.TENANT_DISABLED)),
        (facts(enabled=None), Deny(Reason.NOT_GRANTED)),
        (facts(enabled=None, granted=False), Deny(Reason.NOT_GRANTED)),
        (facts(enabled=None, ends=999), Deny(Reason.NOT_GRANTED)),
    ],
)
def test_the_first_reason_wins_and_the_last_moment_is_the_one_before_the_end(
    known: Facts, decision: Permit | Deny
) -> None:
    assert decide(known, NOW) == decision
    assert decide(known, NOW).revision == AT


@given(
    st.sampled_from([True, False, None]),
    st.booleans(),
    st.none() | st.integers(-5, 5),
    st.integers(-5, 5),
)
def test_permit_means_enabled_granted_and_not_over(
    enabled: bool | None,  # noqa: FBT001
    granted: bool,  # noqa: FBT001
    ends: int | None,
    now: int,
) -> None:
    decision = decide(facts(enabled=enabled, granted=granted, ends=ends), Instant(now))
    over = ends is not None and not now < ends
    assert bool(decision) == (enabled is True and granted and not over)


@given(st.none() | st.integers(-5, 5), st.integers(-5, 5), st.integers(0, 5))
def test_time_never_brings_a_right_back(ends: int | None, now: int, later: int) -> None:
    if not decide(facts(ends=ends), Instant(now)):
        assert not decide(facts(ends=ends), Instant(now + later))


def test_a_permit_is_true_and_a_denial_is_false() -> None:
    assert Permit()
    assert not Deny(Reason.NOT_GRANTED)


def test_decisions_compare_without_their_revision_and_reasons_by_their_spelling() -> None:
    assert Permit(Revision(1)) == Permit(Revision(2))
    assert Deny(Reason.NOT_GRANTED, Revision(1)) == Deny(Reason.NOT_GRANTED)
    assert Deny(Reason.NOT_GRANTED).reason == "not_granted"
    assert Deny(Reason.NOT_GRANTED) != Deny(Reason.TENANT_DISABLED)
    assert len({Permit(Revision(1)), Permit(), Deny(Reason.NOT_GRANTED)}) == 2


def test_a_decision_travels_with_its_revision() -> None:
    denial = pickle.loads(pickle.dumps(Deny(Reason.NOT_GRANTED, AT)))  # noqa: S301
    assert (denial, denial.revision) == (Deny(Reason.NOT_GRANTED), AT)
