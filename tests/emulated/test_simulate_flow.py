"""Whole calls through the Studio flow of a config, its functions in Node and the mock ASAPP."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ga_deploy.commands.stage import FunctionStage
from ga_deploy.config.load import LocalStandIn, load_config
from ga_deploy.local import npm_cache
from ga_deploy.redact import Secret
from ga_deploy.simulate.runner import expand, run_scenarios
from ga_deploy.simulate.scenario_file import find_scenarios, list_shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ga_deploy.config.schema import Config
    from ga_deploy.simulate.judge import Verdict
    from ga_deploy.simulate.scenario import Scenario

# The endings, the destinations and the profiles: what differs between the flow and the direct variant.
USUAL = [
    "agent",
    "system",
    "completed",
    "stream-dropped",
    "result-late",
    "asapp-down",
    "traffic-off",
    "destinations-busy",
    "destinations-closed",
    "each-destination",
    "each-profile",
]


@pytest.fixture(scope="module")
def config() -> Config:
    stand_in = LocalStandIn("AC" + "0" * 32, Secret("t" * 32), "http://127.0.0.1:9", Secret("id" * 8), Secret("s" * 16))
    return load_config(Path(__file__).parents[2] / "config.example.yaml", None, local=stand_in, environ={})


async def run(config: Config, scenarios: Sequence[Scenario]) -> list[Verdict]:
    async with FunctionStage(config, npm_cache=npm_cache(), flow=True) as stage:
        return await run_scenarios(expand(scenarios, stage.deployment), stage, concurrency=6)


def explain(verdicts: Sequence[Verdict]) -> str:
    return "\n".join(f"{one.record.name}: {failing}" for one in verdicts for failing in one.failings)


def test_calls_through_the_flow_go_as_they_would_without(config: Config) -> None:
    assert not explain(asyncio.run(run(config, find_scenarios(USUAL))))


def test_the_judge_sees_which_branch_was_taken(config: Config) -> None:
    (agent,) = find_scenarios(["agent"])
    wrong = replace(agent, expect=replace(agent.expect, outcome="system"))
    (verdict,) = asyncio.run(run(config, [wrong]))
    assert [failing.check for failing in verdict.failings if failing.check == "branch"] == ["branch"]
    assert "`agent`, not `system`" in explain([verdict])


@pytest.mark.slow
def test_every_shipped_scenario_passes_through_the_flow(config: Config) -> None:
    assert not explain(asyncio.run(run(config, find_scenarios([path.stem for path in list_shipped()]))))
