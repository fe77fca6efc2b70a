"""The working group's scenarios as sources of decisions: who may do what, in a few lines each."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tenantcfg.decision import Deny, Permit
from tenantcfg.errors import Reason
from tenantcfg.service.authzen import Judged, Page
from tenantcfg.service.authzen.model import Sought
from tenantcfg.service.http import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenantcfg.service.authzen import Asker, Question, Search
    from tenantcfg.service.http import Request

TOKEN = "the-enforcement-point"  # noqa: S105 - known to the tests alone


@dataclass(frozen=True, slots=True)
class Known:
    """Who showed the one token that there is."""

    identity: str = "pep"


class OneToken:
    """Knows one token, as the scenarios do."""

    def presented(self, request: Request) -> Known:
        if request.one(b"authorization") != f"Bearer {TOKEN}".encode():
            raise Problem("unauthenticated", "who asks is not known")
        return Known()

    async def known(self, asker: Asker, *, searching: bool, anew: bool) -> None:
        pass


@dataclass(frozen=True)
class Scenario:
    """Decisions by *may*, and searches among *candidates*: ids by what is sought."""

    may: Callable[[Question], bool]
    candidates: Mapping[str, Sequence[str]]

    async def judge(self, questions: Sequence[Question], *_: object) -> Judged:
        return Judged([Permit() if self.may(one) else _DENIED for one in questions])

    async def search(self, search: Search, *_: object) -> Page:
        fits = [one for one in self.candidates[search.sought] if self.may(_closed(search, one))]
        found = sorted(fits)
        rest = [one for one in found if one > search.after]
        return Page(rest[: search.limit], len(found), len(rest) > search.limit)


_DENIED = Deny(Reason.NOT_GRANTED)


def _closed(search: Search, found: str) -> Question:
    question = search.question
    match search.sought:
        case Sought.SUBJECT:
            return replace(question, subject=replace(question.subject, id=found))
        case Sought.RESOURCE:
            return replace(question, resource=replace(question.resource, id=found))
        case Sought.ACTION:
            return replace(question, action=replace(question.action, name=found))


# The fixture of the certification scenario


_STATUS = {"record-1": "active", "record-2": "archived"}
_ROLE = {"alice": "employee", "bob": "admin"}


def _fixture(asked: Question) -> bool:
    who, what, which = asked.subject, asked.action, asked.resource
    if (who.type, which.type) != ("user", "record"):
        return False
    if who.id not in _ROLE or which.id not in _STATUS:
        return False
    if what.name == "write":
        if which.properties.get("status", _STATUS[which.id]) == "archived":
            role: str = who.properties.get("role", _ROLE[who.id])
            return role == "admin"
        return (who.id, which.id) == ("alice", "record-1")
    if what.name == "delete":
        soft = what.properties.get("soft") is True
        return soft and (who.id, which.id) == ("alice", "record-1")
    return what.name == "read" and (who.id == "alice" or which.id == "record-1")


FIXTURE = Scenario(
    _fixture,
    {
        "subject": list(_ROLE),
        "resource": list(_STATUS),
        "action": ["read", "write", "delete"],
    },
)


# The Todo application, behind itself and behind a gateway


_PEOPLE = {
    "0": ("rick@the-citadel.com", {"admin", "evil_genius"}),
    "1": ("morty@the-citadel.com", {"editor"}),
    "2": ("summer@the-smiths.com", {"editor"}),
    "3": ("beth@the-smiths.com", {"viewer"}),
    "4": ("jerry@the-smiths.com", {"viewer"}),
}


def _person(subject: str) -> tuple[str, set[str]]:
    # The id is a wrapped fdN614d3-..., as an identity provider hands it out.
    number = b64decode(subject + "==")[4:5].decode()
    return _PEOPLE[number]


def _todo(asked: Question) -> bool:
    mail, roles = _person(asked.subject.id)
    own: bool = "editor" in roles and asked.resource.properties.get("ownerID") == mail
    match asked.action.name:
        case "can_read_user" | "can_read_todos":
            return True
        case "can_create_todo":
            return bool(roles & {"admin", "editor"})
        case "can_update_todo":
            return "evil_genius" in roles or own
        case "can_delete_todo":
            return "admin" in roles or own
    return False


def _gateway(asked: Question) -> bool:
    _, roles = _person(asked.subject.id)
    needed: dict[str, set[str]] = {
        "GET": roles,
        "POST": {"admin", "editor"},
        "PUT": {"evil_genius", "editor"},
        "DELETE": {"admin", "editor"},
    }
    return bool(roles & needed[asked.action.name])


TASKS = Scenario(_todo, {})
GATEWAY = Scenario(_gateway, {})


# The records of the search demonstration


def records(people: list[dict[str, Any]], papers: list[dict[str, Any]]) -> Scenario:
    """The scenario of *people* and their *papers*."""
    who = {one["id"]: one for one in people}
    which = {str(one["id"]): one for one in papers}

    def may(asked: Question) -> bool:
        person, paper = who.get(asked.subject.id), which.get(asked.resource.id)
        if person is None or paper is None:
            return False
        own: bool = paper["owner"] == person["id"]
        near, leads = paper["department"] == person["department"], person["role"] == "manager"
        grants = {"view": own or near or leads, "edit": own or (near and leads), "delete": own}
        return grants.get(asked.action.name, False)

    return Scenario(
        may,
        {"subject": list(who), "resource": list(which), "action": ["view", "edit", "delete"]},
    )
