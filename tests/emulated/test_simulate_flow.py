"""Whole calls through the Studio flow of a config, its functions in Node and the mock ASAPP."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ga_deploy.config.load import LocalStandIn, load_config
from ga_deploy.gateway import Credentials, Endpoints, Gateway
from ga_deploy.harness.deployed import DeployedHarness
from ga_deploy.harness.describe import describe
from ga_deploy.harness.functions import FAST, FunctionHarness
from ga_deploy.harness.options import HarnessOptions
from ga_deploy.local import ACCOUNT_SID, AUTH_TOKEN, npm_cache, serve_stack
from ga_deploy.redact import Secret
from ga_deploy.simulate.scenario.file import find_scenarios, list_shipped
from ga_deploy.simulate.scenario.runner import expand, run_scenarios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ga_deploy.config.schema import Config
    from ga_deploy.simulate.judge.verdict import Verdict
    from ga_deploy.simulate.scenario.scenario import Scenario

# The endings, the destinations and the profiles: what differs between the flow and the direct variant.
USUAL = [
    "agent",
    "system",
    "completed",
    "result-late",
    "result-empty",
    "asapp-down",
    "traffic-off",
    "destinations-busy",
    "each-destination",
    "client-caller",
    "each-profile",
]


@pytest.fixture(scope="module")
def config() -> Config:
    stand_in = LocalStandIn("AC" + "0" * 32, Secret("t" * 32), "http://127.0.0.1:9", Secret("id" * 8), Secret("s" * 16))
    return load_config(Path(__file__).parents[2] / "config.example.yaml", None, local=stand_in, environ={})


async def run(config: Config, scenarios: Sequence[Scenario]) -> list[Verdict]:
    async with FunctionHarness(config, HarnessOptions(npm_cache(), flow=True)) as harness:
        return await run_scenarios(expand(scenarios, harness.deployment), harness, concurrency=6)


def explain(verdicts: Sequence[Verdict]) -> str:
    return "\n".join(f"{one.record.name}: {failing}" for one in verdicts for failing in one.failings)


def test_calls_through_the_flow_go_as_they_would_without(config: Config) -> None:
    assert not explain(asyncio.run(run(config, find_scenarios(USUAL))))


def _state(name: str, kind: str, properties: dict[str, object], **exits: str) -> dict[str, object]:
    transitions = [{"event": event, **({"next": to} if to else {})} for event, to in exits.items()]
    return {
        "name": name,
        "type": kind,
        "properties": {**properties, "offset": {"x": 0, "y": 0}},
        "transitions": transitions,
    }


# Somebody's flow: a welcome, a function of their own, a menu with two levels, and the agent behind the second.
BASE = {
    "description": "Owl Bank",
    "states": [
        _state("Trigger", "trigger", {}, incomingCall="welcome"),
        _state("welcome", "say-play", {"say": "Welcome to Owl Bank."}, audioComplete="look_up"),
        _state("look_up", "run-function", {"url": "https://owl-1.twil.io/look-up"}, success="menu", fail="menu"),
        _state(
            "menu",
            "gather-input-on-call",
            {"say": "For cards press one.", "number_of_digits": 1, "timeout": 3},
            keypress="cards",
            timeout="sorry",
        ),
        _state(
            "cards",
            "gather-input-on-call",
            {"say": "Enter your number.", "finish_on_key": "#"},
            keypress="",
            timeout="sorry",
        ),
        _state("sorry", "say-play", {"say": "Goodbye."}, audioComplete=""),
    ],
    "initial_state": "Trigger",
    "flags": {"allow_concurrent_calls": True},
}


def test_calls_behind_the_menu_of_a_base(tmp_path: Path, config: Config) -> None:
    (tmp_path / "flow.json").write_text(json.dumps(BASE))
    changes = {"base": tmp_path / "flow.json", "after": "cards.keypress", "base_keys": ("1", "4711#")}
    behind = config.model_copy(update={"flow": config.flow.model_copy(update=changes)})
    names = ["agent", "asapp-down", "hang-up-greeting", "keys"]
    (agent,) = find_scenarios(["agent"])
    lost = replace(agent, name="lost", caller=replace(agent.caller, menu_keys=("1", "")))

    async def ring() -> tuple[list[Verdict], tuple[str, ...]]:
        async with FunctionHarness(behind, HarnessOptions(npm_cache(), flow=True)) as harness:
            calls = expand([*find_scenarios(names), lost], harness.deployment)
            return await run_scenarios(calls, harness, concurrency=6), harness.not_here

    verdicts, not_here = asyncio.run(ring())
    by_name = {one.record.name: one for one in verdicts}
    assert not explain([one for name, one in by_name.items() if name != "lost"])
    assert by_name["agent"].record.said[:3] == ("Welcome to Owl Bank.", "For cards press one.", "Enter your number.")
    assert "flow.base_keys" in explain([by_name["lost"]])
    assert not_here == ("`look_up`, which asks owl-1.twil.io",)


def test_the_judge_sees_which_branch_was_taken(config: Config) -> None:
    (agent,) = find_scenarios(["agent"])
    wrong = replace(agent, expect=replace(agent.expect, outcome="system"))
    (verdict,) = asyncio.run(run(config, [wrong]))
    assert [failing.check for failing in verdict.failings if failing.check == "branch"] == ["branch"]
    assert "`agent`, not `system`" in explain([verdict])


def test_a_number_that_points_at_the_deployed_flow(tmp_path: Path, config: Config) -> None:
    """The whole way: deployed functions in Node, the published flow on the emulator, the mock ASAPP, a bound number."""
    path = tmp_path / "config.yaml"
    text = (Path(__file__).parents[2] / "config.example.yaml").read_text()
    text = text.replace("  enabled: false", "  enabled: true").replace("    to: engage ", "    to: flow ", 1)
    path.write_text(text)
    with serve_stack(tmp_path / ".ga-deploy", 0) as stack:
        numbers = {"GA_DEPLOY_EMULATOR": stack.base_url}
        up = subprocess.run(
            [sys.executable, "-m", "ga_deploy", "--local", "-c", str(path), "up", "--json"],
            env={**os.environ, **numbers, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert up.returncode == 0, up.stderr
        domain = json.loads(up.stdout)["domain_name"]
        credentials = Credentials(ACCOUNT_SID, ACCOUNT_SID, Secret(AUTH_TOKEN))
        with Gateway(credentials, endpoints=Endpoints.local(stack.base_url)) as gateway:
            voice_url = gateway.list_numbers(["+15550100000"])["+15550100000"].settings.voice_url
        assert voice_url.startswith(f"https://webhooks.twilio.com/v1/Accounts/{ACCOUNT_SID}/Flows/FW")
        deployment = replace(describe(config, voice_url, ACCOUNT_SID), own_hosts=frozenset({domain}), through_flow=True)
        harness = DeployedHarness(stack, deployment, AUTH_TOKEN, speed=FAST)
        agent, completed = asyncio.run(run_scenarios(find_scenarios(["agent", "completed"]), harness, concurrency=1))
    assert not explain([completed])
    # By the flow's split on the task, and for its headers and password by the step runner.
    assert [(one.kind, one.address.partition("?")[0]) for one in agent.record.routes] == [
        ("sip", "sip:billing@pbx.example.com")
    ]
    assert agent.record.said == ("Please hold while I connect you.",)


@pytest.mark.slow
def test_every_shipped_scenario_passes_through_the_flow(config: Config) -> None:
    assert not explain(asyncio.run(run(config, find_scenarios([path.stem for path in list_shipped()]))))
