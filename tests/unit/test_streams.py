"""Standard streams that are closed, full, or read by nobody; signals that come while the program still loads."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = f"{sys.executable} -m ga_deploy"
needs_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def in_shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GA_DEPLOY", "TWILIO_", "ASAPP_", "GITHUB_"))}
    return subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "GA": PROGRAM},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("$GA schema >&-", 0, ""),
        ("$GA schema --json >&-", 0, ""),
        ("$GA --version >&-", 0, ""),
        ("$GA --help >&-", 0, ""),
        ("$GA -c none validate >&-", 3, "there is no config file"),
        ("$GA -c none validate 2>&-", 3, ""),
        ("$GA -c none validate --json >&- 2>&-", 3, ""),
        ("$GA -c none validate <&-", 3, "there is no config file"),
        ("$GA init there 2>&- >/dev/null", 0, ""),
        ("$GA frobnicate 2>&-", 64, ""),
        # Nobody reads: there is nobody to be told either.
        ("$GA schema | true", 1, ""),
        ("$GA -c none validate 2>&1 | true", 3, ""),
        pytest.param("$GA schema >/dev/full", 1, "cannot be written to standard output", marks=needs_full_device),
        pytest.param("$GA --version >/dev/full", 1, "cannot be written to standard output", marks=needs_full_device),
        pytest.param("$GA --help >/dev/full", 1, "cannot be written to standard output", marks=needs_full_device),
        pytest.param("$GA frobnicate --json >/dev/full", 64, "no such command", marks=needs_full_device),
        pytest.param("$GA init there 2>/dev/full >/dev/null", 0, "", marks=needs_full_device),
    ],
)
def test_no_stream_is_taken_for_granted(command: str, code: int, says: str, tmp_path: Path) -> None:
    done = in_shell(command, tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert bool(says) == bool(done.stderr)
    for unwanted in ("Traceback", "Exception ignored", "has a bug"):
        assert unwanted not in done.stderr


INTERRUPTED_WHILE_LOADING = """
import os, signal, sys
from ga_deploy.__main__ import main

class Interrupt:
    def find_spec(self, name, *_):
        if name == "ga_deploy.cli":
            os.kill(os.getpid(), signal.{name})

sys.meta_path.insert(0, Interrupt())
sys.argv = ["ga-deploy", "schema", "--json"]
main()
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_while_loading_is_answered_in_words(name: str, code: int) -> None:
    assert getattr(signal, name)
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_LOADING.format(name=name)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == code
    assert json.loads(done.stdout)["error"]["exit_code"] == code
    assert "Traceback" not in done.stderr
