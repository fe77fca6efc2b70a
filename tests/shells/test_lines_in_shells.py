"""
Lines as admins type them, through the real shells: the table of the cmdlets' rules, section 7.

A shell is asked what words it makes of a line; those are then given to the program. What the
program must do with them is H3's, H4's and H6's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.cli.program import APP, APPS, GET, ONE, SET, TWO, apps, revision, run
from tests.shells.shell import INSTALLED, install, run_in, typed

if TYPE_CHECKING:
    from pathlib import Path

LINE = f"tenantcfg {SET} {APPS} "


class Grants(NamedTuple):
    """These are added; exit code 0."""

    added: tuple[str, ...] = ()


class Refuses(NamedTuple):
    """Exit code 2, nothing changed, and this on standard error."""

    says: str = ""


class Asks(NamedTuple):
    """Exit code 5, nothing changed."""


class NotStarted(NamedTuple):
    """The shell itself refuses the line."""


class HarmlesslyCut(NamedTuple):
    """Whether the shell refuses it or the program does: nothing is changed."""


Outcome = Grants | Refuses | Asks | NotStarted | HarmlesslyCut

A, AB = Grants(("a",)), Grants(("a", "b"))
PASTE = Refuses("'@{")
REFUSED = Refuses()

# What is typed behind the list parameter: the outcome in bash, zsh, fish, dash.
TABLE: dict[str, tuple[Outcome, Outcome, Outcome, Outcome]] = {
    """'@{Add="a","b"}'""": (AB, AB, AB, AB),
    """"@{Add='a','b'}\"""": (AB, AB, AB, AB),
    '@{Add="a"}': (A, A, A, A),
    "@{Add=a}": (A, A, A, A),
    '@{Add="a","b"}': (PASTE, PASTE, PASTE, AB),
    '@{Add="a";Remove="b"}': (Refuses("}"), Refuses("}"), A, Refuses("}")),
    '@{Replace=@("a","b")}': (NotStarted(), NotStarted(), NotStarted(), NotStarted()),
    '@{ Add = "a" }': (A, NotStarted(), A, A),
    '@{ Add = "a", "b" }': (AB, NotStarted(), PASTE, AB),
    '"@{Add="a"}"': (A, A, A, A),
    '@{Add="$id"}': (REFUSED, REFUSED, REFUSED, REFUSED),
    "@{Add=$xy}": (REFUSED, REFUSED, REFUSED, REFUSED),
    "@{}": (Grants(), Grants(), Grants(), Grants()),
    "@()": (NotStarted(), NotStarted(), Refuses("$null"), NotStarted()),
    "$null": (Refuses("$null"), Refuses("$null"), Refuses("$null"), Refuses("$null")),
    '"$null"': (Refuses("$null"), Refuses("$null"), Refuses("$null"), Refuses("$null")),
    '"a","b"': (Asks(), Asks(), Asks(), Asks()),
    "a": (Asks(), Asks(), Asks(), Asks()),
    '@{Add=`"a`"}': (NotStarted(), NotStarted(), REFUSED, NotStarted()),
    '@{\n  Add = "a"\n}': (HarmlesslyCut(), HarmlesslyCut(), A, HarmlesslyCut()),
    """'@{Add="a"}' -Confirm:$false""": (
        Refuses("'-Confirm:$false'"),
        Refuses("'-Confirm:$false'"),
        A,
        Refuses("'-Confirm:$false'"),
    ),
    """'@{Add="a"}' '-Confirm:$false'""": (A, A, A, A),
    """'@{Add="a"}' -Confirm:false""": (A, A, A, A),
    """'@{Add="a"}' -WhatIf:$true""": (
        Refuses("-WhatIf"),
        Refuses("-WhatIf"),
        A,
        Refuses("-WhatIf"),
    ),
    """'@{Add="a"}' --tenant contoso""": (A, A, A, A),
    """'@{Add="a"}' --Reason x""": (
        Refuses("-Reason"),
        Refuses("-Reason"),
        Refuses("-Reason"),
        Refuses("-Reason"),
    ),
}
COLUMNS = ("bash", "zsh", "fish", "dash")
SETTING = {"fish": "set -g xy 'x y'\n"}


def judge(words: list[str] | None, outcome: Outcome) -> None:
    """Whether *words*, given to the program, come to *outcome*."""
    if isinstance(outcome, NotStarted) or (isinstance(outcome, HarmlesslyCut) and words is None):
        assert words is None
        return
    assert words is not None
    said = run(*words)
    match outcome:
        case Grants(added):
            assert said.code == 0, (words, said.err)
            assert apps() == [ONE, TWO, *added]
        case Refuses(says):
            assert (said.code, said.out, revision()) == (2, "", 3), (words, said)
            assert says in said.err, words
        case Asks():
            assert (said.code, said.out, revision()) == (5, "", 3), (words, said)
        case HarmlesslyCut():
            assert (said.code, revision()) == (2, 3), (words, said)


@pytest.mark.parametrize("shell", INSTALLED)
@pytest.mark.parametrize("value", TABLE)
def test_what_a_shell_leaves_of_a_line_is_meant_or_refused_and_never_guessed(
    value: str, shell: str, two_apps: Path, tmp_path: Path
) -> None:
    words = typed(shell, SETTING.get(shell, "xy='x y'\n") + LINE + value + "\n", tmp_path).words
    judge(words, TABLE[value][COLUMNS.index(shell)])


def test_an_argument_torn_apart_is_refused_with_the_line_to_paste(two_apps: Path) -> None:
    said = run(SET, APPS, "@Add=a", "@b")
    assert (said.code, revision()) == (2, 3)
    assert f"""{SET} {APPS} '@{{Add="a","b"}}'""" in said.err.replace(",@", ",")


@pytest.mark.parametrize("shell", INSTALLED)
def test_a_pattern_is_the_shells_until_no_file_fits(
    shell: str, two_apps: Path, tmp_path: Path
) -> None:
    nothing = typed(shell, f"tenantcfg {GET} -Filter g*", tmp_path).words
    if shell in {"bash", "dash"}:
        assert nothing == [GET, "-Filter", "g*"]
        assert ONE in run(*nothing).out
    else:
        assert nothing is None
    for name in ("g1", "g2"):
        (tmp_path / name).touch()
    found = typed(shell, f"tenantcfg {GET} -Filter g*", tmp_path).words
    assert found == [GET, "-Filter", "g1", "g2"]
    said = run(*found)
    assert (said.code, said.out) == (2, "")


@pytest.mark.parametrize("shell", INSTALLED)
def test_the_sources_own_line_unquoted_and_quoted_and_a_text_by_pipe(
    shell: str, two_apps: Path, tmp_path: Path
) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    install(bin_)
    script = "\n".join(
        [
            LINE + f'@{{Add="{APP}"}}',
            LINE + f"""'@{{Add="{APP}"}}' -PassThru""",
            f"""echo '{SET} {APPS} @{{Add="{APP}","bot"}}' | tenantcfg""",
            f"tenantcfg check --tenant contoso --app {APP}",
        ]
    )
    done = run_in(shell, script, bin_, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        *("Identity", ":", "Global", "AllowRemoveParticipantAppIds", ":"),
        *(f"{{{ONE},", f"{TWO},", f"{APP}}}", "allowed"),
    ]
    assert apps() == [ONE, TWO, APP, "bot"]
    assert revision() == 5


@pytest.mark.parametrize("shell", [name for name in INSTALLED if name == "bash"])
def test_bash_with_other_options(shell: str, two_apps: Path, tmp_path: Path) -> None:
    pattern = f"""shopt -s extglob\n{LINE}@{{Replace=@("a","b")}}\n"""
    judge(typed(shell, pattern, tmp_path).words, Refuses())
    judge(typed(shell, f"""set +B\n{LINE}@{{Add="a","b"}}\n""", tmp_path).words, AB)


# --- shells that are not here, as recorded argv (H6) -------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "System.Collections.Hashtable",
        "System.Object[]",
        "System.Collections.Specialized.OrderedDictionary",
        "@a",
        "a{b",
        "a=b",
        "@{Add=x y}",
        "@{Add=@a}",
        "@{Add={a}",
    ],
)
def test_what_powershell_makes_of_a_hashtable_never_becomes_an_app(
    value: str, two_apps: Path
) -> None:
    for more in ([], ["-Force"]):
        said = run(SET, APPS, value, *more)
        assert (said.code, said.out, revision()) == (2, "", 3), said
        assert said.err


def test_the_text_of_a_hashtable_is_refused_with_the_line_to_write(two_apps: Path) -> None:
    said = run(SET, APPS, "System.Collections.Hashtable", "-Force")
    assert "'@{" in said.err
    # The text door too: nobody has such an app.
    text = run("-Command", f"{SET} {APPS} 'System.Collections.Hashtable' -Force")
    assert (text.code, revision()) == (2, 3)


def test_what_powershell_7_makes_of_an_array_is_refused(two_apps: Path) -> None:
    said = run(SET, APPS, "a", "b", "-Force")
    assert (said.code, revision()) == (2, 3)


@pytest.mark.parametrize(
    "value",
    [
        "@{Add=x}",  # Windows PowerShell 5.1 eats inner double quotes
        '@{Add="x"}',  # PowerShell 7, and cmd
        "'@{Add=x}'",  # cmd: single quotes mean nothing and arrive
        "'@{Add=\"x\"}'",
        "@{Add='x'}",
    ],
)
def test_what_windows_shells_leave_of_a_quoted_line_is_accepted(value: str, two_apps: Path) -> None:
    said = run(SET, APPS, value)
    assert said.code == 0, said.err
    assert apps() == [ONE, TWO, "x"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([APPS], "'$null'"),
        ([APPS, ""], "'$null'"),
        ([APPS, "@{Add=a", "-Force"], "}"),
        ([APPS, "@{Add=x", "y}"], ""),
        ([APPS, "@{Add=}"], ""),
        ([APPS, "@{Add=a}", "-Confirm:"], "'-Confirm:$false'"),
        ([APPS, "@{Add=a}", "-Force:"], "-Force"),
        ([APPS, "@{Add=a}", "-WhatIf:"], "-WhatIf"),
        ([APPS, "@{Add=a}", "--Identity", "Global"], "-Identity"),
        (["--AllowRemoveParticipantAppIds", "a"], APPS),
        (["@{Add=a}"], APPS),
    ],
)
def test_a_torn_line_is_refused_with_a_hint(words: list[str], says: str, two_apps: Path) -> None:
    said = run(SET, *words)
    assert (said.code, said.out, revision()) == (2, "", 3), said
    assert says in said.err


def test_the_hint_for_a_torn_what_if_names_the_what_if(two_apps: Path) -> None:
    said = run(SET, APPS, "@{Add=a}", "-WhatIf:")
    assert "'-WhatIf:$true'" in said.err
