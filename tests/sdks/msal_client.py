"""A client of msal for Python: what it says of a token, of the next one, of a wrong secret."""

from __future__ import annotations

import json
import os

import msal


def client(secret: str) -> msal.ConfidentialClientApplication:
    """A client with this secret."""
    return msal.ConfidentialClientApplication(
        os.environ["AZURE_CLIENT_ID"],
        client_credential=secret,
        authority=f"{os.environ['AZURE_AUTHORITY_HOST']}/{os.environ['AZURE_TENANT_ID']}",
        instance_discovery=False,
    )


scopes = [os.environ["GRAPH_SCOPE"]]
good = client(os.environ["AZURE_CLIENT_SECRET"])
first, second = (good.acquire_token_for_client(scopes) for _ in range(2))
wrong = client("wrong").acquire_token_for_client(scopes)
graphs = good.acquire_token_for_client(["https://graph.microsoft.com/.default"])
print(json.dumps({"first": [first["token_type"], first["token_source"]]}))
print(json.dumps({"second": second["token_source"]}))
print(json.dumps({"same": first["access_token"] == second["access_token"]}))
print(json.dumps({"wrong": wrong["error"], "graphs": graphs["error"]}))
