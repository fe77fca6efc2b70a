"""
The asking side over HTTP: the words and the decisions of `Store.check`, from another machine.

`Client` and `AsyncClient` ask a service (``tenantcfg serve``); `guard`, `ASGIGuard` and `WSGIGuard`
ask before a service of yours deletes. Whatever is no answer raises, and nothing that raises permits
(check C6).
"""

from __future__ import annotations

from tenantcfg.errors import SettingInvalid

try:
    import httpx as _  # noqa: F401 - an extra
except ModuleNotFoundError as why:
    if why.name != "httpx":
        raise
    raise SettingInvalid(
        "the client is not installed",
        why="no module httpx",
        hint="pip install 'tenantcfg[client]'",
    ) from why

from tenantcfg.client.asking import AsyncClient, Client
from tenantcfg.client.guarding import ASGIGuard, Refusal, Removal, WSGIGuard, guard

__all__ = ["ASGIGuard", "AsyncClient", "Client", "Refusal", "Removal", "WSGIGuard", "guard"]
