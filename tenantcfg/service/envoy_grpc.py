"""
The check as Envoy asks it over gRPC (check F1, F13); it decides nothing.

A question is put to the service as Envoy's HTTP form would put it, and the answer is translated.
Needs the extra ``grpc``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import grpc
import structlog
from grpc import StatusCode

from tenantcfg.service.envoy_ext_authz_pb2 import CheckRequest, CheckResponse, HeaderValue
from tenantcfg.service.sockets import made_closed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenantcfg.service.envoy_ext_authz_pb2 import AttributeContext, DeniedHttpResponse
    from tenantcfg.service.http import Headers, Receive, Scope, Send

    App = Callable[[Scope, Receive, Send], Awaitable[None]]
    Context = grpc.aio.ServicerContext[CheckRequest, CheckResponse]

__all__ = ["listening"]

_LOG = structlog.get_logger("tenantcfg.service")

_SERVICE: Final = "envoy.service.auth.v3.Authorization"
_SECRET: Final = "x-tenantcfg-secret"  # noqa: S105 - the name of a header
_PERMIT: Final = b'{"decision":true}'

_OK: Final[int] = StatusCode.OK.value[0]
_DENIED: Final[int] = StatusCode.PERMISSION_DENIED.value[0]
_UNAVAILABLE: Final[int] = StatusCode.UNAVAILABLE.value[0]
_UNAUTHENTICATED: Final[int] = StatusCode.UNAUTHENTICATED.value[0]

# Of the connection, or said by Envoy itself.
_NOT_PASSED: Final = (b"content-length", b"connection")


async def listening(application: App, bind: str, mode: int = 0o660) -> tuple[grpc.aio.Server, int]:
    """
    A server that listens on *bind* and asks *application*, and its port (0: a unix socket).

    To be started in the loop, and the process, that runs *application*; ends by ``stop``.

    Args:
        application: the service, whose ``/check/envoy/`` answers.
        bind: ``HOST:PORT`` or ``unix:/PATH``. Workers may share a port.
        mode: of a unix socket: who may connect.

    Raises:
        RuntimeError: *bind* cannot be listened on.
    """
    server = grpc.aio.server()
    check = grpc.unary_unary_rpc_method_handler(
        _Check(application).answer,
        request_deserializer=CheckRequest.FromString,
        response_serializer=CheckResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_SERVICE, {"Check": check}),)
    )
    path = bind.removeprefix("unix:") if bind.startswith("unix:") else None
    if path is None:
        port = server.add_insecure_port(bind)
    else:
        with made_closed(mode):
            port = server.add_insecure_port(bind)
        os.chmod(path, mode)  # noqa: PTH101 - a text
    await server.start()
    return server, port


class _Check:
    def __init__(self, application: App) -> None:
        self._application = application

    async def answer(self, asked: CheckRequest, context: Context) -> CheckResponse:
        """
        Envoy's answer.

        It begins as a refusal: one without a status would permit, and so would status 0 beside
        a ``denied_response`` (check F13).
        """
        response = CheckResponse()
        response.status.code = _DENIED
        try:
            status, headers, body = await self._answered(_scope(asked.attributes, context))
        except Exception as why:  # noqa: BLE001 - it becomes a refusal
            _LOG.error("unexpected", exc_info=why)
            status, headers, body = 503, (), b""
        _tell(response, status, headers, body)
        return response

    async def _answered(self, scope: Scope) -> tuple[int, Headers, bytes]:
        """What the service answers to *scope*, a request as Envoy's HTTP form makes it."""
        sent: dict[str, Any] = {"status": 503, "headers": (), "body": b""}

        async def send(message: Scope) -> None:
            sent.update(message)

        await self._application(scope, _gone, send)
        return sent["status"], sent["headers"], sent["body"]


async def _gone() -> Scope:
    return {"type": "http.disconnect"}


def _scope(attributes: AttributeContext, context: Context) -> Scope:
    http = attributes.request.http
    path, _, query = http.path.encode().partition(b"?")
    path = b"/check/envoy" + path
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "2",
        "scheme": "http",
        "method": http.method,
        "path": path.decode(),
        "raw_path": path,
        "root_path": "",
        "query_string": query,
        "headers": [*_sent(http), *_shown(context)],
        "client": _client(context.peer()),
        "server": None,
    }


def _sent(http: AttributeContext.HttpRequest) -> Headers:
    """The client's headers; those of HTTP/2's own are no headers in HTTP/1."""
    return tuple(
        (name.lower().encode(), value.encode())
        for name, value in http.headers.items()
        if not name.startswith(":")
    )


def _shown(context: Context) -> Headers:
    """The secret, where Envoy shows it as metadata of the call, where no client comes near it."""
    metadata = context.invocation_metadata() or ()
    return tuple(
        (name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in metadata
        if name == _SECRET
    )


def _client(peer: str) -> tuple[str, int] | None:
    """The address in ``ipv4:HOST:PORT`` or ``ipv6:%5BHOST%5D:PORT``; None: a unix socket."""
    family, _, address = peer.partition(":")
    if family == "unix":
        return None
    host, _, port = address.rpartition(":")
    return host.removeprefix("%5B").removesuffix("%5D").strip("[]"), int(port)


def _tell(response: CheckResponse, status: int, headers: Headers, body: bytes) -> None:
    """Turn the refusal *response* into what *status* says; OK comes last (check F13)."""
    match status:
        case 401:
            response.status.code = _UNAUTHENTICATED
            _fill(response.denied_response, 401, headers, body)
        case 503:
            response.status.code = _UNAVAILABLE
            _fill(response.error_response, 503, headers, body)
        case 200 if body == _PERMIT:
            response.ok_response.SetInParent()
            response.status.code = _OK
        case _:
            _fill(response.denied_response, 403, headers, body)


def _fill(denied: DeniedHttpResponse, status: int, headers: Headers, body: bytes) -> None:
    denied.status.code = status
    denied.body = body.decode()
    for name, value in headers:
        if name not in _NOT_PASSED:
            denied.headers.add().header.MergeFrom(
                HeaderValue(key=name.decode(), value=value.decode("latin-1"))
            )
