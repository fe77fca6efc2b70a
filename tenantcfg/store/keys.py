"""
The plans of the key verbs: made, rotated, revoked; and the keys that there are.

A key that ended is never one again: what is revoked stays so, and an id serves once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from tenantcfg import instants
from tenantcfg.errors import Conflict, InvalidInput, quoted
from tenantcfg.history import Operation, Verb
from tenantcfg.ids import MAX_ID_LENGTH, near_misses
from tenantcfg.instants import Instant
from tenantcfg.keys import MAX_TENANTS, fingerprint
from tenantcfg.store.changing import Plan, known, unstored
from tenantcfg.store.effects import name_key
from tenantcfg.store.rows import change_at, key_of
from tenantcfg.store.schema import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tenantcfg.history import Attribution
    from tenantcfg.ids import TenantId
    from tenantcfg.keys import Right, ServiceKey
    from tenantcfg.store.engine import Reading
    from tenantcfg.store.views import Key

__all__ = ["New", "add", "all_keys", "find_key", "live_key", "revoke", "revoked", "rotate"]


@dataclass(frozen=True, slots=True)
class New:
    """The key that is to be made, and what it may; see `Store.add_key`."""

    key: ServiceKey
    name: str
    rights: Collection[Right]
    tenants: Collection[TenantId] | None
    expires_at: Instant | None

    def __post_init__(self) -> None:
        _require_name(self.name)
        if not self.rights:
            raise InvalidInput("a key without rights", hint="let it check, or read")
        if self.tenants is not None:
            _require_some(self.tenants)


def add(new: New, by: Attribution) -> Callable[[Reading], Plan]:
    """The plan of `Store.add_key`."""

    def plan(reading: Reading) -> Plan:
        _refuse_past(reading, new.expires_at)
        for tenant in new.tenants or ():
            known(reading, tenant)
        live = _live(reading)
        _refuse_taken(reading, new.name, live)
        _refuse_used(reading, new.key)
        ids = None if new.tenants is None else sorted({one.value for one in new.tenants})
        details = {
            "key": new.key.id,
            "name": new.name,
            "rights": _words(new.rights),
            "tenants": ids,
            "expires_at": _text(new.expires_at),
            "fingerprint": fingerprint(new.key.digest),
        }
        digests = ((new.key.id, new.key.digest),)
        return _plan(reading, by, Operation(Verb.KEY_NEW, details), digests=digests)

    return plan


def rotate(
    id_or_name: str,
    key: ServiceKey,
    by: Attribution,
    *,
    overlap: int,
    expires_at: Instant | None,
) -> Callable[[Reading], Plan]:
    """The plan of `Store.rotate_key`."""

    def plan(reading: Reading) -> Plan:
        _refuse_past(reading, expires_at)
        old = _holder(reading, id_or_name)
        _refuse_used(reading, key)
        until = _ends(reading, old, overlap)
        details = {
            "key": key.id,
            "name": old.name,
            "rights": _words(old.rights),
            "tenants": None if old.tenants is None else list(old.tenants),
            "expires_at": _text(_as_long_again(reading, old) if expires_at is None else expires_at),
            "fingerprint": fingerprint(key.digest),
            "replaces": old.id,
            "until": _text(until),
        }
        digests = ((key.id, key.digest), (old.id, _digest(reading, old.id)))
        operation = Operation(Verb.KEY_ROTATE, details)
        return _plan(reading, by, operation, ended=(old,), digests=digests)

    return plan


def revoke(id_or_name: str, by: Attribution) -> Callable[[Reading], Plan]:
    """The plan of `Store.revoke_key`."""

    def plan(reading: Reading) -> Plan:
        found = _meant(_live(reading), id_or_name)
        if found:
            return revoked(reading, found, by, Verb.KEY_REVOKE, {})
        gone = _once(reading, id_or_name)
        if gone is None:
            raise _unknown(reading, id_or_name)
        details = {"keys": [gone.id], "name": gone.name}
        return _plan(reading, by, Operation(Verb.KEY_REVOKE, details), effective=False)

    return plan


def revoked(
    reading: Reading,
    ended: tuple[Key, ...],
    by: Attribution,
    verb: Verb,
    details: Mapping[str, Any],
) -> Plan:
    """The plan that ends the keys *ended*, all of one name; what it says of them is added."""
    told = {**details, "keys": sorted(key.id for key in ended), "name": ended[0].name}
    return _plan(reading, by, Operation(verb, told), ended=ended)


def all_keys(reading: Reading) -> tuple[Key, ...]:
    """The keys that were not revoked, in the order in which they were made."""
    return tuple(sorted(_live(reading), key=lambda key: (key.added, key.id)))


def find_key(reading: Reading, id_or_name: str) -> Key:
    """The key that an admin means; see `Store.find_key`."""
    found = _meant(_live(reading), id_or_name)
    if not found:
        raise _unknown(reading, id_or_name)
    return next((key for key in found if not key.rotated), found[-1])


def live_key(reading: Reading, key: str) -> Key | None:
    """The key of the id *key*; None: there is none any more."""
    statement = select(keys).where(keys.c.id == key, keys.c.to_revision.is_(None))
    row = reading.connection.execute(statement).one_or_none()
    return None if row is None else key_of(row)


def _live(reading: Reading) -> list[Key]:
    rows = reading.connection.execute(select(keys).where(keys.c.to_revision.is_(None)))
    return [key_of(row) for row in rows]


def _meant(live: list[Key], id_or_name: str) -> tuple[Key, ...]:
    """The key of this id, or else all that have this name: also one that only lasts out."""
    if by_id := [key for key in live if key.id == id_or_name]:
        return tuple(by_id)
    wanted = name_key(id_or_name)
    return tuple(key for key in live if name_key(key.name) == wanted)


def _holder(reading: Reading, id_or_name: str) -> Key:
    """The key that an admin means, to be replaced by another."""
    live = _live(reading)
    found = _meant(live, id_or_name)
    if not found:
        raise _unknown(reading, id_or_name)
    holders = [key for key in found if not key.rotated]
    if holders:
        return holders[0]
    names = [key.id for key in _meant(live, found[0].name) if not key.rotated]
    raise Conflict(
        "the key was rotated already",
        subject=quoted(id_or_name),
        why=f"key {names[0]} came in its place" if names else "that one was revoked since",
        hint="rotate that one" if names else "tenantcfg key new makes another",
    )


def _once(reading: Reading, id_or_name: str) -> Key | None:
    """A key that was called so, and is no more; the newest."""
    called = or_(keys.c.id == id_or_name, keys.c.name_key == name_key(id_or_name))
    statement = select(keys).where(called).order_by(keys.c.from_revision.desc()).limit(1)
    row = reading.connection.execute(statement).one_or_none()
    return None if row is None else key_of(row)


def _unknown(reading: Reading, id_or_name: str) -> InvalidInput:
    near = near_misses(id_or_name, [key.name for key in _live(reading)])
    return InvalidInput(
        "unknown key",
        subject=quoted(id_or_name),
        why=f"did you mean {' or '.join(map(quoted, near))}?" if near else "",
        hint="tenantcfg key list shows them",
    )


def _digest(reading: Reading, key: str) -> str:
    statement = select(keys.c.digest).where(keys.c.id == key, keys.c.to_revision.is_(None))
    digest: str = reading.connection.scalars(statement).one()
    return digest


def _ends(reading: Reading, old: Key, overlap: int) -> Instant | None:
    """When *old* ends if another comes in its place; None: at once."""
    until = Instant(reading.now + overlap)
    if old.expires_at is not None:
        until = min(until, old.expires_at)
    return until if until > reading.now else None


def _as_long_again(reading: Reading, old: Key) -> Instant | None:
    """When a key ends that lasts as long as *old* was to."""
    if old.expires_at is None:
        return None
    made = change_at(reading, old.added)
    assert made is not None  # noqa: S101 - every row is of a change
    until = Instant(reading.now + old.expires_at - made.at)
    instants.require("expiry", until)
    return until


def _require_name(name: str) -> None:
    why = ""
    if not 1 <= len(name) <= MAX_ID_LENGTH:
        why = f"it has {len(name)} characters, 1 to {MAX_ID_LENGTH} are allowed"
    elif not name.isprintable():
        why = "it holds a character that cannot be printed"
    elif name != name.strip():
        why = "a blank stands at its end"
    if why:
        raise InvalidInput("not a key's name", subject=quoted(name), why=why)


def _require_some(tenants: Collection[TenantId]) -> None:
    if not tenants:
        raise InvalidInput("a key for no tenant", hint="name one, or none at all for every tenant")
    if len(tenants) > MAX_TENANTS:
        raise InvalidInput(
            "too many tenants for a key",
            subject=str(len(tenants)),
            hint=f"at most {MAX_TENANTS}, or none at all for every tenant",
        )


def _refuse_past(reading: Reading, until: Instant | None) -> None:
    if until is not None and until <= reading.now:
        raise InvalidInput(
            "the expiry is in the past",
            subject=instants.text(until),
            why=f"it is {instants.text(reading.now)} in the store",
        )


def _refuse_taken(reading: Reading, name: str, live: list[Key]) -> None:
    if any(key.id == name for key in live):
        raise Conflict("the name is taken", subject=quoted(name), why="it is the id of a key")
    for key in live:
        # One that was rotated and has run out stands in nobody's way.
        stands = key.in_force(reading.now) or not key.rotated
        if stands and name_key(key.name) == name_key(name):
            raise Conflict(
                "the name is taken",
                subject=quoted(name),
                why=f"key {key.id} has it, without regard to case",
                hint="rotate or revoke that one, or choose another",
            )


def _refuse_used(reading: Reading, key: ServiceKey) -> None:
    """An id that was a key's is no other's, and its secret no secret any more."""
    if reading.connection.scalars(select(keys.c.id).where(keys.c.id == key.id).limit(1)).first():
        raise Conflict("the key was used already", subject=key.id, hint="make a new one")


def _words(rights: Collection[Right]) -> list[str]:
    return sorted({right.value for right in rights})


def _text(instant: Instant | None) -> str | None:
    return None if instant is None else instants.text(instant)


def _plan(
    reading: Reading,
    by: Attribution,
    operation: Operation,
    *,
    effective: bool = True,
    ended: tuple[Key, ...] = (),
    digests: tuple[tuple[str, str], ...] = (),
) -> Plan:
    change = unstored(reading, None, by, operation)
    return Plan(change, effective, None, keys=ended, digests=digests)
