"""`simulate` as a process: its exit codes, its files, and what it says about input that cannot be used."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import wave
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.spellings import SPELLINGS

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]

WRONG = """
title: Somebody else should have answered
asapp: {script: agent}
expect: {went: [nobody-of-that-name], max_dead_air: 0.01}
"""


@pytest.fixture
def project(ga_deploy: Run, tmp_path: Path) -> Run:
    shutil.copy(ROOT / "config.example.yaml", tmp_path / "config.yaml")
    (tmp_path / "greeting.yaml").write_text("only_if: greeting\n")
    (tmp_path / "wrong.yaml").write_text(WRONG)
    return ga_deploy


def test_calls_are_placed_without_any_account(project: Run, tmp_path: Path) -> None:
    shown = project(
        "simulate", "agent", "asapp-down", "--record", "calls", "--report", "calls.html", "--junit", "calls.xml"
    )
    assert shown.returncode == 0, shown.stderr
    assert "the agent" in shown.stdout
    assert "asapp-down" in shown.stdout
    with wave.open(str(tmp_path / "calls" / "agent-1.wav")) as recording:
        assert (recording.getnchannels(), recording.getframerate()) == (2, 8000)
        assert recording.getnframes() > 8000
    assert ET.parse(tmp_path / "calls.xml").getroot().get("tests") == "2"
    page = (tmp_path / "calls.html").read_text()
    assert "All 2 calls passed" in page
    assert "data:audio/wav;base64," in page
    assert "mg-twilio-genagent" not in page + shown.stdout + shown.stderr


SECRET_SIP = """
twilio: {account_sid: "${TWILIO_ACCOUNT_SID}", auth_token: "${TWILIO_AUTH_TOKEN}"}
asapp: {api_host: api.sandbox.asapp.com, api_id: "${ASAPP_API_ID}", api_secret: "${ASAPP_API_SECRET}"}
destinations: {pbx: {sip: "sip:agent@pbx.example.com", username: us, password: "${SIP_PASSWORD}"}}
outcomes: {agent: [{say: "The word is ${SIP_PASSWORD}, twice: ${SIP_PASSWORD}"}, {send: pbx}, hangup]}
"""


def test_a_password_leaves_no_trace_in_what_is_shown_or_written(ga_deploy: Run, tmp_path: Path) -> None:
    """In the TwiML, which escapes it, in that TwiML in JSON, in what is said, and in a table that folds long texts."""
    password = "Pa&<\"'/é%+\\7"
    (tmp_path / "config.yaml").write_text(SECRET_SIP)
    env = {"SIP_PASSWORD": password}
    argv = ("simulate", "agent", "--report", "calls.html", "--junit", "calls.xml")
    as_json, as_table = ga_deploy(*argv, "--json", env=env), ga_deploy(*argv, env=env)
    assert (as_json.returncode, as_table.returncode) == (0, 0), as_json.stderr
    files = (tmp_path / "calls.html").read_text() + (tmp_path / "calls.xml").read_text()
    assert "The word is ********" in as_table.stdout
    for text in (as_json.stdout, as_json.stderr, as_table.stdout, as_table.stderr, files):
        assert not [name for name, spell in SPELLINGS.items() if spell(password) in text]
    assert 'password="********"' in as_json.stdout.replace("\\", "")


def test_a_call_that_fails_is_exit_6_with_reasons(project: Run, tmp_path: Path) -> None:
    job = {"GITHUB_OUTPUT": str(tmp_path / "outputs"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    shown = project("simulate", "wrong.yaml", "--json", env=job)
    assert shown.returncode == 6
    assert "failed=1" in (tmp_path / "outputs").read_text()
    assert "- `wrong`: " in (tmp_path / "summary").read_text()
    answer = json.loads(shown.stdout)
    assert (answer["format_version"], answer["passed"], answer["failed"]) == (1, False, 1)
    failed = {failing["check"] for failing in answer["verdicts"][0]["failings"]}
    assert failed == {"went", "dead_air"}
    assert "error: 1 of 1 simulated calls failed" in shown.stderr
    assert "why:  wrong: dead_air" in shown.stderr or "why: wrong: dead_air" in shown.stderr


def test_a_live_asapp_that_cannot_be_reached_is_a_failed_call(project: Run, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text().replace("https://api.sandbox.asapp.com", "https://127.0.0.1:9"))
    credentials = {"ASAPP_API_ID": "an-id-for-the-test", "ASAPP_API_SECRET": "a-secret-for-the-test"}
    shown = project("simulate", "--asapp", "live", "--json", env=credentials)
    assert shown.returncode == 6, shown.stderr
    answer = json.loads(shown.stdout)
    failed = {failing["check"] for failing in answer["verdicts"][0]["failings"]}
    assert "first_audio" in failed
    assert failed <= {"first_audio", "first_twiml"}, "a busy machine may be late with the first document"
    assert "-for-the-test" not in shown.stdout + shown.stderr


def test_certificates_that_cannot_be_read_are_found_before_a_live_call(project: Run, tmp_path: Path) -> None:
    credentials = {"ASAPP_API_ID": "an-id-for-the-test", "ASAPP_API_SECRET": "a-secret-for-the-test"}
    (tmp_path / "no.pem").write_text("no certificate")
    shown = project(
        "simulate", "--asapp", "live", env={**credentials, "REQUESTS_CA_BUNDLE": "no.pem", "SSL_CERT_FILE": ""}
    )
    assert shown.returncode == 3
    assert "REQUESTS_CA_BUNDLE cannot be used" in shown.stderr
    assert "fix: correct or unset REQUESTS_CA_BUNDLE" in shown.stderr


def test_many_calls_are_one_load(project: Run) -> None:
    shown = project("simulate", "caller-hangs-up", "--calls", "6", "--concurrency", "3", "--json")
    assert shown.returncode == 0, shown.stderr
    answer = json.loads(shown.stdout)
    assert answer["calls"] == 6
    assert 1 <= answer["load"]["peak"] <= 3
    assert "tester_late_p99_ms" in answer["load"]


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["agnt"], 3, "did you mean `agent`?"),
        (["agent", "--all"], 64, "`--all`"),
        (["agent", "--local", "--asapp", "live"], 64, "exclude each other"),
        (["agent", "--audio", "absent.wav"], 1, "absent.wav"),
        (["agent", "--audio", "config.yaml"], 1, "config.yaml"),
        (["agent", "--junit", "no/such/folder/x.xml"], 64, "cannot be written"),
        (["agent", "--junit", "."], 64, "it is a folder"),
        (["agent", "--report", "config.yaml"], 64, "this command reads it"),
        (["odd.yaml", "--report", "x", "--junit", "x"], 3, "odd.yaml"),
        (["agent", "--report", "x", "--junit", "x"], 64, "overwrite the other"),
        (["agent", "--record", "config.yaml"], 1, "cannot hold recordings"),
        (["agent", "--audio", "pipe.wav"], 1, "it is a pipe, not a file"),
        (["agent", "--calls", "0"], 64, "--calls"),
        (["agent", "--concurrency", "0"], 64, "--concurrency"),
        (["agent", "--calls", "2", "--concurrency", "3"], 64, "more than `--calls 2`"),
        (["agent", "--list"], 64, "`--list` and scenarios"),
        (["agent", "--asapp", "nobody"], 64, "nobody"),
        (["-c", "absent.yaml", "agent"], 3, "absent.yaml"),
        (["greeting.yaml"], 64, "none of these scenarios fits this config"),
        (["odd.yaml"], 3, "odd.yaml:2:"),
        (["impossible.yaml"], 3, "impossible.yaml:1:"),
        (["agent", "misspelt.yaml"], 3, "did you mean `support`?"),
    ],
)
def test_input_that_cannot_be_used(project: Run, tmp_path: Path, argv: list[str], code: int, said: str) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "odd.yaml").write_text("title: x\nexpct: {}\n")
    (tmp_path / "misspelt.yaml").write_text("destinations: {suport: busy}\n")
    (tmp_path / "impossible.yaml").write_text("asapp: {script: {ending: MAGIC}}\n")
    shown = project("simulate", *argv)
    assert shown.returncode == code, shown.stderr
    assert said in shown.stderr
    assert "fix:" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert not re.search(r"… \d+ calls?", shown.stderr), "a call was placed first"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_report_that_cannot_be_written_takes_no_verdict_along(project: Run) -> None:
    shown = project("simulate", "asapp-down", "asapp-down", "--report", "/dev/full", "--json")
    assert shown.returncode == 1
    answer = json.loads(shown.stdout)
    assert [verdict["call"]["name"] for verdict in answer["verdicts"]] == ["asapp-down", "asapp-down#2"]
    assert answer["passed"]
    assert "error: /dev/full cannot be written" in shown.stderr
    assert "fix:" in shown.stderr


def test_what_is_left_out_and_what_cannot_be_heard_is_said(project: Run, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "silent.wav"), "wb") as silent:
        silent.setparams((1, 2, 8000, 0, "NONE", ""))
        silent.writeframes(bytes(16_000))
    shown = project("simulate", "asapp-down", "greeting.yaml", "--audio", "silent.wav", "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["left_out"] == [{"name": "greeting", "why": "the config has no greeting"}]
    assert "left out: greeting, because the config has no greeting" in shown.stderr
    assert "`silent.wav` has no speech in it" in shown.stderr


def test_packages_that_cannot_be_fetched_are_waited_for_aloud(project: Run, tmp_path: Path) -> None:
    offline = {
        "XDG_CACHE_HOME": str(tmp_path / "empty"),
        "npm_config_cache": str(tmp_path / "npm"),
        "npm_config_registry": "http://127.0.0.1:9/",
    }
    shown = project("simulate", "agent", env=offline)
    assert shown.returncode == 1
    assert re.search(
        r"npm has been installing packages for \d+ s(; latest request: GET http://127|; its registry has not)",
        shown.stderr,
    )
    assert "error: npm could not install" in shown.stderr
    assert "fix: check the network" in shown.stderr


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_can_be_ended_and_leaves_no_process(project: Run, tmp_path: Path, signum: int, code: int) -> None:
    del project
    command = [sys.executable, "-m", "ga_deploy", "simulate", "agent", "keys", "noise", "result-late", "--calls", "4"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr
        for line in run.stderr:
            if "4 calls" in line:
                break
        time.sleep(2.0)
        workers = Path(f"/proc/{run.pid}/task/{run.pid}/children")
        children = workers.read_text().split() if workers.exists() else []
        began = time.monotonic()
        run.send_signal(signum)
        said = run.stderr.read()
        assert run.wait(300) == code, said
    assert time.monotonic() - began < 100
    assert "Traceback" not in said
    assert "error: " in said
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


@pytest.mark.parametrize(
    ("signum", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_what_has_ended_is_reported_when_a_run_is_interrupted(
    project: Run, tmp_path: Path, signum: int, code: int, word: str
) -> None:
    """On a terminal; the first call ends at once, the second takes ten minutes in real time."""
    del project
    (tmp_path / "endless.yaml").write_text(ENDLESS)
    outputs = ["--json", "--junit", "calls.xml", "--report", "calls.html"]
    command = [sys.executable, "-m", "ga_deploy", "simulate", "asapp-down", "endless.yaml", *outputs]
    terminal, theirs = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=theirs, text=True) as run:
        os.close(theirs)
        said = read_terminal(terminal, until="1 of 2 calls")
        run.send_signal(signum)
        said += read_terminal(terminal)
        assert run.stdout
        told = json.loads(run.stdout.read())
        assert run.wait(100) == code, said
    os.close(terminal)
    assert f"{word} after 1 of 2 calls" in said
    assert (told["passed"], told["interrupted"], told["calls"], told["planned"]) == (False, True, 1, 2)
    assert [verdict["call"]["name"] for verdict in told["verdicts"]] == ["asapp-down"]
    assert ET.parse(tmp_path / "calls.xml").getroot().get("tests") == "1"
    assert "asapp-down" in (tmp_path / "calls.html").read_text()


ENDLESS = """
pace: real
asapp: {script: stay}
caller: {hang_up: {during: stream, after: 600}}
"""


def read_terminal(terminal: int, until: str = "") -> str:
    """Read what is shown until it has a text in it, or until nobody holds the other end any more."""
    said = b""
    while not until or until.encode() not in said:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        said += part
    return said.decode(errors="replace")


def test_the_shipped_scenarios_are_listed(project: Run) -> None:
    shown = project("simulate", "--list")
    assert shown.returncode == 0
    assert "destinations-busy" in shown.stdout
    assert "Everybody is busy" in shown.stdout
