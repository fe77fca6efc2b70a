"""
What is looked up of calls, and answered as it was found; what is not there is 404 (P13, P15).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tenantcfg.errors import InvalidInput
from tenantcfg.meetings import CallState
from tenantcfg.service.askers import in_time
from tenantcfg.service.participants.answers import Fault
from tenantcfg.service.participants.options import not_of_a_page
from tenantcfg.service.participants.removing import controlled
from tenantcfg.service.participants.resources import ANSWERED, call_members, participant_members

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from tenantcfg.calls import CallController
    from tenantcfg.calls.threads import StoreThreads
    from tenantcfg.ids import TenantId
    from tenantcfg.meetings import Call, Page, Participant
    from tenantcfg.service.participants.options import Options
    from tenantcfg.service.participants.paths import Target
    from tenantcfg.store import Store

__all__ = ["Lookups"]

Members = dict[str, Any]


class Lookups:
    """Who is in which call, as *controller* tells; in *store* stands who was removed."""

    def __init__(self, controller: CallController, store: Store, threads: StoreThreads) -> None:
        self._controller = controller
        self._store = store
        self._threads = threads

    async def call(self, tenant: TenantId, call: str) -> Call:
        """
        The call of *tenant*.

        Raises:
            Fault: there is none; the same is said where it is another tenant's.
        """
        found = await controlled(self._controller.call(tenant, call))
        if found is None:
            raise _no_call()
        return found

    async def participant(self, tenant: TenantId, call: str, whom: str) -> tuple[Participant, Call]:
        """
        The one of this id, and the call that they are in; of one that has ended nobody is (P19).

        Raises:
            Fault: there is none; who was removed by this service is told apart (P13).
        """
        found = await controlled(self._controller.whereabouts(tenant, call, whom))
        if found.call is None:
            raise _no_call()
        of = _going_on(found.call)
        if found.participant is None:
            raise await self.gone(tenant, call, whom)
        return found.participant, of

    async def gone(self, tenant: TenantId, call: str, whom: str) -> Fault:
        """What is said of one who is not in the call, or not any more."""
        asked = self._threads.read(self._store.removals.was_removed, tenant, call, whom)
        if await in_time(self._store, asked):
            return Fault("participantAlreadyRemoved", "The participant was removed before.")
        return Fault("participantNotFound", "Nobody of this id is in the call.")

    # As they are answered

    async def one_call(
        self, target: Target, options: Options, tenant: TenantId, call: str
    ) -> Members:
        """A call, as it is answered."""
        members = options.selected(call_members(await self.call(tenant, call)))
        return {"@odata.context": target.context("/$entity"), **members}

    async def all_calls(self, target: Target, options: Options, tenant: TenantId) -> Members:
        """A page of the calls of *tenant*, as it is answered."""
        asked = self._controller.calls(tenant, after=options.after, limit=options.limit)
        page = await _page(asked, options)
        context = target.context("")
        return _listed(context, target, options, page, map(call_members, page.items))

    async def one_participant(
        self, target: Target, options: Options, tenant: TenantId, call: str, whom: str
    ) -> Members:
        """A participant, as it is answered."""
        found, of = await self.participant(tenant, call, whom)
        return {
            "@odata.context": target.context(f"{_key(call)}/participants/$entity"),
            **_annotated(found, options.selected(participant_members(found, of))),
        }

    async def all_participants(
        self, target: Target, options: Options, tenant: TenantId, call: str
    ) -> Members:
        """A page of those in a call, as it is answered."""
        asked = self._controller.participants(
            tenant, call, after=options.after, limit=options.limit
        )
        page = await _page(asked, options)
        if page is None:
            raise _no_call()
        of = await self.call(tenant, call) if page.call is None else page.call
        _going_on(of)
        items = (
            _annotated(one, options.selected(participant_members(one, of))) for one in page.items
        )
        return _listed(target.context(f"{_key(call)}/participants"), target, options, page, items)


async def _page(asked: Awaitable[Any], options: Options) -> Any:  # noqa: ANN401 - as was asked
    try:
        return await controlled(asked)
    except InvalidInput as why:
        if options.after is None:
            raise
        raise not_of_a_page() from why


def _listed(
    context: str, target: Target, options: Options, page: Page[Any], items: Iterable[Members]
) -> Members:
    members: Members = {"@odata.context": context}
    if options.count:
        members["@odata.count"] = page.total
    members["value"] = list(items)
    if page.after is not None:
        members["@odata.nextLink"] = target.link(options.behind(page.after))
    return members


def _annotated(one: Participant, members: Members) -> Members:
    """*members*; that somebody has not answered is said whatever was selected (P19)."""
    return members if one.answered else {**members, ANSWERED: False}


def _going_on(call: Call) -> Call:
    if call.state is CallState.TERMINATED:
        raise _no_call()
    return call


def _no_call() -> Fault:
    return Fault("callNotFound", "There is no such call.")


def _key(call: str) -> str:
    return f"('{quote(call, safe='').replace('%27', '%27%27')}')"
