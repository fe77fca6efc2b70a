"""
A Janus server as a call controller: rooms of its AudioBridge are calls, their members are in them.

AudioBridge answers ``success`` to a kick at once, and lets go of the member up to three quarters
of a second later; until then they hear and are heard (seen with Janus 1.1.2). So a removal is a
kick that is waited for.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tenantcfg.calls import CallsFailed, CallsUnavailable
from tenantcfg.calls.janus_admin import (
    BRIDGE,
    NO_HANDLE,
    NO_MEMBER,
    NO_ROOM,
    NO_SESSION,
    JanusAdmin,
)
from tenantcfg.errors import quoted
from tenantcfg.meetings import Call, Identity, IdentityKind, Outcome, Page, Participant, Whereabouts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tenantcfg.ids import TenantId
    from tenantcfg.meetings import Removal

__all__ = ["JanusController"]

T = TypeVar("T")

_DEADLINE: Final = 2.0
"""Seconds from a kick to when nobody waits for it any longer."""
_LONGEST_KICK: Final = 1.25
"""Seconds after which a kick that Janus was to carry out is carried out, with some to spare."""
_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.02
"""Between two looks, in seconds; a look costs Janus 0.3 ms."""


class JanusController:
    """
    The rooms of a Janus server, all of them calls of one tenant (`CallController`).

    Ids are Janus's own, so it must be configured with ``string_ids``. A member is there as soon
    as they are in the room; who they are is what they say, so each is a guest.

    Args:
        url: of the Admin API.
        admin_secret: lets anybody ask it.
        room_secret: of every room; without it nobody is kicked.
        tenant: whose calls the rooms are.
        admin_key: of AudioBridge; None: private rooms are in no list.
    """

    name: Final = "janus"
    settles: Final = False

    def __init__(
        self,
        url: str,
        admin_secret: str,
        *,
        room_secret: str,
        tenant: TenantId,
        admin_key: str | None = None,
    ) -> None:
        self._admin = JanusAdmin(url, admin_secret)
        self._room_secret = room_secret
        self._tenant = tenant
        self._admin_key = {} if admin_key is None else {"admin_key": admin_key}

    async def calls(self, tenant: TenantId, *, after: str | None, limit: int) -> Page[Call]:
        """See `CallController.calls`; in the order of their ids."""
        rooms: dict[str, Call] = {}
        if tenant == self._tenant:
            listed = await self._admin.bridge({"request": "list", **self._admin_key})
            for one in _items(listed, "list", "room"):
                rooms[one["room"]] = Call(tenant, one["room"])
        return _page(rooms, after, limit)

    async def call(self, tenant: TenantId, call: str) -> Call | None:
        """See `CallController.call`."""
        if tenant != self._tenant:
            return None
        found = (await self._admin.bridge({"request": "exists", "room": call})).get("exists")
        if not isinstance(found, bool):
            raise _nonsense("it does not say whether there is a room")
        return Call(tenant, call) if found else None

    async def participants(
        self, tenant: TenantId, call: str, *, after: str | None, limit: int
    ) -> Page[Participant] | None:
        """See `CallController.participants`; in the order of their ids, as Janus has none."""
        members = await self._members(tenant, call)
        return None if members is None else _page(members, after, limit, Call(tenant, call))

    async def whereabouts(self, tenant: TenantId, call: str, participant: str) -> Whereabouts:
        """See `CallController.whereabouts`."""
        members = await self._members(tenant, call)
        if members is None:
            return Whereabouts(None, None)
        return Whereabouts(Call(tenant, call), members.get(participant))

    async def remove(self, removal: Removal) -> Outcome:
        """
        See `CallController.remove`.

        ``REMOVED``: Janus lists nobody of this id in the room any longer, or somebody who has
        come after the kick. It takes 2 s at most.
        """
        if removal.tenant != self._tenant:
            return Outcome.ALREADY_GONE
        begun = time.monotonic()
        try:
            async with asyncio.timeout(_DEADLINE):
                if not await self._kicked(removal):
                    return Outcome.ALREADY_GONE
                await self._out(removal, begun)
        except TimeoutError as why:
            raise CallsUnavailable(
                "Janus has not let go of the member, or is silent",
                subject=quoted(removal.participant),
                why=f"{_DEADLINE:g} s have passed since the kick",
                ordered=True,
            ) from why
        return Outcome.REMOVED

    async def stayed(self, removal: Removal) -> bool:
        """
        See `CallController.stayed`.

        Janus is asked for as long as a kick may take: one that it was told while it was stopped
        it carries out after it has begun to answer again.
        """
        if removal.tenant != self._tenant:
            # It was one of theirs when it was begun: nothing that is seen now tells of it.
            raise CallsFailed(
                "the rooms are another tenant's now",
                subject=quoted(removal.tenant.value),
                why=f"janus_tenant is {quoted(self._tenant.value)}",
            )
        end: float | None = None
        pauses = _pauses()
        while await self._listed_now(removal):
            end = end or time.monotonic() + _LONGEST_KICK
            if time.monotonic() >= end:
                return True
            await asyncio.sleep(next(pauses))
        return False

    async def close(self) -> None:
        """See `CallController.close`."""
        await self._admin.close()

    # What is done

    async def _kicked(self, removal: Removal) -> bool:
        """Kick the member; False: there is none. If Janus is silent, it may have heard it."""
        whom = {"room": removal.call, "id": removal.participant, "secret": self._room_secret}
        kick = {"request": "kick", **whom}
        try:
            return bool(await self._admin.bridge(kick, NO_ROOM, NO_MEMBER, orders=True))
        except CallsUnavailable as why:
            if not why.ordered:
                raise
            return True

    async def _out(self, removal: Removal, begun: float) -> None:
        """Return once the member is out who was kicked after *begun*."""
        looked_closely = False
        for pause in _pauses():
            listed = await self._listed(removal)
            if listed is False:
                return
            if listed and not looked_closely and time.monotonic() - begun > _LONGEST_KICK:
                looked_closely = True
                if await self._came_after(removal, begun):
                    return
            await asyncio.sleep(pause)

    async def _listed(self, removal: Removal) -> bool | None:
        """Whether somebody of this id is in the room; None: Janus does not say."""
        try:
            return await self._listed_now(removal)
        except CallsUnavailable:
            # It may be back before the deadline.
            return None

    async def _listed_now(self, removal: Removal) -> bool:
        members = await self._members(removal.tenant, removal.call)
        return removal.participant in (members or {})

    async def _came_after(self, removal: Removal, begun: float) -> bool:
        """
        Whether the one of this id has come after *begun*, by a handle that was made since.

        Whoever joins by the one that they had before cannot be told from one who never left.
        """
        wanted = {"state": "inroom", "room": removal.call, "id": removal.participant}
        try:
            async for asked, info in self._handles():
                told = info.get("plugin_specific")
                if isinstance(told, dict) and wanted.items() <= told.items():
                    age = (_whole(info, "current_time") - _whole(info, "created")) / 1_000_000
                    return asked - age > begun
        except CallsUnavailable:
            pass
        return False

    async def _handles(self) -> AsyncIterator[tuple[float, dict[str, Any]]]:
        """What Janus says of each handle that AudioBridge has, and when it was asked."""
        listed = await self._admin.ask({"janus": "list_sessions"})
        # Sessions and handles may end between two questions.
        absent = (NO_SESSION, NO_HANDLE)
        for session in _numbers(listed, "sessions"):
            path = f"/{session}"
            told = await self._admin.ask({"janus": "list_handles"}, *absent, path=path)
            for handle in _numbers(told, "handles") if told else []:
                asked = time.monotonic()
                question = {"janus": "handle_info", "plugin_only": True}
                told = await self._admin.ask(question, *absent, path=f"{path}/{handle}")
                info = told.get("info")
                if isinstance(info, dict) and info.get("plugin") == BRIDGE:
                    yield asked, info

    async def _members(self, tenant: TenantId, call: str) -> dict[str, Participant] | None:
        """Those in the room *call*, by id; None: it is no call of *tenant*."""
        if tenant != self._tenant:
            return None
        told = await self._admin.bridge({"request": "listparticipants", "room": call}, NO_ROOM)
        if not told:
            return None
        return {one["id"]: _participant(one) for one in _items(told, "participants", "id")}


def _participant(member: dict[str, Any]) -> Participant:
    name = member.get("display")
    identity = None
    if isinstance(name, str):
        identity = Identity(IdentityKind.GUEST, member["id"], name)
    return Participant(member["id"], identity, muted=member.get("muted") is True)


def _items(told: dict[str, Any], name: str, key: str) -> list[dict[str, Any]]:
    """The list *name* of an answer, each of its objects with a text for *key*."""
    found = told.get(name)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _nonsense(f"{name} is no list of objects")
    if not all(isinstance(one.get(key), str) for one in found):
        raise _nonsense(f"{key} is no text", "set string_ids = true in its configuration")
    return found


def _numbers(told: dict[str, Any], name: str) -> list[int]:
    found = told.get(name)
    if not isinstance(found, list) or not all(type(one) is int for one in found):
        raise _nonsense(f"{name} is no list of numbers")
    return found


def _whole(told: dict[str, Any], name: str) -> int:
    found = told.get(name)
    if type(found) is not int:
        raise _nonsense(f"{name} is no number")
    return found


def _nonsense(why: str, hint: str = "see the log of Janus") -> CallsFailed:
    return CallsFailed("what Janus says makes no sense", why=why, hint=hint)


def _page(items: dict[str, T], after: str | None, limit: int, call: Call | None = None) -> Page[T]:
    behind = [one for one in sorted(items) if after is None or one > after]
    page = behind[:limit]
    last = page[-1] if len(behind) > limit else None
    return Page(tuple(items[one] for one in page), last, len(items), call)


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.2, _LONGEST_PAUSE)
