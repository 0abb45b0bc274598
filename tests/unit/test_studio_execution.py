"""Calls in flows, as the emulator runs them: templates, conditions, every widget, the limits."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from twilio.request_validator import RequestValidator

from ga_deploy.emulator.studio.conditions import CONDITION_TYPES, holds
from ga_deploy.emulator.studio.execution import FlowAnswer, Revision, StudioCalls
from ga_deploy.emulator.studio.liquid import LiquidError, render
from ga_deploy.emulator.studio.widgets import StudioAnswer, StudioRequest
from ga_deploy.studio import build_flow
from tests.unit.studio_configs import TARGET, config_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

ACCOUNT, FLOW, TOKEN = "AC" + "0" * 32, "FW" + "0" * 32, "t" * 32
CALL = {"CallSid": "CA" + "1" * 32, "From": "+15550100009", "To": "+15550100000"}
VARIABLES = {
    "a": {"b": {"c-d": "x", "list": [1, "two"]}, "n": 4, "blank": "", "odd key": "found"},
    "word": "Hello World",
    "number": "7",
    "yes": True,
}

TEMPLATES = {
    "plain": "plain",
    "{{word}}": "Hello World",
    "{{ a.b.c-d }}": "x",
    '{{ a["odd key"] }}': "found",
    "{{ a.b.list[1] }}{{ a.b.list.first }}{{ a.b.list.size }}": "two12",
    "{{ a.b.list }}": '[1, "two"]',
    "{{ nothing.at.all }}|": "|",
    "{{ yes }}": "true",
    "{{ a.blank | default: word | upcase }}": "HELLO WORLD",
    '{{ nothing | default: "{}" }}': "{}",
    "{{ number | plus: 1 }}{{ number | times: 2 }}{{ a.n | divided_by: 3 }}": "8141",
    "{{ word | url_encode }}": "Hello+World",
    '{{ word | replace: "World", "you" | append: "!" | slice: 0, 8 }}': "Hello yo",
    '{{ "a,b" | split: "," | last }}': "b",
    "{% if a.n > 3 and word contains 'World' %}yes{% else %}no{% endif %}": "yes",
    "{% unless yes %}a{% elsif number == '7' %}b{% endunless %}": "b",
    "{% if a.blank == blank %}empty{% endif %}": "empty",
    "{% if nothing %}a{% elsif a.b.list %}b{% endif %}": "b",
    "{% case number %}{% when '6', '7' %}six{% else %}other{% endcase %}": "six",
    "{% assign greeting = word | downcase %}{{ greeting }}": "hello world",
    "{% raw %}{{ word }}{% endraw %}": "{{ word }}",
    "a{% comment %}{{ broken | }}{% endcomment %}b": "ab",
    "{% if yes %}{% if nothing %}a{% else %}b{% endif %}c{% endif %}": "bc",
    "a {%- if yes -%} b {%- endif -%} c {{- word -}} d": "abcHello Worldd",
    '{{ "a,b,c" | split: "," | slice: 1, 2 | join: "-" }}': "b-c",
    "{{ 7 | divided_by: 2.0 }} {{ 1.5 | plus: 1.5 }} {{ 2.25 | round: 1 }}": "3.5 3.0 2.2",
    "{% for one in a.b.list %}{{ forloop.index }}:{{ one }} {% endfor %}": "1:1 2:two ",
    "{% capture both %}{{ word }}!{% endcapture %}{{ both | size }}": "12",
    '{{ "2026-03-01T15:04:05" | date: "%A %d %B %Y %H:%M" }}': "Sunday 01 March 2026 15:04",
    '{{ a.b | replace: "two", "2" }}{{ a.b.list | append: "." }}': '{"c-d": "x", "list": [1, "2"]}[1, "two"].',
    "{{ a.list.limit }}|{{ a.for }}|{{ 'a.blank' }}": "||a.blank",
    "{{ a.b }}": '{"c-d": "x", "list": [1, "two"]}',
    "{% raw %}{{ a.blank }}{% endraw %}": "{{ a.blank }}",
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates(template: str) -> None:
    assert render(template, VARIABLES) == TEMPLATES[template]


@pytest.mark.parametrize(
    "template",
    [
        "{{ a | }}",
        "{{ a | unknown }}",
        "{% for x in a %}",
        "{% if a %}",
        "{% endif %}",
        "{{ a[ }}",
        "{{ 'a' b }}",
        "{{ ; }}",
    ],
)
def test_a_template_that_cannot_be_read_is_an_error_and_not_an_empty_text(template: str) -> None:
    with pytest.raises(LiquidError):
        render(template, VARIABLES)


NOON = 1_764_000_000.0 - 1_764_000_000.0 % 86_400 + 12 * 3600
CONDITIONS = [
    ("equal_to", " Billing ", "billing", True),
    ("equal_to", "bill", "billing", False),
    ("not_equal_to", "a", "b", True),
    ("matches_any_of", "busy", "no-answer, busy,failed", True),
    ("does_not_match_any_of", "completed", "busy,failed", True),
    ("is_blank", " ", "", True),
    ("is_not_blank", "x", "", True),
    ("regex", "+15550100009", r"^\+1\d{10}$", True),
    ("regex", "+15550100009", "(", False),
    ("contains", "two three", "TWO", True),
    ("does_not_contain", "two", "three", True),
    ("starts_with", "+49301", "+49", True),
    ("does_not_start_with", "+1", "+49", True),
    ("less_than", "2", "10", True),
    ("less_than", "two", "10", False),
    ("greater_than", "10", "2", True),
    ("is_before_time", "08:59", "09:00", True),
    ("is_after_time", "09:00", "09:00", False),
    ("is_after_time", "", "11:00", True),
    ("is_before_date", "2026-12-24", "2026-12-25", True),
    ("is_after_date", "2026-12-26", "2026-12-25", True),
    ("sounds_like", "a", "a", False),
]


@pytest.mark.parametrize(("kind", "found", "value", "expected"), CONDITIONS)
def test_conditions(kind: str, found: str, value: str, expected: bool) -> None:
    assert holds(kind, found, value, NOON) is expected


def test_every_type_of_condition_has_a_case() -> None:
    assert {kind for kind, *_ in CONDITIONS} >= set(CONDITION_TYPES)


class Flows:
    """One flow, and a function behind it."""

    def __init__(self, *states: dict[str, Any], start: str = "first") -> None:
        trigger = {"name": "Trigger", "type": "trigger", "transitions": [{"event": "incomingCall", "next": start}]}
        self.definition: dict[str, Any] = {"initial_state": "Trigger", "states": [trigger, *states]}
        self.requests: list[StudioRequest] = []
        self.answer: Callable[[StudioRequest], Awaitable[StudioAnswer]] = self.reply
        self.body: Any = {}
        self.now = 1000.0
        self.calls = StudioCalls(
            find_revision=lambda account, flow, caller: Revision(flow, 1, self.definition) if flow == FLOW else None,
            send=self.send,
            token_of=lambda account: TOKEN,
            now=lambda: self.now,
        )

    async def reply(self, request: StudioRequest) -> StudioAnswer:
        return StudioAnswer(200, "application/json; charset=utf-8", json.dumps(self.body).encode())

    async def send(self, request: StudioRequest) -> StudioAnswer:
        self.requests.append(request)
        return await self.answer(request)

    def ring(self, **more: str) -> FlowAnswer:
        return asyncio.run(self.calls.handle(ACCOUNT, FLOW, {}, {**CALL, **more}))

    def come_back(self, event: str, query: dict[str, str] | None = None, **form: str) -> FlowAnswer:
        return asyncio.run(self.calls.handle(ACCOUNT, FLOW, {"FlowEvent": event, **(query or {})}, {**CALL, **form}))

    def way(self) -> list[str]:
        return [f"{s.transitioned_from}.{s.event}" for s in self.calls.executions(ACCOUNT, FLOW)[0].steps]


def widget(name: str, kind: str, exits: Mapping[str, str | None], **properties: Any) -> dict[str, Any]:
    transitions = [{"event": event, **({"next": target} if target else {})} for event, target in exits.items()]
    return {"name": name, "type": kind, "properties": properties, "transitions": transitions}


def say(name: str, text: str, then: str | None = None) -> dict[str, Any]:
    return widget(name, "say-play", {"audioComplete": then}, say=text, voice="Polly.Joanna", loop=1)


def verbs(answer: FlowAnswer) -> list[ET.Element]:
    assert answer.status == 200, answer.problem
    return list(ET.fromstring(answer.twiml))


def test_saying_comes_back_for_the_next_widget() -> None:
    flows = Flows(say("first", "Hello {{trigger.call.From}} & <you>", "second"), say("second", "Bye"))
    spoken, back = verbs(flows.ring())
    assert (spoken.tag, spoken.text) == ("Say", "Hello +15550100009 & <you>")
    assert spoken.attrib == {"voice": "Polly.Joanna", "loop": "1"}
    assert back.text == f"https://webhooks.twilio.com/v1/Accounts/{ACCOUNT}/Flows/{FLOW}?FlowEvent=audioComplete"
    assert verbs(flows.come_back("audioComplete"))[0].text == "Bye"
    assert verbs(flows.come_back("audioComplete")) == [], "the flow is over, and with it the call"
    assert flows.calls.executions(ACCOUNT, FLOW)[0].status == "ended"


def test_playing_recordings_and_digits() -> None:
    flows = Flows(
        widget("first", "say-play", {"audioComplete": "second"}, play="https://example.com/a.mp3", loop=2),
        widget("second", "say-play", {"audioComplete": None}, digits="ww1"),
    )
    played = verbs(flows.ring())[0]
    assert (played.tag, played.text, played.get("loop")) == ("Play", "https://example.com/a.mp3", "2")
    assert verbs(flows.come_back("audioComplete"))[0].get("digits") == "ww1"


def redirecting(timeout: str = "14400") -> Flows:
    url = "https://ga.twil.io/flow/engage?FlowSid={{flow.flow_sid}}"
    exits = {"return": "told", "timeout": "late", "fail": "late"}
    return Flows(
        widget("first", "add-twiml-redirect", exits, url=url, method="POST", timeout=timeout),
        say("told", "{{widgets.first.foo}}"),
        say("late", "Late."),
    )


def test_a_redirect_waits_for_this_very_call_and_takes_what_it_brings() -> None:
    flows = redirecting()
    assert verbs(flows.ring())[0].text == f"https://ga.twil.io/flow/engage?FlowSid={FLOW}"
    other = asyncio.run(flows.calls.handle(ACCOUNT, FLOW, {"FlowEvent": "return"}, {**CALL, "CallSid": "CA2"}))
    assert other.status == 404
    assert verbs(flows.come_back("return", {"foo": "bar"}))[0].text == "bar"


def test_a_redirect_that_comes_back_too_late_has_timed_out() -> None:
    flows = redirecting("60")
    flows.ring()
    flows.now += 61
    assert verbs(flows.come_back("return"))[0].text == "Late."


def test_a_redirect_without_timeout_gives_the_call_away() -> None:
    flows = redirecting("0")
    assert verbs(flows.ring())[0].tag == "Redirect"
    assert flows.calls.executions(ACCOUNT, FLOW)[0].status == "ended"
    assert flows.come_back("return").status == 404


def running() -> Flows:
    return Flows(
        widget(
            "first",
            "run-function",
            {"success": "told", "fail": "failed"},
            url="https://ga.twil.io/flow/call-transfer",
            parameters=[{"key": "CallSid", "value": "{{trigger.call.CallSid}}"}, {"key": "b", "value": "ü & {{no}}"}],
        ),
        say("told", "{{widgets.first.parsed.outcome}} {{widgets.first.status_code}} {{widgets.first.body}}"),
        say("failed", "failed {{widgets.first.status_code}}"),
    )


def test_a_function_is_called_signed_and_its_json_can_be_used() -> None:
    flows = running()
    flows.body = {"outcome": "agent"}
    assert verbs(flows.ring())[0].text == 'agent 200 {"outcome": "agent"}'
    (request,) = flows.requests
    assert request.method == "POST"
    form = {"CallSid": CALL["CallSid"], "b": "ü & "}
    assert RequestValidator(TOKEN).validate(request.url, form, request.headers["X-Twilio-Signature"])
    assert request.body.decode() == f"CallSid={CALL['CallSid']}&b=%C3%BC+%26+"


@pytest.mark.parametrize(
    ("status", "size", "expected"), [(404, 2, "failed 404"), (200, 65_537, "failed 200"), (200, 65_536, " 200 ")]
)
def test_what_a_function_may_answer(status: int, size: int, expected: str) -> None:
    flows = running()

    async def answer(request: StudioRequest) -> StudioAnswer:
        return StudioAnswer(status, "text/plain", b"x" * size)

    flows.answer = answer
    assert str(verbs(flows.ring())[0].text).startswith(expected)


def test_redirects_of_a_function_are_followed_but_not_for_ever() -> None:
    flows = running()
    hops = [StudioAnswer(307, "", b"", "/elsewhere"), StudioAnswer(200, "text/plain", b"here")]

    async def answer(request: StudioRequest) -> StudioAnswer:
        return hops.pop(0) if hops else StudioAnswer(302, "", b"", "/again")

    flows.answer = answer
    assert verbs(flows.ring())[0].text == " 200 here"
    assert [request.url for request in flows.requests][1] == "https://ga.twil.io/elsewhere"
    assert verbs(flows.ring())[0].text == "failed 302"


@pytest.mark.parametrize("problem", [ConnectionError, TimeoutError])
def test_a_function_that_does_not_answer_has_failed(problem: type[Exception]) -> None:
    flows = running()

    async def answer(request: StudioRequest) -> StudioAnswer:
        assert request.timeout_seconds == 10
        raise problem

    flows.answer = answer
    assert verbs(flows.ring())[0].text == "failed 0"


def test_dialling_says_how_it_ended() -> None:
    exits = {"callCompleted": "after", "hangup": None}
    flows = Flows(
        widget(
            "first",
            "connect-call-to",
            exits,
            noun="number",
            to="+15550100001",
            caller_id="{{trigger.call.To}}",
            timeout=20,
        ),
        say("after", "{{widgets.first.DialCallStatus}}"),
    )
    (dial,) = verbs(flows.ring())
    assert {key: value for key, value in dial.attrib.items() if key != "action"} == {
        "callerId": "+15550100000",
        "timeout": "20",
    }
    assert [(noun.tag, noun.text) for noun in dial] == [("Number", "+15550100001")]
    assert verbs(flows.come_back("callCompleted", DialCallStatus="busy", CallStatus="in-progress"))[0].text == "busy"
    flows.ring()
    assert verbs(flows.come_back("callCompleted", DialCallStatus="canceled", CallStatus="completed")) == []
    assert flows.way()[-1] == "first.hangup"


@pytest.mark.parametrize(
    ("properties", "nouns"),
    [
        ({"noun": "sip", "sip_endpoint": "sip:a@b", "sip_username": "u"}, [("Sip", "sip:a@b")]),
        ({"noun": "number-multi", "to": "+1, +2"}, [("Number", "+1"), ("Number", "+2")]),
        ({"noun": "client", "to": "alice"}, [("Client", "alice")]),
        ({"noun": "conference", "to": "room"}, [("Conference", "room")]),
        ({"noun": "sim", "to": "DE1"}, [("Sim", "DE1")]),
    ],
)
def test_what_can_be_dialled(properties: dict[str, str], nouns: list[tuple[str, str]]) -> None:
    flows = Flows(widget("first", "connect-call-to", {"callCompleted": None, "hangup": None}, **properties))
    assert [(noun.tag, noun.text) for noun in verbs(flows.ring())[0]] == nouns


@pytest.mark.parametrize(
    ("kind", "workflow", "attributes"),
    [("enqueue-call", "workflow_sid", "task_attributes"), ("send-to-flex", "workflow", "attributes")],
)
def test_queueing_needs_json_and_may_fail(kind: str, workflow: str, attributes: str) -> None:
    exits = {"callComplete": None, "failedToEnqueue": "sorry", "callFailure": "sorry"}
    properties = {workflow: "WW" + "0" * 32, attributes: '{"from": "{{trigger.call.From}}"}', "priority": "5"}
    flows = Flows(widget("first", kind, exits, **properties), say("sorry", "Sorry."))
    (queue,) = verbs(flows.ring())
    assert queue.get("workflowSid") == "WW" + "0" * 32
    assert (queue[0].text, queue[0].get("priority")) == ('{"from": "+15550100009"}', "5")
    assert verbs(flows.come_back("callComplete", QueueResult="system-error"))[0].text == "Sorry."
    assert verbs(flows.ring(From='"hostile"'))[0].text == "Sorry.", "attributes that are no JSON are refused"


def test_splits_try_their_conditions_in_order_and_all_of_one_match() -> None:
    def match(target: str, *conditions: tuple[str, str]) -> dict[str, Any]:
        listed = [
            {"friendly_name": value, "type": kind, "value": value, "arguments": ["{{trigger.call.From}}"]}
            for kind, value in conditions
        ]
        return {"event": "match", "next": target, "conditions": listed}

    split = widget("first", "split-based-on", {"noMatch": "other"}, input="{{trigger.call.From}}")
    split["transitions"] += [
        match("both", ("starts_with", "+1"), ("contains", "9")),
        match("one", ("starts_with", "+1")),
    ]
    flows = Flows(split, say("both", "both"), say("one", "one"), say("other", "other"))
    assert verbs(flows.ring())[0].text == "both"
    assert verbs(flows.ring(From="+1555"))[0].text == "one"
    assert verbs(flows.ring(From="anonymous"))[0].text == "other"


def test_variables_and_gathered_keys() -> None:
    gather = {"keypress": "told", "speech": "told", "timeout": "silent"}
    flows = Flows(
        widget(
            "first",
            "set-variables",
            {"next": "menu"},
            variables=[{"key": "tries", "value": "{{flow.variables.tries | plus: 1}}"}],
        ),
        widget("menu", "gather-input-on-call", gather, say="Press one.", number_of_digits=1, timeout=5),
        say("told", "{{widgets.menu.Digits}}{{widgets.menu.SpeechResult}} {{flow.variables.tries}}"),
        say("silent", "Nothing?"),
    )
    gathered, _ = verbs(flows.ring())
    assert (gathered.get("numDigits"), gathered[0].text) == ("1", "Press one.")
    assert verbs(flows.come_back("gathered", Digits="1"))[0].text == "1 1"
    flows.ring()
    assert verbs(flows.come_back("gathered", SpeechResult="help"))[0].text == "help 1"
    flows.ring()
    assert verbs(flows.come_back("timeout"))[0].text == "Nothing?"


@pytest.mark.parametrize(
    ("method", "sent"), [("GET", ("https://crm.test/?a=1&b=2", b"")), ("POST", ("https://crm.test/?a=1", b"b=2"))]
)
def test_http_requests_are_not_signed(method: str, sent: tuple[str, bytes]) -> None:
    flows = Flows(
        widget(
            "first",
            "make-http-request",
            {"success": "told", "failed": None},
            method=method,
            url="https://crm.test/?a=1",
            parameters=[{"key": "b", "value": "2"}],
        ),
        say("told", "{{widgets.first.parsed.known}}"),
    )
    flows.body = {"known": True}
    assert verbs(flows.ring())[0].text == "true"
    assert (flows.requests[0].url, flows.requests[0].body) == sent
    assert "X-Twilio-Signature" not in flows.requests[0].headers


def test_a_widget_that_runs_ten_times_in_a_row_ends_the_execution() -> None:
    flows = Flows(widget("first", "set-variables", {"next": "first"}, variables=[]))
    answer = flows.ring()
    assert (answer.status, "10 times in a row" in answer.problem) == (500, True)


def test_an_execution_of_more_than_a_thousand_steps_ends() -> None:
    one = widget("first", "set-variables", {"next": "second"}, variables=[])
    flows = Flows(one, widget("second", "set-variables", {"next": "first"}, variables=[]))
    answer = flows.ring()
    assert (answer.status, "1000 steps" in answer.problem) == (500, True)


def test_a_widget_that_the_emulator_does_not_know_is_named() -> None:
    answer = Flows(widget("first", "record-voicemail", {"recordingComplete": None})).ring()
    assert (answer.status, answer.problem) == (501, "widget `first`: the emulator cannot run `record-voicemail`")


def test_an_execution_keeps_the_revision_it_began_with() -> None:
    flows = Flows(say("first", "Old one.", "second"), say("second", "Old two."))
    flows.ring()
    flows.definition = Flows(say("first", "New.")).definition
    assert verbs(flows.come_back("audioComplete"))[0].text == "Old two."
    assert verbs(flows.ring())[0].text == "New."


def published() -> Flows:
    flows = Flows()
    flows.definition = dict(
        build_flow(config_of("outcomes: {completed: [{say: Goodbye.}], system: [{say: Done.}]}"), TARGET)
    )
    return flows


BRANCHES = {
    "agent": "ga_agent_1_say",
    "system": "ga_system_1_say",
    "completed": "ga_completed_1_say",
    "dropped": "ga_dropped_1_to_support",
    "unknown": "ga_unknown_1_to_support",
    "failed": "ga_failed_1_to_support",
    "bypass": "ga_bypass_1_to_support",
    "something new": "ga_unknown_1_to_support",
}


@pytest.mark.parametrize("outcome", BRANCHES)
def test_every_outcome_reaches_its_branch(outcome: str) -> None:
    flows = published()
    flows.ring()
    flows.body = {"outcome": outcome}
    verbs(flows.come_back("return", {"transferId": "T1", "outcome": "engaged"}))
    assert flows.calls.executions(ACCOUNT, FLOW)[0].waiting == BRANCHES[outcome]
    assert flows.requests[0].form is not None
    assert flows.requests[0].form["transfer"] == "T1"


def test_a_pending_result_is_asked_for_again_with_what_was_told_and_afresh_in_a_second_conversation() -> None:
    flows = published()
    flows.ring()
    answers = [
        {"outcome": "pending", "since": "1764291003123.1", "seen": "ongoing"},
        {"outcome": "reconnect", "reconnect": "T1-2"},
    ]

    async def answer(request: StudioRequest) -> StudioAnswer:
        return StudioAnswer(200, "application/json", json.dumps(answers.pop(0)).encode())

    flows.answer = answer
    spoken, _ = verbs(flows.come_back("return", {"transferId": "T1"}))
    assert (spoken.tag, spoken.text) == ("Say", "One moment, please.")
    (again,) = verbs(flows.come_back("audioComplete"))
    asked = [request.form or {} for request in flows.requests]
    assert [(form["since"], form["seen"]) for form in asked] == [("", ""), ("1764291003123.1", "ongoing")]
    assert str(again.text).endswith("&transfer=T1-2")
    answers += [{"outcome": "agent"}]
    verbs(flows.come_back("return", {"transferId": "T1-2"}))
    last = flows.requests[-1].form or {}
    assert (last["transfer"], last["since"], last["seen"]) == ("T1-2", "", "")


def test_a_function_that_fails_does_not_lose_the_caller() -> None:
    flows = published()
    flows.ring()

    async def answer(request: StudioRequest) -> StudioAnswer:
        return StudioAnswer(502, "application/json", b'{"error": "no answer"}')

    flows.answer = answer
    (dial,) = verbs(flows.come_back("return", {"transferId": "T1"}))
    assert dial[0].text == "+15550100001"
