"""Twilio's own deploy tool against the emulator: an independent client, which knows nothing of being emulated.

It reaches the emulator as it reaches Twilio, over TLS through a proxy, since it has no setting for another address.
What it has deployed, `up` adopts; what `render` writes, it deploys.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from ga_deploy.emulator.control.dump import dump
from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.functions.npm import NodePackages, NodeTools
from ga_deploy.emulator.server import Emulator, EmulatorThread
from tests.emulated.proxy import TWILIO_HOSTS, ConnectProxy, PrivateCa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.contract.openapi import Contract

    Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("npm")]

ACCOUNT = Account("AC" + "d" * 32, "e" * 32, numbers=["+15550100001"])
TWILIO_RUN = "5.0.1"

CONFIG = """
version: 1
twilio: {account_sid: "${TWILIO_ACCOUNT_SID}", auth_token: "${TWILIO_AUTH_TOKEN}"}
asapp: {api_host: https://api.sandbox.asapp.com, api_id: "${ASAPP_API_ID}", api_secret: "${ASAPP_API_SECRET}"}
service: {name: SharedService}
environments: {dev-environment: {domain_suffix: dev}}
default_environment: dev-environment
destinations: {support: {number: "+15550199999"}}
outcomes: {agent: [{send: support}], failed: [{send: support}]}
"""


class Office:
    """The emulator behind a network as companies have them, with both tools on this side of it."""

    def __init__(self, thread: EmulatorThread, environ: dict[str, str], twilio_run: Path, ga_deploy: Run) -> None:
        self._thread = thread
        self.environ = environ
        self._twilio_run = twilio_run
        self._ga_deploy = ga_deploy

    def twilio_run(self, folder: Path, *argv: str) -> str:
        tools = NodeTools.find()
        answer = subprocess.run(
            [tools.node, self._twilio_run, *argv],
            cwd=folder,
            env={
                **os.environ,
                **self.environ,
                "PATH": f"{tools.node.parent}{os.pathsep}{os.environ['PATH']}",
                "CI": "1",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout + answer.stderr

    def ga_deploy(self, folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
        answer = self._ga_deploy(*argv, cwd=folder, env=self.environ, timeout=300)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer

    def live(self, environment: str, service: str = "SharedService") -> dict[str, Any]:
        state = self._thread.run(lambda: dump(self._thread.emulator.backend, ACCOUNT.sid))
        live: dict[str, Any] = state["services"][service]["environments"][environment]
        return live


@pytest.fixture
def office(tmp_path: Path, npm_cache: Path, contract: Contract, ga_deploy: Run) -> Iterator[Office]:
    modules = asyncio.run(NodePackages(npm_cache).install({"twilio-run": TWILIO_RUN}))
    ca = PrivateCa(tmp_path)
    emulator = Emulator(
        accounts=[ACCOUNT],
        npm_cache=npm_cache,
        certificate=ca.issue(*TWILIO_HOSTS),
        on_exchange=contract.observe,
    )
    thread = EmulatorThread(emulator)
    port = urlsplit(thread.start()).port or 0
    with ConnectProxy(("127.0.0.1", port)) as proxy:
        environ = {
            "HTTP_PROXY": proxy.url,
            "HTTPS_PROXY": proxy.url,
            "NODE_EXTRA_CA_CERTS": str(ca.file),
            "SSL_CERT_FILE": str(ca.file),
            "TWILIO_ACCOUNT_SID": ACCOUNT.sid,
            "TWILIO_AUTH_TOKEN": ACCOUNT.auth_token,
            "ASAPP_API_ID": "an-api-id",
            "ASAPP_API_SECRET": "an-api-secret",
        }
        script = modules / "node_modules" / "twilio-run" / "bin" / "twilio-run"
        yield Office(thread, environ, script, ga_deploy)
    thread.stop()
    # twilio-run sends a friendly name for environments, which Twilio ignores.
    unexpected = [one for one in contract.findings if "FriendlyName is no field" not in one]
    assert unexpected == []


def project(folder: Path, name: str, **files: str) -> Path:
    """Write a Serverless Toolkit project as somebody else may have one."""
    package = {"name": name, "version": "1.0.0", "dependencies": {"twilio": "5.0.3", "lodash": "4.17.21"}}
    contents = {
        "package.json": json.dumps(package),
        ".env": f"ACCOUNT_SID={ACCOUNT.sid}\nAUTH_TOKEN={ACCOUNT.auth_token}\nTHEIRS=kept\n",
        "functions/hello.js": "exports.handler = (context, event, callback) => callback(null, 'hello');",
        "functions/guarded.protected.js": "exports.handler = (context, event, callback) => callback(null, 'x');",
        "functions/part.private.js": "module.exports = 1;",
        "assets/logo.svg": "<svg/>",
        **files,
    }
    for path, text in contents.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def test_what_twilio_run_deployed_is_adopted_and_kept(office: Office, tmp_path: Path) -> None:
    theirs, ours = project(tmp_path / "theirs", "SharedService"), tmp_path / "ours"
    said = office.twilio_run(theirs, "deploy", "--runtime", "node22")
    assert "successfully deployed" in said
    before = office.live("dev-environment")
    assert {path: entry["visibility"] for path, entry in before["paths"].items()} == {
        "/guarded": "protected",
        "/hello": "public",
        "/logo.svg": "public",
        "/part": "private",
    }
    ours.mkdir()
    (ours / "config.yaml").write_text(CONFIG, encoding="utf-8")

    office.ga_deploy(ours, "up")

    after = office.live("dev-environment")
    assert {path: after["paths"][path] for path in before["paths"]} == before["paths"]
    assert {"/engage", "/call-complete"} <= set(after["paths"])
    assert after["dependencies"]["lodash"] == "4.17.21"
    assert after["dependencies"]["axios"] == "1.20.0"
    assert after["variables"]["THEIRS"] == before["variables"]["THEIRS"]
    assert {"ASAPP_API_HOST", "ASAPP_API_ID", "ASAPP_API_SECRET"} <= set(after["variables"])


def test_twilio_run_finds_lists_and_promotes(office: Office, tmp_path: Path) -> None:
    folder = project(tmp_path / "theirs", "their-project")
    office.twilio_run(folder, "deploy", "--runtime", "node22")
    (folder / "functions" / "hello.js").write_text("exports.handler = (c, e, callback) => callback(null, 'again');")

    office.twilio_run(folder, "deploy", "--runtime", "node22", "--override-existing-project")
    listed = office.twilio_run(folder, "list", "services", "--service-name", "their-project")
    office.twilio_run(folder, "promote", "--source-environment", "dev", "--to", "prod", "--create-environment")

    assert "their-project" in listed
    assert office.live("prod-environment", "their-project") == {
        **office.live("dev-environment", "their-project"),
        "domain_suffix": "prod",
    }


def test_twilio_run_deploys_what_render_writes(office: Office, tmp_path: Path) -> None:
    folder, out = tmp_path / "ours", tmp_path / "rendered"
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    office.ga_deploy(folder, "render", "--out", str(out))
    (out / ".env").write_text(f"ACCOUNT_SID={ACCOUNT.sid}\nAUTH_TOKEN={ACCOUNT.auth_token}\n")
    office.ga_deploy(folder, "up")
    by_us = office.live("dev-environment")

    office.twilio_run(out, "deploy", "--runtime", "node22", "--service-name", "by-twilio-run")

    by_them = office.live("dev-environment", "by-twilio-run")
    assert by_them["paths"] == by_us["paths"]
    assert by_them["dependencies"]["axios"] == by_us["dependencies"]["axios"]
