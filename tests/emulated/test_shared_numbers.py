"""Environments that share a number: what it had before the first of them is what it gets back from the last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ga_deploy.engine.numbers.record import ItemNumberRecord, RememberedNumber
from ga_deploy.engine.record.store import SyncRecords
from ga_deploy.model.numbers import NumberSettings
from tests.emulated.stage import set_up
from tests.emulated.test_deploying import SERVICE, Deployer
from tests.emulated.test_number_races import NUMBER, THEIRS, point, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Deployer]:
    with set_up(Deployer, tmp_path, [NUMBER], monkeypatch, capsys) as made:
        made.configure(environments="{ui: {}, staging: {domain_suffix: staging}}", default_environment="ui")
        config = made.folder / "config.yaml"
        config.write_text(config.read_text().replace('phone_numbers: [{number: "+15550100000"}]\n', ""))
        point(made, NUMBER, voice_url=THEIRS, voice_method="GET")
        yield made


def held(stage: Deployer) -> str:
    with stage.open_gateway() as gateway:
        return json.dumps([item.data for item in gateway.list_items("ga-deploy.numbers")])


@pytest.mark.parametrize("state", ["sync", "local"])
def test_bound_in_one_then_in_another_then_the_first_is_destroyed(stage: Deployer, state: str) -> None:
    with (stage.folder / "config.yaml").open("a") as config:
        config.write(f"state: {state}\n")
    stage.ok("up")
    stage.ok("up", "-e", "staging")
    stage.ok("bind-number", NUMBER, "--yes")
    stage.ok("bind-number", NUMBER, "-e", "staging", "--yes")
    row = stage.emulator.backend.store.one("numbers", phone_number=NUMBER)
    assert row is not None
    assert json.loads(row["settings"])["voice_fallback_url"] == THEIRS, "not the URL of an environment that may go"
    stage.ok("destroy", "--yes")
    assert "-staging" in settings(stage)["voice_url"], "it reaches the other environment still"
    stage.ok("unbind-number", NUMBER, "-e", "staging")
    assert settings(stage)["voice_url"] == THEIRS
    assert settings(stage)["voice_method"] == "GET"
    assert NUMBER not in held(stage)


def test_what_an_earlier_version_noted_is_read_and_moved(stage: Deployer) -> None:
    """It kept each environment's numbers in its own record, and noted the URL of the other as the original."""
    first = stage.ok("up", "--json").json["engage_url"]
    second = stage.ok("up", "-e", "staging", "--json").json["engage_url"]
    with stage.open_gateway() as gateway:
        sid = gateway.list_numbers([NUMBER])[NUMBER].sid
        for environment, before, url in (("ui", THEIRS, first), ("staging", first, second)):
            records = SyncRecords(gateway, f"ga-deploy.{SERVICE}.{environment}")
            entry = RememberedNumber(sid, NUMBER, NumberSettings(voice_url=before, voice_method="GET"), url)
            ItemNumberRecord(records).remember([entry])
    point(stage, NUMBER, voice_url=second, voice_method="POST")
    stage.ok("bind-number", NUMBER, "--yes")
    stage.ok("destroy", "-e", "staging", "--yes")
    stage.ok("unbind-number", NUMBER)
    assert settings(stage)["voice_url"] == THEIRS
    assert NUMBER not in held(stage)
