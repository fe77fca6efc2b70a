"""
A service of FastAPI that removes participants from calls, and asks before each DELETE.

Two lines of it are the guard: the client, and the middleware. Run it with

    TENANTCFG_CHECK_URL=http://127.0.0.1:8180 TENANTCFG_CHECK_KEY=tcfg_... \
    TOKENS='{"t-1": {"tid": "TENANT-ID", "azp": "APP-ID"}}' \
    uvicorn fastapi_service:app
"""

from __future__ import annotations

import json
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.datastructures import Headers

from tenantcfg.client import ASGIGuard, AsyncClient, Removal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

checks = AsyncClient(
    os.environ["TENANTCFG_CHECK_URL"],
    os.environ["TENANTCFG_CHECK_KEY"],
    timeout=float(os.environ.get("TENANTCFG_CHECK_TIMEOUT", "0.2")),
)


@asynccontextmanager
async def closing(_: FastAPI) -> AsyncIterator[None]:
    """Keep the client's connections as long as the service lives."""
    async with checks:
        yield


def removal(scope: Any) -> Removal | None:  # noqa: ANN401 - what ASGI has
    """Who wants to remove somebody: what the token says that the request came with."""
    claims = verified(Headers(scope=scope).get("authorization", ""))
    return Removal(tenant=claims["tid"], app=claims["azp"]) if claims else None


def verified(authorization: str) -> dict[str, str] | None:
    """
    The claims of an access token; None: it is not valid.

    A stand-in: yours verifies signature, issuer, audience and time.
    """
    tokens: dict[str, dict[str, str]] = json.loads(os.environ["TOKENS"])
    return tokens.get(authorization.removeprefix("Bearer "))


app = FastAPI(lifespan=closing)
app.add_middleware(ASGIGuard, client=checks, removal=removal)

participants = {"c-1": ["p-1", "p-2"]}


@app.get("/communications/calls/{call}/participants")
async def listed(call: str) -> list[str]:
    """Who is in the call."""
    return participants.get(call, [])


@app.delete("/communications/calls/{call}/participants/{participant}", status_code=204)
async def remove(call: str, participant: str) -> None:
    """Remove somebody from the call; the guard has permitted it a moment ago."""
    if participant in participants.get(call, []):
        participants[call].remove(participant)
