"""
Services to ask, each in processes of its own: where one listens, and what it has cost so far.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from benchmarks.starts import environment, program

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Service", "constant", "serving", "writing"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Service:
    """What listens on *port*: the process *pid*, and those it started."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of processors, to 10 ms."""
        return sum(sum(map(int, _stat(one)[11:13])) for one in _family(self.pid)) / _TICKS

    def resident(self) -> int:
        """Bytes of its processes that are in memory; what they share is counted for each."""
        return sum(int(_stat(one)[21]) for one in _family(self.pid)) * _PAGE


def _stat(pid: int) -> list[str]:
    """What Linux tells of a process, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _family(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(one) for task in tasks for one in task.read_text().split()]
    return [pid, *(one for child in children for one in _family(child))]


@contextmanager
def serving(folder: Path, url: str, *options: str, **settings: str) -> Iterator[Service]:
    """``tenantcfg serve`` of the store at *url*, with its *options* and other *settings*."""
    command = program("serve", "--store", url, "--bind", "127.0.0.1:0", *options)
    told = {f"TENANTCFG_SERVE_{name.upper()}": value for name, value in settings.items()}
    with _running(command, environment(folder) | told) as service:
        yield service


@contextmanager
def constant(folder: Path, kind: str, path: str, answer: object) -> Iterator[Service]:
    """A server of this *kind* that always gives *answer*, see `benchmarks.constant`."""
    command = [sys.executable, "-m", "benchmarks.constant", kind, path, json.dumps(answer)]
    with _running(command, environment(folder)) as service:
        yield service


@contextmanager
def writing(folder: Path, url: str) -> Iterator[None]:
    """Changes to the store at *url*, one after the other."""
    command = [sys.executable, "-m", "benchmarks.writing", url]
    with subprocess.Popen(command, env=environment(folder), stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None or not process.stdout.readline():
                raise RuntimeError("it does not write")
            yield
        finally:
            process.terminate()


@contextmanager
def _running(command: list[str], settings: dict[str, str]) -> Iterator[Service]:
    with subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Service(_listening(process.stderr), process.pid)
        finally:
            process.terminate()


def _listening(log: IO[str] | None) -> int:
    """The port that the *log* tells of; the rest of it is read by a thread and thrown away."""
    said = []
    for line in log or ():
        said.append(line)
        if log and '"addresses"' in line:
            threading.Thread(target=log.read, daemon=True).start()
            return int(json.loads(line)["addresses"][0].rpartition(":")[2])
    raise RuntimeError(f"it does not listen: {''.join(said)}")
