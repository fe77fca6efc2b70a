"""
What every native verb that changes something shares: its options, and how it reports.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from tenantcfg.cli.app import Run, say
from tenantcfg.cli.exits import Exit
from tenantcfg.cli.output import Records, emit, printable
from tenantcfg.cmdlets import Context, Pins, difference, summary, terminal_session
from tenantcfg.errors import Refused, UnknownTenant

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tenantcfg.history import Change
    from tenantcfg.ids import TenantId
    from tenantcfg.store import Store

__all__ = ["RECEIPT_COLUMNS", "attributed", "confirm", "context_of", "done", "receipt_row"]

RECEIPT_COLUMNS = (
    "revision",
    "at",
    "tenant",
    "tenant_name",
    "actor",
    "result",
    "outcomes",
    "receipt",
)


def attributed(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options ``--reason``, ``--on-behalf-of`` and ``--what-if``."""
    for option in (
        click.option("--what-if", is_flag=True, help="Show what would change, and change nothing."),
        click.option("--on-behalf-of", metavar="WHO", help="Who asked for it."),
        click.option("--reason", metavar="TEXT", help="Why; stands in the history."),
    ):
        command = option(command)
    return command


def context_of(run: Run, store: Store | None = None) -> Context:
    """What the cmdlets work on; *store* where it is open already."""
    session = terminal_session()
    return Context(
        settings=run.settings,
        open_store=run.open_store if store is None else lambda: store,
        pins=Pins(run.settings.state, session) if session else None,
        say=say,
    )


def confirm(question: str, *, yes: bool) -> None:
    """
    Ask *question* on the terminal, unless *yes*.

    Raises:
        Refused: the answer is not y, or there is no terminal to ask on.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused("not confirmed", why="there is no terminal to ask on", hint="add --yes")
    print(f"{printable(question)} [y/N]: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Refused("not confirmed", why="nothing was changed")


def done(run: Run, store: Store, change: Change, *, what_if: bool) -> Exit:
    """Report *change*, made or only tried, as data or as talk; the exit code."""
    name = None if change.tenant is None else _name(store, change.tenant, change)
    if run.output is not None:
        row = receipt_row(change, name, what_if=what_if)
        emit(Records.of(store, "receipt", [row], RECEIPT_COLUMNS, single=True), run.output)
        return Exit.DONE
    if change.tenant is None:
        what = f"key {change.operation.details['name']}"
    else:
        what = name or change.tenant.value
    if what_if:
        of = "of" if change.tenant is None else "in tenant"
        print(f"What if: {change.operation.verb} {of} {printable(what)}.")
        for line in difference(change):
            print(printable(line))
        return Exit.DONE
    for line in summary(change, tenant=what):
        say(line)
    return Exit.DONE


def receipt_row(change: Change, tenant_name: str | None, *, what_if: bool) -> dict[str, Any]:
    """The receipt as plain JSON: the change whole, and what it came to."""
    result = "would change" if what_if and change.effective else "unchanged"
    return {
        **change.to_json(),
        "tenant_name": tenant_name,
        "result": "changed" if change.stored else result,
        "receipt": change.receipt if change.stored else None,
    }


def _name(store: Store, tenant: TenantId, change: Change) -> str | None:
    try:
        return store.find_tenant(tenant.value).name
    except UnknownTenant:
        name = change.operation.details.get("name")
        return name if isinstance(name, str) else None
