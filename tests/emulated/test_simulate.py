"""Whole calls through the rendered functions in Node, a media stream and the mock ASAPP: every shipped scenario.

And the judge on trial: for every scenario the functions are broken in a matching way, and it has to notice.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ga_deploy.config.load import LocalStandIn, load_config
from ga_deploy.config.recording import Recording
from ga_deploy.config.steps import Pause, Say, Send, Sms
from ga_deploy.harness.functions import FunctionHarness
from ga_deploy.harness.options import HarnessOptions
from ga_deploy.local import npm_cache
from ga_deploy.redact import Secret
from ga_deploy.simulate.scenario.file import find_scenarios, list_shipped
from ga_deploy.simulate.scenario.runner import expand, run_scenarios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ga_deploy.config.schema import Config
    from ga_deploy.model.bundle import FunctionFile
    from ga_deploy.simulate.judge.verdict import Verdict

HERE = Path(__file__).parent
SHIPPED = [path.stem for path in list_shipped()]
Mutation = dict[str, Any]
MUTATIONS: dict[str, Mutation | list[Mutation]] = yaml.safe_load((HERE / "simulate_mutations.yaml").read_text())


def load(path: Path) -> Config:
    stand_in = LocalStandIn("AC" + "0" * 32, Secret("t" * 32), "http://127.0.0.1:9", Secret("id" * 8), Secret("s" * 16))
    return load_config(path, None, local=stand_in, environ={})


@pytest.fixture(scope="module")
def config() -> Config:
    config = load(HERE.parents[1] / "config.example.yaml")
    # What the example only names in its comments.
    handling = {
        "greeting": (Say(text="Welcome to Owl Bank."), Pause(seconds=1)),
        "recording": Recording(channels="mono", status_callback="https://crm.example.com/recorded"),
        "outcomes": config.outcomes.model_copy(update={"agent": (Sms(text="Thank you."), *config.outcomes.agent)}),
    }
    profiles = {name: profile.model_copy(update=handling) for name, profile in config.profiles.items()}
    fallback = (Say(text="We will be back soon."), Send(to="support"), Say(text="Goodbye."))
    return config.model_copy(update={**handling, "profiles": profiles, "fallback": fallback})


async def run(config: Config, names: Sequence[str], *, only: str = "", **options: Any) -> list[Verdict]:
    async with FunctionHarness(config, HarnessOptions(npm_cache(), **options)) as harness:
        calls = expand(find_scenarios(names), harness.deployment)
        return await run_scenarios([call for call in calls if only in {"", call.name}], harness, concurrency=6)


def explain(verdicts: Sequence[Verdict]) -> str:
    return "\n".join(f"{one.record.name}: {failing}" for one in verdicts for failing in one.failings)


def test_every_shipped_scenario_passes(config: Config) -> None:
    verdicts = asyncio.run(run(config, SHIPPED))
    assert not explain(verdicts)
    assert len(verdicts) >= len(SHIPPED)


def break_functions(config: Config, mutation: Mutation) -> Any:
    """Wrap a function's handler in the mutation, whatever the function is made of."""
    path = getattr(config.functions, mutation["in"]).path
    after = mutation.get("after", "body")
    wrapper = f"""
;{{
  const whole = exports.handler;
  exports.handler = (context, event, callback) => {{
    const began = Date.now();
    const done = (error, answer) => {{
      const took = Date.now() - began;
      if (answer && typeof answer.body === 'string') {{
        const body = answer.body;
        answer.setBody({after});
      }}
      callback(error, answer);
    }};
    {mutation.get("before", "")};
    return whole(context, event, done);
  }};
}}
"""
    if mutation.get("swallow"):
        wrapper = (
            "\n;exports.handler = (context, event, callback) => callback(null, new Twilio.twiml.VoiceResponse());\n"
        )

    def rewrite(function: FunctionFile) -> str:
        return function.content + wrapper if function.path == path else function.content

    return rewrite


async def try_mutations(config: Config, names: Sequence[str]) -> str:
    """Return, in words, what the scenarios did not notice of what is broken; empty when they noticed all."""
    # They mostly wait: for an ASAPP that hangs, for a result that is late.
    gate = asyncio.Semaphore(12)

    async def find_failed(name: str, mutation: Mutation) -> str:
        async with gate:
            verdicts = await run(
                config, [name], only=mutation.get("call", ""), rewrite=break_functions(config, mutation)
            )
        wanted = [f"{mutation['check']}: .*{said}" for said in mutation.get("names", [""])]
        missed = [
            f"{one.record.name}: nothing like {pattern!r} in {[str(failing) for failing in one.failings]}"
            for one in verdicts
            for pattern in wanted
            if not any(re.search(pattern, str(failing)) for failing in one.failings)
        ]
        return "\n".join(missed if verdicts else [f"{name}: no call was made"])

    mutations = [(name, one) for name in names for one in _list(MUTATIONS[name])]
    missed = await asyncio.gather(*(find_failed(name, one) for name, one in mutations))
    return "\n".join(filter(None, missed))


def _list(mutations: Mutation | list[Mutation]) -> list[Mutation]:
    return mutations if isinstance(mutations, list) else [mutations]


def test_every_scenario_has_a_mutation() -> None:
    assert sorted(MUTATIONS) == sorted(SHIPPED)


@pytest.mark.timeout(300)
def test_every_kind_of_broken_function_is_noticed(config: Config) -> None:
    assert not asyncio.run(try_mutations(config, SHIPPED))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["least", "unusual"])
def test_every_shipped_scenario_passes_with_any_good_config(name: str) -> None:
    verdicts = asyncio.run(run(load(HERE / "simulate_configs" / f"{name}.yaml"), SHIPPED))
    assert not explain(verdicts)
