"""Streams of events as their readers read them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["PATIENCE", "Event", "bearer", "events_of", "followed"]

PATIENCE: Final = 60.0
"""Seconds for which a test waits for what has to come."""


@dataclass(frozen=True)
class Event:
    """One event: its data is JSON, always."""

    kind: str
    id: str | None
    data: dict[str, Any]


def events_of(lines: Iterable[str]) -> Iterator[Event]:
    """The events in *lines*, as the standard of server-sent events reads them."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield Event(fields["event"], fields.get("id"), json.loads(fields["data"]))
            fields = {}


def bearer(key: str | None) -> dict[str, str]:
    """The header that *key* is shown in."""
    return {} if key is None else {"authorization": f"Bearer {key}"}


@contextmanager
def followed(
    url: str, key: str | None, after: int | str | None, last: int | str | None = None
) -> Iterator[tuple[httpx.Headers, Iterator[Event]]]:
    """The head of a stream at *url*, and its events; *last* as ``Last-Event-ID``."""
    query = "" if after is None else f"?after={after}"
    headers = bearer(key) | ({} if last is None else {"last-event-id": str(last)})
    with (
        httpx.Client(timeout=PATIENCE) as client,
        client.stream("GET", f"{url}{query}", headers=headers) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream"
        yield response.headers, events_of(response.iter_lines())
