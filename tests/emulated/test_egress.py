"""Functions on this machine reach other hosts as every command does: through the proxy, with the CA of the network."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from ga_deploy.asapp_mock.script import Ending, Report, Say, Script
from ga_deploy.asapp_mock.server import MockAsapp
from ga_deploy.emulator.functions.egress import describe_egress
from ga_deploy.emulator.functions.host import FunctionHost, Handler, HttpRequest
from tests.emulated.proxy import ConnectProxy, PrivateCa

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = "hooks.partner.example"
ASK = """
const https = require('node:https');
const agent = new https.Agent({ keepAlive: true });
exports.handler = (context, event, callback) => {
  const call = https.get(event.url, { agent }, (response) => {
    let text = '';
    response.on('data', (chunk) => { text += chunk; });
    response.on('end', () => callback(null, { text, seen: Object.keys(process.env).filter((n) => /proxy/i.test(n)) }));
  });
  call.on('error', (problem) => callback(null, { code: problem.code }));
};
"""
SETTINGS = (
    *("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the network's settings to these alone."""

    def set_up(**settings: str) -> None:
        for name in SETTINGS:
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        for name, value in settings.items():
            monkeypatch.setenv(name, value)

    return set_up


class Partner:
    """A TLS server of a private CA, and a function that asks it."""

    def __init__(self, runner: asyncio.Runner, ca: PrivateCa, port: int, host: FunctionHost) -> None:
        self.runner, self.ca, self.port, self._host = runner, ca, port, host

    def ask(self, url: str = f"https://{HOST}/hook") -> dict[str, Any]:
        answer = self.runner.run(self._host.handle(HttpRequest("GET", "/ask", f"url={url}", [], b"")))
        return dict(json.loads(answer.body))


@pytest.fixture
def partner(tmp_path: Path) -> Iterator[Partner]:
    ca = PrivateCa(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ca.issue(HOST, "127.0.0.1"))

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def start() -> tuple[web.AppRunner, int, FunctionHost]:
        app = web.Application()
        app.router.add_get("/hook", answer)
        server = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await server.setup()
        await web.TCPSite(server, "127.0.0.1", 0, ssl_context=context).start()
        host = FunctionHost(
            node_modules=tmp_path,
            handlers=[Handler("/ask", "public", ASK, "ZN1")],
            assets=[],
            context={"DOMAIN_NAME": "x.twil.io"},
            account_sid="AC1",
            auth_token="t",
        )
        await host.start()
        return server, server.addresses[0][1], host

    with asyncio.Runner() as runner:
        server, port, host = runner.run(start())
        yield Partner(runner, ca, port, host)
        runner.run(host.stop())
        runner.run(server.cleanup())


def test_through_the_proxy_with_the_ca_of_the_network(partner: Partner, network: Callable[..., None]) -> None:
    with ConnectProxy(("127.0.0.1", partner.port), user=("somebody", "päss:word")) as proxy:
        url = proxy.url.replace("päss:word", "p%C3%A4ss%3Aword")
        network(HTTPS_PROXY=url, REQUESTS_CA_BUNDLE=str(partner.ca.file))
        assert partner.ask() == {"text": "hello", "seen": []}, "and the function sees nothing of the proxy"
        assert partner.ask()["text"] == "hello"
    assert proxy.connects == [HOST], "a kept connection is used again"


@pytest.mark.parametrize("setting", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"])
def test_every_setting_for_certificates(partner: Partner, network: Callable[..., None], setting: str) -> None:
    network(**{setting: str(partner.ca.file)})
    assert partner.ask(f"https://127.0.0.1:{partner.port}/hook")["text"] == "hello"


def test_a_folder_of_certificates(partner: Partner, network: Callable[..., None], tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "README").write_bytes(b"\xff no certificate")
    (folder / "ours.pem").write_bytes(partner.ca.file.read_bytes())
    network(SSL_CERT_DIR=str(folder))
    assert partner.ask(f"https://127.0.0.1:{partner.port}/hook")["text"] == "hello"


def test_an_unknown_ca_is_refused(partner: Partner, network: Callable[..., None], tmp_path: Path) -> None:
    network(REQUESTS_CA_BUNDLE=str(tmp_path / "absent.pem"))
    assert partner.ask(f"https://127.0.0.1:{partner.port}/hook") == {"code": "UNABLE_TO_VERIFY_LEAF_SIGNATURE"}


@pytest.mark.parametrize(("password", "status"), [("wrong", 407), ("right", 403)])
def test_what_the_proxy_refuses_is_told_by_its_status(
    partner: Partner, network: Callable[..., None], password: str, status: int
) -> None:
    with ConnectProxy(("127.0.0.1", partner.port), user=("somebody", "right"), refuse=(HOST,)) as proxy:
        network(HTTPS_PROXY=proxy.url.replace("right", password))
        assert partner.ask() == {"code": f"ERR_PROXY_{status}"}


def test_a_proxy_that_thinks_for_ever_is_given_up(partner: Partner, network: Callable[..., None]) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        network(HTTPS_PROXY=f"http://127.0.0.1:{deaf.getsockname()[1]}")
        assert partner.ask() == {"code": "ERR_PROXY_TIMEOUT"}


def test_loopback_and_exceptions_go_directly(partner: Partner, network: Callable[..., None]) -> None:
    with ConnectProxy(("127.0.0.1", partner.port)) as proxy:
        network(HTTPS_PROXY=proxy.url, REQUESTS_CA_BUNDLE=str(partner.ca.file), NO_PROXY=f".example, {HOST}:443")
        assert partner.ask(f"https://127.0.0.1:{partner.port}/hook")["text"] == "hello"
        assert partner.ask()["code"] in {"ENOTFOUND", "EAI_AGAIN"}, "asked the resolver, not the proxy"
    assert proxy.connects == []


@pytest.mark.parametrize(
    ("environ", "proxy", "exceptions"),
    [
        ({}, "", []),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "http://proxy.example:3128", []),
        ({"https_proxy": "http://a", "HTTPS_PROXY": "http://b"}, "http://a", []),
        ({"ALL_PROXY": "http://a", "NO_PROXY": "*"}, "http://a", ["*"]),
        ({"HTTPS_PROXY": "socks5://a"}, "", []),
        ({"NO_PROXY": " .Example.com, b.example:8443 ,,::1"}, "", ["example.com", "b.example", "::1"]),
    ],
)
def test_settings_are_read_as_others_read_them(environ: dict[str, str], proxy: str, exceptions: list[str]) -> None:
    assert describe_egress(environ) == {"proxy": proxy, "exceptions": exceptions, "certificates": ""}


@given(st.dictionaries(st.sampled_from(SETTINGS), st.text(st.characters(exclude_characters="\0"), max_size=20)))
def test_no_setting_breaks_the_start(environ: dict[str, str]) -> None:
    assert set(describe_egress(environ)) == {"proxy", "exceptions", "certificates"}


CONFIG = """\
version: 1
twilio: {account_sid: "${TWILIO_ACCOUNT_SID}", auth_token: "${TWILIO_AUTH_TOKEN}"}
asapp: {api_host: https://api.partner.example, api_id: "${ASAPP_API_ID}", api_secret: "${ASAPP_API_SECRET}"}
destinations: {support: {number: "+15550100001"}}
outcomes: {agent: [{say: One moment.}, {send: support}], failed: [{say: Sorry.}, {send: support}]}
"""


def test_a_live_asapp_is_talked_to_through_proxy_and_private_ca(
    ga_deploy: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Functions and media stream alike: `simulate --asapp live` from behind a company's firewall."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    # The functions' packages come by the way that this machine has; the proxy below leads nowhere but to ASAPP.
    assert ga_deploy("simulate", "caller-hangs-up").returncode == 0
    ca = PrivateCa(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ca.issue("api.partner.example"))
    secret = "a-secret-behind-a-proxy"
    mock = MockAsapp("an-id-behind-a-proxy", secret, script=Script("short", (Say("Hello."),), Ending.AGENT, Report()))

    def run(**settings: str) -> subprocess.CompletedProcess[str]:
        credentials = {"ASAPP_API_ID": "an-id-behind-a-proxy", "ASAPP_API_SECRET": secret}
        usual = {"HTTPS_PROXY": proxy.url, "REQUESTS_CA_BUNDLE": str(ca.file), "NO_PROXY": "", "SSL_CERT_FILE": ""}
        return ga_deploy("simulate", "--asapp", "live", "--json", env=credentials | usual | settings)

    with asyncio.Runner() as runner:
        port = int(runner.run(mock.start(ssl_context=context)).rpartition(":")[2])
        loop = threading.Thread(target=runner.get_loop().run_forever)
        loop.start()
        try:
            with ConnectProxy(("127.0.0.1", port)) as proxy:
                heard = run()
                unknown = run(REQUESTS_CA_BUNDLE="")
                refused = run(HTTPS_PROXY="http://127.0.0.1:9")
        finally:
            runner.get_loop().call_soon_threadsafe(runner.get_loop().stop)
            loop.join()
        runner.run(mock.stop())
    assert heard.returncode == 0, heard.stderr
    assert json.loads(heard.stdout)["passed"] is True
    assert set(proxy.connects) == {"api.partner.example"}
    assert (unknown.returncode, refused.returncode) == (6, 6)
    assert "UNABLE_TO_VERIFY_LEAF_SIGNATURE" in unknown.stderr
    assert "ECONNREFUSED" in refused.stderr
    assert secret not in "".join(one.stdout + one.stderr for one in (heard, unknown, refused))
