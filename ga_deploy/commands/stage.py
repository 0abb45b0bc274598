"""The stage of `simulate`: the functions of a config in processes of their own, and a mock ASAPP for every call.

What a config means is handed to the simulation as plain data (`describe`), and a scenario's changes to the deployment
are made to a copy of the config before it is rendered, so that nobody outside is ever called: web hooks of `notify`
steps lead to the mock.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode, urlsplit

from ga_deploy.asapp_mock.faults import read_fault
from ga_deploy.asapp_mock.script import SHIPPED, Ending, Script, read_script
from ga_deploy.asapp_mock.server import MockAsapp
from ga_deploy.config.destinations import (
    EnqueueDestination,
    Hours,
    NumberDestination,
    RedirectDestination,
    ReferDestination,
    SipDestination,
)
from ga_deploy.config.steps import From, Hangup, Notify, Pause, Play, Say, Send
from ga_deploy.emulator.npm import NodePackages
from ga_deploy.emulator.runtime import FunctionHost, Handler, HttpCall
from ga_deploy.errors import ConfigInvalid, Finding, Place
from ga_deploy.redact import Secret
from ga_deploy.render import render
from ga_deploy.simulate.deployment import Deployment, Destination, Handling, Lookup, Step, Value
from ga_deploy.simulate.leg import make_opener
from ga_deploy.simulate.runner import Setting
from ga_deploy.simulate.world import WebReply, WebRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from ga_deploy.config.schema import Config, Profile
    from ga_deploy.config.steps import Strict
    from ga_deploy.model import Bundle, FunctionFile
    from ga_deploy.simulate.scenario import DeploymentFault, Scenario

DOMAIN = "ga-deploy-0000-simulated.twil.io"
ACCOUNT_SID = "AC51511a7ed51511a7ed51511a7ed51511"
TOKEN = "simulated-auth-token-of-no-account"
TWILIO_PACKAGE = "5.13.1"
FAST = 16.0  # how much faster than life streams run where nobody listens

_ASAPP_VARIABLE = re.compile(r"(?:ASAPP_API|GA_ASAPP)_(HOST|ID|SECRET)(?:_[0-9a-f]+)?")
_NEVER_OPEN = Hours.model_construct(timezone="UTC", open={}, closed=())

# What stands in for a function that a scenario breaks. `hangs` answers nothing until the platform gives up.
_BROKEN = {
    "throws": "throw new Error('broken by the scenario')",
    "hangs": "",
    "text": "callback(null, 'Something went wrong')",
    "empty": "callback(null)",
    "json": "callback(null, {error: 'broken by the scenario'})",
}


# -- what a config means, as plain data


def describe(config: Config, engage_url: str, account_sid: str) -> Deployment:
    """Return what the deployed functions are meant to do."""
    destinations = {
        name: Destination(name, *_address(destination), limited=destination.hours is not None)
        for name, destination in config.destinations.items()
    }
    handlings = {"": _handling(config), **{name: _handling(profile) for name, profile in config.profiles.items()}}
    numbers = {entry.number: entry.profile or "" for entry in config.phone_numbers if entry.to == "engage"}
    fallback = next((entry for entry in config.phone_numbers if entry.fallback_url), None)
    return Deployment(
        engage_url=engage_url,
        account_sid=account_sid,
        handlings=handlings,
        destinations=destinations,
        numbers=numbers,
        fallback_url=str(fallback.fallback_url) if fallback else "",
        fallback_method=fallback.fallback_method if fallback else "POST",
    )


def _address(destination: Strict) -> tuple[str, str]:
    match destination:
        case NumberDestination():
            return "number", destination.number
        case SipDestination():
            return "sip", destination.sip
        case EnqueueDestination():
            return "enqueue", destination.enqueue.workflow_sid
        case RedirectDestination():
            return "redirect", destination.redirect
        case ReferDestination():
            return "refer", destination.refer
    raise TypeError(type(destination).__name__)


def _handling(profile: Config | Profile) -> Handling:
    outcomes = type(profile.outcomes).model_fields
    named = {"customerId": profile.input.customerId, "taskName": profile.input.taskName, **profile.input.variables}
    return Handling(
        greeting=tuple(_step(step) for step in profile.greeting),
        outcomes={name: tuple(_step(step) for step in getattr(profile.outcomes, name)) for name in outcomes},
        told={name: _value(value) for name, value in named.items() if value is not None},
        reconnects=profile.asapp.reconnect,
        waiting_play=profile.waiting.play or "",
    )


def _value(value: str | From) -> Value:
    return Lookup(value.name, value.default, value.map) if isinstance(value, From) else str(value)


def _step(step: Strict) -> Step:
    match step:
        case Say():
            return Step("say", text=str(step.text))
        case Play():
            return Step("play", text=str(step.url))
        case Pause():
            return Step("pause")
        case Notify():
            return Step("notify", text=str(step.url))
        case Send():
            by = cast("Lookup", _value(step.by)) if step.by else None
            return Step("send", to=step.to, by=by, map=step.map, default=step.default)
        case Hangup():
            return Step("hangup")
    raise TypeError(type(step).__name__)


# -- a scenario's changes to the deployment


def vary(config: Config, fault: DeploymentFault) -> Config:
    """Return the config as a scenario wants it deployed."""
    changes: dict[str, Any] = {}
    if fault.all_closed:
        changes["destinations"] = {
            name: destination.model_copy(update={"hours": _NEVER_OPEN})
            for name, destination in config.destinations.items()
        }
    if fault.send_to:
        changes["outcomes"] = _send_all(config.outcomes, fault.send_to)
        changes["profiles"] = {
            name: profile.model_copy(update={"outcomes": _send_all(profile.outcomes, fault.send_to)})
            for name, profile in config.profiles.items()
        }
    return config.model_copy(update=changes) if changes else config


def _send_all(outcomes: Any, destination: str) -> Any:
    endings = [name for name in type(outcomes).model_fields if name != "exhausted"]
    return outcomes.model_copy(update={name: (Send(to=destination),) for name in endings})


def _lead_home(bundle: Bundle, config: Config, mock: str) -> dict[str, str]:
    """Return the environment's variables with the mock ASAPP in ASAPP's place."""
    values = {"HOST": mock, "ID": "simulated-id", "SECRET": "simulated-secret"}
    variables = {}
    for name, value in bundle.variables.items():
        known = _ASAPP_VARIABLE.fullmatch(name)
        plain = value.reveal() if isinstance(value, Secret) else value
        variables[name] = values[known[1]] if known and mock else plain
    return variables


# -- the stage


@dataclass(frozen=True)
class _Variant:
    """A deployment in a shape that calls can share: the config's changes, and what was done to the sources."""

    all_closed: bool
    send_to: str
    broken: tuple[str, ...]
    how: str


class FunctionStage:
    """Runs calls through the functions of `config`, each with an ASAPP of its own unless `live`.

    Use it as an async context. `rewrite` may change a function's source before it runs. Raises NpmFailed (or
    DeployError without Node) when entered, if the functions' packages cannot be had.
    """

    def __init__(
        self,
        config: Config,
        *,
        npm_cache: Path,
        live: bool = False,
        speed: float | None = None,
        rewrite: Callable[[FunctionFile], str] | None = None,
        read_voice: Callable[[str], bytes] | None = None,
        record_to: Callable[[str, int], Path] | None = None,
        voice: str = "",
    ) -> None:
        self._config = config
        self._npm_cache = npm_cache
        self._live = live
        self._speed = speed
        self._rewrite = rewrite or (lambda function: function.content)
        self._read_voice = read_voice or _read_no_voice
        self._record_to = record_to
        self._voice = voice
        self._idle: dict[_Variant, list[tuple[FunctionHost, Bundle]]] = {}
        self._hosts: list[FunctionHost] = []
        self._packages: Path | None = None
        self.deployment = describe(config, f"https://{DOMAIN}{config.functions.engage.path}", ACCOUNT_SID)

    async def __aenter__(self) -> FunctionStage:
        dependencies = {"twilio": TWILIO_PACKAGE, **render(self._config).dependencies}
        self._packages = await NodePackages(self._npm_cache).install(
            dependencies, self._config.service.runtime or "node22"
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(host.stop() for host in self._hosts))

    @asynccontextmanager
    async def set_up(self, scenario: Scenario, call_sid: str) -> AsyncIterator[Setting]:
        """Give a call its functions and its ASAPP.

        Raises ConfigInvalid for a script or fault that the mock does not know.
        """
        fault = scenario.deployment
        variant = _Variant(fault.all_closed, fault.send_to, fault.broken, fault.how)
        script = read_script_of(scenario)
        host, bundle = await self._take_host(variant)
        mock = None if self._live else _start_mock(scenario, script)
        base_url = await mock.start() if mock else ""
        host.set_context({"DOMAIN_NAME": DOMAIN, **_lead_home(bundle, self._config, base_url), **fault.variables})
        token = Secret(TOKEN)
        speed = self._speed or (1.0 if scenario.pace == "real" or self._live else FAST)
        record_to = self._record_to
        opener = make_opener(
            replace(scenario, caller=replace(scenario.caller, says=self._voice)) if self._voice else scenario,
            token,
            speed=speed,
            read_voice=self._read_voice,
            record_to=(lambda number: record_to(scenario.name, number)) if record_to else None,
        )
        deployment = describe(vary(self._config, fault), self.deployment.engage_url, ACCOUNT_SID)
        try:
            result = {} if self._live else read_result(script)
            yield Setting(deployment, _fetch_from(host), opener, token, result, lambda: _ask_witness(mock))
        finally:
            if mock:
                await mock.stop()
            self._idle.setdefault(variant, []).append((host, bundle))

    async def _take_host(self, variant: _Variant) -> tuple[FunctionHost, Bundle]:
        idle = self._idle.get(variant)
        if idle:
            return idle.pop()
        assert self._packages is not None, "the stage is entered first"
        fault = _fault_of(variant)
        config = vary(self._config, fault)
        bundle = render(config)
        paths = {
            getattr(
                config.functions, name
            ).path: f"exports.handler = (context, event, callback) => {{ {_BROKEN[fault.how]} }};"
            for name in fault.broken
        }
        handlers = [
            Handler(
                function.path,
                function.visibility,
                paths.get(function.path) or self._rewrite(function),
                f"ZN{index:032x}",
            )
            for index, function in enumerate(bundle.functions)
        ]
        host = FunctionHost(
            node_modules=self._packages,
            handlers=handlers,
            context={"DOMAIN_NAME": DOMAIN},
            account_sid=ACCOUNT_SID,
            auth_token=TOKEN,
        )
        await host.start()
        self._hosts.append(host)
        return host, bundle


def _fault_of(variant: _Variant) -> DeploymentFault:
    from ga_deploy.simulate.scenario import DeploymentFault

    return DeploymentFault(
        broken=variant.broken, how=cast("Any", variant.how), all_closed=variant.all_closed, send_to=variant.send_to
    )


def _read_no_voice(name: str) -> bytes:
    raise ConfigInvalid((Finding(f"there is no voice `{name}`", fix="name a WAV file"),))


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
        raise ConfigInvalid((Finding(what, why, "correct `asapp` in the scenario", Place(scenario.file)),))
    return script


def _start_mock(scenario: Scenario, script: Script) -> MockAsapp:
    mock = MockAsapp("simulated-id", "simulated-secret", script=script)
    mock.calls.add_rule({}, script, times=1) if script.then else mock.calls.add_rule({}, script)
    for fault in scenario.asapp.faults:
        mock.faults.add(read_fault(fault))
    return mock


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


def _ask_witness(mock: MockAsapp | None) -> dict[str, str]:
    calls = mock.calls.all() if mock else []
    digits = "".join(call.performance.heard.digits for call in calls)
    interruptions = sum(call.performance.heard.interruptions for call in calls)
    return {"agent.digits": digits, "agent.interruptions": str(interruptions)}


def _fetch_from(host: FunctionHost) -> Any:
    async def fetch(request: WebRequest) -> WebReply:
        parts = urlsplit(request.url)
        headers = [*request.headers.items(), ("host", DOMAIN)]
        body = urlencode(request.form).encode() if request.method == "POST" else b""
        answer = await host.handle(HttpCall(request.method, parts.path, parts.query, headers, body))
        return WebReply(
            answer.status,
            {name.lower(): value for name, value in answer.headers},
            answer.body,
            tuple(f"{line.level}: {line.message}" for line in answer.logs),
            tuple(value for name, value in answer.headers if name.lower() == "set-cookie"),
        )

    return fetch
