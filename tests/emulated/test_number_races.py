"""Numbers that somebody else changes between our look and our write: not overwritten without a question."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.emulator.control.faults import Fault
from tests.emulated.stage import set_up
from tests.emulated.test_deploying import Deployer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NUMBER = "+15550100000"
MANY = [f"+1555010000{index}" for index in range(8)]
THEIRS = "https://ivr.example.com/new"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Deployer]:
    with set_up(Deployer, tmp_path, [*MANY], monkeypatch, capsys) as made:
        made.configure()
        yield made


def settings(stage: Deployer, number: str = NUMBER) -> dict[str, Any]:
    row = stage.emulator.backend.store.one("numbers", phone_number=number)
    assert row is not None
    shown = json.loads(row["settings"])
    return {name: shown[name] or "" for name in ("voice_url", "voice_method", "trunk_sid", "voice_application_sid")}


def point(stage: Deployer, number: str = NUMBER, **changes: str) -> None:
    store = stage.emulator.backend.store
    row = store.one("numbers", phone_number=number)
    assert row is not None
    store.update("numbers", row["seq"], {"settings": json.dumps({**json.loads(row["settings"]), **changes})})


def when(stage: Deployer, method: str, path: str, act: Callable[[], None]) -> threading.Thread:
    """Do something while the first such request is under way, which is kept waiting until it is done."""
    done = threading.Event()
    stage.emulator.faults.add(Fault("latency", method, path, seconds=1.0))
    faults = stage.emulator.faults

    def watch() -> None:
        while not faults.describe()[-1]["hits"] and not done.is_set():
            time.sleep(0.005)
        act()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


CHANGES = {
    "a URL": {"voice_url": THEIRS},
    "a trunk": {"trunk_sid": "TK" + "4" * 32},
    "an application": {"voice_application_sid": "AP" + "4" * 32},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_up_leaves_what_a_colleague_set_during_the_build(stage: Deployer, change: dict[str, str]) -> None:
    when(stage, "POST", "/Builds$", lambda: point(stage, **change))
    failed = stage.run("up")
    assert failed.code == 1
    assert NUMBER in failed.err
    now = settings(stage)
    assert {name: now[name] for name in change} == change
    assert not now["voice_url"].endswith("/engage")


def test_with_consent_it_is_taken_and_given_back_as_it_really_was(stage: Deployer) -> None:
    """The record holds what was there at the write, not what the first look saw."""
    when(stage, "POST", "/Builds$", lambda: point(stage, voice_url=THEIRS, voice_method="GET"))
    stage.ok("up", "--yes")
    assert settings(stage)["voice_url"].endswith("/engage")
    stage.ok("unbind-number", NUMBER)
    assert settings(stage)["voice_url"] == THEIRS
    assert settings(stage)["voice_method"] == "GET"


@pytest.mark.parametrize("numbers", [[NUMBER], MANY], ids=["one by one", "by list"])
def test_bind_number_takes_no_number_over_that_came_into_use(stage: Deployer, numbers: list[str]) -> None:
    config = stage.folder / "config.yaml"
    config.write_text(config.read_text().replace('phone_numbers: [{number: "+15550100000"}]\n', ""))
    stage.ok("up")
    when(stage, "POST", r"/Maps/.*/Items|/Maps$", lambda: point(stage, voice_url=THEIRS))
    told = stage.run("bind-number", *numbers, "--json")
    assert told.code == 1
    outcomes = {one["number"]: one["outcome"] for one in told.json["numbers"]}
    assert outcomes == {**dict.fromkeys(numbers, "bound"), NUMBER: "left"}
    assert settings(stage)["voice_url"] == THEIRS
    assert THEIRS in json.dumps(told.json["numbers"])
    assert all(settings(stage, number)["voice_url"].endswith("/engage") for number in numbers[1:])


def test_unbind_number_leaves_what_was_pointed_elsewhere_meanwhile(stage: Deployer) -> None:
    stage.ok("up")
    # The second reading of the number under the lock is kept waiting, and so comes after the decision.
    stage.emulator.faults.add(Fault("latency", "GET", r"IncomingPhoneNumbers/PN", seconds=1.0))
    changed = threading.Thread(target=lambda: _when_hit(stage, lambda: point(stage, voice_url=THEIRS)), daemon=True)
    changed.start()
    told = stage.run("unbind-number", NUMBER)
    assert told.code == 1
    assert settings(stage)["voice_url"] == THEIRS
    assert "left" in told.out


def test_destroy_leaves_what_was_pointed_elsewhere_meanwhile(stage: Deployer) -> None:
    stage.ok("up")
    stage.emulator.faults.add(Fault("latency", "GET", r"IncomingPhoneNumbers/PN", seconds=1.0))
    changed = threading.Thread(target=lambda: _when_hit(stage, lambda: point(stage, voice_url=THEIRS)), daemon=True)
    changed.start()
    stage.ok("destroy", "--yes")
    assert settings(stage)["voice_url"] == THEIRS


def _when_hit(stage: Deployer, act: Callable[[], None]) -> None:
    while not stage.emulator.faults.describe()[-1]["hits"]:
        time.sleep(0.005)
    act()


def test_each_write_follows_its_reading_within_two_seconds(stage: Deployer) -> None:
    """A change that is refused for a while (429) is sent again only after the number has been read again."""
    config = stage.folder / "config.yaml"
    config.write_text(config.read_text().replace('phone_numbers: [{number: "+15550100000"}]\n', ""))
    stage.ok("up")
    stage.emulator.journal.reset()
    stage.emulator.faults.add(
        Fault("status", "POST", r"IncomingPhoneNumbers/PN", status=429, times=4, headers={"Retry-After": "1"})
    )
    stage.ok("bind-number", NUMBER)
    requests = stage.report(only="IncomingPhoneNumbers/PN")["requests"]
    assert len([r for r in requests if r["method"] == "POST"]) == 5
    read = None
    for request in sorted(requests, key=lambda request: request["started"]):
        if request["method"] == "GET":
            read = request["ended"]
        else:
            assert read is not None
            assert request["started"] - read <= 2.5, "half a second for a busy machine"
    assert len([r for r in requests if r["method"] == "GET"]) >= 2
