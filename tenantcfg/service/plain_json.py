"""
Bodies that are written plainly, read straight into their type: the short way for nearly all.

Whatever is not plain in this sense is no error: it is read the long way (`strict_json`), which
alone decides what is wrong with a body.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import msgspec

__all__ = ["Plain"]

T = TypeVar("T", bound=msgspec.Struct)

_ENCODER: Final = msgspec.json.Encoder()
_COLON: Final = b":"
_ESCAPE: Final = b"\\"


class Plain(Generic[T]):
    """
    Reads bodies of one *kind*, a type that leaves out what has its default (``omit_defaults``).

    The decoder keeps the last of two members of one name, and drops one that the type does not
    know. Either shows when what was kept is written again: each member has a colon, so there are
    fewer of them. Within strings they stay as many, since none is escaped. So equal numbers say
    that nothing was dropped, which is I-JSON's rule on names (check W42), for a third of what it
    costs to look at each name.
    """

    def __init__(self, kind: type[T]) -> None:
        self._decoder = msgspec.json.Decoder(kind)

    def read(self, body: bytes) -> T | None:
        """What *body* says; None: it is wrong, or not written plainly."""
        if _ESCAPE in body:
            return None
        try:
            value = self._decoder.decode(body)
            again = _ENCODER.encode(value)
        except (ValueError, OverflowError, RecursionError):
            # What msgspec does not take, JSON may: a number beyond a float, for one.
            return None
        return value if again.count(_COLON) == body.count(_COLON) else None
