"""
A terminal for the pages: a real bash on a pseudo-terminal, which types what a page shows.

One bash serves a page from top to bottom, so that a folder, a variable or a connected tenant of one
block is there in the next, as for the reader.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

# The bash that serves a page takes the pseudo-terminal for its own ($1), then runs one file after
# the other whose names come on a channel of their own ($2): standard input stays the terminal.
SCRIPT = r"""
exec <"$1" >"$1" 2>&1
while IFS= read -r -u "$2" command; do
    (exit "${code:-0}")
    . "$command"
    code=$?
    printf '\036%s\036' "$code"
done
"""
ENDED = re.compile("\036([0-9]+)\036")
QUESTION = r'(?:\(default is "\w"\)|\[y/N\]): '
ANSWERS = re.compile(f"{QUESTION}(.*)$", re.MULTILINE)
ASKED = re.compile(f"{QUESTION}\\Z")
END_OF_INPUT = "\x04"
ROWS, COLUMNS = 40, 100
PATIENCE = 60.0
"""Seconds that one command may take."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a block, as typed, and what it is to print."""

    command: str
    output: str


def steps(block: str) -> Iterator[Step]:
    """
    The commands of a ``console`` block, each with its output.

    A command begins with ``$ ``. It goes on behind a backslash at the end of its line, and on lines
    that begin with ``> ``.
    """
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        last = 0
        while last + 1 < len(lines) and (
            lines[last].endswith("\\") or re.match(r"> |>$", lines[last + 1])
        ):
            last += 1
        command = [lines[0], *(re.sub(r"^> ?", "", line) for line in lines[1 : last + 1])]
        yield Step("\n".join(command), "\n".join(lines[last + 1 :]))


class Terminal:
    """A bash at work in *folder*; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._command = folder.with_name(folder.name + ".command")
        self._screen, self._line = os.openpty()
        termios.tcsetwinsize(self._screen, (ROWS, COLUMNS))
        files, self._files = os.pipe()
        script = [SCRIPT, "bash", os.ttyname(self._line), str(files)]
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", *script],
            cwd=folder,
            pass_fds=[files],
            start_new_session=True,
        )
        os.close(files)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None
    ) -> None:
        os.close(self._files)
        if why is not None:
            self._bash.kill()
        self._bash.wait()
        os.close(self._line)
        os.close(self._screen)

    def run(self, step: Step) -> str:
        """
        What the terminal shows when the command of *step* is typed.

        Questions are answered as in the step's output; one that is not there meets the end of
        input.

        Raises:
            TimeoutError: the command has not ended.
        """
        self._command.write_text(step.command + "\n", encoding="utf-8")
        os.write(self._files, f"{self._command}\n".encode())
        answers = [f"{one}\n" for one in ANSWERS.findall(step.output)]
        seen = ""
        deadline = time.monotonic() + PATIENCE
        while (ended := ENDED.search(seen)) is None:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._screen], [], [], left)[0]:
                raise TimeoutError(f"no end of: {step.command}\nso far: {seen}")
            seen += self._read()
            if ASKED.search(seen):
                answer = answers.pop(0) if answers else END_OF_INPUT
                os.write(self._screen, answer.encode())
        return seen[: ended.start()]

    def _read(self) -> str:
        data = os.read(self._screen, 65_536)
        while True:
            try:
                return data.decode().replace("\r\n", "\n")
            except UnicodeDecodeError:
                data += os.read(self._screen, 1)


INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
HASH = re.compile(r"\b[0-9a-f]{64}\b")


def matches(expected: str, actual: str) -> bool:
    """
    Whether *actual* is what a page shows as *expected*.

    One instant is as good as another, and one hash. ``...`` stands for any text within a line,
    and, alone on a line, for any number of lines.
    """
    return re.fullmatch(_pattern(_plain(expected)), _plain(actual)) is not None


def _plain(text: str) -> str:
    alike = HASH.sub("<hash>", INSTANT.sub("<instant>", text))
    lines = (line.rstrip() for line in alike.splitlines())
    return "\n".join(lines).strip("\n") + "\n"


def _pattern(expected: str) -> str:
    lines = expected.splitlines()
    return "".join(
        r"(?:.*\n)*?"
        if line.strip() == "..."
        else ".*?".join(re.escape(part) for part in line.split("...")) + r"\n"
        for line in lines
    )
