"""Lines as a text: -Command, -File and standard input; judged whole before the first line runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.program import (
    APP,
    APPS,
    GET,
    ONE,
    SET,
    TWO,
    apps,
    grant,
    revision,
    run,
    start,
    text,
)

if TYPE_CHECKING:
    from pathlib import Path

ADD = f"{SET} {APPS} @{{Add='{APP}'}}"


def test_the_three_ways_to_give_a_text_are_one(two_apps: Path, tmp_path: Path) -> None:
    script = tmp_path / "grant.ps1"
    script.write_text(f"# every tenant\n{ADD}\n{GET}\n")
    by_file = start("-File", str(script))
    by_command = run("-Command", script.read_text())
    by_input = start(stdin=script.read_text())
    by_dash = run("-", stdin=script.read_text())
    by_command_dash = run("-Command", "-", stdin=script.read_text())
    assert {said.code for said in (by_file, by_command, by_input, by_dash, by_command_dash)} == {0}
    assert by_file.out == by_command.out == by_input.out == by_dash.out == by_command_dash.out
    assert APP in by_file.out
    assert revision() == 4


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"{SET} {APPS} @{{Add='x'}}}}", "Unexpected token '}'"),
        (f"{SET} -AllowRemoveParticipants @{{Add='x'}}", "cannot be found that matches"),
        ("Set-CsAplicationMeetingConfiguration", "is not recognized as a name of a cmdlet"),
        (f"{SET} {APPS} @{{Ad='x'}}", "unknown list modifier was detected: 'Ad'"),
        (f"{SET} {APPS} @{{Add='x'}} -Identity Tag:x", "Tag:x"),
        (f"{SET} {APPS} @{{Add=''}}", "empty"),
        (f"{SET} {APPS} @{{Add='x'}} -ExpiresIn soon", "soon"),
        (f"{SET} {APPS} @{{Add='x'}} -Force:1", "Force"),
        ("$x = 1", "not evaluated here"),
        (f"if ($true) {{ {GET} }}", "not evaluated here"),
        (f"({GET}).AllowRemoveParticipantAppIds", "-o json"),
        (f"{GET} | ConvertTo-Json", "-o json"),
        (f"{GET} | Select-Object -ExpandProperty AllowRemoveParticipantAppIds", "-o"),
        ("Connect-MicrosoftTeams -Credential x", "Credential"),
    ],
)
def test_a_typo_in_line_3_changes_nothing(line: str, says: str, two_apps: Path) -> None:
    said = text(ADD, f"{SET} {APPS} @{{Add='another'}}", line, GET)
    assert said.code == 2, said
    assert says in said.err
    assert "added" not in said.err
    assert (said.out, revision()) == ("", 3)


def test_a_refused_construct_is_named_with_line_and_column_and_what_to_write(
    two_apps: Path,
) -> None:
    said = text(GET, f"{SET} {APPS} @{{Remove=$id}}")
    assert said.code == 2
    assert "$id" in said.err
    assert "line 2, column" in said.err
    assert (said.out, revision()) == ("", 3)


def test_windows_line_ends_and_a_byte_order_mark_are_fine(two_apps: Path, tmp_path: Path) -> None:
    script = tmp_path / "from-windows.ps1"
    lines = f"\ufeff{SET} {APPS} @{{\r\n  Add = @(\r\n    '{APP}',\r\n    'bot'\r\n  )\r\n}}\r\n"
    script.write_bytes(lines.encode())
    assert run("-File", str(script)).code == 0
    assert apps() == [ONE, TWO, APP, "bot"]
    again = run("-", stdin=lines.encode())
    assert (again.code, revision()) == (0, 4)


@pytest.mark.parametrize(
    "content",
    [f"{SET} {APPS} @{{Add='caf\xe9'}}".encode("latin-1"), f"\ufeff{ADD}".encode("utf-16-le")],
    ids=["latin-1", "utf-16"],
)
def test_what_is_not_utf_8_is_refused_whole(content: bytes, two_apps: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.ps1"
    script.write_bytes(ADD.encode() + b"\n" + content)
    for said in (run("-File", str(script)), run("-", stdin=script.read_bytes())):
        assert (said.code, said.out, revision()) == (2, "", 3)
        assert "UTF-8" in said.err


@pytest.mark.parametrize("empty", ["", "\n\n", "# only a note\n", "\ufeff", "<# none #>;;"])
def test_an_empty_text_does_nothing_and_is_done(empty: str, two_apps: Path) -> None:
    said = run("-", stdin=empty)
    assert (said.code, said.out, revision()) == (0, "", 3)


def test_a_statement_that_fails_ends_the_text(two_apps: Path) -> None:
    said = text(ADD, f"{SET} {APPS} @{{Add='b'}} -Tenant nobody", f"{SET} {APPS} @{{Add='c'}}")
    assert said.code == 4
    assert "nobody" in said.err
    assert apps() == [ONE, TWO, APP]


@pytest.mark.parametrize("action", ["SilentlyContinue", "Continue", "Ignore", "0"])
def test_error_action_goes_on_and_the_exit_code_stays_that_of_the_first_error(
    action: str, two_apps: Path
) -> None:
    said = text(
        ADD,
        f"{SET} {APPS} @{{Add='b'}} -Tenant nobody -ErrorAction {action}",
        f"{SET} {APPS} @{{Add='c'}}",
    )
    assert said.code == 2
    assert ("nobody" in said.err) == (action == "Continue")
    assert apps() == [ONE, TWO, APP, "c"]


def test_error_action_stop_and_a_wrong_line_behind_it(two_apps: Path) -> None:
    said = text(f"{GET} -Tenant nobody -ErrorAction Stop", ADD)
    assert (said.code, revision()) == (2, 3)
    # What the dry pass finds is no failed statement: -ErrorAction cannot excuse it.
    assert text(ADD, f"{SET} -Foo -ErrorAction SilentlyContinue").code == 2
    assert revision() == 3


def test_a_failed_connect_ends_the_text_whatever_it_says(two_apps: Path) -> None:
    said = text("Connect-MicrosoftTeams -TenantId nobody -ErrorAction SilentlyContinue", ADD)
    assert said.code == 2
    assert revision() == 3


@pytest.mark.parametrize("shape", ["@({0}; {1})", "$({0}; {1})", "({0}); {1}"])
@pytest.mark.parametrize("action", ["Ignore", "SilentlyContinue", "Continue"])
def test_no_line_runs_behind_a_failed_connect_however_deep(
    shape: str, action: str, two_apps: Path
) -> None:
    failing = f"Connect-MicrosoftTeams -TenantId nobody -ErrorAction {action}"
    assert text(shape.format(failing, ADD)).code == 2
    assert revision() == 3


def test_a_pipeline_copies_one_tenants_apps_to_another_with_their_expiries(
    two_tenants: Path,
) -> None:
    run(SET, "-Tenant", "contoso", APPS, f"@{{Add={APP}}}", "-ExpiresIn", "30d")
    said = run("-Command", f"{GET} -Tenant contoso | {SET} -Tenant fabrikam")
    assert said.code == 0, said.err
    assert apps("fabrikam") == [ONE, TWO, APP]
    there, here = (run(GET, "-Tenant", name, "-o", "json").json for name in ("contoso", "fabrikam"))
    ends = [[grant["expires_at"] for grant in one["grants"]] for one in (there, here)]
    assert ends[0] == ends[1]
    assert [bool(end) for end in ends[1]] == [False, False, True]
    found = revision()
    assert run("-Command", f"{GET} -Tenant contoso | {SET} -Tenant fabrikam").code == 0
    assert revision() == found


def test_a_piped_object_means_its_own_tenant_and_a_list_beside_it_edits_it(
    two_tenants: Path,
) -> None:
    line = f"{GET} -Tenant contoso | {SET} {APPS} @{{Add='{APP}';Remove='{ONE}'}} -Force"
    said = run("-Command", line)
    assert said.code == 0, said.err
    assert (apps("contoso"), apps("fabrikam")) == ([TWO, APP], [])
    both = f"{SET} -Instance ({GET} -Tenant contoso) -Tenant fabrikam"
    assert run("-Command", both).code == 0
    assert apps("fabrikam") == [TWO, APP]


@pytest.mark.parametrize("piped", ["'x'", "@{Add='x'}", "1", "Get-CsTenant -Identity contoso"])
def test_only_what_get_returned_may_be_piped(piped: str, two_tenants: Path) -> None:
    said = run("-Command", f"{piped} | {SET} -Tenant contoso")
    assert (said.code, said.out, revision()) == (2, "", 4), said.err


def test_an_empty_object_clears(two_tenants: Path) -> None:
    said = run("-Command", f"{GET} -Tenant fabrikam | {SET} -Tenant contoso -Force")
    assert said.code == 0
    assert apps("contoso") == []


def test_tenants_by_pipeline(two_tenants: Path) -> None:
    said = run("-Command", "'contoso','fabrikam' | Get-CsTenant", "-o", "json")
    assert [one["name"] for one in said.json["items"]] == ["contoso", "fabrikam"]
    limited = run("-Command", "Get-CsTenant -ResultSize 1", "-o", "jsonl")
    assert len(limited.lines) == 1
    refused = run("-Command", "Get-CsTenant -Filter 'DisplayName -eq 1'")
    assert (refused.code, refused.out) == (2, "")
    grant(APP, tenant="fabrikam")
    assert APP in run("-Command", "CsApplicationMeetingConfiguration -Tenant fabrikam").out


def test_parameters_of_ours_match_by_their_full_name_only(two_tenants: Path) -> None:
    for written in ("-Ten contoso", "-Reas x", "-OnBehalf x", "-Expires 4h", "-Pass"):
        said = run("-Command", f"{ADD} {written}")
        assert (said.code, revision()) == (2, 4), written
        assert "cannot be found that matches parameter name" in said.err
    ambiguous = run("-Command", f"{SET} -P x")
    assert "Possible matches include: -ProgressAction -PipelineVariable." in ambiguous.err


def test_variable_parameters_are_accepted_and_verbose_says_that_they_have_no_effect(
    two_apps: Path,
) -> None:
    said = run("-Command", f"{GET} -OutVariable x -OutBuffer 3 -Verbose")
    assert said.code == 0
    assert "OutVariable" in said.err
    quiet = run("-Command", f"{GET} -OutVariable x")
    assert "OutVariable" not in quiet.err


def test_a_question_without_an_answer_after_a_change_is_4_and_does_not_say_that_nothing_was(
    two_apps: Path,
) -> None:
    said = run("-Command", f"{SET} {APPS} @{{Add='{APP}'}}\n{SET} {APPS} '{ONE}'")
    assert (said.code, revision()) == (4, 4)
    assert "what was changed before stays" in said.err
    assert "nothing was changed" not in said.err


def test_errors_read_as_powershells_on_the_first_line_and_on_later_ones(two_apps: Path) -> None:
    first = run("-Command", f"{SET} -Nothing")
    sentence = "A parameter cannot be found that matches parameter name 'Nothing'."
    assert first.err.splitlines()[0] == f"{SET}: {sentence}"
    later = text(GET, f"{SET} -Nothing")
    assert later.err.splitlines()[:4] == [
        f"{SET}: ",
        "Line |",
        f"   2 |  {SET} -Nothing",
        "     |" + " " * 40 + "~" * 8,
    ]
    parse = run("-Command", f"{SET} -Confirm:")
    assert parse.err.splitlines()[:5] == [
        "ParserError: ",
        "Line |",
        f"   1 |  {SET} -Confirm:",
        "     |" + " " * 49 + "~",
        "     | Parameter -Confirm: requires an argument.",
    ]


def test_a_filter_prints_the_one_configuration_or_nothing(two_apps: Path) -> None:
    for fits in ("g*", "Global", "*", "GLOB?L", "[g]lobal"):
        assert ONE in run("-Command", f"{GET} -Filter '{fits}'").out, fits
    for other in ("x*", "tag:*", "Globa"):
        said = run("-Command", f"{GET} -Filter '{other}'")
        assert (said.code, said.out) == (0, ""), other
    local = run("-Command", f"{GET} -LocalStore -Verbose")
    assert (local.code, "-LocalStore" in local.err) == (0, True)


@pytest.mark.parametrize("identity", ["Tag:x", "site:x", "x", "Globa", "*"])
def test_an_identity_other_than_global_is_refused(identity: str, two_apps: Path) -> None:
    for line in (f"{GET} -Identity {identity}", f"{SET} {APPS} @{{Add='x'}} -Identity {identity}"):
        said = run("-Command", line)
        assert (said.code, said.out, revision()) == (2, "", 3)
        assert identity in said.err
    assert run("-Command", f"{GET} -Identity gLOBAL").code == 0


@pytest.mark.parametrize("option", ["--store=STORE", "--output=json", "-ojson", "--tenant=contoso"])
def test_an_option_written_as_one_word_may_stand_before_a_text(option: str, two_apps: Path) -> None:
    said = run(option.replace("STORE", str(two_apps)), "-Command", GET)
    assert (said.code, ONE in said.out) == (0, True)
