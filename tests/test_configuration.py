from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantcfg.configuration import (
    MAX_APPS,
    ApplicationMeetingConfiguration,
    Applied,
    Grant,
    ListModifier,
    Outcome,
    Result,
    apply,
)
from tenantcfg.errors import InvalidInput
from tenantcfg.ids import AppId, Revision, TenantId
from tenantcfg.instants import Instant

A, B, C = AppId("a"), AppId("b"), AppId("c")
NOW = Instant(100)


def a_grant(app: AppId, *, ends: int | None = None, granted: int = 1) -> Grant:
    until = None if ends is None else Instant(ends)
    return Grant(app, Revision(granted), Revision(granted), 0, until)


def outcomes(applied: Applied) -> dict[str, str]:
    return {outcome.app.value: outcome.result.value for outcome in applied.outcomes}


# The law: any sequence of edits, against a model of plain strings and sets.


@dataclass(frozen=True)
class Edit:
    """What one line asks, in plain words; *ends* is how long from now, or None for always."""

    add: tuple[str, ...]
    remove: tuple[str, ...]
    replace: tuple[str, ...] | None
    ends: dict[str, int | None]
    wait: int

    def modifier(self, now: int) -> ListModifier:
        return ListModifier(
            add=tuple(map(AppId, self.add)),
            remove=tuple(map(AppId, self.remove)),
            replace=None if self.replace is None else tuple(map(AppId, self.replace)),
            expiries={
                AppId(app): None if span is None else Instant(now + span)
                for app, span in self.ends.items()
            },
        )


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    names = st.lists(st.sampled_from("abcde"), max_size=4).map(tuple)
    whole = draw(st.booleans())
    add, remove, new = ((), (), draw(names)) if whole else (draw(names), draw(names), None)
    wanted = sorted({*add, *(new or ())})
    spans = st.none() | st.integers(1, 6)
    ends = draw(st.dictionaries(st.sampled_from(wanted), spans)) if wanted else {}
    return Edit(add, remove, new, ends, draw(st.integers(0, 4)))


class Model:
    """The list as a person keeps it on paper: who is on it, since which line, until when."""

    def __init__(self) -> None:
        self.paper: dict[str, int | None] = {}

    def edit(self, edit: Edit, now: int) -> dict[str, str]:
        before = {app: end for app, end in self.paper.items() if end is None or end > now}
        if edit.replace is not None:
            goal = set(edit.replace)
        else:
            goal = (set(before) - set(edit.remove)) | set(edit.add)
        after = {app: end for app, end in before.items() if app in goal}
        for app in [*(edit.replace or ()), *edit.add]:
            after.setdefault(app, None)
            if app in edit.ends:
                span = edit.ends[app]
                after[app] = None if span is None else now + span
        self.paper = after
        touched = {*edit.add, *edit.remove, *(edit.replace or ()), *(set(before) - goal)}
        return {app: self.word(app, before, after) for app in touched}

    @staticmethod
    def word(app: str, before: dict[str, int | None], after: dict[str, int | None]) -> str:
        if (app in before) != (app in after):
            return "added" if app in after else "removed"
        return "unchanged" if before.get(app) == after.get(app) else "changed"


def written(current: list[Grant], applied: Applied, revision: int) -> list[Grant]:
    """The open grants after *applied*, as the store writes them."""
    rows = {grant.app: grant for grant in current}
    for position, outcome in enumerate(applied.outcomes):
        if outcome.result is Result.REMOVED:
            del rows[outcome.app]
        elif outcome.result is Result.ADDED:
            rows.pop(outcome.app, None)
            rows[outcome.app] = Grant(
                outcome.app, Revision(revision), Revision(revision), position, outcome.expires_at
            )
        elif outcome.result is Result.CHANGED:
            rows[outcome.app] = replace(
                rows[outcome.app], since=Revision(revision), expires_at=outcome.expires_at
            )
    return sorted(rows.values(), key=lambda grant: (grant.granted, grant.position))


@given(st.lists(edits(), max_size=12))
def test_any_sequence_of_edits_does_what_the_paper_says(steps: list[Edit]) -> None:
    model, current, now = Model(), list[Grant](), 100
    for revision, step in enumerate(steps, 1):
        now += step.wait
        applied = apply(step.modifier(now), current, now=Instant(now))
        expected = model.edit(step, now)
        assert outcomes(applied) == expected
        assert len(applied.outcomes) == len(expected)
        assert [app.value for app in applied.apps] == list(model.paper)
        current = written(current, applied, revision)
        in_force = [grant for grant in current if grant.in_force(Instant(now))]
        assert {grant.app.value: grant.expires_at for grant in in_force} == model.paper
        assert [grant.app for grant in in_force] == list(applied.apps)


@given(st.lists(edits(), max_size=5), edits())
def test_asking_the_same_twice_changes_nothing_the_second_time(
    steps: list[Edit], last: Edit
) -> None:
    current: list[Grant] = []
    for revision, step in enumerate([*steps, last], 1):
        current = written(current, apply(step.modifier(100), current, now=NOW), revision)
    again = apply(last.modifier(100), current, now=NOW)
    assert not again.effective
    assert written(current, again, 99) == current


@given(st.lists(edits(), max_size=5))
def test_what_is_given_is_not_modified(steps: list[Edit]) -> None:
    current: list[Grant] = []
    for revision, step in enumerate(steps, 1):
        before = list(current)
        applied = apply(step.modifier(100), current, now=NOW)
        assert current == before
        current = written(current, applied, revision)


# Single claims


def test_removing_and_adding_keeps_the_row_its_giver_and_its_expiry() -> None:
    current = [a_grant(A, ends=200), a_grant(B, granted=2)]
    applied = apply(ListModifier(remove=(A,), add=(A,)), current, now=NOW)
    assert applied == Applied((A, B), (Outcome(A, Result.UNCHANGED, Instant(200)),))
    assert not applied.effective


def test_removing_and_adding_what_is_not_there_adds_it() -> None:
    assert apply(ListModifier(remove=(A,), add=(A,)), [], now=NOW) == Applied(
        (A,), (Outcome(A, Result.ADDED),)
    )


def test_a_replace_keeps_what_stays_and_says_what_only_it_took_away_last() -> None:
    current = [a_grant(A), a_grant(B), a_grant(C, ends=300)]
    applied = apply(ListModifier(replace=(AppId("d"), B)), current, now=NOW)
    assert applied.apps == (B, AppId("d"))
    assert applied.outcomes == (
        Outcome(AppId("d"), Result.ADDED),
        Outcome(B, Result.UNCHANGED),
        Outcome(A, Result.REMOVED),
        Outcome(C, Result.REMOVED, None, Instant(300)),
    )


def test_an_empty_replace_clears_the_list() -> None:
    applied = apply(ListModifier(replace=()), [a_grant(A)], now=NOW)
    assert applied == Applied((), (Outcome(A, Result.REMOVED),))


def test_removals_are_told_before_additions_and_each_app_once() -> None:
    applied = apply(ListModifier(add=(B, C, B), remove=(A, A)), [a_grant(A)], now=NOW)
    assert applied.outcomes == (
        Outcome(A, Result.REMOVED),
        Outcome(B, Result.ADDED),
        Outcome(C, Result.ADDED),
    )


def test_a_new_expiry_is_a_change_with_the_old_one_beside_it() -> None:
    current = [a_grant(A, ends=200)]
    later = apply(ListModifier(add=(A,), expiries={A: Instant(300)}), current, now=NOW)
    never = apply(ListModifier(add=(A,), expiries={A: None}), current, now=NOW)
    assert later.outcomes == (Outcome(A, Result.CHANGED, Instant(300), Instant(200)),)
    assert never.outcomes == (Outcome(A, Result.CHANGED, None, Instant(200)),)
    assert later.effective


def test_a_grant_that_ran_out_this_very_moment_is_added_anew() -> None:
    applied = apply(ListModifier(add=(A,)), [a_grant(A, ends=100)], now=NOW)
    assert applied.outcomes == (Outcome(A, Result.ADDED, None, Instant(100)),)


def test_removing_what_ran_out_is_no_change() -> None:
    applied = apply(ListModifier(remove=(A,)), [a_grant(A, ends=100)], now=NOW)
    assert applied == Applied((), (Outcome(A, Result.UNCHANGED),))


def test_the_ten_thousandth_app_is_taken_and_the_next_refused() -> None:
    many = tuple(AppId(f"app-{i}") for i in range(MAX_APPS))
    full = [a_grant(app) for app in many]
    assert len(apply(ListModifier(add=many), [], now=NOW).apps) == MAX_APPS
    with pytest.raises(InvalidInput, match=r"too many apps: 10001: .*at most 10000: remove some"):
        apply(ListModifier(add=(A,)), full, now=NOW)
    assert len(apply(ListModifier(add=(A,), remove=many[:1]), full, now=NOW).apps) == MAX_APPS
    run_out = [a_grant(app, ends=1) for app in many]
    assert apply(ListModifier(add=(A,)), run_out, now=NOW).apps == (A,)


@pytest.mark.parametrize("beside", [ListModifier(add=(A,)), ListModifier(remove=(A,))])
def test_replace_stands_alone(beside: ListModifier) -> None:
    with pytest.raises(InvalidInput, match="^Replace stands beside Add or Remove: .*one or the"):
        replace(beside, replace=())


@pytest.mark.parametrize(
    "modifier", [ListModifier(remove=(A,)), ListModifier(replace=(B,)), ListModifier(add=(B,))]
)
def test_an_expiry_is_for_an_app_that_is_granted(modifier: ListModifier) -> None:
    with pytest.raises(InvalidInput, match="an expiry for an app that is not granted: 'a'"):
        replace(modifier, expiries={A: None})


def test_a_configuration_lists_its_apps_in_order() -> None:
    grants = (a_grant(B), a_grant(A))
    configuration = ApplicationMeetingConfiguration(TenantId("t"), Revision(1), NOW, grants)
    assert configuration.apps == (B, A)
    assert configuration.action == "remove_participant"


@pytest.mark.parametrize(("now", "there"), [(99, True), (100, False), (101, False)])
def test_a_right_is_gone_at_the_instant_of_its_expiry(
    now: int,
    there: bool,  # noqa: FBT001
) -> None:
    assert a_grant(A, ends=100).in_force(Instant(now)) is there
    assert a_grant(A).in_force(Instant(now))
