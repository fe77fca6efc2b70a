"""
Tenant ids, application ids and revisions: how they are read, and when two are equal.

Two ids are equal when their canonical forms are equal, in memory and in both databases.
The canonical form of a GUID, in any case, is lower-case 8-4-4-4-12; any other string is
kept as it is and compared exactly.

There are two doors. An admin's is lenient (`parse`): blanks round the id, ``{...}`` round
a GUID and ``urn:uuid:`` before one are taken off. A service's is exact (`exact`): only the
case of a GUID is folded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NoReturn, Self

from tenantcfg.errors import InvalidInput, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "MAX_ID_LENGTH",
    "AppId",
    "Revision",
    "TenantId",
    "is_guid",
    "near_misses",
    "pastable",
    "slips",
]

MAX_ID_LENGTH = 128
"""The longest id, in characters (docs, limits)."""

_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_URN = "urn:uuid:"
_PASTABLE = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*")
# 18 digits always fit the 64-bit integers of both databases.
_REVISION = re.compile(r"([0-9]{1,18})(?::[0-9a-f]{64})?")


def is_guid(text: str) -> bool:
    """Whether *text* has the shape 8-4-4-4-12 of hexadecimal digits, in any case."""
    return _GUID.fullmatch(text) is not None


def pastable(text: str) -> bool:
    """Whether *text* may stand, unquoted, in a line that we print for pasting."""
    return _PASTABLE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, order=True)
class _Id:
    value: str
    kind: ClassVar[str] = "id"

    def __post_init__(self) -> None:
        if self.value != _canonical(self.value):
            self._refuse(self.value, "it is not in canonical form", "use parse() or exact()")
        if reason := _why_not(self.value):
            self._refuse(self.value, *reason)

    @classmethod
    def exact(cls, text: str) -> Self:
        """
        The id that a service means by *text*: only the case of a GUID is folded.

        Raises:
            InvalidInput: no id can read so (empty, over 128 characters, a blank at an
                end, a character that cannot be printed).
        """
        return cls(_canonical(cls._string(text)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        The id that an admin means by *text*: blanks, braces and ``urn:uuid:`` are taken off.

        Raises:
            InvalidInput: as `exact`.
        """
        bare = cls._string(text).strip()
        inner = bare[len(_URN) :] if bare[: len(_URN)].lower() == _URN else bare
        if inner.startswith("{") and inner.endswith("}"):
            inner = inner[1:-1].strip()
        return cls.exact(inner if is_guid(inner) else bare)

    @property
    def is_guid(self) -> bool:
        """Whether the id has the shape of a GUID."""
        return is_guid(self.value)

    @property
    def pastable(self) -> bool:
        """Whether the id may stand, unquoted, in a line that we print for pasting."""
        return pastable(self.value)

    def __str__(self) -> str:
        return self.value

    @classmethod
    def _string(cls, given: object) -> str:
        # A typed caller cannot come here with anything else; a service's JSON can.
        if not isinstance(given, str):
            cls._refuse(repr(given), "it is no string", "")
        return given

    @classmethod
    def _refuse(cls, subject: str, why: str, hint: str) -> NoReturn:
        raise InvalidInput(f"not {cls.kind}", subject=quoted(subject), why=why, hint=hint)


@dataclass(frozen=True, slots=True, order=True)
class TenantId(_Id):
    """The id of a tenant: 1 to 128 printable characters, usually a GUID."""

    kind: ClassVar[str] = "a tenant id"


@dataclass(frozen=True, slots=True, order=True)
class AppId(_Id):
    """The id of an application: 1 to 128 printable characters, usually a GUID."""

    kind: ClassVar[str] = "an app id"


class Revision(int):
    """
    The number of a change: from 1, without gaps; 0 is the store before its first change.

    Revisions of one store compare like integers; those of two stores do not compare.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        The revision written as ``42``, or as the ``42:HASH`` of a receipt.

        Raises:
            InvalidInput: *text* is neither.
        """
        match = _REVISION.fullmatch(text.strip())
        if match is None:
            raise InvalidInput(
                "not a revision",
                subject=quoted(text),
                why="a whole number is wanted, or the REV:HASH of a receipt",
                hint="tenantcfg history lists them",
            )
        return cls(match[1])

    def __repr__(self) -> str:
        return f"Revision({int(self)})"

    def __str__(self) -> str:
        return int.__repr__(self)


_SHORTEST_MISS = 4


def near_misses(wanted: str, known: Iterable[str]) -> tuple[str, ...]:
    """
    Those of *known* that are one slip of a finger away from *wanted*, at most five.

    One slip: one character more, less or other, two neighbours swapped, or only the case.
    Of texts below four characters nearly all are that near, so they have none.
    """
    if len(wanted) < _SHORTEST_MISS:
        return ()
    low = wanted.lower()
    found = (one for one in known if one != wanted and _one_slip(low, one.lower()))
    return tuple(one for _, one in zip(range(5), found, strict=False))


def slips(text: str, alphabet: str) -> Iterator[str]:
    """
    What one slip of a finger makes of *text*, with characters of *alphabet*; some more than once.

    It is for looking up what `near_misses` finds by looking through. What differs in its case
    alone is not among them.
    """
    for at in range(len(text) + 1):
        before, after = text[:at], text[at:]
        for one in alphabet:
            yield before + one + after
            yield before + one + after[1:]
        yield before + after[1:]
        yield before + after[1::-1] + after[2:]


def _one_slip(a: str, b: str) -> bool:
    if abs(len(a) - len(b)) > 1:
        return False
    if a == b:
        return True
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    rest_a, rest_b = a[start:], b[start:]
    swapped = rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:]
    return (
        rest_a[1:] == rest_b[1:]
        or rest_a[1:] == rest_b
        or rest_a == rest_b[1:]
        or (len(rest_a) > 1 and swapped)
    )


def _canonical(text: str) -> str:
    return text.lower() if _GUID.fullmatch(text) else text


def _why_not(value: str) -> tuple[str, str] | None:
    if not value:
        return "it is empty", ""
    if len(value) > MAX_ID_LENGTH:
        return f"it has {len(value)} characters", f"at most {MAX_ID_LENGTH} are allowed"
    if not value.isprintable():
        return "it holds a character that cannot be printed", ""
    if value != value.strip():
        return "a blank stands at its end", ""
    return None
