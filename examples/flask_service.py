"""
A service of Flask that removes participants from calls, and asks before it does.

Two lines of it are the guard: the client, and the decorator. Run it with

    TENANTCFG_CHECK_URL=http://127.0.0.1:8180 TENANTCFG_CHECK_KEY=tcfg_... \
    TOKENS='{"t-1": {"tid": "TENANT-ID", "azp": "APP-ID"}}' \
    flask --app flask_service run
"""

from __future__ import annotations

import json
import os

from flask import Flask, request

from tenantcfg.client import Client, Removal, guard

checks = Client(
    os.environ["TENANTCFG_CHECK_URL"],
    os.environ["TENANTCFG_CHECK_KEY"],
    timeout=float(os.environ.get("TENANTCFG_CHECK_TIMEOUT", "0.2")),
)


def removal(call: str, participant: str) -> Removal | None:
    """Who wants to remove whom: what the token says that the request came with."""
    claims = verified(request.headers.get("Authorization", ""))
    if claims is None:
        return None
    return Removal(claims["tid"], claims["azp"], call_id=call, participant_id=participant)


def verified(authorization: str) -> dict[str, str] | None:
    """
    The claims of an access token; None: it is not valid.

    A stand-in: yours verifies signature, issuer, audience and time.
    """
    tokens: dict[str, dict[str, str]] = json.loads(os.environ["TOKENS"])
    return tokens.get(authorization.removeprefix("Bearer "))


app = Flask(__name__)

participants = {"c-1": ["p-1", "p-2"]}


@app.get("/communications/calls/<call>/participants")
def listed(call: str) -> list[str]:
    """Who is in the call."""
    return participants.get(call, [])


@app.delete("/communications/calls/<call>/participants/<participant>")
@guard(checks, removal, refuse=lambda refusal: (refusal.body, refusal.status, refusal.headers))
def remove(call: str, participant: str) -> tuple[str, int]:
    """Remove somebody from the call; the guard has permitted it a moment ago."""
    if participant in participants.get(call, []):
        participants[call].remove(participant)
    return "", 204
