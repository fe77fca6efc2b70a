"""
What has been tried to get a DELETE past a proxy unasked, or judged as another than is run.

Each is one that some proxy takes otherwise than another, or that had got through before the
configurations in deploy/ were as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tests.service.guarding import GOOD, STRANGER
from tests.service.wire import CLOSE, h2_of, h2_request, request

CALL = "/v1.0/communications/calls/c-1"
ROSTER = f"{CALL}/participants/"
MAY = f"{ROSTER}p-1"
"""Whoever is good may, a stranger may not."""
UNGUARDED = "/v1.0/users/u-1"

PERMITTED = (f"X-Original-URI: {MAY}", f"X-Forwarded-Uri: {MAY}")


class Outcome(Enum):
    """What may come of a trick."""

    PASSES = "it reaches the service once"
    REFUSED = "it does not reach the service"
    HARMLESS = "whatever reaches the service was permitted as it is, or needs no permission"


@dataclass(frozen=True, slots=True)
class Trick:
    """What is sent, and what may come of it."""

    name: str
    raw: bytes
    outcome: Outcome
    to_the_end: bool = False
    h2: bool = False


def _passes(name: str, raw: bytes) -> Trick:
    return Trick(name, raw, Outcome.PASSES)


def _refused(name: str, raw: bytes) -> Trick:
    return Trick(name, raw, Outcome.REFUSED)


def _harmless(name: str, raw: bytes) -> Trick:
    return Trick(name, raw, Outcome.HARMLESS)


PLAIN = [
    _passes("permit", request("DELETE", MAY, GOOD)),
    _passes("permit, with a query", request("DELETE", f"{MAY}?q=/../x", GOOD)),
    _passes("permit, doubled slash", request("DELETE", MAY.replace("0/", "0//", 1), GOOD)),
    _passes("permit, with a body", request("DELETE", MAY, GOOD, body=b"{}")),
    _passes(
        "permit, chunked",
        request("DELETE", MAY, GOOD, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n",
    ),
    _passes("GET", request("GET", MAY)),
    _passes("POST", request("POST", UNGUARDED, body=b"{}")),
    _passes("OPTIONS", request("OPTIONS", MAY, "Access-Control-Request-Method: DELETE")),
    _refused("deny", request("DELETE", MAY, STRANGER)),
    _refused("nobody", request("DELETE", MAY)),
    _refused("unknown token", request("DELETE", MAY, "Authorization: Bearer x")),
    _refused("a user's token", request("DELETE", MAY, "Authorization: Bearer delegated")),
    _refused("no signing keys", request("DELETE", MAY, "Authorization: Bearer unverified")),
    _refused("DELETE of something else", request("DELETE", UNGUARDED, GOOD)),
    _refused("DELETE of the call", request("DELETE", CALL, GOOD)),
]

METHODS = [
    *[
        _refused(f"method {method}", request(method, MAY, GOOD))
        for method in ("delete", "Delete", "DELETEX", "XDELETE", "MOVE", "TRACE", "FOO")
    ],
    _refused("after an empty line", b"\r\n" + request("DELETE", MAY, STRANGER)),
    _refused("two blanks", request("DELETE ", MAY, STRANGER)),
    _refused("HTTP/1.0", request("DELETE", MAY, STRANGER, version="HTTP/1.0")),
    _refused("no Host", request("DELETE", MAY, STRANGER, host=None)),
    _refused("CONNECT", request("CONNECT", "127.0.0.1:1", GOOD)),
]

_OVERRIDES = (
    "X-HTTP-Method-Override",
    "x-http-method",
    "X-Method-Override",
    "X_HTTP_Method_Override",
    "X-HTTP_Method-Override",
    "X.HTTP.Method.Override",
    "X~Method~Override",
    "X!Tenantcfg!App",
    "X-Original-URL",
    "X_Rewrite_URL",
    "X-Tenantcfg-App",
    "X_Tenantcfg_Tenant",
    "X-Tenantcfg-Secret",
)
HEADERS = [
    *[_harmless(name, request("POST", MAY, f"{name}: DELETE", body=b"x")) for name in _OVERRIDES],
    _harmless(
        "an override twice",
        request("POST", MAY, *["X-HTTP-Method-Override: DELETE"] * 2, body=b"x"),
    ),
    _harmless(
        "an override in a folded line",
        request("POST", MAY, "X-A: b\r\n X-HTTP-Method-Override: DELETE", body=b"x"),
    ),
    _harmless(
        "an override, blank before the colon",
        request("POST", MAY, "X-HTTP-Method-Override : DELETE", body=b"x"),
    ),
    *[
        _refused(f"the pair {how}", request("DELETE", f"{ROSTER}a%2Fb", GOOD, *pair))
        for how, pair in {
            "by the client": PERMITTED,
            "with underscores": (f"X_Original_URI: {MAY}", f"X_Forwarded_Uri: {MAY}"),
            "as Envoy's own": (f"x-envoy-original-path: {MAY}", f"X-Forwarded-Prefix: {MAY}"),
            "as a hop's": (
                *PERMITTED,
                "Connection: close, X-Original-URI, X-Forwarded-Uri, X-Forwarded-Method",
            ),
        }.items()
    ],
    _harmless("the token as a hop's", request("DELETE", MAY, GOOD, "Connection: Authorization")),
    _refused("two tokens", request("DELETE", MAY, GOOD, STRANGER)),
    _refused("two tokens, the other way", request("DELETE", MAY, STRANGER, GOOD)),
    _refused("two tokens in one", request("DELETE", MAY, f"{GOOD}, Bearer stranger")),
    _refused("a token in Authorization_", request("DELETE", MAY, "Authorization_: Bearer good")),
    _harmless(
        "two request ids", request("DELETE", MAY, GOOD, "X-Request-ID: a", "X-Request-ID: b")
    ),
    _refused(
        "the pair as a trailer",
        request("DELETE", MAY, STRANGER, "Transfer-Encoding: chunked")
        + b"1\r\nx\r\n0\r\nAuthorization: Bearer good\r\n\r\n",
    ),
    _harmless(
        "upgrade to h2c",
        request(
            "GET",
            UNGUARDED,
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ),
    ),
    _harmless(
        "upgrade to a websocket",
        request(
            "GET",
            UNGUARDED,
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
        ),
    ),
]

AN_OVERRIDE_AS_A_TRAILER = _harmless(
    "an override as a trailer",
    request(
        "POST", MAY, "TE: trailers", "Trailer: X-HTTP-Method-Override", "Transfer-Encoding: chunked"
    )
    + b"1\r\nx\r\n0\r\nX-HTTP-Method-Override: DELETE\r\n\r\n",
)
"""HAProxy alone hands it on."""

BATCHES = [
    _refused(f"POST {path}", request("POST", path, GOOD, body=b"{}"))
    for path in (
        "/v1.0/$batch",
        "/v1.0/%24batch",
        "/v1.0/$BATCH",
        "/v1.0/$batch/",
        "/v1.0//$batch?x=1",
        "/v1.0/$%62atch",
        "/v1.0/x/../$batch",
        "/v1.0/$batch;x",
        "/v1.0/%2e%2e/v1.0/%24%42%41tch",
        "/v1.0/%2524batch",
        "/v1.0/$%2562atch",
        "/v1.0/x%3fy/$batch",
        "/v1.0\\$batch",
        "/v1.0%2F$batch",
        "http://api.example.com/v1.0/$batch",
    )
]

PATHS = [
    *[
        _harmless(f"path {path}", request("DELETE", path, GOOD))
        for path in (
            f"{ROSTER}..%2fparticipants%2fp-2",
            f"{ROSTER}%2e%2e/participants/p-2",
            f"{ROSTER}../participants/p-2",
            f"{ROSTER}p-1%2fp-2",
            f"{ROSTER}p-1//",
            f"/{MAY}",
            "/v1.0/communications/calls//c-1/participants/p-1",
            f"{MAY};x",
            f"{MAY}%00",
            f"{MAY}/",
            f"{MAY}#x",
            MAY.upper(),
            f"{ROSTER}p%2d1",
            f"{ROSTER}\\p-1",
            "/v1.0/./communications/calls/c-1/participants/p-1",
            f"{MAY}%3f",
            f"{MAY} x",
            f"{MAY}\xe4",
            "*",
            f"/x?{MAY}",
            "/check/nginx",
            "/_tenantcfg_check",
            f"http://api.example.com{MAY}",
        )
    ],
    _refused("absolute, denied", request("DELETE", f"http://api.example.com{MAY}", STRANGER)),
    _refused("absolute, other host", request("DELETE", f"http://other.example{MAY}", STRANGER)),
]

_INSIDE = request("DELETE", MAY, STRANGER)
_END = request("GET", "/end", CLOSE)
SMUGGLED = [
    Trick(f"smuggled, {name}", raw + _END, Outcome.HARMLESS, to_the_end=True)
    for name, raw in {
        "both lengths": request(
            "POST", UNGUARDED, f"Content-Length: {len(_INSIDE) + 5}", "Transfer-Encoding: chunked"
        )
        + b"0\r\n\r\n"
        + _INSIDE,
        "both lengths, the other way": request(
            "POST", UNGUARDED, "Content-Length: 4", "Transfer-Encoding: chunked"
        )
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(_INSIDE), _INSIDE),
        "an unknown coding": request(
            "POST", UNGUARDED, f"Content-Length: {len(_INSIDE) + 5}", "Transfer-Encoding: xchunked"
        )
        + b"0\r\n\r\n"
        + _INSIDE,
        "an underscore": request(
            "POST", UNGUARDED, "Transfer_Encoding: chunked", body=b"0\r\n\r\n" + _INSIDE
        ),
        "behind another": request("GET", UNGUARDED) + _INSIDE,
    }.items()
]

_TOKEN = ("authorization", "Bearer good")
_BAD = ("authorization", "Bearer stranger")
H2 = [
    Trick(f"h2, {name}", raw, outcome, h2=True)
    for name, outcome, raw in [
        ("permit", Outcome.PASSES, h2_request("DELETE", MAY, _TOKEN)),
        ("GET", Outcome.PASSES, h2_request("GET", MAY)),
        ("deny", Outcome.REFUSED, h2_request("DELETE", MAY, _BAD)),
        ("delete", Outcome.REFUSED, h2_request("delete", MAY, _TOKEN)),
        ("a blank in the method", Outcome.REFUSED, h2_request("DELETE /x", MAY, _BAD)),
        (
            "a line in the method",
            Outcome.REFUSED,
            h2_request("GET / HTTP/1.1\r\nx: y\r\n\r\nDELETE", MAY, _BAD),
        ),
        ("an absolute path", Outcome.REFUSED, h2_request("DELETE", f"http://x{MAY}", _BAD)),
        ("a blank in the path", Outcome.REFUSED, h2_request("DELETE", f"{MAY} HTTP/1.1", _BAD)),
        (
            "two paths",
            Outcome.REFUSED,
            h2_of(
                [
                    (":method", "DELETE"),
                    (":path", MAY),
                    (":path", f"{ROSTER}p-2"),
                    (":scheme", "http"),
                    (":authority", "x"),
                    _BAD,
                ]
            ),
        ),
        (
            "two methods",
            Outcome.REFUSED,
            h2_of(
                [
                    (":method", "GET"),
                    (":method", "DELETE"),
                    (":path", MAY),
                    (":scheme", "http"),
                    (":authority", "x"),
                    _BAD,
                ]
            ),
        ),
        (
            "an override",
            Outcome.HARMLESS,
            h2_request("POST", MAY, ("x-http-method-override", "DELETE")),
        ),
        (
            "an override with underscores",
            Outcome.HARMLESS,
            h2_request("POST", MAY, ("x_http_method_override", "DELETE")),
        ),
        (
            "an override in another header",
            Outcome.HARMLESS,
            h2_request("POST", MAY, ("x-a", "b\r\nx-http-method-override: DELETE")),
        ),
        ("a batch", Outcome.REFUSED, h2_request("POST", "/v1.0/$%62atch", _TOKEN)),
        # HAProxy makes a GET of it, without the upgrade.
        (
            "extended CONNECT",
            Outcome.HARMLESS,
            h2_request("CONNECT", MAY, (":protocol", "websocket"), _TOKEN),
        ),
        (
            "the pair",
            Outcome.REFUSED,
            h2_request(
                "DELETE",
                f"{ROSTER}a%2Fb",
                _TOKEN,
                ("x-original-uri", MAY),
                ("x-forwarded-uri", MAY),
            ),
        ),
        ("two tokens", Outcome.REFUSED, h2_request("DELETE", MAY, _TOKEN, _BAD)),
    ]
]

TRICKS = [
    *PLAIN,
    *METHODS,
    *HEADERS,
    AN_OVERRIDE_AS_A_TRAILER,
    *BATCHES,
    *PATHS,
    *SMUGGLED,
    *H2,
]
