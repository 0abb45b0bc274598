"""`render --out` for real: npm installs the project, and `twilio-run start` serves it as it is."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.emulator.functions.npm import NodeTools
from ga_deploy.render import write_project

if TYPE_CHECKING:
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


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_twilio_run_serves_the_project_unchanged(
    bench: Any, fault_server: Any, asapp: Any, deploy: Any, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    write_project(deploy({"flow": {"enabled": True}}).bundle, project)
    tools = NodeTools.find()
    environ = {**os.environ, "PATH": f"{tools.node.parent}{os.pathsep}{os.environ['PATH']}"}
    install = [str(tools.node), str(tools.npm_cli), "install", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(install, cwd=project, env=environ, check=True, timeout=300, capture_output=True)
    shutil.copy(project / ".env.example", project / ".env")
    settings = {
        "ACCOUNT_SID": bench.account,
        "AUTH_TOKEN": "t" * 32,
        "ASAPP_API_HOST": fault_server.url,
        "ASAPP_API_ID": bench.api_id,
        "ASAPP_API_SECRET": bench.api_secret,
    }
    lines = [f"{name}={value}" for name, value in settings.items()]
    (project / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8")
    port = free_port()
    command = [str(tools.node), "node_modules/.bin/twilio-run", "start", "--port", str(port)]
    log = (tmp_path / "log").open("wb")
    serving = subprocess.Popen(command, cwd=project, env=environ, stdout=log, stderr=log, start_new_session=True)
    try:
        base = f"http://127.0.0.1:{port}"
        call = {"CallSid": bench.call, "From": "+15551112222", "To": "+15550100000", "CallStatus": "in-progress"}
        for _ in range(100):
            try:
                status, kind, text = post(f"{base}/engage?profile=es", call)
                break
            except OSError:
                time.sleep(0.3)
        assert status == 200, text
        assert kind.startswith("text/xml")
        root = bench.check_twiml(text)
        connect = root.find("Connect")
        assert connect is not None
        status, kind, text = post(base + connect.attrib["action"], call)
        assert [one.tag for one in bench.check_twiml(text)] == ["Say", "Dial"]
        assert post(f"{base}/engage", {"x": "1"})[0] == 400
        assert post(f"{base}/stream-status", {**call, "StreamEvent": "stream-started"})[0] == 200
        status, kind, text = post(f"{base}/flow/call-transfer", call)
        assert (status, kind.split(";")[0]) == (200, "application/json")
    finally:
        os.killpg(serving.pid, signal.SIGTERM)
        serving.wait(300)
        log.close()
