"""
The order in which .NET's ``Hashtable`` gives its entries.

It is that of its buckets, the last first, and shows where an error names the first of two
wrong keys. For numbers and truths it can be told; a string's place is drawn anew in each
process.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from decimal import Decimal

__all__ = ["bucket_order", "hash_code"]

_LOAD = 0.72
# The sizes that .NET takes, as far as somebody may write such a table out.
_PRIMES = (
    *(3, 7, 11, 17, 23, 29, 37, 47, 59, 71, 89, 107, 131, 163, 197, 239, 293, 353, 431, 521),
    *(631, 761, 919),
)
_MOST = 300
_STEP = 101
_LOW_32 = 2**32 - 1
_WITHIN_32_BITS = range(-(2**31) + 1, 2**32)
_LONG = frozenset({"System.Int64", "System.UInt64"})
_NOT_THE_SIGN = 2**31 - 1
_EXPONENT = 0x7FF0_0000_0000_0000


def bucket_order(codes: Sequence[int]) -> list[int]:
    """
    The places of *codes*, the keys' hash codes as written, in the order of the table.

    A table of more than 300 entries keeps the order that it has.
    """
    if len(codes) > _MOST:
        return list(range(len(codes)))
    size = _size(int(len(codes) / _LOAD))
    buckets: dict[int, int] = {}
    for place in range(len(codes)):
        if len(buckets) >= int(size * _LOAD):
            size = _size(2 * size)
            buckets = _filled([buckets[bucket] for bucket in sorted(buckets)], codes, size)
        buckets[_free(buckets, codes[place], size)] = place
    return [buckets[bucket] for bucket in sorted(buckets, reverse=True)]


def _size(least: int) -> int:
    return next(prime for prime in _PRIMES if prime >= least)


def _filled(places: Sequence[int], codes: Sequence[int], size: int) -> dict[int, int]:
    buckets: dict[int, int] = {}
    for place in places:
        buckets[_free(buckets, codes[place], size)] = place
    return buckets


def _free(buckets: Container[int], code: int, size: int) -> int:
    """The bucket for *code*: its own, or as many steps on as it takes."""
    seed = code & _NOT_THE_SIGN
    step = 1 + (seed * _STEP & _LOW_32) % (size - 1)
    bucket = seed % size
    while bucket in buckets:
        bucket = (bucket + step) % size
    return bucket


def hash_code(value: float | Decimal, type_name: str) -> int | None:
    """The hash code of a number of the .NET type *type_name*; None: it is drawn anew."""
    if isinstance(value, int):
        if type_name in _LONG:
            return _folded(value)
        # A BigInteger of more than 32 bits is hashed with a seed of the process.
        return value if value in _WITHIN_32_BITS else None
    return _folded(_bits(value)) if isinstance(value, float) else _decimal_code(value)


def _folded(bits: int) -> int:
    return (bits ^ bits >> 32) & _LOW_32


def _bits(value: float) -> int:
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    # Both zeros are one key.
    return int(bits) if value else int(bits) & _EXPONENT


def _decimal_code(value: Decimal) -> int:
    """Of the value without the zeros behind its point, whose scale counts."""
    sign, figures, exponent = value.as_tuple()
    digits, scale = int("".join(map(str, figures))), -int(exponent)
    while scale > 0 and digits % 10 == 0:
        digits, scale = digits // 10, scale - 1
    if digits == 0:
        return 0
    flags = scale << 16 | sign << 31
    return flags ^ digits >> 64 ^ _folded(digits & 2**64 - 1)
