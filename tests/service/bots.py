"""
A service with the participants API, an issuer that it believes, and calls to remove somebody from.

Everything is real but the issuer: `tenantcfg serve` in a process, its store, a key server. Tests
share the service, and each has calls of its own.
"""

from __future__ import annotations

import json
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tenantcfg import AppId, ListModifier, Store, TenantId
from tenantcfg.meetings import Call, Participant
from tests.service.key_server import Page
from tests.service.served import Service
from tests.service.token_cases import ANOTHER, V1, V2, made, published
from tests.service.token_maker import APP, AUDIENCE, TENANT
from tests.service.wire import Reply, exchange, request
from tests.stores import BY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.service.key_server import KeyServer

BASE = "https://calls.example.org/graph"
STRANGER = "99999999-0000-4000-8000-000000000009"
"""An application without a right."""
V1_TREE = "/v1.0/communications/calls"

Claims = dict[str, Any]


def a_token(form: str = "v2", **claims: Any) -> str:
    """A good token, but for *claims*."""
    return made({"claims": claims}, form, int(time.time()))


def of_app(app: str, tenant: str = TENANT, form: str = "v2") -> str:
    """A good token of *app* in *tenant*."""
    column = "azp" if form == "v2" else "appid"
    return a_token(form, **{column: app, "tid": tenant, "iss": {"issuer_of": tenant}})


def publish(server: KeyServer) -> None:
    """Let *server* publish the keys of both versions."""
    for form in ("v1", "v2"):
        server.pages[f"/{form}"] = Page(json.dumps({"keys": published(form)}).encode())


def environment(server: KeyServer, **more: object) -> dict[str, str]:
    """The settings of a service that believes the issuers whose keys *server* has."""
    said: dict[str, object] = {
        "calls": "roster",
        "public_url": BASE,
        "entra_issuers": f"{V1}, {V2}",
        "entra_jwks": f"{server.url}/v1, {server.url}/v2",
        "entra_audiences": f"{AUDIENCE}, api://{AUDIENCE}",
        "entra_ca_bundle": server.ca_bundle,
        "calls_limit": 1_000_000,
        **more,
    }
    return {f"TENANTCFG_SERVE_{name.upper()}": str(value) for name, value in said.items()}


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, as a bot reads it."""

    status: int | None
    code: str | None
    inner: str | None
    reply: Reply

    @classmethod
    def of(cls, reply: Reply) -> Said:
        error = json.loads(reply.body)["error"] if reply.body and reply.status != 200 else {}
        if not isinstance(error, dict):
            # Of another contract of the service.
            return cls(reply.status, None, error, reply)
        inner = error.get("innerError", {}).get("code")
        return cls(reply.status, error.get("code"), inner, reply)

    @property
    def short(self) -> tuple[int | None, str | None]:
        """Status and innerError.code."""
        return self.status, self.inner

    @property
    def headers(self) -> dict[str, str]:
        return self.reply.headers

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was said
        return json.loads(self.reply.body)

    @property
    def request_id(self) -> str:
        return self.headers["request-id"]


@dataclass(frozen=True, slots=True)
class Bot:
    """
    An application, and where it asks.

    Attributes:
        url: of the store.
        store: the same that the service is on; for what admins and media layers do.
    """

    port: int
    url: str
    store: Store
    token: str | None

    def asks(
        self,
        method: str,
        target: str,
        *headers: str,
        body: bytes = b"",
        version: str = "HTTP/1.1",
    ) -> Said:
        """The answer to one request, which goes out as it is written here."""
        own = () if self.token is None else (f"Authorization: Bearer {self.token}",)
        raw = request(method, target, *own, *headers, body=body, version=version)
        return Said.of(exchange(self.port, raw))

    def gets(self, target: str, *headers: str) -> Said:
        return self.asks("GET", target, *headers)

    def removes(self, call: str, participant: str, *headers: str) -> Said:
        """The answer to the removal of *participant*; ids that need no encoding."""
        return self.asks("DELETE", f"{V1_TREE}/{call}/participants/{participant}", *headers)

    def a_call(self, *participants: str | Participant, tenant: str = TENANT, **call: Any) -> str:
        """The id of a new call, with *participants* in it."""
        name = f"c-{secrets.token_hex(8)}"
        whole = Call(TenantId(tenant), call.pop("id", name), **call)
        self.store.roster.new_call(whole)
        for one in participants:
            who = one if isinstance(one, Participant) else Participant(one)
            self.store.roster.report(whole.tenant, whole.id, who)
        return whole.id

    def inside(self, call: str, tenant: str = TENANT) -> list[str]:
        """Who is in *call*, as the roster has it."""
        page = self.store.roster.participants(TenantId(tenant), call, limit=1000)
        assert page is not None
        return [one.id for one in page.items]

    def grant(self, app: str = APP, tenant: str = TENANT) -> None:
        self.store.modify(TenantId(tenant), ListModifier(add=(AppId(app),)), by=BY)

    def revoke(self, app: str = APP, tenant: str = TENANT) -> None:
        self.store.modify(TenantId(tenant), ListModifier(remove=(AppId(app),)), by=BY)

    def having(self, token: str | None) -> Bot:
        """The same with another token."""
        return replace(self, token=token)


@contextmanager
def a_bot(
    url: str, server: KeyServer, env: Mapping[str, str] | None = None, *options: str
) -> Iterator[tuple[Bot, Service]]:
    """A bot with a right, on the store at *url*, which has no tenants yet; and its service."""
    with Store.open(url) as store:
        prepare(store)
        with Service(
            "--store",
            url,
            "--bind",
            "127.0.0.1:0",
            *options,
            env=environment(server) if env is None else env,
        ) as service:
            port = int(service.url.rpartition(":")[2])
            yield Bot(port, url, store, a_token()), service


def prepare(store: Store) -> None:
    """Two tenants, in both of which the application may act."""
    for tenant in (TENANT, ANOTHER):
        store.add_tenant(TenantId(tenant), None, by=BY)
        store.modify(TenantId(tenant), ListModifier(add=(AppId(APP),)), by=BY)
