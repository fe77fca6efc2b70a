"""
The roster's own door: a media layer reports calls and who is in them, and follows removals.

Reports are idempotent, and say what is, not what changed, so that whoever has lost the thread
reports once more what is true now. The paths::

    PUT, DELETE, GET  /roster/{tenant}/calls/{call}
    PUT, DELETE       /roster/{tenant}/calls/{call}/participants/{id}
    GET               /roster/{tenant}/calls
    GET               /removals?after=N
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from tenantcfg import instants
from tenantcfg.errors import Conflict, InvalidInput, UnknownTenant
from tenantcfg.ids import TenantId
from tenantcfg.keys import Right
from tenantcfg.meetings import (
    Call,
    CallState,
    Direction,
    Identity,
    IdentityKind,
    Participant,
    UnknownCall,
    meeting_id,
)
from tenantcfg.service.askers import KeyHolder, in_time, require, told
from tenantcfg.service.authzen import Snapshot
from tenantcfg.service.authzen.endpoints import MAX_BODY, require_json, stamped
from tenantcfg.service.http import NO_STORE, Answer, Problem, answered, strict_json
from tenantcfg.service.streams import HEARTBEAT, Page, Streams, members_of, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from enum import StrEnum

    from tenantcfg.meetings import Removed
    from tenantcfg.service.askers import Anyone
    from tenantcfg.service.authzen import Askers
    from tenantcfg.service.http import Endpoint, Headers, Request
    from tenantcfg.store import Answered, Store

__all__ = ["roster"]

T = TypeVar("T")
Word = TypeVar("Word", bound="StrEnum")

STREAMS: Final = 100
"""The most streams of removals in each worker, and no more than an eighth of its connections."""
_PAGE: Final = 1_000
_READERS: Final = 2
# One, so that no report overtakes an earlier one that waits for a lock; what was given up before
# its turn came is not carried out.
_WRITERS: Final = 1

_PATH: Final = re.compile(
    rb"/roster/(?P<tenant>[^/]+)/calls(?:/(?P<call>[^/]+)(?:/participants/(?P<one>[^/]+))?)?"
)
_BROKEN: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_DOTS: Final = (b".", b"..")


def roster(
    store: Store,
    askers: Askers,
    watched: Callable[[Exception], None],
    *,
    connections: int,
    public_url: str | None = None,
    max_body: int = MAX_BODY,
    heartbeat: float = HEARTBEAT,
) -> dict[bytes, Endpoint]:
    """
    The endpoints for whoever carries the media, by their paths.

    Args:
        store: whose roster it is.
        askers: who may report; a key with `Right.MEDIA`.
        watched: is told why the store does not answer, and of faults.
        connections: how many there can be, of which streams of removals take an eighth.
        public_url: its path is the mount prefix (check W36).
        max_body: bytes of a body.
        heartbeat: seconds between two heartbeats of a stream.
    """
    prefix = urlsplit(public_url or "").path.encode()
    most = min(STREAMS, max(1, connections // 8))
    feed = _Removals(store)
    streams = Streams(feed, store, askers, watched, heartbeat=heartbeat, most=most)
    return {
        b"/roster/*": _Door(store, askers, prefix, max_body).answer,
        b"/removals": streams.open,
    }


# Reports


@dataclass(frozen=True, slots=True)
class _Place:
    """What a path names, each id as it was sent."""

    tenant: bytes
    call: bytes | None
    participant: bytes | None

    @property
    def methods(self) -> tuple[str, ...]:
        """What can be done here."""
        if self.call is None:
            return ("GET", "HEAD")
        return ("PUT", "DELETE") if self.participant else ("GET", "HEAD", "PUT", "DELETE")


class _Door:
    def __init__(self, store: Store, askers: Askers, prefix: bytes, max_body: int) -> None:
        self._store = store
        self._roster = store.roster
        self._askers = askers
        self._prefix = prefix
        self._max_body = max_body
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="roster")
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="reports")

    async def answer(self, request: Request) -> Answer:
        """Take a report, or tell what is known; only of tenants that the key covers."""
        place = self._place(request)
        asker: Any = self._askers.presented(request)
        request.asker = asker.identity
        now = await self._judged(asker)
        facts = require(now, asker, Right.MEDIA)
        tenant = _tenant(place.tenant)
        if tenant is None or not (facts is None or facts.covers(tenant.value)):
            raise _no_tenant()
        headers = stamped(Snapshot(now.store_id, now.revision))
        try:
            return await self._answered(request, place, tenant, headers)
        except UnknownTenant as why:
            raise _no_tenant() from why
        except UnknownCall as why:
            raise Problem("not_found", "there is no such call in this tenant") from why
        except Conflict as why:
            raise Problem("conflict", why.what) from why
        except InvalidInput as why:
            # Its subject is what was sent to us, which is not sent back (check W45).
            raise Problem("invalid_request", ": ".join(filter(None, (why.what, why.why)))) from why

    def _place(self, request: Request) -> _Place:
        path = request.path
        if self._prefix and path.startswith(self._prefix + b"/roster/"):
            path = path[len(self._prefix) :]
        found = _PATH.fullmatch(path)
        if found is None:
            raise Problem("not_found", "there is nothing at this path")
        place = _Place(found["tenant"], found["call"], found["one"])
        if request.method not in place.methods:
            allow = ((b"allow", ", ".join(place.methods).encode()),)
            raise Problem("method_not_allowed", "the header Allow says what can be done", allow)
        return place

    async def _judged(self, asker: KeyHolder | Anyone) -> Answered:
        key = asker.key.id if isinstance(asker, KeyHolder) else None
        return await told(self._store, self._store.ask((), key=key))

    async def _answered(
        self, request: Request, place: _Place, tenant: TenantId, headers: Headers
    ) -> Answer:
        call = None if place.call is None else _id("call", place.call)
        one = None if place.participant is None else _id("participant", place.participant)
        match request.method:
            case "PUT" if call is not None:
                members = await self._members(request)
                new, shown = await self._reported(tenant, call, one, members)
                return answered(shown, status=201 if new else 200, headers=headers)
            case "DELETE" if call is not None:
                await self._written(partial(self._end, tenant, call, one))
                return Answer(204, b"", (NO_STORE, *headers))
        members = await self._read(partial(self._known, tenant, call, _after(request)))
        return answered(members, headers=headers)

    async def _members(self, request: Request) -> dict[str, Any]:
        body = await request.body(self._max_body)
        if not body:
            return {}
        require_json(request)
        return strict_json(body)

    async def _reported(
        self, tenant: TenantId, call: str, one: str | None, members: dict[str, Any]
    ) -> tuple[bool, dict[str, Any]]:
        """Whether what was put is new, and how it was understood."""
        if one is None:
            described = _call_of(tenant, call, members)
            new = await self._written(partial(self._roster.report_call, described))
            return new, _shown_call(described)
        participant = _participant_of(one, members)
        new = await self._written(partial(self._roster.report, tenant, call, participant))
        return new, _shown_participant(participant)

    def _end(self, tenant: TenantId, call: str, one: str | None) -> None:
        """See to it that the call, or the one in it, is there no more."""
        with suppress(UnknownCall):
            if one is None:
                self._roster.end_call(tenant, call)
            else:
                self._roster.left(tenant, call, one)
            return
        self._require_known(tenant)

    def _known(self, tenant: TenantId, call: str | None, after: str | None) -> dict[str, Any]:
        """A page of what is known: the calls, or those in one."""
        if call is None:
            self._require_known(tenant)
            calls = self._roster.calls(tenant, after=after, limit=_PAGE)
            return {"calls": [_shown_call(one) for one in calls.items], "next": calls.after}
        people = self._roster.participants(tenant, call, after=after, limit=_PAGE)
        if people is None or people.call is None:
            raise UnknownCall("unknown call")
        shown = [_shown_participant(one) for one in people.items]
        return {**_shown_call(people.call), "participants": shown, "next": people.after}

    def _require_known(self, tenant: TenantId) -> None:
        if self._store.find_tenant(tenant.value).id != tenant:
            raise UnknownTenant("it is the name of one")

    async def _read(self, read: Callable[[], T]) -> T:
        asked = asyncio.get_running_loop().run_in_executor(self._readers, read)
        return await in_time(self._store, asked)

    async def _written(self, write: Callable[[], T]) -> T:
        done = asyncio.get_running_loop().run_in_executor(self._writers, write)
        return await in_time(self._store, done)


def _tenant(sent_: bytes) -> TenantId | None:
    try:
        return TenantId.exact(_decoded("tenant", sent_))
    except InvalidInput:
        return None


def _id(what: str, sent_: bytes) -> str:
    return meeting_id(what, _decoded(what, sent_))


def _decoded(what: str, sent_: bytes) -> str:
    """A segment of the path, decoded once: what two readers could read in two ways is none."""
    wrong = "the path is not percent-encoded" if _BROKEN.search(sent_) else ""
    if sent_ in _DOTS:
        wrong = "it is a step in the path; as an id its dots are written %2e"
    if wrong:
        raise InvalidInput(f"not the id of a {what}", why=wrong)
    try:
        return unquote_to_bytes(sent_).decode("utf-8")
    except UnicodeDecodeError as why:
        raise InvalidInput(f"not the id of a {what}", why="it is no UTF-8") from why


def _after(request: Request) -> str | None:
    query = parse_qsl(request.query.decode("latin-1"), keep_blank_values=True)
    match query:
        case []:
            return None
        case [("after", after)] if after:
            return after
    raise Problem("invalid_request", "only after is known here, once: next of the page before")


def _no_tenant() -> Problem:
    return Problem("not_found", "there is no such tenant")


# What is said of calls and participants


class _Members:
    """The members of an object, each taken as what it must be."""

    def __init__(self, members: dict[str, Any], *known: str) -> None:
        if not members.keys() <= set(known):
            raise Problem("invalid_request", f"a member is not known; known are {', '.join(known)}")
        self._members = members

    def text(self, name: str) -> str | None:
        """A text; None: it is not there, or null."""
        value = self._members.get(name)
        if value is not None and not isinstance(value, str):
            raise Problem("invalid_request", f"{name} is no string")
        return value

    def flag(self, name: str, *, otherwise: bool) -> bool:
        """True or false; *otherwise*: it is not there."""
        value = self._members.get(name, otherwise)
        if not isinstance(value, bool):
            raise Problem("invalid_request", f"{name} is neither true nor false")
        return value

    def word(self, name: str, otherwise: Word) -> Word:
        """One of the words of a kind; *otherwise*: it is not there."""
        kind, value = type(otherwise), self._members.get(name, otherwise.value)
        words = [one.value for one in kind]
        if value not in words:
            raise Problem("invalid_request", f"{name} is none of {', '.join(words)}")
        return kind(value)

    def object_(self, name: str) -> dict[str, Any] | None:
        """An object; None: it is not there, or null."""
        value = self._members.get(name)
        if value is not None and not isinstance(value, dict):
            raise Problem("invalid_request", f"{name} is no object")
        return value


def _call_of(tenant: TenantId, id_: str, members: dict[str, Any]) -> Call:
    said = _Members(members, "subject", "state", "direction")
    return Call(
        tenant,
        id_,
        said.word("state", CallState.ESTABLISHED),
        said.word("direction", Direction.OUTGOING),
        said.text("subject"),
    )


def _participant_of(id_: str, members: dict[str, Any]) -> Participant:
    said = _Members(members, "identity", "answered", "isInLobby", "isMuted")
    return Participant(
        id_,
        _identity_of(said.object_("identity")),
        said.flag("answered", otherwise=True),
        said.flag("isInLobby", otherwise=False),
        said.flag("isMuted", otherwise=False),
    )


def _identity_of(members: dict[str, Any] | None) -> Identity | None:
    if members is None:
        return None
    said = _Members(members, "kind", "id", "displayName", "tenantId")
    id_ = said.text("id")
    if id_ is None or "kind" not in members:
        raise Problem("invalid_request", "an identity has kind and id")
    kind = said.word("kind", IdentityKind.USER)
    return Identity(kind, id_, said.text("displayName"), said.text("tenantId"))


def _shown_call(one: Call) -> dict[str, Any]:
    return {
        "id": one.id,
        "state": one.state.value,
        "direction": one.direction.value,
        "subject": one.subject,
    }


def _shown_participant(one: Participant) -> dict[str, Any]:
    who = one.identity
    identity = None
    if who is not None:
        identity = {
            "kind": who.kind.value,
            "id": who.id,
            "displayName": who.display_name,
            "tenantId": who.tenant,
        }
    return {
        "id": one.id,
        "identity": identity,
        "answered": one.answered,
        "isInLobby": one.in_lobby,
        "isMuted": one.muted,
    }


# Removals, as they are followed


@dataclass(frozen=True, slots=True)
class _Event:
    """A removal as it goes out."""

    number: int
    tenant: str
    plain: bytes

    @classmethod
    def of(cls, one: Removed) -> _Event:
        """The event of a removal."""
        members = {
            "at": instants.text(one.at),
            "tenant": one.tenant.value,
            "call": one.call,
            "participant": one.participant,
        }
        return cls(one.number, one.tenant.value, members_of(members))

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self.plain)

    def piece(self, previous: int, *, whole: bool) -> bytes:
        """See `tenantcfg.service.streams.Event`; all of it is for everybody who sees it."""
        del whole
        numbers = b'"number":%d,"previous":%d,' % (self.number, previous)
        return sent("removed", numbers + self.plain, b"id: %d\n" % self.number)


class _Removals:
    """The removals from the roster of *store*, as they are followed (`Feed`)."""

    rights: Final = (Right.MEDIA,)
    # Somebody goes on hearing what is said until the media layer is told.
    tick: Final = 0.05

    def __init__(self, store: Store) -> None:
        self._roster = store.roster
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="removals")

    async def head(self, answered: Answered) -> int:
        """See `Feed.head`."""
        del answered
        return await self._asked(self._roster.last_removed)

    async def newest(self, after: int, tenants: Collection[str] | None) -> int:
        """See `Feed.newest`."""
        return await self._asked(partial(self._roster.last_removed, up_to=after, tenants=tenants))

    async def page(self, after: int, limit: int, tenants: Collection[str] | None) -> Page:
        """See `Feed.page`."""
        return await self._asked(partial(self._page, after, limit, tenants))

    def _page(self, after: int, limit: int, tenants: Collection[str] | None) -> Page:
        # Asked before: of what is found behind it, none up to there is missing.
        head = self._roster.last_removed()
        found = self._roster.removed(after, limit=limit, tenants=tenants)
        last = found[-1].number if found else after
        return Page.of(map(_Event.of, found), last if len(found) == limit else max(head, last))

    async def _asked(self, ask: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)
