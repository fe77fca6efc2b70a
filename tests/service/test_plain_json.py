"""The short way to read a body: it may give up, and reads nothing that the long way does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, to_builtins

from tenantcfg import i_json
from tenantcfg.service.plain_json import Plain


class Whole(Struct, omit_defaults=True):
    """As a question: what must be there, what may, and what holds anything."""

    id: str
    other: str = ""
    properties: dict[str, Any] = {}


READ = Plain(Whole).read
PLAIN = b'{"id":"a","properties":{"b:c":[1,{"d":null}]}}'


def test_a_plain_body_is_read() -> None:
    assert READ(PLAIN) == Whole("a", properties={"b:c": [1, {"d": None}]})
    assert READ(b' {"properties" : {"e" :1.5} ,\n"id": "\xc3\xa9:" } ') == Whole(
        "é:", properties={"e": 1.5}
    )


@pytest.mark.parametrize(
    "body",
    [
        # A name twice, at each depth, the same value or another; and made up for by an escape.
        b'{"id":"a","id":"b"}',
        b'{"id":"a","id":"a"}',
        b'{"id":"a","properties":{"b":1,"b":1}}',
        b'{"id":"a","properties":{"b":[{"c":1,"c":2}]}}',
        b'{"id":"a","properties":{"b":1},"properties":{"b":1}}',
        b'{"id":"a","id":"\\u003a"}',
        b'{"id":"a","id":"b","properties":{"c":"\\u003a"}}',
        b'{"id":"a","i\\u0064":"b"}',
        # Twice in what the type does not know, and is dropped.
        b'{"id":"a","x":{"b":1,"b":2}}',
        b'{"id":"a","x":1}',
        b'{"id":"a","x":"::::","x":""}',
        # In the place of a default that is left out when it is written again.
        b'{"id":"a","id":"b","properties":{}}',
        b'{"id":"a","other":"","other":"b"}',
        b'{"id":"a","other":"b","other":""}',
        # Not UTF-8, also in what is dropped; no JSON; no number, or none that fits.
        b'{"id":"\xff"}',
        b'{"id":"a","\xff":1}',
        b'{"id":"a","x":"\xff"}',
        b'{"id":"\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"id":"a"}',
        '{"id":"a"}'.encode("utf-16"),
        b'{"id":"a"} {"id":"a"}',
        b'{"id":"a",}',
        b'{"id":"a","properties":{"b":NaN}}',
        b'{"id":"a","properties":{"b":-Infinity}}',
        b'{"id":"a","properties":{"b":1e999}}',
        b'{"id":"a","properties":{"b":' + b"1" * 5_000 + b"}}",
        b'{"id":"a","properties":{"b":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b'{"id":"\\ud800"}',
        b'{"id":"a\n"}',
        b'{"id":1}',
        b'{"id":null}',
        b'{"other":"a"}',
        b'["id"]',
        b"",
    ],
)
def test_what_is_not_plain_is_left_to_the_long_way(body: bytes) -> None:
    assert READ(body) is None


plain = st.text(st.sampled_from(":{},[]é a\u2028"), max_size=4)
texts = plain | plain | plain | st.text(st.sampled_from(':"\\\x00\ud800'), max_size=2)
names = st.sampled_from(["id", "other", "properties", "x", ":", ""])
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | st.floats() | texts


class Pairs(dict[str, Any]):
    """An object that is written with its members as they are, of one name or not."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__({"not": "empty"})
        self._pairs = pairs

    def items(self) -> Any:  # noqa: ANN401 - as the encoder takes them
        return self._pairs


def members(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Pairs]:
    return st.lists(st.tuples(names, inner), max_size=4).map(Pairs)


values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | members(inner), max_leaves=6
)
further = st.lists(st.tuples(st.just("other") | names, values | plain), max_size=1)
wholes = st.tuples(texts, members(values), further)
bodies = wholes.map(lambda one: Pairs([("id", one[0]), ("properties", one[1]), *one[2]])).map(
    lambda pairs: json.dumps(pairs, ensure_ascii=False).encode("utf-8", "surrogatepass")
)
damage = st.tuples(bodies, st.integers(0, 200), st.binary(max_size=2)).map(
    lambda one: one[0][: one[1]] + one[2] + one[0][one[1] + 1 :]
)


@given(body=bodies | damage)
def test_what_is_read_the_short_way_is_read_the_same_the_long_way(body: bytes) -> None:
    read = READ(body)
    if read is not None:
        assert to_builtins(read) == i_json.object_of(body)
