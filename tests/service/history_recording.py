"""
Those who change a store and those who ask its service meanwhile, each in a process of its own.

All they do is done, timed and written down; `tests.service.history_checker` judges it.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from math import inf
from threading import Event
from typing import TYPE_CHECKING, Any

from tenantcfg import AppId, ListModifier, Store, TenantId
from tenantcfg.errors import TenantcfgError
from tenantcfg.instants import Instant
from tests.service.history_checker import Answer, Write
from tests.stores import BY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantcfg.history import Change

__all__ = ["Plan", "Recorded", "ask", "changed", "grant_and_revoke", "granted", "taken"]

Pair = tuple[str, str]

_PATIENCE = 20.0
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What a client asks.

    Attributes:
        pairs: tenants and apps, of those that are changed.
        key: that is in force all the time.
        guests: keys that are revoked one after the other, by their names.
        end: on the monotonic clock.
        with_standby: whether one may answer those who name a revision.
    """

    port: int
    pairs: tuple[Pair, ...]
    key: str
    guests: dict[str, str]
    secret: str
    end: float
    with_standby: bool = False


@dataclass(slots=True)
class Recorded:
    """What a client was answered; *others*: what was no decision, by form and code."""

    answers: list[Answer] = field(default_factory=list)
    others: Counter[tuple[str, str]] = field(default_factory=Counter)


# Those who ask


def ask(plan: Plan, client: str) -> Recorded:
    """Ask without pause, in every form, until the end."""
    asking = _Client(plan, client)
    forms = [asking.single, asking.guest, asking.batch, asking.search, asking.proxied]
    while time.monotonic() < plan.end:
        asking.dice.choice(forms)()
    asking.connection.close()
    return asking.recorded


@dataclass(frozen=True, slots=True)
class _Reply:
    asked: float
    answered: float
    status: int
    revision: int | None
    members: dict[str, Any]


class _Client:
    def __init__(self, plan: Plan, name: str) -> None:
        self.plan = plan
        self.name = name
        self.dice = random.Random(name)  # noqa: S311 - to be repeated
        self.connection = HTTPConnection("127.0.0.1", plan.port, timeout=_PATIENCE)
        self.recorded = Recorded()
        self._seen = 0

    def single(self) -> None:
        """One question, half of the time not to be answered from before the last answer."""
        self._single("single", self.plan.key)

    def guest(self) -> None:
        """One question, with a key that is about to be revoked."""
        name = self.dice.choice(list(self.plan.guests))
        self._single("guest", self.plan.guests[name], ("key", name))

    def _single(self, form: str, key: str, *more: tuple[str, ...]) -> None:
        pair = self.dice.choice(self.plan.pairs)
        reply, promised = self._post(form, "/access/v1/evaluation", key, _question(*pair))
        if reply is None:
            return
        if reply.status == 401:
            self._keep(form, reply, more, promised, permit=False)
        elif reply.status == 200:
            facts = (*_meant(pair, reply.members), *(more if reply.members["decision"] else ()))
            self._keep(form, reply, facts, promised, permit=reply.members["decision"])
        else:
            self._other(form, reply)

    def batch(self) -> None:
        """Several questions, some more than once."""
        pairs = self.dice.choices(self.plan.pairs, k=6)
        body = {
            "evaluations": [_question(*pair) for pair in pairs],
            "options": {"include_reasons": True},
        }
        reply, promised = self._post("batch", "/access/v1/evaluations", self.plan.key, body)
        if reply is None:
            return
        if reply.status != 200:
            self._other("batch", reply)
            return
        for pair, one in zip(pairs, reply.members["evaluations"], strict=True):
            facts = _meant(pair, one)
            self._keep("batch", reply, facts, promised, permit=one["decision"])

    def search(self) -> None:
        """Who may act in a tenant: each app that is found, or is not, is an answer."""
        tenant, _ = self.dice.choice(self.plan.pairs)
        body = _question(tenant, "")
        del body["subject"]["id"]
        reply, promised = self._post("search", "/access/v1/search/subject", self.plan.key, body)
        if reply is None:
            return
        if reply.status != 200:
            self._other("search", reply)
            return
        found = {one["id"] for one in reply.members["results"]}
        for pair in self.plan.pairs:
            if pair[0] == tenant:
                facts = _all_of(pair)
                self._keep("search", reply, facts, promised, permit=pair[1] in found)

    def proxied(self) -> None:
        """A request that a proxy holds."""
        tenant, app = pair = self.dice.choice(self.plan.pairs)
        headers = {
            "X-Original-Method": "DELETE",
            "X-Original-URI": "/v1.0/communications/calls/c-1/participants/p-1",
            "X-Tenantcfg-App": app,
            "X-Tenantcfg-Tenant": tenant,
            "X-Tenantcfg-Secret": self.plan.secret,
        }
        reply = self._exchanged("proxied", "GET", "/check/nginx", headers)
        if reply is None:
            return
        if reply.status == 200 or reply.members["error"] == "not_granted":
            self._keep("proxied", reply, _all_of(pair), 0, permit=reply.status == 200)
        else:
            self._other("proxied", reply)

    def _post(
        self, form: str, path: str, key: str, body: dict[str, Any]
    ) -> tuple[_Reply | None, int]:
        promised = self._seen if self.dice.random() < 0.5 else 0
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        if promised:
            headers["Tenantcfg-Min-Revision"] = str(promised)
        text = json.dumps(body).encode()
        return self._exchanged(form, "POST", path, headers, text), promised

    def _exchanged(
        self, form: str, method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> _Reply | None:
        """The reply; None: whoever had the question is gone."""
        asked = time.monotonic()
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            content = response.read()
        except (OSError, HTTPException):
            self.connection.close()
            self.recorded.others[form, "gone"] += 1
            return None
        said = response.getheader("Tenantcfg-Revision")
        revision = None if said is None else int(said)
        self._seen = max(self._seen, revision or 0)
        return _Reply(asked, time.monotonic(), response.status, revision, json.loads(content))

    def _keep(
        self,
        form: str,
        reply: _Reply,
        facts: tuple[tuple[str, ...], ...],
        promised: int,
        *,
        permit: bool,
    ) -> None:
        answer = Answer(
            self.name,
            form,
            reply.asked,
            reply.answered,
            facts,
            reply.revision,
            promised,
            # A refusal by the standby would be the primary's: it says no revision of its own.
            strict=reply.revision is None or not (promised and self.plan.with_standby),
            permit=permit,
        )
        self.recorded.answers.append(answer)

    def _other(self, form: str, reply: _Reply) -> None:
        self.recorded.others[form, reply.members["error"]] += 1


def _question(tenant: str, app: str) -> dict[str, Any]:
    return {
        "subject": {"type": "application", "id": app},
        "action": {"name": "remove_participant"},
        "resource": {"type": "tenant", "id": tenant},
    }


def granted(pair: Pair) -> tuple[str, ...]:
    """The fact that an app was granted the right in a tenant."""
    return ("grant", *pair)


def _all_of(pair: Pair) -> tuple[tuple[str, ...], ...]:
    return granted(pair), ("tenant", pair[0])


def _meant(pair: Pair, decision: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    """The facts that *decision* is about."""
    if decision["decision"]:
        return _all_of(pair)
    if decision["context"]["reason"] == "tenant_disabled":
        return (("tenant", pair[0]),)
    return (granted(pair),)


# Those who change


def taken(change: Change) -> int | None:
    """The revision that *change* took; None: it changed nothing, whenever that was found."""
    return int(change.revision) if change.stored else None


def changed(fact: tuple[str, ...], change: Callable[[], int | None], **what: Any) -> Write:
    """
    What became of *change*, which gives the revision that it took, if any.

    One that fails may have been made all the same.
    """
    began = time.monotonic()
    try:
        revision = change()
    except TenantcfgError:
        return Write(fact, began, **what)
    return Write(fact, began, time.monotonic(), revision, **what)


def grant_and_revoke(url: str, pairs: tuple[Pair, ...], end: float) -> list[Write]:
    """Grant and revoke by the library until *end*; every fourth grant ends by itself."""
    dice = random.Random(url)  # noqa: S311 - to be repeated
    now: dict[Pair, bool] = dict.fromkeys(pairs, False)
    writes: list[Write] = []
    with Store.open(url) as store:
        for pair in _paced(dice, pairs, end):
            wanted = not now[pair]
            write = _one_change(store, pair, wanted=wanted, ends=wanted and dice.random() < 0.25)
            writes.append(write)
            if write.acknowledged < inf:
                now[pair] = wanted
    return writes


def _paced(dice: random.Random, pairs: tuple[Pair, ...], end: float) -> Iterator[Pair]:
    """One after the other, with room between them: most answers shall fall there."""
    rest = Event()
    while time.monotonic() < end:
        yield dice.choice(pairs)
        rest.wait(0.02)


def _one_change(store: Store, pair: Pair, *, wanted: bool, ends: bool) -> Write:
    tenant, app = TenantId(pair[0]), AppId(pair[1])
    if not wanted:
        modifier = ListModifier(remove=(app,))
        return changed(
            granted(pair), lambda: taken(store.modify(tenant, modifier, by=BY)), in_force=False
        )
    if not ends:
        modifier = ListModifier(add=(app,))
        return changed(
            granted(pair), lambda: taken(store.modify(tenant, modifier, by=BY)), in_force=True
        )
    at = Instant(time.time_ns() // 1000 + _MICROSECONDS // 4)
    until = time.monotonic() + (at * 1000 - time.time_ns()) / 1e9
    modifier = ListModifier(add=(app,), expiries={app: at})
    return changed(
        granted(pair),
        lambda: taken(store.modify(tenant, modifier, by=BY)),
        in_force=True,
        until=until,
    )
