"""Which of the real SDKs are here, and how a client of them is run."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ["HERE", "MODULES", "left_out", "missing", "node", "python"]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MODULES = HERE / "node_modules"
"""Of the clients in JavaScript."""

_LANGUAGES = {
    "test_python_sdks.py": "Python",
    "test_janus_sdk.py": "Python before Janus",
    "test_javascript_sdks.py": "JavaScript",
}


def python() -> list[str] | None:
    """The beginning of a line that runs a client in Python; None: its SDKs are not installed."""
    environment = ROOT / ".venv-sdks"
    # Written when all else was done.
    if not (environment / "made-of-sdks").exists():
        return None
    return [str(environment / "bin" / "python")]


@functools.cache
def node() -> list[str] | None:
    """The same for a client in JavaScript; None: there is no Node.js, or no packages."""
    program = shutil.which("node")
    if program is None or not (MODULES / ".made-of-package-lock").exists():
        return None
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    major = int(said.stdout.removeprefix("v").partition(".")[0])
    # Microsoft's packages ask for 20, and need no more of it than what 18 has behind an option.
    return [program] if major >= 20 else [program, "--experimental-global-webcrypto"]


def missing(config: pytest.Config) -> list[str]:
    """The files of tests that cannot be run, or were not asked for."""
    if not config.getoption("--all"):
        return list(_LANGUAGES)
    javascript = "test_javascript_sdks.py"
    found = {name: node() if name == javascript else python() for name in _LANGUAGES}
    return [name for name, command in found.items() if command is None]


def left_out(config: pytest.Config) -> str:
    """What the closing line says of them."""
    why = "not installed" if config.getoption("--all") else "scripts/test --all tries them"
    return f"Graph SDKs left out: {', '.join(_LANGUAGES[name] for name in missing(config))} ({why})"
