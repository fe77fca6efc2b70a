"""
Signing keys, from a real key server that hangs, breaks, redirects, floods and rotates (P25).
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tenantcfg.service.tokens import AccessTokens, Issuer, KeyServers, KeysUnavailable, TokenRules
from tenantcfg.service.tokens.signing_keys import KeyUnfit, SigningKeys, signing_key, uptime
from tests.service.key_server import Page, running_key_server
from tests.service.token_maker import AUDIENCE, Keys, claims_of, json_of, jwk, token

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.service.key_server import KeyServer

KEYS = Keys()
V2 = "https://login.example.com/{tid}/v2.0"
DAY = 24 * 3600.0


@pytest.fixture(scope="module")
def key_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyServer]:
    """The server that the tests of this file share."""
    with running_key_server(tmp_path_factory.mktemp("keys")) as server:
        yield server


@pytest.fixture
def server(key_server: KeyServer) -> KeyServer:
    """The server, without pages, asked for nothing yet."""
    key_server.pages.clear()
    key_server.asked.clear()
    return key_server


class Ticks:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_set(*kids: str) -> Page:
    """A page with the key of each id."""
    return Page(json.dumps({"keys": [jwk(KEYS[kid], kid) for kid in kids]}).encode())


def keys_of(
    server: KeyServer, ticks: Ticks | None = None, path: str = "/keys", **places: str
) -> SigningKeys:
    """The keys that the server has at a path, refreshed after a day and refused after three."""
    issuer = Issuer(V2, **(places or {"jwks": server.url + path}))
    servers = KeyServers(server.ca_bundle)
    return SigningKeys(
        issuer.name,
        partial(servers.fetch, issuer),
        refresh_after=DAY,
        refuse_after=3 * DAY,
        ticks=ticks or Ticks(),
    )


async def kids(keys: SigningKeys, *asked: str) -> list[int | None]:
    """How many keys each of the ids has; None: it cannot be told."""

    async def one(kid: str) -> int | None:
        try:
            return len(await keys.of(kid))
        except KeysUnavailable:
            return None

    return list(await asyncio.gather(*map(one, asked)))


async def settled(keys: SigningKeys) -> None:
    """Wait for a fetch that is under way."""
    await keys.prepare()


# --- When keys are fetched ------------------------------------------------------------------------


def test_keys_are_fetched_once_and_serve(server: KeyServer) -> None:
    server.pages["/keys"] = a_set("a", "b")
    keys = keys_of(server)

    async def scenario() -> None:
        assert await kids(keys, "a", "b", "a") == [1, 1, 1]
        assert await kids(keys, "b") == [1]

    asyncio.run(scenario())
    assert server.asked["/keys"] == 1


def test_a_thousand_unknown_ids_a_second_cause_one_fetch_in_thirty(server: KeyServer) -> None:
    server.pages["/keys"] = a_set("a")
    ticks = Ticks()
    keys = keys_of(server, ticks)
    unknown = [f"unknown-{number}" for number in range(1000)]

    async def scenario() -> None:
        assert await kids(keys, *unknown) == [0] * 1000
        assert server.asked["/keys"] == 1
        for _ in range(29):
            ticks.now += 1
            assert await kids(keys, "a", *unknown) == [1] + [0] * 1000
        assert server.asked["/keys"] == 1
        ticks.now += 1
        assert await kids(keys, *unknown) == [0] * 1000
        assert server.asked["/keys"] == 2

    asyncio.run(scenario())


def test_failures_count_as_fetches(server: KeyServer) -> None:
    server.pages["/keys"] = Page(status=500)
    ticks = Ticks()
    keys = keys_of(server, ticks)

    async def scenario() -> None:
        await keys.prepare()
        for second in range(60):
            assert await kids(keys, "a", "b") == [None, None]
            await keys.prepare()
            assert server.asked["/keys"] == 1 + second // 30
            ticks.now += 1

    asyncio.run(scenario())


def test_whoever_cannot_be_told_hears_when_to_ask_again(server: KeyServer) -> None:
    ticks = Ticks()
    keys = keys_of(server, ticks)

    async def scenario() -> list[int]:
        told = []
        for passed in (0.0, 10.5, 19.4):
            ticks.now += passed
            with pytest.raises(KeysUnavailable, match="not at hand") as unavailable:
                await keys.of("a")
            told.append(unavailable.value.retry_after)
        return told

    assert asyncio.run(scenario()) == [30, 20, 1]


def test_a_known_key_never_waits_for_a_fetch_that_hangs(server: KeyServer) -> None:
    server.pages["/keys"] = a_set("a")
    ticks = Ticks()
    keys = keys_of(server, ticks)
    release = threading.Event()

    async def scenario() -> None:
        await keys.prepare()
        page = a_set("a", "b")
        server.pages["/keys"] = Page(page.body, held_by=release)
        ticks.now += 30
        waiting = [asyncio.ensure_future(kids(keys, "b")) for _ in range(100)]
        await asyncio.to_thread(server.wait_for, "/keys", 2)

        assert await kids(keys, "a") == [1]
        assert not any(one.done() for one in waiting)

        release.set()
        assert await asyncio.gather(*waiting) == [[1]] * 100

    asyncio.run(scenario())
    assert server.asked["/keys"] == 2


def test_whoever_leaves_does_not_end_the_fetch_of_others(server: KeyServer) -> None:
    release = threading.Event()
    server.pages["/keys"] = Page(a_set("a").body, held_by=release)
    keys = keys_of(server)

    async def scenario() -> None:
        leaves = asyncio.ensure_future(kids(keys, "a"))
        stays = asyncio.ensure_future(kids(keys, "a"))
        await asyncio.to_thread(server.wait_for, "/keys", 1)
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        release.set()
        assert await stays == [1]

    asyncio.run(scenario())
    assert server.asked["/keys"] == 1


def test_one_fetch_runs_at_a_time_however_long_it_takes(server: KeyServer) -> None:
    release = threading.Event()
    server.pages["/keys"] = Page(a_set("a").body, held_by=release)
    ticks = Ticks()
    keys = keys_of(server, ticks)

    async def scenario() -> None:
        asking = [asyncio.ensure_future(kids(keys, "a"))]
        await asyncio.to_thread(server.wait_for, "/keys", 1)
        ticks.now += 40
        asking.append(asyncio.ensure_future(kids(keys, "a")))
        # Longer than another fetch would need to arrive.
        await asyncio.wait(asking, timeout=0.3)
        release.set()
        assert await asyncio.gather(*asking) == [[1], [1]]

    asyncio.run(scenario())
    assert server.asked["/keys"] == 1


def test_keys_refused_before_another_fetch_may_begin_are_not_at_hand(server: KeyServer) -> None:
    server.pages["/keys"] = a_set("a")
    ticks = Ticks()
    issuer, servers = Issuer(V2, jwks=f"{server.url}/keys"), KeyServers(server.ca_bundle)
    fetch = partial(servers.fetch, issuer)
    keys = SigningKeys("x", fetch, refresh_after=1, refuse_after=10, ticks=ticks)

    async def scenario() -> None:
        assert await kids(keys, "a") == [1]
        ticks.now += 10
        assert await kids(keys, "a") == [None]

    asyncio.run(scenario())


def test_from_the_first_age_on_keys_serve_while_new_ones_come(server: KeyServer) -> None:
    server.pages["/keys"] = a_set("a")
    ticks = Ticks()
    keys = keys_of(server, ticks)
    release = threading.Event()

    async def scenario() -> None:
        assert await kids(keys, "a") == [1]
        ticks.now += DAY - 1
        assert await kids(keys, "a") == [1]
        assert server.asked["/keys"] == 1

        server.pages["/keys"] = Page(a_set("b").body, held_by=release)
        ticks.now += 1
        assert await kids(keys, "a") == [1]
        await asyncio.to_thread(server.wait_for, "/keys", 2)
        assert await kids(keys, "a") == [1]
        release.set()
        await settled(keys)
        # Whole: what was withdrawn is gone.
        assert await kids(keys, "a", "b") == [0, 1]

    asyncio.run(scenario())
    assert server.asked["/keys"] == 2


def test_from_the_second_age_on_keys_serve_no_more(server: KeyServer) -> None:
    server.pages["/keys"] = a_set("a")
    ticks = Ticks()
    keys = keys_of(server, ticks)

    async def scenario() -> None:
        assert await kids(keys, "a") == [1]
        server.pages["/keys"] = Page(status=503)
        ticks.now += 3 * DAY - 1
        assert await kids(keys, "a") == [1]
        await settled(keys)
        # An unknown id cannot be told from a new one while the issuer cannot be asked.
        assert await kids(keys, "a", "b") == [1, None]

        ticks.now += 1
        assert await kids(keys, "a") == [None]

        server.pages["/keys"] = a_set("a")
        ticks.now += 30
        assert await kids(keys, "a") == [1]

    asyncio.run(scenario())


def test_keys_are_as_old_as_the_beginning_of_their_fetch(server: KeyServer) -> None:
    release = threading.Event()
    server.pages["/keys"] = Page(a_set("a").body, held_by=release)
    ticks = Ticks()
    keys = keys_of(server, ticks)

    async def scenario() -> None:
        asking = asyncio.ensure_future(kids(keys, "a"))
        await asyncio.to_thread(server.wait_for, "/keys", 1)
        ticks.now += 100
        release.set()
        assert await asking == [1]
        server.pages.clear()
        ticks.now += 3 * DAY - 101
        assert await kids(keys, "a") == [1]
        ticks.now += 1
        assert await kids(keys, "a") == [None]

    asyncio.run(scenario())


def test_keys_that_rotate_while_they_are_fetched_are_found_by_the_next_fetch(
    server: KeyServer,
) -> None:
    release = threading.Event()
    server.pages["/keys"] = Page(a_set("old").body, held_by=release)
    ticks = Ticks()
    keys = keys_of(server, ticks)

    async def scenario() -> None:
        asking = asyncio.ensure_future(kids(keys, "old", "new"))
        await asyncio.to_thread(server.wait_for, "/keys", 1)
        server.pages["/keys"] = a_set("new")
        release.set()
        assert await asking == [1, 0]
        ticks.now += 30
        assert await kids(keys, "new") == [1]
        assert await kids(keys, "old", "new") == [0, 1]

    asyncio.run(scenario())
    assert server.asked["/keys"] == 2


def test_a_fetch_that_fails_leaves_the_old_keys(server: KeyServer) -> None:
    server.pages["/keys"] = a_set("a")
    ticks = Ticks()
    keys = keys_of(server, ticks)

    async def scenario() -> None:
        await keys.prepare()
        for page in (Page(b'{"keys": []}'), Page(b"{}"), Page(status=500), Page(raw=b"")):
            server.pages["/keys"] = page
            ticks.now += 30
            assert await kids(keys, "b") == [None]
            assert await kids(keys, "a") == [1]

    asyncio.run(scenario())
    assert server.asked["/keys"] == 5


def test_whatever_goes_wrong_in_a_fetch_is_told_and_forgotten(server: KeyServer) -> None:
    server.pages["/keys"] = a_set("a")
    servers, issuer = KeyServers(server.ca_bundle), Issuer(V2, jwks=f"{server.url}/keys")
    wrong: list[Exception] = [ZeroDivisionError("unforeseen")]

    async def fetch() -> Sequence[object]:
        if wrong:
            raise wrong.pop()
        return await servers.fetch(issuer)

    ticks = Ticks()
    keys = SigningKeys("x", fetch, refresh_after=DAY, refuse_after=2 * DAY, ticks=ticks)

    async def scenario() -> None:
        assert await kids(keys, "a") == [None]
        ticks.now += 30
        assert await kids(keys, "a") == [1]

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert [one["log_level"] for one in logs] == ["error", "info"]


def test_a_fetch_under_way_ends_with_the_service(server: KeyServer) -> None:
    release = threading.Event()
    server.pages["/keys"] = Page(held_by=release)
    keys = keys_of(server)

    async def scenario() -> None:
        asking = asyncio.ensure_future(kids(keys, "a"))
        await asyncio.to_thread(server.wait_for, "/keys", 1)
        await keys.close()
        assert await asking == [None]
        await keys.close()

    asyncio.run(scenario())
    release.set()


# --- How they come over ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (Page(status=302, headers={"Location": "/good"}), "status 302"),
        (Page(status=301, headers={"Location": "/good"}), "status 301"),
        (Page(status=404), "status 404"),
        (Page(status=500), "status 500"),
        (Page(status=201, body=b'{"keys": []}'), "status 201"),
        (Page(status=204), "status 204"),
        (Page(status=206, body=b'{"keys": []}'), "status 206"),
        (Page(b" " * (2 * 1024 * 1024)), "more than 1048576 bytes"),
        (Page(b" " * (1024 * 1024 + 1)), "more than 1048576 bytes"),
        (Page(gzip.compress(b" " * 10_000_000), headers={"Content-Encoding": "gzip"}), "no JSON"),
        (Page(b"<html>"), "no JSON"),
        (Page(b""), "no JSON"),
        (Page(b"\xff\xfe"), "no JSON"),
        (Page(b"[" * 100_000), "no JSON"),
        (Page(b"[]"), "no JSON object"),
        (Page(b"{}"), "no set of keys"),
        (Page(b'{"keys": {}}'), "no set of keys"),
        (Page(b'{"keys": null}'), "no set of keys"),
        (Page(b'{"keys": []}'), "no usable key"),
        (Page(b'{"keys": [{"kty": "oct", "kid": "a", "k": "AAAA"}]}'), "no usable key"),
        (Page(raw=b""), "RemoteProtocolError"),
        (Page(raw=b"nonsense\r\n\r\n"), "RemoteProtocolError"),
        (Page(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}"), "RemoteProtocolError"),
    ],
)
def test_what_is_no_set_of_keys_is_none(server: KeyServer, page: Page, said: str) -> None:
    server.pages |= {"/keys": page, "/good": a_set("a")}
    keys = keys_of(server)

    with capture_logs() as logs:
        assert asyncio.run(kids(keys, "a")) == [None]

    told = [one for one in logs if one["event"] == "signing keys did not come"]
    assert len(told) == 1
    assert said in told[0]["why"]
    assert server.asked == {"/keys": 1}


def test_one_mebibyte_is_not_too_much(server: KeyServer) -> None:
    page = a_set("a")
    server.pages["/keys"] = Page(page.body + b" " * (1024 * 1024 - len(page.body)))

    assert asyncio.run(kids(keys_of(server), "a")) == [1]


@pytest.mark.parametrize("endless", [False, True])
def test_what_takes_too_long_is_given_up(server: KeyServer, *, endless: bool) -> None:
    release = threading.Event()
    server.pages["/keys"] = Page(b"{", held_by=release, endless=endless)
    issuer = Issuer(V2, jwks=f"{server.url}/keys")
    servers = KeyServers(server.ca_bundle, seconds=0.5)
    keys = SigningKeys("x", partial(servers.fetch, issuer), refresh_after=1, refuse_after=2)

    with capture_logs() as logs:
        assert asyncio.run(kids(keys, "a")) == [None]

    release.set()
    assert [one["why"] for one in logs] == ["no answer within 0.5 s"]


def test_a_server_that_is_not_believed_is_not_asked(server: KeyServer) -> None:
    server.pages["/keys"] = a_set("a")
    issuer = Issuer(V2, jwks=f"{server.url}/keys")
    keys = SigningKeys("x", partial(KeyServers().fetch, issuer), refresh_after=1, refuse_after=2)

    with capture_logs() as logs:
        assert asyncio.run(kids(keys, "a")) == [None]

    assert "CERTIFICATE_VERIFY_FAILED" in logs[0]["why"]
    assert not server.asked


@pytest.mark.parametrize(
    "url", ["https://localhost:1/keys", "https://no-such-host.invalid/", f"https://{'a' * 70}.b/"]
)
def test_a_server_that_is_not_there_is_one_line_in_the_log(server: KeyServer, url: str) -> None:
    with capture_logs() as logs:
        assert asyncio.run(kids(keys_of(server, jwks=url), "a")) == [None]

    assert len(logs) == 1
    assert "\n" not in logs[0]["why"]


def test_the_environments_proxies_and_certificates_are_not_looked_at(
    server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    server.pages["/keys"] = a_set("a")

    assert asyncio.run(kids(keys_of(server), "a")) == [1]


def discovered(server: KeyServer, **changed: Any) -> Page:
    document = {"issuer": V2.replace("{tid}", "{tenantid}"), "jwks_uri": f"{server.url}/keys"}
    return Page(json.dumps({**document, **changed}).encode())


def test_keys_are_found_by_the_discovery_document(server: KeyServer) -> None:
    server.pages |= {"/keys": a_set("a"), "/openid": discovered(server)}
    keys = keys_of(server, discovery=f"{server.url}/openid")

    assert asyncio.run(kids(keys, "a", "b")) == [1, 0]
    assert server.asked == {"/keys": 1, "/openid": 1}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"issuer": "https://evil.example/{tenantid}/v2.0"}, "another issuer's"),
        ({"issuer": None}, "another issuer's"),
        ({"issuer": ["https://login.example.com/{tid}/v2.0"]}, "another issuer's"),
        ({"jwks_uri": "http://localhost/keys"}, "no https URL"),
        ({"jwks_uri": "file:///etc/passwd"}, "no https URL"),
        ({"jwks_uri": "https://user@localhost/keys"}, "no https URL"),
        ({"jwks_uri": "/keys"}, "no https URL"),
        ({"jwks_uri": ""}, "no https URL"),
        ({"jwks_uri": None}, "no https URL"),
        ({"jwks_uri": 5}, "no https URL"),
        ({"jwks_uri": "https://localhost:99999/keys"}, "no https URL"),
    ],
)
def test_a_discovery_document_that_is_not_right_leads_nowhere(
    server: KeyServer, changed: dict[str, Any], said: str
) -> None:
    server.pages |= {"/keys": a_set("a"), "/openid": discovered(server, **changed)}
    keys = keys_of(server, discovery=f"{server.url}/openid")

    with capture_logs() as logs:
        assert asyncio.run(kids(keys, "a")) == [None]

    assert said in logs[0]["why"]
    assert not server.asked["/keys"]


# --- Which are keys -------------------------------------------------------------------------------

GOOD = jwk(KEYS["a"], "a")
GOOD_EC = jwk(KEYS["ec"], "a")


def without(key: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name not in names}


ODD: list[tuple[object, str]] = [
    (None, "no object"),
    ("key", "no object"),
    ([GOOD], "no object"),
    ({}, "no id"),
    (without(GOOD, "kid"), "no id"),
    ({**GOOD, "kid": ""}, "no id"),
    ({**GOOD, "kid": 5}, "no id"),
    ({**GOOD, "kid": ["a"]}, "no id"),
    ({**GOOD, "issuer": 5}, "issuer is no text"),
    (without(GOOD, "kty"), "another kind"),
    ({**GOOD, "kty": "oct"}, "another kind"),
    ({**GOOD, "kty": ["RSA"]}, "another kind"),
    ({**GOOD, "kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, "another kind"),
    ({"kty": "oct", "kid": "a", "k": "AAAA"}, "private half"),
    ({**GOOD, "d": "AAAA"}, "private half"),
    ({**GOOD_EC, "d": "AAAA"}, "private half"),
    (without(GOOD, "n"), "broken"),
    (without(GOOD, "e"), "broken"),
    ({**GOOD, "n": 5}, "broken"),
    ({**GOOD, "n": "é"}, "broken"),
    ({**GOOD, "n": GOOD["n"] + "!"}, "broken"),
    ({**GOOD, "n": GOOD["n"] + "="}, "broken"),
    ({**GOOD, "e": ""}, "broken"),
    ({**GOOD, "e": "AQ"}, "broken"),
    ({**GOOD, "e": "AAAC"}, "broken"),
    ({**GOOD, "n": "AAAA" + GOOD["n"][:200]}, "less than 2048 bits"),
    (jwk(KEYS["short"], "a"), "less than 2048 bits"),
    (jwk(KEYS["p384"], "a"), "another kind"),
    (without(GOOD_EC, "crv"), "broken"),
    (without(GOOD_EC, "y"), "broken"),
    ({**GOOD_EC, "y": GOOD_EC["x"]}, "broken"),
    ({**GOOD_EC, "x": 5}, "broken"),
    ({**GOOD, "use": "enc"}, "another use"),
    ({**GOOD, "use": None}, "another use"),
    ({**GOOD, "use": ["sig"]}, "another use"),
    ({**GOOD, "alg": "PS256"}, "another use or algorithm"),
    ({**GOOD, "alg": "ES256"}, "another use or algorithm"),
    ({**GOOD, "alg": "RS512"}, "another use or algorithm"),
    ({**GOOD_EC, "alg": "RS256"}, "another use or algorithm"),
    ({**GOOD, "key_ops": ["sign"]}, "not for verifying"),
    ({**GOOD, "key_ops": []}, "not for verifying"),
    ({**GOOD, "key_ops": "verify"}, "not for verifying"),
]


@pytest.mark.parametrize(("odd", "said"), ODD)
def test_an_odd_key_is_none(odd: object, said: str) -> None:
    with pytest.raises(KeyUnfit, match=said):
        signing_key(odd)


@pytest.mark.parametrize(
    "key",
    [
        GOOD,
        GOOD_EC,
        without(GOOD, "use"),
        {**GOOD, "alg": "RS256", "key_ops": ["verify"]},
        {**GOOD, "x5c": "no list", "x5t": 5, "x5u": {}, "cloud_instance_name": "example.com"},
    ],
)
def test_what_a_key_does_not_need_is_not_looked_at(key: dict[str, Any]) -> None:
    assert signing_key(key).algorithm == ("RS256" if key["kty"] == "RSA" else "ES256")


def test_one_odd_key_spoils_no_other(server: KeyServer) -> None:
    odd: Sequence[object] = [one for one, _ in ODD]
    server.pages["/keys"] = Page(json.dumps({"keys": [*odd, GOOD, *odd]}).encode())

    with capture_logs() as logs:
        assert asyncio.run(kids(keys_of(server), "a")) == [1]

    left_out = [one["why"] for one in logs if one["event"] == "a signing key is left out"]
    assert len(left_out) == 2 * len(ODD)
    assert "broken" in left_out[20]


def test_an_id_may_be_that_of_two_keys(server: KeyServer) -> None:
    pair = [jwk(KEYS["a"], "x"), jwk(KEYS["ec"], "x")]
    server.pages["/keys"] = Page(json.dumps({"keys": pair}).encode())
    keys = keys_of(server)

    found = asyncio.run(keys.of("x"))

    assert [one.algorithm for one in found] == ["RS256", "ES256"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.sampled_from([GOOD, GOOD_EC]),
    st.dictionaries(st.sampled_from(sorted({*GOOD, *GOOD_EC, "alg", "issuer", "key_ops"})), JSON),
)
def test_no_json_is_more_than_unfit(key: dict[str, Any], changed: dict[str, Any]) -> None:
    try:
        fit = signing_key({**key, **changed})
    except KeyUnfit:
        return
    assert isinstance(fit.kid, str)


# --- What tokens make of it -----------------------------------------------------------------------


def test_without_keys_no_token_can_be_told_good_or_bad(server: KeyServer) -> None:
    rules = TokenRules(
        (Issuer(V2, jwks=f"{server.url}/keys"),),
        frozenset({AUDIENCE}),
        ca_bundle=server.ca_bundle,
    )
    ticks = Ticks()
    tokens = AccessTokens(rules, clock=lambda: 1_000_000, ticks=ticks)
    head = b'{"alg":"RS256","kid":"a"}'
    claims = claims_of("v2", 1_000_000)
    good = token(head, json_of(claims, now=0, form="v2"), KEYS["a"])

    async def scenario() -> list[bool]:
        await tokens.prepare()
        ready = [tokens.ready]
        with pytest.raises(KeysUnavailable):
            await tokens.verify(good)
        server.pages["/keys"] = a_set("a")
        ticks.now += 30
        holder = await tokens.verify(good)
        assert holder.version == "2.0"
        ready.append(tokens.ready)
        ticks.now += 3 * DAY
        ready.append(tokens.ready)
        await tokens.close()
        return ready

    assert asyncio.run(scenario()) == [False, True, False]


def test_the_ages_of_keys_are_counted_by_what_no_clock_moves() -> None:
    first = uptime()

    assert uptime() >= first > 0
