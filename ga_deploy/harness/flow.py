"""A Studio flow in front of simulated functions: what `simulate --flow` rings.

The flow is the one that the config would publish; it is executed by the emulator's interpreter, in this process.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from ga_deploy.emulator.studio.execution import Revision, StudioCalls
from ga_deploy.emulator.studio.widgets import StudioAnswer
from ga_deploy.simulate.interpreter.transports import WebError, WebReply, WebRequest
from ga_deploy.studio import FlowTarget, build_flow, read_base

if TYPE_CHECKING:
    from ga_deploy.config.schema import Config
    from ga_deploy.emulator.studio.execution import Step
    from ga_deploy.emulator.studio.widgets import StudioRequest
    from ga_deploy.simulate.interpreter.transports import Fetch

FLOW_SID = "FW51511a7ed51511a7ed51511a7ed51511"
WEBHOOKS = "webhooks.twilio.com"

# Exits of the trunk that lead into a branch past the split on the outcome.
_OTHER_EXITS = {
    ("ga_engage", "fail"): "failed",
    ("ga_engage", "timeout"): "unknown",
    ("ga_transfer", "fail"): "unknown",
}


def enable_flow(config: Config) -> Config:
    """Return the config with its flow switched on, so that the flow's functions are rendered."""
    return config.model_copy(update={"flow": config.flow.model_copy(update={"enabled": True})})


def flow_url(account_sid: str) -> str:
    """Return where a number that leads to the simulated flow points."""
    return f"https://{WEBHOOKS}/v1/Accounts/{account_sid}/Flows/{FLOW_SID}"


def list_widgets_elsewhere(config: Config, domain_name: str) -> tuple[str, ...]:
    """Return the widgets of the flow's base that ask an address which no simulated call reaches, with its host."""
    base = read_base(config)
    found = []
    for state in base["states"] if base else ():
        host = urlsplit(str(state["properties"].get("url", ""))).hostname or ""
        if state["type"] in {"run-function", "make-http-request"} and host.lower() != domain_name.lower():
            found.append(f"`{state['name']}`, which asks {host or 'an address that is only known in the call'}")
    return tuple(found)


class FlowDoor:
    """Answers for the flow, and hands everything else on to the functions; a `Fetch` of a simulation.

    `account_sid` and `token` are what Studio signs its own requests with.
    """

    def __init__(self, config: Config, fetch: Fetch, *, domain_name: str, account_sid: str, token: str) -> None:
        self._fetch = fetch
        self._account_sid = account_sid
        self._domain_name = domain_name
        definition = build_flow(config, FlowTarget(domain_name, "ZS0", "ZE0", "ZH0"), read_base(config))
        self._calls = StudioCalls(
            find_revision=lambda account, flow, caller: Revision(flow, 1, definition) if flow == FLOW_SID else None,
            send=self._send,
            token_of=lambda account: token,
            now=time.time,
        )
        self._logs: list[str] = []
        self._ahead = 0.0

    async def __call__(self, request: WebRequest) -> WebReply:
        """Return the answer of the flow, or of the function, that the request is for."""
        parts = urlsplit(request.url)
        if parts.hostname != WEBHOOKS:
            return await self._fetch(request)
        self._logs, self._ahead = [], request.ahead
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        answer = await self._calls.handle(self._account_sid, parts.path.rpartition("/")[2], query, dict(request.form))
        logs = tuple([*self._logs, f"error: {answer.problem}"] if answer.problem else self._logs)
        return WebReply(answer.status, {"content-type": "text/xml"}, answer.twiml.encode(), logs)

    async def _send(self, request: StudioRequest) -> StudioAnswer:
        host = urlsplit(request.url).hostname or ""
        if host.lower() != self._domain_name.lower():
            self._logs.append(f"{host} is not asked in a simulation: the widget takes its exit for a failure")
            raise ConnectionError(f"{host} is not asked in a simulation")
        form = tuple(parse_qsl(request.body.decode(), keep_blank_values=True))
        try:
            reply = await self._fetch(WebRequest(request.method, request.url, form, request.headers, self._ahead))
        except WebError as problem:
            raise ConnectionError(problem.reason) from problem
        self._logs += reply.logs
        return StudioAnswer(reply.status, reply.headers.get("content-type", ""), reply.body)

    def describe_way(self, call_sid: str) -> dict[str, str]:
        """Return what a call went through: `flow.branch`, the outcome that was taken, and `flow.steps`."""
        found = [one for one in self._calls.executions(self._account_sid, FLOW_SID) if one.call_sid == call_sid]
        if not found:
            return {}
        steps = found[0].steps
        taken = [_OTHER_EXITS.get((one.transitioned_from, one.event)) or _branch(one) for one in steps]
        branches = [one for one in taken if one not in {"", "pending", "reconnect"}]
        way = " ".join(f"{one.transitioned_from}.{one.event}" for one in steps)
        return {"flow.branch": branches[-1] if branches else "", "flow.steps": way}


def _branch(step: Step) -> str:
    """Return the outcome that a step of the flow chose, empty for any other step."""
    if not step.transitioned_from.endswith("_outcome"):
        return ""
    return step.event.partition(":")[2] or "unknown"
