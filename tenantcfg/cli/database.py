"""
``db``: the store itself - its schema, its backups, its moves.
"""

from __future__ import annotations

from typing import Any

import click

from tenantcfg.cli.app import Run, Verbs, say, verb_options
from tenantcfg.cli.changing import confirm
from tenantcfg.cli.exits import Exit
from tenantcfg.cli.output import Records, emit, printable
from tenantcfg.errors import StoreMissing
from tenantcfg.store.address import Address

__all__ = ["db"]


@click.group(
    cls=Verbs,
    examples=("tenantcfg db current", "tenantcfg db backup /srv/backup/2026-11-24.db"),
)
def db() -> None:
    """The store: make or upgrade it, look at its version, back it up, restore, copy it."""


@db.command("upgrade", examples=("tenantcfg db upgrade",))
@click.option("--what-if", is_flag=True, help="Say what would be done, and do nothing.")
@verb_options()
@click.pass_obj
def upgrade(run: Run, *, what_if: bool) -> Exit:
    """Make the store, or upgrade its schema. A store that is a file is copied first."""
    from tenantcfg.store import admin, version  # noqa: PLC0415

    where = _shown(run)
    if what_if:
        print(f"What if: {_would(run.settings.database_url, version.SCHEMA_VERSION)}: {where}")
        return Exit.DONE
    done = admin.upgrade(run.settings.database_url)
    kept = None if done.kept is None else str(done.kept)
    row = {"before": done.before, "after": done.after, "kept": kept}
    said = [] if kept is None else [f"the store as it was is kept in {kept}"]
    if done.before is None:
        said.append(f"made the store {where}, version {done.after}")
    elif done.before == done.after:
        said.append(f"unchanged: the store {where} has version {done.after}")
    else:
        said.append(f"upgraded the store {where} from version {done.before} to {done.after}")
    return _done(run, "upgrade", row, *said)


@db.command("current", examples=("tenantcfg db current",))
@verb_options()
@click.pass_obj
def current(run: Run) -> Exit:
    """Print the store's version. It may be older or newer than this program's."""
    from tenantcfg.store import admin, version  # noqa: PLC0415

    found = admin.current(run.settings.database_url)
    if run.output is None:
        print(found)
        return Exit.DONE
    _print(run, "version", {"version": found, "wanted": version.SCHEMA_VERSION})
    return Exit.DONE


@db.command("check", examples=("tenantcfg db check",))
@verb_options()
@click.pass_obj
def check(run: Run) -> Exit:
    """Compare the store's tables with this program's. Differences are exit 8."""
    from tenantcfg.store import admin  # noqa: PLC0415

    differences = admin.check_schema(run.settings.database_url)
    if run.output is not None:
        rows = [{"problem": line} for line in differences]
        with run.open_store() as store:
            emit(Records.of(store, "problems", rows, ("problem",)), run.output)
    for line in differences if run.output is None else ():
        print(printable(line))
    say(f"{len(differences) or 'no'} differences in {_shown(run)}")
    return Exit.DIFFERENCES if differences else Exit.DONE


@db.command("backup", examples=("tenantcfg db backup tenantcfg-2026-11-24.db",))
@click.argument("file", type=click.Path())
@click.option("--what-if", is_flag=True, help="Say what would be done, and do nothing.")
@verb_options()
@click.pass_obj
def backup(run: Run, file: str, *, what_if: bool) -> Exit:
    """Write the store to a new file. The file is a store itself."""
    from tenantcfg.store import admin  # noqa: PLC0415

    if what_if:
        with run.open_store() as store:
            print(f"What if: write {printable(store.url)} at {store.head()} to {printable(file)}")
        return Exit.DONE
    head = admin.backup(run.settings.database_url, file)
    row = {"head": str(head), "file": file}
    return _done(run, "backup", row, f"wrote {_shown(run)} at {head} to {file}")


@db.command(
    "restore",
    examples=(
        "tenantcfg db restore tenantcfg-2026-11-24.db",
        "tenantcfg db restore tenantcfg-2026-11-24.db --overwrite --yes",
    ),
)
@click.argument("file", type=click.Path())
@click.option("--overwrite", is_flag=True, help="Also where the store holds something: it is lost.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--what-if", is_flag=True, help="Say what would be done, and do nothing.")
@verb_options()
@click.pass_obj
def restore(run: Run, file: str, *, overwrite: bool, yes: bool, what_if: bool) -> Exit:
    """Make the store what a backup holds, under a new store id."""
    from tenantcfg.store import admin  # noqa: PLC0415

    if what_if:
        print(f"What if: restore {printable(file)} to {_shown(run)}{_lost(run)}")
        return Exit.DONE
    if overwrite:
        confirm(f"Overwrite {_shown(run)}{_lost(run)}?", yes=yes)
    head = admin.restore(file, run.settings.database_url, overwrite=overwrite)
    row = {"head": str(head), "file": file}
    return _done(run, "restore", row, f"restored {file} to {_shown(run)}, at {head}")


@db.command(
    "copy",
    examples=(
        "tenantcfg db copy sqlite:////srv/tenantcfg.db postgresql://tenantcfg@db.example/tenantcfg",
    ),
)
@click.argument("from_url", metavar="FROM")
@click.argument("to_url", metavar="TO")
@click.option("--what-if", is_flag=True, help="Say what would be done, and do nothing.")
@click.pass_obj
def copy(run: Run, from_url: str, to_url: str, *, what_if: bool) -> Exit:
    """Copy a whole store to an empty or new one. Revisions and hashes are kept."""
    from tenantcfg.store import Store, admin  # noqa: PLC0415

    source, target = Address.parse(from_url).shown, Address.parse(to_url).shown
    if what_if:
        with Store.open(from_url) as store:
            print(f"What if: copy {printable(source)} at {store.head()} to {printable(target)}")
        return Exit.DONE
    head = admin.copy(from_url, to_url)
    row = {"head": str(head), "from": source, "to": target}
    return _done(run, "copy", row, f"copied {source} to {target}, at {head}", store=target)


def _done(run: Run, schema: str, row: dict[str, Any], *said: str, store: str | None = None) -> Exit:
    """Report what was done, as data or as talk; the exit code."""
    if run.output is not None:
        _print(run, schema, row, store=store)
    else:
        for line in said:
            say(line)
    return Exit.DONE


def _print(run: Run, schema: str, row: dict[str, Any], *, store: str | None = None) -> None:
    # A store of another version cannot be opened, so it has no id to tell.
    where = _shown(run) if store is None else store
    records = Records(f"tenantcfg/{schema}/1", [row], tuple(row), where, "", single=True)
    emit(records, run.output or "json")


def _shown(run: Run) -> str:
    return printable(Address.parse(run.settings.database_url).shown)


def _would(url: str, wanted: str) -> str:
    from tenantcfg.store import admin  # noqa: PLC0415

    try:
        found = admin.current(url)
    except StoreMissing:
        return f"make the store, version {wanted}"
    return "nothing to do" if found == wanted else f"upgrade from version {found} to {wanted}"


def _lost(run: Run) -> str:
    try:
        with run.open_store() as store:
            return (
                f", which holds {len(store.tenants())} tenants at revision {store.head().revision}"
            )
    except StoreMissing:
        return ", which is not there yet"
