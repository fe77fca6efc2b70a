"""`tenantcfg serve` as a process: how it starts, how it refuses to, how it ends."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import grpc
import httpx
import pytest

from tenantcfg import Store
from tenantcfg.keys import Right, ServiceKey
from tenantcfg.service.envoy_ext_authz_pb2 import CheckRequest, CheckResponse
from tenantcfg.store.sqlite import wal_is_safe
from tests.cli.program import PROGRAM, Said, run, start, surroundings
from tests.service.certificates import Certificates, made
from tests.service.conftest import serving
from tests.service.served import PATIENCE, Service
from tests.service.stock import APP, CONTOSO
from tests.stores import BY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.stock import Stock

EVALUATION = "/access/v1/evaluation"
QUESTION = {
    "subject": {"type": "application", "id": str(APP)},
    "action": {"name": "remove_participant"},
    "resource": {"type": "tenant", "id": str(CONTOSO)},
}
HARMLESS = ("--bind", "127.0.0.1:0")


def permitted(url: str, key: str, client: httpx.Client | None = None) -> bool:
    """Whether the permitted question is permitted there."""
    post = client.post if client else httpx.post
    answer = post(f"{url}{EVALUATION}", json=QUESTION, headers={"Authorization": f"Bearer {key}"})
    return answer.status_code == 200 and answer.json() == {"decision": True}


def until(holds: Callable[[], bool]) -> None:
    """Wait until *holds*, not for ever."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def connects(url: str) -> bool:
    """Whether somebody listens there."""
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname or "", place.port or 0), timeout=5).close()
    except OSError:
        return False
    return True


# It starts


def test_it_says_where_it_answers_once_it_does_and_ends_with_0(file_stock: Stock) -> None:
    with serving(file_stock) as running:
        assert permitted(running.url, file_stock.check)
        ready = running.ready
        code, out, err = running.stop()

    assert (code, out) == (0, "")
    assert ready["store"] == file_stock.url
    assert ready["workers"] == 1
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert events == ["listening", "stopped"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_place_for_grpc_that_is_taken_is_not_shared(file_stock: Stock, workers: str) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        place = f"127.0.0.1:{other.getsockname()[1]}"
        options = ["--bind", "127.0.0.1:0", "--workers", workers, "--grpc-bind", place]
        environment = {
            "TENANTCFG_SERVE_PROXY_SOURCE": "headers",
            "TENANTCFG_SERVE_PROXY_SECRET": "s" * 32,
        }
        said = run_here("serve", "--store", file_stock.url, *options, env=environment)

    assert said.code == 2
    assert said.err.startswith(f"tenantcfg: cannot listen: {place}: Address already in use")


def test_fewer_open_files_than_connections_are_told(file_stock: Stock) -> None:
    limited = ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh", *PROGRAM, "serve"]
    with subprocess.Popen(
        [*limited, "--store", file_stock.url, "--bind", "127.0.0.1:0"],
        stderr=subprocess.PIPE,
        env=surroundings(None),
    ) as running:
        assert running.stderr is not None
        told = json.loads(running.stderr.readline())
        running.terminate()

    assert told["event"] == "too few open files for max_connections"
    assert (told["limit"], told["wanted"]) == (256, 1000 + 64 + 128)


def test_a_request_to_stop_that_comes_before_it_serves_is_not_lost(
    file_stock: Stock, tmp_path: Path
) -> None:
    early = tmp_path / "sitecustomize.py"
    early.write_text(
        "import os, signal\n"
        "import uvicorn\n"
        "run = uvicorn.Server.run\n"
        "def stopped(self, *arguments):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return run(self, *arguments)\n"
        "uvicorn.Server.run = stopped\n"
    )
    path = os.pathsep.join([str(tmp_path), os.getcwd()])  # noqa: PTH109 - a text

    ended = subprocess.run(
        [*PROGRAM, "serve", "--store", file_stock.url, "--bind", "127.0.0.1:0"],
        env={**surroundings(None), "PYTHONPATH": path},
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0
    assert json.loads(ended.stderr.splitlines()[-1])["event"] == "stopped"


def test_who_has_just_connected_is_answered_by_a_service_that_is_to_stop(
    file_stock: Stock,
) -> None:
    with serving(file_stock) as running:
        place = urlsplit(running.url)
        with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as new:
            # Behind it: so the one before it has been taken.
            assert ready(running.url)
            running.signal(signal.SIGTERM)
            until(lambda: not listens(place.port))
            new.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = new.makefile("rb").read()

        assert running.ended()[0] == 0

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b'{"status":"ok"}')


def listens(port: int | None) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port or 0)) == 0


def test_ctrl_c_ends_it_as_well(file_stock: Stock) -> None:
    with serving(file_stock) as running:
        running.signal(signal.SIGINT)

        assert running.ended()[0] == 0


def test_a_key_that_is_made_while_it_runs_may_ask_and_one_that_is_revoked_may_not(
    made_sqlite_url: str,
) -> None:
    key = ServiceKey.new(secrets.token_bytes)
    with Store.open(made_sqlite_url) as store:
        store.add_tenant(CONTOSO, None, by=BY)
        with Service("--store", made_sqlite_url, *HARMLESS) as running:
            headers = {"Authorization": f"Bearer {key.text}"}
            with httpx.Client(base_url=running.url, headers=headers) as client:

                def status() -> int:
                    return client.post(EVALUATION, json=QUESTION).status_code

                assert status() == 401
                store.add_key("new", key, rights=[Right.CHECK], by=BY)
                assert status() == 200
                store.revoke_key("new", by=BY)
                assert status() == 401


def test_the_name_of_an_interface_is_all_its_addresses(file_stock: Stock) -> None:
    with Service("--store", file_stock.url, "--bind", "localhost:0") as running:
        addresses = running.ready["addresses"]

        assert len({urlsplit(one).port for one in addresses}) == 1
        assert all(permitted(one, file_stock.check) for one in addresses)


# It ends


def test_what_was_begun_is_answered_before_it_ends_and_nothing_else_holds_it_up(
    file_stock: Stock,
) -> None:
    body = json.dumps(QUESTION).encode()
    head = (
        f"POST {EVALUATION} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {file_stock.check}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with serving(file_stock) as running:
        place = urlsplit(running.url)
        where = (place.hostname or "", place.port or 0)
        with (
            socket.create_connection(where) as begun,
            socket.create_connection(where) as half,
            socket.create_connection(where),
        ):
            half.sendall(head[:30])
            begun.sendall(head + body[:10])
            # The health of it is asked on the loop that has read all that by then.
            assert httpx.get(f"{running.url}/healthz").status_code == 200
            running.signal()
            until(lambda: not connects(running.url))
            begun.sendall(body[10:])
            with begun.makefile("rb") as stream:
                answer = stream.read()
            code, _, _ = running.ended()

    assert code == 0
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer
    assert answer.endswith(b'{"decision":true}')


def test_what_does_not_end_by_itself_is_ended_and_told_so(file_stock: Stock) -> None:
    head = (
        f"POST {EVALUATION} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {file_stock.check}\r\n"
        "Content-Type: application/json\r\nContent-Length: 9\r\nX-Request-ID: mine\r\n\r\n"
    ).encode()
    env = {"TENANTCFG_SERVE_DRAIN_SECONDS": "1"}
    with Service("--store", file_stock.url, *HARMLESS, env=env) as running:
        place = urlsplit(running.url)
        with (
            socket.create_connection((place.hostname or "", place.port or 0)) as begun,
            begun.makefile("rb") as stream,
        ):
            begun.sendall(head)
            assert httpx.get(f"{running.url}/healthz").status_code == 200
            code, _, _ = running.stop()
            answer = stream.read()

    assert code == 0
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"x-request-id: mine" in answer
    assert b'"error":"unavailable"' in answer


# Several workers


def test_workers_share_the_work_and_one_that_dies_is_replaced(file_stock: Stock) -> None:
    with serving(file_stock, "--workers", "2") as running:
        first = set(running.workers)
        assert len(first) == 2
        token = page_token(running.url, file_stock.check)

        os.kill(min(first), signal.SIGKILL)
        until(lambda: len(set(running.workers) - first) == 1)
        for _ in range(20):
            assert permitted(running.url, file_stock.check)
            assert page_token(running.url, file_stock.check, token=token) == ""
        code, _, err = running.stop()

    assert code == 0
    told = [json.loads(line) for line in err.splitlines()]
    assert told[-1]["event"] == "stopped"
    died = next(one for one in told if one["event"] == "a worker has died")
    assert (died["pid"], died["exit"]) == (min(first), -signal.SIGKILL)


@pytest.mark.parametrize(
    ("option", "hint"),
    [("--port", "--bind ADDR:PORT"), ("--host", "--bind"), ("--config", "TENANTCFG_CONFIG")],
)
def test_an_option_that_many_try_is_answered_with_the_one_there_is(option: str, hint: str) -> None:
    said = run_here("serve", option, "x", env={})

    assert said.code == 2
    assert said.err.startswith(f"tenantcfg: no such option: {option}: {hint}")


def page_token(url: str, key: str, **page: Any) -> str:
    """The token behind a page of one; any worker takes it, whichever gave it."""
    answer = httpx.post(
        f"{url}/access/v1/search/subject",
        json={**QUESTION, "page": {"limit": 1, **page}},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["page"]["next_token"]
    return token


def test_no_worker_stays_behind_when_the_parent_is_killed(file_stock: Stock) -> None:
    with serving(file_stock, "--workers", "2") as running:
        running.signal(signal.SIGKILL)
        running.ended()

        until(lambda: not connects(running.url))


def test_what_a_killed_service_leaves_is_removed_by_the_next_and_what_is_in_use_is_not(
    file_stock: Stock, tmp_path: Path
) -> None:
    env = {"TMPDIR": str(tmp_path)}
    options = ("--store", file_stock.url, *HARMLESS, "--workers", "2")
    (tmp_path / "tenantcfg-metrics-link").symlink_to(tmp_path)
    with Service(*options, env=env) as killed:
        workers = killed.workers
        (left,) = metrics_folders(tmp_path)
        killed.signal(signal.SIGKILL)
        killed.ended()
        until(lambda: not any(map(alive, workers)))
        assert metrics_folders(tmp_path) == {left}

        with Service(*options, env=env):
            (first,) = metrics_folders(tmp_path)
            assert first != left
            with Service(*options, env=env) as other:
                assert metrics_folders(tmp_path) > {first}
                assert httpx.get(f"{other.url}/metrics").status_code == 200
            assert metrics_folders(tmp_path) == {first}
    assert metrics_folders(tmp_path) == set()


def metrics_folders(path: Path) -> set[str]:
    found = path.glob("tenantcfg-metrics-*")
    return {one.name for one in found if not one.is_symlink()}


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_hangup_ends_one_worker_as_a_request_to_stop_does(file_stock: Stock) -> None:
    with serving(file_stock) as running:
        running.signal(signal.SIGHUP)
        code, _, log = running.ended()

    assert code == 0
    assert json.loads(log.splitlines()[-1])["event"] == "stopped"


def test_a_hangup_replaces_several_workers_which_read_a_renewed_certificate(
    file_stock: Stock, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    old, new = made(tmp_path), made(tmp_path / "new")
    believed = ssl.create_default_context(cafile=old.authority)
    believed.load_verify_locations(new.authority)
    tls = ("--tls-cert", str(old.chain), "--tls-key", str(old.key))
    with serving(file_stock, "--workers", "2", *tls) as running:
        before = running.workers
        new.chain.replace(old.chain)
        new.key.replace(old.key)
        # The terminal's reaches all of them.
        for one in (*before, running.pid):
            os.kill(one, signal.SIGHUP)
        while set(before) & set(running.workers):
            with httpx.Client(verify=believed) as client:
                assert permitted(running.url, file_stock.check, client)
        with httpx.Client(verify=ssl.create_default_context(cafile=new.authority)) as client:
            assert permitted(running.url, file_stock.check, client)
        code, _, log = running.stop()

    assert code == 0
    assert "a worker has died" not in log


def test_a_worker_without_a_store_is_tried_again_until_there_is_one(
    made_sqlite_url: str, tmp_path: Path
) -> None:
    path = Path(made_sqlite_url.removeprefix("sqlite:///"))
    with Service("--store", made_sqlite_url, *HARMLESS, "--workers", "2") as running:
        before = running.workers
        hidden = path.rename(tmp_path / "hidden")
        for one in before:
            os.kill(one, signal.SIGKILL)
        assert running.until("a worker cannot start")["code"] == "store_missing"
        hidden.rename(path)

        until(lambda: ready(running.url))
        assert running.stop()[0] == 0


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


# Where it listens


def test_a_port_that_is_taken_is_one_line_and_exit_2(file_stock: Stock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = start("serve", "--store", file_stock.url, "--bind", f"127.0.0.1:{port}")

    assert said.code == 2
    assert said.err == f"tenantcfg: cannot listen: 127.0.0.1:{port}: Address already in use\n"


def test_a_unix_socket_has_its_mode_and_is_removed_in_the_end(
    file_stock: Stock, tmp_path: Path
) -> None:
    path = tmp_path / "check.sock"
    env = {"TENANTCFG_SERVE_SOCKET_MODE": "0600"}
    with Service("--store", file_stock.url, "--bind", f"unix:{path}", env=env) as running:
        assert running.ready["addresses"] == [f"unix:{path}"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            assert permitted("http://x", file_stock.check, client)

        taken = start("serve", "--store", file_stock.url, "--bind", f"unix:{path}")
        assert (taken.code, "Address already in use" in taken.err) == (2, True)
        running.stop()

    assert not path.exists()


def test_a_unix_socket_that_nobody_listens_on_is_replaced_and_a_file_is_not(
    file_stock: Stock, tmp_path: Path
) -> None:
    path = tmp_path / "check.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with Service("--store", file_stock.url, "--bind", f"unix:{path}", "--workers", "2"):
        pass

    path.write_text("precious")
    said = start("serve", "--store", file_stock.url, "--bind", f"unix:{path}")
    assert (said.code, path.read_text()) == (2, "precious")
    assert said.err.count("\n") == 1


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for this machine."""
    return made(tmp_path_factory.mktemp("certificates"))


def test_tls_is_served_and_nothing_else_where_it_is_set(
    file_stock: Stock, certificates: Certificates
) -> None:
    tls = ("--tls-cert", str(certificates.chain), "--tls-key", str(certificates.key))
    with serving(file_stock, *tls) as running:
        assert running.url.startswith("https://")
        believed = ssl.create_default_context(cafile=certificates.authority)
        with httpx.Client(verify=believed) as client:
            assert permitted(running.url, file_stock.check, client)
        with pytest.raises(httpx.HTTPError):
            httpx.get(running.url.replace("https", "http"))
        with httpx.Client(verify=believed) as client:
            assert permitted(running.url, file_stock.check, client)


def test_only_clients_of_the_authority_are_let_in_where_one_is_named(
    file_stock: Stock, certificates: Certificates
) -> None:
    env = {
        "TENANTCFG_SERVE_TLS_CERT": str(certificates.chain),
        "TENANTCFG_SERVE_TLS_KEY": str(certificates.key),
        "TENANTCFG_SERVE_TLS_CLIENT_CA": str(certificates.authority),
    }
    with Service("--store", file_stock.url, *HARMLESS, env=env) as running:
        believed = ssl.create_default_context(cafile=certificates.authority)
        with httpx.Client(verify=believed) as nobody, pytest.raises(httpx.HTTPError):
            permitted(running.url, file_stock.check, nobody)
        believed.load_cert_chain(certificates.client, certificates.client_key)
        with httpx.Client(verify=believed) as client:
            assert permitted(running.url, file_stock.check, client)


def test_envoys_own_protocol_is_served_beside_by_one_worker_and_by_several(
    file_stock: Stock, tmp_path: Path
) -> None:
    secret = secrets.token_hex(32)
    env = {
        "TENANTCFG_SERVE_PROXY_SOURCE": "headers",
        "TENANTCFG_SERVE_PROXY_SECRET": secret,
        "TENANTCFG_SERVE_SOCKET_MODE": "0600",
    }
    asked = CheckRequest()
    http = asked.attributes.request.http
    http.method, http.path = "DELETE", "/v1.0/communications/calls/c-1/participants/p-1"
    http.headers["x-tenantcfg-app"], http.headers["x-tenantcfg-tenant"] = str(APP), str(CONTOSO)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    places = (("1", "127.0.0.1:0"), ("1", f"unix:{tmp_path}/grpc"), ("2", f"127.0.0.1:{port}"))
    for workers, place in places:
        options = ("--workers", workers, "--grpc-bind", place)
        with Service("--store", file_stock.url, *HARMLESS, *options, env=env) as running:
            said = [one["grpc"] for one in map(json.loads, running.lines) if "grpc" in one]
            if place.startswith("unix:"):
                assert stat.S_IMODE((tmp_path / "grpc").stat().st_mode) == 0o600
            with grpc.insecure_channel(said[0]) as channel:
                check = channel.unary_unary(
                    "/envoy.service.auth.v3.Authorization/Check",
                    request_serializer=CheckRequest.SerializeToString,
                    response_deserializer=CheckResponse.FromString,
                )
                shown = (("x-tenantcfg-secret", secret),)
                assert check(asked, metadata=shown, timeout=30).status.code == 0
                assert check(asked, timeout=30).status.code == 16
            assert running.stop()[0] == 0


# It refuses to start


def test_a_store_has_to_be_there(tmp_path: Path) -> None:
    said = start("serve", *HARMLESS, "--store", f"sqlite:///{tmp_path / 'none.db'}")

    assert (said.code, said.out) == (9, "")
    assert "there is no store" in said.err


@pytest.mark.skipif(
    wal_is_safe(sqlite3.sqlite_version_info), reason="this Python's own SQLite is a fixed one"
)
def test_a_file_store_is_not_served_by_an_unfixed_sqlite(file_stock: Stock, tmp_path: Path) -> None:
    (tmp_path / "pysqlite3.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join([str(tmp_path), os.getcwd()])  # noqa: PTH109 - a text
    said = start("serve", *HARMLESS, "--store", file_stock.url, env={"PYTHONPATH": path})

    assert said.code == 9
    assert "pip install pysqlite3" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "env", "message"),
    [
        (["--workers", "0"], {}, "a setting cannot be used: --workers '0': not a number from 1"),
        (["--workers", "x"], {}, "a setting cannot be used: --workers 'x'"),
        (["--bind", "8180"], {}, "a setting cannot be used: --bind '8180': wanted: ADDR:PORT"),
        (["--bind", "127.0.0.1:99999"], {}, "wanted: ADDR:PORT"),
        (["--bind", ""], {}, "a setting is empty: --bind"),
        (["--public-url", "http://pdp.example"], {}, "an https URL is wanted"),
        (["--public-url", "https://pdp.example/"], {}, "no slash at the end"),
        (["--public-url", "https://pdp.ex\u00e4mple"], {}, "it must be ASCII"),
        (["--tls-cert", "x"], {}, "a setting is missing: tls_key: tls_cert is set"),
        (["--tls-key", "x"], {}, "a setting is missing: tls_cert"),
        (["--tls-cert", "no", "--tls-key", "no"], {}, "for TLS: tls_cert 'no': No such file"),
        (["--tls-cert", __file__, "--tls-key", __file__], {}, "tls_key: not PEM, or encrypted"),
        (["--insecure-no-auth", "--bind", "0.0.0.0:0"], {}, "only this machine may ask"),
        (["--insecure-no-auth", "--bind", "[::]:0"], {}, "only this machine may ask"),
        (["--grpc-bind", "127.0.0.1:0"], {}, "a setting is missing: proxy_source"),
        (
            ["--grpc-bind", "unix:/x", "--workers", "2"],
            {"PROXY_SOURCE": "headers", "PROXY_SECRET": "s" * 32},
            "several workers cannot share this place",
        ),
        (["--metrics-bind", "unix:/x"], {}, "metrics_bind is no unix socket"),
        (
            [],
            {
                "PROXY_SOURCE": "token",
                "ENTRA_ISSUERS": "https://i.example/{tid}/",
                "ENTRA_JWKS": "https://i.example/keys",
                "ENTRA_AUDIENCES": "a",
                "ENTRA_REFUSE_SECONDS": "3600",
            },
            "the ages of signing keys do not fit: refresh after 86400 s, refuse after 3600 s",
        ),
        ([], {"ENTRA_REFRESH_SECONDS": "59"}, "not a number from 60 to 2592000"),
        ([], {"PROXY_SOURCE": "token"}, "a setting is missing: entra_issuers"),
        (
            [],
            {"PROXY_SOURCE": "token", "ENTRA_ISSUERS": "https://i.example"},
            "a setting is missing: entra_audiences",
        ),
        (
            [],
            {"PROXY_SOURCE": "token", "ENTRA_ISSUERS": "http://x", "ENTRA_AUDIENCES": "a"},
            "an issuer is no https URL",
        ),
        ([], {"PROXY_SOURCE": "headers"}, "a setting is missing: proxy_secret"),
        (
            ["--bind", "0.0.0.0:0"],
            {"PROXY_SOURCE": "headers", "PROXY_SECRET": "s" * 32},
            "headers are taken from a trusted proxy only",
        ),
        (
            ["--bind", "unix:/x", "--grpc-bind", "0.0.0.0:0"],
            {"PROXY_SOURCE": "headers", "PROXY_SECRET": "s" * 32},
            "headers are taken from a trusted proxy only: grpc_bind 0.0.0.0:0",
        ),
        (
            ["--bind", "unix:/x", "--grpc-bind", "127.0.0.1:0"],
            {"PROXY_SOURCE": "headers"},
            "a setting is missing: proxy_secret",
        ),
        ([], {"PROXY_SECRET": "short"}, "shorter than 32 characters"),
        ([], {"PAGE_KEY": "short"}, "not 64 hexadecimal digits"),
        ([], {"WORKRS": "2"}, "unknown setting: 'TENANTCFG_SERVE_WORKRS'"),
        ([], {"READ_LAG": "5"}, "a setting is missing: read_url"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_setting_that_cannot_be_meant_refuses_to_start(
    file_stock: Stock, options: list[str], env: dict[str, str], message: str
) -> None:
    environment = {f"TENANTCFG_SERVE_{name}": value for name, value in env.items()}
    for check in ([], ["--check-config"]):
        said = run_here("serve", "--store", file_stock.url, *options, *check, env=environment)
        assert said.code == 2
        assert message in said.err
        assert said.out == ""
        assert said.err.count("\n") == 1


def run_here(*argv: str, env: dict[str, str]) -> Said:
    """Run the program in this process, with *env*; it must not get as far as to serve."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in env.items():
            patched.setenv(name, value)
        return run(*argv)


WITHOUT = """
import sys
sys.modules[{module!r}] = None
sys.argv = ["tenantcfg", "serve", "--bind", "127.0.0.1:0"]
from tenantcfg.cli import main
main()
"""


@pytest.mark.parametrize("module", ["uvicorn", "httptools", "structlog", "prometheus_client"])
def test_without_its_extra_it_says_what_to_install(module: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(module=module)],
        check=False,
        capture_output=True,
        text=True,
        env=surroundings(),
    )

    assert ran.returncode == 2
    assert ran.stderr == (
        f"tenantcfg: the service is not installed: no module {module}:"
        " pip install 'tenantcfg[serve]'\n"
    )


LOADED = "import sys; print(sorted(sys.modules))"


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["serve", "--help"], ["tenant"]])
def test_other_commands_load_no_server(argv: list[str]) -> None:
    program = f"import atexit; atexit.register(lambda: exec({LOADED!r}))\n"
    program += f"import sys; sys.argv = ['tenantcfg', *{argv!r}]\n"
    program += "from tenantcfg.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env=surroundings(),
    )

    for module in ("uvicorn", "structlog", "prometheus_client", "httptools", "joserfc"):
        assert f"'{module}'" not in ran.stdout
    assert "'click'" in ran.stdout


# It tells what is in force


def test_check_config_prints_what_is_in_force_and_where_it_came_from(
    file_stock: Stock, tmp_path: Path
) -> None:
    config = tmp_path / "tenantcfg.toml"
    config.write_text(
        f'database_url = "{file_stock.url}"\n[serve]\nbind = "unix:/run/x.sock"\nworkers = 2\n'
        'entra_audiences = ["a", "b"]\nlog_requests = "all"\ninsecure_no_auth = false\n'
    )
    env = {"TENANTCFG_CONFIG": str(config), "TENANTCFG_SERVE_WORKERS": "3"}
    said = run_here("serve", "--check-config", "--bind", "[::1]:1", "-o", "json", env=env)

    assert (said.code, said.err) == (0, "")
    rows = {one["setting"]: (one["value"], one["from"]) for one in said.json["items"]}
    assert rows["store"] == (file_stock.url, f"database_url in {config}")
    assert rows["bind"] == ("[::1]:1", "--bind")
    assert rows["workers"] == ("3", "TENANTCFG_SERVE_WORKERS")
    assert rows["entra_audiences"] == ("a, b", f"entra_audiences in {config}")
    assert rows["log_requests"] == ("all", f"log_requests in {config}")
    assert rows["socket_mode"] == ("0660", "the default")
    assert rows["page_key"] == ("-", "the default")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[serve]\nbnid = 1", "unknown setting: 'bnid'"),
        ("[serve]\nbind = 1", "not a text"),
        ("[serve]\nworkers = 1.5", "not a whole number"),
        ("[serve]\nworkers = true", "not a number"),
        ("[serve]\nentra_audiences = [1]", "not a list of texts"),
        ("[serve]\ninsecure_no_auth = 'maybe'", "neither true nor false"),
        ("[serve]\nsocket_mode = '999'", "not a mode"),
        ("[serve]\nlog_requests = 'some'", "not one of all, problems, none"),
        ("[serve]\npage_key_file = '/nowhere'", "cannot read a file: '/nowhere'"),
        ("[serve]\npage_key = 'x'\npage_key_file = 'y'", "are both set"),
        ("[serve]\npage_key_file = 1", "not a path"),
        ("serve = 1", "not a table: 'serve'"),
        ("[server]\n", "unknown setting: 'server'"),
    ],
)
def test_a_file_that_says_what_cannot_be_refuses_to_start(
    file_stock: Stock, tmp_path: Path, content: str, message: str
) -> None:
    config = tmp_path / "tenantcfg.toml"
    config.write_text(content)
    env = {"TENANTCFG_CONFIG": str(config), "TENANTCFG_DATABASE_URL": file_stock.url}
    said = run_here("serve", "--check-config", env=env)

    assert said.code == 2
    assert message in said.err


# Without keys


def test_without_keys_everybody_here_is_answered_and_it_is_said_loudly(
    file_stock: Stock,
) -> None:
    with serving(file_stock, "--insecure-no-auth") as running:
        answer = httpx.post(f"{running.url}{EVALUATION}", json=QUESTION)
        assert answer.json() == {"decision": True}
        _, _, err = running.stop()

    warnings = [one for one in map(json.loads, err.splitlines()) if one["level"] == "warning"]
    assert [one["event"][:8] for one in warnings] == ["INSECURE"]


@pytest.mark.parametrize(
    "header",
    ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Anything"],
)
def test_without_keys_what_came_through_a_proxy_is_refused(keyless: Service, header: str) -> None:
    for path in (EVALUATION, "/access/v1/evaluations", "/access/v1/search/subject"):
        answer = httpx.post(f"{keyless.url}{path}", json=QUESTION, headers={header: "x"})
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")


@pytest.fixture(scope="module")
def keyless(file_stock: Stock) -> Any:  # noqa: ANN401 - a generator
    """A service that asks nobody for a key."""
    with serving(file_stock, "--insecure-no-auth") as running:
        yield running
