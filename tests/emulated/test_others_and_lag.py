"""`up` beside what others deployed with a handler of their own, and where lists lag behind what was just made."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.emulator.control.dump import dump
from ga_deploy.emulator.control.other_deployer import deploy as foreign_deploy
from ga_deploy.local import ACCOUNT_SID
from tests.emulated.stage import Stage, set_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICE = "GenerativeAgentService"
HANDLER = "@twilio/runtime-handler"
CONFIG = """\
version: 1
twilio: {account_sid: "${TWILIO_ACCOUNT_SID}", auth_token: "${TWILIO_AUTH_TOKEN}"}
asapp: {api_host: https://api.sandbox.asapp.com, api_id: "${ASAPP_API_ID}", api_secret: "${ASAPP_API_SECRET}"}
destinations: {support: {number: "+15550100001"}}
outcomes:
  agent: [{say: GREETING}, {send: support}]
  dropped: [{send: support}]
  unknown: [{send: support}]
  failed: [{send: support}]
  bypass: [{send: support}]
"""
THEIRS = {
    "service": SERVICE,
    "environment": "ui",
    "functions": {"/hello": "exports.handler = (c, e, cb) => cb(null, 'hi');"},
    "dependencies": {HANDLER: "1.3.0"},
}


class Shared(Stage):
    def configure(self, greeting: str = "One moment.", more: str = "") -> None:
        (self.folder / "config.yaml").write_text(CONFIG.replace("GREETING", greeting) + more)

    def rule(self, **rules: object) -> None:
        self.emulator.backend.change_rules(rules)

    def live(self) -> dict[str, Any]:
        return dump(self.emulator.backend, ACCOUNT_SID)["services"][SERVICE]["environments"]["ui"]

    def function_names(self) -> list[str]:
        return [row["friendly_name"] for row in self.emulator.backend.store.rows("containers", kind="function")]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shared]:
    with set_up(Shared, tmp_path, [], monkeypatch, capsys) as made:
        made.configure()
        yield made


def test_the_handler_of_others_stays_until_the_runtime_changes(stage: Shared) -> None:
    foreign_deploy(stage.emulator.backend, THEIRS)
    stage.ok("up", "--yes")
    assert stage.live()["dependencies"][HANDLER] == "1.3.0"
    stage.configure("Another moment.")
    stage.ok("up")
    assert stage.live()["dependencies"][HANDLER] == "1.3.0", "the record says that it was carried"
    stage.configure("Another moment.", "service: {runtime: node20}\n")
    stage.ok("up")
    assert stage.live()["dependencies"][HANDLER] == stage.emulator.backend.rules.default_runtime_handler


def test_a_handler_that_twilio_refuses_is_left_out_aloud(stage: Shared) -> None:
    foreign_deploy(stage.emulator.backend, THEIRS)
    stage.rule(runtime_handlers=("2.0.1",))
    said = stage.ok("up", "--yes").err
    assert f"the build goes without `{HANDLER}` 1.3.0" in said
    assert stage.live()["dependencies"][HANDLER] == "2.0.1"
    stage.configure("Another moment.")
    assert "goes without" not in stage.ok("up").err, "what was left out is no longer carried"


def test_the_platforms_own_handler_is_never_asked_for(stage: Shared) -> None:
    stage.ok("up")
    stage.rule(default_runtime_handler="2.1.2")
    stage.configure("Another moment.")
    stage.ok("up")
    assert stage.live()["dependencies"][HANDLER] == "2.1.2"


@contextmanager
def lagging(stage: Shared) -> Iterator[None]:
    """Let lists show nothing new until something was refused as taken."""
    stage.rule(list_lag_ms=3_600_000)
    ended = threading.Event()

    def catch_up() -> None:
        while not ended.wait(0.02):
            if any(request["status"] == 409 for request in stage.report()["requests"]):
                stage.rule(list_lag_ms=0)
                return

    watching = threading.Thread(target=catch_up)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


def test_an_up_right_after_the_first_makes_nothing_twice_where_lists_lag(stage: Shared) -> None:
    stage.ok("up")
    names, variables = stage.function_names(), stage.live()["variables"].keys()
    stage.configure("Another moment.")
    with lagging(stage):
        stage.ok("up")
    assert stage.function_names() == names
    assert stage.live()["variables"].keys() == variables


def test_an_environment_that_is_refused_as_taken_is_looked_up_and_used(stage: Shared) -> None:
    foreign_deploy(stage.emulator.backend, {**THEIRS, "dependencies": {}})
    with lagging(stage):
        stage.ok("up", "--yes")
    assert {"/hello", "/engage"} <= stage.live()["paths"].keys()
