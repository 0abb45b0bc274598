"""What the record holds is not lost: neither by a file that cannot be read nor by its size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.emulated.stage import set_up
from tests.emulated.test_deploying import NUMBER, Deployer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = [f"+1555{index:07d}" for index in range(300)]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Deployer]:
    with set_up(Deployer, tmp_path, [NUMBER, *MANY], monkeypatch, capsys) as made:
        made.configure()
        yield made


@pytest.mark.parametrize("name", ["*.ui.json", "ga-deploy.numbers.json"], ids=["the environment's", "the account's"])
def test_a_local_record_that_cannot_be_read_stops_every_command(stage: Deployer, name: str) -> None:
    stage.configure(state="local")
    stage.ok("up")
    [file] = (stage.folder / ".ga-deploy" / "records").rglob(name)
    whole = file.read_text()
    file.write_text(whole[: len(whole) // 2])
    stage.emulator.journal.reset()
    for command in (["up"], ["status"], ["plan"], ["unbind-number", "--all"], ["destroy", "--yes"]):
        failed = stage.run(*command)
        assert failed.code == 1, command
        assert f"cannot read the record {file}" in failed.err, command
    assert file.read_text() == whole[: len(whole) // 2]
    writes = [entry for entry in stage.report()["requests"] if entry["method"] != "GET"]
    assert writes == []
    file.write_text(whole)
    stage.ok("unbind-number", "--all")


def test_an_item_of_numbers_that_cannot_be_read_stops_every_command(stage: Deployer) -> None:
    """Another environment's item, too: it may hold what a number had that both have bound."""
    stage.ok("up")
    with stage.open_gateway() as gateway:
        gateway.put_item("ga-deploy.numbers", "GenerativeAgentService.staging.000", {"groups": "garbled"})
    stage.emulator.journal.reset()
    for command in (["up"], ["unbind-number", "--all"], ["destroy", "--yes"]):
        failed = stage.run(*command)
        assert failed.code == 1, command
        assert "cannot read the item `GenerativeAgentService.staging.000`" in failed.err, command
        assert "ga-deploy.numbers" in failed.err
    writes = [entry for entry in stage.report(only="/api/")["requests"] if entry["method"] != "GET"]
    assert writes == []


def point(stage: Deployer, number: str, url: str) -> None:
    store = stage.emulator.backend.store
    row = store.one("numbers", phone_number=number)
    assert row is not None
    settings = {**json.loads(row["settings"]), "voice_url": url}
    store.update("numbers", row["seq"], {"settings": json.dumps(settings)})


def test_status_knows_the_drift_of_the_numbers_of_a_large_release(stage: Deployer) -> None:
    """They point at us before they are declared, so that the release alone knows of them."""
    url = stage.ok("up", "--json").json["engage_url"]
    for number in MANY:
        point(stage, number, url)
    stage.configure(greeting="Hello.")
    config = stage.folder / "config.yaml"
    listed = ", ".join(f'{{number: "{number}"}}' for number in [NUMBER, *MANY])
    config.write_text(config.read_text().replace('[{number: "+15550100000"}]', f"[{listed}]"))
    assert stage.ok("up", "--json").json["release"] == "v2"
    stage.configure(greeting="Hello.")
    point(stage, MANY[7], "https://ivr.example.com/")
    drift = stage.run("status", "--json").json["drift"]
    assert [one for one in drift if MANY[7] in json.dumps(one)], drift
    assert len(drift) == 1
