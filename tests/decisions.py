"""Small builders of what the tests of the decision log start from."""

from __future__ import annotations

from typing import Any

from tenantcfg.store.decision_log import Entry, LogWriter, create


def an_entry(at: int = 1, **changed: Any) -> Entry:
    """A decision, with other values."""
    entry = Entry(
        at=at,
        request_id="r-1",
        place=None,
        asker="key:abcdefghijkl",
        asker_name="calls",
        app="app_id",
        tenant="fabrikam",
        call="c-1",
        participant="p-1",
        decision="deny",
        reason="not_granted",
        store_id="5a8b0d7c",
        revision=7,
        endpoint="/access/v1/evaluation",
    )
    return entry._replace(**changed)


def a_log(url: str, *entries: Entry) -> str:
    """The address of a new log that holds *entries*."""
    create(url)
    writer = LogWriter(url)
    writer.append(1, entries)
    writer.close()
    return url
