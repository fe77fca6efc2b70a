"""What programs read: every format of every command that prints data, parsed back."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tenantcfg.store.version import SCHEMA_VERSION
from tests.cli.program import (
    APP,
    APPS,
    CONTOSO,
    GET,
    ONE,
    SET,
    TWO,
    Terminal,
    grant,
    run,
    start,
    text,
)

if TYPE_CHECKING:
    from pathlib import Path

# Every command that prints data, with its schema; each may be run again and again.
COMMANDS = {
    "configuration": [GET, "-Tenant", "contoso"],
    "configuration passed": [SET, APPS, "@{}", "-Tenant", "contoso", "-PassThru"],
    "receipt": [SET, APPS, f"@{{Add={ONE}}}"],
    "receipt of a what-if": [SET, APPS, f"@{{Add={APP}}}", "-WhatIf"],
    "tenants of the cmdlet": ["Get-CsTenant"],
    "connection": ["Connect-MicrosoftTeams", "-TenantId", "contoso"],
    "value": ["-Command", "'x'"],
    "check": ["check", "--tenant", "contoso", "--app", ONE],
    "grants in a tenant": ["who", "--tenant", "contoso"],
    "grants of an app": ["who", "--app", ONE],
    "history": ["history"],
    "receipt of an undo": ["undo", "3", "--what-if"],
    "tenants": ["tenant", "list"],
    "receipt of tenant add": ["tenant", "add", CONTOSO, "contoso"],
    "receipt of tenant rename": ["tenant", "rename", "contoso", "contoso"],
    "receipt of tenant enable": ["tenant", "enable", "contoso"],
    "receipt of tenant disable": ["tenant", "disable", "contoso", "--what-if"],
    "receipt of tenant remove": ["tenant", "remove", "contoso", "--yes", "--what-if"],
    "head": ["audit", "head"],
    "report of a call": ["call", "new", "--id", "c-2", "--what-if"],
    "report of a participant": ["call", "join", "c-1", "--id", "p-1", "--user", "u-1"],
    "calls": ["call", "show"],
    "participants": ["call", "show", "c-1"],
}
# Whose document names one tenant.
OF_ONE_TENANT = {"configuration", "receipt", "connection", "check", "report"}


def a_call() -> None:
    """Make a call known, with one in it."""
    assert run("call", "new", "--id", "c-1", "--subject", "=Tea").code == 0
    assert run("call", "join", "c-1", "--id", "p-1", "--user", "u-1").code == 0


def _records(document: dict[str, Any]) -> list[dict[str, Any]]:
    stamp = {key: document[key] for key in ("schema", "store", "store_id")}
    return [{**stamp, **item} for item in document.get("items", [document])]


def _stable(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the time at which something was read."""
    return [{key: value for key, value in one.items() if key != "at"} for one in records]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_format_holds_the_same_and_names_schema_and_store(name: str, two_apps: Path) -> None:
    argv = COMMANDS[name]
    if argv[0] == "call":
        a_call()
    schema = f"tenantcfg/{name.split(maxsplit=1)[0]}/1"
    said = run(*argv, "-o", "json")
    assert said.code == 0, said.err
    document = said.json
    records = _records(document)
    assert document["schema"] == schema
    assert document["store"] == f"sqlite:///{two_apps}"
    assert len(document["store_id"]) == 36
    assert records
    if name.split(maxsplit=1)[0] in OF_ONE_TENANT:
        assert document["tenant"] == CONTOSO
        assert document["tenant_name"] == "contoso"

    lines = [json.loads(line) for line in run(*argv, "--output", "jsonl").lines]
    assert _stable(lines) == _stable(records)
    assert _stable(_records(yaml.safe_load(run(*argv, "-o", "yaml").out))) == _stable(records)

    rows = list(csv.DictReader(io.StringIO(run(*argv, "-o", "csv").out, newline="")))
    assert len(rows) == len(records)
    for row, record in zip(rows, records, strict=True):
        assert None not in row
        for key in ("schema", "store", "store_id"):
            assert row[key] == record[key]

    for form in ("table", "list"):
        shown = run(*argv, "-o", form).out
        assert schema in shown
        assert document["store"] in shown
        assert document["store_id"] in shown


def test_the_program_reads_o_wherever_it_stands_on_a_line(two_apps: Path) -> None:
    shape = run(GET, "-o", "json").json.keys()
    assert run("-o", "json", GET).json.keys() == shape
    assert run("--output=json", GET, "-Tenant", "contoso").json.keys() == shape
    assert run(GET, "-Identity", "Global", "--output", "json", "-Verbose").json.keys() == shape
    assert run("-o", "json", "-Command", GET).json.keys() == shape
    assert run("-Command", GET, "-o", "json").json.keys() == shape


def test_one_run_prints_one_json_document_and_jsonl_as_many_lines_as_objects(
    two_tenants: Path,
) -> None:
    both = f"{GET} -Tenant contoso; {GET} -Tenant fabrikam"
    document = run("-Command", both, "-o", "json").json
    assert [item["tenant_name"] for item in document["items"]] == ["contoso", "fabrikam"]
    lines = run("-Command", both, "-o", "jsonl").lines
    assert [json.loads(line)["tenant_name"] for line in lines] == ["contoso", "fabrikam"]


def test_a_text_of_different_outputs_still_prints_one_json_document(two_apps: Path) -> None:
    said = run("-Command", f"{SET} {APPS} @{{Add='{APP}'}}; {GET}; Get-CsTenant", "-o", "json")
    assert said.code == 0
    json.loads(said.out)
    mixed = run("-Command", f"{GET}; Get-CsTenant", "-o", "jsonl")
    assert [json.loads(line)["schema"] for line in mixed.lines] == [
        "tenantcfg/configuration/1",
        "tenantcfg/tenants/1",
    ]


def test_a_receipt_carries_rev_and_hash_and_the_head_is_the_newest(two_apps: Path) -> None:
    receipt = run(SET, APPS, f"@{{Add={APP}}}", "-o", "json").json
    assert receipt["receipt"] == f"{receipt['revision']}:{receipt['hash']}"
    assert (receipt["revision"], receipt["result"]) == (4, "changed")
    assert receipt["outcomes"] == [{"app": APP, "result": "added"}]
    assert run("audit", "head").out == receipt["receipt"] + "\n"
    again = run(SET, APPS, f"@{{Add={APP}}}", "-o", "json").json
    assert (again["revision"], again["result"], again["receipt"]) == (4, "unchanged", None)


def test_the_store_is_named_without_user_password_and_query(postgresql_url: str) -> None:
    user = "postgres:a-secret@"
    url = postgresql_url.replace("postgres@", user, 1)
    made = start("--store", url, "tenant", "add", CONTOSO, "contoso")
    assert made.code == 0, made.err
    shown = run("--store", url, "tenant", "list", "-o", "json")
    assert shown.json["store"].startswith("postgresql://")
    everything = made.err + "".join(
        run("--store", url, "tenant", "list", "-o", form).out
        for form in ("json", "jsonl", "csv", "yaml", "table", "list")
    )
    for private in ("a-secret", "postgres@", "?", "host="):
        assert private not in everything


def test_csv_joins_lists_and_guards_cells_that_a_spreadsheet_would_run(two_apps: Path) -> None:
    done = text(f"""{SET} {APPS} @{{Add='+1'}} -Reason '=HYPERLINK("x")'""")
    assert done.code == 0, done.err
    row = next(csv.DictReader(io.StringIO(run(GET, "-o", "csv").out)))
    assert row["AllowRemoveParticipantAppIds"].startswith(f"{ONE};{TWO};")
    rows = list(csv.DictReader(io.StringIO(run("who", "--tenant", "contoso", "-o", "csv").out)))
    assert [row["app"] for row in rows] == [ONE, TWO, "'+1"]
    newest = next(csv.DictReader(io.StringIO(run("history", "-o", "csv").out)))
    assert newest["reason"] == """'=HYPERLINK("x")"""
    for name in ("=cmd|calc", "@now", "-1"):
        assert run("tenant", "rename", "--", CONTOSO, name).code == 0
        tenant = next(csv.DictReader(io.StringIO(run("tenant", "list", "-o", "csv").out)))
        assert tenant["name"] == f"'{name}"


def test_csv_of_the_history_tells_what_became_of_each_app_and_for_whom(two_apps: Path) -> None:
    run(SET, APPS, f"@{{Add={APP};Remove={ONE}}}", "-OnBehalfOf", "service desk")
    newest = next(csv.DictReader(io.StringIO(run("history", "-o", "csv").out)))
    assert "service desk" in newest.values()
    outcomes = newest["outcomes"].split(";")
    added, removed = (next(one for one in outcomes if app in one) for app in (APP, ONE))
    assert "added" in added
    assert "removed" in removed
    assert newest["hash"] == run("audit", "head").out.strip().partition(":")[2]


def test_nothing_is_cut_in_a_format_and_not_where_no_terminal_is(two_apps: Path) -> None:
    many = [f"bot-{number:02}" for number in range(30)]
    grant(*many)
    for form in ("json", "jsonl", "csv", "yaml", "table", "list"):
        shown = run(GET, "-o", form).out
        assert all(app in shown for app in many), form
    assert all(app in run(GET).out.replace("\n", "") for app in many)


def test_on_a_terminal_powershells_form_is_cut_to_four_and_a_line_says_so(two_apps: Path) -> None:
    grant("bot-3", "bot-4", "bot-5")
    with Terminal(GET) as terminal:
        shown = terminal.ended()
    assert shown.code == 0
    assert f"{{{ONE}, {TWO}, bot-3, bot-4…}}" in shown.out
    assert "-o" in shown.out
    with Terminal(GET, "-o", "list", columns=60) as terminal:
        assert "bot-5" in terminal.ended().out


def test_control_characters_are_escaped_on_a_terminal(two_apps: Path) -> None:
    evil = "why\x1b]0;owned\x07\x1b[2J\r\u202eEND"
    assert run(SET, APPS, f"@{{Add={APP}}}", "-Reason", evil).code == 0
    assert run(SET, APPS, f"@{{Add={APP}}}", "-Reason", evil).code == 0
    for argv in (
        ["history"],
        ["history", "-o", "table"],
        ["history", "-o", "csv"],
        [GET, "-Tenant", evil],
    ):
        with Terminal(*argv) as terminal:
            shown = terminal.ended().out
        assert "owned" in shown, argv
        for raw in ("\x1b", "\x07", "\u202e"):
            assert raw not in shown, argv


def test_ids_that_hold_more_than_a_word_are_shown_without_a_line_to_paste(two_apps: Path) -> None:
    plain = run("check", "--tenant", "contoso", "--app", "bot.7_a-b", "-o", "json").json
    assert "bot.7_a-b" in plain["line"]
    odd = run("check", "--tenant", "contoso", "--app", "bot'; rm -rf ~;'", "-o", "json")
    assert (odd.code, odd.json["decision"], odd.json["line"]) == (3, "denied", None)
    said = run("check", "--tenant", "contoso", "--app", "bot'; rm -rf ~;'")
    assert APPS not in said.err


def test_powershells_own_form_of_tenants_and_of_an_empty_list(contoso: Path) -> None:
    assert run(GET).out == (
        "\nIdentity                     : Global\nAllowRemoveParticipantAppIds : {}\n\n"
    )
    tenants = run("Get-CsTenant").out
    assert f"TenantId    : {CONTOSO}\n" in tenants
    assert "DisplayName : contoso\n" in tenants
    connected = run("Connect-MicrosoftTeams", "-TenantId", "contoso").out
    assert connected.split()[:4] == ["Account", "Environment", "Tenant", "TenantId"]
    assert CONTOSO in connected


def test_the_version_of_the_store_is_data_as_well(contoso: Path) -> None:
    assert run("db", "current").out == f"{SCHEMA_VERSION}\n"
    said = run("db", "current", "-o", "json")
    assert SCHEMA_VERSION in json.dumps(said.json)
    assert said.json["schema"].startswith("tenantcfg/")
    assert said.json["store"] == f"sqlite:///{contoso}"
    checked = run("db", "check", "-o", "json")
    assert checked.code == 0
    assert checked.json["items"] == []


def test_no_colour_where_none_is_wanted(two_apps: Path) -> None:
    with Terminal(GET, "-Tenant", "nobody", env={"NO_COLOR": "1", "TERM": "xterm"}) as terminal:
        shown = terminal.ended()
    assert shown.code == 2
    assert "\x1b[" not in shown.out
    assert "\x1b[" not in run(GET, "-Tenant", "nobody").err
