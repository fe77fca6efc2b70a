"""
JSON that everybody reads alike (I-JSON, RFC 7493): what two readers could read in two ways is none.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

__all__ = ["object_of"]

_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def object_of(body: bytes) -> dict[str, Any]:
    """
    *body* as one JSON object (check W3, W42, W43).

    Raises:
        ValueError: it is not UTF-8, no JSON, no object, names a member twice (escaped or not),
            holds half of a surrogate pair, or too large a number to be read.
        RecursionError: it is too deep.
    """
    text = body.decode("utf-8")
    value = _DECODER.decode(text)
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    if not isinstance(value, dict):
        raise ValueError("it is JSON, but no object")  # noqa: TRY004 - as what else is wrong
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# Made once: json's own functions make one for each text.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_once_each, parse_constant=_no_constant)
