"""`demo` is the promise of the README: the whole job, on a machine without an account."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_every_ending_is_played_and_right(ga_deploy: Run, tmp_path: Path) -> None:
    shown = ga_deploy("demo", "--json")
    assert shown.returncode == 0, shown.stderr
    calls = {call["ending"]: call for call in json.loads(shown.stdout)["calls"]}
    assert set(calls) == {
        "agent", "system", "completed", "caller-hangs-up", "stream-dropped", "result-missing", "asapp-down",
    }  # fmt: skip
    assert all(call["passed"] for call in calls.values())
    assert calls["agent"]["went"] == "number +15550100001 (answered)"
    assert "Please hold while I connect you." in calls["agent"]["heard"]
    assert "technical difficulties" in calls["asapp-down"]["heard"]
    assert list(tmp_path.iterdir()) == [], "the demo leaves nothing in the folder it is run from"
