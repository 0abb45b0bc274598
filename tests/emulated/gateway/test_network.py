"""TLS and proxies as a corporate network has them: a CONNECT proxy and a private CA in front of every host."""

from __future__ import annotations

import os
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import certifi
import pytest

from ga_deploy.errors import DeployError, ExitCode, Unreachable
from ga_deploy.gateway import Credentials, Endpoints, Gateway, Retries
from ga_deploy.gateway.trust import choose_proxies, trust_system
from ga_deploy.model.bundle import FunctionFile
from ga_deploy.redact import Secret
from tests.emulated.proxy import TWILIO_HOSTS, ConnectProxy, PrivateCa

from .conftest import ACCOUNT, TOKEN, PatientClock, Twilio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
SOURCE = FunctionFile("/engage", "public", "exports.handler = (c, e, done) => done(null, 'hello');\n")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, *CA_VARIABLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def ca(tmp_path: Path) -> PrivateCa:
    return PrivateCa(tmp_path)


@pytest.fixture
def network(start_twilio: Callable[..., Twilio], ca: PrivateCa) -> Iterator[ConnectProxy]:
    twilio = start_twilio(numbers=["+15550100000"], certificate=ca.issue(*TWILIO_HOSTS))
    with ConnectProxy(("127.0.0.1", urlsplit(twilio.base_url).port or 0)) as proxy:
        yield proxy


@pytest.fixture
def open_gateway() -> Iterator[Callable[[], Gateway]]:
    opened: list[Gateway] = []

    def open_one() -> Gateway:
        credentials = Credentials(ACCOUNT, ACCOUNT, Secret(TOKEN))
        retries = Retries(connects=2)
        opened.append(Gateway(credentials, endpoints=Endpoints.twilio(), retries=retries, clock=PatientClock()))
        return opened[-1]

    yield open_one
    for gateway in opened:
        gateway.close()


@pytest.mark.parametrize(
    ("variable", "ca_variable"),
    [("HTTPS_PROXY", "REQUESTS_CA_BUNDLE"), ("https_proxy", "CURL_CA_BUNDLE"), ("ALL_PROXY", "SSL_CERT_FILE")],
)
def test_every_host_is_reached_through_the_proxy(
    network: ConnectProxy,
    ca: PrivateCa,
    open_gateway: Callable[[], Gateway],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    ca_variable: str,
) -> None:
    monkeypatch.setenv(variable, network.url)
    monkeypatch.setenv(ca_variable, str(ca.file))
    gateway = open_gateway()
    service = gateway.create_service("Proxied").sid
    environment = gateway.create_environment(service, "dev", "dev")
    function = gateway.create_function(service, "/engage").sid
    version = gateway.upload_version(service, function, SOURCE)
    build = gateway.create_build(service, [version.sid], [], {}, None).sid
    while gateway.build_status(service, build) == "building":
        pass
    gateway.create_deployment(service, environment.sid, build)
    assert list(gateway.list_numbers(["+15550100000"])) == ["+15550100000"]
    assert gateway.get_document("none") is None
    assert gateway.probe(f"https://{environment.domain_name}/nowhere").status == 404
    assert set(network.connects) == {
        "serverless.twilio.com",
        "serverless-upload.twilio.com",
        "api.twilio.com",
        "sync.twilio.com",
        environment.domain_name,
    }
    assert not network.others


def test_a_connection_that_breaks_off_behind_the_proxy_creates_nothing_twice(
    start_twilio: Callable[..., Twilio],
    ca: PrivateCa,
    open_gateway: Callable[[], Gateway],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """urllib3 takes such an end for a proxy that could not be reached, as if nothing had been sent."""
    twilio = start_twilio(certificate=ca.issue(*TWILIO_HOSTS))
    upstream = ("127.0.0.1", urlsplit(twilio.base_url).port or 0)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.file))
    with ConnectProxy(upstream) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        gateway = open_gateway()
        service = gateway.create_service("Proxied").sid
        twilio.fault("drop", "POST", "/Functions$", processed=True)
        made = gateway.create_function(service, "/engage")
        assert gateway.list_functions(service) == [made]
    assert twilio.emulator.faults.describe()[0]["hits"] == 1


def test_the_proxy_may_want_a_password(
    start_twilio: Callable[..., Twilio],
    ca: PrivateCa,
    open_gateway: Callable[[], Gateway],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    twilio = start_twilio(certificate=ca.issue(*TWILIO_HOSTS))
    upstream = ("127.0.0.1", urlsplit(twilio.base_url).port or 0)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.file))
    with ConnectProxy(upstream, user=("worker", "open-sesame")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert open_gateway().find_service("None") is None
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("open-sesame", "wrong-guess"))
        with pytest.raises(Unreachable) as caught:
            open_gateway().find_service("None")
    assert "407" in caught.value.why
    assert "wrong-guess" not in caught.value.why


def test_a_proxy_that_refuses_is_told(
    start_twilio: Callable[..., Twilio],
    ca: PrivateCa,
    open_gateway: Callable[[], Gateway],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upstream = ("127.0.0.1", 9)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.file))
    with ConnectProxy(upstream, refuse=("serverless.twilio.com",)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(Unreachable) as caught:
            open_gateway().find_service("None")
    assert "proxy" in caught.value.why
    assert not caught.value.maybe_processed
    assert "HTTPS_PROXY" in caught.value.fix


def test_no_proxy_is_obeyed_request_by_request(
    network: ConnectProxy, ca: PrivateCa, open_gateway: Callable[[], Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK's own client keeps proxying to every host once it has proxied to one."""
    monkeypatch.setenv("HTTPS_PROXY", network.url)
    monkeypatch.setenv("NO_PROXY", "sync.twilio.com,.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.file))
    assert open_gateway().find_service("None") is None
    assert choose_proxies("https://sync.twilio.com/v1") == {}
    assert choose_proxies("https://serverless.twilio.com/v1")
    assert network.connects == ["serverless.twilio.com"]


def test_an_unknown_authority_is_refused_and_explained(
    network: ConnectProxy, open_gateway: Callable[[], Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", network.url)
    with pytest.raises(Unreachable) as caught:
        open_gateway().find_service("None")
    assert "not trusted" in caught.value.why
    assert "SSL_CERT_FILE" in caught.value.fix
    assert len(network.connects) == 1, "a certificate does not get better by trying again"


def test_only_the_named_authorities_are_trusted_and_all_of_them(
    network: ConnectProxy,
    ca: PrivateCa,
    tmp_path: Path,
    open_gateway: Callable[[], Gateway],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = PrivateCa(tmp_path, "Another CA")
    monkeypatch.setenv("HTTPS_PROXY", network.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.file))
    with pytest.raises(Unreachable):
        open_gateway().find_service("None")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(ca.file))
    assert open_gateway().find_service("None") is None


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_what_the_system_trusts_is_trusted_beside_the_public_authorities(
    start_twilio: Callable[..., Twilio], ca: PrivateCa, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL takes the file of this variable for the system's; so does truststore where it knows no other store."""
    twilio = start_twilio(certificate=ca.issue(*TWILIO_HOSTS))
    target = ("127.0.0.1", urlsplit(twilio.base_url).port)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.file))
    context = trust_system(platform)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    with (
        socket.create_connection(target) as plain,
        context.wrap_socket(plain, server_hostname="serverless.twilio.com") as secured,
    ):
        assert secured.version() in {"TLSv1.2", "TLSv1.3"}
    with socket.create_connection(target) as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname="elsewhere.example.com")
    if platform == "linux":
        public = ssl.create_default_context(cafile=certifi.where()).get_ca_certs()
        assert len(context.get_ca_certs()) == len(public) + 1


def test_a_folder_of_authorities_is_trusted(
    network: ConnectProxy,
    ca: PrivateCa,
    tmp_path: Path,
    open_gateway: Callable[[], Gateway],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    (folder / f"{ca.subject_hash}.0").write_bytes(ca.file.read_bytes())
    monkeypatch.setenv("HTTPS_PROXY", network.url)
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}{os.pathsep}{folder}")
    assert open_gateway().find_service("None") is None


@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_a_ca_file_that_is_not_one_is_named(
    variable: str, tmp_path: Path, open_gateway: Callable[[], Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    for path in (tmp_path / "absent.pem", empty):
        monkeypatch.setenv(variable, str(path))
        with pytest.raises(DeployError, match=variable) as caught:
            open_gateway().find_service("None")
        assert caught.value.exit_code is ExitCode.INVALID


def test_loopback_is_never_proxied(
    twilio: Twilio, network: ConnectProxy, ca: PrivateCa, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, network.url)
    assert twilio.open().find_service("None") is None
    assert not network.connects
    assert not network.others


def test_passwords_of_netrc_are_not_sent(
    twilio: Twilio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway: Gateway
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert gateway.find_service("None") is None, "credentials of a file took the place of ours"


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter22@127.0.0.1:99999",
        "http://user:hunter22/x@127.0.0.1:9",
        "http://user:hunter22@[::1",
        "ftp://user:hunter22@proxy.example",
        "user:hunter22@127.0.0.1:9",
    ],
)
def test_a_proxy_that_is_no_url_is_told_without_its_password(
    url: str, open_gateway: Callable[[], Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(Unreachable) as caught:
        open_gateway().find_service("Name")
    assert "HTTPS_PROXY" in caught.value.fix
    assert "hunter22" not in caught.value.what + caught.value.why + caught.value.fix
