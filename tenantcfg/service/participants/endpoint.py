"""
The endpoint: what is asked in which order, so that nobody learns what is not theirs (P15).
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tenantcfg.calls import CallsFailed, CallsUnavailable
from tenantcfg.decision import Deny
from tenantcfg.errors import StoreUnusable, TenantcfgError, Unavailable
from tenantcfg.ids import Revision
from tenantcfg.instants import Instant
from tenantcfg.meetings import Outcome, Refusal, Removal
from tenantcfg.service.askers import in_time, told
from tenantcfg.service.http import CLOSE, LATE, Problem
from tenantcfg.service.participants.answers import (
    Fault,
    Ids,
    Refused,
    entity,
    fault_of,
    nothing,
)
from tenantcfg.service.participants.options import none_of, options_of
from tenantcfg.service.participants.paths import target_of
from tenantcfg.service.participants.resources import OF_CALL, OF_PARTICIPANT
from tenantcfg.store.rounds import Refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.calls.threads import StoreThreads
    from tenantcfg.meetings import Participant
    from tenantcfg.service.http import Answer, Endpoint, Request
    from tenantcfg.service.participants.admission import Admission
    from tenantcfg.service.participants.lookups import Lookups
    from tenantcfg.service.participants.options import Options
    from tenantcfg.service.participants.paths import Target
    from tenantcfg.service.participants.removing import Remover
    from tenantcfg.service.tokens import TokenHolder
    from tenantcfg.store import Store

__all__ = ["LONGEST_TARGET", "WHOLE", "Participants", "participants"]

WHOLE: Final = 8.0
"""Seconds until a request without an answer is answered 503."""
EMPTY: Final = 2.0
"""Seconds for which a request that must have no body may leave open whether it has one."""
LONGEST_TARGET: Final = 16 * 1024
"""Bytes of path and query: two ids of 512 characters, each as long as UTF-8 has it, fit."""
_SET: Final = "Set-CsApplicationMeetingConfiguration"
_NAMES: Final = (b"/communications", b"/app")
# Doubled, it is the path of a Python SDK whose base URL has no version: none, and told as theirs.
# A batch is Graph's as well, and may hold a DELETE.
_TREES: Final = (*_NAMES, *(b"/" + one for one in _NAMES), b"/v1.0", b"/beta", b"/$batch")


def participants(endpoint: Participants) -> dict[bytes, Endpoint]:
    """*endpoint* by all the paths that are its own, also those that name nothing (P1, P16)."""
    return {path: endpoint for tree in _TREES for path in (tree, tree + b"/*")}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one request asks for, once its path and its method are known to be ours."""

    request: Request
    target: Target
    ids: Ids


class Participants:
    """
    The calls API, for applications that show tokens of their own.

    Args:
        store: where the rights and the audit are.
        threads: in which the audit is written.
        admission: lets applications in.
        lookups: finds who is in which call.
        remover: removes them.
        public_url: what clients know the service by; links begin with it.
        cancels: whether one who has not answered yet may be removed (P12).
        max_body: bytes of a body, beyond which it is not even looked at.
        failed: is told why a request is answered 5xx.
        seconds: after which a request without an answer is answered 503.
    """

    def __init__(
        self,
        store: Store,
        threads: StoreThreads,
        admission: Admission,
        lookups: Lookups,
        remover: Remover,
        *,
        public_url: str,
        cancels: bool = False,
        max_body: int = 1 << 20,
        failed: Callable[[Exception], object],
        seconds: float = WHOLE,
    ) -> None:
        self._store = store
        self._threads = threads
        self._admission = admission
        self._lookups = lookups
        self._remover = remover
        self._public_url = public_url
        self._prefix = urlsplit(public_url).path.encode()
        self._cancels = cancels
        self._max_body = max_body
        self._failed = failed
        self._seconds = seconds

    async def __call__(self, request: Request, /) -> Answer:
        """Answer *request*."""
        ids, target = Ids.of(request), self._target(request)
        try:
            answer = await self._answered(request, target, ids)
        except Fault as fault:
            answer = fault.answer(ids)
        return answer if target is None else target.marked(answer)

    def worded(self, problem: Problem, request: Request, /) -> Answer:
        """*problem* in Graph's form; see `OwnWords`."""
        target = self._target(request)
        answer = fault_of(problem).answer(Ids.of(request))
        return answer if target is None else target.marked(answer)

    def _target(self, request: Request) -> Target | None:
        return target_of(request.path, prefix=self._prefix, public_url=self._public_url)

    async def _answered(self, request: Request, target: Target | None, ids: Ids) -> Answer:
        if len(request.path) + len(request.query) > LONGEST_TARGET:
            raise Fault("UriTooLong", "The URL is too long.")
        if target is None:
            raise Fault("pathNotFound", "There is nothing at this path.")
        if request.method not in target.methods:
            raise Fault("methodNotAllowed", "This cannot be done here.", target.allow)
        asked = _Asked(request, target, ids)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._in_order(asked)
        except Fault as fault:
            if fault.refused is not None:
                await self._store_refusal(asked, fault, fault.refused)
            raise
        except (Problem, TimeoutError, TenantcfgError) as why:
            raise self._fault(why) from why

    async def _in_order(self, asked: _Asked) -> Answer:
        """Each step only once the one before has passed (P15)."""
        request, target = asked.request, asked.target
        holder = await self._admission.of(request)
        await self._require_right(holder)
        if request.method != "DELETE":
            return await self._looked_up(asked, holder)
        await self._require_no_body(request)
        none_of(request.query)
        call, whom = target.ids()
        if call is None or whom is None:
            raise Fault("pathNotFound", "There is nothing at this path.")
        found, _ = await self._lookups.participant(holder.tenant, call, whom)
        self._require_answered(found)
        _require_condition(request)
        return await self._removed(asked, holder, call, whom)

    # Before anything is looked up

    async def _require_right(self, holder: TokenHolder) -> None:
        asked = self._store.ask([(holder.tenant, holder.app)])
        (decision,) = (await told(self._store, asked)).decisions
        if isinstance(decision, Deny):
            raise _not_allowed(holder, decision)

    async def _require_no_body(self, request: Request) -> None:
        length = request.one(b"content-length")
        if length is None and not request.all(b"transfer-encoding"):
            # As nearly always: without either there is none (RFC 9112 section 6.3).
            return
        if length is not None and 0 < int(length) <= self._max_body:
            raise _body_not_allowed()
        try:
            async with asyncio.timeout(EMPTY):
                body = await request.body(self._max_body)
        except TimeoutError as why:
            raise _body_not_allowed() from why
        except Problem as why:
            # One that does not come to its end is there all the same.
            raise _body_not_allowed() if LATE in request.scope else fault_of(why) from why
        if body:
            raise _body_not_allowed()

    def _require_answered(self, participant: Participant) -> None:
        if not (participant.answered or self._cancels):
            raise Fault(
                "participantNotAnswered",
                "The participant has not answered the call yet, and can be removed afterwards.",
            )

    # What is done

    async def _removed(self, asked: _Asked, holder: TokenHolder, call: str, whom: str) -> Answer:
        removal = Removal(
            request_id=asked.ids.request,
            at=_now(),
            tenant=holder.tenant,
            app=holder.app,
            call=call,
            participant=whom,
            revision=Revision(0),
            controller=self._remover.controller,
        )
        done = await self._remover.remove(removal)
        if isinstance(done, Deny):
            # Revoked since it was asked first.
            raise _not_allowed(holder, done)
        if done is not Outcome.REMOVED:
            raise await self._lookups.gone(holder.tenant, call, whom)
        return nothing(asked.ids)

    async def _looked_up(self, asked: _Asked, holder: TokenHolder) -> Answer:
        target, lookups, tenant = asked.target, self._lookups, holder.tenant
        wanted = _options(asked)
        call, whom = target.ids()
        if call is None:
            members = await lookups.all_calls(target, wanted, tenant)
        elif whom is not None:
            members = await lookups.one_participant(target, wanted, tenant, call, whom)
            _require_condition(asked.request)
        elif target.place.roster:
            members = await lookups.all_participants(target, wanted, tenant, call)
        else:
            members = await lookups.one_call(target, wanted, tenant, call)
        return entity(members, asked.ids)

    # What goes wrong

    async def _store_refusal(self, asked: _Asked, fault: Fault, refused: Refused) -> None:
        """Put it on record whom *fault* was said to; before that it is not said."""
        try:
            call, whom = asked.target.ids()
        except Fault:
            call = whom = None
        refusal = Refusal(
            request_id=asked.ids.request,
            at=_now(),
            tenant=refused.tenant,
            app=refused.app,
            method=asked.request.method,
            status=fault.status,
            code=fault.inner,
            why=refused.why,
            revision=refused.revision,
            call=call,
            participant=whom,
        )
        try:
            await in_time(self._store, self._threads.write(Refuse(refusal)))
        except TenantcfgError as why:
            raise self._fault(why) from why

    def _fault(self, why: Exception) -> Fault:
        """
        *why* in words of this contract.

        Raises:
            TenantcfgError: it is a fault of ours.
        """
        if isinstance(why, Problem):
            return fault_of(why)
        if isinstance(why, TimeoutError):
            why = CallsUnavailable("a request was not answered in time")
        self._failed(why)
        match why:
            case CallsUnavailable():
                inner, message = "callControllerUnavailable", "The calls cannot be reached now."
            case CallsFailed():
                inner, message = "callControllerFailed", "The calls do not work as they should."
            case Unavailable() | StoreUnusable():
                inner, message = "storeUnavailable", "The store cannot be asked now."
            case _:
                inner, message = "internal", "This should not have happened."
        return Fault(inner, message)


def _options(asked: _Asked) -> Options:
    place = asked.target.place
    of_one = place.participant is not None or (place.call is not None and not place.roster)
    known = OF_PARTICIPANT if place.roster else OF_CALL
    return options_of(asked.request.query, known=known, listed=not of_one)


_TAGS: Final = re.compile(rb"[ \t]*\*[ \t]*")


def _require_condition(request: Request) -> None:
    """
    See to it that what the client made a condition holds of one who is there (P23).

    They have no entity tags, so no tag is theirs; and none that must not be is.
    """
    wanted, unwanted = request.all(b"if-match"), request.all(b"if-none-match")
    met = all(_TAGS.fullmatch(one) for one in wanted)
    if request.method == "DELETE":
        met = met and not any(_TAGS.fullmatch(one) for one in unwanted)
    if not met:
        raise Fault("preconditionFailed", "The condition does not hold; nothing was done.")


def _not_allowed(holder: TokenHolder, decision: Deny) -> Fault:
    """The one thing that is said to whoever has no right, whatever the call (P15)."""
    line = f'{_SET} -AllowRemoveParticipantAppIds @{{Add="{holder.app}"}}'
    return Fault(
        "removeParticipantNotAllowed",
        f"The application {holder.app} may not remove participants in the tenant"
        f" {holder.tenant}. An administrator of the tenant can allow it: {line}",
        refused=Refused(holder.tenant, holder.app, decision.reason.value, decision.revision),
    )


def _body_not_allowed() -> Fault:
    # What is left of it is nobody's request.
    return Fault("bodyNotAllowed", "DELETE has no body here; nothing was done.", CLOSE)


def _now() -> Instant:
    return Instant(time.time_ns() // 1000)
