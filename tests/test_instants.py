from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantcfg import instants
from tenantcfg.errors import InvalidInput
from tenantcfg.instants import Instant

FIRST = -62_135_596_800_000_000
LAST = 253_402_300_799_999_999


@given(st.integers(FIRST, LAST))
def test_an_instant_written_and_read_is_the_same_instant(microseconds: int) -> None:
    instant = Instant(microseconds)
    text = instants.text(instant)
    assert instants.parse(text) == instant
    assert instants.parse(text.lower().replace("t", " ")) == instant
    assert instants.from_datetime(instants.to_datetime(instant)) == instant


@given(st.integers(FIRST, LAST), st.integers(FIRST, LAST))
def test_later_is_later_in_text_as_well_to_the_second(one: int, other: int) -> None:
    first, second = sorted((one, other))
    assert instants.text(Instant(first))[:19] <= instants.text(Instant(second))[:19]


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (500_000, "1970-01-01T00:00:00.500000Z"),
        (FIRST, "0001-01-01T00:00:00Z"),
        (FIRST + 1, "0001-01-01T00:00:00.000001Z"),
        (LAST, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_fraction_is_written_only_where_there_is_one(instant: int, text: str) -> None:
    assert instants.text(Instant(instant)) == text


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2027-01-31T18:00:00+00:00", "2027-01-31T18:00:00Z"),
        ("2027-01-31T18:00:00-00:00", "2027-01-31T18:00:00Z"),
        ("2027-01-31t18:00:00z", "2027-01-31T18:00:00Z"),
        ("2027-01-31 18:00:00Z", "2027-01-31T18:00:00Z"),
        ("2027-01-31T18:00:00+05:30", "2027-01-31T12:30:00Z"),
        ("2027-01-31T18:00:00-23:59", "2027-02-01T17:59:00Z"),
        ("2027-01-31T18:00:00.5Z", "2027-01-31T18:00:00.500000Z"),
        ("2027-01-31T18:00:00.1234567891234Z", "2027-01-31T18:00:00.123456Z"),
        ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
    ],
)
def test_every_way_of_rfc_3339_is_read(text: str, same: str) -> None:
    assert instants.text(instants.parse(text)) == same


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "RFC 3339 is wanted"),
        ("tomorrow", "RFC 3339 is wanted"),
        ("2027-01-31", "RFC 3339 is wanted"),
        ("2027-01-31T18:00Z", "RFC 3339 is wanted"),
        ("20270131T180000Z", "RFC 3339 is wanted"),
        ("2027-W05-7T18:00:00Z", "RFC 3339 is wanted"),
        ("2027-01-31T18:00:00+0530", "RFC 3339 is wanted"),
        ("2027-01-31T18:00:00+05:30:10", "RFC 3339 is wanted"),
        ("2027-01-31T24:00:00Z", "RFC 3339 is wanted"),
        ("2027-01-31T18:60:00Z", "RFC 3339 is wanted"),
        ("2027-01-31T18:00:00+24:00", "RFC 3339 is wanted"),
        ("2027-01-31T18:00:00+05:99", "RFC 3339 is wanted"),
        ("２027-01-31T18:00:00Z", "RFC 3339 is wanted"),
        ("2027-01-31T18:00:00Z\n", "RFC 3339 is wanted"),
        ("2027-02-29T00:00:00Z", "there is no such time"),
        ("2027-13-01T00:00:00Z", "there is no such time"),
        ("2027-01-31T18:00:61Z", "there is no such time"),
        ("0000-01-01T00:00:00Z", "there is no such time"),
        ("2027-01-31T18:00:00", "it has no time zone: write 2027-01-31T18:00:00Z"),
        ("9999-12-31T23:59:59-01:00", "outside the years 1 to 9999"),
        ("0001-01-01T00:00:00+01:00", "outside the years 1 to 9999"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match="^not an instant: ") as caught:
        instants.parse(text)
    assert why in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_an_instant_or_a_refusal(text: str) -> None:
    try:
        instant = instants.parse(text)
    except InvalidInput:
        return
    assert FIRST <= instant <= LAST


class _Undecided(tzinfo):
    def utcoffset(self, _moment: datetime | None) -> timedelta | None:
        return None

    def dst(self, _moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, _moment: datetime | None) -> str | None:
        return None


@pytest.mark.parametrize("zone", [None, _Undecided()])
def test_a_datetime_without_an_offset_is_refused(zone: tzinfo | None) -> None:
    with pytest.raises(InvalidInput, match="it has no time zone"):
        instants.from_datetime(datetime(2027, 1, 1, tzinfo=zone))


def test_a_datetime_of_any_zone_is_its_instant() -> None:
    there = timezone(timedelta(hours=-8))
    assert instants.from_datetime(datetime(2027, 1, 1, 16, tzinfo=there)) == instants.from_datetime(
        datetime(2027, 1, 2, tzinfo=UTC)
    )


# Durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("90s", 90), ("15m", 900), ("4h", 14_400), ("30d", 2_592_000), ("2w", 1_209_600)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert instants.parse_duration(text) == seconds * 1_000_000


@pytest.mark.parametrize(
    "text", ["", "4", "h", "0s", "0w", "-1h", "1.5h", "1 h", "4H", "1h30m", "٤h", "36601d", "4h\n"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="^not a duration: .*4h or 30d, for example$"):
        instants.parse_duration(text)


def test_a_hundred_years_are_the_longest_duration() -> None:
    assert instants.parse_duration("36600d") == 36_600 * 86_400_000_000


NAMED = ("--at", "--in")


def test_an_expiry_is_an_instant_or_counts_from_the_clock_that_is_asked() -> None:
    at = instants.parse_expiry("2027-01-31T18:00:00Z", None, named=NAMED)
    after = instants.parse_expiry(None, "4h", named=NAMED)
    clock = iter([instants.Instant(5)])

    assert at is not None
    assert after is not None
    assert at.instant(lambda: next(clock)) == instants.parse("2027-01-31T18:00:00Z")
    assert after.instant(lambda: next(clock)) == 5 + 4 * 3600 * 1_000_000
    assert instants.parse_expiry(None, None, named=NAMED) is None


@pytest.mark.parametrize(
    ("at", "after", "message"),
    [
        ("2027-01-31T18:00:00Z", "4h", "--at and --in are both given: give one"),
        ("", "4h", "both given"),
        ("", None, "not an instant: ''"),
        (None, "", "not a duration: ''"),
    ],
)
def test_no_expiry_is_guessed(at: str | None, after: str | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        instants.parse_expiry(at, after, named=NAMED)
