"""
Query options: the few of OData that are taken, and the refusal of all others (participants P18).
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes

from tenantcfg.service.participants.answers import Fault

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["LARGEST_PAGE", "Options", "none_of", "not_of_a_page", "options_of"]

LARGEST_PAGE: Final = 999
"""The most on a page, and as many as there are without ``$top``."""

# What OData 4.01 lets a client write without the dollar sign. To take it for a name of nobody's
# would hand everybody to a bot that asked for some.
_OF_ODATA: Final = frozenset(
    "apply compute count deltatoken expand filter format index levels orderby schemaversion"
    " search select skip skiptoken top".split()
)
_OF_A_LIST: Final = frozenset({"$top", "$skiptoken", "$select", "$count"})
_OF_ONE: Final = frozenset({"$select"})


@dataclass(frozen=True, slots=True)
class Options:
    """
    What is wanted of a list or of one.

    Attributes:
        top: so many at most; None: not said.
        after: behind which the page begins, as the controller has named it; None: the first.
        select: which properties, in the order of the request; None: all.
        count: whether the total is wanted.
    """

    top: int | None = None
    after: str | None = None
    select: tuple[str, ...] | None = None
    count: bool = False

    @property
    def limit(self) -> int:
        """How many are on a page."""
        return LARGEST_PAGE if self.top is None else self.top

    def selected(self, members: dict[str, object]) -> dict[str, object]:
        """Those of *members* that are wanted."""
        if self.select is None:
            return members
        return {name: value for name, value in members.items() if name in self.select}

    def behind(self, after: str) -> str:
        """The query of the next page, which has all options of this one."""
        said = [] if self.top is None else [f"$top={self.top}"]
        if self.select is not None:
            said.append(f"$select={quote(','.join(self.select))}")
        if self.count:
            said.append("$count=true")
        token = urlsafe_b64encode(after.encode()).decode().rstrip("=")
        return "&".join([*said, f"$skiptoken={token}"])


def none_of(query: bytes) -> None:
    """
    Refuse every query option in *query*.

    Raises:
        Fault: there is one.
    """
    _sent(query, frozenset())


def options_of(query: bytes, *, known: Collection[str], listed: bool) -> Options:
    """
    What *query* wants of a list, where it is *listed*, or of one thing.

    Names that are none of OData's are left to whoever put them there.

    Args:
        query: as it was sent.
        known: the properties that can be selected.
        listed: whether it is about a list.

    Raises:
        Fault: an option is not taken, wrong, or there twice.
    """
    sent = _sent(query, _OF_A_LIST if listed else _OF_ONE)
    return Options(
        top=_top(sent["$top"]) if "$top" in sent else None,
        after=_after(sent["$skiptoken"]) if "$skiptoken" in sent else None,
        select=_select(sent["$select"], known) if "$select" in sent else None,
        count="$count" in sent and _count(sent["$count"]),
    )


def _sent(query: bytes, taken: Collection[str]) -> dict[str, str]:
    sent: dict[str, str] = {}
    for name, value in _options(query):
        if name not in taken:
            raise _refused("A query option is not supported here.")
        if name in sent:
            raise _refused(f"The query option {name} is there twice.")
        sent[name] = value
    return sent


def _options(query: bytes) -> Iterator[tuple[str, str]]:
    """OData's options in *query*, their names as we spell them."""
    for pair in query.split(b"&"):
        name, _, value = (_decoded(part) for part in pair.partition(b"="))
        name = name.lower()
        # Wherever the sign stands: behind a blank, or behind the amp; of a link that was escaped
        # for a page, it is an option all the same.
        if "$" in name:
            yield name, value
        elif name in _OF_ODATA:
            yield f"without the dollar sign: {name}", value


def _decoded(part: bytes) -> str:
    try:
        return unquote_to_bytes(part.replace(b"+", b" ")).decode()
    except UnicodeDecodeError as why:
        raise _refused("The query is not UTF-8.") from why


def _top(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) or int(text) == 0:
        raise _refused(f"$top is no whole number from 1 to {LARGEST_PAGE}.")
    return int(text)


def _after(text: str) -> str:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        after = urlsafe_b64decode(padded).decode()
    except ValueError as why:
        raise not_of_a_page() from why
    if not after:
        raise not_of_a_page()
    return after


def not_of_a_page() -> Fault:
    """The token is none that a page has named."""
    return _refused("$skiptoken is none that a nextLink has named.")


def _select(text: str, known: Collection[str]) -> tuple[str, ...]:
    names = tuple(part.strip(" ") for part in text.split(","))
    if not all(name in known for name in names):
        raise _refused("$select names a property that is not known here.")
    return names


def _count(text: str) -> bool:
    if text not in {"true", "false"}:
        raise _refused("$count is neither true nor false.")
    return text == "true"


def _refused(message: str) -> Fault:
    return Fault("queryOptionNotSupported", message)
