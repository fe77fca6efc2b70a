"""
The pages: commands run and print what is shown, names are explained, links lead somewhere.
"""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

import tenantcfg
from tenantcfg import cmdlets, configuration, decision, errors, history, ids, settings
from tenantcfg.cli import app
from tenantcfg.cli.exits import Exit, exit_of
from tenantcfg.store import sqlite
from tests.docs_terminal import Step, Terminal, matches, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *sorted(DOCS.rglob("*.md")),
]
NEEDS_POSTGRESQL = "$POSTGRESQL"
READER = "dana"

LANGUAGES = {"console", "python", "text"}
FENCE = re.compile(r"^```(.*)$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands below the heading, up to the next of its level or above; empty: no such one."""
    found = re.search(
        rf"^(#+) {re.escape(heading)}$\n(.*?)(?=^#{{1,2}} |\Z)", text, re.MULTILINE | re.DOTALL
    )
    return found[2] if found else ""


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of all tables, headings left out, without code marks and links."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "")
    tables = re.findall(r"^\|(.*)\|$", plain, re.MULTILINE)
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in tables]
    rules = {number for number, row in enumerate(cells) if set("".join(row)) <= set("-: ")}
    return [row for number, row in enumerate(cells) if not {number, number + 1} & rules]


# --- The blocks run -------------------------------------------------------------------------------


def evaluate(example: Example) -> str:
    """Type the commands of a block; what differs, or nothing."""
    terminal: Terminal = example.namespace["terminal"]
    for step in steps(example.parsed):
        shown = as_of_the_reader(terminal.run(step))
        if not matches(step.output, shown):
            return (
                f"$ {step.command}\n--- the page shows\n{step.output}\n--- it printed\n{shown}\n---"
            )
    return ""


def as_of_the_reader(shown: str) -> str:
    """What was printed, with home, name and database of the reader for those of the test run."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    shown = shown.replace(os.environ["HOME"], f"/home/{READER}")
    shown = re.sub(r"postgresql:///test_\d+", "postgresql://db.example/tenantcfg", shown)
    return re.sub(rf"\bos:{re.escape(user)}\b", f"os:{READER}", shown)


SYBIL = Sybil(parsers=[CodeBlockParser("console", evaluate), PythonCodeBlockParser()])


WITH_COMMANDS = [
    one for one in PAGES if re.search(r"^```(?:console|python)$", one.read_text(), re.MULTILINE)
]


@pytest.mark.parametrize("path", WITH_COMMANDS, ids=name_of)
def test_the_commands_of_a_page_print_what_it_shows(
    path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    for variable in [name for name in os.environ if name.startswith("XDG_")]:
        monkeypatch.delenv(variable)
    if NEEDS_POSTGRESQL in path.read_text(encoding="utf-8"):
        monkeypatch.setenv("POSTGRESQL", request.getfixturevalue("postgresql_url"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(home)
    with Terminal(home) as terminal:
        document = SYBIL.parse(path)
        document.namespace["terminal"] = terminal
        for example in document.examples():
            example.evaluate()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_block_of_commands_is_one_that_runs(path: Path) -> None:
    languages = FENCE.findall(path.read_text(encoding="utf-8"))[::2]

    assert set(languages) <= LANGUAGES


def test_a_block_is_taken_apart_as_a_reader_does() -> None:
    block = "$ one \\\n    more\nsays\n$ cat <<END\n> a\n>\n> END\na\n\n$ silent\n"

    assert list(steps(block)) == [
        Step("one \\\n    more", "says"),
        Step("cat <<END\na\n\nEND", "a\n"),
        Step("silent", ""),
    ]


@pytest.mark.parametrize(
    ("expected", "actual", "equal"),
    [
        ("a\n", "a", True),
        ("a", "b", False),
        ("a ... c", "a b c", True),
        ("a ... c", "a\nc", False),
        ("a\n...\nc", "a\nb\nb\nc", True),
        ("a\n...\nc", "a\nb", False),
        ("at 2026-11-24T09:00:00Z", "at 2031-01-01T00:00:00.123Z", True),
        (f"1:{'a' * 64}", f"1:{'b' * 64}", True),
        (f"1:{'a' * 64}", f"2:{'a' * 64}", False),
        ("a.b", "axb", False),
    ],
)
def test_what_is_printed_is_compared_with_what_is_shown(
    expected: str, actual: str, *, equal: bool
) -> None:
    assert matches(expected, actual) is equal


# --- Every name is explained ----------------------------------------------------------------------


def test_the_exit_codes_are_the_programs() -> None:
    documented = {int(row[0]): row[1] for row in rows(page("reference/exit-codes.md"))[: len(Exit)]}

    assert documented == {int(code): code.meaning for code in Exit}


def error_classes(base: type[errors.TenantcfgError]) -> Iterator[type[errors.TenantcfgError]]:
    for one in base.__subclasses__():
        yield one
        yield from error_classes(one)


def test_every_error_is_explained_with_its_class_and_its_exit_code() -> None:
    documented = {tuple(row[:3]) for row in rows(page("reference/errors.md"))}

    known = {(one.code, one.__name__, str(int(exit_of(one("-"))))) for one in every_error()}
    assert known <= documented


def every_error() -> Iterator[type[errors.TenantcfgError]]:
    yield errors.TenantcfgError
    yield from error_classes(errors.TenantcfgError)


def test_every_reason_of_a_denial_is_explained() -> None:
    documented = {
        row[0] for row in rows(section(page("reference/errors.md"), "Reasons of a denial"))
    }

    assert documented == {reason.value for reason in errors.Reason}


def test_every_setting_is_explained() -> None:
    documented = {cell for row in rows(page("reference/settings.md")) for cell in row}

    assert set(settings.VARIABLES) <= documented


@pytest.mark.parametrize("name", cmdlets.NAMES)
def test_every_parameter_of_a_cmdlet_is_explained(name: str) -> None:
    documented = {row[0].split()[0] for row in rows(section(page("reference/cmdlets.md"), name))}

    assert documented >= {f"-{parameter}" for parameter in cmdlets.declared(name)}


def verbs(
    group: click.Group = app.tenantcfg, before: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """The native verbs, those of groups with both words, each with its command."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from verbs(command, (*before, name))
        elif name not in app.CMDLETS:
            yield " ".join((*before, name)), command


def test_every_verb_and_option_is_explained_and_no_other() -> None:
    text = page("reference/verbs.md")
    everywhere = {
        word for row in rows(section(text, "Options of every verb")) for word in spelled(row)
    }
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    documented = {
        name: {word for row in rows(section(text, name)) for word in spelled(row)}
        for name in headings[1:]
    }

    assert documented == {name: options_of(verb) - everywhere for name, verb in verbs()}


def spelled(row: list[str]) -> list[str]:
    """The option that a row is about, in each of its spellings."""
    return re.findall(r"-[-\w]+", row[0])


def options_of(command: click.Command) -> set[str]:
    return {
        spelling for one in command.params if isinstance(one, click.Option) for spelling in one.opts
    }


@pytest.mark.parametrize("form", app.FORMATS)
def test_every_output_format_is_explained(form: str) -> None:
    assert form in {row[0] for row in rows(page("reference/output.md"))}


def test_every_schema_is_explained() -> None:
    sources = "".join(one.read_text() for one in (ROOT / "tenantcfg" / "cli").glob("*.py"))
    named = set(re.findall(r'(?:Records\.of\(\w+|_(?:done|print)\(run), "(\w+)"', sources))
    columns = re.search(r"^_COLUMNS = \{$(.*?)^\}$", sources, re.MULTILINE | re.DOTALL)
    assert columns is not None
    named |= set(re.findall(r'^    "(\w+)":', columns[1], re.MULTILINE))
    whole = set(re.findall(r'"(tenantcfg/\w+/\d+)"', sources))
    documented = {row[0] for row in rows(page("reference/output.md"))}

    assert named
    assert documented >= {f"tenantcfg/{name}/1" for name in named} | whole


def test_the_limits_are_the_programs() -> None:
    documented = {cell for row in rows(page("reference/limits.md")) for cell in row}

    assert documented >= {
        f"1 to {ids.MAX_ID_LENGTH} printable characters, no blank at either end",
        f"{configuration.MAX_APPS:,}",
        f"{history.MAX_REASON_LENGTH:,} characters",
        f"{decision.MAX_BATCH:,}",
        f"{sqlite.WRITE_PATIENCE:.0f} s, then exit code 6",
        f"{sqlite.CHECK_PATIENCE * 1000:.0f} ms, then exit code 6",
    }


def test_every_public_name_of_the_library_is_explained() -> None:
    text = page("reference/library.md") + page("reference/errors.md")
    documented = {
        word for row in rows(text) for cell in row[:2] for word in re.findall(r"\w+", cell)
    }

    assert documented >= set(tenantcfg.__all__) - {"__version__"}


def test_every_call_of_a_store_is_explained() -> None:
    text = section(page("reference/library.md"), "Store")
    documented = {word for row in rows(text) for word in re.findall(r"\w+", row[0])}

    assert documented >= {name for name in dir(tenantcfg.Store) if not name.startswith("_")}


# --- Every link leads somewhere -------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as the usual hosts make them."""
    without_blocks = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", without_blocks, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link} names no heading"


def test_the_index_leads_to_every_page() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in LINK.findall(index.read_text())}

    assert linked >= set(DOCS.rglob("*.md")) - {index}
