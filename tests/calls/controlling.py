"""
A controller of a Janus, made for one question after another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from tenantcfg.calls.janus import JanusController
from tenantcfg.ids import Revision
from tenantcfg.instants import Instant
from tenantcfg.meetings import Removal
from tests.stores import APP, CONTOSO

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenantcfg.meetings import Outcome
    from tests.calls.janus_server import Janus

__all__ = ["a_removal", "asked", "controller_at", "removed", "told"]

T = TypeVar("T")


def a_removal(call: str, participant: str) -> Removal:
    """The removal of *participant*, as it stands in the audit."""
    return Removal(str(uuid4()), Instant(1), CONTOSO, APP, call, participant, Revision(1), "janus")


def controller_at(url: str, **secrets: str | None) -> JanusController:
    """A controller of the Janus there, with *secrets* beside what nobody checks."""
    told = {"admin_secret": "admin", "room_secret": "room", **secrets}
    return JanusController(url, tenant=CONTOSO, **told)  # type: ignore[arg-type]


def asked(janus: Janus, ask: Callable[[JanusController], Awaitable[T]], **other: str | None) -> T:
    """What *ask* is told by a controller of its own; *other* secrets than those of *janus*."""
    secrets = {
        "admin_secret": janus.admin_secret,
        "room_secret": janus.room_secret,
        "admin_key": janus.admin_key,
    }
    return told(janus.url, ask, **{**secrets, **other})


def told(url: str, ask: Callable[[JanusController], Awaitable[T]], **secrets: str | None) -> T:
    """What *ask* is told by a controller of whatever is at *url*."""

    async def run() -> T:
        controller = controller_at(url, **secrets)
        try:
            return await ask(controller)
        finally:
            await controller.close()

    return asyncio.run(run())


def removed(janus: Janus, room: str, name: str, **other: str | None) -> Outcome:
    """What becomes of the removal of *name* from *room*."""
    return asked(janus, lambda one: one.remove(a_removal(room, name)), **other)
