"""
Completion: cmdlets, their parameters, tenants and app ids out of the store.

It only ever reads, and where the store cannot be read it offers nothing: a key pressed at
a prompt must not print an error.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

from tenantcfg.cli.app import FORMATS, Run, Verb, tenantcfg
from tenantcfg.cli.exits import Exit
from tenantcfg.errors import TenantcfgError
from tenantcfg.ids import AppId, pastable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenantcfg.ids import TenantId
    from tenantcfg.store import Store

__all__ = [
    "apps",
    "calls",
    "complete_line",
    "completion",
    "keys",
    "participants",
    "tenants",
]

_SHELLS = ("bash", "zsh", "fish")
_OURS = ("--store", "--tenant", "-o", "--help")
_TENANT_PARAMETERS = {"-tenant", "-tenantid", "--tenant"}
_OFFERED = 1_000
"""Calls and participants that are offered, at most."""
_LIST_PARAMETER = "-allowremoveparticipantappids"


@click.command(
    cls=Verb,
    examples=(
        'eval "$(tenantcfg completion bash)"',
        "tenantcfg completion fish >~/.config/fish/completions/tenantcfg.fish",
    ),
)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> Exit:
    """Print the script that teaches a shell to complete."""
    kind = get_completion_class(shell)
    if kind is not None:
        print(kind(tenantcfg, {}, "tenantcfg", "_TENANTCFG_COMPLETE").source())
    return Exit.DONE


def complete_line(ctx: click.Context, name: str, incomplete: str) -> list[CompletionItem]:
    """What may follow on a cmdlet's line: a parameter's name or its value."""
    before = ctx.args[-1].lower() if ctx.args else ""
    if before in _TENANT_PARAMETERS or (before == "-identity" and name.lower().endswith("tenant")):
        return tenants(ctx, None, incomplete)
    if before in {"-o", "--output"}:
        return _items(FORMATS, incomplete)
    if before and _LIST_PARAMETER.startswith(before) and len(before) > 1:
        return _items(_edits(ctx), incomplete)
    if incomplete.startswith("-") or not incomplete:
        return _items((*(f"-{one}" for one in _parameters(name)), *_OURS), incomplete)
    return []


def tenants(
    ctx: click.Context, parameter: click.Parameter | None, incomplete: str
) -> list[CompletionItem]:
    """The tenants' names and ids that begin with *incomplete*."""
    del parameter
    return _items(_from_store(ctx, _tenants), incomplete)


def apps(
    ctx: click.Context, parameter: click.Parameter | None, incomplete: str
) -> list[CompletionItem]:
    """The ids of granted apps that begin with *incomplete*."""
    del parameter
    return _items(_from_store(ctx, _apps), incomplete)


def keys(
    ctx: click.Context, parameter: click.Parameter | None, incomplete: str
) -> list[CompletionItem]:
    """The names and ids of keys that begin with *incomplete*."""
    del parameter
    return _items(_from_store(ctx, _keys), incomplete)


def calls(
    ctx: click.Context, parameter: click.Parameter | None, incomplete: str
) -> list[CompletionItem]:
    """The ids of calls, of the tenant that is meant, that begin with *incomplete*."""
    del parameter
    return _items(_from_store(ctx, lambda store: _calls(ctx, store)), incomplete)


def participants(
    ctx: click.Context, parameter: click.Parameter | None, incomplete: str
) -> list[CompletionItem]:
    """The ids of those in the call that stands before, that begin with *incomplete*."""
    del parameter
    return _items(_from_store(ctx, lambda store: _participants(ctx, store)), incomplete)


def _items(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    low = incomplete.lower()
    found = dict.fromkeys(word for word in words if word.lower().startswith(low))
    return [CompletionItem(word) for word in found]


def _parameters(name: str) -> Iterator[str]:
    from tenantcfg.cmdlets import declared  # noqa: PLC0415
    from tenantcfg.powershell.binding import COMMON  # noqa: PLC0415

    yield from declared(name)
    if not name.lower().startswith("get-"):
        yield from ("WhatIf", "Confirm")
    yield from (parameter.name for parameter in COMMON)


def _edits(ctx: click.Context) -> Iterator[str]:
    # A bare id would replace the list, so none is offered.
    for app in _from_store(ctx, _apps):
        yield f"@{{Add={app}}}"
        yield f"@{{Remove={app}}}"


def _tenants(store: Store) -> list[str]:
    known = store.tenants()
    names = [one.name for one in known if one.name and AppId.exact(one.name).pastable]
    return names + [one.id.value for one in known if one.id.pastable]


def _calls(ctx: click.Context, store: Store) -> list[str]:
    page = store.roster.calls(_meant(ctx, store), limit=_OFFERED)
    return [one.id for one in page.items if pastable(one.id)]


def _participants(ctx: click.Context, store: Store) -> list[str]:
    call = ctx.params.get("call")
    if not call:
        return []
    page = store.roster.participants(_meant(ctx, store), call, limit=_OFFERED)
    return [] if page is None else [one.id for one in page.items if pastable(one.id)]


def _meant(ctx: click.Context, store: Store) -> TenantId:
    """The tenant that the line means; nothing is said of it."""
    from tenantcfg.cli.changing import context_of  # noqa: PLC0415

    run = ctx.ensure_object(Run)
    return replace(context_of(run, store), say=lambda _: None).tenant(run.tenant).id


def _keys(store: Store) -> list[str]:
    known = store.service_keys()
    names = [one.name for one in known if AppId.exact(one.name).pastable]
    return names + [one.id for one in known]


def _apps(store: Store) -> list[str]:
    # A shell puts what is offered on the line as it is: what it could read as more than a
    # word is not offered.
    return [app.value for app in store.known_apps() if app.pastable]


def _from_store(ctx: click.Context, read: Callable[[Store], list[str]]) -> list[str]:
    with contextlib.suppress(TenantcfgError, OSError), ctx.ensure_object(Run).open_store() as store:
        return read(store)
    return []
