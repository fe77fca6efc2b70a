"""
The program as its users run it, and a store for it to work on.

`run` calls it inside the test's own process, with streams that are no terminal: for breadth.
`start` is a process of its own, `Terminal` one behind a real pseudo-terminal.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pexpect

from tenantcfg.cli.app import run as run_program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SET = "Set-CsApplicationMeetingConfiguration"
GET = "Get-CsApplicationMeetingConfiguration"
APPS = "-AllowRemoveParticipantAppIds"
# The source's own app, and the two that section 8 of the rules starts with.
APP = "5817674c-81d9-4adb-bfb2-8f6a442e4622"
ONE = "11111111-1111-1111-1111-111111111111"
TWO = "22222222-2222-2222-2222-222222222222"
CONTOSO = "72f988bf-86f1-41af-91ab-2d7cd011db47"
FABRIKAM = "a0000000-0000-4000-8000-000000000002"

PROGRAM = (sys.executable, "-m", "tenantcfg")


@dataclass(frozen=True, slots=True)
class Said:
    """What a run of the program came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the document is
        """Standard output, read as one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.out.splitlines()


def run(*argv: str, stdin: str | bytes = "") -> Said:
    """Run the program in this process; neither stream is a terminal."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = run_program(list(argv))
    except SystemExit as left:
        # What answers a shell's Tab key leaves by itself.
        code = left.code if isinstance(left.code, int) else 1
    finally:
        sys.stdin = before
    return Said(code, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


def start(
    *argv: str,
    stdin: str | bytes = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Said:
    """Run the program in a process of its own; neither stream is a terminal."""
    done = subprocess.run(
        [*PROGRAM, *argv],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        check=False,
        timeout=60,
        env=surroundings(env),
        cwd=cwd,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def surroundings(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process that has to find the package wherever it is started."""
    return {**os.environ, "PYTHONPATH": os.getcwd(), **(more or {})}  # noqa: PTH109 - a text


class Terminal:
    """The program, or any other, behind a pseudo-terminal of its own session."""

    def __init__(
        self, *argv: str, env: Mapping[str, str] | None = None, columns: int = 200
    ) -> None:
        command = argv if argv and argv[0].startswith("/") else (*PROGRAM, *argv)
        self._child = pexpect.spawn(
            command[0],
            list(command[1:]),
            timeout=30,
            encoding="utf-8",
            env=surroundings(env),
            dimensions=(50, columns),
            echo=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close(force=True)

    def until(self, text: str) -> str:
        """What the terminal shows before *text*, which is waited for."""
        self._child.expect_exact(text)
        return _shown(self._child.before)

    def type(self, line: str) -> None:
        """Type *line* and the Enter key."""
        self._child.sendline(line)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._child.sendintr()

    def end_input(self) -> None:
        """Press Ctrl-D on an empty line."""
        self._child.sendeof()

    def ended(self) -> Said:
        """What was shown to the end, and the exit code; both streams are one terminal."""
        self._child.expect_exact(pexpect.EOF)
        rest = _shown(self._child.before)
        self._child.close()
        status, signal = self._child.exitstatus, self._child.signalstatus
        code = status if status is not None else -(signal or 0)
        return Said(code, rest, "")


def _shown(text: object) -> str:
    return str(text or "").replace("\r\n", "\n")


def apps(tenant: str = "contoso") -> list[str]:
    """The apps that may act in *tenant*, in the order of granting."""
    got = run(GET, "-Tenant", tenant, "-o", "json")
    assert got.code == 0, got.err
    found: list[str] = got.json["AllowRemoveParticipantAppIds"]
    return found


def revision() -> int:
    """The newest revision of the store."""
    head = run("audit", "head")
    assert head.code == 0, head.err
    return int(head.out.partition(":")[0])


def grant(*ids: str, tenant: str = "contoso") -> None:
    """Let *ids* act in *tenant*."""
    listed = ",".join(f"'{app}'" for app in ids)
    done = run(SET, "-Tenant", tenant, APPS, f"@{{Add={listed}}}")
    assert done.code == 0, done.err


def text(*lines: str, **more: str | bytes) -> Said:
    """Run *lines* as a text."""
    return run("-Command", "\n".join(lines), **more)
