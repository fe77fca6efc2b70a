from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tenantcfg

CHECKOUT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel, installed into an environment without the checkout."""

    python: Path
    elsewhere: Path

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run *command* of the environment, out of the checkout."""
        return subprocess.run(
            [self.python.parent / command[0], *command[1:]],
            check=False,
            capture_output=True,
            cwd=self.elsewhere,
            text=True,
        )


def built(kind: str, source: Path, folder: Path) -> Path:
    """The *kind* of distribution that *source* makes."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", folder],
        check=True,
        capture_output=True,
        cwd=source,
    )
    [made] = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", CHECKOUT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("sdist", CHECKOUT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", folder / "venv"],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            python,
            "--quiet",
            "install",
            "--no-deps",
            "--no-index",
            wheel,
        ],
        check=True,
        capture_output=True,
    )
    # What it depends on comes from the environment of the tests, as plain folders: the .pth file by
    # which the checkout is installed there counts no more. scripts/bare does it from the lock file.
    [site] = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(f"{Path(pytest.__file__).parent.parent}\n")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    return Installed(python, elsewhere)


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def checkout_files(folder: str) -> set[str]:
    """The tracked or trackable files below *folder*, relative to it."""
    return {
        path.relative_to(CHECKOUT / folder).as_posix()
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_every_module_and_the_type_marker(wheel: Path) -> None:
    in_wheel = {name.removeprefix("tenantcfg/") for name in names(wheel)}

    assert checkout_files("tenantcfg") <= in_wheel
    assert "py.typed" in in_wheel


def test_the_wheel_carries_the_migrations(wheel: Path) -> None:
    migrations = checkout_files("migrations")

    assert "env.py" in migrations
    assert {f"tenantcfg/_migrations/{file}" for file in migrations} <= names(wheel)


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    top = {name.split("/")[0] for name in names(wheel)}

    assert top == {"tenantcfg", f"tenantcfg-{PROJECT['version']}.dist-info"}
    assert not [name for name in names(wheel) if "__pycache__" in name]


def test_the_source_distribution_makes_the_same_wheel(
    sdist: Path, wheel: Path, tmp_path: Path
) -> None:
    # Debian 12's Python 3.11.2 has no tarfile filters yet, without which later ones warn.
    subprocess.run(["tar", "-xf", sdist, "-C", tmp_path], check=True)
    [source] = tmp_path.iterdir()

    again = built("wheel", source, tmp_path / "dist")

    assert names(again) == names(wheel)


def test_a_store_is_made_from_the_installed_wheel(
    installed: Installed, tmp_path: Path, sqlite_url: str
) -> None:
    made = installed.run("tenantcfg", "db", "upgrade", "--store", sqlite_url)
    checked = installed.run("tenantcfg", "db", "check", "--store", sqlite_url)
    where = installed.run("python", "-c", "import tenantcfg; print(tenantcfg.__file__)")

    assert made.returncode == 0, made.stderr
    assert checked.returncode == 0, checked.stderr
    assert str(CHECKOUT) not in where.stdout
    assert (tmp_path / "store" / "store.db").is_file()


def test_the_version_is_the_same_everywhere(installed: Installed) -> None:
    said = installed.run("tenantcfg", "--version").stdout
    recorded = installed.run(
        "python", "-c", "import importlib.metadata as m; print(m.version('tenantcfg'))"
    )

    assert tenantcfg.__version__ == PROJECT["version"]
    assert said.split()[-1] == PROJECT["version"]
    assert recorded.stdout.strip() == PROJECT["version"]


def test_the_program_runs_as_a_module_too(installed: Installed) -> None:
    said = installed.run("python", "-m", "tenantcfg", "--version")

    assert said.stdout == installed.run("tenantcfg", "--version").stdout


@pytest.mark.parametrize("lock", ["runtime", "build", "dev", "proxies", "sdks"])
def test_every_locked_package_has_hashes_and_no_address(lock: str) -> None:
    text = (CHECKOUT / "requirements" / f"{lock}.txt").read_text()
    entries = re.findall(
        r"^(\S+)==\S+.*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE
    )

    assert len(entries) == len(re.findall(r"^\S", text, re.MULTILINE))
    assert "://" not in text
    assert "index" not in text


@pytest.mark.parametrize("dependency", PROJECT["dependencies"])
def test_every_dependency_is_locked(dependency: str) -> None:
    name = re.split(r"[^\w-]", dependency)[0]
    text = (CHECKOUT / "requirements" / "runtime.txt").read_text()

    assert re.search(rf"^{re.escape(name)}==", text, re.MULTILINE)


@pytest.mark.parametrize("script", ["try", "try-participants", "test", "check"])
def test_the_scripts_can_be_run(script: str) -> None:
    assert os.access(CHECKOUT / "scripts" / script, os.X_OK)


def test_the_locked_packages_of_node_have_hashes_and_no_address() -> None:
    folder = CHECKOUT / "tests" / "sdks"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]

    assert {f"node_modules/{name}" for name in wanted} <= set(locked)
    for name, facts in locked.items():
        assert "resolved" not in facts
        assert not name or facts["integrity"].startswith("sha512-")
