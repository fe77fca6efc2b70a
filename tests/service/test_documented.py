"""What the service has stands on its pages, and in its files for the desk: no more, no less."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

from tenantcfg.service.http import STATUS
from tenantcfg.service.operations import Metrics
from tenantcfg.service.participants.answers import FAULTS
from tenantcfg.service.settings import VARIABLES, ServiceSettings, load_service

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def cells(text: str) -> list[list[str]]:
    found = re.findall(r"^\|(.*)\|$", text.replace("`", ""), re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in found]


def test_each_setting_is_explained_with_its_variable_and_its_default() -> None:
    rows = {row[0].split(",")[0]: row for row in cells(page("reference/settings.md"))}
    documented = {one for row in rows.values() for one in re.split(r",? ", row[1]) if one}

    assert documented >= set(VARIABLES)
    for name, value, _ in ServiceSettings().shown():
        assert rows[name][3] == ("" if value == "-" else value)


def test_each_error_is_explained_with_its_status() -> None:
    documented = {(row[1], row[0]) for row in cells(page("reference/http.md"))}

    assert documented >= {(code, str(status)) for code, status in STATUS.items()}


def test_p17_each_error_that_a_bot_may_meet_is_explained_with_its_status() -> None:
    rows = cells(page("how-to/remove-participants-with-a-graph-sdk.md"))
    documented = {
        (status, code)
        for row in rows
        for status in row[0].split(", ")
        for code in row[1].split(", ")
    }

    assert documented >= {(str(status), code) for code, (status, _) in FAULTS.items()}


def test_each_metric_is_explained_with_its_labels() -> None:
    rows = {row[0]: row[1] for row in cells(page("reference/http.md"))}
    text = Metrics().exposed().decode()

    named = set(re.findall(r"^# TYPE (tenantcfg_\w+) ", text, re.MULTILINE))
    assert named
    assert set(rows) >= named - {one for one in named if one.endswith("_created")}


def test_the_settings_file_is_one_with_everything_in_it_switched_on() -> None:
    content = (DEPLOY / "tenantcfg.toml").read_text(encoding="utf-8")
    tomllib.loads(content)
    lines = [re.sub(r"^# (?=\w+ = )", "", line) for line in content.splitlines()]
    table = {**tomllib.loads("\n".join(_last_ones(lines)))["serve"]}

    known = {name for name, _, _ in ServiceSettings().shown()}
    assert set(table) <= known


def _last_ones(lines: list[str]) -> list[str]:
    """Of settings that are there twice only the last."""
    names = [line.partition(" = ")[0] if " = " in line else None for line in lines]
    return [
        line
        for place, (name, line) in enumerate(zip(names, lines, strict=True))
        if name is None or name not in names[place + 1 :]
    ]


def test_the_settings_file_is_read_as_it_is(tmp_path: Path) -> None:
    told = load_service({"HOME": str(tmp_path), "TENANTCFG_CONFIG": str(DEPLOY / "tenantcfg.toml")})

    assert (str(told.bind), told.workers) == ("127.0.0.1:8180", 1)


def test_the_containers_are_set_by_variables_that_there_are() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    named = set(compose["services"]["check"]["environment"])
    named |= set(re.findall(r"(TENANTCFG_\w+)=", dockerfile))

    assert named <= {*VARIABLES, "TENANTCFG_DATABASE_URL", "TENANTCFG_DATABASE_URL_FILE"}
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        assert all((ROOT / one).exists() for one in copied.split())
