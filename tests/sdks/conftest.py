"""A service with the participants API and a dev issuer, for clients that are none of ours."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tenantcfg import AppId, ListModifier, Store, TenantId
from tenantcfg.meetings import Call, Identity, IdentityKind, Participant
from tests.service.served import Service
from tests.stores import BY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.templates import FileTemplate

TENANT = TenantId("5f0c9f0e-8a56-4b1f-9a53-77f3a1f0c001")
APP = AppId("5817674c-81d9-4adb-bfb2-8f6a442e4622")
STRANGER = AppId("0f4e1a6b-37c2-4d8e-9a55-c1b7d2e8f930")
"""May nothing."""
ADA = "0b1f6c1e-3a3e-4c0e-9b53-0d1a5d3f2b10"
PATIENCE = 120.0
"""Seconds; the first call of a process loads a great deal of code."""


@dataclass(frozen=True)
class Ran:
    """What a client came to."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        """What it printed, line by line, each an object; as one."""
        assert self.code == 0, self.err
        return {
            name: one for line in self.out.splitlines() for name, one in json.loads(line).items()
        }


@dataclass(frozen=True)
class Bench:
    """The service, its store, and what a client has to know."""

    url: str
    store: Store
    issuer: Path

    def a_call(self, *participants: str) -> str:
        """The id of a new call, with *participants* in it, the first of whom is a guest."""
        call = f"c-{secrets.token_hex(4)}"
        self.store.roster.new_call(Call(TENANT, call, subject="Monday"))
        for number, one in enumerate(participants):
            kind = IdentityKind.USER if number else IdentityKind.GUEST
            who = Identity(kind, ADA, f"Name of {one}")
            self.store.roster.report(TENANT, call, Participant(one, who))
        return call

    def inside(self, call: str) -> list[str]:
        """Who is in *call*."""
        page = self.store.roster.participants(TENANT, call, limit=100)
        assert page is not None
        return [one.id for one in page.items]

    def run(self, command: Sequence[str], *, app: AppId = APP, **more: str) -> Ran:
        """
        What *command* comes to, told no more than the base URL, the CA and who it is.

        The three variables for the CA are those of requests, of OpenSSL and of Node.
        """
        ca = str(self.issuer / "ca.pem")
        told = {
            "AZURE_AUTHORITY_HOST": self.url,
            "AZURE_TENANT_ID": str(TENANT),
            "AZURE_CLIENT_ID": str(app),
            "AZURE_CLIENT_SECRET": (self.issuer / "client-secret").read_text().strip(),
            "GRAPH_URL": self.url,
            "GRAPH_SCOPE": "api://tenantcfg/.default",
            "REQUESTS_CA_BUNDLE": ca,
            "SSL_CERT_FILE": ca,
            "NODE_EXTRA_CA_CERTS": ca,
            **more,
        }
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
            env=os.environ | told,
            text=True,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, file_template: FileTemplate) -> Iterator[Bench]:
    """The service, on a store with one tenant, in which APP may remove participants."""
    data = tmp_path_factory.mktemp("data")
    file_template.copy_to(data / "store" / "store.db")
    url = f"sqlite:///{data / 'store' / 'store.db'}"
    environment = {"XDG_DATA_HOME": str(data), "XDG_CONFIG_HOME": str(data / "config")}
    options = ("--store", url, "--dev-issuer", "--bind", "127.0.0.1:0")
    with Store.open(url) as store:
        store.add_tenant(TENANT, None, by=BY)
        store.modify(TENANT, ListModifier(add=(APP,)), by=BY)
        with Service(*options, env=environment) as service:
            yield Bench(service.url, store, data / "tenantcfg" / "dev-issuer")
