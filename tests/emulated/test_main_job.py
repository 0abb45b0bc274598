"""The main job as a company's CI runs it: through a proxy, with a private CA, as a process, without a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.server import Emulator, EmulatorThread
from tests.emulated.proxy import TWILIO_HOSTS, ConnectProxy, PrivateCa

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ga_deploy.emulator.dispatch import ApiExchange
    from tests.contract.openapi import Contract

    Run = Callable[..., subprocess.CompletedProcess[str]]

ACCOUNT = Account("AC" + "1" * 32, "twilio-token-of-the-test", numbers=["+15550100000", "+15550100009"])
SECRETS = (ACCOUNT.auth_token, "asapp-id-of-the-test", "asapp-secret-of-the-test", "crm-secret-of-the-test")
DOTENV = f"""
TWILIO_ACCOUNT_SID={ACCOUNT.sid}
TWILIO_AUTH_TOKEN={ACCOUNT.auth_token}
ASAPP_API_ID=asapp-id-of-the-test
ASAPP_API_SECRET=asapp-secret-of-the-test
CRM_HOOK_SECRET=crm-secret-of-the-test
"""


class Office:
    """A folder with an initialised project, and the way out of the building."""

    def __init__(self, run: Run, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.exchanges: list[ApiExchange] = []
        self._run = run
        self._environ = environ
        assert run("init").returncode == 0
        config = (folder / "config.yaml").read_text()
        hook = 'system:\n    - notify: {url: "https://crm.example.com/x", secret: "${CRM_HOOK_SECRET}"}'
        (folder / "config.yaml").write_text(config.replace("system:", hook, 1))
        (folder / ".env").write_text(DOTENV)

    def __call__(
        self, *argv: str, code: int = 0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        shown = self._run(*argv, env={**self._environ, **(env or {})})
        for secret in SECRETS:
            assert secret not in shown.stdout + shown.stderr, f"{argv} shows a secret"
        assert "Traceback" not in shown.stderr
        assert shown.returncode == code, shown.stderr
        return shown


@pytest.fixture
def office(
    ga_deploy: Run, tmp_path: Path, contract: Contract, npm_cache: Path, request: pytest.FixtureRequest
) -> Iterator[Office]:
    folder = tmp_path / "network"
    folder.mkdir()
    ca = PrivateCa(folder)
    certificate = ca.issue("127.0.0.1", *TWILIO_HOSTS)
    exchanges: list[ApiExchange] = []

    def on_exchange(exchange: ApiExchange) -> None:
        exchanges.append(exchange)
        contract.observe(exchange)

    emulator = Emulator(accounts=[ACCOUNT], npm_cache=npm_cache, certificate=certificate, on_exchange=on_exchange)
    refused: tuple[str, ...] = getattr(request, "param", ())
    with (
        EmulatorThread(emulator) as url,
        ConnectProxy(("127.0.0.1", urlsplit(url).port or 0), refuse=refused) as proxy,
    ):
        environ = {
            "HTTPS_PROXY": proxy.url,
            "SSL_CERT_FILE": str(ca.file),
            "REQUESTS_CA_BUNDLE": str(ca.file),
            "NO_PROXY": "",
        }
        office = Office(ga_deploy, tmp_path, environ)
        office.exchanges = exchanges
        yield office
    assert contract.findings == []


def test_from_nothing_to_a_bound_number(office: Office) -> None:
    first = json.loads(office("up", "--json").stdout)
    assert first["changed"] is True
    status = json.loads(office("status", "--json").stdout)
    domain = first["domain_name"]
    assert domain.startswith("generativeagentservice-")
    assert {"/engage", "/call-complete"} <= set(first["urls"])
    office("bind-number", "+15550100000")

    number = next(exchange for exchange in reversed(office.exchanges) if "IncomingPhoneNumbers/PN" in exchange.url)
    assert number.method == "POST"
    assert number.form["VoiceUrl"] == [f"https://{domain}/engage"]
    assert number.json is not None
    assert number.json["voice_method"] == "POST"

    build = next(exchange for exchange in office.exchanges if exchange.url.endswith("/Builds"))
    assert {"name": "axios", "version": "1.20.0"} in json.loads(build.form["Dependencies"][0])
    keys = {
        exchange.form["Key"][0]
        for exchange in office.exchanges
        if exchange.url.endswith("/Variables") and exchange.form
    }
    assert {"ASAPP_API_HOST", "ASAPP_API_ID", "ASAPP_API_SECRET", "DOMAIN_NAME"} <= keys
    assert status["service"] is not None

    writes = sum(exchange.method != "GET" for exchange in office.exchanges)
    second = json.loads(office("up", "--json").stdout)
    assert second["changed"] is False
    assert sum(exchange.method != "GET" for exchange in office.exchanges) == writes, "a second `up` wrote something"


@pytest.mark.parametrize("office", [("sync.twilio.com",)], indirect=True)
def test_a_network_without_sync_is_said_aloud_and_no_obstacle(office: Office) -> None:
    first = office("up")
    assert "in a local file, and deployments from other machines are not locked out" in first.stderr
    assert json.loads(office("up", "--json").stdout)["changed"] is False


def test_nothing_rendered_holds_a_secret(office: Office) -> None:
    office("render", "--out", "project")
    files = [file for file in (office.folder / "project").rglob("*") if file.is_file()]
    assert len(files) > 15
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not [secret for secret in SECRETS if secret in text], file


@pytest.mark.parametrize(
    ("environ", "code", "says"),
    [
        ({"TWILIO_AUTH_TOKEN": "not-the-token-at-all"}, 4, "fix:"),
        ({"TWILIO_ACCOUNT_SID": "AC" + "2" * 32}, 4, "fix:"),
        ({"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "", "SSL_CERT_DIR": ""}, 1, "certificate"),
        ({"HTTPS_PROXY": "http://127.0.0.1:9"}, 1, "HTTPS_PROXY"),
        ({"ASAPP_API_SECRET": "short"}, 3, "asapp.api_secret"),
    ],
)
def test_what_is_wrong_is_said(office: Office, environ: dict[str, str], code: int, says: str) -> None:
    shown = office("up", code=code, env=environ)
    assert says in shown.stderr
    assert not [exchange for exchange in office.exchanges if exchange.method != "GET"]
