"""
Where a request goes in the calls API: its raw path, split before anything is decoded.

One function for the check that proxies ask and for the endpoint itself, so that the two never
read a path differently (check F5, participants P1 to P3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["PathId", "Place", "split"]

_PLAIN = re.compile(rb"[A-Za-z0-9._~-]+")
_DOTS = (b".", b"..")

# An empty segment straight behind the version is how the Python Graph SDK spells its paths; it
# is the only one that is skipped (participants P1).
_PATH = re.compile(
    rb"""
    (?: (?P<base> /v1\.0 | /beta ) /? )?
    / (?P<tree> communications | app )
    /calls
    (?:
        (?: / (?P<call> [^/]+ ) | \( (?:'|%27) (?P<call_key> [^/]+ ) (?:'|%27) \) )
        (?:
            (?P<roster> /participants )
            (?: / (?P<one> [^/]+ ) | \( (?:'|%27) (?P<one_key> [^/]+ ) (?:'|%27) \) )?
        )?
    )?
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class PathId:
    """
    An id as it stands in a path.

    Attributes:
        raw: as sent, percent-encoded or not.
        keyed: whether it was written in OData's key form, ``calls('id')``.
    """

    raw: bytes
    keyed: bool = False

    @property
    def plain(self) -> bool:
        """Whether everybody who reads the path reads this id alike (check F5)."""
        return not self.keyed and self.raw not in _DOTS and _PLAIN.fullmatch(self.raw) is not None


@dataclass(frozen=True, slots=True)
class Place:
    """
    What a path names in the calls API.

    Attributes:
        base: ``/v1.0``, ``/beta`` or nothing: what the links of an answer begin with.
        deprecated: whether the tree is ``/app`` (participants P4).
        call: None: the list of calls.
        roster: whether it is about participants of the call, all or one.
        participant: None: all of them, or the call itself.
    """

    base: bytes
    deprecated: bool
    call: PathId | None = None
    roster: bool = False
    participant: PathId | None = None


def split(path: bytes) -> Place | None:
    """
    What *path* names; None: nothing of ours.

    Args:
        path: raw, without the query. It is matched whole, case and all: a trailing slash, an
            empty segment, ``;x`` behind a name or an absolute URL name nothing.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    return Place(
        found["base"] or b"",
        found["tree"] == b"app",
        _id(found["call"], found["call_key"]),
        found["roster"] is not None,
        _id(found["one"], found["one_key"]),
    )


def _id(segment: bytes | None, key: bytes | None) -> PathId | None:
    if segment is not None:
        return PathId(segment)
    return None if key is None else PathId(key, keyed=True)
