"""
``key``: the keys with which services ask.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import click

from tenantcfg import instants
from tenantcfg.cli.app import Run, Verbs, known_keys, known_tenants, say, verb_options
from tenantcfg.cli.changing import attributed, context_of, done, receipt_row
from tenantcfg.cli.exits import Exit
from tenantcfg.cli.output import Records, emit
from tenantcfg.errors import InvalidInput
from tenantcfg.keys import Right, ServiceKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.history import Change
    from tenantcfg.ids import TenantId
    from tenantcfg.instants import Instant
    from tenantcfg.store import Key, Store

__all__ = ["key"]

_NEW_COLUMNS = ("key", "id", "name", "rights", "tenants", "expires_at", "revision")
_COLUMNS = ("id", "name", "rights", "all_tenants", "tenants", "expires_at", "state", "added")


@click.group(
    cls=Verbs,
    examples=(
        "tenantcfg key new calls --check --tenant contoso",
        "tenantcfg key list",
        "tenantcfg key revoke calls",
    ),
)
def key() -> None:
    """The keys with which services ask; a key is shown once, when it is made."""


def _expires(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options ``--expires-in`` and ``--expires-at``."""
    for option in (
        click.option("--expires-at", metavar="TIME", help="When it ends: 2027-01-31T18:00:00Z."),
        click.option("--expires-in", metavar="DURATION", help="After what time it ends: 90d."),
    ):
        command = option(command)
    return command


@key.command(
    "new",
    examples=(
        "tenantcfg key new calls --check --tenant contoso --tenant fabrikam",
        "tenantcfg key new dashboard --read --expires-in 90d",
        "tenantcfg key new calls --check > /run/secrets/tenantcfg-key",
    ),
    meant={"--all-tenants": "without --tenant a key is for all of them"},
)
@click.argument("name")
@click.option("--check", "check", is_flag=True, help="It may ask for decisions, and search.")
@click.option("--read", "read", is_flag=True, help="It may search, and read who changed what.")
@click.option("--media", "media", is_flag=True, help="It may report calls, and follow removals.")
@click.option(
    "--tenant",
    "tenants",
    metavar="TENANT",
    multiple=True,
    shell_complete=known_tenants,
    help="Only about this tenant, by id or name; may be repeated. Else about all.",
)
@_expires
@attributed
@verb_options()
@click.pass_obj
def new(run: Run, /, name: str, *, what_if: bool, **given: Any) -> Exit:
    """
    Make a key, and print it. Only its holder has it: it cannot be shown again.

    Nothing but the key goes to standard output.
    """
    rights = [right for right in Right if given[right.value]]
    if not rights:
        raise InvalidInput("a key for nothing", hint="give --check, --read or --media")
    made = ServiceKey.new(secrets.token_bytes)
    with run.open_store() as store:
        change = store.add_key(
            name,
            made,
            rights=rights,
            tenants=_tenants(run, store, given["tenants"]),
            expires_at=_expiry(store, given),
            by=_by(run, store, given),
            what_if=what_if,
        )
        return _shown(run, store, change, made, what_if=what_if)


@key.command("list", examples=("tenantcfg key list", "tenantcfg key list -o json"))
@verb_options()
@click.pass_obj
def list_(run: Run) -> Exit:
    """The keys: what they may, where, and until when."""
    with run.open_store() as store:
        now = _now(store)
        rows = [_row(one, now) for one in store.service_keys()]
        emit(Records.of(store, "keys", rows, _COLUMNS), run.output or "table")
    return Exit.DONE


@key.command(
    "rotate",
    examples=(
        "tenantcfg key rotate calls",
        "tenantcfg key rotate calls --overlap 0 --reason 'found in a log'",
    ),
)
@click.argument("key", metavar="KEY", shell_complete=known_keys)
@click.option(
    "--overlap",
    default="24h",
    metavar="DURATION",
    help="For how long the old one goes on; 0: not at all.",
)
@_expires
@attributed
@verb_options()
@click.pass_obj
def rotate(run: Run, /, overlap: str, *, what_if: bool, **given: Any) -> Exit:
    """
    Put a new key in the place of another, and print it.

    It has the name, the rights and the tenants of the old one and lasts as long, unless you say
    when it ends. The old one goes on for a day, so that its holder has time to change.
    """
    span = 0 if overlap == "0" else instants.parse_duration(overlap)
    made = ServiceKey.new(secrets.token_bytes)
    with run.open_store() as store:
        change = store.rotate_key(
            given["key"],
            made,
            overlap=span,
            expires_at=_expiry(store, given),
            by=_by(run, store, given),
            what_if=what_if,
        )
        return _shown(run, store, change, made, what_if=what_if)


@key.command(
    "revoke",
    examples=("tenantcfg key revoke calls", "tenantcfg key revoke 4n7xk2mq5tza --what-if"),
)
@click.argument("key", metavar="KEY", shell_complete=known_keys)
@attributed
@verb_options()
@click.pass_obj
def revoke(run: Run, /, *, what_if: bool, **given: Any) -> Exit:
    """
    End a key, from the next request on and for good.

    By its name, all keys of that name; by its id, that one alone. This cannot be undone.
    """
    with run.open_store() as store:
        by = _by(run, store, given)
        change = store.revoke_key(given["key"], by=by, what_if=what_if)
        return done(run, store, change, what_if=what_if)


def _by(run: Run, store: Store, given: dict[str, Any]) -> Any:  # noqa: ANN401 - an Attribution
    return context_of(run, store).by(on_behalf_of=given["on_behalf_of"], reason=given["reason"])


def _tenants(run: Run, store: Store, named: tuple[str, ...]) -> list[TenantId] | None:
    """The tenants that were named, also by the option before the verb; None: none was."""
    every = named if run.tenant is None else (run.tenant, *named)
    return [store.find_tenant(one).id for one in every] or None


def _expiry(store: Store, given: dict[str, Any]) -> Instant | None:
    named = ("--expires-at", "--expires-in")
    expiry = instants.parse_expiry(given["expires_at"], given["expires_in"], named=named)
    return None if expiry is None else expiry.instant(lambda: _now(store))


def _now(store: Store) -> Instant:
    return store.search(limit=0).at


def _shown(run: Run, store: Store, change: Change, made: ServiceKey, *, what_if: bool) -> Exit:
    """Print the key that *change* made, once; of a what-if there is none."""
    if run.output is not None:
        row = _new_row(change, None if what_if else made, what_if=what_if)
        emit(Records.of(store, "key", [row], _NEW_COLUMNS, single=True), run.output)
        return Exit.DONE
    if what_if:
        return done(run, store, change, what_if=True)
    print(made.text, flush=True)
    say(_told(change))
    say("it is shown this once: keep it where the service reads it, and nowhere else")
    return Exit.DONE


def _told(change: Change) -> str:
    details = change.operation.details
    tenants = details["tenants"]
    where = "all tenants" if tenants is None else ", ".join(tenants)
    ends = f", ends {details['expires_at']}" if details["expires_at"] else ""
    told = (
        f"key {details['name']} ({details['key']}): {', '.join(details['rights'])}, {where}{ends}"
    )
    if "replaces" in details:
        told += f"; {details['replaces']} ends {details['until'] or 'now'}"
    return f"{told}: revision {change.revision}"


def _new_row(change: Change, made: ServiceKey | None, *, what_if: bool) -> dict[str, Any]:
    details, receipt = change.operation.details, receipt_row(change, None, what_if=what_if)
    return {
        "key": None if made is None else made.text,
        "id": None if made is None else made.id,
        **{name: details[name] for name in ("name", "rights", "tenants", "expires_at")},
        "replaces": details.get("replaces"),
        "until": details.get("until"),
        **{name: receipt[name] for name in ("revision", "at", "actor", "result", "receipt")},
    }


def _row(one: Key, now: Instant) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "rights": sorted(right.value for right in one.rights),
        "all_tenants": one.tenants is None,
        "tenants": None if one.tenants is None else list(one.tenants),
        "expires_at": None if one.expires_at is None else instants.text(one.expires_at),
        "state": _state(one, now),
        "added": int(one.added),
    }


def _state(one: Key, now: Instant) -> str:
    if not one.in_force(now):
        return "ended"
    return "rotated" if one.rotated else "in force"
