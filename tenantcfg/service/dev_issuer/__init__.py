"""
An issuer of tokens for whoever builds a bot: Entra's part, played on the developer's own machine.

It has certificates, a signing key and one secret for all clients of its own, made on the first
start and used by every later one (`keeping`). What it answers is `issuer`. Its tokens are judged
by the very rules that Entra's are; only the keys come from this process, not over the network.
It answers this machine alone, and nobody who comes through a proxy: whoever has the secret is
whichever application he likes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenantcfg.service.dev_issuer.issuer import AUDIENCE, SCOPE, DevIssuer, Direct
from tenantcfg.service.dev_issuer.keeping import Folder

if TYPE_CHECKING:
    from tenantcfg.service.settings import ServiceSettings

__all__ = ["AUDIENCE", "SCOPE", "DevIssuer", "Direct", "Folder", "issuing"]


def issuing(told: ServiceSettings, port: int) -> ServiceSettings:
    """
    *told*, listening at *port*, with the certificate of the dev issuer and a name for clients.

    The name is the place to listen, since clients hold an issuer to the name they asked for.

    Raises:
        SettingInvalid: the issuer's folder cannot be used.
    """
    server = Folder(told.dev_issuer_folder).made()
    bind = replace(told.bind, port=port)
    return replace(
        told,
        bind=bind,
        tls_cert=server.certificate,
        tls_key=server.certificate,
        public_url=told.public_url or f"https://{bind}",
    )
