"""
``janus_client.py CALL PARTICIPANT``: lists those in a call and removes one, by the real Graph SDK.

Run by the Python of .venv-sdks; GRAPH_URL says where, GRAPH_TOKEN who.
"""

from __future__ import annotations

import asyncio
import os
import sys
from urllib.parse import urlsplit

from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from msgraph import GraphRequestAdapter, GraphServiceClient

URL = os.environ["GRAPH_URL"]


class Given(AccessTokenProvider):
    """The token that was given."""

    async def get_authorization_token(self, *_: object, **__: object) -> str:
        """It."""
        return os.environ["GRAPH_TOKEN"]

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        """Who may see it."""
        return AllowedHostsValidator([urlsplit(URL).hostname])


async def main(call: str, participant: str) -> None:
    adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(Given()))
    adapter.base_url = URL
    inside = GraphServiceClient(request_adapter=adapter).communications.calls.by_call_id(call)
    for one in (await inside.participants.get()).value:
        print(one.id)
    await inside.participants.by_participant_id(participant).delete()
    print("removed")


asyncio.run(main(*sys.argv[1:]))
