"""
Input as a hostile or broken peer sends it, byte by byte, to the server that the product runs.

Not over an HTTP client, which would set right what is to be wrong.
"""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

from tests.service.scenarios import FIXTURE, TOKEN
from tests.service.served import layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.service.served import Layer

QUESTION = json.dumps(
    {
        "subject": {"type": "user", "id": "alice"},
        "action": {"name": "read"},
        "resource": {"type": "record", "id": "record-1"},
    }
).encode()
PATH = b"/access/v1/evaluation"
PATIENCE = 5.0
SHORT = 0.4
"""Seconds that the impatient layer gives a head and a body."""
LIMIT = 4
"""Connections at once in the small layer."""


@pytest.fixture(scope="module")
def patient() -> Iterator[Layer]:
    with layer(FIXTURE) as serving:
        yield serving


@pytest.fixture(scope="module")
def impatient() -> Iterator[Layer]:
    with layer(FIXTURE, head_seconds=SHORT, body_seconds=SHORT, idle_seconds=1.0) as serving:
        yield serving


@dataclass(frozen=True)
class Said:
    """One answer, taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - what was said
        return json.loads(self.body)


class Wire:
    """A connection, and the bytes on it."""

    def __init__(self, connection: socket.socket, stream: BinaryIO) -> None:
        self._connection = connection
        self._stream = stream

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def end(self) -> None:
        """Say that no more comes."""
        self._connection.shutdown(socket.SHUT_WR)

    def answer(self, *, head_only: bool = False) -> Said | None:
        """The next answer; None: the connection was closed instead."""
        line = self._stream.readline()
        if not line:
            return None
        version, status, _ = line.split(b" ", 2)
        assert version == b"HTTP/1.1"
        headers: dict[str, str] = {}
        while (line := self._stream.readline()) not in {b"\r\n", b""}:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = 0 if head_only else int(headers.get("content-length", 0))
        return Said(int(status), headers, self._stream.read(length))

    def closed_in_the_middle_of(self, data: bytes) -> bool:
        """Whether the other side closes while *data* is sent over and over."""
        try:
            for _ in range(10_000_000):
                self.send(data)
        except (BrokenPipeError, ConnectionResetError):
            return True
        return False

    @property
    def closed(self) -> bool:
        """Whether the other side closes, once all it said was read."""
        try:
            return self._stream.read() == b""
        except ConnectionResetError:
            return True


@contextmanager
def wire(to: Layer) -> Iterator[Wire]:
    with (
        socket.create_connection(("127.0.0.1", to.port), timeout=PATIENCE) as connection,
        connection.makefile("rb") as stream,
    ):
        yield Wire(connection, stream)


def request(
    *headers: bytes,
    target: bytes = PATH,
    method: bytes = b"POST",
    body: bytes = QUESTION,
    version: bytes = b"1.1",
) -> bytes:
    """A request with the right headers, and others."""
    whole = [
        b"%s %s HTTP/%s" % (method, target, version),
        b"Host: pdp.example",
        b"Authorization: Bearer " + TOKEN.encode(),
        b"Content-Type: application/json",
        b"X-Request-ID: the-same",
    ]
    if not any(one.lower().startswith((b"content-length:", b"transfer-enc")) for one in headers):
        whole.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*whole, *headers, b"", body])


def asked(to: Layer, data: bytes) -> Said:
    """The one answer to *data*."""
    with wire(to) as connection:
        connection.send(data)
        answer = connection.answer()
    assert answer is not None
    return answer


def good(answer: Said | None) -> bool:
    return answer is not None and answer.status == 200 and answer.json == {"decision": True}


def in_the_error_table(answer: Said | None, status: int, code: str) -> bool:
    """Whether the answer is an error as the table has it, with an id (check E2, W7)."""
    assert answer is not None
    assert answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json) == ["error", "message"]
    return (answer.status, answer.json["error"]) == (status, code)


# Heads


MALFORMED = {
    "nonsense": b"nonsense\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "method-unknown": request(method=b"FOO"),
    "method-in-lower-case": request(method=b"post"),
    "two-lengths": request(b"Content-Length: 5", b"Content-Length: 6"),
    "same-length-twice": request(b"Content-Length: 5", b"Content-Length: 5"),
    "length-and-chunked": request(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "length-negative": request(b"Content-Length: -5"),
    "length-with-plus": request(b"Content-Length: +5"),
    "length-in-hex": request(b"Content-Length: 0x5"),
    "length-of-23-digits": request(b"Content-Length: 99999999999999999999999"),
    "blank-before-colon": request(b"X-A : b"),
    "nul-in-value": request(b"X-A: b\x00c"),
    "delete-in-value": request(b"X-A: b\x7fc"),
    "blank-in-name": request(b"X A: b"),
    "no-name": request(b": b"),
    "bare-line-feeds": request().replace(b"\r\n", b"\n"),
    "blank-in-target": request(target=b"/a b"),
    "byte-in-target": request(target=b"/\xe4"),
    "target-without-slash": request(target=b"access"),
    "fragment": request(target=PATH + b"#x"),
    "fragment-behind-query": request(target=PATH + b"?a#x"),
    "absolute-without-path": request(target=b"http://pdp.example"),
    "connect": request(method=b"CONNECT", target=b"pdp.example:443"),
    "connect-to-path": request(method=b"CONNECT", target=PATH),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_http_request_is_refused_and_the_connection_closed(
    patient: Layer, data: bytes
) -> None:
    with wire(patient) as connection:
        connection.send(data)

        assert in_the_error_table(connection.answer(), 400, "invalid_request")
        assert connection.closed


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (PATH, 200),
        (PATH + b"?a=b", 200),
        (b"http://other.example" + PATH, 200),
        (b"/access/v1/%65valuation", 404),
        (b"/access/v1/evaluation/", 404),
        (b"/access/v1//evaluation", 404),
        (b"//access/v1/evaluation", 404),
        (b"/access/v1/./evaluation", 404),
        (b"/access/v2/../v1/evaluation", 404),
        (b"/access/v1/evaluation;x", 404),
        (b"/access/v1/evaluation%00", 404),
        (b"/access/v1/evaluation%2F", 404),
        (b"/ACCESS/v1/evaluation", 404),
        (b"/" + b"a" * 50_000, 404),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_path_is_itself_and_nothing_that_could_be_made_of_it(
    patient: Layer, target: bytes, status: int
) -> None:
    answer = asked(patient, request(target=target))

    assert answer.status == status
    assert answer.headers["x-request-id"] == "the-same"


@pytest.mark.parametrize("size", [70_000, 1_000_000, 5_000_000])
def test_a_head_that_is_too_large_is_431(patient: Layer, size: int) -> None:
    with wire(patient) as connection:
        connection.send(request(b"X-A: " + b"a" * size))

        assert in_the_error_table(connection.answer(), 431, "too_large")
        assert connection.closed


def test_many_small_headers_are_a_large_head(patient: Layer) -> None:
    headers = [b"X-%d: a" % number for number in range(20_000)]

    assert in_the_error_table(asked(patient, request(*headers)), 431, "too_large")
    assert good(asked(patient, request(*headers[:3000])))


def test_a_head_of_64_kib_is_read(patient: Layer) -> None:
    assert good(asked(patient, request(b"X-A: " + b"a" * 60_000)))


def test_a_head_comes_in_pieces(patient: Layer) -> None:
    data = request()
    with wire(patient) as connection:
        for place in range(0, len(data), 7):
            connection.send(data[place : place + 7])

        assert good(connection.answer())


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"POST", request()[:60], request()[:-1][:150]])
def test_a_head_that_does_not_come_has_its_time(impatient: Layer, sent: bytes) -> None:
    with wire(impatient) as connection:
        connection.send(sent)

        assert connection.closed


def test_a_head_that_drips_has_no_more_time_than_one_that_does_not_come(
    impatient: Layer,
) -> None:
    with wire(impatient) as connection:
        connection.send(request(body=b"")[:-4])

        assert connection.closed_in_the_middle_of(b"\r\nX-A: b")


def test_a_second_head_has_its_time_as_well(impatient: Layer) -> None:
    for rest in (b"POST /acc", b"\r\n"):
        with wire(impatient) as connection:
            connection.send(request() + rest)

            assert good(connection.answer())
            assert connection.closed


def test_a_connection_that_is_kept_ends_after_a_while(impatient: Layer) -> None:
    with wire(impatient) as connection:
        connection.send(request())

        assert good(connection.answer())
        assert connection.closed


# Bodies


def test_a_body_that_does_not_come_has_its_time(impatient: Layer) -> None:
    for body in (b"", b"{"):
        with wire(impatient) as connection:
            connection.send(request(b"Content-Length: 100", body=body))

            assert in_the_error_table(connection.answer(), 400, "invalid_request")
            assert connection.closed


def test_a_body_that_drips_has_its_time(impatient: Layer) -> None:
    with wire(impatient) as connection:
        connection.send(request(b"Transfer-Encoding: chunked", body=b""))

        assert connection.closed_in_the_middle_of(b"1\r\n \r\n")


def test_who_leaves_in_the_middle_costs_nobody_anything(patient: Layer) -> None:
    with wire(patient) as connection:
        connection.send(request()[:-10])
    with wire(patient) as connection:
        connection.send(request()[:-10])
        connection.end()
        assert connection.closed

    assert good(asked(patient, request()))


@pytest.mark.parametrize(
    "data",
    [
        request(b"Content-Length: 2000000", body=b""),
        request(b"Content-Length: 2000000", body=b"x" * 70_000),
        request(b"Content-Length: 9000000000", body=b""),
        request(b"Transfer-Encoding: chunked", body=b"200000\r\n" + b"x" * 0x200000),
    ],
    ids=["said", "begun", "huge", "chunked"],
)
def test_a_body_that_is_too_large_is_refused_before_it_has_come(
    patient: Layer, data: bytes
) -> None:
    with wire(patient) as connection:
        connection.send(data)

        assert in_the_error_table(connection.answer(), 413, "too_large")


def test_whoever_sends_too_much_to_the_end_hears_why_and_may_go_on(patient: Layer) -> None:
    with wire(patient) as connection:
        connection.send(request(body=b" " * 3_000_000))
        assert in_the_error_table(connection.answer(), 413, "too_large")

        connection.send(request())
        assert good(connection.answer())


def test_chunks_without_end_are_cut_off(patient: Layer) -> None:
    with wire(patient) as connection:
        connection.send(request(b"Transfer-Encoding: chunked", body=b""))

        assert connection.closed_in_the_middle_of(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


@pytest.mark.parametrize("size", [b"zz", b"ffffffffffffffffff", b"-1", b" 5"])
def test_a_chunk_without_a_size_ends_the_connection(patient: Layer, size: bytes) -> None:
    with wire(patient) as connection:
        connection.send(request(b"Transfer-Encoding: chunked", body=size + b"\r\nabc\r\n"))
        answer = connection.answer()

        assert in_the_error_table(answer, 400, "invalid_request")
        assert answer is not None
        assert answer.headers["x-request-id"] == "the-same"
        assert connection.closed


def test_a_chunked_body_is_read_with_its_extensions_and_trailers(patient: Layer) -> None:
    halves = (QUESTION[:9], QUESTION[9:])
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(one), one) for one in halves)
    end = b"0\r\nTenantcfg-Min-Revision: nonsense\r\nAuthorization: x\r\n\r\n"

    assert good(asked(patient, request(b"Transfer-Encoding: chunked", body=chunks + end)))


def test_a_trailer_is_no_header(patient: Layer) -> None:
    data = request(b"Transfer-Encoding: chunked", body=b"")
    without = data.replace(b"Authorization: Bearer " + TOKEN.encode() + b"\r\n", b"")
    trailer = b"0\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"

    assert in_the_error_table(asked(patient, without + trailer), 401, "unauthenticated")


def test_who_is_not_known_is_told_so_before_the_body_has_come(patient: Layer) -> None:
    data = request(b"Content-Length: 100", body=b"").replace(TOKEN.encode(), b"wrong")

    assert in_the_error_table(asked(patient, data), 401, "unauthenticated")


def test_who_expects_a_word_before_the_body_is_given_one_only_if_it_is_wanted(
    patient: Layer,
) -> None:
    expecting = request(b"Expect: 100-continue")
    head, body = expecting[: -len(QUESTION)], expecting[-len(QUESTION) :]
    with wire(patient) as connection:
        connection.send(head)
        word = connection.answer(head_only=True)
        assert word is not None
        assert word.status == 100
        connection.send(body)
        assert good(connection.answer())
    assert asked(patient, head.replace(TOKEN.encode(), b"wrong")).status == 401


# One behind the other


def test_requests_that_come_together_are_answered_one_by_one(patient: Layer) -> None:
    with wire(patient) as connection:
        connection.send(request() + request(body=b"x") + request(target=b"/x") + request())

        answers = [connection.answer() for _ in range(4)]
    assert [one and one.status for one in answers] == [200, 400, 404, 200]


def test_a_connection_is_kept_across_errors(patient: Layer) -> None:
    with wire(patient) as connection:
        for data, status in (
            (request(body=b"x"), 400),
            (request().replace(TOKEN.encode(), b"wrong"), 401),
            (request(target=b"/x"), 404),
            (request(method=b"GET", body=b""), 405),
            (request(method=b"PUT"), 405),
            (request(), 200),
        ):
            connection.send(data)
            answer = connection.answer()
            assert answer is not None
            assert (answer.status, answer.headers["x-request-id"]) == (status, "the-same")


def test_http_1_0_is_answered_and_not_kept(patient: Layer) -> None:
    with wire(patient) as connection:
        connection.send(request(version=b"1.0"))

        assert good(connection.answer())
        assert connection.closed


def test_who_asks_for_it_has_the_connection_closed(patient: Layer) -> None:
    with wire(patient) as connection:
        connection.send(request(b"Connection: close"))

        assert good(connection.answer())
        assert connection.closed


def test_a_head_alone_is_answered_without_a_body(patient: Layer) -> None:
    with wire(patient) as connection:
        connection.send(request(method=b"HEAD", body=b"") + request())
        first = connection.answer(head_only=True)

        assert first is not None
        assert (first.status, first.headers["allow"]) == (405, "POST")
        assert good(connection.answer())


@pytest.mark.parametrize("to", [b"h2c", b"websocket", b"TLS/1.2", b"anything"])
def test_an_upgrade_is_left_out_and_the_body_is_not_lost(patient: Layer, to: bytes) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings", b"uPgRaDe: " + to, b"HTTP2-Settings: AAAA"
    data = request(*upgrade)
    with wire(patient) as connection:
        connection.send(data * 3)
        assert all(good(connection.answer()) for _ in range(3))
    with wire(patient) as connection:
        for place in range(0, len(data), 11):
            connection.send(data[place : place + 11])
        assert good(connection.answer())


# Too many


def test_connections_beyond_the_limit_are_told_and_those_within_are_served() -> None:
    with layer(FIXTURE, max_connections=LIMIT) as serving, ExitStack() as stack:
        within = [stack.enter_context(wire(serving)) for _ in range(LIMIT)]
        for one in within:
            one.send(request())
            assert good(one.answer())
        beyond = [stack.enter_context(wire(serving)) for _ in range(20)]
        for one in beyond:
            one.send(request())
            answer = one.answer()
            assert in_the_error_table(answer, 503, "unavailable")
            assert answer is not None
            assert answer.headers["x-request-id"] == "the-same"
            assert answer.headers["retry-after"] == "1"
            assert one.closed
        for one in within:
            one.send(request())
            assert good(one.answer())


def test_a_flood_beyond_the_limit_is_closed_at_once_and_passes() -> None:
    with layer(FIXTURE, max_connections=LIMIT) as serving:
        with ExitStack() as stack:
            flood = [stack.enter_context(wire(serving)) for _ in range(150)]
            last = flood[-1].answer()
            assert in_the_error_table(last, 503, "unavailable")
            assert flood[-1].closed
        with wire(serving) as connection:
            connection.send(request())
            assert connection.answer() is not None
