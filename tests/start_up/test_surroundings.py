"""What a run of the tests has around it: its own, whatever the machine and whoever starts it."""

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ga_deploy.local import npm_cache

ROOT = Path(__file__).parents[2]
ODD = {
    "TERM": "dumb",
    "LC_ALL": "POSIX",
    "TZ": "America/St_Johns",
    "NO_COLOR": "1",
    "FORCE_COLOR": "1",
    "COLUMNS": "20",
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GA_DEPLOY_EMULATOR": "http://127.0.0.1:1",
    "TWILIO_ACCOUNT_SID": "somebody's",
    "NODE_OPTIONS": "--no-such-option",
}


def test_nothing_of_a_test_lies_where_others_are() -> None:
    home, temporary = Path.home(), Path(tempfile.gettempdir())
    assert home.parent == temporary.parent
    assert home.parent.name.startswith("ga-deploy-tests-")
    assert npm_cache().is_relative_to(ROOT / ".pytest_cache")


def test_a_run_takes_over_no_setting_that_could_decide_a_test() -> None:
    assert not ODD.keys() & os.environ.keys() - {"TZ"}
    assert datetime.now(UTC).astimezone().utcoffset().seconds == 20_700  # type: ignore[union-attr]


@pytest.mark.parametrize("term", ["dumb", "xterm", None])
def test_what_people_see_is_the_same_wherever_the_tests_run(tmp_path: Path, term: str | None) -> None:
    environ = {**os.environ, **ODD, "HOME": str(tmp_path / "home"), "TERM": term or ""}
    if term is None:
        del environ["TERM"]
    run = [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={tmp_path / 'cache'}", "tests/unit/test_ui.py"]
    run.append("tests/start_up/test_surroundings.py::test_a_run_takes_over_no_setting_that_could_decide_a_test")
    done = subprocess.run(run, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "home").exists()
