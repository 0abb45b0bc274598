"""`--local`: state and URLs that last from command to command, turns between commands, an emulator found running."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(ga_deploy: Run, tmp_path: Path) -> Path:
    assert ga_deploy("init").returncode == 0
    return tmp_path


def up(run: Run, **environ: str) -> dict[str, object]:
    shown = run("up", "--local", "--json", env=environ)
    assert shown.returncode == 0, shown.stderr
    answered: dict[str, object] = json.loads(shown.stdout)
    return answered


def test_what_one_command_deployed_the_next_one_finds(project: Path, ga_deploy: Run) -> None:
    first, second = up(ga_deploy), up(ga_deploy)
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["engage_url"] == second["engage_url"]
    assert (project / ".ga-deploy/emulator.sqlite3").is_file()


def test_two_at_once_take_turns(project: Path, ga_deploy: Run) -> None:
    command = [sys.executable, "-m", "ga_deploy", "-c", str(project / "config.yaml"), "status", "--local", "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    for process in both:
        process.communicate()


@contextmanager
def running(project: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """`ga-deploy emulator` in a folder, and what it said."""
    command = [
        sys.executable,
        "-m",
        "ga_deploy",
        "-c",
        str(project / "config.yaml"),
        "emulator",
        "--port",
        "0",
        "--json",
    ]
    # A test run in the background may have inherited an ignored SIGINT, and hand it on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        emulator = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        assert emulator.stdout is not None
        yield emulator, json.loads("".join(iter(emulator.stdout.readline, "}\n")) + "}")
    finally:
        emulator.kill()
        emulator.communicate()


@pytest.mark.parametrize(("ended_by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_running_emulator_is_used_and_ends_well(
    project: Path, ga_deploy: Run, ended_by: signal.Signals, code: int
) -> None:
    with running(project) as (emulator, said):
        url = said["url"]
        assert up(ga_deploy)["changed"] is True
        assert up(ga_deploy, GA_DEPLOY_EMULATOR=url)["changed"] is False
        second = ga_deploy("emulator", "--port", "0")
        assert second.returncode == 1
        assert "running in this folder already" in second.stderr
        taken = ga_deploy("-c", "elsewhere/config.yaml", "emulator", "--port", url.rpartition(":")[2])
        assert taken.returncode == 1
        assert "is in use" in taken.stderr
        emulator.send_signal(ended_by)
        assert emulator.wait(20) == code
        assert emulator.stderr is not None
        assert "its state is kept" in emulator.stderr.read()
    assert not Path(said["control_token_file"]).exists()


def test_no_page_deploys_to_a_running_emulator_and_no_process_is_told_its_token(project: Path, ga_deploy: Run) -> None:
    with running(project) as (emulator, said):
        assert up(ga_deploy)["changed"] is True
        body = '{"service": "ga", "environment": "ui", "functions": {"/a": "exports.handler = 1"}}'
        change = f"{said['url']}/_emulator/foreign-deploy"
        page = {"Content-Type": "text/plain", "Origin": "https://attacker.example", "Sec-Fetch-Site": "cross-site"}
        assert requests.post(change, body, headers=page, timeout=30).status_code == 403
        assert requests.post(change, body, headers={"Content-Type": "text/plain"}, timeout=30).status_code == 401
        assert up(ga_deploy)["changed"] is False

        file = Path(said["control_token_file"])
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        token = file.read_text()
        assert len(token) > 30
        seen = requests.get(f"{said['url']}/_emulator/state", headers={"Authorization": f"Bearer {token}"}, timeout=30)
        assert (seen.status_code, token in json.dumps(said)) == (200, False)
        for file in [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")]:
            with suppress(OSError):  # it has ended, or belongs to somebody else
                assert token.encode() not in file.read_bytes()
        emulator.send_signal(signal.SIGTERM)
        emulator.wait(20)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://twilio.example.com", 64),
        ("http://10.0.0.1:80", 64),
        ("nonsense", 64),
        ("http://[bad", 64),
        ("http://127.0.0.1:99999", 64),
        ("http://127.0.0.1:9", 1),
    ],
)
def test_only_an_emulator_on_loopback_is_talked_to(url: str, code: int, project: Path, ga_deploy: Run) -> None:
    began = time.monotonic()
    shown = ga_deploy("up", "--local", env={"GA_DEPLOY_EMULATOR": url})
    assert shown.returncode == code, shown.stderr
    assert "GA_DEPLOY_EMULATOR" in shown.stderr
    assert time.monotonic() - began < 60


def test_what_we_start_loads_nothing_of_the_users_environment(project: Path, ga_deploy: Run) -> None:
    """The compiler, the linter and the functions; `NODE_OPTIONS` would make each of them run this file."""
    evidence = project / "evidence"
    spy = project / "spy.js"
    spy.write_text(f"require('fs').appendFileSync({json.dumps(str(evidence))}, process.argv.join(' '))")
    environ = {"NODE_OPTIONS": f"--require={spy}"}
    assert ga_deploy("validate", "--local", env=environ).returncode == 0
    assert up(ga_deploy, **environ)["changed"] is True
    assert ga_deploy("smoke", "--local", env=environ).returncode == 0
    assert not evidence.exists(), evidence.read_text()
