"""
A bot that removes somebody from a call, by Microsoft's own SDK for Python.

    pip install msgraph-sdk azure-identity aiohttp
    python remove_participant.py                        who is in which call
    python remove_participant.py CALL PARTICIPANT       remove one of them

Microsoft Graph is another address, GRAPH_URL; nothing else differs from a bot for Teams. On a
developer's machine the variables are those that `tenantcfg serve --dev-issuer` tells.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from azure.identity.aio import ClientSecretCredential
from msgraph import GraphServiceClient
from msgraph.generated.models.o_data_errors.o_data_error import ODataError


async def main(words: list[str]) -> int:
    """Do what the command line says; the exit code."""
    credential = ClientSecretCredential(
        os.environ["AZURE_TENANT_ID"],
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_CLIENT_SECRET"],
        authority=os.environ["AZURE_AUTHORITY_HOST"],
        disable_instance_discovery=True,
    )
    async with credential:
        graph = GraphServiceClient(credential, [os.environ["GRAPH_SCOPE"]])
        graph.request_adapter.base_url = os.environ["GRAPH_URL"] + "/v1.0"
        try:
            if words:
                await remove(graph, *words)
            else:
                await show(graph)
        except ODataError as why:
            print(f"{why.response_status_code} {why.error.code}: {why.error.message}")
            print("request-id:", why.error.inner_error.request_id)
            return 1
    return 0


async def show(graph: GraphServiceClient) -> None:
    """Print who is in which call."""
    calls = await graph.communications.calls.get()
    for call in calls.value:
        participants = graph.communications.calls.by_call_id(call.id).participants
        page = await participants.get()
        while page:
            for one in page.value:
                print(call.id, one.id, name_of(one.info.identity))
            link = page.odata_next_link
            page = await participants.with_url(link).get() if link else None


def name_of(identity: Any) -> str:  # noqa: ANN401 - one of two classes of the SDK
    """The name of a user, of a guest, ...; the kinds of people differ in which one is there."""
    for kind in ("user", "guest", "phone", "application", "device"):
        if who := getattr(identity, kind, None):
            return who.display_name or ""
    return ""


async def remove(graph: GraphServiceClient, call: str, participant: str) -> None:
    """Drop one participant from a call, at once and without notice."""
    participants = graph.communications.calls.by_call_id(call).participants
    await participants.by_participant_id(participant).delete()
    print("removed")


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
