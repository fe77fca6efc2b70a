"""
The endpoints: one request through the steps of check, section 4, in their order.
"""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from tenantcfg.decision import Deny, Permit
from tenantcfg.service.authzen.model import Barred, Freshness, Item, Question, Search, Sought
from tenantcfg.service.authzen.pages import PageTokens
from tenantcfg.service.authzen.reading import (
    MAX_PAGE,
    Semantic,
    batch_of,
    paging_of,
    question_of,
    sought_of,
)
from tenantcfg.service.http import (
    ALLOW_GET,
    ALLOW_POST,
    JSON,
    NO_STORE,
    Answer,
    Problem,
    answered,
    strict_json,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantcfg.errors import Reason
    from tenantcfg.service.authzen.model import (
        Asker,
        Askers,
        Decisions,
        Judged,
        Outcome,
        Page,
        Recorder,
        Snapshot,
    )
    from tenantcfg.service.authzen.reading import Paging
    from tenantcfg.service.http import Endpoint, Headers, Request

__all__ = ["authzen", "freshness_of", "require_json", "stamped"]

T = TypeVar("T")

_DENIED: Final = b'{"decision":false}'
_PERMITTED: Final = b'{"decision":true}'
MAX_BODY: Final = 1024 * 1024
MAX_BATCH: Final = 1_000
_ANY: Final = Freshness()
_REVISION: Final = re.compile(rb"[0-9]{1,18}")
_EVALUATION: Final = "/access/v1/evaluation"
_EVALUATIONS: Final = "/access/v1/evaluations"
_ENDPOINTS: Final = {
    "access_evaluation_endpoint": _EVALUATION,
    "access_evaluations_endpoint": _EVALUATIONS,
    "search_subject_endpoint": "/access/v1/search/subject",
    "search_resource_endpoint": "/access/v1/search/resource",
    "search_action_endpoint": "/access/v1/search/action",
}
_WELL_KNOWN: Final = "/.well-known/authzen-configuration"


def authzen(
    decisions: Decisions,
    askers: Askers,
    *,
    page_key: bytes,
    public_url: str | None = None,
    max_body: int = MAX_BODY,
    max_batch: int = MAX_BATCH,
    recorder: Recorder | None = None,
) -> dict[bytes, Endpoint]:
    """
    The endpoints by their raw paths (check, section 1.1).

    Args:
        decisions: where they come from.
        askers: who may ask.
        page_key: seals page tokens; the same in all workers.
        public_url: the identifier of this decision point, as clients know it; without it
            there is no metadata (check W36).
        max_body: bytes of a body.
        max_batch: items of a batch (check W25).
        recorder: is told of each decision before it is answered.
    """
    layer = _Layer(
        decisions,
        askers,
        PageTokens(page_key),
        max_body=max_body,
        max_batch=max_batch,
        recorder=recorder,
    )
    return {
        _EVALUATION.encode(): layer.evaluation,
        _EVALUATIONS.encode(): layer.evaluations,
        b"/access/v1/search/subject": layer.searching(Sought.SUBJECT),
        b"/access/v1/search/resource": layer.searching(Sought.RESOURCE),
        b"/access/v1/search/action": layer.searching(Sought.ACTION),
        **_metadata(public_url),
    }


class _Layer:
    def __init__(
        self,
        decisions: Decisions,
        askers: Askers,
        tokens: PageTokens,
        *,
        max_body: int,
        max_batch: int,
        recorder: Recorder | None,
    ) -> None:
        self._decisions = decisions
        self._askers = askers
        self._tokens = tokens
        self._max_body = max_body
        self._max_batch = max_batch
        self._recorder = recorder

    async def evaluation(self, request: Request) -> Answer:
        """Access Evaluation (check W12 to W14)."""
        asker, question, fresh = await self._received(request, lambda body, _: question_of(body))
        return await self._alone(request, _EVALUATION, question, asker, fresh)

    async def evaluations(self, request: Request) -> Answer:
        """Access Evaluations, the batch (check W15 to W26)."""
        asker, asked, fresh = await self._received(
            request, lambda body, _: batch_of(body, self._max_batch)
        )
        if isinstance(asked, Question):
            return await self._alone(request, _EVALUATIONS, asked, asker, fresh)
        questions = [item for item in asked.items if isinstance(item, Question)]
        judged = await self._decisions.judge(questions, asker, fresh)
        outcomes = iter(judged.outcomes)
        whole = [item if isinstance(item, Problem) else next(outcomes) for item in asked.items]
        answers = _cut(whole, asked.semantic)
        if self._recorder is not None:
            pairs = zip(asked.items, answers, strict=False)
            items = [Item(*pair, place) for place, pair in enumerate(pairs)]
            await self._recorder.record(request, _EVALUATIONS, items, judged)
        decisions = b",".join([_decision(one, reasons=asked.reasons) for one in answers])
        return _said(b'{"evaluations":[%b]}' % decisions, judged)

    async def _alone(
        self, request: Request, endpoint: str, question: Question, asker: Asker, fresh: Freshness
    ) -> Answer:
        """The answer to one question (check W12, W18)."""
        judged = await self._decisions.judge([question], asker, fresh)
        if self._recorder is not None:
            (outcome,) = judged.outcomes
            await self._recorder.record(request, endpoint, [Item(question, outcome)], judged)
        return _single(judged)

    def searching(self, sought: Sought) -> Endpoint:
        """The search for what is *sought* (check W27 to W34)."""

        def read(body: bytes, asker: Asker) -> tuple[Search, Paging, bytes]:
            members = strict_json(body)
            question, paging = sought_of(members, sought), paging_of(members)
            query = self._tokens.query(sought, question, asker)
            return Search(sought, question, *self._place(paging, query)), paging, query

        async def search(request: Request) -> Answer:
            asker, (wanted, paging, query), fresh = await self._received(
                request, read, searching=True
            )
            page = await self._decisions.search(wanted, asker, fresh)
            last = page.results[-1] if page.results else wanted.after
            token = self._tokens.token(last, wanted.limit, query) if page.more else ""
            results = [_result(sought, wanted.question, one) for one in page.results]
            return answered(
                {**_page(page, paging, token), "results": results}, headers=stamped(page.snapshot)
            )

        return search

    def _place(self, paging: Paging, query: bytes) -> tuple[str, int]:
        """Behind which id a page begins, and how long it is (check W32, W33)."""
        if paging.token is None:
            return "", MAX_PAGE if paging.limit is None else paging.limit
        after, limit = self._tokens.opened(paging.token, query)
        if paging.limit not in {None, limit}:
            raise Problem("invalid_page_token", "the limit is not that of the first request")
        return after, limit

    async def _received(
        self,
        request: Request,
        read: Callable[[bytes, Asker], T],
        *,
        searching: bool = False,
    ) -> tuple[Asker, T, Freshness]:
        """Who asks, what *read* makes of the body, and how fresh an answer must be."""
        if request.method != "POST":
            raise Problem("method_not_allowed", "only POST is answered here", ALLOW_POST)
        asker = self._askers.presented(request)
        request.asker = asker.identity
        await self._askers.known(asker, searching=searching, anew=False)
        try:
            require_json(request)
            body = await request.body(self._max_body)
            return asker, read(body, asker), freshness_of(request)
        except Problem:
            # Who is not known any more, or may not ask, learns nothing of what was wrong (check
            # W40, W41).
            await self._askers.known(asker, searching=searching, anew=True)
            raise


def freshness_of(request: Request) -> Freshness:
    """
    What the answer must not be older than (check C8).

    Raises:
        Problem: ``invalid_request``: it is honoured or refused, never ignored.
    """
    revision = request.one(b"tenantcfg-min-revision")
    store = request.one(b"tenantcfg-store")
    if revision is None and store is None:
        return _ANY
    if revision is not None and not _REVISION.fullmatch(revision):
        raise Problem("invalid_request", "Tenantcfg-Min-Revision is not a whole number")
    return Freshness(int(revision or 0), None if store is None else store.decode("latin-1"))


def stamped(snapshot: Snapshot) -> Headers:
    """The headers that say where an answer was read (check C7, C8)."""
    if snapshot.revision is None or snapshot.store is None:
        return ()
    read = _place(snapshot.store, snapshot.revision)
    if snapshot.lag is None:
        return read
    # Rounded up, as it is the most that it can be.
    return (*read, (b"tenantcfg-lag", f"{ceil(snapshot.lag * 1000) / 1000:.3f}".encode()))


@lru_cache(maxsize=16)
def _place(store: str, revision: int) -> Headers:
    # Kept, as many answers in a row are read at the same place.
    return (
        (b"tenantcfg-revision", str(int(revision)).encode()),
        (b"tenantcfg-store", store.encode()),
    )


def require_json(request: Request) -> None:
    """
    Whether the body of *request* is said to be JSON.

    Raises:
        Problem: ``invalid_content_type``.
    """
    kind = request.one(b"content-type") or b""
    if kind == JSON[1]:
        return
    if kind.partition(b";")[0].strip().lower() != b"application/json":
        raise Problem("invalid_content_type", "Content-Type is not application/json")


def _single(judged: Judged) -> Answer:
    (outcome,) = judged.outcomes
    if isinstance(outcome, Barred):
        raise _barred(stamped(judged.snapshot))
    return _said(_decision(outcome, reasons=True), judged)


def _said(body: bytes, judged: Judged) -> Answer:
    return Answer(200, body, (JSON, NO_STORE, *stamped(judged.snapshot)))


def _barred(headers: Headers = ()) -> Problem:
    return Problem("forbidden", "this key may not ask about this tenant", headers)


def _decision(outcome: Outcome | Problem, *, reasons: bool) -> bytes:
    """One decision on the wire (check R1, R2, W24)."""
    match outcome:
        case Permit():
            return _PERMITTED
        case Deny(reason=reason):
            return _denial(reason) if reasons else _DENIED
        case Barred():
            return _decision(_barred(), reasons=reasons)
        case Problem():
            error = {"status": outcome.status, "message": outcome.message}
            return written({"decision": False, "context": {"error": error}})


@cache
def _denial(reason: Reason) -> bytes:
    return written({"decision": False, "context": {"reason": reason}})


def _cut(outcomes: Sequence[Outcome | Problem], semantic: Semantic) -> Sequence[Outcome | Problem]:
    """*outcomes* up to the one that ends the batch (check W21)."""
    if semantic is Semantic.EXECUTE_ALL:
        return outcomes
    ends = semantic is Semantic.PERMIT_ON_FIRST_PERMIT
    for place, outcome in enumerate(outcomes):
        if isinstance(outcome, Permit) is ends:
            return outcomes[: place + 1]
    return outcomes


def _result(sought: Sought, question: Question, found: str) -> dict[str, str]:
    match sought:
        case Sought.SUBJECT:
            return {"type": question.subject.type, "id": found}
        case Sought.RESOURCE:
            return {"type": question.resource.type, "id": found}
        case Sought.ACTION:
            return {"name": found}


def _page(page: Page, paging: Paging, token: str) -> dict[str, Any]:
    """The member ``page``, where it was asked for or something is left (check W31)."""
    if not (paging.asked or token):
        return {}
    count = len(page.results)
    return {"page": {"next_token": token, "count": count, "total": page.total}}


def _metadata(public_url: str | None) -> dict[bytes, Endpoint]:
    """The metadata, at its own path (check W35 to W39)."""
    if public_url is None:
        return {}
    whole = {"policy_decision_point": public_url}
    whole |= {name: public_url + path for name, path in _ENDPOINTS.items()}
    body = json.dumps(whole).encode()
    said = Answer(200, body, (JSON, (b"cache-control", b"public, max-age=300")))

    async def metadata(request: Request) -> Answer:
        if request.method not in {"GET", "HEAD"}:
            raise Problem("method_not_allowed", "only GET is answered here", ALLOW_GET)
        return said

    # Between host and path, not behind it (check W37).
    path = urlsplit(public_url).path
    return {(_WELL_KNOWN + path).encode(): metadata}
