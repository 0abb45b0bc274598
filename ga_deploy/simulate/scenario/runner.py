"""Runs scenarios: expands them to calls, places the calls and returns verdicts. Commands, demo and tests use it.

Where the calls go (an emulator, functions in a process of their own, a live deployment) is the `Harness`'s
business.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from ga_deploy.simulate.interpreter.clock import FastClock, RealClock
from ga_deploy.simulate.interpreter.interpreter import place_call
from ga_deploy.simulate.interpreter.plan import CallPlan, CallTarget, Reaction, list_parameters
from ga_deploy.simulate.interpreter.transports import Transports
from ga_deploy.simulate.interpreter.webhook import add_query
from ga_deploy.simulate.judge.judge import judge
from ga_deploy.simulate.voices import list_voices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from ga_deploy.redact import Secret
    from ga_deploy.simulate.interpreter.record import CallRecord
    from ga_deploy.simulate.interpreter.transports import Fetch, OpenStream
    from ga_deploy.simulate.judge.expected import Deployment
    from ga_deploy.simulate.judge.verdict import Verdict
    from ga_deploy.simulate.scenario.scenario import Scenario

_SIP_CALL = {
    "SipDomain": "simulated.sip.twilio.com",
    "SipCallId": "simulated@sip.example.com",
    "SipSourceIp": "192.0.2.1",
}


@dataclass(frozen=True)
class Setting:
    """A harness made ready for one call: whom to ring, and who answers.

    `token` signs the webhooks. `result` is what ASAPP will report of the conversation, under the names that configs
    use (`outcome.status`, `transferVariables.reason` …), as far as it is known beforehand. `witness` tells after the
    call what reached ASAPP: `agent.digits`, `agent.interruptions`, `agent.heard_seconds`, as far as that is known.
    """

    deployment: Deployment
    fetch: Fetch
    open_stream: OpenStream
    token: Secret | None
    result: Mapping[str, str] = field(default_factory=dict)
    witness: Callable[[], Mapping[str, str]] = dict


class Harness(Protocol):
    """Makes a deployment, and an ASAPP, behave as a scenario says."""

    @property
    def deployment(self) -> Deployment:
        """What is meant to be deployed, before any scenario changes it."""

    def set_up(self, scenario: Scenario, call_sid: str) -> AbstractAsyncContextManager[Setting]:
        """Get everything ready for one call of the scenario, and clear up after it."""


def expand(scenarios: Iterable[Scenario], deployment: Deployment) -> tuple[Scenario, ...]:
    """Return the calls to make: one per destination, mailbox, ending with a text, profile or voice if asked for each.

    A scenario that the deployment has no use for (no destinations, no profiles, no opening hours) is left
    out.
    """
    calls: list[Scenario] = []
    for scenario in scenarios:
        if why_left_out(scenario, deployment):
            continue
        if scenario.for_each in {"destination", "voicemail"}:
            for name, destination in deployment.destinations.items():
                if scenario.for_each == "voicemail" != destination.kind:
                    continue
                fault = replace(scenario.deployment, send_to=name)
                title = f"{scenario.title}: {name}"
                sip = scenario.sip or destination.needs_sip
                calls.append(replace(scenario, name=f"{scenario.name}[{name}]", title=title, deployment=fault, sip=sip))
        elif scenario.for_each == "text":
            for outcome in _list_texting(deployment):
                fault = replace(scenario.deployment, steps_of=outcome)
                title = f"{scenario.title}: {outcome}"
                calls.append(replace(scenario, name=f"{scenario.name}[{outcome}]", title=title, deployment=fault))
        elif scenario.for_each == "profile":
            for profile in sorted(deployment.behaviours.keys() - {""}):
                title = f"{scenario.title}: {profile}"
                calls.append(replace(scenario, name=f"{scenario.name}[{profile}]", title=title, profile=profile))
        elif scenario.for_each == "voice":
            for voice in list_voices():
                title = f"{scenario.title}: {voice.accent}"
                caller = replace(scenario.caller, says=voice.name)
                calls.append(replace(scenario, name=f"{scenario.name}[{voice.name}]", title=title, caller=caller))
        else:
            calls.append(scenario)
    return tuple(calls)


def why_left_out(scenario: Scenario, deployment: Deployment) -> str:
    """Return why a deployment has no use for a scenario; empty when it has."""
    features = {*scenario.only_if, _NEEDED_FOR_EACH.get(scenario.for_each, "")}
    missing = {
        "destinations": not deployment.destinations and "the config has no destinations",
        "profiles": len(deployment.behaviours) < 2 and "the config has no profiles",
        "direct": deployment.through_flow and "the calls go through the flow",
        "greeting": not deployment.behaviours[""].greeting and "the config has no greeting",
        "reconnect": not deployment.behaviours[""].reconnects and "the config does not reconnect",
        "texts": not _list_texting(deployment) and "no outcome of the config sends a text",
        "voicemail": not any(one.kind == "voicemail" for one in deployment.destinations.values())
        and "the config has no voicemail",
        "recording": all(one.recording is None for one in deployment.behaviours.values())
        and "the config does not record",
        "fallback": not deployment.static_fallback and "the config has no fallback of its own",
        "account-number": not deployment.account_number
        and "the config names no number of the account: neither `caller_id` nor `phone_numbers`",
        "hours": not any(one.limited for one in deployment.destinations.values())
        and "no destination of the config has hours",
    }
    return next((why for feature, why in missing.items() if feature in features and why), "")


_NEEDED_FOR_EACH = {"profile": "profiles", "destination": "destinations", "voicemail": "voicemail", "text": "texts"}


def _list_texting(deployment: Deployment) -> tuple[str, ...]:
    """Return the endings whose steps send a text message."""
    outcomes = deployment.behaviours[""].outcomes
    return tuple(name for name, steps in outcomes.items() if any(step.kind == "sms" for step in steps))


async def run_scenarios(
    scenarios: Sequence[Scenario],
    harness: Harness,
    *,
    concurrency: int = 4,
    on_start: Callable[[Scenario], None] = lambda _: None,
    on_verdict: Callable[[Verdict], None] = lambda _: None,
) -> list[Verdict]:
    """Place a call per scenario and return the verdicts in the scenarios' order.

    Raises only what the harness raises when it cannot be set up; what happens in a call is in its verdict.
    """
    gate = asyncio.Semaphore(concurrency)

    async def run(scenario: Scenario) -> Verdict:
        async with gate:
            on_start(scenario)
            verdict = await run_scenario(scenario, harness)
            on_verdict(verdict)
            return verdict

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(scenario)) for scenario in scenarios]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


async def run_scenario(scenario: Scenario, harness: Harness) -> Verdict:
    """Place one call and judge it."""
    call_sid = f"CA{secrets.token_hex(16)}"
    async with harness.set_up(scenario, call_sid) as setting:
        plan = make_plan(scenario, setting.deployment, call_sid)
        transports = Transports(setting.fetch, setting.open_stream, setting.token)
        clock = RealClock() if scenario.pace == "real" else FastClock()
        record = await place_call(plan, transports, clock)
        facts = list_facts(scenario, plan, setting, record) | dict(setting.witness())
    deployment = setting.deployment
    behaviour = deployment.behaviours.get(scenario.profile, deployment.behaviours[""])
    return judge(
        record,
        scenario.expect,
        deployment,
        behaviour,
        facts,
        all_closed=scenario.deployment.all_closed,
        title=scenario.title,
    )


def make_plan(scenario: Scenario, deployment: Deployment, call_sid: str) -> CallPlan:
    """Return the call that a scenario makes to a deployment."""
    query = {**({"profile": scenario.profile} if scenario.profile else {}), **scenario.query}
    numbers = {profile: number for number, profile in reversed(list(deployment.numbers.items()))}
    plan = CallPlan(
        name=scenario.name,
        voice_url=add_query(deployment.engage_url, query) if query else deployment.engage_url,
        call_sid=call_sid,
        account_sid=deployment.account_sid,
        from_number="sip:caller@sip.example.com" if scenario.sip else scenario.from_number,
        record_ends=scenario.caller.ends_message,
        asks_after_refusal=scenario.asks_after_refusal,
        parameters={**(_SIP_CALL if scenario.sip else {}), **scenario.parameters},
        hang_up=scenario.caller.hang_up,
        digits=scenario.caller.keys,
        menu_keys=scenario.caller.menu_keys or deployment.menu_keys,
        react=_make_reactions(scenario, deployment),
        repeat_webhooks=scenario.repeat_webhooks,
        fallback_url=deployment.fallback_url,
        fallback_method=deployment.fallback_method,
        own_hosts=deployment.own_hosts,
    )
    to_number = scenario.to_number or numbers.get(scenario.profile)
    if to_number:
        plan = replace(plan, to_number=to_number)
    if scenario.client:
        plan = replace(plan, from_number="client:simulated", to_number="")
    if scenario.placed:
        plan = replace(plan, placed=True, from_number=plan.to_number, to_number=plan.from_number)
    if scenario.fallback:
        url = deployment.fallback_url or "https://fallback.example.com/voice"
        plan = replace(plan, fallback_url=url, pages={url: scenario.fallback})
    return plan


def _make_reactions(scenario: Scenario, deployment: Deployment) -> Callable[[CallTarget, int], Reaction]:
    def react(target: CallTarget, attempt: int) -> Reaction:
        by_name = scenario.reactions_by_name
        if by_name:
            name = deployment.find(target.kind, target.address)
            return by_name.get(name) or by_name.get("default") or Reaction()
        if not scenario.reactions:
            return Reaction()
        return scenario.reactions[min(attempt, len(scenario.reactions) - 1)]

    return react


def list_facts(scenario: Scenario, plan: CallPlan, setting: Setting, record: CallRecord) -> dict[str, str]:
    """Return what is known of the call under the names that configs use: `call.X`, `query.X`, `outcome.X` …"""
    facts = {f"call.{name}": value for name, value in list_parameters(plan).items()}
    facts |= {"call.customer": plan.customer, "call.ours": plan.ours}
    facts |= {f"query.{name}": value for name, value in scenario.query.items()}
    if scenario.profile:
        facts["query.profile"] = scenario.profile
    facts["outcome.name"] = scenario.expect.outcome or ""
    if scenario.expect.outcome in {"agent", "system", "completed"}:
        sent: Mapping[str, str] = next((event.detail.get("stream_parameters", {}) for event in record.of("stream")), {})
        if sent.get("taskName"):
            facts["outcome.currentTaskName"] = sent["taskName"]
        facts |= setting.result
    return facts
