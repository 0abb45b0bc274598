"""What every contact centre asks for: recording, hours, machines, voicemail, queues, messages, typed attributes.

Long, since each key of the config is shown once, with its table of cases.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest

FLOW = "FW" + "7" * 32
ALWAYS_CLOSED = {"timezone": "UTC", "open": {"mon": "08:00-17:00"}}
MONDAY, TUESDAY = "2026-03-02T12:00:00Z", "2026-03-03T12:00:00Z"


def complete(bench: Any, **query: str) -> str:
    return f"/call-complete?transfer={bench.transfer}" + "".join(f"&{name}={value}" for name, value in query.items())


def agent(*steps: object) -> dict[str, object]:
    return {"outcomes": {"agent": list(steps)}}


def test_a_dialled_destination_has_what_the_config_says(deploy: Any, bench: Any) -> None:
    more = {"answer_on_bridge": True, "time_limit": 7200, "record": "record-from-answer-dual"}
    functions = deploy({"destinations": {"support": more, "billing": more}, **agent({"send": "support"})})
    wanted = {"answerOnBridge": "true", "timeLimit": "7200", "record": "record-from-answer-dual"}
    dial = functions.post(complete(bench)).find("Dial")
    assert wanted.items() <= dial.attrib.items()
    sip = functions.post(complete(bench, outcome="agent", step="0", profile="es"), From="+15551112222").find("Dial")
    assert sip.get("timeLimit") == "7200"


def test_a_queue_needs_no_workflow(deploy: Any, bench: Any) -> None:
    line = {"enqueue": {"queue": "support line", "wait_url": "https://music.example.com/hold"}}
    answer = deploy({"destinations": {"line": line}, **agent({"send": "line"})}).post(complete(bench))
    queue = answer.find("Enqueue")
    assert queue.text == "support line"
    assert queue.get("waitUrl") == "https://music.example.com/hold"
    assert list(queue) == []
    assert queue.get("workflowSid") is None


ATTRIBUTES = {
    "reason": {"from": "transferVariables.reason"},
    "level": 3,
    "vip": True,
    "score": {"from": "transferVariables.score", "default": "none"},
    "absent": {"from": "transferVariables.absent"},
    "mapped": {"from": "transferVariables.score", "map": {"7": "high"}},
    "customers": {
        "phone": {"from": "call.customer"},
        "from": "a part of its own",
        "tags": ["a", {"from": "call.ours"}],
    },
    "items": {"from": "transferVariables.items"},
}


def test_task_attributes_keep_their_types_and_may_be_nested(deploy: Any, asapp: Any, bench: Any) -> None:
    flex = {"enqueue": {"attributes": ATTRIBUTES, "priority": 1, "timeout": 300}}
    functions = deploy({"destinations": {"flex": flex}, **agent({"send": "flex"})})
    items = [{"id": 1, "paid": False, "note": "a\u2028b"}, None]
    asapp.transfer = [bench.completed("AGENT", transferVariables={"reason": "refund", "score": 7, "items": items})]
    task = functions.post(complete(bench)).find("Enqueue/Task")
    assert task.attrib == {"priority": "1", "timeout": "300"}
    assert json.loads(task.text) == {
        "reason": "refund",
        "level": 3,
        "vip": True,
        "score": 7,
        "mapped": "high",
        "customers": {"phone": "+15551112222", "from": "a part of its own", "tags": ["a", "+15550100000"]},
        "items": [{"id": 1, "paid": False, "note": "a\u2028b"}, None],
    }


LEFT_OUT: dict[str, object] = {
    "nested in six levels": {"a": {"b": {"c": {"d": {"e": {}}}}}},
    "nested without end": json.loads("[" * 400 + "]" * 400),
    "larger than 4 KB": ["x" * 100] * 41,
    "larger than 4 KB with the rest": "ü" * 250,
}


@pytest.mark.parametrize("value", LEFT_OUT.values(), ids=LEFT_OUT)
def test_an_attribute_that_does_not_fit_is_left_out_whole(deploy: Any, asapp: Any, bench: Any, value: object) -> None:
    names = [f"large{at}" for at in range(9 if isinstance(value, str) else 1)]
    attributes = {name: {"from": "transferVariables.large"} for name in names}
    flex = {"enqueue": {"attributes": {"first": "kept", **attributes, "last": "kept too"}}}
    functions = deploy({"destinations": {"flex": flex}, **agent({"send": "flex"})})
    asapp.transfer = [bench.completed("AGENT", transferVariables={"large": value})]
    answer = functions.post(complete(bench))
    sent = json.loads(answer.find("Enqueue/Task").text)
    assert (sent["first"], sent["last"]) == ("kept", "kept too")
    left = answer.event("task.attributes_left_out")["attributes"]
    assert left
    assert not set(left) & set(sent)
    assert all(sent[name] == value for name in attributes if name in sent), "whole or not at all"
    assert len(answer.find("Enqueue/Task").text.encode()) <= 4096


def test_five_levels_are_not_too_many(deploy: Any, asapp: Any, bench: Any) -> None:
    flex = {"enqueue": {"attributes": {"reason": {"from": "transferVariables.reason"}}}}
    functions = deploy({"destinations": {"flex": flex}, **agent({"send": "flex"})})
    deep = {"a": {"b": {"c": {"d": {"e": 1}}}}}
    asapp.transfer = [bench.completed("AGENT", transferVariables={"reason": deep})]
    assert json.loads(functions.post(complete(bench)).find("Enqueue/Task").text)["reason"] == deep


RECORDING = {
    "announce": "This call may be recorded.",
    "channels": "dual",
    "status_callback": "https://crm.example.com/r",
}


def test_a_recording_starts_behind_its_announcement(deploy: Any, asapp: Any, bench: Any) -> None:
    functions = deploy({"recording": RECORDING, "greeting": [{"say": "Hello."}], "waiting": {"max_seconds": 0}})
    answer = functions.post("/engage")
    assert answer.verbs == ["Say", "Say", "Start", "Connect", "Redirect"]
    assert answer.root[1].text == "This call may be recorded."
    assert answer.find("Start/Recording").attrib == {
        "channels": "dual",
        "recordingStatusCallback": "https://crm.example.com/r",
    }
    asapp.transfer = [bench.ongoing]
    again = functions.post(f"/call-complete?transfer={bench.transfer}")
    assert again.verbs == ["Connect", "Redirect"], "the first recording goes on"
    asapp.stream = [bench.reply(403)]
    functions.fresh()
    assert "Start" not in functions.post("/engage").verbs


def test_a_recording_may_be_unsaid(deploy: Any) -> None:
    answer = deploy({"recording": {**RECORDING, "announce": ""}}).post("/engage")
    assert answer.verbs == ["Start", "Connect", "Redirect"]


def test_outside_its_hours_the_agent_is_closed(deploy: Any, asapp: Any) -> None:
    functions = deploy({"hours": ALWAYS_CLOSED, "outcomes": {"closed": [{"say": "We are closed."}, "hangup"]}})
    functions.clock(now=TUESDAY)
    closed = functions.post("/engage")
    assert closed.verbs == ["Say", "Hangup"]
    assert closed.event("call")["outcome"] == "closed"
    assert asapp.seen == []
    functions.clock(now=MONDAY)
    assert functions.post("/engage").verbs == ["Connect", "Redirect"]


MACHINES = {
    "machine_start": True,
    "machine_end_beep": True,
    "machine_end_silence": True,
    "fax": True,
    "human": False,
    "unknown": False,
    "": False,
}


@pytest.mark.parametrize(("answered_by", "is_machine"), MACHINES.items(), ids=str)
def test_a_machine_does_not_talk_to_the_agent(deploy: Any, asapp: Any, answered_by: str, is_machine: bool) -> None:
    placed = {"Direction": "outbound-api", "From": "+15550100000", "To": "+15551112222", "AnsweredBy": answered_by}
    answer = deploy().post("/engage", **placed)
    assert answer.verbs == (["Hangup"] if is_machine else ["Connect", "Redirect"])
    assert bool(asapp.seen) != is_machine


def test_the_checks_have_an_order(deploy: Any, bench: Any) -> None:
    """gone, machine, closed, bypass"""
    functions = deploy({"hours": ALWAYS_CLOSED, "outcomes": {"machine": [{"say": "A machine."}, "hangup"]}})
    functions.clock(now=TUESDAY)
    functions.set(GA_ENABLED="off")
    machine = {"AnsweredBy": "machine_start"}
    assert functions.post("/engage", CallStatus="completed", **machine).event("call")["outcome"] == "abandoned"
    assert functions.post("/engage", **machine).event("call")["outcome"] == "machine"
    assert functions.post("/engage").event("call")["outcome"] == "closed"
    functions.clock(now=MONDAY)
    assert functions.post("/engage").event("call")["outcome"] == "bypass"


def test_a_flow_is_told_why_there_was_no_agent(deploy: Any, bench: Any) -> None:
    functions = deploy({"hours": ALWAYS_CLOSED, "flow": {"enabled": True}})
    functions.clock(now=TUESDAY)
    for fields, outcome in (({}, "closed"), ({"AnsweredBy": "fax"}, "machine")):
        answer = functions.post(f"/flow/engage?FlowSid={FLOW}", **fields)
        assert answer.verbs == ["Redirect"]
        assert bench.query(answer.root[0].text)["outcome"] == outcome
        told = functions.post("/flow/call-transfer", judged=False, outcome=outcome, transfer=bench.transfer)
        assert told.json["outcome"] == outcome
    again = functions.post(f"/flow/engage?FlowSid={FLOW}&transfer={bench.transfer}-2")
    assert again.verbs == ["Connect", "Redirect"], "a conversation that began in time goes on"


PARTIES = {
    "a call to us": ({}, "+15551112222", "+15550100000"),
    "a call from us": (
        {"Direction": "outbound-api", "From": "+15550100000", "To": "+15551112222"},
        "+15551112222",
        "+15550100000",
    ),
    "a call that dials from us": (
        {"Direction": "outbound-dial", "From": "+15550100000", "To": "+15551112222"},
        "+15551112222",
        "+15550100000",
    ),
}


@pytest.mark.parametrize(("fields", "customer", "ours"), PARTIES.values(), ids=PARTIES)
def test_the_customer_is_the_other_party_whoever_called(
    deploy: Any, fields: dict[str, str], customer: str, ours: str
) -> None:
    variables = {"theirs": {"from": "call.customer"}, "ours": {"from": "call.ours"}}
    parameters = deploy({"input": {"variables": variables}}).post("/engage", **fields).parameters
    assert (parameters["theirs"], parameters["ours"]) == (customer, ours)


@pytest.fixture
def mailbox(deploy: Any, fault_server: Any) -> Any:
    notify = {"url": f"{fault_server.url}/notified", "secret": "${HOOK}"}
    box = {"voicemail": {"say": "Leave a message.", "max_seconds": 90, "notify": notify}}
    return deploy({"destinations": {"mailbox": box}, **agent({"send": "mailbox"})})


RECORDED = {"RecordingUrl": "https://api.twilio.com/r/RE1", "RecordingSid": "RE" + "1" * 32, "RecordingDuration": "12"}


@pytest.mark.parametrize("status", ["completed", "in-progress"])
def test_a_voicemail_is_passed_on_when_it_ends(mailbox: Any, asapp: Any, bench: Any, status: str) -> None:
    answer = mailbox.post(complete(bench))
    assert answer.verbs == ["Say", "Record"]
    assert answer.find("Record").get("maxLength") == "90"
    over = mailbox.post(answer.action, CallStatus=status, **RECORDED)
    assert over.verbs == ([] if status == "completed" else ["Hangup"])
    (told,) = asapp.of("notify")
    body = json.loads(told.body)
    assert body["recordingUrl"] == RECORDED["RecordingUrl"]
    assert body["recordingSid"] == RECORDED["RecordingSid"]
    assert (body["recordingSeconds"], body["mailbox"], body["outcome"]) == (12, "mailbox", "agent")
    assert told.headers["x-ga-signature"].startswith("t=")
    assert RECORDED["RecordingUrl"] not in json.dumps(over.log)


def test_a_caller_who_left_no_message_is_not_passed_on(mailbox: Any, asapp: Any, bench: Any) -> None:
    answer = mailbox.post(complete(bench))
    assert mailbox.post(answer.action, CallStatus="completed").verbs == []
    assert mailbox.post(complete(bench, outcome="agent", to="support"), CallStatus="completed", **RECORDED).verbs == []
    assert asapp.of("notify") == []


SMS = {"text": "Your reference is on its way.", "to": {"from": "call.customer"}, "from": "called"}


def test_a_text_message_is_sent_beside_the_other_steps(deploy: Any, asapp: Any, bench: Any) -> None:
    asapp.messages = [bench.reply(201, {"sid": "SM" + "1" * 32, "status": "queued"})]
    functions = deploy(agent({"sms": SMS}, {"send": "support"}))
    functions.clock(pace=0.01)
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Dial"]
    (sent,) = asapp.of("messages")
    assert parse_qs(sent.body.decode()) == {
        "To": ["+15551112222"],
        "From": ["+15550100000"],
        "Body": ["Your reference is on its way."],
    }
    assert answer.event("sms")["messageSid"] == "SM" + "1" * 32
    assert "+1555" not in json.dumps(answer.log)


@pytest.mark.parametrize("caller", ["anonymous", "+266696687", "client:alice", "sip:a@b.example", ""])
def test_nobody_without_a_number_gets_a_text_message(deploy: Any, asapp: Any, bench: Any, caller: str) -> None:
    answer = deploy(agent({"sms": SMS}, {"send": "support"})).post(complete(bench), From=caller)
    assert answer.verbs == ["Dial"]
    assert answer.event("sms.skipped")["receiver"] is False
    assert asapp.of("messages") == []


@pytest.mark.parametrize("trouble", [{"hang": True}, {"drop": True}, {"status": 400, "body": {"code": 21610}}])
def test_a_text_message_in_trouble_costs_a_second_at_most(deploy: Any, asapp: Any, bench: Any, trouble: Any) -> None:
    asapp.messages = [bench.reply(**trouble)]
    functions = deploy(agent({"sms": SMS}, {"send": "support"}))
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Dial"]
    assert answer.level("sms") == "warning"
    if trouble.get("hang"):
        assert answer.event("sms")["code"] == "ETIMEDOUT"


AFTER = {"hooks": {"after_call": "./hooks/after.js"}}


def after(code: str) -> tuple[dict[str, Any], dict[str, str]]:
    return AFTER, {"hooks/after.js": f"let asked = 0;\nmodule.exports = {code};\n"}


def test_a_hook_that_talks_without_end_is_cut_and_still_leads_on(deploy: Any, bench: Any) -> None:
    steps = "[...Array(40).fill({ say: 'x & y '.repeat(500) }), { send: 'support' }]"
    answer = deploy(*after(f"() => {steps}")).post(complete(bench))
    assert answer.verbs[-1] == "Dial"
    assert answer.verbs.count("Say") >= 1
    assert answer.level("hook.cut") == "warning"


LONGEST = {"Polly.Amy": 3000, "Google.en-US-Standard-A": 4500, "alice": 4096}


@pytest.mark.parametrize(("voice", "most"), LONGEST.items(), ids=LONGEST)
def test_a_text_is_measured_by_its_voice(deploy: Any, bench: Any, voice: str, most: int) -> None:
    for letter, bytes_of_it in (("x", 1), ("é", 6)):
        steps = f"[{{ say: {{ text: '{letter}'.repeat(6000), voice: '{voice}' }} }}, 'hangup']"
        said = deploy(*after(f"() => {steps}")).post(complete(bench)).find("Say").text
        assert len(said) <= min(most, 4500 // bytes_of_it)
        assert len(said) >= min(most, 4500 // bytes_of_it) * 0.85


def test_a_hook_step_with_two_keys_is_refused(deploy: Any, bench: Any) -> None:
    answer = deploy(*after("() => [{ say: 'Hi.', send: 'support' }]")).post(complete(bench))
    assert answer.find("Dial/Sip") is not None
    assert answer.level("hook.bad_steps") == "error"


def test_a_hook_is_not_asked_again_after_a_failure(deploy: Any, bench: Any) -> None:
    throwing = "exports.add = () => { throw new Error(); };\n"
    files = {"templates/functions/lib/destinations.private.js.j2": throwing}
    config, hook = after("() => { asked += 1; return [{ say: `asked ${asked}` }, { send: 'support' }]; }")
    functions = deploy({**config, "templates": "./templates", "outcomes": {"failed": ["hangup"]}}, {**hook, **files})
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Hangup"]
    assert answer.level("failed") == "error"


def test_a_module_that_does_not_exist_is_named(deploy: Any) -> None:
    mine = "const lib = require(Runtime.getFunctions()['{{ lib }}/modules'].path);\n" + (
        "exports.handler = lib.answer.serve(async () => lib.stpes.perform());\n"
    )
    functions = deploy({"templates": "./templates"}, files={"templates/functions/engage.js.j2": mine})
    answer = functions.post("/engage")
    assert answer.event("module.missing")["module"] == "lib/stpes"
    assert answer.verbs == ["Say", "Dial"]
