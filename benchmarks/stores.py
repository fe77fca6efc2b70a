"""
Stores of any size, with the history that they would have if each change had been made by itself.

Two changes that a real store made, a tenant and its grants, are filled in anew for each tenant
and written past the store's door; a test has `Store.verify` judge what comes out.
"""

from __future__ import annotations

import random
import time
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tenantcfg import AppId, Attribution, ListModifier, Revision, TenantId, instants
from tenantcfg.configuration import REMOVE_PARTICIPANT
from tenantcfg.history import GENESIS, Actor, Change, canonical
from tenantcfg.instants import Instant
from tenantcfg.store import admin, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BY", "GRANTS", "Question", "built", "path_of", "questions"]

BY = Attribution(Actor("os:admin"), reason="CHG-1042: rollout")
GRANTS = 3
"""How many apps each tenant has."""

Question = tuple[str, str]
"""A tenant and an app."""

_Rows = list[tuple[Any, ...]]

_APPS = 1_000
_AT_ONCE = 10_000
_MARKED_REVISION = Revision(987_654_321)
_MARKED_APPS = tuple(AppId(f"@app{number}@") for number in range(GRANTS))


def path_of(url: str) -> Path:
    """The file of a file store."""
    return Path(url.removeprefix("sqlite:///"))


def built(folder: Path, tenants: int) -> str:
    """The address of a store below *folder* with so many *tenants*; made unless it is there."""
    url = f"sqlite:///{folder / f'{tenants}-tenants' / 'store.db'}"
    if not path_of(url).exists():
        part = f"sqlite:///{folder / f'{tenants}-tenants' / 'store.part'}"
        admin.create(part).close()
        _fill(path_of(part), tenants)
        path_of(part).rename(path_of(url))
    return url


def questions(url: str, count: int) -> list[Question]:
    """
    Tenants and apps to ask about, from all over the store at *url*.

    Every fifth is denied: there is no such app.
    """
    chosen = random.Random(count)  # noqa: S311 - the same ones each time
    with closing(sqlite.connect(path_of(url), patience=1, for_checks=True)) as connection:
        (rows,) = connection.execute("SELECT max(rowid) FROM grants").fetchone()
        numbers = [chosen.randint(1, rows) for _ in range(count)]
        find = "SELECT tenant, app FROM grants WHERE rowid = ?"
        found = [connection.execute(find, (number,)).fetchone() for number in numbers]
    return [
        (tenant, app if number % 5 else _other(app)) for number, (tenant, app) in enumerate(found)
    ]


def _other(app: str) -> str:
    return app[:-1] + ("1" if app[-1] == "0" else "0")


@dataclass(frozen=True, slots=True)
class _Templates:
    """The texts of the two changes that make a tenant, with places for what differs."""

    known: str
    granted: str


def _templates() -> _Templates:
    with (
        TemporaryDirectory() as folder,
        admin.create(Path(folder) / "sample" / "store.db") as store,
    ):
        tenant = TenantId("@tenant@")
        known = store.add_tenant(tenant, "@name@", by=BY)
        granted = store.modify(tenant, ListModifier(add=_MARKED_APPS), by=BY)
    return _Templates(_template(known), _template(granted))


def _template(change: Change) -> str:
    marked = replace(change, revision=_MARKED_REVISION, previous="@previous@", at=Instant(0))
    text = canonical(marked).replace("%", "%%")
    text = text.replace(str(_MARKED_REVISION), "%(revision)d")
    text = text.replace(instants.text(Instant(0)), "%(at)s")
    for name in ("previous", "tenant", "name", *(app.value.strip("@") for app in _MARKED_APPS)):
        text = text.replace(f"@{name}@", f"%({name})s")
    return text


class _History:
    """Changes one after the other, chained; *rows* of them since they were last taken away."""

    def __init__(self) -> None:
        self.revision = 0
        self.hash = GENESIS
        self.at = time.time_ns() // 1000 - 86_400_000_000
        self.rows: _Rows = []

    def append(self, template: str, values: dict[str, Any]) -> int:
        """Store the change that *template* makes of *values*; its revision."""
        self.revision += 1
        self.at += 1_000
        values |= {
            "revision": self.revision,
            "previous": self.hash,
            "at": instants.text(Instant(self.at)),
        }
        content = template % values
        self.hash = sha256(content.encode("ascii")).hexdigest()
        tenant, actor = values["tenant"], BY.actor.name
        self.rows.append((self.revision, self.at, tenant, actor, content, self.hash))
        return self.revision


def _fill(path: Path, tenants: int) -> None:
    chosen = random.Random(tenants)  # noqa: S311 - the same store each time
    history = _History()
    with closing(sqlite.driver.connect(path, isolation_level=None)) as connection:
        # A store that nobody uses yet: what a crash leaves of it is thrown away.
        for setting in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
            connection.execute(f"PRAGMA {setting}").fetchone()
        for rows in _batches(history, _ids(chosen, tenants), _ids(chosen, _APPS), chosen):
            connection.execute("BEGIN")
            for table, some in rows.items():
                places = ", ".join("?" * len(some[0]))
                connection.executemany(f"INSERT INTO {table} VALUES ({places})", some)  # noqa: S608
            connection.execute("COMMIT")
        moved = (history.revision, history.hash, history.at)
        connection.execute("UPDATE head SET revision = ?, hash = ?, at = ?", moved)
        connection.execute("PRAGMA journal_mode=WAL").fetchone()


def _batches(
    history: _History, tenants: list[str], apps: list[str], chosen: random.Random
) -> Iterator[dict[str, _Rows]]:
    """The rows of each table, some thousand tenants at a time."""
    templates = _templates()
    for start in range(0, len(tenants), _AT_ONCE):
        named: _Rows = []
        known: _Rows = []
        granted: _Rows = []
        for number, tenant in enumerate(tenants[start : start + _AT_ONCE], start):
            values: dict[str, Any] = {"tenant": tenant, "name": f"Tenant {number}"}
            made = history.append(templates.known, values)
            name = values["name"]
            known.append((tenant, made, None, made, name, name.casefold(), 1))
            its = chosen.sample(apps, GRANTS)
            values |= {f"app{place}": app for place, app in enumerate(its)}
            given = history.append(templates.granted, values)
            named += [(app, given, tenant) for app in its]
            granted += [
                (tenant, REMOVE_PARTICIPANT, app, given, None, given, place, None)
                for place, app in enumerate(its)
            ]
        changes, history.rows = history.rows, []
        yield {"changes": changes, "change_apps": named, "tenants": known, "grants": granted}


def _ids(chosen: random.Random, count: int) -> list[str]:
    """GUIDs in their own order: the indexes of a big store grow at their end, and quickly so."""
    digits = sorted(f"{chosen.getrandbits(128):032x}" for _ in range(count))
    return [f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in digits]
