"""``tenantcfg wait``, against services that run."""

from __future__ import annotations

import json
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tenantcfg import AppId, ListModifier, Store, TenantId
from tenantcfg.keys import Right
from tests.cli.program import PROGRAM, run, surroundings
from tests.service.served import PATIENCE, Service
from tests.stores import BY, a_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.templates import FileTemplate

TENANT = TenantId("contoso")
ASKED = "/access/v1/search/action"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store of this module lies, the socket of its service, and the file of a key."""
    return tmp_path_factory.mktemp("wait")


@pytest.fixture(scope="module")
def store(folder: Path, file_template: FileTemplate) -> Iterator[Store]:
    """A store with a tenant, a key and what comes of the tests."""
    file_template.copy_to(folder / "store" / "store.db")
    with Store.open(folder / "store" / "store.db") as store:
        store.add_tenant(TENANT, None, by=BY)
        (folder / "key").write_text(a_key(store, tenants=[TENANT]).text + "\n")
        yield store


@pytest.fixture(scope="module")
def service(store: Store) -> Iterator[Service]:
    """A service on the store."""
    env = {"TENANTCFG_SERVE_LOG_REQUESTS": "all"}
    with Service("--store", store.url, "--bind", "127.0.0.1:0", env=env) as service:
        yield service


@pytest.fixture
def key(folder: Path) -> str:
    """The file with a key that the services know."""
    return str(folder / "key")


def granted(store: Store, app: str) -> int:
    """The revision that let *app* act."""
    return store.modify(TENANT, ListModifier(add=(AppId(app),)), by=BY).revision


def test_what_is_in_force_everywhere_is_said_at_once(
    store: Store, service: Service, folder: Path, key: str
) -> None:
    at = granted(store, "at once")
    local = f"unix:{folder / 'service.sock'}"
    with Service("--store", store.url, "--bind", local, "--workers", "2"):
        urls = (service.url, f"{service.url}/", local, service.url)
        said = run("wait", "--revision", str(at), "--key-file", key, *urls)
        earlier = run("wait", "--revision", str(at - 1), "--key-file", key, *urls)
    assert (said.code, said.out, said.err) == (0, "in force on 3 of 3\n", "")
    assert (earlier.code, earlier.out) == (0, "in force on 3 of 3\n")


def test_it_waits_until_the_change_is_made(store: Store, service: Service, key: str) -> None:
    wanted = store.head().revision + 1
    waiting = subprocess.Popen(
        [*PROGRAM, "wait", "--revision", str(wanted), "--key-file", key, service.url],
        stdout=subprocess.PIPE,
        env=surroundings(),
    )
    # It has asked twice, and not been satisfied.
    for _ in range(2):
        service.until("request", route=ASKED, status=200)
    assert waiting.poll() is None
    assert granted(store, "later") == wanted
    out, _ = waiting.communicate(timeout=PATIENCE)
    assert (waiting.returncode, out) == (0, b"in force on 1 of 1\n")


def test_what_is_not_in_force_in_time_is_named(store: Store, service: Service, key: str) -> None:
    head = store.head().revision
    beyond = str(head + 1)
    nobody = "http://127.0.0.1:1"
    nothing = f"{service.url}/nothing"
    said = run(
        *("wait", "--revision", beyond, "--timeout", "1s", "--key-file", key),
        *(service.url, nobody, nothing),
    )
    assert (said.code, said.out) == (6, "in force on 0 of 3\n")
    first, second, third = said.err.splitlines()
    assert first == f"{service.url}: it is at {head}"
    assert second.startswith(f"{nobody}: it cannot be asked: ")
    assert third == f"{nothing}: it answers 404 Not Found, and no revision"


def test_one_that_is_missing_keeps_the_others_from_nothing(
    store: Store, service: Service, key: str
) -> None:
    head = store.head().revision
    said = run(
        *("wait", "--revision", str(head), "--timeout", "1s", "--key-file", key, "-o", "json"),
        *(service.url, "http://127.0.0.1:1"),
    )
    assert said.code == 6
    assert said.json["schema"] == "tenantcfg/wait/1"
    there, missing = said.json["items"]
    assert there == {
        "url": service.url,
        "in_force": True,
        "revision": head,
        "store_id": store.store_id,
        "why": None,
    }
    assert (missing["in_force"], missing["revision"]) == (False, None)


def test_a_service_that_hangs_is_given_up_in_time(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        said = run("wait", "--revision", "1", "--timeout", "1s", url)
    assert (said.code, said.err) == (6, f"{url}: it did not answer in time\n")


def test_a_key_is_wanted_where_the_service_wants_one(
    store: Store, service: Service, folder: Path
) -> None:
    (folder / "wrong").write_text(f"tcfg_{'a' * 12}_{'A' * 43}")
    for more in ((), ("--key-file", str(folder / "wrong"))):
        said = run("wait", "--revision", "1", *more, service.url)
        assert (said.code, said.out) == (2, "")
        assert "--key-file" in said.err
        assert "AAAA" not in said.err
    options = ("--store", store.url, "--bind", "127.0.0.1:0", "--insecure-no-auth")
    with Service(*options) as open_to_all:
        assert run("wait", "--revision", "1", open_to_all.url).code == 0


def test_a_key_that_may_only_read_will_do(store: Store, service: Service, folder: Path) -> None:
    (folder / "read").write_text(a_key(store, "read", rights=[Right.READ]).text)
    said = run("wait", "--revision", "1", "--key-file", str(folder / "read"), service.url)
    assert said.code == 0


def test_services_of_two_stores_have_no_revision_in_common(
    store: Store, service: Service, tmp_path: Path, file_template: FileTemplate, key: str
) -> None:
    """Check C8: revisions of two histories do not compare."""
    other = tmp_path / "other" / "store.db"
    file_template.copy_to(other)
    with Store.open(other) as another:
        another.add_tenant(TENANT, None, by=BY)
    with Service(
        "--store", f"sqlite:///{other}", "--bind", "127.0.0.1:0", "--insecure-no-auth"
    ) as elsewhere:
        said = run(
            "wait", "--revision", "1", "--key-file", key, "-o", "json", service.url, elsewhere.url
        )
    assert said.code == 7
    error = json.loads(said.err)
    assert error["code"] == "conflict"
    assert store.store_id in error["subject"]


@pytest.mark.parametrize(
    "url", ["", "host:8180", "ftp://host", "http://", "http://h:x", "http://u:p@h", "http://h?x=1"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    said = run("wait", "--revision", "1", "--", url)
    assert (said.code, said.out) == (2, "")


@pytest.mark.parametrize("text", ["", "two words", "ä"])
def test_a_file_without_a_key_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)
    said = run("wait", "--revision", "1", "--key-file", str(tmp_path / "key"), "http://h")
    assert said.code == 2
    missing = run("wait", "--revision", "1", "--key-file", str(tmp_path / "none"), "http://h")
    assert missing.code == 2
    trusted = run("wait", "--revision", "1", "--ca-file", str(tmp_path / "key"), "http://h")
    assert trusted.code == 2
