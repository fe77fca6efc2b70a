"""Nothing can be changed by a what-if: each command that changes something is found and tried."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import click
import psycopg
import pytest
from psycopg import sql

from tenantcfg import cmdlets
from tenantcfg.cli.app import tenantcfg
from tests.cli.program import (
    APP,
    APPS,
    CONTOSO,
    FABRIKAM,
    GET,
    ONE,
    SET,
    TWO,
    Terminal,
    grant,
    run,
)
from tests.decisions import a_log, an_entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

WHAT_IF = f'What if: Performing the operation "{SET}" on target "Global".'

# An example of each verb that changes something; {file}, {new} and {other} are paths of the test's.
CHANGES = {
    "undo": "undo 2",
    "tenant add": f"tenant add {FABRIKAM} fabrikam",
    "tenant rename": "tenant rename contoso other",
    "tenant disable": "tenant disable contoso",
    "tenant enable": "tenant enable disabled",
    "tenant remove": "tenant remove contoso --yes",
    "key new": "key new fresh --check --tenant contoso",
    "key rotate": "key rotate calls",
    "key revoke": "key revoke calls",
    "call new": "call new --tenant contoso --id c-2",
    "call join": "call join c-1 --tenant contoso --guest g --id p-3",
    "call answer": "call answer c-1 p-1 --tenant contoso",
    "call leave": "call leave c-1 p-2 --tenant contoso",
    "call end": "call end c-1 --tenant contoso",
    "db upgrade": "db upgrade",
    "db backup": "db backup {new}",
    "db restore": "db restore {file} --overwrite --yes",
    "db copy": "db copy {store} {other}",
}
READS = {
    "check": f"check --tenant contoso --app {ONE}",
    "who": "who --tenant contoso",
    "history": "history",
    "audit head": "audit head",
    "audit verify": "audit verify",
    "tenant list": "tenant list",
    "key list": "key list",
    "call show": "call show --tenant contoso",
    "call removals": "call removals --tenant contoso",
    "db current": "db current",
    "db check": "db check",
    "decisions": "decisions --log {log}",
    "explain-request": "explain-request r-1 --log {log}",
    "serve": "serve --check-config",
    "completion": "completion bash",
    "help": "help",
}
CMDLETS = {
    "Set-CsApplicationMeetingConfiguration": [APPS, f"@{{Add={APP}}}", "-Tenant", "contoso"],
    "Connect-MicrosoftTeams": ["-TenantId", "contoso"],
    "Disconnect-MicrosoftTeams": [],
}
# These ask services, and open no store.
ELSEWHERE = {"wait"}
# Of these nothing lies in the store: db upgrade finds it done, and pins are a terminal's.
WITHOUT_EFFECT = {"db upgrade"}


def _verbs(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for child in command.list_commands(context):
        found = command.get_command(context, child)
        assert found is not None
        yield from _verbs(found, f"{name} {child}".strip())


def _has_what_if(command: click.Command) -> bool:
    return any("--what-if" in parameter.opts for parameter in command.params)


def test_every_verb_that_changes_something_has_what_if_and_no_other() -> None:
    verbs = {name: command for name, command in _verbs(tenantcfg) if name not in cmdlets.NAMES}
    assert {name for name, command in verbs.items() if _has_what_if(command)} == set(CHANGES)
    assert set(verbs) == set(CHANGES) | set(READS) | ELSEWHERE


def test_every_cmdlet_that_changes_something_has_what_if_and_no_other(contoso: Path) -> None:
    def takes_what_if(name: str) -> bool:
        said = run("-Command", f"{name} -WhatIf")
        return "NamedParameterNotFound" not in said.err and "'WhatIf'" not in said.err

    assert {name for name in cmdlets.NAMES if takes_what_if(name)} == set(CMDLETS)


# --- what can be seen of a store and of everything round it -----------------------------------


def files(*folders: Path) -> dict[str, str]:
    """Every file and folder below *folders*, by its path, with a digest of what is in it."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for folder in folders
        for path in sorted(folder.rglob("*"))
    }


def rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table and sequence of a PostgreSQL database."""
    with psycopg.connect(url, autocommit=True) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'S') ORDER BY 1"
        ).fetchall()
        return {
            str(name): connection.execute(
                sql.SQL("SELECT * FROM {} ORDER BY 1").format(sql.Identifier(name))
            ).fetchall()
            for (name,) in names
        }


Seen = tuple[dict[str, str], dict[str, list[tuple[object, ...]]]]


class Scene:
    """A store with two tenants, beside it a backup; everything that could change is seen."""

    def __init__(self, url: str, home: Path, folder: Path) -> None:
        self.url, self._home, self._folder = url, home, folder
        self.paths: Mapping[str, str] = {
            "store": url,
            "file": str(folder / "backup.db"),
            "new": str(folder / "new.db"),
            "log": f"sqlite:///{folder / 'log.db'}",
            "other": f"sqlite:///{folder / 'other' / 'other.db'}",
        }

    def run(self, *argv: str) -> str:
        """What a run that must succeed prints."""
        prefix = [] if argv[:2] == ("db", "copy") else ["--store", self.url]
        said = run(*prefix, *argv)
        assert said.code == 0, (argv, said.err)
        return said.out

    def verb(self, line: str, *more: str) -> str:
        """The same, of an example of the tables above."""
        return self.run(*(word.format_map(self.paths) for word in line.split()), *more)

    def seen(self) -> Seen:
        """All there is."""
        database = rows(self.url) if self.url.startswith("postgresql") else {}
        return files(self._home, self._folder), database


@pytest.fixture
def scene(store_url: str, home: Path, tmp_path: Path) -> Scene:
    made = Scene(store_url, home, tmp_path)
    made.run("tenant", "add", CONTOSO, "contoso")
    made.run(SET, APPS, f"@{{Add={ONE}}}")
    made.run(SET, APPS, f"@{{Add={TWO}}}", "-ExpiresIn", "30d")
    made.run("tenant", "add", "disabled-1", "disabled")
    made.run("tenant", "disable", "disabled")
    made.verb("db backup {file}")
    made.run("tenant", "add", "third-1", "third")
    made.run("key", "new", "calls", "--check")
    made.run("call", "new", "--tenant", "contoso", "--id", "c-1")
    for id_ in ("p-1", "p-2"):
        made.run("call", "join", "c-1", "--tenant", "contoso", "--id", id_, "--unanswered")
    a_log(made.paths["log"], an_entry())
    return made


def test_no_verbs_what_if_changes_anything_and_the_verb_itself_does(scene: Scene) -> None:
    before = scene.seen()
    for name, line in CHANGES.items():
        assert scene.verb(line, "--what-if").startswith("What if: "), name
        assert scene.seen() == before, name
    for name, line in CHANGES.items():
        if name == "tenant remove" or name in WITHOUT_EFFECT:
            continue
        last = scene.seen()
        if name == "tenant rename":
            scene.verb(line)
            scene.run("tenant", "rename", "other", "contoso")
        else:
            scene.verb(line)
        assert scene.seen() != last, name
    last = scene.seen()
    scene.verb(CHANGES["tenant remove"])
    assert scene.seen() != last


def test_no_what_if_of_set_changes_anything_through_either_door(scene: Scene) -> None:
    before = scene.seen()
    values = [
        f"@{{Add='{APP}'}}",
        f"@{{Remove='{ONE}'}}",
        f"@{{Replace='{APP}'}}",
        "$null",
        f"'{APP}','other'",
        "@{}",
        f"@{{Add='{ONE}'}}",
    ]
    for value in values:
        for more in ([], ["-Force"], ["-Confirm"], ["-ExpiresIn", "4h"], ["-PassThru"]):
            if "-ExpiresIn" in more and APP not in value and "Add" not in value:
                continue
            line = [SET, APPS, value, "-Tenant", "contoso", "-WhatIf", *more]
            assert WHAT_IF in scene.run(*line), line
            assert WHAT_IF in scene.run("-Command", " ".join(line)), line
    copied = f"{GET} -Tenant contoso | {SET} -Tenant third -WhatIf"
    assert WHAT_IF in scene.run("-Command", copied)
    assert scene.seen() == before


def test_no_what_if_of_the_other_cmdlets_and_no_reading_changes_anything(scene: Scene) -> None:
    before = scene.seen()
    for name, rest in CMDLETS.items():
        scene.run(name, *rest, "-WhatIf")
    for line in READS.values():
        scene.verb(line)
    for name in set(cmdlets.NAMES) - set(CMDLETS):
        scene.run("-Command", name, "--tenant", "contoso")
    assert scene.seen() == before


def test_a_what_if_in_an_empty_house_makes_no_file_and_no_folder(home: Path) -> None:
    before = files(home)
    for argv in (
        ["tenant", "add", CONTOSO, "contoso", "--what-if"],
        ["db", "upgrade", "--what-if"],
    ):
        said = run(*argv)
        assert said.code == 0, said.err
        assert said.out.startswith("What if: ")
    assert run(SET, APPS, f"@{{Add={APP}}}", "-WhatIf").code == 9
    assert files(home) == before


def test_a_what_if_on_a_terminal_pins_no_tenant_and_forgets_none(
    two_tenants: Path, home: Path
) -> None:
    shell = (
        f"{{0}} -m tenantcfg Connect-MicrosoftTeams -TenantId fabrikam -WhatIf;"
        f"{{0}} -m tenantcfg {GET} || echo refused=$?;"
        "{0} -m tenantcfg Connect-MicrosoftTeams -TenantId fabrikam >/dev/null;"
        "{0} -m tenantcfg Disconnect-MicrosoftTeams -WhatIf;"
        f"{{0}} -m tenantcfg {GET} && echo meant=fabrikam"
    )
    with Terminal("/bin/sh", "-c", shell.format(sys.executable)) as terminal:
        shown = terminal.ended().out
    assert 'What if: Performing the operation "Connect-MicrosoftTeams" on target' in shown
    assert "refused=2" in shown
    assert 'What if: Performing the operation "Disconnect-MicrosoftTeams" on target' in shown
    assert "meant=fabrikam" in shown


def test_what_if_shows_the_difference_below_powershells_line(two_apps: Path) -> None:
    said = run(SET, APPS, f"@{{Add={APP};Remove={ONE}}}", "-WhatIf")
    assert said.lines[0] == WHAT_IF
    assert sorted(said.lines[1:]) == [f"  + {APP}", f"  - {ONE}"]
    replaced = run(SET, APPS, "$null", "-WhatIf")
    assert replaced.lines == [WHAT_IF, f"  - {ONE}", f"  - {TWO}"]
    nothing = run(SET, APPS, f"@{{Add={ONE}}}", "-WhatIf")
    assert nothing.lines[0] == WHAT_IF
    assert "+" not in nothing.out


def test_what_if_with_o_json_is_a_receipt_of_what_would_be(two_apps: Path) -> None:
    said = run(SET, APPS, f"@{{Add={APP}}}", "-WhatIf", "-o", "json").json
    assert (said["result"], said["receipt"], said["revision"]) == ("would change", None, 3)
    assert said["outcomes"] == [{"app": APP, "result": "added"}]


def test_a_what_if_refuses_what_the_real_line_would_refuse(two_apps: Path) -> None:
    grant(APP)
    run(SET, APPS, f"@{{Remove={APP}}}")
    for argv, code in (
        (["undo", "4", "--what-if"], 7),
        (["undo", "99", "--what-if"], 2),
        (["tenant", "add", FABRIKAM, "contoso", "--what-if"], 7),
        (["tenant", "rename", "nobody", "x", "--what-if"], 2),
        ([SET, APPS, "@{Add=a;Replace=b}", "-WhatIf"], 2),
        ([SET, APPS, "@{Add=a}", "-ExpiresAt", "2001-01-01T00:00:00Z", "-WhatIf"], 2),
        ([SET, APPS, "@{Add=a}", "-Tenant", "nobody", "-WhatIf"], 2),
    ):
        said = run(*argv)
        assert said.code == code, argv
        assert "+" not in said.out, argv
