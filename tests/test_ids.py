from __future__ import annotations

import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantcfg.errors import InvalidInput
from tenantcfg.ids import MAX_ID_LENGTH, AppId, Revision, TenantId, is_guid, near_misses, slips

GUID = "5817674c-81d9-4adb-bfb2-8f6a442e4622"

guids = st.uuids().map(str)
printable = st.characters(codec="utf-8", exclude_categories=("C", "Z"))
ids = st.one_of(
    guids,
    st.text(printable, min_size=1, max_size=MAX_ID_LENGTH).filter(str.isprintable),
)


def either_case(text: str) -> st.SearchStrategy[str]:
    return st.lists(st.booleans(), min_size=len(text), max_size=len(text)).map(
        lambda upper: "".join(
            one.upper() if up else one for one, up in zip(text, upper, strict=True)
        )
    )


@given(guids.flatmap(either_case))
def test_a_guid_is_the_same_id_in_any_case(text: str) -> None:
    assert AppId.exact(text) == AppId(text.lower())
    assert TenantId.exact(text).value == text.lower()


@given(ids)
def test_the_canonical_form_is_a_fixed_point(text: str) -> None:
    once = AppId.exact(text)
    assert AppId.exact(once.value) == once
    assert AppId.parse(once.value) == once
    assert AppId(once.value) == once


@given(ids, ids)
def test_two_ids_are_equal_when_their_canonical_forms_are(one: str, other: str) -> None:
    def form(text: str) -> str:
        return text.lower() if is_guid(text) else text

    equal = AppId.exact(one) == AppId.exact(other)
    assert equal == (form(one) == form(other))


@given(st.text())
def test_any_text_is_an_id_or_a_refusal(text: str) -> None:
    for door in (AppId.exact, AppId.parse, TenantId.exact, TenantId.parse):
        try:
            value = door(text).value
        except InvalidInput as refusal:
            message = str(refusal)
        else:
            message = value
            assert 1 <= len(value) <= MAX_ID_LENGTH
            assert value == value.strip()
        assert message.isprintable()


@given(guids.flatmap(either_case), st.sampled_from(["", "urn:uuid:", "URN:UUID:"]), st.booleans())
def test_an_admin_may_wrap_a_guid(guid: str, urn: str, braces: bool) -> None:  # noqa: FBT001
    wrapped = urn + (f"{{{guid}}}" if braces else guid)
    assert AppId.parse(f"  {wrapped}\t\n") == AppId(guid.lower())


@pytest.mark.parametrize(
    "text", [f"{{{GUID}}}", f"urn:uuid:{GUID}", "{app_id}", "urn:uuid:app_id", "{", "{}", "urn:"]
)
def test_a_service_means_what_it_says(text: str) -> None:
    assert AppId.exact(text).value == text


@pytest.mark.parametrize("text", ["{app_id}", "urn:uuid:app_id", "{", "{}", f"{{{GUID}", "urn:x"])
def test_only_what_stands_round_a_guid_is_taken_off(text: str) -> None:
    assert AppId.parse(text).value == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("x" * 129, "it has 129 characters"),
        ("a\tb", "a character that cannot be printed"),
        ("a\x00b", "a character that cannot be printed"),
        ("a\u00a0b", "a character that cannot be printed"),
        ("a\u200bb", "a character that cannot be printed"),
        ("a\ud800", "a character that cannot be printed"),
        (" a", "a blank stands at its end"),
        ("a ", "a blank stands at its end"),
        (f"{GUID}\n", "a character that cannot be printed"),
    ],
)
def test_what_no_id_can_be_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as caught:
        AppId.exact(text)
    assert str(caught.value).startswith("not an app id: '")


def test_blanks_inside_and_the_longest_id_are_allowed() -> None:
    assert AppId.exact("an app").value == "an app"
    assert AppId.exact("x" * 128).value == "x" * 128


@pytest.mark.parametrize("given", [None, 7, b"app", ["app"], True])
def test_what_is_no_string_is_refused_not_converted(given: object) -> None:
    for door in (TenantId.exact, TenantId.parse):
        with pytest.raises(InvalidInput, match="not a tenant id: .*: it is no string"):
            door(given)  # type: ignore[arg-type]


def test_an_id_is_made_from_its_canonical_form_alone() -> None:
    with pytest.raises(InvalidInput, match=r"not in canonical form: use parse\(\) or exact\(\)"):
        AppId(GUID.upper())


def test_a_tenant_and_an_app_of_the_same_text_differ() -> None:
    assert len({TenantId("x"), AppId("x"), TenantId("x")}) == 2


def test_ids_sort_print_and_travel() -> None:
    two = [AppId("b"), AppId("a")]
    assert sorted(two) == [AppId("a"), AppId("b")]
    assert f"{two[0]}" == "b"
    assert pickle.loads(pickle.dumps(two)) == two  # noqa: S301


@pytest.mark.parametrize(
    ("text", "pastable"),
    [(GUID, True), ("app_id", True), ("a.b-c", True), ("a b", False), ("a'b", False), ("é", False)],
)
def test_an_id_knows_whether_it_may_stand_unquoted_in_a_line(
    text: str,
    pastable: bool,  # noqa: FBT001
) -> None:
    assert AppId(text).pastable is pastable
    assert AppId(text).is_guid is (text == GUID)


# Revisions


@given(st.integers(0, 10**18 - 1))
def test_a_revision_is_read_back_from_its_text_and_from_its_receipt(number: int) -> None:
    revision = Revision(number)
    assert Revision.parse(str(revision)) == revision
    assert Revision.parse(f" {revision}:{'0a' * 32}\n") == revision
    assert repr(revision) == f"Revision({number})"
    assert f"{revision}" == str(number)


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1.0", "1:", "1:xyz", "1:" + "A" * 64, "²", "٣", "1 2", "9" * 19, "0x1", "+1"],
)
def test_what_is_no_revision_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a revision: .*tenantcfg history lists them"):
        Revision.parse(text)


# Near misses


alphabet = string.ascii_lowercase[:3] + "A"


def slipped(word: str) -> set[str]:
    """Every text that one slip makes of *word*, by doing it."""
    letters = alphabet.lower()
    made = {word}
    for i in range(len(word) + 1):
        made |= {word[:i] + one + word[i:] for one in letters}
        made |= {word[:i] + one + word[i + 1 :] for one in letters}
        made |= {word[:i] + word[i + 1 :]}
        made |= {word[:i] + word[i : i + 2][::-1] + word[i + 2 :]}
    return made


@given(st.text(alphabet, max_size=6), st.text(alphabet, max_size=6))
def test_a_near_miss_is_one_slip_of_the_finger(wanted: str, known: str) -> None:
    near = len(wanted) > 3 and wanted != known and known.lower() in slipped(wanted.lower())
    assert near_misses(wanted, [known]) == ((known,) if near else ())


@given(st.text(alphabet.lower(), max_size=6))
def test_what_is_looked_up_is_what_would_be_found(word: str) -> None:
    assert {word, *slips(word, alphabet.lower())} == slipped(word)


def test_near_misses_are_five_at_most_in_the_order_known_and_never_the_word_itself() -> None:
    known = ["apps", "Apps", "appq", "app", "appss", "paps", "apqs", "appt", "appu"]
    assert near_misses("apps", known) == ("Apps", "appq", "app", "appss", "paps")
    assert near_misses("app", ["apq"]) == ()
