"""`smoke` as a process, against what `up` deployed on the emulator."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.timeout(120)
def test_smoke_tells_what_is_deployed_from_nothing(ga_deploy: Run, tmp_path: Path) -> None:
    assert ga_deploy("init").returncode == 0
    nothing = ga_deploy("--local", "smoke")
    assert nothing.returncode == 6
    assert "nothing is deployed to test" in nothing.stderr
    assert "fix: run `ga-deploy up` first" in nothing.stderr
    deployed = ga_deploy("--local", "up")
    assert deployed.returncode == 0, deployed.stderr
    shown = ga_deploy("--local", "--json", "smoke", "--media")
    assert shown.returncode == 0, shown.stderr
    answer = json.loads(shown.stdout)
    assert answer["passed"]
    results = {one["name"]: one["result"] for one in answer["checks"]}
    assert set(results.values()) == {"pass"}
    assert {"unsigned /engage", "altered parameter", "another token's signature", "media"} <= set(results)
    assert len(answer["test_calls"]) >= 5
    assert "ws://" not in shown.stdout + shown.stderr
