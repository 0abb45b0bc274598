"""An answer that is not ours is none: no number is pointed at what gives it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ga_deploy.emulator.control.faults import Fault
from tests.emulated.stage import set_up
from tests.emulated.test_deploying import NUMBER, Deployer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANSWERS = {
    "a page": {"status": 200, "body": "<html><h1>Please log in</h1></html>"},
    "a redirect": {"status": 302, "headers": {"Location": "https://login.example.com/"}},
    "too many": {"status": 429},
}


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Deployer]:
    monkeypatch.setenv("GA_DEPLOY_CHECK_TIMEOUT", "0.2")
    with set_up(Deployer, tmp_path, [NUMBER], monkeypatch, capsys) as made:
        made.configure()
        yield made


def bound(stage: Deployer) -> str:
    row = stage.emulator.backend.store.one("numbers", phone_number=NUMBER)
    assert row is not None
    return str(json.loads(row["settings"])["voice_url"] or "")


def declare_no_number(stage: Deployer) -> None:
    config = stage.folder / "config.yaml"
    config.write_text(config.read_text().replace('phone_numbers: [{number: "+15550100000"}]\n', ""))


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_up_binds_no_number(stage: Deployer, answer: dict[str, object]) -> None:
    stage.emulator.faults.add(Fault("status", path="^/site/", times=None, **answer))  # type: ignore[arg-type]
    failed = stage.run("up")
    assert failed.code == 1
    assert "does not answer" in failed.err
    assert f"HTTP {answer['status']}" in failed.err
    assert bound(stage) == ""
    stage.emulator.faults.clear()
    stage.ok("up")
    assert bound(stage).endswith("/engage")


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_bind_number_binds_none(stage: Deployer, answer: dict[str, object]) -> None:
    declare_no_number(stage)
    stage.ok("up")
    stage.emulator.faults.add(Fault("status", path="^/site/", times=None, **answer))  # type: ignore[arg-type]
    failed = stage.run("bind-number", NUMBER)
    assert failed.code == 1
    assert "does not answer" in failed.err
    assert f"HTTP {answer['status']}" in failed.err
    assert bound(stage) == ""


def test_a_limit_that_is_reached_for_a_moment_is_waited_for(stage: Deployer) -> None:
    declare_no_number(stage)
    stage.ok("up")
    stage.emulator.faults.add(Fault("status", path="^/site/", status=429))
    stage.ok("bind-number", NUMBER)
    assert bound(stage).endswith("/engage")


def test_a_public_function_is_known_by_its_own_answer(stage: Deployer) -> None:
    """The platform lets the probe through, and the function refuses it; 403 would be the protected one of before."""
    stage.configure(functions="{engage: {visibility: public}}")
    stage.emulator.faults.add(Fault("status", path="^/site/engage", status=403, times=None))
    failed = stage.run("up")
    assert failed.code == 1
    assert "`<Response/>`" in failed.err
    assert bound(stage) == ""
    stage.emulator.faults.clear()
    stage.ok("up")
    assert bound(stage).endswith("/engage")


def test_bind_number_knows_a_public_function_by_its_own_answer(stage: Deployer) -> None:
    """What is live decides, whatever the config says by now: a bare 400 may come from a proxy."""
    stage.configure(functions="{engage: {visibility: public}}")
    declare_no_number(stage)
    stage.ok("up")
    stage.configure()
    declare_no_number(stage)
    stage.emulator.faults.add(Fault("status", path="^/site/engage", status=400, body="Bad Request", times=None))
    failed = stage.run("bind-number", NUMBER)
    assert failed.code == 1
    assert "`<Response/>`" in failed.err
    assert bound(stage) == ""
    stage.emulator.faults.clear()
    stage.ok("bind-number", NUMBER)
    assert bound(stage).endswith("/engage")
