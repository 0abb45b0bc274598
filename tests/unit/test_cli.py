"""The command line's own behaviour: help, usage errors, where global options may stand."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ga_deploy.cli.app import COMMAND_NAMES
from ga_deploy.cli.global_options import hoist

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMANDS = sorted(set(COMMAND_NAMES) - {"flow"})


@pytest.mark.parametrize(
    ("argv", "hoisted"),
    [
        (["up", "--local"], ["--local", "up"]),
        (["up", "-e", "prod", "--json"], ["-e", "prod", "--json", "up"]),
        (["--config=a.yaml", "plan", "--diff"], ["--config=a.yaml", "plan", "--diff"]),
        (["bind-number", "+1555", "--yes", "--", "--local"], ["--yes", "bind-number", "+1555", "--", "--local"]),
        (["up", "-qy"], ["-q", "-y", "up"]),
        (["up", "-yeprod"], ["-y", "-e", "prod", "up"]),
        (["plan", "-vc", "a.yaml"], ["-v", "-c", "a.yaml", "plan"]),
        (["simulate", "--calls", "-1", "-qx"], ["simulate", "--calls", "-1", "-qx"]),
        (["up", "--version"], ["--version", "up"]),
        ([], []),
    ],
)
def test_global_options_may_follow_the_command(argv: list[str], hoisted: list[str]) -> None:
    assert hoist(argv) == hoisted


def test_help(ga_deploy: Run, golden: Callable[[str, str], None]) -> None:
    shown = ga_deploy("--help", env={"COLUMNS": "100"})
    assert shown.returncode == 0
    golden("help.txt", shown.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command: str, ga_deploy: Run) -> None:
    shown = ga_deploy(command, "--help")
    assert shown.returncode == 0
    assert "Usage: ga-deploy " + command in shown.stdout
    assert "Global options" in shown.stdout


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["upp"], "no such command 'upp'"),
        (["up", "--nope"], "no such option"),
        (["up", "--lock-timeout", "soon"], "is not a duration"),
        (["bind-number", "--to", "moon"], "'moon' is not one of"),
        (["render"], "missing option '--out'"),
        (["-c"], "requires an argument"),
        (["status", "--env"], "'--env' requires an argument"),
        (["flow", "frobnicate"], "see `ga-deploy flow --help`"),
    ],
)
def test_usage_errors_end_in_64(argv: list[str], says: str, ga_deploy: Run) -> None:
    shown = ga_deploy(*argv)
    assert shown.returncode == 64
    assert says in shown.stderr.lower()
    assert "  fix: " in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize("argv", [["upp", "--json"], ["--json"], ["flow", "--json"], ["--json", "up", "-e"]])
def test_a_usage_error_with_json_is_one_object(argv: list[str], ga_deploy: Run) -> None:
    shown = ga_deploy(*argv)
    answer = json.loads(shown.stdout)
    assert (answer["format_version"], answer["error"]["exit_code"], shown.returncode) == (1, 64, 64)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_config_is_invalid(ga_deploy: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("version: 1\n")
    (tmp_path / "config.yaml").chmod(0)
    shown = ga_deploy("validate")
    assert shown.returncode == 3
    assert "Permission denied" in shown.stderr


def test_debug_shows_no_traceback_for_an_error_that_is_expected(ga_deploy: Run) -> None:
    shown = ga_deploy("--debug", "-c", "none.yaml", "validate")
    assert shown.returncode == 3
    assert "Traceback" not in shown.stderr


def test_version_stands_anywhere_and_obeys_json(ga_deploy: Run) -> None:
    assert ga_deploy("-q", "status", "--version").stdout.startswith("ga-deploy ")
    answer = json.loads(ga_deploy("--version", "--json").stdout)
    assert answer["format_version"] == 1
    assert answer["version"]


def test_without_a_command_help_and_64(ga_deploy: Run) -> None:
    shown = ga_deploy()
    assert (shown.returncode, shown.stdout) == (64, "")
    assert "Commands:" in shown.stderr
