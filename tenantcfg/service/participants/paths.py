"""
What a request is about: the place in its path, the ids in it, and the links that lead there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes

from tenantcfg.errors import InvalidInput
from tenantcfg.meetings import meeting_id
from tenantcfg.service.participants.answers import Fault
from tenantcfg.service.paths import split

if TYPE_CHECKING:
    from tenantcfg.service.http import Answer
    from tenantcfg.service.paths import PathId, Place

__all__ = ["Target", "target_of"]

# When the page that calls /app deprecated was written; it names no day (participants P4).
_DEPRECATED_AT: Final = b"@1598918400"
_BROKEN: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_DOTS: Final = (b".", b"..")
_AS_SENT: Final = "%!$&'()*+,;=:@/"
_OF_ONE: Final = "GET, HEAD, DELETE"
_OF_OTHERS: Final = "GET, HEAD"


@dataclass(frozen=True, slots=True)
class Target:
    """
    What a request is about.

    Attributes:
        base: the public URL, with the version that the client uses.
        below: the path behind it, as it was sent.
    """

    place: Place
    base: str
    below: str

    @property
    def methods(self) -> tuple[str, ...]:
        """What can be done here (participants P2)."""
        return tuple((_OF_OTHERS if self.place.participant is None else _OF_ONE).split(", "))

    @property
    def allow(self) -> tuple[tuple[bytes, bytes], ...]:
        """The header that says so."""
        return ((b"allow", ", ".join(self.methods).encode()),)

    def ids(self) -> tuple[str | None, str | None]:
        """
        The call and the participant, decoded once and never put into a path again.

        Raises:
            Fault: one cannot be an id.
        """
        return _id("call", self.place.call), _id("participant", self.place.participant)

    def link(self, query: str) -> str:
        """The same place with another *query*, below the base that the client uses (P18)."""
        return f"{self.base}{self.below}?{query}"

    def context(self, of: str) -> str:
        """The ``@odata.context`` of what is answered (P18)."""
        return f"{self.base}/$metadata#communications/calls{of}"

    def marked(self, answer: Answer) -> Answer:
        """*answer*, with what is to be said where the path is deprecated (P4)."""
        if not self.place.deprecated:
            return answer
        successor = f"{self.base}/communications{self.below.removeprefix('/app')}"
        said = (
            (b"deprecation", _DEPRECATED_AT),
            (b"link", f'<{successor}>; rel="successor-version"'.encode()),
        )
        return type(answer)(answer.status, answer.body, (*answer.headers, *said))


def target_of(path: bytes, *, prefix: bytes, public_url: str) -> Target | None:
    """
    What *path* is about; None: nothing of ours.

    Args:
        path: raw, without the query.
        prefix: the path of *public_url*, which a proxy may have taken off or not (check W36).
        public_url: what the links begin with; never the header ``Host`` (P18).
    """
    if prefix and path.startswith(prefix + b"/"):
        path = path[len(prefix) :]
    place = split(path)
    if place is None or any(_dotted(one) for one in (place.call, place.participant)):
        return None
    below = b"/" + path[len(place.base) :].lstrip(b"/")
    return Target(place, public_url + place.base.decode(), quote(below, safe=_AS_SENT))


def _dotted(one: PathId | None) -> bool:
    """
    Whether somebody on the way may take the segment for a step in the path (P3).

    In the key form the id is only a part of it, so nobody is out of reach by their id.
    """
    return one is not None and not one.keyed and unquote_to_bytes(one.raw) in _DOTS


def _id(what: str, sent: PathId | None) -> str | None:
    if sent is None:
        return None
    try:
        if _BROKEN.search(sent.raw):
            raise _not_an_id(what)
        text = unquote_to_bytes(sent.raw).decode()
        return meeting_id(what, _unquoted(what, text) if sent.keyed else text)
    except (UnicodeDecodeError, InvalidInput) as why:
        raise _not_an_id(what) from why


def _unquoted(what: str, text: str) -> str:
    """A literal of OData, in which a quote is written twice."""
    if "'" in text.replace("''", ""):
        raise _not_an_id(what)
    return text.replace("''", "'")


def _not_an_id(what: str) -> Fault:
    return Fault("idTooLong", f"The id of the {what} is too long, or not printable UTF-8.")
