"""
All that a bot does with the participants of a call, by Microsoft's SDKs for Python.

``graph_client.py FLAVOUR TOKENS CALL``: *FLAVOUR* is ``msgraph`` or ``msgraph_beta``, *TOKENS* how
it comes by a token: ``msal``, ``azure`` or ``azure-sync``. Prints objects in JSON, one a line.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from typing import Any
from urllib.parse import urlsplit

from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration

URL = os.environ["GRAPH_URL"]
SCOPES = [os.environ["GRAPH_SCOPE"]]
AUTHORITY = os.environ["AZURE_AUTHORITY_HOST"]
TENANT, APP, SECRET = (
    os.environ[f"AZURE_{name}"] for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")
)


def say(**what: object) -> None:
    """Print one object."""
    print(json.dumps(what), flush=True)


class ByMsal(AccessTokenProvider):
    """Tokens from msal, as a provider of one's own."""

    def __init__(self) -> None:
        import msal  # noqa: PLC0415 - only if wanted

        self._app = msal.ConfidentialClientApplication(
            APP,
            client_credential=SECRET,
            authority=f"{AUTHORITY}/{TENANT}",
            instance_discovery=False,
        )

    async def get_authorization_token(self, *_: object, **__: object) -> str:
        """A token, from the cache but for the first time."""
        token: str = self._app.acquire_token_for_client(SCOPES)["access_token"]
        return token

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        """Who may see the token."""
        return AllowedHostsValidator([urlsplit(URL).hostname])


def credential_of(tokens: str) -> Any:  # noqa: ANN401 - one of two classes
    """A credential of azure-identity, for asyncio or not."""
    room = "azure.identity" if tokens == "azure-sync" else "azure.identity.aio"
    secret = importlib.import_module(room).ClientSecretCredential
    return secret(TENANT, APP, SECRET, authority=AUTHORITY, disable_instance_discovery=True)


def client_of(sdk: Any, tokens: str) -> Any:  # noqa: ANN401 - one of two modules
    """A client, and what remains to be closed."""
    if tokens == "msal":
        adapter = sdk.GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(ByMsal()))
        client = sdk.GraphServiceClient(request_adapter=adapter)
    else:
        client = sdk.GraphServiceClient(credential_of(tokens), SCOPES)
    client.request_adapter.base_url = URL + ("/beta" if "beta" in sdk.__name__ else "/v1.0")
    return client


async def main(flavour: str, tokens: str, call: str) -> None:
    """List, page, read, remove, and meet errors."""
    sdk = importlib.import_module(flavour)
    errors = importlib.import_module(f"{flavour}.generated.models.o_data_errors.o_data_error")
    graph = client_of(sdk, tokens)

    calls = await graph.communications.calls.get()
    say(calls=[[one.id, one.state and one.state.value, one.subject] for one in calls.value])
    participants = graph.communications.calls.by_call_id(call).participants
    listed = (await participants.get()).value
    say(listed=[one.id for one in listed])
    say(guest=listed[0].info.identity.guest.display_name)
    say(user=listed[1].info.identity.user.display_name, muted=listed[1].is_muted)

    builder = type(participants).ParticipantsRequestBuilderGetQueryParameters(top=2)
    page = await participants.get(RequestConfiguration(query_parameters=builder))
    pages = [[one.id for one in page.value]]
    while page.odata_next_link:
        page = await participants.with_url(page.odata_next_link).get()
        pages.append([one.id for one in page.value])
    say(pages=pages)

    last = participants.by_participant_id(listed[-1].id)
    say(read=(await last.get()).id)
    say(removed=await last.delete())
    try:
        await last.delete()
    except errors.ODataError as why:
        inner = why.error.inner_error
        say(
            error=[why.response_status_code, why.error.code, inner.additional_data["code"]],
            message=why.error.message,
            same_id=why.response_headers.get("request-id") == inner.request_id,
            request_id=inner.request_id,
        )
    if "beta" in flavour:
        twin = graph.app.calls.by_call_id(call).participants
        say(removed_by_app=await twin.by_participant_id(listed[0].id).delete())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
