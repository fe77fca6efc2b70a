"""The raw path is split in one place, before anything is decoded (participants P1 to P3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantcfg.service.paths import PathId, Place, split

CALL, ONE = PathId(b"c-1"), PathId(b"p-1")


@pytest.mark.parametrize("base", ["", "/v1.0", "/beta"])
@pytest.mark.parametrize(("tree", "deprecated"), [("communications", False), ("app", True)])
def test_every_place_has_its_path_p1_p2(base: str, tree: str, *, deprecated: bool) -> None:
    start = f"{base}/{tree}/calls".encode()

    def place(**more: object) -> Place:
        return Place(base.encode(), deprecated, **more)  # type: ignore[arg-type]

    assert split(start) == place()
    assert split(start + b"/c-1") == place(call=CALL)
    assert split(start + b"/c-1/participants") == place(call=CALL, roster=True)
    whole = place(call=CALL, roster=True, participant=ONE)
    assert split(start + b"/c-1/participants/p-1") == whole


def test_one_empty_segment_behind_the_version_is_the_same_path_p1() -> None:
    plain = split(b"/v1.0/communications/calls/c-1/participants/p-1")

    assert split(b"/v1.0//communications/calls/c-1/participants/p-1") == plain


def test_ids_in_key_form_are_ids_but_not_plain_p2() -> None:
    found = split(b"/communications/calls('c-1')/participants(%27p-1%27)")

    call, one = PathId(b"c-1", keyed=True), PathId(b"p-1", keyed=True)
    assert found == Place(b"", deprecated=False, call=call, roster=True, participant=one)
    assert not call.plain


def test_a_list_has_no_participants_p2() -> None:
    found = split(b"/communications/calls/participants")

    assert found == Place(b"", deprecated=False, call=PathId(b"participants"))
    assert split(b"/communications/calls/participants/p-1") is None


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"/v1.0",
        b"/v1.0/",
        b"communications/calls/c-1",
        b"//communications/calls/c-1/participants/p-1",
        b"/v1.0///communications/calls/c-1/participants/p-1",
        b"/v2.0/communications/calls/c-1/participants/p-1",
        b"/v1.0/beta/communications/calls/c-1/participants/p-1",
        b"/v1x0/communications/calls/c-1/participants/p-1",
        b"/communications//calls/c-1/participants/p-1",
        b"/communications/calls//participants/p-1",
        b"/communications/calls/c-1//participants/p-1",
        b"/communications/calls/c-1/participants/",
        b"/communications/calls/c-1/participants//p-1",
        b"/communications/calls/c-1/participants/p-1/",
        b"/communications/calls/c-1/participants/p-1/mute",
        b"/communications;x/calls/c-1/participants/p-1",
        b"/communications/calls;x/c-1/participants/p-1",
        b"/communications/calls/c-1/participants;x/p-1",
        b"/Communications/calls/c-1/participants/p-1",
        b"/communications/calls/c-1/Participants/p-1",
        b"/communications%2Fcalls/c-1/participants/p-1",
        b"/%63ommunications/calls/c-1/participants/p-1",
        b"\\communications\\calls\\c-1\\participants\\p-1",
        b"http://api.example.com/communications/calls/c-1/participants/p-1",
        b"/x/communications/calls/c-1/participants/p-1",
        b"/communications/calls()/participants/p-1",
        b"/communications/calls('')/participants/p-1",
    ],
)
def test_nearly_the_path_is_not_the_path(path: bytes) -> None:
    assert split(path) is None


@pytest.mark.parametrize(
    "raw",
    [b".", b"..", b"%2e%2e", b"a%2Fb", b"a;x", b"a\\b", b"a%00", b"a b", b"\xe4", b"a:b", b"a\n"],
)
def test_an_id_that_somebody_may_read_otherwise_is_not_plain_f5(raw: bytes) -> None:
    found = split(b"/communications/calls/c-1/participants/" + raw)

    assert found is not None
    assert found.participant == PathId(raw)
    assert not found.participant.plain


@given(st.binary(min_size=1), st.binary(min_size=1))
def test_an_id_is_what_stands_between_two_slashes_and_nothing_else(call: bytes, one: bytes) -> None:
    found = split(b"/beta/app/calls/" + call + b"/participants/" + one)

    if b"/" not in call and b"/" not in one:
        assert found == Place(b"/beta", True, PathId(call), True, PathId(one))  # noqa: FBT003
    elif found is not None and found.participant is not None and found.call is not None:
        # The slashes may have made another path of it; not one that says more than is there.
        assert b"/" not in found.call.raw + found.participant.raw
