from __future__ import annotations

import copy
import pickle

import pytest

from tenantcfg import errors
from tenantcfg.errors import Reason, TenantcfgError, quoted

# Each class with what its reader does, and the exit code that design.md gives it.
CLASSES = {
    "InvalidInput": ("invalid_input", "correct the input", "2"),
    "UnknownTenant": ("unknown_tenant", "correct the name", "2"),
    "TenantNotNamed": ("tenant_not_named", "name it", "2"),
    "SettingInvalid": ("setting_invalid", "correct it and start again", "2"),
    "NotAdmitted": ("not_admitted", "correct the key", "2"),
    "OutputLost": ("output_lost", "read the history", "1"),
    "Refused": ("refused", "decide again", "5"),
    "Conflict": ("conflict", "ask for another", "7"),
    "Unavailable": ("unavailable", "ask again", "6"),
    "RevisionNotReached": ("revision_not_reached", "ask again", "6"),
    "OutcomeUnknown": ("outcome_unknown", "read the history", "6"),
    "StoreUnusable": ("store_unusable", "until a person acts", "9"),
    "StoreMissing": ("store_missing", "make one", None),
    "StoreNotOurs": ("store_not_ours", "restore a backup", None),
    "StoreNewer": ("store_newer", "upgrade the program", None),
    "StoreOlder": ("store_older", "tenantcfg db upgrade", None),
    "StoreReadOnly": ("store_read_only", "grant the right", None),
    "StoreFull": ("store_full", "make room", None),
}


def every_class() -> list[type[TenantcfgError]]:
    return [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, TenantcfgError) and one is not TenantcfgError
    ]


def test_the_table_above_names_every_class() -> None:
    assert {one.__name__ for one in every_class()} == set(CLASSES)


def test_codes_are_stable_and_unlike() -> None:
    assert {one.__name__: one.code for one in every_class()} == {
        name: code for name, (code, _, _) in CLASSES.items()
    }
    assert len({one.code for one in every_class()}) == len(CLASSES)


@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_each_class_says_what_to_do(kind: type[TenantcfgError]) -> None:
    assert kind.__doc__ is not None
    assert CLASSES[kind.__name__][1] in " ".join(kind.__doc__.split())


def test_the_tree_is_drawn_as_it_is() -> None:
    assert errors.__doc__ is not None
    lines = [line for line in errors.__doc__.splitlines() if "+-- " in line]
    drawn: dict[str, tuple[str, str | None]] = {}
    path = [""] * 4
    for line in lines:
        before, _, rest = line.partition("+-- ")
        depth = len(before) // 4
        name = rest.split()[0]
        path[depth] = name
        code = rest.partition("exit ")[2] or None
        drawn[name] = (path[depth - 1] if depth > 1 else "TenantcfgError", code)
    assert drawn == {
        one.__name__: (one.__bases__[0].__name__, CLASSES[one.__name__][2]) for one in every_class()
    }


@pytest.mark.parametrize("kind", [TenantcfgError, *every_class()], ids=lambda kind: kind.__name__)
def test_a_message_reads_what_which_why_and_what_to_do(kind: type[TenantcfgError]) -> None:
    error = kind("no such thing", subject="'x'", why="it is not there", hint="look again")
    assert str(error) == "no such thing: 'x': it is not there: look again"
    assert (error.what, error.subject, error.why, error.hint) == (
        "no such thing",
        "'x'",
        "it is not there",
        "look again",
    )
    assert str(kind("no such thing", hint="look again")) == "no such thing: look again"
    assert str(kind("no such thing")) == "no such thing"


@pytest.mark.parametrize("kind", [TenantcfgError, *every_class()], ids=lambda kind: kind.__name__)
def test_an_error_travels_between_processes(kind: type[TenantcfgError]) -> None:
    error = kind("what", subject="which", why="why", hint="do")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert type(again) is kind
        assert str(again) == str(error)
        assert again.subject == "which"


def test_reasons_are_spelled_once_and_stand_in_the_order_in_which_they_win() -> None:
    assert [str(reason) for reason in Reason] == [
        "unsupported_subject_type",
        "unsupported_resource_type",
        "unsupported_action",
        "tenant_missing",
        "tenant_disabled",
        "grant_not_in_force",
        "not_granted",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "''"),
        ("app_id", "'app_id'"),
        ("x" * 60, f"'{'x' * 60}'"),
        ("x" * 61, f"'{'x' * 60}...'"),
        ("a\x1b[2Jb\n", r"'a\x1b[2Jb\n'"),
        ("a\u200b\ud800\U0010ffff", r"'a\u200b\ud800\U0010ffff'"),
        ("é", "'é'"),
        ("\x1b" * 60 + "y", "'" + r"\x1b" * 60 + "...'"),
    ],
)
def test_a_quoted_input_is_one_line_and_moves_no_cursor(text: str, shown: str) -> None:
    assert quoted(text) == shown
    assert quoted("x" * 61, 61) == f"'{'x' * 61}'"
