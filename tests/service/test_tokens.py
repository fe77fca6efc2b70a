"""
Access tokens: what passes, what does not, and that nothing of it is told (participants P6 to P10).

The tokens are data beside this file: each usual mistake, in the form of v1 and of v2, signed with
real keys that a real key server publishes.
"""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantcfg.errors import SettingInvalid
from tenantcfg.ids import AppId, TenantId
from tenantcfg.service.tokens import (
    AccessTokens,
    Idtyp,
    Issuer,
    Refusal,
    TokenHolder,
    TokenRefused,
    TokenRules,
    token_of,
)
from tests.service.key_server import Page, running_key_server
from tests.service.token_cases import ANOTHER, CASES, V1, V2, made, published
from tests.service.token_maker import (
    APP,
    AUDIENCE,
    OBJECT,
    TENANT,
    claims_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.service.key_server import KeyServer

NOW = int(time.time())

HOLDERS = {
    form: TokenHolder(AppId(APP), TenantId(TENANT), "dGhpcy1pcy1hbi1pZA", OBJECT, version)
    for form, version in (("v1", "1.0"), ("v2", "2.0"))
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyServer]:
    """A key server that publishes the keys of both versions' issuers."""
    with running_key_server(tmp_path_factory.mktemp("keys")) as server:
        for form in ("v1", "v2"):
            server.pages[f"/{form}"] = Page(json.dumps({"keys": published(form)}).encode())
        yield server


def rules(server: KeyServer, **changed: Any) -> TokenRules:
    return TokenRules(
        issuers=(Issuer(V1, jwks=f"{server.url}/v1"), Issuer(V2, jwks=f"{server.url}/v2")),
        audiences=frozenset({AUDIENCE, f"api://{AUDIENCE}"}),
        ca_bundle=server.ca_bundle,
        **changed,
    )


@pytest.fixture(scope="module")
def judges(server: KeyServer) -> dict[str, AccessTokens]:
    """Those with keys at hand, by the rules they were made for."""
    return {}


def verified(judges: dict[str, AccessTokens], server: KeyServer, given: str, **rule: Any) -> object:
    """The holder of a token, or the kind of its refusal."""
    changed = {
        name: Idtyp(value) if name == "idtyp" else frozenset(value) for name, value in rule.items()
    }
    judge = judges.get(repr(rule))
    if judge is None:
        judge = judges[repr(rule)] = AccessTokens(rules(server, **changed), clock=lambda: NOW)
        asyncio.run(judge.prepare())
    try:
        return asyncio.run(judge.verify(given))
    except TokenRefused as refused:
        # Neither who sent it nor who reads the log finds the token in it.
        told = "".join(traceback.format_exception(refused))
        assert not any(part in told for part in given.split(".") if len(part) > 20)
        return refused.kind


@pytest.mark.parametrize("form", ["v1", "v2"])
@pytest.mark.parametrize("case", CASES, ids=[case["claim"] for case in CASES])
def test_a_token_passes_or_is_refused_as_its_case_says(
    judges: dict[str, AccessTokens], server: KeyServer, case: dict[str, Any], form: str
) -> None:
    answer = verified(judges, server, made(case, form, NOW), **case.get("rules", {}))

    assert answer == (HOLDERS[form] if case["expect"] == "holder" else Refusal(case["expect"]))


def test_cases_are_told_apart() -> None:
    assert len({case["claim"] for case in CASES}) == len(CASES)


def test_nothing_in_a_token_causes_a_fetch_but_of_its_issuers_own_keys(server: KeyServer) -> None:
    before = set(server.asked)
    judges: dict[str, AccessTokens] = {}
    for case in CASES:
        verified(judges, server, made(case, "v2", NOW))

    assert set(server.asked) - before <= {"/v1", "/v2"}


@given(st.data())
def test_one_changed_character_makes_a_token_no_good(
    judges: dict[str, AccessTokens], server: KeyServer, data: st.DataObject
) -> None:
    good = made({}, "v2", NOW)
    at = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.characters().filter(lambda one: one != good[at]))

    answer = verified(judges, server, good[:at] + other + good[at + 1 :])

    assert answer is Refusal.INVALID_TOKEN


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    name=st.sampled_from(sorted({*claims_of("v1", 0), *claims_of("v2", 0), "scp"})),
    value=JSON,
    form=st.sampled_from(["v1", "v2"]),
)
def test_no_value_of_a_claim_is_more_than_refused(
    judges: dict[str, AccessTokens], server: KeyServer, name: str, value: object, form: str
) -> None:
    whole = made({"claims": {name: {"raw": json.dumps(value)}}}, form, NOW)

    answer = verified(judges, server, whole)

    assert isinstance(answer, Refusal) or (answer.app, answer.tenant) == (  # type: ignore[attr-defined]
        HOLDERS[form].app,
        HOLDERS[form].tenant,
    )


@given(header=st.dictionaries(st.text(), JSON), more=JSON)
def test_no_header_is_more_than_refused(
    judges: dict[str, AccessTokens], server: KeyServer, header: dict[str, object], more: object
) -> None:
    for members in (header, {**header, "alg": "RS256", "kid": "k1", "x5c": more}):
        whole = made({"header_text": json.dumps(members)}, "v2", NOW)

        answer = verified(judges, server, whole)

        assert answer in {Refusal.INVALID_TOKEN, HOLDERS["v2"]}


@given(st.text() | st.binary().map(lambda some: some.decode("latin-1")))
def test_no_text_is_more_than_refused(
    judges: dict[str, AccessTokens], server: KeyServer, given: str
) -> None:
    assert verified(judges, server, given) in {Refusal.INVALID_TOKEN, Refusal.UNAUTHENTICATED}


def test_a_fixed_issuer_vouches_for_its_own_tenant_only(server: KeyServer) -> None:
    fixed = Issuer(V2.replace("{tid}", TENANT), jwks=f"{server.url}/v2")
    judge = AccessTokens(
        TokenRules((fixed,), frozenset({AUDIENCE}), ca_bundle=server.ca_bundle), clock=lambda: NOW
    )
    of_another = {"claims": {"tid": ANOTHER}}

    assert asyncio.run(judge.verify(made({}, "v2", NOW))) == HOLDERS["v2"]
    with pytest.raises(TokenRefused, match="none of ours for its tenant"):
        asyncio.run(judge.verify(made(of_another, "v2", NOW)))


def test_audit_takes_what_can_be_one_line(
    judges: dict[str, AccessTokens], server: KeyServer
) -> None:
    case = {"claims": {"uti": ["x"], "oid": "", "sub": "a" * 128}}

    answer = verified(judges, server, made(case, "v2", NOW))

    assert isinstance(answer, TokenHolder)
    assert (answer.token_id, answer.subject) == (None, "a" * 128)


def test_an_application_is_named_as_the_history_writes_it() -> None:
    assert HOLDERS["v1"].identity == f"entra:{APP}"


@pytest.mark.parametrize(
    ("values", "token"),
    [
        ([b"Bearer abc"], "abc"),
        ([b"bearer abc"], "abc"),
        ([b"BEARER  abc "], "abc"),
        ([b"Bearer a b"], "a b"),
        ([b"Bearer \xe9"], "é"),
    ],
)
def test_a_bearer_token_is_read_whatever_the_schemes_case(values: list[bytes], token: str) -> None:
    assert token_of(values) == token


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b""],
        [b"Bearer"],
        [b"Bearer "],
        [b"Bearer   "],
        [b"Basic abc"],
        [b"abc"],
        [b"Bearerabc"],
    ],
)
def test_without_a_token_nobody_asks(values: list[bytes]) -> None:
    with pytest.raises(TokenRefused) as refused:
        token_of(values)

    assert refused.value.kind is Refusal.UNAUTHENTICATED


@pytest.mark.parametrize(
    "values", [[b"Bearer a", b"Bearer a"], [b"Basic x", b"Bearer a"], [b""] * 2]
)
def test_two_headers_are_refused_though_they_be_alike(values: list[bytes]) -> None:
    with pytest.raises(TokenRefused) as refused:
        token_of(values)

    assert refused.value.kind is Refusal.SEVERAL


def test_each_refusal_has_its_status() -> None:
    assert {one.value: one.status for one in Refusal} == {
        "unauthenticated": 401,
        "several": 401,
        "invalid_token": 401,
        "expired": 401,
        "delegated": 403,
        "type_unknown": 403,
        "roles_missing": 403,
    }


def test_a_refusal_says_why_for_the_log() -> None:
    assert str(TokenRefused(Refusal.EXPIRED, "its time is over")) == "expired: its time is over"


def test_a_token_for_graph_is_explained_in_the_log(server: KeyServer) -> None:
    judge = AccessTokens(rules(server))

    with pytest.raises(TokenRefused, match="it is for Microsoft Graph, ask for our audience"):
        asyncio.run(judge.verify(made({"header": {"nonce": "x"}}, "v1", NOW)))


# --- Rules that cannot be used --------------------------------------------------------------------

ISSUER = Issuer(V2, jwks="https://login.example.com/keys")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"issuers": ()}, "no issuer of tokens is set"),
        ({"audiences": frozenset()}, "no audience of tokens is set"),
        ({"audiences": frozenset({"a", ""})}, "no audience of tokens is set"),
        ({"audiences": frozenset({"https://graph.microsoft.com"})}, "Microsoft Graph"),
        ({"algorithms": frozenset()}, "algorithm"),
        ({"algorithms": frozenset({"RS256", "none"})}, "'none'"),
        ({"algorithms": frozenset({"HS256"})}, "'HS256'"),
        ({"algorithms": frozenset({"PS256"})}, "'PS256'"),
        ({"refresh_seconds": 0}, "refresh after 0 s"),
        ({"refresh_seconds": 100, "refuse_seconds": 100}, "refuse after 100 s"),
    ],
)
def test_rules_with_something_missing_are_refused(changed: dict[str, Any], said: str) -> None:
    whole: dict[str, Any] = {"issuers": (ISSUER,), "audiences": frozenset({AUDIENCE}), **changed}

    with pytest.raises(SettingInvalid, match=said):
        TokenRules(**whole)


@pytest.mark.parametrize(
    ("name", "places", "said"),
    [
        (V2, {}, "no place, or two"),
        (V2, {"jwks": "https://a.example/", "discovery": "https://a.example/"}, "no place, or two"),
        (V2, {"jwks": "http://a.example/"}, "https only"),
        (V2, {"discovery": "file:///etc/keys"}, "https only"),
        (V2, {"jwks": "https://user:secret@a.example/"}, "https only"),
        (V2, {"jwks": "https://[a.example/"}, "https only"),
        (V2, {"jwks": "https:///keys"}, "https only"),
        (V2, {"jwks": "https://a.example/#x"}, "https only"),
        (V2, {"jwks": ""}, "https only"),
        (V2, {"jwks": "https://a.example/\x7f"}, "https only"),
        (V2, {"jwks": "https://a.example:0/"}, "https only"),
        (V2, {"jwks": "https://ä.example/"}, "https only"),
        ("", {"jwks": "https://a.example/"}, "no https URL"),
        ("http://a.example/{tid}", {"jwks": "https://a.example/"}, "no https URL"),
        ("https://a.example/{tid}/{tid}", {"jwks": "https://a.example/"}, "placeholder"),
        ("https://a.example/{realm}", {"jwks": "https://a.example/"}, "placeholder"),
        ("https://a.example/", {"jwks": "https://a.example/"}, "names no tenant"),
        (
            f"https://a.example/{TENANT}/{ANOTHER}",
            {"jwks": "https://a.example/"},
            "names no tenant",
        ),
    ],
)
def test_an_issuer_that_cannot_be_used_is_refused(
    name: str, places: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingInvalid, match=said):
        Issuer(name, **places)


def test_an_issuer_is_named_in_either_spelling() -> None:
    spelt = [
        Issuer(V2.replace("{tid}", one), jwks=ISSUER.jwks) for one in ("{tenantid}", "{tenant}")
    ]

    assert spelt == [ISSUER, ISSUER]


def test_certificates_that_cannot_be_read_are_told_at_the_start(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")

    for path, said in ((tmp_path / "none.pem", "No such file"), (empty, "no certificate")):
        unreadable = TokenRules((ISSUER,), frozenset({AUDIENCE}), ca_bundle=path)
        with pytest.raises(SettingInvalid, match=said):
            AccessTokens(unreadable)
