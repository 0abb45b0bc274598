"""The harness of `simulate`: runs a config's functions in processes of their own, with a mock as ASAPP.

A scenario's changes to the deployment are made to a copy of the config before it is rendered. Nothing outside this
machine is contacted: a listener here takes web hooks and text messages (`Outsiders`).
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from ga_deploy.asapp_mock.faults import read_fault
from ga_deploy.emulator.functions.host import FunctionHost, HttpRequest
from ga_deploy.emulator.functions.npm import NodePackages
from ga_deploy.harness.describe import describe
from ga_deploy.harness.flow import FlowDoor, enable_flow, flow_url, list_widgets_elsewhere
from ga_deploy.harness.instances import ACCOUNT_SID, DOMAIN, TOKEN, Instance, Instances
from ga_deploy.harness.outsiders import Outsiders, list_message_sids
from ga_deploy.harness.overrides import apply_overrides
from ga_deploy.harness.scripts import read_result, read_script_of
from ga_deploy.redact import Secret
from ga_deploy.render import render
from ga_deploy.simulate.interpreter.transports import WebReply, WebRequest
from ga_deploy.simulate.scenario.runner import Setting
from ga_deploy.simulate.scenario.stream_opener import make_opener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ga_deploy.asapp_mock.script import Script
    from ga_deploy.asapp_mock.server import MockAsapp
    from ga_deploy.config.schema import Config
    from ga_deploy.harness.options import HarnessOptions
    from ga_deploy.simulate.interpreter.transports import OpenStream
    from ga_deploy.simulate.judge.expected import Deployment
    from ga_deploy.simulate.scenario.scenario import Scenario

TWILIO_PACKAGE = "5.13.1"
LIVE_PATIENCE = 10.0  # seconds that a caller who has said everything waits for a live agent to go on
FAST = 20.0  # how many times faster than real time streams run when nobody listens


class FunctionHarness:
    """Runs calls through the functions of `config` and a mock ASAPP, or the config's own ASAPP (`options.live`).

    Use it as an async context. Calls share functions and mock; a call whose scenario has faults or variables gets its
    own. Entering raises NpmFailed if the functions' packages cannot be installed, DeployError without Node.
    `not_here` names the widgets of a flow that contact addresses which no simulated call reaches.
    """

    def __init__(self, config: Config, options: HarnessOptions) -> None:
        self._config = enable_flow(config) if options.flow else config
        self._options = options
        self._npm = NodePackages(options.npm_cache, on_fetch=options.on_fetch)
        self._outsiders = Outsiders()
        self._instances = Instances(self._config, options, self._outsiders)
        engage_url = flow_url(ACCOUNT_SID) if options.flow else f"https://{DOMAIN}{config.functions.engage.path}"
        self.not_here = list_widgets_elsewhere(config, DOMAIN) if options.flow else ()
        self.deployment = self._describe(config, engage_url)

    async def __aenter__(self) -> FunctionHarness:
        dependencies = {"twilio": TWILIO_PACKAGE, **render(self._config).dependencies}
        runtime = self._config.service.runtime or "node22"
        self._instances.packages = await self._npm.install(dependencies, runtime)
        await self._outsiders.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._instances.stop()
        await self._outsiders.stop()

    @asynccontextmanager
    async def set_up(self, scenario: Scenario, call_sid: str) -> AsyncIterator[Setting]:
        """Give a call its functions and its ASAPP.

        Raises ConfigInvalid for a script or a fault that the mock does not have.
        """
        fault = scenario.deployment
        script = read_script_of(scenario)
        alone = bool(scenario.asapp.faults or fault.variables)
        instance = await (self._instances.take(fault) if alone else self._instances.share(fault))
        try:
            if alone and not self._options.live:
                mock = await instance.start_mock()
                for described in scenario.asapp.faults:
                    mock.faults.add(read_fault(described))
            if alone:
                instance.set_variables(fault.variables)
            if instance.mock:
                # A script with a `then` is for one stream: the mock finds the next script by the conversation.
                match = {"asapp_externalConversationId": call_sid}
                instance.mock.calls.add_rule(match, script, times=1 if script.then else 0)
            yield self._make_setting(scenario, call_sid, instance, script)
        finally:
            if alone:
                await self._instances.give_back(instance, fault)

    def _make_setting(self, scenario: Scenario, call_sid: str, instance: Instance, script: Script) -> Setting:
        config = apply_overrides(self._config, scenario.deployment, self._outsiders.stand_in)
        deployment = replace(self._describe(config, self.deployment.engage_url), own_hosts=frozenset({DOMAIN}))
        messages: list[str] = []
        fetch = _fetch_from(instance.host, messages)
        flow = self._options.flow
        door = FlowDoor(config, fetch, domain_name=DOMAIN, account_sid=ACCOUNT_SID, token=TOKEN) if flow else None

        def observe() -> dict[str, str]:
            seen = {
                **_describe_conversation(instance.mock, call_sid),
                "notified": "\n".join(self._outsiders.received(call_sid)),
                "texted": json.dumps(self._outsiders.texts(messages)),
            }
            return seen | (door.describe_way(call_sid) if door else {})

        result = {} if self._options.live else read_result(script)
        return Setting(deployment, door or fetch, self._make_opener(scenario), Secret(TOKEN), result, observe)

    def _make_opener(self, scenario: Scenario) -> OpenStream:
        options = self._options
        record_to = options.record_to
        if options.caller_says:
            scenario = replace(scenario, caller=replace(scenario.caller, says=options.caller_says))
        return make_opener(
            scenario,
            Secret(TOKEN),
            speed=options.speed or (FAST if scenario.pace == "fast" and not options.live else 1.0),
            read_voice=options.read_voice,
            record_to=(lambda number: record_to(scenario.name, number)) if record_to else None,
            person=options.person,
            patience=LIVE_PATIENCE if options.live else None,
        )

    def _describe(self, config: Config, engage_url: str) -> Deployment:
        flow = config.flow
        based = self._options.flow and flow.base is not None
        return replace(
            describe(config, engage_url, ACCOUNT_SID, domain_name=DOMAIN),
            through_flow=self._options.flow,
            enters_at=flow.engage.path if based else "",
            menu_keys=flow.base_keys if based else (),
        )


def _describe_conversation(mock: MockAsapp | None, call_sid: str) -> dict[str, str]:
    calls = mock.calls.conversation(call_sid) if mock else []
    digits = "".join(call.performance.heard.digits for call in calls)
    interruptions = sum(call.performance.heard.interruptions for call in calls)
    # Frames of 20 ms in which the agent heard the caller speak.
    heard = sum(call.performance.heard.loud_frames for call in calls) * 0.02
    return {
        "agent.digits": digits,
        "agent.interruptions": str(interruptions),
        **({"agent.heard_seconds": f"{heard:.2f}"} if mock else {}),
    }


def _fetch_from(host: FunctionHost, messages: list[str]) -> Any:
    """Return a `Fetch` that calls the functions. The SIDs of text messages in their logs are added to `messages`."""

    async def fetch(request: WebRequest) -> WebReply:
        parts = urlsplit(request.url)
        headers = [*request.headers.items(), ("host", DOMAIN)]
        body = urlencode(request.form).encode() if request.method == "POST" else b""
        answer = await host.handle(HttpRequest(request.method, parts.path, parts.query, headers, body, request.ahead))
        messages.extend(list_message_sids(line.message for line in answer.logs))
        return WebReply(
            answer.status,
            {name.lower(): value for name, value in answer.headers},
            answer.body,
            tuple(f"{line.level}: {line.message}" for line in answer.logs),
            tuple(value for name, value in answer.headers if name.lower() == "set-cookie"),
        )

    return fetch
