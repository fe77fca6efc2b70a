"""The dev issuer over real TLS: who gets a token, who does not, and what it keeps."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import ssl
import stat
from base64 import b64encode, urlsafe_b64decode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography import x509

from tenantcfg.errors import SettingInvalid
from tenantcfg.ids import AppId, TenantId
from tenantcfg.service.dev_issuer import AUDIENCE, SCOPE, DevIssuer, Folder, issuing
from tenantcfg.service.dev_issuer.certificates import Authority
from tenantcfg.service.settings import load_service
from tenantcfg.service.tokens import AccessTokens, Issuer, TokenRules
from tests.cli.program import start
from tests.service.served import Service
from tests.service.stock import CONTOSO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.service.stock import Stock

TENANT = "5f0c9f0e-8a56-4b1f-9a53-77f3a1f0c001"
APP = "5817674c-81d9-4adb-bfb2-8f6a442e4622"
DISCOVERY = "v2.0/.well-known/openid-configuration"
KEYS = "discovery/v2.0/keys"
TOKEN = "oauth2/v2.0/token"  # noqa: S105 - a path


@dataclass(frozen=True)
class Running:
    """A service with a dev issuer, and its folder."""

    service: Service
    folder: Path

    @property
    def url(self) -> str:
        return self.service.url

    @property
    def secret(self) -> str:
        return (self.folder / "client-secret").read_text().strip()

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.folder / "ca.pem")

    def get(self, path: str, **more: Any) -> httpx.Response:
        return httpx.get(f"{self.url}/{path}", verify=self.trust, trust_env=False, **more)

    def form(self, **changes: str | None) -> dict[str, str]:
        """What a client sends for a token, with *changes*; None leaves a member out."""
        members = {
            "client_id": APP,
            "client_secret": self.secret,
            "grant_type": "client_credentials",
            "scope": SCOPE,
            **changes,
        }
        return {name: value for name, value in members.items() if value is not None}

    def asked(
        self, data: dict[str, str] | None = None, *, tenant: str = TENANT, **more: Any
    ) -> httpx.Response:
        """The answer to a client that wants a token."""
        data = self.form() if data is None and "content" not in more else data
        url = f"{self.url}/{tenant}/{TOKEN}"
        return httpx.post(url, data=data, verify=self.trust, trust_env=False, **more)

    def token(self) -> str:
        answer = self.asked()
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


def issuer(data: Path, stock: Stock, *options: str) -> Service:
    """A service whose dev issuer keeps what it makes below *data*."""
    environment = {"XDG_DATA_HOME": str(data), "XDG_CONFIG_HOME": str(data / "config")}
    started = ("--store", stock.url, "--dev-issuer", "--bind", "127.0.0.1:0", *options)
    return Service(*started, env=environment)


def folder_in(data: Path) -> Path:
    return data / "tenantcfg" / "dev-issuer"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, file_stock: Stock) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("data")
    with issuer(data, file_stock) as service:
        yield Running(service, folder_in(data))


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    read: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return read


# Where it refuses to be


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        ({"bind": "0.0.0.0:0"}, {}, "answers this machine only: bind 0.0.0.0:0"),
        ({"bind": "[::]:0"}, {}, "answers this machine only"),
        ({"bind": "127.0.0.2:0"}, {}, "answers this machine only"),
        ({"bind": "db.example:443"}, {}, "answers this machine only"),
        ({"bind": "unix:/run/s"}, {}, "answers this machine only: bind unix:/run/s"),
        ({"public_url": "https://pdp.example.com"}, {}, "known by a name of this machine only"),
        ({"public_url": "http://localhost:8180"}, {}, "known by a name of this machine only"),
        ({"public_url": "https://localhost:8180/t1"}, {}, "known by a name of this machine only"),
        ({"tls_cert": "c.pem", "tls_key": "k.pem"}, {}, "tls_cert and dev_issuer are both set"),
        ({}, {"ENTRA_ISSUERS": "https://l.example/{tid}/v2.0"}, "entra_issuers and dev_issuer"),
        ({}, {"ENTRA_AUDIENCES": "a"}, "entra_audiences and dev_issuer are both set"),
        ({}, {"ENTRA_ROLES": "Calls.JoinGroupCall.All"}, "entra_roles and dev_issuer"),
        ({}, {"ENTRA_IDTYP": "when_present"}, "entra_idtyp and dev_issuer are both set"),
        (
            {},
            {"PROXY_SOURCE": "headers", "PROXY_SECRET": "s" * 32},
            "proxy_source and dev_issuer are both set",
        ),
    ],
)
def test_it_is_for_this_machine_and_for_its_own_tokens_only(
    options: dict[str, str], environment: dict[str, str], message: str
) -> None:
    said = {f"TENANTCFG_SERVE_{name}": value for name, value in environment.items()}

    with pytest.raises(SettingInvalid, match=message.replace("[", r"\[")):
        load_service({"HOME": "/home/dana", **said}, {"dev_issuer": True, **options})


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "[::1]:8180", "localhost:8180"])
def test_every_name_of_this_machine_will_do(bind: str) -> None:
    told = load_service({"HOME": "/home/dana"}, {"dev_issuer": True, "bind": bind})

    assert str(told.dev_issuer_folder) == "/home/dana/.local/share/tenantcfg/dev-issuer"


def test_a_start_that_is_refused_makes_nothing(file_stock: Stock, home: Path) -> None:
    said = start("serve", "--store", file_stock.url, "--dev-issuer", "--bind", "0.0.0.0:0")

    assert said.code == 2
    assert said.err.startswith("tenantcfg: the dev issuer answers this machine only")
    assert not folder_in(home / "data").exists()


def test_to_look_at_the_settings_makes_nothing(file_stock: Stock, home: Path) -> None:
    said = start("serve", "--store", file_stock.url, "--dev-issuer", "--check-config", "-o", "json")

    assert said.code == 0, said.err
    assert {"setting": "dev_issuer", "value": "true", "from": "--dev-issuer"} in said.json["items"]
    assert not folder_in(home / "data").exists()


@pytest.mark.parametrize(
    "header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Prefix"]
)
def test_what_came_through_a_proxy_gets_nothing(running: Running, header: str) -> None:
    headers = {header: "1.1 proxy.example"}
    bearer = {"Authorization": f"Bearer {running.token()}"}
    answers = [
        running.asked(headers=headers),
        running.get(f"{TENANT}/{DISCOVERY}", headers=headers),
        running.get(f"{TENANT}/{KEYS}", headers=headers),
    ]
    calls = running.get("v1.0/communications/calls", headers={**headers, **bearer})

    assert [one.status_code for one in answers] == [403, 403, 403]
    assert answers[0].json()["error"] == "forbidden"
    assert (calls.status_code, calls.json()["error"]["code"]) == (400, "BadRequest")


# What it says of itself


def test_the_log_says_where_everything_is_and_never_the_secret(
    tmp_path: Path, file_stock: Stock
) -> None:
    with issuer(tmp_path, file_stock) as service:
        asked = Running(service, folder_in(tmp_path))
        assert asked.asked().status_code == 200
        assert asked.asked(asked.form(scope="wrong")).status_code == 400
        secret, url = asked.secret, service.url
        _, out, err = service.stop()

    [told] = [json.loads(line) for line in err.splitlines() if "DEVELOPMENT" in line]
    assert told["level"] == "warning"
    assert told["dev_issuer"] == url
    assert told["scope"] == "api://tenantcfg/.default"
    assert told["client_secret_in"] == str(folder_in(tmp_path) / "client-secret")
    assert told["ca"] == str(folder_in(tmp_path) / "ca.pem")
    assert secret not in out + err


def test_discovery_names_all_that_clients_ask_for(running: Running) -> None:
    answer = running.get(f"{TENANT.upper()}/{DISCOVERY}")

    below = f"{running.url}/{TENANT}"
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "issuer": f"{below}/v2.0",
        "authorization_endpoint": f"{below}/oauth2/v2.0/authorize",
        "token_endpoint": f"{below}/oauth2/v2.0/token",
        "jwks_uri": f"{below}/discovery/v2.0/keys",
        "response_types_supported": ["token"],
        "grant_types_supported": ["client_credentials"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
    }


def test_the_links_do_not_depend_on_the_host_that_a_client_names(running: Running) -> None:
    answer = running.get(f"{TENANT}/{DISCOVERY}", headers={"Host": "evil.example"})

    assert answer.json()["issuer"] == f"{running.url}/{TENANT}/v2.0"


def test_only_the_public_half_of_the_key_is_published(running: Running) -> None:
    answers = [running.get(f"{tenant}/{KEYS}").json() for tenant in (TENANT, "common")]

    assert answers[0] == answers[1]
    [key] = answers[0]["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
    assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_its_certificate_passes_the_strict_look_of_new_pythons(running: Running, name: str) -> None:
    trust = running.trust
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    url = f"https://{name}:{httpx.URL(running.url).port}/{TENANT}/{DISCOVERY}"

    assert httpx.get(url, verify=trust, trust_env=False).status_code == 200


def test_its_authority_is_good_for_this_machines_names_only(running: Running) -> None:
    ca = x509.load_pem_x509_certificate((running.folder / "ca.pem").read_bytes())
    found = ca.extensions.get_extension_for_class(x509.NameConstraints)

    assert found.critical
    names = [str(one.value) for one in found.value.permitted_subtrees or []]
    assert names == ["localhost", "127.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", TOKEN, "POST"),
        ("POST", DISCOVERY, "GET, HEAD"),
        ("DELETE", KEYS, "GET, HEAD"),
    ],
)
def test_each_place_has_its_method(running: Running, method: str, path: str, allowed: str) -> None:
    url = f"{running.url}/{TENANT}/{path}"
    answer = httpx.request(method, url, verify=running.trust, trust_env=False)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path",
    [
        f"{TENANT}/{DISCOVERY}/",
        f"{TENANT}/v1.0/{TOKEN}",
        f"{TENANT}/oauth2/v2.0/authorize",
        f"/{TENANT}/{DISCOVERY}",
        DISCOVERY,
    ],
)
def test_there_is_nothing_beside_these_places(running: Running, path: str) -> None:
    assert running.get(path).status_code == 404


@pytest.mark.parametrize("path", ["healthz", "readyz"])
def test_what_the_service_answers_otherwise_it_still_does(running: Running, path: str) -> None:
    assert running.get(path).status_code == 200


# Who gets a token


def test_a_client_that_has_the_secret_gets_a_token_of_its_own(running: Running) -> None:
    answer = running.asked()

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    said = answer.json()
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 3600)
    found = claims(said["access_token"])
    assert found["exp"] - found["iat"] == 3600
    assert found["oid"] == found["sub"]
    wanted = {
        "aud": "api://tenantcfg",
        "iss": f"{running.url}/{TENANT}/v2.0",
        "azp": APP,
        "azpacr": "1",
        "idtyp": "app",
        "tid": TENANT,
        "ver": "2.0",
    }
    assert {name: found[name] for name in wanted} == wanted


def test_the_same_application_is_the_same_principal_and_no_token_is_twice(
    running: Running,
) -> None:
    one, two = claims(running.token()), claims(running.token())

    assert one["oid"] == two["oid"]
    assert one["uti"] != two["uti"]


def test_a_token_passes_the_rules_for_entras_with_keys_from_over_the_network(
    running: Running,
) -> None:
    rules = TokenRules(
        issuers=(
            Issuer(f"{running.url}/{TENANT}/v2.0", discovery=f"{running.url}/{TENANT}/{DISCOVERY}"),
        ),
        audiences=frozenset({AUDIENCE}),
        ca_bundle=running.folder / "ca.pem",
    )

    holder = asyncio.run(AccessTokens(rules).verify(running.token()))

    assert (holder.app, holder.tenant) == (AppId.exact(APP), TenantId.exact(TENANT))
    assert holder.version == "2.0"


def test_the_service_judges_it_with_the_key_at_hand(running: Running, tmp_path: Path) -> None:
    port = httpx.URL(running.url).port or 0
    options = {"dev_issuer": True, "bind": f"127.0.0.1:{port}"}
    told = load_service(
        {"HOME": str(tmp_path), "XDG_DATA_HOME": str(running.folder.parent.parent)}, options
    )
    tokens = DevIssuer.of(issuing(told, port)).tokens()

    async def verified() -> AppId:
        await tokens.prepare()
        assert tokens.ready
        return (await tokens.verify(running.token())).app

    assert asyncio.run(verified()) == AppId.exact(APP)


def test_the_secret_may_stand_in_the_header_too(running: Running) -> None:
    credentials = b64encode(f"{APP}:{running.secret}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    form = running.form(client_id=None, client_secret=None)

    assert running.asked(form, headers=headers).status_code == 200
    assert running.asked(running.form(), headers=headers).status_code == 400


def test_a_token_is_asked_for_no_more_than_the_right_that_the_tenant_gives(
    running: Running,
) -> None:
    def asked(tenant: str) -> httpx.Response:
        token = running.asked(tenant=tenant).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return running.get("v1.0/communications/calls", headers=headers)

    # APP may act there, and not where nobody knows the tenant.
    assert asked(str(CONTOSO)).json()["value"] == []
    assert asked(TENANT).status_code == 403


def test_without_the_setting_calls_are_those_of_the_roster() -> None:
    told = load_service({"HOME": "/home/dana"}, {"dev_issuer": True})

    assert (told.calls, told.sources["calls"]) == ("roster", "--dev-issuer")


def test_what_microsofts_clients_send_besides_is_ignored(running: Running) -> None:
    form = running.form(
        client_info="1", claims='{"access_token":{"xms_cc":{"values":["CP1"]}}}', x="y"
    )
    kind = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}

    assert running.asked(form, headers=kind, params={"client-request-id": "1"}).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"client_secret": "ä"}, 401, "invalid_client"),
        ({"client_id": None}, 400, "invalid_request"),
        ({"client_id": "my-bot"}, 400, "unauthorized_client"),
        ({"grant_type": None}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type"),
        ({"scope": None}, 400, "invalid_scope"),
        ({"scope": "api://another/.default"}, 400, "invalid_scope"),
        ({"scope": f"{SCOPE} openid"}, 400, "invalid_scope"),
        ({"scope": "https://graph.microsoft.com/.default"}, 400, "invalid_scope"),
    ],
)
def test_whoever_asks_wrongly_is_told_what_is_wrong(
    running: Running, changes: dict[str, str | None], status: int, error: str
) -> None:
    answer = running.asked(running.form(**changes))

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "error_description"}
    assert running.secret not in answer.text


def test_a_scope_of_graphs_is_answered_with_the_right_one(running: Running) -> None:
    said = running.asked(running.form(scope="https://graph.microsoft.com/.default")).json()

    assert said["error_description"] == (
        "nobody but Graph can verify a token for Graph; the scope here is api://tenantcfg/.default"
    )


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic YQ==", "Bearer abc"])
def test_a_header_that_holds_no_secret_is_no_client(running: Running, header: str) -> None:
    form = running.form(client_id=None, client_secret=None)
    answer = running.asked(form, headers={"Authorization": header})

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"] == 'Basic realm="tenantcfg"'


@pytest.mark.parametrize("tenant", ["common", "organizations", "contoso.example", f"{TENANT}0"])
def test_a_tenant_that_is_no_guid_has_no_issuer(running: Running, tenant: str) -> None:
    answers = [running.asked(tenant=tenant), running.get(f"{tenant}/{DISCOVERY}")]

    assert [one.status_code for one in answers] == [400, 400]
    assert {one.json()["error"] for one in answers} == {"invalid_tenant"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "application/json"),
        (b"grant_type=client_credentials", "text/plain"),
        (b"a=1&a=2", "application/x-www-form-urlencoded"),
        (b"a=%ff", "application/x-www-form-urlencoded"),
        (b"\xff", "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=" % n for n in range(200)), "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_no_form_is_refused(running: Running, content: bytes, kind: str) -> None:
    answer = running.asked(content=content, headers={"Content-Type": kind})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_form_has_an_end(running: Running) -> None:
    assert running.asked({"a": "a" * 70_000}).status_code == 413


# What it keeps


def test_what_it_keeps_is_for_its_owner_alone(running: Running) -> None:
    kept = sorted(running.folder.iterdir())

    assert [one.name for one in kept] == [
        "ca-key.pem",
        "ca.pem",
        "client-secret",
        "server.pem",
        "signing-key.pem",
    ]
    assert stat.S_IMODE(running.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in kept} == {0o600}


def test_a_second_start_and_other_workers_have_the_same_keys(
    tmp_path: Path, file_stock: Stock
) -> None:
    with issuer(tmp_path, file_stock) as service:
        first = Running(service, folder_in(tmp_path))
        published = first.get(f"{TENANT}/{KEYS}").json()
    kept = {one.name: one.read_bytes() for one in folder_in(tmp_path).iterdir()}

    with issuer(tmp_path, file_stock, "--workers", "2") as service:
        second = Running(service, folder_in(tmp_path))
        # Each a connection of its own, which either worker may take.
        found = [second.get(f"{TENANT}/{KEYS}").json() for _ in range(8)]
        assert service.ready["workers"] == 2
        assert {claims(second.token())["iss"] for _ in range(4)} == {f"{second.url}/{TENANT}/v2.0"}

    assert found == [published] * 8
    assert {one.name: one.read_bytes() for one in folder_in(tmp_path).iterdir()} == kept


def test_of_many_that_start_at_once_one_makes_it(tmp_path: Path) -> None:
    def made(_: int) -> tuple[str, str, bytes]:
        folder = Folder(tmp_path / "new" / "dev-issuer").made()
        return folder.secret(), folder.key().thumbprint(), folder.certificate.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(made, range(8)))) == 1


def test_a_certificate_that_runs_out_is_made_anew_under_the_same_authority(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "dev-issuer").made()
    authority = folder.authority.read_bytes()
    key = (folder.path / "ca-key.pem").read_bytes()
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=340)
    folder.certificate.write_bytes(Authority.of(authority, key).server(long_ago))

    folder.made()

    assert folder.authority.read_bytes() == authority
    made = x509.load_pem_x509_certificate(folder.certificate.read_bytes())
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    assert made.not_valid_after_utc - dt.datetime.now(dt.UTC) > dt.timedelta(days=360)


def test_an_authority_that_runs_out_is_made_anew_with_its_certificate(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "dev-issuer").made()
    old = Authority.new(dt.datetime.now(dt.UTC) - dt.timedelta(days=3400))
    folder.authority.write_bytes(old.pem)

    folder.made()

    ca = x509.load_pem_x509_certificate(folder.authority.read_bytes())
    x509.load_pem_x509_certificate(folder.certificate.read_bytes()).verify_directly_issued_by(ca)
    assert ca.subject != old.certificate.subject


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("signing-key.pem", b""),
        ("signing-key.pem", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        ("client-secret", b"\n"),
        ("client-secret", b"\xff"),
        ("ca.pem", b"nothing"),
        ("server.pem", b"nothing"),
    ],
)
def test_a_file_that_is_broken_is_named_and_the_start_refused(
    tmp_path: Path, name: str, content: bytes
) -> None:
    folder = Folder(tmp_path / "dev-issuer").made()
    (folder.path / name).write_bytes(content)

    with pytest.raises(SettingInvalid) as caught:
        folder.made()

    assert caught.value.subject == repr(str(folder.path / name))
    (folder.path / name).unlink()
    folder.made()


def test_an_authority_that_cannot_sign_any_more_is_made_anew(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "dev-issuer").made()
    (folder.path / "ca-key.pem").unlink()

    folder.made()

    ca = x509.load_pem_x509_certificate(folder.authority.read_bytes())
    x509.load_pem_x509_certificate(folder.certificate.read_bytes()).verify_directly_issued_by(ca)


def test_a_folder_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "dev-issuer"
    folder.mkdir(mode=0o755)

    with pytest.raises(SettingInvalid, match="it is open to others, and holds secrets"):
        Folder(folder).made()

    assert list(folder.iterdir()) == []


def test_neither_secret_nor_key_stands_in_what_is_printed_of_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "dev-issuer").made()
    shown = repr(DevIssuer("https://localhost:1", folder.secret(), folder.key()))

    assert folder.secret() not in shown
    assert "RSAKey" not in shown
