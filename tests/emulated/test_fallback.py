"""The static fallback: deployed beside the assets of others, known again, followed by numbers, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ga_deploy.emulator.control.other_deployer import deploy as foreign_deploy
from ga_deploy.simulate.interpreter.twiml import parse_twiml
from ga_deploy.twilio_rules.check import find_breaks
from tests.emulated.stage import set_up, without_empty_numbers
from tests.emulated.test_deploying import NUMBER, RECORD, SERVICE, UNDECLARED, Deployer, adopt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SORRY = '[{say: "We are sorry & will be back."}, {send: support}, hangup]'


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Deployer]:
    with set_up(Deployer, tmp_path, [NUMBER, UNDECLARED], monkeypatch, capsys) as made:
        made.configure(fallback=SORRY)
        yield made


def fallbacks(stage: Deployer) -> list[str]:
    return [path for path in stage.live()["paths"] if path.startswith("/fallback-")]


def fallback_of(stage: Deployer, number: str = NUMBER) -> tuple[str, str]:
    with stage.open_gateway() as gateway:
        settings = gateway.list_numbers([number])[number].settings
    return settings.voice_fallback_url, settings.voice_fallback_method


def fetch(stage: Deployer, url: str) -> bytes:
    with stage.open_gateway() as gateway:
        answer = gateway.probe(url)
    assert answer.status == 200
    assert answer.content_type in {"text/xml", "application/xml"}, "Twilio reads nothing else as TwiML"
    return answer.body.encode()


def test_a_number_gets_a_public_document_beside_the_assets_of_others(stage: Deployer) -> None:
    adopt(stage)
    stage.ok("up")
    [path] = fallbacks(stage)
    assert {"/logo.svg", "/hello"} <= stage.live()["paths"].keys()
    url, method = fallback_of(stage)
    assert (url.endswith(f".twil.io{path}"), method) == (True, "GET")
    document = parse_twiml(fetch(stage, url))
    assert [verb.name for verb in document.verbs] == ["Say", "Dial", "Hangup"]
    assert document.verbs[0].text == "We are sorry & will be back."
    assert document.verbs[1].attributes["callerId"] == NUMBER
    assert list(find_breaks(document.verbs)) == []
    stage.emulator.journal.reset()
    assert not stage.ok("up", "--json").json["changed"]
    stage.ok("bind-number", UNDECLARED)
    assert fallback_of(stage, UNDECLARED) == (url, "GET")
    # Without a record it is known by its path and its content; what others made stays.
    with stage.open_gateway() as gateway:
        gateway.delete_map(RECORD)
    changes = {change["address"]: change["reason"] for change in stage.ok("plan", "--json").json["changes"]}
    assert changes[f"asset:{path}"] == "same"
    assert changes["asset:/logo.svg"] == "foreign"


def test_a_changed_fallback_has_another_path_and_the_old_one_stays_for_a_release(stage: Deployer) -> None:
    adopt(stage)
    stage.ok("up")
    [old] = fallbacks(stage)
    stage.configure(fallback="[{say: Bye}]")
    stage.ok("up")
    assert len(fallbacks(stage)) == 2
    new = next(path for path in fallbacks(stage) if path != old)
    assert fallback_of(stage)[0].endswith(new)
    assert not stage.ok("up", "--json").json["changed"]
    stage.configure(fallback="[{say: Bye}]", greeting="Hello.")
    stage.ok("up")
    assert fallbacks(stage) == [new]
    stage.configure(greeting="Hello.")
    stage.ok("up")
    assert fallback_of(stage)[0] == ""
    stage.configure(greeting="Good day.")
    stage.ok("up")
    assert fallbacks(stage) == []
    assert "/logo.svg" in stage.live()["paths"]


def test_destroy_takes_the_fallback_along(stage: Deployer) -> None:
    before = stage.state()
    stage.ok("up")
    assert stage.ok("destroy", "--yes", "--json").json["service_deleted"]
    assert without_empty_numbers(stage.state()) == before
    adopt(stage)
    before = stage.state()
    stage.ok("up")
    gone = stage.ok("destroy", "--yes", "--json").json
    assert "asset /logo.svg" in gone["stays"]
    assert not any("fallback" in one for one in gone["stays"])
    after = stage.state()
    for state in (before, after):
        for service in state["services"].values():
            del service["spare"]
    assert without_empty_numbers(after) == without_empty_numbers(before)


def test_what_somebody_else_put_there_is_replaced_with_consent_only(stage: Deployer) -> None:
    stage.ok("up")
    [path] = fallbacks(stage)
    theirs = {"service": SERVICE, "environment": "ui", "assets": {path: "<Response><Reject/></Response>"}}
    foreign_deploy(stage.emulator.backend, theirs)
    assert f"asset:{path}" in {drift["address"] for drift in stage.ok("status", "--json").json["drift"]}
    assert stage.run("up").code == 1
    stage.ok("up", "--yes")
    assert b"We are sorry" in fetch(stage, fallback_of(stage)[0])
