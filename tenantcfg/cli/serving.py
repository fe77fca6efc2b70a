"""
``serve``: the check as a service.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from tenantcfg.cli.app import Run, Verb, verb_options
from tenantcfg.cli.exits import Exit
from tenantcfg.cli.output import Records, emit, printable
from tenantcfg.errors import SettingInvalid
from tenantcfg.service.settings import load_service

if TYPE_CHECKING:
    from tenantcfg.service.settings import ServiceSettings

__all__ = ["serve"]

_NEEDED = {"httptools", "prometheus_client", "structlog", "uvicorn"}
_COLUMNS = ("setting", "value", "from")
_PLACE = "--bind ADDR:PORT says both, as in --bind 127.0.0.1:8180"
_MEANT = {
    "--host": _PLACE,
    "--port": _PLACE,
    "--config": "TENANTCFG_CONFIG=FILE names the settings file",
    "--log-level": "log_requests in [serve] of the settings file says which requests leave a line",
}


@click.command(
    cls=Verb,
    examples=(
        "tenantcfg serve",
        "tenantcfg serve --bind 0.0.0.0:8443 --tls-cert chain.pem --tls-key key.pem",
        "tenantcfg serve --bind unix:/run/tenantcfg/check.sock --workers 2",
        "tenantcfg serve --dev-issuer --bind localhost:8443",
        "tenantcfg serve --check-config",
    ),
    meant=_MEANT,
)
@click.option("--bind", metavar="PLACE", help="Listen on ADDR:PORT or unix:/path.")
@click.option("--workers", metavar="N", help="So many processes answer.")
@click.option("--public-url", metavar="URL", help="What clients know the service by.")
@click.option("--tls-cert", metavar="FILE", help="Certificate chain, PEM.")
@click.option("--tls-key", metavar="FILE", help="Its private key, PEM.")
@click.option("--grpc-bind", metavar="PLACE", help="Listen there for Envoy's own protocol.")
@click.option("--metrics-bind", metavar="PLACE", help="Serve /metrics there, and only there.")
@click.option(
    "--insecure-no-auth", is_flag=True, default=None, help="Ask nobody for a key; local only."
)
@click.option(
    "--dev-issuer", is_flag=True, default=None, help="Issue tokens to bots on this machine; TLS."
)
@click.option("--check-config", is_flag=True, help="Print the settings in force, and stop.")
@verb_options()
@click.pass_obj
def serve(run: Run, /, *, check_config: bool, **options: Any) -> Exit:
    """Answer checks over HTTP, until a signal asks to stop. The log goes to standard error."""
    told = load_service(os.environ, options)
    url = run.settings.database_url
    server = _server()
    if check_config:
        server.require(told, url)
        return _in_force(run, told)
    server.serve(told, url)
    return Exit.DONE


def _server() -> Any:  # noqa: ANN401 - a module
    # Of other processes, and of another start.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    try:
        from tenantcfg.service import server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as why:
        if why.name not in _NEEDED:
            raise
        raise SettingInvalid(
            "the service is not installed",
            why=f"no module {why.name}",
            hint="pip install 'tenantcfg[serve]'",
        ) from why
    return server


def _in_force(run: Run, told: ServiceSettings) -> Exit:
    from tenantcfg.store.address import Address  # noqa: PLC0415

    store = printable(Address.parse(run.settings.database_url).shown)
    settings = [("store", store, run.settings.database_from), *told.shown()]
    rows = [dict(zip(_COLUMNS, one, strict=True)) for one in settings]
    emit(Records("tenantcfg/settings/1", rows, _COLUMNS, store, ""), run.output or "table")
    return Exit.DONE
