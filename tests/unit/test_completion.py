"""Shell completion: what a shell offers for an unfinished command line, and how little it prints otherwise."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ga_deploy.cli.app import COMMAND_NAMES
from ga_deploy.cli.run import run

CONFIG = """\
version: 1
default_environment: dev
environments:
  dev: {}
  staging: {}
profiles:
  sales: {}
  support: {}
"""

Complete = Callable[..., list[str]]


@pytest.fixture
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Complete]:
    """Ask for the completions of a command line as bash does; the last word is the unfinished one."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_GA_DEPLOY_COMPLETE", "complete_bash")
    before = signal.getsignal(signal.SIGTERM)

    def ask(*words: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", " ".join(["ga-deploy", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        assert run([]) == 0
        shown = capsys.readouterr()
        assert not shown.err
        return shown.out.split()

    yield ask
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["un"], ["unbind-number"]),
        (["flow", "d"], ["diff", "detach"]),
        (["up", "--lock"], ["--lock-timeout"]),
        (["-e", "d"], ["dev"]),
        (["-e", ""], ["dev", "staging"]),
        (["up", "-e", "s"], ["staging"]),
        (["plan", "--diff", "--env", ""], ["dev", "staging"]),
        (["-c", "other.yaml", "up", "-e", ""], ["prod", "ui"]),
        (["up", "-c", "other.yaml", "-e", ""], ["prod", "ui"]),
        (["bind-number", "--profile", "s"], ["sales", "support"]),
        (["bind-number", "--profile", "su"], ["support"]),
        (["bind-number", "--to", "f"], ["flow"]),
        (["simulate", "--asapp", ""], ["mock", "live"]),
        (["simulate", "keys"], ["keys"]),
        (["simulate", "own/"], ["own/late.yaml", "own/more/"]),
        (["-qy", "simulate", "keys"], ["keys"]),
        (["-c", "damaged.yaml", "up", "-e", ""], []),
        (["-c", "missing.yaml", "up", "-e", ""], []),
    ],
)
def test_what_is_offered(complete: Complete, tmp_path: Path, words: list[str], offered: list[str]) -> None:
    (tmp_path / "other.yaml").write_text("environments: {prod: {}}\n")
    (tmp_path / "damaged.yaml").write_text("environments: {prod: [}\n")
    (tmp_path / "own" / "more").mkdir(parents=True)
    (tmp_path / "own" / "late.yaml").touch()
    (tmp_path / "own" / "notes.txt").touch()
    assert complete(*words) == offered


def test_every_command_is_offered(complete: Complete) -> None:
    assert sorted(complete("")) == sorted(COMMAND_NAMES)


def test_global_options_are_offered_after_a_command(complete: Complete) -> None:
    offered = complete("up", "--")
    assert {"--lock-timeout", "--local", "--json", "--env"} <= set(offered)
    assert "--install-completion" not in offered
    assert complete("up", "--js") == ["--json"]
    assert complete("flow", "diff", "--js") == ["--json"]
    assert complete("up", "--json", "--js") == [], "it is there already"


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_bash_itself(tmp_path: Path) -> None:
    """The script that `--show-completion` prints works in a real bash."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    program = tmp_path / "ga-deploy"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ga_deploy "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(_GA_DEPLOY_COMPLETE=source_bash ga-deploy)"
        COMP_WORDS=(ga-deploy up --env st) COMP_CWORD=3
        "$(complete -p ga-deploy | sed 's/.*-F \\([^ ]*\\).*/\\1/')" ga-deploy st --env
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "PYTHONPATH": str(Path(__file__).parents[2])}
    shown = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == ["staging"], shown.stderr
