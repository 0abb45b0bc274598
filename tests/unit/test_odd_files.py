"""What is in the place of a file that a command reads or writes: pipes, devices, folders, a full disk."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ga_deploy.cli.run import run
from tests.unit.config.cases import ENVIRON

ROOT = Path(__file__).parents[2]
CONFIG = """\
twilio: {account_sid: "${TWILIO_ACCOUNT_SID}", auth_token: "${TWILIO_AUTH_TOKEN}"}
asapp: {api_host: api.sandbox.asapp.com, api_id: "${ASAPP_API_ID}", api_secret: "${ASAPP_API_SECRET}"}
"""

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Run a command line in this process, in a folder with a config; return its exit code and what it said."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    before = signal.getsignal(signal.SIGTERM)

    def ask(*argv: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run(list(argv))
        shown = capsys.readouterr()
        assert "has a bug" not in shown.err
        return code, shown.err

    yield ask
    signal.signal(signal.SIGTERM, before)


def put(path: Path, kind: str) -> Path:
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    return path


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_named_and_nobody_waits_for_it(command: Command, tmp_path: Path, kind: str) -> None:
    expected = f"it is a {kind}, not a file"
    put(tmp_path / "odd", kind)
    code, said = command("up", "odd")
    assert (code, expected in said) == (1, True), said
    code, said = command("bind-number", "--from-file", "odd")
    assert (code, expected in said) == (3, True), said
    (tmp_path / "config.yaml").write_text(CONFIG + 'greeting: "${file:odd}"\nhooks: {after_call: odd}\n')
    code, said = command("validate")
    assert (code, expected in said) == (3, True), said
    (tmp_path / "config.yaml").write_text(CONFIG)
    put(tmp_path / ".env", kind)
    code, said = command("validate")
    assert (code, expected in said) == (3, True), said
    (tmp_path / "config.yaml").unlink()
    put(tmp_path / "config.yaml", kind)
    code, said = command("-c", "config.yaml" if kind != "folder" else "config.yaml/", "validate")
    assert (code, "config.yaml" in said) == (3, True), said


def test_a_pipe_that_the_shell_opened_is_read(command: Command, tmp_path: Path) -> None:
    """`ga-deploy -c <(decrypt config.yaml) validate`."""
    reading, writing = os.pipe()
    os.write(writing, CONFIG.encode())
    os.close(writing)
    try:
        assert command("-c", f"/dev/fd/{reading}", "validate")[0] == 0
    finally:
        os.close(reading)


@pytest.mark.parametrize("file", ["emulator.sqlite3", "emulator.lock", "emulator.json"])
def test_a_folder_in_the_place_of_the_state_is_named(command: Command, tmp_path: Path, file: str) -> None:
    (tmp_path / ".ga-deploy" / file).mkdir(parents=True)
    code, said = command("--local", "status")
    assert (code, file in said) == (1, True), said


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (("render", "--out", "project"), "project"),
        (("init", "new"), "new/"),
        (("--local", "up"), ".ga-deploy"),
    ],
    ids=["render", "init", "up"],
)
def test_a_full_disk_is_told_and_names_the_file(tmp_path: Path, argv: tuple[str, ...], named: str) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)

    def fill() -> None:
        # What is written past this fails with EFBIG, as it does with ENOSPC on a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))

    done = subprocess.run(
        [sys.executable, "-m", "ga_deploy", *argv],
        cwd=tmp_path,
        env={**os.environ, **ENVIRON, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        preexec_fn=fill,
    )
    assert done.returncode == 1, done.stderr
    assert "has a bug" not in done.stderr
    assert named in done.stderr


def test_a_name_of_several_lines_commands_neither_terminal_nor_github(command: Command) -> None:
    name = "no\n::set-env name=PATH::/x\n\x1b[32mplan"
    code, said = command("up", name)
    assert code == 1
    assert not [line for line in said.splitlines() if line.strip().startswith("::")]
    assert "\x1b" not in said
