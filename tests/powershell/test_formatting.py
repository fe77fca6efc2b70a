"""Lists and tables, byte for byte as the real engine printed them, and what follows from that."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tenantcfg.powershell import PSObject
from tenantcfg.powershell.formatting import format_list, format_table

PROBES = [
    json.loads(line)
    for line in (Path(__file__).parent / "recordings" / "probes.jsonl").read_text().splitlines()
]
FORMATS = {"list": format_list, "default": format_table}


def an_object(*ids: str | None, identity: str = "Global") -> PSObject:
    return PSObject("X", {"Identity": identity, "AllowRemoveParticipantAppIds": ids})


def probed(count: int) -> PSObject:
    return an_object(
        *(f"{str(i)[0] * 8}-1111-4111-8111-{str(i)[0] * 12}" for i in range(1, count + 1))
    )


@pytest.mark.parametrize("probe", PROBES, ids=lambda p: f"{p['probe']}-{p['width']}-{p['count']}")
def test_the_text_is_the_real_engine_s(probe: dict[str, Any]) -> None:
    objects = [probed(probe["count"])]
    shown = FORMATS[probe["probe"]]

    assert shown(objects, width=probe["width"], colour=True) == probe["text"]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", probe["text"])
    assert shown(objects, width=probe["width"]) == plain


def test_no_object_is_no_text() -> None:
    assert format_list([], width=80) == ""
    assert format_table([], width=80) == ""


def test_a_limit_of_none_shows_every_item() -> None:
    text = format_list([an_object(*"abcdef")], width=80, limit=None)

    assert "{a, b, c, d, e, f}" in text


def test_an_item_that_is_null_shows_as_null() -> None:
    assert "{a, $null}" in format_list([an_object("a", None)], width=80)


def test_blocks_of_a_list_are_parted_by_an_empty_line() -> None:
    text = format_list([an_object(identity="A"), an_object(identity="B")], width=80)

    assert text.split("\n\n")[0].startswith("\nIdentity                     : A\n")
    assert text.split("\n\n")[1].startswith("Identity                     : B\n")
    assert text.endswith(": {}\n\n")


def test_a_value_of_several_lines_stays_under_its_column() -> None:
    assert format_list([PSObject("X", {"A": "b\nc"})], width=80) == "\nA : b\n    c\n\n"


def test_a_newline_at_the_end_of_a_value_begins_a_line() -> None:
    assert format_list([PSObject("X", {"A": "b\r\n"})], width=80) == "\nA : b\n    \n\n"


def test_columns_of_a_table_are_as_wide_as_what_they_hold() -> None:
    rows = [PSObject("X", {"Name": "Contoso", "Id": "1"}), PSObject("X", {"Name": "B", "Id": "2"})]

    assert format_table(rows, width=80) == "\nName    Id\n----    --\nContoso 1\nB       2\n\n"


def test_truths_and_numbers_stand_at_the_right() -> None:
    rows = [PSObject("X", {"Enabled": True, "Name": "a"})]

    assert format_table(rows, width=80) == "\nEnabled Name\n------- ----\n   True a\n\n"


def test_a_column_without_room_is_left_out() -> None:
    rows = [PSObject("X", {"Name": "0123456789", "Id": "1"})]

    assert format_table(rows, width=8) == "\nName\n----   \n012345…\n\n"


def test_a_cell_shows_its_first_line_alone() -> None:
    rows = [PSObject("X", {"Name": "a\nb", "Id": "\n"})]

    assert format_table(rows, width=80) == "\nName Id\n---- --\na…   …\n\n"


def test_what_stands_at_the_right_is_cut_at_the_left() -> None:
    rows = [PSObject("X", {"Id": 1}), PSObject("X", {"Id": "0123456789"})]

    assert format_table(rows, width=8) == "\n     Id\n     --\n      1\n…456789\n\n"


def test_a_name_that_is_wider_than_its_column_wraps() -> None:
    rows = [PSObject("X", {"Name": "abcd", "Identity": "1", "Reason": "x"})]

    assert format_table(rows, width=9) == ("\nName Ide\n     nti\n     ty\n---- ---\nabcd 1  \n\n")
