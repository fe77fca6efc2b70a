"""
The product's decisions: AuthZEN's question as the store's (check, section 2).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.decision import Deny, Permit
from tenantcfg.errors import Reason
from tenantcfg.ids import is_guid
from tenantcfg.service.askers import (
    MAY_CHECK,
    MAY_SEARCH,
    Anyone,
    KeyHolder,
    in_time,
    require,
    told,
)
from tenantcfg.service.authzen.model import Action, Barred, Judged, Page, Snapshot, Sought
from tenantcfg.service.http import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantcfg.decision import Decision
    from tenantcfg.keys import KeyFacts, Right
    from tenantcfg.service.authzen.model import Freshness, Outcome, Question, Search
    from tenantcfg.service.standbys import Standby
    from tenantcfg.store import Answered, Found, Store

__all__ = ["StoreDecisions", "tenant_of"]

APPLICATION: Final = "application"
TENANT: Final = "tenant"
PARTICIPANT: Final = "participant"
_RESOURCES: Final = frozenset({TENANT, PARTICIPANT})

Caller = KeyHolder | Anyone


class StoreDecisions:
    """
    The decisions of *store*: whether an application may remove participants in a tenant.

    A *standby* answers those who say how old an answer may be, and whom it knows: whatever it
    would refuse is asked of the store. Searches it does not answer.
    """

    def __init__(self, store: Store, standby: Standby | None = None) -> None:
        self._store = store
        self._standby = standby

    async def judge(self, questions: Sequence[Question], asker: Caller, fresh: Freshness) -> Judged:
        """See `Decisions.judge`."""
        tenants = [tenant_of(one) for one in questions]
        pairs = [
            (tenant or "", one.subject.id) for one, tenant in zip(questions, tenants, strict=True)
        ]
        answered, facts, lag = await self._read(pairs, asker, fresh)
        outcomes = [
            _outcome(question, tenant, decision, facts)
            for question, tenant, decision in zip(
                questions, tenants, answered.decisions, strict=True
            )
        ]
        name = None if facts is None else facts.name
        return Judged(outcomes, Snapshot(answered.store_id, answered.revision, lag), name)

    async def _read(
        self, pairs: Sequence[tuple[str, str]], asker: Caller, fresh: Freshness
    ) -> tuple[Answered, KeyFacts | None, float | None]:
        """What is answered, the facts of the key that asks, and by how much that is behind."""
        key = _key(asker)
        if self._standby is not None:
            read = await self._standby.read(
                fresh, lambda store, least: store.ask(pairs, key=key, at_least=least)
            )
            with suppress(Problem):
                if read is not None:
                    facts = _admitted(read.answered, asker, fresh, MAY_CHECK)
                    return read.answered, facts, read.lag if self._says_lag else None
        # How fresh it is is judged by what was read: after a restore a revision is one of
        # another history, and not of the one that the store had when it was opened (check C8).
        answered = await told(self._store, self._store.ask(pairs, key=key))
        facts = _admitted(answered, asker, fresh, MAY_CHECK)
        return answered, facts, 0.0 if self._says_lag else None

    def _snapshot(self, read: Answered | Found) -> Snapshot:
        """Where the store itself was read."""
        return Snapshot(read.store_id, read.revision, 0.0 if self._says_lag else None)

    @property
    def _says_lag(self) -> bool:
        """Whether answers say how far they may be behind."""
        return self._standby is not None and self._standby.lag is not None

    async def search(self, search: Search, asker: Caller, fresh: Freshness) -> Page:
        """See `Decisions.search`; a key of either right may search (check M7, S1 to S5)."""
        question = search.question
        if search.sought is Sought.ACTION:
            return await self._actions(search, asker, fresh)
        tenant, app = tenant_of(question), question.subject.id
        wanted = question.action.name == REMOVE_PARTICIPANT and question.subject.type == APPLICATION
        if search.sought is Sought.RESOURCE:
            # Participants are not held, so none is found (check S5).
            wanted = wanted and question.resource.type == TENANT
            tenant = None
        asked = asyncio.to_thread(
            self._store.search,
            tenant=tenant if wanted and search.sought is Sought.SUBJECT else None,
            app=app if wanted and search.sought is Sought.RESOURCE else None,
            after=search.after,
            limit=search.limit,
            key=_key(asker),
        )
        found = await in_time(self._store, asked)
        _admitted(found, asker, fresh, MAY_SEARCH)
        return Page(found.ids, found.total, found.more, self._snapshot(found))

    async def _actions(self, search: Search, asker: Caller, fresh: Freshness) -> Page:
        question = replace(search.question, action=Action(REMOVE_PARTICIPANT))
        pair = (tenant_of(question) or "", question.subject.id)
        asked = self._store.ask([pair], key=_key(asker))
        answered = await told(self._store, asked)
        facts = _admitted(answered, asker, fresh, MAY_SEARCH)
        outcome = _outcome(question, tenant_of(question), answered.decisions[0], facts)
        names = [REMOVE_PARTICIPANT] if isinstance(outcome, Permit) else []
        rest = [name for name in names if name > search.after]
        page = rest[: search.limit]
        return Page(page, len(names), len(rest) > len(page), self._snapshot(answered))


def tenant_of(question: Question) -> str | None:
    """
    The tenant that *question* is about; None: it names none (check M1, M3).

    The id of a participant is never taken for one.
    """
    resource = question.resource
    if resource.type == TENANT:
        return resource.id
    tenant = resource.properties.get("tenant_id") if resource.type == PARTICIPANT else None
    return tenant if isinstance(tenant, str) and tenant else None


def _outcome(
    question: Question, tenant: str | None, decision: Decision, facts: KeyFacts | None
) -> Outcome:
    """The outcome of *question* about *tenant*; reasons win in the order of `Reason`."""
    if facts is not None and facts.tenants is not None and not _covered(facts, tenant):
        return Barred()
    if question.subject.type != APPLICATION:
        return Deny(Reason.UNSUPPORTED_SUBJECT_TYPE, decision.revision)
    if question.resource.type not in _RESOURCES:
        return Deny(Reason.UNSUPPORTED_RESOURCE_TYPE, decision.revision)
    if question.action.name != REMOVE_PARTICIPANT:
        return Deny(Reason.UNSUPPORTED_ACTION, decision.revision)
    if tenant is None:
        return Deny(Reason.TENANT_MISSING, decision.revision)
    return decision


def _covered(facts: KeyFacts, tenant: str | None) -> bool:
    return tenant is None or facts.covers(tenant.lower() if is_guid(tenant) else tenant)


def _admitted(
    read: Answered | Found, asker: Caller, fresh: Freshness, rights: Sequence[Right]
) -> KeyFacts | None:
    """The facts of the key that asks, once it is admitted and *read* is fresh enough."""
    facts = require(read, asker, *rights)
    if fresh.store is not None and fresh.store != read.store_id:
        raise Problem("stale", "this is another store than the one that was named")
    if fresh.revision > read.revision:
        raise Problem("stale", "this server's state is older than what was asked for")
    return facts


def _key(asker: Caller) -> str | None:
    return asker.key.id if isinstance(asker, KeyHolder) else None
