"""Calls on their way through Studio flows.

A call enters at the flow's webhook; widgets run until one prints TwiML and waits. The call comes back to the same
webhook with a `FlowEvent`, and only the execution that waits for this very call takes it (Twilio docs: TwiML Redirect
widget). An execution keeps the revision it began with. Limits: Twilio support, Studio Limitations.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ga_deploy.emulator.core.store import new_sid
from ga_deploy.emulator.studio.liquid import LiquidError
from ga_deploy.emulator.studio.widgets import Fired, Printed, StudioAnswer, StudioRequest, resume_widget, run_widget

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

MOST_STEPS = 1000
MOST_REPEATS = 10
REMEMBERED = 1000
EMPTY = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


class Revision(NamedTuple):
    """The revision of a flow that a caller gets."""

    flow_sid: str
    number: int
    definition: Mapping[str, Any]


class FlowAnswer(NamedTuple):
    """What the webhook answers; `problem` says in words what the execution stumbled over."""

    status: int
    twiml: str
    problem: str = ""


@dataclass
class Step:
    """One transition of an execution. `event` fired in `transitioned_from`."""

    sid: str
    event: str
    transitioned_from: str
    transitioned_to: str | None
    created: float


@dataclass
class Execution:
    """One call in one flow."""

    sid: str
    account: str
    revision: Revision
    call_sid: str
    context: dict[str, Any]
    created: float
    status: str = "active"
    steps: list[Step] = field(default_factory=list)
    waiting: str | None = None
    deadline: float | None = None
    repeats: int = 0

    @property
    def states(self) -> dict[str, Mapping[str, Any]]:
        """The widgets of the flow by name."""
        return {state["name"]: state for state in self.revision.definition["states"]}


class StudioCalls:
    """All executions of one emulator.

    `find_revision(account, flow_sid, caller)` gives what this caller gets, None when the flow is not there or nothing
    of it is published. `send` makes a request; `token_of` gives the token that Studio signs with for an account.
    """

    def __init__(
        self,
        *,
        find_revision: Callable[[str, str, str], Revision | None],
        send: Callable[[StudioRequest], Awaitable[StudioAnswer]],
        token_of: Callable[[str], str],
        now: Callable[[], float],
        webhook_base: str = "https://webhooks.twilio.com",
    ) -> None:
        self._find_revision = find_revision
        self._send = send
        self._token_of = token_of
        self._now = now
        self._webhook_base = webhook_base
        self._executions: dict[str, Execution] = {}

    def executions(self, account: str, flow_sid: str) -> list[Execution]:
        """Return the executions of a flow, newest first."""
        listed = [
            one for one in self._executions.values() if one.account == account and one.revision.flow_sid == flow_sid
        ]
        return listed[::-1]

    async def handle(
        self, account: str, flow_sid: str, query: Mapping[str, str], form: Mapping[str, str]
    ) -> FlowAnswer:
        """Answer a request to a flow's webhook: a new call, or one that comes back with a `FlowEvent`."""
        fields = {**query, **form}
        call_sid, event = fields.get("CallSid", ""), query.get("FlowEvent") or form.get("FlowEvent")
        active = [
            one for one in self.executions(account, flow_sid) if one.call_sid == call_sid and one.status == "active"
        ]
        if event:
            if not active or not active[0].waiting:
                return FlowAnswer(404, EMPTY, f"no execution of {flow_sid} waits for call {call_sid}")
            return await self._resume(active[0], event, query, form)
        revision = self._find_revision(account, flow_sid, fields.get("From", ""))
        if revision is None:
            return FlowAnswer(404, EMPTY, f"the flow {flow_sid} does not exist, or has no published revision")
        for one in active:
            one.status = "ended"
        execution = self._begin(account, revision, fields)
        return await self._advance(execution, revision.definition["initial_state"], Fired("incomingCall"))

    def _begin(self, account: str, revision: Revision, fields: Mapping[str, str]) -> Execution:
        sid = new_sid("FN")
        context: dict[str, Any] = {
            "trigger": {"call": dict(fields)},
            "widgets": {},
            "flow": {
                "flow_sid": revision.flow_sid,
                "sid": sid,
                "variables": {},
                "channel": {"address": fields.get("To", "")},
            },
            "contact": {"channel": {"address": fields.get("From", "")}},
        }
        execution = Execution(sid, account, revision, fields.get("CallSid", ""), context, self._now())
        self._executions[sid] = execution
        while len(self._executions) > REMEMBERED:
            del self._executions[next(iter(self._executions))]
        return execution

    async def _resume(
        self, execution: Execution, event: str, query: Mapping[str, str], form: Mapping[str, str]
    ) -> FlowAnswer:
        name = execution.waiting or ""
        execution.waiting = None
        if execution.deadline is not None and self._now() > execution.deadline:
            fired = Fired("timeout")
        else:
            fired = resume_widget(execution.states[name]["type"], event, query, form)
        return await self._advance(execution, name, fired)

    async def _advance(self, execution: Execution, name: str, fired: Fired) -> FlowAnswer:
        """Follow transitions from widget `name`, which fired, until TwiML is printed or the flow ends."""
        while True:
            following = self._follow(execution, name, fired)
            if following is None:
                execution.status = "ended"
                return FlowAnswer(200, EMPTY)
            problem = _over_limit(execution, name, following)
            if problem:
                execution.status = "ended"
                return FlowAnswer(500, EMPTY, problem)
            name = following
            state = execution.states[name]
            try:
                outcome = await run_widget(state["type"], _Running(self, execution, state))
            except LiquidError as unreadable:
                execution.status = "ended"
                return FlowAnswer(500, EMPTY, f"widget `{name}`: {unreadable}")
            if outcome is None:
                execution.status = "ended"
                return FlowAnswer(501, EMPTY, f"widget `{name}`: the emulator cannot run `{state['type']}`")
            if isinstance(outcome, Printed):
                return self._pause(execution, name, outcome)
            fired = outcome

    def _pause(self, execution: Execution, name: str, printed: Printed) -> FlowAnswer:
        if printed.waits:
            execution.waiting = name
            execution.deadline = self._now() + printed.seconds if printed.seconds is not None else None
        else:
            execution.status = "ended"
        return FlowAnswer(200, printed.twiml)

    def _follow(self, execution: Execution, name: str, fired: Fired) -> str | None:
        if fired.results:
            execution.context["widgets"][name] = dict(fired.results)
        transition = fired.chosen or next(
            (one for one in execution.states[name]["transitions"] if one["event"] == fired.event), None
        )
        following = transition.get("next") if transition else None
        label = fired.event
        if fired.chosen:
            label = f"match:{fired.chosen['conditions'][0]['friendly_name']}"
        execution.steps.append(Step(new_sid("FT"), label, name, following, self._now()))
        return following

    async def request(self, execution: Execution, request: StudioRequest) -> StudioAnswer:
        """Make a request for an execution, signed if it asks for that, within its time."""
        headers = dict(request.headers)
        if request.signed:
            headers["X-Twilio-Signature"] = sign(self._token_of(execution.account), request.url, request.form or {})
        signed = StudioRequest(
            request.method, request.url, headers, request.body, request.form, request.signed, request.timeout_seconds
        )
        try:
            return await asyncio.wait_for(self._send(signed), request.timeout_seconds)
        except (TimeoutError, OSError):
            return StudioAnswer(0, "", b"")

    def webhook_url(self, execution: Execution, event: str) -> str:
        """Return where a call comes back to with `event`."""
        path = f"/v1/Accounts/{execution.account}/Flows/{execution.revision.flow_sid}"
        return f"{self._webhook_base}{path}?FlowEvent={event}"


class _Running:
    """A widget while it runs: see `studio_widgets.Widget`."""

    def __init__(self, calls: StudioCalls, execution: Execution, state: Mapping[str, Any]) -> None:
        self._calls = calls
        self._execution = execution
        self.name: str = state["name"]
        self.properties: Mapping[str, Any] = state.get("properties", {})
        self.transitions: list[dict[str, Any]] = state["transitions"]
        self.context = execution.context
        self.now = calls._now()  # noqa: SLF001 - the same module's other half

    def way_back(self, event: str) -> str:
        return self._calls.webhook_url(self._execution, event)

    async def request(self, request: StudioRequest) -> StudioAnswer:
        return await self._calls.request(self._execution, request)


def sign(token: str, url: str, form: Mapping[str, str]) -> str:
    """Return the X-Twilio-Signature of a form post (Twilio docs: Webhooks Security)."""
    text = url + "".join(f"{key}{form[key]}" for key in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def _over_limit(execution: Execution, name: str, following: str) -> str:
    if len(execution.steps) > MOST_STEPS:
        return f"the execution took more than {MOST_STEPS} steps"
    execution.repeats = execution.repeats + 1 if name == following else 0
    if execution.repeats >= MOST_REPEATS:
        return f"widget `{following}` ran {MOST_REPEATS} times in a row"
    return ""
