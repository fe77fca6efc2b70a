"""
Services to ask: the program in a process of its own, and any decisions behind a real server.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, Self

import uvicorn

from tenantcfg.service.application import Application
from tenantcfg.service.authzen import authzen
from tenantcfg.service.connections import Connection
from tenantcfg.service.settings import Bind, ServiceSettings
from tenantcfg.service.sockets import listening
from tests.cli.program import PROGRAM, surroundings
from tests.service.scenarios import OneToken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenantcfg.service.authzen import Decisions
    from tenantcfg.service.http import Endpoint

PATIENCE = 60.0
"""Seconds after which a service that has not done what it should is given up."""


class Service:
    """`tenantcfg serve` in a process of its own; ready when entered, stopped when left."""

    def __init__(self, *options: str, env: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [*PROGRAM, "serve", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=surroundings(env),
        )
        self._new: Queue[dict[str, Any] | None] = Queue()
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.ready: dict[str, Any] = {}

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line.decode())
            try:
                self._new.put(json.loads(line))
            except ValueError:
                self._new.put({"event": line.decode()})
        self._new.put(None)

    def until(self, event: str, **members: object) -> dict[str, Any]:
        """The next line of the log about *event*, with *members*."""
        while True:
            try:
                line = self._new.get(timeout=PATIENCE)
            except Empty:
                raise AssertionError(f"no {event}: {self.lines}") from None
            assert line is not None, f"ended without {event}: {self.lines}"
            if line["event"] == event and all(line.get(k) == v for k, v in members.items()):
                return line

    def __enter__(self) -> Self:
        try:
            while "addresses" not in self.ready:
                self.ready = self.until("listening")
        except BaseException:
            # Else it is found in the middle of another test.
            self._process.kill()
            self.ended()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        url: str = self.ready["addresses"][0]
        return url

    @property
    def pid(self) -> int:
        """Its process, the parent of the workers."""
        return self._process.pid

    @property
    def workers(self) -> list[int]:
        """The processes that answer, where there are several."""
        found = []
        for task in os.listdir(f"/proc/{self.pid}/task"):  # noqa: PTH208 - names
            with open(f"/proc/{self.pid}/task/{task}/children") as children:  # noqa: PTH123
                found += [int(one) for one in children.read().split()]
        return [one for one in found if _started_by_spawn(one)]

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def ended(self) -> tuple[int, str, str]:
        """Its exit code, and what it wrote on both streams."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        out = self._process.stdout.read().decode()
        self._reader.join(PATIENCE)
        self._process.stdout.close()
        self._process.stderr.close()
        return code, out, "".join(self.lines)

    def stop(self) -> tuple[int, str, str]:
        """Ask it to stop; see `ended`."""
        self.signal()
        return self.ended()


def _started_by_spawn(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:  # noqa: PTH123 - no path to speak of
            return b"spawn_main" in line.read()
    except OSError:
        return False


@dataclass(frozen=True)
class Layer:
    """Endpoints behind the real server, in a thread."""

    url: str
    port: int


@dataclass(frozen=True)
class _Made:
    settings: ServiceSettings
    application: Application = field(repr=False)

    def __call__(self) -> Application:
        return self.application


@contextmanager
def layer(decisions: Decisions, **settings: Any) -> Iterator[Layer]:
    """The protocol layer over *decisions*, for whoever shows the scenarios' token."""
    told = ServiceSettings(bind=Bind("127.0.0.1", 0), **settings)
    endpoints = authzen(
        decisions,
        OneToken(),
        page_key=bytes(32),
        public_url=told.public_url,
        max_body=told.max_body,
        max_batch=told.max_batch,
    )
    with behind_server(endpoints, told) as serving:
        yield serving


@contextmanager
def behind_server(endpoints: Mapping[bytes, Endpoint], told: ServiceSettings) -> Iterator[Layer]:
    """*endpoints* behind the real server."""
    made = _Made(told, Application(endpoints, public_url=told.public_url))
    config = uvicorn.Config(
        made,
        factory=True,
        interface="asgi3",
        lifespan="on",
        http=Connection,
        ws="none",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=int(told.idle_seconds),
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with listening(told.bind) as sockets:
        port = sockets[0].getsockname()[1]
        thread = threading.Thread(target=server.run, args=(sockets,))
        thread.start()
        try:
            yield Layer(f"http://127.0.0.1:{port}", port)
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
