"""
From JSON to questions: what a request must have, and what each part must be (check W6 to W33).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import Struct

from tenantcfg.service.authzen.model import Action, Entity, Question, Sought
from tenantcfg.service.http import Problem, strict_json
from tenantcfg.service.plain_json import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["Batch", "Paging", "Semantic", "batch_of", "paging_of", "question_of", "sought_of"]

T = TypeVar("T")

MAX_PAGE = 1_000
"""The most results of one page, and as many as there are where no limit is given (check W33)."""


class Semantic(StrEnum):
    """How a batch is gone through (check W20)."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"


@dataclass(frozen=True, slots=True)
class Batch:
    """
    The questions of a batch, in their order; in the place of one that cannot be asked, why.

    *reasons*: denials say theirs (check R2).
    """

    items: Sequence[Question | Problem]
    semantic: Semantic
    reasons: bool


@dataclass(frozen=True, slots=True)
class Paging:
    """What a search's ``page`` says; *asked*: whether there was one, None: a member was not."""

    asked: bool
    token: str | None
    limit: int | None


class _WholeItems(Struct, omit_defaults=True):
    """A batch without defaults, of items that are questions all."""

    evaluations: list[Question]
    options: dict[str, Any] = {}


_QUESTION: Final = Plain(Question)
_WHOLE_ITEMS: Final = Plain(_WholeItems)


def question_of(body: bytes) -> Question:
    """
    The question that *body* asks.

    Raises:
        Problem: ``invalid_json``; ``invalid_request``, naming the first member that is missing or
            wrong.
    """
    return _QUESTION.read(body) or _question(strict_json(body))


def batch_of(body: bytes, most: int) -> Batch | Question:
    """
    The batch that *body* is, or the single question that it is without items (check W18).

    Raises:
        Problem: as `question_of`: it is wrong as a whole. A wrong item stands in its place.
    """
    whole = _WHOLE_ITEMS.read(body)
    if whole is not None and whole.evaluations:
        return _batch(whole.options, whole.evaluations, whole.evaluations, most)
    members = strict_json(body)
    items = members.get("evaluations", [])
    batch = _batch(members.get("options", {}), items, _items(members, items), most)
    return batch if items else _question(members)


def _question(members: Mapping[str, Any]) -> Question:
    return Question(
        _entity(members, "subject"),
        _action(members, "action"),
        _entity(members, "resource"),
        _object(members, "context"),
    )


def _batch(options: object, items: object, read: Iterable[Question | Problem], most: int) -> Batch:
    """The batch of *items*, which *read* makes questions of once all else has been judged."""
    if not isinstance(options, dict):
        raise _wrong("options", "an object")
    semantic = options.get("evaluations_semantic", Semantic.EXECUTE_ALL)
    # A tuple: what was sent may be a list, which no set can be asked about.
    if semantic not in tuple(Semantic):
        raise _wrong("options.evaluations_semantic", f"one of {', '.join(Semantic)}")
    if not isinstance(items, list):
        raise _wrong("evaluations", "an array")
    if len(items) > most:
        raise Problem("invalid_request", f"evaluations has more than {most} items")
    return Batch(list(read), Semantic(semantic), options.get("include_reasons") is True)


def _items(defaults: Mapping[str, Any], items: Sequence[object]) -> Iterator[Question | Problem]:
    """Each of *items* as a question, with the *defaults* laid under it."""
    read: dict[str, Any] = {}

    def part(item: Mapping[str, Any], name: str, of: Callable[[Mapping[str, Any], str], T]) -> T:
        # A default is taken whole or not at all (check W16), and judged only where it is needed
        # (check W17); then it serves all items, which is a third of the work on a batch.
        if name in item:
            return of(item, name)
        if name not in read:
            read[name] = of(defaults, name)
        found: T = read[name]
        return found

    for item in items:
        if not isinstance(item, dict):
            yield _wrong("the item", "an object")
            continue
        try:
            yield Question(
                part(item, "subject", _entity),
                part(item, "action", _action),
                part(item, "resource", _entity),
                part(item, "context", _object),
            )
        except Problem as problem:
            yield problem


def sought_of(members: Mapping[str, Any], sought: Sought) -> Question:
    """
    The question of a search, with the part open that is *sought* (check W27).

    Raises:
        Problem: ``invalid_request``, as in `question_of`.
    """
    return Question(
        _entity(members, "subject", open_=sought is Sought.SUBJECT),
        Action("") if sought is Sought.ACTION else _action(members, "action"),
        _entity(members, "resource", open_=sought is Sought.RESOURCE),
        _object(members, "context"),
    )


def paging_of(members: Mapping[str, Any]) -> Paging:
    """
    What *members* say of pages (check W31, W33).

    Raises:
        Problem: ``invalid_request``.
    """
    if "page" not in members:
        return Paging(asked=False, token=None, limit=None)
    page = members["page"]
    if not isinstance(page, dict):
        raise _wrong("page", "an object")
    token, limit = page.get("token"), page.get("limit")
    if "token" in page and not isinstance(token, str):
        raise _wrong("page.token", "a string")
    # A bool is an int in Python, and no number in JSON.
    if "limit" in page and (type(limit) is not int or limit < 0):
        raise _wrong("page.limit", "a whole number from 0 on")
    _object(page, "properties", "page.properties")
    return Paging(asked=True, token=token, limit=None if limit is None else min(limit, MAX_PAGE))


def _entity(members: Mapping[str, Any], name: str, *, open_: bool = False) -> Entity:
    whole = _required(members, name)
    return Entity(
        _text(whole, "type", name),
        "" if open_ else _text(whole, "id", name),
        _object(whole, "properties", f"{name}.properties"),
    )


def _action(members: Mapping[str, Any], name: str) -> Action:
    whole = _required(members, name)
    return Action(_text(whole, "name", name), _object(whole, "properties", f"{name}.properties"))


def _required(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if name not in members:
        raise Problem("invalid_request", f"{name} is missing")
    whole = members[name]
    if not isinstance(whole, dict):
        raise _wrong(name, "an object")
    return whole


def _text(whole: Mapping[str, Any], member: str, name: str) -> str:
    if member not in whole:
        raise Problem("invalid_request", f"{name}.{member} is missing")
    text = whole[member]
    if not isinstance(text, str):
        raise _wrong(f"{name}.{member}", "a string")
    return text


def _object(whole: Mapping[str, Any], member: str, name: str = "") -> Mapping[str, Any]:
    value = whole.get(member)
    # A null is read as if it were not there (check W10).
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(name or member, "an object")
    return value


def _wrong(name: str, wanted: str) -> Problem:
    return Problem("invalid_request", f"{name} is not {wanted}")
