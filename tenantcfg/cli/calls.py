"""
``call``: the calls that the store's own roster holds, reported and looked at by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from tenantcfg import instants
from tenantcfg.cli.app import Run, Verbs, known_calls, known_participants, say, verb_options
from tenantcfg.cli.changing import context_of
from tenantcfg.cli.exits import Exit
from tenantcfg.cli.output import Records, emit, printable
from tenantcfg.errors import InvalidInput, quoted
from tenantcfg.meetings import Call, Identity, IdentityKind, Participant, UnknownCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantcfg.meetings import Page, Removal
    from tenantcfg.store import Store, Tenant

__all__ = ["call_"]

_PAGE = 1_000
_REPORT_COLUMNS = ("verb", "tenant", "tenant_name", "call", "participant", "result")
_CALL_COLUMNS = ("call", "state", "direction", "subject", "sequence")
_PARTICIPANT_COLUMNS = (
    "participant",
    "kind",
    "identity",
    "display_name",
    "answered",
    "in_lobby",
    "muted",
)
_REMOVAL_COLUMNS = ("at", "app", "call", "participant", "outcome", "request_id")


@click.group(
    "call",
    cls=Verbs,
    examples=(
        "tenantcfg call new --tenant contoso --id c-7",
        "tenantcfg call join c-7 --user 0b1f6c1e-3a3e-4c0e-9b53-0d1a5d3f2b10 --name 'Ada Byron'",
        "tenantcfg call show c-7",
    ),
)
def call_() -> None:
    """The calls that the store holds: who is in them, and whom apps removed."""


def _what_if(command: Callable[..., Any]) -> Callable[..., Any]:
    said = "Show what would change, and change nothing."
    return click.option("--what-if", is_flag=True, help=said)(command)


def _named_call(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("call", metavar="CALL", shell_complete=known_calls)(command)


def _named_participant(command: Callable[..., Any]) -> Callable[..., Any]:
    argument = click.argument(
        "participant", metavar="PARTICIPANT", shell_complete=known_participants
    )
    return argument(command)


@call_.command(
    "new",
    examples=(
        "tenantcfg call new",
        "tenantcfg call new --tenant contoso --id c-7 --subject 'Monday'",
    ),
)
@click.option("--id", "id_", metavar="ID", help="The call's id. Else it is given one.")
@click.option("--subject", metavar="TEXT", help="What it is about.")
@_what_if
@verb_options(tenant=True)
@click.pass_obj
def new(run: Run, id_: str | None, subject: str | None, *, what_if: bool) -> Exit:
    """Make a call known, with nobody in it yet, and print its id."""
    with run.open_store() as store:
        tenant = _tenant(run, store)
        made = Call(tenant.id, str(uuid4()) if id_ is None else id_, subject=subject)
        store.roster.new_call(made, what_if=what_if)
        report = _Report("new", tenant, made.id if id_ or not what_if else None)
        return report.printed(run, store, what_if=what_if, id_=made.id)


@call_.command(
    "join",
    examples=(
        "tenantcfg call join c-7 --user 0b1f6c1e-3a3e-4c0e-9b53-0d1a5d3f2b10 --name 'Ada Byron'",
        "tenantcfg call join c-7 --phone '+49 30 1234' --id p-31 --unanswered",
    ),
)
@_named_call
@click.option("--user", metavar="ID", help="A user, by this id.")
@click.option("--guest", metavar="ID", help="A guest.")
@click.option("--phone", metavar="NUMBER", help="Somebody on the telephone.")
@click.option("--device", metavar="ID", help="A device, as of a meeting room.")
@click.option("--application", metavar="ID", help="A bot.")
@click.option("--name", metavar="TEXT", help="The name that is shown.")
@click.option("--id", "id_", metavar="ID", help="The participant's id. Else they are given one.")
@click.option("--unanswered", is_flag=True, help="They have not answered yet.")
@click.option("--lobby", is_flag=True, help="They wait in the lobby.")
@click.option("--muted", is_flag=True, help="They are muted.")
@_what_if
@verb_options(tenant=True)
@click.pass_obj
def join(run: Run, /, *, what_if: bool, **given: Any) -> Exit:
    """
    Put somebody into a call, and print their id.

    Who is in it already is described anew. Who was removed from the call does not come back
    under the same id.
    """
    id_: str | None = given["id_"]
    one = Participant(
        id=str(uuid4()) if id_ is None else id_,
        identity=_identity(given),
        answered=not given["unanswered"],
        in_lobby=given["lobby"],
        muted=given["muted"],
    )
    with run.open_store() as store:
        tenant, roster = _tenant(run, store), store.roster
        before = roster.participant(tenant.id, given["call"], one.id)
        roster.report(tenant.id, given["call"], one, what_if=what_if)
        shown = one.id if id_ or not what_if else None
        report = _Report("join", tenant, given["call"], shown, changed=before != one)
        return report.printed(run, store, what_if=what_if, id_=one.id)


@call_.command("answer", examples=("tenantcfg call answer c-7 p-31",))
@_named_call
@_named_participant
@_what_if
@verb_options(tenant=True)
@click.pass_obj
def answer(run: Run, /, call: str, participant: str, *, what_if: bool) -> Exit:
    """
    Say that somebody has answered.

    From then on apps that may remove participants can remove them.
    """
    with run.open_store() as store:
        tenant = _tenant(run, store)
        changed = store.roster.answered(tenant.id, call, participant, what_if=what_if)
        report = _Report("answer", tenant, call, participant, changed=changed)
        return report.printed(run, store, what_if=what_if)


@call_.command("leave", examples=("tenantcfg call leave c-7 p-31",))
@_named_call
@_named_participant
@_what_if
@verb_options(tenant=True)
@click.pass_obj
def leave(run: Run, /, call: str, participant: str, *, what_if: bool) -> Exit:
    """Take somebody who left out of a call. They may join again."""
    with run.open_store() as store:
        tenant = _tenant(run, store)
        changed = store.roster.left(tenant.id, call, participant, what_if=what_if)
        report = _Report("leave", tenant, call, participant, changed=changed)
        return report.printed(run, store, what_if=what_if)


@call_.command("end", examples=("tenantcfg call end c-7", "tenantcfg call end c-7 --what-if"))
@_named_call
@_what_if
@verb_options(tenant=True)
@click.pass_obj
def end(run: Run, /, call: str, *, what_if: bool) -> Exit:
    """End a call, and forget who is in it."""
    with run.open_store() as store:
        tenant = _tenant(run, store)
        store.roster.end_call(tenant.id, call, what_if=what_if)
        return _Report("end", tenant, call).printed(run, store, what_if=what_if)


@call_.command(
    "show",
    examples=("tenantcfg call show", "tenantcfg call show c-7 --tenant contoso -o json"),
)
@click.argument("call", metavar="CALL", required=False, shell_complete=known_calls)
@verb_options(tenant=True)
@click.pass_obj
def show(run: Run, /, call: str | None) -> Exit:
    """The calls of a tenant; of one call, who is in it."""
    run.unread = Exit.DONE
    with run.open_store() as store:
        tenant = _tenant(run, store)
        if call is None:
            calls = (_call_row(tenant, one) for one in _calls(store, tenant))
            records = Records.of(store, "calls", calls, _CALL_COLUMNS)
        else:
            people = [_participant_row(tenant, call, one) for one in _people(store, tenant, call)]
            records = Records.of(store, "participants", people, _PARTICIPANT_COLUMNS)
        emit(records, run.output or "table")
    return Exit.DONE


@call_.command(
    "removals",
    examples=("tenantcfg call removals", "tenantcfg call removals --limit 20 -o json"),
)
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=100_000),
    default=100,
    metavar="N",
    help="The newest N; without it 100.",
)
@verb_options(tenant=True)
@click.pass_obj
def removals(run: Run, /, limit: int) -> Exit:
    """Whom apps removed from calls, newest first. Each says what became of it."""
    run.unread = Exit.DONE
    with run.open_store() as store:
        tenant = _tenant(run, store)
        rows = [_removal_row(tenant, one) for one in store.removals.of(tenant.id, limit=limit)]
        emit(Records.of(store, "removals", rows, _REMOVAL_COLUMNS), run.output or "table")
    return Exit.DONE


@dataclass(frozen=True, slots=True)
class _Report:
    """
    What was reported, or would be.

    Attributes:
        call, participant: None: it has no id yet.
    """

    verb: str
    tenant: Tenant
    call: str | None
    participant: str | None = None
    changed: bool = True

    def printed(self, run: Run, store: Store, *, what_if: bool, id_: str | None = None) -> Exit:
        """Print it as it is wanted, or else *id_*, which it made known; the exit code."""
        if run.output is not None:
            row = self._row(what_if=what_if)
            emit(Records.of(store, "report", [row], _REPORT_COLUMNS, single=True), run.output)
        elif what_if:
            print(f"What if: {printable(self._told())}{'' if self.changed else ': unchanged'}.")
        elif id_ is not None:
            print(printable(id_))
        else:
            say(f"{self._told()}{'' if self.changed else ': unchanged'}")
        return Exit.DONE

    def _told(self) -> str:
        whom = "" if self.participant is None else f" of {self.participant}"
        at = "" if self.call is None else f" at {self.call}"
        return f"call.{self.verb}{whom}{at} in tenant {self.tenant.name or self.tenant.id}"

    def _row(self, *, what_if: bool) -> dict[str, Any]:
        done = "would change" if what_if else "changed"
        return {
            "verb": f"call.{self.verb}",
            "tenant": self.tenant.id.value,
            "tenant_name": self.tenant.name,
            "call": self.call,
            "participant": self.participant,
            "result": done if self.changed else "unchanged",
        }


def _tenant(run: Run, store: Store) -> Tenant:
    return context_of(run, store).tenant(run.tenant)


def _identity(given: dict[str, Any]) -> Identity | None:
    """Who it is, as one of the options names them."""
    named = [(kind, given[kind.value]) for kind in IdentityKind if given[kind.value] is not None]
    if len(named) > 1:
        options = " and ".join(f"--{kind.value}" for kind, _ in named)
        raise InvalidInput("one participant is one of them", subject=options, hint="give one")
    if not named:
        if given["name"] is not None:
            raise InvalidInput("a name of nobody", subject="--name", hint="add --user or --guest")
        return None
    ((kind, id_),) = named
    return Identity(kind, id_, given["name"])


def _calls(store: Store, tenant: Tenant) -> Iterator[Call]:
    after = None
    while True:
        page = store.roster.calls(tenant.id, after=after, limit=_PAGE)
        yield from page.items
        after = page.after
        if after is None:
            return


def _people(store: Store, tenant: Tenant, call: str) -> Iterator[Participant]:
    after = None
    while True:
        page: Page[Participant] | None = store.roster.participants(
            tenant.id, call, after=after, limit=_PAGE
        )
        if page is None:
            hint = "tenantcfg call show lists them"
            raise UnknownCall("unknown call", subject=quoted(call), hint=hint)
        yield from page.items
        after = page.after
        if after is None:
            return


def _call_row(tenant: Tenant, one: Call) -> dict[str, Any]:
    return {
        "tenant": tenant.id.value,
        "tenant_name": tenant.name,
        "call": one.id,
        "state": one.state.value,
        "direction": one.direction.value,
        "subject": one.subject,
        "sequence": one.sequence,
    }


def _participant_row(tenant: Tenant, call: str, one: Participant) -> dict[str, Any]:
    who = one.identity
    return {
        "tenant": tenant.id.value,
        "call": call,
        "participant": one.id,
        "kind": None if who is None else who.kind.value,
        "identity": None if who is None else who.id,
        "display_name": None if who is None else who.display_name,
        "home_tenant": None if who is None else who.tenant,
        "answered": one.answered,
        "in_lobby": one.in_lobby,
        "muted": one.muted,
    }


def _removal_row(tenant: Tenant, one: Removal) -> dict[str, Any]:
    settled = one.settled_at
    return {
        "request_id": one.request_id,
        "at": instants.text(one.at),
        "tenant": tenant.id.value,
        "tenant_name": tenant.name,
        "app": one.app.value,
        "call": one.call,
        "participant": one.participant,
        "outcome": one.outcome.value,
        "settled_at": None if settled is None else instants.text(settled),
        "why": one.why,
        "revision": int(one.revision),
        "controller": one.controller,
    }
