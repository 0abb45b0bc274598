"""The stage of `simulate`: the functions of a config in processes of their own, and a mock in ASAPP's place.

A scenario's changes to the deployment are made to a copy of the config before it is rendered. Nobody outside is ever
asked: web hooks and text messages go to a listener here (`Outsiders`). Long, because getting everything ready for a
call and clearing up after it belong together.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from ga_deploy.asapp_mock.faults import read_fault
from ga_deploy.asapp_mock.script import SHIPPED, Ending, Script, read_script
from ga_deploy.asapp_mock.server import MockAsapp
from ga_deploy.emulator.functions.host import FunctionHost, Handler, HttpRequest
from ga_deploy.emulator.functions.npm import NodePackages
from ga_deploy.emulator.functions.request_rules import Asset
from ga_deploy.errors import ConfigInvalid, DeployError, Finding, Place
from ga_deploy.harness.describe import describe
from ga_deploy.harness.flow import FlowDoor, enable_flow, flow_url, list_widgets_elsewhere
from ga_deploy.harness.outsiders import Outsiders, list_message_sids
from ga_deploy.harness.vary import vary
from ga_deploy.redact import Secret
from ga_deploy.render import render
from ga_deploy.simulate.interpreter.transports import WebReply, WebRequest
from ga_deploy.simulate.scenario.runner import Setting
from ga_deploy.simulate.scenario.stream_opener import make_opener
from ga_deploy.simulate.voices import read_voice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from ga_deploy.config.schema import Config
    from ga_deploy.model.bundle import Bundle, FunctionFile
    from ga_deploy.simulate.judge.expected import Deployment
    from ga_deploy.simulate.media.stream import Person
    from ga_deploy.simulate.scenario.scenario import DeploymentFault, Scenario

DOMAIN = "ga-deploy-0000-simulated.twil.io"
ACCOUNT_SID = "AC51511a7ed51511a7ed51511a7ed51511"
TOKEN = "simulated-auth-token-of-no-account"  # noqa: S105 - it proves nothing to anybody
TWILIO_PACKAGE = "5.13.1"
LIVE_PATIENCE = 10.0  # seconds that a caller without anything left to say waits for a live agent to go on
FAST = 20.0  # how much faster than life streams run where nobody listens

_ASAPP_VARIABLE = re.compile(r"(?:ASAPP_API|GA_ASAPP)_(HOST|ID|SECRET)(?:_[0-9a-f]+)?")
_API_ID = "simulated-id"
_API_SECRET = "simulated-secret"  # noqa: S105 - only the mock asks for it

# What stands in for a function that a scenario breaks. `hangs` answers nothing until the platform gives up.
_BROKEN = {
    "throws": "throw new Error('broken by the scenario')",
    "hangs": "",
    "text": "callback(null, 'Something went wrong')",
    "empty": "callback(null)",
    "json": "callback(null, {error: 'broken by the scenario'})",
}


def _lead_home(bundle: Bundle, mock: str) -> dict[str, str]:
    """Return the environment's variables with the mock ASAPP in ASAPP's place; without a mock as they are."""
    values = {"HOST": mock, "ID": _API_ID, "SECRET": _API_SECRET}
    variables = {}
    for name, value in bundle.variables.items():
        known = _ASAPP_VARIABLE.fullmatch(name)
        plain = value.reveal() if isinstance(value, Secret) else value
        variables[name] = values[known[1]] if known and mock else plain
    return variables


@cache
def read_wav_named(name: str) -> bytes:
    """Return a shipped voice or a WAV file as µ-law, read once a run. Raises DeployError for what is neither."""
    return read_voice(name, Path())


@dataclass(frozen=True)
class _Variant:
    """A deployment in a shape that calls can share: the config's changes, and what was done to the sources."""

    all_closed: bool
    all_open: bool
    agent_closed: bool
    send_to: str
    steps_of: str
    broken: tuple[str, ...]
    how: str


@dataclass
class _Lane:
    """Functions at work with the ASAPP that they ask; `base_url` is the mock's, empty for a live ASAPP."""

    host: FunctionHost
    bundle: Bundle
    mock: MockAsapp | None = None
    base_url: str = ""


class FunctionStage:
    """Runs calls through the functions of `config` and a mock ASAPP; with `live` through the config's own ASAPP.

    Use it as an async context. Calls share functions and mock; one whose ASAPP misbehaves has both for itself.
    `rewrite` may change a function's source before it runs. `speed` overrides how fast streams run (1: as in life).
    `caller_says` is what every caller says instead of the scenario's. `on_fetch` is told what npm asks for, when the
    functions' packages have to be fetched first. Raises NpmFailed (or DeployError without
    Node) when entered, if the functions' packages cannot be had.
    """

    def __init__(
        self,
        config: Config,
        *,
        npm_cache: Path,
        read_voice: Callable[[str], bytes] = read_wav_named,
        live: bool = False,
        speed: float | None = None,
        rewrite: Callable[[FunctionFile], str] | None = None,
        record_to: Callable[[str, int], Path] | None = None,
        caller_says: str = "",
        person: Person | None = None,
        flow: bool = False,
        on_fetch: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._config = enable_flow(config) if flow else config
        self._flow = flow
        self._npm = NodePackages(npm_cache, on_fetch=on_fetch)
        self._live = live
        self._speed = speed
        self._rewrite = rewrite or (lambda function: function.content)
        self._read_voice = read_voice
        self._record_to = record_to
        self._caller_says = caller_says
        self._person = person
        self._shared: dict[_Variant, _Lane] = {}
        self._spare: dict[_Variant, list[_Lane]] = {}
        self._lanes: list[_Lane] = []
        self._opening = asyncio.Lock()
        self._outsiders = Outsiders()
        self._packages: Path | None = None
        engage_url = flow_url(ACCOUNT_SID) if flow else f"https://{DOMAIN}{config.functions.engage.path}"
        self.not_here = list_widgets_elsewhere(config, DOMAIN) if flow else ()
        self.deployment = self._describe(config, engage_url)

    async def __aenter__(self) -> FunctionStage:
        dependencies = {"twilio": TWILIO_PACKAGE, **render(self._config).dependencies}
        runtime = self._config.service.runtime or "node22"
        self._packages = await self._npm.install(dependencies, runtime)
        await self._outsiders.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(lane.host.stop() for lane in self._lanes))
        await asyncio.gather(*(lane.mock.stop() for lane in self._shared.values() if lane.mock))
        await self._outsiders.stop()

    @asynccontextmanager
    async def set_up(self, scenario: Scenario, call_sid: str) -> AsyncIterator[Setting]:
        """Give a call its functions and its ASAPP.

        Raises ConfigInvalid for a script or a fault that the mock does not know.
        """
        fault = scenario.deployment
        script = read_script_of(scenario)
        alone = bool(scenario.asapp.faults or fault.variables)
        lane = await (self._take_spare(fault) if alone else self._share(fault))
        try:
            if alone and not self._live:
                lane.mock = MockAsapp(_API_ID, _API_SECRET)
                lane.base_url = await lane.mock.start()
                for described in scenario.asapp.faults:
                    lane.mock.faults.add(read_fault(described))
            if alone:
                self._set_variables(lane, fault.variables)
            if lane.mock:
                # A script with a sequel is for one stream: the mock finds the sequel by the conversation.
                match = {"asapp_externalConversationId": call_sid}
                lane.mock.calls.add_rule(match, script, times=1 if script.then else 0)
            yield self._make_setting(scenario, call_sid, lane, script)
        finally:
            if alone:
                if lane.mock:
                    await lane.mock.stop()
                lane.mock, lane.base_url = None, ""
                self._spare.setdefault(_variant_of(fault), []).append(lane)

    def _make_setting(self, scenario: Scenario, call_sid: str, lane: _Lane, script: Script) -> Setting:
        token = Secret(TOKEN)
        record_to = self._record_to
        if self._caller_says:
            scenario = replace(scenario, caller=replace(scenario.caller, says=self._caller_says))
        opener = make_opener(
            scenario,
            token,
            speed=self._speed or (FAST if scenario.pace == "fast" and not self._live else 1.0),
            read_voice=self._read_voice,
            record_to=(lambda number: record_to(scenario.name, number)) if record_to else None,
            person=self._person,
            patience=LIVE_PATIENCE if self._live else None,
        )
        config = vary(self._config, scenario.deployment, self._outsiders.stand_in)
        deployment = replace(self._describe(config, self.deployment.engage_url), own_hosts=frozenset({DOMAIN}))
        result = {} if self._live else read_result(script)
        messages: list[str] = []
        fetch = _fetch_from(lane.host, messages)
        door = FlowDoor(config, fetch, domain_name=DOMAIN, account_sid=ACCOUNT_SID, token=TOKEN) if self._flow else None

        def witness() -> dict[str, str]:
            told = {
                **_ask_witness(lane.mock, call_sid),
                "notified": "\n".join(self._outsiders.received(call_sid)),
                "texted": json.dumps(self._outsiders.texts(messages)),
            }
            return told | (door.describe_way(call_sid) if door else {})

        return Setting(deployment, door or fetch, opener, token, result, witness)

    def _describe(self, config: Config, engage_url: str) -> Deployment:
        flow = config.flow
        based = self._flow and flow.base is not None
        return replace(
            describe(config, engage_url, ACCOUNT_SID, domain_name=DOMAIN),
            through_flow=self._flow,
            enters_at=flow.engage.path if based else "",
            menu_keys=flow.base_keys if based else (),
        )

    def _paths_of(self, config: Config, name: str) -> tuple[str, ...]:
        """Return the functions that do the work of one of the direct variant's."""
        path = getattr(config.functions, name).path
        beside = {"engage": config.flow.engage.path, "call_complete": config.flow.call_transfer.path}
        return (path, beside[name]) if self._flow and name in beside else (path,)

    async def _share(self, fault: DeploymentFault) -> _Lane:
        variant = _variant_of(fault)
        async with self._opening:
            lane = self._shared.get(variant)
            if lane is None:
                lane = await self._open_lane(fault)
                if not self._live:
                    lane.mock = MockAsapp(_API_ID, _API_SECRET)
                    lane.base_url = await lane.mock.start()
                self._set_variables(lane, {})
                self._shared[variant] = lane
        return lane

    async def _take_spare(self, fault: DeploymentFault) -> _Lane:
        spare = self._spare.get(_variant_of(fault))
        return spare.pop() if spare else await self._open_lane(fault)

    def _set_variables(self, lane: _Lane, changes: Mapping[str, str]) -> None:
        variables = _lead_home(lane.bundle, lane.base_url)
        lane.host.set_context({"DOMAIN_NAME": DOMAIN, **variables, **changes})

    async def _open_lane(self, fault: DeploymentFault) -> _Lane:
        assert self._packages is not None, "the stage is entered first"
        config = vary(self._config, fault, self._outsiders.stand_in)
        bundle = render(config)
        broken = {path for name in fault.broken for path in self._paths_of(config, name)}
        instead = f"exports.handler = (context, event, callback) => {{ {_BROKEN[fault.how]} }};"
        functions = [
            replace(function, content=instead) if function.path in broken else function for function in bundle.functions
        ]
        handlers = [
            Handler(function.path, function.visibility, self._rewrite(function), f"ZN{index:032x}")
            for index, function in enumerate(functions)
        ]
        assets = [
            Asset(asset.path, "public", asset.content.encode(), f"ZN{len(handlers) + index:032x}", "text/xml")
            for index, asset in enumerate(bundle.assets)
        ]
        host = FunctionHost(
            node_modules=self._packages,
            handlers=handlers,
            assets=assets,
            context={"DOMAIN_NAME": DOMAIN},
            account_sid=ACCOUNT_SID,
            auth_token=TOKEN,
            include_credentials=config.service.include_credentials,
            twilio_api=self._outsiders.base_url,
        )
        await host.start()
        lane = _Lane(host, bundle)
        self._lanes.append(lane)
        return lane


def _variant_of(fault: DeploymentFault) -> _Variant:
    return _Variant(
        fault.all_closed,
        fault.all_open,
        fault.agent_closed,
        fault.send_to,
        fault.steps_of,
        fault.broken,
        fault.how,
    )


def find_bad_scripts(scenarios: Sequence[Scenario]) -> tuple[Finding, ...]:
    """Return a finding for every scenario whose script, faults or voice cannot be had."""
    findings: list[Finding] = []
    for scenario in scenarios:
        try:
            read_script_of(scenario)
        except ConfigInvalid as problem:
            findings += problem.findings
        if not scenario.caller.says:
            continue
        try:
            read_wav_named(scenario.caller.says)
        except DeployError as problem:
            place = scenario.places.get("caller.says") or Place(scenario.file)
            findings.append(Finding(problem.what, problem.why, problem.fix, place))
    return tuple(findings)


def read_script_of(scenario: Scenario) -> Script:
    """Return the mock's script for a scenario.

    Raises ConfigInvalid for a script or a fault that the mock does not know.
    """
    wanted = scenario.asapp
    try:
        for fault in wanted.faults:
            read_fault(fault)
        if not isinstance(wanted.script, str):
            return read_script(wanted.script)
        script = SHIPPED.get(wanted.script)
        why = f"there is no script `{wanted.script}`; there are {', '.join(sorted(SHIPPED))}"
    except (ValueError, TypeError) as problem:
        script, why = None, str(problem)
    if script is None:
        what = f"scenario `{scenario.name}` asks for what the mock ASAPP cannot do"
        place = scenario.places.get("asapp") or Place(scenario.file)
        raise ConfigInvalid((Finding(what, why, "correct `asapp` in the scenario", place),))
    return script


def read_result(script: Script) -> dict[str, str]:
    """Return what the mock will report of the conversation, under the names that configs use."""
    report = script.report
    result = {"outcome.status": report.status.upper()}
    if script.ending in {Ending.AGENT, Ending.SYSTEM}:
        result["outcome.transferType"] = script.ending.value
    if report.task:
        result["outcome.currentTaskName"] = report.task
    result |= {f"transferVariables.{name}": str(value) for name, value in report.transfer_variables.items()}
    return result | {f"referenceVariables.{name}": str(value) for name, value in report.reference_variables.items()}


def _ask_witness(mock: MockAsapp | None, call_sid: str) -> dict[str, str]:
    calls = mock.calls.conversation(call_sid) if mock else []
    digits = "".join(call.performance.heard.digits for call in calls)
    interruptions = sum(call.performance.heard.interruptions for call in calls)
    # Frames of 20 ms in which the agent took the caller for speaking.
    heard = sum(call.performance.heard.loud_frames for call in calls) * 0.02
    return {
        "agent.digits": digits,
        "agent.interruptions": str(interruptions),
        **({"agent.heard_seconds": f"{heard:.2f}"} if mock else {}),
    }


def _fetch_from(host: FunctionHost, messages: list[str]) -> Any:
    """Return a `Fetch` that asks the functions; the SIDs of the texts that they log to have sent go to `messages`."""

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
