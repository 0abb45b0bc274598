"""What each Studio widget does to a call: fire an event at once, or print TwiML and wait for the call to come back.

Studio itself fetches nothing for the voice widgets: it prints TwiML whose way back is the flow's webhook with a
`FlowEvent` (Twilio docs: TwiML Redirect widget). Run Function and HTTP Request are requests of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode, urljoin, urlsplit
from xml.etree import ElementTree as ET

from ga_deploy.emulator.studio.conditions import holds
from ga_deploy.emulator.studio.liquid import render

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

# Twilio docs, Run Function widget.
LARGEST_ANSWER = 64 * 1024
LONGEST_REQUEST_SECONDS = 10.0
MOST_REDIRECTS = 5  # they are followed (docs); how many, nobody says


@dataclass(frozen=True)
class StudioRequest:
    """A request that Studio itself makes. `form` is None when the body is not a form; only forms are signed."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    form: Mapping[str, str] | None
    signed: bool
    timeout_seconds: float = LONGEST_REQUEST_SECONDS


@dataclass(frozen=True)
class StudioAnswer:
    """What came back; status 0: nothing (refused, timed out). `location` is where a redirect leads."""

    status: int
    content_type: str
    body: bytes
    location: str = ""


class Widget(Protocol):
    """What a widget may see and do while it runs."""

    name: str
    properties: Mapping[str, Any]
    transitions: list[dict[str, Any]]
    context: dict[str, Any]
    now: float

    def way_back(self, event: str) -> str:
        """Return the flow's webhook with `FlowEvent=event`."""

    async def request(self, request: StudioRequest) -> StudioAnswer:
        """Make an HTTP request on behalf of Studio."""


@dataclass(frozen=True)
class Fired:
    """The widget is done: `event` fires. `chosen` is the transition of a split; `results` become `widgets.NAME.…`."""

    event: str
    results: Mapping[str, Any] = field(default_factory=dict)
    chosen: dict[str, Any] | None = None


@dataclass(frozen=True)
class Printed:
    """The widget printed TwiML; `waits` tells whether the call is expected back, `seconds` for how long."""

    twiml: str
    waits: bool = True
    seconds: float | None = None


Outcome = Fired | Printed


async def run_widget(kind: str, widget: Widget) -> Outcome | None:
    """Run a widget of type `kind`; None when the emulator does not know the type."""
    action = _ACTIONS.get(kind)
    return await action(widget) if action else None


def resume_widget(kind: str, event: str, query: Mapping[str, str], form: Mapping[str, str]) -> Fired:
    """Return what a waiting widget fires when the call comes back with `event`."""
    if kind == "add-twiml-redirect":
        extra = {key: value for key, value in query.items() if key != "FlowEvent"}
        return Fired(event, extra)
    if kind == "connect-call-to":
        gone = form.get("CallStatus") in {"completed", "canceled"}
        return Fired("hangup" if gone else "callCompleted", dict(form))
    if kind in {"enqueue-call", "send-to-flex"}:
        failed = form.get("QueueResult") in {"error", "system-error", "queue-full"}
        return Fired("failedToEnqueue" if failed else "callComplete", dict(form))
    if kind == "gather-input-on-call":
        event = "keypress" if form.get("Digits") else "speech" if form.get("SpeechResult") else "timeout"
        return Fired(event, dict(form))
    return Fired(event, dict(form))


def _text(widget: Widget, key: str) -> str:
    value = widget.properties.get(key)
    if value is None:
        return ""
    return render(value if isinstance(value, str) else json.dumps(value), widget.context)


def _response(*children: ET.Element) -> str:
    root = ET.Element("Response")
    root.extend(children)
    return '<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(root, encoding="unicode")


def _verb(tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.Element(tag, {name: value for name, value in attributes.items() if value})
    element.text = text
    return element


def _speech(widget: Widget) -> ET.Element | None:
    """Return what a widget with say, play or digits lets the caller hear."""
    loop = _text(widget, "loop")
    if widget.properties.get("say"):
        return _verb(
            "Say", _text(widget, "say"), voice=_text(widget, "voice"), language=_text(widget, "language"), loop=loop
        )
    if widget.properties.get("play"):
        return _verb("Play", _text(widget, "play"), loop=loop)
    return _verb("Play", digits=_text(widget, "digits")) if widget.properties.get("digits") else None


async def _say_play(widget: Widget) -> Outcome:
    speech = _speech(widget)
    if speech is None:
        return Fired("audioComplete")
    return Printed(_response(speech, _verb("Redirect", widget.way_back("audioComplete"), method="POST")))


async def _twiml_redirect(widget: Widget) -> Outcome:
    url = _text(widget, "url").strip()
    seconds = float(_text(widget, "timeout") or "14400")
    if not urlsplit(url).scheme.startswith("http"):
        return Fired("fail")
    verb = _verb("Redirect", url, method=_text(widget, "method") or "POST")
    return Printed(_response(verb), waits=seconds > 0, seconds=seconds)


async def _run_function(widget: Widget) -> Outcome:
    listed = widget.properties.get("parameters") or []
    form = {str(one["key"]): render(str(one.get("value", "")), widget.context) for one in listed}
    request = StudioRequest(
        "POST",
        _text(widget, "url"),
        {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
        urlencode(form).encode(),
        form,
        signed=True,
    )
    answer = await widget.request(request)
    for _ in range(MOST_REDIRECTS):
        if not (300 <= answer.status < 400 and answer.location):
            break
        request = replace(request, url=urljoin(request.url, answer.location))
        answer = await widget.request(request)
    results = _read_answer(answer)
    return Fired("success" if 200 <= answer.status < 300 and len(answer.body) <= LARGEST_ANSWER else "fail", results)


async def _http_request(widget: Widget) -> Outcome:
    listed = widget.properties.get("parameters") or []
    form = {str(one["key"]): render(str(one.get("value", "")), widget.context) for one in listed}
    method, url = _text(widget, "method") or "GET", _text(widget, "url")
    content_type = _text(widget, "content_type") or "application/x-www-form-urlencoded;charset=utf-8"
    body = _text(widget, "body").encode() or urlencode(form).encode()
    if method == "GET":
        url, body = f"{url}{'&' if '?' in url else '?'}{urlencode(form)}" if form else url, b""
    request = StudioRequest(method, url, {"Content-Type": content_type} if body else {}, body, None, signed=False)
    answer = await widget.request(request)
    small = len(answer.body) <= LARGEST_ANSWER
    return Fired("success" if 200 <= answer.status < 300 and small else "failed", _read_answer(answer))


def _read_answer(answer: StudioAnswer) -> dict[str, Any]:
    body = answer.body[:LARGEST_ANSWER].decode(errors="replace")
    results: dict[str, Any] = {"status_code": answer.status, "body": body}
    if answer.content_type.startswith("application/json") and len(answer.body) <= LARGEST_ANSWER:
        try:
            parsed = json.loads(body)
        except ValueError:
            return results
        if isinstance(parsed, dict):
            results["parsed"] = parsed
    return results


async def _split(widget: Widget) -> Outcome:
    for transition in widget.transitions:
        conditions = transition.get("conditions") or []
        if transition["event"] == "match" and conditions and all(_is_met(widget, one) for one in conditions):
            return Fired("match", chosen=transition)
    return Fired("noMatch")


def _is_met(widget: Widget, condition: Mapping[str, Any]) -> bool:
    found = "".join(render(argument, widget.context) for argument in condition["arguments"])
    return holds(condition["type"], found, render(condition["value"], widget.context), widget.now)


async def _set_variables(widget: Widget) -> Outcome:
    for variable in widget.properties.get("variables") or []:
        value = render(str(variable.get("value", "")), widget.context)
        widget.context["flow"]["variables"][str(variable["key"])] = value
    return Fired("next")


async def _connect(widget: Widget) -> Outcome:
    dial = _verb(
        "Dial",
        action=widget.way_back("callCompleted"),
        callerId=_text(widget, "caller_id"),
        timeout=_text(widget, "timeout"),
        record="record-from-answer" if widget.properties.get("record") is True else "",
    )
    noun, to = _text(widget, "noun"), _text(widget, "to")
    if noun == "number-multi":
        dial.extend(_verb("Number", number.strip()) for number in to.split(",") if number.strip())
    elif noun == "sip":
        login = {"username": _text(widget, "sip_username"), "password": _text(widget, "sip_password")}
        dial.append(_verb("Sip", _text(widget, "sip_endpoint"), **login))
    else:
        dial.append(_verb({"sim": "Sim", "client": "Client", "conference": "Conference"}.get(noun, "Number"), to))
    return Printed(_response(dial))


async def _enqueue(widget: Widget) -> Outcome:
    flex = "workflow" in widget.properties
    attributes = _text(widget, "attributes" if flex else "task_attributes")
    if attributes:
        try:
            well_formed = isinstance(json.loads(attributes), dict)
        except ValueError:
            well_formed = False
        if not well_formed:  # Twilio: error 14221
            return Fired("failedToEnqueue")
    workflow = _text(widget, "workflow" if flex else "workflow_sid")
    verb = _verb(
        "Enqueue",
        None if workflow else _text(widget, "queue_name"),
        workflowSid=workflow,
        action=widget.way_back("callComplete"),
        waitUrl=_text(widget, "waitUrl" if flex else "wait_url"),
        waitUrlMethod=_text(widget, "waitUrlMethod" if flex else "wait_url_method"),
    )
    if workflow:
        verb.append(
            _verb("Task", attributes or "{}", priority=_text(widget, "priority"), timeout=_text(widget, "timeout"))
        )
    return Printed(_response(verb))


async def _gather(widget: Widget) -> Outcome:
    gather = _verb(
        "Gather",
        input="dtmf speech",
        action=widget.way_back("gathered"),
        timeout=_text(widget, "timeout"),
        numDigits=_text(widget, "number_of_digits"),
        finishOnKey=_text(widget, "finish_on_key"),
        hints=_text(widget, "hints"),
        language=_text(widget, "gather_language"),
    )
    speech = _speech(widget)
    if speech is not None:
        gather.append(speech)
    return Printed(_response(gather, _verb("Redirect", widget.way_back("timeout"), method="POST")))


_ACTIONS: dict[str, Callable[[Widget], Awaitable[Outcome]]] = {
    "add-twiml-redirect": _twiml_redirect,
    "connect-call-to": _connect,
    "enqueue-call": _enqueue,
    "gather-input-on-call": _gather,
    "make-http-request": _http_request,
    "run-function": _run_function,
    "say-play": _say_play,
    "send-to-flex": _enqueue,
    "set-variables": _set_variables,
    "split-based-on": _split,
}
