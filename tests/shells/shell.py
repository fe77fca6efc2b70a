"""The real shells that are installed here, and what they make of a typed line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# As cmdlets H was recorded: without anybody's start-up files.
SHELLS = {
    "bash": ("bash", "--norc", "--noprofile"),
    "dash": ("dash",),
    "zsh": ("zsh", "-f"),
    "fish": ("fish", "--no-config"),
}
INSTALLED = [name for name in SHELLS if shutil.which(name)]

RECORDER = """#!/bin/sh
: >"$RECORD"
for word; do printf '%s\\0' "$word" >>"$RECORD"; done
"""


@dataclass(frozen=True, slots=True)
class Typed:
    """What became of a typed line: the words that the program was given, or None."""

    words: list[str] | None
    out: str
    err: str
    code: int


def install(folder: Path) -> None:
    """Put a program `tenantcfg` into *folder*: ours, by this Python."""
    _write(folder / "tenantcfg", f'#!/bin/sh\nexec "{sys.executable}" -m tenantcfg "$@"\n')


def typed(shell: str, script: str, folder: Path) -> Typed:
    """Let *shell* read *script*, in which `tenantcfg` only notes its arguments."""
    bin_, record = folder / "bin", folder / "record"
    bin_.mkdir(exist_ok=True)
    _write(bin_ / "tenantcfg", RECORDER)
    record.unlink(missing_ok=True)
    done = run_in(shell, script, bin_, folder, RECORD=str(record))
    words = record.read_text().split("\0")[:-1] if record.exists() else None
    return Typed(words, done.stdout, done.stderr, done.returncode)


def run_in(
    shell: str, script: str, bin_: Path, folder: Path, **more: str
) -> subprocess.CompletedProcess[str]:
    """Let *shell* read *script* in *folder*, with the programs of *bin_* before all others."""
    return subprocess.run(
        [*SHELLS[shell], "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        timeout=60,
        env={
            **os.environ,
            "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.getcwd(),  # noqa: PTH109 - a text
            **more,
        },
    )


def _write(program: Path, text: str) -> None:
    program.write_text(text)
    program.chmod(0o755)
