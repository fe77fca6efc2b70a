"""The judge of histories is shown bad ones, each with one thing wrong, and good ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.history_checker import Answer, Rule, Write, faults

GRANT = ("grant", "contoso", "app")
TENANT = ("tenant", "contoso")
KEY = ("key", "calls")

# Granted from 1 to 2, as revision 5; revoked from 3 to 4, as revision 6.
GRANTED = Write(GRANT, 1, 2, 5, in_force=True)
REVOKED = Write(GRANT, 3, 4, 6, in_force=False)
ABSENT = Write(GRANT, 0, 0, 4, in_force=False)
ENABLED = Write(TENANT, 0, 0, 4, in_force=True)
HISTORY = [ABSENT, ENABLED, GRANTED, REVOKED]


def an_answer(asked: float, answered: float, *, permit: bool, **more: Any) -> Answer:
    whole = {"facts": (GRANT,), "revision": None, **more}
    return Answer("one", "single", asked, answered, permit=permit, **whole)


def rules(writes: list[Write], *answers: Answer) -> list[Rule]:
    return [one.rule for one in faults(writes, answers)]


@pytest.mark.parametrize(
    ("asked", "answered", "permit", "revision"),
    [
        (0.1, 0.9, False, 4),
        (2.1, 2.9, True, 5),
        (4.1, 4.9, False, 6),
        # While a change is under way either is right.
        (1.1, 1.9, True, 5),
        (1.1, 1.9, False, 4),
        (2.5, 3.5, True, 5),
        (3.1, 3.9, False, 6),
        (3.5, 9.0, True, 5),
        (0.5, 9.0, True, None),
    ],
)
def test_what_can_be_is_no_fault(
    asked: float,
    answered: float,
    permit: bool,  # noqa: FBT001 - the parameter's value
    revision: int | None,
) -> None:
    assert not faults(HISTORY, [an_answer(asked, answered, permit=permit, revision=revision)])


def test_a_permit_for_a_check_sent_after_a_revoke_was_acknowledged() -> None:
    assert rules(HISTORY, an_answer(4.1, 4.2, permit=True)) == [Rule.PERMITTED]


def test_a_permit_before_anything_was_granted() -> None:
    assert rules(HISTORY, an_answer(0.1, 0.2, permit=True)) == [Rule.PERMITTED]


def test_a_denial_sent_after_a_grant_was_acknowledged() -> None:
    assert rules(HISTORY, an_answer(2.1, 2.2, permit=False)) == [Rule.DENIED]


def test_a_decision_that_is_not_that_of_its_revision() -> None:
    assert rules(HISTORY, an_answer(3.5, 9, permit=True, revision=6)) == [Rule.PERMITTED]
    assert rules(HISTORY, an_answer(3.5, 9, permit=False, revision=5)) == [Rule.DENIED]


def test_a_revision_below_one_that_was_acknowledged_before() -> None:
    fine = an_answer(4.1, 4.2, permit=True, facts=(TENANT,), revision=6)
    late = an_answer(4.1, 4.2, permit=True, facts=(TENANT,), revision=5)

    assert not faults(HISTORY, [fine])
    assert rules(HISTORY, late) == [Rule.OLDER]


def test_an_answer_of_a_standby_is_only_that_of_its_revision() -> None:
    late = an_answer(4.1, 4.2, permit=True, revision=5, promised=5, strict=False)
    wrong = an_answer(4.1, 4.2, permit=True, revision=6, promised=5, strict=False)

    assert not faults(HISTORY, [late])
    assert rules(HISTORY, wrong) == [Rule.PERMITTED]


def test_a_revision_below_a_promised_one() -> None:
    late = an_answer(2.1, 2.2, permit=True, revision=5, promised=6)

    assert rules(HISTORY, late) == [Rule.PROMISE]


def test_a_revision_that_runs_backwards_for_a_client_that_waits() -> None:
    before = an_answer(3.1, 3.2, permit=False, revision=6)
    after = an_answer(3.3, 3.4, permit=True, revision=5)
    another = Answer("two", "single", 3.3, 3.4, (GRANT,), 5, permit=True)

    assert rules(HISTORY, before, after) == [Rule.BACKWARDS]
    assert not faults(HISTORY, [before, another])


def test_a_permit_after_the_end_of_a_grant_and_a_denial_before() -> None:
    history = [ABSENT, Write(GRANT, 1, 2, 5, in_force=True, until=3)]

    assert not faults(history, [an_answer(2.5, 2.6, permit=True, revision=5)])
    assert not faults(history, [an_answer(2.9, 3.1, permit=False, revision=5)])
    assert rules(history, an_answer(3.1, 3.2, permit=True, revision=5)) == [Rule.PERMITTED]
    assert rules(history, an_answer(2.5, 2.6, permit=False, revision=5)) == [Rule.DENIED]


@pytest.mark.parametrize("fact", [TENANT, KEY])
def test_a_permit_in_a_tenant_that_is_disabled_or_by_a_key_that_was_revoked(
    fact: tuple[str, ...],
) -> None:
    history = [
        *HISTORY[:3],
        Write(fact, 0, 0, 4, in_force=True),
        Write(fact, 2.1, 2.2, 6, in_force=False),
    ]
    both = (GRANT, fact)

    assert not faults(history, [an_answer(2.15, 9, permit=True, facts=both)])
    assert not faults(history, [an_answer(2.3, 9, permit=False, facts=both)])
    assert rules(history, an_answer(2.3, 9, permit=True, facts=both)) == [Rule.PERMITTED]


def test_a_change_that_was_not_acknowledged_may_have_been_made_or_not() -> None:
    lost = Write(GRANT, 3, in_force=False)
    history = [ABSENT, GRANTED, lost]

    for permit in (True, False):
        assert not faults(history, [an_answer(9, 10, permit=permit, revision=7)])
    settled = Write(GRANT, 11, 12, 6, in_force=False)
    assert rules([*history, settled], an_answer(12.1, 13, permit=True)) == [Rule.PERMITTED]


def test_what_nobody_wrote_is_denied() -> None:
    other = (("grant", "contoso", "other"),)

    assert rules(HISTORY, an_answer(1, 2, permit=True, facts=other)) == [Rule.PERMITTED]
    assert not faults(HISTORY, [an_answer(1, 2, permit=False, facts=other)])
