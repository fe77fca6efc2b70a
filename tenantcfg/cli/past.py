"""
``history``, ``undo`` and ``audit``: what was changed, by whom and why, and taking it back.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from tenantcfg import instants
from tenantcfg.cli.app import Run, Verb, Verbs, known_apps, say, verb_options
from tenantcfg.cli.changing import attributed, context_of, done
from tenantcfg.cli.exits import Exit
from tenantcfg.cli.output import Records, emit, printable
from tenantcfg.cmdlets import difference, revision_in
from tenantcfg.errors import UnknownTenant
from tenantcfg.history import Verb as Operation
from tenantcfg.ids import AppId, TenantId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantcfg.history import Change
    from tenantcfg.store import Store

__all__ = ["audit", "history", "undo"]

_COLUMNS = ("revision", "at", "tenant", "actor", "operation", "outcomes", "reason")


@click.command(
    cls=Verb,
    examples=(
        "tenantcfg history",
        "tenantcfg history --tenant contoso --since 2026-11-01T00:00:00Z",
        "tenantcfg history --app 5817674c-81d9-4adb-bfb2-8f6a442e4622 -o jsonl",
    ),
)
@click.option(
    "--app", shell_complete=known_apps, metavar="APP", help="Only changes that name this app."
)
@click.option("--actor", metavar="NAME", help="Only changes of this actor, as os:alice.")
@click.option("--since", metavar="TIME", help="Only changes at this time or later.")
@click.option("--until", metavar="TIME", help="Only changes before this time.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The newest N changes.")
@verb_options(tenant=True)
@click.pass_obj
def history(
    run: Run,
    *,
    app: str | None,
    actor: str | None,
    since: str | None,
    until: str | None,
    limit: int | None,
) -> Exit:
    """What was changed, newest first: who, when, why, and what became of each app."""
    run.unread = Exit.DONE
    with run.open_store() as store:
        changes = store.history(
            tenant=_tenant(run, store),
            app=AppId.parse(app) if app is not None else None,
            actor=actor,
            since=instants.parse(since) if since is not None else None,
            until=instants.parse(until) if until is not None else None,
            limit=limit,
        )
        if run.output is not None:
            rows = (change.to_json() for change in changes)
            emit(Records.of(store, "history", rows, _COLUMNS), run.output)
            return Exit.DONE
        names = {tenant.id: tenant.name for tenant in store.tenants()}
        for change in changes:
            _print(change, names)
    return Exit.DONE


@click.command(
    cls=Verb,
    examples=("tenantcfg undo 12 --what-if", 'tenantcfg undo 12 --reason "wrong app"'),
)
@click.argument("revision", metavar="REV")
@attributed
@verb_options()
@click.pass_obj
def undo(
    run: Run, revision: str, reason: str | None, on_behalf_of: str | None, *, what_if: bool
) -> Exit:
    """Take one change back: what it gave goes, what it took comes, with the old expiry."""
    with run.open_store() as store:
        context = context_of(run, store)
        by = context.by(on_behalf_of=on_behalf_of, reason=reason)
        change = store.undo(revision_in(revision, store), by=by, what_if=what_if)
        return done(run, store, change, what_if=what_if)


@click.group(cls=Verbs, examples=("tenantcfg audit head", "tenantcfg audit verify"))
def audit() -> None:
    """Prove that the history is whole, and that the grants are what it says."""


@audit.command(
    "verify",
    examples=("tenantcfg audit verify", "tenantcfg audit verify --head 41:6f2c..."),
)
@click.option("--head", metavar="REV:HASH", help="A head that was noted earlier.")
@verb_options()
@click.pass_obj
def verify(run: Run, head: str | None) -> Exit:
    """
    Replay all changes and compare the grants with what comes out.

    Finds any changed, dropped, swapped or inserted row. A tail that was cut off, or a
    history that was rewritten from some point on, shows only beside an earlier head: note
    it with 'tenantcfg audit head' where the store's admins cannot reach it.
    """
    with run.open_store() as store:
        problems = store.verify(head=head)
        rows = [{"problem": str(problem)} for problem in problems]
        if run.output is not None:
            emit(Records.of(store, "problems", rows, ("problem",)), run.output)
        for row in rows if run.output is None else ():
            print(printable(row["problem"]))
        if problems:
            say(f"the store {store.url} is not what its history says")
            return Exit.DIFFERENCES
        say(f"sound up to {store.head()}")
    return Exit.DONE


@audit.command("head", examples=("tenantcfg audit head >> /media/safe/heads",))
@verb_options()
@click.pass_obj
def head(run: Run) -> Exit:
    """Print REV:HASH of the newest change, to be noted somewhere else."""
    with run.open_store() as store:
        newest = store.head()
        if run.output is None:
            print(newest)
            return Exit.DONE
        row = {
            "revision": int(newest.revision),
            "hash": newest.hash,
            "at": instants.text(newest.at),
        }
        emit(Records.of(store, "head", [row], tuple(row), single=True), run.output)
    return Exit.DONE


def _tenant(run: Run, store: Store) -> TenantId | None:
    """The tenant by option only: a history of all tenants is what one asks for without."""
    if run.tenant is None:
        return None
    try:
        return store.find_tenant(run.tenant).id
    except UnknownTenant as why:
        say(f"{why}; what was removed keeps its history, by its id")
        return TenantId.parse(run.tenant)


def _print(change: Change, names: Mapping[TenantId, str | None]) -> None:
    print(
        f"{change.revision}  {instants.text(change.at)}  {printable(_place(change, names))}  "
        f"{printable(change.by.actor.name)}  {_what(change)}"
    )
    for line in (*_more(change), *(difference(change) if change.outcomes else ())):
        print("\n".join(map(printable, line.split("\n"))))
    sys.stdout.flush()


def _place(change: Change, names: Mapping[TenantId, str | None]) -> str:
    """The tenant, by its name if it has one; of a key's change, that it is one."""
    if change.tenant is None:
        return "keys"
    return names.get(change.tenant) or change.tenant.value


def _what(change: Change) -> str:
    details = change.operation.details
    if change.operation.verb is Operation.UNDO:
        return f"undo of {details.get('undoes')}"
    named = f" {details['name']}" if details.get("name") else ""
    was = f" (was {details['was']})" if details.get("was") else ""
    return f"{change.operation.verb}{printable(named + was)}"


def _more(change: Change) -> Iterator[str]:
    claimed: Iterable[tuple[str, Any]] = change.by.actor.claimed
    for where, name in claimed:
        yield f"  claimed: {where} {printable(name)}"
    if change.by.on_behalf_of:
        yield f"  on behalf of: {printable(change.by.on_behalf_of)}"
    if change.by.reason:
        yield f"  reason: {printable(change.by.reason)}"
