"""
The asking side over HTTP: the words and the decisions of `Store.check`, from another machine.

`Client` and `AsyncClient` ask a service (``tenantcfg serve``); `guard`, `ASGIGuard` and `WSGIGuard`
ask before a service of yours deletes. Whatever is no answer raises, and nothing that raises permits
(check C6).
"""

from __future__ import annotations

from tenantcfg.errors import SettingInvalid

try:
    # An extra: what httpx stands on. httpx itself would load click wherever that is installed.
    import anyio as _anyio  # noqa: F401
    import httpcore as _httpcore  # noqa: F401
except ModuleNotFoundError as why:
    if why.name not in {"anyio", "httpcore"}:
        raise
    raise SettingInvalid(
        "the client is not installed",
        why=f"no module {why.name}",
        hint="pip install 'tenantcfg[client]'",
    ) from why

from tenantcfg.client.asking import AsyncClient
from tenantcfg.client.guarding import ASGIGuard, Refusal, Removal, WSGIGuard, guard
from tenantcfg.client.waiting import Client

__all__ = ["ASGIGuard", "AsyncClient", "Client", "Refusal", "Removal", "WSGIGuard", "guard"]
