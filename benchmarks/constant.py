"""
A server that answers each request alike: ``python -m benchmarks.constant KIND PATH ANSWER``.

Its sockets, processes and connections are those of ``tenantcfg serve``. A ``constant`` one does
with a request what the service does with each: it finds the path, reads the body, gives the
request its id, counts it; a ``bare`` one does nothing at all.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantcfg.service.application import Application
from tenantcfg.service.authzen.endpoints import MAX_BODY
from tenantcfg.service.http import Answer
from tenantcfg.service.operations import Metrics, Operations, log_as_json
from tenantcfg.service.server import run
from tenantcfg.service.settings import Bind, ServiceSettings
from tenantcfg.service.worker import settle

if TYPE_CHECKING:
    from tenantcfg.service.http import Receive, Request, Scope, Send

__all__: list[str] = []


@dataclass(frozen=True, slots=True)
class Constant:
    """Makes the application that answers every request at *path* with the same."""

    settings: ServiceSettings
    path: str
    answer: Answer

    def __call__(self) -> Application:
        """The application, which counts and watches as the product's does."""

        async def same(request: Request) -> Answer:
            await request.body(MAX_BODY)
            return self.answer

        settle()
        return Application({self.path.encode(): same}, watcher=Operations(Metrics()))


@dataclass(frozen=True, slots=True)
class Bare:
    """Makes an application that is nothing but two messages to the connection."""

    settings: ServiceSettings
    answer: Answer

    def __call__(self) -> Application:
        """The application, as far as the server needs it."""
        settle()
        return _Messages(self.answer)


class _Messages(Application):
    def __init__(self, answer: Answer) -> None:
        super().__init__({})
        headers = (*answer.headers, (b"content-length", b"%d" % len(answer.body)))
        self._start = {"type": "http.response.start", "status": 200, "headers": headers}
        self._body = {"type": "http.response.body", "body": answer.body}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        await send(self._start)
        await send(self._body)


def main(kind: str, path: str, answer: str) -> None:
    """Serve *answer*: JSON with headers and body."""
    told = json.loads(answer)
    headers = tuple((name.encode(), value.encode()) for name, value in told["headers"])
    same = Answer(200, told["body"].encode(), headers)
    settings = ServiceSettings(bind=Bind("127.0.0.1", 0))
    log_as_json()
    run(Bare(settings, same) if kind == "bare" else Constant(settings, path, same))


if __name__ == "__main__":
    main(*sys.argv[1:])
