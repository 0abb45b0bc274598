"""Whatever answers, or does not: a command ends, with 1, and gives its lock back."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from ga_deploy.emulator.control.faults import Fault
from tests.emulated.stage import set_up
from tests.emulated.test_deploying import NUMBER, Deployer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# With the limits as they are made short here, a command is over long before; without limits it never is.
LATE = 60.0


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Deployer]:
    with set_up(Deployer, tmp_path, [NUMBER], monkeypatch, capsys) as made:
        made.configure()
        yield made


def locks(stage: Deployer) -> list[str]:
    rows = stage.emulator.backend.store.rows("documents")
    return [row["unique_name"] for row in rows if "lock" in (row["unique_name"] or "")]


def spoil_the_rest(stage: Deployer) -> None:
    """Once the first fault has struck, let every answer trickle."""
    faults = stage.emulator.faults
    while not faults.describe()[0]["hits"]:
        time.sleep(0.01)
    faults.add(Fault("trickle", times=None, seconds=0.02))


@pytest.mark.parametrize("spoils", ["builds", "everything"])
def test_answers_that_trickle_for_ever(stage: Deployer, monkeypatch: pytest.MonkeyPatch, spoils: str) -> None:
    """From the build on, under the lock, no answer comes whole any more."""
    monkeypatch.setenv("GA_DEPLOY_TIMEOUTS", "whole=0.4,silence=2")
    stage.emulator.faults.add(Fault("trickle", path="/Builds", times=None, seconds=0.02))
    spoiling = threading.Thread(target=spoil_the_rest, args=[stage], daemon=True)
    if spoils == "everything":
        spoiling.start()
    began = time.monotonic()
    failed = stage.run("up")
    assert failed.code == 1, failed.err
    assert time.monotonic() - began < LATE
    assert "error" in failed.err
    # Where Sync answers the lock is given back; where nothing does, it lapses.
    assert not locks(stage) or spoils == "everything"


def test_a_list_that_never_ends(stage: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.ok("up")
    monkeypatch.setenv("GA_DEPLOY_TIMEOUTS", "listing=0.5")
    stage.emulator.faults.add(Fault("endless", "GET", "/Variables", times=None))
    began = time.monotonic()
    failed = stage.run("up")
    assert failed.code == 1
    assert time.monotonic() - began < LATE
    assert "the list does not end" in failed.err
    assert locks(stage) == []
