"""
Sockets to listen on: at addresses, or at a path that only those may use who are meant.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tenantcfg.errors import SettingInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantcfg.service.settings import Bind

__all__ = ["BACKLOG", "listening", "made_closed", "require_free"]

BACKLOG: Final = 2048
"""Connections that wait to be taken, at most."""


@contextmanager
def listening(bind: Bind, mode: int = 0o660) -> Iterator[list[socket.socket]]:
    """
    Sockets that are bound to *bind*: one, or one for each address that a name stands for.

    A unix socket has *mode*, and is removed in the end; one that nobody listens on any more
    is replaced.

    Raises:
        SettingInvalid: nothing can listen there.
    """
    with ExitStack() as stack:
        try:
            if bind.path is not None:
                yield [stack.enter_context(_at_path(Path(bind.path), mode))]
            else:
                yield _at_addresses(bind, stack)
        except _CannotListen as why:
            raise SettingInvalid("cannot listen", subject=str(bind), why=str(why)) from why


def require_free(bind: Bind, mode: int) -> None:
    """Refuse a place that is taken, which gRPC would share with whoever has it."""
    with listening(bind, mode):
        pass


class _CannotListen(Exception):
    pass


def _at_addresses(bind: Bind, stack: ExitStack) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    port = bind.port
    try:
        found = socket.getaddrinfo(
            bind.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, address in dict.fromkeys(found):
            one = stack.enter_context(socket.socket(family))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind((address[0], port, *address[2:]))
            one.listen(BACKLOG)
            one.set_inheritable(True)
            # Port 0 of the first is the port of all.
            port = one.getsockname()[1]
            sockets.append(one)
    except OSError as why:
        raise _CannotListen(why.strerror or str(why)) from why
    return sockets


@contextmanager
def _at_path(path: Path, mode: int) -> Iterator[socket.socket]:
    one = socket.socket(socket.AF_UNIX)
    try:
        _remove_stale(path)
        with made_closed(mode):
            one.bind(str(path))
        path.chmod(mode)
        one.listen(BACKLOG)
        one.set_inheritable(True)
        made = path.stat().st_ino
    except OSError as why:
        one.close()
        raise _CannotListen(why.strerror or str(why)) from why
    try:
        yield one
    finally:
        one.close()
        with suppress(OSError):
            # Not the one of a service that has taken our place.
            if path.stat().st_ino == made:
                path.unlink()


@contextmanager
def made_closed(mode: int) -> Iterator[None]:
    """Files made meanwhile have no more than *mode*: nobody connects before it is set."""
    before = os.umask(0o777 & ~mode)
    try:
        yield
    finally:
        os.umask(before)


def _remove_stale(path: Path) -> None:
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise _CannotListen("there is a file, and it is no socket")
    with socket.socket(socket.AF_UNIX) as other:
        other.settimeout(1)
        try:
            other.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise _CannotListen("Address already in use")
