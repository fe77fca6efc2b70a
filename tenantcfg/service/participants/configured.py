"""
The endpoint as it was configured: whose calls, whose tokens, how often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from tenantcfg.calls.roster import RosterController
from tenantcfg.calls.threads import StoreThreads
from tenantcfg.errors import SettingInvalid
from tenantcfg.service.participants.admission import Admission, authorization_uri
from tenantcfg.service.participants.endpoint import Participants, participants
from tenantcfg.service.participants.limits import Limit
from tenantcfg.service.participants.lookups import Lookups
from tenantcfg.service.participants.removing import Remover
from tenantcfg.service.tokens.signing_keys import uptime

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantcfg.calls import CallController
    from tenantcfg.service.http import Endpoint
    from tenantcfg.service.participants.admission import Tokens
    from tenantcfg.service.participants.removing import Tally
    from tenantcfg.service.settings import ServiceSettings
    from tenantcfg.store import Store

__all__ = ["Configured", "configured", "controller_of"]


@dataclass(frozen=True, slots=True)
class Configured:
    """The endpoints by their paths, and who removes; he is to be started, and stopped."""

    endpoints: dict[bytes, Endpoint]
    remover: Remover


def configured(
    told: ServiceSettings,
    store: Store,
    tokens: Tokens,
    *,
    tally: Tally,
    failed: Callable[[Exception], object],
) -> Configured:
    """
    The participants API that *told* asks for.

    *tally* counts what becomes of removals, *failed* is told why a request is answered 5xx.

    Raises:
        SettingInvalid: what it says of calls cannot be used.
    """
    public_url = told.public_url or _unnamed("public_url")
    threads = StoreThreads(store)
    controller = controller_of(told, store, threads)
    issuers = told.entra_issuers or (f"{public_url}/{{tid}}/v2.0",)
    admission = Admission(
        tokens,
        challenge=f'Bearer realm="", authorization_uri="{authorization_uri(issuers)}"',
        of_apps=Limit(told.calls_limit, uptime),
        of_addresses=Limit(told.calls_limit, uptime),
    )
    remover = Remover(controller, store, threads, tally=tally, failed=failed)
    endpoint = Participants(
        store,
        threads,
        admission,
        Lookups(controller, store, threads),
        remover,
        public_url=public_url,
        cancels=told.calls_unanswered == "cancel",
        max_body=told.max_body,
        failed=failed,
    )
    return Configured(participants(endpoint), remover)


def controller_of(told: ServiceSettings, store: Store, threads: StoreThreads) -> CallController:
    """
    Who holds the calls.

    Raises:
        SettingInvalid: something that it needs is missing.
    """
    return _janus(told) if told.calls == "janus" else RosterController(store, threads)


def _janus(told: ServiceSettings) -> CallController:
    from tenantcfg.calls.janus import JanusController  # noqa: PLC0415 - only if wanted

    return JanusController(
        told.janus_url or _unnamed("janus_url"),
        told.janus_admin_secret or _unnamed("janus_admin_secret"),
        room_secret=told.janus_room_secret or _unnamed("janus_room_secret"),
        tenant=told.janus_tenant or _unnamed("janus_tenant"),
        admin_key=told.janus_admin_key,
    )


def _unnamed(setting: str) -> NoReturn:
    raise SettingInvalid("a setting is missing", subject=setting, why="calls is set")
